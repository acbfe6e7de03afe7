"""Connections to declared databases. Addresses are read here, when a database is opened, and nowhere else."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from interlock.adapters.databases.tables import SqlTables
from interlock.adapters.databases.translate import secrets_of
from interlock.domain.catalog.database import Database
from interlock.engine.tables import DatabaseAddress, DatabaseMissing, TableDatabase
from interlock.kernel.ident import did_you_mean

CONNECT_S = 5


@dataclass(frozen=True, slots=True)
class DeclaredDatabases:
    """The databases that `declared` gives, asked anew at each opening. root: where relative paths of SQLite begin;
    patience_s: the longest wait for a lock.
    """

    declared: Callable[[], Mapping[str, Database]]
    root: Path
    variables: Mapping[str, str] = field(default_factory=lambda: os.environ)
    patience_s: float = 2.0

    def open(self, name: str) -> TableDatabase:
        """See the port."""
        known = self.declared()
        if name not in known:
            remedy = did_you_mean(name, known) or "Declare it under databases: in interlock.yaml."
            raise DatabaseMissing(f"no database is named {name!r}", remedy=remedy)
        database = known[name]
        url = self._address(database)
        engine = _engine(database, url, self.root, self.patience_s)
        return SqlTables(engine, name, secrets_of(url), self.patience_s)

    def _address(self, database: Database) -> str:
        if not database.url_env:
            return database.url
        if not (url := self.variables.get(database.url_env)):
            raise DatabaseAddress(
                f"the environment variable {database.url_env}, which holds the address of {database.name}, "
                "is not set",
                remedy=f"Set {database.url_env} where this runs.",
                where=database.where,
            )
        return url


def _engine(database: Database, url: str, root: Path, patience_s: float) -> sa.Engine:
    """One connection at a time, which begins no transaction by itself."""
    parsed = _parsed(database, url)
    if database.dialect == "sqlite":
        return _sqlite(parsed, root, patience_s)
    try:
        return sa.create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            poolclass=sa.pool.NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"connect_timeout": CONNECT_S, "keepalives_idle": 15, "prepare_threshold": None},
        )
    except ModuleNotFoundError:
        raise DatabaseAddress(
            f"the database {database.name} needs the Postgres driver, which is not installed",
            remedy="Install it with: pip install 'interlock[postgres]'",
        ) from None


def _parsed(database: Database, url: str) -> sa.URL:
    wanted = {"postgres": ("postgresql", "postgres"), "sqlite": ("sqlite",)}[database.dialect]
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):  # the cause repeats the address
        parsed = None
    if parsed is None or parsed.drivername.partition("+")[0] not in wanted:
        raise DatabaseAddress(
            f"the address of {database.name} is not one of {database.dialect}",
            remedy="Write it like sqlite:///file.db or postgresql://user:password@host/name; in a password write "
            "@, : and / as %40, %3A and %2F.",
            where=database.where,
        )
    return parsed


def _sqlite(url: sa.URL, root: Path, patience_s: float) -> sa.Engine:
    place = (root / (url.database or "")).resolve()
    if not place.is_file():
        raise DatabaseAddress(
            f"there is no SQLite database at {place}",
            remedy="Relative paths begin at the workspace; a database that is not there has no table to migrate.",
        )
    engine = sa.create_engine(
        sa.URL.create("sqlite+pysqlite", database=str(place)),
        poolclass=sa.pool.NullPool,
        connect_args={"check_same_thread": False},
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {math.ceil(patience_s * 1000)}")

    return engine
