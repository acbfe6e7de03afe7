"""A contract version: one flat object of typed fields. Digest is over this, never over its YAML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scalar = str | int | float | bool | None
FieldType = Literal["string", "integer", "number", "boolean", "timestamp", "date", "object", "array"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `required`: the key must be there; `nullable`: its value may be null.

    unit: UCUM code (`min`, `s`, `m/s`); enum: the closed set of values, empty when open.
    `default` is a tuple of one value, or empty when there is none (null can be a default).
    """

    name: str
    type: FieldType
    required: bool = True
    nullable: bool = False
    unit: str = ""
    enum: tuple[Scalar, ...] = ()
    default: tuple[Scalar, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract version. `is_open`: fields that are not listed are allowed and pass through."""

    name: str
    version: str
    fields: tuple[Field, ...]
    is_open: bool = True
    owner: str = ""
    where: str = ""

    def field(self, name: str) -> Field | None:
        return next((f for f in self.fields if f.name == name), None)
