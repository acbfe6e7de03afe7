"""The one route table that all live rollouts together call for. Rebuilt whole each time."""

from __future__ import annotations

from collections.abc import Sequence

from interlock.domain.releases.release import Release
from interlock.domain.releases.route_table import RouteTable, Shadow, Split, route_table
from interlock.domain.rollout.plan import Plan
from interlock.domain.rollout.position import traffic
from interlock.engine import records
from interlock.engine.observe import read_base
from interlock.engine.ports import Transaction
from interlock.engine.records import Rollout


def wanted_table(tx: Transaction, current: Release, live: Sequence[tuple[Rollout, Plan]]) -> RouteTable:
    """What should serve: the current release everywhere, and on held services what each rollout's position says."""
    releases: dict[str, Release] = {}
    splits: dict[str, Split] = {}
    shadows: dict[str, Shadow] = {}
    defaults: dict[str, str] = {}
    for rollout, plan in live:
        flow = traffic(plan, rollout.position)
        if not flow.is_present:
            continue
        releases |= {r: records.read_release(tx, r) for r in (rollout.baseline, rollout.candidate)}
        default = rollout.candidate if flow.default == "candidate" else rollout.baseline
        defaults |= dict.fromkeys(plan.holds, default)
        if flow.weight_bp:
            base = read_base(tx, rollout.id)
            split = Split(rollout.candidate, flow.weight_bp, plan.seed, base.sample_bp if base else 0)
            splits |= dict.fromkeys(plan.holds, split)
        if flow.shadow_bp:
            shadows |= dict.fromkeys(plan.holds, Shadow(rollout.candidate, flow.shadow_bp, flow.twin_bp))
    return route_table(current, tuple(releases.values()), splits, shadows, defaults)
