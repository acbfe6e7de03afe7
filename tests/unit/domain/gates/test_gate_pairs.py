"""Pairs of answers to the same request, before anyone is exposed."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from interlock.domain.checks.evidence import LOSS_BINS, Block, ServiceCounts
from interlock.domain.checks.pairs import disagreement_bin, mean_difference, pair_bin
from interlock.domain.gates.gate import Gate, GateSet, InvalidGate
from interlock.domain.gates.judge import InvalidEvidence, State, absorb, begin, verdicts
from interlock.domain.gates.verdict import Fail, Pass, Undecided
from support.gate_counts import SERVICE

GATES = GateSet((Gate("wrong", "outcome", SERVICE, 0.02, outcome="wrong", cap=1.0, sample="pairs"),))


def shadowed(seed: int, worse: float, churn: float = 0.05, blocks: int = 400) -> State:
    """50 pairs a second; `churn` of the answers change, as many for better as for worse but for `worse`."""
    state, chance = begin(GATES), random.Random(seed)
    for number in range(blocks):
        bins = Counter(
            chance.choices((LOSS_BINS, -LOSS_BINS, 0), (churn / 2 + worse, churn / 2, 1 - churn - worse), k=50)
        )
        state = absorb(state, Block(number, 1.0, {SERVICE: ServiceCounts(pairs={"wrong": bins})}))
        if not isinstance(verdicts(state).verdict, Undecided):
            break
    return state


def test_more_wrong_answers_fail_without_anyone_exposed() -> None:
    """Six percentage points against a margin of two, from pairs alone."""
    state = shadowed(1, worse=0.06)
    judgement = verdicts(state)
    assert isinstance(judgement.verdict, Fail)
    assert "worse than the baseline by more than 0.02 on the same requests" in judgement.verdict.because
    assert judgement.reports[0].candidate_mean == pytest.approx(0.06, abs=0.03)


def test_a_candidate_that_changes_answers_both_ways_passes() -> None:
    """Disagreement alone is no harm: 5 % of the answers differ, as many for the better."""
    state = shadowed(2, worse=0.0)
    verdict = verdicts(state).verdict
    assert isinstance(verdict, Pass)
    assert "wrong surely below 0.02" in verdict.because


def test_no_pairs_are_no_data() -> None:
    """Neither pass nor fail."""
    state = absorb(begin(GATES), Block(0, 1.0, {SERVICE: ServiceCounts()}))
    verdict = verdicts(state).verdict
    assert isinstance(verdict, Undecided)
    assert verdict.reason == "no-data"
    assert "no pairs" in verdict.because


def test_candidates_at_the_margin_hardly_ever_fail() -> None:
    """40 shadows whose difference is exactly the margin, looked at each second: none fails at a bound of 1 %."""
    assert sum(isinstance(verdicts(shadowed(s, 0.02, blocks=80)).verdict, Fail) for s in range(40)) <= 2


def test_disagreement_counts_beyond_the_noise_of_the_baseline_alone() -> None:
    """Three answers to a request: what the candidate changes and the baseline's twin does not, less the reverse."""
    bins = Counter(
        disagreement_bin(c, t) for c, t in [(True, False)] * 30 + [(False, True)] * 10 + [(True, True)] * 60
    )
    assert mean_difference(bins, 1.0) == pytest.approx(0.2)


def test_pairs_are_as_exact_as_losses() -> None:
    """A difference of bins; losses beyond the cap count as the cap, and what is no number is no pair."""
    assert pair_bin(12.0, 6.0, 120.0) == 10
    assert pair_bin(1e9, 0.0, 120.0) == LOSS_BINS
    assert pair_bin(float("nan"), 0.0, 120.0) is None
    assert mean_difference({10: 3}, 120.0) == pytest.approx(6.0)


def test_a_pair_outside_its_range_is_refused() -> None:
    """Rather than judged."""
    with pytest.raises(InvalidEvidence, match="pairs of 'wrong'"):
        absorb(begin(GATES), Block(0, 1.0, {SERVICE: ServiceCounts(pairs={"wrong": {201: 1}})}))


def test_only_outcomes_have_pairs() -> None:
    """An error gate on pairs could not judge."""
    with pytest.raises(InvalidGate, match="no pairs"):
        Gate("errors", "errors", SERVICE, 0.02, sample="pairs")
