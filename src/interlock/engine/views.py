"""What people and programs are shown, as plain JSON data: one shape for the terminal, the API and the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from interlock.domain.audit.event import Entry
from interlock.domain.checks.record import as_record
from interlock.domain.checks.shadow import (
    Excess,
    PairCounts,
    excess_by_field,
    excess_of_answers,
    noisy_fields,
)
from interlock.domain.checks.violations import ViolationCounts
from interlock.domain.gates.gate import Gate
from interlock.domain.gates.receipt import judgement_as_plain
from interlock.domain.gates.verdict import Judgement
from interlock.domain.migrations.advance import standing
from interlock.domain.rollout.explain import explain, explain_gate, explain_lenses, explain_stage
from interlock.domain.rollout.observation import Seen
from interlock.domain.rollout.plan import Plan
from interlock.domain.rollout.position import traffic
from interlock.domain.rollout.tables import TableSeen
from interlock.engine import records
from interlock.engine.context import Context
from interlock.engine.diagnoses import read_diagnosis
from interlock.engine.losses import counted_view
from interlock.engine.migrations import table_view
from interlock.engine.plans import Planned
from interlock.engine.ports import Transaction
from interlock.engine.records import Rollout
from interlock.kernel.digest import plain


def plan_view(planned: Planned) -> dict[str, Any]:
    """A plan as a person reads it before approving; `content` is exactly what the digest covers."""
    plan = planned.plan
    return {
        "change": plan.change,
        "digest": plan.digest,
        "why": plan.why,
        "author": plan.author,
        "sponsor": plan.sponsor,
        "moves": plain(plan.moves),
        "stages": [{"kind": k, "does": does, "undo": undo} for k, does, undo in explain(plan)],
        "gates": [
            {**plain(gate), "says": explain_gate(gate) + _read_from(plan, gate)} for gate in plan.gates.gates
        ],
        "lenses": [{"service": service, "says": says} for service, says in explain_lenses(plan)],
        "alpha": plan.gates.alpha,
        "holds": list(plan.holds),
        "losses": plain(plan.losses),
        "counted": [counted_view(one) for one in planned.counted],
        "reaches": plain(plan.reaches),
        "migrations": [table_view(one, TableSeen(one)) for one in plan.migrations],
        "waves": plain(plan.waves),
        "waves_back": plain(plan.waves_back),
        "contents": plain(plan.contents),
        "window": plain(plan.window),
        "findings": plain(planned.findings),
        "checks": [as_record(result) for result in planned.checks],
        "is_blocked": planned.is_blocked,
        "approvals": plain(planned.approvals),
        "missing": plain(planned.missing),
        "is_approved": not planned.missing,
        "voided": list(planned.voided),
        "content": plain(plan),
    }


def _read_from(plan: Plan, gate: Gate) -> str:
    """Which declared source a gate's numbers come from, and how often; empty when none does."""
    metric = next((m for m in plan.metrics if m.source and m.name == gate.outcome), None)
    return f", read every {metric.every_s:g} s from {metric.source}" if metric else ""


def rollout_view(context: Context, tx: Transaction, rollout: Rollout) -> dict[str, Any]:
    """Where a rollout stands, what it waits for, and the evidence so far."""
    plan = records.read_plan(tx, rollout.plan)
    position = rollout.position
    flow = traffic(plan, position)
    seen = context.seen.get(rollout.id)
    return {
        "id": rollout.id,
        "change": rollout.change,
        "plan": rollout.plan,
        "baseline": rollout.baseline,
        "candidate": rollout.candidate,
        "started_at": plain(rollout.started_at),
        "started_by": rollout.started_by,
        "stage": position.stage,
        "stages": [s.kind for s in plan.stages],
        "does": explain_stage(plan.stages[position.stage]),
        "since": plain(position.since),
        "phase": position.phase,
        "is_paused": position.is_paused,
        "outcome": position.outcome,
        "because": position.because,
        "weight_bp": 10_000 if flow.default == "candidate" else flow.weight_bp,
        "shadow_bp": flow.shadow_bp,
        "holds": list(plan.holds),
        "evidence": evidence_view(seen) if seen and rollout.is_live else None,
        "diagnosis": read_diagnosis(tx, rollout.id),
    }


def evidence_view(seen: Seen) -> dict[str, Any]:
    """The newest observation: verdicts with their numbers, shadow comparison, health."""
    return {
        "age_s": seen.evidence_age_s,
        "fault": seen.fault,
        "ill": dict(seen.ill or {}),
        "gates": judgement_view(seen.judgement),
        "supplies": plain(seen.supplies),
        "shadow": shadow_view(seen.shadow, seen.twins),
        "moved": [{"service": service, **plain(d), "says": str(d)} for service, d in seen.moved],
        "notes": list(seen.notes),
        "tables": {name: one.fault or standing(one.migration, one.position) for name, one in seen.tables.items()},
    }


def shadow_view(shadow: PairCounts, twins: PairCounts) -> dict[str, Any]:
    """What copies answered, beside the baseline's own noise; `fields` in order of what they surely carry of it."""
    return {
        "pairs": shadow.pairs,
        "differing": shadow.differing,
        "difference": shadow.difference,
        "twins": twins.pairs,
        "excess": _excess_view(excess_of_answers(shadow, twins)),
        "fields": {e.subject: _field_view(shadow, e) for e in excess_by_field(shadow, twins)},
        "noisy": [
            {
                "field": name,
                "share": twins.fields[name].differing / twins.fields[name].pairs,
                "remedy": f"Add {name} to `ignore` of steps.shadow, or say in `tolerate` how far it may differ.",
            }
            for name in noisy_fields(twins)
        ],
    }


def broken_view(broken: Mapping[str, ViolationCounts], rollout: Rollout) -> list[dict[str, Any]]:
    """Answers that broke their contract, by service and arm, with the fields and how they broke it."""
    arms = {rollout.candidate: "candidate", rollout.baseline: "baseline"}
    told = []
    for key, counts in sorted(broken.items()):
        service, _, release = key.rpartition("|")
        told.append(
            {
                "service": service,
                "arm": arms.get(release, release),
                "answers": counts.answers,
                "broken": counts.broken,
                "fields": plain(counts.fields),
            }
        )
    return told


def _excess_view(excess: Excess) -> dict[str, Any]:
    return {"noise": excess.noise, "at_least": excess.at_least, "at_most": excess.at_most}


def _field_view(shadow: PairCounts, excess: Excess) -> dict[str, Any]:
    counted = shadow.fields[excess.subject]
    told = {"pairs": counted.pairs, "differing": counted.differing, "mean_change": counted.mean_change}
    return told | _excess_view(excess)


def judgement_view(judgement: Judgement | None) -> dict[str, Any] | None:
    return None if judgement is None else judgement_as_plain(judgement)


def entry_view(entry: Entry) -> dict[str, Any]:
    event = entry.event
    return {
        "seq": entry.seq,
        "at": plain(event.at),
        "actor": event.actor,
        "kind": event.kind,
        "subject": event.subject,
        "because": event.because,
        "facts": plain(event.facts),
        "previous": entry.previous,
        "digest": entry.digest,
    }


def timeline(tx: Transaction, rollout: Rollout) -> list[Mapping[str, Any]]:
    """What happened to a rollout, oldest first."""
    return [entry_view(e) for e in tx.trail() if e.event.subject == f"rollout:{rollout.id}"]
