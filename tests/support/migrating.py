"""Databases on which migrations are run statement by statement, and what they hold, told in full."""

from __future__ import annotations

import atexit
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any, Protocol

from interlock.domain.migrations.migration import Batch, Dialect, MigrationStep
from support.postgres import embedded_postgres

Row = dict[str, Any]


class Refusal(Exception):
    """The database refused a statement, with its message."""


class Database(Protocol):
    """Where a migration runs."""

    dialect: Dialect

    def run(self, sql: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]: ...

    def columns(self) -> list[str]: ...

    @contextmanager
    def transaction(self) -> Iterator[None]: ...

    def told(self) -> Any: ...

    def close(self) -> None: ...


class Sqlite:
    """A database in memory. Triggers may fire themselves when `is_recursive`."""

    dialect: Dialect = "sqlite"

    def __init__(self, is_recursive: bool = False) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.execute(f"PRAGMA recursive_triggers = {is_recursive:d}")
        self.cursor = self.connection.cursor()

    def run(self, sql: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        try:
            return self.cursor.execute(sql, dict(values or {})).fetchall()
        except sqlite3.Error as error:
            raise Refusal(f"{error}: {sql[:2000]}") from error

    def columns(self) -> list[str]:
        return [one[0] for one in self.cursor.description]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.run("BEGIN")
        try:
            yield
        except BaseException:
            self.run("ROLLBACK")
            raise
        self.run("COMMIT")

    def told(self) -> Any:
        schema = sorted(self.run("SELECT type, name, tbl_name, sql FROM sqlite_master"), key=repr)
        tables = [name for kind, name, *_ in schema if kind == "table"]
        return schema, {name: sorted(self.run(f'SELECT * FROM "{name}"'), key=repr) for name in tables}

    def close(self) -> None:
        self.connection.close()


class Postgres:
    """A schema of a server."""

    dialect: Dialect = "postgres"

    def __init__(self, url: str, schema: str) -> None:
        import psycopg

        self.error = psycopg.Error
        self.connection = psycopg.connect(url.replace("+psycopg", ""), autocommit=True, prepare_threshold=None)
        self.cursor = self.connection.cursor()
        self.schema = schema
        self.run("SET client_min_messages = error")
        self.run(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')
        self.run(f'CREATE SCHEMA "{schema}"')
        self.run(f'SET search_path TO "{schema}"')

    def run(self, sql: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        try:
            if values:
                named = re.sub(r":(\w+)", r"%(\1)s", sql.replace("%", "%%"))
                self.cursor.execute(named.encode(), dict(values))
            else:
                self.cursor.execute(sql.encode())
            return self.cursor.fetchall() if self.cursor.description else []
        except self.error as error:
            raise Refusal(f"{error}: {sql[:2000]}") from error

    def columns(self) -> list[str]:
        return [one.name for one in self.cursor.description or ()]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self.connection.transaction():
            yield

    def told(self) -> Any:
        here = f"(SELECT oid FROM pg_namespace WHERE nspname = '{self.schema}')"
        schema = self.run(
            f"""SELECT relname, relkind, attname, format_type(atttypid, atttypmod), attnotnull,
                row_number() OVER (PARTITION BY pg_class.oid ORDER BY attnum), relacl::text, reloptions
            FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
            WHERE relnamespace = {here} AND attnum > 0 AND NOT attisdropped ORDER BY 1, 6"""
        )
        for query in (
            f"""SELECT conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint
            WHERE connamespace = {here}""",
            f"SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = '{self.schema}'",
            f"SELECT viewname, definition FROM pg_views WHERE schemaname = '{self.schema}'",
            f"SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = {here}",
            f"""SELECT tgname, pg_get_triggerdef(pg_trigger.oid)
            FROM pg_trigger JOIN pg_class ON tgrelid = pg_class.oid
            WHERE relnamespace = {here} AND NOT tgisinternal""",
        ):
            schema += sorted(self.run(query), key=repr)
        tables = self.run(f"SELECT tablename FROM pg_tables WHERE schemaname = '{self.schema}'")
        return schema, {name: sorted(self.run(f'SELECT * FROM "{name}"'), key=repr) for [name] in tables}

    def close(self) -> None:
        self.run(f'DROP SCHEMA IF EXISTS "{self.schema}" CASCADE')
        self.connection.close()


@cache
def postgres_server() -> str:
    """URL of one server for all tests that ask, until the run ends: starting one takes longer than most of them."""
    running = ExitStack()
    atexit.register(running.close)
    return running.enter_context(embedded_postgres())


def forward(database: Database, step: MigrationStep, size: int = 3) -> None:
    """Does the step, as a runner would."""
    _all(database, step.do, step.is_atomic)
    if step.batch is not None:
        backfill(database, step.batch, size)


def backward(database: Database, step: MigrationStep) -> None:
    _all(database, step.undo, step.is_atomic)


def _all(database: Database, statements: tuple[str, ...], is_atomic: bool) -> None:
    if not is_atomic:
        for sql in statements:
            database.run(sql)
        return
    with database.transaction():
        for sql in statements:
            database.run(sql)


def backfill(database: Database, batch: Batch, size: int) -> None:
    found = database.run(batch.first_sql, {"size": size})
    after: Row = {}
    while found:
        upto = {f"upto_{n}": value for n, value in enumerate(found[0])}
        database.run(batch.sql if after else batch.start_sql, {**after, **upto})
        after = {f"after_{n}": value for n, value in enumerate(found[0])}
        found = database.run(batch.next_sql, {**after, "size": size})
