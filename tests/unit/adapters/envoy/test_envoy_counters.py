"""Envoy's statistics as evidence."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.adapters.envoy.counters import counters, latency_bin
from interlock.domain.checks.evidence import LATENCY_BIN_FACTOR, LATENCY_BIN_ZERO_MS, ArmCounts


def requests(
    route: str, number: int, code: int = 200, attempts: int = 1, lens: str = "", at: str = "edge"
) -> dict[str, Any]:
    name = f"interlock.{at}.requests.route.{route}.code.{code}.attempts.{attempts}.lens.{lens}"
    return {"name": name, "value": number}


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
