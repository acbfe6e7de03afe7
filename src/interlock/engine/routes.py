"""The one route table that all live rollouts together call for. Rebuilt whole each time that this changes."""

from __future__ import annotations

from dataclasses import dataclass

from interlock.domain.releases.release import Release
from interlock.domain.releases.route_table import RouteTable, Shadow, Split, route_table
from interlock.domain.rollout.plan import Plan
from interlock.domain.rollout.position import Traffic, traffic
from interlock.engine import records
from interlock.engine.observe import read_sample_bp
from interlock.engine.ports import Transaction
from interlock.engine.records import Rollout
from interlock.kernel.errors import Invariant


@dataclass(frozen=True, slots=True)
class Call:
    """What a rollout calls for on the services that it holds."""

    plan: str
    baseline: str
    candidate: str
    flow: Traffic
    sample_bp: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """A table with its digest, and what it was made for: the id of the release that serves, and the calls."""

    serves: str
    calls: tuple[Call, ...]
    table: RouteTable
    digest: str


class Routes:
    """Remembers the newest table and the plans of live rollouts: the loop asks once for each rollout and look, and
    reading a plan or naming a table costs more than all the rest.
    """

    def __init__(self) -> None:
        self._newest: Wanted | None = None
        self._plans: dict[str, Plan] = {}

    def plan(self, tx: Transaction, digest: str) -> Plan:
        """A plan by its digest, under which it never changes."""
        if digest not in self._plans:
            self._plans[digest] = records.read_plan(tx, digest)
        return self._plans[digest]

    def wanted(self, tx: Transaction) -> Wanted:
        """What should serve: the current release everywhere, and on held services what each rollout calls for."""
        serves, live = records.read_current_id(tx), records.read_live(tx)
        if serves is None:
            raise Invariant("no release serves")
        self._plans = {r.plan: self.plan(tx, r.plan) for r in live}
        calls = tuple(self._call(tx, rollout) for rollout in live)
        if self._newest is None or (self._newest.serves, self._newest.calls) != (serves, calls):
            table = self._table(tx, serves, calls)
            self._newest = Wanted(serves, calls, table, table.digest)
        return self._newest

    def _call(self, tx: Transaction, rollout: Rollout) -> Call:
        flow = traffic(self._plans[rollout.plan], rollout.position)
        sample_bp = read_sample_bp(tx, rollout.id) if flow.weight_bp else 0
        return Call(rollout.plan, rollout.baseline, rollout.candidate, flow, sample_bp)

    def _table(self, tx: Transaction, serves: str, calls: tuple[Call, ...]) -> RouteTable:
        releases: dict[str, Release] = {}
        splits: dict[str, Split] = {}
        shadows: dict[str, Shadow] = {}
        defaults: dict[str, str] = {}
        for call in calls:
            plan, flow = self._plans[call.plan], call.flow
            if not flow.is_present:
                continue
            releases |= {r: records.read_release(tx, r) for r in (call.baseline, call.candidate)}
            default = call.candidate if flow.default == "candidate" else call.baseline
            defaults |= dict.fromkeys(plan.holds, default)
            if flow.weight_bp:
                split = Split(call.candidate, flow.weight_bp, plan.seed, call.sample_bp)
                splits |= dict.fromkeys(plan.holds, split)
            if flow.shadow_bp:
                shadows |= dict.fromkeys(plan.holds, Shadow(call.candidate, flow.shadow_bp, flow.twin_bp))
        return route_table(records.read_release(tx, serves), tuple(releases.values()), splits, shadows, defaults)
