"""Records that a contract allows, made from it alone: to try a lens on, and to show a person what it does.

The first one is the most ordinary: everything is there, nothing is null. The others go through each field's values
in turn, at different paces, so that every value comes and many pairs do: bounds, listed values, nulls, fields that
are not there, empty lists. The same contract gives the same records always.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from interlock.domain.lenses.returned import ABSENT
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
    Type,
)
from interlock.domain.schemas.values import misfits

_MOST_VALUES = 16
_TELLING = 20
"""Patterns are tried on texts of so many characters at most: some take for ever on long ones."""

_INTEGERS = (7, 1, 0, 2, 59, 60, 100, 1440, -1, -15, 12_345, 999_999, 10**12)
_NUMBERS = (2.5, 0.0, 0.1, 98.6, -40.0, 1 / 3, 1e-3, 123_456.75, 1e9)
_TEXTS = (
    *("N14228", "AB", "a", "12", "first last", "EWR-IAH", "007", "A-b c", "", "true", "é", "X1Y2-3", "abc.def"),
    *("2013-01-01", "a@example.org", "https://example.org/a", "123e4567-e89b-12d3-a456-426614174000", "ABC", "1.5"),
)
_DATES = ("2013-01-31", "2024-02-29", "1970-01-01", "1999-12-31")
_TIMES = ("05:15:00", "00:00:00", "23:59:59")
_DAYS_S = ("PT90S", "P1D", "PT0S")


def instances(fields: tuple[Field, ...], number: int) -> Iterator[dict[str, Any]]:
    """At most `number` records that differ; fewer when there are no more, none when a field has no known value."""
    values = [(one.name, _field_values(one)) for one in fields]
    if any(not found for _, found in values):
        return
    seen: set[str] = set()
    for turn in range(4 * number):
        record = {name: found[_chosen(turn, place, len(found))] for place, (name, found) in enumerate(values)}
        made = {name: value for name, value in record.items() if value is not ABSENT}
        if repr(made) not in seen:
            seen.add(repr(made))
            yield made
        if len(seen) >= number:
            return


def without_values(fields: tuple[Field, ...]) -> tuple[str, ...]:
    """The fields for which no value could be made up."""
    return tuple(one.name for one in fields if not _field_values(one))


def _chosen(turn: int, place: int, count: int) -> int:
    """Which value of a field in which turn: all first ones at first, then each field at its own pace."""
    return (turn * (place % 7 + 1) + (turn * turn // (place + 2) if turn > count else 0)) % count


def _field_values(one: Field) -> tuple[Any, ...]:
    """Ordinary values first, then null and absence where they are allowed."""
    found = list(islice(_fitting(one), _MOST_VALUES))
    if one.nullable and None not in found:
        found.append(None)
    if not one.required:
        found.append(ABSENT)
    return tuple(found)


def _fitting(one: Field) -> Iterator[Any]:
    seen: set[str] = set()
    for value in _candidates(one):
        if value is None or repr(value) in seen or any(misfits(value, one, matches=_matches)):
            continue
        seen.add(repr(value))
        yield value


def _matches(pattern: str, text: str) -> bool:
    try:
        return len(text) <= _TELLING and re.search(pattern, text) is not None
    except re.error:
        return True


def _candidates(one: Field) -> Iterable[Any]:
    if one.enum:
        return one.enum
    return [*_of_type(one.type, one), *one.default]


def _of_type(kind: Type, one: Field) -> Iterable[Any]:
    match kind:
        case Struct(fields):
            return instances(fields, _MOST_VALUES)
        case List(element):
            return _lists(element, one)
        case Map(value):
            return [{"k": inner} for inner in islice(_fitting(value), 3)]
        case Json():
            return ({"a": 1}, "text", 3, [1, "b"])
        case Tensor(element, dims):
            return [_tensor(inner, dims) for inner in islice(_fitting(Field("element", element)), 3)]
        case _:
            return _scalars(kind, one)


def _scalars(kind: Type, one: Field) -> Iterable[Any]:
    match kind:
        case Bool():
            return (True, False)
        case Int():
            return (*_INTEGERS, *_bounds(one, whole=True))
        case Float() | Number() | Decimal():
            return (*_NUMBERS, *_INTEGERS[:4], *_bounds(one, whole=False))
        case String():
            return (*_TEXTS, *_padded(one))
        case Date():
            return _DATES
        case Time():
            return _TIMES
        case Timestamp(is_zoned=is_zoned):
            return [f"{day}T{time}{'Z' if is_zoned else ''}" for day in _DATES for time in _TIMES]
        case Duration():
            return _DAYS_S
        case Bytes(size):
            return ("A" * (-(-size // 3) * 4), "AAEC") if not size % 3 else ()
        case _:
            return ()


def _bounds(one: Field, whole: bool) -> Iterator[int | float]:
    low, high = one.minimum, one.maximum
    for end in (low, high, one.more_than, one.less_than):
        if end is not None:
            yield from (int(end), int(end) + 1, int(end) - 1) if whole else (float(end), end + 0.5, end - 0.5)
    if low is not None and high is not None:
        yield (int(low) + int(high)) // 2 if whole else (low + high) / 2


def _padded(one: Field) -> Iterator[str]:
    """Texts of the least and the greatest length."""
    for length in (one.min_length, one.max_length):
        if length is not None and length <= 1000:
            yield "x" * length
            yield "1" * length


def _lists(element: Field, one: Field) -> Iterator[list[Any]]:
    values = [value for value in _field_values(element) if value is not ABSENT]
    least = one.min_items or 0
    for length in (max(1, least), max(2, least), least, one.max_items or 3):
        if values and length <= 100:
            yield [values[place % len(values)] for place in range(length)]


def _tensor(value: Any, dims: tuple[int, ...]) -> Any:
    made = value
    for size in reversed(dims):
        made = [made] * (2 if size < 0 else size)
    return made
