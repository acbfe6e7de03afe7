"""A migrated database on SQLite and Postgres: effects and positions in the same transaction, one runner at a time.

Positions are rows of `interlock_migration`, one for each table, in the database that is migrated: an effect
without its position, or the other way round, cannot be. The row tells as well who runs a migration. What keeps a
second runner away is, on Postgres, a session's advisory lock, which is gone with the session; on SQLite a lease,
which each transaction renews, and which is void when its process is gone. Either way each write asks for the
version that this runner wrote last, so that one which was taken over changes nothing any more.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets as chance
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from interlock.adapters.databases.translate import KeyUnusable, bounds, for_psycopg, key_of, translated
from interlock.domain.migrations.migration import Batch
from interlock.domain.migrations.position import Held, Kept, Key, Position
from interlock.engine.codec import dump, load
from interlock.engine.tables import MigrationHeld, MigrationLost
from interlock.kernel.instant import from_rfc3339, to_rfc3339

LEASE_S = 30.0
"""How long a runner of SQLite may be silent; well above the longest rest between two batches."""
_CREATE = """CREATE TABLE IF NOT EXISTS interlock_migration (
    table_name text PRIMARY KEY, plan text NOT NULL, migration text NOT NULL, steps bigint NOT NULL,
    position text NOT NULL, version bigint NOT NULL, runner text, mark text, since text, lease_until text)"""
_FIELDS = "table_name, plan, migration, steps, position, version, runner, mark, since, lease_until"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of `interlock_migration`. mark: tells one claim from every other one: host, process and a number."""

    table: str
    plan: str
    migration: str
    steps: int
    position: str
    version: int
    runner: str | None
    mark: str | None
    since: str | None
    lease_until: str | None

    @property
    def held(self) -> Held | None:
        return Held(self.runner, from_rfc3339(self.since)) if self.runner and self.since else None

    @property
    def kept(self) -> Kept | None:
        """None for a table that was claimed, and not yet begun."""
        if not self.position:
            return None
        position = load(Position, json.loads(self.position))
        return Kept(self.table, self.plan, self.migration, self.steps, position, self.held)


class SqlTables:
    """One connection, opened at once. place: how people know the database. patience_s: the longest wait for a
    lock.
    """

    def __init__(self, engine: sa.Engine, place: str, secrets: tuple[str, ...], patience_s: float) -> None:
        self._engine, self._place, self._secrets = engine, place, secrets
        self._patience_s = patience_s
        self._claimed: dict[str, tuple[str, int]] = {}
        with self._translated():
            self._connection = engine.connect()

    @property
    def is_postgres(self) -> bool:
        return self._engine.dialect.name == "postgresql"

    def kept(self) -> Mapping[str, Kept]:
        """See the port."""
        with self._translated():
            if not self._has_positions():
                return {}
            rows = [self._alive(row) for row in self._rows("")]
        return {row.table: kept for row in rows if (kept := row.kept)}

    def claim(self, table: str, runner: str) -> Kept | None:
        """See the port."""
        mark = f"{socket.gethostname()} {os.getpid()} {chance.token_hex(8)}"
        with self._translated():
            self._create_positions()
            if self.is_postgres and not self._locked(table):
                raise self._held_by(self._row(table), table)
            with self._writing():
                row = self._row(table) or Row(table, "", "", 0, "", 0, None, None, None, None)
                if not self.is_postgres and self._alive(row).runner:
                    raise self._held_by(row, table)
                version = self._write_claim(row, runner, mark)
        self._claimed[table] = (mark, version)
        return replace(kept, held=None) if (kept := row.kept) else None

    def _write_claim(self, row: Row, runner: str, mark: str) -> int:
        now = datetime.now(UTC)
        values = (row.table, row.plan, row.migration, row.steps, row.position, row.version + 1, runner, mark)
        times = (to_rfc3339(now), to_rfc3339(now + timedelta(seconds=LEASE_S)))
        self._execute("DELETE FROM interlock_migration WHERE table_name = ?", row.table)
        marks = ", ".join("?" * 10)
        self._execute(f"INSERT INTO interlock_migration ({_FIELDS}) VALUES ({marks})", *values, *times)
        return row.version + 1

    @contextmanager
    def transaction(self) -> Iterator[SqlTableTransaction]:
        """See the port."""
        with self._translated(), self._writing():
            made = SqlTableTransaction(self)
            yield made
        for table, version in made.versions.items():
            self._claimed[table] = (self._claimed[table][0], version)

    def outside(self, statement: str) -> None:
        """See the port."""
        with self._translated():
            if self.is_postgres:
                self._set_patience("SET")
            self.driven(statement)

    def close(self) -> None:
        """See the port. Whatever cannot be told any more, the lock's end or the lease's tells."""
        with suppress(sa.exc.SQLAlchemyError):
            for table, (mark, _) in self._claimed.items():
                free = "UPDATE interlock_migration SET runner = NULL, mark = NULL, since = NULL, lease_until = NULL"
                self._execute(f"{free} WHERE table_name = ? AND mark = ?", table, mark)
            if self.is_postgres and self._claimed:
                self._connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")
        with suppress(sa.exc.SQLAlchemyError):
            self._connection.close()
        self._engine.dispose()

    def keep(self, kept: Kept) -> int:
        """Write a position, and give its version. MigrationLost when another claim came between."""
        mark, version = self._claimed[kept.table]
        until = to_rfc3339(datetime.now(UTC) + timedelta(seconds=LEASE_S))
        set_to = "plan = ?, migration = ?, steps = ?, position = ?, version = ?, lease_until = ?"
        position = json.dumps(dump(kept.position), separators=(",", ":"))
        done = self._execute(
            f"UPDATE interlock_migration SET {set_to} WHERE table_name = ? AND mark = ? AND version = ?",
            *(kept.plan, kept.migration, kept.steps, position, version + 1, until, kept.table, mark, version),
        )
        if done.rowcount != 1:
            held = (row := self._row(kept.table)) and row.held
            by = f" by {held.by}" if held else ""
            raise MigrationLost(f"the migration of {kept.table} was taken over{by}", remedy="Let that one go on.")
        return version + 1

    def driven(self, sql: str, values: Mapping[str, Any] | None = None) -> sa.CursorResult[Any]:
        """A statement of the plan. Without values it is given to the driver byte for byte."""
        if values is None:
            return self._connection.exec_driver_sql(sql, execution_options={"no_parameters": True})
        return self._connection.exec_driver_sql(for_psycopg(sql) if self.is_postgres else sql, dict(values))

    def _execute(self, sql: str, *values: Any) -> sa.CursorResult[Any]:
        sql = sql.replace("?", "%s") if self.is_postgres else sql
        return self._connection.exec_driver_sql(sql, values)

    def _row(self, table: str) -> Row | None:
        return next(iter(self._rows("WHERE table_name = ?", table)), None)

    def _rows(self, where: str, *values: Any) -> list[Row]:
        found = self._execute(f"SELECT {_FIELDS} FROM interlock_migration {where} ORDER BY table_name", *values)
        return [Row(*tuple(row)) for row in found]

    def _has_positions(self) -> bool:
        known = "SELECT to_regclass('interlock_migration') IS NOT NULL"
        if not self.is_postgres:
            known = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'interlock_migration'"
        return bool(self._connection.exec_driver_sql(known).scalar())

    def _create_positions(self) -> None:
        """Two runners at once must not both create it: Postgres fails for the second one."""
        if not self._has_positions():
            with self._writing():
                if self.is_postgres:
                    self._connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_lock('')})")
                self._connection.exec_driver_sql(_CREATE)

    def _lock_of(self, table: str) -> int:
        schema = self._connection.exec_driver_sql("SELECT current_schema()").scalar()
        return _lock(f"{schema}.{table}")

    def _locked(self, table: str) -> bool:
        lock = self._lock_of(table)
        return bool(self._connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({lock})").scalar())

    def _alive(self, row: Row) -> Row:
        """The row, without a holder that is gone for certain."""
        if row.runner is None:
            return row
        if self.is_postgres:
            lock = self._lock_of(row.table)
            held = f"classid::bigint = {lock >> 32} AND objid::bigint = {lock & 0xFFFFFFFF} AND objsubid = 1"
            known = f"SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND {held}"
            is_gone = self._connection.exec_driver_sql(known).first() is None
        else:
            is_over = row.lease_until is None or from_rfc3339(row.lease_until) <= datetime.now(UTC)
            is_gone = is_over or _is_gone(row.mark or "")
        return replace(row, runner=None) if is_gone else row

    def _held_by(self, row: Row | None, table: str) -> MigrationHeld:
        held = row.held if row else None
        who = f"{held.by}, since {to_rfc3339(held.since)}" if held else "somebody who has just begun"
        return MigrationHeld(
            f"the migration of {table} in {self._place} is run by {who}",
            remedy="Follow it with `interlock migration status`, or stop that process first.",
            by=held.by if held else None,
            since=held.since if held else None,
        )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """A transaction that waits for other writers at its beginning (SQLite), or at each lock (Postgres)."""
        self._connection.exec_driver_sql("BEGIN" if self.is_postgres else "BEGIN IMMEDIATE")
        try:
            if self.is_postgres:
                self._set_patience("SET LOCAL")
            yield
            self._connection.exec_driver_sql("COMMIT")
        except BaseException:
            with suppress(sa.exc.SQLAlchemyError):
                self._connection.exec_driver_sql("ROLLBACK")
            raise

    def _set_patience(self, how: str) -> None:
        self._connection.exec_driver_sql(f"{how} lock_timeout = {max(1, round(self._patience_s * 1000))}")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            raise translated(error, self._place, self._secrets) from None  # the cause may repeat a secret


@dataclass(slots=True)
class SqlTableTransaction:
    """See the port. versions: of the positions that it wrote, which hold once it has ended well."""

    database: SqlTables
    versions: dict[str, int]

    def __init__(self, database: SqlTables) -> None:
        self.database, self.versions = database, {}

    def run(self, statement: str) -> None:
        self.database.driven(statement)

    def first_rows(self, query: str, limit: int) -> Sequence[Sequence[Any]]:
        return [tuple(row) for row in self.database.driven(query).fetchmany(limit)]

    def count(self, query: str) -> int:
        return int(self.database.driven(query).scalar() or 0)

    def key(self, batch: Batch, after: Key | None, size: int) -> Key | None:
        sql = batch.first_sql if after is None else batch.next_sql
        row = self.database.driven(sql, bounds(after, size=size)).first()
        found = None if row is None else key_of(tuple(row))
        if found is not None and found == after:
            raise KeyUnusable(
                f"a row of {batch.table} is found again beyond its own key, so that there would be no end",
                remedy="Use a key that is read as exactly as it is kept: single precision is not.",
            )
        return found

    def copy(self, batch: Batch, after: Key | None, upto: Key) -> None:
        self.database.driven(batch.start_sql if after is None else batch.sql, bounds(after, upto))

    def keep(self, kept: Kept) -> None:
        self.versions[kept.table] = self.database.keep(kept)


def _is_gone(mark: str) -> bool:
    """Whether the process of a mark ended; False where that cannot be told, as on another host."""
    host, _, rest = mark.partition(" ")
    process = rest.partition(" ")[0]
    if host != socket.gethostname() or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _lock(name: str) -> int:
    """A key of an advisory lock: 63 bits of the name's digest."""
    return int.from_bytes(hashlib.sha256(f"interlock {name}".encode()).digest()[:8], "big") >> 1
