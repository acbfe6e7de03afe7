"""Fields and types as plain JSON data and back.

What equals its default is left out, so that equal fields have equal data and a document stays small. Reading is
strict: whatever is no field or type is a ValueError, whose text is for people.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, cast

from interlock.domain.schemas.describe import described, type_named
from interlock.domain.schemas.field import Field, List, Map, Struct, Type

_DEFAULTS = {f.name: f.default for f in dataclasses.fields(Field) if f.default is not dataclasses.MISSING}
_TUPLES = tuple(name for name, default in _DEFAULTS.items() if isinstance(default, tuple))
_BOUNDS = ("minimum", "maximum", "more_than", "less_than", "multiple_of")
_COUNTS = ("min_length", "max_length", "min_items", "max_items")


def plain_field(one: Field) -> dict[str, Any]:
    """The field as JSON data."""
    told: dict[str, Any] = {"name": one.name, "type": plain_type(one.type)}
    for name, default in _DEFAULTS.items():
        value = getattr(one, name)
        if value != default:
            told[name] = list(value) if isinstance(value, tuple) else value
    return told


def field_of(told: Any) -> Field:
    """The field that `plain_field` wrote."""
    if not isinstance(told, Mapping) or not isinstance(told.get("name"), str):
        raise ValueError("a field has no name")
    given = {name: attribute_of(name, told[name]) for name in _DEFAULTS if name in told}
    return Field(told["name"], type_of(told.get("type")), **given)


def attribute_of(name: str, value: Any) -> Any:
    """The value of the attribute `name` of a field, from JSON data."""
    if name == "type":
        return type_of(value)
    if name in _TUPLES:
        return tuple(_scalar(v) for v in _list(value, name))
    if name in _BOUNDS or name in _COUNTS:
        is_number = isinstance(value, int | float if name in _BOUNDS else int) and not isinstance(value, bool)
        return _expect(value, value is None or is_number, f"`{name}` is {value!r}, which is no number")
    default = _DEFAULTS.get(name, "")
    return _expect(value, type(value) is type(default), f"`{name}` is {value!r}")


def plain_type(one: Type) -> Any:
    """The type as JSON data: its short text, or an object when there are fields inside."""
    match one:
        case List(element=inner):
            return {"list": plain_field(inner)}
        case Map(value=inner):
            return {"map": plain_field(inner)}
        case Struct(fields=fields, is_open=is_open):
            return {"struct": [plain_field(f) for f in fields], "is_open": is_open}
        case _:
            return described(one)


def type_of(told: Any) -> Type:
    """The type that `plain_type` wrote."""
    match told:
        case {"list": inner}:
            return List(field_of(inner))
        case {"map": inner}:
            return Map(field_of(inner))
        case {"struct": [*fields], "is_open": bool(is_open)}:
            return Struct(tuple(field_of(f) for f in fields), is_open)
        case str() if (found := type_named(told)) is not None:
            return found
        case _:
            raise ValueError(f"{str(told)[:80]!r} is no type")


def _scalar(value: Any) -> Any:
    return _expect(value, value is None or isinstance(value, str | int | float), f"{value!r} is no scalar")


def _list(value: Any, name: str) -> list[Any]:
    return cast(list[Any], _expect(value, isinstance(value, list), f"`{name}` is no list"))


def _expect(value: Any, fits: bool, says: str) -> Any:
    if not fits:
        raise ValueError(says)
    return value
