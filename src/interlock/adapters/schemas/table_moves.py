"""Writes the migrations of tables for plans: the port's side of `plan_migration`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from interlock.domain.migrations.migration import Migration
from interlock.domain.rollout.tables import TableMove
from interlock.kernel.digest import digest
from interlock.kernel.errors import InterlockError
from interlock.kernel.finding import Finding, Severity

Written = tuple[Migration | None, tuple[Finding, ...]]
KNOWN = 64
"""So many migrations are remembered: the same plan is compiled again and again, and always has the same SQL."""


@dataclass(slots=True)
class MigrationWriter:
    """Writes SQL with what `pip install 'interlock[data]'` brings; without that, a finding says so."""

    known: dict[str, Written] = field(default_factory=dict)

    def render(self, move: TableMove) -> Written:
        """See the port."""
        name = digest(move)
        if name not in self.known:
            if len(self.known) >= KNOWN:
                self.known.clear()
            self.known[name] = _written(move)
        return self.known[name]


def _written(move: TableMove) -> Written:
    try:
        from interlock.adapters.schemas.migrations import plan_migration
    except ModuleNotFoundError as missing:
        says = f"the migration of {move.table} cannot be written, because {missing.name} is not installed."
        remedy = "Install it with: pip install 'interlock[data]'"
        subject, where = f"table:{move.table}", move.table.where
        return None, (Finding("migration.no_writer", Severity.ERROR, subject, says, remedy, where),)
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
