"""Use cases of table migrations, on the side of the control plane: where they stand, what may be done now, and the
record of what was done. What executes them is a process of its own (`migration_runner`), which asks here before it
begins or takes back a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from interlock.domain.audit.event import Event
from interlock.domain.changes.approval import Requirement, missing
from interlock.domain.changes.request import Role
from interlock.domain.migrations.advance import standing
from interlock.domain.migrations.migration import Migration, MigrationStep
from interlock.domain.migrations.position import Kept
from interlock.domain.rollout.plan import Plan
from interlock.domain.rollout.tables import BY_ORDER, Allowed, TableSeen, TableState, allowed, place
from interlock.engine import records
from interlock.engine.context import Context
from interlock.engine.ports import Transaction
from interlock.engine.rollouts import NotApproved
from interlock.kernel.digest import digest, plain, short
from interlock.kernel.errors import InterlockError, Missing, Refused
from interlock.kernel.ident import did_you_mean


class MigrationNotNow(Refused):
    """The rollout stands where this step must not be done, or not be taken back."""

    code = "migration.not_now"


class MigrationMissing(Missing):
    """The change moves no table, or there is no such step."""

    code = "migration.missing"


class NotSteward(Refused):
    """What the old release needs is removed by a data steward's order alone."""

    code = "migration.not_steward"


What = Literal["doing", "undoing", "done", "undone", "held", "stands"]


@dataclass(frozen=True, slots=True)
class Told:
    """What a runner is about to do (`doing`, `undoing`: Refused when it must not), or has done or found (`stands`:
    so many steps are done). plan: the digest of the plan whose SQL it executes. place: `database.table`.
    is_ordered: a person ordered just this.
    """

    plan: str
    place: str
    step: int
    what: What
    because: str = ""
    is_ordered: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """The plan that counts for a change's tables, whether it is approved, and what may be done now."""

    plan: Plan
    lacks: tuple[Requirement, ...]
    allowed: Allowed
    rollout: str | None


def stand(tx: Transaction, change: str) -> Standing:
    """The plan of the newest rollout, while that is under way or once it was promoted; else the newest plan."""
    rollouts = records.read_rollouts_of(tx, change)
    rollout = rollouts[-1] if rollouts else None
    is_its_plan = rollout is not None and (rollout.is_live or rollout.position.outcome == "promoted")
    plan = records.read_plan(tx, rollout.plan) if rollout and is_its_plan else records.newest_plan(tx, change)
    if plan is None:
        raise Missing(f"there is no plan of {change!r}", remedy=f"Make one with `interlock plan {change}`.")
    if not plan.migrations:
        raise MigrationMissing(
            f"{change} moves no table",
            remedy="A dataset with keeps: and table: is moved with its contract; see docs/migrations.md.",
        )
    lacks = missing(plan.requirements, records.read_approvals(tx, change), plan.digest)
    is_served = _is_served(tx, plan)
    ours = rollout if rollout and rollout.plan == plan.digest else None
    found = allowed(plan, ours.position if ours else None, is_served)
    return Standing(plan, lacks, found, ours.id if ours else None)


def _is_served(tx: Transaction, plan: Plan) -> bool:
    current = records.read_current(tx)
    moved = plan.moved_services
    return current is not None and any(current.version(s) == plan.candidate.version(s) for s in moved)


def migration_view(context: Context, change: str) -> dict[str, Any]:
    """Everything about the tables of a change, as plain data: the plan's steps, where each table stands, what may
    be done now. A database that does not answer is told of in `fault`.
    """
    with context.store.transaction(read_only=True) as tx:
        found = stand(tx, change)
    told = _asked(context, found.plan)
    return {
        "change": change,
        "plan": found.plan.digest,
        "rollout": found.rollout,
        "is_approved": not found.lacks,
        "missing": plain(found.lacks),
        "allowed": plain(found.allowed),
        "tables": [table_view(one, told[place(one)]) for one in found.plan.migrations],
    }


def _asked(context: Context, plan: Plan) -> dict[str, TableSeen]:
    """What the databases say now, each asked once."""
    found: dict[str, TableSeen] = {}
    for name in sorted({one.database for one in plan.migrations}):
        kept: dict[str, Kept] = {}
        fault = ""
        try:
            database = context.databases.open(name)
            try:
                kept = dict(database.kept())
            finally:
                database.close()
        except InterlockError as problem:
            fault = str(problem)
        for one in plan.migrations:
            if one.database == name:
                found[place(one)] = TableSeen(one, kept.get(one.table), fault)
    return found


def table_view(migration: Migration, seen: TableSeen) -> dict[str, Any]:
    """One table: its steps with their SQL, and where it stands."""
    position = seen.position
    return {
        "place": place(migration),
        "database": migration.database,
        "table": migration.table,
        "contract": migration.contract,
        "older": migration.older,
        "newer": migration.newer,
        "dialect": migration.dialect,
        "migration": digest(migration),
        "no_return": migration.no_return,
        "says": seen.fault or standing(migration, position),
        "fault": seen.fault,
        "is_other": seen.is_of_another,
        "held": plain(seen.kept.held) if seen.kept else None,
        "position": None if seen.fault else plain(position),
        "share": position.copied.share,
        "left_s": position.copied.left_s,
        "steps": [step_view(migration, number, seen) for number in range(len(migration.steps))],
    }


def step_view(migration: Migration, number: int, seen: TableSeen) -> dict[str, Any]:
    """One step with everything that an approver should see."""
    step, position = migration.steps[number], seen.position
    state = "done" if number < position.step else "waiting"
    if number == position.step and position.phase != "resting":
        state = position.phase
    return {
        "number": number,
        "name": step.name,
        "kind": step.kind,
        "says": step.says,
        "state": state,
        "undo_says": undo_says(migration, step),
        "is_reversible": step.is_reversible,
        "is_atomic": step.is_atomic,
        "do": list(step.do) + ([step.batch.sql] if step.batch else []),
        "undo": list(step.undo),
        "checks": [{"query": query, "means": means} for query, means in step.checks],
        "costs": plain(step.costs),
    }


def undo_says(migration: Migration, step: MigrationStep) -> str:
    """What going back from a step means, in a sentence."""
    if not step.is_reversible:
        return f"point of no return: {migration.no_return}"
    costs = "; ".join(line.says for line in step.costs)
    head = f"{len(step.undo)} statement{'' if len(step.undo) == 1 else 's'}" if step.undo else "nothing to do"
    return f"{head}; it costs: {costs}" if costs else f"{head}, and nothing is lost"


def plan_of(context: Context, plan: str) -> dict[str, Any]:
    """A plan that was made, by its digest, as exactly what the digest covers."""
    with context.store.transaction(read_only=True) as tx:
        content: dict[str, Any] = plain(records.read_plan(tx, plan))
        return content


def tell(context: Context, change: str, told: Told, person: str) -> None:
    """Write down what a runner does; before it does or takes back a step, Refused when it must not."""
    now = context.clock.now()
    with context.store.transaction() as tx:
        found = stand(tx, change)
        plan = records.read_plan(tx, told.plan)
        migration = next((one for one in plan.migrations if place(one) == told.place), None)
        known_steps = 0 if migration is None else len(migration.steps) + (told.what == "stands")
        if migration is None or not 0 <= told.step < known_steps or plan.change != change:
            known = [place(one) for one in plan.migrations]
            raise MigrationMissing(
                f"plan {short(told.plan)} has no such step of {told.place}", remedy=did_you_mean(told.place, known)
            )
        if told.what in ("done", "undone", "stands"):
            _keep_state(tx, migration, told.step + (told.what == "done"))
        if told.what == "stands":
            return
        step = migration.steps[told.step]
        if told.what in ("doing", "undoing"):
            _demand_approval(tx, change, plan)
            _demand_place(found, plan, migration, step, told, person)
        facts = {
            "plan": told.plan,
            "migration": digest(migration),
            "contract": f"{migration.contract}@{migration.older}..{migration.newer}",
            "step": step.name,
            "kind": step.kind,
        }
        subject, because = f"table:{told.place}", told.because or step.says
        tx.append(Event(now, person, f"migration.{told.what}", subject, because, facts))
    context.wake.set()


def _keep_state(tx: Transaction, migration: Migration, done: int) -> None:
    """Where the table is now, for plans that come later. A migration that was completed leaves its views."""
    steps = len(migration.steps)
    before = records.read_tables(tx).get(place(migration))
    views = migration.newer if done == steps else before.views if before else ""
    last = migration.steps[done - 1].kind if done else None
    records.write_table(
        tx, place(migration), TableState(migration.older, migration.newer, done, steps, last, views)
    )


def _demand_approval(tx: Transaction, change: str, plan: Plan) -> None:
    lacks = missing(plan.requirements, records.read_approvals(tx, change), plan.digest)
    if lacks:
        lacking = ", ".join(f"{r.role.value} for {r.subject}" for r in lacks)
        raise NotApproved(
            f"plan {short(plan.digest)} of {change} is not approved (missing: {lacking}), so none of its SQL runs",
            remedy=f"Read it with `interlock plan {change} --sql` and approve it.",
        )


def _demand_place(
    found: Standing, plan: Plan, migration: Migration, step: MigrationStep, told: Told, person: str
) -> None:
    """Whether the rollout stands where this may be done."""
    limit = found.allowed
    if told.what == "undoing":
        if not limit.may_undo(step.kind):
            raise MigrationNotNow(
                f"{step.name} of {migration.table} must stay now: {limit.because}",
                remedy=f"Bring traffic back first, with `interlock rollback {plan.change}` or a change back.",
            )
        return
    ours = next((one for one in found.plan.migrations if place(one) == told.place), None)
    if ours is None or digest(ours) != digest(migration):
        raise MigrationNotNow(
            f"plan {short(plan.digest)} is no longer the one that counts for {plan.change}",
            remedy=f"Look at `interlock migration status {plan.change}`.",
        )
    if not limit.may_do(step.kind, told.is_ordered):
        raise MigrationNotNow(
            f"{step.name} of {migration.table} must not be done now: {limit.because}",
            remedy=f"Look at `interlock migration status {plan.change}`.",
        )
    if step.kind in BY_ORDER:
        _demand_steward(plan, person)


def _demand_steward(plan: Plan, person: str) -> None:
    """Where the workspace names data stewards, only they order it."""
    stewards = {holder for one in plan.requirements if one.role is Role.STEWARD for holder in one.holders}
    if stewards and person not in stewards:
        raise NotSteward(
            f"{person} is no {Role.STEWARD.value} of this change",
            remedy=f"Who may order it: {', '.join(sorted(stewards))}.",
        )
