"""The judge on traffic with known truth."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from interlock.domain.checks.evidence import ArmCounts, Block, ServiceCounts
from interlock.domain.gates.gate import GateSet
from interlock.domain.gates.judge import InvalidEvidence, State, absorb, begin, enter_step, verdicts
from interlock.domain.gates.verdict import Fail, Pass, Undecided
from support.gate_traffic import ALL, ERRORS, LATENCY, OUTCOME, SERVICE, blocks


def fold(gates: GateSet, count: int, **traffic: Any) -> State:
    state = begin(gates)
    for block in blocks(11, count, **traffic):
        state = absorb(state, block)
    return state


def seconds_to(kind: type[Pass | Fail], gates: GateSet, **traffic: Any) -> float:
    state = begin(gates)
    for block in blocks(11, 120, **traffic):
        state = absorb(state, block)
        if isinstance(verdicts(state).verdict, kind):
            return state.elapsed_s
    raise AssertionError(f"no {kind.__name__} in two minutes")


def both(candidate: ArmCounts, baseline: ArmCounts, number: int = 0, seconds: float = 1.0) -> Block:
    return Block(number, seconds, {SERVICE: ServiceCounts(candidate, baseline)})


def test_total_failure_at_a_small_weight_fails_within_eight_blocks() -> None:
    """200 requests/s of which 5 % go to a candidate that answers nothing well."""
    assert seconds_to(Fail, ALL, bad=(1.0, 0.005)) <= 8


def test_an_error_of_several_times_the_baseline_fails_within_seconds() -> None:
    """Mean loss 48 against 12, at 5 %; and 24 against 12 takes longer, but fails too."""
    assert seconds_to(Fail, ALL, mean_loss=(48.0, 12.0)) <= 10
    assert seconds_to(Fail, ALL, mean_loss=(24.0, 12.0), weight=0.2) <= 20


def test_slow_answers_fail() -> None:
    """Five bins are a factor of 1.54."""
    assert seconds_to(Fail, ALL, slower_bins=5, weight=0.2) <= 30


def test_a_candidate_one_bin_slower_is_tolerated() -> None:
    """A factor of 1.09 is within the tolerance, so evidence of harm does not grow."""
    judgement = verdicts(fold(GateSet((LATENCY,), warmup_s=0.0), 40, slower_bins=1, weight=0.3))
    assert judgement.log_e < 1.0


@pytest.mark.parametrize("weight", [0.05, 0.2, 0.5])
def test_a_good_candidate_passes_each_step_soon(weight: float) -> None:
    """Without bad answers, half a minute suffices at 5 %."""
    assert seconds_to(Pass, ALL, bad=(0.0, 0.0), weight=weight) <= 30


def test_a_pass_says_below_what_the_excess_surely_is() -> None:
    """The sentence holds the limit and the margin of every gate."""
    judgement = verdicts(fold(ALL, 40, bad=(0.0, 0.0), weight=0.3))
    assert isinstance(judgement.verdict, Pass)
    for name in (
        "errors surely below",
        "latency surely below",
        "loss surely below",
        "(margin 6)",
        "(margin 2.000%)",
    ):
        assert name in judgement.verdict.because
    assert all(report.upper_limit <= report.margin for report in judgement.reports)


def test_a_fail_names_the_gate_and_its_numbers() -> None:
    """The sentence holds the counts of both arms and the evidence."""
    judgement = verdicts(fold(ALL, 12, bad=(1.0, 0.0)))
    assert isinstance(judgement.verdict, Fail)
    assert judgement.worst == "errors"
    report = judgement.reports[0]
    assert f"{report.candidate_bad:,} bad of {report.candidate_requests:,} requests (100.000%)" in (
        judgement.verdict.because
    )
    assert "100 to 1 is proof" in judgement.verdict.because


def test_a_failure_is_final() -> None:
    """Later good blocks do not change it."""
    state = fold(ALL, 12, bad=(1.0, 0.0))
    before = verdicts(state)
    for block in blocks(12, 60, bad=(0.0, 0.0), weight=0.5):
        state = absorb(state, replace(block, number=block.number + 100))
    assert verdicts(state) == before
    assert state.number == 159


def test_no_counts_at_all_are_undecided() -> None:
    """Before the first block, and after blocks about other services."""
    for state in (begin(ALL), absorb(begin(ALL), Block(0, 1.0, {"other": ServiceCounts()}))):
        verdict = verdicts(state).verdict
        assert isinstance(verdict, Undecided)
        assert verdict.reason == "no-data"
        assert "the candidate and the baseline" in verdict.because


def test_a_candidate_that_should_have_been_heard_is_said_to_be_silent() -> None:
    """Forty requests a second at 1 %: chance explains some seconds without one, and not a minute."""
    gates, state = GateSet((ERRORS,)), begin(GateSet((ERRORS,)))
    told = []
    for number in range(60):
        arms = ServiceCounts(baseline=ArmCounts(40, 0))
        state = absorb(state, Block(number, 1.0, {SERVICE: arms}, 100))
        told.append(verdicts(state).verdict.because)
    assert told[0] == "errors: no requests of the candidate yet"
    assert told[-1].startswith(f"{told[0]}, though about 24 were due of the candidate at 1 % of the keys")
    assert "no key that calls falls into so small a share" in told[-1]
    assert verdicts(begin(gates)).verdict.because == "errors: no requests of the candidate and the baseline yet"


def test_a_baseline_that_holds_no_caller_is_said_to_be_silent() -> None:
    """After promotion, with a tenth of the keys held back, of which none calls: the pass stays, and says so."""
    state = begin(GateSet((ERRORS,)))
    for number in range(60):
        arms = ServiceCounts(ArmCounts(100, 0), ArmCounts(11 if number < 50 else 0, 0))
        state = absorb(state, Block(number, 1.0, {SERVICE: arms}, 9_000))
        assert bool(verdicts(state).silence) == (number >= 50)
    assert isinstance(verdicts(state).verdict, Pass)
    assert verdicts(state).silence.startswith("about 111 were due of the baseline at 10 % of the keys")


def test_the_gate_without_counts_is_the_one_that_is_named() -> None:
    """Others may already pass: without labels the rollout does not."""
    state = begin(ALL)
    for block in blocks(3, 40, bad=(0.0, 0.0), weight=0.3):
        counts = block.services[SERVICE]
        unlabelled = ServiceCounts(replace(counts.candidate, losses={}), replace(counts.baseline, losses={}))
        state = absorb(state, replace(block, services={SERVICE: unlabelled}))
    judgement = verdicts(state)
    assert judgement.worst == "loss"
    assert isinstance(judgement.verdict, Undecided)
    assert judgement.verdict.reason == "no-data"
    assert [report.verdict.kind for report in judgement.reports] == ["pass", "pass", "undecided"]


def test_latency_is_not_judged_during_warm_up() -> None:
    """A cold cache is no reason to turn back, and errors still count."""
    gates = GateSet((LATENCY, ERRORS), warmup_s=30.0)
    state = fold(gates, 20, slower_bins=20, weight=0.3, bad=(0.0, 0.0))
    latency = verdicts(state).reports[0]
    assert latency.log_e == 0.0
    assert isinstance(latency.verdict, Undecided)
    assert (latency.verdict.reason, latency.verdict.needs_s) == ("warming-up", 10.0)
    assert seconds_to(Fail, gates, bad=(1.0, 0.0)) < 30


def test_the_first_latency_block_only_becomes_past() -> None:
    """Without a past there is no threshold; nothing is proven, and the next block is judged."""
    gates = GateSet((LATENCY,), warmup_s=0.0)
    one = ArmCounts(latency={50: 100})
    first = absorb(begin(gates), both(ArmCounts(latency={90: 100}), one))
    report = verdicts(first).reports[0]
    assert (report.log_e, report.upper_limit, report.verdict.kind) == (0.0, 1.0, "undecided")
    second = absorb(first, both(ArmCounts(latency={90: 100}), one, number=1))
    assert verdicts(second).log_e == pytest.approx(math.log(0.5 + 0.5 * math.exp(gates.cap_nats)))


def test_a_block_without_one_arm_joins_the_next() -> None:
    """Ten seconds of baseline alone and then both give what one long block gives."""
    gates = GateSet((ERRORS,))
    apart = begin(gates)
    for number in range(10):
        apart = absorb(apart, both(ArmCounts(), ArmCounts(20, 1), number))
    apart = absorb(apart, both(ArmCounts(5, 3), ArmCounts(20, 1), 10))
    whole = absorb(begin(gates), both(ArmCounts(5, 3), ArmCounts(220, 11), 0, 11.0))
    assert verdicts(apart) == verdicts(whole)


def test_a_block_does_not_wait_longer_than_a_minute_for_its_other_arm() -> None:
    """Counts from long ago do not compare with those of now, and are dropped."""
    gates = GateSet((ERRORS,))
    state = absorb(begin(gates), both(ArmCounts(), ArmCounts(9_000, 900), 0, 61.0))
    state = absorb(state, both(ArmCounts(5, 3), ArmCounts(20, 1), 1))
    fresh = absorb(begin(gates), both(ArmCounts(5, 3), ArmCounts(20, 1)))
    assert state.tracks[0].limit.open == fresh.tracks[0].limit.open
    assert verdicts(state).reports[0].baseline_requests == 9_020


def test_a_step_passes_on_its_own_evidence() -> None:
    """Entering a step starts the limits anew and keeps the evidence of harm."""
    state = fold(ALL, 40, bad=(0.0, 0.0), weight=0.3)
    entered = enter_step(state)
    assert verdicts(state).verdict.kind == "pass"
    assert verdicts(entered).verdict.kind == "undecided"
    assert verdicts(entered).log_e == verdicts(state).log_e


def test_evidence_of_harm_keeps_a_candidate_from_passing() -> None:
    """Within a wide margin but likely worse than tolerated: undecided, and told so."""
    gates = GateSet((replace(ERRORS, margin=0.9),), alpha=1e-9)
    state = begin(gates)
    for number in range(8):
        state = absorb(state, both(ArmCounts(100, 12), ArmCounts(400, 4), number))
    verdict = verdicts(state).verdict
    assert isinstance(verdict, Undecided)
    assert verdict.reason == "contested"
    assert "nothing passes from 5 to 1 on" in verdict.because


def test_undecided_says_how_much_is_missing() -> None:
    """The forecast comes true, roughly, when the rates stay as they are."""
    gates = GateSet((replace(ERRORS, margin=0.01),))
    state = begin(gates)
    for number in range(5):
        state = absorb(state, both(ArmCounts(20, 0), ArmCounts(180, 0), number))
    verdict = verdicts(state).verdict
    assert isinstance(verdict, Undecided)
    assert verdict.needs_requests is not None
    assert verdict.needs_s == verdict.needs_requests / 20
    number, passed_after = 5, 0
    while not isinstance(verdicts(state).verdict, Pass):
        state = absorb(state, both(ArmCounts(20, 0), ArmCounts(180, 0), number))
        number, passed_after = number + 1, passed_after + 20
    assert abs(passed_after - verdict.needs_requests) <= 20


def test_rates_that_lead_nowhere_are_said_to() -> None:
    """Five times the margin: no forecast."""
    gates = GateSet((ERRORS,), alpha=1e-190)
    state = begin(gates)
    for number in range(5):
        state = absorb(state, both(ArmCounts(100, 20), ArmCounts(100, 10), number))
    verdict = verdicts(state).verdict
    assert isinstance(verdict, Undecided)
    assert (verdict.needs_requests, verdict.needs_s) == (None, None)


def test_one_burst_does_not_fail_a_candidate_and_is_visible() -> None:
    """A single block of failures moves the capped evidence little, the uncapped evidence much."""
    state = absorb(fold(ALL, 10, bad=(0.0, 0.0)), both(ArmCounts(10, 10), ArmCounts(190, 0), 10))
    judgement = verdicts(state)
    assert judgement.log_e < 1.25
    assert judgement.log_e_uncapped > 10
    assert judgement.verdict.kind == "undecided"


def test_reports_carry_the_numbers_of_both_arms() -> None:
    """Shares of bad answers, latency quantiles in milliseconds, mean losses in their unit."""
    errors, latency, outcome = verdicts(fold(ALL, 30, weight=0.3)).reports
    assert errors.candidate_mean == errors.candidate_bad / errors.candidate_requests
    assert len(latency.baseline_ms) == 3
    assert latency.baseline_ms[0] == pytest.approx(0.25 * 2 ** (50.5 / 8), rel=0.1)
    assert outcome.baseline_mean == pytest.approx(12.0, rel=0.1)
    assert outcome.candidate_requests > 1_000


@pytest.mark.parametrize(
    "arm",
    [
        ArmCounts(3, 4),
        ArmCounts(-1, 0),
        ArmCounts(3, -1),
        ArmCounts(latency={4: -1}),
        ArmCounts(losses={"absolute_error": {201: 1}}),
        ArmCounts(losses={"absolute_error": {-1: 1}}),
        ArmCounts(losses={"absolute_error": {1: -1}}),
    ],
)
def test_counts_that_contradict_themselves_are_refused(arm: ArmCounts) -> None:
    """Rather than judged: a corrupt block would corrupt all that follows."""
    with pytest.raises(InvalidEvidence, match="block 0, service 'scorer', candidate"):
        absorb(begin(ALL), both(arm, ArmCounts()))


def test_a_block_counts_once_and_has_a_length() -> None:
    """A repeated number or a block without seconds is refused; a gap is fine."""
    state = absorb(begin(ALL), both(ArmCounts(), ArmCounts(), 4))
    with pytest.raises(InvalidEvidence, match="twice"):
        absorb(state, both(ArmCounts(), ArmCounts(), 4))
    with pytest.raises(InvalidEvidence, match="lasts"):
        absorb(state, both(ArmCounts(), ArmCounts(), 5, 0.0))


def test_evidence_survives_a_very_long_and_very_good_rollout() -> None:
    """When capital underflows the judgement still has finite numbers."""
    state = begin(replace(ALL, horizon_s=100.0))
    for number in range(30):
        counts = ArmCounts(1_000_000, 0, {50: 1_000_000}, {"absolute_error": {10: 1_000}})
        worse = ArmCounts(1_000_000, 500_000, {60: 1_000_000}, {"absolute_error": {90: 1_000}})
        state = absorb(state, both(counts, worse, number, 100.0))
    judgement = verdicts(state)
    assert judgement.log_e > -1_000
    assert judgement.verdict.kind == "pass"


def test_outcome_gates_are_judged_alone() -> None:
    """The outcome gate needs no requests, only labels."""
    state = begin(GateSet((OUTCOME,)))
    for number in range(12):
        labels = [ArmCounts(losses={"absolute_error": {n: 20}}) for n in (90, 20)]
        state = absorb(state, both(labels[0], labels[1], number))
    assert verdicts(state).verdict.kind == "fail"
