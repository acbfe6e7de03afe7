"""The hop as the data plane sees it: started when a table needs it, adopted when it runs, told what to serve.

Like Envoy it outlives the control plane. A hop of another version of Interlock is replaced: the new one takes over
the addresses, then the old one is told to end, which finishes what it has begun.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interlock import __version__
from interlock.adapters.envoy.detached import (
    Running,
    is_alive,
    is_ours,
    last_words,
    new_nonce,
    record,
    recorded,
    spawn,
    tell,
)
from interlock.adapters.envoy.hop.config import Config, Sockets, Way
from interlock.adapters.envoy.snapshot import replace
from interlock.adapters.envoy.waiting import wait_until
from interlock.engine.codec import dump
from interlock.kernel.errors import Unavailable

START_LIMIT_S = 15.0
ANSWER_LIMIT_S = 30.0
MODULE = "interlock.hop"


class HopFailed(Unavailable):
    """The lens hop was started, or told what to serve, and does not serve it."""

    code = "hop.failed"


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
        written = recorded(self._record)
        told = self._ask("health") if written else None
        return told if written and told and told["nonce"] == written.nonce else None

    def stop(self) -> None:
        """End the hop, politely at first; nothing happens when it is not running."""
        written = recorded(self._record)
        if written is None:
            return
        self._ending.append(written.pid)
        if self.health():
            self._ask("end")
        elif is_ours(written):
            tell(written.pid, signal.SIGTERM)
        self._record.unlink(missing_ok=True)
        for path in self._sockets.directory.glob("*.sock"):  # workers whose parent died leave when these are gone
            path.unlink(missing_ok=True)

    def _start(self) -> Mapping[str, Any] | None:
        """A new parent takes the addresses over; then the one before it is ended. When the new one does not answer,
        the one before it serves on.
        """
        before, nonce = recorded(self._record), new_nonce()
        fresh = Running(self._spawn(nonce), nonce)
        record(self._record, fresh)
        told: Mapping[str, Any] | None = None

        def serves() -> bool:
            nonlocal told
            told = self.health()
            return told is not None or not is_alive(fresh.pid)

        wait_until(serves, START_LIMIT_S)
        if told is None and is_ours(fresh):  # no polite end, with which it would give up what it has taken by now
            self._ending.append(fresh.pid)
            tell(fresh.pid, signal.SIGKILL)
        if before and told is None:
            record(self._record, before)
        elif before and is_ours(before):
            self._ending.append(before.pid)
            tell(before.pid, signal.SIGTERM)
        return told

    def _spawn(self, nonce: str) -> int:
        self._sockets.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        place = (str(self._file), str(self._sockets.directory), str(self._sockets.workers))
        return spawn([sys.executable, "-m", MODULE, *place, nonce], self._log)

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
