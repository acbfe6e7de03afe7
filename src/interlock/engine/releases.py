"""Use case: bring what serves in line with what is declared, when nothing is under way that would forbid it."""

from __future__ import annotations

from interlock.domain.audit.event import Event
from interlock.domain.changes.cut import cut
from interlock.domain.changes.workspace import Workspace
from interlock.domain.releases.release import Release
from interlock.engine import records
from interlock.engine.context import Context
from interlock.engine.plans import load_valid
from interlock.kernel.digest import digest


def adopt_declared(context: Context) -> Release:
    """The release that serves now, after services were added, removed or re-addressed in the declarations.

    Versions are state (a rollout moves them); everything else of a serving version is as declared. Services
    that a live rollout holds stay as they are until it ends.
    """
    workspace, _ = load_valid(context)
    now = context.clock.now()
    with context.store.transaction() as tx:
        current = records.read_current(tx)
        if current is not None and records.read_live(tx):
            return current
        declared = cut(workspace, _versions(workspace, current))
        if current is None or digest(declared) != digest(current):
            records.write_current(tx, declared)
            why = "first start" if current is None else "the declarations changed"
            tx.append(Event(now, "interlock", "release.adopted", f"release:{declared.id}", why))
        return declared


def _versions(workspace: Workspace, current: Release | None) -> dict[str, str]:
    """The serving version of each declared service: where rollouts brought it, else where it begins."""
    at = {d.service: d.version for d in current.deployments} if current else {}
    return {
        name: at[name] if at.get(name) in spec.versions else spec.serving
        for name, spec in workspace.services.items()
    }
