"""What differs between two versions of a contract, as a closed set of kinds. It judges nothing: see compatibility.

Fields are matched by name, so a renamed field appears as one removed and one added; a lens knows better.
Descriptions and the order of fields are no differences.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.field import Field, Scalar
from interlock.domain.schemas.scalars import identity


class DifferenceKind(StrEnum):
    """Every way in which two versions can differ; the value is the stable code."""

    FIELD_ADDED = "field.added"
    FIELD_REMOVED = "field.removed"
    TYPE_CHANGED = "type.changed"
    UNIT_CHANGED = "unit.changed"
    ENUM_ADDED = "enum.added"
    ENUM_REMOVED = "enum.removed"
    ENUM_WIDENED = "enum.widened"
    ENUM_NARROWED = "enum.narrowed"
    MADE_REQUIRED = "field.required"
    MADE_OPTIONAL = "field.optional"
    MADE_NULLABLE = "null.allowed"
    MADE_NON_NULLABLE = "null.refused"
    DEFAULT_CHANGED = "default.changed"
    BOUNDS_WIDENED = "bounds.widened"
    BOUNDS_NARROWED = "bounds.narrowed"
    CONTENT_OPENED = "content.opened"
    CONTENT_CLOSED = "content.closed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference at `path` (a field's name, or empty for the contract itself)."""

    kind: DifferenceKind
    path: str
    says: str

    @property
    def code(self) -> str:
        return self.kind.value


def differences(older: Contract, newer: Contract) -> tuple[Difference, ...]:
    """Every difference from `older` to `newer`: the contract's own first, then by field name."""
    return tuple(_content(older, newer)) + tuple(
        difference
        for name in sorted({f.name for f in older.fields} | {f.name for f in newer.fields})
        for difference in _of_field(name, older.field(name), newer.field(name))
    )


def _content(older: Contract, newer: Contract) -> Iterator[Difference]:
    if older.is_open and not newer.is_open:
        yield Difference(DifferenceKind.CONTENT_CLOSED, "", "fields that are not listed are no longer allowed")
    if newer.is_open and not older.is_open:
        yield Difference(DifferenceKind.CONTENT_OPENED, "", "fields that are not listed are now allowed")


def _of_field(name: str, older: Field | None, newer: Field | None) -> Iterator[Difference]:
    if older is None and newer is not None:
        needed = "required" if newer.required else "optional"
        yield Difference(DifferenceKind.FIELD_ADDED, name, f"`{name}` ({newer.kind}, {needed}) is new")
    elif newer is None and older is not None:
        yield Difference(DifferenceKind.FIELD_REMOVED, name, f"`{name}` ({older.kind}) is gone")
    elif older is not None and newer is not None:
        yield from _type_and_unit(older, newer)
        yield from _enum(older, newer)
        yield from _presence(older, newer)
        yield from _bounds(older, newer)


def _type_and_unit(older: Field, newer: Field) -> Iterator[Difference]:
    name = older.name
    if older.kind != newer.kind:
        says = f"`{name}` was {older.kind} and is {newer.kind}"
        yield Difference(DifferenceKind.TYPE_CHANGED, name, says)
    if older.unit != newer.unit:
        says = f"`{name}` was in {older.unit or 'no stated unit'} and is in {newer.unit or 'no stated unit'}"
        yield Difference(DifferenceKind.UNIT_CHANGED, name, says)


def _enum(older: Field, newer: Field) -> Iterator[Difference]:
    name = older.name
    if newer.enum and not older.enum:
        yield Difference(DifferenceKind.ENUM_ADDED, name, f"`{name}` is now limited to {shown(newer.enum)}")
    elif older.enum and not newer.enum:
        yield Difference(DifferenceKind.ENUM_REMOVED, name, f"`{name}` is no longer limited to listed values")
    else:
        if gone := beyond(older.enum, newer.enum):
            yield Difference(DifferenceKind.ENUM_NARROWED, name, f"`{name}` no longer has {shown(gone)}")
        if come := beyond(newer.enum, older.enum):
            yield Difference(DifferenceKind.ENUM_WIDENED, name, f"`{name}` now also has {shown(come)}")


def _presence(older: Field, newer: Field) -> Iterator[Difference]:
    name = older.name
    if newer.required and not older.required:
        yield Difference(DifferenceKind.MADE_REQUIRED, name, f"`{name}` must now be there")
    if older.required and not newer.required:
        yield Difference(DifferenceKind.MADE_OPTIONAL, name, f"`{name}` may now be missing")
    if newer.nullable and not older.nullable:
        yield Difference(DifferenceKind.MADE_NULLABLE, name, f"`{name}` may now be null")
    if older.nullable and not newer.nullable:
        yield Difference(DifferenceKind.MADE_NON_NULLABLE, name, f"`{name}` may no longer be null")
    if [identity(v) for v in older.default] != [identity(v) for v in newer.default]:
        says = f"the default of `{name}` was {_default(older)} and is {_default(newer)}"
        yield Difference(DifferenceKind.DEFAULT_CHANGED, name, says)


def _bounds(older: Field, newer: Field) -> Iterator[Difference]:
    (low, high), (newer_low, newer_high) = limits(older), limits(newer)
    says = f"`{older.name}` was {interval(low, high)} and is {interval(newer_low, newer_high)}"
    if newer_low < low or newer_high > high:
        yield Difference(DifferenceKind.BOUNDS_WIDENED, older.name, says)
    if newer_low > low or newer_high < high:
        yield Difference(DifferenceKind.BOUNDS_NARROWED, older.name, says)


def limits(one: Field) -> tuple[float, float]:
    """The field's bounds, infinite where there is none."""
    low = -float("inf") if one.minimum is None else one.minimum
    high = float("inf") if one.maximum is None else one.maximum
    return low, high


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
