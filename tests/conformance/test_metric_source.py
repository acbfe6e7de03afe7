"""One suite for every source of metrics: SQLite, Postgres, a warehouse, and a real Prometheus if there is one.

Each has the same facts: release r1 had 200 requests of which 4 were bad and costs of 1, 2 and 3; release r2 had
50 of which 5 were bad and costs of 4 and 6; release r3 is unknown; `broken_cost` is no finite number for r2.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from interlock.adapters.metrics.prometheus import PrometheusSource
from interlock.adapters.metrics.sql import SqlSource
from interlock.adapters.metrics.warehouse import WarehouseSource
from interlock.domain.checks.metric import Arms, Count, Counted, MetricQuery, NoReading, Sampled, Span
from interlock.engine.ports import MetricSource
from support.gateway import eventually
from support.metric_server import PROMETHEUS, real_prometheus
from support.postgres import empty_schema

ARMS = Arms("r2", "r1")
SCHEMAS = itertools.count(1)
STATEMENTS = (
    "CREATE TABLE requests (arm VARCHAR, n INTEGER, bad INTEGER)",
    "CREATE TABLE costs (arm VARCHAR, cost DOUBLE PRECISION, broken DOUBLE PRECISION)",
    "INSERT INTO requests VALUES ('r1', 150, 4), ('r1', 50, 0), ('r2', 50, 5)",
    "INSERT INTO costs VALUES ('r1', 1, 1), ('r1', 2, 1), ('r1', 3, 1), ('r2', 4, NULL), ('r2', 6, NULL)",
)


@dataclass
class Place:
    """A source, the moment when its facts hold, and the questions in its language."""

    source: MetricSource
    counts: MetricQuery
    values: MetricQuery
    broken: MetricQuery
    unknown: MetricQuery
    nonsense: MetricQuery
    end: datetime

    def ask(self, query: MetricQuery, arms: Arms = ARMS) -> Any:
        return self.source.read(query, arms, Span(self.end - timedelta(seconds=60), self.end))


def in_sql(source: MetricSource) -> Place:
    return Place(
        source,
        MetricQuery("refusals", "counts", "SELECT arm, n, bad FROM requests WHERE arm IN (:candidate, :baseline)"),
        MetricQuery("cost", "values", "SELECT arm, cost FROM costs"),
        MetricQuery("broken", "values", "SELECT arm, broken FROM costs"),
        MetricQuery("unknown", "values", "SELECT arm, gain FROM costs"),
        MetricQuery("nonsense", "values", "SELECT arm cost FROM FROM costs"),
        datetime(2026, 5, 1, tzinfo=UTC),
    )


@contextmanager
def filled(url: str) -> Iterator[str]:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in STATEMENTS:
            connection.exec_driver_sql(statement)
    engine.dispose()
    yield url


@contextmanager
def in_warehouse(path: Path) -> Iterator[Place]:
    duckdb = pytest.importorskip("duckdb")
    pytest.importorskip("ibis")
    with duckdb.connect(str(path)) as connection:
        for statement in STATEMENTS:
            connection.execute(statement)
    yield in_sql(WarehouseSource(f"duckdb://{path}?read_only=True"))


@contextmanager
def in_prometheus(place: Path) -> Iterator[Place]:
    if PROMETHEUS is None:
        pytest.skip("no `prometheus` on the path (Debian: apt install prometheus)")
    exposed = pytest.importorskip("prometheus_client")
    registry = exposed.CollectorRegistry()
    answered = exposed.Counter("answers", "", ["release", "refused", "pod"], registry=registry)
    cost = exposed.Gauge("cost", "", ["release", "pod"], registry=registry)
    broken = exposed.Gauge("broken_cost", "", ["release"], registry=registry)
    for release, pod, good, bad in (("r1", "a", 146, 4), ("r1", "b", 50, 0), ("r2", "a", 45, 5)):
        answered.labels(release, "0", pod).inc(good)
        answered.labels(release, "1", pod).inc(bad)
    for release, value in (("r1", 1), ("r1", 2), ("r1", 3), ("r2", 4), ("r2", 6)):
        cost.labels(release, f"pod-{value}").set(value)
    broken.labels("r1").set(1)
    broken.labels("r2").set(float("nan"))
    server, thread = exposed.start_http_server(0, "127.0.0.1", registry=registry)
    try:
        with real_prometheus(place, server.server_port) as url:
            yield scraped(PrometheusSource(url))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def scraped(source: PrometheusSource) -> Place:
    place = Place(
        source,
        MetricQuery(
            "refusals",
            "counts",
            'sum by (release) (answers_total{release=~"$arms"})',
            bad='sum by (release) (answers_total{release=~"$arms", refused="1"})',
        ),
        MetricQuery("cost", "values", "cost"),
        MetricQuery("broken", "values", "broken_cost"),
        MetricQuery("unknown", "values", "gain"),
        MetricQuery("nonsense", "values", "sum by by (cost"),
        datetime.now(UTC),
    )

    def look() -> Any:
        place.end = datetime.now(UTC)
        return place.ask(place.values)

    eventually(look, lambda found: isinstance(found, Sampled), deadline_s=30)
    return place


@pytest.fixture(scope="module", params=["sqlite", "postgres", "warehouse", "prometheus"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Each source in turn, with the same facts."""
    folder = tmp_path_factory.mktemp("metrics")
    match request.param:
        case "sqlite":
            with filled(f"sqlite:///{folder}/facts.db") as url:
                found = in_sql(SqlSource(url))
                yield found
        case "postgres":
            schema = empty_schema(request.getfixturevalue("postgres"), f"metrics{next(SCHEMAS)}")
            with schema as empty, filled(empty) as url:
                found = in_sql(SqlSource(url))
                yield found
                found.source.close()
            return
        case "warehouse":
            with in_warehouse(folder / "facts.duckdb") as found:
                yield found
        case _:
            with in_prometheus(folder) as found:
                yield found
    found.source.close()


pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # Ibis 12 with DuckDB 1.5


def test_both_arms_are_counted(place: Place) -> None:
    """Rows and series of one arm add up."""
    assert place.ask(place.counts) == Counted(Count(50, 5), Count(200, 4))


def test_both_arms_are_sampled(place: Place) -> None:
    """Every value of either arm, in any order."""
    found = place.ask(place.values)
    assert isinstance(found, Sampled)
    assert (sorted(found.candidate), sorted(found.baseline)) == ([4.0, 6.0], [1.0, 2.0, 3.0])


def test_an_arm_that_is_unknown_is_empty(place: Place) -> None:
    """Not zero: nobody knows."""
    for query in (place.counts, place.values):
        found = place.ask(query, Arms("r3", "r1"))
        assert isinstance(found, NoReading)
        assert found.lack == "empty"
        assert "candidate (r3)" in found.because


def test_an_unknown_metric_is_no_reading(place: Place) -> None:
    """A database says that it is unknown; Prometheus, that there is nothing."""
    found = place.ask(place.unknown)
    assert isinstance(found, NoReading)
    assert found.lack in ("invalid", "empty")


def test_nonsense_is_told(place: Place) -> None:
    """With what the source itself says about it."""
    found = place.ask(place.nonsense)
    assert isinstance(found, NoReading)
    assert found.lack == "invalid"
    assert len(found.because) > 20


def test_what_is_no_number_is_told(place: Place) -> None:
    """NULL and NaN are not passed over."""
    found = place.ask(place.broken)
    assert isinstance(found, NoReading)
    assert found.lack == "invalid"


def test_a_source_answers_after_a_failure(place: Place) -> None:
    """A query that failed leaves nothing behind."""
    place.ask(place.nonsense)
    assert isinstance(place.ask(place.counts), Counted)
