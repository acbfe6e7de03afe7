"""Whether what a writer promises of a field's values implies what a reader demands of them.

Decided by intervals and sets. A pattern or a format is implied only by itself: whether one regular expression
contains another cannot be told in bounded time, so another one counts as not implied.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

from interlock.domain.schemas.diff import beyond, shown
from interlock.domain.schemas.field import Field, Int
from interlock.domain.schemas.ranges import Range, bounds, unit_ns, written
from interlock.domain.schemas.scalars import identity

Said = tuple[str, str, str]
"""Code, sentence, remedy."""


def unmet(wanted: Field, given: Field, name: str) -> Iterator[Said]:
    """Each demand of `wanted` on values that `given` does not promise. name: how the field is called in
    sentences.
    """
    yield from _enum(wanted, given, name)
    yield from _bounds(wanted, given, name)
    yield from _multiple(wanted, given, name)
    yield from _lengths(wanted, given, name)
    yield from _texts(wanted, given, name)
    yield from _items(wanted, given, name)


def _enum(wanted: Field, given: Field, name: str) -> Iterator[Said]:
    if not wanted.enum:
        return
    if not given.enum:
        says = f"`{name}` may be any value, and only {shown(wanted.enum)} are read"
        yield "enum_changed", says, "Translate it with a map in a lens."
    elif unknown := [value for value in beyond(given.enum, wanted.enum) if value is not None]:
        says = f"`{name}` may be {shown(unknown)}, which is not read"
        yield "enum_changed", says, "Keep every value, or translate it with a map in a lens."
    if given.enum and wanted.enum_labels and given.enum_labels:
        known = dict(zip(map(identity, wanted.enum), wanted.enum_labels, strict=False))
        for value, label in zip(given.enum, given.enum_labels, strict=False):
            if known.get(identity(value), label) != label:
                says = f"{shown((value,))} of `{name}` means {label!r} and is read as {known[identity(value)]!r}"
                yield "meaning_changed", says, "Give the new meaning a new value, or translate it with a map."


def _bounds(wanted: Field, given: Field, name: str) -> Iterator[Said]:
    limits, values = bounds(wanted), written(given)
    if not values.times(unit_ns(given.type)).is_within(limits.times(unit_ns(wanted.type))):
        says = f"`{name}` may be within {values}, and only values within {limits} are read"
        yield "bounds_changed", says, "Widen the reader's bounds first."


def _multiple(wanted: Field, given: Field, name: str) -> Iterator[Said]:
    if wanted.multiple_of is None:
        return
    step = _fraction(wanted.multiple_of)
    if given.multiple_of is not None and (_fraction(given.multiple_of) / step).denominator == 1:
        return
    if isinstance(given.type, Int) and (1 / step).denominator == 1:
        return
    numbers = [v for v in given.enum if isinstance(v, int | float) and not isinstance(v, bool)]
    if numbers and len(numbers) == len(given.enum) and all((_fraction(v) / step).denominator == 1 for v in numbers):
        return
    says = f"`{name}` may be no multiple of {wanted.multiple_of:.15g}, and only multiples are read"
    yield "multiple_changed", says, "Drop the reader's multipleOf first."


def _fraction(number: int | float) -> Fraction:
    """The decimal that a person wrote: 0.1 is a tenth."""
    return Fraction(str(number))


def _lengths(wanted: Field, given: Field, name: str) -> Iterator[Said]:
    demanded = Range(wanted.min_length or 0, math.inf if wanted.max_length is None else wanted.max_length)
    promised = Range(given.min_length or 0, math.inf if given.max_length is None else given.max_length)
    if texts := [len(value) for value in given.enum if isinstance(value, str)]:
        promised = promised.meet(Range(min(texts), max(texts)))
    if not promised.is_within(demanded):
        says = f"`{name}` may be {promised} characters long, and only {demanded} are read"
        yield "length_changed", says, "Widen the reader's lengths first."


def _texts(wanted: Field, given: Field, name: str) -> Iterator[Said]:
    if wanted.pattern and wanted.pattern != given.pattern:
        promised = _or_none(given.pattern)
        says = f"whether `{name}` matches {wanted.pattern!r} is not known: the writer promises {promised}"
        yield "pattern_changed", says, "Drop the reader's pattern, or write the same one."
    if wanted.format and wanted.format != given.format:
        says = f"`{name}` is read as {wanted.format!r}, and the writer promises {_or_none(given.format)}"
        yield "format_changed", says, "Drop the reader's format, or write the same one."


def _or_none(text: str) -> str:
    return repr(text) if text else "nothing of the kind"


def _items(wanted: Field, given: Field, name: str) -> Iterator[Said]:
    demanded = Range(wanted.min_items or 0, math.inf if wanted.max_items is None else wanted.max_items)
    promised = Range(given.min_items or 0, math.inf if given.max_items is None else given.max_items)
    if not promised.is_within(demanded):
        says = f"`{name}` may have {promised} items, and only {demanded} are read"
        yield "items_changed", says, "Widen the reader's number of items first."
    if wanted.has_unique_items and not (given.has_unique_items or promised.high <= 1):
        says = f"items of `{name}` may repeat, and only unique ones are read"
        yield "items_changed", says, "Let the reader accept repeated items first."
