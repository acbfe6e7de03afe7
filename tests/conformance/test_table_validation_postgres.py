"""The same conditions and guesses on Postgres and SQLite: what is compiled for them counts the same as DuckDB."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import duckdb
import pytest
import sqlalchemy as sa

from interlock.adapters.schemas.infer import inferred
from interlock.adapters.schemas.tables import Table, opened
from interlock.adapters.schemas.validate import validated
from interlock.domain.schemas.contract import Check, Contract, Object, Reference, Rule
from interlock.domain.schemas.field import Bool, Date, Decimal, Field, Float, Int, String, Timestamp
from support.postgres import embedded_postgres

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # Ibis 12 with DuckDB 1.5

COLUMNS = """
i AS id, CASE WHEN i % 10 = 0 THEN NULL ELSE i % 7 END AS a, CAST(i * 1.5 AS DOUBLE PRECISION) AS x,
'c' || CAST(i % 3 AS TEXT) AS c, CAST('2020-01-' || CAST(10 + i % 20 AS TEXT) AS DATE) AS d,
CAST('2020-01-01 10:00' AS TIMESTAMP) AS at, CAST(i % 5 AS DECIMAL(10, 2)) AS m, i % 2 = 0 AS b,
CASE WHEN i % 4 = 0 THEN '2020-02-30' ELSE '2020-02-20' END AS t
"""
DECLARED = """
id BIGINT NOT NULL, a INTEGER, x DOUBLE PRECISION, c TEXT, d DATE, at TIMESTAMP, m DECIMAL(10, 2), b BOOLEAN, t TEXT
"""
CUSTOMERS = Object("customers", (Field("k", Int(64)),))
ORDERS = Object(
    "orders",
    (
        Field("id", Int(64), minimum=1, is_unique=True),
        Field("a", Int(8), nullable=True, enum=(0, 1, 2)),
        Field("x", Float(64), maximum=100.5, multiple_of=3),
        Field("c", String(), pattern="^c[01]$", min_length=3),
        Field("d", Date(), more_than=18_277),
        Field("at", Timestamp("us", is_zoned=False), less_than=0),
        Field("m", Decimal(3, 1), maximum=3.5),
        Field("b", Bool(), enum=(True,)),
    ),
    unique=(("a", "c"),),
    references=(Reference(("a",), "customers", ("k",)), Reference(("id", "a"), "orders", ("id", "a"))),
    checks=(
        Check("sums", "x = id * 1.5 AND NOT (a > 5 AND b)"),
        Check("days", "d >= CAST('2020-01-12' AS DATE)"),
        Check("text", "starts_with(c, 'c') AND substring(c, 2, 1) <> '2' OR x > 50"),
        Check("null keeps", "a < 100"),
        Check("times", "at = at AND (a IS NOT NULL OR length(c) = 2)"),
    ),
    rules=(
        Rule("few", "null_values", "a", at_most=0.05, is_share=True),
        Rule("many", "sql", at_least=100, query="SELECT count(*) FROM {object}"),
        Rule("known", "invalid_values", "c", at_most=0, arguments={"validValues": ("c0", "c1")}),
    ),
)
CONTRACT = Contract("orders", "1", (ORDERS, CUSTOMERS))


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with embedded_postgres() as url:
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            for name, columns, rows in (("orders", COLUMNS, 99), ("customers", "i AS k", 4)):
                query = f"CREATE TABLE {name} AS SELECT {columns} FROM generate_series(0, {rows}) AS t(i)"
                connection.exec_driver_sql(query.replace("%", "%%"))
        engine.dispose()
        yield url


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("sqlite") / "shop.db"
    rows = duckdb.sql(f"SELECT {COLUMNS} FROM range(100) AS t(i)").fetchall()
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE orders ({DECLARED})")
        connection.execute("CREATE TABLE customers (k BIGINT)")
        for *head, d, at, m, b, t in rows:
            values = (*head, d.isoformat(), at.isoformat(" "), float(m), int(b), t)
            connection.execute(f"INSERT INTO orders VALUES ({', '.join('?' * len(values))})", values)
        connection.executemany("INSERT INTO customers VALUES (?)", [(k,) for k in range(5)])
    connection.close()
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> str:
    place = tmp_path_factory.mktemp("duckdb") / "shop.duckdb"
    with duckdb.connect(str(place)) as connection:
        connection.execute(f"CREATE TABLE orders AS SELECT {COLUMNS} FROM range(100) AS t(i)")
        connection.execute("CREATE TABLE customers AS SELECT i AS k FROM range(5) AS t(i)")
    return f"duckdb://{place}"


def counts(table: Table) -> dict[str, tuple[str, object, object]]:
    """Verdict, broken rows (none where the column's type proves it) and measured figure of each part."""
    told = validated(table, CONTRACT, ORDERS, "orders", examples=0).measurement
    return {p.name: (p.verdict.kind, p.facts.get("broken", 0), p.facts.get("measured")) for p in told.parts}


@pytest.mark.parametrize("engine", ["postgres", "sqlite"])
def test_engines_count_the_same_as_duckdb(engine: str, files: str, request: pytest.FixtureRequest) -> None:
    """Every condition, key, row check, reference and rule has the same verdict and the same rows on both."""
    with opened("orders", request.getfixturevalue(engine)) as table:
        found = counts(table)
    with opened("orders", files) as table:
        expected = counts(table)
    assert found == expected
    assert {kind for kind, _, _ in found.values()} == {"pass", "fail"}
    broken = {name: count for name, (_, count, _) in found.items() if name.startswith(("check", "a ref", "id, a"))}
    assert broken == {
        "check sums": 5,
        "check days": 10,
        "check text": 11,
        "check null keeps": 0,
        "check times": 0,
        "a reference": 25,
        "id, a reference": 0,
    }


@pytest.mark.parametrize("engine", ["postgres", "sqlite", "files"])
def test_a_contract_is_guessed_from_a_database(engine: str, request: pytest.FixtureRequest) -> None:
    """Types come from the table; nulls and ranges from its rows. Text that names no day is no date anywhere."""
    with opened("orders", request.getfixturevalue(engine)) as table:
        found = inferred(table, "", "1", 1000)
        sampled = inferred(table, "", "1", 50)
    with opened("orders", request.getfixturevalue(engine)) as table:
        again = inferred(table, "", "1", 50)
    by_name = {f.name: f for f in found.contract.fields}
    assert isinstance(by_name["at"].type, Timestamp)
    assert isinstance(by_name["d"].type, Date)
    assert by_name["a"].nullable
    assert not by_name["id"].nullable
    assert by_name["t"].format == ""
    assert found.rows == 100
    assert 20 < sampled.rows < 80
    assert sampled.guesses == again.guesses
