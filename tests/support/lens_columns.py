"""Random lenses over columns of every plain type, awkward rows of them, and what the reference makes of each."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as Exact
from random import Random
from typing import Any

import ibis
import pyarrow as pa
from hypothesis import strategies as st

from interlock.adapters.schemas.compute import Engine, lacks
from interlock.adapters.schemas.lens_fit import COLUMN_MISFIT, column_type
from interlock.adapters.schemas.lens_tables import lens_table
from interlock.domain.lenses.apply import CASTS, Record, Rejected, apply, as_json
from interlock.domain.lenses.expressions.evaluate import bounded, to_decimal
from interlock.domain.lenses.ops import (
    Add,
    Blank,
    Cast,
    Computed,
    Drop,
    Fill,
    Map,
    Op,
    Program,
    Recombine,
    Rename,
    Scalar,
    Unit,
)
from interlock.domain.schemas.field import (
    BOOLEAN,
    NUMBER,
    STRING,
    Date,
    Decimal,
    Field,
    Float,
    Int,
    List,
    Number,
    Struct,
    Timestamp,
    Type,
)
from support.engines import Held
from support.expressions import FLOATS, INTS, TEXTS, random_expression

MONEY, INT64, ZONED, NAIVE = Decimal(9, 2), Int(64), Timestamp("us", True), Timestamp("us", False)
NUMBERED = Field("n", INT64)
FIELDS = (
    *(Field(name, INT64, nullable=True) for name in "ij"),
    Field("h", Int(16), required=False),
    *(Field(name, NUMBER, nullable=True) for name in "xy"),
    Field("f", Float(32), required=False),
    Field("s", STRING, nullable=True),
    Field("u", STRING, required=False),
    Field("t", STRING, required=False, nullable=True),
    Field("b", BOOLEAN, nullable=True),
    Field("d", Date(), nullable=True),
    Field("m", MONEY, nullable=True),
    Field("z", ZONED, nullable=True),
    Field("w", NAIVE, required=False),
)
_WITHOUT: Mapping[Engine, str] = {"sqlite": "mzw", "spark": "zw"}
"""Columns that the engine has no exact type for."""

DAYS = (date(2024, 2, 29), date(1, 1, 1), date(9999, 12, 31), date(1970, 1, 1))
MOMENTS = (
    datetime(2024, 2, 29, 23, 30),
    datetime(1969, 12, 31, 23, 59, 59, 999999),
    datetime(2024, 3, 31, 1, 59, 0, 1),
)
WORDS = (*TEXTS, "N/A", "x", "True", "+007", "٣", "1e3")
WHOLE = (*INTS, 10**15 - 1, 2**53 + 1, 2**63 - 1, -(2**63), -(10**15) + 1, 1, 0)
REAL = (
    *FLOATS,
    math.nan,
    math.inf,
    -math.inf,
    -0.0,
    5e-324,
    1.7976931348623157e308,
    3.5,
    1.0,
    12.34,
    9999999.99,
    2.0**52 + 1,
)


def fields_on(engine: Engine) -> tuple[Field, ...]:
    return tuple(one for one in FIELDS if one.name not in _WITHOUT.get(engine, ""))


# ---- rows


def random_columns(random: Random, fields: tuple[Field, ...], number: int) -> list[Record]:
    """Rows of a table, numbered by `n`."""
    return [{"n": n, **{one.name: _value(random, one) for one in fields}} for n in range(number)]


def _value(random: Random, one: Field) -> Any:
    if (one.nullable or not one.required) and random.random() < 0.15:
        return None
    is_awkward = random.random() < 0.6
    match one.type:
        case Int(bits):
            small = random.randint(-40, 40)
            return random.choice(WHOLE) if is_awkward and bits == 64 else small
        case Number():
            return random.choice(REAL) if is_awkward else random.randint(-4000, 4000) / 4
        case Float():
            [single] = struct.unpack("f", struct.pack("f", random.choice((0.1, -2.5, 3.0, 1e-40, math.nan, 1e30))))
            return single
        case Decimal():
            return Exact(random.randint(-9999, 9999) * random.choice((1, 100, 50))).scaleb(-2)
        case Date():
            return random.choice(DAYS)
        case Timestamp(is_zoned=is_zoned):
            moment = random.choice(MOMENTS) + timedelta(seconds=random.randint(0, 1))
            return moment.replace(tzinfo=UTC) if is_zoned else moment
    return random.random() < 0.5 if one.type == BOOLEAN else random.choice(WORDS)


def column_rows(fields: tuple[Field, ...]) -> st.SearchStrategy[list[Record]]:
    """Rows of a table with objects and lists of awkward values, as `lens_cases.contracts` has them."""
    rows = st.lists(_columns_of(Struct(fields)), min_size=1, max_size=12)
    return rows.map(lambda drawn: [{"n": n, **row} for n, row in enumerate(drawn)])


def _columns_of(one: Struct) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({f.name: _values_of(f) for f in one.fields})


def _values_of(one: Field) -> st.SearchStrategy[Any]:
    """NULL stands for what is absent, too."""
    match one.type:
        case Struct() as inner:
            there: st.SearchStrategy[Any] = _columns_of(inner)
        case List(element):
            there = st.lists(_values_of(element), max_size=3)
        case Int():
            there = st.sampled_from(WHOLE) | st.integers(-40, 40)
        case Number():
            there = st.sampled_from(REAL) | st.integers(-40, 40).map(lambda n: n / 4)
        case _:
            there = st.booleans() if one.type == BOOLEAN else st.sampled_from((*WORDS, "y", "7"))
    return st.none() | there if one.nullable or not one.required else there


def as_record(row: Mapping[str, Any], fields: tuple[Field, ...]) -> Record:
    """The row as JSON has it: NULL is null, or absent where the field may be absent and not null."""
    record = {one.name: _as_json(row[one.name], one.type) for one in fields}
    return {
        one.name: record[one.name] for one in fields if record[one.name] is not None or one.required or one.nullable
    }


def _as_json(value: Any, one: Type) -> Any:
    match value, one:
        case float(), _:
            return value if math.isfinite(value) else None
        case (dict(), Struct(fields)):
            return as_record(value, fields)
        case (list(), List(element)):
            return [_as_json(v, element.type) for v in value]
        case (Exact() | date(), _):
            return as_json(value, one)
        case _:
            return value


# ---- what the reference makes of it


class Misfit(Exception):
    """A value that the target's column does not hold; its field."""


def expected(program: Program, record: Record, target: tuple[Field, ...]) -> tuple[str, str] | Record:
    """The row of the target, or field and reason of the rejection."""
    try:
        return _row(apply(program, record), target, "")
    except Rejected as rejected:
        return rejected.field, rejected.reason
    except Misfit as misfit:
        return str(misfit), COLUMN_MISFIT


def _row(record: Record, fields: tuple[Field, ...], path: str) -> Record:
    return {one.name: _held(record.get(one.name), one, f"{path}{one.name}") for one in fields}


def _held(value: Any, one: Field, path: str) -> Any:
    """The value as a column of the field's type holds it."""
    if value is None:
        return None
    match one.type:
        case Struct(fields):
            return _row(value, fields, f"{path}.")
        case List(Field(type=Struct(fields))):
            return [None if v is None else _row(v, fields, f"{path}.") for v in value]
        case List(element):
            return [_held(v, element, f"{path}.{element.name}") for v in value]
        case _:
            found = _plain(value, one.type)
            if found is None:
                raise Misfit(path)
            return found


def _plain(value: Any, one: Type) -> Any:
    match one:
        case Int(bits):
            return int(value) if -(2 ** ((bits or 64) - 1)) <= value < 2 ** ((bits or 64) - 1) else None
        case Number() | Float():
            return None if isinstance(value, int) and abs(value) > 2**53 else float(value)
        case Decimal(precision, scale):
            return to_decimal(Exact(repr(value)), precision, scale)
        case Date() | Timestamp():
            return bounded(value, one)
        case _:
            return value


# ---- lenses

Kind = str
_KINDS: Mapping[str, Kind] = {
    **dict.fromkeys("ijh", "int"),
    **dict.fromkeys("xy", "float"),
    **dict.fromkeys("sut", "text"),
    "f": "single",
    "b": "bool",
    "d": "date",
    "m": "money",
    "z": "zoned",
    "w": "naive",
}
_TARGETS: Mapping[Kind, tuple[Type, ...]] = {
    "int": (INT64, Int(16), Int(0), NUMBER, MONEY),
    "float": (NUMBER, NUMBER, MONEY),
    "single": (Float(32), NUMBER),
    "text": (STRING,),
    "bool": (BOOLEAN,),
    "date": (Date(),),
    "money": (MONEY, Decimal(12, 3), NUMBER),
    "zoned": (ZONED,),
    "naive": (NAIVE,),
}
_CONSTANTS: Mapping[Kind, tuple[Scalar, ...]] = {
    "int": (0, 1, -1, 7, 2**53 - 1, 10**15),
    "float": (0.5, 2.5, -0.25, 1e300),
    "single": (0.5, 3.0),
    "text": ("", "x", "N/A", "é", "true"),
    "bool": (True, False),
    "date": ("2024-02-29", "1970-01-01"),
    "money": (0, 1.5, -12.25),
    "zoned": ("2024-02-29T23:30:00Z",),
    "naive": ("2024-02-29T23:30:00",),
}
_SOURCES: Mapping[Kind, str] = {
    "int": "integer",
    "float": "number",
    "text": "string",
    "bool": "boolean",
    "money": "number",
}
_CAST: Mapping[str, Kind] = {"integer": "int", "number": "float", "string": "text", "boolean": "bool"}
UNITS = (
    (60, 1, 0.0),
    (9, 5, 32.0),
    (-1, 3, 0.1),
    (1, 60, 0.0),
    (1609344, 1000, 0.0),
    (10**300, 1, 0.0),
    (1, 10**300, 0.0),
)


def random_lens(random: Random, engine: Engine, length: int = 6) -> tuple[Program, tuple[Field, ...]]:
    """A program over `fields_on(engine)` that the engine can run, and its target."""
    kinds = {one.name: _KINDS[one.name] for one in fields_on(engine)}
    program: list[Op] = []
    if random.random() < 0.7:
        program.append(_computing(random, engine, kinds))
    program.extend(_op(random, kinds, f"v{number}") for number in range(length))
    target = tuple(Field(name, random.choice(_on(engine, kind)), nullable=True) for name, kind in kinds.items())
    return tuple(program), target


def _on(engine: Engine, kind: Kind) -> tuple[Type, ...]:
    found = _TARGETS[kind]
    return tuple(one for one in found if engine != "sqlite" or not isinstance(one, Decimal))


def _computing(random: Random, engine: Engine, kinds: dict[str, Kind]) -> Op:
    """An op with expressions over the columns as they are."""
    while True:
        expr = random_expression(
            random, 2 if engine == "spark" else 3
        )  # it writes stages out, deep ones for minutes
        if lacks(expr, engine):
            continue
        made = {"Bool": "bool", "Int": "int", "Float": "float", "String": "text", "Date": "date"}.get(
            type(expr.type).__name__
        )
        if made is None:
            continue
        kinds["e"] = made
        if random.random() < 0.5:
            return Add("e", value=expr)
        gone = random.choice(sorted(set(kinds) - {"e"}))
        del kinds[gone]
        return Recombine((Computed(gone, expr),), (Computed("e", expr, random.random() < 0.5),))


def _op(random: Random, kinds: dict[str, Kind], fresh: str) -> Op:
    name = random.choice(sorted(kinds))
    kind = kinds[name]
    makers: list[Callable[[], Op]] = [
        lambda: _renamed(kinds, name, fresh),
        lambda: Fill(name, random.choice(_CONSTANTS[kind])),
        lambda: Blank(name, random.choice(_CONSTANTS[random.choice((kind, kind, "int", "text"))])),
        lambda: _added(random, kinds, fresh),
    ]
    if kind in ("int", "float", "money", "text"):
        makers += [lambda: _unit(random, kinds, name)] * 3
    makers += [lambda: _cast(random, kinds, name)] * 3
    makers += [lambda: _map(random, kinds, name)] * 2
    if len(kinds) > 6:
        makers.append(lambda: _dropped(kinds, name))
    return random.choice(makers)()


def _renamed(kinds: dict[str, Kind], name: str, fresh: str) -> Op:
    kinds[fresh] = kinds.pop(name)
    return Rename(name, fresh)


def _dropped(kinds: dict[str, Kind], name: str) -> Op:
    del kinds[name]
    return Drop(name)


def _added(random: Random, kinds: dict[str, Kind], fresh: str) -> Op:
    kinds[fresh] = random.choice(("int", "float", "text", "bool"))
    return Add(fresh, random.choice((None, *_CONSTANTS[kinds[fresh]])))


def _unit(random: Random, kinds: dict[str, Kind], name: str) -> Op:
    is_integer = random.random() < 0.5
    kinds[name] = "int" if is_integer else "float"
    return Unit(name, *random.choice(UNITS), is_integer)


def _cast(random: Random, kinds: dict[str, Kind], name: str) -> Op:
    """Mostly one for the column's own type; the others reject every value."""
    right = [
        one for one in CASTS if one[0] == _SOURCES.get(kinds[name]) or (one[0], kinds[name]) == ("integer", "float")
    ]
    source, target = random.choice(right) if right and random.random() < 0.9 else random.choice(tuple(CASTS))
    is_kept = (source, target) == ("integer", "number") and kinds[name] in ("money", "single")
    kinds[name] = kinds[name] if is_kept else _CAST[target]
    return Cast(name, source, target)


def _map(random: Random, kinds: dict[str, Kind], name: str) -> Op:
    to = random.choice(("int", "float", "text", "bool"))
    sources = list(_CONSTANTS[kinds[name]]) + random.sample((None, "x", 1, True), 2)
    pairs = tuple((source, random.choice((*_CONSTANTS[to], None))) for source in sources)
    fallback = (random.choice(_CONSTANTS[to]),) if random.random() < 0.7 else ()
    kinds[name] = to
    return Map(name, pairs, fallback)


# ---- comparing


def differences(
    held: Held, program: Program, source: tuple[Field, ...], target: tuple[Field, ...], rows: list[Record]
) -> list[tuple[Record, Any, Any]]:
    """Rows (with `n`) for which the engine gives another thing than the reference: record, expected, found."""
    return differences_of(held, loaded(held, source, rows), program, source, target, rows)


def loaded(held: Held, fields: tuple[Field, ...], rows: list[Record]) -> Any:
    """The table on the engine."""
    schema = ibis.schema({one.name: column_type(one.type, held.name) for one in (NUMBERED, *fields)})
    return held.load(pa.Table.from_pylist(rows, schema=schema.to_pyarrow()))


def differences_of(
    held: Held,
    table: Any,
    program: Program,
    source: tuple[Field, ...],
    target: tuple[Field, ...],
    rows: list[Record],
) -> list[tuple[Record, Any, Any]]:
    """`differences`, when the rows are loaded already."""
    made = lens_table(table, program, (NUMBERED, *source), (NUMBERED, *target), held.name)
    found: dict[int, Any] = {row["n"]: (row[made.field], row[made.reason]) for row in held.ask(made.rejected)}
    for row in held.ask(made.rows):
        assert row["n"] not in found, "a row is both accepted and rejected"
        assert list(row) == ["n", *(one.name for one in target)]
        found[row["n"]] = {one.name: _told(row[one.name], one, held.name) for one in target}
    wrong = []
    for row in rows:
        record = as_record(row, source)
        wanted = expected(program, record, target)
        if isinstance(wanted, dict):
            wanted = {one.name: _told(wanted[one.name], one, held.name) for one in target}
        if found.get(row["n"]) != wanted:
            wrong.append((record, wanted, found.get(row["n"])))
    return wrong


def _told(value: Any, one: Field, engine: Engine) -> Any:
    """A value in one form: floats by their bits, instants in UTC; SQLite has neither booleans nor dates."""
    match value, one.type:
        case None, _:
            return None
        case dict(), Struct(fields):
            return {f.name: _told(value[f.name], f, engine) for f in fields}
        case list(), List(element):
            return [_told(v, element, engine) for v in value]
        case _, Float(32):
            return struct.pack(">f", value)  # a driver may read it by its shortest decimal
        case _, Number() | Float():
            return struct.pack(">d", value + 0.0 if engine == "sqlite" else value)
        case datetime(), Timestamp(is_zoned=True):
            return value.astimezone(UTC).isoformat()
        case date(), _:
            return value.isoformat()
        case int(), _ if one.type == BOOLEAN:
            return bool(value)
        case Exact(), _:
            return value.normalize() + 0
        case _:
            return value
