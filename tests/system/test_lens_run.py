"""`lens run` and `lens audit` through the real command line: killed, short of space, and fed with garbage."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from interlock.domain.schemas.contract import Contract, Object
from interlock.domain.schemas.field import Date, Field, Float, Int, Number, String
from interlock.domain.schemas.odcs import to_odcs

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

INTERLOCK = (sys.executable, "-m", "interlock")
OLDER = (
    Field("id", Int(64)),
    Field("delay", Float(64), nullable=True, unit="min"),
    Field("carrier", String(), enum=("UA", "B6")),
    Field("tail", String(), nullable=True, is_personal=True),
    Field("distance", Int(64)),
    Field("hours", Int(64)),
    Field("day", Date()),
)
NEWER = (
    Field("id", Int(64)),
    Field("delay_s", Float(64), nullable=True, unit="s"),
    Field("carrier", String(), enum=("United", "JetBlue")),
    Field("tail", String(), nullable=True, is_personal=True),
    Field("distance", Int(64)),
    Field("hours", Int(64)),
    Field("day", Date()),
    Field("speed", Number(), nullable=True),
    Field("source", String()),
)
OPS = [
    {"rename": {"from": "delay", "to": "delay_s"}},
    {"unit": {"field": "delay_s", "from": "min", "to": "s"}},
    {"map": {"field": "carrier", "values": {"UA": "United", "B6": "JetBlue"}}},
    {"add": {"field": "speed", "value": "distance / hours"}},
    {"add": {"field": "source", "default": "desk"}},
]
ROWS = 4_000


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Two contract versions and the lens between them."""
    (tmp_path / "interlock.yaml").write_text("kind: Workspace\nname: flights\n")
    for version, fields in (("1", OLDER), ("2", NEWER)):
        contract = Contract("flights", version, (Object("flights", fields, is_open=False),))
        (tmp_path / f"flights-{version}.yaml").write_text(yaml.safe_dump(to_odcs(contract)))
    lens = {"kind": "Lens", "contract": "flights", "from": "1", "to": "2", "ops": OPS}
    (tmp_path / "lens.yaml").write_text(yaml.safe_dump(lens))
    return tmp_path


def flight(n: int) -> dict[str, Any]:
    import datetime

    return {
        "id": n,
        "delay": None if n % 50 == 0 else n % 600 / 4,
        "carrier": ("UA", "B6")[n % 2],
        "tail": f"N{n}",
        "distance": n % 3000,
        "hours": n % 7,
        "day": datetime.date(2013, 1, 1 + n % 28),
    }


def flights(path: Path, rows: int = ROWS, change: Callable[[dict[str, Any]], dict[str, Any]] = dict) -> Path:
    """A file of the older version, whatever its name asks for."""
    made = [change(flight(n)) for n in range(rows)]
    if path.suffix == ".parquet":
        kinds = {"int": pa.int64(), "float": pa.float64(), "string": pa.string(), "date": pa.date32()}
        schema = pa.schema([(f.name, kinds[f.type.kind]) for f in OLDER])
        parquet.write_table(pa.Table.from_pylist(made, schema), path, row_group_size=1_500)
    else:
        path.write_text("".join(json.dumps(one, default=str) + "\n" for one in made))
    return path


def lens(workspace: Path, *arguments: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [*INTERLOCK, "-C", str(workspace), "lens", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **more)


KILLED = """
import os, signal, sys
from interlock.adapters.schemas import parts
from interlock.cli.main import main

count, where = int(sys.argv.pop(1)), sys.argv.pop(1)
plain = getattr(parts.FileParts, where)

def until(self, *given, **more):
    global count
    count -= 1
    if count == 0:
        if where == "_append":
            (self.place / "data").open("ab").write(b"half a part")
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(self, *given, **more)

setattr(parts.FileParts, where, until)
main()
"""


def killed(workspace: Path, count: int, where: str, *arguments: str | Path) -> None:
    """The command in a process that ends by SIGKILL when it calls `where` for the count-th time."""
    command = [sys.executable, "-c", KILLED, str(count), where, "-C", str(workspace), "lens", *map(str, arguments)]
    assert subprocess.run(command, capture_output=True).returncode == -signal.SIGKILL


@pytest.mark.parametrize("form", ["parquet", "arrow", "csv", "jsonl"])
def test_a_killed_run_goes_on_and_gives_the_same_bytes(workspace: Path, form: str) -> None:
    """Killed in the middle of a part, before the manifest, and before the target appears."""
    source = flights(workspace / "in.parquet")
    calm, target = workspace / f"calm.{form}", workspace / f"out.{form}"
    run = ("run", "flights@1..2", source, target, "--part-rows", "500")
    assert lens(workspace, "run", "flights@1..2", source, calm, "--part-rows", "500").returncode == 0
    killed(workspace, 3, "_append", *run)
    assert not target.exists()
    killed(workspace, 2, "_commit", *run)
    killed(workspace, 1, "_finish", *run)
    assert not target.exists()
    resumed = lens(workspace, *run, "--output", "json")
    assert resumed.returncode == 0, resumed.stderr
    told = json.loads(resumed.stdout)
    assert (told["rows"], told["written"], told["resumed_from"]) == (ROWS, ROWS, ROWS)
    assert "continued behind row 4,000" in resumed.stderr
    assert target.read_bytes() == calm.read_bytes()
    assert not list(workspace.glob(".*parts"))


def test_rejected_rows_survive_a_kill(workspace: Path) -> None:
    """The target and what was rejected are both those of an undisturbed run; personal values are not among them."""
    source = flights(
        workspace / "in.parquet", change=lambda one: {**one, "carrier": "ZZ"} if one["id"] % 400 == 7 else one
    )
    expected, kept = workspace / "expected.jsonl", workspace / "kept.jsonl"
    run = ("run", "flights", source, workspace / "out.parquet", "--from", "1", "--to", "2", "--part-rows", "500")
    assert lens(workspace, *run[:3], workspace / "calm.parquet", *run[4:], "--rejects", expected).returncode == 0
    killed(workspace, 5, "_append", *run, "--rejects", kept)
    done = lens(workspace, *run, "--rejects", kept, "-o", "json")
    assert (done.returncode, json.loads(done.stdout)["rejected"]) == (0, 10)
    assert kept.read_bytes() == expected.read_bytes()
    assert (workspace / "out.parquet").read_bytes() == (workspace / "calm.parquet").read_bytes()
    first = json.loads(kept.read_text().splitlines()[0])
    assert (first["row"], first["field"]) == (8, "carrier")
    assert first["reason"] == "has a value that the map does not name"
    assert first["record"]["tail"] == "(not shown)"


def test_without_a_place_for_them_the_first_rejected_row_stops_the_run(workspace: Path) -> None:
    """Exit code 3, the row is named, nothing is published; and the work is not lost once there is a place."""
    source = flights(
        workspace / "in.jsonl", change=lambda one: {**one, "carrier": "ZZ" if one["id"] == 9 else "UA"}
    )
    stopped = lens(workspace, "run", "flights@1..2", source, workspace / "out.jsonl")
    assert stopped.returncode == 3
    assert "row 10 (line 10) is rejected: `carrier` has a value that the map does not name" in stopped.stderr
    assert not (workspace / "out.jsonl").exists()
    went_on = lens(
        workspace, "run", "flights@1..2", source, workspace / "out.jsonl", "--rejects", workspace / "r.jsonl"
    )
    assert went_on.returncode == 0, went_on.stderr
    assert len((workspace / "out.jsonl").read_text().splitlines()) == ROWS - 1


def test_parts_of_another_input_are_void(workspace: Path) -> None:
    """A changed file is told of and read from its beginning."""
    source = flights(workspace / "in.parquet")
    run = ("run", "flights@1..2", source, workspace / "out.parquet", "--part-rows", "500")
    killed(workspace, 3, "_append", *run)
    flights(source, 2_000)
    done = lens(workspace, *run)
    assert done.returncode == 0, done.stderr
    assert "parts of an earlier run are void: the input has changed" in done.stderr
    assert parquet.read_metadata(workspace / "out.parquet").num_rows == 2_000


def test_a_full_disk_leaves_everything_as_it_was(workspace: Path) -> None:
    """The error says so; the input and the target of before are whole, and with room the run goes on."""
    source, target = flights(workspace / "in.jsonl"), workspace / "out.jsonl"
    target.write_text("of before\n")
    before = source.read_bytes()

    def short() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    run = ("run", "flights@1..2", source, target, "--force")
    full = lens(workspace, *run, preexec_fn=short)
    assert full.returncode == 1
    assert "no space is left to write" in full.stderr
    assert (target.read_text(), source.read_bytes()) == ("of before\n", before)
    assert lens(workspace, *run).returncode == 0
    assert len(target.read_text().splitlines()) == ROWS


def test_what_is_there_is_replaced_only_when_asked_for(workspace: Path) -> None:
    """Exit code 3 without --force, and the input is never the target."""
    source, target = flights(workspace / "in.jsonl", 10), workspace / "out.parquet"
    target.write_text("of before")
    refused = lens(workspace, "run", "flights@1..2", source, target)
    assert (refused.returncode, target.read_text()) == (3, "of before")
    assert "--force" in refused.stderr
    assert lens(workspace, "run", "flights@1..2", source, target, "--force").returncode == 0
    same = lens(workspace, "run", "flights@1..2", source, source, "--force")
    assert same.returncode == 2, same.stderr


def test_garbage_halfway_is_named_with_its_place(workspace: Path) -> None:
    """A broken JSON line, a CSV row with a column too many, a Parquet file without its end: exit code 2."""
    source = flights(workspace / "in.jsonl", 20)
    lines = source.read_text().splitlines()
    source.write_text("\n".join([*lines[:12], lines[12][:-9], *lines[13:]]) + "\n")
    broken = lens(workspace, "run", "flights@1..2", source, workspace / "out.jsonl")
    assert broken.returncode == 2
    assert "in.jsonl:13: line 13 is no JSON. The 12 rows before it can be read." in broken.stderr
    assert lens(workspace, "run", "flights@1..2", flights(source, 20), workspace / "two.csv").returncode == 0
    rows = (workspace / "two.csv").read_text().splitlines()
    (workspace / "two.csv").write_text("\n".join([*rows[:7], rows[7] + ",more", *rows[8:]]) + "\n")
    wide = lens(workspace, "run", "flights@2..1", workspace / "two.csv", workspace / "one.csv")
    assert wide.returncode == 2
    assert (
        "two.csv:8: line 8 has 10 values, and the header names 9. The 6 rows before it can be read." in wide.stderr
    )
    whole = flights(workspace / "in.parquet").read_bytes()
    (workspace / "in.parquet").write_bytes(whole[: len(whole) // 2])
    short = lens(workspace, "run", "flights@1..2", workspace / "in.parquet", workspace / "out.parquet")
    assert short.returncode == 2
    assert "in.parquet" in short.stderr
    assert "no whole Parquet file" in short.stderr
    assert not list(workspace.glob(".*parts"))


@pytest.mark.parametrize("engine", ["duckdb", "records"])
def test_dividing_by_zero_is_null(workspace: Path, engine: str) -> None:
    """As decision 0022 says, on both engines; a field that may not be null rejects the row instead."""
    source = flights(workspace / "in.parquet", 8)
    run = ("run", "flights@1..2", source, workspace / "out.jsonl", "--engine", engine)
    assert lens(workspace, *run).returncode == 0
    speeds = [json.loads(line)["speed"] for line in (workspace / "out.jsonl").read_text().splitlines()]
    assert [one is None for one in speeds] == [n % 7 == 0 for n in range(8)]
    text = (workspace / "flights-2.yaml").read_text()
    contract = Contract(
        "flights", "2", (Object("flights", (*NEWER[:7], Field("speed", Number()), NEWER[8]), is_open=False),)
    )
    (workspace / "flights-2.yaml").write_text(yaml.safe_dump(to_odcs(contract)))
    assert text != (workspace / "flights-2.yaml").read_text()


def test_an_audit_tells_what_is_lost_and_what_a_rollback_costs(workspace: Path) -> None:
    """Exit code 3 and counts when rows do not come back, 0 when they do; verdicts `check` are settled."""
    source = flights(workspace / "in.parquet")
    lossless = lens(workspace, "audit", "flights@1..2", "--on", source, "-o", "json")
    told = json.loads(lossless.stdout)
    assert (lossless.returncode, told["is_lossless"], told["counts"]["survived"]) == (0, True, ROWS)
    assert [x["fabricated"] for x in told["counts"]["fields"] if x["field"] == "source"] == [ROWS]
    newer = workspace / "two.parquet"
    assert lens(workspace, "run", "flights@1..2", source, newer).returncode == 0
    parquet.write_table(parquet.read_table(newer).set_column(8, "source", pa.array(["app"] * ROWS)), newer)
    lossy = lens(workspace, "audit", "flights@1..2", "--on", newer, "--version", "2", "-o", "json")
    told = json.loads(lossy.stdout)
    assert (lossy.returncode, told["is_lossless"], told["counts"]["survived"]) == (3, False, 0)
    [rollback] = [x for x in told["settled"] if x["direction"] == "rollback" and x["field"] == "source"]
    assert rollback["result"] == "4,000 of 4,000 rows"
    assert rollback["says"].startswith("rolling back after cut-over loses `source`")
    [speed] = [x for x in told["settled"] if x["direction"] == "backward" and x["field"] == "speed"]
    assert (speed["effect"], speed["result"]) == ("check", "exact on this data")
    [example] = [x["examples"][0] for x in told["counts"]["fields"] if x["field"] == "source"]
    assert example == {"was": '"app"', "came": '"desk"'}
    sampled = lens(
        workspace, "audit", "flights@1..2", "--on", newer, "--version", "2", "--share", "10%", "-o", "json"
    )
    assert 200 < json.loads(sampled.stdout)["counts"]["rows"] < 700
    text = lens(workspace, "audit", "flights@1..2", "--on", newer, "--version", "2")
    assert "0 of 4,000 rows come back whole" in text.stdout
