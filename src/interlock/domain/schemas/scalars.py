"""JSON scalars as every language sees them: `true` is never 1, and 1 and 1.0 are the same number."""

from __future__ import annotations

import math
from typing import Any


def double(value: Any) -> float | None:
    """`value` as a finite IEEE 754 double, or None when it is no number or beyond a double's range."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def json_type(value: Any) -> str:
    """The JSON type's name, `integer` being a number without a fraction."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case int():
            return "integer"
        case float():
            return "integer" if value.is_integer() else "number"
        case list() | tuple():
            return "array"
        case _:
            return "object"


def identity(value: Any) -> tuple[str, Any]:
    """A hashable key that is equal exactly for equal JSON scalars; numbers compare as doubles."""
    match value:
        case None | bool() | str():
            return (json_type(value), value)
        case int() | float():
            number = double(value)
            return ("number", number) if number is not None else ("beyond", str(value))
        case _:
            return ("compound", id(value))


def equal_json(left: Any, right: Any) -> bool:
    """Whether two JSON values are the same; the order of keys does not count, integers compare exactly."""
    match left, right:
        case (dict(), dict()) | (list(), list()) if left is right:  # however deep it is
            return True
        case (dict(), dict()):
            return left.keys() == right.keys() and all(equal_json(v, right[k]) for k, v in left.items())
        case (list(), list()):
            return len(left) == len(right) and all(map(equal_json, left, right))
        case _:
            return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def depth(value: Any) -> int:
    """How many objects and arrays are around the innermost value: 0 for a scalar, 1 for a flat record. Level by
    level, as no recursion goes as deep as what strangers send.
    """
    found, level = 0, [value]
    while level := [one for one in level if isinstance(one, dict | list)]:
        found += 1
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    return found
