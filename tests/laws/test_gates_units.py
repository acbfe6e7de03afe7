"""Bets of single arms, pairs and assigned shares are worth at most 1 on average; units merge in any order."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.domain.checks.evidence import (
    LOSS_BINS,
    OTHER_SEGMENTS,
    SEGMENT_LIMIT,
    ArmCounts,
    Block,
    SegmentCounts,
    ServiceCounts,
)
from interlock.domain.checks.first_bad import FirstBad, firsts, note
from interlock.domain.gates.bound import OVER_FRACTIONS, log_e_over, log_e_under
from interlock.domain.gates.gate import Gate, GateSet
from interlock.domain.gates.judge import absorb, begin
from interlock.domain.gates.limit import STAKES
from interlock.domain.gates.mixture import Schedule, begin_mixture, grow, write_off
from interlock.domain.gates.paired import PAIR_FRACTIONS, log_e_pairs_above, log_e_pairs_below
from interlock.domain.gates.receipt import receipt, replay
from interlock.domain.gates.segments import WEIGHTS
from interlock.domain.gates.table import RARE_RATIOS, Table, log_e_allocation
from support.gate_counts import SERVICE

SLACK = 1 + 1e-9


@pytest.mark.parametrize("n", [1, 3, 8])
@pytest.mark.parametrize("mean", [0.01, 0.2, 0.7])
def test_bets_on_one_arm_lose_on_average_on_their_own_side(n: int, mean: float) -> None:
    """Bad answers at most as frequent as the bound, and at least as frequent as the amount denied."""

    def mean_of(p: float, log_e) -> float:
        losses = [((1.0, k), (0.0, n - k)) for k in range(n + 1)]
        return math.fsum(
            math.comb(n, k) * p**k * (1 - p) ** (n - k) * math.exp(log_e(x)) for k, x in enumerate(losses)
        )

    for fraction, within in itertools.product(OVER_FRACTIONS, (0.0, 0.5, 1.0)):
        assert mean_of(mean * within, lambda x, f=fraction: log_e_over(x, mean, f)) <= SLACK
    for (fraction, _), p in itertools.product(STAKES, (mean, (1 + mean) / 2, 1.0)):
        assert mean_of(p, lambda x, f=fraction: log_e_under(x, mean, f)) <= SLACK


@pytest.mark.parametrize("shape", [(0.1, 0.8, 0.1), (0.05, 0.9, 0.05), (0.0, 0.7, 0.3), (0.5, 0.0, 0.5)])
def test_bets_on_pairs_lose_on_average_on_their_own_side(shape: tuple[float, float, float]) -> None:
    """Differences of -1, 0 and 1 in three pairs, with the mean difference at the margin."""
    mean = shape[2] - shape[0]
    above, below = dict.fromkeys(PAIR_FRACTIONS, 0.0), dict.fromkeys((f for f, _ in STAKES), 0.0)
    for triple in itertools.product(range(3), repeat=3):
        chance = math.prod(shape[i] for i in triple)
        bins = {LOSS_BINS * (i - 1): triple.count(i) for i in range(3) if triple.count(i)}
        for f in above:
            above[f] += chance * math.exp(log_e_pairs_above(bins, mean, f))
        for f in below:
            below[f] += chance * math.exp(log_e_pairs_below(bins, mean, f))
    assert max(above.values()) <= SLACK
    assert max(below.values()) <= SLACK


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("rho", [1.0, 1.1, 2.0])
def test_first_bad_answers_lose_on_average_whoever_fails(share: float, rho: float) -> None:
    """Five keys fail wherever they are; each fell to the candidate by the assigned share."""
    for ratio in RARE_RATIOS:
        mean = math.fsum(
            math.comb(5, k)
            * share**k
            * (1 - share) ** (5 - k)
            * math.exp(log_e_allocation(Table(1, k, 9, 5 - k, share), ratio, rho))
            for k in range(6)
        )
        assert mean <= SLACK


def test_weights_of_segments_sum_to_one() -> None:
    """A weighted average of evidence is evidence only then."""
    assert math.fsum(WEIGHTS) == pytest.approx(1.0)
    assert len(WEIGHTS) == SEGMENT_LIMIT


segment_counts = st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)).map(
    lambda t: (t[0] + t[1], t[1], t[2])
)
segmented = st.dictionaries(
    st.integers(0, 60).map(lambda i: f"s{i:02}"), segment_counts, max_size=SEGMENT_LIMIT
).map(lambda s: ArmCounts(segments=s, first_bad=len(s)))


@settings(max_examples=100, deadline=None)
@given(segmented, segmented, segmented)
def test_segments_add_in_any_order_and_stay_few(a: ArmCounts, b: ArmCounts, c: ArmCounts) -> None:
    """Beyond the limit they add up in the others, and no count is lost."""
    whole = (a + b) + c
    assert whole == a + (b + c) == (c + a) + b
    assert len(set(whole.segments) - {OTHER_SEGMENTS}) <= SEGMENT_LIMIT
    for i in range(3):
        assert sum(s[i] for s in whole.segments.values()) == sum(
            s[i] for arm in (a, b, c) for s in arm.segments.values()
        )


memories = st.dictionaries(
    st.integers(0, 3), st.frozensets(st.sampled_from("abcdefgh"), min_size=1), max_size=4
).map(FirstBad)


@given(memories, memories, memories)
def test_memories_of_first_bad_answers_merge_in_any_order(a: FirstBad, b: FirstBad, c: FirstBad) -> None:
    """Union: associative, commutative, and saying it twice says nothing more."""
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert (a + b) + b == a + b


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 1_199)), max_size=20))
def test_a_key_counts_once_per_window(calls: list[tuple[str, float]]) -> None:
    """In order of time, the first bad answers are the distinct pairs of key and window."""
    memory, count = FirstBad(), 0
    for key, at_s in sorted(calls, key=lambda call: call[1]):
        memory, is_first = note(memory, key, at_s)
        count += is_first
    assert count == len({(key, at_s // 600) for key, at_s in calls}) == firsts(FirstBad(), memory)


@given(
    st.lists(st.tuples(st.floats(-20, 40), st.floats(0.1, 30)), min_size=1, max_size=40),
    st.floats(0.01, 2),
    st.floats(0.1, 3),
)
def test_capped_evidence_rises_no_faster_than_allowed(
    moves: list[tuple[float, float]], nats_s: float, cap: float
) -> None:
    """From any earlier level, however the blocks fall: at most the cap and the rate times the time between."""
    mixture, at_s, path = begin_mixture(1), 0.0, []
    schedule = Schedule(1e9, 1e9, cap, nats_s)
    for log_e, seconds in moves:
        path.append((at_s, math.log(max(mixture.capped[0], 1e-300))))
        mixture = grow(mixture, (log_e,), at_s, schedule, seconds)
        at_s += seconds
        now = math.log(max(mixture.capped[0], 1e-300))
        assert all(now <= before + cap + nats_s * (at_s - then) + 1e-6 for then, before in path)


@given(st.lists(st.floats(-5, 40), min_size=1, max_size=20))
def test_writing_off_only_gives_up(log_es: list[float]) -> None:
    """No evidence rises by it, capped is plain again, and what is left is at most the prior."""
    mixture = begin_mixture(2)
    for number, log_e in enumerate(log_es):
        mixture = grow(mixture, (log_e, -log_e), number * 30.0, Schedule(60.0, 600.0, 1.25, 0.2), 30.0)
    after = write_off(mixture)
    assert all(a <= b for a, b in zip(after.capped, mixture.capped, strict=True))
    assert all(a <= b * SLACK for a, b in zip(after.masses, mixture.masses, strict=True))
    assert after.e_value == after.e_value_capped <= SLACK


@st.composite
def busy_arms(draw: st.DrawFn) -> ArmCounts:
    bad = draw(st.integers(0, 20))
    counted: SegmentCounts = draw(segment_counts)
    return ArmCounts(
        requests=bad + draw(st.integers(0, 50)),
        bad=bad,
        latency=draw(st.dictionaries(st.integers(40, 60), st.integers(0, 9), max_size=3)),
        losses={"wrong": draw(st.dictionaries(st.sampled_from([0, 200]), st.integers(0, 9), max_size=2))},
        first_bad=draw(st.integers(0, bad)),
        segments={draw(st.sampled_from("abc")): counted},
    )


EVERYTHING = GateSet(
    (
        Gate("errors", "errors", SERVICE, 0.02, segment_share=0.4),
        Gate("users", "errors", SERVICE, 0.02, counts="first"),
        Gate("availability", "errors", SERVICE, bound=0.05),
        Gate("speed", "latency", SERVICE, bound=50.0, quantile=0.9),
        Gate("wrong", "outcome", SERVICE, bound=0.3, outcome="wrong", cap=1.0),
        Gate("shadow", "outcome", SERVICE, 0.02, outcome="wrong", cap=1.0, sample="pairs"),
    ),
    warmup_s=5.0,
    least_keys=5,
)
pair_counts = st.dictionaries(st.sampled_from([-200, 0, 200]), st.integers(0, 20), max_size=3)
services = st.builds(lambda c, b, p: ServiceCounts(c, b, {"wrong": p}), busy_arms(), busy_arms(), pair_counts)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(services, services, st.integers(0, 10_000)), max_size=8))
def test_every_unit_replays_to_the_same_bytes_whatever_the_order(
    parts: list[tuple[ServiceCounts, ServiceCounts, int]],
) -> None:
    """Segments, first bad answers, bounds, pairs and weights, merged either way round."""
    one = [Block(i, 1.0, {SERVICE: a + b}, w) for i, (a, b, w) in enumerate(parts)]
    other = [Block(i, 1.0, {SERVICE: b + a}, w) for i, (a, b, w) in enumerate(parts)]
    written = receipt(EVERYTHING, one, {"rollout": "r"})
    assert receipt(EVERYTHING, other, {"rollout": "r"}) == written == replay(written)


@settings(max_examples=60, deadline=None)
@given(st.lists(services, min_size=1, max_size=8))
def test_what_fails_is_never_above_what_throttles(counts: list[ServiceCounts]) -> None:
    """Capped evidence stays at or below the plain one in every gate, so a throttle comes before a failure."""
    state = begin(EVERYTHING)
    for number, both in enumerate(counts):
        state = absorb(state, Block(number, 1.0, {SERVICE: both}, 2_000))
        assert all(t.e_value <= t.e_value_uncapped * SLACK for t in state.tracks)
        assert not state.has_failed or state.throttle is not None
