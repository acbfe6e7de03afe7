"""Opens a table of a database or a file as an Ibis table.

Databases are read through Ibis, Postgres and SQLite by SQLAlchemy with Ibis as the compiler. Files are read by
DuckDB in memory: CSV as text, so that nothing is guessed before a contract says what it is; Parquet and JSON lines
with their own types.
"""

from __future__ import annotations

import base64
import datetime
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import sqlalchemy as sa

from interlock.adapters.schemas.columns import field_of_column
from interlock.adapters.schemas.csv_header import header_of
from interlock.adapters.schemas.row_forms import form_of, opened_arrow
from interlock.adapters.schemas.row_values import DataUnreadable, engine_table, table_of
from interlock.adapters.schemas.sqlite import chance, prepare_sqlite
from interlock.domain.schemas.field import Bool, Field, Timestamp, Type
from interlock.kernel.errors import Missing, Unavailable
from interlock.kernel.ident import did_you_mean

_SAMPLE = "interlock_sample"


class DataExtraMissing(Unavailable):
    """Tables are read with Ibis and DuckDB, which are not installed."""

    code = "data.extra_missing"


class DataMissing(Missing):
    """There is no such file or table."""

    code = "data.missing"


class Engine(Protocol):
    """What runs queries. name: of the engine; dialect: of its SQL, for sqlglot."""

    @property
    def name(self) -> str: ...

    @property
    def dialect(self) -> Any: ...

    def ask(self, expression: Any) -> list[dict[str, Any]]:
        """The rows of an Ibis expression. DataUnreadable when the query fails."""

    def query(self, sql: str) -> list[dict[str, Any]]:
        """At most two rows of a query."""

    def sample(self, rows: Any, share: float) -> Any:
        """About that share of the rows, the same ones in every query."""

    def batches(self, expression: Any, size: int) -> Iterator[Any]:
        """The rows as Arrow tables, about `size` at a time. DataUnreadable when the query fails."""


@dataclass(frozen=True, slots=True)
class IbisEngine:
    """A backend of Ibis. source: the file that it reads, if it is one."""

    backend: Any
    source: str = ""

    @property
    def name(self) -> str:
        return str(self.backend.name)

    @property
    def dialect(self) -> Any:
        return self.backend.dialect

    def ask(self, expression: Any) -> list[dict[str, Any]]:
        try:
            rows: list[dict[str, Any]] = expression.to_pyarrow().to_pylist()
        except Exception as error:  # each of Ibis's backends has its own family of errors
            raise _failed(error, self.source) from error
        return rows

    def query(self, sql: str) -> list[dict[str, Any]]:
        try:
            asked = self.backend.sql(sql)
        except Exception as error:  # asked for its columns, a query can fail before it is run
            raise _failed(error) from error
        return self.ask(asked.limit(2))

    def batches(self, expression: Any, size: int) -> Iterator[Any]:
        import pyarrow as pa

        try:
            for batch in expression.to_pyarrow_batches(chunk_size=size):
                yield pa.Table.from_batches([batch])
        except Exception as error:
            raise _failed(error, self.source) from error

    def sample(self, rows: Any, share: float) -> Any:
        """Held in a temporary table: several threads draw other rows each time, whatever the seed."""
        try:
            return self.backend.create_table(
                _SAMPLE, rows.sample(share, method="row", seed=1), temp=True, overwrite=True
            )
        except Exception as error:
            raise _failed(error, self.source) from error


@dataclass(frozen=True, slots=True)
class SqlEngine:
    """Postgres or SQLite by SQLAlchemy, with Ibis as the compiler alone: Ibis's own backends need pandas, and
    reading a few figures does not. All queries see one snapshot, and none can write.
    """

    connection: sa.Connection
    name: Literal["postgres", "sqlite"]

    @property
    def dialect(self) -> str:
        return self.name

    def ask(self, expression: Any) -> list[dict[str, Any]]:
        import ibis

        sql = str(ibis.to_sql(expression, dialect=self.dialect))
        return self._run(_staged(sql, self.dialect))

    def query(self, sql: str) -> list[dict[str, Any]]:
        return self._run(f"SELECT * FROM ({sql}) AS asked LIMIT 2")

    def sample(self, rows: Any, share: float) -> Any:
        """Postgres draws the same rows for the same seed; SQLite has no seed, so that its sample is held."""
        if self.name == "postgres":
            return rows.sample(share, method="row", seed=1)
        import ibis

        drawn = ibis.to_sql(rows.filter(chance() < share), dialect=self.dialect)
        self._execute(f"DROP TABLE IF EXISTS temp.{_SAMPLE}")
        self._execute(f"CREATE TEMPORARY TABLE {_SAMPLE} AS {drawn}")
        return ibis.table(rows.schema(), name=_SAMPLE)

    def batches(self, expression: Any, size: int) -> Iterator[Any]:
        import ibis

        fields = tuple(field_of_column(name, found) for name, found in expression.schema().items())
        sql = _staged(str(ibis.to_sql(expression, dialect=self.dialect)), self.dialect)
        try:
            with self.connection.execution_options(stream_results=True).exec_driver_sql(self._text(sql)) as found:
                for rows in found.mappings().partitions(size):
                    yield table_of([_as_record(row, fields) for row in rows], fields)
        except sa.exc.SQLAlchemyError as error:
            raise _failed(getattr(error, "orig", None) or error) from error

    def _text(self, sql: str) -> str:
        return sql.replace("%", "%%") if self.name == "postgres" else sql

    def _run(self, sql: str) -> list[dict[str, Any]]:
        return [dict(row) for row in self._execute(sql).mappings()]

    def _execute(self, sql: str) -> sa.CursorResult[Any]:
        """In a transaction of its own within the snapshot, so that one that fails leaves it whole."""
        try:
            with self.connection.begin_nested():
                return self.connection.exec_driver_sql(self._text(sql))
        except sa.exc.SQLAlchemyError as error:
            raise _failed(getattr(error, "orig", None) or error) from error


def _as_record(row: Mapping[Any, Any], fields: tuple[Field, ...]) -> dict[str, Any]:
    """What a driver gives, as JSON has it."""
    return {one.name: _as_json(row[one.name], one.type) for one in fields}


def _as_json(value: Any, one: Type) -> Any:
    match value:
        case datetime.datetime():
            utc = value.astimezone(datetime.UTC).replace(tzinfo=None) if value.tzinfo else value
            return utc.isoformat() + "Z" * (isinstance(one, Timestamp) and one.is_zoned)
        case datetime.date() | datetime.time():
            return value.isoformat()
        case bytes() | memoryview():
            return base64.b64encode(bytes(value)).decode()
        case int() if isinstance(one, Bool):
            return bool(value)
        case _:
            return value


@dataclass(frozen=True, slots=True)
class Table:
    """rows: an Ibis table. is_text: each column is text, as in CSV, and empty text is null.

    beside: opens another table of the same database, or another file, by its name. DataMissing, DataUnreadable.
    """

    name: str
    rows: Any
    engine: Engine
    is_text: bool = False
    beside: Callable[[str], Table] | None = None
    is_file: bool = False

    def ask(self, expression: Any) -> list[dict[str, Any]]:
        """The rows of an Ibis expression over `rows`."""
        return self.engine.ask(expression)

    def count(self, rows: Any = None) -> int:
        """How many rows there are: of an Ibis table over `rows`, or of `rows` themselves."""
        counted = self.rows if rows is None else rows
        return int(self.ask(counted.aggregate(n=counted.count()))[0]["n"])


def ibis_or_refuse() -> Any:
    """The library; DataExtraMissing without it."""
    try:
        import ibis
    except ModuleNotFoundError as error:
        remedy = "Install it with: pip install 'interlock[data]'"
        raise DataExtraMissing("tables are read with Ibis, which is not installed", remedy=remedy) from error
    return ibis


@contextmanager
def opened(data: str, database: str = "", threads: int | None = None) -> Iterator[Table]:
    """The file `data`, or the table of that name in `database` (a URL; a table may be `schema.table`). Files are
    read by DuckDB, or by Polars when `database` is `polars://`; Spark is at `sc://` (Spark Connect) or `spark://`.

    DataMissing, DataUnreadable. The connection is closed when the block ends.
    """
    ibis = ibis_or_refuse()
    if database.startswith(("postgres", "sqlite")):
        with _sql(data, database) as table:
            yield table
        return
    backend = _connected(ibis, database) if database else ibis.duckdb.connect()
    try:
        if not database:
            backend.raw_sql("SET TimeZone = 'UTC'")
        if threads is not None:
            backend.raw_sql(f"SET threads = {int(threads)}")
        is_file = not database or database.startswith("polars")
        yield _file(backend, Path(data)) if is_file else _table_of(backend, data)
    finally:
        backend.disconnect()


_EXTRAS = {"pyspark": "spark", "polars": "polars", "psycopg": "postgres", "duckdb": "data"}
_SPARK = ("sc://", "spark://")


def _connected(ibis: Any, database: str) -> Any:
    """The backend of Ibis for the address. DataExtraMissing, DataUnreadable."""
    try:
        if database.startswith("polars"):
            return ibis.polars.connect()
        if database.startswith(_SPARK):
            return ibis.pyspark.connect(_spark(database))
        return ibis.connect(database)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(str(error.name).partition(".")[0], "data")
        remedy = f"Install it with: pip install 'interlock[{extra}]'"
        raise DataExtraMissing(f"{database.partition(':')[0]} needs {error.name}", remedy=remedy) from error
    except Exception as error:  # each of Ibis's backends has its own family of errors
        raise DataUnreadable(f"the database cannot be opened: {first_line(error)}") from error


def _spark(address: str) -> Any:
    """A session of the Spark cluster, or of the Spark Connect server, at the address."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder
    return (
        builder.remote(address).getOrCreate()
        if address.startswith("sc:")
        else builder.master(address).getOrCreate()
    )


@contextmanager
def _sql(name: str, database: str) -> Iterator[Table]:
    try:
        engine = _sqlite(database) if database.startswith("sqlite") else _postgres(database)
        connection = engine.connect()
    except (sa.exc.SQLAlchemyError, ModuleNotFoundError) as error:
        raise DataUnreadable(f"the database cannot be opened: {first_line(error)}") from error
    with connection:
        asked = SqlEngine(connection, "sqlite" if engine.name == "sqlite" else "postgres")
        if asked.name == "postgres":
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield _sql_table(asked, name)


_NESTED = 4
"""So many selects in one another are run as they are."""


def _staged(sql: str, dialect: str) -> str:
    """Selects that nest deeply, one after the other and each computed once. The planners would write an inner one
    out wherever it is named, which doubles the query at each level; and SQLite's parser has a stack of a hundred.
    """
    import sqlglot
    from sqlglot.optimizer.eliminate_subqueries import eliminate_subqueries

    if sql.count("FROM (") <= _NESTED:
        return sql
    flat = eliminate_subqueries(sqlglot.parse_one(sql, read=dialect))
    for one in flat.find_all(sqlglot.exp.CTE):
        one.set("materialized", True)
    return flat.sql(dialect=dialect)


def _postgres(database: str) -> sa.Engine:
    return sa.create_engine(database.replace("postgres://", "postgresql://", 1), poolclass=sa.NullPool)


def _sqlite(database: str) -> sa.Engine:
    """The file, opened so that nothing is written into it."""
    path = Path(sa.make_url(database).database or "")
    if not path.is_file():
        raise DataMissing(f"there is no file {str(path)!r}", remedy="Write the URL as sqlite:///path/to/file.")

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.NullPool)
    # SQLAlchemy gives each connection a floor of its own first, which raises for NULL
    sa.event.listen(engine, "connect", lambda held, _: prepare_sqlite(held))
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


def _sql_table(engine: SqlEngine, name: str) -> Table:
    import ibis

    schema, _, bare = name.rpartition(".")
    try:
        known = sa.inspect(engine.connection)
        names = [*known.get_table_names(schema or None), *known.get_view_names(schema or None)]
        if bare not in names:
            raise DataMissing(f"there is no table {name!r}", remedy=did_you_mean(bare, names))
        columns = {c["name"]: _column_type(engine, bare, c) for c in known.get_columns(bare, schema or None)}
    except sa.exc.SQLAlchemyError as error:
        raise DataUnreadable(f"the database cannot be read: {first_line(error)}") from error
    rows = ibis.table(columns, name=bare, database=schema or None)
    return Table(bare, rows, engine, beside=lambda other: _sql_table(engine, _within(schema, other)))


def _column_type(engine: SqlEngine, table: str, column: Any) -> Any:
    """The column's declared type; where SQLite has none, what its values are."""
    from ibis.backends.sql.datatypes import PostgresType, SQLiteType

    if engine.name == "postgres":
        written = column["type"].compile(engine.connection.dialect)
        return PostgresType.from_string(written, nullable=column["nullable"])
    if isinstance(column["type"], sa.types.NullType):
        return _held_type(engine, table, column["name"])
    written = column["type"].compile(engine.connection.dialect)
    return SQLiteType.from_string(written, nullable=column["nullable"])


def _held_type(engine: SqlEngine, table: str, column: str) -> str:
    quote = engine.connection.dialect.identifier_preparer.quote
    found = engine.query(f"SELECT group_concat(DISTINCT typeof({quote(column)})) AS held FROM {quote(table)}")
    held = set(str(found[0]["held"] or "").split(",")) - {"null"}
    by_values = (({"integer"}, "int64"), ({"integer", "real"}, "float64"), ({"blob"}, "binary"))
    return next((named for kinds, named in by_values if held and held <= kinds), "string")


def _table_of(backend: Any, name: str) -> Table:
    schema, _, bare = name.rpartition(".")
    known = backend.list_tables(database=schema or None)
    if bare not in known:
        raise DataMissing(f"there is no table {name!r}", remedy=did_you_mean(bare, known))
    rows = backend.table(bare, database=schema or None)
    return Table(bare, rows, IbisEngine(backend), beside=lambda other: _table_of(backend, _within(schema, other)))


def _within(schema: str, name: str) -> str:
    """The table of that name, in the same schema unless it names one."""
    return f"{schema}.{name}" if schema and "." not in name else name


def _file(backend: Any, path: Path) -> Table:
    if not path.is_file():
        remedy = "Name a file, or a table together with --database."
        raise DataMissing(f"there is no file {str(path)!r}", remedy=remedy)
    form = form_of(path)
    if form in ("csv", "arrow") and backend.name != "duckdb":
        raise DataUnreadable(f"{backend.name} does not read {path.name}", remedy="Write Parquet, or use DuckDB.")
    try:
        match form:
            case "csv":
                rows = _csv(backend, path)
            case "parquet":
                rows = backend.read_parquet(path)
            case "json":
                rows = backend.read_json(path)
            case "arrow":
                rows = _arrow(backend, path)
    except DataUnreadable:
        raise
    except Exception as error:  # DuckDB's and Ibis's own
        raise _failed(error, str(path)) from error
    is_text = form == "csv"
    return Table(path.stem, rows, IbisEngine(backend, str(path)), is_text, lambda p: _file(backend, Path(p)), True)


def _csv(backend: Any, path: Path) -> Any:
    """As text. The header says what a row is; DuckDB would rather skip rows than find none that fit."""
    header = header_of(path)
    quoted = {"delim": header.delimiter, "quote": '"', "escape": '"', "nullstr": ""}
    return backend.read_csv(path, columns=dict.fromkeys(header.names, "VARCHAR"), header=True, skip=0, **quoted)


def _arrow(backend: Any, path: Path) -> Any:
    with opened_arrow(path) as reader:
        whole = engine_table(reader.read_all(), ())
    backend.con.register(_MAPPED, whole)
    return backend.table(_MAPPED)


_MAPPED = "interlock_mapped"
_CSV_LINE = re.compile(r"CSV Error on Line: (\d+)")
_CSV_REASON = re.compile(
    r"^(Expected Number of Columns: .*|Value with unterminated quote.*|Invalid unicode.*)", re.M
)


def _told(error: BaseException) -> tuple[str, str]:
    """What a driver says, and the line of a CSV file if it names one. The row that it quotes is left out, since
    values may be private.
    """
    text = str(error)
    if not (line := _CSV_LINE.search(text)):
        return first_line(error), ""
    reason = _CSV_REASON.search(text)
    return f"line {line[1]} is no row of it{f': {reason[0].strip()}' if reason else ''}", line[1]


def _failed(error: BaseException, source: str = "") -> DataUnreadable:
    """source: the file that was read."""
    says, line = _told(error)
    if not source:
        return DataUnreadable(f"the query failed: {says}")
    return DataUnreadable(
        f"{Path(source).name} cannot be read: {says}", where=f"{source}:{line}" if line else source
    )


def first_line(error: BaseException) -> str:
    """The first line of what a driver says."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
