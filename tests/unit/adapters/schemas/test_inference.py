"""Contracts guessed from rows, and how sure each guess is."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from interlock.adapters.schemas.infer import inferred
from interlock.adapters.schemas.row_values import DataUnreadable
from interlock.adapters.schemas.tables import opened
from interlock.adapters.schemas.validate import validated
from interlock.domain.schemas.field import Bool, Date, Decimal, Float, Int, String, Timestamp, Type
from interlock.domain.schemas.guess import Inferred, always, nothing_new, within

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # Ibis 12 with DuckDB 1.5


def guessed(path: Path, rows: int = 100_000) -> Inferred:
    with opened(str(path)) as table:
        return inferred(table, "", "1", rows)


def table(path: Path, query: str) -> Path:
    duckdb.sql(f"COPY ({query}) TO '{path}'")
    return path


def test_types_of_text_are_guessed_when_every_value_has_them(tmp_path: Path) -> None:
    """Numbers, dates, words for true and false; zeros in front, or one value that is none, leave text."""
    path = tmp_path / "t.csv"
    rows = [
        f"{i},{i / 4},2026-01-{1 + i % 28:02},{'true' if i % 2 else 'false'},0{i},{i or 'x'},c{i % 2}"
        for i in range(2000)
    ]
    path.write_text("id,price,day,is_open,zip,mixed,kind\n" + "\n".join(rows) + "\n")
    found = {f.name: f for f in guessed(path).contract.fields}
    assert [type(found[n].type) for n in found] == [Int, Float, Date, Bool, String, String, String]
    assert found["kind"].enum == ("c0", "c1")
    assert found["id"].is_unique
    assert guessed(path).contract.record.primary_key == ("id",)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "18446744073709551616"], Decimal(38, 0)),
        (["0.5", "12345678901234567890.12"], String()),
        (["0.30000000000000004", "1e300", "0.000000000000000000012"], Float(64)),
        (["2026-01-01T10:00:00Z", "2026-01-01T10:00:00+02:00"], Timestamp("us", is_zoned=True)),
        (["2026-01-01T10:00:00", "2026-01-01 11:00:00"], Timestamp("us", is_zoned=False)),
        (["2026-01-01T10:00:00", "2026-01-01T10:00:00+02:00"], String()),
    ],
)
def test_no_value_loses_anything_by_its_type(tmp_path: Path, values: list[str], expected: Type) -> None:
    """Long numbers keep all their digits, moments the offset that they name."""
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["x", *values]) + "\n")
    assert guessed(path).contract.fields[0].type == expected


@pytest.mark.parametrize(
    ("text", "where", "says"),
    [
        ("a,b\n1,2\n3\n4,5,6\n", 3, "Expected Number of Columns: 2 Found: 1"),
        ("a,b\n" + "1,2\n" * 50 + "7,8,9\n", 52, "Expected Number of Columns: 2 Found: 3"),
        ("a,b\n1,2,3\n4,5,6\n", 2, "Expected Number of Columns: 2 Found: 3"),
        ('a,b\n1,"2\n', 2, "unterminated quote"),
        ("Report\n\na,b\n1,2\n", 3, "Expected Number of Columns: 1 Found: 2"),
        ("a,A\n1,2\n", 1, "`a` twice"),
        ("", 1, "no header"),
    ],
)
def test_rows_that_do_not_fit_are_told_and_never_skipped(tmp_path: Path, text: str, where: int, says: str) -> None:
    """The header says what a row is; a reader that looks for one that fits may leave out all of them."""
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(DataUnreadable, match=says) as refused:
        guessed(path)
    assert refused.value.where == f"{path}:{where}"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("\ufeffid;name\n1;a\n", ["id", "name"]),
        ("a\tb\r\n1\t2\r\n", ["a", "b"]),
        ("a,b\r1,2\r", ["a", "b"]),
        (",a\n0,1\n", ["column0", "a"]),
        ('"two\nlines","o\'x",{k}: v,select\n1,2,3,4\n', ["two\nlines", "o'x", "{k}: v", "select"]),
    ],
)
def test_headers_of_many_kinds(tmp_path: Path, text: str, names: list[str]) -> None:
    """Marks at the start, other delimiters and line ends, quotes, words of SQL, and the index that has no name."""
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode())
    found = guessed(path)
    assert [one.name for one in found.contract.fields] == names
    assert found.rows == 1


def test_nothing_that_a_sample_only_suggests_is_certain(tmp_path: Path) -> None:
    """Only what was seen to happen, or what the source declares, has confidence 1."""
    path = table(
        tmp_path / "t.csv", "SELECT i AS id, CASE WHEN i % 9 = 0 THEN NULL ELSE 'a' END AS c FROM range(50) t(i)"
    )
    for guess in guessed(path).guesses:
        assert 0 <= guess.confidence <= 1
        is_seen = (guess.what == "null" and guess.value is True) or guess.value == "string"
        assert (guess.confidence == 1) is is_seen, guess


def test_what_could_reject_data_needs_more_rows(tmp_path: Path) -> None:
    """From a hundred rows a set of values is told, not written down; from two thousand it is written."""
    query = "SELECT ['x', 'y'][1 + i % 2] AS c FROM range({}) t(i)"
    few = guessed(table(tmp_path / "few.csv", query.format(100)))
    many = guessed(table(tmp_path / "many.csv", query.format(2000)))
    assert (few.contract.fields[0].enum, many.contract.fields[0].enum) == ((), ("x", "y"))
    told = next(g for g in few.guesses if g.what == "enum")
    assert (told.value, told.is_applied) == (["x", "y"], False)


def test_declared_types_are_kept_and_dates_in_text_are_seen(tmp_path: Path) -> None:
    """Parquet says its types; text that is all dates gets the format."""
    query = "SELECT i::SMALLINT AS n, '2026-01-01' AS day, TIMESTAMP '2026-01-01' AS at FROM range(10) t(i)"
    fields = guessed(table(tmp_path / "t.parquet", query)).contract.fields
    assert [f.type for f in fields] == [Int(16), String(), Timestamp("us", is_zoned=False)]
    assert fields[1].format == "date"


def test_the_guess_holds_for_the_rows_it_was_made_from(tmp_path: Path) -> None:
    """Whatever is guessed from a whole file, the file keeps to it."""
    query = "SELECT i AS id, i * 1.5 AS x, 'a' || (i % 3) AS c, [i] AS l, {'p': i} AS s FROM range(3000) t(i)"
    path = table(tmp_path / "t.parquet", query)
    found = guessed(path).contract
    with opened(str(path)) as held:
        assert validated(held, found, found.record, str(path)).verdict.kind == "pass"


def test_a_large_table_is_sampled(tmp_path: Path) -> None:
    """About as many rows are looked at as were asked for, and the guesses say of how many."""
    found = guessed(table(tmp_path / "t.parquet", "SELECT i AS id FROM range(20000) t(i)"), rows=2000)
    assert found.of == 20_000
    assert 1_000 < found.rows < 3_000


def test_every_query_sees_the_same_sample(tmp_path: Path) -> None:
    """Threads would draw other rows each time, whatever the seed."""
    path = table(tmp_path / "t.parquet", "SELECT i AS id FROM range(400000) t(i)")
    with opened(str(path)) as held:
        sample = held.engine.sample(held.rows, 0.1)
        sums = [held.ask(sample.aggregate(n=sample.count(), sum=sample["id"].sum())) for _ in range(3)]
    assert sums[0] == sums[1] == sums[2]
    assert 30_000 < sums[0][0]["n"] < 50_000


def test_an_empty_file_suggests_nothing(tmp_path: Path) -> None:
    """Columns without a value are text, with no confidence at all."""
    path = tmp_path / "t.csv"
    path.write_text("a,b\n")
    found = guessed(path)
    assert [f.type for f in found.contract.fields] == [String(), String()]
    assert {g.confidence for g in found.guesses if g.what == "type"} == {0.0}


def test_confidence_grows_with_rows_and_never_arrives() -> None:
    """Laplace, Good and symmetry: more rows, more confidence, never 1."""
    for sure in (always, within, lambda n: nothing_new(n, 0)):
        values = [sure(n) for n in (1, 10, 1000, 10**9)]
        assert values == sorted(values)
        assert values[-1] < 1
    assert nothing_new(10, 10) == 0
