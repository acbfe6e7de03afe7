"""A migration as SQL: every statement of every step, so that an approval of the plan binds to it.

While both versions are served, a write to one shape changes those fields of the other that are made of what it
changed, and no others: what a lens loses is not lost where nothing was edited. A row that has no form in the newer
version keeps its newer columns empty, and is told by the step that verifies; a row that has no form in the older
version is refused as long as the older columns are there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from interlock.adapters.schemas.lens_sql import Translation, literal_sql, translate, violations
from interlock.adapters.schemas.quoting import name_sql, text_sql
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.reverse import reversed_ops
from interlock.domain.migrations.layout import Column, Layout, suffix
from interlock.domain.migrations.migration import Batch, Dialect
from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.field import Field
from interlock.kernel.finding import Finding


@dataclass(frozen=True, slots=True)
class Part:
    """Something that a step makes, and what takes it away again."""

    do: tuple[str, ...] = ()
    undo: tuple[str, ...] = ()


def done(parts: Iterable[Part]) -> tuple[str, ...]:
    return tuple(sql for part in parts for sql in part.do)


def undone(parts: Iterable[Part]) -> tuple[str, ...]:
    return tuple(sql for part in reversed(tuple(parts)) for sql in part.undo)


@dataclass(frozen=True, slots=True)
class Shapes:
    """Both versions of a table. get: newer fields of the older ones; put: older fields of the newer ones. types: of
    the columns that are added and of those that go, as the database calls them.
    """

    layout: Layout
    older: Contract
    newer: Contract
    get: Translation
    put: Translation
    dialect: Dialect
    types: dict[str, str]
    has_older_view: bool

    # ---- names

    @property
    def table(self) -> str:
        return name_sql(self.layout.table)

    @property
    def mark(self) -> str:
        return name_sql(self.layout.mark)

    @property
    def current(self) -> str:
        return name_sql(self.layout.current_view)

    @property
    def archive(self) -> str:
        return name_sql(self.layout.archive)

    def made(self, what: str) -> str:
        return name_sql(self.layout.made(what))

    def made_newer(self, what: str) -> str:
        """The name of something that stays with the newer version, and must not meet that of another's."""
        return self.made(f"{suffix(self.newer.version)}_{what}")

    # ---- pieces of statements

    @property
    def changing(self) -> tuple[str, ...]:
        """Older fields that something of the newer version is made of by the lens."""
        read = {name for names in self.get.reads.values() for name in names}
        read |= {name for one in self.get.rejections for name in one.reads}
        return tuple(one.name for one in self.layout.older if one.name in read)

    @property
    def changing_back(self) -> tuple[str, ...]:
        read = {name for names in self.put.reads.values() for name in names}
        read |= {name for one in self.put.rejections for name in one.reads}
        return tuple(one.name for one in self.newer.fields if one.name in read)

    def older_of_new(self) -> str:
        """A query of one row: the older fields of NEW."""
        return "SELECT " + listed(f"NEW.{name_sql(f.name)} AS {name_sql(f.name)}" for f in self.layout.older)

    def newer_of_new(self, is_insert: bool) -> str:
        return "SELECT " + listed(f"{self.given(f, is_insert)} AS {name_sql(f.name)}" for f in self.newer.fields)

    def given(self, one: Field, is_insert: bool) -> str:
        """What a writer of the newer version gave. Views have no defaults, so the contract's stands in where a
        field is not given that may not be null.
        """
        is_filled = is_insert and one.name in self.defaults
        return self.given_by_name(one.name) if is_filled else f"NEW.{name_sql(one.name)}"

    def given_by_name(self, name: str) -> str:
        return f"coalesce(NEW.{name_sql(name)}, {self.defaults[name]})"

    @property
    def defaults(self) -> dict[str, str]:
        """Literals of the newer fields' defaults, of those that may not be null."""
        found = {}
        for one in self.newer.fields:
            if one.default and one.default[0] is not None and not one.nullable:
                found[one.name] = literal_sql(one.default[0], one, self.dialect)
        return found

    def of_table(self, where: str = "") -> str:
        """The lens over the rows of the table, with their own columns beside it."""
        beside = (*(one.column for one in self.layout.columns), self.layout.mark)
        return self.get.over(f"SELECT * FROM {self.table}{f' WHERE {where}' if where else ''}", beside)

    @property
    def is_rejected(self) -> str:
        return any_of(one.column for one in self.get.rejections)

    def key_is(self, row: str, table: str = "", is_newer: bool = False) -> str:
        """That the table's row has the key of NEW or OLD, or of a row of the newer version."""
        at = f"{table}." if table else ""
        theirs = self.layout.newer_key if is_newer else self.layout.key
        pairs = zip(self.layout.key, theirs, strict=True)
        return " AND ".join(f"{at}{name_sql(mine)} = {row}.{name_sql(their)}" for mine, their in pairs)

    # ---- views

    def older_view(self) -> str:
        return f"SELECT {listed(name_sql(f.name) for f in self.layout.older)} FROM {self.table}"

    def computed_view(self) -> str:
        """What rows show that were not backfilled is made by the lens, until they are."""
        picked = []
        for one in self.layout.columns:
            held = name_sql(one.column)
            if one.is_new:
                made = self.get.made[one.field.name]
                if self.dialect == "postgres":  # a view keeps its types when it is replaced
                    made = f"CAST({made} AS {self.types[one.column]})"
                held = f"CASE WHEN {self.mark} IS NULL THEN {made} ELSE {held} END"
            picked.append(f"{held} AS {name_sql(one.field.name)}")
        shown = f"{self.mark} IS NOT NULL OR NOT ({self.is_rejected})"
        return f"SELECT {listed(picked)} FROM ({self.of_table()}) AS lens WHERE {shown}"

    def stored_view(self) -> str:
        picked = (f"{name_sql(one.column)} AS {name_sql(one.field.name)}" for one in self.layout.columns)
        return f"SELECT {listed(picked)} FROM {self.table} WHERE {self.mark} IS NOT NULL"

    def final_view(self) -> str:
        return f"SELECT {listed(name_sql(one.name) for one in self.newer.fields)} FROM {self.table}"

    # ---- moving rows

    def batch(self) -> Batch:
        key = self.layout.key
        keys = listed(name_sql(one) for one in key)
        after = listed(f":after_{n}" for n in range(len(key)))
        upto = listed(f":upto_{n}" for n in range(len(key)))
        page = f"SELECT {keys} FROM {self.table} {{where}}ORDER BY {keys} LIMIT :size"
        last = f"SELECT {keys} FROM ({page}) AS page ORDER BY {listed(f'{name_sql(k)} DESC' for k in key)} LIMIT 1"
        return Batch(
            self.layout.table,
            key,
            self.filled(f"({keys}) > ({after}) AND ({keys}) <= ({upto})"),
            last.format(where=f"WHERE ({keys}) > ({after}) "),
            last.format(where=""),
            self.filled(f"({keys}) <= ({upto})"),
            f"SELECT count(*) FROM {self.table}",
        )

    def filled(self, stretch: str) -> str:
        """Fills the rows of a stretch that have no newer columns yet. On Postgres rows are touched, and the trigger
        of the table fills each as it is once it is locked: what a statement reads beside it may be older. SQLite
        has one writer, and is told the lens in the statement, which is faster.
        """
        where = f"{self.mark} IS NULL AND {stretch}"
        if self.dialect == "postgres":
            return f"UPDATE {self.table} SET {self.mark} = NULL WHERE {where}"
        sets = [f"{name_sql(one.column)} = lens.{self.get.made[one.field.name]}" for one in self.layout.new]
        lens = self.get.over(f"SELECT * FROM {self.table} WHERE {where}", self.layout.key)
        here = f"{self.key_is('lens', self.table)} AND NOT ({self.is_rejected})"
        return f"UPDATE {self.table} SET {listed((*sets, f'{self.mark} = 0'))} FROM ({lens}) AS lens WHERE {here}"

    def checks(self) -> Iterator[tuple[str, str]]:
        """Queries that give the keys of rows that are not as they should be, and what such a row means."""
        keys = listed(name_sql(one) for one in self.layout.key)
        newer = self.newer.version
        for one in self.get.rejections:
            sql = f"SELECT {keys} FROM ({self.of_table(f'{self.mark} IS NULL')}) AS lens WHERE {one.column}"
            yield sql, f"the row has no form in version {newer}: {one.says}"
        sql = f"SELECT {keys} FROM ({self.of_table(f'{self.mark} IS NULL')}) AS lens WHERE NOT ({self.is_rejected})"
        yield sql, "the row was not backfilled"
        differs = any_of(
            f"{name_sql(one.column)} {self.unlike} {self.get.made[one.field.name]}" for one in self.layout.new
        )
        sql = f"SELECT {keys} FROM ({self.of_table(f'{self.mark} = 0')}) AS lens WHERE {differs}"
        yield sql, f"the columns of version {newer} are not what the lens makes of those of {self.older.version}"
        for names in self.unique_new():
            columns = listed(name_sql(one.column) for one in names)
            known = " AND ".join(f"{name_sql(one.column)} IS NOT NULL" for one in names)
            sql = f"SELECT {columns} FROM {self.table} WHERE {known} GROUP BY {columns} HAVING count(*) > 1"
            yield sql, f"{', '.join(f'`{one.field.name}`' for one in names)} is unique in version {newer}"

    @property
    def unlike(self) -> str:
        return "IS NOT" if self.dialect == "sqlite" else "IS DISTINCT FROM"

    def unique_new(self) -> Iterator[tuple[Column, ...]]:
        """What is unique in the newer version and has a new column."""
        by_name = {one.field.name: one for one in self.layout.columns}
        single = ((one.field.name,) for one in self.layout.columns if one.field.is_unique)
        for names in dict.fromkeys((*single, *self.newer.record.unique)):
            found = tuple(by_name[name] for name in names)
            if any(one.is_new for one in found):
                yield found

    def own_faults(self, is_insert: bool) -> Iterator[tuple[str, str]]:
        """Condition and message of what the newer version itself does not allow."""
        for one in self.layout.new:
            for reason, condition in violations(one.field, self.given(one.field, is_insert), self.dialect):
                yield condition, f"`{one.field.name}` {reason} in version {self.newer.version}"

    def put_back(self, one: Field, row: str) -> str:
        """The older field that the lens made in `row`, as its column takes it."""
        made = f"{row}.{self.put.made[one.name]}"
        return made if self.dialect == "sqlite" else f"CAST({made} AS {self.types[one.name]})"

    # ---- the way back from the end

    @property
    def archived(self) -> tuple[str, ...]:
        """Columns that are kept: what is dropped, and what tells later whether a row was written since."""
        read = {one.field.name: one.column for one in self.layout.columns}
        names = [*self.layout.key, *(f.name for f in self.layout.gone), *(c.column for c in self.layout.new)]
        names += [read[name] for name in self.changing_back]
        return tuple(dict.fromkeys((*names, self.layout.mark)))

    def is_as_archived(self, fields: Collection[str]) -> str:
        """That a row's newer fields are what they were when the older columns were archived."""
        columns = {one.field.name: one.column for one in self.layout.columns}
        same = "IS" if self.dialect == "sqlite" else "IS NOT DISTINCT FROM"
        tests = [
            f"{self.table}.{name_sql(columns[name])} {same} kept.{name_sql(columns[name])}"
            for name in columns
            if name in fields
        ]
        return " AND ".join((f"kept.{name_sql(self.layout.key[0])} IS NOT NULL", *tests))

    def of_newer_rows(self) -> str:
        """put over the table while its columns have the names that they have beside the older ones."""
        picked = listed(f"{name_sql(one.column)} AS {name_sql(one.field.name)}" for one in self.layout.columns)
        return self.put.over(f"SELECT {picked} FROM {self.table}", self.layout.newer_key)

    def refill(self) -> tuple[str, ...]:
        """Fills the older columns again: from the archive where a row is as it was then, else with put. Nothing is
        done when a row has no form in the older version.
        """
        layout = self.layout
        lens = f"({self.of_newer_rows()}) AS lens LEFT JOIN {self.archive} AS kept ON "
        newer_keys = zip(layout.newer_key, layout.key, strict=True)
        lens += " AND ".join(f"kept.{name_sql(mine)} = lens.{name_sql(their)}" for their, mine in newer_keys)
        here = self.key_is("lens", self.table, is_newer=True)
        sets = [
            f"{name_sql(f.name)} = CASE WHEN {self.is_as_archived(self.put.reads[f.name])}"
            f" THEN kept.{name_sql(f.name)} ELSE {self.put_back(f, 'lens')} END"
            for f in layout.gone
        ]
        is_same = self.is_as_archived([one.field.name for one in layout.new])
        kept_mark = f"kept.{self.mark}"
        sets.append(f"{self.mark} = CASE WHEN {is_same} THEN {kept_mark} ELSE coalesce({kept_mark}, 0) + 1 END")
        guard = self.made(f"no_form_in_{self.older.version}")
        refused = any_of(
            f"(lens.{one.column} AND NOT ({self.is_as_archived(one.reads)}))" for one in self.put.rejections
        )
        counted = f"SELECT count(*) FROM {self.table}, {lens} WHERE {here} AND ({refused})"
        return (
            f"CREATE TABLE {guard} (rows bigint CONSTRAINT {guard} CHECK (rows = 0))",
            f"INSERT INTO {guard} {counted}",
            f"DROP TABLE {guard}",
            f"UPDATE {self.table} SET {', '.join(sets)} FROM {lens} WHERE {here}",
        )

    # ---- columns get the names of their fields

    def renames(self) -> tuple[tuple[str, str], ...]:
        """Old name and new one, by way of another where the new one is still taken."""
        moving = {c.column: c.field.name for c in self.layout.columns if c.column != c.field.name}
        detours = {was: f"interlock_{n}" for n, (was, now) in enumerate(moving.items()) if now in moving}
        first = [(was, detours.get(was, now)) for was, now in moving.items() if was in detours]
        direct = [(was, now) for was, now in moving.items() if was not in detours]
        return (*first, *direct, *((detours[was], now) for was, now in moving.items() if was in detours))


def listed(parts: Iterable[str]) -> str:
    return ", ".join(parts)


def any_of(conditions: Iterable[str]) -> str:
    return " OR ".join(conditions) or "1 = 0"


def message(says: str, version: str) -> str:
    """The literal of what a refused writer is told."""
    return text_sql(f"no form in version {version}: {says}")


def shapes_of(
    lens: Lens,
    older: Contract,
    newer: Contract,
    layout: Layout,
    dialect: Dialect,
    has_older_view: bool,
) -> tuple[Shapes | None, tuple[Finding, ...]]:
    """Both translations, or what keeps them from being made."""
    from interlock.adapters.schemas.ddl import column_type

    subject = f"table:{layout.table}"
    wanted = [one.field for one in layout.new]
    get, found = translate(lens.ops, older.fields, wanted, dialect, subject)
    back = reversed_ops(lens.ops)
    put, others = translate(back, newer.fields, layout.gone, dialect, subject)
    if get is None or put is None:
        return None, (*found, *others)
    fields: list[tuple[str, Field]] = [(c.column, c.field) for c in layout.new]
    fields += [(f.name, f) for f in layout.gone]
    types = {name: column_type(field, dialect) for name, field in fields}
    return Shapes(layout, older, newer, get, put, dialect, types, has_older_view), ()
