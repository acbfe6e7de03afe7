"""Whether the items of arrays that a writer allows are allowed by a reader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from interlock.domain.schemas.json_schema.content import Rest, rest_of
from interlock.domain.schemas.json_schema.difference import Difference, DifferenceType
from interlock.domain.schemas.json_schema.node import Elements, Node
from interlock.domain.schemas.json_schema.reasons import against, bound
from interlock.domain.schemas.json_schema.search import Reasons, Task
from interlock.domain.schemas.json_schema.shape import Shape, of

if TYPE_CHECKING:
    from interlock.domain.schemas.json_schema.decide import Decider


def check(decider: Decider, shape: Shape, node: Node, row: Elements, level: int) -> Task:
    """Every demand on arrays."""
    found: Reasons = tuple(_counts(shape, node, row))
    found += yield _items(decider, shape, node, row, level)
    if row.contains is not None:
        found += yield _contains(decider, shape, node, row, row.contains, level)
    if row.idle_rest is not None:
        found += yield _idle(decider, shape, node, row.idle_rest, level)
    return found


def is_impossible(decider: Decider, shape: Shape, level: int) -> Task:
    """Whether an item that must be there can have no value."""
    for index in range(min(shape.least_items, shape.longest_prefix + 1)):
        given = shape.item(index)
        if given and not (yield decider.empty(of(given), level + 1)):
            return True
    return False


def _counts(shape: Shape, node: Node, row: Elements) -> Iterator[Difference]:
    if row.least > shape.least_items:
        given = shape.least_items or None
        yield from bound(node, "minItems", "MIN_ITEMS", row.least, given, is_upper=False)
    most = shape.most_items
    if row.most is not None and (most is None or most > row.most):
        yield from bound(node, "maxItems", "MAX_ITEMS", row.most, most, is_upper=True)
    if row.is_unique and not shape.is_unique and (most is None or most > 1):
        says = "items must differ, and the writer may repeat them"
        yield against(DifferenceType.UNIQUE_ITEMS_ADDED, node, ("uniqueItems",), says)


def _items(decider: Decider, shape: Shape, node: Node, row: Elements, level: int) -> Task:
    """Item by item up to where both sides' tuples end, then all others at once."""
    rest = rest_of(node, is_reader=True)
    listed = max(len(row.prefix), shape.longest_prefix, rest.start if rest else 0, _latest_start(shape))
    most = shape.most_items
    found: Reasons = ()
    for index in range(listed if most is None else min(listed, most)):
        wanted = row.prefix[index] if index < len(row.prefix) else (rest.schema if rest else None)
        if wanted is None or (index >= len(row.prefix) and rest is not None and index < rest.start):
            continue
        given = shape.item(index)
        if not decider.covered(given, wanted) and (
            reasons := (yield decider.included(of(given), wanted, level + 1))
        ):
            found += tuple(_item(shape, node, row, index, wanted, reasons))
    if rest is not None and (most is None or most > listed):
        given = shape.item(listed)
        if not decider.covered(given, rest.schema) and (
            reasons := (yield decider.included(of(given), rest.schema, level + 1))
        ):
            found += _others(shape, node, rest, bool(given), reasons)
    return found


def _latest_start(shape: Shape) -> int:
    return max((rest.start for one, _ in shape.rows if (rest := rest_of(one, is_reader=False))), default=0)


def _item(
    shape: Shape, node: Node, row: Elements, index: int, wanted: Node, reasons: Reasons
) -> Iterator[Difference]:
    keys = ("items", index)
    if index < min(len(row.prefix), shape.longest_prefix):
        yield from reasons
    elif index < len(row.prefix):
        if shape.item(index):
            yield from reasons
            kind = DifferenceType.ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
            yield against(kind, node, keys, f"item {index} is new, and what may be written there is not read")
        else:
            kind = DifferenceType.ITEM_ADDED_TO_OPEN_CONTENT_MODEL
            yield against(kind, node, keys, f"item {index} is new, and the writer may put anything there")
    elif wanted.is_false:
        kind = DifferenceType.ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL
        yield against(kind, node, keys, f"item {index} is written, and the reader takes no more than {index}")
    else:
        yield from reasons
        kind = DifferenceType.ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
        yield against(kind, node, keys, f"item {index} is written, and the reader takes something else there")


def _others(shape: Shape, node: Node, rest: Rest, is_limited: bool, reasons: Reasons) -> Reasons:
    name = "UNEVALUATED" if rest.keyword == "unevaluatedItems" else "ADDITIONAL"
    if rest.schema.is_false:
        kind, says = DifferenceType(f"{name}_ITEMS_REMOVED"), "more items may be written, and are no longer read"
    elif is_limited:
        return reasons
    elif rest.keyword == "items" and not shape.longest_prefix:
        kind, says = DifferenceType.SCHEMA_ADDED, "items may be anything, and only some values are read"
    else:
        kind = DifferenceType(f"{name}_ITEMS_NARROWED")
        says = "more items may hold anything, and only some values are read"
    return (against(kind, node, (rest.keyword,), says),)


def _contains(decider: Decider, shape: Shape, node: Node, row: Elements, wanted: Node, level: int) -> Task:
    found: Reasons = ()
    least, most = row.contains_least, row.contains_most
    if least:
        sure = yield _surely_contained(decider, shape, wanted, level)
        if sure < least:
            stated = isinstance(node.place.schema, dict) and "minContains" in node.place.schema
            name = "MIN_CONTAINS_" + ("INCREASED" if sure else "ADDED") if stated else "CONTAINS_NARROWED"
            says = f"at least {least} items must be as asked, and of the writer's {sure} are known to be"
            found += (against(DifferenceType(name), node, ("contains",), says),)
    if most is not None and (shape.most_items is None or shape.most_items > most):
        given = [(r.contains, r.contains_most) for _, r in shape.rows if r.contains is not None]
        for counted, limit in given:
            is_less = limit is not None and limit <= most
            if is_less and not (yield _proven(decider, wanted, counted, level)):
                return found
        kind = (
            DifferenceType.MAX_CONTAINS_DECREASED
            if any(b is not None for _, b in given)
            else DifferenceType.MAX_CONTAINS_ADDED
        )
        found += (against(kind, node, ("maxContains",), f"no more than {most} items may be as asked"),)
    return found


def _surely_contained(decider: Decider, shape: Shape, wanted: Node, level: int) -> Task:
    """How many items of every array are known to meet `wanted`."""
    sure = 0
    for _, row in shape.rows:
        if row.contains is None or row.contains_least <= sure:
            continue
        if not (yield _proven(decider, row.contains, wanted, level)):
            sure = row.contains_least
    least = shape.least_items
    if least > sure and least <= shape.longest_prefix + 1:
        held = 0
        for index in range(least):
            given = shape.item(index)
            held += decider.covered(given, wanted) or not (yield decider.included(of(given), wanted, level + 1))
        sure = max(sure, held)
    elif least > sure:
        given = shape.item(shape.longest_prefix + _latest_start(shape))
        if not (yield decider.included(of(given), wanted, level + 1)):
            sure = max(sure, least - shape.longest_prefix - _latest_start(shape))
    return sure


def _proven(decider: Decider, given: Node, wanted: Node, level: int) -> Task:
    if decider.covered((given,), wanted):
        return ()
    return (yield decider.included(of((given,)), wanted, level + 1))


def _idle(decider: Decider, shape: Shape, node: Node, wanted: Node, level: int) -> Task:
    """`additionalItems` without a tuple before it: it has no effect, but what was meant is compared."""
    given = tuple(row.idle_rest for _, row in shape.rows if row.idle_rest is not None)
    if decider.covered(given, wanted) or not (reasons := (yield decider.included(of(given), wanted, level + 1))):
        return ()
    if wanted.is_false:
        says = "additional items are ruled out; without a tuple that has no effect"
        return (
            against(DifferenceType.ADDITIONAL_ITEMS_REMOVED, node, ("additionalItems",), says, "Leave it out."),
        )
    return reasons if given else ()
