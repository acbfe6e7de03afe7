"""Envoy's statistics as evidence: counts per service and arm, and latencies in our bins.

A request is bad when its answer is a 5xx, when it needed a second attempt (the failure that a fallback hid counts
against the arm that the request was assigned to), or when its translation was rejected. Envoy's histogram is
log-linear (90 bins per decade), ours has 8 bins per octave; each of Envoy's bins goes to ours by its middle, which
moves a sample by at most one bin.
Where segments are declared, every count has its segment. Keys in a segment are what `keys.py` makes of the groups
that occurred, a lower bound; where a service says that callers without a key are split by chance, each of their
requests was drawn on its own and counts as a key of its own.
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
    r"^interlock\.(?:edge|inner|shadow)\.requests\.route\.(.+)\.code\.(\d+)\.attempts\.(\d+)"
    r"\.lens\.(.*?)\.segment\.(.*)$"
)
_GROUPS = re.compile(r"^interlock\.(?:edge|inner)\.groups\.route\.(.+)\.group\.(\d+)\.segment\.(.+)$")
_UNTOLD = re.compile(r"^interlock\.edge\.untold\.route\.(.+)$")
_DURATION = re.compile(r"^interlock\.(?:edge|inner|shadow)\.duration_us\.route\.(.+)$")
_LOG_FACTOR = math.log(LATENCY_BIN_FACTOR)


@dataclass(slots=True)
class _Tally:
    requests: int = 0
    bad: int = 0
    latency: Counter[int] = field(default_factory=Counter)
    segments: defaultdict[str, Counter[bool]] = field(default_factory=lambda: defaultdict(Counter))

    def counts(self, *, are_keys: bool) -> ArmCounts:
        """As evidence. are_keys: each request counts as a key of its own in its segment, else none does."""
        return ArmCounts(
            requests=self.requests,
            bad=self.bad,
            latency=dict(sorted(self.latency.items())),
            segments={
                name: (n.total(), n[True], n.total() if are_keys else 0)
                for name, n in sorted(self.segments.items())
            },
        )


def counters(stats: Mapping[str, Any], epoch: str, keys: Mapping[str, int] | None = None) -> Counters:
    """What an answer to QUERY says. `epoch` names the process that counted; `keys` come from `keys.Keys.told`."""
    tallies: defaultdict[RouteName, _Tally] = defaultdict(_Tally)
    for entry in stats["stats"]:
        if "name" in entry:
            _count(tallies, entry["name"], int(entry["value"]))
        else:
            _time(tallies, entry.get("histograms", {}).get("details", ()))
    return Counters(
        epoch=epoch,
        arms=_with_keys(_arms(tallies, {Kind.EDGE, Kind.UNKEYED, Kind.PINNED}), keys or {}),
        shadows=_arms(tallies, {Kind.SHADOW}),
        unpinned=_requests(tallies, {Kind.UNPINNED}),
        unkeyed=_requests(tallies, {Kind.UNKEYED, Kind.ASIDE}),
        untold=_untold(stats),
    )


def groups(stats: Mapping[str, Any]) -> dict[str, dict[int, int]]:
    """`service|release|segment` -> group of the key -> requests of real callers, out of the same answer."""
    out: dict[str, dict[int, int]] = {}
    for entry in stats["stats"]:
        found = _GROUPS.match(entry.get("name", ""))
        route = parse_route(found[1]) if found else None
        if found and route and route.kind in (Kind.EDGE, Kind.PINNED):
            counts = out.setdefault(f"{route.service}|{route.release}|{found[3]}", {})
            counts[int(found[2])] = counts.get(int(found[2]), 0) + int(entry["value"])
    return out


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
        if found[5]:
            tally.segments[found[5]][is_bad] += number


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
            out[arm] = out.get(arm, ArmCounts()) + tally.counts(are_keys=route.kind is Kind.UNKEYED)
    return out


def _with_keys(arms: dict[tuple[str, str], ArmCounts], keys: Mapping[str, int]) -> dict[tuple[str, str], ArmCounts]:
    for name, number in keys.items():
        service, release, segment = name.split("|", 2)
        if found := arms.get((service, release)):
            arms[service, release] = found + ArmCounts(segments={segment: (0, 0, number)})
    return arms


def _untold(stats: Mapping[str, Any]) -> dict[str, int]:
    out: Counter[str] = Counter()
    for entry in stats["stats"]:
        found = _UNTOLD.match(entry.get("name", ""))
        if route := parse_route(found[1]) if found else None:
            out[route.service] += int(entry["value"])
    return dict(sorted(out.items()))


def _requests(tallies: Mapping[RouteName, _Tally], kinds: set[Kind]) -> dict[str, int]:
    out: Counter[str] = Counter()
    for route, tally in tallies.items():
        if route.kind in kinds:
            out[route.service] += tally.requests
    return dict(sorted(out.items()))
