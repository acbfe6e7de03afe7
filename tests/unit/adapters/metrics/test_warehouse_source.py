"""A warehouse through Ibis, tested with DuckDB."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from interlock.adapters.metrics.source import SourceUrlInvalid
from interlock.adapters.metrics.warehouse import WarehouseSource, reading_query
from interlock.domain.checks.metric import Arms, Gives, MetricQuery, Sampled, Span

duckdb = pytest.importorskip("duckdb")
pytest.importorskip("ibis")
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # Ibis 12 with DuckDB 1.5

ARMS = Arms("r2", "r1")
END = datetime(2026, 5, 1, 8, 1, tzinfo=UTC)
SPAN = Span(END - timedelta(seconds=60), END)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[WarehouseSource]:
    path = tmp_path / "facts.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE facts AS SELECT * FROM (VALUES ('r1', 1.0), ('r2', 2.0)) t(arm, cost)")
    opened = WarehouseSource(f"duckdb://{path}?read_only=True", row_limit=1_000)
    yield opened
    opened.close()


def ask(source: WarehouseSource, sql: str, gives: Gives = "values") -> Any:
    return source.read(MetricQuery("m", gives, sql), ARMS, SPAN)


def test_placeholders_become_literals(source: WarehouseSource) -> None:
    """Values are written as literals, so a quote stays inside; unknown ones are told."""
    assert ask(source, "SELECT :candidate, :start_s UNION ALL SELECT :baseline, 1 WHERE :start < :end") == Sampled(
        (SPAN.start.timestamp(),), (1.0,)
    )
    assert reading_query("SELECT :candidate", "duckdb", {"candidate": "it's"}) == "SELECT 'it''s'"
    assert ask(source, "SELECT :later, 1").lack == "invalid"
    untouched = "SELECT 'a :candidate', x::TEXT, [1, 2][1:2] /* :later */"
    assert ":candidate" in reading_query(untouched, "duckdb", {"candidate": "r2"})


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE facts",
        "SELECT 1; DROP TABLE facts",
        "WITH x AS (DELETE FROM facts RETURNING arm, cost) SELECT * FROM x",
        "SELECT arm, cost INTO copy FROM facts",
        "SELECT arm FROM",
        "SELECT arm, x FROM facts",
        "SELECT * FROM nowhere",
    ],
)
def test_what_writes_or_crashes_is_no_reading(source: WarehouseSource, sql: str) -> None:
    """Told with a reason, and the facts are as before."""
    assert ask(source, sql).lack == "invalid"
    assert ask(source, "SELECT arm, cost FROM facts") == Sampled((2.0,), (1.0,))


def test_too_many_rows_are_not_read(source: WarehouseSource) -> None:
    """The limit holds before rows are taken."""
    assert ask(source, "SELECT 'r1', range FROM range(100000)").lack == "invalid"


def test_a_warehouse_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    """When the source is declared."""
    with pytest.raises(SourceUrlInvalid):
        WarehouseSource(f"duckdb://{tmp_path}/nowhere/facts.duckdb?read_only=True")
    with pytest.raises(SourceUrlInvalid):
        WarehouseSource("nonsense://x")


def test_nothing_heavy_is_loaded_until_a_warehouse_is_opened() -> None:
    """Importing the adapter loads neither Ibis nor DuckDB."""
    statement = (
        "import interlock.adapters.metrics.warehouse, sys; print({'ibis', 'duckdb', 'sqlglot'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", statement], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
