"""`lens run` and `lens audit` on files as others write them: no value changes silently, and no fault is untold."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal as Exact
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from click.testing import CliRunner
from pyarrow import ipc, parquet

from interlock.cli.main import interlock
from interlock.domain.schemas.contract import Contract, Object
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
    String,
    Struct,
    Time,
    Timestamp,
    Type,
)
from interlock.domain.schemas.odcs import to_odcs
from interlock.kernel.errors import InterlockError

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # Ibis 12 with DuckDB 1.5

MISFIT = "is no value of the target's column"
UTC = datetime.UTC


@dataclass(frozen=True)
class Ran:
    """rows: what was written, as JSON; rejected: (row, reason) of what was not; fault: why nothing was."""

    rows: list[Any]
    rejected: list[tuple[int, str]]
    fault: InterlockError | None


Place = Callable[..., Path]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Makes a workspace where version 2 of a contract calls the field `x` of version 1 `y`."""

    def made(kind: Type, more: tuple[Field, ...] = ()) -> Path:
        older = (Field("x", kind, nullable=True), *more)
        (tmp_path / "interlock.yaml").write_text("kind: Workspace\nname: odd\n")
        for version, fields in (("1", older), ("2", (replace(older[0], name="y"), *more))):
            document = to_odcs(Contract("odd", version, (Object("odd", fields, is_open=False),)))
            (tmp_path / f"odd-{version}.yaml").write_text(yaml.safe_dump(document))
        ops = [{"rename": {"from": "x", "to": "y"}}]
        lens = {"kind": "Lens", "contract": "odd", "from": "1", "to": "2", "ops": ops}
        (tmp_path / "lens.yaml").write_text(yaml.safe_dump(lens))
        return tmp_path

    return made


def run(root: Path, source: Path, *more: str, to: str = "out.jsonl") -> Ran:
    target, kept = root / to, root / "kept.jsonl"
    arguments = ["-C", root, "lens", "run", "odd@1..2", source, target, "--rejects", kept, "--force", *more]
    done = CliRunner().invoke(interlock, [str(one) for one in arguments])
    if done.exception is not None:
        assert isinstance(done.exception, InterlockError), repr(done.exception)
        return Ran([], [], done.exception)
    rejected = [json.loads(line, parse_constant=pytest.fail) for line in kept.read_text().splitlines()]
    rows = [json.loads(line, parse_constant=pytest.fail) for line in target.read_text().splitlines()]
    return Ran([one["y"] for one in rows], [(one["row"], one["reason"]) for one in rejected], None)


def audited(root: Path, source: Path, *more: str) -> Any:
    arguments = ["-C", root, "lens", "audit", "odd@1..2", "--on", source, "--output", "json", *more]
    done = CliRunner().invoke(interlock, [str(one) for one in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        assert isinstance(done.exception, InterlockError), repr(done.exception)
        return done.exception
    return json.loads(done.stdout)["counts"]


def written(root: Path, column: Any, form: str = "parquet") -> Path:
    path, table = root / f"in.{form}", pa.table({"x": column})
    if form == "parquet":
        parquet.write_table(table, path)
        return path
    with (ipc.new_file if form == "arrow" else ipc.new_stream)(str(path), table.schema) as file:
        file.write_table(table)
    return path


AT = [datetime.datetime(2020, 1, 1, 12, tzinfo=UTC), None]
OBJECT = Struct((Field("at", Timestamp("us")), Field("tags", List(Field("element", String())))), is_open=False)
HELD = pa.struct([("at", pa.timestamp("ms", "Europe/Paris")), ("tags", pa.large_list(pa.large_string()))])


@pytest.mark.parametrize("form", ["parquet", "arrow", "arrows"])
@pytest.mark.parametrize(
    ("kind", "column", "expected"),
    [
        (String(), pa.array(["a", None]).dictionary_encode(), ["a", None]),
        (String(), pa.array(["a", None], pa.large_string()), ["a", None]),
        (String(), pa.nulls(2), [None, None]),
        (Timestamp("us"), pa.array(AT, pa.timestamp("us", "America/New_York")), ["2020-01-01T12:00:00Z", None]),
        (Timestamp("us"), pa.array(AT, pa.timestamp("s", "UTC")), ["2020-01-01T12:00:00Z", None]),
        (Timestamp("us"), pa.array(AT, pa.timestamp("ms", "UTC")), ["2020-01-01T12:00:00Z", None]),
        (Timestamp("us"), pa.array(AT, pa.timestamp("ns", "UTC")), ["2020-01-01T12:00:00Z", None]),
        (Timestamp("ns"), pa.array([1], pa.timestamp("ns", "UTC")), ["1970-01-01T00:00:00.000000001Z"]),
        (Time("us"), pa.array([1, None], pa.time32("s")), ["00:00:01", None]),
        (Date(), pa.array([0], pa.date64()), ["1970-01-01"]),
        (Date(), pa.array([-719_528], pa.date32()), ["0000-01-01"]),
        (Duration("us"), pa.array([-3_500_000], pa.duration("us")), ["-PT3.5S"]),
        (List(Field("element", Duration("us"))), pa.array([[1]], pa.list_(pa.duration("us"))), [["PT0.000001S"]]),
        (OBJECT, pa.array([{"at": AT[0], "tags": ["a"]}], HELD), [{"at": "2020-01-01T12:00:00Z", "tags": ["a"]}]),
        (Bytes(), pa.array([b"ab"], pa.binary(2)), ["YWI="]),
        (Int(64), pa.array([Exact(7)], pa.decimal256(20, 0)), [7]),
        (Int(64), pa.array([2.0, None, float("nan")]), [2, None, None]),
        (Float(64), pa.array([1.5, float("inf"), float("nan")]), [1.5, None, None]),
        (Json(), pa.array([{"a": 1}]), [{"a": 1}]),
        (String(), pa.array([], pa.string()), []),
    ],
)
def test_columns_as_others_write_them(
    place: Place, form: str, kind: Type, column: Any, expected: list[Any]
) -> None:
    """Other encodings, units, zones and empty columns: by DuckDB where it is exact, and one by one."""
    root = place(kind)
    source = written(root, column, form)
    for engine in ("auto", "records"):
        assert run(root, source, "--engine", engine) == Ran(expected, [], None), engine
        assert audited(root, source, "--engine", engine)["rows"] == len(expected)


@pytest.mark.parametrize("engine", ["auto", "records"])
@pytest.mark.parametrize(
    ("kind", "column", "bad"),
    [
        (Int(64), pa.array([1.5, 2.0]), [1]),
        (Int(8), pa.array([300, 2]), [1]),
        (Float(32), pa.array([1e300, 1.0]), [1]),
        (Decimal(9, 2), pa.array([1.255, 1.25]), [1]),
        (Decimal(9, 2), pa.array([Exact("1.255"), Exact("1.250")]), [1]),
        (Bytes(2), pa.array([b"abc", b"ab"]), [1]),
    ],
)
def test_a_value_that_the_column_does_not_hold_rejects_its_row(
    place: Place, engine: str, kind: Type, column: Any, bad: list[int]
) -> None:
    """Nothing is rounded, cut off or made infinite; the others are written."""
    root = place(kind)
    done = run(root, written(root, column), "--engine", engine)
    assert (len(done.rows), done.rejected) == (1, [(row, MISFIT) for row in bad])


@pytest.mark.parametrize("engine", ["auto", "records"])
@pytest.mark.parametrize(
    ("kind", "column"),
    [
        (Timestamp("us"), pa.array([1_001], pa.timestamp("ns", "UTC"))),
        (Timestamp("us"), pa.array([2**40], pa.timestamp("s", "UTC"))),
        (Timestamp("us"), pa.array([2**60], pa.timestamp("s", "UTC"))),
        (Timestamp("ms", is_zoned=False), pa.array([1_001], pa.timestamp("us"))),
        (Timestamp("ns"), pa.array([2**60], pa.timestamp("us", "UTC"))),
        (Time("ms"), pa.array([1_001], pa.time64("us"))),
        (Duration("us"), pa.array([1_001], pa.duration("ns"))),
        (Date(), pa.array([3_000_000], pa.date32())),
    ],
)
def test_a_moment_that_is_finer_or_farther_than_its_field_is_told(
    place: Place, engine: str, kind: Type, column: Any
) -> None:
    """With the file, the column and the rows, by every engine; nothing is written."""
    root = place(kind)
    source = written(root, column, "arrow")
    fault = run(root, source, "--engine", engine).fault
    assert fault is not None
    assert (fault.code, fault.where, fault.exit_code) == ("data.unreadable", str(source), 2)
    assert "the column `x` has a value that" in fault.message
    assert fault.message.endswith("does not hold, among the rows 1 to 1")


def test_duckdb_refuses_what_its_columns_would_change(place: Place) -> None:
    """Durations and nanoseconds with a zone; and what it has no column for."""
    for kind, column in (
        (Duration("us"), pa.array([1], pa.duration("us"))),
        (Timestamp("ns"), pa.array([1], pa.timestamp("ns", "UTC"))),
        (Int(64), pa.array([Exact(7)], pa.decimal256(40, 0))),
    ):
        root = place(kind)
        fault = run(root, written(root, column), "--engine", "duckdb").fault
        assert fault is not None
        assert fault.code == "lens.engine_refuses"


@pytest.mark.parametrize("engine", ["auto", "records"])
@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (Timestamp("us"), "2020-01-01T00:00:00+02:00", "2019-12-31T22:00:00Z"),
        (Timestamp("us"), "2020-01-01 00:00Z", "2020-01-01T00:00:00Z"),
        (Timestamp("us"), "2020-01-01T00:00:00", "2020-01-01T00:00:00Z"),
        (Timestamp("us"), "2020-01-01T00:00:00.1234567Z", "is no timestamp(us)"),
        (Timestamp("us", is_zoned=False), "2020-01-01T00:00:00+02:00", "is no timestamp(us,local)"),
        (Time("ms"), "12:00:00.0001", "is no time(ms)"),
        (Decimal(9, 2), "1.255", "is no decimal(9,2)"),
        (Decimal(9, 2), "125e-2", 1.25),
        (Decimal(38, 2), "1.25", "1.25"),
        (Float(64), "1e999", "is no float64"),
        (Float(64), "nan", "is no float64"),
        (Float(32), "1e300", MISFIT),
        (Int(32), "3000000000", MISFIT),
        (Int(32), "1.5", "is no int32"),
        (Bool(), "yes", True),
    ],
)
def test_text_is_read_exactly_or_not_at_all(
    place: Place, engine: str, kind: Type, text: str, expected: Any
) -> None:
    """Offsets are kept, and what is finer or larger than the field rejects the row."""
    root = place(kind)
    (root / "in.csv").write_text(f"x\n{text}\n")
    done = run(root, root / "in.csv", "--engine", engine)
    is_reason = isinstance(expected, str) and expected.startswith("is no")
    assert done == (Ran([], [(1, expected)], None) if is_reason else Ran([expected], [], None))


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"\xef\xbb\xbfx,n\r\na,1\r\n\r\nb,2\r\n", ["a", "b"]),
        (b'x,n\n5" pipe,1\n6" pipe,2\nc,3\n', ['5" pipe', '6" pipe', "c"]),
        (b'"x","n"\n"a\r\nb",1\n"",2\n,3\n', ["a\r\nb", "", None]),
        (b"x,n", []),
    ],
)
def test_csv_as_spreadsheets_write_it(place: Place, content: bytes, rows: list[Any]) -> None:
    """A byte order mark, other line ends, blank lines, stray quotes, a header alone; split into parts as well."""
    root = place(String(), (Field("n", Int(64)),))
    (root / "in.csv").write_bytes(content)
    assert run(root, root / "in.csv") == Ran(rows, [], None)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"x;n\na;1\n", "parted by ';'"),
        (b"x\tn\na\t1\n", "parted by '\\t'"),
        (b"x,n\ra,1\r", "the header is no row of CSV"),
        (b"", "there is no header"),
        ("x,n\na,1\n".encode("utf-16"), "the header is not UTF-8"),
        (b"x,n\n\xe9,1\n", "they are not UTF-8"),
        (b"x,n\na\n", "line 2 has 1 values"),
    ],
)
def test_csv_that_is_none_is_told(place: Place, content: bytes, says: str) -> None:
    """With the file, and what would help."""
    root = place(String(), (Field("n", Int(64)),))
    (root / "in.csv").write_bytes(content)
    fault = run(root, root / "in.csv").fault
    assert fault is not None
    assert says in str(fault)
    assert fault.where.startswith(str(root / "in.csv"))
    by_record = audited(root, root / "in.csv", "--engine", "records")
    assert isinstance(by_record, InterlockError)
    if not content:
        assert says in str(audited(root, root / "in.csv"))


@pytest.mark.parametrize(
    "line",
    ['{"x":1,"a:":2,"a\\u003a":3}', '{"x":1,"\\u0078":2}', '{"x":1,"n":{"b":1,"\\u0062":":"}}', '{"x":NaN}', "[1]"],
)
def test_json_lines_that_the_reference_refuses(place: Place, line: str) -> None:
    """A key that stands twice, escaped too, and what JSON is not; named with its line."""
    root = place(Int(64))
    (root / "in.jsonl").write_text('{"x":1}\n\n' + line + "\n\n\n")
    fault = run(root, root / "in.jsonl").fault
    assert fault is not None
    assert (fault.code, fault.where) == ("data.unreadable", f"{root / 'in.jsonl'}:3")
    assert "The 1 rows before it can be read" in fault.remedy


def test_two_columns_of_one_name_are_told(place: Place) -> None:
    """Which of them is meant, nobody knows."""
    root = place(Int(64))
    parquet.write_table(pa.Table.from_arrays([pa.array([1])] * 2, ["x", "x"]), root / "in.parquet")
    fault = run(root, root / "in.parquet").fault
    assert fault is not None
    assert (fault.code, fault.where) == ("data.unreadable", str(root / "in.parquet"))


def test_a_column_of_a_type_that_is_not_read_is_told(place: Place) -> None:
    """By its name, and what would help."""
    root = place(List(Field("element", Int(64))))
    source = written(root, pa.array([[1]], pa.list_view(pa.int64())), "arrow")
    fault = run(root, source).fault
    assert fault is not None
    assert (fault.code, fault.where) == ("data.unreadable", str(source))
    assert "the column `x` is of the type list_view" in fault.message


NAMED = Struct((Field("a", Int(64), required=True), Field("b", Int(64), nullable=True)))


@pytest.mark.parametrize(
    ("kind", "column", "says"),
    [
        (NAMED, pa.array([{"a": 1, "c": 2}]), "the field `x.c` is not listed"),
        (NAMED, pa.array([{"b": 1}]), "there is no field `x.a`"),
        (List(Field("element", NAMED)), pa.array([[{"a": 1, "c": 2}]]), "the field `x.c` is not listed"),
    ],
)
@pytest.mark.parametrize("engine", ["auto", "records"])
def test_fields_within_a_column_that_are_others_are_told(
    place: Place, kind: Type, column: Any, says: str, engine: str
) -> None:
    """A cast would leave some out, and fill others with nulls."""
    root = place(kind)
    fault = run(root, written(root, column), "--engine", engine).fault
    assert fault is not None
    assert (fault.code, fault.where) == ("data.misfit", str(root / "in.parquet"))
    assert says in fault.message


def test_fields_within_json_that_have_no_column_are_counted(place: Place) -> None:
    """They are left out of Parquet, and said by their path."""
    root = place(List(Field("element", NAMED)))
    (root / "in.jsonl").write_text('{"x": [{"a": 1, "c": 2}, {"a": 2, "c": 3}]}\n{"x": [{"a": 1, "d": 2}]}\n')
    arguments = ["-C", root, "lens", "run", "odd@1..2", root / "in.jsonl", root / "out.parquet", "-o", "json"]
    done = CliRunner().invoke(interlock, [str(one) for one in arguments], catch_exceptions=False)
    assert json.loads(done.stdout)["left_out"] == {"y.c": 1, "y.d": 1}
    assert parquet.read_table(root / "out.parquet").num_rows == 2


def test_json_lines_of_another_contract_are_rejected(place: Place) -> None:
    """What the target demands and nothing makes is missing: the row is no record of it, in JSON as in columns."""
    root = place(Int(64), (Field("n", Int(64), required=True),))
    (root / "in.jsonl").write_text('{"x": 1, "n": 2}\n{"z": 1}\n{"x": 3, "n": null}\n')
    assert run(root, root / "in.jsonl") == Ran(
        [1], [(2, "is null, and null is not allowed"), (3, "is null, and null is not allowed")], None
    )


def test_rejected_rows_have_a_file_of_their_own(place: Place) -> None:
    """The target cannot be that as well."""
    root = place(Int(64))
    source = written(root, pa.array([1]))
    fault = run(root, source, to="kept.jsonl").fault
    assert fault is not None
    assert (fault.code, fault.exit_code) == ("data.target_is_source", 2)
