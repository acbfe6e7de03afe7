"""Logical types, their options and the custom property `interlock:type`, against the types of fields."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Any, Final

from interlock.domain.schemas.field import (
    ARRAY,
    BOOLEAN,
    DATE,
    STRING,
    TIMESTAMP,
    Bool,
    Bytes,
    Date,
    Decimal,
    Duration,
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
    Type,
)
from interlock.domain.schemas.ranges import FIRST_DAY, LAST_DAY, UNIT_NS

LOGICAL_TYPES: Final = (
    *("string", "date", "timestamp", "time", "number", "integer", "object", "array", "boolean", "map", "vector"),
)
INTEGER_FORMATS: Final[Mapping[str, Int]] = {
    f"{'i' if is_signed else 'u'}{bits}": Int(bits, is_signed)
    for bits in (8, 16, 32, 64)
    for is_signed in (True, False)
} | {"i128": Int(), "u128": Int(0, is_signed=False)}
NUMBER_FORMATS: Final[Mapping[str, Float]] = {"f32": Float(32), "f64": Float(64)}
VECTOR_ELEMENTS: Final[Mapping[str, Bool | Int | Float]] = {
    "binary": Bool(),
    "float16": Float(16),
    "float32": Float(32),
    "float64": Float(64),
    "int8": Int(8),
    "uint8": Int(8, is_signed=False),
    "bfloat16": Float(32),
}
"""A bfloat16 is a float32 with fewer digits."""

_DECIMAL = re.compile(
    r"(?:decimal|numeric|number)\s*\(\s*([0-9]{1,2})\s*(?:,\s*([0-9]{1,2})\s*)?\)", re.I | re.ASCII
)

OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "string": ("minLength", "maxLength", "pattern", "format"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "date": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "format"),
    "timestamp": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "format"),
    "time": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "format"),
    "array": ("minItems", "maxItems", "uniqueItems"),
}
"""Which constraints the standard has a place for, by logical type."""


def flat_type(logical: str, options: Mapping[str, Any], physical: str) -> Type:
    """The type that a logical type states by itself, its fields inside not looked at."""
    match logical, options.get("format"):
        case "integer", str(code) if code in INTEGER_FORMATS:
            return INTEGER_FORMATS[code]
        case "number", str(code) if code in NUMBER_FORMATS:
            return NUMBER_FORMATS[code]
        case "number", None:
            return _decimal(physical) or Number()
        case "timestamp", _:
            return TIMESTAMP if options.get("timezone", True) is not False else Timestamp(is_zoned=False)
        case "vector", _:
            element = VECTOR_ELEMENTS.get(str(options.get("elementType", "float32")), Float(32))
            dimensions = options.get("dimensions")
            return Tensor(element, (dimensions if isinstance(dimensions, int) else -1,))
        case _:
            return _PLAIN.get(logical, Json())


_PLAIN: Final[Mapping[str, Type]] = {
    "string": STRING,
    "date": DATE,
    "time": Time(),
    "number": Number(),
    "integer": Int(),
    "boolean": BOOLEAN,
    "object": Struct(),
    "array": ARRAY,
    "map": Map(ARRAY.element),
}


def _decimal(physical: str) -> Decimal | None:
    found = _DECIMAL.fullmatch(physical.strip())
    if not found:
        return None
    precision, scale = int(found[1]), int(found[2] or 0)
    return Decimal(precision, scale) if 1 <= precision <= 38 and scale <= precision else None


def logical_type(one: Type, has_new_types: bool) -> str:
    """The logical type closest to a type. `has_new_types`: maps and vectors came with v3.2."""
    match one:
        case Int():
            return "integer"
        case Float() | Number() | Decimal():
            return "number"
        case Bool():
            return "boolean"
        case String() | Bytes() | Duration():
            return "string"
        case Date() | Time() | Timestamp():
            return one.kind
        case Map():
            return "map" if has_new_types else "object"
        case Tensor(dims=(size,)) if has_new_types and size > 0 and one.element in VECTOR_ELEMENTS.values():
            return "vector"
        case List() | Tensor():
            return "array"
        case _:
            return "object"


def type_options(one: Type, logical: str) -> dict[str, Any]:
    """The options that belong to the type, not to the constraints."""
    match one:
        case Int():
            names = [name for name, known in INTEGER_FORMATS.items() if known == one and one.bits]
            return {"format": names[0]} if names else {}
        case Float():
            names = [name for name, known in NUMBER_FORMATS.items() if known == one]
            return {"format": names[0]} if names else {}
        case Timestamp(is_zoned=False):
            return {"timezone": False}
        case Tensor() if logical == "vector":
            name = next(name for name, known in VECTOR_ELEMENTS.items() if known == one.element)
            return {"dimensions": one.dims[0], "elementType": name}
        case _:
            return {}


def moment(count: int | float, one: Type) -> str | None:
    """The bound of a date or time as the standard's text; None when it cannot be written so."""
    if not isinstance(count, int):
        return None
    match one:
        case Date():
            return _day(count)
        case Time(unit=unit):
            clock = _clock(count * UNIT_NS[unit])
            return clock if 0 <= count * UNIT_NS[unit] < 86_400 * UNIT_NS["s"] else None
        case Timestamp(unit=unit, is_zoned=is_zoned):
            day, ns = divmod(count * UNIT_NS[unit], 86_400 * UNIT_NS["s"])
            text = _day(day)
            return f"{text}T{_clock(ns)}{'Z' if is_zoned else ''}" if text else None
        case _:
            return None


def _day(days: int) -> str | None:
    if not FIRST_DAY + 366 <= days <= LAST_DAY:
        return None
    return datetime.date.fromordinal(days + datetime.date(1970, 1, 1).toordinal()).isoformat()


def _clock(ns: int) -> str:
    seconds, rest = divmod(ns, UNIT_NS["s"])
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"
