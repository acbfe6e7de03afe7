"""Files of rows: read in pieces that do not depend on where reading began, and written as one file over time."""

from __future__ import annotations

import io
import json
import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from pyarrow import parquet

from interlock.adapters.schemas import row_files
from interlock.adapters.schemas.parquet_footer import MAGIC, joined, split
from interlock.adapters.schemas.row_encoders import FormRefuses, encoder
from interlock.adapters.schemas.row_files import identity_of, row_file
from interlock.adapters.schemas.row_forms import form_of
from interlock.adapters.schemas.row_values import DataUnreadable, records_of, table_of
from interlock.domain.schemas.field import (
    Bool,
    Bytes,
    Date,
    Decimal,
    Duration,
    Field,
    Float,
    Int,
    Json,
    List,
    Map,
    Number,
    String,
    Struct,
    Time,
    Timestamp,
)
from interlock.engine.lens_data import Place

PLAIN = (
    Field("n", Int(64)),
    Field("text", String(), nullable=True),
    Field("is_late", Bool()),
    Field("share", Float(64)),
    Field("day", Date(), nullable=True),
    Field("at", Timestamp("us")),
    Field("local", Timestamp("ms", is_zoned=False)),
    Field("price", Decimal(9, 2)),
    Field("note", String(), required=False),
)
SHAPES = (
    Field("seen", Time("ms")),
    Field("took", Duration("us")),
    Field("raw", Bytes()),
    Field("wide", Decimal(30, 2)),
    Field("exact", Timestamp("ns")),
    Field("o", Struct((Field("day", Date()), Field("q", String(), required=False)), is_open=False), nullable=True),
    Field("m", List(Field("element", Struct((Field("p", Decimal(5, 1)),), is_open=False), nullable=True))),
    Field("by_key", Map(Field("value", Date()))),
    Field("any", Json(), nullable=True),
    Field("size", Number()),
)


def record(n: int) -> dict[str, Any]:
    made: dict[str, Any] = {
        "n": n,
        "text": None if n % 3 == 0 else f'a "quoted", text\nof {n}' if n % 3 == 1 else "",
        "is_late": n % 2 == 0,
        "share": n / 7,
        "day": None if n % 5 == 0 else "2013-02-28",
        "at": f"2013-01-01T05:00:00.{n:06d}Z" if n else "2013-01-01T05:00:00Z",
        "local": "1969-12-31T23:59:59",
        "price": 1.25,
    }
    return {**made, "note": "x"} if n % 4 == 0 else made


def shaped(n: int) -> dict[str, Any]:
    return record(n) | {
        "seen": "23:59:59.500000",
        "took": "-PT3.5S",
        "raw": "YWI=",
        "wide": "12345678901234567890.00",
        "exact": "2013-01-01T00:00:00.123456789Z",
        "o": None if n % 2 else {"day": "2000-02-29"},
        "m": [{"p": 1.5}, None],
        "by_key": {"k": "1999-12-31"},
        "any": {"z": [n, None]},
        "size": n / 2,
    }


def test_records_become_columns_and_come_back_the_same() -> None:
    """Every type, absent fields and null ones, nested too; to the nanosecond and the last digit."""
    records = [shaped(n) for n in range(9)]
    assert records_of(table_of(records, PLAIN + SHAPES), PLAIN + SHAPES) == records


def written(path: Path, fields: tuple[Field, ...], parts: list[list[dict[str, Any]]]) -> Path:
    """The file as a run writes it, part by part."""
    made = encoder(form_of(path), fields)
    path.write_bytes(made.head())
    notes = []
    for part in parts:
        body, note = made.part(part)
        notes += [(note, path.stat().st_size)]
        path.write_bytes(path.read_bytes() + body)
    path.write_bytes(path.read_bytes() + made.tail(path, notes))
    return path


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.jsonl"])
@pytest.mark.parametrize("sizes", [[], [0, 3], [7, 40, 1]])
def test_a_file_that_was_written_in_parts_is_one_file(tmp_path: Path, name: str, sizes: list[int]) -> None:
    """Others read it as any other: DuckDB, and pyarrow's own reader; no part at all is an empty file."""
    parts = [[shaped(n) for n in range(size)] for size in sizes]
    path = written(tmp_path / name, PLAIN + SHAPES, parts)
    whole = [one for part in parts for one in part]
    assert [one for piece in row_file(path).pieces(Place()) for one in as_records(piece.rows)] == whole
    if name.endswith("parquet"):
        found = duckdb.sql(f"SELECT count(*), sum(n), count(day) FROM '{path}'").fetchall()
        days = sum(one["day"] is not None for one in whole)
        assert found == [(len(whole), sum(one["n"] for one in whole) if whole else None, days)]


def as_records(rows: Any) -> list[Any]:
    return [json.loads(one) for one in rows] if isinstance(rows, list) else records_of(rows, PLAIN + SHAPES)


def test_the_end_of_a_parquet_file_keeps_what_it_does_not_know() -> None:
    """Statistics, page indexes and metadata of the first part; sums and places of all, beyond 15 row groups."""
    schema = pa.schema([pa.field("n", pa.int64(), nullable=False)], metadata={"owner": "desk"})
    whole, footers = bytearray(MAGIC), []
    for n in range(40):
        file = io.BytesIO()
        parquet.write_table(pa.table({"n": range(n * 10, n * 10 + 10)}, schema=schema), file, write_page_index=True)
        body, footer = split(file.getvalue())
        footers.append((footer, len(whole) - len(MAGIC)))
        whole += body
    found = parquet.ParquetFile(pa.BufferReader(bytes(whole) + joined(footers)))
    assert found.read().column("n").to_pylist() == list(range(400))
    assert (found.metadata.num_rows, found.metadata.num_row_groups) == (400, 40)
    assert found.metadata.row_group(39).column(0).statistics.min == 390
    assert found.schema_arrow.metadata == {b"owner": b"desk"}
    assert found.metadata.row_group(39).column(0).has_offset_index


def test_csv_holds_what_it_can_and_refuses_the_rest(tmp_path: Path) -> None:
    """Quotes, line ends, empty text and null stay apart; nested fields and bytes are refused by name."""
    path = written(tmp_path / "a.csv", PLAIN, [[record(n) for n in range(5)], [record(5)]])
    rows = [one for piece in row_file(path).pieces(Place()) for one in piece.rows.to_pylist()]
    assert [one["text"] for one in rows] == [record(n)["text"] for n in range(6)]
    assert (rows[1]["at"], rows[1]["price"], rows[1]["day"]) == (
        "2013-01-01T05:00:00.000001Z",
        "1.25",
        "2013-02-28",
    )
    with pytest.raises(FormRefuses, match="`o` is a struct"):
        encoder("csv", SHAPES[5:6])


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.csv", "a.jsonl"])
def test_reading_may_go_on_at_the_end_of_any_piece(tmp_path: Path, name: str) -> None:
    """The pieces behind a place are those of a reading from the beginning, to the row and the line."""
    fields = PLAIN if name.endswith("csv") else PLAIN + SHAPES
    path = written(tmp_path / name, fields, [[shaped(n) for n in range(size)] for size in (25, 3, 4, 11)])
    file = row_file(path, part_rows=10, part_bytes=1_500)
    pieces = list(file.pieces(Place()))
    assert len(pieces) > 3
    assert sum(one.count for one in pieces) == 43
    assert [one.row for one in pieces] == [sum(x.count for x in pieces[:n]) for n in range(len(pieces))]
    for at, piece in enumerate(pieces):
        rest = list(file.pieces(piece.next))
        assert [(x.row, x.count, x.next, x.lines) for x in rest] == [
            (x.row, x.count, x.next, x.lines) for x in pieces[at + 1 :]
        ]
        assert [plain(x.rows) for x in rest] == [plain(x.rows) for x in pieces[at + 1 :]]


def plain(rows: Any) -> Any:
    return rows if isinstance(rows, list) else rows.to_pydict()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"", "there is no header"),
        ("a.csv", b"a,a\n1,2\n", "the header names `a` twice"),
        ("a.csv", b"\xff,b\n", "the header is not UTF-8"),
        ("a.parquet", b"PAR1", "no whole Parquet file"),
        ("a.arrow", b"ARROW1", "no whole Arrow file"),
        ("a.xml", b"<a/>", "a.xml is of no kind that is known"),
    ],
)
def test_what_is_no_such_file_is_told(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    """Before anything is read of it."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataUnreadable, match=says):
        row_file(path)


def test_a_file_is_another_one_after_a_change(tmp_path: Path) -> None:
    """Its size, its time, or either of its ends."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"{}\n" * 100_000)
    first = identity_of(path)
    assert identity_of(path) == first
    about = path.stat()
    path.write_bytes(b"[]\n" + b"{}\n" * 99_999)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert identity_of(path) != first


def test_an_arrow_file_is_read_from_where_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Record batches before the place are not read again."""
    path = written(tmp_path / "a.arrow", PLAIN, [[record(n)] for n in range(5)])
    file = row_file(path)
    pieces = list(file.pieces(Place()))
    asked: list[int] = []

    class Reader:
        num_record_batches = 5

        def get_batch(self, at: int) -> Any:
            asked.append(at)
            return pa.RecordBatch.from_pylist([{"n": at}])

    monkeypatch.setattr(row_files, "opened_arrow", lambda _: nullcontext(Reader()))
    assert [one.row for one in file.pieces(pieces[2].next)] == [3, 4]
    assert asked == [3, 4]
