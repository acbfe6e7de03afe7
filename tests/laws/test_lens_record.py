"""A program as generated Python does to every record, and to every JSON body, what the reference does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.domain.lenses.apply import Rejected, compile_program
from interlock.domain.lenses.generate import translator
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import Program
from interlock.domain.lenses.reverse import reversed_ops
from interlock.domain.schemas.contract import Contract
from support.lens_cases import SLOW, lenses, rough_rows, rows_of
from support.lens_programs import programs, records_for

Outcome = tuple[Any, ...]
OFTEN = 6
"""A record is translated so often that its keys are familiar."""


def outcome(translate: Callable[[dict[str, Any]], Any], record: dict[str, Any]) -> Outcome:
    """What comes of it, so that equal outcomes are the same bytes: types, the order of keys and the sign of zero."""
    try:
        return ("made", repr(translate(record)))
    except Rejected as why:
        return ("rejected", why.field, why.reason)


def assert_same(program: Program, translate: Callable[[dict[str, Any]], Any], record: dict[str, Any]) -> None:
    before = repr(record)
    expected = outcome(compile_program(program), record)
    for _ in range(OFTEN):
        assert outcome(translate, record) == expected
    assert repr(record) == before


def assert_record_law(case: tuple[Lens, Contract, Contract], data: st.DataObject) -> None:
    lens, older, newer = case
    for program, contract in ((lens.ops, older), (reversed_ops(lens.ops), newer)):
        translate = translator(program, contract.fields, is_open=False)
        rows = data.draw(st.lists(rows_of(contract) | rough_rows(contract), max_size=4))
        for row in rows:
            assert_same(program, translate, row)


@settings(max_examples=250, deadline=None, suppress_health_check=SLOW)
@given(lenses(), st.data())
def test_generated_code_translates_as_the_reference_does(
    case: tuple[Lens, Contract, Contract], data: st.DataObject
) -> None:
    """Lenses that fit their contracts, on rows that keep the contract and on rows that do not."""
    assert_record_law(case, data)


@st.composite
def loose_cases(draw: st.DrawFn) -> tuple[Program, list[dict[str, Any]]]:
    program = draw(programs)
    return program, draw(st.lists(records_for(program), min_size=1, max_size=3))


@settings(max_examples=300, deadline=None)
@given(loose_cases())
def test_it_does_so_without_a_contract(case: tuple[Program, list[dict[str, Any]]]) -> None:
    """Any program on any record, hostile names included: what is not promised is learned."""
    program, records = case
    translate = translator(program, (), is_open=True)
    for one in records:
        assert_same(program, translate, one)
