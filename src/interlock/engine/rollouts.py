"""Use cases of rollouts: start one, tell it something, look at it."""

from __future__ import annotations

from dataclasses import replace

from interlock.domain.audit.event import Event
from interlock.domain.changes.approval import missing
from interlock.domain.changes.cut import overlay, restricted
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


GOING_BACK: tuple[Verb, ...] = ("abort", "rollback")


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


class RolloutTurningBack(Refused):
    """The rollout was told to turn back, or does so already; nothing else can be ordered any more."""

    code = "rollout.turning_back"


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
        if restricted(current, plan.holds).id != plan.baseline.id:
            raise Stale("another release serves than the plan was made for", remedy="Plan it again.")
        candidate = overlay(current, plan.candidate)
        rollout = Rollout(
            id=_free_id(tx, change),
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


def _free_id(tx: Transaction, change: str) -> str:
    """The next number that makes no name which a planned change has: orders know both by their names."""
    number = max((r.number for r in records.read_rollouts_of(tx, change)), default=0) + 1
    while tx.read("newest-plan", f"{change}-{number}") is not None:
        number += 1
    return f"{change}-{number}"


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
    """Tell the rollout (by its id, or by its change: the newest) to pause, resume, promote, abort or roll back.
    Going back is final: ordered once more it changes nothing, and RolloutTurningBack for all else.
    """
    now = context.clock.now()
    with context.store.transaction() as tx:
        rollout = find(tx, name)
        if not rollout.is_live:
            raise RolloutFinished(
                f"rollout {rollout.id} has ended ({rollout.position.outcome})",
                remedy="To go back after promotion, make a change that moves the versions back.",
            )
        if _turns_back(rollout.position):
            if verb in GOING_BACK:
                return rollout
            raise RolloutTurningBack(
                f"rollout {rollout.id} is turning back: {_told_back(rollout.position)}",
                remedy=f"Start {rollout.change} anew once it has ended.",
            )
        told = replace(rollout.position, order=Order(verb, person, now, because))
        rollout = records.write_rollout(tx, replace(rollout, position=told))
        tx.append(Event(now, person, f"rollout.{verb}_ordered", f"rollout:{rollout.id}", because))
    context.wake.set()
    return rollout


def _turns_back(position: Position) -> bool:
    is_told = position.order is not None and position.order.verb in GOING_BACK
    return is_told or position.phase == "draining"


def _told_back(position: Position) -> str:
    told = position.order
    return f"{told.by} asked for it" if told and position.phase != "draining" else position.because


def find(tx: Transaction, name: str) -> Rollout:
    """The rollout with id `name`, or the newest one of change `name`."""
    if tx.read("rollout", name) is not None:
        return records.read_rollout(tx, name)
    of_change = records.read_rollouts_of(tx, name)
    if not of_change:
        known = {known for r in records.read_rollouts(tx) for known in (r.id, r.change)}
        raise RolloutMissing(f"there is no rollout {name!r}", remedy=did_you_mean(name, known))
    return of_change[-1]
