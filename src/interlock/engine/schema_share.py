"""Which version of a contract whom is served in now: what relays and batch jobs follow, so that data moves with
requests. It is the rollout's own share, seed and pins: pausing the rollout freezes it, rolling back empties it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from interlock.domain.lenses.relaying import Share
from interlock.domain.releases.release import Release
from interlock.domain.rollout.plan import Plan, PlannedMove
from interlock.domain.rollout.position import traffic
from interlock.engine import records
from interlock.engine.context import Context
from interlock.engine.ports import Transaction
from interlock.engine.records import Rollout
from interlock.kernel.errors import Missing, Refused


class VersionUnclear(Refused):
    """Services that serve now speak several versions of the contract, so that none is the one."""

    code = "contract.version_unclear"


@dataclass(frozen=True, slots=True)
class SchemaShare:
    """Of `contract`: `default` but for the pinned releases and the share's keys. because: for people."""

    contract: str
    default: str
    pins: tuple[tuple[str, str], ...]
    share: Share | None
    is_frozen: bool
    because: str


def schema_share(context: Context, contract: str) -> SchemaShare:
    """What is so now. Missing when no service that serves speaks the contract; VersionUnclear when they differ."""
    with context.store.transaction(read_only=True) as tx:
        for rollout in reversed(records.read_live(tx)):
            plan = records.read_plan(tx, rollout.plan)
            move = _moved(plan, contract)
            if move is not None and move.before:
                return _under_way(rollout, plan, move)
        return _settled(tx, contract)


def _moved(plan: Plan, contract: str) -> PlannedMove | None:
    return next((m for m in plan.moves if m.kind == "contract" and m.name == contract), None)


def _under_way(rollout: Rollout, plan: Plan, move: PlannedMove) -> SchemaShare:
    flow = traffic(plan, rollout.position)
    pins = ((rollout.baseline, move.before), (rollout.candidate, move.after))
    if flow.default == "candidate":
        because = f"{rollout.id} gives everything to version {move.after}"
        return SchemaShare(move.name, move.after, pins, None, rollout.position.is_paused, because)
    share = Share(move.after, flow.weight_bp, plan.seed)
    because = f"{rollout.id} gives {flow.weight_bp / 100:g} % of the keys to version {move.after}"
    paused = ", and is paused" if rollout.position.is_paused else ""
    return SchemaShare(move.name, move.before, pins, share, rollout.position.is_paused, because + paused)


def _settled(tx: Transaction, contract: str) -> SchemaShare:
    current = records.read_current(tx)
    spoken = sorted(set(_spoken(current, contract))) if current else []
    if not spoken:
        raise Missing(
            f"no service that serves now speaks {contract}", remedy="Name the versions instead of following."
        )
    if len(spoken) > 1:
        raise VersionUnclear(
            f"services that serve now speak versions {', '.join(spoken)} of {contract}",
            remedy="Name the versions instead of following.",
        )
    return SchemaShare(contract, spoken[0], (), None, False, f"version {spoken[0]} serves, and no rollout moves it")


def _spoken(release: Release, contract: str) -> Iterable[str]:
    for one in release.deployments:
        for ref in (one.reads, one.writes):
            name, _, version = ref.rpartition("@")
            if name == contract:
                yield version
