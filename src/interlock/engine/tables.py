"""What the engine needs of databases whose tables are migrated, as protocols, and what may go wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from interlock.domain.migrations.migration import Batch, Migration
from interlock.domain.migrations.position import Kept, Key
from interlock.domain.rollout.revisions import RevisionMove
from interlock.domain.rollout.tables import TableMove
from interlock.kernel.errors import Invalid, Missing, Refused, Stale, Unavailable
from interlock.kernel.finding import Finding, Severity


class DatabaseMissing(Missing):
    """No database of this name is declared."""

    code = "database.missing"


class DatabaseAddress(Invalid):
    """The address of a database cannot be used, or its environment variable is not set."""

    code = "database.address"


class DatabaseSilent(Unavailable):
    """The database cannot be reached, or the connection was lost; what was under way is undone."""

    code = "database.silent"


class DatabaseBusy(Unavailable):
    """Others hold a lock for too long; what was under way is undone."""

    code = "database.busy"


class DatabaseFull(Unavailable):
    """No space is left for the database; what was under way is undone."""

    code = "database.full"


class StatementRefused(Refused):
    """The database refuses a statement of the plan; what was under way is undone."""

    code = "database.refused"


class MigrationHeld(Refused):
    """Somebody else runs the migration of this table now."""

    code = "migration.held"


class MigrationLost(Stale):
    """Somebody else took the migration over; what was under way is undone."""

    code = "migration.lost"


class TableTransaction(Protocol):
    """One transaction in a migrated database. Nothing of it is visible outside before it ends well."""

    def run(self, statement: str) -> None: ...
    def first_rows(self, query: str, limit: int) -> Sequence[Sequence[Any]]:
        """The first `limit` rows of the query."""
        ...

    def count(self, query: str) -> int:
        """The number that the query gives."""
        ...

    def key(self, batch: Batch, after: Key | None, size: int) -> Key | None:
        """The key of the `size`-th row after `after` (None: from the first on), or of the last row; None when
        there are no more.
        """
        ...

    def copy(self, batch: Batch, after: Key | None, upto: Key) -> None:
        """Move the rows above `after` and at most at `upto`."""
        ...

    def keep(self, kept: Kept) -> None:
        """Write down where the table stands. MigrationLost when it is no longer this connection's to move."""
        ...


class TableDatabase(Protocol):
    """One connection to a migrated database."""

    def kept(self) -> Mapping[str, Kept]:
        """What it knows of its tables, by name; empty where nothing was ever migrated."""
        ...

    def claim(self, table: str, runner: str) -> Kept | None:
        """Make the table this connection's to move, until `close` or the end of the process; what is known of it.

        MigrationHeld when another one has it, with who that is and since when.
        """
        ...

    def transaction(self) -> AbstractContextManager[TableTransaction]: ...
    def outside(self, statement: str) -> None:
        """Execute a statement outside of any transaction."""
        ...

    def close(self) -> None:
        """Let go of the tables and of the connection."""
        ...


class TableDatabases(Protocol):
    """Declared databases, by name."""

    def open(self, name: str) -> TableDatabase:
        """Connect. DatabaseMissing, DatabaseAddress or DatabaseSilent; no message holds a password."""
        ...


class NoDatabases:
    """An engine that reaches no database."""

    def open(self, name: str) -> TableDatabase:
        raise DatabaseMissing(f"nothing here reaches a database such as {name}")


class MigrationRenderer(Protocol):
    """Writes the SQL of a move. It asks no database, so that the same declarations give the same plan."""

    def render(self, move: TableMove | RevisionMove) -> tuple[Migration | None, tuple[Finding, ...]]:
        """Every step, and what is unsafe about it; without a migration, the findings say why there is none."""
        ...


class NoRenderer:
    """An engine that migrates no table."""

    def render(self, move: TableMove | RevisionMove) -> tuple[Migration | None, tuple[Finding, ...]]:
        subject = str(move.revisions) if isinstance(move, RevisionMove) else f"table:{move.table}"
        where = move.revisions.where if isinstance(move, RevisionMove) else move.table.where
        says = f"nothing here writes the migration of {subject}."
        return None, (Finding("migration.unwritten", Severity.ERROR, subject, says, "", where),)
