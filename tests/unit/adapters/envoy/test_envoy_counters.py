"""Envoy's statistics as evidence."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.adapters.envoy.counters import counters, groups, latency_bin
from interlock.domain.checks.evidence import LATENCY_BIN_FACTOR, LATENCY_BIN_ZERO_MS, OTHER_SEGMENTS, ArmCounts


def requests(
    route: str,
    number: int,
    code: int = 200,
    attempts: int = 1,
    lens: str = "",
    at: str = "edge",
    segment: str = "",
) -> dict[str, Any]:
    name = f"interlock.{at}.requests.route.{route}.code.{code}.attempts.{attempts}.lens.{lens}.segment.{segment}"
    return {"name": name, "value": number}


def grouped(route: str, group: int, number: int, segment: str = "gold", at: str = "edge") -> dict[str, Any]:
    return {"name": f"interlock.{at}.groups.route.{route}.group.{group}.segment.{segment}", "value": number}


def durations(route: str, *buckets: tuple[float, float, int], at: str = "edge") -> dict[str, Any]:
    totals = [{"lower_bound": low, "width": width, "count": n} for low, width, n in buckets]
    return {"histograms": {"details": [{"name": f"interlock.{at}.duration_us.route.{route}", "totals": totals}]}}


def test_bad_is_a_5xx_a_second_attempt_or_a_rejected_translation() -> None:
    """A caller's own 4xx is not; a hidden failure counts in the arm that the request was assigned to."""
    stats = [
        requests("svc.a|r2|edge", 100),
        requests("svc.a|r2|edge", 4, code=404),
        requests("svc.a|r2|edge", 3, code=503),
        requests("svc.a|r2|edge", 2, attempts=2),
        requests("svc.a|r2|edge", 1, code=422, lens="rejected"),
        requests("svc.a|r2|edge", 5, code=400, lens="unreadable"),
        requests("svc.a|r2|edge", 6, code=413, attempts=0),
    ]
    assert counters({"stats": stats}, "e").arms == {("svc.a", "r2"): ArmCounts(requests=121, bad=6)}


def test_each_kind_of_route_counts_where_it_belongs() -> None:
    """Copies apart, unpinned and aside in no arm, keyless ones that are comparable in both."""
    stats = [
        requests("s|r1|edge", 1),
        requests("s|r1|unkeyed", 2),
        requests("s|r1|pinned", 4, at="inner"),
        requests("s|r1|aside", 8),
        requests("s|r1|unpinned", 16, at="inner"),
        requests("s|r2|shadow", 32, at="shadow"),
        requests("s|r2|shadow", 64, at="inner"),
        requests("none", 128),
    ]
    counted = counters({"stats": stats}, "epoch")
    assert counted.epoch == "epoch"
    assert {arm: c.requests for arm, c in counted.arms.items()} == {("s", "r1"): 7}
    assert {arm: c.requests for arm, c in counted.shadows.items()} == {("s", "r2"): 96}
    assert (counted.unpinned, counted.unkeyed) == ({"s": 16}, {"s": 10})


def test_latencies_move_to_our_bins() -> None:
    """Microseconds by the middle of Envoy's bin; what is faster than the zero bin counts in it."""
    stats = [durations("s|r1|edge", (100, 10, 5), (250, 10, 7), (1_000, 100, 11)), requests("s|r1|edge", 23)]
    expected = {0: 12, latency_bin(1.05): 11}
    assert counters({"stats": stats}, "e").arms["s", "r1"].latency == expected


def test_segments_are_counted_beside_the_whole() -> None:
    """With the same rule of what is bad, over edge and hops behind, dots and all; without a segment none."""
    stats = [
        requests("s|r1|edge", 10, segment="a.segment.b"),
        requests("s|r1|edge", 2, code=500, segment="a.segment.b"),
        requests("s|r1|pinned", 3, at="inner", attempts=2, segment="a.segment.b"),
        requests("s|r1|edge", 4, lens="rejected", segment=OTHER_SEGMENTS),
        requests("t|r1|edge", 5),
    ]
    arms = counters({"stats": stats}, "e").arms
    assert arms["s", "r1"].segments == {"a.segment.b": (15, 5, 0), OTHER_SEGMENTS: (4, 4, 0)}
    assert (arms["s", "r1"].requests, arms["s", "r1"].bad) == (19, 9)
    assert arms["t", "r1"].segments == {}


def test_keys_are_those_told_and_requests_that_chance_assigned() -> None:
    """Requests of keyed callers are no keys."""
    stats = [requests("s|r1|edge", 100, segment="gold"), requests("s|r1|unkeyed", 7, segment="gold")]
    arms = counters({"stats": stats}, "e", {"s|r1|gold": 3, "s|r9|gold": 5}).arms
    assert {arm: c.segments for arm, c in arms.items()} == {("s", "r1"): {"gold": (107, 0, 10)}}


def test_groups_are_read_of_callers_alone() -> None:
    """Edge and hops behind add up; copies, and whatever has no segment, do not."""
    stats = [
        grouped("s|r1|edge", 7, 1),
        grouped("s|r1|pinned", 7, 2, at="inner"),
        grouped("s|r1|edge", 63, 4, segment="a|b"),
        grouped("s|r1|shadow", 1, 8, at="inner"),
        grouped("s|r1|edge", 1, 16, segment=""),
        {"histograms": {}},
    ]
    assert groups({"stats": stats}) == {"s|r1|gold": {7: 3}, "s|r1|a|b": {63: 4}}


def test_bad_answers_without_room_are_counted_by_service() -> None:
    """Of both arms together."""
    stats = [{"name": f"interlock.edge.untold.route.s|r{n}|edge", "value": n} for n in (1, 2)]
    assert counters({"stats": stats}, "e").untold == {"s": 3}


def test_names_of_others_are_left_alone() -> None:
    """Whatever else the filter lets through does not count."""
    assert counters({"stats": [{"name": "interlock.edge.other", "value": 3}, {"histograms": {}}]}, "e").arms == {}


@given(st.floats(min_value=LATENCY_BIN_ZERO_MS, max_value=1e7))
def test_a_duration_is_inside_its_bin(milliseconds: float) -> None:
    """zero * f**i <= duration < zero * f**(i+1), up to rounding at the border."""
    index = latency_bin(milliseconds)
    low = LATENCY_BIN_ZERO_MS * LATENCY_BIN_FACTOR**index
    assert low * (1 - 1e-9) <= milliseconds < low * LATENCY_BIN_FACTOR * (1 + 1e-9)


@pytest.mark.parametrize("index", range(0, 140, 7))
def test_a_border_belongs_to_the_bin_above(index: int) -> None:
    """Floating point does not push a border into the bin below."""
    assert latency_bin(LATENCY_BIN_ZERO_MS * LATENCY_BIN_FACTOR**index) == index
