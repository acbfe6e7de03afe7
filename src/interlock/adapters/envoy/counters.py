"""Envoy's statistics as evidence: counts per service and arm, and latencies in our bins.

A request is bad when its answer is a 5xx, when it needed a second attempt (the failure that a fallback hid counts
against the arm that the request was assigned to), or when its translation was rejected. Envoy's histogram is
log-linear (90 bins per decade), ours has 8 bins per octave; each of Envoy's bins goes to ours by its middle, which
moves a sample by at most one bin.
Counts are immediate, latencies follow within the flush interval of one second.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from interlock.adapters.envoy.names import Kind, RouteName, parse_route
from interlock.domain.checks.evidence import LATENCY_BIN_FACTOR, LATENCY_BIN_ZERO_MS, ArmCounts
from interlock.engine.ports import Counters

QUERY = "/stats?format=json&filter=%5Einterlock%5C.&histogram_buckets=detailed"

_REQUESTS = re.compile(
    r"^interlock\.(?:edge|inner|shadow)\.requests\.route\.(.+)\.code\.(\d+)\.attempts\.(\d+)\.lens\.(.*)$"
)
_DURATION = re.compile(r"^interlock\.(?:edge|inner|shadow)\.duration_us\.route\.(.+)$")
_LOG_FACTOR = math.log(LATENCY_BIN_FACTOR)


@dataclass(slots=True)
class _Tally:
    requests: int = 0
    bad: int = 0
    latency: Counter[int] = field(default_factory=Counter)

    def counts(self) -> ArmCounts:
        return ArmCounts(self.requests, self.bad, dict(sorted(self.latency.items())))


def counters(stats: Mapping[str, Any], epoch: str) -> Counters:
    """What an answer to QUERY says. `epoch` names the process that counted."""
    tallies: defaultdict[RouteName, _Tally] = defaultdict(_Tally)
    for entry in stats["stats"]:
        if "name" in entry:
            _count(tallies, entry["name"], int(entry["value"]))
        else:
            _time(tallies, entry.get("histograms", {}).get("details", ()))
    return Counters(
        epoch=epoch,
        arms=_arms(tallies, {Kind.EDGE, Kind.UNKEYED, Kind.PINNED}),
        shadows=_arms(tallies, {Kind.SHADOW}),
        unpinned=_requests(tallies, {Kind.UNPINNED}),
        unkeyed=_requests(tallies, {Kind.UNKEYED, Kind.ASIDE}),
    )


def latency_bin(milliseconds: float) -> int:
    """The bin of a duration; what is shorter than the zero bin counts in it."""
    ratio = max(milliseconds, LATENCY_BIN_ZERO_MS) / LATENCY_BIN_ZERO_MS
    return math.floor(math.log(ratio) / _LOG_FACTOR + 1e-9)


def _count(tallies: defaultdict[RouteName, _Tally], name: str, number: int) -> None:
    found = _REQUESTS.match(name)
    route = parse_route(found[1]) if found else None
    if found and route:
        tally = tallies[route]
        tally.requests += number
        is_bad = int(found[2]) >= 500 or int(found[3]) > 1 or found[4] == "rejected"
        tally.bad += number if is_bad else 0


def _time(tallies: defaultdict[RouteName, _Tally], details: Iterable[Mapping[str, Any]]) -> None:
    for histogram in details:
        found = _DURATION.match(histogram["name"])
        if route := parse_route(found[1]) if found else None:
            for bucket in histogram["totals"]:
                middle_ms = (bucket["lower_bound"] + bucket["width"] / 2) / 1000
                tallies[route].latency[latency_bin(middle_ms)] += int(bucket["count"])


def _arms(tallies: Mapping[RouteName, _Tally], kinds: set[Kind]) -> dict[tuple[str, str], ArmCounts]:
    out: dict[tuple[str, str], ArmCounts] = {}
    for route, tally in sorted(tallies.items(), key=lambda item: str(item[0])):
        if route.kind in kinds:
            arm = (route.service, route.release)
            out[arm] = out.get(arm, ArmCounts()) + tally.counts()
    return out


def _requests(tallies: Mapping[RouteName, _Tally], kinds: set[Kind]) -> dict[str, int]:
    out: Counter[str] = Counter()
    for route, tally in tallies.items():
        if route.kind in kinds:
            out[route.service] += tally.requests
    return dict(sorted(out.items()))
