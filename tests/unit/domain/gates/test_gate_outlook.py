"""Distances to both boundaries."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from interlock.domain.gates.judge import absorb, begin, verdicts
from interlock.domain.gates.outlook import fails_when, outlooks, way_to
from support.gate_traffic import ALL, ERRORS, LATENCY, OUTCOME, blocks


def test_each_gate_tells_how_far_it_is_from_both_boundaries() -> None:
    """Evidence against proof, limit against margin, and what the verdict says is missing."""
    state = begin(ALL)
    for block in blocks(2, 12, weight=0.1):
        state = absorb(state, block)
    judgement = verdicts(state)
    told = outlooks(judgement, ALL)
    assert [o.report.gate.name for o in told] == [g.name for g in ALL.gates]
    for outlook in told:
        assert outlook.proof == pytest.approx(100.0)
        assert 0 <= outlook.way_to_fail < 1
        assert (outlook.limit_over_margin <= 1) == (outlook.report.verdict.kind == "pass")
    shares = math.fsum(o.evidence for o in told)
    assert shares == pytest.approx(math.exp(judgement.log_e))


def test_a_failed_gate_has_gone_all_the_way() -> None:
    """Proof is the end of the way."""
    state = begin(ALL)
    for block in blocks(2, 20, weight=0.3, bad=(1.0, 0.0)):
        state = absorb(state, block)
    assert outlooks(verdicts(state), ALL)[0].way_to_fail == 1.0
    assert [way_to(math.log(e), 0.01) for e in (0.5, 1.0, 100.0, 1e6)] == [0.0, 0.0, 1.0, 1.0]
    assert way_to(math.log(10.0), 0.01) == pytest.approx(0.5)


def test_rules_of_fail_are_told_in_words() -> None:
    """With the tolerance and the odds that prove it."""
    assert (
        fails_when(ERRORS, ALL) == "bad answers are proven, at 100 to 1, to be more than 1.1 times the baseline's"
    )
    assert "factor 1.09" in fails_when(LATENCY, ALL)
    assert "more than 6 above" in fails_when(OUTCOME, ALL)
    bounded = replace(LATENCY, margin=0.0, bound=250.0)
    assert "0.99 quantile may be at most 250 ms" in fails_when(bounded, ALL)
    assert "worse than the baseline's" in fails_when(replace(ERRORS, margin=0.0, bound=0.01), ALL)
