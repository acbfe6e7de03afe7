"""Writes the migrations of tables and databases for plans: the port's side of `plan_migration` and revisions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from interlock.adapters.schemas.revision_moves import as_move, name_of, read_revisions, without_notes
from interlock.domain.migrations.migration import Migration
from interlock.domain.rollout.revisions import RevisionMove
from interlock.domain.rollout.tables import TableMove
from interlock.kernel.digest import digest
from interlock.kernel.errors import InterlockError
from interlock.kernel.finding import Finding, Severity

Written = tuple[Migration | None, tuple[Finding, ...]]
KNOWN = 64
"""So many migrations are remembered: the same plan is compiled again and again, and always has the same SQL."""


@dataclass(slots=True)
class MigrationWriter:
    """Writes SQL with what `pip install 'interlock[data]'` brings; without that, a finding says so. root: of the
    workspace, where revisions are.
    """

    root: Path = Path()
    known: dict[str, Written] = field(default_factory=dict)

    def render(self, move: TableMove | RevisionMove) -> Written:
        """See the port."""
        name = name_of(self.root, move) if isinstance(move, RevisionMove) else digest(move)
        if name not in self.known:
            if len(self.known) >= KNOWN:
                self.known.clear()
            self.known[name] = self._render(move)
        return self.known[name]

    def _render(self, move: TableMove | RevisionMove) -> Written:
        if isinstance(move, RevisionMove):
            subject, where = str(move.revisions), move.revisions.where
        else:
            subject, where = f"table:{move.table}", move.table.where
        try:
            import interlock.adapters.schemas.migrations  # noqa: F401  # is what it needs installed?
        except ModuleNotFoundError as missing:
            says = f"the migration of {subject} cannot be written, because {missing.name} is not installed."
            remedy = "Install it with: pip install 'interlock[data]'"
            return None, (Finding("migration.no_writer", Severity.ERROR, subject, says, remedy, where),)
        return _revised(self.root, move) if isinstance(move, RevisionMove) else _written(move)


def _revised(root: Path, move: RevisionMove) -> Written:
    planned = read_revisions(root, move)
    if planned.migration is None:
        return None, planned.findings
    told = (replace(one, subject=str(move.revisions)) for one in _unsafe(without_notes(planned.migration)))
    return as_move(planned.migration, move), (*planned.findings, *told)


def _written(move: TableMove) -> Written:
    from interlock.adapters.schemas.migrations import plan_migration

    planned = plan_migration(
        move.lens,
        move.before,
        move.after,
        move.table.name,
        move.table.key,
        move.dialect,
        has_older_view=move.has_views,
    )
    placed = planned.migration and replace(planned.migration, database=move.table.database)
    found = (*planned.findings, *(_unsafe(placed) if placed else ()))
    return placed, tuple(replace(one, where=one.where or move.table.where) for one in found)


def _unsafe(migration: Migration) -> tuple[Finding, ...]:
    """What is unsafe while applications use the table. A check that fails is told, and blocks nothing."""
    from interlock.adapters.schemas.migrations import unsafe

    try:
        return unsafe(migration)
    except InterlockError as fault:
        subject = f"migration:{migration.table}"
        remedy = "Read the statements with `interlock plan --sql` before you approve them."
        return (Finding("migration.unchecked", Severity.WARNING, subject, fault.message, remedy),)
