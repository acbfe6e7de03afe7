"""Reads Parquet, Arrow IPC, CSV and JSON lines piece by piece, so that a run can go on where an earlier one ended.

How a file falls into pieces depends on the file alone: rows of binary formats, whole records of text. A piece says
where the next one begins. What cannot be read is told with file, and row or line, and which rows before it are
fine.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock.adapters.schemas.row_forms import Form, form_of, opened_arrow
from interlock.adapters.schemas.row_values import DataUnreadable
from interlock.adapters.schemas.tables import DataMissing, first_line
from interlock.engine.lens_data import Piece, Place
from interlock.kernel.digest import digest

PART_ROWS = 131_072
PART_BYTES = 8 << 20
_LONGEST_RECORD = 256 << 20
_HEAD = 64 << 10


def identity_of(path: Path) -> str:
    """What tells a file from another one, and from itself after a change: size, time, and a digest of both ends."""
    if not path.is_file():
        raise DataMissing(f"there is no file {str(path)!r}", remedy="Name a file, or a table with --database.")
    about = path.stat()
    with path.open("rb") as file:
        head = file.read(_HEAD)
        file.seek(max(0, about.st_size - _HEAD))
        ends = hashlib.sha256(head + file.read(_HEAD)).hexdigest()
    return digest({"size": about.st_size, "modified_ns": about.st_mtime_ns, "ends": ends})


@dataclass(frozen=True, slots=True)
class RowFile:
    """A file of rows. columns: the names that it has, empty for JSON lines, where each record has its own.
    rows: how many, None when only reading tells. open_at: reads pieces from a place on.
    """

    path: Path
    form: Form
    columns: tuple[str, ...]
    schema: Any
    rows: int | None
    open_at: Callable[[Place], Iterator[Piece]]

    @property
    def identity(self) -> str:
        return identity_of(self.path)

    def pieces(self, place: Place) -> Iterator[Piece]:
        return self.open_at(place)


def row_file(path: Path, part_rows: int = PART_ROWS, part_bytes: int = PART_BYTES) -> RowFile:
    """The file, opened as far as to know its columns. DataMissing, DataUnreadable."""
    if not path.is_file():
        raise DataMissing(f"there is no file {str(path)!r}", remedy="Name a file, or a table with --database.")
    match form_of(path):
        case "parquet":
            return _parquet(path, part_rows)
        case "arrow":
            return _arrow(path, part_rows)
        case "csv":
            names = _header(path)
            return RowFile(path, "csv", names, None, None, _Csv(path, names, part_bytes).pieces)
        case "json":
            return RowFile(path, "json", (), None, None, _Lines(path, part_bytes).pieces)


@contextmanager
def _told(path: Path, what: str, rows: int = 0) -> Iterator[None]:
    """Arrow's errors, with the file and how many rows before are fine."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        fine = f"; the {rows:,} rows before it can be read" if rows else ""
        says = f"{what} cannot be read: {first_line(error)}{fine}"
        raise DataUnreadable(says, remedy="Restore the file from its source.", where=str(path)) from error


def _parquet(path: Path, part_rows: int) -> RowFile:
    from pyarrow import parquet

    with _told(path, "the file is no whole Parquet file, or it"), parquet.ParquetFile(path) as opened:
        schema, rows = opened.schema_arrow, opened.metadata.num_rows
    names = _once(schema.names, "schema", str(path))
    return RowFile(path, "parquet", names, schema, rows, _Parquet(path, part_rows).pieces)


@dataclass(frozen=True, slots=True)
class _Parquet:
    """place.at: the row group that comes next, place.within: rows of it that were read."""

    path: Path
    part_rows: int

    def pieces(self, place: Place) -> Iterator[Piece]:
        from pyarrow import parquet

        with parquet.ParquetFile(self.path, pre_buffer=False) as file:
            sizes = [file.metadata.row_group(at).num_rows for at in range(file.metadata.num_row_groups)]
            while place.at < len(sizes):
                if sizes[place.at] > self.part_rows:
                    found = self.within(file, place, sizes[place.at])
                else:
                    found = self.whole(file, place, sizes)
                for piece in found:
                    yield piece
                    place = piece.next

    def whole(self, file: Any, place: Place, sizes: list[int]) -> Iterator[Piece]:
        """Row groups together, as many as fit into one part."""
        end, rows = place.at, 0
        while end < len(sizes) and (end == place.at or rows + sizes[end] <= self.part_rows):
            rows += sizes[end]
            end += 1
        with _told(self.path, f"row groups {place.at} to {end - 1}", place.row):
            table = file.read_row_groups(list(range(place.at, end)), use_threads=False)
        yield Piece(table, rows, place.row, Place(place.row + rows, end))

    def within(self, file: Any, place: Place, size: int) -> Iterator[Piece]:
        """Part after part of one row group."""
        import pyarrow as pa

        skipped, row = place.within, place.row
        done = 0
        batches = file.iter_batches(batch_size=self.part_rows, row_groups=[place.at], use_threads=False)
        while done < size:
            with _told(self.path, f"row group {place.at} from its row {done} on", row):
                batch = next(batches)
            done += batch.num_rows
            if done <= skipped:
                continue
            after = Place(row + batch.num_rows, place.at + (done == size), 0 if done == size else done)
            yield Piece(pa.Table.from_batches([batch]), batch.num_rows, row, after)
            row = after.row


def _arrow(path: Path, part_rows: int) -> RowFile:
    with _told(path, "the file is no whole Arrow file, or it"), opened_arrow(path) as reader:
        schema = reader.schema
    names = _once(schema.names, "schema", str(path))
    return RowFile(path, "arrow", names, schema, None, _Arrow(path, part_rows).pieces)


@dataclass(frozen=True, slots=True)
class _Arrow:
    """place.at: the record batch that comes next, place.within: rows of it that were read."""

    path: Path
    part_rows: int

    def pieces(self, place: Place) -> Iterator[Piece]:
        import pyarrow as pa

        with opened_arrow(self.path) as reader:
            row = place.row
            for at, batch in self.batches(reader, place):
                start = place.within if at == place.at else 0
                for begin in range(start, batch.num_rows, self.part_rows):
                    part = batch.slice(begin, self.part_rows)
                    end = begin + part.num_rows
                    is_last = end == batch.num_rows
                    after = Place(row + part.num_rows, at + is_last, 0 if is_last else end)
                    yield Piece(pa.Table.from_batches([part]), part.num_rows, row, after)
                    row = after.row

    def batches(self, reader: Any, place: Place) -> Iterator[tuple[int, Any]]:
        """Those from the place on, with their numbers. A stream is read from its beginning."""
        number = getattr(reader, "num_record_batches", None)
        rows, at = place.row, 0 if number is None else place.at
        while number is None or at < number:
            with _told(self.path, f"record batch {at}", rows):
                try:
                    batch = reader.read_next_batch() if number is None else reader.get_batch(at)
                except StopIteration:
                    return
            if at >= place.at:
                yield at, batch
                rows += batch.num_rows
            at += 1


@dataclass(frozen=True, slots=True)
class _Lines:
    """JSON lines. place.at: the byte that comes next, place.line: lines before it. A piece's rows are bytes, those
    of each line that is not empty.
    """

    path: Path
    part_bytes: int

    def pieces(self, place: Place) -> Iterator[Piece]:
        for block in _blocks(self.path, place, self.part_bytes, _after_line):
            lines = enumerate(block.split(b"\n"), place.line + 1)
            kept = [(number, line) for number, line in lines if line.strip()]
            after = _past(place, block, len(kept))
            yield Piece([line for _, line in kept], len(kept), place.row, after, tuple(n for n, _ in kept))
            place = after


@dataclass(frozen=True, slots=True)
class _Csv:
    """CSV, every value as text; an empty value is null, and a quoted empty one is empty text. Places as of JSON
    lines; the first record is the header.
    """

    path: Path
    names: tuple[str, ...]
    part_bytes: int

    def pieces(self, place: Place) -> Iterator[Piece]:
        if place.at == 0:
            place = _past(Place(), _first_record(self.path), 0)
        for block in _blocks(self.path, place, self.part_bytes, _after_row):
            table = self.read(block, place)
            after = _past(place, block, table.num_rows)
            yield Piece(table, table.num_rows, place.row, after)
            place = after

    def read(self, block: bytes, place: Place) -> Any:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        found: list[Any] = []

        def refuse(row: Any) -> str:
            found.append(row)
            return "error"

        try:
            return arrow_csv.read_csv(
                pa.BufferReader(block),
                arrow_csv.ReadOptions(use_threads=False, column_names=list(self.names), block_size=len(block) + 1),
                arrow_csv.ParseOptions(
                    delimiter=_delimiter(self.path), newlines_in_values=True, invalid_row_handler=refuse
                ),
                arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(self.names, pa.string()),
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                    null_values=[""],
                ),
            )
        except pa.ArrowException as error:
            raise self.told(error, found, block, place) from error

    def told(self, error: Exception, found: list[Any], block: bytes, place: Place) -> DataUnreadable:
        """The line, and no value of it."""
        if not found:
            says = f"the rows from line {place.line + 1} on cannot be read: {_reason(error)}"
            return DataUnreadable(says, remedy=_fine(place.row), where=f"{self.path}:{place.line + 1}")
        row = found[0]
        at = max(0, block.find(row.text.encode()))
        line = place.line + 1 + block.count(b"\n", 0, at)
        rows = place.row + (row.number - 1 if row.number else 0)
        says = f"line {line} has {row.actual_columns} values, and the header names {row.expected_columns}"
        return DataUnreadable(says, remedy=_fine(rows), where=f"{self.path}:{line}")


def _reason(error: Exception) -> str:
    """What is wrong, without the value that Arrow quotes."""
    text = first_line(error)
    return "they are not UTF-8" if "UTF8" in text else text.split(":")[0]


def _fine(rows: int) -> str:
    return f"The {rows:,} rows before it can be read. Mend the file and run again."


def _delimiter(path: Path) -> str:
    return "\t" if path.suffix.lower() == ".tsv" else ","


def _first_record(path: Path) -> bytes:
    return next(_blocks(path, Place(), 1 << 20, _first_row), b"")


def _header(path: Path) -> tuple[str, ...]:
    try:
        text = _first_record(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataUnreadable("the header is not UTF-8", where=f"{path}:1") from error
    try:
        names = next(csv.reader(io.StringIO(text), delimiter=_delimiter(path)), [])
    except csv.Error as error:
        remedy = "End each line by a line feed, and put names with line ends in quotes."
        raise DataUnreadable("the header is no row of CSV", remedy=remedy, where=f"{path}:1") from error
    if not names:
        raise DataUnreadable("there is no header", remedy="Name the columns in the first line.", where=f"{path}:1")
    return _once(names, "header", f"{path}:1")


def _once(names: Sequence[str], what: str, where: str) -> tuple[str, ...]:
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataUnreadable(f"the {what} names `{twice[0]}` twice", remedy="Rename one of them.", where=where)
    return tuple(names)


def _first_row(block: bytes) -> int:
    """Where the first record ends."""
    start = quotes = 0
    while (end := block.find(b"\n", start) + 1) > 0:
        quotes += block.count(b'"', start, end)
        if quotes % 2 == 0:
            return end
        start = end
    return 0


def _after_line(block: bytes) -> int:
    """Where the last whole line of a block ends; 0 when there is none."""
    return block.rfind(b"\n") + 1


def _after_row(block: bytes) -> int:
    """The same for CSV, where a quoted value may hold line ends: a record ends outside of quotes (RFC 4180, 2)."""
    end, quotes = len(block), block.count(b'"')
    while (at := block.rfind(b"\n", 0, end)) >= 0:
        quotes -= block.count(b'"', at, end)
        if quotes % 2 == 0:
            return at + 1
        end = at
    return 0


def _past(place: Place, block: bytes, rows: int) -> Place:
    return Place(place.row + rows, place.at + len(block), 0, place.line + block.count(b"\n"))


def _blocks(path: Path, place: Place, part_bytes: int, whole: Callable[[bytes], int]) -> Iterator[bytes]:
    """Whole records, about `part_bytes` at a time, from a place on; the last one may lack its end. What others add
    to the file meanwhile is not read.
    """
    with path.open("rb") as file:
        at, end = place.at, os.fstat(file.fileno()).st_size
        file.seek(at)
        while block := file.read(min(part_bytes, end - at)):
            while not (length := whole(block)) and (more := file.read(min(part_bytes, end - at - len(block)))):
                block += more
                if len(block) > _LONGEST_RECORD:
                    says = "a record has no end within 256 MiB"
                    raise DataUnreadable(says, where=str(path), remedy="Is a quote or a line end missing?")
            taken = block[: length or len(block)]
            yield taken
            at += len(taken)
            file.seek(at)
