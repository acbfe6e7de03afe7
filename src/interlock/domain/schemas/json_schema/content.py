"""Which members and items a schema leaves over, and what then holds for them.

`additionalProperties` looks at its own schema alone; `unevaluatedProperties` also at those that apply in place.
Which of those apply can depend on the value, so for a writer everything that might be evaluated counts as
evaluated, and for a reader only what surely is: both err on the safe side (draft 2020-12 core, sections
10.3.2.3 and 11).
"""

from __future__ import annotations

from dataclasses import dataclass

from interlock.domain.schemas.json_schema.node import Node
from interlock.domain.schemas.json_schema.regular import matches


@dataclass(frozen=True, slots=True)
class CatchAll:
    """`schema` holds for members not among `names` and matching none of `patterns`."""

    keyword: str
    owner: Node
    names: frozenset[str]
    patterns: tuple[str, ...]
    schema: Node

    def surely_catches(self, name: str) -> bool:
        return name not in self.names and all(matches(pattern, name) is False for pattern in self.patterns)

    def may_catch(self, name: str) -> bool:
        return name not in self.names and not any(matches(pattern, name) for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class Rest:
    """`schema` holds for the items from `start` on."""

    keyword: str
    owner: Node
    start: int
    schema: Node


def catch_alls(node: Node, *, is_reader: bool) -> tuple[CatchAll, ...]:
    """What the schema says about members that it does not name, by either keyword."""
    members = node.facts.members
    if members is None:
        return ()
    found = []
    if members.additional is not None:
        patterns = tuple(pattern for pattern, _ in members.patterns)
        names = frozenset(members.properties)
        found.append(CatchAll("additionalProperties", node, names, patterns, members.additional))
    elif members.unevaluated is not None:
        reach = _reach(node, is_reader)
        if not reach.all_members:
            patterns = tuple(sorted(reach.patterns))
            names = frozenset(reach.names)
            found.append(CatchAll("unevaluatedProperties", node, names, patterns, members.unevaluated))
    return tuple(found)


def rest_of(node: Node, *, is_reader: bool) -> Rest | None:
    """What the schema says about items behind its tuple."""
    row = node.facts.elements
    if row is None:
        return None
    if row.rest is not None:
        newer_or_list = node.document.dialect.has_tuple_items and row.prefix
        return Rest("additionalItems" if newer_or_list else "items", node, len(row.prefix), row.rest)
    if row.unevaluated is not None:
        reach = _reach(node, is_reader)
        if not reach.all_items:
            return Rest("unevaluatedItems", node, reach.items, row.unevaluated)
    return None


@dataclass(slots=True)
class _Reach:
    names: set[str]
    patterns: set[str]
    all_members: bool = False
    items: int = 0
    all_items: bool = False


def _reach(start: Node, is_reader: bool) -> _Reach:
    """What `start` and the schemas that it applies in place evaluate: surely (reader) or possibly (writer)."""
    reach, stack, seen = _Reach(set(), set()), [start], set()
    while stack:
        node = stack.pop()
        if node.uid in seen:
            continue
        seen.add(node.uid)
        _take(reach, node, node is start, is_reader)
        facts = node.facts
        stack.extend(facts.all_of)
        for choice in facts.choices:
            if not is_reader or len(choice.branches) == 1:
                stack.extend(choice.branches)
        if not is_reader:
            condition = facts.condition
            if condition is not None:
                stack.extend(n for n in (condition.test, condition.then, condition.otherwise) if n is not None)
            if facts.members is not None:
                stack.extend(facts.members.implies.values())
            if facts.unfollowed:
                reach.all_members = reach.all_items = True
    return reach


def _take(reach: _Reach, node: Node, is_start: bool, is_reader: bool) -> None:
    members, row = node.facts.members, node.facts.elements
    if members is not None:
        reach.names |= members.properties.keys()
        reach.patterns |= {pattern for pattern, _ in members.patterns}
        if members.additional is not None or (members.unevaluated is not None and not is_start):
            reach.all_members = True
    if row is not None:
        reach.items = max(reach.items, len(row.prefix))
        if row.rest is not None or (row.unevaluated is not None and not is_start):
            reach.all_items = True
        if row.contains is not None and not is_reader:
            reach.all_items = True
