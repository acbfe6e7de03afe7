"""SQL against a database that SQLAlchemy reaches: Postgres and SQLite without anything more to install.

A question runs in a transaction that can only read (Postgres: READ ONLY; SQLite: `query_only`; others: no word
that could write), with a time limit where the database has one, and is always rolled back. Values are bound, never
pasted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from interlock.adapters.metrics.guard import no_word_that_writes, one_reading_statement
from interlock.adapters.metrics.source import SourceUrlInvalid
from interlock.adapters.metrics.translate import Senseless, binds, reading_of_rows, senseless
from interlock.domain.checks.metric import Arms, MetricQuery, NoReading, Reading, Span

ROW_LIMIT = 1_000_000
SQLITE_STEPS = 10_000
"""Virtual machine steps of SQLite between two looks at the clock."""


class SqlSource:
    """One database. url: SQLAlchemy's; timeout_s: for one statement, where the database can be stopped."""

    def __init__(self, url: str, timeout_s: float = 10.0, row_limit: int = ROW_LIMIT) -> None:
        try:
            self._engine = sa.create_engine(url, pool_pre_ping=True)
        except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
            raise SourceUrlInvalid(
                f"this address of a database cannot be used: {error}",
                remedy="Write it like postgresql+psycopg://reader@host/metrics, and install its driver.",
            ) from error
        except ValueError as error:
            says = "this address of a database cannot be taken apart"
            raise SourceUrlInvalid(says, remedy="Write @, : and / in a password as %40, %3A and %2F.") from error
        self._timeout_s = timeout_s
        self._row_limit = row_limit

    def read(self, query: MetricQuery, arms: Arms, span: Span) -> Reading:
        """The statement's rows as a reading."""
        try:
            statement = one_reading_statement(query.text)
            if self._engine.dialect.name not in ("postgresql", "sqlite"):
                no_word_that_writes(statement)
            return reading_of_rows(query.gives, self._rows(statement, binds(arms, span)), arms)
        except Senseless as wrong:
            return wrong.reading
        except sa.exc.DBAPIError as error:
            return _failed(error)
        except sa.exc.SQLAlchemyError as error:
            return NoReading("invalid", f"the query cannot be run: {_first_line(error)}")

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()

    def _rows(self, statement: str, values: dict[str, str | float]) -> list[Any]:
        with self._engine.connect() as connection, _only_reading(connection, self._timeout_s):
            result = connection.execute(sa.text(statement), values)
            rows = result.fetchmany(self._row_limit + 1)
        if len(rows) > self._row_limit:
            raise senseless(f"the query returns more than {self._row_limit:,} rows", "Aggregate in the query.")
        return list(rows)


@contextmanager
def _only_reading(connection: sa.Connection, timeout_s: float) -> Iterator[None]:
    """A transaction that cannot write, limited in time, and undone at its end."""
    name = connection.dialect.name
    if name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {math.ceil(timeout_s * 1000)}")
    if name == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only = ON")
        _limit_sqlite(connection, time.monotonic() + timeout_s)
    try:
        yield
    finally:
        if name == "sqlite":
            _limit_sqlite(connection, None)
        connection.rollback()


def _limit_sqlite(connection: sa.Connection, until: float | None) -> None:
    driver: Any = connection.connection.driver_connection
    is_over = None if until is None else lambda: time.monotonic() > until
    driver.set_progress_handler(is_over, SQLITE_STEPS)


def _failed(error: sa.exc.DBAPIError) -> NoReading:
    says = _first_line(error.orig or error)
    if error.connection_invalidated or (
        isinstance(error, sa.exc.OperationalError) and not _is_about_the_query(says)
    ):
        return NoReading("unavailable", f"the database does not answer: {says}")
    return NoReading("invalid", f"the query failed: {says}", "Try the query in the database itself.")


def _is_about_the_query(says: str) -> bool:
    """SQLite reports unknown tables and columns in the class of lost connections."""
    return says.startswith(("no such", "near ", "attempt to write", "ambiguous", "row value", "wrong number"))


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
