"""Whether one value meets a schema: True, False, or None when that is not known (some patterns, formats)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from interlock.domain.schemas.json_schema.node import Choice, Elements, Facts, Members, Node, type_of
from interlock.domain.schemas.json_schema.regular import matches
from interlock.domain.schemas.json_schema.search import Search, Task
from interlock.domain.schemas.json_schema.values import exact, written

Answer = bool | None


def every(answers: Iterable[Answer]) -> Answer:
    """True if all are, False if one is, else None."""
    is_unknown = False
    for answer in answers:
        if answer is False:
            return False
        is_unknown |= answer is None
    return None if is_unknown else True


def opposite(answer: Answer) -> Answer:
    return None if answer is None else not answer


def evaluate(search: Search, value: Any, node: Node) -> Task:
    """Yields the answer for `value` as a task."""
    search.spend()
    facts = node.facts
    if not facts.types & type_of(value):
        return False
    answers: list[Answer] = [_listed(value, node), None if facts.unfollowed else True]
    match value:
        case str():
            answers.append(_text(value, facts))
        case bool():
            pass
        case int() | float():
            answers.append(_number(value, facts))
        case dict() if facts.members is not None:
            answers.append((yield _object(search, value, facts.members)))
        case list() if facts.elements is not None:
            answers.append((yield _array(search, value, node, facts.elements)))
    if every(answers) is False:
        return False
    for inner in facts.all_of:
        answers.append((yield evaluate(search, value, inner)))  # noqa: PERF401 # no comprehension around a yield
    for choice in facts.choices:
        answers.append((yield _choice(search, value, choice)))  # noqa: PERF401 # likewise
    if facts.negated is not None:
        answers.append(opposite((yield evaluate(search, value, facts.negated))))
    if facts.condition is not None:
        condition = facts.condition
        test = yield evaluate(search, value, condition.test)
        taken = [
            one for one, when in ((condition.then, True), (condition.otherwise, False)) if test in (when, None)
        ]
        chosen = []
        for one in taken:
            chosen.append(True if one is None else (yield evaluate(search, value, one)))  # noqa: PERF401 # likewise
        answers.append(chosen[0] if len(set(chosen)) == 1 else None)
    return every(answers)


def _choice(search: Search, value: Any, choice: Choice) -> Task:
    held: list[Answer] = []
    for branch in choice.branches:
        held.append((yield evaluate(search, value, branch)))  # noqa: PERF401 # likewise
    if not choice.is_exclusive:
        return opposite(every(opposite(one) for one in held))
    if held.count(True) > 1:
        return False
    if None in held:
        return None
    return held.count(True) == 1


def _listed(value: Any, node: Node) -> Answer:
    return node.listed is None or node.space.interner.number(value) in node.listed


def _text(value: str, facts: Facts) -> Answer:
    if len(value) < facts.min_length or (facts.max_length is not None and len(value) > facts.max_length):
        return False
    return every(
        (True if facts.pattern is None else matches(facts.pattern, value), None if facts.formats else True)
    )


def _number(value: int | float, facts: Facts) -> Answer:
    number = exact(value)
    if facts.minimum is not None and number < facts.minimum:
        return False
    if facts.maximum is not None and number > facts.maximum:
        return False
    if facts.above is not None and number <= facts.above:
        return False
    if facts.below is not None and number >= facts.below:
        return False
    if facts.multiple is None:
        return True
    is_multiple = (written(value) / facts.multiple).denominator == 1
    is_told_alike = is_multiple == ((number / facts.multiple).denominator == 1)  # 1e300 is not 10 ** 300 to all
    return is_multiple if facts.multiple.denominator == number.denominator == 1 and is_told_alike else None


def _object(search: Search, value: dict[str, Any], members: Members) -> Task:
    if len(value) < members.least or (members.most is not None and len(value) > members.most):
        return False
    if not members.required <= value.keys():
        return False
    if any(name in value and not wanted <= value.keys() for name, wanted in members.needs.items()):
        return False
    answers: list[Answer] = [None if members.unevaluated is not None else True]
    for name, schema in members.implies.items():
        if name in value:
            answers.append((yield evaluate(search, value, schema)))
    for name, member in value.items():
        if members.names is not None:
            answers.append((yield evaluate(search, name, members.names)))
        if name in members.properties:
            answers.append((yield evaluate(search, member, members.properties[name])))
        found: list[Answer] = [name in members.properties]
        for pattern, schema in members.patterns:
            is_match = matches(pattern, name)
            found.append(is_match)
            if is_match is not False:
                met = yield evaluate(search, member, schema)
                answers.append(met if is_match or met else None)
        if members.additional is not None and True not in found:
            met = yield evaluate(search, member, members.additional)
            answers.append(met if None not in found or met else None)
    return every(answers)


def _array(search: Search, value: list[Any], node: Node, row: Elements) -> Task:
    if len(value) < row.least or (row.most is not None and len(value) > row.most):
        return False
    number = node.space.interner.number
    if row.is_unique and len({number(item) for item in value}) < len(value):
        return False
    answers: list[Answer] = [None if row.unevaluated is not None else True]
    for index, item in enumerate(value):
        schema = row.prefix[index] if index < len(row.prefix) else row.rest
        if schema is not None:
            answers.append((yield evaluate(search, item, schema)))
    if row.contains is not None:
        held: list[Answer] = []
        for item in value:
            held.append((yield evaluate(search, item, row.contains)))  # noqa: PERF401 # likewise
        sure, possible = held.count(True), len(held) - held.count(False)
        if possible < row.contains_least or (row.contains_most is not None and sure > row.contains_most):
            return False
        is_sure = sure >= row.contains_least and (row.contains_most is None or possible <= row.contains_most)
        answers.append(True if is_sure else None)
    return every(answers)
