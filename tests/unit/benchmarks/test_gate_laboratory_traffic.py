"""The laboratory's simulator produces the worlds that it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from benchmarks.gates.rule import quantile_ms
from benchmarks.gates.sticky import StickyTraffic
from benchmarks.gates.traffic import Counts, Traffic
from benchmarks.gates.worlds import LABEL_DELAY_S, SEGMENT_SHARE, WORLDS, slow_share

RUNS = np.arange(40)


def block_of(name: str, weight: float = 0.2, number: int = 0) -> Counts:
    """The counts of one block of 40 runs, after those before it."""
    world = WORLDS[name]
    kind = StickyTraffic if world.users else Traffic
    traffic = kind(world, len(RUNS), np.random.default_rng(1), 5.0)
    weights = np.full(len(RUNS), weight)
    for earlier in range(number):
        traffic.block(earlier, weights, RUNS)
    return traffic.block(number, weights, RUNS)


def test_arms_share_the_traffic_by_weight() -> None:
    """A fifth of 200 requests a second goes to the candidate."""
    counts = block_of("aa")
    assert counts.candidate.requests.mean() == pytest.approx(200, rel=0.1)
    assert counts.baseline.requests.mean() == pytest.approx(800, rel=0.1)


def test_counts_agree_with_each_other() -> None:
    """Requests are the sum of the latency bins, and parts are not more than the whole."""
    for name in ("bad_5", "segment", "sticky_heavy", "total"):
        arm = block_of(name).candidate
        assert (arm.latency.sum(axis=1) == arm.requests).all()
        assert (arm.first_bad <= arm.bad).all()
        assert (arm.bad <= arm.requests).all()
        assert (arm.segment_bad <= np.minimum(arm.first_bad, arm.segment_requests)).all()


def test_the_baseline_has_its_bad_answers_and_its_latency() -> None:
    """Half a percent is bad, and the .99 quantile of latency is near 400 ms."""
    arm = block_of("aa").baseline
    assert arm.bad.sum() / arm.requests.sum() == pytest.approx(0.005, rel=0.25)
    assert quantile_ms(arm.latency.sum(axis=0, keepdims=True), 0.99)[0] == pytest.approx(400, rel=0.05)


@pytest.mark.parametrize("name", ["bad_1", "bad_5", "total", "segment"])
def test_a_bad_candidate_fails_as_often_as_its_world_says(name: str) -> None:
    """The share of bad answers differs between the arms by the world's excess."""
    counts, world = block_of(name, weight=0.5), WORLDS[name]
    shares = [arm.bad.sum() / arm.requests.sum() for arm in (counts.candidate, counts.baseline)]
    assert shares[0] - shares[1] == pytest.approx(world.excess(2.5), rel=0.25)


def test_a_segment_carries_its_excess_alone() -> None:
    """In the segment a fifth more is bad, elsewhere nothing."""
    arm = block_of("segment", weight=0.5).candidate
    assert arm.segment_requests.sum() / arm.requests.sum() == pytest.approx(SEGMENT_SHARE, rel=0.1)
    assert arm.segment_bad.sum() / arm.segment_requests.sum() == pytest.approx(0.205, rel=0.15)


@pytest.mark.parametrize("name", ["slower_1.2", "slower_2", "tail"])
def test_slow_answers_are_as_many_as_counted_as_harm(name: str) -> None:
    """The candidate's share beyond the baseline's true .9 quantile is what the harm is computed from."""
    world, counts = WORLDS[name], block_of(name, weight=0.5)
    edge_ms = 125 * math.exp(0.5 * 1.2815515655446004)
    slow = _share_above(counts.candidate.latency.sum(axis=0), edge_ms)
    assert slow == pytest.approx(slow_share(world.latency(2.5), world.tail), abs=0.015)


def _share_above(latency: np.ndarray, edge_ms: float) -> float:
    """By the quantile whose value is the edge."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if quantile_ms(latency[None, :], middle)[0] < edge_ms else (low, middle)
    return 1 - low


def test_labels_come_late() -> None:
    """Nothing arrives before the delay; then a fifth of the requests, with one more wrong answer in a hundred."""
    due = round(LABEL_DELAY_S / 5.0)
    assert block_of("wrong_3", number=due - 1).candidate.labels.sum() == 0
    counts = block_of("wrong_3", weight=0.5, number=due)
    assert counts.candidate.labels.sum() / counts.candidate.requests.sum() == pytest.approx(0.2, rel=0.15)
    shares = [arm.wrong.sum() / arm.labels.sum() for arm in (counts.candidate, counts.baseline)]
    assert shares[0] - shares[1] == pytest.approx(0.03, abs=0.02)


def test_an_incident_hits_both_arms() -> None:
    """During the common incident both arms fail one request in twenty."""
    counts = block_of("incident", number=40)
    for arm in (counts.candidate, counts.baseline):
        assert arm.bad.sum() / arm.requests.sum() == pytest.approx(0.05, rel=0.2)


def test_sticky_users_repeat_themselves() -> None:
    """With heavy failing users most bad answers are repetitions, and ten minutes later they count again."""
    traffic = StickyTraffic(WORLDS["sticky_heavy"], 4, np.random.default_rng(3), 5.0)
    runs, weights = np.arange(4), np.full(4, 0.3)
    blocks = [traffic.block(number, weights, runs) for number in range(121)]
    assert blocks[119].candidate.first_bad.sum() < 0.8 * blocks[119].candidate.bad.sum()
    assert sum(b.candidate.first_bad.sum() for b in blocks) < 0.8 * sum(b.candidate.bad.sum() for b in blocks)


def test_the_same_seed_gives_the_same_traffic() -> None:
    """Two simulators with the same seed agree in every count."""
    one, other = block_of("bursty", number=3), block_of("bursty", number=3)
    assert (one.candidate.latency == other.candidate.latency).all()
    assert (one.baseline.bad == other.baseline.bad).all()
