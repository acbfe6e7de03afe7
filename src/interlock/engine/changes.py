"""Use cases of declarations: an overview, the impact of a change, a new change request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from interlock.domain.audit.event import Event
from interlock.domain.catalog.asset import AssetId, Kind
from interlock.domain.catalog.graph import graph_of
from interlock.domain.catalog.impact import impact
from interlock.domain.changes.revert import Part, reverted
from interlock.domain.changes.workspace import Workspace
from interlock.engine import records
from interlock.engine.context import Context
from interlock.kernel.digest import plain
from interlock.kernel.errors import Invalid, Missing, Refused
from interlock.kernel.ident import did_you_mean, is_name


class ChangeExists(Refused):
    """A change of this name is already declared."""

    code = "change.exists"


def overview(context: Context) -> dict[str, Any]:
    """What is declared, by name and version, and every finding."""
    workspace, findings = context.workspaces.load()
    return {
        "name": workspace.name,
        "services": {
            n: {"versions": list(s.versions), "owner": s.owner} for n, s in sorted(workspace.services.items())
        },
        "models": {
            n: {"versions": list(m.versions), "owner": m.owner} for n, m in sorted(workspace.models.items())
        },
        "contracts": sorted(f"{name}@{version}" for name, version in workspace.contracts),
        "changes": {
            n: {"why": c.why, "moves": [f"{m} -> {m.to}" for m in c.moves]}
            for n, c in sorted(workspace.changes.items())
        },
        "people": {n: sorted(p.roles) for n, p in sorted(workspace.people.items())},
        "assets": plain(workspace.assets),
        "links": plain(workspace.links),
        "findings": plain(findings),
    }


def impact_of(context: Context, asset: str) -> dict[str, Any]:
    """Everything that a change of `asset` (`kind:name`) reaches, with the path that explains it."""
    workspace, _ = context.workspaces.load()
    kind, _, name = asset.partition(":")
    if kind not in set(Kind):
        raise Invalid(
            f"{asset!r} is not kind:name", remedy=f"{did_you_mean(kind, set(Kind))} For example service:scoring."
        )
    reached = impact(graph_of(workspace.assets, workspace.links), [AssetId(Kind(kind), name)])
    return {
        "asset": asset,
        "reaches": [
            {"asset": str(a.asset), "owner": a.owner, "distance": a.distance, "says": a.says} for a in reached
        ],
    }


def create(
    context: Context,
    name: str,
    why: str,
    author: str,
    sponsor: str,
    moves: Sequence[Mapping[str, str]],
    dry_run: bool,
) -> dict[str, Any]:
    """Write a new change request into the workspace; with `dry_run` only show it."""
    if not is_name(name):
        raise Invalid(f"{name!r} is not a name", remedy="Use lower-case letters, digits, dots and dashes.")
    workspace, _ = context.workspaces.load()
    _refuse_existing(workspace, name)
    document = {
        "name": name,
        "why": why or f"Move {', '.join(next(iter(m.values())) for m in moves)}.",
        "author": author,
        "sponsor": sponsor,
        "moves": [dict(m) for m in moves],
    }
    return _written(context, document, author, dry_run)


def revert(
    context: Context, change: str, part: Part, author: str, name: str = "", dry_run: bool = False
) -> dict[str, Any]:
    """Write the change request that takes back `part` of a change: planned, approved and rolled out like any other.
    It goes by the newest plan of the change. NotReverted when the part cannot go back alone.
    """
    workspace, _ = context.workspaces.load()
    with context.store.transaction(read_only=True) as tx:
        plan = records.newest_plan(tx, change)
    if plan is None:
        raise Missing(f"change {change!r} was never planned", remedy="Only what was planned can be reverted.")
    moves = reverted(workspace, [(m.kind, m.name, m.before, m.after) for m in plan.moves], part)
    name = name or f"revert-{change}" + ("" if part == "all" else f"-{part}")
    _refuse_existing(workspace, name)
    what = {"all": "Take back", "model": "Take back the model of", "contract": "Take back the contracts of"}[part]
    document = {
        "name": name,
        "why": f"{what} {change}.",
        "author": author,
        "sponsor": plan.sponsor,
        "moves": [{m.kind: m.name, "to": m.to} for m in moves],
    }
    return _written(context, document, author, dry_run)


def _refuse_existing(workspace: Workspace, name: str) -> None:
    if name in workspace.changes:
        raise ChangeExists(f"change {name!r} exists", remedy=f"Edit {workspace.changes[name].where} instead.")


def _written(context: Context, document: dict[str, Any], author: str, dry_run: bool) -> dict[str, Any]:
    name, why = document["name"], document["why"]
    document = {"kind": "Change", **document}
    if dry_run:
        return {"written": None, "change": document}
    path = context.workspaces.write_change(document)
    with context.store.transaction() as tx:
        tx.append(Event(context.clock.now(), author, "change.written", f"change:{name}", why))
    return {"written": str(path), "change": document}
