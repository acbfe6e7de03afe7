"""What the first step of a migration asks the database: whether the table is what the older version says, and that
nothing stands where the migration makes something. Plans are made without a database, so this is where a table that
differs is told by name, before anything is changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from interlock.adapters.schemas.migration_sql import Shapes, any_of, listed
from interlock.adapters.schemas.quoting import text_sql
from interlock.domain.schemas.field import Bool, Date, Decimal, Float, Int, Number, String, Timestamp, Type

Check = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Catalog:
    """How a database tells of a table. tables: a query that gives a row if it is one. columns: a query of (name,
    is_made), the latter for columns that the table computes itself. is_keyed: a condition that a key or an index
    keeps rows apart by columns of the key alone. relations: a query of (name) of what there is. like: what makes
    names equal.
    """

    tables: str
    columns: str
    is_keyed: str
    relations: str
    like: str = ""

    def among(self, column: str, names: Collection[str]) -> str:
        return f"{column}{self.like} IN ({listed(map(text_sql, names))})"


def _on_sqlite(one: Shapes) -> _Catalog:
    like, table = " COLLATE NOCASE", text_sql(one.layout.table)
    is_of_key = f"name{like} IN ({listed(map(text_sql, one.layout.key))})"
    unique = f"""SELECT 1 FROM pragma_index_list({table}) AS i WHERE i."unique" AND NOT i.partial
    AND (SELECT min(coalesce({is_of_key}, 0)) FROM pragma_index_info(i.name))"""
    primary = f"(SELECT min({is_of_key}) FROM pragma_table_info({table}) WHERE pk > 0)"
    return _Catalog(
        f"SELECT 1 FROM sqlite_master WHERE type = 'table' AND name{like} = {table}",
        f"SELECT name, hidden IN (2, 3) AS is_made FROM pragma_table_xinfo({table})",
        f"coalesce({primary}, 0) OR EXISTS ({unique})",
        "SELECT name FROM sqlite_master WHERE type <> 'trigger'",
        like,
    )


def _on_postgres(one: Shapes) -> _Catalog:
    table = f"to_regclass({text_sql(one.table)})"
    here = "(SELECT oid FROM pg_namespace WHERE nspname = current_schema())"
    is_of_key = f"attname::text IN ({listed(map(text_sql, one.layout.key))})"
    indexed = "attnum = ANY ((indkey::int2[])[0:indnkeyatts - 1])"
    return _Catalog(
        f"SELECT 1 FROM pg_class WHERE oid = {table} AND relkind IN ('r', 'p')",
        "SELECT attname::text AS name, attgenerated <> '' AS is_made FROM pg_attribute"
        f" WHERE attrelid = {table} AND attnum > 0 AND NOT attisdropped",
        f"""EXISTS (SELECT 1 FROM pg_index WHERE indrelid = {table} AND indisunique AND indisvalid
    AND indpred IS NULL AND indexprs IS NULL AND (SELECT bool_and({is_of_key})
      FROM pg_attribute WHERE attrelid = indrelid AND {indexed}))""",
        f"""SELECT relname::text AS name FROM pg_class WHERE relnamespace = {here}
    UNION ALL SELECT proname::text FROM pg_proc WHERE pronamespace = {here} AND pronargs = 0""",
    )


def looks(one: Shapes) -> Iterator[Check]:
    """Queries that give the names of what is in the way, each with a sentence that they complete."""
    catalog = _on_postgres(one) if one.dialect == "postgres" else _on_sqlite(one)
    version = one.older.version
    columns, is_there = f"({catalog.columns}) AS c", f"EXISTS ({catalog.tables})"
    fields = [f.name for f in one.layout.older]
    searched = ""
    if one.dialect == "postgres":
        searched = " in the schemas that are searched (others: ?options=-csearch_path=NAME in the address)"
    yield (
        f"SELECT {text_sql(one.layout.table)} WHERE NOT {is_there}",
        f"there is no table of this name{searched}:",
    )
    missing = f"column1{catalog.like} NOT IN (SELECT name FROM {columns})"
    yield (
        f"SELECT column1 FROM ({_rows(fields)}) AS wanted WHERE {is_there} AND {missing}",
        f"version {version} declares columns that the table does not have:",
    )
    yield (
        f"SELECT name FROM {columns} WHERE is_made AND {catalog.among('name', fields)}",
        f"version {version} declares columns that the table computes itself, so that nobody can write them:",
    )
    yield (
        f"SELECT column1 FROM ({_rows(one.layout.key)}) AS wanted WHERE {is_there} AND NOT ({catalog.is_keyed})",
        "the table has no primary key and no unique index that keeps rows apart by the key alone:",
    )
    yield (
        f"SELECT name FROM {columns} WHERE {catalog.among('name', _new_columns(one))}",
        "the table has columns, which no version declares, of names that the migration needs:",
    )
    yield (
        f"SELECT name FROM ({catalog.relations}) AS r WHERE {catalog.among('name', _new_relations(one))}",
        "the database has something of the names that the migration gives to what it makes:",
    )
    if one.dialect == "postgres":
        yield from _only_postgres(one)


def _rows(names: Collection[str]) -> str:
    return "VALUES " + listed(f"({text_sql(name)})" for name in names)


def _new_columns(one: Shapes) -> list[str]:
    """Names of columns now and at the end, but for those that the older version has."""
    known = {f.name.casefold() for f in one.layout.older}
    names = [one.layout.mark, *(name for c in one.layout.columns for name in (c.column, c.field.name))]
    return [name for name in dict.fromkeys(names) if name.casefold() not in known]


def _new_relations(one: Shapes) -> list[str]:
    layout = one.layout
    older = () if one.has_older_view else (layout.older_view, layout.current_view)
    functions = (layout.made(what) for what in ("from_older", "to_older", "stop"))
    return [*older, layout.newer_view, layout.archive, *functions]


# ---- what only Postgres knows


def _only_postgres(one: Shapes) -> Iterator[Check]:
    table = f"to_regclass({text_sql(one.table)})"
    if any(one.unique_new()):
        yield (
            f"SELECT relname FROM pg_class WHERE oid = {table} AND relkind = 'p'",
            "the table is partitioned, and Postgres builds no index on such a table beside its writers:",
        )
    read = {*one.changing, *(f.name for f in one.layout.gone)}
    groups: dict[str, list[str]] = {}
    for f in one.layout.older:
        if f.name in read and (is_other := _is_other(f.type)):
            groups.setdefault(is_other, []).append(f.name)
    if groups:
        tests = any_of(
            f"(attname IN ({listed(map(text_sql, names))}) AND {test})" for test, names in groups.items()
        )
        kinds = "SELECT attname || '` is `' || format_type(atttypid, atttypmod) FROM pg_attribute JOIN pg_type"
        yield (
            f"{kinds} ON pg_type.oid = atttypid WHERE attrelid = {table} AND ({tests})",
            f"columns that the lens reads are of another type than version {one.older.version} says:",
        )


def _is_other(kind: Type) -> str:
    """What tells that a column cannot hold the type, by the broad categories of Postgres."""
    match kind:
        case Int() | Float() | Number() | Decimal():
            return "typcategory <> 'N'"
        case Bool():
            return "typcategory <> 'B'"
        case Date() | Timestamp():
            return "typcategory <> 'D'"
        case String():
            return "typcategory IN ('N', 'B', 'D')"
        case _:
            return ""
