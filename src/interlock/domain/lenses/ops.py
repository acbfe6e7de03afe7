"""The lens operations: a closed union. Each op names fields of one flat JSON object.

A program is a tuple of ops that is applied in order, forward only; `reverse.py` turns a lens around by
producing the inverse program. Shape follows Cambria's lens ops (Litt, van Hardenberg, Henry 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scalar = str | int | float | bool | None
ScalarType = Literal["string", "integer", "number", "boolean"]


@dataclass(frozen=True, slots=True)
class Rename:
    """`source` becomes `target`; value untouched."""

    source: str
    target: str
    op: Literal["rename"] = "rename"


@dataclass(frozen=True, slots=True)
class Add:
    """A field that the older version lacks gets `default`. Backward it is dropped."""

    field: str
    default: Scalar = None
    op: Literal["add"] = "add"


@dataclass(frozen=True, slots=True)
class Drop:
    """A field that the newer version lacks. Backward it is fabricated as `default`."""

    field: str
    default: Scalar = None
    op: Literal["drop"] = "drop"


@dataclass(frozen=True, slots=True)
class Cast:
    """Change the JSON type of a field; a value that has no exact counterpart is rejected."""

    field: str
    source: ScalarType
    target: ScalarType
    op: Literal["cast"] = "cast"


@dataclass(frozen=True, slots=True)
class Unit:
    """target = source * numerator / denominator + offset, in IEEE 754 double precision.

    `integer`: the target is rounded half to even and must stay within 2**53, else the record is rejected.
    """

    field: str
    numerator: int
    denominator: int = 1
    offset: float = 0.0
    integer: bool = False
    op: Literal["unit"] = "unit"


@dataclass(frozen=True, slots=True)
class Map:
    """Replace a value by a table of (from, to) pairs; a value outside the table is rejected.

    `fallback` (a tuple of one value, or empty) is used instead of rejecting when it is given.
    """

    field: str
    pairs: tuple[tuple[Scalar, Scalar], ...]
    fallback: tuple[Scalar, ...] = ()
    op: Literal["map"] = "map"


Op = Rename | Add | Drop | Cast | Unit | Map
Program = tuple[Op, ...]
