"""The same conditions and guesses on Postgres: what Ibis compiles for it counts the same rows as DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa

from interlock.adapters.schemas.infer import inferred
from interlock.adapters.schemas.tables import Table, opened
from interlock.adapters.schemas.validate import validated
from interlock.domain.schemas.contract import Contract, Object, Rule
from interlock.domain.schemas.field import Date, Decimal, Field, Float, Int, String, Timestamp
from support.postgres import embedded_postgres

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # Ibis 12 with DuckDB 1.5

COLUMNS = """
i AS id, CASE WHEN i % 10 = 0 THEN NULL ELSE i % 7 END AS a, CAST(i * 1.5 AS DOUBLE PRECISION) AS x,
'c' || CAST(i % 3 AS TEXT) AS c, CAST('2020-01-01' AS DATE) AS d, CAST('2020-01-01 10:00' AS TIMESTAMP) AS at,
CAST(i % 5 AS DECIMAL(10, 2)) AS m
"""
ORDERS = Object(
    "orders",
    (
        Field("id", Int(64), minimum=1, is_unique=True),
        Field("a", Int(8), enum=(0, 1, 2)),
        Field("x", Float(64), maximum=100.5, multiple_of=3),
        Field("c", String(), pattern="^c[01]$", min_length=3),
        Field("d", Date(), more_than=18_262),
        Field("at", Timestamp("us", is_zoned=False), less_than=0),
        Field("m", Decimal(3, 1), maximum=3.5),
    ),
    unique=(("a", "c"),),
    rules=(
        Rule("few", "null_values", "a", at_most=0.05, is_share=True),
        Rule("many", "sql", at_least=100, query="SELECT count(*) FROM {object}"),
        Rule("known", "invalid_values", "c", at_most=0, arguments={"validValues": ("c0", "c1")}),
    ),
)
CONTRACT = Contract("orders", "1", (ORDERS,))


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with embedded_postgres() as url:
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql(
                f"CREATE TABLE orders AS SELECT {COLUMNS} FROM generate_series(0, 99) AS t(i)".replace("%", "%%")
            )
        engine.dispose()
        yield url


def counts(table: Table) -> dict[str, tuple[str, object, object]]:
    """Verdict, broken rows and measured figure of each part."""
    told = validated(table, CONTRACT, ORDERS, "orders").measurement
    return {p.name: (p.verdict.kind, p.facts.get("broken"), p.facts.get("measured")) for p in told.parts}


def test_postgres_and_duckdb_count_the_same(postgres: str, tmp_path: Path) -> None:
    """Every condition, key and rule has the same verdict and the same rows on both."""
    path = str(tmp_path / "orders.parquet")
    duckdb.sql(f"COPY (SELECT {COLUMNS} FROM range(100) AS t(i)) TO '{path}'")
    with opened("orders", postgres) as table:
        on_postgres = counts(table)
    with opened(path) as table:
        on_duckdb = counts(table)
    assert on_postgres == on_duckdb
    assert sum(kind == "fail" for kind, _, _ in on_postgres.values()) == 13


def test_a_contract_is_guessed_from_postgres(postgres: str) -> None:
    """Types come from the table; nulls and ranges from its rows."""
    with opened("orders", postgres) as table:
        found = inferred(table, "", "1", 1000)
    by_name = {f.name: f for f in found.contract.fields}
    assert isinstance(by_name["at"].type, Timestamp)
    assert by_name["a"].nullable
    assert not by_name["id"].nullable
    assert found.rows == 100
