"""SQL against a warehouse through Ibis (DuckDB and the many others that it reaches); needs the extra `data`.

The statement is parsed, must be one query without a part that writes, gets its values as literals, and runs as a
subquery, limited in rows. Files are opened read-only where the address says so (`duckdb://file.db?read_only=True`).

Limits: Ibis has no common way to stop a statement, so the warehouse's own limits on time apply; a parsed guard is
no substitute for an account that may only read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from interlock.adapters.metrics.guard import one_reading_statement
from interlock.adapters.metrics.source import SourceUrlInvalid
from interlock.adapters.metrics.translate import Senseless, binds, reading_of_rows, senseless
from interlock.domain.checks.metric import Arms, MetricQuery, NoReading, Reading, Span

ROW_LIMIT = 1_000_000

_NAME = re.compile(r"[A-Za-z_]\w*")
_ENDS_A_VALUE = re.compile(r"[\w\])'\"]$")


class WarehouseSource:
    """One warehouse. url: what `ibis.connect` takes."""

    def __init__(self, url: str, row_limit: int = ROW_LIMIT) -> None:
        try:
            import ibis
        except ModuleNotFoundError as error:
            remedy = "Install it with: pip install 'interlock[data]'"
            raise SourceUrlInvalid("a warehouse needs Ibis, which is not installed", remedy=remedy) from error
        try:
            self._backend: Any = ibis.connect(url)
        except Exception as error:  # each of Ibis's backends has its own family of errors
            raise SourceUrlInvalid(f"this warehouse cannot be opened: {_first_line(error)}") from error
        self._row_limit = row_limit

    def read(self, query: MetricQuery, arms: Arms, span: Span) -> Reading:
        """The statement's rows as a reading."""
        try:
            statement = reading_query(query.text, self._backend.dialect, binds(arms, span))
        except Senseless as wrong:
            return wrong.reading
        try:
            table = self._backend.sql(statement).limit(self._row_limit + 1).to_pyarrow()
        except Exception as error:  # each of Ibis's backends has its own family of errors
            return NoReading("invalid", f"the query failed: {type(error).__name__}: {_first_line(error)}")
        if table.num_rows > self._row_limit:
            return NoReading("invalid", f"the query returns more than {self._row_limit:,} rows", "Aggregate in it.")
        rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
        return reading_of_rows(query.gives, rows, arms)

    def close(self) -> None:
        """Let go of the connection."""
        self._backend.disconnect()


def reading_query(sql: str, dialect: Any, values: Mapping[str, str | float]) -> str:
    """The statement with its placeholders (`:name`) as literals; Senseless when it is not one query that reads."""
    import sqlglot
    from sqlglot import exp

    try:
        parsed = sqlglot.parse(_filled(one_reading_statement(sql), dialect, values), read=dialect)
    except sqlglot.errors.SqlglotError as error:
        raise senseless(f"the query cannot be read: {_first_line(error)}") from error
    if len(parsed) != 1 or not isinstance(parsed[0], exp.Query):
        raise senseless("the query is not one statement that reads", "Metrics are read, never written.")
    writes = (exp.DML, exp.DDL, exp.Command, exp.Into, exp.Drop, exp.Alter)
    if found := next((node for node in parsed[0].find_all(*writes) if not isinstance(node, exp.Query)), None):
        raise senseless(f"the query has a part that writes: {found.sql(dialect=dialect)[:80]}")
    return str(parsed[0].sql(dialect=dialect))


def _filled(sql: str, dialect: Any, values: Mapping[str, str | float]) -> str:
    """The text with a literal for each placeholder: a colon that stands alone, and a name right after it. Colons in
    texts and comments are none, since the warehouse's own tokens are read.
    """
    import sqlglot
    from sqlglot import exp

    out, end = [], 0
    for token in sqlglot.tokenize(sql, read=dialect):
        named = _NAME.match(sql, token.start + 1) if token.text == ":" else None
        if named is None or _ENDS_A_VALUE.search(sql[: token.start]):
            continue
        if named[0] not in values:
            known = ", ".join(f":{name}" for name in values)
            raise senseless(f"the query has an unknown placeholder :{named[0]}", f"There are {known}.")
        out += [sql[end : token.start], exp.convert(values[named[0]]).sql(dialect=dialect)]
        end = named.end()
    return "".join(out) + sql[end:]


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
