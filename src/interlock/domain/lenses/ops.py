"""The lens operations: a closed union. Each op names fields of one JSON object.

A program is a tuple of ops that is applied in order, forward only; `reverse.py` turns a lens around by
producing the inverse program. Shape follows Cambria's lens ops (Litt, van Hardenberg, Henry 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from interlock.domain.lenses.expressions.nodes import Expr
from interlock.domain.schemas.scalars import identity

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
    """A field that the older version lacks gets `default`, or `value` computed from the other fields. Backward it
    is dropped.
    """

    field: str
    default: Scalar = None
    value: Expr | None = None
    op: Literal["add"] = "add"


@dataclass(frozen=True, slots=True)
class Drop:
    """A field that the newer version lacks. Backward it is `default`, or `value` computed from the other fields."""

    field: str
    default: Scalar = None
    value: Expr | None = None
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

    `integer`: the target is rounded half to even and must stay below 2**53, else the record is rejected.
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


@dataclass(frozen=True, slots=True)
class Computed:
    """A field and what it is computed from. A record in which it cannot be (NULL) is rejected if it is `needed`."""

    field: str
    value: Expr
    is_needed: bool = False


@dataclass(frozen=True, slots=True)
class Recombine:
    """`parts` replace the fields in `whole`; backward, `whole` is computed from the parts. A split has one field in
    `whole`, a merge one in `parts`.
    """

    whole: tuple[Computed, ...]
    parts: tuple[Computed, ...]
    op: Literal["recombine"] = "recombine"


@dataclass(frozen=True, slots=True)
class Nest:
    """`fields` move into a new object `into`, those that are there. Backward they move out again."""

    fields: tuple[str, ...]
    into: str
    op: Literal["nest"] = "nest"


@dataclass(frozen=True, slots=True)
class Unnest:
    """`fields` move out of the object `source`, which goes. An object that holds more is rejected; null leaves
    every field null. Backward they are nested.
    """

    fields: tuple[str, ...]
    source: str
    op: Literal["unnest"] = "unnest"


@dataclass(frozen=True, slots=True)
class Wrap:
    """A value becomes a list of one. Backward: Head."""

    field: str
    op: Literal["wrap"] = "wrap"


@dataclass(frozen=True, slots=True)
class Head:
    """A list becomes its first element, null when it is empty. Backward: Wrap."""

    field: str
    op: Literal["head"] = "head"


@dataclass(frozen=True, slots=True)
class Fill:
    """null becomes `value`. Backward: Blank."""

    field: str
    value: Scalar
    op: Literal["fill"] = "fill"


@dataclass(frozen=True, slots=True)
class Blank:
    """`value` becomes null. Backward: Fill."""

    field: str
    value: Scalar
    op: Literal["blank"] = "blank"


@dataclass(frozen=True, slots=True)
class Inside:
    """`ops` are applied to the object in `field`; null passes."""

    field: str
    ops: tuple[Op, ...]
    op: Literal["in"] = "in"


@dataclass(frozen=True, slots=True)
class Each:
    """`ops` are applied to every object of the list in `field`; null passes."""

    field: str
    ops: tuple[Op, ...]
    op: Literal["each"] = "each"


Op = (
    Rename | Add | Drop | Cast | Unit | Map | Recombine | Nest | Unnest | Wrap | Head | Fill | Blank | Inside | Each
)
Program = tuple[Op, ...]


def first_pairs(op: Map) -> tuple[tuple[Scalar, Scalar], ...]:
    """The pairs that count: of those that name the same value, the first."""
    found: dict[tuple[str, Any], tuple[Scalar, Scalar]] = {}
    for source, target in op.pairs:
        found.setdefault(identity(source), (source, target))
    return tuple(found.values())


def title(op: Op) -> str:
    """What the op is called in a lens document."""
    if isinstance(op, Recombine):
        return "split" if len(op.whole) == 1 else "merge"
    return op.op
