"""Opens a table of a database or a file as an Ibis table.

Databases are read through Ibis, Postgres by SQLAlchemy with Ibis as the compiler. Files are read by DuckDB in
memory: CSV as text, so that nothing is guessed before a contract says what it is; Parquet and JSON lines with their
own types.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa

from interlock.kernel.errors import Invalid, Missing, Unavailable
from interlock.kernel.ident import did_you_mean

_TEXT = (".csv", ".tsv")
_JSON = (".jsonl", ".ndjson", ".json")
_PARQUET = (".parquet", ".pq")


class DataExtraMissing(Unavailable):
    """Tables are read with Ibis and DuckDB, which are not installed."""

    code = "data.extra_missing"


class DataMissing(Missing):
    """There is no such file or table."""

    code = "data.missing"


class DataUnreadable(Invalid):
    """A file or database cannot be read as what it is said to be."""

    code = "data.unreadable"


class Engine(Protocol):
    """What runs queries. dialect: of its SQL, by sqlglot's name."""

    @property
    def dialect(self) -> Any: ...

    def ask(self, expression: Any) -> list[dict[str, Any]]:
        """The rows of an Ibis expression."""

    def query(self, sql: str) -> list[dict[str, Any]]:
        """At most two rows of a query."""


@dataclass(frozen=True, slots=True)
class IbisEngine:
    """A backend of Ibis."""

    backend: Any

    @property
    def dialect(self) -> Any:
        return self.backend.dialect

    def ask(self, expression: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = expression.to_pyarrow().to_pylist()
        return rows

    def query(self, sql: str) -> list[dict[str, Any]]:
        return self.ask(self.backend.sql(sql).limit(2))


@dataclass(frozen=True, slots=True)
class PostgresEngine:
    """Postgres by SQLAlchemy, with Ibis as the compiler alone: Ibis's own backend needs pandas, and reading a few
    figures does not. Statements run in a transaction that can only read.
    """

    connection: sa.Connection
    dialect: str = "postgres"

    def ask(self, expression: Any) -> list[dict[str, Any]]:
        import ibis

        return self._run(str(ibis.to_sql(expression, dialect=self.dialect)))

    def query(self, sql: str) -> list[dict[str, Any]]:
        return self._run(f"SELECT * FROM ({sql}) AS asked LIMIT 2")

    def _run(self, sql: str) -> list[dict[str, Any]]:
        with self.connection.begin():
            self.connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            cursor = self.connection.exec_driver_sql(sql.replace("%", "%%"))
            return [dict(row) for row in cursor.mappings()]


@dataclass(frozen=True, slots=True)
class Table:
    """rows: an Ibis table. is_text: each column is text, as in CSV, and empty text is null."""

    name: str
    rows: Any
    engine: Engine
    is_text: bool = False

    def ask(self, expression: Any) -> list[dict[str, Any]]:
        """The rows of an Ibis expression over `rows`."""
        return self.engine.ask(expression)


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
    """The file `data`, or the table of that name in `database` (a URL; a table may be `schema.table`).

    DataMissing, DataUnreadable. The connection is closed when the block ends.
    """
    ibis = ibis_or_refuse()
    if database.startswith("postgres"):
        with _postgres(data, database) as table:
            yield table
        return
    backend = _connected(ibis, database) if database else ibis.duckdb.connect()
    try:
        if threads is not None:
            backend.raw_sql(f"SET threads = {int(threads)}")
        yield _table_of(backend, data) if database else _file(backend, Path(data))
    finally:
        backend.disconnect()


def _connected(ibis: Any, database: str) -> Any:
    try:
        return ibis.connect(database)
    except Exception as error:  # each of Ibis's backends has its own family of errors
        raise DataUnreadable(f"the database cannot be opened: {first_line(error)}") from error


@contextmanager
def _postgres(name: str, database: str) -> Iterator[Table]:
    import ibis
    from ibis.backends.sql.datatypes import PostgresType

    schema, _, bare = name.rpartition(".")
    try:
        engine = sa.create_engine(database.replace("postgres://", "postgresql://", 1), poolclass=sa.NullPool)
        known = sa.inspect(engine)
        names = [*known.get_table_names(schema or None), *known.get_view_names(schema or None)]
    except (sa.exc.SQLAlchemyError, ModuleNotFoundError) as error:
        raise DataUnreadable(f"the database cannot be opened: {first_line(error)}") from error
    if bare not in names:
        raise DataMissing(f"there is no table {name!r}", remedy=did_you_mean(bare, names))
    columns = {
        c["name"]: PostgresType.from_string(c["type"].compile(engine.dialect), nullable=c["nullable"])
        for c in known.get_columns(bare, schema or None)
    }
    with engine.connect() as connection:
        yield Table(bare, ibis.table(columns, name=bare, database=schema or None), PostgresEngine(connection))


def _table_of(backend: Any, name: str) -> Table:
    schema, _, bare = name.rpartition(".")
    known = backend.list_tables(database=schema or None)
    if bare not in known:
        raise DataMissing(f"there is no table {name!r}", remedy=did_you_mean(bare, known))
    return Table(bare, backend.table(bare, database=schema or None), IbisEngine(backend))


def _file(backend: Any, path: Path) -> Table:
    if not path.is_file():
        remedy = "Name a file, or a table together with --database."
        raise DataMissing(f"there is no file {str(path)!r}", remedy=remedy)
    suffix = path.suffix.lower()
    try:
        if suffix in _TEXT:
            rows = backend.read_csv(path, all_varchar=True, header=True, nullstr="")
        elif suffix in _PARQUET:
            rows = backend.read_parquet(path)
        elif suffix in _JSON:
            rows = backend.read_json(path)
        else:
            known = ", ".join((*_TEXT, *_PARQUET, *_JSON))
            raise DataUnreadable(f"{path.name} is of no kind that is read", remedy=f"Known are {known}.")
    except DataUnreadable:
        raise
    except Exception as error:  # DuckDB's and Ibis's own
        raise DataUnreadable(f"{path.name} cannot be read: {first_line(error)}", where=str(path)) from error
    return Table(path.stem, rows, IbisEngine(backend), is_text=suffix in _TEXT)


def first_line(error: BaseException) -> str:
    """The first line of what a driver says."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
