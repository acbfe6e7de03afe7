"""Profiles, harms, and the production fold on expected counts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.domain.checks.evidence import ArmCounts
from interlock.domain.gates.gate import GateSet
from interlock.domain.gates.power import expected, power, reach
from interlock.domain.gates.profile import (
    NO_HARM,
    Harm,
    Profile,
    exponential_loss,
    harmed,
    harms_of,
    lognormal_latency,
    moved,
    profile_of,
    worse_answers,
)
from support.gate_traffic import ERRORS, LATENCY, OUTCOME, SERVICE

GATES = GateSet((ERRORS, LATENCY), warmup_s=3.0)
QUIET = Profile(200.0, 0.005, lognormal_latency(20.0))


def test_larger_harm_is_found_sooner_and_at_less_cost() -> None:
    """At 10 %, from +2 pp on, seconds to Fail fall as the harm grows."""
    found = [
        reach(GATES, {SERVICE: QUIET}, 1_000, Harm("x", SERVICE, bad=bad), 1.0, 3_600.0)
        for bad in (0.02, 0.05, 0.2)
    ]
    assert [r.verdict for r in found] == ["fail"] * 3
    assert found[0].seconds > found[1].seconds > found[2].seconds
    assert found[0].requests > found[1].requests


def test_no_difference_passes_and_sooner_with_more_traffic() -> None:
    """Both weights pass; at 50 % it takes no longer than at 1 %."""
    small, large = (reach(GATES, {SERVICE: QUIET}, w, NO_HARM, 1.0, 3_600.0) for w in (100, 5_000))
    assert (small.verdict, large.verdict) == ("pass", "pass")
    assert large.seconds < small.seconds


def test_without_traffic_it_stays_undecided_until_the_horizon() -> None:
    """A request in an hour decides nothing."""
    idle = Profile(1 / 3_600, 0.005, lognormal_latency(20.0))
    end = reach(GATES, {SERVICE: idle}, 1_000, Harm("x", SERVICE, bad=1.0), 1.0, 1_800.0)
    assert (end.verdict, end.requests) == ("undecided", 0)
    assert end.seconds >= 1_800.0


def test_the_same_question_has_the_same_answer() -> None:
    """Nothing is drawn."""
    grid = [Harm("x", SERVICE, bad=0.05), Harm("y", SERVICE, latency_factor=1.5)]
    runs = [list(power(GATES, {SERVICE: QUIET}, (500, 5_000), grid, 1.0, 600.0)) for _ in range(2)]
    assert runs[0] == runs[1]
    assert [(r.harm.name, r.weight_bp) for r in runs[0]] == [("x", 500), ("x", 5_000), ("y", 500), ("y", 5_000)]


def test_outcomes_are_found_by_their_mean() -> None:
    """Four times the margin above the baseline's mean loss fails; half of the margin passes."""
    gates = GateSet((OUTCOME,))
    profile = Profile(200.0, 0.0, {}, {OUTCOME.outcome: exponential_loss(0.1)})
    harms = {h.name: h for h in harms_of(gates)}
    worst, least = harms[f"{SERVICE}: mean absolute_error +24"], harms[f"{SERVICE}: mean absolute_error +3"]
    assert reach(gates, {SERVICE: profile}, 1_000, worst, 1.0, 3_600.0).verdict == "fail"
    assert reach(gates, {SERVICE: profile}, 1_000, least, 1.0, 3_600.0).verdict == "pass"


@given(st.floats(0, 1), st.lists(st.integers(0, 400), min_size=1, max_size=20), st.sampled_from([0.5, 20.0, 900.0]))
def test_expected_counts_are_whole_and_add_up(bad: float, lengths: list[int], median_ms: float) -> None:
    """However requests are cut into blocks, none is bad twice, and each is timed once."""
    profile, first, total = Profile(1.0, bad, lognormal_latency(median_ms)), 0, ArmCounts()
    for length in lengths:
        arm = expected(profile, first, first + length)
        assert 0 <= arm.bad <= arm.requests == length == sum(arm.latency.values())
        total, first = total + arm, first + length
    assert total.bad == round(bad * first)


def test_expected_latency_has_the_profile_s_quantiles() -> None:
    """A tenth of the answers, give or take one in a hundred, is at or above the .9 quantile, in any block size."""
    shares = lognormal_latency(20.0)
    edge = next(b for b in shares if math.fsum(p for k, p in shares.items() if k >= b) <= 0.1)
    tail = math.fsum(p for k, p in shares.items() if k >= edge)
    for size in (1_000, 5_000):
        arm = expected(Profile(1.0, 0.0, shares), 0, size)
        assert sum(n for b, n in arm.latency.items() if b >= edge) == pytest.approx(tail * size, abs=size / 100)


@given(st.floats(0, 40), st.integers(1, 30))
def test_moving_keeps_the_mass_and_moves_the_mean(bins: float, width: int) -> None:
    """Fractions of a bin are shared between neighbours."""
    shares = dict.fromkeys(range(width), 1 / width)
    after = moved(shares, bins)
    assert math.fsum(after.values()) == pytest.approx(1.0)
    mean = math.fsum(b * p for b, p in after.items())
    assert mean == pytest.approx((width - 1) / 2 + bins)


def test_harm_begins_and_grows_as_it_says() -> None:
    """Nothing before it begins, half of it halfway, all of it from then on."""
    leak = Harm("leak", SERVICE, bad=0.1, begins_s=10.0, grows_s=20.0)
    assert [leak.part_at(s) for s in (0.0, 9.9, 20.0, 30.0, 99.0)] == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert harmed(QUIET, leak, 20.0).bad == pytest.approx(0.055)
    assert harmed(QUIET, leak, 5.0) is QUIET


def test_worse_answers_count_what_the_baseline_would_not_have_given() -> None:
    """The baseline's own bad and slow answers are not held against the candidate."""
    usual = expected(QUIET, 0, 10_000)
    assert worse_answers(QUIET, usual) == pytest.approx(0.0, abs=60)
    broken = expected(harmed(QUIET, Harm("x", bad=0.1), 0.0), 0, 10_000)
    assert worse_answers(QUIET, broken) == pytest.approx(1_000, abs=60)


def test_a_measured_profile_is_the_arm_s() -> None:
    """Rate, latency and a share of bad answers that is never exactly 0."""
    profile = profile_of(ArmCounts(400, 0, {10: 300, 20: 100}), 2.0, {})
    assert profile.rate_rps == 200.0
    assert dict(profile.latency) == {10: 0.75, 20: 0.25}
    assert 0 < profile.bad < 0.002
