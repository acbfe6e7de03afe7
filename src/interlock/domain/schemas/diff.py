"""What differs between two versions of a contract, as a closed set of kinds. It judges nothing: see compatibility.

Fields are matched by name, then by stable id: a field with another name and the same id was renamed; without ids it
appears as one removed and one added, and a lens knows better. Descriptions and the order of fields are no
differences. Two versions without a difference have the same representation (`representation.contract_digest`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from interlock.domain.schemas.contract import Contract, Object
from interlock.domain.schemas.describe import described
from interlock.domain.schemas.field import Field, List, Map, Scalar, Struct, Type
from interlock.domain.schemas.nesting import refuse_deep
from interlock.domain.schemas.ranges import Range, bounds
from interlock.domain.schemas.scalars import identity
from interlock.kernel.digest import canonical


class DifferenceKind(StrEnum):
    """Every way in which two versions can differ; the value is the stable code."""

    OBJECT_ADDED = "object.added"
    OBJECT_REMOVED = "object.removed"
    OBJECT_RENAMED = "object.renamed"
    OBJECT_MOVED = "object.moved"
    OBJECT_ID_CHANGED = "object.id"
    OBJECT_PHYSICAL_CHANGED = "object.physical"
    KEY_CHANGED = "key.changed"
    REFERENCE_ADDED = "reference.added"
    REFERENCE_REMOVED = "reference.removed"
    CHECK_ADDED = "check.added"
    CHECK_REMOVED = "check.removed"
    RULE_ADDED = "rule.added"
    RULE_REMOVED = "rule.removed"
    CONTENT_OPENED = "content.opened"
    CONTENT_CLOSED = "content.closed"
    FIELD_ADDED = "field.added"
    FIELD_REMOVED = "field.removed"
    FIELD_RENAMED = "field.renamed"
    ID_CHANGED = "field.id"
    ALIASES_CHANGED = "field.aliases"
    TYPE_CHANGED = "type.changed"
    PHYSICAL_CHANGED = "type.physical"
    UNIT_CHANGED = "unit.changed"
    ENUM_ADDED = "enum.added"
    ENUM_REMOVED = "enum.removed"
    ENUM_WIDENED = "enum.widened"
    ENUM_NARROWED = "enum.narrowed"
    MEANING_CHANGED = "enum.meaning"
    MADE_REQUIRED = "field.required"
    MADE_OPTIONAL = "field.optional"
    MADE_NULLABLE = "null.allowed"
    MADE_NON_NULLABLE = "null.refused"
    DEFAULT_CHANGED = "default.changed"
    BOUNDS_WIDENED = "bounds.widened"
    BOUNDS_NARROWED = "bounds.narrowed"
    MULTIPLE_CHANGED = "multiple.changed"
    LENGTH_WIDENED = "length.widened"
    LENGTH_NARROWED = "length.narrowed"
    ITEMS_WIDENED = "items.widened"
    ITEMS_NARROWED = "items.narrowed"
    PATTERN_CHANGED = "pattern.changed"
    FORMAT_CHANGED = "format.changed"
    UNIQUE_CHANGED = "unique.changed"
    PERSONAL_CHANGED = "personal.changed"
    CLASSIFICATION_CHANGED = "classification.changed"
    TAGS_CHANGED = "tags.changed"
    DEPRECATION_CHANGED = "deprecation.changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference at `path` (as in `compatibility`; empty for the contract itself)."""

    kind: DifferenceKind
    path: str
    says: str

    @property
    def code(self) -> str:
        return self.kind.value


def differences(older: Contract, newer: Contract) -> tuple[Difference, ...]:
    """Every difference from `older` to `newer`: each object's own first, then by field name. TooDeep or TooLarge
    for endless contracts.
    """
    refuse_deep(older, newer)
    if len(older.objects) <= 1 and len(newer.objects) <= 1:
        return tuple(_objects(older.record, newer.record, ""))
    return tuple(_all_objects(older, newer))


def _all_objects(older: Contract, newer: Contract) -> Iterator[Difference]:
    pairs, gone, come = _paired(older.objects, newer.objects)
    for one in gone:
        yield Difference(DifferenceKind.OBJECT_REMOVED, one.name, f"`{one.name}` is gone")
    for one in come:
        yield Difference(DifferenceKind.OBJECT_ADDED, one.name, f"`{one.name}` is new")
    kept = [[one.name for one, _ in pairs], [one.name for one in newer.objects if one not in come]]
    was = {other.name: one.name for one, other in pairs}
    if [was[name] for name in kept[1]] != kept[0]:
        says = "the objects stand in another order, and the first one is the record"
        yield Difference(DifferenceKind.OBJECT_MOVED, "", says)
    for one, other in pairs:
        if one.name != other.name:
            says = f"`{one.name}` is now called `{other.name}`"
            yield Difference(DifferenceKind.OBJECT_RENAMED, other.name, says)
        yield from _objects(one, other, f"{other.name}.")


def _paired(older: Iterable[Any], newer: Iterable[Any]) -> tuple[list[tuple[Any, Any]], list[Any], list[Any]]:
    """Objects or fields: those of one name, then of one id, as pairs; those that are gone; those that are new."""
    before, after = {one.name: one for one in older}, {one.name: one for one in newer}
    gone = [one for name, one in before.items() if name not in after]
    come = {one.id or one.name: one for name, one in after.items() if name not in before}
    moved = [(one, come[one.id]) for one in gone if one.id and one.id in come and come[one.id].id]
    pairs = [(one, after[name]) for name, one in before.items() if name in after] + moved
    left = {id(one) for pair in moved for one in pair}
    return pairs, [o for o in gone if id(o) not in left], [o for o in come.values() if id(o) not in left]


def _objects(older: Object, newer: Object, prefix: str) -> Iterator[Difference]:
    at = prefix.removesuffix(".")
    yield from _content(older.is_open, newer.is_open, at)
    if older.id != newer.id:
        yield Difference(DifferenceKind.OBJECT_ID_CHANGED, at, f"the id was {older.id!r} and is {newer.id!r}")
    if older.physical_name != newer.physical_name:
        says = f"the table was {older.physical_name!r} and is {newer.physical_name!r}"
        yield Difference(DifferenceKind.OBJECT_PHYSICAL_CHANGED, at, says)
    keys = [(one.primary_key, sorted(set(one.unique))) for one in (older, newer)]
    if keys[0] != keys[1]:
        yield Difference(DifferenceKind.KEY_CHANGED, at, f"the keys were {_keys(older)} and are {_keys(newer)}")
    for kind, read, called in _LISTED:
        yield from _listed(kind, read(older), read(newer), called, at)
    yield from _fields(older.fields, newer.fields, prefix)


_LISTED: tuple[tuple[str, Callable[[Object], tuple[Any, ...]], Callable[[Any], str]], ...] = (
    ("reference", lambda o: o.references, lambda r: f"{', '.join(r.fields)} in {r.to} ({', '.join(r.to_fields)})"),
    ("check", lambda o: o.checks, lambda c: f"{c.name}: {c.condition}"),
    ("rule", lambda o: o.rules, lambda r: r.name or f"{r.metric} of {r.field or 'the rows'}"),
)


def _keys(one: Object) -> str:
    keys = [key for key in (one.primary_key, *one.unique) if key]
    return " and ".join(f"({', '.join(key)})" for key in keys) or "none"


def _listed(
    kind: str, older: tuple[Any, ...], newer: tuple[Any, ...], says: Callable[[Any], str], at: str
) -> Iterator[Difference]:
    before, after = {canonical(one): one for one in older}, {canonical(one): one for one in newer}
    for form, one in before.items():
        if form not in after:
            yield Difference(DifferenceKind(f"{kind}.removed"), at, f"the {kind} {says(one)} is gone")
    for form, one in after.items():
        if form not in before:
            yield Difference(DifferenceKind(f"{kind}.added"), at, f"the {kind} {says(one)} is new")


def _content(older: bool, newer: bool, at: str) -> Iterator[Difference]:
    if older and not newer:
        yield Difference(DifferenceKind.CONTENT_CLOSED, at, "fields that are not listed are no longer allowed")
    if newer and not older:
        yield Difference(DifferenceKind.CONTENT_OPENED, at, "fields that are not listed are now allowed")


def _fields(older: tuple[Field, ...], newer: tuple[Field, ...], prefix: str) -> Iterator[Difference]:
    pairs, gone, come = _paired(older, newer)
    found: list[tuple[str, Field | None, Field | None]] = [(other.name, one, other) for one, other in pairs]
    found += [(one.name, one, None) for one in gone] + [(one.name, None, one) for one in come]
    for name, one, other in sorted(found, key=lambda entry: entry[0]):
        yield from _of_field(f"{prefix}{name}", one, other)


def _of_field(path: str, older: Field | None, newer: Field | None) -> Iterator[Difference]:
    if older is None and newer is not None:
        needed = "required" if newer.required else "optional"
        says = f"`{path}` ({described(newer.type)}, {needed}) is new"
        yield Difference(DifferenceKind.FIELD_ADDED, path, says)
    elif newer is None and older is not None:
        yield Difference(DifferenceKind.FIELD_REMOVED, path, f"`{path}` ({described(older.type)}) is gone")
    elif older is not None and newer is not None and older is not newer:
        if older.name != newer.name:
            yield Difference(DifferenceKind.FIELD_RENAMED, path, f"`{older.name}` is now called `{newer.name}`")
        yield from _presence(path, older, newer)
        yield from _of_value(path, older, newer)


def _of_value(path: str, older: Field, newer: Field) -> Iterator[Difference]:
    """All but presence, which elements of lists and values of maps do not have."""
    yield from _types(path, older.type, newer.type)
    for kind, read, what in _PLAIN:
        before, after = read(older), read(newer)
        if before != after:
            yield Difference(kind, path, f"{what} of `{path}` was {_said(before)} and is {_said(after)}")
    yield from _enum(path, older, newer)
    if newer.nullable and not older.nullable:
        yield Difference(DifferenceKind.MADE_NULLABLE, path, f"`{path}` may now be null")
    if older.nullable and not newer.nullable:
        yield Difference(DifferenceKind.MADE_NON_NULLABLE, path, f"`{path}` may no longer be null")
    for span, spans, unit in (
        ("BOUNDS", (bounds(older), bounds(newer)), ""),
        ("LENGTH", (_lengths(older), _lengths(newer)), " characters"),
        ("ITEMS", (_items(older), _items(newer)), " items"),
    ):
        yield from _spans(span, path, *spans, unit)


def _types(path: str, older: Type, newer: Type) -> Iterator[Difference]:
    match (older, newer):
        case (List(element=one), List(element=other)):
            yield from _of_value(f"{path}[]", one, other)
        case (Map(value=one), Map(value=other)):
            yield from _of_value(f"{path}{{}}", one, other)
        case (Struct(fields=one, is_open=before), Struct(fields=other, is_open=after)):
            yield from _content(before, after, path)
            yield from _fields(one, other, f"{path}.")
        case _ if older != newer:
            says = f"`{path}` was {described(older)} and is {described(newer)}"
            yield Difference(DifferenceKind.TYPE_CHANGED, path, says)


def _set(values: Iterable[str]) -> str:
    return ", ".join(sorted(set(values)))


_PLAIN: tuple[tuple[DifferenceKind, Callable[[Field], Any], str], ...] = (
    (DifferenceKind.UNIT_CHANGED, lambda f: f.unit, "the unit"),
    (DifferenceKind.ID_CHANGED, lambda f: f.id, "the id"),
    (DifferenceKind.ALIASES_CHANGED, lambda f: _set(f.aliases), "the list of former names"),
    (DifferenceKind.PHYSICAL_CHANGED, lambda f: f.physical_type, "the physical type"),
    (DifferenceKind.MULTIPLE_CHANGED, lambda f: f.multiple_of, "the step"),
    (DifferenceKind.PATTERN_CHANGED, lambda f: f.pattern, "the pattern"),
    (DifferenceKind.FORMAT_CHANGED, lambda f: f.format, "the format"),
    (DifferenceKind.UNIQUE_CHANGED, lambda f: (f.is_unique, f.has_unique_items), "uniqueness (of rows, of items)"),
    (DifferenceKind.PERSONAL_CHANGED, lambda f: f.is_personal, "being personal data"),
    (DifferenceKind.CLASSIFICATION_CHANGED, lambda f: f.classification, "the classification"),
    (DifferenceKind.TAGS_CHANGED, lambda f: _set(f.tags), "the list of tags"),
    (DifferenceKind.DEPRECATION_CHANGED, lambda f: f.is_deprecated, "being deprecated"),
)


def _said(value: Any) -> str:
    match value:
        case "" | None:
            return "not stated"
        case tuple():
            return f"({', '.join(map(_said, value))})"
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)


def _enum(path: str, older: Field, newer: Field) -> Iterator[Difference]:
    if newer.enum and not older.enum:
        yield Difference(DifferenceKind.ENUM_ADDED, path, f"`{path}` is now limited to {shown(newer.enum)}")
        return
    if older.enum and not newer.enum:
        yield Difference(DifferenceKind.ENUM_REMOVED, path, f"`{path}` is no longer limited to listed values")
        return
    if gone := beyond(older.enum, newer.enum):
        yield Difference(DifferenceKind.ENUM_NARROWED, path, f"`{path}` no longer has {shown(gone)}")
    if come := beyond(newer.enum, older.enum):
        yield Difference(DifferenceKind.ENUM_WIDENED, path, f"`{path}` now also has {shown(come)}")
    before, after = labels(older), labels(newer)
    if changed := [v for v in older.enum if identity(v) in after and before[identity(v)] != after[identity(v)]]:
        says = f"{shown(changed)} of `{path}` no longer means what it meant"
        yield Difference(DifferenceKind.MEANING_CHANGED, path, says)


def labels(one: Field) -> dict[tuple[str, Any], str]:
    """What each value of the enum means, by its identity; empty text where nothing is said."""
    said = (*one.enum_labels, *("" for _ in one.enum[len(one.enum_labels) :]))
    return {identity(value): label for value, label in zip(one.enum, said, strict=False)}


def _presence(path: str, older: Field, newer: Field) -> Iterator[Difference]:
    if newer.required and not older.required:
        yield Difference(DifferenceKind.MADE_REQUIRED, path, f"`{path}` must now be there")
    if older.required and not newer.required:
        yield Difference(DifferenceKind.MADE_OPTIONAL, path, f"`{path}` may now be missing")
    if [identity(v) for v in older.default] != [identity(v) for v in newer.default]:
        says = f"the default of `{path}` was {_default(older)} and is {_default(newer)}"
        yield Difference(DifferenceKind.DEFAULT_CHANGED, path, says)


def _lengths(one: Field) -> Range:
    return Range(one.min_length or 0, math.inf if one.max_length is None else one.max_length)


def _items(one: Field) -> Range:
    return Range(one.min_items or 0, math.inf if one.max_items is None else one.max_items)


def _spans(kind: str, path: str, older: Range, newer: Range, what: str) -> Iterator[Difference]:
    says = f"`{path}` was within {older}{what} and is within {newer}{what}"
    if not newer.is_within(older):
        yield Difference(DifferenceKind[f"{kind}_WIDENED"], path, says)
    if not older.is_within(newer):
        yield Difference(DifferenceKind[f"{kind}_NARROWED"], path, says)


def limits(one: Field) -> tuple[float, float]:
    """The field's bounds, infinite where there is none; whether an end is included is not told."""
    found = bounds(one)
    return float(found.low), float(found.high)


def beyond(values: Iterable[Scalar], known: Iterable[Scalar]) -> tuple[Scalar, ...]:
    """Those of `values` that `known` lacks."""
    there = {identity(v) for v in known}
    return tuple(v for v in values if identity(v) not in there)


def shown(values: Iterable[Scalar], limit: int = 5) -> str:
    """Values for a sentence, at most `limit` of them."""
    listed = [repr(v) if isinstance(v, str) else _json(v) for v in values]
    return ", ".join(listed[:limit]) + (f" and {len(listed) - limit} more" if len(listed) > limit else "")


def _json(value: Scalar) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)


def _default(one: Field) -> str:
    return shown(one.default) if one.default else "none"


def interval(low: float, high: float) -> str:
    """Bounds for a sentence."""
    return f"within [{low:.15g}, {high:.15g}]"
