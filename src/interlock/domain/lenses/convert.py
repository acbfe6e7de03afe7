"""What it takes to make the values of a field those of another: the ops, as a draft has them.

What the two contracts state by themselves (types, units, objects) is no guess; what is concluded from names and
data is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from interlock.domain.lenses.apply import CASTS
from interlock.domain.lenses.expressions.write import quoted
from interlock.domain.lenses.guess import Entry, Guess
from interlock.domain.lenses.labels import paired
from interlock.domain.lenses.profile import SMALL, Profile, overlap
from interlock.domain.lenses.units import conversion
from interlock.domain.schemas.diff import beyond, shown
from interlock.domain.schemas.field import Date, Field, Float, Int, List, Number, Scalar, String, Struct

_TEXTS = ((String, Date), (Date, String))
Inside = Callable[[tuple[Field, ...], tuple[Field, ...]], tuple[Entry, ...]]
"""Drafts the inside of an object, from its older and its newer fields."""


@dataclass(frozen=True, slots=True)
class Converted:
    """A field of the older version that is to become one of the newer. unit: what its numbers convert from and to,
    empty when they stay; why: what says so.
    """

    older: Field
    newer: Field
    older_profile: Profile | None = None
    newer_profile: Profile | None = None
    unit: tuple[str, str] = ("", "")
    why: str = ""


def is_convertible(older: Field, newer: Field) -> bool:
    """Whether some op or none makes values of the one values of the other."""
    match older.type, newer.type:
        case List(one), List(other):
            return is_convertible(one, other) if one.kind == other.kind else False
        case List(one), _:
            return newer.kind != "object" and is_convertible(one, newer)
        case _, List(other):
            return older.kind != "object" and is_convertible(older, other)
    pair = (older.kind, newer.kind)
    return (
        older.kind == newer.kind
        or pair in CASTS
        or _are_dates(older, newer)
        or bool(_values(older) and _values(newer))
    )


def _are_dates(older: Field, newer: Field) -> bool:
    """Whether the one is a date and the other text, of types that expressions have."""
    return (type(older.type), type(newer.type)) in _TEXTS


def conversions(asked: Converted, inside: Inside) -> tuple[Entry, ...]:
    """The ops on the field, by its newer name."""
    return tuple(_conversions(asked, inside))


def _conversions(asked: Converted, inside: Inside) -> Iterator[Entry]:
    older, newer, name = asked.older, asked.newer, asked.newer.name
    match older.type, newer.type:
        case Struct(fields), Struct(wanted):
            if inner := inside(fields, wanted):
                yield Entry({"in": {"field": name}}, None, inner)
        case List(Field(type=Struct(fields))), List(Field(type=Struct(wanted))):
            if inner := inside(fields, wanted):
                yield Entry({"each": {"field": name}}, None, inner)
        case List(), List():
            pass
        case List(element), _:
            yield Entry({"head": {"field": name}}, Guess(0.6, ("a list becomes one value: its first",)))
            yield from _conversions(replace(asked, older=replace(element, nullable=True)), inside)
        case _, List(element):
            yield from _conversions(replace(asked, newer=replace(element, name=name)), inside)
            yield Entry({"wrap": {"field": name}}, Guess(0.8, ("one value becomes a list",)))
        case _:
            yield from _of_scalar(asked)


def _of_scalar(asked: Converted) -> Iterator[Entry]:
    older, newer = asked.older, asked.newer
    if (mapped := _map(asked)) is not None:
        yield mapped
    else:
        yield from _numbers(asked)
        if _are_dates(older, newer):
            yield _dates(newer.name, newer.kind == "date")
    if older.nullable and not newer.nullable and newer.default and newer.default[0] is not None:
        why = "null has no place in the newer version; its default stands in"
        yield Entry({"fill": {"field": newer.name, "value": newer.default[0]}}, Guess(0.6, (why,)))


def _numbers(asked: Converted) -> Iterator[Entry]:
    older, newer, name = asked.older, asked.newer, asked.newer.name
    cast = {"cast": {"field": name, "from": older.kind, "to": newer.kind}}
    is_cast = older.kind != newer.kind and (older.kind, newer.kind) in CASTS
    found = conversion(*asked.unit) if asked.unit[0] != asked.unit[1] else None
    if found is None or newer.kind not in ("integer", "number"):
        if is_cast:
            yield Entry(cast)
        return
    guess = None if older.unit and newer.unit else Guess(0.7, (asked.why or "the names tell units",))
    is_float = isinstance(newer.type, Float | Number)
    if isinstance(older.type, Int) and is_float and found[0].denominator != 1:
        yield Entry({"split": _rounded_back(name, *found)}, guess)
        return
    if is_cast and older.kind != "number":  # a unit op rounds numbers to whole ones by itself
        yield Entry(cast)
    whole = {"integer": True} if newer.kind == "integer" else {}
    yield Entry({"unit": {"field": name, "from": asked.unit[0], "to": asked.unit[1], **whole}}, guess)


def _rounded_back(name: str, factor: Fraction, offset: Fraction) -> Mapping[str, Any]:
    """Whole numbers that become fractions, and whole again on the way back: a unit op would leave the last bits."""
    one, ratio, shift = quoted(name), float(factor), float(offset)
    there = f"{one} * {ratio!r}" + (f" + {shift!r}" if shift else "")
    back = f"({one} - {shift!r})" if shift else one
    return {"field": name, "into": {name: there}, "merge": f"round_half_even({back} / {ratio!r})"}


def _dates(name: str, is_date: bool) -> Entry:
    one = quoted(name)
    there, back = ("DATE", "TEXT") if is_date else ("TEXT", "DATE")
    body = {"field": name, "into": {name: f"CAST({one} AS {there})"}, "merge": f"CAST({one} AS {back})"}
    return Entry({"split": body}, Guess(0.7, ("text of the form YYYY-MM-DD is a date",)))


def _values(one: Field, profile: Profile | None = None) -> tuple[Scalar, ...]:
    """Every value that the field may have, or has in the data, without null; none when they are not few."""
    if one.enum:
        return tuple(v for v in one.enum if v is not None)
    if one.kind == "boolean":
        return (True, False)
    if one.kind == "string" and profile is not None and 0 < profile.distinct <= SMALL:
        return tuple(value for value, _ in profile.values)
    return ()


def _map(asked: Converted) -> Entry | None:
    """The table of values, where the newer version lists other ones or the data has other ones."""
    older, newer = asked.older, asked.newer
    sources, targets = _values(older, asked.older_profile), _values(newer, asked.newer_profile)
    if not sources or not targets or (older.kind == newer.kind and not beyond(sources, targets)):
        return None
    is_declared = bool(older.enum or newer.enum or older.kind != newer.kind)
    if not is_declared and not _is_relabelled(asked):
        return None
    shares = [dict(one.values) if one else {} for one in (asked.older_profile, asked.newer_profile)]
    found = paired(sources, targets, (_labels(older), _labels(newer)), (shares[0], shares[1]))
    if not found.pairs:
        return None
    missing = [f"no counterpart for {shown(found.left)}"] if found.left else []
    guess = Guess(min(0.99, round(found.confidence, 2)), (*found.reasons, *missing))
    if all(isinstance(source, str) for source, _ in found.pairs):
        return Entry({"map": {"field": newer.name, "values": {str(k): v for k, v in found.pairs}}}, guess)
    return Entry({"map": {"field": newer.name, "pairs": [list(pair) for pair in found.pairs]}}, guess)


def _is_relabelled(asked: Converted) -> bool:
    """Whether the data has few values, as many on both sides, and hardly one in common."""
    one, other = asked.older_profile, asked.newer_profile
    if one is None or other is None or one.distinct != other.distinct or one.distinct > SMALL:
        return False
    return overlap(one.values, other.values) < 0.1


def _labels(one: Field) -> Mapping[Scalar, str]:
    return dict(zip(one.enum, one.enum_labels, strict=False)) if one.enum_labels else {}
