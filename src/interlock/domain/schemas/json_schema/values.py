"""JSON values of any size and depth: which are equal, and exact numbers. Nothing here recurses.

Equality is JSON Schema's: 1 and 1.0 are equal, true and 1 are not, the order of an object's members does not
count (draft 2020-12 core, section 4.2.2).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


class NotJson(ValueError):
    """A value that JSON cannot write."""


class Interner:
    """Numbers equal values alike, so that comparing them afterwards takes one step.

    It keeps what it has seen alive, because it knows containers by their identity.
    """

    def __init__(self) -> None:
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._known: dict[int, int] = {}
        self._alive: list[object] = []
        self._with_references: set[int] = set()

    def refers(self, number: int) -> bool:
        """Whether the value holds a reference anywhere, so that equal texts may mean different schemas."""
        return number in self._with_references

    def number(self, value: object) -> int:
        """The number of `value`; NotJson for what JSON cannot write, cycles included."""
        open_: set[int] = set()
        stack: list[tuple[object, bool]] = [(value, False)]
        while stack:
            item, is_done = stack.pop()
            if isinstance(item, dict | list) and id(item) not in self._known:
                if is_done:
                    open_.discard(id(item))
                    self._close(item)
                    continue
                if id(item) in open_:
                    raise NotJson("a part of it contains itself")
                open_.add(id(item))
                stack.append((item, True))
                stack.extend((child, False) for child in _children(item))
            elif not isinstance(item, dict | list):
                scalar(item)
        return self._scalar_or_known(value)

    def _close(self, item: dict[str, Any] | list[Any]) -> None:
        if isinstance(item, dict):
            members = sorted((key, self._scalar_or_known(child)) for key, child in item.items())
            key: tuple[Any, ...] = ("o", *members)
            numbers = [number for _, number in members]
        else:
            numbers = [self._scalar_or_known(child) for child in item]
            key = ("a", *numbers)
        number = self._numbers.setdefault(key, len(self._numbers))
        is_reference = isinstance(item, dict) and any(name in item for name in _REFERENCES)
        if is_reference or any(child in self._with_references for child in numbers):
            self._with_references.add(number)
        self._known[id(item)] = number
        self._alive.append(item)

    def _scalar_or_known(self, value: object) -> int:
        if isinstance(value, dict | list):
            return self._known[id(value)]
        return self._numbers.setdefault(("s", *scalar(value)), len(self._numbers))


def _children(item: dict[str, Any] | list[Any]) -> Sequence[object]:
    if isinstance(item, list):
        return item
    if any(not isinstance(key, str) for key in item):
        raise NotJson("a key of an object is not text")
    return list(item.values())


def scalar(value: object) -> tuple[str, object]:
    """A key under which equal scalars are equal; NotJson for anything else."""
    match value:
        case None:
            return "null", None
        case bool():
            return "boolean", value
        case str():
            return "string", value
        case int():
            return "number", value
        case float() if math.isfinite(value):
            return "number", int(value) if value.is_integer() else value
        case _:
            raise NotJson(f"{value!r} is no JSON value")


def exact(number: int | float) -> Fraction:
    """The number that the machine compares with: floats are taken at their binary value."""
    return Fraction(number)


def written(number: int | float) -> Fraction:
    """The number as it is written: 0.1 is one tenth."""
    return Fraction(repr(number)) if isinstance(number, float) else Fraction(number)


def shown(value: object, limit: int = 60) -> str:
    """A value for a sentence, cut to about `limit` characters."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return '"' + (value if len(value) <= limit else value[:limit] + "...") + '"'
        case Fraction():
            return str(value.numerator) if value.denominator == 1 else f"{float(value):g}"
        case Mapping():
            return f"an object of {len(value)} members"
        case list():
            return f"an array of {len(value)}"
        case _:
            return str(value)[:limit]


def listed(values: Sequence[object], limit: int = 5) -> str:
    """Values for a sentence, at most `limit` of them."""
    rest = f" and {len(values) - limit} more" if len(values) > limit else ""
    return ", ".join(shown(value) for value in values[:limit]) + rest


def pointer(parent: str, *keys: str | int) -> str:
    """A JSON pointer below `parent` (RFC 6901)."""
    return parent + "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)
