"""A process that outlives the control plane which started it, and is recognised again by a later one.

Each start has a nonce, which stands in the command line and beside the process's files: a process id alone may have
been reused.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from interlock.adapters.envoy.snapshot import replace
from interlock.adapters.envoy.waiting import wait_until

STOP_DEADLINE_S = 5.0


@dataclass(frozen=True, slots=True)
class Running:
    """A process that we started. nonce: which start it was."""

    pid: int
    nonce: str


def new_nonce() -> str:
    """Of one start, and of no other."""
    return f"{time.time_ns():x}-{os.getpid()}"


def spawn(arguments: Sequence[str], log: Path) -> int:
    """Start a process in a session of its own, so that what ends the control plane does not end it; its id. What
    it writes is appended to `log`.
    """
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    opened = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    return os.posix_spawn(arguments[0], list(arguments), os.environ, file_actions=opened, setsid=True)


def record(path: Path, running: Running) -> None:
    """Write down what runs, for a later control plane."""
    replace(path, json.dumps(asdict(running)).encode())


def recorded(path: Path) -> Running | None:
    """What was written down at `path`; it need not run any more."""
    try:
        found = json.loads(path.read_text())
        return Running(int(found["pid"]), str(found["nonce"]))
    except (FileNotFoundError, ValueError, KeyError):
        return None


def is_ours(running: Running) -> bool:
    """Whether the process runs and is the one that was started with the nonce."""
    if not is_alive(running.pid):
        return False
    try:
        return running.nonce.encode() in Path(f"/proc/{running.pid}/cmdline").read_bytes()
    except OSError:
        return False


def is_alive(pid: int) -> bool:
    """Whether the process runs; a child of ours that ended is reaped."""
    with suppress(ChildProcessError):  # not our child: an earlier control plane started it
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def tell(pid: int, number: signal.Signals) -> None:
    """Send the signal, unless the process is gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def end(pid: int) -> None:
    """End the process, politely at first."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        tell(pid, number)
        if wait_until(lambda: not is_alive(pid), STOP_DEADLINE_S):
            return


def last_words(log: Path, *marks: str) -> str:
    """The last line of `log`, of those with one of `marks` if there are any."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16_384))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return "no log"
    told = [line for line in lines if any(mark in line for mark in marks)]
    return (told or lines or ["no word in its log"])[-1]
