"""What a conjunction of schemas allows, merged: a set of values that is at least as large as the true one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

from interlock.domain.schemas.json_schema import node as kinds
from interlock.domain.schemas.json_schema.content import CatchAll, catch_alls, rest_of
from interlock.domain.schemas.json_schema.node import Choice, Condition, Elements, Facts, Members, Node
from interlock.domain.schemas.json_schema.regular import matches

_MOST_LISTED = 64
"""Integers between bounds are looked at one by one up to this many."""


@dataclass(frozen=True, slots=True)
class Conjunction:
    """Schemas that hold (`positive`) or do not hold (`negative`), by uid; `decided` are choices taken already."""

    positive: frozenset[int] = frozenset()
    negative: frozenset[int] = frozenset()
    decided: frozenset[int] = frozenset()

    def with_nodes(
        self, nodes: Iterable[Node] = (), negative: Iterable[Node] = (), decided: Iterable[int] = ()
    ) -> Conjunction:
        return Conjunction(
            self.positive.union(node.uid for node in nodes),
            self.negative.union(node.uid for node in negative),
            self.decided.union(decided),
        )

    def without_negatives(self) -> Conjunction:
        """A conjunction that allows at least as much, and is quicker to look at."""
        return Conjunction(self.positive, frozenset(), self.decided)


def of(nodes: Iterable[Node]) -> Conjunction:
    """The conjunction of `nodes`."""
    return Conjunction(frozenset(node.uid for node in nodes))


@dataclass
class Shape:
    """A merged conjunction. Bounds are of numbers, counts of code points, items or members; None is no bound."""

    source: Conjunction
    nodes: tuple[Node, ...]
    negatives: tuple[Node, ...]
    choices: tuple[Choice, ...]
    conditions: tuple[Condition, ...]
    types: int = kinds.EVERY
    values: tuple[Any, ...] | None = None
    low: Fraction | None = None
    high: Fraction | None = None
    is_low_open: bool = False
    is_high_open: bool = False
    multiples: frozenset[Fraction] = frozenset()
    min_length: int = 0
    max_length: int | None = None
    patterns: frozenset[str] = frozenset()
    formats: frozenset[tuple[str, str]] = frozenset()
    unfollowed: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()
    parts: list[tuple[Node, Members]] = field(default_factory=list)
    rows: list[tuple[Node, Elements]] = field(default_factory=list)

    @cached_property
    def uids(self) -> frozenset[int]:
        return frozenset(node.uid for node in self.nodes)

    @cached_property
    def numbers(self) -> frozenset[int]:
        """The texts of the schemas that hold, by number."""
        return frozenset(node.number for node in self.nodes)

    # objects

    @cached_property
    def catch_alls(self) -> tuple[tuple[CatchAll, ...], ...]:
        return tuple(catch_alls(node, is_reader=False) for node, _ in self.parts)

    @cached_property
    def declared(self) -> dict[str, Node | None]:
        """Every property that is named, with the first schema for it (None: an open choice names it)."""
        found: dict[str, Node | None] = {}
        for _, members in self.parts:
            for name, schema in members.properties.items():
                found.setdefault(name, schema)
        for group in self.catch_alls:
            for one in group:
                for name in one.names - found.keys():
                    found[name] = None
        return found

    @cached_property
    def name_patterns(self) -> dict[str, tuple[Node, ...]]:
        """Every pattern of names, with what holds for the members that match it."""
        found: dict[str, tuple[Node, ...]] = {}
        for _, members in self.parts:
            for pattern, schema in members.patterns:
                found[pattern] = (*found.get(pattern, ()), schema)
        for group in self.catch_alls:
            for one in group:
                for pattern in one.patterns:
                    found.setdefault(pattern, ())
        return found

    @cached_property
    def others(self) -> tuple[Node, ...]:
        """What holds for members that nothing names and no pattern matches."""
        return tuple(one.schema for group in self.catch_alls for one in group if not one.schema.is_true)

    @cached_property
    def is_closed(self) -> bool:
        """Whether only names that are declared or match a pattern can occur."""
        return any(node.is_false for node in self.others)

    def member(self, name: str) -> tuple[Node, ...]:
        """What surely holds for the member `name`."""
        found: list[Node] = []
        for (_, members), group in zip(self.parts, self.catch_alls, strict=True):
            if name in members.properties:
                found.append(members.properties[name])
            found += [schema for pattern, schema in members.patterns if matches(pattern, name)]
            found += [one.schema for one in group if one.surely_catches(name)]
        return tuple(node for node in found if not node.is_true)

    def forbids(self, name: str) -> bool:
        return name in self.absent or any(node.is_false for node in self.member(name))

    @cached_property
    def least_members(self) -> int:
        return max([len(self.required), *(members.least for _, members in self.parts)])

    @cached_property
    def most_members(self) -> int | None:
        counts = [members.most for _, members in self.parts if members.most is not None]
        if self.is_closed and not self.name_patterns:
            counts.append(sum(node is None or not node.is_false for node in self.declared.values()))
        return min(counts, default=None)

    # arrays

    @cached_property
    def longest_prefix(self) -> int:
        return max((len(row.prefix) for _, row in self.rows), default=0)

    def item(self, index: int) -> tuple[Node, ...]:
        """What surely holds for the item at `index`."""
        found: list[Node] = []
        for node, row in self.rows:
            if index < len(row.prefix):
                found.append(row.prefix[index])
            elif (rest := rest_of(node, is_reader=False)) is not None and index >= rest.start:
                found.append(rest.schema)
        return tuple(node for node in found if not node.is_true)

    @cached_property
    def least_items(self) -> int:
        return max((max(row.least, row.contains_least) for _, row in self.rows), default=0)

    @cached_property
    def most_items(self) -> int | None:
        counts = [row.most for _, row in self.rows if row.most is not None]
        for node, row in self.rows:
            counts += [index for index, one in enumerate(row.prefix) if one.is_false]
            rest = rest_of(node, is_reader=False)
            if rest is not None and rest.schema.is_false:
                counts.append(rest.start)
        return min(counts, default=None)

    @cached_property
    def is_unique(self) -> bool:
        return any(row.is_unique for _, row in self.rows)

    def finite(self) -> tuple[Any, ...] | None:
        """All values that are possible, when they can be listed."""
        if self.values is not None:
            return self.values
        found: list[Any] = []
        if self.types & ~(kinds.NULL | kinds.BOOLEAN | kinds.INTEGER):
            return None
        if self.types & kinds.NULL:
            found.append(None)
        if self.types & kinds.BOOLEAN:
            found += [False, True]
        if self.types & kinds.INTEGER:
            bounds = self.integers()
            if bounds is None or bounds[1] - bounds[0] >= _MOST_LISTED:
                return None
            found += range(bounds[0], bounds[1] + 1)
        return tuple(found)

    def integers(self) -> tuple[int, int] | None:
        """The first and last whole number within the bounds, when there are both bounds."""
        if self.low is None or self.high is None:
            return None
        return first_integer(self.low, self.is_low_open), last_integer(self.high, self.is_high_open)


def first_integer(low: Fraction, is_open: bool) -> int:
    return math.floor(low) + 1 if is_open else math.ceil(low)


def last_integer(high: Fraction, is_open: bool) -> int:
    return math.ceil(high) - 1 if is_open else math.floor(high)


def shape_of(source: Conjunction, by_uid: dict[int, Node]) -> Shape:
    """Merge a conjunction: `allOf`, references and single choices dissolved, with what required members imply."""
    gathered = _Gathering(source)
    for uid in sorted(source.positive):
        gathered.add(by_uid[uid])
    for uid in sorted(source.negative):
        gathered.refuse(by_uid[uid])
    shape = gathered.shape()
    while shape.types == kinds.OBJECT and gathered.imply(shape):
        shape = gathered.shape()
    return shape


class _Gathering:
    """Collects the schemas of a conjunction."""

    def __init__(self, source: Conjunction) -> None:
        self.source = source
        self.nodes: dict[int, Node] = {}
        self.negatives: dict[int, Node] = {}
        self.implied: set[str] = set()

    def add(self, start: Node) -> None:
        stack = [start]
        while stack:
            node = stack.pop()
            if node.uid in self.nodes:
                continue
            self.nodes[node.uid] = node
            facts = node.facts
            stack.extend(facts.all_of)
            stack.extend(choice.branches[0] for choice in facts.choices if len(choice.branches) == 1)
            if facts.negated is not None:
                stack.extend(self.refuse(facts.negated))

    def refuse(self, node: Node) -> list[Node]:
        """Take in that `node` does not hold; the schemas that therefore hold."""
        stack, holding = [node], []
        while stack:
            refused = stack.pop()
            if refused.uid in self.negatives:
                continue
            self.negatives[refused.uid] = refused
            facts = refused.facts
            if facts.choices and not facts.choices[0].is_exclusive and facts == Facts(choices=facts.choices[:1]):
                stack.extend(facts.choices[0].branches)
            elif facts.negated is not None and facts == Facts(negated=facts.negated):
                holding.append(facts.negated)
            elif len(facts.all_of) == 1 and facts == Facts(all_of=facts.all_of):
                stack.append(facts.all_of[0])
        if node.uid in self.source.negative:
            for one in holding:
                self.add(one)
        return holding

    def imply(self, shape: Shape) -> bool:
        """Add the schemas that required members bring with them; whether there was any."""
        before = len(self.nodes), len(self.implied)
        for node in list(self.nodes.values()):
            members = node.facts.members
            if members is None:
                continue
            for name in shape.required:
                if name in members.implies:
                    self.add(members.implies[name])
                self.implied |= members.needs.get(name, frozenset())
        return before != (len(self.nodes), len(self.implied))

    def shape(self) -> Shape:
        all_facts = [node.facts for node in self.nodes.values()]
        decided = self.source.decided
        shape = Shape(
            source=self.source,
            nodes=tuple(self.nodes.values()),
            negatives=tuple(self.negatives.values()),
            choices=tuple(c for f in all_facts for c in f.choices if len(c.branches) > 1 and c.uid not in decided),
            conditions=tuple(
                one
                for one in (f.condition for f in all_facts)
                if one is not None and one.uid not in decided and not one.then is one.otherwise is None
            ),
        )
        for node, facts in zip(self.nodes.values(), all_facts, strict=True):
            _merge(shape, node, facts)
        shape.required |= self.implied
        for refused in self.negatives.values():
            _subtract(shape, refused)
        for choice in shape.choices:
            shape.types &= _union(choice)
        _narrow(shape)
        return shape


def _union(choice: Choice) -> int:
    types = 0
    for branch in choice.branches:
        own = branch.facts.types
        for inner in branch.facts.all_of:
            own &= inner.facts.types
        types |= own
    return types


def _merge(shape: Shape, node: Node, facts: Facts) -> None:
    shape.types &= facts.types
    for bound, is_open in ((facts.minimum, False), (facts.above, True)):
        if bound is not None and (shape.low is None or (bound, is_open) > (shape.low, shape.is_low_open)):
            shape.low, shape.is_low_open = bound, is_open
    for bound, is_open in ((facts.maximum, False), (facts.below, True)):
        if bound is not None and (shape.high is None or (-bound, is_open) > (-shape.high, shape.is_high_open)):
            shape.high, shape.is_high_open = bound, is_open
    if facts.multiple is not None:
        shape.multiples |= {facts.multiple}
    shape.min_length = max(shape.min_length, facts.min_length)
    if facts.max_length is not None:
        shape.max_length = min(facts.max_length, facts.max_length if shape.max_length is None else shape.max_length)
    if facts.pattern is not None:
        shape.patterns |= {facts.pattern}
    shape.formats |= set(facts.formats)
    shape.unfollowed |= set(facts.unfollowed)
    if facts.members is not None:
        shape.parts.append((node, facts.members))
        shape.required |= facts.members.required
    if facts.elements is not None:
        shape.rows.append((node, facts.elements))
    if facts.values is not None:
        if shape.values is None:
            shape.values = facts.values
        else:
            number = node.space.interner.number
            kept = {number(value) for value in facts.values}
            shape.values = tuple(value for value in shape.values if number(value) in kept)


def _subtract(shape: Shape, refused: Node) -> None:
    """Take out what a refused schema covers, where it is simple enough to say what is left."""
    facts = refused.facts
    if refused.uid in {node.uid for node in shape.nodes} or facts == Facts():
        shape.types = 0
    elif facts == Facts(types=facts.types):
        shape.types &= ~facts.types
    elif facts == Facts(types=facts.types, values=facts.values) and facts.values and shape.values is not None:
        number = refused.space.interner.number
        gone = {number(value) for value in facts.values if kinds.type_of(value) & facts.types}
        shape.values = tuple(value for value in shape.values if number(value) not in gone)
    elif facts == Facts(members=facts.members) and facts.members is not None:
        members = facts.members
        is_only_required = members.is_plain and members.names is None and not (members.least or members.needs)
        if is_only_required and members.most is None:
            shape.types &= kinds.OBJECT
            if len(members.required) == 1:
                shape.absent |= members.required


def _narrow(shape: Shape) -> None:
    """Take out the kinds of values for which nothing is left."""
    if shape.values is not None:
        shape.values = tuple(value for value in shape.values if kinds.type_of(value) & shape.types)
        shape.types = 0
        for value in shape.values:
            shape.types |= kinds.type_of(value)
        return
    shape.types &= ~_impossible_numbers(shape)
    if shape.max_length is not None and shape.min_length > shape.max_length:
        shape.types &= ~kinds.STRING
    if shape.types & kinds.ARRAY and shape.most_items is not None and shape.least_items > shape.most_items:
        shape.types &= ~kinds.ARRAY
    if shape.types & kinds.OBJECT:
        too_many = shape.most_members is not None and shape.least_members > shape.most_members
        if too_many or any(shape.forbids(name) for name in shape.required):
            shape.types &= ~kinds.OBJECT


def _impossible_numbers(shape: Shape) -> int:
    gone = 0
    if any(multiple.denominator == 1 for multiple in shape.multiples):
        gone |= kinds.FRACTION
    if shape.low is not None and shape.high is not None:
        is_open = shape.is_low_open or shape.is_high_open
        if shape.low > shape.high or (shape.low == shape.high and is_open):
            return kinds.NUMBER
        if shape.low == shape.high and shape.low.denominator == 1:
            gone |= kinds.FRACTION
        bounds = shape.integers()
        if bounds is not None and bounds[0] > bounds[1]:
            gone |= kinds.INTEGER
    return gone


def declared_names(shape: Shape) -> Iterator[str]:
    """Names of members that can occur and are declared."""
    for name in shape.declared:
        if not shape.forbids(name):
            yield name
