"""An expression as a scalar subquery: the house's exact query for it, over the columns of one row."""

from __future__ import annotations

from collections.abc import Mapping

from interlock.adapters.schemas.compute import with_columns
from interlock.domain.lenses.expressions.nodes import Expr, renamed
from interlock.domain.migrations.migration import Dialect
from interlock.domain.schemas.field import Bool, Date, Decimal, Float, Int, Number, Timestamp, Type

_ROW = "interlock_row"


def scalar_sql(expr: Expr, columns: Mapping[str, tuple[str, Type]], dialect: Dialect) -> str:
    """`(SELECT ...)`, to stand where a value stands. columns: what each field of the expression is in the row."""
    import ibis

    names = {field: f"read_{n}" for n, field in enumerate(columns)}
    types = {names[field]: _type_in_query(kind) for field, (_, kind) in columns.items()} or {"none": "int64"}
    table = with_columns(ibis.table(types, name=_ROW), {"made": renamed(expr, names)}, dialect)
    sql = str(ibis.to_sql(table.select("made"), dialect=dialect, pretty=False))
    row = ", ".join(f"{column} AS {names[field]}" for field, (column, _) in columns.items()) or "1 AS none"
    whole = _plain(sql) if dialect == "sqlite" else sql
    over = whole.replace(f'"{_ROW}" AS', f"(SELECT {row}) AS", 1)
    return f"({over})"


def needs_preparation(sql: str) -> bool:
    """Whether it calls functions that Ibis gives to its own connections alone."""
    return "_IBIS_" in sql.upper()


def _type_in_query(one: Type) -> str:
    match one:
        case Bool():
            return "boolean"
        case Int():
            return "int64"
        case Float() | Number():
            return "float64"
        case Decimal(precision, scale):
            return f"decimal({precision}, {scale})"
        case Date():
            return "date"
        case Timestamp(is_zoned=is_zoned):
            return "timestamp('UTC')" if is_zoned else "timestamp"
        case _:
            return "string"


def _plain(sql: str) -> str:
    """Without the functions that not every SQLite has: it is often built without those of mathematics. What they
    are applied to is below 2**53 in the house's queries, so that whole numbers are cut off exactly. sqlglot writes
    MOD as an operator.
    """
    import sqlglot
    from sqlglot import exp

    tree = sqlglot.parse_one(sql, dialect="sqlite")
    while (found := tree.find(exp.Floor, exp.Ceil)) is not None:
        value = f"({found.this.sql('sqlite')})"
        whole = f"CAST({value} AS INTEGER)"
        step = f"- ({value} < {whole})" if isinstance(found, exp.Floor) else f"+ ({value} > {whole})"
        found.replace(sqlglot.parse_one(f"CAST({whole} {step} AS REAL)", dialect="sqlite"))
    return str(tree.sql("sqlite"))
