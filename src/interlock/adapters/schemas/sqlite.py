"""What SQLite lacks: the functions that Ibis' SQL for it calls, and columns whose values keep to their type.

A column of SQLite holds values of any type, whatever was declared (sqlite.org/datatype3.html), so that each value
is asked for its own. Dates and times are text there; they are compared in one canonical form, in UTC where they
name a zone.
"""

from __future__ import annotations

import datetime
import math
import random
import re
from collections.abc import Callable
from functools import cache
from typing import Any, Literal

from interlock.domain.schemas.field import Bool, Date, Decimal, Float, Int, Number, String, Time, Timestamp, Type

_MICROSECONDS: Literal["microseconds"] = "microseconds"


def prepare_sqlite(connection: Any) -> None:
    """Gives a connection of the sqlite3 module the functions that Ibis' SQL for SQLite calls, and ours."""
    functions: tuple[tuple[str, int, Callable[..., Any]], ...] = (
        ("_IBIS_REGEX_SEARCH", 2, _searched),
        ("floor", 1, lambda v: None if v is None else float(math.floor(v))),
        ("ceil", 1, lambda v: None if v is None else float(math.ceil(v))),
        ("mod", 2, _rest),
        ("_interlock_date", 1, canonical_date),
        ("_interlock_time", 1, canonical_time),
        ("_interlock_timestamp", 1, canonical_timestamp),
    )
    for name, arguments, function in functions:
        connection.create_function(name, arguments, function, deterministic=True)
    connection.create_function("_interlock_chance", 0, random.Random(1).random)


def _rest(number: int | None, by: int | None) -> int | None:
    """With the sign of the number, as in SQL."""
    if number is None or not by:
        return None
    return abs(number) % abs(by) * (-1 if number < 0 else 1)


def _searched(text: Any, pattern: str) -> bool | None:
    return None if text is None else _compiled(pattern).search(str(text)) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """In Python `$` is also true before a last newline, unlike in other engines."""
    ends = re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\$", lambda m: r"\Z" if m[0] == "$" else m[0], pattern)
    return re.compile(ends, re.ASCII)


def canonical_date(text: Any) -> str | None:
    """YYYY-MM-DD; None for what is no date."""
    return _read(text, r"[0-9]{4}-[0-9]{2}-[0-9]{2}", lambda t: datetime.date.fromisoformat(t).isoformat())


def canonical_time(text: Any) -> str | None:
    """HH:MM:SS.ffffff; None for what is no time of a day."""
    return _read(
        text,
        r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?",
        lambda t: datetime.time.fromisoformat(t).isoformat(_MICROSECONDS),
    )


def canonical_timestamp(text: Any) -> str | None:
    """YYYY-MM-DD HH:MM:SS.ffffff, in UTC when the text names an offset; None for what is no timestamp."""
    return _read(text, r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:.*", _timestamp)


def _timestamp(text: str) -> str:
    moment = datetime.datetime.fromisoformat(text)
    plain = moment.astimezone(datetime.UTC).replace(tzinfo=None) if moment.tzinfo else moment
    return plain.isoformat(" ", _MICROSECONDS)


def _read(text: Any, pattern: str, as_text: Callable[[str], str]) -> str | None:
    if not isinstance(text, str) or not re.fullmatch(pattern, text, re.ASCII):
        return None
    try:
        return as_text(text)
    except (ValueError, OverflowError):
        return None


def chance() -> Any:
    """A number from 0 to below 1 for each row; the same ones on each new connection."""
    return _function("_interlock_chance", "float64")()


@cache
def _function(name: str, gives: str, takes: tuple[str, ...] = ()) -> Any:
    import ibis

    def declared(*_: Any) -> Any: ...

    return ibis.udf.scalar.builtin(declared, name=name, signature=(takes, gives))


def moment_of(text: Any, kind: str, claimed: str = "string") -> Any:
    """Text in the canonical form of `kind` (date, time, timestamp), which Ibis is told is `claimed`; null where it
    is none.
    """
    return _function(f"_interlock_{kind}", claimed, ("string",))(text)


def from_sqlite(column: Any, wanted: Type) -> tuple[Any, Any]:
    """The column with null for each value that is of no type it should have, and which ones those are."""
    import ibis

    found = column.type()
    if isinstance(wanted, Date | Time | Timestamp) and (found.is_string() or found.is_temporal()):
        text = ibis.ifelse(column.typeof() == "text", column.cast("string"), ibis.null("string"))
        typed = moment_of(text, wanted.kind)
        return typed, column.notnull() & typed.isnull()
    match wanted:
        case Bool():
            is_one = (column.typeof() == "integer") & column.cast("int64").isin((0, 1))
        case Int():
            is_one = column.typeof() == "integer"
        case Float() | Number() | Decimal():
            is_one = column.typeof().isin(("integer", "real"))
        case String():
            is_one = column.typeof() == "text"
        case _:
            return column, None
    return is_one.ifelse(column, ibis.null(found(nullable=True))), column.notnull() & ~is_one
