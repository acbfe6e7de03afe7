"""The hop's parent when there is no room for a process: nothing is left behind, and it tries again."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from interlock.adapters.envoy.hop import parent as module
from interlock.adapters.envoy.hop.config import Config, Sockets, Way
from interlock.adapters.envoy.hop.parent import LONGEST_PAUSE_S, Child, Parent
from interlock.engine.codec import dump


@pytest.fixture
def parent(tmp_path: Path) -> Parent:
    file = tmp_path / "hop.json"
    file.write_text(json.dumps(dump(Config((), 2, "1"))))
    return Parent(file, Sockets(tmp_path, 2), lambda way: (None, None), "nonce")


@pytest.fixture
def worker() -> Iterator[subprocess.Popen[bytes]]:
    """A process that stands for a worker."""
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as made:
        yield made
        made.kill()


def full(*_: object) -> int:
    raise BlockingIOError("Resource temporarily unavailable")


def test_workers_of_a_refused_configuration_end(
    parent: Parent, worker: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first came up and the second did not: what served before serves on, alone."""
    before = parent.config

    def fork(self: Parent, number: int) -> int:
        return worker.pid if number == 0 else full()

    monkeypatch.setattr(Parent, "_fork", fork)
    with pytest.raises(BlockingIOError):
        parent.apply()
    assert worker.wait(10) == -signal.SIGTERM
    assert parent.config == before


def test_a_worker_that_cannot_be_started_is_tried_again_later(
    parent: Parent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parent lives on, and no number is forgotten."""
    parent.config = Config((), 2, "1")
    parent.children = {7: Child(0, parent.config.digest, 0.0), 8: Child(1, parent.config.digest, 0.0)}
    monkeypatch.setattr(module, "_dead", lambda: iter((7, 8)))
    monkeypatch.setattr(os, "fork", full)
    open_before = len(os.listdir("/proc/self/fd"))
    parent.reap(100.0)
    assert sorted(parent.late) == [(100.0 + LONGEST_PAUSE_S, 0), (100.0 + LONGEST_PAUSE_S, 1)]
    assert len(os.listdir("/proc/self/fd")) == open_before


def test_files_of_any_number_are_waited_for() -> None:
    """A parent with many addresses has files beyond the thousand that `select` knows."""
    few, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    read, write = os.pipe()
    try:
        high = fcntl.fcntl(read, fcntl.F_DUPFD, 2_000)
        os.write(write, b"1")
        assert module._readable(5.0, high) == [high]
        os.close(high)
    finally:
        os.close(read)
        os.close(write)
        resource.setrlimit(resource.RLIMIT_NOFILE, (few, most))


def test_addresses_are_taken_over_from_workers_that_serve_alone(
    parent: Parent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as a worker may not come up, whoever has the address keeps it; nothing is left beside it."""
    way = Way("r1", "127.0.0.1:1", "object", (), (), (), (), 1, 1.0)
    parent.file.write_text(json.dumps(dump(Config((way,), 1, "1"))))
    [path] = Sockets(tmp_path, 1).of(way)
    with socket.socket(socket.AF_UNIX) as earlier, socket.socket(socket.AF_UNIX) as caller:
        earlier.bind(str(path))
        earlier.listen()
        monkeypatch.setattr(Parent, "_fork", full)
        with pytest.raises(BlockingIOError):
            parent.apply()
        caller.connect(str(path))
        earlier.accept()[0].close()
    assert {one.name for one in tmp_path.iterdir()} == {"hop.json", path.name}
