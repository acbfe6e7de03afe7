"""Which of Interlock's errors a database's error becomes."""

from __future__ import annotations

import sqlite3

import pytest
import sqlalchemy as sa
from psycopg import errors as postgres

from interlock.adapters.store.faults import translate


def sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("as SQLite says")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("orig", "code"),
    [
        (sqlite_error(sqlite3.SQLITE_FULL), "store.full"),
        (sqlite_error(sqlite3.SQLITE_IOERR_WRITE), "store.unavailable"),
        (sqlite_error(sqlite3.SQLITE_READONLY_DBMOVED), "store.unavailable"),
        (sqlite_error(sqlite3.SQLITE_BUSY_SNAPSHOT), "store.unavailable"),
        (sqlite_error(sqlite3.SQLITE_CORRUPT_INDEX), "store.corrupt"),
        (sqlite_error(sqlite3.SQLITE_CONSTRAINT_NOTNULL), "store.broken"),
        (sqlite3.ProgrammingError("the driver says"), "store.broken"),
        (postgres.DiskFull("no space"), "store.full"),
        (postgres.TooManyConnections("busy"), "store.unavailable"),
        (postgres.CannotConnectNow("starting up"), "store.unavailable"),
        (postgres.ReadOnlySqlTransaction("a standby"), "store.unavailable"),
        (postgres.OperationalError("no answer"), "store.unavailable"),
        (postgres.SerializationFailure("again"), "document.stale"),
        (postgres.DeadlockDetected("again"), "document.stale"),
        (postgres.DataCorrupted("page 3"), "store.corrupt"),
        (postgres.UndefinedTable("gone"), "store.broken"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_database_error_says_who_must_move_next(orig: Exception, code: str) -> None:
    """Full, out of reach, damaged, overtaken, or our own bug; the place and the reason are in the message."""
    error = translate(sa.exc.DBAPIError("SELECT 1", None, orig), "sqlite:///interlock.db")
    assert error.code == code
    assert "sqlite:///interlock.db" in str(error)
    assert str(orig) in str(error)


def test_an_error_of_sqlalchemy_itself_is_a_bug_of_ours() -> None:
    """It has no cause in a database."""
    assert translate(sa.exc.InvalidRequestError("wrong use"), "x").code == "store.broken"
