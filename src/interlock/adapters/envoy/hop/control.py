"""The hop as the data plane sees it: started when a table needs it, adopted when it runs, told what to serve.

Like Envoy it outlives the control plane. A hop of another version of Interlock is replaced: the new one takes over
the addresses, then the old one is told to end, which finishes what it has begun.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock import __version__
from interlock.adapters.envoy.hop.config import Config, Sockets, Way
from interlock.adapters.envoy.process import is_alive, last_words, wait_until
from interlock.adapters.envoy.snapshot import replace
from interlock.engine.codec import dump
from interlock.kernel.errors import Unavailable

START_LIMIT_S = 15.0
ANSWER_LIMIT_S = 30.0
MODULE = "interlock.hop"


class HopFailed(Unavailable):
    """The lens hop was started, or told what to serve, and does not serve it."""

    code = "hop.failed"


@dataclass(frozen=True, slots=True)
class _Written:
    pid: int
    nonce: str


class Hop:
    """The one hop of a state directory. file: what it serves; record: which process it is."""

    def __init__(self, sockets: Sockets, file: Path, record: Path, log: Path) -> None:
        self._sockets, self._file, self._record, self._log = sockets, file, record, log
        self._ending: list[int] = []

    def serve(self, ways: tuple[Way, ...]) -> None:
        """Return when every way is served; the hop ends when there are none. HopFailed when they are not."""
        self._ending = [pid for pid in self._ending if is_alive(pid)]
        if not ways:
            self.stop()
            return
        config = Config(ways, self._sockets.workers, __version__)
        found, wanted = self.health(), config.digest
        if found and found["config"] == wanted:
            return
        replace(self._file, json.dumps(dump(config)).encode())
        is_current = found is not None and found.get("code") == __version__
        told = self._ask("apply") if is_current else self._start()
        if told is None or told["config"] != wanted:
            why = (told or {}).get("failed") or last_words(self._log)
            raise HopFailed(f"the lens hop does not serve: {why}", remedy=f"See {self._log}.")

    def health(self) -> Mapping[str, Any] | None:
        """What the hop says of itself; None when none of ours answers."""
        written = self._written()
        told = self._ask("health") if written else None
        return told if written and told and told["nonce"] == written.nonce else None

    def stop(self) -> None:
        """End the hop, politely at first; nothing happens when it is not running."""
        written = self._written()
        if written is None:
            return
        self._ending.append(written.pid)
        if self.health():
            self._ask("end")
        elif is_alive(written.pid) and self._is_ours(written):
            _signal(written.pid, signal.SIGTERM)
        self._record.unlink(missing_ok=True)
        for path in self._sockets.directory.glob("*.sock"):  # workers whose parent died leave when these are gone
            path.unlink(missing_ok=True)

    def _start(self) -> Mapping[str, Any] | None:
        """A new parent takes the addresses over; then an old one that did not answer is ended."""
        before, nonce = self._written(), f"{time.time_ns():x}-{os.getpid()}"
        pid = self._spawn(nonce)
        replace(self._record, json.dumps({"pid": pid, "nonce": nonce}).encode())
        told: Mapping[str, Any] | None = None

        def serves() -> bool:
            nonlocal told
            told = self.health()
            return told is not None or not is_alive(pid)

        wait_until(serves, START_LIMIT_S)
        if before and is_alive(before.pid) and self._is_ours(before):
            self._ending.append(before.pid)
            _signal(before.pid, signal.SIGTERM)
        return told

    def _spawn(self, nonce: str) -> int:
        """In a session of its own, so that what ends the control plane does not end it."""
        self._sockets.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        place = (str(self._file), str(self._sockets.directory), str(self._sockets.workers))
        arguments = [sys.executable, "-m", MODULE, *place, nonce]
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        opened = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(self._log), append, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        return os.posix_spawn(sys.executable, arguments, os.environ, file_actions=opened, setsid=True)

    def _is_ours(self, written: _Written) -> bool:
        with suppress(OSError):
            return written.nonce.encode() in Path(f"/proc/{written.pid}/cmdline").read_bytes()
        return False

    def _written(self) -> _Written | None:
        try:
            found = json.loads(self._record.read_text())
            return _Written(int(found["pid"]), str(found["nonce"]))
        except (FileNotFoundError, ValueError, KeyError):
            return None

    def _ask(self, question: str) -> Any:
        """The answer of whoever listens; None when nobody does."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
                asking.settimeout(ANSWER_LIMIT_S)
                asking.connect(str(self._sockets.control))
                asking.sendall(json.dumps({"ask": question}).encode() + b"\n")
                with asking.makefile("rb") as answer:
                    return json.loads(answer.readline())
        except (OSError, ValueError):
            return None


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
