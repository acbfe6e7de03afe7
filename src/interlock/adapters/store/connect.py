"""Connections. The `begin` event is where both databases are made to behave alike: a writer waits here for the
writer before it, so everything it reads stays true until it commits; a reader takes a snapshot.

SQLite: the driver must not begin by itself (`isolation_level = None`), and a writer begins IMMEDIATE, since a
transaction that reads first and then turns writer fails at once when another one wrote in between. The log
is synchronised at each commit (`synchronous = FULL`): with NORMAL a power cut loses the last commits, and an
approval that someone was told is recorded must not vanish.
Postgres: an advisory lock that ends with the transaction.
"""

from __future__ import annotations

import math
import sqlite3
from typing import Any

import sqlalchemy as sa

from interlock.adapters.store.faults import StoreUrlInvalid

WRITER_LOCK = 0x17E210C4
"""Key of the Postgres advisory lock that every Interlock writer of a database takes."""


def connect(url: str, patience_s: float) -> sa.Engine:
    """An engine for `sqlite:///path`, `postgresql://...` or `postgresql+psycopg://...`; connects to nothing yet.

    patience_s: the longest wait for the writer before, or for a free connection; then Unavailable.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed, patience_s)
    return _postgres(parsed, patience_s)


def _parsed(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise StoreUrlInvalid("the store's address is not a URL", remedy=_EXAMPLES) from error
    backend = parsed.get_backend_name()
    if backend == "sqlite" and parsed.database and parsed.database != ":memory:":
        return parsed.set(drivername="sqlite+pysqlite")
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    shown = parsed.render_as_string(hide_password=True)
    raise StoreUrlInvalid(f"{shown} names no file of SQLite and no Postgres database", remedy=_EXAMPLES)


_EXAMPLES = "Write it like sqlite:///interlock.db or postgresql://user@host/interlock."


def _sqlite(url: sa.URL, patience_s: float) -> sa.Engine:
    engine = sa.create_engine(url, pool_timeout=patience_s, max_overflow=32)

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {math.ceil(patience_s * 1000)}")
        _turn_on_log(connection, attempts=32)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN" if _is_reader(connection) else "BEGIN IMMEDIATE")

    return engine


def _turn_on_log(connection: sqlite3.Connection, attempts: int) -> None:
    """Write-ahead logging, which a file keeps once it has it. While another process is turning it on, SQLite
    may refuse without waiting (both hold a lock that the other needs); beginning as a writer does wait.
    """
    for left in reversed(range(attempts)):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or not left:
                raise
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("COMMIT")


def _postgres(url: sa.URL, patience_s: float) -> sa.Engine:
    try:
        engine = sa.create_engine(
            url,
            pool_timeout=patience_s,
            max_overflow=32,
            pool_pre_ping=True,
            connect_args={"connect_timeout": max(2, math.ceil(patience_s))},
        )
    except ModuleNotFoundError as error:
        raise StoreUrlInvalid(
            "this address needs the Postgres driver, which is not installed",
            remedy="Install it with: pip install 'interlock[postgres]'",
        ) from error

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.execute(f"SET lock_timeout = {math.ceil(patience_s * 1000)}")
        connection.commit()

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        if _is_reader(connection):
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        else:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITER_LOCK})")

    return engine


def _is_reader(connection: sa.Connection) -> bool:
    return bool(connection.get_execution_options().get("read_only"))
