"""A contract version: what records and tables look like, whatever format says it. The digest is over this, never
over a document's bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as of
from typing import Any, Literal

from interlock.domain.schemas.field import Field, List, Map, Scalar, Struct

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of quality on an object, or on one of its fields: `metric` must lie within bounds.

    metric: `null_values`, `missing_values`, `invalid_values`, `duplicate_values`, `row_count`, `freshness_s`, `sql`
    (one number from `query`, where `{object}` and `{field}` stand for the names), `custom` (`query` is what
    `engine` runs) or `text` (`description` tells people). The share of rows, 0 to 1, counts instead of their number
    when `is_share`. at_least, at_most: inclusive bounds, `above` and `below` exclusive ones, None when open.
    is_negated: the metric must lie outside of the bounds instead.
    """

    name: str
    metric: str
    field: str = ""
    at_least: float | None = None
    at_most: float | None = None
    is_share: bool = False
    query: str = ""
    arguments: Mapping[str, tuple[Scalar, ...]] = of(default_factory=dict)
    severity: Severity = "error"
    above: float | None = None
    below: float | None = None
    is_negated: bool = False
    engine: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """Values of `fields` are values of `to_fields` in the object `to`."""

    fields: tuple[str, ...]
    to: str
    to_fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """A condition that every row keeps, in the expression language of lenses."""

    name: str
    condition: str


@dataclass(frozen=True, slots=True)
class Object:
    """A record or a table. `is_open`: fields that are not listed are allowed and pass through.

    id: stays when the object is renamed. physical_name: what the table is called where it lives.
    """

    name: str
    fields: tuple[Field, ...]
    is_open: bool = True
    primary_key: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    references: tuple[Reference, ...] = ()
    checks: tuple[Check, ...] = ()
    rules: tuple[Rule, ...] = ()
    physical_name: str = ""
    description: str = ""
    id: str = ""

    def field(self, name: str) -> Field | None:
        return next((f for f in self.fields if f.name == name), None)

    def paths(self) -> tuple[str, ...]:
        """Every field, those of structs by `outer.inner`, through lists and maps as well."""
        return tuple(_paths(self.fields, ""))


def _paths(fields: tuple[Field, ...], prefix: str) -> Iterator[str]:
    for one in fields:
        yield f"{prefix}{one.name}"
        inside = one.type
        while isinstance(inside, List | Map):
            inside = inside.element.type if isinstance(inside, List) else inside.value.type
        if isinstance(inside, Struct):
            yield from _paths(inside.fields, f"{prefix}{one.name}.")


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract version. Where one record is meant (a request, a message, a row) it is the first object.

    document: what it was read from, as plain data, so that writing it again keeps what has no place here. It is no
    part of what the contract says: two contracts from different documents may be equal.
    """

    name: str
    version: str
    objects: tuple[Object, ...]
    owner: str = ""
    where: str = ""
    document: Mapping[str, Any] | None = of(default=None, compare=False, repr=False)

    @property
    def record(self) -> Object:
        return self.objects[0] if self.objects else Object(self.name, ())

    @property
    def fields(self) -> tuple[Field, ...]:
        return self.record.fields

    @property
    def is_open(self) -> bool:
        return self.record.is_open

    def field(self, name: str) -> Field | None:
        return self.record.field(name)


def record(
    name: str, version: str, fields: tuple[Field, ...], is_open: bool = True, owner: str = "", where: str = ""
) -> Contract:
    """The contract of one record, which has the contract's name."""
    return Contract(name, version, (Object(name, fields, is_open),), owner, where)
