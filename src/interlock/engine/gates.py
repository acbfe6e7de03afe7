"""Use cases of gates: where a rollout's gates stand, the blocks that they judged, the traffic there is to judge.

Of a live rollout the loop's newest judgement is told; of an ended one it is recomputed from the stored blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from interlock.domain.checks.evidence import Block
from interlock.domain.gates.gate import GateSet
from interlock.domain.gates.judge import begin, verdicts
from interlock.domain.gates.outlook import Outlook, outlooks, way_to
from interlock.domain.gates.trail import walk
from interlock.domain.gates.verdict import GateReport, Judgement, Undecided
from interlock.domain.rollout.decide import STALE_AFTER_S
from interlock.domain.rollout.explain import explain_gate
from interlock.domain.rollout.plan import Plan
from interlock.domain.rollout.position import traffic
from interlock.domain.rollout.stages import Judged, Prepare, Shadow
from interlock.engine import records
from interlock.engine.codec import dump
from interlock.engine.context import Context
from interlock.engine.diagnoses import read_diagnosis
from interlock.engine.observe import read_base, shadow_series
from interlock.engine.ports import Transaction
from interlock.engine.records import Rollout
from interlock.engine.rollouts import find
from interlock.engine.supplies import read_supplies
from interlock.engine.views import broken_view, shadow_view
from interlock.kernel.digest import plain


def gates_view(context: Context, name: str) -> dict[str, Any]:
    """Every gate of a rollout (by id, or a change's newest) between its boundaries, and the overall verdict."""
    with context.store.transaction(read_only=True) as tx:
        rollout = find(tx, name)
        plan = records.read_plan(tx, rollout.plan)
        judgement, series = _judged(context, tx, rollout, plan)
        base, diagnosis = read_base(tx, rollout.id), read_diagnosis(tx, rollout.id)
        supplies = read_supplies(tx, rollout.id).told
    position = rollout.position
    seen = context.seen.get(rollout.id) if rollout.is_live else None
    age_s = seen.evidence_age_s if seen else None
    stage = plan.stages[position.stage]
    is_collecting = rollout.is_live and position.phase == "forward" and isinstance(stage, Judged | Shadow)
    is_stale = is_collecting and series != "nothing" and (age_s is None or age_s > STALE_AFTER_S)
    full = judgement_in_full(judgement, plan.gates if series == "shadow" else plan.exposed_gates)
    return {
        "rollout": rollout.id,
        "change": rollout.change,
        "plan": rollout.plan,
        "stage": stage.kind,
        "weight_bp": traffic(plan, position).weight_bp,
        "phase": position.phase,
        "outcome": position.outcome,
        "because": position.because,
        "judged": series,
        "age_s": age_s,
        "is_stale": is_stale,
        "diagnosis": diagnosis,
        "moved": [{"service": service, "says": str(drift)} for service, drift in seen.moved] if seen else [],
        "notes": list(seen.notes) if seen else [],
        "broken": broken_view(base.caught.broken, rollout) if base else [],
        "shadow": shadow_view(base.shadow, base.twins) if base and base.shadow.pairs else None,
        "supplies": plain(supplies),
        **full,
        "verdict": unless_stale(full["verdict"], age_s) if is_stale else full["verdict"],
    }


def unless_stale(verdict: dict[str, Any], age_s: float | None) -> dict[str, Any]:
    """A Pass on evidence that stopped coming says nothing about now; Fail and Undecided stay."""
    if verdict["kind"] != "pass":
        return verdict
    age = "there is no evidence of now" if age_s is None else f"the newest evidence is {age_s:.0f} s old"
    stale = Undecided(f"{age}; before that: {verdict['because']}", "no-data")
    return {**plain(stale), "reason": "stale"}


def judgement_in_full(judgement: Judgement, gate_set: GateSet) -> dict[str, Any]:
    """A judgement with the rules, figures and distances that a person needs to understand it."""
    return {
        "verdict": plain(judgement.verdict),
        "worst": judgement.worst,
        "evidence": {
            "log_odds": judgement.log_e,
            "proof": 1 / gate_set.alpha,
            "hesitate": gate_set.hesitate,
            "way_to_fail": way_to(judgement.log_e, gate_set.alpha),
        },
        "gates": [_gate_in_full(outlook) for outlook in outlooks(judgement, gate_set)],
    }


def _gate_in_full(outlook: Outlook) -> dict[str, Any]:
    report = outlook.report
    gate = report.gate
    return {
        "gate": gate.name,
        "metric": gate.metric,
        "service": gate.service,
        "passes_when": explain_gate(gate),
        "fails_when": outlook.fails_when,
        "verdict": plain(report.verdict),
        "candidate": _arm(report, "candidate"),
        "baseline": _arm(report, "baseline"),
        "evidence": outlook.evidence,
        "proof": outlook.proof,
        "way_to_fail": outlook.way_to_fail,
        "limit": outlook.limit,
        "margin": outlook.margin,
        "limit_over_margin": outlook.limit_over_margin,
        "needs_requests": outlook.needs_requests,
        "needs_s": outlook.needs_s,
    }


def _arm(report: GateReport, arm: str) -> dict[str, Any]:
    told = plain(report)
    return {what: told[f"{arm}_{what}"] for what in ("requests", "bad", "mean", "ms")}


def _judged(context: Context, tx: Transaction, rollout: Rollout, plan: Plan) -> tuple[Judgement, str]:
    """The judgement that counts now, and the series it rests on: `canary`, `shadow`, or `nothing` yet."""
    stage = plan.stages[rollout.position.stage]
    seen = context.seen.get(rollout.id) if rollout.is_live else None
    if seen and isinstance(stage, Shadow) and seen.shadow_judgement:
        return seen.shadow_judgement, "shadow"
    if seen and not isinstance(stage, Prepare | Shadow) and seen.judgement:
        return seen.judgement, "canary"
    for series in ("canary", "shadow"):
        blocks, steps = _recorded(tx, rollout, series)
        if blocks:
            *_, (_, state) = walk(plan.gates if series == "shadow" else plan.exposed_gates, blocks, steps)
            return verdicts(state), series
    return verdicts(begin(plan.exposed_gates)), "nothing"


def _recorded(tx: Transaction, rollout: Rollout, series: str) -> tuple[list[Block], tuple[int, ...]]:
    if series == "shadow":
        return tx.blocks(shadow_series(rollout.id)), ()
    base = read_base(tx, rollout.id)
    return tx.blocks(rollout.id), base.steps if base else ()


def blocks_of_rollout(context: Context, name: str) -> dict[str, Any]:
    """The recorded canary blocks of a rollout, with its gates and the blocks at which steps began."""
    with context.store.transaction(read_only=True) as tx:
        rollout = find(tx, name)
        plan = records.read_plan(tx, rollout.plan)
        blocks, steps = _recorded(tx, rollout, "canary")
    return recording(rollout.id, plan.exposed_gates, steps, blocks)


@dataclass(frozen=True, slots=True)
class Recording:
    """Recorded blocks with the gates that judged them, and the blocks at which steps began."""

    of: str
    gate_set: GateSet
    steps: tuple[int, ...]
    blocks: tuple[Block, ...]


def recording(name: str, gate_set: GateSet, steps: Sequence[int], blocks: Sequence[Block]) -> dict[str, Any]:
    """A Recording as plain JSON data."""
    return dump(Recording(name, gate_set, tuple(steps), tuple(blocks)))


def traffic_view(context: Context) -> dict[str, Any]:
    """Counts since the proxy started, by service and release, latency bins included. Two looks give a rate."""
    with context.store.transaction(read_only=True) as tx:
        current = records.read_current(tx)
    counters = context.plane.counters()
    return {
        "at": plain(context.clock.now()),
        "epoch": counters.epoch,
        "release": current.id if current else None,
        "arms": [
            {"service": service, "release": release, "counts": plain(counts)}
            for (service, release), counts in sorted(counters.arms.items())
        ],
    }
