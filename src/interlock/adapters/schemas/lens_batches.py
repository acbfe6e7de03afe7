"""Translates rows piece by piece: on DuckDB where it can do all of the lens exactly, else record by record.

DuckDB is given each piece as an Arrow table and one query that was made once. Records are translated by the
generated function of the lens. Both give the same rows and reject the same ones for the same reason; what the
columns of the target cannot hold is rejected by both.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from interlock.adapters.schemas.columns import from_text, type_of_column
from interlock.adapters.schemas.compute import EngineRefuses
from interlock.adapters.schemas.lens_fit import COLUMN_MISFIT
from interlock.adapters.schemas.lens_tables import lens_table
from interlock.adapters.schemas.row_files import Form
from interlock.adapters.schemas.row_values import DataUnreadable, arrow_schema, arrow_type, records_of, table_of
from interlock.adapters.schemas.tables import ibis_or_refuse
from interlock.domain.lenses.apply import Rejected
from interlock.domain.lenses.audit import hidden
from interlock.domain.lenses.generate import translator
from interlock.domain.schemas.compatibility import widens
from interlock.domain.schemas.contract import Contract, Object
from interlock.domain.schemas.describe import described
from interlock.domain.schemas.field import Field, Int, String, Timestamp, Type
from interlock.domain.schemas.scalars import double
from interlock.engine.lens_data import Aside, Asked, Piece, Place, RejectedRow, Rows, Translate, Translated
from interlock.kernel.errors import Invalid

EngineChoice = Literal["auto", "duckdb", "records"]
ROW = "interlock_row"
_NULL = "is null, and null is not allowed"


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
    if origin.form == "json":
        whole = Ends(asked, asked.source.fields, asked.target.fields)
        by_line = _ByRecord(_lines(origin.path), whole, is_free=to == "json", aside=aside)
        return Translation(by_line, whole.after, "records")
    ends = _ends(origin, asked)
    read = _Text(origin, ends.before) if origin.form == "csv" else _read_plainly
    if aside is None and choice != "records":
        try:
            return Translation(_Columns(origin, ends, read), ends.after, "duckdb")
        except EngineRefuses as no:
            if choice == "duckdb":
                raise
            return Translation(_ByRecord(_rows(read, ends.before), ends), ends.after, "records", no.message)
    return Translation(_ByRecord(_rows(read, ends.before), ends, aside=aside), ends.after, "records")


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
    before = tuple(one for one in asked.source.fields if one.name in held)
    return Ends(asked, (*before, *more), (*asked.target.fields, *more))


def _refuse(origin: Origin, contract: Contract, said: list[str]) -> None:
    if said:
        says = f"the rows are not those of {contract.name}@{contract.version}: {'; '.join(said)}"
        remedy = "Say which version the rows are in, or correct the contract."
        raise DataMisfit(says, remedy=remedy, where=str(origin.path))


def records_in(rows: Rows, origin: Origin, contract: Contract) -> Iterator[dict[str, Any] | Rejected]:
    """The declared fields of columns as records; Rejected for text that is none of its field. DataMisfit."""
    held = _held(origin)
    _refuse(origin, contract, list(_misfits(held, contract.record)))
    fields = tuple(one for one in contract.fields if one.name in held)
    read = _Text(origin, fields) if origin.form == "csv" else _read_plainly
    for piece in rows.pieces(Place()):
        table, unread = read(piece)
        yield from (Rejected(one.field, one.reason) for one in unread)
        yield from records_of(table.select([one.name for one in fields]), fields)


def _held(origin: Origin) -> dict[str, Type | None]:
    """The type of each column; None for text that is still to be read."""
    import ibis

    if origin.schema is None:
        return dict.fromkeys(origin.columns)
    plain = ibis.Schema.from_pyarrow(_plain_schema(origin.schema))
    return {name: type_of_column(plain[name]) for name in plain}


_NUMERIC = ("int", "float", "decimal", "number")


def _misfits(held: Mapping[str, Type | None], wanted: Object) -> Iterator[str]:
    for one in wanted.fields:
        found = held.get(one.name)
        if one.name not in held:
            if one.required:
                yield f"there is no column `{one.name}`"
        elif found is None:
            if isinstance(one.type, Timestamp) and one.type.unit == "ns":
                yield f"text in `{one.name}` would be read to microseconds only"
        elif not _is_like(found, one.type):
            yield f"the column `{one.name}` is {described(found)}, not {described(one.type)}"


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


def _read_plainly(piece: Piece) -> tuple[Any, list[RejectedRow]]:
    rows, plain = piece.rows, _plain_schema(piece.rows.schema)
    return _numbered(rows if rows.schema.equals(plain) else rows.cast(plain), piece), []


def _plain_schema(schema: Any) -> Any:
    import pyarrow as pa

    return pa.schema([pa.field(one.name, _plain(one.type)) for one in schema])


def _plain(one: Any) -> Any:
    """The Arrow type without the ways to encode it that engines do not know."""
    import pyarrow as pa

    match one:
        case pa.DictionaryType():
            return _plain(one.value_type)
        case pa.StructType():
            return pa.struct([pa.field(inner.name, _plain(inner.type)) for inner in one])
        case pa.ListType() | pa.LargeListType() | pa.FixedSizeListType():
            return pa.list_(pa.field("element", _plain(one.value_type)))
        case _:
            return {
                "large_string": pa.string(),
                "string_view": pa.string(),
                "large_binary": pa.binary(),
                "binary_view": pa.binary(),
                "halffloat": pa.float32(),
                "date64[ms]": pa.date32(),
            }.get(str(one), one)


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
        self.connection.register("interlock_rows", table)
        return self.connection.execute(sql).to_arrow_table()


def _sql(expression: Any) -> str:
    import ibis

    return str(ibis.to_sql(expression, dialect="duckdb"))


class _Text:
    """CSV: text that is read as the contract's types."""

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
    """On DuckDB."""

    def __init__(self, origin: Origin, ends: Ends, read: Read) -> None:
        import ibis

        self.before, self.read = ends.before, read
        row = Field(ROW, Int(64))
        rows = ibis.table(ibis.Schema.from_pyarrow(_schema_in(origin, ends)), name="interlock_rows")
        made = lens_table(rows, ends.asked.program, (*ends.before, row), (*ends.after, row), "duckdb")
        self.accepted, self.rejected = _sql(made.rows), _sql(made.rejected)
        self.names = (made.field, made.reason)
        self.schema = arrow_schema(ends.after)
        self.query = _Query()

    def __call__(self, piece: Piece) -> Translated:
        table, rejected = self.read(piece)
        rows = self.query.ask(self.accepted, table)
        if rows.num_rows < table.num_rows:
            found = self.query.ask(self.rejected, table)
            why = zip(*(found.column(name).to_pylist() for name in self.names), strict=True)
            rejected += self.told(found.drop_columns(list(self.names)), why)
        rows, nulls = _without_nulls(rows, self.schema)
        rejected += self.of_nulls(table, nulls)
        rejected.sort(key=lambda one: one.row)
        return Translated(rows.drop_columns(ROW).cast(self.schema), rows.num_rows, rejected)

    def of_nulls(self, table: Any, nulls: Mapping[int, str]) -> list[RejectedRow]:
        import pyarrow as pa
        from pyarrow import compute

        if not nulls:
            return []
        there = table.filter(compute.is_in(table.column(ROW), pa.array(nulls, pa.int64())))
        return self.told(there, ((nulls[number], _NULL) for number in there.column(ROW).to_pylist()))

    def told(self, table: Any, why: Iterable[tuple[str, str]]) -> list[RejectedRow]:
        records = records_of(table, self.before)
        return [
            RejectedRow(record.pop(ROW), name, reason, hidden(record, self.before))
            for record, (name, reason) in zip(records, why, strict=True)
        ]


def _schema_in(origin: Origin, ends: Ends) -> Any:
    """What DuckDB is given."""
    import pyarrow as pa

    if origin.schema is None:
        found = [pa.field(one.name, arrow_type(one.type)) for one in ends.before]
    else:
        found = [pa.field(one.name, _plain(one.type)) for one in origin.schema]
    return pa.schema([*found, pa.field(ROW, pa.int64())])


def _without_nulls(rows: Any, schema: Any) -> tuple[Any, dict[int, str]]:
    """The rows that have no null in a column that may not be null; and of the others which has it where."""
    from pyarrow import compute

    nulls: dict[int, str] = {}
    for one in schema:
        column = rows.column(one.name)
        if one.nullable or not column.null_count:
            continue
        bad = compute.is_null(column)
        nulls |= dict.fromkeys(rows.column(ROW).filter(bad).to_pylist(), one.name)
        rows = rows.filter(compute.invert(bad))
    return rows, nulls


class _Fitting:
    """Records as rows of the target: as they are when they are free of columns, else as far as those hold them."""

    def __init__(self, fields: tuple[Field, ...], is_free: bool) -> None:
        self.fields, self.is_free = fields, is_free
        self.names = {one.name for one in fields}
        self.needed = [one.name for one in fields if one.required and not one.nullable]

    def fitted(self, records: list[Any]) -> tuple[Any, dict[int, tuple[str, str]], dict[str, int]]:
        """The rows; the records that do not fit, by place, with field and reason; and what was left out."""
        if self.is_free:
            return records, {}, {}
        left_out: dict[str, int] = {}
        for record in records:
            for name in record.keys() - self.names:
                left_out[name] = left_out.get(name, 0) + 1
        bad = {at: why for at, one in enumerate(records) if (why := self.null(one))}
        places = [at for at in range(len(records)) if at not in bad]
        try:
            return table_of([records[at] for at in places], self.fields), bad, left_out
        except Exception:  # Arrow and each kind of value have errors of their own
            bad |= self.misfits(records, places)
            return table_of([records[at] for at in places if at not in bad], self.fields), bad, left_out

    def misfits(self, records: list[Any], places: list[int]) -> dict[int, tuple[str, str]]:
        """Which of the records at `places` the columns cannot hold: halved until each of them stands alone."""
        try:
            table_of([records[at] for at in places], self.fields)
        except Exception:  # as above
            if len(places) == 1:
                return {places[0]: (self.misfit(records[places[0]]), COLUMN_MISFIT)}
            half = len(places) // 2
            return self.misfits(records, places[:half]) | self.misfits(records, places[half:])
        return {}

    def null(self, record: Mapping[str, Any]) -> tuple[str, str] | None:
        return next(((name, _NULL) for name in self.needed if record.get(name) is None), None)

    def misfit(self, record: Mapping[str, Any]) -> str:
        """The first field whose column cannot hold its value."""
        for one in self.fields:
            try:
                table_of([{one.name: record.get(one.name)}], (one,))
            except Exception:  # as above
                return one.name
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
        self.fitting = _Fitting(ends.after, is_free)

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


def json_records(piece: Piece, path: Path) -> list[Any]:
    """The records of a piece of JSON lines. DataUnreadable with the line of the first that is none."""
    records: list[Any] = []
    for line, text in zip(piece.lines, piece.rows, strict=True):
        try:
            record = _json(text)
        except (ValueError, RecursionError) as error:
            raise _no_record(path, line, "no JSON", piece.row + len(records)) from error
        if not isinstance(record, dict):
            raise _no_record(path, line, "no object", piece.row + len(records))
        records.append(record)
    return records


def _no_record(path: Path, line: int, what: str, fine: int) -> DataUnreadable:
    remedy = f"The {fine:,} rows before it can be read. Mend the file and run again."
    return DataUnreadable(f"line {line} is {what}", remedy=remedy, where=f"{path}:{line}")


def _json(text: bytes) -> Any:
    """A line as the reference reads bodies; ValueError for what is no JSON. The quick reader is asked first: what
    it cannot say surely (whether a key stands twice, numbers beyond its range) the slow one decides.
    """
    import msgspec

    try:
        record = msgspec.json.decode(text)
        if isinstance(record, dict) and text.count(b":") == _colons(record) and b"\\u003" not in text:
            return record
    except (msgspec.MsgspecError, RecursionError):
        pass
    whole = json.loads(text, object_pairs_hook=_once, parse_float=_finite, parse_constant=_finite)
    msgspec.json.encode(whole)  # half a surrogate pair is no text that can be written
    return whole


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("an object names a key twice")
    return record


def _finite(text: str) -> float:
    number = double(float(text))
    if number is None:
        raise ValueError("a number is beyond the range of doubles")
    return number


def _colons(value: Any) -> int:
    """How many colons the JSON text of a value has when each key stands once."""
    match value:
        case str():
            return value.count(":")
        case dict():
            return len(value) + sum(map(_colons, value)) + sum(map(_colons, value.values()))
        case list():
            return sum(map(_colons, value))
        case _:
            return 0
