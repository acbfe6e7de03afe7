"""Contracts and lenses as they were written when a plan was made, kept under their digests: what to go back to."""

from __future__ import annotations

from typing import Any

from interlock.domain.changes.workspace import Workspace
from interlock.domain.rollout.plan import Plan
from interlock.engine import records
from interlock.engine.context import Context
from interlock.engine.ports import Transaction
from interlock.kernel.errors import InterlockError, Missing


def keep(context: Context, tx: Transaction, workspace: Workspace, plan: Plan) -> None:
    """Keep the documents of everything that the plan relies on; what is there already stays as it is. A document
    that was moved meanwhile is kept with the next plan.
    """
    places = {f"contract:{c.name}@{c.version}": c.where for c in workspace.contracts.values()}
    places |= {x.subject: x.where for x in workspace.lenses}
    for one in plan.contents:
        where = places.get(f"{one.kind}:{one.name}", "")
        if not where or tx.read("content", one.digest) is not None:
            continue
        try:
            source = context.workspaces.source(where)
        except InterlockError:
            continue
        tx.write("content", one.digest, {"file": source.file, "text": source.text})


def of_change(context: Context, change: str) -> list[dict[str, Any]]:
    """What the newest plan of the change relies on; `text` is None for what is kept elsewhere (models)."""
    with context.store.transaction(read_only=True) as tx:
        plan = records.newest_plan(tx, change)
        if plan is None:
            raise Missing(f"change {change!r} was never planned", remedy=f"Run `interlock plan {change}`.")
        found = [(one, tx.read("content", one.digest)) for one in plan.contents]
    return [
        {
            "kind": one.kind,
            "name": one.name,
            "digest": one.digest,
            "file": kept.body["file"] if kept else None,
            "text": kept.body["text"] if kept else None,
        }
        for one, kept in found
    ]
