"""Lenses in a person's words: what each op does there and back, and what becomes of one record."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, assert_never

from interlock.domain.lenses.apply import Rejected, compile_program
from interlock.domain.lenses.expressions.nodes import Expr
from interlock.domain.lenses.expressions.write import text_of
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import (
    Add,
    Blank,
    Cast,
    Computed,
    Drop,
    Each,
    Fill,
    Head,
    Inside,
    Map,
    Nest,
    Op,
    Program,
    Recombine,
    Rename,
    Scalar,
    Unit,
    Unnest,
    Wrap,
    title,
)
from interlock.domain.lenses.returned import changed_paths, ways
from interlock.domain.lenses.reverse import reversed_ops
from interlock.domain.lenses.trace import dotted, traces
from interlock.domain.schemas.diff import shown
from interlock.domain.schemas.field import Field

_MOST_PAIRS = 6


@dataclass(frozen=True, slots=True)
class Told:
    """One op: its number (`2`, `3.1` inside an object), what it is called, what it does there and back."""

    number: str
    op: str
    there: str
    back: str


@dataclass(frozen=True, slots=True)
class Line:
    """A field of a record on its way: JSON text, empty where it is not there. source, target: as the older and the
    newer version call it. is_changed: whether it came back as something else.
    """

    source: str
    target: str
    before: str
    after: str
    returned: str
    is_changed: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """A record's trip. rejected: why it did not arrive, or not come back; empty when it did."""

    before: Mapping[str, Any]
    after: Mapping[str, Any] | None
    returned: Mapping[str, Any] | None
    lines: tuple[Line, ...]
    rejected: str = ""


def explained(program: Program, at: str = "") -> Iterator[Told]:
    """Every op in words, those inside objects after the op that goes there."""
    backwards = tuple(reversed(reversed_ops(program)))
    for place, (op, back) in enumerate(zip(program, backwards, strict=True), start=1):
        yield Told(f"{at}{place}", title(op), _words(op), _words(back))
        if isinstance(op, Inside | Each):
            yield from explained(op.ops, f"{at}{place}.")


def _words(op: Op) -> str:
    match op:
        case Rename(source, target):
            return f"`{source}` is called `{target}`"
        case Add(field, default, value):
            return f"`{field}` is made: {_made(default, value)}"
        case Drop(field):
            return f"`{field}` is left out"
        case Cast(field, source, target):
            return f"`{field}` becomes {target} from {source}; what has no exact counterpart is rejected"
        case Unit():
            return f"`{op.field}` is {_factor(op)}"
        case Map(field, pairs, fallback):
            others = f"anything else becomes {shown(fallback)}" if fallback else "anything else is rejected"
            return f"`{field}`: {_pairs(pairs)}; {others}"
        case Recombine(whole, parts):
            made = ", ".join(f"`{one.field}` = {_formula(one)}" for one in parts)
            return f"{_names(tuple(one.field for one in whole))} is replaced: {made}"
        case Nest(fields, into):
            return f"{_names(fields)} move into a new object `{into}`"
        case Unnest(fields, source):
            return f"{_names(fields)} move out of `{source}`, which goes"
        case _:
            return _words_of_values(op)


def _words_of_values(op: Wrap | Head | Fill | Blank | Inside | Each) -> str:
    match op:
        case Wrap(field):
            return f"`{field}` becomes a list of one"
        case Head(field):
            return f"`{field}` becomes its first element, null when it is empty"
        case Fill(field, value):
            return f"`{field}`: null becomes {shown((value,))}"
        case Blank(field, value):
            return f"`{field}`: {shown((value,))} becomes null"
        case Inside(field):
            return f"in the object `{field}`:"
        case Each(field):
            return f"in every object of the list `{field}`:"
        case _:
            assert_never(op)


def _made(default: Scalar, value: Expr | None) -> str:
    return f"always {shown((default,))}" if value is None else text_of(value)


def _formula(one: Computed) -> str:
    return text_of(one.value) + (", else the record is rejected" if one.is_needed else "")


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _factor(op: Unit) -> str:
    ratio = Fraction(op.numerator, op.denominator)
    how = f"multiplied by {ratio.numerator}" if ratio.denominator == 1 else f"multiplied by {ratio}"
    if ratio.numerator == 1 and ratio.denominator != 1:
        how = f"divided by {ratio.denominator}"
    shift = f", then {abs(op.offset):.15g} is {'added' if op.offset > 0 else 'subtracted'}" if op.offset else ""
    return f"{how}{shift}{', rounded to a whole number' if op.integer else ''}"


def _pairs(pairs: tuple[tuple[Scalar, Scalar], ...]) -> str:
    told = [f"{shown((source,))} becomes {shown((target,))}" for source, target in pairs[:_MOST_PAIRS]]
    more = len(pairs) - _MOST_PAIRS
    return ", ".join(told) + (f" and {more} more" if more > 0 else "")


def tripped(lens: Lens, fields: tuple[Field, ...], record: Mapping[str, Any]) -> Shown:
    """What becomes of a record of the older version there, and of that on the way back."""
    try:
        after = compile_program(lens.ops)(record)
    except Rejected as why:
        return Shown(
            record, None, None, tuple(_lines(lens, fields, record, {}, {}, ())), f"rejected: {why.message}"
        )
    try:
        returned = compile_program(reversed_ops(lens.ops))(after)
    except Rejected as why:
        lines = tuple(_lines(lens, fields, record, after, {}, ()))
        return Shown(record, after, None, lines, f"rejected on the way back: {why.message}")
    changed = changed_paths(record, returned)
    return Shown(record, after, returned, tuple(_lines(lens, fields, record, after, returned, changed)))


def _lines(
    lens: Lens,
    fields: tuple[Field, ...],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    returned: Mapping[str, Any],
    changed: tuple[str, ...],
) -> Iterator[Line]:
    """The fields that the lens knows, in order of the older version, then those that it makes, then others."""
    ways = traces(lens.ops, fields)
    order = {one.name: place for place, one in enumerate(fields)}
    known = sorted((one for one in ways if one.source), key=lambda one: order.get((one.source or ("",))[0], 0))
    told: set[str] = set()
    for one in (*known, *(one for one in ways if one.source is None and one.target)):
        source, target = dotted(one.source or ()), dotted(one.target or ())
        told |= {(one.source or ("",))[0], (one.target or ("",))[0]}
        is_changed = any(source and (path == source or source.startswith(f"{path}.")) for path in changed)
        values = (_at(before, source), _at(after, target), _at(returned, source))
        yield Line(source, target, *values, is_changed)
    for name in before:
        if name not in told:
            values = (_at(before, name), _at(after, name), _at(returned, name))
            yield Line(name, name, *values, name in changed)


def _at(record: Any, path: str) -> str:
    """The JSON text of what stands at the path; of all of them in a list of objects."""
    if not path:
        return ""
    if isinstance(record, list):
        return ", ".join(_at(one, path) for one in record)
    if not isinstance(record, Mapping):
        return ""
    found = (
        _at(record[name], rest) if rest else json.dumps(record[name], ensure_ascii=False, default=str)
        for name, rest in ways(record, path)
    )
    return next(filter(None, found), "")
