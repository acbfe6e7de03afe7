"""What Postgres itself guards and limits for a metric source."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from interlock.adapters.metrics.sql import SqlSource
from interlock.domain.checks.metric import Arms, MetricQuery, Sampled, Span
from support.metric_server import free_port
from support.postgres import empty_schema

SCHEMAS = itertools.count(1)
END = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def source(postgres: str) -> Iterator[SqlSource]:
    with empty_schema(postgres, f"guarded{next(SCHEMAS)}") as url:
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "CREATE TABLE facts AS SELECT * FROM (VALUES ('r1', 1), ('r2', 2)) t(arm, cost)"
            )
            connection.exec_driver_sql("CREATE SEQUENCE steps")
        engine.dispose()
        opened = SqlSource(url, timeout_s=0.2)
        yield opened
        opened.close()


def ask(source: SqlSource, sql: str) -> Any:
    return source.read(MetricQuery("m", "values", sql), Arms("r2", "r1"), Span(END - timedelta(seconds=60), END))


@pytest.mark.parametrize(
    "sql",
    [
        "WITH gone AS (DELETE FROM facts RETURNING arm, cost) SELECT * FROM gone",
        "SELECT arm, cost INTO copied FROM facts",
        "SELECT 'r1', nextval('steps')",
        "SELECT 'r1', set_config('transaction_read_only', 'off', true)::int",
    ],
)
def test_a_read_only_transaction_refuses_writes(source: SqlSource, sql: str) -> None:
    """Whatever a query does in disguise; the facts are as before."""
    assert ask(source, sql).lack == "invalid"
    sql = "SELECT arm, cost FROM facts WHERE CAST(:start AS timestamptz) < :end"
    assert ask(source, sql) == Sampled((2.0,), (1.0,))


def test_a_slow_statement_is_stopped_by_the_server(source: SqlSource) -> None:
    """Its time is over, which is the database's trouble and not the query's sense."""
    found = ask(source, "SELECT 'r1', 1 FROM pg_sleep(30)")
    assert found.lack == "unavailable"
    assert "timeout" in found.because


def test_a_server_that_is_gone_is_unavailable() -> None:
    """Nobody listens; no password is told."""
    source = SqlSource(f"postgresql+psycopg://reader:secret@127.0.0.1:{free_port()}/metrics")
    found = ask(source, "SELECT 1, 2")
    assert found.lack == "unavailable"
    assert "secret" not in found.because
    source.close()
