"""`lens run` as a process of its own: killed at any point, and short of space."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.flights import ROWS, flights, write_workspace

INTERLOCK = (sys.executable, "-m", "interlock")


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


def test_a_killed_run_goes_on_and_gives_the_same_bytes(tmp_path: Path) -> None:
    """Killed in the middle of a part, before the manifest, and before the target appears: target and rejected rows
    are those of an undisturbed run, and personal values are not among them.
    """
    workspace = write_workspace(tmp_path)
    source = flights(
        workspace / "in.parquet", change=lambda one: {**one, "carrier": "ZZ"} if one["id"] % 400 == 7 else one
    )
    target, kept = workspace / "out.parquet", workspace / "kept.jsonl"
    calm = (workspace / "calm.parquet", "--rejects", workspace / "expected.jsonl", "--part-rows", "500")
    assert lens(workspace, "run", "flights@1..2", source, *calm).returncode == 0
    run = ("run", "flights@1..2", source, target, "--rejects", kept, "--part-rows", "500")
    killed(workspace, 5, "_append", *run)
    killed(workspace, 2, "_commit", *run)
    killed(workspace, 1, "_finish", *run)
    assert not target.exists()
    resumed = lens(workspace, *run, "--output", "json")
    assert resumed.returncode == 0, resumed.stderr
    told = json.loads(resumed.stdout)
    assert (told["rows"], told["written"], told["rejected"], told["resumed_from"]) == (ROWS, ROWS - 10, 10, ROWS)
    assert "continued behind row 4,000" in resumed.stderr
    assert target.read_bytes() == calm[0].read_bytes()
    assert kept.read_bytes() == (workspace / "expected.jsonl").read_bytes()
    assert "(not shown)" in kept.read_text()
    assert not list(workspace.glob(".*parts"))


def test_a_full_disk_leaves_everything_as_it_was(tmp_path: Path) -> None:
    """The error says so; the input and the target of before are whole, and with room the run goes on."""
    workspace = write_workspace(tmp_path)
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
