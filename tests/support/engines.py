"""Engines that tables are asked on: each holds a table and answers Ibis queries over it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ibis
import pyarrow as pa
import sqlalchemy as sa

from interlock.adapters.schemas.compute import Engine
from interlock.adapters.schemas.sqlite import prepare_sqlite
from interlock.adapters.schemas.tables import SqlEngine
from support.postgres import embedded_postgres

Rows = list[dict[str, Any]]
SESSION_ZONE = "Asia/Kathmandu"
"""Far from UTC and not by whole hours, so that whatever heeds a session's zone shows."""


@dataclass(frozen=True, slots=True)
class Held:
    """load: a table of the rows, which replaces the one before; ask: the rows of a query over it."""

    name: Engine
    load: Callable[[pa.Table], Any]
    ask: Callable[[Any], Rows]


@contextmanager
def engine_named(name: str) -> Iterator[Held]:
    """An engine of that name, gone when the block ends. `java`: Spark itself, `spark`: a server of its protocol."""
    match name:
        case "duckdb":
            backend = ibis.duckdb.connect()
            backend.raw_sql(f"SET TimeZone = '{SESSION_ZONE}'")
            yield Held("duckdb", _creating(backend), _asking_duckdb(backend))
            backend.disconnect()
        case "polars":
            polars = ibis.polars.connect()
            yield Held("polars", _creating(polars), lambda query: polars.to_pyarrow(query).to_pylist())
        case "postgres":
            with embedded_postgres() as url:
                yield from _by_sql("postgres", sa.create_engine(url))
        case "sqlite":
            database = sa.create_engine("sqlite://")
            sa.event.listen(database, "connect", lambda raw, _: prepare_sqlite(raw))
            yield from _by_sql("sqlite", database)
        case "spark":
            yield from _sail()
        case _:
            yield from _java()


def _creating(backend: Any) -> Callable[[pa.Table], Any]:
    return lambda rows: backend.create_table("t", rows, overwrite=True)


def _asking_duckdb(backend: Any) -> Callable[[Any], Rows]:
    """Without Ibis between, which would cast the columns to what it takes them for: they are of those types."""

    def ask(query: Any) -> Rows:
        found = backend.con.execute(ibis.to_sql(query, dialect="duckdb")).to_arrow_table()
        claimed = query.schema().to_pyarrow()
        assert [_bare(one) for one in found.schema.types] == [_bare(one) for one in claimed.types]
        return found.to_pylist()

    return ask


def _bare(one: pa.DataType) -> Any:
    """The type without the session's zone, and without what may be null."""
    if pa.types.is_struct(one):
        return {field.name: _bare(field.type) for field in one}
    if pa.types.is_list(one):
        return [_bare(one.value_type)]
    return (one.unit, one.tz is None) if pa.types.is_timestamp(one) else one


def _sail() -> Iterator[Held]:
    from pysail.spark import SparkConnectServer
    from pyspark.sql import SparkSession

    server = SparkConnectServer("127.0.0.1", 0)
    server.start()
    _, port = server.listening_address
    session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").create()
    try:
        # as it came: the server says of some lists that they are never null, and `toArrow` insists on it
        yield _by_spark(session, lambda frame: frame._to_table()[0])
    finally:
        session.stop()
        server.stop()


def _java() -> Iterator[Held]:
    """Spark in this process's own Java, without its pages and its many partitions."""
    from pyspark.sql import SparkSession

    os.environ.pop("SPARK_CONNECT_MODE_ENABLED", None)  # set for good by the first session of the other kind
    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    session = builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()
    try:
        yield _by_spark(session, lambda frame: frame.toArrow())
    finally:
        session.stop()


def _by_spark(session: Any, rows_of: Callable[[Any], pa.Table]) -> Held:
    backend = ibis.pyspark.connect(session)

    def load(rows: pa.Table) -> Any:
        session.createDataFrame(rows).createOrReplaceTempView("t")
        return backend.table("t")

    return Held("spark", load, lambda query: rows_of(session.sql(backend.compile(query))).to_pylist())


_SQL = (
    ("is_boolean", sa.Boolean),
    ("is_integer", sa.BigInteger),
    ("is_floating", sa.Double),
    ("is_string", sa.Text),
    ("is_date", sa.Date),
)


def _by_sql(name: Any, database: sa.Engine) -> Iterator[Held]:
    with database.connect() as connection:
        if name == "postgres":
            connection.exec_driver_sql(f"SET TIME ZONE '{SESSION_ZONE}'")
        asked = SqlEngine(connection, name)

        def load(rows: pa.Table) -> Any:
            schema = ibis.schema(rows.schema)
            table = sa.Table("t", sa.MetaData(), *(sa.Column(n, _sql_type(t)) for n, t in schema.items()))
            table.drop(connection, checkfirst=True)
            table.create(connection)
            connection.execute(table.insert(), rows.to_pylist())
            return ibis.table(schema, name="t")

        yield Held(name, load, asked.ask)
    database.dispose()


def _sql_type(held: Any) -> Any:
    if held.is_decimal():
        return sa.Numeric(held.precision, held.scale)
    if held.is_timestamp():
        return sa.DateTime(timezone=held.timezone is not None)
    if held.is_floating():
        return sa.Double() if held.nbytes == 8 else sa.REAL()
    return next(one for ask, one in _SQL if getattr(held, ask)())
