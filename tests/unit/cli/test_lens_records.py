"""A few records of a file, as commands show and compute with them."""

from __future__ import annotations

import json
from decimal import Decimal as Exact
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import ipc, parquet

from interlock.cli.lens_records import RecordsUnreadable, records_of
from interlock.domain.schemas.field import Bytes, Decimal, Field, Int, String, Timestamp
from interlock.kernel.errors import InterlockError

pytestmark = pytest.mark.filterwarnings("ignore:fetch_record_batch:DeprecationWarning")  # Ibis 12, DuckDB 1.5

FIELDS = (
    Field("n", Int(64)),
    Field("price", Decimal(20, 2)),
    Field("at", Timestamp("us")),
    Field("raw", Bytes(), nullable=True),
    Field("note", String(), required=False),
)


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_columns_are_read_as_a_run_reads_them(tmp_path: Path, form: str) -> None:
    """Decimals to the last digit, bytes as base64, absent where null is not allowed; others by their own types."""
    table = pa.table(
        {
            "n": pa.array([1.0, 2.0]),
            "price": pa.array([Exact("12345678901234567.25"), Exact("1.25")]),
            "at": pa.array([1_000, 2_000], pa.timestamp("ns", "UTC")),
            "raw": [b"\xff", None],
            "note": [None, "x"],
            "more": [b"\x00", None],
            "took": pa.array([1, 2], pa.duration("ms")),
            "part": [{"b": b"q"}, None],
        }
    )
    path = tmp_path / f"a.{form}"
    if form == "parquet":
        parquet.write_table(table, path)
    else:
        with ipc.new_file(str(path), table.schema) as file:
            file.write_table(table)
    first, second = records_of(str(path), FIELDS, 10)
    assert first == {
        "n": 1,
        "price": "12345678901234567.25",
        "at": "1970-01-01T00:00:00.000001Z",
        "raw": "/w==",
        "more": "AA==",
        "took": "PT0.001S",
        "part": {"b": "cQ=="},
    }
    assert (second["note"], second["raw"], second["more"], second["part"]) == ("x", None, None, None)
    assert json.loads(json.dumps(first)) == first
    assert records_of(str(path), FIELDS, 1) == [first]


def test_text_is_of_its_field_or_stands_as_it_is(tmp_path: Path) -> None:
    """CSV: what is no value of its field is shown as it was written."""
    path = tmp_path / "a.csv"
    path.write_text("n,price,at,raw,note,more\n1,1.25,2020-01-01T00:00:00+02:00,aa,,7\nx,1.255,nope,,q,\n")
    assert records_of(str(path), FIELDS, 10) == [
        {"n": 1, "price": "1.25", "at": "2019-12-31T22:00:00Z", "raw": "aa", "more": "7"},
        {"n": "x", "price": "1.255", "at": "nope", "raw": None, "note": "q", "more": None},
    ]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"n": "\xe9"}\n', "is not UTF-8"),
        (b'{"n": 1}\n{"n": \xe9}\n', "is not UTF-8"),
        (b'{"n": 1}\n' + b"[" * 100_000 + b"\n", "the line nests too deep"),
        (b'{"n": 1, "n": 2}\n', "names a key twice"),
        (b'{"n": NaN}\n', "the line is no JSON"),
        (b"[1]\n", "is no JSON object"),
        (b'{"n": 1}\n[1]\n', "is no JSON object"),
    ],
)
def test_what_holds_no_records_is_told(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    """With the file, whatever is wrong with it."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(RecordsUnreadable, match=says) as caught:
        records_of(str(path), (), 10)
    assert caught.value.where.startswith(str(path))


def test_lines_are_read_no_further_than_needed(tmp_path: Path) -> None:
    """What comes later may be anything, even no text."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf\n" + '{"n": "a\u2028b"}\n'.encode() * 20_000 + b"\xff\n")
    assert records_of(str(path), (), 2) == [{"n": "a\u2028b"}] * 2


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_json_is_read_in_any_layout(tmp_path: Path, name: str) -> None:
    """An object over several lines, and an array."""
    path = tmp_path / name
    path.write_text('{\n  "n": 1\n}\n')
    assert records_of(str(path), (), 5) == [{"n": 1}]
    path.write_text('[{"n": 1}, {"n": 2}]\n')
    assert records_of(str(path), (), 1) == [{"n": 1}]


def test_a_moment_that_its_field_does_not_hold_is_told(tmp_path: Path) -> None:
    """With the file and the column."""
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"at": pa.array([1_001], pa.timestamp("ns", "UTC"))}), path)
    with pytest.raises(InterlockError, match="the column `at` has a value that") as caught:
        records_of(str(path), FIELDS, 10)
    assert caught.value.where == str(path)
