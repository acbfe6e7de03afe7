"""CREATE TABLE statements as contracts, in the dialects of sqlglot."""

from __future__ import annotations

import duckdb
import pytest

from interlock.adapters.schemas.ddl import ddl
from interlock.domain.schemas.contract import Contract, Object, Reference
from interlock.domain.schemas.field import (
    Bool,
    Bytes,
    Date,
    Decimal,
    Duration,
    Field,
    Float,
    Int,
    Json,
    List,
    Map,
    Number,
    String,
    Struct,
    Time,
    Timestamp,
    Type,
)
from interlock.domain.schemas.formats.form import export_as, import_as

TYPES: tuple[Type, ...] = (
    *(Bool(), Int(), Int(8), Int(8, is_signed=False), Int(64), Int(64, is_signed=False), Float(32), Float(64)),
    *(Number(), Decimal(10, 2), String(), Bytes(), Date(), Time(), Duration(), Json()),
    *(Timestamp("s", is_zoned=False), Timestamp("us"), Timestamp("ns", is_zoned=False)),
    *(List(Field("element", Int(32))), Map(Field("value", Int(32))), Struct((Field("a", Int(8)),))),
)
DIALECTS = (
    *("duckdb", "postgres", "snowflake", "bigquery", "mysql", "sqlite", "spark", "databricks", "trino"),
    *("redshift", "clickhouse", "oracle", "tsql"),
)


def test_constraints_of_one_column_are_held_and_others_told() -> None:
    """Types, null, defaults, keys, references and simple checks; a condition over two columns is a finding."""
    text = b"""
    CREATE TABLE orders (
      id BIGINT PRIMARY KEY,
      state VARCHAR(10) NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'done')),
      total NUMERIC(10, 2) CHECK (total >= 0 AND total < 1000),
      customer INT REFERENCES customers (id),
      UNIQUE (state, customer),
      CHECK (total > id)
    );
    CREATE INDEX by_state ON orders (state);
    """
    read = import_as(ddl(), text, "orders.sql")
    assert read.contract.record == Object(
        "orders",
        (
            Field("id", Int(64)),
            Field("state", String(), enum=("new", "done"), default=("new",), max_length=10),
            Field("total", Decimal(10, 2), nullable=True, minimum=0, less_than=1000),
            Field("customer", Int(32), nullable=True),
        ),
        is_open=False,
        primary_key=("id",),
        unique=(("state", "customer"),),
        references=(Reference(("customer",), "customers", ("id",)),),
    )
    assert [f.code for f in read.findings] == ["import.constraint_not_held", "import.statement_not_held"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_type_is_written_in_every_dialect(dialect: str) -> None:
    """What is written parses in its own dialect, and whatever does not come back is told."""
    for one in TYPES:
        fields = (Field("a", one), Field("b", one, nullable=True))
        table = Object("t", fields, False, ("a",), (("a", "b"),), (Reference(("a",), "o", ("id",)),))
        contract = Contract("t", "1", (table,))
        made = export_as(ddl(dialect), contract)
        read = import_as(ddl(dialect), made.content, "x").contract
        kept = read.record.fields == fields
        assert kept or any(f.code == "export.lost" and "#t.a" in f.where for f in made.findings), (
            one,
            made.content,
        )


def test_duckdb_creates_what_is_written() -> None:
    """The statement runs, and its constraints hold."""
    fields = (Field("id", Int(64)), Field("n", Int(8), minimum=1), Field("s", Struct((Field("q", String()),))))
    made = export_as(ddl("duckdb"), Contract("t", "1", (Object("t", fields, False, ("id",)),)))
    with duckdb.connect() as connection:
        connection.execute(made.content.decode())
        connection.execute("INSERT INTO t VALUES (1, 1, {'q': 'x'})")
        with pytest.raises(duckdb.ConstraintException):
            connection.execute("INSERT INTO t VALUES (2, 0, {'q': 'x'})")


@pytest.mark.parametrize(
    ("column", "code"),
    [
        ("a INT, FOREIGN KEY (a)", "import.constraint_not_held"),
        ("a IN STRUCT<b INT>", "import.constraint_not_held"),
        ("a INT, cMAL(9,2) CHECK (c > 0)", "import.field_unnamed"),
    ],
)
def test_a_statement_with_a_slip_of_the_pen_is_told(column: str, code: str) -> None:
    """What sqlglot reads, whatever it made of it, is read or told."""
    assert code in {f.code for f in import_as(ddl(), f"CREATE TABLE t ({column})".encode(), "x").findings}


def test_a_table_that_is_declared_twice_is_refused() -> None:
    """Nobody can say which of the two is meant."""
    found = import_as(ddl(), b"CREATE TABLE t (a INT); CREATE TABLE t (b INT);", "x")
    assert not found.is_usable
    assert "import.object_twice" in {f.code for f in found.findings}


def test_a_scale_beyond_the_precision_is_no_decimal() -> None:
    """Then it is a number of any size, which every value is."""
    assert import_as(ddl(), b"CREATE TABLE t (a DECIMAL(3, 9))", "x").contract.fields[0].type == Number()
