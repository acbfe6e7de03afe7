"""Profiles of columns: the same figures on DuckDB, Postgres, SQLite and in files, as far as engines have them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy
import pytest
import sqlalchemy as sa

from interlock.adapters.schemas.profiles import profiles
from interlock.adapters.schemas.tables import opened
from interlock.domain.lenses.profile import LEVELS, Profile
from support.postgres import embedded_postgres

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # Ibis 12 with DuckDB 1.5

ROWS = [
    (i, None if i % 10 == 0 else i * 1.5, ("UA", "AA", "DL", "UA")[i % 4], None if i % 2 else f"N{i}", i % 3 == 0)
    for i in range(1, 101)
]
DECLARED = "n BIGINT, x DOUBLE PRECISION, c TEXT, t TEXT, b BOOLEAN"
WANTED = {
    ("n",): Profile(100, 0.0, 100, tuple(1 + 99 * level for level in LEVELS)),
    ("x",): Profile(100, 0.1, 90, tuple(numpy.quantile([x for _, x, *_ in ROWS if x is not None], LEVELS))),
    ("c",): Profile(100, 0.0, 3, (), (("UA", 0.5), ("AA", 0.25), ("DL", 0.25)), (2.0, 2.0, 2.0)),
}


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with embedded_postgres() as url:
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE TABLE rows ({DECLARED})")
            connection.exec_driver_sql("INSERT INTO rows VALUES (%s, %s, %s, %s, %s)", ROWS)
        engine.dispose()
        yield url


def same(found: Profile, wanted: Profile) -> None:
    """Figures within rounding."""
    assert found.nulls == pytest.approx(wanted.nulls)
    assert found.quantiles == pytest.approx(wanted.quantiles, rel=1e-9)
    assert replace(found, nulls=0, quantiles=()) == replace(wanted, nulls=0, quantiles=())


def test_postgres(postgres: str) -> None:
    """Quantiles by percentile_cont."""
    with opened("rows", postgres) as table:
        found = profiles(table, 1000)
    for path, wanted in WANTED.items():
        same(found[path], wanted)
    assert dict(found["b",].values) == {"True": 0.33, "False": 0.67}


def test_sqlite(tmp_path: Path) -> None:
    """Which has no quantiles; everything else is the same."""
    with sqlite3.connect(tmp_path / "rows.db") as held:
        held.execute(f"CREATE TABLE rows ({DECLARED})")
        held.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?)", ROWS)
    with opened("rows", f"sqlite:///{tmp_path}/rows.db") as table:
        found = profiles(table, 1000)
    for path, wanted in WANTED.items():
        same(found[path], replace(wanted, quantiles=()))


@pytest.mark.parametrize("form", ["csv", "parquet", "json"])
def test_files(tmp_path: Path, form: str) -> None:
    """Text of CSV is a number where all of it is; objects have profiles of their fields."""
    path = tmp_path / f"rows.{form}"
    nested = "" if form == "csv" else ", {'n': n} AS o"
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE rows ({DECLARED})")
        connection.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?)", ROWS)
        connection.execute(f"COPY (SELECT *{nested} FROM rows) TO '{path}' (FORMAT {form})")
    with opened(str(path), "") as table:
        found = profiles(table, 1000)
    for name, wanted in WANTED.items():
        lengths = found[name].lengths if name != ("c",) else wanted.lengths
        same(found[name], replace(wanted, lengths=lengths))
    if form != "csv":
        same(found["o", "n"], WANTED["n",])


def test_a_large_table_is_sampled(tmp_path: Path) -> None:
    """The same rows each time, so that a draft is the same each time."""
    path = tmp_path / "rows.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT i AS n FROM range(50000) t(i)) TO '{path}'")
    with opened(str(path), "") as table:
        first = profiles(table, 1000)
    with opened(str(path), "") as table:
        again = profiles(table, 1000)
    assert 500 < first["n",].rows < 2000
    assert first == again
