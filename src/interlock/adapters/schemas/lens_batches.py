"""Translates rows piece by piece: on DuckDB where it can do all of the lens exactly, else record by record.

DuckDB is given each piece as an Arrow table and one query that was made once. Records are translated by the
generated function of the lens. Both give the same rows and reject the same ones for the same reason; what the
columns of the target cannot hold is rejected by both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from interlock.adapters.schemas.columns import field_of_arrow, from_text
from interlock.adapters.schemas.compute import EngineRefuses
from interlock.adapters.schemas.lens_tables import lens_table
from interlock.adapters.schemas.row_fit import Fitting, as_schema
from interlock.adapters.schemas.row_forms import Form
from interlock.adapters.schemas.row_lines import json_records
from interlock.adapters.schemas.row_values import (
    DataUnreadable,
    arrow_schema,
    engine_table,
    engine_type,
    records_of,
)
from interlock.adapters.schemas.tables import first_line, ibis_or_refuse
from interlock.domain.lenses.apply import Rejected
from interlock.domain.lenses.audit import hidden
from interlock.domain.lenses.generate import translator
from interlock.domain.schemas.compatibility import widens
from interlock.domain.schemas.contract import Contract, Object
from interlock.domain.schemas.describe import described
from interlock.domain.schemas.field import (
    Bytes,
    Duration,
    Field,
    Int,
    Json,
    List,
    Map,
    String,
    Struct,
    Time,
    Timestamp,
    Type,
)
from interlock.engine.lens_data import Aside, Asked, Piece, Place, RejectedRow, Rows, Translate, Translated
from interlock.kernel.errors import Invalid

EngineChoice = Literal["auto", "duckdb", "records"]
ROW = "interlock_row"
_RECORDS = "Use --engine records."


class DataMisfit(Invalid):
    """The columns are not those of the contract version that the rows are said to be in."""

    code = "data.misfit"


@dataclass(frozen=True, slots=True)
class Translation:
    """translate: of pieces; fields: what the target's rows have, in order; why: DuckDB does not do it, although it
    might have.
    """

    translate: Translate
    fields: tuple[Field, ...]
    engine: Literal["duckdb", "records"]
    why: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of the rows before they are read. schema: of Arrow; None for CSV, whose `columns` are text, and
    for JSON lines.
    """

    path: Path
    form: Form
    columns: tuple[str, ...]
    schema: Any


def translation(
    origin: Origin, asked: Asked, to: Form, choice: EngineChoice = "auto", aside: Aside | None = None
) -> Translation:
    """How the rows are translated. DataMisfit when they are not the contract's; EngineRefuses when DuckDB was asked
    for and cannot do it exactly. aside: what is done with each record besides, so that they go one by one.
    """
    if origin.form != "json" or to != "json":
        ibis_or_refuse()
    made = _made(_plain(origin, asked.source), asked, to, choice, aside)
    return replace(made, translate=_placed(made.translate, origin.path))


def _made(origin: Origin, asked: Asked, to: Form, choice: EngineChoice, aside: Aside | None) -> Translation:
    if origin.form == "json":
        whole = Ends(asked, asked.source.fields, asked.target.fields)
        by_line = _ByRecord(_lines(origin.path), whole, is_free=to == "json", aside=aside)
        return Translation(by_line, whole.after, "records")
    ends = _ends(origin, asked)
    read = _reader(origin, ends.before)
    why = ""
    if aside is None and choice != "records":
        try:
            return Translation(_Columns(ends, read), ends.after, "duckdb")
        except EngineRefuses as no:
            if choice == "duckdb":
                raise
            why = no.message
    return Translation(_ByRecord(_rows(read, ends.before), ends, aside=aside), ends.after, "records", why)


def _plain(origin: Origin, contract: Contract) -> Origin:
    """With columns as engines are given them."""
    import pyarrow as pa

    if origin.schema is None:
        return origin
    known = {one.name: one.type for one in contract.fields}
    found = [pa.field(one.name, engine_type(one.type, known.get(one.name))) for one in origin.schema]
    return replace(origin, schema=pa.schema(found))


def _placed(translate: Translate, path: Path) -> Translate:
    """Of rows that cannot be read it is told where they are."""

    def translated(piece: Piece) -> Translated:
        with _telling(path, piece):
            return translate(piece)

    return translated


@contextmanager
def _telling(path: Path, piece: Piece) -> Iterator[None]:
    try:
        yield
    except DataUnreadable as no:
        if no.where:
            raise
        says = f"{no.message}, among the rows {piece.row + 1:,} to {piece.row + piece.count:,}"
        raise DataUnreadable(says, remedy=no.remedy, where=str(path)) from no


@dataclass(frozen=True, slots=True)
class Ends:
    """The fields of the rows before and after; what open content adds passes through."""

    asked: Asked
    before: tuple[Field, ...]
    after: tuple[Field, ...]


def _ends(origin: Origin, asked: Asked) -> Ends:
    """DataMisfit; every misfit is told."""
    held = _held(origin)
    _refuse(origin, asked.source, [*_misfits(held, asked.source.record), *_unlisted(held, asked)])
    known = {one.name for one in asked.source.fields}
    more = tuple(Field(n, t or String(), nullable=True) for n, t in held.items() if n not in known)
    before = tuple(_declared(asked.source, held))
    return Ends(asked, (*before, *more), (*asked.target.fields, *more))


def _declared(contract: Contract, held: Mapping[str, Type | None]) -> Iterator[Field]:
    """The fields that there are columns for. JSON that is no text is of its column's type."""
    for one in contract.fields:
        if one.name not in held:
            continue
        found = held[one.name]
        is_shaped = isinstance(one.type, Json) and found is not None and not isinstance(found, String | Bytes)
        yield replace(one, type=found) if found is not None and is_shaped else one


def _refuse(origin: Origin, contract: Contract, said: list[str]) -> None:
    if not said:
        return
    says = f"the rows are not those of {contract.name}@{contract.version}: {'; '.join(said)}"
    remedy = "Say which version the rows are in, or correct the contract."
    if len(origin.columns) == 1 and (other := next((one for one in ";\t|," if one in origin.columns[0]), "")):
        remedy = (
            f"The header is parted by {other!r}: part values by commas, or by tabs in a file that ends in .tsv."
        )
    raise DataMisfit(says, remedy=remedy, where=str(origin.path))


def records_in(rows: Rows, origin: Origin, contract: Contract) -> Iterator[dict[str, Any] | Rejected]:
    """The declared fields of columns as records; Rejected for text that is none of its field. DataMisfit."""
    origin = _plain(origin, contract)
    held = _held(origin)
    _refuse(origin, contract, list(_misfits(held, contract.record)))
    fields = tuple(_declared(contract, held))
    read = _reader(origin, fields)
    for piece in rows.pieces(Place()):
        with _telling(origin.path, piece):
            table, unread = read(piece)
            found = records_of(table.select([one.name for one in fields]), fields)
        yield from (Rejected(one.field, one.reason) for one in unread)
        yield from found


def _held(origin: Origin) -> dict[str, Type | None]:
    """The type of each column; None for text that is still to be read. DataUnreadable."""
    if origin.schema is None:
        return dict.fromkeys(origin.columns)
    return {one.name: field_of_arrow(one, str(origin.path)).type for one in origin.schema}


_NUMERIC = ("int", "float", "decimal", "number")


def _misfits(held: Mapping[str, Type | None], wanted: Object) -> Iterator[str]:
    for one in wanted.fields:
        found = held.get(one.name)
        if one.name not in held:
            if one.required:
                yield f"there is no column `{one.name}`"
        elif found is None:
            if isinstance(one.type, Timestamp | Time) and one.type.unit == "ns":
                yield f"text in `{one.name}` would be read to microseconds only"
        elif not _is_like(found, one.type):
            yield f"the column `{one.name}` is {described(found)}, not {described(one.type)}"
        else:
            yield from _inner_misfits(found, one.type, one.name)


def _inner_misfits(found: Type, wanted: Type, path: str) -> Iterator[str]:
    """Of structs at any depth: a cast to the wanted type would leave fields out, and fill others with nulls."""
    match found, wanted:
        case Struct(), Struct():
            held = {one.name: one.type for one in found.fields}
            for one in wanted.fields:
                if one.name in held:
                    yield from _inner_misfits(held.pop(one.name), one.type, f"{path}.{one.name}")
                elif one.required:
                    yield f"there is no field `{path}.{one.name}`"
            yield from (f"the field `{path}.{name}` is not listed" for name in held)
        case List(), List():
            yield from _inner_misfits(found.element.type, wanted.element.type, path)
        case Map(), Map():
            yield from _inner_misfits(found.value.type, wanted.value.type, path)


def _is_like(found: Type, wanted: Type) -> bool:
    is_numeric = found.kind in _NUMERIC and wanted.kind in _NUMERIC
    return is_numeric or found.kind == wanted.kind or widens(found, wanted)


def _unlisted(held: Mapping[str, Type | None], asked: Asked) -> Iterator[str]:
    """Columns that the contract does not list must be allowed, and have a name that the target leaves free."""
    taken = {one.name for one in asked.target.fields}
    for name in held:
        if asked.source.record.field(name) is not None:
            continue
        if not (asked.source.record.is_open and asked.target.record.is_open):
            yield f"the column `{name}` is not listed, and the contract is closed"
        elif name in taken:
            newer = asked.target.version
            yield f"the column `{name}` is not listed, and version {newer} makes a field of that name"


Read = Callable[[Piece], tuple[Any, list[RejectedRow]]]
"""A piece as an Arrow table with the columns' types and the number of each row in ROW, and what is no row of it."""


def _reader(origin: Origin, fields: tuple[Field, ...]) -> _Text | _Plainly:
    return _Text(origin, fields) if origin.schema is None else _Plainly(origin, fields)


class _Plainly:
    """Columns as they are. schema: of the table, with ROW."""

    def __init__(self, origin: Origin, fields: tuple[Field, ...]) -> None:
        import pyarrow as pa

        self.fields = fields
        self.schema = origin.schema.append(pa.field(ROW, pa.int64()))

    def __call__(self, piece: Piece) -> tuple[Any, list[RejectedRow]]:
        return _numbered(engine_table(piece.rows, self.fields), piece), []


def _numbered(table: Any, piece: Piece) -> Any:
    import pyarrow as pa
    from pyarrow import compute

    ones = pa.repeat(pa.scalar(1, pa.int64()), table.num_rows)
    return table.append_column(ROW, compute.cumulative_sum(ones, start=piece.row))


class _Query:
    """Queries on one piece after the other, which DuckDB sees under one name."""

    def __init__(self) -> None:
        import duckdb

        self.connection = duckdb.connect()
        self.connection.execute("SET TimeZone = 'UTC'")

    def ask(self, sql: str, table: Any) -> Any:
        """DataUnreadable."""
        import duckdb

        try:
            self.connection.register("interlock_rows", table)
            return self.connection.execute(sql).to_arrow_table()
        except duckdb.Error as error:
            raise DataUnreadable(f"DuckDB cannot read the rows: {first_line(error)}", remedy=_RECORDS) from error


def _sql(expression: Any) -> str:
    import ibis

    return str(ibis.to_sql(expression, dialect="duckdb"))


class _Text:
    """CSV: text that is read as the contract's types, or wider ones. schema: of what was read, with ROW."""

    def __init__(self, origin: Origin, fields: tuple[Field, ...]) -> None:
        import ibis

        self.fields = fields
        text = ibis.table({**dict.fromkeys(origin.columns, "string"), ROW: "int64"}, name="interlock_rows")
        typed, codes = {}, []
        for number, one in enumerate(fields):
            column, is_none = from_text(text[one.name], one.type)
            if column is None:
                says = f"`{one.name}` is {described(one.type)}, which CSV does not hold"
                raise DataMisfit(says, remedy="Use Parquet, Arrow or JSON lines.", where=str(origin.path))
            typed[one.name] = column
            codes.append(is_none.ifelse(ibis.literal(number, "int64"), ibis.null("int64")))
        read = text.select(**typed, **{ROW: text[ROW]})
        self.schema = read.schema().to_pyarrow()
        self.sql = _sql(text.select(**typed, **{ROW: text[ROW], "interlock_code": ibis.coalesce(*codes)}))
        self.query = _Query()

    def __call__(self, piece: Piece) -> tuple[Any, list[RejectedRow]]:
        from pyarrow import compute

        text = _numbered(piece.rows, piece)
        found = self.query.ask(self.sql, text)
        code, rows = found.column("interlock_code"), found.drop_columns("interlock_code")
        if code.null_count == len(code):
            return rows, []
        bad = compute.is_valid(code)
        unread = zip(text.filter(bad).to_pylist(), code.filter(bad).to_pylist(), strict=True)
        rejected = [self.told(row, self.fields[number]) for row, number in unread]
        return rows.filter(compute.invert(bad)), rejected

    def told(self, row: dict[str, Any], one: Field) -> RejectedRow:
        number = row.pop(ROW)
        return RejectedRow(number, one.name, f"is no {described(one.type)}", hidden(row, self.fields))


class _Columns:
    """On DuckDB. EngineRefuses."""

    def __init__(self, ends: Ends, read: _Text | _Plainly) -> None:
        import ibis

        self.before, self.read = ends.before, read
        for one in (*ends.before, *ends.after):
            if lacking := _lacks(one.type):
                raise EngineRefuses(f"duckdb cannot run the lens exactly: `{one.name}`: {lacking}", remedy=_RECORDS)
        row = Field(ROW, Int(64))
        rows = ibis.table(ibis.Schema.from_pyarrow(read.schema), name="interlock_rows")
        made = lens_table(rows, ends.asked.program, (*ends.before, row), (*ends.after, row), "duckdb")
        self.accepted, self.rejected = _sql(made.rows), _sql(made.rejected)
        self.names = (made.field, made.reason)
        self.schema = arrow_schema(ends.after)
        self.query = _Query()
        self.try_out()

    def try_out(self) -> None:
        """On no rows: whether DuckDB knows the columns, and gives those of the target."""
        import pyarrow as pa

        try:
            self.query.ask(self.accepted, self.read.schema.empty_table()).drop_columns(ROW).cast(self.schema)
        except (DataUnreadable, pa.ArrowException) as error:
            told = error.message if isinstance(error, DataUnreadable) else first_line(error)
            says = f"duckdb cannot run the lens exactly: {told}"
            raise EngineRefuses(says, remedy=_RECORDS) from error

    def __call__(self, piece: Piece) -> Translated:
        table, rejected = self.read(piece)
        rows = self.query.ask(self.accepted, table)
        if rows.num_rows < table.num_rows:
            found = self.query.ask(self.rejected, table)
            why = zip(*(found.column(name).to_pylist() for name in self.names), strict=True)
            rejected += self.told(found.drop_columns(list(self.names)), why)
        made, left_out = as_schema(rows, self.schema, ROW)
        rejected += self.left_out(table, left_out)
        rejected.sort(key=lambda one: one.row)
        return Translated(made, made.num_rows, rejected)

    def left_out(self, table: Any, why: Mapping[int, tuple[str, str]]) -> list[RejectedRow]:
        import pyarrow as pa
        from pyarrow import compute

        if not why:
            return []
        there = table.filter(compute.is_in(table.column(ROW), pa.array(why, pa.int64())))
        return self.told(there, (why[number] for number in there.column(ROW).to_pylist()))

    def told(self, table: Any, why: Iterable[tuple[str, str]]) -> list[RejectedRow]:
        records = records_of(table, self.before)
        return [
            RejectedRow(record.pop(ROW), name, reason, hidden(record, self.before))
            for record, (name, reason) in zip(records, why, strict=True)
        ]


def _lacks(one: Type) -> str:
    """What of a type DuckDB's columns lose; empty when nothing."""
    match one:
        case Duration():
            return "durations become months, days and microseconds"
        case Timestamp(unit="ns", is_zoned=True) | Time(unit="ns"):
            return f"{described(one)} is held to microseconds only"
        case List(inner) | Map(inner):
            return _lacks(inner.type)
        case Struct(fields):
            return next((lacking for inner in fields if (lacking := _lacks(inner.type))), "")
        case _:
            return ""


@dataclass(frozen=True, slots=True)
class _Given:
    """Records of a piece, with the number of each row and, for text, its line."""

    records: list[Any]
    numbers: Sequence[int]
    lines: Sequence[int] = ()
    rejected: Sequence[RejectedRow] = ()


def _rows(read: Read, fields: tuple[Field, ...]) -> Callable[[Piece], _Given]:
    def given(piece: Piece) -> _Given:
        table, rejected = read(piece)
        numbers = table.column(ROW).to_pylist()
        return _Given(records_of(table.drop_columns(ROW), fields), numbers, (), rejected)

    return given


def _lines(path: Path) -> Callable[[Piece], _Given]:
    def given(piece: Piece) -> _Given:
        records = json_records(piece, path)
        return _Given(records, range(piece.row + 1, piece.row + 1 + len(records)), piece.lines)

    return given


class _ByRecord:
    """Record by record."""

    def __init__(
        self, given: Callable[[Piece], _Given], ends: Ends, is_free: bool = False, aside: Aside | None = None
    ) -> None:
        self.given, self.before, self.aside = given, ends.before, aside
        self.run = translator(ends.asked.program, ends.before, ends.asked.source.record.is_open)
        self.fitting = Fitting(ends.after, is_free)

    def __call__(self, piece: Piece) -> Translated:
        given = self.given(piece)
        rejected = list(given.rejected)
        made: list[Any] = []
        places: list[int] = []
        for at, record in enumerate(given.records):
            try:
                made.append(self.run(record))
                places.append(at)
            except Rejected as why:
                rejected.append(self.told(given, at, why.field, why.reason))
        if self.aside is not None:
            made = self.aside.past([given.records[at] for at in places], made)
        rows, bad, left_out = self.fitting.fitted(made)
        rejected += (self.told(given, places[place], *why) for place, why in bad.items())
        rejected.sort(key=lambda one: one.row)
        return Translated(rows, len(made) - len(bad), rejected, left_out)

    def told(self, given: _Given, at: int, name: str, reason: str) -> RejectedRow:
        line = given.lines[at] if given.lines else None
        return RejectedRow(given.numbers[at], name, reason, hidden(given.records[at], self.before), line)
