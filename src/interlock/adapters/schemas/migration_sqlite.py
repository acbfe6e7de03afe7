"""The parts of a migration as SQLite has them. Its triggers are plain statements, cannot change the row that is
being written, and say what they refuse in literals; its tables take no constraint once they are there
(sqlite.org/lang_createtrigger.html, lang_altertable.html), so rules of the newer version are kept by triggers.

Nothing here fires itself, with `PRAGMA recursive_triggers` on or off: what a trigger writes to the table changes
the mark, or leaves alone what would fire it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from interlock.adapters.schemas.lens_sql import Rejection, violations
from interlock.adapters.schemas.migration_sql import Part, Shapes, any_of, listed, message
from interlock.adapters.schemas.quoting import name_sql, text_sql
from interlock.domain.migrations.layout import suffix
from interlock.domain.schemas.contract import Contract

ANSWERED = {
    "column-dropped": "the older version is no longer written by then, and the column is archived",
    "column-renamed": "readers of the newer version have the column's new name from their view before",
    "table-dropped": "the archive is dropped, as the step says",
}
"""Rules of unsafe statements that the order of the steps keeps, and how."""


def expand(one: Shapes) -> tuple[Part, ...]:
    columns = [(c.column, one.types[c.column]) for c in one.layout.new] + [(one.layout.mark, "INTEGER")]
    return tuple(added(one, name, kind) for name, kind in columns)


def added(one: Shapes, name: str, kind: str) -> Part:
    add = f"ALTER TABLE {one.table} ADD COLUMN {name_sql(name)} {kind}"
    return Part((add,), (f"ALTER TABLE {one.table} DROP COLUMN {name_sql(name)}",))


def dual_write(one: Shapes) -> tuple[Part, ...]:
    """Back again, the columns are emptied by an update, once no trigger is there."""
    emptied = f"UPDATE {one.table} SET {empty(one)} WHERE {one.mark} IS NOT NULL"
    views = () if one.has_older_view else older_views(one)
    return Part((), (emptied,)), from_older(one), *views, newer_view(one, one.computed_view())


def empty(one: Shapes) -> str:
    """What sets the newer columns of a row back to none."""
    return listed(f"{name_sql(name)} = NULL" for name in (*(c.column for c in one.layout.new), one.layout.mark))


def trigger(name: str, when: str, *statements: str) -> Part:
    body = " ".join(f"{sql};" for sql in statements if sql)
    return Part((f"CREATE TRIGGER {name} {when} BEGIN {body} END",), (f"DROP TRIGGER {name}",))


def both(*parts: Part) -> Part:
    return Part(
        tuple(sql for part in parts for sql in part.do), tuple(sql for part in reversed(parts) for sql in part.undo)
    )


# ---- from the older shape to the newer


def from_older(one: Shapes) -> Part:
    """The triggers for those who write the table itself."""
    lens = f"({one.get.over(as_written(one))}) AS lens"
    here = one.key_is("NEW", one.table)
    made = {c.column: f"lens.{one.get.made[c.field.name]}" for c in one.layout.new}
    filled = listed((*(f"{name_sql(column)} = {value}" for column, value in made.items()), f"{one.mark} = 0"))
    first = f"UPDATE {one.table} SET {filled} FROM {lens} WHERE {here} AND NOT ({one.is_rejected})"
    inserted = f"AFTER INSERT ON {one.table} WHEN NEW.{one.mark} IS NULL"
    return both(
        trigger(one.made("from_older_insert"), inserted, first),
        trigger(one.made("from_older_update"), f"AFTER UPDATE ON {one.table} WHEN {is_by_older(one)}", *again(one)),
    )


def is_by_older(one: Shapes) -> str:
    """That an update changed what newer columns are made of, or found them empty, and is not by the newer view."""
    return (
        f"NEW.{one.mark} IS OLD.{one.mark} AND ({touched(one.changing, one.changing, f'NEW.{one.mark} IS NULL')})"
    )


def touched(reads: Collection[str], inputs: Sequence[str], otherwise: str) -> str:
    """That one of the fields was changed."""
    tests = (f"NEW.{name_sql(name)} IS NOT OLD.{name_sql(name)}" for name in inputs if name in reads)
    return any_of((*((otherwise,) if otherwise else ()), *tests))


def as_written(one: Shapes) -> str:
    """The older fields of the row as it is now: a trigger of the table's owner may have changed what NEW tells."""
    return f"{one.older_view()} WHERE {one.key_is('NEW')}"


def again(one: Shapes) -> tuple[str, str]:
    lens = f"({one.get.over(as_written(one))}) AS lens"
    here = one.key_is("NEW", one.table)
    sets = []
    for c in one.layout.new:
        is_touched = touched(one.get.reads[c.field.name], one.changing, f"NEW.{one.mark} IS NULL")
        made, held = f"lens.{one.get.made[c.field.name]}", f"{one.table}.{name_sql(c.column)}"
        sets.append(f"{name_sql(c.column)} = CASE WHEN {is_touched} THEN {made} ELSE {held} END")
    sets.append(f"{one.mark} = coalesce(NEW.{one.mark}, 0)")
    rejected = any_of(
        f"(lens.{no.column} AND ({touched(no.reads, one.changing, f'NEW.{one.mark} IS NULL')}))"
        for no in one.get.rejections
    )
    is_filled = f"{one.table}.{one.mark} IS NOT NULL"
    return (
        f"UPDATE {one.table} SET {listed(sets)} FROM {lens} WHERE {here} AND NOT ({rejected})",
        f"UPDATE {one.table} SET {empty(one)} FROM {lens} WHERE {here} AND {is_filled} AND ({rejected})",
    )


def strict(one: Shapes) -> Part:
    """Refuses rows that have no form in the newer version instead of leaving them without."""
    lens = f"FROM ({one.get.over(one.older_of_new())}) AS lens"
    version = one.newer.version
    inserted = f"BEFORE INSERT ON {one.table} WHEN NEW.{one.mark} IS NULL"
    updated = f"BEFORE UPDATE ON {one.table} WHEN {is_by_older(one)}"
    is_empty = f"NEW.{one.mark} IS NULL"
    return both(
        trigger(one.made("strict_insert"), inserted, refused(one.get.rejections, version, lens)),
        trigger(
            one.made("strict_update"), updated, refused(one.get.rejections, version, lens, one.changing, is_empty)
        ),
    )


def refused(
    rejections: Iterable[Rejection],
    version: str,
    lens: str,
    inputs: Sequence[str] | None = None,
    otherwise: str = "",
) -> str:
    """Stops with the reason why a row has no form. inputs: only what one of them decides, as it was changed."""
    whens = []
    for one in rejections:
        is_asked = "" if inputs is None else f" AND ({touched(one.reads, inputs, otherwise)})"
        whens.append(f"WHEN lens.{one.column}{is_asked} THEN RAISE(ABORT, {message(one.says, version)})")
    return f"SELECT CASE {' '.join(whens)} END {lens}" if whens else "SELECT 1"


def refused_own(faults: Iterator[tuple[str, str]]) -> str:
    whens = [f"WHEN {condition} THEN RAISE(ABORT, {text_sql(says)})" for condition, says in faults]
    return f"SELECT CASE {' '.join(whens)} END" if whens else ""


# ---- views


def plain_view(one: Shapes, name: str, query: str, fields: Mapping[str, str], key: Sequence[str]) -> Part:
    """A view whose columns are the table's: field -> column. Writes go straight to the table."""
    view = name_sql(name)
    columns = listed(map(name_sql, fields.values()))
    values = listed(f"NEW.{name_sql(field)}" for field in fields)
    sets = listed(f"{name_sql(column)} = NEW.{name_sql(field)}" for field, column in fields.items())
    here = " AND ".join(f"{name_sql(k)} = OLD.{name_sql(k)}" for k in key)
    writes = {
        "insert": f"INSERT INTO {one.table} ({columns}) VALUES ({values})",
        "update": f"UPDATE {one.table} SET {sets} WHERE {here}",
        "delete": f"DELETE FROM {one.table} WHERE {here}",
    }
    made = [f"CREATE VIEW {view} AS {query}"]
    for what, sql in writes.items():
        made += trigger(name_sql(f"{name}_{what}"), f"INSTEAD OF {what.upper()} ON {view}", sql).do
    return Part(tuple(made), (f"DROP VIEW {view}",))


def older_views(one: Shapes) -> tuple[Part, ...]:
    return older_view(one), current_on(one, one.layout.older_view)


def older_view(one: Shapes) -> Part:
    fields = {f.name: f.name for f in one.layout.older}
    return plain_view(one, one.layout.older_view, one.older_view(), fields, one.layout.key)


def current_on(one: Shapes, name: str) -> Part:
    return Part((f"CREATE VIEW {one.current} AS SELECT * FROM {name_sql(name)}",), (f"DROP VIEW {one.current}",))


def newer_view(one: Shapes, query: str) -> Part:
    """The newer version's view, and what it does with writes."""
    view, name = name_sql(one.layout.newer_view), one.layout.newer_view
    writes = {
        "insert": inserting(one),
        "update": updating(one),
        "delete": (f"DELETE FROM {one.table} WHERE {one.key_is('OLD', is_newer=True)}",),
    }
    made = [f"CREATE VIEW {view} AS {query}"]
    for what, statements in writes.items():
        made += trigger(name_sql(f"{name}_{what}"), f"INSTEAD OF {what.upper()} ON {view}", *statements).do
    return Part(tuple(made), (f"DROP VIEW {view}",))


def inserting(one: Shapes) -> tuple[str, ...]:
    lens = f"FROM ({one.put.over(one.newer_of_new(is_insert=True))}) AS lens"
    values = {c.column: one.given(c.field, is_insert=True) for c in one.layout.columns}
    values |= {f.name: f"lens.{one.put.made[f.name]}" for f in one.layout.gone}
    values[one.layout.mark] = "1"
    return (
        refused_own(one.own_faults(is_insert=True)),
        refused(one.put.rejections, one.older.version, lens),
        f"INSERT INTO {one.table} ({listed(map(name_sql, values))}) SELECT {listed(values.values())} {lens}",
    )


def updating(one: Shapes) -> tuple[str, ...]:
    """Older columns are computed again where what they are made of was changed."""
    lens = f"FROM ({one.put.over(one.newer_of_new(is_insert=False))}) AS lens"
    sets = [f"{name_sql(c.column)} = NEW.{name_sql(c.field.name)}" for c in one.layout.columns]
    for f in one.layout.gone:
        is_touched = touched(one.put.reads[f.name], one.changing_back, "")
        made, held = f"lens.{one.put.made[f.name]}", f"{one.table}.{name_sql(f.name)}"
        sets.append(f"{name_sql(f.name)} = CASE WHEN {is_touched} THEN {made} ELSE {held} END")
    sets.append(f"{one.mark} = coalesce({one.table}.{one.mark}, 0) + 1")
    return (
        refused_own(one.own_faults(is_insert=False)),
        refused(one.put.rejections, one.older.version, lens, one.changing_back),
        f"UPDATE {one.table} SET {listed(sets)} {lens} WHERE {one.key_is('OLD', one.table, is_newer=True)}",
    )


# ---- after the rows are moved


def indexes(one: Shapes) -> tuple[Part, ...]:
    found = []
    for columns in one.unique_new():
        name = one.made_newer("_".join((*(c.field.name for c in columns), "key")))
        made = f"CREATE UNIQUE INDEX {name} ON {one.table} ({listed(name_sql(c.column) for c in columns)})"
        found.append(Part((made,), (f"DROP INDEX {name}",)))
    return tuple(found)


def constrain(one: Shapes) -> tuple[Part, ...]:
    return (strict(one),)


def switch(one: Shapes) -> tuple[Part, ...]:
    older, newer = (current_on(one, name) for name in (one.layout.older_view, one.layout.newer_view))
    computed, stored = newer_view(one, one.computed_view()), newer_view(one, one.stored_view())
    return (
        Part((*computed.undo, *stored.do), (*stored.undo, *computed.do)),
        Part((*older.undo, *newer.do), (*newer.undo, *older.do)),
    )


def stop(one: Shapes) -> tuple[Part, ...]:
    says = f"version {one.older.version} of {one.newer.name} is no longer written; write {one.layout.newer_view}"
    stopped = f"SELECT RAISE(ABORT, {text_sql(says)})"
    inserted = f"BEFORE INSERT ON {one.table} WHEN NEW.{one.mark} IS NULL"
    changed = f"BEFORE UPDATE ON {one.table} WHEN NEW.{one.mark} IS OLD.{one.mark}"
    return (
        trigger(one.made("stop_insert"), inserted, stopped),
        trigger(one.made("stop_update"), changed, stopped),
    )


# ---- the end


def archive(one: Shapes) -> tuple[Part, ...]:
    columns, key = listed(map(name_sql, one.archived)), listed(map(name_sql, one.layout.key))
    made = f"CREATE TABLE {one.archive} AS SELECT {columns} FROM {one.table}"
    keyed = f"CREATE UNIQUE INDEX {one.made('archive_key')} ON {one.archive} ({key})"
    return (Part((made, keyed), (f"DROP TABLE {one.archive}",)),)


def contract(one: Shapes) -> tuple[Part, ...]:
    """Everything of the older version goes, the new columns get their names; back again, all of it as it was but
    for NOT NULL, which SQLite does not add to a column.
    """
    newer = one.layout.newer_view
    served = (
        *((rules(one, one.older),) if one.has_older_view else ()),
        from_older(one),
        older_view(one),
        newer_view(one, one.stored_view()),
        strict(one),
        current_on(one, newer),
        *stop(one),
    )
    taken = tuple(sql for part in reversed(served) for sql in part.undo)
    brought = tuple(sql for part in served for sql in part.do)
    gone = [(f.name, one.types[f.name]) for f in one.layout.gone] + [(one.layout.mark, "INTEGER")]
    dropped = tuple(added(one, name, kind) for name, kind in gone)
    fields = {f.name: f.name for f in one.newer.fields}
    return (
        Part(taken, brought),
        Part((), one.refill()),
        *(Part(part.undo, part.do) for part in dropped),
        *(rename(one, was, now) for was, now in one.renames()),
        rules(one, one.newer),
        plain_view(one, newer, one.final_view(), fields, one.layout.newer_key),
        current_on(one, newer),
    )


def rename(one: Shapes, was: str, now: str) -> Part:
    head = f"ALTER TABLE {one.table} RENAME COLUMN"
    return Part((f"{head} {name_sql(was)} TO {name_sql(now)}",), (f"{head} {name_sql(now)} TO {name_sql(was)}",))


def rules(one: Shapes, version: Contract) -> Part:
    """What the version allows, for whoever writes the table while it is the only one. That is all of it, so that
    the migration after this one knows what to take away; but for keys, which SQLite makes after these triggers.
    """
    keys = {*one.layout.key, *one.layout.newer_key}
    faults = [
        (condition, f"`{f.name}` {reason} in version {version.version}")
        for f in version.fields
        if f.name not in keys
        for reason, condition in violations(f, f"NEW.{name_sql(f.name)}", one.dialect)
    ]
    if not faults:
        return Part()
    name, stopped = f"rules_{suffix(version.version)}", refused_own(iter(faults))
    return both(
        trigger(one.made(f"{name}_insert"), f"BEFORE INSERT ON {one.table}", stopped),
        trigger(one.made(f"{name}_update"), f"BEFORE UPDATE ON {one.table}", stopped),
    )


def expire(one: Shapes) -> tuple[Part, ...]:
    return (Part((f"DROP TABLE {one.archive}",)),)
