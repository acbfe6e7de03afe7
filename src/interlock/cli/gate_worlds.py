"""What power and simulation need before they start: the change's plan, compiled here, and what its traffic is like.

The plan comes from the declarations alone, so no control plane is needed. When one runs, rate, share of bad
answers and latency are measured from its counters; what is neither given nor measured is assumed, and the output
says which.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from interlock.cli.api import Api, ControlPlaneSilent
from interlock.domain.checks.evidence import LOSS_BINS, ArmCounts
from interlock.domain.checks.violations import CONTRACT
from interlock.domain.gates.gate import GateSet
from interlock.domain.gates.latency import quantiles_ms
from interlock.domain.gates.profile import Profile, exponential_loss, lognormal_latency, profile_of
from interlock.domain.rollout.plan import Plan
from interlock.kernel.errors import Invalid
from interlock.kernel.instant import from_rfc3339

ASSUMED_BAD = 0.005
ASSUMED_LATENCY_MS = 20.0
ASSUMED_LOSS = 0.1
"""Mean loss as a part of the cap."""
ASSUMED_LOSS_SAYS = f"; mean loss {ASSUMED_LOSS:.0%} of the cap (assumed)"
ASSUMED_BROKEN = 0.001
"""Answers that break their contract."""
LEAST_REQUESTS = 20
"""Fewer requests of a service since the proxy started say nothing about its answers."""


class RateUnknown(Invalid):
    """Nobody said how much traffic there is, and there is none to measure."""

    code = "rate.unknown"


@dataclass(frozen=True, slots=True)
class Given:
    """What a person said about the traffic; None where nothing was said."""

    rate_rps: float | None = None
    bad: float | None = None
    latency_ms: float | None = None
    loss: float | None = None


@dataclass(frozen=True, slots=True)
class World:
    """Profiles by service, and where each figure comes from: `given`, `measured` or `assumed`."""

    profiles: Mapping[str, Profile]
    sources: Mapping[str, Mapping[str, str]]

    def as_plain(self) -> dict[str, Any]:
        """For people and machines: rate, share of bad answers, latency at .5, .9 and .99, with their sources."""
        return {
            name: {
                "rate_rps": profile.rate_rps,
                "bad": profile.bad,
                "latency_ms": list(quantiles_ms({b: round(p * 1e6) for b, p in profile.latency.items()})),
                "sources": dict(self.sources[name]),
            }
            for name, profile in self.profiles.items()
        }

    def lines(self) -> list[str]:
        """One line per service."""
        shown = []
        for name, told in self.as_plain().items():
            ms = " / ".join(f"{x:.3g}" for x in told["latency_ms"])
            src = told["sources"]
            shown.append(
                f"{name}: {told['rate_rps']:,.4g} requests/s ({src['rate']}), "
                f"{told['bad']:.2%} bad ({src['bad']}), {ms} ms at .5, .9, .99 ({src['latency']})"
                + {"": "", "given": "; mean loss given", "assumed": ASSUMED_LOSS_SAYS}[src.get("losses", "")]
            )
        return shown


def compiled(workspace: Path, change: str) -> Plan:
    """The plan of `change` as it is declared now, against the versions that the declarations begin with."""
    from interlock.adapters.workspace.loader import WorkspaceFiles
    from interlock.domain.changes.cut import cut
    from interlock.domain.rollout.compile import compile_plan
    from interlock.engine.plans import WorkspaceInvalid, find_change

    declared, findings = WorkspaceFiles(workspace.resolve()).load()
    if errors := [f for f in findings if f.is_blocking]:
        raise WorkspaceInvalid("; ".join(str(f) for f in errors[:5]), findings=errors)
    found = find_change(declared, change)
    serving = cut(declared, {name: spec.serving for name, spec in declared.services.items()})
    return compile_plan(declared, found, serving)[0]


def world(gates: GateSet, given: Given, api: Api, measure_s: float) -> World:
    """The traffic of every service that `gates` judge. RateUnknown when there is no figure for its rate."""
    measured = _measured(api, measure_s)
    profiles, sources = {}, {}
    for service in sorted({gate.service for gate in gates.gates}):
        rate_rps, seen = measured.get(service, (0.0, ArmCounts()))
        profiles[service], sources[service] = _profile(gates, service, given, rate_rps, seen)
    return World(profiles, sources)


def _profile(
    gates: GateSet, service: str, given: Given, rate_rps: float, seen: ArmCounts
) -> tuple[Profile, dict[str, str]]:
    if not given.rate_rps and not rate_rps:
        raise RateUnknown(
            f"there is no traffic of {service} to measure",
            remedy="Say how many requests per second it gets with --rate.",
        )
    outcomes = {g.outcome: g.cap for g in gates.gates if g.metric == "outcome" and g.service == service}
    losses = {
        name: exponential_loss(min(1.0, given.loss / cap) if given.loss else ASSUMED_LOSS)
        for name, cap in outcomes.items()
        if name != CONTRACT
    }
    is_labelled = bool(losses)
    if CONTRACT in outcomes:
        losses[CONTRACT] = {0: 1 - ASSUMED_BROKEN, LOSS_BINS: ASSUMED_BROKEN}
    has_seen = seen.requests >= LEAST_REQUESTS
    has_latency = has_seen and bool(seen.latency)
    base = profile_of(seen, 1.0, losses) if has_seen else Profile(0.0, ASSUMED_BAD, {}, losses)
    median_ms = given.latency_ms or ASSUMED_LATENCY_MS
    chosen = replace(
        base,
        rate_rps=given.rate_rps or rate_rps,
        bad=base.bad if given.bad is None else given.bad,
        latency=base.latency if has_latency and not given.latency_ms else lognormal_latency(median_ms),
    )
    sources = {
        "rate": "given" if given.rate_rps else "measured",
        "bad": "given" if given.bad is not None else "measured" if has_seen else "assumed",
        "latency": "given" if given.latency_ms else "measured" if has_latency else "assumed",
    }
    return chosen, sources | ({"losses": "given" if given.loss else "assumed"} if is_labelled else {})


def _measured(api: Api, measure_s: float) -> dict[str, tuple[float, ArmCounts]]:
    """Per service the requests per second of all releases, from two looks `measure_s` apart, and what the release
    that serves did since the proxy started; empty without a control plane, or when its counters started anew.
    """
    try:
        first = api.get("/traffic")
        if not any(arm["counts"]["requests"] for arm in first["arms"]):
            return {}
        time.sleep(measure_s)
        second = api.get("/traffic")
    except ControlPlaneSilent:
        return {}
    seconds = (from_rfc3339(second["at"]) - from_rfc3339(first["at"])).total_seconds()
    if first["epoch"] != second["epoch"] or seconds <= 0:
        return {}
    before, after = _requests(first), _requests(second)
    return {s: ((n - before.get(s, 0)) / seconds, _serving(second, s)) for s, n in after.items()}


def _requests(view: Mapping[str, Any]) -> dict[str, int]:
    total: dict[str, int] = {}
    for arm in view["arms"]:
        total[arm["service"]] = total.get(arm["service"], 0) + arm["counts"]["requests"]
    return total


def _serving(view: Mapping[str, Any], service: str) -> ArmCounts:
    for arm in view["arms"]:
        if (arm["service"], arm["release"]) == (service, view["release"]):
            counts = arm["counts"]
            return ArmCounts(counts["requests"], counts["bad"], {int(b): n for b, n in counts["latency"].items()})
    return ArmCounts()
