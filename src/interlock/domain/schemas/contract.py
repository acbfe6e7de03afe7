"""A contract version: what records and tables look like, whatever format says it. The digest is over this, never
over a document's bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as of
from typing import Literal

from interlock.domain.schemas.field import Field, Scalar

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of quality on an object, or on one of its fields: `metric` must be at least / at most so much.

    metric: `null_values`, `missing_values`, `invalid_values`, `duplicate_values`, `row_count`, `freshness_s`, or
    `sql` (one number from `query`, where `{object}` and `{field}` stand for the names). The share of rows counts
    instead of their number when `is_share`. at_least, at_most: inclusive bounds, None when open.
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
    """A record or a table. `is_open`: fields that are not listed are allowed and pass through."""

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

    def field(self, name: str) -> Field | None:
        return next((f for f in self.fields if f.name == name), None)


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract version. Where one record is meant (a request, a message, a row) it is the first object."""

    name: str
    version: str
    objects: tuple[Object, ...]
    owner: str = ""
    where: str = ""

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
