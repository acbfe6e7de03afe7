"""A lens on a table: how columns are read, what does not fit, and what an engine refuses beforehand."""

from __future__ import annotations

import contextlib
import math
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from interlock.adapters.schemas.compute import EngineRefuses
from interlock.adapters.schemas.lens_fit import COLUMN_MISFIT
from interlock.adapters.schemas.lens_shapes import STRAY
from interlock.adapters.schemas.lens_tables import engine_of, lens_lacks, lens_table
from interlock.adapters.schemas.row_values import DataUnreadable
from interlock.adapters.schemas.tables import opened
from interlock.domain.lenses.ops import Add, Cast, Drop, Each, Fill, Head, Map, Nest, Program, Rename, Unit, Wrap
from interlock.domain.schemas.field import (
    BOOLEAN,
    INTEGER,
    NUMBER,
    STRING,
    Field,
    Float,
    Int,
    List,
    Struct,
    Timestamp,
)

ibis = pytest.importorskip("ibis")

INT64 = Int(64)


def translated(
    rows: list[dict[str, Any]],
    program: Program,
    source: tuple[Field, ...],
    target: tuple[Field, ...],
    schema: pa.Schema,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Accepted and rejected rows, on DuckDB."""
    backend = ibis.duckdb.connect()
    table = backend.create_table("t", pa.Table.from_pylist(rows, schema=schema))
    made = lens_table(table, program, source, target, "duckdb")
    return made.rows.to_pyarrow().to_pylist(), made.rejected.to_pyarrow().to_pylist()


def test_null_is_absent_only_where_a_field_may_be_absent_and_not_null() -> None:
    """Fill puts a value for null, and nothing for what is not there."""
    source = (Field("a", INT64, nullable=True), Field("b", INT64, required=False))
    schema = pa.schema([("a", pa.int64()), ("b", pa.int64())])
    accepted, rejected = translated([{"a": None, "b": None}], (Fill("a", 7), Fill("b", 7)), source, source, schema)
    assert accepted == [{"a": 7, "b": None}]
    assert rejected == []


def test_floats_that_are_not_finite_are_null_in_lists_too() -> None:
    """NaN and infinities, wherever they stand."""
    source = (Field("x", NUMBER, nullable=True), Field("l", List(Field("element", NUMBER, nullable=True))))
    schema = pa.schema([("x", pa.float64()), ("l", pa.list_(pa.float64()))])
    accepted, _ = translated([{"x": math.nan, "l": [math.inf, 1.5]}], (), source, source, schema)
    assert accepted == [{"x": None, "l": [None, 1.5]}]


def test_a_value_that_the_target_has_no_room_for_is_rejected_with_its_row() -> None:
    """An integer of eight bits has room for 127, and none for 128."""
    source, target = (Field("a", INT64),), (Field("a", Int(8)),)
    accepted, rejected = translated([{"a": 127}, {"a": 128}], (), source, target, pa.schema([("a", pa.int64())]))
    assert accepted == [{"a": 127}]
    assert rejected == [{"a": 128, "field": "a", "reason": COLUMN_MISFIT}]


def test_the_first_op_that_rejects_is_named() -> None:
    """A row that two ops reject is rejected by the first."""
    program = (Cast("a", "string", "integer"), Map("b", (("x", "y"),)))
    source = (Field("a", STRING), Field("b", STRING))
    target = (Field("a", INTEGER), Field("b", STRING))
    schema = pa.schema([("a", pa.string()), ("b", pa.string())])
    _, rejected = translated([{"a": "one", "b": "q"}, {"a": "1", "b": "q"}], program, source, target, schema)
    assert sorted(row["field"] for row in rejected) == ["a", "b"]


def test_rejected_rows_keep_columns_that_are_named_like_ours() -> None:
    """The two columns more take names that are free."""
    source, target = (Field("reason", STRING),), (Field("reason", INTEGER),)
    table = ibis.memtable(pa.table({"reason": ["x"]}))
    made = lens_table(table, (Cast("reason", "string", "integer"),), source, target, "duckdb")
    [row] = made.rejected.to_pyarrow().to_pylist()
    assert row["reason"] == "x"
    assert row[made.field] == "reason"


def test_ops_on_one_field_do_not_make_the_query_double() -> None:
    """A stage for each, every one naming the columns before it: twice the ops, four times the text at most."""
    short, long = (len(_query(tuple(Unit("a", 3, 2, integer=True) for _ in range(n)))) for n in (15, 30))
    assert long < 4 * short


def _query(program: Program) -> str:
    table = ibis.table({"a": "int64"}, name="t")
    made = lens_table(table, program, (Field("a", INT64),), (Field("a", INTEGER),), "duckdb")
    return str(ibis.to_sql(made.rows, dialect="duckdb"))


@pytest.mark.parametrize(
    ("program", "source", "target", "says"),
    [
        ((), (Field("a", INT64),), (), "left over"),
        ((Add("A", 1),), (Field("a", INT64),), (Field("a", INT64), Field("A", INT64)), "one name"),
        ((), (Field("a", INT64),), (Field("a", STRING),), "target's column is"),
        ((), (Field("a", STRING),), (Field("a", STRING),), "the column is int64"),
        ((), (Field("a", INT64), Field("z", INT64)), (Field("a", INT64), Field("z", INT64)), "no such column"),
        ((Unit("a", 2),), (Field("a", INT64),), (Field("a", Float(32)),), "double"),
        ((Map("a", ((1, "x"), (2, 3))),), (Field("a", INT64),), (Field("a", STRING),), "several types"),
    ],
)
def test_what_columns_cannot_hold_is_refused_before_anything_runs(
    program: Program, source: tuple[Field, ...], target: tuple[Field, ...], says: str
) -> None:
    """By the types alone, without looking at a row."""
    table = ibis.table({"a": "int64"}, name="t")
    with pytest.raises(EngineRefuses, match=says):
        lens_table(table, program, source, target, "duckdb")


def test_what_an_engine_lacks_names_the_op_the_field_and_the_engine() -> None:
    """Within lists as well; what comes after an op that is refused is not told again."""
    inner = Struct((Field("p", STRING),), is_open=False)
    source = (Field("m", List(Field("element", inner))), Field("a", INT64))
    program = (Rename("a", "b"), Nest(("b",), "o"), Drop("o"), Each("m", (Cast("p", "string", "integer"),)))
    assert lens_lacks(program, source, "duckdb") == ()
    assert lens_lacks(program, source, "spark") == ()
    [nest, each] = lens_lacks(program, source, "postgres")
    assert "op 2 (nest): postgres" in nest.says
    assert "`o`" in nest.says
    assert "op 4 (each): postgres" in each.says
    [polars] = lens_lacks(program, source, "polars")
    assert "op 4 (each): polars" in polars.says
    assert polars.is_blocking
    assert polars.remedy


def test_wrapped_and_unwrapped_is_what_it_was() -> None:
    """A list of one that a lens made is known to hold one."""
    source = (Field("a", BOOLEAN, required=False),)
    schema = pa.schema([("a", pa.bool_())])
    accepted, _ = translated([{"a": None}, {"a": True}], (Wrap("a"), Head("a")), source, source, schema)
    assert accepted == [{"a": None}, {"a": True}]


def test_the_zone_of_a_column_and_of_a_session_changes_no_instant() -> None:
    """The same instant is the same, in Berlin and in Kathmandu."""
    one = Field("z", Timestamp("us", True))
    noon = datetime(2024, 3, 31, 12, tzinfo=UTC)
    table = pa.table({"z": pa.array([noon], pa.timestamp("us", "Europe/Berlin"))})
    backend = ibis.duckdb.connect()
    backend.raw_sql("SET TimeZone = 'Asia/Kathmandu'")
    program = (Map("z", (("2024-03-31T12:00:00Z", "noon"),)),)
    made = lens_table(backend.create_table("t", table), program, (one,), (Field("z", STRING),), "duckdb")
    assert made.rows.to_pyarrow().to_pylist() == [{"z": "noon"}]


def test_sqlite_rows_with_a_value_of_another_type_are_rejected(tmp_path: Path) -> None:
    """Its columns hold values of any type."""
    path = tmp_path / "d.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (a INTEGER)")
        connection.executemany("INSERT INTO t VALUES (?)", [(1,), ("one",), (None,)])
        connection.commit()
    source = (Field("a", INT64, nullable=True),)
    with opened("t", f"sqlite:///{path}") as table:
        made = lens_table(table.rows, (Unit("a", 2, integer=True),), source, source, "sqlite")
        assert sorted(table.ask(made.rows), key=str) == [{"a": 2}, {"a": None}]
        [rejected] = table.ask(made.rejected)
    assert (rejected["a"], rejected["field"], rejected["reason"]) == ("one", "a", STRAY)


def test_polars_reads_a_file_that_is_asked_of_it(tmp_path: Path) -> None:
    """Its address is `polars://`, and its engine is known by name."""
    from pyarrow import parquet

    parquet.write_table(pa.table({"a": [1, 2]}), tmp_path / "t.parquet")
    with opened(str(tmp_path / "t.parquet"), "polars://") as table:
        assert engine_of(table.engine.name) == "polars"
        assert table.ask(table.rows.filter(table.rows.a > 1)) == [{"a": 2}]


def test_a_spark_server_that_is_not_there_is_told() -> None:
    """As a database that cannot be opened."""
    with pytest.raises(DataUnreadable, match="cannot be opened"), opened("t", "spark://"):
        pass


def test_instants_are_refused_on_spark_before_anything_runs() -> None:
    """Its session's time zone decides what they are; the same lens runs elsewhere."""
    source = (Field("at", Timestamp("us", True)), Field("id", INT64))
    [refused] = lens_lacks((Rename("id", "key"),), source, "spark")
    assert refused.code == "lens.engine_lacks"
    assert "`at`" in refused.says
    assert "time zone" in refused.says
    assert lens_lacks((Rename("id", "key"),), source, "duckdb") == ()
