"""Whether the members of objects that a writer allows are allowed by a reader."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from interlock.domain.schemas.json_schema import evaluate
from interlock.domain.schemas.json_schema import node as kinds
from interlock.domain.schemas.json_schema.content import CatchAll, catch_alls
from interlock.domain.schemas.json_schema.difference import Difference, DifferenceType, Policy
from interlock.domain.schemas.json_schema.node import Members, Node
from interlock.domain.schemas.json_schema.reasons import WIDEN_READER, against, bound
from interlock.domain.schemas.json_schema.regular import disjoint, includes, matches
from interlock.domain.schemas.json_schema.search import Reasons, Task
from interlock.domain.schemas.json_schema.shape import Shape, declared_names, of
from interlock.domain.schemas.json_schema.values import shown

if TYPE_CHECKING:
    from interlock.domain.schemas.json_schema.decide import Decider

_ALWAYS_WRITE = "Let the writer always send it first, or leave it optional."


def check(decider: Decider, shape: Shape, node: Node, members: Members, level: int) -> Task:
    """Every demand on objects."""
    found: Reasons = tuple(_required(decider, shape, node, members)) + tuple(_counts(shape, node, members))
    found += yield _properties(decider, shape, node, members, level)
    found += yield _patterns(decider, shape, node, members, level)
    for one in catch_alls(node, is_reader=True):
        found += yield _additional(decider, shape, node, one, level)
    if members.names is not None:
        found += yield _names(decider, shape, node, members.names, level)
    found += yield _dependencies(decider, shape, node, members, level)
    return found


def is_impossible(decider: Decider, shape: Shape, level: int) -> Task:
    """Whether a required member can have no value."""
    for name in shape.required:
        given = shape.member(name)
        if given and not (yield decider.empty(of(given), level + 1)):
            return True
    return False


def _proven(decider: Decider, given: Iterable[Node], wanted: Node, level: int) -> Task:
    """Reasons against a member that meets `given` meeting `wanted`."""
    given = tuple(given)
    if decider.covered(given, wanted):
        return ()
    return (yield decider.included(of(given), wanted, level + 1))


def _required(decider: Decider, shape: Shape, node: Node, members: Members) -> Iterator[Difference]:
    for name in sorted(members.required - shape.required):
        wanted = members.properties.get(name)
        has_default = wanted is not None and wanted.default
        if has_default and decider.policy is Policy.LENIENT:
            continue
        if name in shape.declared:
            kind = (
                DifferenceType.REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED
                if has_default
                else DifferenceType.REQUIRED_ATTRIBUTE_ADDED
            )
        else:
            middle = "_WITH_DEFAULT" if has_default else ""
            model = "OPEN" if not shape.others else "UNOPEN"
            kind = DifferenceType(f"REQUIRED_PROPERTY{middle}_ADDED_TO_{model}_CONTENT_MODEL")
        says = f"{shown(name)} is required, and the writer may leave it out"
        if has_default:
            says += "; a default does not make it valid"
        yield against(kind, node, ("required", name), says, _ALWAYS_WRITE)


def _counts(shape: Shape, node: Node, members: Members) -> Iterator[Difference]:
    if members.least > shape.least_members:
        given = shape.least_members or None
        yield from bound(node, "minProperties", "MIN_PROPERTIES", members.least, given, is_upper=False)
    most = shape.most_members
    if members.most is not None and (most is None or most > members.most):
        if most is not None and sum(1 for _ in declared_names(shape)) <= members.most and shape.is_closed:
            return
        yield from bound(node, "maxProperties", "MAX_PROPERTIES", members.most, most, is_upper=True)


def _properties(decider: Decider, shape: Shape, node: Node, members: Members, level: int) -> Task:
    found: Reasons = ()
    for name, wanted in members.properties.items():
        if wanted.is_true or shape.forbids(name):
            continue
        given = shape.member(name)
        is_new = name not in shape.declared
        if is_new and not given and decider.policy is Policy.LENIENT:
            continue
        reasons: Reasons = yield _proven(decider, given, wanted, level)
        if not reasons:
            continue
        if not is_new:
            found += reasons
        elif given:
            kind = DifferenceType.PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
            says = f"{shown(name)} is new, and what the writer's content model lets through there is not read"
            found += (*reasons, against(kind, node, ("properties", name), says))
        else:
            needed = "REQUIRED" if name in members.required else "OPTIONAL"
            middle = "_WITH_DEFAULT" if wanted.default and needed == "REQUIRED" else ""
            kind = DifferenceType(f"{needed}_PROPERTY{middle}_ADDED_TO_OPEN_CONTENT_MODEL")
            says = f"{shown(name)} is new, and the writer's open content may hold anything there"
            remedy = "Close the writer's content first, or compare under LENIENT if nobody uses it."
            found += (against(kind, node, ("properties", name), says, remedy),)
    return found


def _patterns(decider: Decider, shape: Shape, node: Node, members: Members, level: int) -> Task:
    found: Reasons = ()
    for pattern, wanted in members.patterns:
        if wanted.is_true:
            continue
        sure = [one for q, given in shape.name_patterns.items() if includes(q, pattern) for one in given]
        if sure and not (yield _proven(decider, sure, wanted, level)):
            continue
        reasons: Reasons = ()
        for name in shape.declared:
            if matches(pattern, name) is not False and not shape.forbids(name):
                reasons += yield _proven(decider, shape.member(name), wanted, level)
        for other, given in shape.name_patterns.items():
            if disjoint(pattern, other) is not True:
                reasons += yield _proven(decider, given, wanted, level)
        is_open = not any(includes(other, pattern) for other in shape.name_patterns)
        is_open = is_open and not (decider.policy is Policy.LENIENT and not shape.others)
        if is_open:
            reasons += yield _proven(decider, shape.others, wanted, level)
        if reasons:
            says = f"members whose names match {shown(pattern)} may hold what is not read"
            kind = DifferenceType.PATTERN_PROPERTY_NARROWED
            found += (*reasons, against(kind, node, ("patternProperties", pattern), says))
    return found


def _additional(decider: Decider, shape: Shape, node: Node, one: CatchAll, level: int) -> Task:
    """Members that the reader names neither by name nor by pattern."""
    wanted = one.schema
    is_lenient = decider.policy is Policy.LENIENT
    if wanted.is_true or (wanted.is_false and is_lenient):
        return ()
    found: Reasons = ()
    for name in shape.declared.keys() - one.names:
        if one.may_catch(name) and not shape.forbids(name):
            reasons = yield _proven(decider, shape.member(name), wanted, level)
            if reasons:
                found += _removed(node, name, wanted, reasons)
    for pattern, given in shape.name_patterns.items():
        if not any(includes(mine, pattern) for mine in one.patterns):
            reasons = yield _proven(decider, given, wanted, level)
            if reasons:
                says = f"members whose names match {shown(pattern)} are written, and not read as additional ones"
                kind = DifferenceType.PATTERN_PROPERTY_NARROWED
                found += (against(kind, node, (one.keyword,), says),)
    if not (is_lenient and not shape.others) and (reasons := (yield _proven(decider, shape.others, wanted, level))):
        found += _others(node, one, wanted, shape, reasons)
    return tuple(sorted(found, key=lambda d: d.path))


def _removed(node: Node, name: str, wanted: Node, reasons: Reasons) -> Reasons:
    keys = ("properties", name)
    if wanted.is_false:
        kind = DifferenceType.PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL
        says = f"{shown(name)} is written, and the reader's closed content does not allow it"
        return (against(kind, node, keys, says, "Keep it, or open the reader's content."),)
    kind = DifferenceType.PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
    says = f"{shown(name)} is written, and the reader takes something else for members that it does not name"
    return (*reasons, against(kind, node, keys, says, "Keep it, or let the reader take what is written."))


def _others(node: Node, one: CatchAll, wanted: Node, shape: Shape, reasons: Reasons) -> Reasons:
    name = "UNEVALUATED" if one.keyword == "unevaluatedProperties" else "ADDITIONAL"
    if wanted.is_false:
        says = "members that are not listed may be written, and are no longer read"
        kind = DifferenceType(f"{name}_PROPERTIES_REMOVED")
    elif shape.others:
        return reasons
    else:
        says = "members that are not listed may hold anything, and only some values are read"
        kind = DifferenceType(f"{name}_PROPERTIES_NARROWED")
    return (against(kind, node, (one.keyword,), says, "Keep the content open, or close the writer's first."),)


def _names(decider: Decider, shape: Shape, node: Node, wanted: Node, level: int) -> Task:
    text = decider.space.kind(kinds.STRING)
    given = [members.names for _, members in shape.parts if members.names is not None]
    if not (yield _proven(decider, (*given, text), wanted, level)):
        return ()
    is_kept = shape.is_closed
    for name in declared_names(shape) if is_kept else ():
        if not (yield evaluate.evaluate(decider.search, name, wanted)):
            is_kept = False
            break
    for pattern in shape.name_patterns if is_kept else ():
        matching = decider.space.matching(pattern)
        if (yield _proven(decider, (*given, text, matching), wanted, level)):
            is_kept = False
            break
    if is_kept:
        return ()
    says = "members may have names that are not read"
    return (against(DifferenceType.PROPERTY_NAMES_NARROWED, node, ("propertyNames",), says),)


def _dependencies(decider: Decider, shape: Shape, node: Node, members: Members, level: int) -> Task:
    found: Reasons = ()
    for name, needed in members.needs.items():
        present = decider.shape(shape.source.with_nodes((decider.space.demand("present", name),)))
        if present.types and not needed <= present.required:
            given = [m.needs[name] for _, m in shape.parts if name in m.needs]
            found += (_dependency(node, name, needed, given),)
    for name, wanted in members.implies.items():
        stated = [m.implies[name] for _, m in shape.parts if name in m.implies]
        if decider.covered(stated, wanted):
            continue
        source = shape.source.with_nodes((decider.space.demand("present", name),))
        object_ = decider.space.kind(kinds.OBJECT)
        is_idle = False
        for one in stated:
            is_idle = is_idle or not (yield decider.empty(of((one, object_)), level))
        reasons: Reasons = yield decider.included(of(stated) if is_idle else source, wanted, level)
        if reasons and stated:
            found += reasons
        elif reasons:
            says = f"objects with {shown(name)} must meet a schema, which the writer does not ask for"
            found += (against(DifferenceType.DEPENDENCY_SCHEMA_ADDED, node, ("dependencies", name), says),)
    return found


def _dependency(node: Node, name: str, needed: frozenset[str], given: list[frozenset[str]]) -> Difference:
    if not given:
        kind = DifferenceType.DEPENDENCY_ARRAY_ADDED
    elif given[0] < needed:
        kind = DifferenceType.DEPENDENCY_ARRAY_EXTENDED
    else:
        kind = DifferenceType.DEPENDENCY_ARRAY_CHANGED
    says = f"objects with {shown(name)} must have {', '.join(shown(one) for one in sorted(needed))} too"
    return against(kind, node, ("dependencies", name), says, WIDEN_READER)
