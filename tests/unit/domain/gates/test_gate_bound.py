"""Gates on the candidate itself."""

from __future__ import annotations

import random
from typing import Any

import pytest

from interlock.domain.checks.evidence import ArmCounts
from interlock.domain.gates.gate import Gate, GateSet, InvalidGate
from interlock.domain.gates.judge import State, absorb, begin, verdicts
from interlock.domain.gates.verdict import Fail, Pass, Undecided
from support.gate_counts import SERVICE, block, hits

ERRORS = GateSet((Gate("availability", "errors", SERVICE, bound=0.01),))
SPEED = GateSet((Gate("speed", "latency", SERVICE, bound=300.0, quantile=0.99),), warmup_s=0.0)
OUTCOME = GateSet((Gate("loss", "outcome", SERVICE, bound=20.0, outcome="minutes", cap=120.0),))
SLOW, QUICK = 100, 40
"""Bins of about 1,450 and 8 ms."""


def errors(bad: tuple[float, float], blocks: int = 300, baseline: int = 160, seed: int = 1) -> State:
    state, chance = begin(ERRORS), random.Random(seed)
    for number in range(blocks):
        arms = [ArmCounts(n, hits(chance, n, p)) for n, p in zip((40, baseline), bad, strict=True)]
        state = absorb(state, block(number, *arms))
        if not isinstance(verdicts(state).verdict, Undecided):
            break
    return state


def test_a_candidate_above_the_bound_fails() -> None:
    """4 % against 1 %."""
    verdict = verdicts(errors((0.04, 0.002))).verdict
    assert isinstance(verdict, Fail)
    assert "above 1.000%, and worse than the baseline" in verdict.because


def test_a_candidate_below_the_bound_passes_though_it_is_worse_than_the_baseline() -> None:
    """0.2 % against none is within 1 %, and the sentence says what is surely so."""
    verdict = verdicts(errors((0.002, 0.0))).verdict
    assert isinstance(verdict, Pass)
    assert "bound on its own 1.000%" in verdict.because


def test_a_broken_baseline_is_said_and_not_blamed_on_the_candidate() -> None:
    """Both at 5 %: neither fails nor passes."""
    verdict = verdicts(errors((0.05, 0.05))).verdict
    assert isinstance(verdict, Undecided)
    assert verdict.reason == "baseline-broken"
    assert "the baseline itself breaks the bound of 1.000%" in verdict.because


def test_a_candidate_worse_than_a_broken_baseline_still_fails() -> None:
    """20 % against 3 %."""
    assert isinstance(verdicts(errors((0.2, 0.03))).verdict, Fail)


def test_without_a_baseline_the_bound_stands_alone() -> None:
    """A service that is new has nobody to share the blame."""
    assert isinstance(verdicts(errors((0.05, 0.0), baseline=0)).verdict, Fail)
    assert isinstance(verdicts(errors((0.001, 0.0), baseline=0)).verdict, Pass)


@pytest.mark.parametrize(("slow", "kind"), [(8, "fail"), (0, "pass")])
def test_the_latency_at_a_quantile_is_bounded(slow: int, kind: str) -> None:
    """A hundredth may be slower than 300 ms: 8 % are too many, none is fine."""
    state = begin(SPEED)
    for number in range(60):
        candidate = ArmCounts(latency={QUICK: 100 - slow, SLOW: slow})
        state = absorb(state, block(number, candidate, ArmCounts(latency={QUICK: 400})))
    assert verdicts(state).verdict.kind == kind


def test_a_bin_that_holds_the_bound_is_neither_blamed_nor_passed() -> None:
    """300 ms fall into bin 81: its answers may be either."""
    state = begin(SPEED)
    for number in range(60):
        state = absorb(state, block(number, ArmCounts(latency={81: 100}), ArmCounts(latency={QUICK: 400})))
    verdict = verdicts(state).verdict
    assert isinstance(verdict, Undecided)


@pytest.mark.parametrize(("loss", "kind"), [(80, "fail"), (10, "pass")])
def test_the_mean_loss_is_bounded(loss: int, kind: str) -> None:
    """20 minutes: 48 are too many, 6 are fine."""
    state = begin(OUTCOME)
    for number in range(60):
        arms = ArmCounts(losses={"minutes": {loss: 30}}), ArmCounts(losses={"minutes": {10: 30}})
        state = absorb(state, block(number, *arms))
    assert verdicts(state).verdict.kind == kind


def test_candidates_at_the_bound_hardly_ever_fail() -> None:
    """40 rollouts at exactly 1 %, with a perfect baseline, so that the bound alone protects them."""
    assert sum(isinstance(verdicts(errors((0.01, 0.0), 60, seed=s)).verdict, Fail) for s in range(40)) <= 2


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"bound": 0.0}, "out of range"),
        ({"bound": 1.0}, "out of range"),
        ({"bound": float("nan")}, "out of range"),
        ({"bound": 0.1, "margin": 0.1}, "a margin and a bound"),
        ({"bound": 0.1, "segment_share": 0.4}, "second gate"),
        ({"bound": 0.1, "counts": "first"}, "second gate"),
        ({"margin": 0.0}, "margin"),
    ],
)
def test_bounds_that_could_not_judge_are_invalid(wrong: dict[str, Any], says: str) -> None:
    """The error names what is wrong."""
    with pytest.raises(InvalidGate) as caught:
        Gate("availability", "errors", SERVICE, **wrong)
    assert says in f"{caught.value}{caught.value.remedy}"
