"""Keys, parameters and faults as drivers have them."""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from interlock.adapters.databases.translate import (
    KeyUnusable,
    fault_of,
    for_psycopg,
    key_of,
    secrets_of,
    translated,
    value_of,
    without,
)

zones = st.timezones() | st.just(UTC) | st.just(timezone(timedelta(hours=5, minutes=30)))
values = st.one_of(
    st.integers(),
    st.text(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False),
    st.datetimes(),
    st.dates(),
    st.uuids(),
    st.binary(),
)


@given(values)
def test_a_key_that_is_written_down_is_the_key_that_is_read(value: Any) -> None:
    """The same value of the same type, for every type that a key may have."""
    (part,) = key_of((value,))
    again = value_of(part)
    assert again == value
    assert type(again) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        datetime(2013, 1, 1, 5, tzinfo=UTC),
        datetime(2013, 1, 1, 5, tzinfo=timezone(timedelta(hours=-5))),
        date(1, 1, 1),
    ],
)
def test_times_keep_their_offset(value: Any) -> None:
    """An instant comes back as the same instant."""
    assert value_of(key_of((value,))[0]) == value


@pytest.mark.parametrize("value", [None, True, [1], timedelta(1)])
def test_a_key_that_has_no_order_is_refused(value: Any) -> None:
    """With what to declare instead."""
    with pytest.raises(KeyUnusable):
        key_of((value,))


def test_parameters_stand_outside_of_quotes() -> None:
    """Texts, names and casts stay as they are; a percent sign is doubled, as the driver wants it."""
    sql = """UPDATE "a:size" SET x = 'it''s :after_0, 5 %' WHERE id > :after_0 AND t < a::date LIMIT :size"""
    assert for_psycopg(sql) == (
        """UPDATE "a:size" SET x = 'it''s :after_0, 5 %%' WHERE id > %(after_0)s AND t < a::date LIMIT %(size)s"""
    )
    assert for_psycopg(":after_10 :upto_1 :other") == "%(after_10)s %(upto_1)s :other"


def from_sqlite(code: int) -> sa.exc.OperationalError:
    error = sqlite3.OperationalError("says")
    error.sqlite_errorcode = code
    return sa.exc.OperationalError("", {}, error)


class Refused(Exception):
    """As psycopg raises it."""

    def __init__(self, sqlstate: str | None) -> None:
        super().__init__("says")
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (from_sqlite(sqlite3.SQLITE_FULL), "full"),
        (from_sqlite(sqlite3.SQLITE_BUSY), "busy"),
        (from_sqlite(sqlite3.SQLITE_IOERR), "silent"),
        (from_sqlite(sqlite3.SQLITE_ERROR), "refused"),
        (sa.exc.OperationalError("", {}, Refused("53100")), "full"),
        (sa.exc.OperationalError("", {}, Refused("55P03")), "busy"),
        (sa.exc.OperationalError("", {}, Refused("40P01")), "busy"),
        (sa.exc.OperationalError("", {}, Refused("57P01")), "silent"),
        (sa.exc.OperationalError("", {}, Refused("08006")), "silent"),
        (sa.exc.OperationalError("", {}, Refused(None)), "silent"),
        (sa.exc.ProgrammingError("", {}, Refused("42703")), "refused"),
        (sa.exc.TimeoutError(), "silent"),
        (sa.exc.InvalidRequestError(), "refused"),
    ],
)
def test_who_must_move_next(error: sa.exc.SQLAlchemyError, fault: str) -> None:
    """Away, busy and full are told apart from what the database will never do."""
    assert fault_of(error) == fault
    told = translated(error, "books", ())
    assert told.code == f"database.{fault}"
    assert "books" in told.message


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("postgresql://me:hunter2@host/books", "hunter2"),
        ("postgresql://me:h%40nter2@host/books", "h@nter2"),
        ("postgresql://host/books?user=me&password=hunter2", "hunter2"),
    ],
)
def test_secrets_are_known_in_each_spelling(url: str, secret: str) -> None:
    """Whatever a driver repeats of an address, the password is not in it."""
    assert secret not in without(f"could not connect to {url} with {secret}", secrets_of(url))


def test_an_address_without_a_password_hides_nothing_else() -> None:
    """The words of a message stay."""
    assert without("no such table", secrets_of("sqlite:///a.db")) == "no such table"
    assert value_of(key_of((UUID(int=7), Decimal("1.50")))[1]) == Decimal("1.50")
