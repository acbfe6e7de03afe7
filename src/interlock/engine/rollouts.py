"""Use cases of rollouts: start one, tell it something, look at it."""

from __future__ import annotations

from dataclasses import replace

from interlock.domain.audit.event import Event
from interlock.domain.changes.approval import missing
from interlock.domain.changes.cut import overlay
from interlock.domain.releases.release import Release
from interlock.domain.rollout.plan import Plan
from interlock.domain.rollout.position import Order, Position, Verb
from interlock.engine import records
from interlock.engine.context import Context
from interlock.engine.plans import PlanBlocked, Planned, plan_change
from interlock.engine.ports import Transaction
from interlock.engine.records import Rollout, RolloutMissing
from interlock.kernel.digest import short
from interlock.kernel.errors import Refused, Stale
from interlock.kernel.ident import did_you_mean


class NotApproved(Refused):
    """The approvals do not cover this plan."""

    code = "plan.not_approved"


class ServicesHeld(Refused):
    """Another rollout holds services that this one needs."""

    code = "services.held"


class OutsideWindow(Refused):
    """The change's window is not open."""

    code = "window.closed"


class CandidateIll(Refused):
    """Endpoints of the candidate do not answer, so nothing is started."""

    code = "candidate.ill"


class RolloutFinished(Refused):
    """The rollout has ended; it takes no orders any more."""

    code = "rollout.finished"


def start(context: Context, change: str, person: str) -> Rollout:
    """Start the rollout of an approved change, or Refused with the reason; nothing is half started."""
    planned = plan_change(context, change)
    plan = planned.plan
    _check(context, planned)
    now = context.clock.now()
    with context.store.transaction() as tx:
        approvals = records.read_approvals(tx, change)
        if missing(plan.requirements, approvals, plan.digest):
            raise Stale("the approvals changed meanwhile", remedy="Try again.")
        current = records.read_current(tx)
        if current is None:
            raise Stale("no release serves any more", remedy="Try again.")
        candidate = overlay(current, plan.candidate)
        number = 1 + len(records.read_rollouts(tx, change))
        rollout = Rollout(
            id=f"{change}-{number}",
            change=change,
            plan=plan.digest,
            baseline=current.id,
            candidate=candidate.id,
            started_at=now,
            started_by=person,
            position=Position(stage=0, since=now, because="started"),
        )
        _hold(tx, plan, rollout)
        _keep(tx, rollout, current, candidate)
        facts = {"plan": plan.digest, "baseline": current.id, "candidate": candidate.id}
        tx.append(Event(now, person, "rollout.started", f"rollout:{rollout.id}", plan.why, facts))
    context.wake.set()
    return rollout


def _keep(tx: Transaction, rollout: Rollout, *releases: Release) -> None:
    for release in releases:
        records.keep_release(tx, release)
    records.write_rollout(tx, rollout)


def _check(context: Context, planned: Planned) -> None:
    plan = planned.plan
    if planned.is_blocked:
        raise PlanBlocked(f"the plan of {plan.change} has errors", remedy=f"See `interlock plan {plan.change}`.")
    if planned.missing:
        lacking = ", ".join(f"{r.role.value} for {r.subject}" for r in planned.missing)
        changed = "; ".join(planned.voided[:5])
        void = f"; what was approved earlier has changed: {changed}" if changed else ""
        raise NotApproved(
            f"plan {short(plan.digest)} of {plan.change} is not approved (missing: {lacking}){void}",
            remedy=f"Read it with `interlock plan {plan.change}` and approve it.",
            changed=list(planned.voided),
        )
    if not plan.window.contains(context.clock.now()):
        raise OutsideWindow(f"the window of {plan.change} is not open now")
    moved = [d for d in plan.candidate.deployments if d.service in plan.moved_services]
    if ill := context.probe.ill(moved):
        reasons = "; ".join(f"{name}: {why}" for name, why in sorted(ill.items())[:3])
        raise CandidateIll(f"the candidate is not well ({reasons})", remedy="Start it, then try again.")


def _hold(tx: Transaction, plan: Plan, rollout: Rollout) -> None:
    holders = {s: d.body["rollout"] for s in plan.holds if (d := tx.read("hold", s)) is not None}
    if holders:
        who = ", ".join(f"{service} by {rollout_id}" for service, rollout_id in sorted(holders.items()))
        raise ServicesHeld(
            f"services of {plan.change} are held: {who}",
            remedy="Wait until that rollout has ended, or end it.",
            holders=holders,
        )
    for service in plan.holds:
        tx.write("hold", service, {"rollout": rollout.id}, expect=0)


def order(context: Context, name: str, verb: Verb, person: str, because: str = "") -> Rollout:
    """Tell the rollout (by its id, or by its change: the newest) to pause, resume, promote, abort or roll back."""
    now = context.clock.now()
    with context.store.transaction() as tx:
        rollout = find(tx, name)
        if not rollout.is_live:
            raise RolloutFinished(
                f"rollout {rollout.id} has ended ({rollout.position.outcome})",
                remedy="To go back after promotion, make a change that moves the versions back.",
            )
        told = replace(rollout.position, order=Order(verb, person, now, because))
        rollout = records.write_rollout(tx, replace(rollout, position=told))
        tx.append(Event(now, person, f"rollout.{verb}_ordered", f"rollout:{rollout.id}", because))
    context.wake.set()
    return rollout


def find(tx: Transaction, name: str) -> Rollout:
    """The rollout with id `name`, or the newest one of change `name`."""
    if tx.read("rollout", name) is not None:
        return records.read_rollout(tx, name)
    of_change = records.read_rollouts(tx, name)
    if not of_change:
        known = {r.id for r in records.read_rollouts(tx)} | {r.change for r in records.read_rollouts(tx)}
        raise RolloutMissing(f"there is no rollout {name!r}", remedy=did_you_mean(name, known))
    return of_change[-1]
