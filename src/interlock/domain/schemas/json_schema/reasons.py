"""Makes the differences that stand in a proof's way: one function, so that all of them read alike."""

from __future__ import annotations

from fractions import Fraction

from interlock.domain.schemas.json_schema.difference import Difference, DifferenceType
from interlock.domain.schemas.json_schema.node import Node
from interlock.domain.schemas.json_schema.search import Reasons
from interlock.domain.schemas.json_schema.values import pointer, shown

WIDEN_READER = "Widen the reader first, or narrow the writer and wait until nothing wider is left."


def against(
    kind: DifferenceType, node: Node, keys: tuple[str | int, ...], says: str, remedy: str = WIDEN_READER
) -> Difference:
    """A blocking difference at `keys` below `node`, which belongs to the reader."""
    return Difference(kind, pointer(node.pointer, *keys), says, remedy)


def bound(
    node: Node, keyword: str, name: str, wanted: Fraction | int, given: Fraction | int | None, *, is_upper: bool
) -> Reasons:
    """`keyword` asks for `wanted` and the writer keeps to `given`, which is not enough."""
    how = "ADDED" if given is None else ("DECREASED" if is_upper else "INCREASED")
    kept = "has no such bound" if given is None else f"keeps to {shown(given)}"
    says = f"the reader takes {keyword} {shown(wanted)}, and the writer {kept}"
    return (against(DifferenceType(f"{name}_{how}"), node, (keyword,), says),)
