"""The loop: load, observe, decide, persist the position and its evidence in one transaction, then act.

Everything acts on states, so a crash at any point is healed by the next look: an unpublished table is
published, an unfinished stage goes on, and nothing is done twice that is not idempotent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from interlock.domain.audit.event import Event
from interlock.domain.changes.cut import overlay
from interlock.domain.gates.receipt import receipt
from interlock.domain.rollout.actions import Action, Adopt, Free, Publish
from interlock.domain.rollout.decide import TICK_S, Decision, decide
from interlock.domain.rollout.observation import Seen
from interlock.domain.rollout.plan import Plan
from interlock.domain.rollout.position import Position, gap_between, steadied
from interlock.domain.rollout.stages import Prepare, Shadow
from interlock.engine import captures, records
from interlock.engine.context import Context
from interlock.engine.diagnoses import diagnosed
from interlock.engine.observe import Judges, gates_of, observe, read_base, shadow_series
from interlock.engine.ports import Captured, Counters, Transaction
from interlock.engine.readings import Readings
from interlock.engine.records import Rollout
from interlock.engine.routes import Routes
from interlock.engine.supplies import assumptions, due
from interlock.engine.table_watch import TableWatch
from interlock.kernel.digest import digest
from interlock.kernel.errors import InterlockError, Invariant, Stale
from interlock.kernel.instant import Instant


@dataclass(frozen=True, slots=True)
class Look:
    """What the data plane told at the beginning of a look. counters: None while it is silent; published: the digest
    of the table that serves.
    """

    counters: Counters | None = None
    captured: Captured = field(default_factory=Captured)
    published: str | None = None


@dataclass
class Loop:
    """One reconciler. `tick` looks once; `run` looks until told to stop, sleeping as the decisions allow."""

    context: Context
    report: Callable[[str], None] = lambda _: None
    judges: Judges = field(default_factory=Judges)
    routes: Routes = field(default_factory=Routes)
    last_fault: str = ""
    readings: Readings = field(init=False)
    tables: TableWatch = field(init=False)

    def __post_init__(self) -> None:
        self.readings = Readings(self.context.sources)
        self.tables = TableWatch(self.context.databases, self.context.clock)

    def close(self) -> None:
        """Stop reading metrics and asking for tables, and close what they are read from."""
        self.readings.close()
        self.tables.close()

    def run(self, stop: threading.Event) -> None:
        """Look until `stop` is set. What fails is reported once, and tried again at the next look."""
        while not stop.is_set():
            try:
                with bugs_as_invariants():
                    wake_s = self.tick()
                self.last_fault = ""
            except InterlockError as fault:
                wake_s = TICK_S
                if str(fault) != self.last_fault:
                    self.last_fault = str(fault)
                    self.report(str(fault))
            self.context.wake.wait(wake_s)
            self.context.wake.clear()

    def tick(self) -> float:
        """One look at everything; returns the seconds until the next one is due."""
        context = self.context
        if context.plane.ensure():
            self.report("the proxy was started")
        if live := self._live():
            look = self._look()
            wake_s = min(TICK_S, *(self._step(rollout, look) for rollout in live))
        else:
            wake_s = TICK_S
        self._publish()
        return wake_s

    def _look(self) -> Look:
        plane = self.context.plane
        published = plane.published()
        try:
            return Look(plane.counters(), plane.take_captured(), published)
        except InterlockError as fault:
            self.report(str(fault))
            return Look(published=published)

    def _live(self) -> list[Rollout]:
        with self.context.store.transaction(read_only=True) as tx:
            return records.read_live(tx)

    def _step(self, rollout: Rollout, look: Look) -> float:
        """Observe and decide one rollout, and persist both together. Frozen when an invariant breaks."""
        try:
            with bugs_as_invariants():
                return self._decide(rollout, look)
        except Stale:
            return 0.0  # someone gave an order meanwhile: look again
        except Invariant as broken:
            with suppress(Invariant), bugs_as_invariants():  # what is told already needs no other word
                self._go_without_evidence(rollout.id, look, broken)
            return TICK_S

    def _decide(self, seen_before: Rollout, look: Look) -> float:
        context = self.context
        now = context.clock.now()
        with context.store.transaction(read_only=True) as tx:
            plan = self.routes.plan(tx, seen_before.plan)
            self.judges.catch_up(tx, seen_before.id, plan)
        ill = self._ask_endpoints(seen_before, plan)
        with self.judges.undone_on_failure(), context.store.transaction() as tx:
            rollout = self._steady(tx, records.read_rollout(tx, seen_before.id), now)
            seen = observe(
                tx,
                self.judges,
                rollout,
                plan,
                look.counters,
                look.captured,
                ill,
                look.published == self.routes.wanted(tx).digest,
                now,
                context.block_s,
                self.readings.answers(rollout.id),
            )
            seen = replace(seen, tables=self.tables.seen(plan))
            decision = _settle(tx, rollout, plan, seen, now)
            wanted = due(tx, replace(rollout, position=decision.position), plan, now)
        context.seen[rollout.id] = seen
        for source, span in wanted:
            self.readings.ask(rollout.id, source, span, now)
        self._forget_ended(rollout.id, decision)
        return decision.wake_s

    def _forget_ended(self, rollout_id: str, decision: Decision) -> None:
        """Let go of what only a rollout under way needs."""
        if decision.position.phase == "finished":
            self.judges.forget(rollout_id)
            self.readings.forget(rollout_id)

    def _steady(self, tx: Transaction, rollout: Rollout, now: Instant) -> Rollout:
        """The rollout with a gap between two looks taken out of its times, and told."""
        base = read_base(tx, rollout.id)
        looked_at = base.looked_at if base else None
        gap_s = gap_between(looked_at, now).total_seconds()
        if not gap_s:
            return rollout
        says = f"the clock moved by {gap_s:+.0f} s between two looks; that time counts for nothing"
        tx.append(Event(now, "interlock", "rollout.gap", f"rollout:{rollout.id}", says, {"seconds": gap_s}))
        return records.write_rollout(tx, replace(rollout, position=steadied(rollout.position, looked_at, now)))

    def _ask_endpoints(self, rollout: Rollout, plan: Plan) -> dict[str, str] | None:
        if not isinstance(plan.stages[rollout.position.stage], Prepare):
            return {}
        moved = [d for d in plan.candidate.deployments if d.service in plan.moved_services]
        return self.context.probe.ill(moved)

    def _publish(self) -> None:
        """Make the data plane serve what the positions call for; idempotent by the table's digest."""
        with self.context.store.transaction(read_only=True) as tx:
            wanted = self.routes.wanted(tx)
        if self.context.plane.published() != wanted.digest:
            self.context.plane.publish(wanted.table)

    def _go_without_evidence(self, rollout_id: str, look: Look, broken: Invariant) -> None:
        """Freeze what goes forward. What is frozen takes orders all the same, and what turns back goes on doing so:
        neither asks for evidence, and a rollout that turns back must not get its traffic back.
        """
        now = self.context.clock.now()
        with self.context.store.transaction() as tx:
            rollout = records.read_rollout(tx, rollout_id)
            if rollout.position.phase == "forward":
                frozen = replace(rollout.position, phase="frozen", because=f"frozen: {broken}")
                records.write_rollout(tx, replace(rollout, position=frozen))
                tx.append(Event(now, "interlock", "rollout.frozen", f"rollout:{rollout_id}", str(broken)))
            else:
                plan = self.routes.plan(tx, rollout.plan)
                is_in_place = look.published == self.routes.wanted(tx).digest
                seen = Seen(is_approved=True, is_in_place=is_in_place, fault=str(broken))
                decision = _settle(tx, rollout, plan, seen, now)
        if rollout.position.phase == "forward":
            self.report(f"{rollout_id} is frozen: {broken}")
        else:
            self._forget_ended(rollout_id, decision)


@contextmanager
def bugs_as_invariants() -> Iterator[None]:
    """An exception that nobody thought of is our own bug, and is treated as one."""
    try:
        yield
    except InterlockError:
        raise
    except Exception as crash:
        raise Invariant(f"{type(crash).__name__}: {crash}") from crash


def _settle(tx: Transaction, rollout: Rollout, plan: Plan, seen: Seen, now: Instant) -> Decision:
    """Decide, and write down what follows."""
    decision = decide(plan, rollout.position, seen, now)
    if decision.position != rollout.position:
        records.write_rollout(tx, replace(rollout, position=decision.position))
    for action in decision.actions:
        _perform(tx, rollout, plan, action)
    _tell(tx, rollout, plan, decision, seen, now)
    if decision.position.phase == "finished":
        captures.forget(tx, rollout.id)
    return decision


def _perform(tx: Transaction, rollout: Rollout, plan: Plan, action: Action) -> None:
    """What an action means for stored state; publishing follows after the commit, from the position itself."""
    match action:
        case Adopt():
            current = records.read_current(tx)
            if current is None:
                raise Invariant("no release serves")
            records.write_current(tx, overlay(current, plan.candidate))
        case Free(services=services):
            for service in services:
                held = tx.read("hold", service)
                if held is not None and held.body["rollout"] == rollout.id:
                    tx.erase("hold", service)
        case Publish():
            pass


def _tell(tx: Transaction, rollout: Rollout, plan: Plan, decision: Decision, seen: Seen, now: Instant) -> None:
    """Audit what changed, with the receipt of the verdict that it rests on; mere waiting is not news."""
    before, after = rollout.position, decision.position
    if _milestone(before) == _milestone(after):
        return
    facts: dict[str, Any] = {
        "stage": after.stage,
        "kind": plan.stages[after.stage].kind,
        "phase": after.phase,
        "outcome": after.outcome,
        "plan": plan.digest,
        "actions": [
            {"kind": a.kind, "key": digest([plan.digest, rollout.id, after.stage, after.phase, a.kind])}
            for a in decision.actions
        ],
    }
    if decision.uses_evidence:
        about: dict[str, Any] = {"not_watched": list(seen.notes)} if seen.notes else {}
        base = read_base(tx, rollout.id)
        if base and after.outcome == "rolled_back":
            facts["diagnosis"] = about["diagnosis"] = diagnosed(tx, base.caught, rollout, now)
        facts["receipt"] = _keep_receipt(tx, rollout, plan, before, about)
    tx.append(Event(now, "interlock", _event_kind(before, after), f"rollout:{rollout.id}", decision.because, facts))


def _milestone(position: Position) -> tuple[object, ...]:
    return (
        position.stage,
        position.phase,
        position.is_paused,
        position.throttle_bp is None,
        position.outcome,
        position.order,
    )


def _event_kind(before: Position, after: Position) -> str:
    if after.phase == "finished":
        return f"rollout.{after.outcome}"
    if after.phase == "draining" and before.phase != "draining":
        return "rollout.turned_back"
    if after.stage != before.stage:
        return "rollout.advanced"
    if after.throttle_bp != before.throttle_bp:
        return "rollout.cleared" if after.throttle_bp is None else "rollout.throttled"
    return "rollout.paused" if after.is_paused else "rollout.resumed" if before.is_paused else "rollout.noted"


def _keep_receipt(
    tx: Transaction, rollout: Rollout, plan: Plan, position: Position, about: Mapping[str, Any]
) -> str:
    """Store everything that recomputes the verdict, and what else is known `about` it; returns its name."""
    in_shadow = isinstance(plan.stages[position.stage], Shadow)
    series = shadow_series(rollout.id) if in_shadow else rollout.id
    number = len(records.read_receipts(tx, rollout.id)) + 1
    name = f"{rollout.id}.{number}"
    subject: dict[str, Any] = {
        "receipt": name,
        "rollout": rollout.id,
        "plan": plan.digest,
        "baseline": rollout.baseline,
        "candidate": rollout.candidate,
        "stage": position.stage,
        "series": series,
        **about,
    }
    if not in_shadow and (assumed := assumptions(tx, rollout.id)):
        subject["assumes"] = assumed
    base = read_base(tx, rollout.id)
    steps = base.steps if base and not in_shadow else ()
    text = receipt(gates_of(plan, series), tx.blocks(series), subject, steps).decode()
    tx.write("receipt", name, {"text": text})
    return name
