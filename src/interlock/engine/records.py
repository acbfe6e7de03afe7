"""How the nouns are kept: which kind of document holds what, under which key. No rule lives here."""

from __future__ import annotations

from dataclasses import dataclass, replace

from interlock.domain.changes.approval import Approval
from interlock.domain.releases.release import Release
from interlock.domain.rollout.plan import Plan
from interlock.domain.rollout.position import Position
from interlock.domain.rollout.tables import TableState
from interlock.engine.codec import dump, load
from interlock.engine.ports import Document, Transaction
from interlock.kernel.errors import Missing
from interlock.kernel.ident import did_you_mean
from interlock.kernel.instant import Instant


@dataclass(frozen=True, slots=True)
class Rollout:
    """A plan under way. `baseline` and `candidate` are ids of whole releases: the pins that requests carry.

    `version` is the stored document's, for optimistic locking; 0 before it is stored.
    """

    id: str
    change: str
    plan: str
    baseline: str
    candidate: str
    started_at: Instant
    started_by: str
    position: Position
    version: int = 0

    @property
    def is_live(self) -> bool:
        return self.position.phase != "finished"

    @property
    def number(self) -> int:
        """Of the rollouts of its change."""
        return int(self.id.rpartition("-")[2])


class RolloutMissing(Missing):
    """There is no such rollout."""

    code = "rollout.missing"


def read_current(tx: Transaction) -> Release | None:
    """The release that serves now; None before the first start."""
    serves = read_current_id(tx)
    return None if serves is None else read_release(tx, serves)


def read_current_id(tx: Transaction) -> str | None:
    """The id of the release that serves now; None before the first start."""
    pointer = tx.read("current", "release")
    return None if pointer is None else str(pointer.body["id"])


def write_current(tx: Transaction, release: Release) -> None:
    keep_release(tx, release)
    tx.write("current", "release", {"id": release.id})


def read_release(tx: Transaction, release_id: str) -> Release:
    found = tx.read("release", release_id)
    if found is None:
        raise Missing(f"release {release_id} is not stored")
    return load(Release, found.body)


def keep_release(tx: Transaction, release: Release) -> None:
    """Store a release under its content id; storing it again changes nothing."""
    if tx.read("release", release.id) is None:
        tx.write("release", release.id, dump(release))


def keep_plan(tx: Transaction, plan: Plan) -> None:
    """Store a plan under its digest, and remember it as the newest of its change."""
    if tx.read("plan", plan.digest) is None:
        tx.write("plan", plan.digest, dump(plan))
    tx.write("newest-plan", plan.change, {"digest": plan.digest})


def read_plan(tx: Transaction, digest: str) -> Plan:
    found = tx.read("plan", digest)
    if found is None:
        raise Missing(f"plan {digest} is not stored")
    return load(Plan, found.body)


def newest_plan(tx: Transaction, change: str) -> Plan | None:
    pointer = tx.read("newest-plan", change)
    return None if pointer is None else read_plan(tx, pointer.body["digest"])


def keep_approval(tx: Transaction, change: str, approval: Approval) -> None:
    """Once per digest, role and person: approving again changes nothing."""
    key = f"{change}/{approval.digest}/{approval.role}/{approval.person}"
    if tx.read("approval", key) is None:
        tx.write("approval", key, dump(approval))


def read_approvals(tx: Transaction, change: str) -> list[Approval]:
    """All approvals of a change, of earlier plans too, oldest first."""
    found = [load(Approval, d.body) for d in tx.scan("approval", f"{change}/")]
    return sorted(found, key=lambda a: a.at)


def read_tables(tx: Transaction) -> dict[str, TableState]:
    """What runners told last of each table, by `database.table`."""
    return {d.key: load(TableState, d.body) for d in tx.scan("table")}


def write_table(tx: Transaction, place: str, state: TableState) -> None:
    tx.write("table", place, dump(state))


def read_rollout(tx: Transaction, rollout_id: str) -> Rollout:
    found = tx.read("rollout", rollout_id)
    if found is None:
        known = [d.key for d in tx.scan("rollout")]
        raise RolloutMissing(f"there is no rollout {rollout_id!r}", remedy=did_you_mean(rollout_id, known))
    return _rollout(found)


def read_rollouts(tx: Transaction) -> list[Rollout]:
    """All rollouts, by the time of their start."""
    return sorted((_rollout(d) for d in tx.scan("rollout")), key=lambda r: r.started_at)


def read_rollouts_of(tx: Transaction, change: str) -> list[Rollout]:
    """The rollouts of a change, in the order of their numbers, which no clock turns round."""
    found = (_rollout(d) for d in tx.scan("rollout", f"{change}-"))
    return sorted((r for r in found if r.change == change), key=lambda r: r.number)


def read_live(tx: Transaction) -> list[Rollout]:
    """The rollouts under way, by the time of their start. They are those that hold services, so that looking at
    them costs the same however many have ended.
    """
    holders = {d.body["rollout"] for d in tx.scan("hold")}
    return sorted((read_rollout(tx, one) for one in holders), key=lambda r: (r.started_at, r.id))


def _rollout(found: Document) -> Rollout:
    return replace(load(Rollout, found.body), version=found.version)


def write_rollout(tx: Transaction, rollout: Rollout) -> Rollout:
    """Stale when another writer was faster since it was read."""
    body = dump(replace(rollout, version=0))
    return replace(rollout, version=tx.write("rollout", rollout.id, body, expect=rollout.version))


def read_receipts(tx: Transaction, rollout_id: str) -> list[Document]:
    """The receipts of a rollout's verdicts, oldest first. They are numbered after a dot; names have dots too."""
    found = (d for d in tx.scan("receipt", f"{rollout_id}.") if d.key.rpartition(".")[0] == rollout_id)
    return sorted(found, key=lambda d: int(d.key.rpartition(".")[2]))
