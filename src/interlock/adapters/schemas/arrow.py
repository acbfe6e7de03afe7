"""Arrow schemas to a Contract of one table and back: an IPC schema message, or the schema of a Parquet or IPC file.

Fields are read as required; null where Arrow says nullable. What Arrow has no place for is carried in the schema's
metadata under `interlock`. Source: Arrow Columnar Format, "Data Types"; Schema.fbs.
"""

from __future__ import annotations

import json
from typing import Any, Final

from interlock.domain.schemas.contract import Contract, Object
from interlock.domain.schemas.fault import SchemaUnreadable
from interlock.domain.schemas.field import (
    Bool,
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
    String,
    Struct,
    Tensor,
    Time,
    Timestamp,
    TimeUnit,
    Type,
)
from interlock.domain.schemas.formats.form import Format
from interlock.domain.schemas.formats.notes import ELEMENT, VALUE, Notes, Path, name_of, unique_fields
from interlock.kernel.errors import Unavailable

ASIDE: Final = "interlock"
_NAME: Final = b"interlock.name"
_UNITS: dict[str, TimeUnit] = {"s": "s", "ms": "ms", "us": "us", "ns": "ns"}


class ArrowMissing(Unavailable):
    """Arrow's library is not installed."""

    code = "data.arrow_missing"


def _arrow() -> Any:
    try:
        import pyarrow
    except ModuleNotFoundError as error:
        remedy = "Install it with: pip install 'interlock[data]'"
        raise ArrowMissing("Arrow schemas are read with pyarrow, which is not installed", remedy=remedy) from error
    return pyarrow


def parse(content: bytes, source: str) -> dict[str, Any]:
    """`schema`: the Arrow schema, and what is carried aside. SchemaUnreadable."""
    arrow = _arrow()
    from pyarrow import ipc, parquet

    try:
        if content[:4] == b"PAR1":
            schema = parquet.read_schema(arrow.BufferReader(content))
        elif content[:6] == b"ARROW1":
            schema = ipc.open_file(arrow.BufferReader(content)).schema
        else:
            schema = ipc.read_schema(arrow.BufferReader(content))
    except (arrow.ArrowException, OSError, ValueError) as error:
        says = f"this is no Arrow schema and no Parquet file: {str(error).splitlines()[0][:200]}"
        raise SchemaUnreadable(says, where=source) from error
    document: dict[str, Any] = {"schema": schema}
    if aside := (schema.metadata or {}).get(ASIDE.encode()):
        document[ASIDE] = _loaded(aside, source)
    return document


def _loaded(aside: bytes, source: str) -> Any:
    try:
        return json.loads(aside)
    except (ValueError, RecursionError) as error:
        raise SchemaUnreadable("what is carried aside is no JSON", where=source) from error


def read(document: Any, notes: Notes) -> Contract:
    """The contract of the schema's table. `notes` has what could not be held."""
    schema = document["schema"]
    title = (schema.metadata or {}).get(_NAME, b"").decode(errors="replace")
    fields = unique_fields((_field(f, (f.name,), notes) for f in schema), (), notes)
    name = name_of(title)
    return Contract(name, "", (Object(name, fields),))


def _field(found: Any, path: Path, notes: Notes) -> Field:
    notes.enter(path)
    return Field(found.name, _type(found.type, path, notes), nullable=found.nullable)


def _type(found: Any, path: Path, notes: Notes) -> Type:
    arrow = _arrow()
    ask = arrow.types
    if ask.is_list(found) or ask.is_large_list(found) or ask.is_fixed_size_list(found):
        if ask.is_fixed_size_list(found):
            notes.tell("fixed_list", path, f"has exactly {found.list_size} elements; any number is read")
        return List(_named(found.value_field, "element", (*path, ELEMENT), notes))
    if ask.is_map(found):
        if not (ask.is_string(found.key_type) or ask.is_large_string(found.key_type)):
            notes.tell("map_key", path, f"has keys of {found.key_type}; read as text")
        return Map(_named(found.item_field, "value", (*path, VALUE), notes))
    if ask.is_struct(found):
        inner = (_field(f, (*path, f.name), notes) for f in found)
        return Struct(unique_fields(inner, path, notes), is_open=False)
    if ask.is_dictionary(found):
        return _type(found.value_type, path, notes)
    if ask.is_decimal(found) and (found.precision > 38 or found.scale < 0):
        notes.tell("decimal_not_held", path, f"is {found}; read as a number")
        return Number()
    for is_one, make in _SIMPLE:
        if getattr(ask, is_one)(found):
            made: Type = make(found)
            return made
    notes.tell("type_not_held", path, f"is {found}; read as json")
    return Json()


def _named(found: Any, name: str, path: Path, notes: Notes) -> Field:
    notes.enter(path)
    return Field(name, _type(found.type, path, notes), nullable=found.nullable)


_SIMPLE: tuple[tuple[str, Any], ...] = (
    ("is_boolean", lambda _: Bool()),
    ("is_integer", lambda t: Int(t.bit_width, not str(t).startswith("u"))),
    ("is_floating", lambda t: Float(t.bit_width)),
    ("is_decimal", lambda t: Decimal(t.precision, t.scale)),
    ("is_string", lambda _: String()),
    ("is_large_string", lambda _: String()),
    ("is_string_view", lambda _: String()),
    ("is_fixed_size_binary", lambda t: Bytes(t.byte_width)),
    ("is_binary", lambda _: Bytes()),
    ("is_large_binary", lambda _: Bytes()),
    ("is_binary_view", lambda _: Bytes()),
    ("is_date", lambda _: Date()),
    ("is_time", lambda t: Time(_UNITS[t.unit])),
    ("is_timestamp", lambda t: Timestamp(_UNITS[t.unit], t.tz is not None)),
    ("is_duration", lambda t: Duration(_UNITS[t.unit])),
)


def write(contract: Contract) -> dict[str, Any]:
    """`schema`: the Arrow schema of the contract's record."""
    arrow = _arrow()
    fields = [arrow.field(f.name, arrow_type_of(f.type), nullable=f.nullable) for f in contract.record.fields]
    return {"schema": arrow.schema(fields, metadata={_NAME: contract.name.encode()})}


def arrow_type_of(one: Type) -> Any:
    """The Arrow type that holds values of the type."""
    arrow = _arrow()
    match one:
        case List(element=inner):
            return arrow.list_(arrow.field("element", arrow_type_of(inner.type), nullable=inner.nullable))
        case Map(value=inner):
            return arrow.map_(
                arrow.string(), arrow.field("value", arrow_type_of(inner.type), nullable=inner.nullable)
            )
        case Struct(fields=fields):
            return arrow.struct([arrow.field(f.name, arrow_type_of(f.type), nullable=f.nullable) for f in fields])
        case Tensor(element=element, dims=dims):
            nested = arrow_type_of(element)
            for _ in dims:
                nested = arrow.list_(arrow.field("element", nested, nullable=False))
            return nested
        case Decimal(precision=precision, scale=scale):
            return arrow.decimal128(precision, scale)
        case Int(bits=bits, is_signed=is_signed):
            return getattr(arrow, f"{'' if is_signed else 'u'}int{bits or 64}")()
        case Float(bits=bits):
            return {16: arrow.float16, 32: arrow.float32, 64: arrow.float64}[bits]()
        case Bytes(size=size):
            return arrow.binary(size or -1)
        case Time(unit=unit):
            return arrow.time32(unit) if unit in ("s", "ms") else arrow.time64(unit)
        case Timestamp(unit=unit, is_zoned=is_zoned):
            return arrow.timestamp(unit, tz="UTC" if is_zoned else None)
        case Duration(unit=unit):
            return arrow.duration(unit)
        case Bool():
            return arrow.bool_()
        case Number():
            return arrow.float64()
        case Date():
            return arrow.date32()
        case String() | Json():
            return arrow.string()


def render(document: Any) -> bytes:
    """The IPC schema message, with what is carried aside in its metadata."""
    schema = document["schema"]
    if ASIDE in document:
        aside = json.dumps(document[ASIDE], ensure_ascii=False).encode()
        schema = schema.with_metadata({**(schema.metadata or {}), ASIDE.encode(): aside})
    return bytes(schema.serialize())


FORMAT: Final = Format("arrow", "Arrow", (".arrow",), parse, read, write, render, ASIDE)
