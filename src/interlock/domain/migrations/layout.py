"""Where the fields of both contract versions lie while both are served: one physical column where they are the same
value, a second one where the lens changes something, and the names of all that a migration makes.

A field that is only renamed shares its column, which the newer version's view shows under its new name; it is
renamed when the older version goes. So nothing is copied that does not change.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import Rename
from interlock.domain.lenses.trace import Trace, traces
from interlock.domain.migrations.migration import Dialect
from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.field import Bool, Decimal, Field, Float, Int, Number, String
from interlock.kernel.finding import Finding, Severity

LONGEST_NAME = 63
"""Bytes of a name that Postgres keeps (NAMEDATALEN - 1); what is longer it cuts off silently."""


@dataclass(frozen=True, slots=True)
class Column:
    """A field of the newer version and the column that holds it. shares: the older field that has the same column,
    empty when the column is new. Its name is `column` until the older version goes, then the field's.
    """

    field: Field
    column: str
    shares: str = ""

    @property
    def is_new(self) -> bool:
        return not self.shares


@dataclass(frozen=True, slots=True)
class Layout:
    """columns: of the newer version, in order of its fields. gone: fields of the older version whose columns are
    dropped at the end. key: the key's columns; newer_key: how the newer version names them, in the same order.
    mark: a column that counts the writes of the newer version to a row; 0 is a row whose newer columns are what the
    lens makes of the older ones, null a row that has none yet.
    """

    table: str
    key: tuple[str, ...]
    newer_key: tuple[str, ...]
    older: tuple[Field, ...]
    columns: tuple[Column, ...]
    mark: str
    older_view: str
    newer_view: str
    current_view: str
    archive: str
    older_version: str
    newer_version: str

    @property
    def new(self) -> tuple[Column, ...]:
        return tuple(one for one in self.columns if one.is_new)

    @property
    def shared(self) -> tuple[Column, ...]:
        return tuple(one for one in self.columns if not one.is_new)

    @property
    def gone(self) -> tuple[Field, ...]:
        kept = {one.shares for one in self.columns}
        return tuple(one for one in self.older if one.name not in kept)

    def made(self, what: str) -> str:
        """The name of something that the migration makes for the table."""
        return short_name(f"{self.table}__{what}")


def short_name(name: str) -> str:
    """The name, or as much of it as a database keeps, made unmistakable by a digest."""
    raw = name.encode()
    if len(raw) <= LONGEST_NAME:
        return name
    return raw[: LONGEST_NAME - 9].decode(errors="ignore") + "_" + hashlib.sha256(raw).hexdigest()[:8]


def suffix(version: str) -> str:
    """What names of a version end with: `v2` for 2, `v1_2_0` for v1.2.0."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", version).strip("_").lower()
    return plain if plain[:1] == "v" else f"v{plain}"


def lay_out(
    lens: Lens,
    older: Contract,
    newer: Contract,
    table: str,
    key: tuple[str, ...],
) -> tuple[Layout | None, tuple[Finding, ...]]:
    """The layout, or why there is none."""
    arrived = _arrived(lens, older)
    used = {one.name for one in older.fields}
    after = suffix(newer.version)
    columns = []
    for one in newer.fields:
        source = arrived.get(one.name)
        was = older.field(source) if source else None
        if was is not None and _is_same(was, one):
            columns.append(Column(one, was.name, was.name))
            continue
        name = _free(one.name, after, used)
        used.add(name)
        columns.append(Column(one, name))
    by_older = {one.shares: one for one in columns if one.shares}
    found = tuple(_findings(key, by_older, older, columns, table))
    if found:
        return None, found
    layout = Layout(
        table,
        key,
        tuple(by_older[name].field.name for name in key),
        older.fields,
        tuple(columns),
        _free(f"interlock_{after}", "mark", used),
        short_name(f"{table}__{suffix(older.version)}"),
        short_name(f"{table}__{after}"),
        short_name(f"{table}__current"),
        short_name(f"{table}__archive_{suffix(older.version)}"),
        older.version,
        newer.version,
    )
    return layout, ()


def _arrived(lens: Lens, older: Contract) -> dict[str, str]:
    """Newer field -> the older field that it is, as it stands."""
    found = {}
    for one in traces(lens.ops, older.fields):
        if _is_as_it_stands(one):
            found[(one.target or ("",))[0]] = (one.source or ("",))[0]
    return found


def _is_as_it_stands(one: Trace) -> bool:
    is_whole = one.source is not None and one.target is not None and len(one.source) == len(one.target) == 1
    return is_whole and all(isinstance(step.op, Rename) for step in one.steps)


def _is_same(older: Field, newer: Field) -> bool:
    """Whether one column can be both: every value of the one is one of the other, and none needs another type."""
    return _held(older) == _held(newer)


def _held(one: Field) -> Field:
    """The field without what says nothing about its values."""
    return replace(
        Field("", one.type, nullable=one.nullable or not one.required),
        enum=one.enum,
        minimum=one.minimum,
        maximum=one.maximum,
        more_than=one.more_than,
        less_than=one.less_than,
        multiple_of=one.multiple_of,
        min_length=one.min_length,
        max_length=one.max_length,
        pattern=one.pattern,
        format=one.format,
        is_unique=one.is_unique,
    )


def unkept(layout: Layout, older: Contract, newer: Contract, dialect: Dialect) -> tuple[Finding, ...]:
    """What the migration does not do although it could be expected: warnings, and an error for what would fail."""
    return (*_not_dropped(layout, older, dialect), *_not_kept(layout, newer))


def _not_dropped(layout: Layout, older: Contract, dialect: Dialect) -> Iterator[Finding]:
    """SQLite drops no column that a key or an index has (sqlite.org/lang_altertable.html)."""
    keys = {name for names in (*older.record.unique, older.record.primary_key) for name in names}
    keys |= {name for one in older.record.references for name in one.fields}
    for one in layout.gone:
        if dialect == "sqlite" and (one.is_unique or one.name in keys):
            says = f"SQLite cannot drop the column `{one.name}`, which a key or a constraint of the table has"
            remedy = "Drop that index first and declare the field without it, or build the table anew."
            yield Finding("migration.column_bound", Severity.ERROR, f"table:{layout.table}", says, remedy)


def _not_kept(layout: Layout, newer: Contract) -> Iterator[Finding]:
    rules: list[str] = [f"the check {one.name!r}" for one in newer.record.checks]
    new = {one.field.name for one in layout.new}
    rules += [f"the reference to {one.to}" for one in newer.record.references if new & set(one.fields)]
    for one in layout.new:
        rules += [f"the {what} of `{one.field.name}`" for what in _unheld(one.field)]
    if rules:
        says = f"the database does not keep {', '.join(rules)} of version {newer.version}"
        remedy = "Add it by hand after the switch, or check the rows with `interlock data validate`."
        yield Finding("migration.rule_not_kept", Severity.WARNING, f"table:{layout.table}", says, remedy)


def _unheld(one: Field) -> Iterator[str]:
    """The constraints that no statement of the migration asks for."""
    yield from (what for what, is_there in (("pattern", one.pattern), ("format", one.format)) if is_there)
    yield from ("factor",) if one.multiple_of is not None else ()
    if not isinstance(one.type, Int | Float | Number | Decimal | String | Bool):
        is_bound = any(end is not None for end in (one.minimum, one.maximum, one.more_than, one.less_than))
        is_bound = is_bound or one.min_items is not None or one.max_items is not None
        yield from ("bounds",) if is_bound else ()
        yield from ("listed values",) if one.enum else ()


def _free(name: str, after: str, used: Collection[str]) -> str:
    folded = {one.casefold() for one in used}
    candidate, number = short_name(name), 0
    while candidate.casefold() in folded:
        number += 1
        candidate = short_name(f"{name}__{after}{number if number > 1 else ''}")
    return candidate


def _findings(
    key: tuple[str, ...],
    by_older: dict[str, Column],
    older: Contract,
    columns: list[Column],
    table: str,
) -> Iterator[Finding]:
    subject = f"table:{table}"
    if not key:
        says = "rows are moved in order of a key, and none is given"
        yield Finding("migration.key_absent", Severity.ERROR, subject, says, "Name the columns of the key.")
    for name in key:
        if older.field(name) is None:
            says = f"the key column `{name}` is no field of version {older.version}"
            yield Finding("migration.key_unknown", Severity.ERROR, subject, says, "Name fields of the contract.")
        elif name not in by_older:
            says = f"the lens changes the key column `{name}`, so that rows could not be told to be the same"
            remedy = "Keep the key as it is, or rename it without changing its type or constraints."
            yield Finding("migration.key_changed", Severity.ERROR, subject, says, remedy)
        elif by_older[name].field.nullable or not by_older[name].field.required:
            says = f"the key column `{name}` may be null"
            yield Finding("migration.key_nullable", Severity.ERROR, subject, says, "Name a key that is never null.")
    for name in (table, *(one.field.name for one in columns), *(f.name for f in older.fields)):
        if len(name.encode()) > LONGEST_NAME:
            says = f"the name `{name[:40]}...` has more than {LONGEST_NAME} bytes"
            yield Finding("migration.name_long", Severity.ERROR, subject, says, "Give it a shorter name.")
