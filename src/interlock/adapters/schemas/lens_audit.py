"""Counts what a lens loses of a table, by one aggregate query of its engine; or record by record.

The rows go there and back in one query and take their own values along, so that both stand side by side. What else
is asked is asked only where there is something to tell: who was rejected and why, and a few examples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import reduce
from operator import and_
from pathlib import Path
from typing import Any

from interlock.adapters.schemas.compute import Engine, EngineRefuses
from interlock.adapters.schemas.expressions import read
from interlock.adapters.schemas.lens_batches import EngineChoice, Origin, records_in
from interlock.adapters.schemas.lens_tables import Translated, engine_of, lens_table
from interlock.adapters.schemas.row_files import identity_of, row_file
from interlock.adapters.schemas.row_forms import FORMS
from interlock.adapters.schemas.row_lines import json_records
from interlock.adapters.schemas.row_tables import RowTable
from interlock.adapters.schemas.row_values import DataUnreadable
from interlock.adapters.schemas.tables import Table, opened
from interlock.domain.lenses.apply import Rejected
from interlock.domain.lenses.audit import (
    MOST_EXAMPLES,
    Counts,
    Example,
    Trip,
    Way,
    counted_records,
    counts_of,
    declared_paths,
    example,
    made_up,
    personal_paths,
)
from interlock.domain.schemas.describe import described
from interlock.domain.schemas.field import Bool, Field, List, Struct, Type
from interlock.engine.lens_data import CountedRows, Place
from interlock.kernel.digest import digest

_CHUNK = 50_000
_WAS, _MADE, _SAME = "interlock_was_", "interlock_made_", "interlock_same_"


def counted(
    asked: Trip, data: str, database: str = "", share: float = 1.0, choice: EngineChoice = "auto", threads: int = 0
) -> CountedRows:
    """The counts of the rows of a file, or of a table of `database`; of about `share` of them.

    DataMissing, DataUnreadable; EngineRefuses when an engine was asked for that cannot do the lens exactly.
    """
    if not database and FORMS.get(Path(data).suffix.lower()) == "json":
        return CountedRows(
            counted_records(asked, _drawn(_of_lines(Path(data)), share)), identity_of(Path(data)), "records"
        )
    with opened(data, database, threads or None) as table:
        total = None if table.is_file else table.count()
        identity = identity_of(Path(data)) if total is None else _identity(table, total)
        why = ""
        if choice != "records":
            try:
                return CountedRows(by_query(asked, table, share, total), identity, table.engine.name)
            except (EngineRefuses, DataUnreadable) as no:  # read one by one, it is told where and why
                if choice != "auto":
                    raise
                why = no.message
        rows = _drawn(_of_table(asked, table, data), share)
        return CountedRows(counted_records(asked, rows, is_table=True), identity, "records", why)


def _identity(table: Table, rows: int) -> str:
    """What is known of a table: its name and columns, and how many rows there are now."""
    columns = [[name, str(found)] for name, found in table.rows.schema().items()]
    return digest({"engine": table.engine.name, "table": table.name, "columns": columns, "rows": rows})


def _of_lines(path: Path) -> Iterator[dict[str, Any] | Rejected]:
    for piece in row_file(path).pieces(Place()):
        yield from json_records(piece, path)


def _of_table(asked: Trip, table: Table, data: str) -> Iterator[dict[str, Any] | Rejected]:
    if table.is_file:
        file = row_file(Path(data))
        return records_in(file, Origin(file.path, file.form, file.columns, file.schema), asked.source)
    schema = table.rows.schema().to_pyarrow()
    rows = RowTable(table, schema, _CHUNK, "")
    return records_in(rows, Origin(Path(data), "arrow", tuple(schema.names), schema), asked.source)


def _drawn(rows: Iterator[dict[str, Any] | Rejected], share: float) -> Iterator[dict[str, Any] | Rejected]:
    """About the share of the rows, the same ones each time: those whose number, hashed, is below it."""
    if share >= 1:
        return rows
    import xxhash

    limit = share * 2**64
    return (row for n, row in enumerate(rows) if xxhash.xxh64_intdigest(n.to_bytes(8, "little")) < limit)


def by_query(asked: Trip, table: Table, share: float = 1.0, total: int | None = None) -> Counts:
    """The counts, by the engine that holds the table; total: its rows, when they are counted already.
    EngineRefuses.
    """
    engine = engine_of(table.engine.name)
    if engine is None:
        raise EngineRefuses(f"lenses are not run on {table.engine.name}", remedy="Use --engine records.")
    if dotted := next((one.name for one in asked.source.fields if "." in one.name), None):
        raise EngineRefuses(f"`{dotted}` has a dot in its name", remedy="Use --engine records.")
    if share < 1:
        table, total = replace(table, rows=table.engine.sample(table.rows, share)), None
    return _Query(asked, table, engine).counts(total)


class _Query:
    """The trip as a query. paths: dotted path -> field, of the version that the rows are in."""

    def __init__(self, asked: Trip, table: Table, engine: Engine) -> None:
        self.asked, self.table, self.engine = asked, table, engine
        self.fields = tuple(one for one in asked.source.fields if one.name in table.rows.columns or one.required)
        self.carried = tuple(replace(one, name=f"{_WAS}{at}") for at, one in enumerate(self.fields))
        self.paths = dict(declared_paths(self.fields))
        self.made = made_up(asked.there, asked.source.fields)
        self.nested = [path for path in self.made if "." in path]

    def counts(self, total: int | None) -> Counts:
        rows, unread = self.read()
        there = self.sent(rows)
        flags = {f"{_MADE}{at}": _is_there(there.rows, path, self.asked) for at, path in enumerate(self.nested)}
        moved = there.rows.mutate(**flags) if flags else there.rows
        more = (*self.carried, *(Field(name, Bool()) for name in flags))
        back = self.returned(moved, more)
        same = self.compared(back.rows)
        found = self.table.ask(same.aggregate(**self.aggregates(same)))[0]
        total = self.table.count() if total is None else total
        accepted = int(found["rows"])
        refused = dict(self.refusals(unread, there, back)) if accepted < total else {}
        changed = {path: int(found[f"c{at}"] or 0) for at, path in enumerate(self.paths)}
        made = dict.fromkeys(self.made, accepted) | {
            p: int(found[f"m{at}"] or 0) for at, p in enumerate(self.nested)
        }
        shown = {path: (n, self.examples(same, path) if n else ()) for path, n in changed.items()}
        return counts_of(self.asked, total, int(found["whole"] or 0), shown, made, refused)

    def read(self) -> tuple[Any, dict[str, Any]]:
        """The declared columns as the types of their fields, each twice; and what of text is none, by field."""
        typed, unread = {}, {}
        for one in self.fields:
            if one.name not in self.table.rows.columns:
                continue  # the lens says that it is not there
            column = self.table.rows[one.name]
            typed[one.name], is_none = read(self.table, column, one.type) if self.table.is_text else (column, None)
            if typed[one.name] is None:
                says = f"text is not read as {described(one.type)}, which `{one.name}` is"
                raise EngineRefuses(says, remedy="Use --engine records, or Parquet.")
            if is_none is not None:
                unread[one.name] = is_none
        if not typed:
            raise EngineRefuses("there is no column of the contract", remedy="Name the columns so.")
        rows = self.table.rows.select(
            **typed, **{f"interlock_bad_{n}": bad for n, bad in enumerate(unread.values())}
        )
        good = rows
        bad: dict[str, Any] = {}
        for number, name in enumerate(unread):
            bad[name] = good.filter(good[f"interlock_bad_{number}"])
            good = good.filter(~good[f"interlock_bad_{number}"])
        return good, bad

    def sent(self, rows: Any) -> Translated:
        there = [one for one in self.fields if one.name in rows.columns]
        copies = {
            new.name: rows[old.name] for old, new in zip(self.fields, self.carried, strict=True) if old in there
        }
        kept = tuple(one for one in self.carried if one.name in copies)
        self.carried = kept
        source = rows.select(*(one.name for one in there), **copies)
        fields = (*self.fields, *kept)
        return lens_table(source, self.asked.there, fields, (*self.asked.target.fields, *kept), self.engine)

    def returned(self, moved: Any, more: tuple[Field, ...]) -> Translated:
        fields = (*self.asked.target.fields, *more)
        return lens_table(moved, self.asked.back, fields, (*self.fields, *more), self.engine)

    def compared(self, rows: Any) -> Any:
        """The rows with a column for each path that says whether it came back the same."""
        same = {}
        for at, path in enumerate(self.paths):
            was, came = self.both(rows, path)
            same[f"{_SAME}{at}"] = came.identical_to(was)
        return rows.mutate(**same)

    def both(self, rows: Any, path: str) -> tuple[Any, Any]:
        """What was at the path, and what came."""
        name, *inner = path.split(".")
        at = next(n for n, one in enumerate(self.fields) if one.name == name)
        one = self.fields[at].type
        return _within(rows[f"{_WAS}{at}"], one, inner), _within(rows[name], one, inner)

    def aggregates(self, rows: Any) -> dict[str, Any]:
        same = {path: rows[f"{_SAME}{at}"] for at, path in enumerate(self.paths)}
        outer = [one for path, one in same.items() if "." not in path]
        made = {"rows": rows.count(), "whole": rows.count(where=reduce(and_, outer)) if outer else rows.count()}
        made |= {f"c{at}": rows.count(where=~one) for at, one in enumerate(same.values())}
        return made | {f"m{at}": rows.count(where=rows[f"{_MADE}{at}"]) for at in range(len(self.nested))}

    def refusals(
        self, unread: Mapping[str, Any], there: Translated, back: Translated
    ) -> Iterator[tuple[tuple[Way, str, str], int]]:
        for name, rows in unread.items():
            if n := self.table.count(rows):
                yield ("there", name, f"is no {described(self.paths[name].type)}"), n
        ways: tuple[tuple[Way, Translated], ...] = (("there", there), ("back", back))
        for way, made in ways:
            grouped = made.rejected.group_by([made.field, made.reason])
            for row in self.table.ask(grouped.aggregate(n=made.rejected.count())):
                yield (way, str(row[made.field]), str(row[made.reason])), int(row["n"])

    def examples(self, rows: Any, path: str) -> tuple[Example, ...]:
        at = list(self.paths).index(path)
        if path in personal_paths(self.asked.source.fields):
            return (example(None, None, True),)
        was, came = self.both(rows, path)
        found = rows.filter(~rows[f"{_SAME}{at}"]).select(was=was, came=came).limit(MOST_EXAMPLES)
        return tuple(example(row["was"], row["came"], False) for row in self.table.ask(found))


def _within(value: Any, one: Type, path: list[str]) -> Any:
    """The value at a path within a column, through lists."""
    if isinstance(one, List) and path:
        return value.map(lambda inner: _within(inner, one.element.type, path))
    if not path:
        return value
    assert isinstance(one, Struct)
    inner = next(f for f in one.fields if f.name == path[0])
    return _within(value[path[0]], inner.type, path[1:])


def _is_there(rows: Any, path: str, asked: Trip) -> Any:
    """Whether what the lens made up within an object is there: when the object is, or one of those of a list."""
    name, *inner = path.split(".")
    one = next(f for f in asked.target.fields if f.name == name)
    return _has(rows[name], one.type, inner).fill_null(False)


def _has(value: Any, one: Type, path: list[str]) -> Any:
    if isinstance(one, List):
        return value.filter(lambda inner: _has(inner, one.element.type, path).fill_null(False)).length() > 0
    if len(path) == 1:
        return value.notnull()
    assert isinstance(one, Struct)
    inner = next(f for f in one.fields if f.name == path[0])
    return _has(value[path[0]], inner.type, path[1:])
