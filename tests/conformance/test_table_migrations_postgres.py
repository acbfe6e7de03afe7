"""What only a server does to a migration: connections that go, and secrets in what it says."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from interlock.adapters.databases.open import DeclaredDatabases
from interlock.adapters.databases.translate import KeyUnusable
from interlock.domain.catalog.database import Database
from interlock.engine.migration_runner import Progress
from interlock.engine.tables import DatabaseSilent
from support.postgres import empty_schema
from support.tables import Moving

SCHEMAS = itertools.count(1)


@pytest.fixture
def moving(postgres: str) -> Iterator[Moving]:
    with empty_schema(postgres, f"moving{next(SCHEMAS)}") as url:
        yield Moving(url)


def test_a_connection_that_is_lost_is_made_again(moving: Moving, postgres: str) -> None:
    """Between two batches the server ends the session; the run says so, connects again and ends well."""
    lost = iter([True])

    def report(told: Progress) -> None:
        moving.told.append(told)
        if told.kind == "copy" and told.position.copied.rows > 100 and next(lost, False):
            end_holder(postgres)

    (reached,) = moving.runner(report).run("better")
    assert reached.is_there
    assert "trying again in" in next(one.says for one in moving.told if one.kind == "trouble")
    rows = [one.position.copied.rows for one in moving.told if one.kind == "copy"]
    assert rows == sorted(rows)
    assert moving.table.rows("SELECT count(*) FROM flights WHERE km IS NULL") == [(0,)]


def end_holder(url: str) -> None:
    """End the session that has an advisory lock, as a restart of the server does."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    held = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
    with engine.connect() as connection:
        ended = (
            connection.exec_driver_sql(f"SELECT pg_terminate_backend(pid) FROM ({held}) AS held").scalars().all()
        )
    assert ended == [True]


def test_a_key_that_is_not_read_as_it_is_kept_ends_the_run(moving: Moving) -> None:
    """Single precision is read as other numbers than it is compared by: the last row would be found for ever."""
    moving.table.run("ALTER TABLE flights ALTER id TYPE real USING id + 0.1")
    with pytest.raises(KeyUnusable, match="a row of flights is found again beyond its own key"):
        moving.runner().run("better")


def test_a_password_is_in_no_message(postgres: str) -> None:
    """A server that refuses the connection repeats much of the address; not the password, in no spelling."""
    wrong = sa.make_url(postgres).set(username="nobody", password="hunt er2")
    shown: Any = wrong.render_as_string(hide_password=False)
    declared = {"air": Database("air", "postgres", url_env="AIR")}
    with pytest.raises(DatabaseSilent) as told:
        DeclaredDatabases(lambda: declared, Path(), {"AIR": shown}).open("air")
    assert "hunt" not in str(told.value)
    assert "air" in str(told.value)
