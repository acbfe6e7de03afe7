"""SQL sources: what a statement may be, and what its rows may say."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from interlock.adapters.metrics.guard import no_word_that_writes, one_reading_statement
from interlock.adapters.metrics.source import SourceUrlInvalid
from interlock.adapters.metrics.sql import SqlSource
from interlock.adapters.metrics.translate import Senseless, reading_of_rows
from interlock.domain.checks.metric import Arms, Count, Counted, Gives, MetricQuery, NoReading, Sampled, Span

ARMS = Arms("r2", "r1")
END = datetime(2026, 5, 1, 8, 1, tzinfo=UTC)
SPAN = Span(END - timedelta(seconds=60), END)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "facts.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE facts (arm TEXT, cost REAL)")
        connection.exec_driver_sql("INSERT INTO facts VALUES ('r1', 1.0), ('r2', 2.0)")
    engine.dispose()
    return path


@pytest.fixture
def source(database: Path) -> Iterator[SqlSource]:
    opened = SqlSource(f"sqlite:///{database}", timeout_s=0.3, row_limit=1_000)
    yield opened
    opened.close()


def ask(source: SqlSource, sql: str, gives: Gives = "values") -> Any:
    return source.read(MetricQuery("m", gives, sql), ARMS, SPAN)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM facts",
        "",
        "SELECT 1; DELETE FROM facts",
        "SELECT E'\\'' ; COMMIT; DROP TABLE facts --'",
        "PRAGMA query_only = OFF",
        "EXPLAIN SELECT 1",
        "-- select\nDROP TABLE facts",
    ],
)
def test_only_one_reading_statement_is_asked(sql: str) -> None:
    """What does not begin as a query, or holds a second statement, is not sent."""
    with pytest.raises(Senseless):
        one_reading_statement(sql)


def test_comments_and_a_final_semicolon_are_fine() -> None:
    """A statement as people write it."""
    sql = "/* both arms */ -- grouped\n  WITH a AS (SELECT 1) SELECT * FROM a"
    assert one_reading_statement(f"{sql} ;\n") == sql


def test_words_that_write_are_refused_where_no_transaction_protects() -> None:
    """Whole words alone: a column may be called `updated_at`."""
    no_word_that_writes("SELECT arm, updated_at FROM created_things")
    for sql in ("WITH x AS (DELETE FROM t RETURNING 1) SELECT * FROM x", "SELECT 1 INTO t"):
        with pytest.raises(Senseless):
            no_word_that_writes(sql)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("r1", 10, 1), ("r2", Decimal(5), 0), ("r2", 5.0, 2), ("r0", 9, 9)], Counted(Count(10, 2), Count(10, 1))),
        ([("r1", 10, 11), ("r2", 5, 0)], "invalid"),
        ([("r1", 10, -1), ("r2", 5, 0)], "invalid"),
        ([("r1", 10, None), ("r2", 5, 0)], "invalid"),
        ([("r1", 10.5, 1), ("r2", 5, 0)], "invalid"),
        ([("r1", float("nan"), 1), ("r2", 5, 0)], "invalid"),
        ([("r1", 10), ("r2", 5)], "invalid"),
        ([("r1", 10, 1), ("r2", 0, 0)], "empty"),
        ([("r1", 10, 1)], "empty"),
        ([], "empty"),
    ],
)
def test_rows_of_counts(rows: list[Any], expected: Any) -> None:
    """Rows of an arm add up; what counts nothing is told; no requests of an arm are no evidence."""
    found = reading_of_rows("counts", rows, ARMS)
    assert (found.lack if isinstance(found, NoReading) else found) == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("r1", 1), ("r2", Decimal("2.5")), ("r2", "3")], Sampled((2.5, 3.0), (1.0,))),
        ([("r1", 1), ("r2", None)], "invalid"),
        ([("r1", 1), ("r2", float("inf"))], "invalid"),
        ([("r1", 1), ("r2", True)], "invalid"),
        ([("r1", 1, 2)], "invalid"),
        ([("r2", 1)], "empty"),
    ],
)
def test_rows_of_values(rows: list[Any], expected: Any) -> None:
    """Finite numbers of both arms, or the reason why not."""
    found = reading_of_rows("values", rows, ARMS)
    assert (found.lack if isinstance(found, NoReading) else found) == expected


def test_times_and_arms_are_bound(source: SqlSource) -> None:
    """Every placeholder has its value; text is never pasted into a statement."""
    sql = "SELECT :candidate, :start_s UNION ALL SELECT :baseline, :end_s WHERE :start < :end"
    assert ask(source, sql) == Sampled((SPAN.start.timestamp(),), (SPAN.end.timestamp(),))
    assert ask(source, "SELECT :candidate, :later").lack == "invalid"


def test_a_query_that_crashes_is_told(source: SqlSource) -> None:
    """Unknown tables and columns, and syntax, are the query's fault."""
    for sql in ("SELECT arm, x FROM facts", "SELECT * FROM nowhere", "SELECT FROM WHERE"):
        found = ask(source, sql)
        assert found.lack == "invalid"
        assert "the query failed" in found.because


def test_a_query_cannot_write(source: SqlSource, database: Path) -> None:
    """Neither in disguise nor by turning the protection off; the facts are as before."""
    for sql in ("WITH x AS (SELECT 1) INSERT INTO facts SELECT 'r1', 9", "WITH x AS (SELECT 1) DELETE FROM facts"):
        assert ask(source, sql).lack == "invalid"
    assert ask(source, "SELECT arm, cost FROM facts") == Sampled((2.0,), (1.0,))


def test_a_query_without_end_is_stopped(source: SqlSource) -> None:
    """After the time limit, and the source goes on working."""
    began = time.monotonic()
    found = ask(
        source, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT 'r1', sum(i) FROM n"
    )
    assert found.lack == "unavailable"
    assert time.monotonic() - began < 5
    assert isinstance(ask(source, "SELECT arm, cost FROM facts"), Sampled)


def test_too_many_rows_are_not_read(source: SqlSource) -> None:
    """The limit is told, with what would help."""
    sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2000) SELECT 'r1', i FROM n"
    found = ask(source, sql)
    assert found.lack == "invalid"
    assert "Aggregate" in found.remedy


def test_a_database_that_is_gone_is_unavailable(tmp_path: Path) -> None:
    """No file and no way to make one."""
    source = SqlSource(f"sqlite:///{tmp_path}/nowhere/facts.db")
    assert ask(source, "SELECT 1, 2").lack == "unavailable"
    source.close()


@pytest.mark.parametrize("url", ["", "nonsense", "oracle9://x/y"])
def test_addresses_that_cannot_be_used_are_refused(url: str) -> None:
    """When the source is declared, not when it is first asked."""
    with pytest.raises(SourceUrlInvalid):
        SqlSource(url)
