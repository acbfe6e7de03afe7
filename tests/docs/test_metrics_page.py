"""The examples of docs/metrics.md: its documents load, its queries run, its outcomes are taken."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from interlock.adapters.metrics.sql import SqlSource
from interlock.adapters.metrics.translate import promql
from interlock.adapters.metrics.warehouse import reading_query
from interlock.adapters.workspace.kinds import METRIC
from interlock.adapters.workspace.loader import WorkspaceFiles
from interlock.domain.checks.metric import Arms, Metric, Sampled, Span
from support.gate_world import GateWorld

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
END = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
SPAN = Span(END - timedelta(seconds=60), END)
SURROUNDINGS = """\
kind: Workspace
name: shop
people: {alex: {}, sam: {}}
---
kind: Service
name: scorer
owner: alex
serving: 1
versions: {1: {endpoints: ["h:1"]}, 2: {endpoints: ["h:2"]}}
"""


def blocks(language: str) -> list[str]:
    return [body for tag, body in BLOCK.findall(PAGE) if tag == language]


@pytest.fixture
def declared(tmp_path: Path) -> dict[str, Metric]:
    """Everything that the page declares, in one workspace without a finding."""
    (tmp_path / "interlock.yaml").write_text(SURROUNDINGS)
    (tmp_path / "page.yaml").write_text("---\n".join(blocks("yaml")))
    workspace, findings = WorkspaceFiles(tmp_path).load()
    assert findings == []
    assert set(workspace.changes) == {"page", "compared", "rescaled"}
    return dict(workspace.metrics)


def test_the_promql_has_placeholders_that_are_filled(declared: dict[str, Metric]) -> None:
    """Nothing of `$` is left, and both queries count over the same releases."""
    query = declared["refusals"].query
    assert query is not None
    for text in (query.text, query.bad):
        filled = promql(text, Arms("r2", "r1"), SPAN)
        assert "$" not in filled
        assert 'release=~"r2|r1"' in filled
        assert "[60000ms]" in filled


def test_the_statement_of_the_warehouse_runs(declared: dict[str, Metric], tmp_path: Path) -> None:
    """On a table as the page assumes it, with the versions as arms."""
    with sqlite3.connect(tmp_path / "x.db") as database:
        database.execute("CREATE TABLE answers (version TEXT, wait_s REAL, answered_s REAL)")
        at_s = SPAN.start.timestamp()
        rows = [("1", 3.0, at_s), ("2", 4.0, at_s + 1), ("2", 9.0, at_s - 1), ("1", 9.0, END.timestamp())]
        database.executemany("INSERT INTO answers VALUES (?, ?, ?)", rows)
    query = declared["waits"].query
    assert query is not None
    source = SqlSource(f"sqlite:///{tmp_path}/x.db")
    assert source.read(query, Arms("2", "1"), SPAN) == Sampled((4.0,), (3.0,))
    source.close()


def test_the_sql_is_one_statement_that_reads() -> None:
    """For Postgres and for DuckDB, with all of its placeholders known."""
    values: dict[str, str | float] = {"candidate": "r2", "baseline": "r1", "start": "a", "end": "b"}
    for text in blocks("sql"):
        for dialect in ("postgres", "duckdb"):
            assert "'r2'" in reading_query(text, dialect, values)


def test_every_field_is_explained() -> None:
    """The table and the text name each field of the kind."""
    told = set(re.findall(r"`(\w+)`", PAGE)) | set(re.findall(r"^(\w+):", PAGE, re.MULTILINE))
    assert set(METRIC["properties"]) - {"description"} <= told


@pytest.fixture
def world(tmp_path: Path) -> Iterator[GateWorld]:
    made = GateWorld(tmp_path)
    yield made
    made.close()


def test_the_posted_outcome_is_taken(world: GateWorld) -> None:
    """As the page writes it."""
    body: Any = json.loads(blocks("json")[0])
    assert world.client.post("/v1/outcomes", json=body).json() == {"received": 1, "new": 1}
