"""What can go wrong with a database, in Interlock's words: who must move next, and what would help.

SQLite's result codes: https://www.sqlite.org/rescode.html; Postgres' SQLSTATE classes: appendix A of its manual.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from interlock.kernel.errors import InterlockError, Invalid, Invariant, Refused, Stale, Unavailable


class StoreUnavailable(Unavailable):
    """The database cannot be opened or reached, or another writer holds it for too long."""

    code = "store.unavailable"


class StoreFull(Unavailable):
    """No space is left for the database; what was under way is undone."""

    code = "store.full"


class StoreCorrupt(Invalid):
    """What is there is not an Interlock database, or no longer a readable one."""

    code = "store.corrupt"


class StoreNewer(Refused):
    """A newer release of Interlock has written this database."""

    code = "store.newer"


class StoreForeign(Invalid):
    """The database has tables of the same names that are not Interlock's."""

    code = "store.foreign"


class StoreUrlInvalid(Invalid):
    """The address names no database that Interlock can use."""

    code = "store.url"


class Unstorable(Invalid):
    """A value that no database can hold unchanged."""

    code = "store.value"


class DocumentStale(Stale):
    """Someone else wrote the document since it was read."""

    code = "document.stale"


class StoreBroken(Invariant):
    """The database refused a statement that it must accept."""

    code = "store.broken"


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Let no exception of the database or its driver pass; `place` is how people know the database."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        raise translate(error, place) from error


def translate(error: sa.exc.SQLAlchemyError, place: str) -> InterlockError:
    """The error in Interlock's words."""
    if isinstance(error, sa.exc.TimeoutError):
        return _unavailable(place, "all connections are in use")
    if not isinstance(error, sa.exc.DBAPIError) or error.orig is None:
        return StoreBroken(f"the store at {place} failed: {error}")
    if isinstance(error.orig, sqlite3.Error):
        return _from_sqlite(error.orig, place)
    return _from_postgres(error.orig, place)


def _from_sqlite(error: sqlite3.Error, place: str) -> InterlockError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)  # absent when the driver itself refuses
    match code & 0xFF:
        case sqlite3.SQLITE_FULL:
            return _full(place, error)
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return StoreCorrupt(
                f"{place} is not a readable SQLite database: {error}",
                remedy="Restore it from a backup, or give the path of another file.",
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:
            return _unavailable(place, f"another writer holds it ({error})")
        case (
            sqlite3.SQLITE_CANTOPEN
            | sqlite3.SQLITE_IOERR
            | sqlite3.SQLITE_READONLY
            | sqlite3.SQLITE_PERM
            | sqlite3.SQLITE_NOMEM
        ):
            return _unavailable(place, str(error))
        case _:
            return StoreBroken(f"the store at {place} failed: {error}")


def _from_postgres(error: BaseException, place: str) -> InterlockError:
    state = getattr(error, "sqlstate", None)
    says = " ".join(str(error).split())
    match state, (state or "")[:2]:
        case "53100", _:
            return _full(place, error)
        case (None | "55P03" | "25006", _) | (_, "08" | "28" | "3D" | "53" | "57" | "58"):
            return _unavailable(place, says)
        case _, "40":
            return DocumentStale(f"the store at {place} undid this transaction for another one: {says}")
        case "XX001" | "XX002", _:
            return StoreCorrupt(f"the database at {place} is damaged: {says}", remedy="Restore it from a backup.")
        case _:
            return StoreBroken(f"the store at {place} failed: {says}")


def _full(place: str, error: BaseException) -> StoreFull:
    return StoreFull(
        f"no space is left for the store at {place}, nothing was half done: {error}",
        remedy="Free some disk space and try again; traffic keeps flowing meanwhile.",
    )


def _unavailable(place: str, says: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"the store at {place} cannot be used now: {says}",
        remedy="Check that it is there, running and writable, then try again; traffic keeps flowing meanwhile.",
    )
