"""Rows of Arrow tables as records that JSON can hold, and back, without loss.

A column has no absent values: null in a field that may be absent and may not be null is read as absent, and an
absent field is written as null. Dates, times and instants are counted in their units on the way, so that nothing is
rounded; in JSON they are text (RFC 3339, ISO 8601), bytes are base64, decimals of at most 15 digits are numbers and
others text.
"""

from __future__ import annotations

import base64
import datetime
import json
import math
import struct
from collections.abc import Callable, Collection, Iterable, Mapping
from decimal import Decimal as Exact
from typing import Any

from interlock.adapters.schemas.arrow import arrow_type_of
from interlock.domain.lenses.apply import EXACT_LIMIT, as_json
from interlock.domain.schemas.describe import described
from interlock.domain.schemas.field import (
    Bytes,
    Date,
    Decimal,
    Duration,
    Field,
    Float,
    Int,
    Json,
    List,
    Map,
    Number,
    Struct,
    Time,
    Timestamp,
    Type,
)
from interlock.domain.schemas.ranges import FIRST_DAY, UNIT_NS, held
from interlock.domain.schemas.values import counted
from interlock.kernel.errors import Invalid

Record = dict[str, Any]
Change = Callable[[Any], Any]
_EPOCH = datetime.datetime(1970, 1, 1)
_US = 1000
_DAY_US = 86_400_000_000
_DIGITS = 38
_NUMBERS = Int | Float | Number | Decimal
_CYCLE_DAYS = 146_097  # of the Gregorian calendar: 400 years


class DataUnreadable(Invalid):
    """A file or database cannot be read as what it is said to be."""

    code = "data.unreadable"


def arrow_type(one: Type, is_counted: bool = False) -> Any:
    """The Arrow type that holds values of the type; is_counted: with numbers in place of dates and times."""
    import pyarrow as pa

    match one:
        case Date() if is_counted:
            return pa.int32()
        case Time(unit="s" | "ms") if is_counted:
            return pa.int32()
        case Time() | Timestamp() | Duration() if is_counted:
            return pa.int64()
        case List(element):
            return pa.list_(_inner(element, is_counted, "element"))
        case Map(value):
            return pa.map_(pa.string(), _inner(value, is_counted, "value"))
        case Struct(fields):
            return pa.struct([_inner(inner, is_counted) for inner in fields])
        case _:
            return arrow_type_of(one)


def _inner(one: Field, is_counted: bool, name: str = "") -> Any:
    """A field within another may always be null: Arrow casts a nullable one to no other."""
    import pyarrow as pa

    return pa.field(name or one.name, arrow_type(one.type, is_counted))


def arrow_schema(fields: Iterable[Field], is_counted: bool = False) -> Any:
    """The schema of a table of such rows; a field that may be absent may be null."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field(one.name, arrow_type(one.type, is_counted), nullable=one.nullable or not one.required)
            for one in fields
        ]
    )


def engine_type(found: Any, wanted: Type | None = None) -> Any:
    """The Arrow type `found` without the ways to encode it that engines do not know. Dates and times of a field are
    in its own unit (engines would cut off what is finer), and a column that never had a value is of its type.
    """
    import pyarrow as pa

    match found:
        case pa.DictionaryType():
            return engine_type(found.value_type, wanted)
        case pa.BaseExtensionType():
            return engine_type(found.storage_type, wanted)
        case pa.StructType():
            known = {one.name: one.type for one in wanted.fields} if isinstance(wanted, Struct) else {}
            return pa.struct([pa.field(one.name, engine_type(one.type, known.get(one.name))) for one in found])
        case pa.ListType() | pa.LargeListType() | pa.FixedSizeListType():
            element = wanted.element.type if isinstance(wanted, List) else None
            return pa.list_(pa.field("element", engine_type(found.value_type, element)))
        case pa.MapType():
            value = wanted.value.type if isinstance(wanted, Map) else None
            return pa.map_(engine_type(found.key_type), engine_type(found.item_type, value))
        case _ if wanted is not None and _counts_alike(found, wanted):
            return arrow_type(wanted)
        case _ if pa.types.is_decimal256(found) and found.precision <= _DIGITS:
            return pa.decimal128(found.precision, found.scale)
        case _ if pa.types.is_fixed_size_binary(found):
            return pa.binary()
        case _:
            return _encoded().get(str(found), found)


def _counts_alike(found: Any, wanted: Type) -> bool:
    """Whether the Arrow type counts what the field's does, or nothing at all."""
    from pyarrow import types

    asks = {
        "date": types.is_date,
        "time": types.is_time,
        "timestamp": types.is_timestamp,
        "duration": types.is_duration,
    }
    return types.is_null(found) or (wanted.kind in asks and asks[wanted.kind](found))


def _encoded() -> dict[str, Any]:
    import pyarrow as pa

    return {
        "large_string": pa.string(),
        "string_view": pa.string(),
        "large_binary": pa.binary(),
        "binary_view": pa.binary(),
        "halffloat": pa.float32(),
        "date64[ms]": pa.date32(),
    }


def engine_table(table: Any, fields: Iterable[Field]) -> Any:
    """The Arrow table in types that engines know (`engine_type`). DataUnreadable for dates and times that are finer
    than their field, or beyond the years 0 to 9999.
    """
    known = {one.name: one.type for one in fields}
    for place, found in enumerate(table.schema):
        wanted = known.get(found.name)
        to = engine_type(found.type, wanted)
        column = table.column(place)
        if to != found.type:
            column = _cast(column, to, found.name, wanted)
            table = table.set_column(place, found.name, column)
        if isinstance(wanted, Date | Timestamp) and _is_beyond(column, wanted):
            raise _unheld(found.name, wanted)
    return table


def _cast(column: Any, to: Any, name: str, wanted: Type | None) -> Any:
    import pyarrow as pa

    try:
        return column.cast(to)
    except pa.ArrowException as error:
        raise _unheld(name, wanted) from error


def _unheld(name: str, wanted: Type | None) -> DataUnreadable:
    says = f"the column `{name}` has a value that {described(wanted) if wanted else 'no engine'} does not hold"
    return DataUnreadable(says, remedy="Correct the contract, or the column.")


def _is_beyond(column: Any, wanted: Date | Timestamp) -> bool:
    import pyarrow as pa
    from pyarrow import compute

    if column.type != arrow_type(wanted):
        return False
    ends = compute.min_max(column.cast(pa.int32() if isinstance(wanted, Date) else pa.int64())).as_py()
    limits = held(wanted)
    return ends["min"] is not None and (ends["min"] < limits.low or ends["max"] > limits.high)


def records_of(table: Any, fields: tuple[Field, ...]) -> list[Record]:
    """The rows of an Arrow table whose columns are of the fields' types, moments also in other units; other columns
    stay as they are, and so do numbers of a column that has some beyond its field. What is no finite number is
    null. DataUnreadable for moments that are finer than the field.
    """
    known = {one.name: one.type for one in fields}
    mixed = set()
    for place, name in enumerate(table.column_names):
        if name in known:
            column = _counting(table.column(place), name, known[name])
            table = table.set_column(place, name, column)
            if isinstance(known[name], _NUMBERS) and column.type != arrow_type(known[name]):
                mixed.add(name)
    change = _object_from(fields, mixed)
    try:
        return [change(row) for row in table.to_pylist()]
    except OverflowError as error:
        says = "a date is not of the years 0 to 9999"
        raise DataUnreadable(says, remedy="Correct the contract, or the column.") from error


def _counting(column: Any, name: str, one: Type) -> Any:
    """By way of the field's own type: the count of a moment is in the unit that its column has."""
    import pyarrow as pa

    is_rounded = isinstance(one, _NUMBERS) and pa.types.is_floating(column.type)
    if is_rounded or isinstance(one, Bytes):
        return column
    try:
        return _cast(_cast(column, arrow_type(one), name, one), arrow_type(one, is_counted=True), name, one)
    except DataUnreadable:
        if isinstance(one, _NUMBERS):
            return column
        raise


def _object_from(fields: tuple[Field, ...], mixed: Collection[str] = ()) -> Callable[[Record], Record]:
    """mixed: names of columns whose numbers are not those of their fields."""
    made = ((one.name, _finite(one.type) if one.name in mixed else _from(one.type)) for one in fields)
    changes = [(name, change) for name, change in made if change is not None]
    absent = [one.name for one in fields if not (one.required or one.nullable)]

    def run(row: Record) -> Record:
        for name, change in changes:
            if row.get(name) is not None:
                row[name] = change(row[name])
        for name in absent:
            if name in row and row[name] is None:
                del row[name]
        return row

    return run


def _from(one: Type) -> Change | None:
    """What a value that Arrow gives becomes in JSON; None when it stays."""
    match one:
        case Date():
            return lambda days: _moment(days * _DAY_US * _US)[:10]
        case Time(unit):
            return lambda count: _moment(count * UNIT_NS[unit])[11:]
        case Timestamp(unit, is_zoned):
            return lambda count: _moment(count * UNIT_NS[unit]) + "Z" * is_zoned
        case Duration(unit):
            return lambda count: _length(count * UNIT_NS[unit])
        case Decimal():
            return lambda value: as_json(value, one)
        case Float() | Number():
            return lambda value: value if math.isfinite(value) else None
        case Bytes():
            return lambda value: base64.b64encode(value).decode()
        case Json():
            return _loaded
        case Struct(fields):
            return _object_from(fields)
        case List(element):
            inner = _from(element.type)
            return None if inner is None else lambda values: [None if v is None else inner(v) for v in values]
        case Map(value):
            change = _from(value.type) or (lambda v: v)
            return lambda pairs: {k: None if v is None else change(v) for k, v in pairs}
        case _:
            return None


def _finite(one: Type) -> Change:
    """Null for what is no finite number. Floats in a column of integers are whole where they can be."""

    def change(value: Any) -> Any:
        if not isinstance(value, float):
            return as_json(value, one)
        if not math.isfinite(value):
            return None
        return int(value) if isinstance(one, Int) and value.is_integer() and abs(value) <= EXACT_LIMIT else value

    return change


def _loaded(text: Any) -> Any:
    """A column of JSON holds text; text that is no JSON stands for itself."""
    try:
        return json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return text


def _moment(ns: int) -> str:
    """Wall-clock time as ISO 8601 has it, with a fraction of no, six or nine digits. OverflowError beyond the years
    0 to 9999, of which Python does not know the first.
    """
    us, rest = divmod(ns, _US)
    is_first = FIRST_DAY * _DAY_US <= us < (FIRST_DAY + 366) * _DAY_US
    text = (_EPOCH + datetime.timedelta(days=_CYCLE_DAYS * is_first, microseconds=us)).isoformat()
    text = f"0000{text[4:]}" if is_first else text
    if not rest:
        return text
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction or '000000'}{rest:03d}"


def _length(ns: int) -> str:
    seconds, rest = divmod(abs(ns), UNIT_NS["s"])
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{'-' if ns < 0 else ''}PT{seconds}{fraction}S"


def table_of(records: Iterable[Mapping[str, Any]], fields: tuple[Field, ...]) -> Any:
    """The Arrow table of the records; fields that are not listed are left out. ValueError or pyarrow's own error
    when a value has no place in its column.
    """
    import pyarrow as pa

    change = _object_to(fields)
    counted_rows = pa.Table.from_pylist([change(one) for one in records], arrow_schema(fields, is_counted=True))
    return counted_rows.cast(arrow_schema(fields))


def _object_to(fields: tuple[Field, ...]) -> Callable[[Mapping[str, Any]], Record]:
    changes = [(one.name, made) for one in fields if (made := _to(one.type)) is not None]

    def run(record: Mapping[str, Any]) -> Record:
        row = dict(record)
        for name, change in changes:
            if row.get(name) is not None:
                row[name] = change(row[name])
        return row

    return run


def _to(one: Type) -> Change | None:
    match one:
        case Date() | Time() | Timestamp() | Duration():
            return lambda text: _counted(text, one)
        case Decimal():
            return lambda value: Exact(str(value))
        case Int():
            return _whole
        case Float(bits) if bits < 64:
            return lambda value: _double(value, "<f" if bits == 32 else "<e")
        case Float() | Number():
            return _double
        case Bytes():
            return lambda text: base64.b64decode(text, validate=True)
        case Json():
            return lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        case Struct(fields):
            return _object_to(fields)
        case List(element):
            inner = _to(element.type)
            return None if inner is None else lambda values: [None if v is None else inner(v) for v in values]
        case Map(value):
            change = _to(value.type) or (lambda v: v)
            return lambda pairs: [(k, None if v is None else change(v)) for k, v in pairs.items()]
        case _:
            return None


def _whole(value: Any) -> Any:
    """Arrow would cut a fraction off."""
    if not isinstance(value, float):
        return value
    if not value.is_integer():
        raise ValueError("no integer")
    return int(value)


def _double(value: Any, narrower: str = "") -> Any:
    """Arrow would round an integer that no double is, and make infinity of what a narrower float does not hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(value, int) and abs(value) > EXACT_LIMIT:
        raise ValueError("no double")
    if narrower:
        struct.pack(narrower, value)
    return float(value)


def _counted(text: Any, one: Type) -> int:
    count = counted(text, one)
    if count is None:
        raise ValueError(f"no {one.kind}")
    return count
