"""Postgres' own ways to fail."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from interlock.adapters.store.sql import SqlStore
from interlock.domain.audit.chain import verify
from interlock.domain.audit.event import Event
from interlock.kernel.errors import Unavailable
from support.postgres import empty_schema

EVENT = Event(datetime(2026, 5, 1, tzinfo=UTC), "ana", "change.opened", "change:x")
SCHEMAS = itertools.count(1)


@pytest.fixture
def store(postgres: str) -> Iterator[SqlStore]:
    with empty_schema(postgres, f"postgres{next(SCHEMAS)}") as url:
        opened = SqlStore(url, patience_s=0.1)
        yield opened
        opened.close()


def break_connections(postgres: str) -> None:
    """End every session but this one, as a restart of the server does."""
    engine = sa.create_engine(postgres)
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    with engine.connect() as connection:
        connection.execute(sa.text(f"{others} AND pid <> pg_backend_pid()"))
    engine.dispose()


def append_across_a_break(store: SqlStore, postgres: str) -> None:
    with store.transaction() as tx:
        tx.append(EVENT)
        break_connections(postgres)
        tx.append(EVENT)


def test_a_lost_connection_undoes_its_transaction_and_the_next_one_connects_again(
    store: SqlStore, postgres: str
) -> None:
    """The caller is told to wait; nothing of the transaction stays."""
    with store.transaction() as tx:
        tx.append(EVENT)
    with pytest.raises(Unavailable) as lost:
        append_across_a_break(store, postgres)
    assert lost.value.code == "store.unavailable"
    with store.transaction() as tx:
        assert tx.append(EVENT).seq == 2
        assert verify(tx.trail(), tx.head()) == []


def test_connections_lost_between_transactions_are_not_noticed(store: SqlStore, postgres: str) -> None:
    """A server that was restarted while nobody asked is simply connected to again."""
    with store.transaction() as tx:
        tx.append(EVENT)
    break_connections(postgres)
    with store.transaction() as tx:
        assert tx.append(EVENT).seq == 2


def test_a_writer_that_waits_too_long_for_another_is_told(store: SqlStore) -> None:
    """While one transaction writes for longer than the patience, the next is Unavailable, then fine."""
    with store.transaction() as slow:
        slow.append(EVENT)
        with pytest.raises(Unavailable, match="lock timeout"), store.transaction():
            pass
    with store.transaction() as tx:
        assert tx.append(EVENT).seq == 2


def test_a_database_that_does_not_exist_is_unavailable(postgres: str) -> None:
    """The server answers, but not for this name."""
    nowhere = sa.make_url(postgres).set(database="nowhere").render_as_string(hide_password=False)
    with pytest.raises(Unavailable, match="nowhere"):
        SqlStore(nowhere)
