"""Keys as text and back, parameters in each driver's way, and faults in Interlock's words. Pure.

SQLite's result codes: https://www.sqlite.org/rescode.html; Postgres' SQLSTATE: appendix A of its manual.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, assert_never
from urllib.parse import quote, unquote
from uuid import UUID

import sqlalchemy as sa

from interlock.domain.migrations.position import Key, KeyPart
from interlock.engine.tables import (
    DatabaseBusy,
    DatabaseFull,
    DatabaseSilent,
    StatementRefused,
)
from interlock.kernel.errors import InterlockError, Invalid


class KeyUnusable(Invalid):
    """A key column has values that cannot be written down exactly."""

    code = "migration.key"


def key_of(values: Sequence[Any]) -> Key:
    """A row of key columns as text that gives the same values again."""
    return tuple(map(_part, values))


def _part(value: Any) -> KeyPart:
    match value:
        case bool() | None:
            raise KeyUnusable(
                f"a key column holds {value!r}, by which rows have no order",
                remedy="Declare key: with the columns of the primary key.",
            )
        case int():
            return KeyPart("integer", str(value))
        case str():
            return KeyPart("text", value)
        case Decimal():
            return KeyPart("decimal", str(value))
        case float():
            return KeyPart("number", value.hex())
        case datetime():
            return KeyPart("moment" if value.tzinfo is None else "instant", value.isoformat())
        case date():
            return KeyPart("date", value.isoformat())
        case UUID():
            return KeyPart("uuid", str(value))
        case bytes() | memoryview():
            return KeyPart("bytes", bytes(value).hex())
        case _:
            raise KeyUnusable(
                f"a key column has the type {type(value).__name__}, which cannot be written down",
                remedy="Use a key of numbers, text, times or UUIDs.",
            )


def value_of(part: KeyPart) -> Any:
    """The value that was written down."""
    match part.kind:
        case "integer":
            return int(part.text)
        case "text":
            return part.text
        case "decimal":
            return Decimal(part.text)
        case "number":
            return float.fromhex(part.text)
        case "instant" | "moment":
            return datetime.fromisoformat(part.text)
        case "date":
            return date.fromisoformat(part.text)
        case "uuid":
            return UUID(part.text)
        case "bytes":
            return bytes.fromhex(part.text)
        case _ as unreachable:
            assert_never(unreachable)


def bounds(after: Key | None, upto: Key | None = None, size: int | None = None) -> dict[str, Any]:
    """The parameters of a batch."""
    values = {f"after_{i}": value_of(part) for i, part in enumerate(after or ())}
    values |= {f"upto_{i}": value_of(part) for i, part in enumerate(upto or ())}
    return values if size is None else values | {"size": size}


_PARAMETER = re.compile(
    r"""('(?:[^']|'')*'|"(?:[^"]|"")*")|(?<![:\w]):(after_\d+|upto_\d+|size)\b""",
)


def for_psycopg(sql: str) -> str:
    """`:size` as `%(size)s`, outside of quotes; a percent sign doubled everywhere."""

    def replaced(found: re.Match[str]) -> str:
        return found[1] or f"%({found[2]})s"

    return _PARAMETER.sub(replaced, sql.replace("%", "%%"))


def secrets_of(url: str) -> tuple[str, ...]:
    """Every text that no message may hold, longest first: the address, and its password in each spelling."""
    user = url.partition("://")[2].rpartition("@")[0]
    found = {url, user.partition(":")[2], *re.findall(r"password=([^&]*)", url)}
    spelled = {form for one in found for form in (one, quote(one, safe=""), unquote(one))}
    return tuple(sorted(filter(None, spelled), key=len, reverse=True))


def without(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


_RESUME = "What was done stays done; run `interlock migration run` again once that is mended."
Fault = Literal["silent", "busy", "full", "refused"]


def fault_of(error: sa.exc.SQLAlchemyError) -> Fault:
    """What kind of trouble the driver tells of."""
    if isinstance(error, sa.exc.TimeoutError):
        return "silent"
    if not isinstance(error, sa.exc.DBAPIError) or error.orig is None:
        return "refused"
    if isinstance(error.orig, sqlite3.Error):
        return _of_sqlite(error.orig)
    return "silent" if error.connection_invalidated else _of_postgres(getattr(error.orig, "sqlstate", None))


def _of_sqlite(error: sqlite3.Error) -> Fault:
    match getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF:
        case sqlite3.SQLITE_FULL:
            return "full"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:
            return "busy"
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_IOERR | sqlite3.SQLITE_NOMEM:
            return "silent"
        case _:
            return "refused"


def _of_postgres(state: str | None) -> Fault:
    """A fault without a state is one of the connection: the server had no chance to say anything."""
    match state:
        case None:
            return "silent"
        case "53100":
            return "full"
        case "55P03" | "40001" | "40P01":
            return "busy"
        case _ if state[:2] in ("08", "53", "57", "58"):
            return "silent"
        case _:
            return "refused"


def translated(error: sa.exc.SQLAlchemyError, name: str, secrets: Iterable[str]) -> InterlockError:
    """The error in Interlock's words. name: how people know the database."""
    orig = getattr(error, "orig", None) or error
    says = without(" ".join(str(orig).split()), secrets)
    match fault_of(error):
        case "silent":
            return DatabaseSilent(f"the database {name} does not answer: {says}", remedy=_RESUME)
        case "busy":
            return DatabaseBusy(f"others hold a lock in the database {name}: {says}", remedy=_RESUME)
        case "full":
            return DatabaseFull(f"no space is left for the database {name}: {says}", remedy=f"Free some. {_RESUME}")
        case "refused":
            return StatementRefused(f"the database {name} refuses: {says}", remedy=_RESUME)
        case _ as unreachable:
            assert_never(unreachable)
