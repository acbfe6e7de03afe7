"""Revisions of Alembic that a change declares: whether they fit what else is declared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from interlock.domain.changes.request import Change
from interlock.domain.changes.workspace import Workspace
from interlock.kernel.finding import Finding, Severity
from interlock.kernel.ident import did_you_mean

NOTE: Final = "alembic_version"
"""Alembic's table, which says at which revision a database is. Revisions are known by it, as tables by name."""


def check_revisions(workspace: Workspace) -> Iterator[Finding]:
    """Databases that there are not, or that one change moves twice; datasets that are kept in Alembic's table."""
    for change in workspace.changes.values():
        yield from _of_change(workspace, change)
    for one in workspace.keepings:
        if one.table is not None and one.table.name == NOTE:
            says = f"{one.table} is Alembic's note of the revision, and keeps no records."
            remedy = "Name the table in which the records are."
            yield Finding("table.reserved", Severity.ERROR, str(one.asset), says, remedy, one.table.where)


def _of_change(workspace: Workspace, change: Change) -> Iterator[Finding]:
    subject, seen = f"change:{change.name}", set[str]()
    for one in change.revisions:
        if one.database not in workspace.databases:
            says = f"no database is named {one.database!r}."
            remedy = did_you_mean(one.database, workspace.databases)
            remedy = remedy or "Declare it under databases: in interlock.yaml."
            yield Finding("database.unknown", Severity.ERROR, subject, says, remedy, one.where)
        if one.database in seen:
            says = f"{change.name} moves the database {one.database} twice; its revisions follow one another."
            remedy = "Write one stretch, from the first to the last."
            yield Finding("change.revisions_twice", Severity.ERROR, subject, says, remedy, one.where)
        seen.add(one.database)
