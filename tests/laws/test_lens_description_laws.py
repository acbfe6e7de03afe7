"""What is told of lenses is true: records made from contracts keep them, laws fail only where losses are told, the
text of expressions means the same, assignments are the best ones, drafts are lenses.
"""

from __future__ import annotations

from functools import cache
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.cli.lens_documents import lens_in, written
from interlock.domain.lenses.assignment import assigned
from interlock.domain.lenses.check import fit
from interlock.domain.lenses.expressions.evaluate import evaluator
from interlock.domain.lenses.expressions.read import read_expression
from interlock.domain.lenses.expressions.write import text_of
from interlock.domain.lenses.guess import guesses
from interlock.domain.lenses.instances import instances
from interlock.domain.lenses.laws import law_findings, tried
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.loss import loss
from interlock.domain.lenses.suggest import drafted
from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.values import record_misfits
from support.any_contracts import contracts as any_contracts
from support.expressions import COLUMNS, random_expression, random_rows
from support.lens_cases import SLOW, lenses


@settings(suppress_health_check=SLOW, deadline=None, max_examples=40)
@given(any_contracts(most=1))
def test_instances_are_records_of_their_contract(contract: Contract) -> None:
    """Whatever the contract holds, sensible or not; and they differ."""
    found = list(instances(contract.fields, 20))
    assert len({repr(one) for one in found}) == len(found)
    for one in found:
        assert list(record_misfits(one, contract.record)) == []


@settings(suppress_health_check=SLOW, deadline=None, max_examples=40)
@given(lenses())
def test_laws_fail_only_where_a_loss_is_told(case: tuple[Lens, Contract, Contract]) -> None:
    """No field that is called exact changes on generated records."""
    lens, older, newer = case
    laws = tried(lens, loss(lens, older, newer), older, newer, number=40)
    assert [f for f in law_findings(lens, laws) if f.is_blocking] == []
    assert laws[0].counts.rows > 0


def test_the_text_of_an_expression_means_the_same() -> None:
    """Written and read again, random typed expressions have the same value for awkward rows."""
    for seed in range(200):
        random = Random(seed)
        expr = random_expression(random)
        again = read_expression(text_of(expr), COLUMNS)
        before, after = evaluator(expr), evaluator(again)
        for row in random_rows(random, 10):
            assert repr(before(row)) == repr(after(row)), text_of(expr)


@given(st.dictionaries(st.tuples(st.integers(0, 5), st.integers(0, 5)), st.integers(-1, 6), max_size=20))
def test_an_assignment_is_the_best_there_is(weights: dict[tuple[int, int], float]) -> None:
    """One to one, and of the weight that trying everything finds."""
    found = assigned(weights)
    assert len({i for i, _ in found}) == len(found) == len({j for _, j in found})

    @cache
    def best(left: int, taken: frozenset[int]) -> float:
        if left > 5:
            return 0
        options = [
            weight + best(left + 1, taken | {j})
            for (i, j), weight in weights.items()
            if i == left and j not in taken and weight > 0
        ]
        return max([best(left + 1, taken), *options])

    assert sum(weights[pair] for pair in found) == best(0, frozenset())


@settings(suppress_health_check=SLOW, deadline=None, max_examples=40)
@given(lenses())
def test_a_draft_is_a_lens(case: tuple[Lens, Contract, Contract]) -> None:
    """Between any two contracts: the document parses, is a draft, is the same when made again, and every field of
    the newer version is made.
    """
    _, older, newer = case
    entries = drafted(older, newer)
    text = written("c", "1", "2", entries)
    assert text == written("c", "1", "2", drafted(older, newer))
    lens, findings = lens_in(text.encode(), "draft", {("c", "1"): older, ("c", "2"): newer})
    assert lens is not None, (findings, text)
    assert lens.is_draft
    said = {f.code for f in fit(lens, older, newer) if f.is_blocking}
    assert not said & {"lens.field_unknown", "lens.field_taken", "lens.field_lacking", "lens.field_left_over"}, text
    assert all(0 <= one.confidence <= 1 for _, one in guesses(entries))


@settings(suppress_health_check=SLOW, deadline=None, max_examples=40)
@given(any_contracts(most=1), any_contracts(most=1))
def test_contracts_that_have_nothing_in_common_are_drafted_too(older: Contract, newer: Contract) -> None:
    """Any two contracts of any types: a document that parses, whose ops find their fields."""
    text = written("order", "1", "2", drafted(older, newer))
    lens, findings = lens_in(text.encode(), "draft", {("order", "1"): older, ("order", "2"): newer})
    assert lens is not None, (findings, text)
    said = {f.code for f in fit(lens, older, newer) if f.is_blocking}
    assert not said & {"lens.field_unknown", "lens.field_taken", "lens.field_lacking", "lens.field_left_over"}, text
