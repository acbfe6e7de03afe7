"""Drafts a lens from the difference of two contract versions: what was probably renamed, converted, moved, split.

Stable ids, aliases and equal names are taken as they are. The other fields of the older version are scored against
the other fields of the newer one: by names, types, units, values, places, and by what their data looks like if
there is any. Scores are logits that add up as if independent, so confidences are guesses in an order, not
probabilities; each is discounted by its rivals. Then every field gets at most one other, by the assignment of the
greatest sum.

A draft is for a person to confirm. What could not be guessed is left as an `add` and a `drop`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import exp, log
from typing import Any

from interlock.domain.lenses.assignment import assigned
from interlock.domain.lenses.convert import Converted, conversions, is_convertible
from interlock.domain.lenses.guess import Entry, Guess
from interlock.domain.lenses.labels import paired
from interlock.domain.lenses.likeness import alike, unit_in
from interlock.domain.lenses.profile import Likeness, Profile, Profiles, compared
from interlock.domain.lenses.recombined import Part, merges, splits
from interlock.domain.lenses.schedule import Group, scheduled
from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.field import Field, List, Scalar, Struct

Path = tuple[str, ...]
_PRIOR = -3.2
_LEAST = 0.35
"""Pairs below this confidence, rivals left aside, are not guessed."""


@dataclass(frozen=True, slots=True)
class Data:
    """Profiles of the fields of both versions, by path; empty when there is no data."""

    older: Profiles = field(default_factory=dict)
    newer: Profiles = field(default_factory=dict)

    @property
    def is_there(self) -> bool:
        return bool(self.older and self.newer)


@dataclass(frozen=True, slots=True)
class _Place:
    """A field at a path, relative to the level that is matched. spot: where in its contract, from 0 to 1."""

    path: Path
    field: Field
    spot: float
    profile: Profile | None


@dataclass(frozen=True, slots=True)
class _Pair:
    older: _Place
    newer: _Place
    logits: float
    reasons: tuple[str, ...]

    @property
    def confidence(self) -> float:
        return 1 / (1 + exp(-self.logits))


def drafted(older: Contract, newer: Contract, data: Data | None = None) -> tuple[Entry, ...]:
    """The entries of a lens from `older` to `newer`, in an order in which they can be applied."""
    return _Level(older.fields, newer.fields, data or Data(), (), ()).entries()


@dataclass(slots=True)
class _Level:
    """The fields of one object in both versions; at_older, at_newer: where it is, to find its data."""

    older: tuple[Field, ...]
    newer: tuple[Field, ...]
    data: Data
    at_older: Path
    at_newer: Path
    known: dict[str, tuple[str, Guess | None]] = field(default_factory=dict)
    """Older name -> newer name, and how sure that is: settled before by who asks."""
    groups: list[Group] = field(default_factory=list)

    def entries(self) -> tuple[Entry, ...]:
        self._settle()
        removed = [self._older_place((one.name,), one) for one in self.older if one.name not in self.known]
        taken = {name for name, _ in self.known.values()}
        added = [self._newer_place((one.name,), one) for one in self.newer if one.name not in taken]
        removed, added = self._recombine(removed, added)
        removed, added = self._match_objects(removed, added)
        removed, added = self._match(removed, added)
        for name, (target, guess) in self.known.items():
            self._carry(name, target, guess)
        for one in removed:
            self.groups.append(Group((one.path[0],), (), _dropped(one.field)))
        for one in added:
            self.groups.append(Group((), (one.path[0],), _added(one.field)))
        return scheduled(tuple(self.groups), tuple(one.name for one in self.older))

    def _older_place(self, path: Path, one: Field) -> _Place:
        spot = _spot(path[0], self.older)
        return _Place(path, one, spot, self.data.older.get((*self.at_older, *path)))

    def _newer_place(self, path: Path, one: Field) -> _Place:
        spot = _spot(path[0], self.newer)
        return _Place(path, one, spot, self.data.newer.get((*self.at_newer, *path)))

    def _settle(self) -> None:
        """What ids, aliases and names say by themselves."""
        for match in (_same_id, _same_name, _by_alias):
            for one in self.older:
                if one.name in self.known:
                    continue
                taken = {name for name, _ in self.known.values()}
                free = [other for other in self.newer if other.name not in taken]
                found = [other for other in free if match(one, other)]
                if len(found) == 1:
                    self.known[one.name] = (found[0].name, None)

    def _recombine(self, removed: list[_Place], added: list[_Place]) -> tuple[list[_Place], list[_Place]]:
        """Splits and merges, as far as names or data tell them."""
        for is_merge in (False, True):
            wholes, parts = (added, removed) if is_merge else (removed, added)
            for whole in wholes:
                made = merges if is_merge else splits
                found = made(_part(whole), tuple(_part(one) for one in parts))
                if found is None:
                    continue
                gone = {whole.path[0], *found.fields}
                self.groups.append(Group(found.sources, found.targets, (found.entry,), found.entry.confidence))
                parts = [one for one in parts if one.path[0] not in gone]
                wholes = [one for one in wholes if one.path[0] not in gone]
            removed, added = (parts, wholes) if is_merge else (wholes, parts)
        return removed, added

    def _match_objects(self, removed: list[_Place], added: list[_Place]) -> tuple[list[_Place], list[_Place]]:
        """Whole objects, and lists of objects, under another name."""
        pairs = _pairs(
            [one for one in removed if _fields_of(one.field)], [one for one in added if _fields_of(one.field)]
        )
        return self._take(_chosen(pairs), removed, added)

    def _match(self, removed: list[_Place], added: list[_Place]) -> tuple[list[_Place], list[_Place]]:
        """Fields under another name, moved into a new object, or out of one that is gone."""
        left = [*removed, *(inner for one in removed for inner in self._inner(one, self._older_place))]
        right = [*added, *(inner for one in added for inner in self._inner(one, self._newer_place))]
        pairs = [p for p in _pairs(left, right) if min(len(p.older.path), len(p.newer.path)) == 1]
        chosen = sorted(_without_clashes(_chosen(pairs)), key=lambda one: (one[0].older.spot, one[0].older.path))
        for struct in sorted({p.newer.path[0] for p, _ in chosen if len(p.newer.path) == 2}):
            self._nest(struct, [(p, c) for p, c in chosen if p.newer.path[0] == struct])
        for struct in sorted({p.older.path[0] for p, _ in chosen if len(p.older.path) == 2}):
            self._unnest(struct, [(p, c) for p, c in chosen if p.older.path[0] == struct])
        plain = [(p, c) for p, c in chosen if len(p.older.path) == len(p.newer.path) == 1]
        removed = [one for one in removed if one.path[0] not in {p.older.path[0] for p, _ in chosen}]
        added = [one for one in added if one.path[0] not in {p.newer.path[0] for p, _ in chosen}]
        self._take(plain, [], [])
        return removed, added

    def _inner(self, one: _Place, place: Any) -> list[_Place]:
        inside = one.field.type.fields if isinstance(one.field.type, Struct) else ()
        return [place((*one.path, inner.name), inner) for inner in inside]

    def _take(
        self, chosen: list[tuple[_Pair, float]], removed: list[_Place], added: list[_Place]
    ) -> tuple[list[_Place], list[_Place]]:
        for pair, confidence in chosen:
            self.known[pair.older.path[0]] = (pair.newer.path[0], _guess(pair, confidence))
        gone = {p.older.path[0] for p, _ in chosen}
        there = {p.newer.path[0] for p, _ in chosen}
        return (
            [one for one in removed if one.path[0] not in gone],
            [one for one in added if one.path[0] not in there],
        )

    def _carry(self, name: str, target: str, guess: Guess | None) -> None:
        """A field that stays, under its name or another, with what it takes to convert it."""
        older = self._older_place((name,), _named(self.older, name))
        newer = self._newer_place((target,), _named(self.newer, target))
        made = self._converted(older, newer)
        renamed = [Entry({"rename": {"from": name, "to": target}}, guess)] if name != target else []
        if renamed or made:
            sure = guess.confidence if guess else 1.0
            self.groups.append(Group((name,), (target,), (*renamed, *made), sure))

    def _converted(self, older: _Place, newer: _Place) -> tuple[Entry, ...]:
        likeness = _likeness(older, newer)
        unit = likeness.unit if likeness else ("", "")
        why = likeness.why if likeness else ""
        asked = Converted(older.field, newer.field, older.profile, newer.profile, unit, why)
        return conversions(asked, lambda a, b: self._inside(older, newer, a, b))

    def _inside(
        self, older: _Place, newer: _Place, inner: tuple[Field, ...], wanted: tuple[Field, ...]
    ) -> tuple[Entry, ...]:
        at = (*self.at_older, *older.path), (*self.at_newer, *newer.path)
        return _Level(inner, wanted, self.data, *at).entries()

    def _nest(self, struct: str, chosen: list[tuple[_Pair, float]]) -> None:
        """Fields move into a new object, and are renamed and converted there."""
        wanted = _fields_of(_named(self.newer, struct))
        names = tuple(pair.older.path[0] for pair, _ in chosen)
        moved = tuple(_named(self.older, name) for name in names)
        inner = _Level(moved, wanted, self.data, self.at_older, (*self.at_newer, struct))
        inner.known = {p.older.path[0]: (p.newer.path[1], _guess(p, c)) for p, c in chosen}
        guess = _joint([_guess(pair, c) for pair, c in chosen], f"they look like fields of {struct}")
        nest = Entry({"nest": {"fields": list(names), "into": struct}}, guess)
        self.groups.append(Group(names, (struct,), (nest, *_within(struct, inner.entries())), guess.confidence))

    def _unnest(self, struct: str, chosen: list[tuple[_Pair, float]]) -> None:
        """Fields of an object are renamed and converted in it, and move out; the object goes."""
        inside = _fields_of(_named(self.older, struct))
        wanted = tuple(_named(self.newer, pair.newer.path[0]) for pair, _ in chosen)
        inner = _Level(inside, wanted, self.data, (*self.at_older, struct), self.at_newer)
        inner.known = {p.older.path[1]: (p.newer.path[0], _guess(p, c)) for p, c in chosen}
        guess = _joint([_guess(pair, c) for pair, c in chosen], f"they look like fields of {struct}")
        names = tuple(one.name for one in wanted)
        out = Entry({"unnest": {"field": struct, "fields": list(names)}}, guess)
        self.groups.append(Group((struct,), names, (*_within(struct, inner.entries()), out), guess.confidence))


def _same_id(one: Field, other: Field) -> bool:
    return bool(one.id) and one.id == other.id


def _same_name(one: Field, other: Field) -> bool:
    has_other_id = bool(one.id and other.id and one.id != other.id)
    return one.name == other.name and not has_other_id


def _by_alias(one: Field, other: Field) -> bool:
    return one.name in other.aliases or other.name in one.aliases


def _spot(name: str, fields: tuple[Field, ...]) -> float:
    places = [number for number, one in enumerate(fields) if one.name == name]
    return places[0] / max(1, len(fields) - 1) if places else 0.5


def _named(fields: Iterable[Field], name: str) -> Field:
    return next(one for one in fields if one.name == name)


def _fields_of(one: Field) -> tuple[Field, ...]:
    """The fields of an object, or of the objects in a list; none for anything else."""
    inner = one.type.element.type if isinstance(one.type, List) else one.type
    return inner.fields if isinstance(inner, Struct) else ()


def _part(one: _Place) -> Part:
    return Part(one.field, one.profile)


def _within(name: str, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    return (Entry({"in": {"field": name}}, None, entries),) if entries else ()


def _dropped(one: Field) -> tuple[Entry, ...]:
    back = {"default": one.default[0]} if one.default else {}
    guess = Guess(0.5, ("no field of the newer version looks like it",))
    return (Entry({"drop": {"field": one.name, **back}}, guess),)


def _added(one: Field) -> tuple[Entry, ...]:
    made = {"default": one.default[0]} if one.default else {}
    guess = Guess(0.5, ("no field of the older version looks like it",))
    return (Entry({"add": {"field": one.name, **made}}, guess),)


def _guess(pair: _Pair, confidence: float) -> Guess:
    return Guess(min(0.99, round(confidence, 2)), pair.reasons)  # nothing that is guessed is certain


def _joint(guesses: list[Guess], why: str) -> Guess:
    return Guess(min(one.confidence for one in guesses), (why,))


def _pairs(older: list[_Place], newer: list[_Place]) -> list[_Pair]:
    found = [pair for one in older for other in newer if (pair := _scored(one, other)) is not None]
    if len(older) == len(newer) == 1:
        alone = ("both are the only ones left",)
        found = [replace(p, logits=p.logits + 1.5, reasons=(*p.reasons, *alone)) for p in found]
    return found


def _scored(older: _Place, newer: _Place) -> _Pair | None:
    """What speaks for the two being one field; None when no value of the one can become one of the other."""
    if not is_convertible(older.field, newer.field):
        return None
    evidence = [*_by_name(older, newer), *_by_type(older, newer), *_by_words(older, newer)]
    likeness = _likeness(older, newer)
    if likeness is not None:
        evidence.append((likeness.logits, likeness.why))
    evidence.append((0.6 - 1.2 * abs(older.spot - newer.spot), ""))
    told = sorted((one for one in evidence if one[1]), key=lambda one: -abs(one[0]))
    reasons = tuple(why for logits, why in told if abs(logits) >= 0.3)
    return _Pair(older, newer, _PRIOR + sum(logits for logits, _ in evidence), reasons)


def _by_name(older: _Place, newer: _Place) -> Iterator[tuple[float, str]]:
    """An object that a field moves into or out of may be part of its name."""
    spelled = ["_".join(one.path) if len(one.path) > 1 else one.field.name for one in (older, newer)]
    score = max(alike(older.field.name, newer.field.name), alike(*spelled))
    says = f"names are alike ({score:.2f})"
    yield 6.0 * score - (0.0 if score else 0.3), says if score else "names are not alike"


def _by_type(older: _Place, newer: _Place) -> Iterator[tuple[float, str]]:
    if older.field.kind == newer.field.kind:
        yield 0.8, f"both are {newer.field.kind}"
    else:
        yield -0.5, f"{older.field.kind} becomes {newer.field.kind}"
    units = _units(older.field, newer.field)
    if all(units) and units[0] != units[1]:
        yield 0.3, f"{units[0]} converts to {units[1]}"
    elif all(units):
        yield 1.0, f"both are in {units[0]}"
    if older.field.nullable != newer.field.nullable:
        yield -0.4, "one may be null and the other may not"


def _by_words(older: _Place, newer: _Place) -> Iterator[tuple[float, str]]:
    """Values that are listed, and descriptions."""
    left, right = (tuple(v for v in one.field.enum if v is not None) for one in (older, newer))
    if left and right:
        shared = len(set(left) & set(right)) / len(set(left) | set(right))
        found = paired(left, right, (_labels(older.field), _labels(newer.field)), ({}, {}))
        weight = max(3.0 * shared, 3.5 * found.confidence, 0.5 if len(left) == len(right) else -1.0)
        yield weight, f"{shared:.0%} of the listed values are the same, {len(found.pairs)} of {len(left)} are alike"
    if older.field.description and newer.field.description:
        likely = alike(older.field.description, newer.field.description)
        yield 2.5 * (likely - 0.4), f"descriptions are alike ({likely:.2f})"


def _labels(one: Field) -> Mapping[Scalar, str]:
    return dict(zip(one.enum, one.enum_labels, strict=False))


def _units(older: Field, newer: Field) -> tuple[str, str]:
    """What is declared, else what the names tell."""
    return older.unit or unit_in(older.name), newer.unit or unit_in(newer.name)


def _likeness(older: _Place, newer: _Place) -> Likeness | None:
    declared = _units(older.field, newer.field)
    if older.profile is None or newer.profile is None:
        return None if not all(declared) else Likeness(0.0, "", declared)
    found = compared(older.profile, newer.profile, declared)
    return found if found is None or any(found.unit) or not all(declared) else replace(found, unit=declared)


def _chosen(pairs: list[_Pair]) -> list[tuple[_Pair, float]]:
    """The assignment of the greatest sum, each pair with its confidence among its rivals; the surest first."""
    likely = {(p.older.path, p.newer.path): p for p in pairs if p.confidence >= _LEAST}
    least = log(_LEAST / (1 - _LEAST))
    taken = assigned({key: pair.logits - least + 1e-9 for key, pair in likely.items()})
    odds = {key: exp(pair.logits) for key, pair in likely.items()}
    found = []
    for key in taken:
        rivals = sum(o for k, o in odds.items() if k != key and (k[0] == key[0]) != (k[1] == key[1]))
        found.append((likely[key], odds[key] / (1 + odds[key] + rivals)))
    return sorted(found, key=lambda one: (-one[1], one[0].older.path))


def _without_clashes(chosen: list[tuple[_Pair, float]]) -> list[tuple[_Pair, float]]:
    """Without what an object as a whole and its fields would both take; the surer stays."""
    kept: list[tuple[_Pair, float]] = []
    whole: Mapping[str, set[int]] = {}
    for pair, confidence in chosen:
        sides = [("older", pair.older.path), ("newer", pair.newer.path)]
        depths = {f"{side}:{path[0]}": len(path) for side, path in sides}
        if all(whole.get(name, {depth}) == {depth} for name, depth in depths.items()):
            kept.append((pair, confidence))
            whole = {**whole, **{name: {depth} for name, depth in depths.items()}}
    return kept
