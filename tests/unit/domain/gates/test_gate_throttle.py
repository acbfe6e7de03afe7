"""Likely harm is throttled at once, confirmed or cleared, and bursts fail nobody."""

from __future__ import annotations

import random
from dataclasses import replace

from interlock.domain.checks.evidence import ArmCounts
from interlock.domain.gates.gate import Gate, GateSet
from interlock.domain.gates.judge import State, absorb, begin, is_safe_to_promote, verdicts
from interlock.domain.gates.verdict import Undecided
from support.gate_counts import SERVICE, block, hits, poisson

GATES = GateSet((Gate("errors", "errors", SERVICE, 0.02),))
RATE_RPS = 200


def serve(
    state: State, bad: tuple[float, float], seconds: int, chance: random.Random, weight: float = 0.1
) -> State:
    """Blocks of one second, at the throttled weight while there is a throttle."""
    for _ in range(seconds):
        share = state.throttle.weight_bp / 10_000 if state.throttle else weight
        n_c, n_b = poisson(chance, RATE_RPS * share), poisson(chance, RATE_RPS * (1 - share))
        arms = ArmCounts(n_c, hits(chance, n_c, bad[0])), ArmCounts(n_b, hits(chance, n_b, bad[1]))
        state = absorb(state, block(state.number + 1, *arms))
    return state


def test_a_total_failure_is_throttled_by_the_first_block_that_shows_it() -> None:
    """To what serves about 20 more bad answers in a minute: 20 / (200 * 60)."""
    state = serve(begin(GATES), (1.0, 0.005), 1, random.Random(1))
    assert state.throttle is not None
    assert 12 <= state.throttle.weight_bp <= 20
    assert verdicts(state).throttle == state.throttle
    verdict = verdicts(state).verdict
    assert isinstance(verdict, Undecided)
    assert (verdict.reason, verdict.because) == ("throttled", state.throttle.because)
    assert "of the keys until it is confirmed" in state.throttle.because
    assert verdicts(state).is_frozen


def test_milder_harm_is_throttled_less() -> None:
    """The weight is the budget over rate, time and harm; the harm is at most a few tenths above what it is."""
    state = begin(GATES)
    while state.throttle is None:
        state = absorb(state, block(state.number + 1, ArmCounts(1_000, 50), ArmCounts(9_000, 45)))
    assert 0.045 < state.throttle.harm < 0.06
    assert state.throttle.weight_bp == int(20 / (10_000 * 60 * state.throttle.harm) * 10_000)


def test_what_the_baseline_does_too_is_no_harm_of_the_candidate() -> None:
    """Ten percent in both arms and five more in the candidate: the throttle is for five."""
    state = begin(GATES)
    while state.throttle is None:
        state = absorb(state, block(state.number + 1, ArmCounts(1_000, 150), ArmCounts(9_000, 900)))
    assert 0.05 < state.throttle.harm < 0.07


def test_a_late_total_failure_is_not_thinned_out_by_the_good_time_before() -> None:
    """After an hour without a difference at nine tenths of the keys: the least weight but a few basis points."""
    state = begin(GATES)
    for number in range(360):
        state = absorb(state, block(number, ArmCounts(1_800, 9), ArmCounts(200, 1), 10.0, weight_bp=9_000))
    state = absorb(state, block(360, ArmCounts(180, 180), ArmCounts(20, 0), weight_bp=9_000))
    assert state.throttle is not None
    assert state.throttle.harm > 0.9
    assert state.throttle.weight_bp <= 18


def test_a_throttle_follows_as_the_harm_becomes_known() -> None:
    """Throttled on a few answers as if half of them were bad, then seen to be a twentieth: the weight rises, but
    never above what it was.
    """
    state, weights = begin(GATES), []
    state = absorb(state, block(0, ArmCounts(6, 3), ArmCounts(114, 0), weight_bp=500))
    while len(weights) < 400 and not state.has_failed:
        state = absorb(state, block(state.number + 1, ArmCounts(20, state.number % 2), ArmCounts(380, 2)))
        weights.append(state.throttle.weight_bp if state.throttle else 0)
    assert 0 < weights[0] < 100
    assert max(weights) >= 2 * weights[0]
    assert max(weights) <= 500
    assert len(set(weights)) <= 8


def test_a_fault_of_two_points_is_decided_while_it_is_throttled() -> None:
    """At a tenth of the keys, median of nine: enough traffic is left to fail it within two minutes, and fewer than
    forty bad answers were added.
    """
    spent = []
    for seed in range(9):
        state, chance = begin(GATES), random.Random(seed)
        while not state.has_failed:
            state = serve(state, (0.025, 0.005), 1, chance)
        served = state.tracks[0].seen.candidate
        spent.append((state.elapsed_s, served.bad - 0.005 * served.requests))
    assert sorted(seconds for seconds, _ in spent)[4] <= 120
    assert sorted(bad for _, bad in spent)[4] <= 40


def test_harm_that_lasts_fails_within_a_minute_and_a_half_of_the_throttle() -> None:
    """Five percentage points, median of nine: throttled within 10 s, failed before clearing wins."""
    throttled, failed = [], []
    for seed in range(9):
        state, chance = begin(GATES), random.Random(seed)
        while not state.has_failed:
            state = serve(state, (0.055, 0.005), 1, chance)
            if state.throttle and len(throttled) == seed:
                throttled.append(state.elapsed_s)
        failed.append(state.elapsed_s)
    assert sorted(throttled)[4] <= 12
    assert sorted(failed)[4] <= 120


def test_a_burst_is_throttled_and_cleared() -> None:
    """Ten seconds at 12 %, then as before: after a minute the candidate is where it was."""
    chance = random.Random(3)
    quiet = serve(begin(GATES), (0.005, 0.005), 120, chance)
    burst = serve(quiet, (0.12, 0.005), 10, chance)
    assert burst.throttle is not None
    verdict = verdicts(burst).verdict
    assert isinstance(verdict, Undecided)
    assert verdict.reason == "contested"
    assert not is_safe_to_promote(burst, 0.0)
    after = serve(burst, (0.005, 0.005), 75, chance)
    assert after.throttle is None
    assert not after.has_failed
    assert after.e_value <= 1.0 + 1e-9


def test_a_throttle_is_kept_while_the_evidence_stands() -> None:
    """Cleared only when the capped evidence is below `hesitate`, however long it takes."""
    gates = replace(GATES, alpha=1e-9, clear_s=40.0)
    state = begin(gates)
    for number in range(300):
        state = absorb(state, block(number, ArmCounts(100, 12), ArmCounts(400, 4)))
        if number > 20:
            assert state.throttle is not None


def test_evidence_of_harm_freezes_the_ramp_before_it_throttles() -> None:
    """From 5 to 1 on."""
    state, frozen_at, throttled_at = begin(GATES), 0.0, 0.0
    while not throttled_at:
        state = absorb(state, block(state.number + 1, ArmCounts(20, 1), ArmCounts(180, 1)))
        frozen_at = frozen_at or (state.elapsed_s if state.is_frozen else 0.0)
        throttled_at = state.elapsed_s if state.throttle else 0.0
    assert 0 < frozen_at < throttled_at


def by_keys(state: State, fell: list[int], rng: random.Random) -> State:
    """A second in which 120 of as many keys as `fell` call; a key is the candidate's when it fell below its weight,
    and the candidate fails whoever it gets.
    """
    share_bp = state.throttle.weight_bp if state.throttle else 2_000
    mine = sum(point < share_bp for point in rng.choices(fell, k=120))
    arms = ArmCounts(mine, mine), ArmCounts(120 - mine, 0)
    return absorb(state, block(state.number + 1, *arms, weight_bp=share_bp))


def test_few_keys_of_which_none_falls_into_the_throttle_are_asked_for_more() -> None:
    """No key below 1 %: the weight doubles until some are heard, and the failure is confirmed."""
    fell, rng = [*range(100, 10_000, 33)], random.Random(5)
    state, weights = begin(GATES), set[int]()
    while not state.has_failed and state.elapsed_s < 300:
        state = by_keys(state, fell, rng)
        weights |= {state.throttle.weight_bp} if state.throttle else set()
    assert state.has_failed
    assert min(weights) < 30
    assert 100 <= max(weights) <= 450
    assert state.throttle is not None
    assert "no caller fell into a smaller share" in state.throttle.because


def test_a_service_that_nobody_calls_is_not_silent() -> None:
    """An empty night doubles nothing."""
    state = serve(begin(GATES), (1.0, 0.005), 1, random.Random(1))
    assert state.throttle is not None
    quiet = absorb(state, block(state.number + 1, ArmCounts(0, 0), ArmCounts(0, 0), 50.0, weight_bp=16))
    assert quiet.throttle is not None
    assert (quiet.tracks[0].pace.owed, quiet.throttle.doubled) == (0.0, 0)


def bursty(seed: int, gates: GateSet) -> tuple[bool, int]:
    """Twenty minutes without a difference, both arms alike in law: bursts of 5 to 20 s at 10 to 30 times the
    usual .5 %, one in five minutes on average. Whether it failed, and how often it was throttled.
    """
    state, chance = begin(gates), random.Random(seed)
    left, height, throttles = [0.0, 0.0], [1.0, 1.0], 0
    for _ in range(1_200):
        for i in (0, 1):
            left[i] -= 1
            if left[i] <= 0 and chance.random() < 1 / 300:
                left[i], height[i] = chance.uniform(5, 20), chance.uniform(10, 30)
        rates = [0.005 * (h if x > 0 else 1.0) for x, h in zip(left, height, strict=True)]
        was, state = state.throttle, serve(state, (rates[0], rates[1]), 1, chance)
        throttles += was is None and state.throttle is not None
        if state.has_failed:
            return True, throttles
    return False, throttles


def test_bursts_in_one_arm_hardly_ever_fail_a_good_candidate() -> None:
    """None of ten, though they are throttled now and then; without the cap in time several fail."""
    seen = [bursty(seed, GATES) for seed in range(10)]
    assert not any(failed for failed, _ in seen)
    assert sum(throttles for _, throttles in seen) >= 10
    assert sum(bursty(seed, replace(GATES, errors_nats_s=1e6))[0] for seed in range(5)) >= 2


def test_a_throttle_says_what_is_known_by_now() -> None:
    """Not what was known when it began: a person reads it while it is confirmed."""
    state = serve(begin(GATES), (1.0, 0.005), 1, random.Random(1))
    assert state.throttle is not None
    before = state.throttle.because
    for _ in range(3):
        arms = ArmCounts(0, 0), ArmCounts(200, 1)
        state = absorb(state, block(state.number + 1, *arms, weight_bp=state.throttle.weight_bp))
        assert state.throttle is not None
    assert state.throttle.because != before
    assert f"of {state.tracks[0].seen.baseline.requests:,} requests" in state.throttle.because
