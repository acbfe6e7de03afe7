"""A share of a dataset's partitions in the newer version: it grows, freezes, shrinks, and follows a rollout."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from interlock.cli.main import interlock
from interlock.domain.lenses.partitions import sorted_out
from interlock.domain.lenses.relaying import Share
from interlock.domain.traffic.bucket import is_candidate, seed
from interlock.engine.codec import dump
from interlock.engine.schema_share import SchemaShare
from support.flights import flights, write_workspace

DAYS = [f"day={day:02}/part.jsonl" for day in range(1, 25)]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    write_workspace(tmp_path)
    for name in DAYS:
        (tmp_path / "in" / name).parent.mkdir(parents=True)
        flights(tmp_path / "in" / name, 3)
    (tmp_path / "in" / "_tmp.jsonl").write_text("{")
    return tmp_path


def told(workspace: Path, *more: str) -> Any:
    arguments = ["flights@1..2", str(workspace / "in"), str(workspace / "out"), *more, "--output", "json"]
    done = CliRunner().invoke(interlock, ["-C", str(workspace), "lens", "partitions", *arguments])
    assert done.exit_code == 0, (done.output, done.exception)
    return json.loads(done.stdout)


def there(workspace: Path) -> set[str]:
    return {path.relative_to(workspace / "out").as_posix() for path in (workspace / "out").rglob("*.jsonl")}


def test_a_share_grows_without_touching_what_is_there_and_is_taken_back(workspace: Path) -> None:
    """The rest of the dataset stays as it was, and files that begin with an underscore are no partitions."""
    few = told(workspace, "--share", "30%", "--salt", "x")
    assert 0 < len(few["translated"]) < len(DAYS)
    assert there(workspace) == set(few["translated"])
    first = sorted(few["translated"])[0]
    assert '"delay_s"' in (workspace / "out" / first).read_text()
    before = (workspace / "out" / first).stat().st_mtime_ns
    more = told(workspace, "--share", "70%", "--salt", "x")
    assert set(more["done"]) == set(few["translated"])
    assert (workspace / "out" / first).stat().st_mtime_ns == before
    assert set(more["waiting"]) == set(DAYS) - there(workspace)
    less = told(workspace, "--share", "30%", "--salt", "x")
    assert set(less["beyond"]) == set(more["translated"])
    assert set(told(workspace, "--share", "30%", "--salt", "x", "--withdraw")["withdrawn"]) == set(less["beyond"])
    assert there(workspace) == set(few["translated"])


def test_all_of_them_by_default(workspace: Path) -> None:
    """Without a share it is the whole dataset, each partition under its name."""
    assert told(workspace)["translated"] == dict.fromkeys(DAYS, 3)


@contextmanager
def answering(share: SchemaShare) -> Iterator[str]:
    """A control plane that says where the rollout stands."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(dump(share)).encode()
            self.send_response(200 if self.path == "/v1/schema-share/flights" else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_rollout_is_followed(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its share and seed while it is under way; everything once the new version serves, nothing before."""
    monkeypatch.setenv("INTERLOCK_TOKEN", "t")
    share = Share("2", 4_000, seed("first"))
    cases = [
        (SchemaShare("flights", "1", (), None, False, "nothing moves"), set()),
        (
            SchemaShare("flights", "1", (), share, True, "40 %"),
            {n for n in DAYS if is_candidate(n, share.seed, 4_000)},
        ),
        (SchemaShare("flights", "2", (), None, False, "version 2 serves"), set(DAYS)),
    ]
    for now, expected in cases:
        with answering(now) as url:
            monkeypatch.setenv("INTERLOCK_API", url)
            assert told(workspace, "--follow")["because"] == now.because
        assert there(workspace) == expected


@given(st.sets(st.text("abc/=12", min_size=1)), st.sets(st.text("abc/=12", min_size=1)), st.integers(0, 10_000))
def test_every_partition_has_one_place(names: set[str], translated: set[str], weight_bp: int) -> None:
    """And a larger share has every partition of a smaller one."""
    found = sorted_out(names, translated, weight_bp, seed("s"))
    assert sorted((*found.due, *found.done, *found.waiting, *found.beyond)) == sorted(names)
    assert set(found.done) | set(found.beyond) == names & translated
    larger = sorted_out(names, translated, min(10_000, weight_bp + 500), seed("s"))
    assert {*found.due, *found.done} <= {*larger.due, *larger.done}


@pytest.mark.parametrize("target", ["in", "in/out"])
def test_what_is_read_is_never_taken_for_what_was_written(workspace: Path, target: str) -> None:
    """With --withdraw, files of the source would be removed."""
    places = ["flights@1..2", str(workspace / "in"), str(workspace / target), "--share", "1%", "--withdraw"]
    done = CliRunner().invoke(interlock, ["-C", str(workspace), "lens", "partitions", *places])
    assert done.exit_code == 2
    assert "would be taken" in done.stderr
    assert all((workspace / "in" / name).is_file() for name in DAYS)
