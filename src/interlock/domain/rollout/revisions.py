"""Revisions of Alembic that move with a change: which databases they are for."""

from __future__ import annotations

from dataclasses import dataclass

from interlock.domain.catalog.database import DatabaseDialect
from interlock.domain.changes.request import Change, Revisions
from interlock.domain.changes.workspace import Workspace


@dataclass(frozen=True, slots=True)
class RevisionMove:
    """A database that goes from one revision to another."""

    revisions: Revisions
    dialect: DatabaseDialect


def revision_moves(workspace: Workspace, change: Change) -> tuple[RevisionMove, ...]:
    """Of databases that are declared; for others the workspace has a finding."""
    known = workspace.databases
    return tuple(
        RevisionMove(one, known[one.database].dialect) for one in change.revisions if one.database in known
    )
