"""Lenses as migration rules: JSONata, run by jsonata-python, says what the reference says, on every record."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonata import Jsonata

from interlock.domain.lenses.apply import Rejected, compile_program
from interlock.domain.lenses.expressions.evaluate import evaluator
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.migration_rules import rules_of
from interlock.domain.lenses.migration_rules_expressions import NotInJsonata, jsonata_of
from interlock.domain.lenses.reverse import reversed_ops
from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.scalars import equal_json
from support.expressions import COLUMNS, random_expression, random_rows
from support.lens_cases import SLOW, lenses, rough_rows

BEYOND = 2**53
"""From here on JSONata's numbers are doubles, and the reference's are not."""


def is_within(value: Any) -> bool:
    """Numbers that every processor of JSONata has, and no text that it cannot write."""
    match value:
        case dict():
            return all(is_within(v) for v in value.values())
        case list():
            return all(is_within(v) for v in value)
        case bool() | None:
            return True
        case int() | float():
            return abs(value) < BEYOND
        case _:
            return True


def transformed(expr: str, record: dict[str, Any]) -> Any:
    """What the rule makes of the record; Rejected when it raises."""
    try:
        return Jsonata(expr).evaluate(record)
    except Exception as error:
        return Rejected("", str(error))


@settings(suppress_health_check=SLOW, deadline=None, max_examples=60)
@given(lenses(), st.data())
def test_rules_say_what_the_lens_says(case: tuple[Lens, Contract, Contract], data: st.DataObject) -> None:
    """UPGRADE and DOWNGRADE: the same record, or an error where the lens rejects it."""
    lens, older, newer = case
    document, findings = rules_of(lens, older, newer)
    assume(not findings)
    ways = zip(document["migrationRules"], (lens.ops, reversed_ops(lens.ops)), (older, newer), strict=True)
    for rule, program, source in ways:
        record = data.draw(rough_rows(source, is_json=True).filter(is_within))
        try:
            expected: Any = compile_program(program)(record)
        except Rejected as rejected:
            expected = rejected
        if not isinstance(expected, Rejected):
            assume(is_within(expected))
        made = transformed(rule["expr"], record)
        if isinstance(expected, Rejected):
            assert isinstance(made, Rejected), (rule["expr"], record, expected, made)
        else:
            assert equal_json(made, expected), (rule["expr"], record)


def sayable(seeds: range) -> Iterator[tuple[Any, str, Random]]:
    for seed in seeds:
        random = Random(seed)
        expr = random_expression(random)
        try:
            yield expr, jsonata_of(expr), random
        except NotInJsonata:
            continue


def test_expressions_are_worth_the_same() -> None:
    """Random typed expressions that JSONata can say: the same value for awkward rows."""
    compared = 0
    for expr, text, random in sayable(range(800)):
        evaluate, rule = evaluator(expr), Jsonata(f"($r := $; [{text}])")
        for row in random_rows(random, 6):
            plain = {k: v for k, v in row.items() if k in "ijxysub"}
            if not is_within({k: v for k, v in plain.items() if k in "ij"}):
                continue
            expected = evaluate(plain)
            [made] = rule.evaluate(plain) or [None]
            is_near = isinstance(made, float) and made == pytest.approx(expected, rel=1e-12)
            assert equal_json(made, expected) or is_near, (text, plain, made, expected)
            compared += 1
    assert compared > 300
    assert set(COLUMNS) >= {"i", "x", "s", "b"}
