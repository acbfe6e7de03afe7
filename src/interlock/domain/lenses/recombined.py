"""Fields that were split or merged: told by names that go together, or by data whose parts are the other fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from interlock.domain.lenses.assignment import assigned
from interlock.domain.lenses.expressions.write import quoted
from interlock.domain.lenses.guess import Entry, Guess
from interlock.domain.lenses.likeness import words
from interlock.domain.lenses.profile import Profile, overlap
from interlock.domain.schemas.field import Field, Int, String

_SEPARATORS = (" ", "-", "/", ", ", ",", ":", "_", "|", "@", ";")
_FIRST = frozenset(("first", "given", "fore"))
_LAST = frozenset(("last", "family", "sur", "surname"))
_FROM = frozenset(("origin", "from", "src", "source", "start"))
_TO = frozenset(("dest", "destination", "to", "dst", "end", "target"))
_PATTERNS = (
    (frozenset(("name", "fullname")), (_FIRST, _LAST), " ", 0.8),
    (frozenset(("route", "leg", "path", "connection", "trip")), (_FROM, _TO), "-", 0.5),
)
"""Words of the whole, of its parts in order, what stands between them, and how sure that is without data."""
_DATE = (("year", 4), ("month", 2), ("day", 2))
_MOST_PARTS = 4


@dataclass(frozen=True, slots=True)
class Part:
    """A field that might take part."""

    field: Field
    profile: Profile | None

    @property
    def name(self) -> str:
        return self.field.name


@dataclass(frozen=True, slots=True)
class Recombination:
    """sources go, targets come; `fields` are the parts."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    fields: tuple[str, ...]
    entry: Entry


@dataclass(frozen=True, slots=True)
class _Found:
    """The parts with their expressions over the whole, and the whole's over the parts."""

    parts: tuple[tuple[str, str], ...]
    whole: str
    guess: Guess


def splits(whole: Part, parts: Sequence[Part]) -> Recombination | None:
    """The older field `whole` as several of the newer `parts`."""
    found = _found(whole, parts)
    if found is None:
        return None
    body = {"field": whole.name, "into": dict(found.parts), "merge": found.whole}
    names = tuple(name for name, _ in found.parts)
    return Recombination((whole.name,), names, names, Entry({"split": body}, found.guess))


def merges(whole: Part, parts: Sequence[Part]) -> Recombination | None:
    """Several of the older `parts` as the newer field `whole`."""
    found = _found(whole, parts)
    if found is None:
        return None
    body = {"into": whole.name, "value": found.whole, "split": dict(found.parts)}
    names = tuple(name for name, _ in found.parts)
    return Recombination(names, (whole.name,), names, Entry({"merge": body}, found.guess))


def _found(whole: Part, parts: Sequence[Part]) -> _Found | None:
    if whole.field.kind == "date":
        return _date(whole, parts)
    if not isinstance(whole.field.type, String) or whole.field.enum:
        return None
    texts = [one for one in parts if isinstance(one.field.type, String)]
    return _by_data(whole, texts) or _by_names(whole, texts)


def _date(whole: Part, parts: Sequence[Part]) -> _Found | None:
    """A date and its year, month and day as whole numbers."""
    numbers = {words(one.name)[-1:]: one for one in reversed(parts) if isinstance(one.field.type, Int)}
    chosen = [numbers.get((word,)) for word, _ in _DATE]
    found = [one for one in chosen if one is not None]
    if len(found) < len(_DATE):
        return None
    texts = [
        f"lpad(CAST({quoted(one.name)} AS TEXT), {width}, '0')"
        for one, (_, width) in zip(found, _DATE, strict=True)
    ]
    made = tuple((one.name, f"{word}({quoted(whole.name)})") for one, (word, _) in zip(found, _DATE, strict=True))
    guess = Guess(0.8, ("a date beside a year, a month and a day",))
    joined = " || '-' || ".join(texts)
    return _Found(made, f"CAST({joined} AS DATE)", guess)


def _joined(whole: Part, parts: Sequence[Part], separator: str, guess: Guess) -> _Found:
    text = "'" + separator.replace("'", "''") + "'"
    made = tuple(
        (one.name, f"split_part({quoted(whole.name)}, {text}, {number})")
        for number, one in enumerate(parts, start=1)
    )
    return _Found(made, f" || {text} || ".join(quoted(one.name) for one in parts), guess)


def _by_names(whole: Part, parts: Sequence[Part]) -> _Found | None:
    for known, sides, separator, sure in _PATTERNS:
        if not known & set(words(whole.name)):
            continue
        found = [[one for one in parts if side & set(words(one.name))] for side in sides]
        if all(len(side) == 1 for side in found):
            chosen = [side[0] for side in found]
            separator = _separator_of(whole.profile, len(chosen)) or separator
            says = f"names go together; {separator!r} between them" + ("" if whole.profile else " is a guess")
            return _joined(whole, chosen, separator, Guess(sure, (says,)))
    return None


def _separator_of(profile: Profile | None, number: int) -> str:
    """What cuts nearly every value in so many parts; empty when nothing does."""
    values = profile.values if profile else ()
    total = sum(share for _, share in values)
    for separator in _SEPARATORS:
        fit = sum(share for value, share in values if len(value.split(separator)) == number)
        if values and fit >= 0.95 * total:
            return separator
    return ""


def _by_data(whole: Part, parts: Sequence[Part]) -> _Found | None:
    """The parts of the values, cut at a separator, are values of other fields as often."""
    if whole.profile is None or not whole.profile.values:
        return None
    for number in range(2, _MOST_PARTS + 1):
        separator = _separator_of(whole.profile, number)
        if not separator:
            continue
        pieces = [_piece(whole.profile, separator, place) for place in range(number)]
        scores = {
            (place, one.name): shared
            for place, piece in enumerate(pieces)
            for one in parts
            if one.profile is not None and (shared := overlap(piece, one.profile.values)) >= 0.25
        }
        chosen = dict(assigned(scores))
        if len(chosen) == number:
            found = [next(one for one in parts if one.name == chosen[place]) for place in range(number)]
            least = min(scores[pair] for pair in chosen.items())
            says = f"its values, cut at {separator!r}, are those of the parts ({least:.0%} in common or more)"
            return _joined(whole, found, separator, Guess(round(0.6 + 0.39 * least, 2), (says,)))
    return None


def _piece(profile: Profile, separator: str, place: int) -> tuple[tuple[str, float], ...]:
    shares: dict[str, float] = {}
    for value, share in profile.values:
        cut = value.split(separator)
        if place < len(cut):
            shares[cut[place]] = shares.get(cut[place], 0.0) + share
    total = sum(shares.values())
    return tuple((value, share / total) for value, share in shares.items())
