"""Use cases of counted losses: take an audit of a lens in, and find those of a change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from interlock.domain.audit.event import Event
from interlock.domain.changes.counted import Counted, Crossing, counted, crossings
from interlock.domain.changes.workspace import Workspace
from interlock.domain.lenses.audit import Audit
from interlock.domain.rollout.plan import Plan
from interlock.engine.codec import dump, load
from interlock.engine.context import Context
from interlock.engine.ports import Transaction
from interlock.kernel.digest import plain, short


def take_in(context: Context, document: Mapping[str, Any], person: str) -> dict[str, Any]:
    """Keep an audit; the newest of a lens on the same data counts. Unreadable when it is none. Posting it again
    changes nothing.
    """
    audit = load(Audit, document)
    key = f"{audit.lens}/{audit.data}"
    body = dump(audit)
    with context.store.transaction() as tx:
        before = tx.read("loss-audit", key)
        is_new = before is None or before.body != body
        if is_new:
            tx.write("loss-audit", key, body)
            subject = f"contract:{audit.contract}@{audit.source}"
            says = f"{audit.counts.survived:,} of {audit.counts.rows:,} rows come back whole from {audit.target}"
            facts = {"digest": audit.digest, "lens": audit.lens, "data": audit.data}
            tx.append(Event(context.clock.now(), person, "loss.counted", subject, says, facts))
    return {"digest": audit.digest, "is_new": is_new}


def crossings_of(workspace: Workspace, plan: Plan) -> tuple[Crossing, ...]:
    """Of the contracts that the plan moves."""
    moved = [(m.name, m.before, m.after) for m in plan.moves if m.kind == "contract"]
    return tuple(crossings(workspace, moved))


def counted_of(tx: Transaction, known: Iterable[Crossing]) -> tuple[Counted, ...]:
    """What was counted of these crossings, on whatever data."""
    known = tuple(known)
    audits = [
        load(Audit, kept.body)
        for one in known
        for digest in one.digests
        for kept in tx.scan("loss-audit", f"{digest}/")
    ]
    return counted(known, audits)


def going_back(context: Context, tx: Transaction, plan: Plan) -> dict[str, Any]:
    """What a rollback of the plan costs: the verdicts, and what was counted of rows in the newer version."""
    workspace, _ = context.workspaces.load()
    found = counted_of(tx, crossings_of(workspace, plan))
    return {
        "losses": plain([one for one in plan.losses if one.direction == "rollback"]),
        "counted": [counted_view(one) for one in found if one.audit.direction == "backward"],
    }


def counted_view(one: Counted) -> dict[str, Any]:
    """The counts as people read them before they approve, and again before they roll back."""
    audit = one.audit
    return {
        "contract": audit.contract,
        "rows_in": audit.source,
        "direction": audit.direction,
        "rows": audit.counts.rows,
        "share": audit.share,
        "survived": audit.counts.survived,
        "engine": audit.engine,
        "data": short(audit.data),
        "digest": audit.digest,
        "lines": [{**plain(line), "result": line.result} for line in one.lines],
        "rejected": plain(audit.counts.rejected),
    }
