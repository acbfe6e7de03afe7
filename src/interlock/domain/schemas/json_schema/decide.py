"""The decision: is every value that one conjunction of schemas allows allowed by another schema.

Each demand of the reader is proven by itself. When that fails, the writer is split into cases (branches of its
choices, kinds of values) and each case is proven. Every step errs on the side of "not proven".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from interlock.domain.schemas.json_schema import arrays, evaluate, objects, scalars
from interlock.domain.schemas.json_schema import node as kinds
from interlock.domain.schemas.json_schema.difference import Difference, DifferenceType, Policy
from interlock.domain.schemas.json_schema.node import Choice, Condition, Facts, Node, Space
from interlock.domain.schemas.json_schema.reasons import against
from interlock.domain.schemas.json_schema.search import UNPROVEN, Reasons, Search, Task
from interlock.domain.schemas.json_schema.shape import Conjunction, Shape, of, shape_of
from interlock.domain.schemas.json_schema.values import shown


class Decider:
    """One comparison. Methods that are tasks yield the tasks that they wait for (see `search`)."""

    def __init__(self, space: Space, search: Search, policy: Policy) -> None:
        self.space = space
        self.search = search
        self.policy = policy
        self._shapes: dict[Conjunction, Shape] = {}

    def shape(self, source: Conjunction) -> Shape:
        found = self._shapes.get(source)
        if found is None:
            self.search.spend(1 + (len(source.positive) + len(source.negative)) // 20)
            found = self._shapes[source] = shape_of(source, self.space.by_uid)
        return found

    def covered(self, given: Iterable[Node], wanted: Node) -> bool:
        """Whether no proof is needed: `wanted` allows all, is among the given, or one of them allows nothing."""
        return wanted.is_true or any(one.is_false or self.space.same(one, wanted) for one in given)

    def included(self, source: Conjunction, wanted: Node, level: int) -> Task:
        """Reasons why not every value of `source` is one of `wanted`."""
        return self.search.goal(
            ("included", source, wanted.uid), level, lambda: self._included(source, wanted, level)
        )

    def empty(self, source: Conjunction, level: int) -> Task:
        """UNPROVEN unless no value meets `source`."""
        return self.search.goal(("empty", source), level, lambda: self._empty(source, level))

    def _included(self, source: Conjunction, wanted: Node, level: int) -> Task:
        shape = self.shape(source)
        if not shape.types or self.covered(shape.nodes, wanted):
            return ()
        if (yield self._listed_are_read(shape, wanted)):
            return ()
        reasons: Reasons = yield self._demands(shape, wanted, level)
        if not reasons or not (yield self.empty(source, level)):
            return ()
        cases = self._cases(shape, wanted)
        if not cases:
            return reasons
        for case in cases:
            against_case: Reasons = yield self.included(case, wanted, level)
            if against_case:
                return reasons if against_case is UNPROVEN else against_case
        return ()

    def _listed_are_read(self, shape: Shape, wanted: Node) -> Task:
        """Whether the writer's values can be listed and each is surely read."""
        listed = shape.finite()
        if listed is None:
            return False
        for value in listed:
            if not (yield self._is_excluded(shape, value)) and not (
                yield evaluate.evaluate(self.search, value, wanted)
            ):
                return False
        return True

    def _is_excluded(self, shape: Shape, value: Any) -> Task:
        for one in shape.nodes:
            if (yield evaluate.evaluate(self.search, value, one)) is False:
                return True
        for one in shape.negatives:
            if (yield evaluate.evaluate(self.search, value, one)):
                return True
        return False

    def _demands(self, shape: Shape, wanted: Node, level: int) -> Task:
        """Every demand of `wanted`, each by itself."""
        facts = wanted.facts
        found: Reasons = tuple(scalars.types(shape, wanted))
        if facts.types == 0 or not shape.types & facts.types:
            return found
        found += tuple(scalars.values(shape, wanted))
        found += tuple(scalars.numbers(shape, wanted)) + tuple(scalars.texts(shape, wanted))
        if facts.members is not None and shape.types & facts.types & kinds.OBJECT:
            found += yield objects.check(self, shape, wanted, facts.members, level)
        if facts.elements is not None and shape.types & facts.types & kinds.ARRAY:
            found += yield arrays.check(self, shape, wanted, facts.elements, level)
        found += tuple(_unknown(wanted, name) for name in facts.unfollowed if name not in shape.unfollowed)
        for inner in facts.all_of:
            found += yield self.included(shape.source, inner, level)
        for choice in facts.choices:
            found += yield self._choice(shape, wanted, choice, level)
        if facts.negated is not None:
            found += yield self._negation(shape, wanted, facts.negated, level)
        if facts.condition is not None:
            found += yield self._condition(shape, facts.condition, level)
        return found

    def _choice(self, shape: Shape, wanted: Node, choice: Choice, level: int) -> Task:
        if len(choice.branches) == 1:
            return (yield self.included(shape.source, choice.branches[0], level))
        for given in shape.choices:
            if (yield self._same_choice(given, choice, level)):
                return ()
        if not shape.choices:
            ordered = sorted(choice.branches, key=lambda branch: branch.number not in shape.numbers)
            for branch in ordered:
                if not (yield self.included(shape.source, branch, level)) and (
                    not choice.is_exclusive or (yield self._is_alone(shape.source, choice, branch, level))
                ):
                    return ()
        return (_no_branch(shape, wanted, choice),)

    def _same_choice(self, given: Choice, wanted: Choice, level: int) -> Task:
        """Whether a choice of the writer is one of the reader's as it stands: branch by branch, in order."""
        if wanted.is_exclusive and not given.is_exclusive:
            return False
        if wanted.is_exclusive and len(given.branches) != len(wanted.branches):
            return False
        numbers = {branch.number for branch in wanted.branches if not self.space.interner.refers(branch.number)}
        if not wanted.is_exclusive and all(branch.number in numbers for branch in given.branches):
            return given.branches[0].document.dialect == wanted.branches[0].document.dialect
        if len(given.branches) > len(wanted.branches):
            return False
        for one, other in zip(given.branches, wanted.branches, strict=False):
            if self.space.same(one, other):
                continue
            if (yield self.included(of((one,)), other, level)):
                return False
            if wanted.is_exclusive and (yield self.included(of((other,)), one, level)):
                return False
        return True

    def _is_alone(self, source: Conjunction, choice: Choice, taken: Node, level: int) -> Task:
        """Whether no other branch of an exclusive choice can hold as well."""
        for branch in choice.branches:
            if branch is taken:
                continue
            both = source.with_nodes((branch,))
            if (yield self.empty(both.without_negatives(), level)) and (yield self.empty(both, level)):
                return False
        return True

    def _negation(self, shape: Shape, wanted: Node, negated: Node, level: int) -> Task:
        if any(one is negated or self.space.same(one, negated) for one in shape.negatives):
            return ()
        if not (yield self.empty(shape.source.with_nodes((negated,)), level)):
            return ()
        says = "values that the writer allows may be among those that the reader rules out"
        return (against(DifferenceType.NOT_TYPE_EXTENDED, wanted, ("not",), says),)

    def _condition(self, shape: Shape, condition: Condition, level: int) -> Task:
        found: Reasons = ()
        if condition.then is not None:
            found += yield self.included(shape.source.with_nodes((condition.test,)), condition.then, level)
        if condition.otherwise is not None:
            source = shape.source.with_nodes((), negative=(condition.test,))
            found += yield self.included(source, condition.otherwise, level)
        return found

    def _empty(self, source: Conjunction, level: int) -> Task:
        shape = self.shape(source)
        if not shape.types:
            return ()
        listed = shape.finite()
        if listed is not None:
            for value in listed:
                if not (yield self._is_excluded(shape, value)):
                    return UNPROVEN
            return ()
        if shape.types == kinds.OBJECT and (yield objects.is_impossible(self, shape, level)):
            return ()
        if shape.types == kinds.ARRAY and (yield arrays.is_impossible(self, shape, level)):
            return ()
        for refused in shape.negatives:
            if self.covered(shape.nodes, refused) or not (
                yield self.included(source.without_negatives(), refused, level)
            ):
                return ()
        cases = self._cases(shape, None)
        if not cases:
            return UNPROVEN
        for case in cases:
            if (yield self.empty(case, level)):
                return UNPROVEN
        return ()

    def _cases(self, shape: Shape, wanted: Node | None) -> tuple[Conjunction, ...]:
        """The writer in parts that together are all of it: by the first open choice or condition, else by kind."""
        source = shape.source
        if shape.choices:
            return tuple(_branches(source, shape.choices[0]))
        if shape.conditions:
            one = shape.conditions[0]
            then = (one.test,) if one.then is None else (one.test, one.then)
            otherwise = () if one.otherwise is None else (one.otherwise,)
            return (
                source.with_nodes(then, decided=(one.uid,)),
                source.with_nodes(otherwise, negative=(one.test,), decided=(one.uid,)),
            )
        if shape.types.bit_count() > 1 and (wanted is None or _is_combined(wanted.facts)):
            each = [bit for bit in (1 << n for n in range(7)) if bit & shape.types]
            return tuple(source.with_nodes((self.space.kind(bit),)) for bit in each)
        return ()


def _unknown(wanted: Node, name: str) -> Difference:
    """A demand of the reader that cannot be looked into."""
    if name.startswith(kinds.DISPUTED):
        says = "only some validators of this draft ask `dependencies`, and the writer does not state the same"
        remedy = "Write dependentRequired or dependentSchemas."
        return against(DifferenceType.DEPENDENCY_SCHEMA_ADDED, wanted, (kinds.DISPUTED,), says, remedy)
    says = f"the reference {shown(name)} is not followed: it leads out, or depends on who refers"
    remedy = "Bundle what it refers to into the document, under $defs."
    return against(DifferenceType.REFERENCE_NOT_FOLLOWED, wanted, ("$ref",), says, remedy)


def _branches(source: Conjunction, choice: Choice) -> Iterator[Conjunction]:
    for branch in choice.branches:
        others = [one for one in choice.branches if one is not branch] if choice.is_exclusive else []
        yield source.with_nodes((branch,), others, (choice.uid,))


def _is_combined(facts: Facts) -> bool:
    return bool(facts.all_of or facts.choices or facts.negated is not None or facts.condition is not None)


def _no_branch(shape: Shape, wanted: Node, choice: Choice) -> Any:
    keyword = "oneOf" if choice.is_exclusive else "anyOf"
    given = shape.choices[0] if shape.choices else None
    if given is None:
        kind = DifferenceType.TYPE_CHANGED
    elif len(given.branches) > len(choice.branches):
        kind = DifferenceType.SUM_TYPE_NARROWED
    elif choice.is_exclusive and not given.is_exclusive:
        kind = DifferenceType.COMBINED_TYPE_CHANGED
    else:
        kind = DifferenceType.COMBINED_TYPE_SUBSCHEMAS_CHANGED
    which = "exactly one branch" if choice.is_exclusive else "a branch"
    says = f"not all that is written is known to be read by {which} of {keyword}"
    return against(kind, wanted, (keyword,), says, "Keep a branch for everything that is written.")
