"""Executes migrations: claims a table, asks what is next, does it together with its position, until the goal is
reached. Stopped anywhere, by whatever, the next run goes on from what the database knows.

The runner is a process of its own. Before it begins a step or takes one back it asks the control plane (`Office`),
which knows approvals and where traffic is; within a step it needs nobody but the database.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, assert_never

from interlock.domain.migrations.advance import (
    ORDER,
    Begin,
    Copy,
    End,
    Execute,
    Rest,
    advance,
    begun,
    ended,
    executed,
    reach,
    standing,
)
from interlock.domain.migrations.migration import Migration, StepKind
from interlock.domain.migrations.pace import Pace, backoff_s, rate_after
from interlock.domain.migrations.position import Copied, Kept, Position
from interlock.domain.rollout.plan import Plan
from interlock.domain.rollout.tables import Allowed, floor, place
from interlock.engine.migrations import MigrationMissing, MigrationNotNow, Told, What
from interlock.engine.ports import Clock
from interlock.engine.tables import (
    DatabaseBusy,
    DatabaseSilent,
    MigrationHeld,
    TableDatabase,
    TableDatabases,
    TableTransaction,
)
from interlock.kernel.digest import digest, short
from interlock.kernel.errors import InterlockError, Missing, Refused, Unavailable
from interlock.kernel.ident import did_you_mean

Kind = Literal["begin", "execute", "copy", "end", "rest", "trouble"]
POLL_S = 1.0
SHOWN = 1_000
"""So many rows that break a check are counted, no more."""


class PlanForged(Refused):
    """What the control plane gave is not the plan that its digest names."""

    code = "plan.forged"


class MigrationUnfinished(Refused):
    """The table is in the middle of another migration."""

    code = "migration.unfinished"


class Office(Protocol):
    """The control plane, as a runner sees it."""

    def standing(self, change: str) -> tuple[str, Allowed]:
        """The digest of the plan that counts, and how far its tables may go now."""
        ...

    def plan(self, digest: str) -> Plan: ...
    def tell(self, change: str, told: Told) -> None:
        """Refused when the runner must not do what it is about to do."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """What a runner tells those who watch it. says: a sentence; position: where the table stands now."""

    migration: Migration
    position: Position
    says: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Reached:
    """Where a run left a table; is_there: it is where it was to go."""

    migration: Migration
    position: Position
    is_there: bool
    because: str


@dataclass
class Runner:
    """Runs migrations under the name `name`, which others are told. rest: waits so many seconds. patience_s: how
    long a database or the control plane may be away, or busy, before a run gives up. pace: as it begins.
    """

    databases: TableDatabases
    office: Office
    clock: Clock
    name: str
    rest: Callable[[float], None] = time.sleep
    report: Callable[[Progress], None] = lambda _: None
    pace: Pace = field(default_factory=Pace)
    patience_s: float = 600.0
    timer: Callable[[], float] = time.monotonic

    def run(self, change: str, upto: str | None = None, *, is_ordered: bool = False) -> tuple[Reached, ...]:
        """Do all steps up to the one called `upto` (without it: as far as may be now) of every table of the change;
        stop at the first table that does not get there.
        """
        named, allowance = self.office.standing(change)
        plan, kind = self.plan(named), allowance.forward
        found: list[Reached] = []
        for migration in plan.migrations:
            goal = _after(plan, migration, upto) if upto else reach(migration, kind) if kind else 0
            found.append(_Way(self, plan, migration, goal, is_forward=True, is_ordered=is_ordered).go())
            if not found[-1].is_there:
                break
        return tuple(found)

    def follow(self, change: str, upto: StepKind) -> tuple[Reached, ...]:
        """Do what may be done now, then wait until everything up to `upto` may be, and do that. When the rollout
        ends without allowing it, what was reached is not where it was to go.
        """
        reached = self.run(change)
        while all(one.is_there for one in reached):
            _, allowance = self.office.standing(change)
            if allowance.may_do(upto, is_ordered=False):
                return self.run(change, upto)
            if allowance.is_over:
                because = f"{upto} is not done: {allowance.because}"
                return tuple(replace(one, is_there=False, because=because) for one in reached)
            self.rest(POLL_S)
        return reached

    def undo(self, change: str, to: str | None = None) -> tuple[Reached, ...]:
        """Take back every step of every table, the last first; with `to`, all that came after the step (or kind of
        steps) of that name.
        """
        named, allowance = self.office.standing(change)
        plan = self.plan(named)
        found: list[Reached] = []
        for migration in reversed(plan.migrations):
            acting, moving = self._begun(plan, migration)
            goal, least = _after(acting, moving, to), floor(moving, allowance)
            if goal < least:
                raise MigrationNotNow(
                    f"{moving.table} must keep everything up to {allowance.back}: {allowance.because}",
                    remedy=f"Bring traffic back first, or take back less: `--to {allowance.back}`.",
                )
            found.append(_Way(self, acting, moving, goal, is_forward=False).go())
            if not found[-1].is_there:
                break
        return tuple(found)

    def plan(self, named: str) -> Plan:
        """The plan with that digest. PlanForged when it is another one."""
        plan = self.office.plan(named)
        if plan.digest != named:
            raise PlanForged(
                f"the control plane gave plan {short(plan.digest)} for {short(named)}",
                remedy="Run the same release of Interlock on both sides.",
            )
        return plan

    def _begun(self, plan: Plan, migration: Migration) -> tuple[Plan, Migration]:
        """The plan by which the table moved so far, which may be an earlier one of the same change."""
        database = self.databases.open(migration.database)
        try:
            kept = database.kept().get(migration.table)
        finally:
            database.close()
        if kept is None or kept.migration == digest(migration):
            return plan, migration
        if kept.is_settled:
            return self.left(kept, plan, migration) or (plan, migration)
        earlier = self.plan(kept.plan)
        moved = {place(one): one for one in earlier.migrations}
        if earlier.change != plan.change or place(migration) not in moved:
            raise _unfinished(migration, kept, f" of {earlier.change}")
        return earlier, moved[place(migration)]

    def left(self, kept: Kept, plan: Plan, migration: Migration) -> tuple[Plan, Migration] | None:
        """The earlier plan of the same change that was done as a whole and can be taken back, if there is one: the
        change was edited afterwards, and what it did must not be forgotten.
        """
        if not kept.position.step:
            return None
        try:
            earlier = self.plan(kept.plan)
        except (Missing, PlanForged):  # of another control plane, or of a release that wrote plans otherwise
            return None
        moved = {place(one): one for one in earlier.migrations}.get(place(migration))
        if moved is None or earlier.change != plan.change or not all(step.is_reversible for step in moved.steps):
            return None
        return earlier, moved


@dataclass
class _Way:
    """One table on its way to `goal` steps that are done."""

    runner: Runner
    plan: Plan
    migration: Migration
    goal: int
    is_forward: bool
    is_ordered: bool = False
    kept: Kept = field(init=False)
    pace: Pace = field(init=False)
    rate: float = 0.0
    broken: tuple[str, ...] = ()
    troubled_at: float | None = None
    troubles: int = 0

    def __post_init__(self) -> None:
        steps = len(self.migration.steps)
        self.kept = Kept(self.migration.table, self.plan.digest, digest(self.migration), steps, Position())
        self.pace = self.runner.pace

    def go(self) -> Reached:
        """Until the goal is reached or something is in the way. A connection that is lost is made again."""
        while True:
            try:
                database = self.runner.databases.open(self.migration.database)
            except DatabaseSilent as fault:
                self._wait(fault)
                continue
            try:
                return self._go(database)
            except (DatabaseSilent, DatabaseBusy) as fault:
                self._wait(fault)
            except MigrationHeld as fault:
                if self.troubled_at is None:
                    raise
                self._wait(fault)  # the server may take our own lost connection for a living one for a while
            finally:
                database.close()

    def _go(self, database: TableDatabase) -> Reached:
        self._take(database.claim(self.migration.table, self.runner.name))
        if (there := self._beyond()) is not None:
            if there.is_there:
                self._tell(there.position.step, "stands", there.because)
            return there
        step = self.kept.position.step
        self.goal = max(self.goal, step) if self.is_forward else min(self.goal, step)
        self._resume()
        while True:
            action = advance(self.migration, self.kept.position, self.goal, self.broken)
            if isinstance(action, Rest):
                return self._arrived(action)
            try:
                self._perform(database, action)
                self.troubled_at, self.troubles = None, 0
            except DatabaseBusy as fault:
                self.pace = self.pace.eased()
                self._wait(fault)

    def _take(self, kept: Kept | None) -> None:
        """What the database knows counts, unless that is of a migration that has ended."""
        if kept is None:
            return
        if kept.migration != self.kept.migration:
            if kept.is_settled and self.runner.left(kept, self.plan, self.migration) is None:
                return
            raise _unfinished(self.migration, kept)
        self.kept = replace(kept, plan=self.plan.digest)
        self.rate = kept.position.copied.rate

    def _beyond(self) -> Reached | None:
        """A run never goes back, an undo never forward: then there is nothing to do, or another order to give."""
        position, step = self.kept.position, self.kept.position.step
        if self.is_forward and step >= self.goal and position.phase == "doing":
            name, change = self.migration.steps[step].name, self.plan.change
            says = f"{name} is half done; finish it with `interlock migration contract {change}`, or undo it"
            return Reached(self.migration, position, False, says)
        if self.is_forward and step >= self.goal and position.phase == "resting":
            return Reached(self.migration, position, True, standing(self.migration, position))
        if not self.is_forward and step < self.goal and position.phase != "undoing":
            says = f"nothing to take back: {standing(self.migration, position)}"
            return Reached(self.migration, position, True, says)
        return None

    def _resume(self) -> None:
        """Ask again before what was begun goes on: approvals and traffic may have changed meanwhile. A step that is
        half done and is to be taken back does not go on; that it may be taken back is asked when that begins.
        """
        position = self.kept.position
        if position.phase == "undoing" or (position.phase == "doing" and self.is_forward):
            self._tell(position.step, position.phase, f"resumed: {standing(self.migration, position)}")

    def _arrived(self, action: Rest) -> Reached:
        if self.broken:
            self._tell(self.kept.position.step, "held", action.because)
        self._report("rest", action.because)
        return Reached(self.migration, self.kept.position, action.is_there, action.because)

    def _perform(self, database: TableDatabase, action: Begin | Execute | Copy | End) -> None:
        match action:
            case Begin():
                self._tell(action.step, action.does, action.because)
                self._begin(database, action)
            case Execute():
                self._report("execute", action.because)
                self._execute(database, action)
            case Copy():
                self._copy(database, action)
            case End():
                self._end(database, action)
            case _ as unreachable:
                assert_never(unreachable)

    def _begin(self, database: TableDatabase, action: Begin) -> None:
        batch = self.migration.steps[action.step].batch
        with database.transaction() as tx:
            position = begun(self.migration, self.kept.position, action, self.runner.clock.now())
            if batch is not None and action.does == "doing":
                position = replace(position, copied=Copied(total=tx.count(batch.count_sql)))
            kept = self._keep(tx, position)
        self.kept = kept
        self._report("begin", action.because)

    def _execute(self, database: TableDatabase, action: Execute) -> None:
        if not action.is_atomic:
            for statement in action.statements:
                database.outside(statement)
        with database.transaction() as tx:
            if action.is_atomic:
                for statement in action.statements:
                    tx.run(statement)
            kept = self._keep(tx, executed(self.kept.position, action))
        self.kept = kept

    def _copy(self, database: TableDatabase, action: Copy) -> None:
        copied, began = self.kept.position.copied, self.runner.timer()
        with database.transaction() as tx:
            upto = tx.key(action.batch, copied.after, self.pace.size)
            if upto is None:
                copied = replace(copied, rows=copied.total, is_through=True)
            else:
                tx.copy(action.batch, copied.after, upto)
                rows = min(copied.rows + self.pace.size, copied.total)
                copied = replace(copied, after=upto, rows=rows, rate=self.rate)
            kept = self._keep(tx, replace(self.kept.position, copied=copied))
        rows, self.kept = copied.rows - self.kept.position.copied.rows, kept
        took = self.runner.timer() - began
        rest_s = self.pace.rest_s(took)
        self.rate = rate_after(self.rate, rows, took + rest_s)
        self.pace = self.pace.after(took)
        self._report("copy", standing(self.migration, self.kept.position))
        if not copied.is_through:
            self.runner.rest(rest_s)

    def _end(self, database: TableDatabase, action: End) -> None:
        did: Literal["done", "undone"] = "done" if self.kept.position.phase == "doing" else "undone"
        with database.transaction() as tx:
            found = [(means, tx.first_rows(query, SHOWN + 1)) for query, means in action.checks]
            self.broken = tuple(_broken(means, rows) for means, rows in found if rows)
            if self.broken:
                return
            kept = self._keep(tx, ended(self.migration, self.kept.position, self.runner.clock.now()))
        self.kept = kept
        self._report("end", action.because)
        self._tell(action.step, did, action.because)

    def _keep(self, tx: TableTransaction, position: Position) -> Kept:
        """Write the position; it holds once the transaction has ended well."""
        kept = replace(self.kept, position=position)
        tx.keep(kept)
        return kept

    def _tell(self, step: int, what: What, because: str) -> None:
        """The control plane is waited for like a database; what it refuses is not done."""
        told = Told(self.plan.digest, place(self.migration), step, what, because, self.is_ordered)
        while True:
            try:
                self.runner.office.tell(self.plan.change, told)
                return
            except Unavailable as fault:
                self._wait(fault)

    def _wait(self, fault: InterlockError) -> None:
        """Back off, and say so; when patience has ended, give up with the fault."""
        now = self.runner.timer()
        self.troubled_at = now if self.troubled_at is None else self.troubled_at
        if now - self.troubled_at > self.runner.patience_s:
            raise fault
        wait_s = backoff_s(self.troubles)
        self.troubles += 1
        self._report("trouble", f"{fault.message}; trying again in {wait_s:g} s")
        self.runner.rest(wait_s)

    def _report(self, kind: Kind, says: str) -> None:
        self.runner.report(Progress(self.migration, self.kept.position, says, kind))


def _broken(means: str, rows: Sequence[Sequence[Any]]) -> str:
    """What a check says. Rows are counted, and their keys told to nobody; names complete the sentence."""
    if means.endswith(":"):
        return f"{means} {', '.join(f'`{name}`' for name, *_ in rows)}"
    count = len(rows)
    counted = f"more than {SHOWN:,} rows" if count > SHOWN else f"{count:,} row{'s' if count > 1 else ''}"
    return f"{means} ({counted})"


def _after(plan: Plan, migration: Migration, name: str | None) -> int:
    """How many steps are done when the one called `name` is the last, or the last one of the kind `name`. A step
    that only another migration of the plan has stands for the kinds that are complete there once it is done.
    """
    if name is None:
        return 0
    if found := _named(migration, name):
        return found
    if name in ORDER:
        return sum(ORDER.index(one.kind) <= ORDER.index(name) for one in migration.steps)
    for other in plan.migrations:
        if done := _named(other, name):
            complete = {one.kind for one in other.steps[:done]} - {one.kind for one in other.steps[done:]}
            last = max((ORDER.index(kind) for kind in complete), default=-1)
            return sum(ORDER.index(one.kind) <= last for one in migration.steps)
    names = dict.fromkeys(word for one in migration.steps for word in (one.name, one.kind))
    raise MigrationMissing(f"{migration.table} has no step {name!r}", remedy=did_you_mean(name, names))


def _named(migration: Migration, name: str) -> int:
    """How many steps are done when the one of that name is the last; 0 when there is none."""
    return next((number for number, one in enumerate(migration.steps, start=1) if one.name == name), 0)


def _unfinished(migration: Migration, kept: Kept, whose: str = "") -> MigrationUnfinished:
    which = f"another migration{whose} (plan {short(kept.plan)}, {kept.position.step} of {kept.steps} steps done)"
    if kept.is_settled:
        return MigrationUnfinished(
            f"{migration.table} is at the end of {which}",
            remedy="Take that back first, with `interlock migration undo` of the change.",
        )
    return MigrationUnfinished(
        f"{migration.table} is in the middle of {which}",
        remedy="Complete that one (`interlock migration contract` of its change, `--step expire` where it has that "
        "step), or undo it.",
    )
