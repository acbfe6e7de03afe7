"""The commands `lens run` and `lens audit`: on files and tables, with their exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import sqlalchemy as sa
import yaml
from click.testing import CliRunner, Result
from pyarrow import ipc, parquet

from interlock.adapters.schemas import parts
from interlock.adapters.schemas.tables import Table
from interlock.cli.main import interlock
from interlock.domain.schemas.field import Field, Int
from interlock.kernel.errors import InterlockError
from support.flights import NEWER, ROWS, flights, write_contract, write_workspace

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # Ibis 12 with DuckDB 1.5


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return write_workspace(tmp_path)


def lens(workspace: Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(interlock, ["-C", str(workspace), "lens", *map(str, arguments)])


def told(workspace: Path, *arguments: str | Path, exit_code: int = 0) -> Any:
    done = lens(workspace, *arguments, "--output", "json")
    assert done.exit_code == exit_code, (done.output, done.exception)
    return json.loads(done.stdout)


def refused(workspace: Path, *arguments: str | Path) -> InterlockError:
    fault = lens(workspace, *arguments).exception
    assert isinstance(fault, InterlockError), fault
    return fault


class Ended(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("form", ["parquet", "arrow", "csv", "jsonl"])
@pytest.mark.parametrize("engine", ["duckdb", "records"])
def test_a_run_that_ended_goes_on_and_gives_the_same_bytes(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, form: str, engine: str
) -> None:
    """Whatever is written, and whoever translates: half a part is cut off, and finished ones are not made again."""
    source, plain = flights(workspace / "in.parquet"), parts.FileParts._append
    more = ("--part-rows", "500", "--engine", engine)
    told(workspace, "run", "flights@1..2", source, workspace / f"calm.{form}", *more)
    left = [4]

    def until(self: parts.FileParts, name: str, content: bytes) -> None:
        left[0] -= 1
        if not left[0]:
            with (self.place / name).open("ab") as file:
                file.write(content[: len(content) // 2])
            raise Ended
        plain(self, name, content)

    monkeypatch.setattr(parts.FileParts, "_append", until)
    with pytest.raises(Ended):
        lens(workspace, "run", "flights@1..2", source, workspace / f"out.{form}", *more)
    resumed = told(workspace, "run", "flights@1..2", source, workspace / f"out.{form}", *more)
    assert 0 < resumed["resumed_from"] < ROWS
    assert (workspace / f"out.{form}").read_bytes() == (workspace / f"calm.{form}").read_bytes()


def test_every_form_becomes_every_other_and_comes_back(workspace: Path) -> None:
    """Parquet, Arrow, CSV and JSON lines hold the same rows, there and back, on both engines."""
    source = flights(workspace / "in.parquet", 200)
    forms = ("parquet", "arrow", "csv", "jsonl")
    for form in forms:
        told(workspace, "run", "flights@1..2", source, workspace / f"two.{form}")
        for engine in ("auto", "records"):
            for to in forms:
                back = workspace / f"one.{form}.{engine}.{to}"
                told(workspace, "run", "flights@2..1", workspace / f"two.{form}", back, "--engine", engine)
    whole = parquet.read_table(source).to_pylist()
    for path in workspace.glob("one.*.parquet"):
        assert parquet.read_table(path).to_pylist() == whole, path.name
    for path in workspace.glob("one.*.arrow"):
        assert ipc.open_file(path).read_all().to_pylist() == whole, path.name
    assert len({path.read_bytes() for path in workspace.glob("one.*.csv")}) == 1
    lines = {path.read_text() for path in workspace.glob("one.*.jsonl")}
    assert len({json.dumps([json.loads(x) for x in one.splitlines()], sort_keys=True) for one in lines}) == 1


def test_without_a_place_for_them_the_first_rejected_row_stops_the_run(workspace: Path) -> None:
    """Exit code 3, the row is named, nothing is published; with a place, the others are."""
    source, target = workspace / "in.jsonl", workspace / "out.jsonl"
    flights(source, 50, lambda one: {**one, "carrier": "ZZ" if one["id"] == 9 else "UA"})
    fault = refused(workspace, "run", "flights@1..2", source, target)
    assert (fault.code, fault.exit_code) == ("lens.row_rejected", 3)
    assert "row 10 (line 10) is rejected: `carrier` has a value that the map does not name" in fault.message
    assert not target.exists()
    done = told(workspace, "run", "flights@1..2", source, target, "--rejects", workspace / "r.jsonl")
    assert (done["written"], done["rejected"]) == (49, 1)
    [kept] = map(json.loads, (workspace / "r.jsonl").read_text().splitlines())
    assert (kept["row"], kept["line"], kept["field"], kept["record"]["tail"]) == (10, 10, "carrier", "(not shown)")


def test_parts_of_another_input_are_void(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed file is told of, and read from its beginning."""
    source = flights(workspace / "in.parquet")
    run = ("run", "flights@1..2", source, workspace / "out.parquet", "--part-rows", "500")
    with monkeypatch.context() as patched:
        patched.setattr(parts.FileParts, "publish", lambda *_: (_ for _ in ()).throw(Ended()))
        with pytest.raises(Ended):
            lens(workspace, *run)
    flights(source, 2_000)
    done = lens(workspace, *run)
    assert done.exit_code == 0, done.output
    assert "parts of an earlier run are void: the input has changed" in done.stderr
    assert parquet.read_metadata(workspace / "out.parquet").num_rows == 2_000


def test_an_input_that_changes_while_it_is_read_is_not_published(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts of both would be of neither."""
    source, target, plain = flights(workspace / "in.jsonl", 20), workspace / "out.jsonl", parts.FileParts.put

    def meanwhile(self: parts.FileParts, *given: Any) -> None:
        with source.open("a") as file:
            file.write("{}\n")
        plain(self, *given)

    monkeypatch.setattr(parts.FileParts, "put", meanwhile)
    fault = refused(workspace, "run", "flights@1..2", source, target)
    assert (fault.code, fault.exit_code, target.exists()) == ("data.changed", 1, False)


def test_a_run_that_ended_after_the_target_appeared_is_done(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the parts are left to tidy up; what is there is not in its way."""
    source, target = flights(workspace / "in.parquet", 100), workspace / "out.parquet"
    with monkeypatch.context() as patched:
        patched.setattr(parts.shutil, "rmtree", lambda *_, **__: (_ for _ in ()).throw(Ended()))
        with pytest.raises(Ended):
            lens(workspace, "run", "flights@1..2", source, target)
    before = target.read_bytes()
    assert told(workspace, "run", "flights@1..2", source, target)["written"] == 100
    assert target.read_bytes() == before
    assert not list(workspace.glob(".*parts"))


def test_what_is_there_is_replaced_only_when_asked_for(workspace: Path) -> None:
    """Exit code 3 without --force; and the input is never the target."""
    source, target = flights(workspace / "in.jsonl", 10), workspace / "out.parquet"
    target.write_text("of before")
    fault = refused(workspace, "run", "flights@1..2", source, target)
    assert (fault.exit_code, target.read_text()) == (3, "of before")
    told(workspace, "run", "flights@1..2", source, target, "--force")
    assert refused(workspace, "run", "flights@1..2", source, source, "--force").code == "data.target_is_source"


def test_garbage_halfway_is_named_with_its_place(workspace: Path) -> None:
    """A broken JSON line, a key that stands twice, a CSV row with a column too many, a Parquet file without its end
    or with a broken page: file, line or rows, and what before it is fine.
    """
    source, target = flights(workspace / "in.jsonl", 20), workspace / "out.jsonl"
    lines = source.read_text().splitlines()
    for broken in (lines[12][:-9], '{"id": 1, "id": 2}'):
        source.write_text("\n".join([*lines[:12], broken, *lines[13:]]) + "\n")
        fault = refused(workspace, "run", "flights@1..2", source, target)
        assert (fault.where, fault.exit_code) == (f"{source}:13", 2)
        assert str(fault).endswith(
            "line 13 is no JSON. The 12 rows before it can be read. Mend the file and run again."
        )
    wide = workspace / "two.csv"
    told(workspace, "run", "flights@1..2", flights(source, 20), wide)
    rows = wide.read_text().splitlines()
    wide.write_text("\n".join([*rows[:7], rows[7] + ",more", *rows[8:]]) + "\n")
    fault = refused(workspace, "run", "flights@2..1", wide, workspace / "one.csv")
    assert (fault.where, fault.exit_code) == (f"{wide}:8", 2)
    assert "line 8 has 10 values, and the header names 9" in fault.message
    assert fault.remedy.startswith("The 6 rows before it can be read.")
    short = flights(workspace / "in.parquet")
    short.write_bytes(short.read_bytes()[:-9])
    assert "no whole Parquet file" in refused(workspace, "run", "flights@1..2", short, target).message
    whole = bytearray(flights(short).read_bytes())
    middle = parquet.read_metadata(short).row_group(2).column(0).data_page_offset
    whole[middle : middle + 30] = bytes(30)
    short.write_bytes(whole)
    fault = refused(workspace, "run", "flights@1..2", short, target)
    assert "row groups 0 to 2 cannot be read" in fault.message
    assert not list(workspace.glob(".*parts"))


def test_rows_of_another_version_are_refused_before_anything_is_written(workspace: Path) -> None:
    """Each column that is missing, unlisted or of another type is told."""
    source = flights(workspace / "in.parquet", 10)
    parquet.write_table(parquet.read_table(source).append_column("note", pa.array([1] * 10)), source)
    fault = refused(workspace, "run", "flights@2..1", source, workspace / "out.parquet")
    assert fault.code == "data.misfit"
    assert "there is no column `delay_s`" in fault.message
    assert "the column `note` is not listed, and the contract is closed" in fault.message


@pytest.mark.parametrize("engine", ["duckdb", "records"])
def test_dividing_by_zero_is_null(workspace: Path, engine: str) -> None:
    """As decision 0022 says, on both engines, where the contract allows null."""
    source, target = flights(workspace / "in.parquet", 8), workspace / "out.jsonl"
    told(workspace, "run", "flights@1..2", source, target, "--engine", engine)
    speeds = [json.loads(line)["speed"] for line in target.read_text().splitlines()]
    assert [one is None for one in speeds] == [n % 7 == 0 for n in range(8)]


@pytest.mark.parametrize("engine", ["duckdb", "records"])
def test_what_cannot_be_computed_rejects_the_row_where_null_is_not_allowed(workspace: Path, engine: str) -> None:
    """Division by zero and a product from 2**53 on (decision 0022): field and reason are the reference's."""
    write_contract(workspace, "2", (*NEWER[:5], Field("pace", Int(64)), *NEWER[6:]))
    lens_file = workspace / "lens.yaml"
    document = yaml.safe_load(lens_file.read_text())
    split = {"field": "hours", "into": {"pace": "distance * 8 // hours"}, "merge": "pace"}
    lens_file.write_text(yaml.safe_dump({**document, "ops": [*document["ops"], {"split": split}]}))
    source = workspace / "in.parquet"
    flights(source, 8, lambda one: {**one, "distance": 2**52 if one["id"] == 3 else one["distance"]})
    target, kept = workspace / "out.jsonl", workspace / "kept.jsonl"
    done = told(workspace, "run", "flights@1..2", source, target, "--rejects", kept, "--engine", engine)
    assert (done["engine"], done["written"], done["rejected"]) == (engine, 5, 3)
    found = [json.loads(line) for line in kept.read_text().splitlines()]
    reason = "cannot be computed from hours"
    assert [(x["row"], x["field"], x["reason"]) for x in found] == [(n, "pace", reason) for n in (1, 4, 8)]


@pytest.mark.parametrize("engine", ["duckdb", "records"])
def test_a_null_that_is_not_allowed_rejects_the_row(workspace: Path, engine: str) -> None:
    """Whoever translates: the same rows are left out, for the same reason."""
    source = flights(workspace / "in.parquet", 30, lambda one: {**one, "distance": one["distance"] % 5 or None})
    target, kept = workspace / "out.parquet", workspace / "kept.jsonl"
    more = ("--rejects", kept, "--engine", engine)
    assert told(workspace, "run", "flights@1..2", source, target, *more)["rejected"] == 6
    found = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [(x["row"], x["field"], x["reason"]) for x in found] == [
        (n, "distance", "is null, and null is not allowed") for n in range(1, 31, 5)
    ]


def test_what_a_column_cannot_hold_rejects_the_row(workspace: Path) -> None:
    """Numbers beyond 64 bits and text in place of a number, among many rows that are fine."""
    wrong = {7: 2**70, 23: "far"}
    source, kept = workspace / "in.jsonl", workspace / "kept.jsonl"
    flights(source, 50, lambda one: {**one, "id": wrong.get(one["id"], one["id"]), "more": 1})
    done = told(workspace, "run", "flights@1..2", source, workspace / "out.parquet", "--rejects", kept)
    assert (done["written"], done["rejected"], done["left_out"]) == (48, 2, {"more": 50})
    found = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [(x["line"], x["field"], x["reason"]) for x in found] == [
        (n + 1, "id", "is no value of the target's column") for n in wrong
    ]


def test_a_table_is_read_like_a_file(workspace: Path) -> None:
    """SQLite here: `--database` and the table's name; and its audit."""
    url = f"sqlite:///{workspace / 'flights.db'}"
    rows = parquet.read_table(flights(workspace / "in.parquet", 60)).to_pylist()
    database = sa.create_engine(url)
    with database.begin() as tx:
        kinds = {"id": sa.BigInteger, "delay": sa.Double, "carrier": sa.Text, "tail": sa.Text}
        kinds |= {"distance": sa.BigInteger, "hours": sa.BigInteger, "day": sa.Date}
        table = sa.Table("flown", sa.MetaData(), *(sa.Column(name, kind) for name, kind in kinds.items()))
        table.create(tx)
        tx.execute(table.insert(), rows)
    database.dispose()
    told(workspace, "run", "flights@1..2", "flown", workspace / "a.parquet", "--database", url)
    told(workspace, "run", "flights@1..2", workspace / "in.parquet", workspace / "b.parquet")
    assert (workspace / "a.parquet").read_bytes() == (workspace / "b.parquet").read_bytes()
    audit = told(workspace, "audit", "flights@1..2", "--on", "flown", "--database", url)
    assert (audit["counts"]["rows"], audit["is_lossless"]) == (60, True)


@pytest.mark.filterwarnings("ignore:fetch_record_batch:DeprecationWarning")  # as above
def test_a_table_is_counted_only_for_those_who_ask(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at all by a run without a bar, and once by an audit."""
    url, counts = f"duckdb://{workspace / 'flights.db'}", []
    with duckdb.connect(str(workspace / "flights.db")) as database:
        database.execute(f"CREATE TABLE flown AS FROM '{flights(workspace / 'in.parquet', 60)}'")
    plain = Table.count
    monkeypatch.setattr(Table, "count", lambda self, rows=None: counts.append(rows) or plain(self, rows))
    told(workspace, "run", "flights@1..2", "flown", workspace / "a.parquet", "--database", url)
    assert not counts
    assert told(workspace, "audit", "flights@1..2", "--on", "flown", "--database", url)["counts"]["rows"] == 60
    assert len(counts) == 1


def test_an_audit_tells_what_is_lost_and_what_a_rollback_costs(workspace: Path) -> None:
    """Exit code 0 when every row comes back, 3 when some do not; verdicts are settled by counts."""
    source, newer = flights(workspace / "in.parquet"), workspace / "two.parquet"
    lossless = told(workspace, "audit", "flights@1..2", "--on", source)
    assert (lossless["is_lossless"], lossless["counts"]["survived"]) == (True, ROWS)
    assert [x["fabricated"] for x in lossless["counts"]["fields"] if x["field"] == "source"] == [ROWS]
    told(workspace, "run", "flights@1..2", source, newer)
    parquet.write_table(parquet.read_table(newer).set_column(8, "source", pa.array(["app"] * ROWS)), newer)
    audit = ("audit", "flights@1..2", "--on", newer, "--version", "2")
    lossy = told(workspace, *audit, exit_code=3)
    assert (lossy["is_lossless"], lossy["counts"]["survived"]) == (False, 0)
    [rollback] = [x for x in lossy["settled"] if x["direction"] == "rollback" and x["field"] == "source"]
    assert rollback["result"] == "4,000 of 4,000 rows"
    assert rollback["says"].startswith("rolling back after cut-over loses `source`")
    [speed] = [x for x in lossy["settled"] if x["direction"] == "backward" and x["field"] == "speed"]
    assert (speed["effect"], speed["result"]) == ("check", "exact on this data")
    [shown] = [x["examples"][0] for x in lossy["counts"]["fields"] if x["field"] == "source"]
    assert shown == {"was": '"app"', "came": '"desk"'}
    by_record = told(workspace, *audit, "--engine", "records", exit_code=3)
    assert by_record["counts"] == lossy["counts"]
    assert 200 < told(workspace, *audit, "--share", "10%", exit_code=3)["counts"]["rows"] < 700
    text = lens(workspace, *audit).output
    assert "0 of 4,000 rows come back whole" in text
    assert lossy["digest"] in text


def newer_rows(workspace: Path, rows: int = 300) -> Path:
    """Rows of the newer version, some of them with values that the older one cannot hold."""
    told(workspace, "run", "flights@1..2", flights(workspace / "in.parquet", rows), workspace / "newer.jsonl")
    lines = [json.loads(line) for line in (workspace / "newer.jsonl").read_text().splitlines()]
    for number, one in enumerate(lines):
        one["source"] = "kiosk" if number % 3 == 0 else one["source"]
    path = workspace / "edited.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    return path


def test_what_was_kept_comes_back(workspace: Path) -> None:
    """The field that the older version lacks is restored by the key, also from Parquet; a change since wins."""
    newer, kept, older = newer_rows(workspace), workspace / "kept.db", workspace / "older.parquet"
    told(workspace, "run", "flights@2..1", newer, older, "--keep", kept, "--key", "id,day")
    changed = parquet.read_table(older).to_pylist()
    changed[3]["delay"] = 9.5
    parquet.write_table(pa.Table.from_pylist(changed, parquet.read_schema(older)), older)
    ways = {"with": ("--restore", str(kept), "--key", "id,day"), "without": ()}
    for name, more in ways.items():
        told(workspace, "run", "flights@1..2", older, workspace / f"{name}.jsonl", *more)
    went, with_it, without = (
        [json.loads(line) for line in (workspace / name).read_text().splitlines()]
        for name in ("edited.jsonl", "with.jsonl", "without.jsonl")
    )
    assert {one["source"] for one in without} == {"desk"}
    assert with_it[3] == {**went[3], "delay_s": 570.0}
    assert [*with_it[:3], *with_it[4:]] == [*went[:3], *went[4:]]


def test_complements_need_a_key_that_every_row_has(workspace: Path) -> None:
    """Nothing is published, and a file of another lens or a time that is none is refused."""
    newer, kept = newer_rows(workspace, 60), workspace / "kept.db"
    back = ("run", "flights@2..1", newer, workspace / "older.jsonl")
    assert "has no `delay_s`" in refused(workspace, *back, "--keep", kept, "--key", "delay_s").message
    assert not (workspace / "older.jsonl").exists()
    assert lens(workspace, *back, "--keep", kept).exit_code == 2
    assert lens(workspace, *back, "--keep", kept, "--key", "id", "--retain", "soon").exit_code == 2
    told(workspace, *back, "--keep", kept, "--key", "id", "--retain", "1ms")
    again = ("run", "flights@1..2", workspace / "older.jsonl", workspace / "late.jsonl")
    told(workspace, *again, "--restore", kept, "--key", "id")
    late = [json.loads(line) for line in (workspace / "late.jsonl").read_text().splitlines()]
    assert {one["source"] for one in late} == {"desk"}
    foreign = (
        "run",
        "flights@1..2",
        workspace / "in.parquet",
        workspace / "x.jsonl",
        "--keep",
        kept,
        "--key",
        "id",
    )
    assert "another lens" in refused(workspace, *foreign).message
