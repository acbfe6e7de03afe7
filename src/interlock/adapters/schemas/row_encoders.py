"""Writes rows as Parquet, Arrow IPC, CSV or JSON lines, one stretch of bytes after the other.

Each stretch is made from its rows alone, so that a file may be written over several runs. What the end of a file
has to know of a stretch is handed back beside it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from interlock.adapters.schemas.parquet_footer import MAGIC, joined, split
from interlock.adapters.schemas.row_forms import Form
from interlock.adapters.schemas.row_values import arrow_schema, records_of, table_of
from interlock.domain.schemas.field import Bytes, Duration, Field, List, Map, Struct, Tensor
from interlock.kernel.errors import Invariant, Refused

_NO_CELL = List | Map | Struct | Tensor | Bytes | Duration


class FormRefuses(Refused):
    """The format of the target cannot hold the rows."""

    code = "data.form_refuses"


class PartsBroken(Invariant):
    """What was written is not what its end would say."""

    code = "data.parts_broken"


Note = tuple[bytes, int]
"""What the end has to know of a stretch of bytes, and where the stretch begins."""


class Encoder(Protocol):
    """Rows are an Arrow table in the target's schema, or records as JSON has them."""

    def head(self) -> bytes: ...
    def part(self, rows: Any) -> tuple[bytes, bytes]:
        """The bytes, and what the end has to know of them."""
        ...

    def tail(self, written: Path, notes: Iterable[Note]) -> bytes:
        """What comes after the last stretch of the file `written`."""
        ...


def encoder(form: Form, fields: tuple[Field, ...], delimiter: str = ",") -> Encoder:
    """FormRefuses when the format cannot hold such fields."""
    match form:
        case "parquet":
            return _Parquet(fields)
        case "arrow":
            return _Arrow(fields)
        case "csv":
            nested = [one for one in fields if isinstance(one.type, _NO_CELL)]
            if nested:
                says = f"CSV holds plain values, and `{nested[0].name}` is a {nested[0].type.kind}"
                raise FormRefuses(says, remedy="Write Parquet, Arrow or JSON lines, or unnest it in the lens.")
            return _Csv(fields, delimiter)
        case "json":
            return _Lines(fields)


def _table(rows: Any, fields: tuple[Field, ...]) -> Any:
    return table_of(rows, fields) if isinstance(rows, list) else rows


@dataclass(frozen=True, slots=True)
class _Parquet:
    """One row group for each stretch."""

    fields: tuple[Field, ...]

    def head(self) -> bytes:
        return MAGIC

    def part(self, rows: Any) -> tuple[bytes, bytes]:
        from pyarrow import parquet

        table = _table(rows, self.fields)
        whole = io.BytesIO()
        parquet.write_table(table, whole, row_group_size=max(1, table.num_rows))
        return split(whole.getvalue())

    def tail(self, written: Path, notes: Iterable[Note]) -> bytes:
        known = [(footer, place - len(MAGIC)) for footer, place in notes]
        return joined(known or [(self.part([])[1], 0)])


_ARROW_MAGIC = b"ARROW1\x00\x00"
_END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"


@dataclass(frozen=True, slots=True)
class _Arrow:
    """The file format: magic, a stream of messages, and an end that says where each is (Arrow Columnar Format, "IPC
    File Format"). The end is made last, by a writer that is given what the file holds and writes nothing of it.
    """

    fields: tuple[Field, ...]

    def head(self) -> bytes:
        return _ARROW_MAGIC + bytes(arrow_schema(self.fields).serialize())

    def part(self, rows: Any) -> tuple[bytes, bytes]:
        batches = _blanked(_table(rows, self.fields).combine_chunks()).to_batches()
        return b"".join(bytes(one.serialize()) for one in batches), b""

    def tail(self, written: Path, notes: Iterable[Note]) -> bytes:
        import pyarrow as pa
        from pyarrow import ipc

        size = written.stat().st_size
        after = _After(size)
        with pa.memory_map(str(written)) as held, ipc.new_file(pa.PythonFile(after, "w"), self.schema()) as writer:
            held.seek(len(_ARROW_MAGIC))
            for batch in _batches(held, self.schema(), size):
                writer.write_batch(batch)
        if not after.kept.startswith(_END_OF_STREAM):
            raise PartsBroken("the messages in the file are not those that its end would speak of")
        return bytes(after.kept)

    def schema(self) -> Any:
        return arrow_schema(self.fields)


def _blanked(table: Any) -> Any:
    """The table with nothing where null stands. What memory holds there differs from run to run, and is written."""
    import pyarrow as pa
    from pyarrow import compute

    for place, one in enumerate(table.schema):
        column = table.column(place)
        if pa.types.is_nested(one.type):
            table = table.set_column(place, one, pa.array(column.to_pylist(), one.type))
        elif column.null_count:
            made = compute.coalesce(column, pa.scalar(None, one.type))
            table = table.set_column(place, one, made)
    return table


def _batches(held: Any, schema: Any, size: int) -> Iterable[Any]:
    from pyarrow import ipc

    ipc.read_message(held)
    while held.tell() < size:
        yield ipc.read_record_batch(ipc.read_message(held), schema)


class _After(io.RawIOBase):
    """Keeps what is written behind the first `size` bytes."""

    def __init__(self, size: int) -> None:
        self.size, self.seen, self.kept = size, 0, bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        length = memoryview(data).nbytes
        if self.seen + length > self.size:
            self.kept += bytes(data)[max(0, self.size - self.seen) :]
        self.seen += length
        return length


@dataclass(frozen=True, slots=True)
class _Csv:
    """RFC 4180: a header, text in quotes, nothing for null, dates and times as in JSON."""

    fields: tuple[Field, ...]
    delimiter: str

    def head(self) -> bytes:
        quoted = ('"' + one.name.replace('"', '""') + '"' for one in self.fields)
        return (self.delimiter.join(quoted) + "\n").encode()

    def part(self, rows: Any) -> tuple[bytes, bytes]:
        from pyarrow import csv

        table, written = _table(rows, self.fields), io.BytesIO()
        csv.write_csv(_as_text(table), written, csv.WriteOptions(include_header=False, delimiter=self.delimiter))
        return written.getvalue(), b""

    def tail(self, written: Path, notes: Iterable[Note]) -> bytes:
        return b""


def _as_text(table: Any) -> Any:
    """The table with moments as JSON has them; Arrow would write a space and no fewer than all digits."""
    import pyarrow as pa
    from pyarrow import compute

    for place, one in enumerate(table.schema):
        if pa.types.is_timestamp(one.type):
            text = compute.strftime(table.column(place), "%Y-%m-%dT%H:%M:%S")
            zoned = compute.binary_join_element_wise(text, "Z", "") if one.type.tz else text
            table = table.set_column(place, one.name, zoned)
    return table


@dataclass(frozen=True, slots=True)
class _Lines:
    """JSON lines."""

    fields: tuple[Field, ...]

    def head(self) -> bytes:
        return b""

    def part(self, rows: Any) -> tuple[bytes, bytes]:
        import msgspec

        records: Sequence[Any] = rows if isinstance(rows, list) else records_of(rows, self.fields)
        return msgspec.json.Encoder().encode_lines(records), b""

    def tail(self, written: Path, notes: Iterable[Note]) -> bytes:
        return b""
