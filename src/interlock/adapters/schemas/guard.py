"""Whether a rule's query may run: one statement that reads, and no table but the one that is validated."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any


def only_reads(query: str, dialect: Any, tables: Collection[str]) -> str:
    """Why the query must not run; empty when it may."""
    import sqlglot
    from sqlglot import exp

    try:
        parsed = sqlglot.parse(query, read=dialect)
    except sqlglot.errors.SqlglotError as error:
        return f"the query cannot be read: {str(error).splitlines()[0][:200]}"
    if len(parsed) != 1 or not isinstance(parsed[0], exp.Query):
        return "the query is not one statement that reads"
    named = {cte.alias for cte in parsed[0].find_all(exp.CTE)}
    for node in parsed[0].walk():
        if isinstance(node, exp.DML | exp.DDL | exp.Command | exp.Into) and not isinstance(node, exp.Query):
            return "the query has a part that writes"
        if isinstance(node, exp.Table) and (
            not isinstance(node.this, exp.Identifier) or node.name not in {*tables, *named}
        ):
            return f"the query reads {node.sql(dialect=dialect)[:60]}, and may read only the table itself"
        if isinstance(node, exp.Anonymous):
            return f"the query calls {node.name}, which is not known to only read"
    return ""
