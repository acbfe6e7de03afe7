"""What the values of a field look like in a table, in a few figures; and whether two of them look like one field.

Figures of two tables never prove that columns are the same. They refute well, and they confirm as far as a
distribution is telling: that is said in logits, to be added to what names and types say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from interlock.domain.lenses.units import KNOWN_UNITS, conversion

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
"""The quantiles that a profile of numbers has."""
MOST_VALUES = 200
"""So many of the most frequent values a profile of text has."""
SMALL = 50
"""Columns of at most so many values are compared value by value."""

_NEAR, _FAR = 0.04, 0.35
Profiles = Mapping[tuple[str, ...], "Profile"]
"""By the path of the field."""


@dataclass(frozen=True, slots=True)
class Profile:
    """rows: how many were looked at; nulls: the share of them that is null. distinct: how many values there are.
    quantiles: of numbers, at LEVELS. values: the most frequent ones (as text) with their share of those that are
    not null. lengths: the least, mean and greatest length of text.
    """

    rows: int
    nulls: float
    distinct: int
    quantiles: tuple[float, ...] = ()
    values: tuple[tuple[str, float], ...] = ()
    lengths: tuple[float, float, float] | None = None

    @property
    def is_known(self) -> bool:
        """Whether there was any value to look at."""
        return self.rows > 0 and self.nulls < 1


@dataclass(frozen=True, slots=True)
class Likeness:
    """logits: what speaks for (or against, below zero) the two being one field. unit: the conversion that makes
    their numbers the same, as two UCUM codes, or two empty texts.
    """

    logits: float
    why: str
    unit: tuple[str, str] = ("", "")


def compared(older: Profile, newer: Profile, units: tuple[str, str]) -> Likeness | None:
    """What the figures say; None when there are none. units: those of the two fields, empty where not known."""
    if not (older.is_known and newer.is_known):
        return None
    found = _by_values(older, newer)
    if len(older.quantiles) == len(newer.quantiles) == len(LEVELS):
        found = _by_numbers(older, newer, units)
    empty, said = _by_nulls(older, newer)
    return Likeness(found.logits + empty, "; ".join(filter(None, (found.why, said))), found.unit)


def _by_nulls(older: Profile, newer: Profile) -> tuple[float, str]:
    apart = abs(older.nulls - newer.nulls)
    if apart > 0.1:
        return -1.5, f"{older.nulls:.1%} are null here and {newer.nulls:.1%} there"
    if apart < 0.01 and min(older.nulls, newer.nulls) > 0.002:
        return 1.0, f"{older.nulls:.1%} and {newer.nulls:.1%} are null"
    return 0.0, ""


def _by_numbers(older: Profile, newer: Profile, units: tuple[str, str]) -> Likeness:
    """The conversion that brings the quantiles nearest, of those that the units allow."""
    ranked = sorted(
        (_apart(older.quantiles, newer.quantiles, factor, offset), number, unit)
        for number, (unit, factor, offset) in enumerate(_conversions(units))
    )
    apart, _, unit = ranked[0]
    how = f", converted from {unit[0]} to {unit[1]}," if unit[0] != unit[1] else ""
    if apart < _NEAR:
        is_found = unit[0] != unit[1] and not all(units)  # some conversion nearly always fits
        weight = 1.5 if is_found or newer.distinct <= 2 else 3.5
        return Likeness(weight, f"the quantiles{how} agree within {apart:.1%}", unit)
    if apart < _FAR:
        weight = 2.0 * (_FAR - apart) / (_FAR - _NEAR) - 1.0
        return Likeness(weight, f"the quantiles{how} differ by {apart:.0%}", unit if weight > 0 else ("", ""))
    return Likeness(-4.0, f"the quantiles differ by {min(apart, 9.99):.0%}, however they are converted")


def _conversions(units: tuple[str, str]) -> Iterator[tuple[tuple[str, str], Fraction, Fraction]]:
    """First the one that the units call for; where they are not known, none, and then each that there is."""
    source, target = units
    if source and target:
        found = conversion(source, target)
        if found is not None:
            yield (source, target), *found
            return
    yield ("", ""), Fraction(1), Fraction(0)
    for one in (source,) if source else KNOWN_UNITS:
        for other in (target,) if target else KNOWN_UNITS:
            if one != other and (found := conversion(one, other)) is not None:
                yield (one, other), *found


def _apart(older: tuple[float, ...], newer: tuple[float, ...], factor: Fraction, offset: Fraction) -> float:
    """The mean distance of the quantiles, as a share of their spread."""
    ratio, shift = float(factor), float(offset)
    moved = [value * ratio + shift for value in older]
    spread = max(newer[-1] - newer[0], moved[-1] - moved[0], 1e-9 * max(1.0, abs(newer[-1])))
    return sum(abs(a - b) for a, b in zip(moved, newer, strict=True)) / len(newer) / spread


def _by_values(older: Profile, newer: Profile) -> Likeness:
    if not (older.values and newer.values):
        return Likeness(0.0, "")
    shared = overlap(older.values, newer.values)
    is_small = max(older.distinct, newer.distinct) <= MOST_VALUES
    if shared > 0.6 or (shared > 0.1 and not is_small):
        return Likeness(4.0 if shared > 0.9 else 3.0, f"{shared:.0%} of the values are the same")
    if shared > 0.05:
        return Likeness(1.0, f"{shared:.0%} of the values are the same")
    if is_small and older.distinct == newer.distinct <= SMALL:
        apart = _frequencies_apart(older, newer)
        weight = 2.0 if apart < 0.01 * older.distinct and older.distinct > 1 else 0.0
        return Likeness(weight, f"other values, as many ({older.distinct}), as often within {apart:.1%} in all")
    if is_small:
        return Likeness(-3.5, f"none of the values is the same ({older.distinct} and {newer.distinct})")
    return _by_lengths(older, newer)


def _by_lengths(older: Profile, newer: Profile) -> Likeness:
    if older.lengths is None or newer.lengths is None:
        return Likeness(0.0, "")
    apart = abs(older.lengths[1] - newer.lengths[1]) / max(older.lengths[1], newer.lengths[1], 1.0)
    if apart < 0.02:
        return Likeness(1.0, f"texts of like length ({older.lengths[1]:.1f} and {newer.lengths[1]:.1f})")
    return Likeness(-2.0 if apart > 0.3 else -0.5, "no value is the same, and lengths differ")


def overlap(older: tuple[tuple[str, float], ...], newer: tuple[tuple[str, float], ...]) -> float:
    """How much of two distributions is common: the sum of the lesser shares, from 0 to 1."""
    shares = dict(newer)
    return sum(min(share, shares[value]) for value, share in older if value in shares)


def _frequencies_apart(older: Profile, newer: Profile) -> float:
    left, right = (sorted((share for _, share in one.values), reverse=True) for one in (older, newer))
    return sum(abs(a - b) for a, b in zip(left, right, strict=False))
