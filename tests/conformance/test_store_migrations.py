"""Every migration, forward and back, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from interlock.adapters.store import migrate, tables
from interlock.adapters.store.connect import connect
from interlock.adapters.store.sql import SqlStore
from interlock.domain.audit.event import Event
from interlock.kernel.errors import Invalid, Refused


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    connected = connect(url, 10.0)
    yield connected
    connected.dispose()


def shape(connection: sa.Connection) -> dict[str, Any]:
    """Tables, columns, constraints and indexes as the database itself tells them."""
    seen = sa.inspect(connection)
    return {
        t: (
            [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in seen.get_columns(t)],
            seen.get_pk_constraint(t),
            seen.get_unique_constraints(t),
            seen.get_check_constraints(t),
            seen.get_indexes(t),
        )
        for t in sorted(seen.get_table_names())
        if t != tables.VERSION_TABLE
    }


def test_the_newest_migration_is_the_one_that_the_tables_name() -> None:
    """Opening compares with `tables.REVISION` alone, so it must be the last."""
    assert migrate.revisions()[-1] == tables.REVISION


def test_migrations_lead_to_the_tables_in_the_code(engine: sa.Engine) -> None:
    """Alembic's comparison finds nothing to do, and the constraints it does not look at are equal too."""
    with engine.begin() as connection:
        migrate.migrate(connection, tables.REVISION)
        context = MigrationContext.configure(
            connection,
            opts={"compare_type": True, "compare_server_default": True, "version_table": tables.VERSION_TABLE},
        )
        assert compare_metadata(context, tables.metadata) == []
        migrated = shape(connection)
        migrate.migrate(connection, migrate.BEFORE_ALL)
        tables.metadata.create_all(connection)
        assert shape(connection) == migrated


@pytest.mark.parametrize("target", migrate.revisions())
def test_a_downgrade_undoes_its_upgrade(engine: sa.Engine, target: str) -> None:
    """One migration forward, back and forward again: the same shape as before, then as after."""
    at = migrate.revisions().index(target)
    before = migrate.revisions()[at - 1] if at else migrate.BEFORE_ALL
    with engine.begin() as connection:
        if at:
            migrate.migrate(connection, before)
        lower = shape(connection)
        migrate.migrate(connection, target)
        upper = shape(connection)
        migrate.migrate(connection, before)
        assert shape(connection) == lower != upper
        migrate.migrate(connection, target)
        assert (shape(connection), migrate.revision(connection)) == (upper, target)


def test_a_migration_that_fails_leaves_the_database_as_it_was(engine: sa.Engine) -> None:
    """A table in the way stops the first migration half-way; none of its tables stays."""
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE blocks (mine TEXT)"))
    with pytest.raises(sa.exc.DBAPIError):
        run_all(engine)
    with engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == ["blocks"]


def run_all(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        migrate.migrate(connection, tables.REVISION)


def test_a_database_with_someone_elses_tables_is_refused(engine: sa.Engine, url: str) -> None:
    """A name that is taken is named, before anything is created."""
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE documents (mine TEXT)"))
    with pytest.raises(Invalid, match="did not create: documents") as refused:
        SqlStore(url)
    assert refused.value.code == "store.foreign"
    with engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == ["documents"]


def test_a_database_of_a_newer_release_is_refused_and_left_alone(url: str) -> None:
    """An older release neither reads nor changes what it does not know."""
    store = SqlStore(url)
    with store.transaction() as tx:
        tx.append(Event(datetime(2026, 5, 1, tzinfo=UTC), "ana", "change.opened", "change:x"))
    with store.engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE {tables.VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(Refused, match="revision 9999") as refused:
        SqlStore(url)
    assert refused.value.code == "store.newer"
    with store.engine.connect() as connection:
        assert migrate.revision(connection) == "9999"
        assert connection.scalar(sa.text("SELECT count(*) FROM audit")) == 1
    store.close()
