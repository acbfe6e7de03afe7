"""How much of the traffic the evidence allows."""

from __future__ import annotations

import random

import pytest

from interlock.domain.checks.evidence import ArmCounts, Block, ServiceCounts
from interlock.domain.gates.gate import Gate, GateSet
from interlock.domain.gates.judge import State, absorb, begin, is_safe_to_promote
from interlock.domain.gates.ramp import InvalidRamp, Ramp, may_promote, recommend
from support.gate_counts import SERVICE, block, hits, poisson

GATES = GateSet((Gate("errors", "errors", SERVICE, 0.005),))
RAMP = Ramp()


def ramped(bad: tuple[float, float], seconds: int, seed: int, onset_s: int = 0) -> tuple[State, list[int], float]:
    """A rollout of 200 requests/s that follows the ramp, and after promotion keeps the holdback. The harm begins at
    `onset_s`. Returns the state, the weight of each second, and the bad answers beyond the baseline's rate.
    """
    state, chance, weight_bp, served, extra = begin(GATES), random.Random(seed), 5, [], 0.0
    for second in range(seconds):
        rate = bad[0] if second >= onset_s else bad[1]
        n_c, n_b = (poisson(chance, 200 * share / 10_000) for share in (weight_bp, 10_000 - weight_bp))
        arms = ArmCounts(n_c, hits(chance, n_c, rate)), ArmCounts(n_b, hits(chance, n_b, bad[1]))
        state = absorb(state, block(second, *arms, weight_bp=weight_bp))
        extra += arms[0].bad - bad[1] * n_c
        served.append(weight_bp)
        if state.has_failed:
            break
        if may_promote(state, RAMP):
            weight_bp = RAMP.promoted_bp
        weight_bp = recommend(state, weight_bp, RAMP).weight_bp
    return state, served, extra


def test_it_starts_where_a_total_failure_stays_within_the_budget() -> None:
    """20 bad answers in 30 s at 200 requests/s: a third of a percent."""
    state = absorb(begin(GATES), block(0, ArmCounts(), ArmCounts(200, 1)))
    told = recommend(state, 5, RAMP)
    assert told.weight_bp == 33
    assert "at most 100.00% more bad answers" in told.because


def test_nothing_counted_allows_the_least() -> None:
    """Without a rate no budget can be kept."""
    told = recommend(begin(GATES), 0, RAMP)
    assert (told.weight_bp, told.because) == (5, "errors: nothing was counted yet")


def test_a_good_candidate_climbs_to_the_ceiling_and_is_promoted_after_the_dwell() -> None:
    """Weights never fall, stay at a tenth until harm is known to be below a quarter, and reach a third."""
    state, weights, _ = ramped((0.002, 0.002), 400, seed=2)
    assert weights == sorted(weights)
    assert max(w for w in weights if w < RAMP.promoted_bp) == 3_333
    assert weights.index(RAMP.promoted_bp) == 300
    assert state.throttle is None


@pytest.mark.parametrize(("rate", "most"), [(1.0, 30.0), (0.055, 40.0)])
def test_harm_costs_about_the_budget(rate: float, most: float) -> None:
    """Bad answers beyond the baseline's until the rollback, mean of five: total failure, and five points."""
    runs = [ramped((rate, 0.005), 600, seed) for seed in range(5)]
    assert all(state.has_failed for state, _, _ in runs)
    assert sum(extra for _, _, extra in runs) / 5 <= most


@pytest.mark.parametrize(("rate", "within_s"), [(1.0, 120), (0.055, 200)])
def test_a_failure_that_begins_in_the_watch_is_found(rate: float, within_s: int) -> None:
    """Ten minutes after promotion: the holdback is compared, throttled, and the candidate turned back."""
    state, weights, extra = ramped((rate, 0.002), 900 + within_s, seed=5, onset_s=900)
    assert weights[899] == RAMP.promoted_bp
    assert state.has_failed
    assert extra <= 400


def test_late_failures_are_found_after_any_time() -> None:
    """Mass is kept for later starts even beyond the horizon: after three of them."""
    gates = GateSet(GATES.gates, horizon_s=600.0)
    state = begin(gates)
    for number in range(180):
        state = absorb(state, block(number, ArmCounts(900, 4), ArmCounts(100, 1), 10.0))
    assert state.throttle is None
    begun_s = state.elapsed_s
    while state.throttle is None:
        state = absorb(state, block(state.number + 1, ArmCounts(900, 90), ArmCounts(100, 1), 10.0))
    assert state.elapsed_s - begun_s <= 60


def test_the_worst_service_sets_the_pace() -> None:
    """Two services, one of which has ten times the traffic and so ten times the harm."""
    gates = GateSet((Gate("a", "errors", "front", 0.005), Gate("b", "errors", SERVICE, 0.005)))
    counts = {"front": ServiceCounts(baseline=ArmCounts(2_000)), SERVICE: ServiceCounts(baseline=ArmCounts(200))}
    told = recommend(absorb(begin(gates), Block(0, 1.0, counts)), 1, RAMP)
    assert told.gate == "a"
    assert told.weight_bp == 5


def test_labels_that_are_late_hold_back_by_the_requests() -> None:
    """Before a label came, the service's requests stand for the rate, and the presumed limit for the harm."""
    gates = GateSet((*GATES.gates, Gate("wrong", "outcome", SERVICE, 0.02, outcome="wrong", cap=1.0)))
    state = begin(gates)
    for number in range(60):
        state = absorb(state, block(number, ArmCounts(100, 0), ArmCounts(400, 0)))
    told = recommend(state, 5, Ramp(label_delay_s=300.0))
    assert told.gate == "wrong"
    assert told.weight_bp == int(300 / (500 * 330 * 0.3) * 10_000)


def test_it_stands_still_while_harm_is_likely_and_falls_when_throttled() -> None:
    """The weight asked for is the throttle's then, and never above what is served."""
    state = begin(GATES)
    while not state.is_frozen:
        state = absorb(state, block(state.number + 1, ArmCounts(20, 1), ArmCounts(180, 1)))
    told = recommend(state, 1_000, RAMP)
    assert told.weight_bp == 1_000
    assert "no more is exposed" in told.because
    while not state.throttle:
        state = absorb(state, block(state.number + 1, ArmCounts(20, 20), ArmCounts(180, 1), weight_bp=1_000))
    assert recommend(state, 1_000, RAMP).weight_bp == state.throttle.weight_bp < 1_000


def test_a_throttle_at_a_small_weight_does_not_raise_it() -> None:
    """Three basis points of the keys stay three, although the budget would allow more."""
    state = begin(GATES)
    while not state.throttle:
        state = absorb(state, block(state.number + 1, ArmCounts(2, 1), ArmCounts(1_998, 10), weight_bp=3))
    assert recommend(state, 3, RAMP).weight_bp == state.throttle.weight_bp == 3


@pytest.mark.parametrize(("seconds", "may"), [(1.0, False), (10.0, True)])
def test_a_limit_just_below_the_margin_is_enough_where_traffic_is_thin(seconds: float, may: bool) -> None:
    """With the same counts: at 200 requests/s a candidate that is worse by nearly the margin would cost the budget
    many times over before it is found, at 20/s it would not.
    """
    state, number = begin(GATES), 0
    while not is_safe_to_promote(state, 0.0):
        arms = ArmCounts(60, 0), ArmCounts(140, int(number % 3 == 0))
        state, number = absorb(state, block(number, *arms, seconds=seconds)), number + 1
    assert may_promote(state, Ramp(dwell_s=0.0)) is may


def test_it_says_what_a_higher_weight_waits_for() -> None:
    """Requests and seconds until the next limit."""
    state = begin(GATES)
    for number in range(5):
        state = absorb(state, block(number, ArmCounts(20, 0), ArmCounts(180, 0)))
    told = recommend(state, 5, RAMP)
    assert "more observations of the candidate" in told.needs


@pytest.mark.parametrize("wrong", [{"ceiling": 0.95}, {"least": 0.0}, {"budget": 0.0}, {"known": 2.0}])
def test_a_ramp_that_allows_no_weight_is_invalid(wrong: dict[str, float]) -> None:
    """The error says what must hold."""
    with pytest.raises(InvalidRamp):
        Ramp(**wrong)


def unheard(seconds: int, weight_bp: int, requests: int = 40) -> State:
    """A candidate into whose share no key falls."""
    state = begin(GATES)
    for number in range(seconds):
        state = absorb(state, block(number, ArmCounts(), ArmCounts(requests, 0), weight_bp=weight_bp))
    return state


def test_a_share_into_which_no_key_falls_is_doubled() -> None:
    """Twenty keys at 1.7 %: nobody would ever be heard, and silence costs nothing of the budget."""
    assert recommend(unheard(10, 166), 166, RAMP).weight_bp == 166
    told = recommend(unheard(11, 166), 166, RAMP)
    assert told.weight_bp == 332
    assert told.because == (
        "errors: about 7 answers were due at 1.66 % and none came, so no caller falls into that share of the keys"
    )


def test_silence_at_one_weight_says_nothing_of_another() -> None:
    """What was owed before the doubling is not owed again."""
    state = unheard(11, 166)
    state = absorb(state, block(state.number + 1, ArmCounts(), ArmCounts(40, 0), weight_bp=332))
    assert recommend(state, 332, RAMP).weight_bp == 332


def test_a_silent_candidate_never_gets_more_than_the_ceiling() -> None:
    """And is told to need callers."""
    told = recommend(unheard(60, 3_333), 3_333, RAMP)
    assert (told.weight_bp, told.needs) == (3_333, "callers with keys in the candidate's share")


def test_a_service_that_nobody_calls_is_not_waited_for_louder() -> None:
    """No request of the baseline owes one of the candidate."""
    assert recommend(unheard(60, 5, requests=0), 5, RAMP).weight_bp == 5
