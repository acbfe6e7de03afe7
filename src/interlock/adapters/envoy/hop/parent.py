"""The hop's parent process: holds the listening addresses, forks the workers, and puts a new one where one died.

It serves nothing itself, so it lives on when a worker does not; connections that come meanwhile wait in the
backlog of an address that never closed. A new configuration gets new workers: the addresses that stay are theirs
as well, they are up before the old ones are told to end, and those finish what they have begun.

On its control socket it answers one JSON line to one: `{"ask": "health"}`, `{"ask": "apply"}` (read the file
again), `{"ask": "end"}`.
"""

from __future__ import annotations

import json
import os
import resource
import selectors
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from interlock import __version__
from interlock.adapters.envoy.hop.config import Config, Sockets, Way
from interlock.adapters.envoy.hop.server import Place
from interlock.adapters.envoy.hop.worker import Address, Translators, inode, place, work
from interlock.engine.codec import parse

READY_LIMIT_S = 10.0
BACKLOG = 1024
SOON_S = 1.0
"""A worker that dies sooner than this after its start is started again only after a pause."""
LONGEST_PAUSE_S = 5.0


class WorkerFailed(Exception):
    """A worker did not come up."""


@dataclass(slots=True)
class Child:
    """A running worker. number: which of the addresses of each way are its own."""

    number: int
    config: str
    began: float


@dataclass(slots=True)
class Parent:
    """The state of the hop: what it serves, on which listeners, by which processes."""

    file: Path
    sockets: Sockets
    translators: Translators
    nonce: str
    config: Config = field(default_factory=lambda: Config((), 0, ""))
    listeners: dict[Path, tuple[socket.socket, int]] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    children: dict[int, Child] = field(default_factory=dict)
    private: tuple[socket.socket, ...] = ()
    """What no worker may keep open: who connects to a dead parent must be refused."""
    restarts: int = 0
    is_ending: bool = False
    late: list[tuple[float, int]] = field(default_factory=list)
    """(when, number) of workers that are to be started again after a pause."""

    def apply(self) -> None:
        """Serve what the file says. Addresses are taken over once every worker serves; when one does not come up,
        what served before serves on.
        """
        wanted = parse(Config, self.file.read_text())
        if wanted.digest == self.config.digest:
            return
        made = {w.name: self.places.get(w.name) or place(w, self.translators) for w in wanted.ways}
        before, places, listeners = self.config, self.places, set(self.listeners)
        self.config, self.places = wanted, made
        fresh: list[int] = []
        try:
            for path in self._paths(wanted.ways):
                self._open(path)
            fresh.extend(self._fork(number) for number in range(wanted.workers))
        except Exception:
            self.config, self.places = before, places
            self._end(fresh)
            self._close(set(self.listeners) - listeners)
            raise
        for path in set(self.listeners) - listeners:
            os.replace(_beside(path), path)
        self._end(pid for pid in self.children if pid not in fresh)
        self._close(set(self.listeners) - set(self._paths(wanted.ways)))
        self.late.clear()

    def health(self) -> dict[str, Any]:
        serving = self.config.digest
        current = [child for child in self.children.values() if child.config == serving]
        return {
            "nonce": self.nonce,
            "pid": os.getpid(),
            "code": __version__,
            "config": serving,
            "ways": len(self.config.ways),
            "workers": len(current),
            "wanted": self.config.workers,
            "draining": len(self.children) - len(current),
            "restarts": self.restarts,
        }

    def reap(self, now: float) -> None:
        """Put new workers in the place of those that died."""
        for pid in _dead():
            child = self.children.pop(pid, None)
            if child and child.config == self.config.digest and not self.is_ending:
                self.restarts += 1
                pause = min(2.0 ** min(self.restarts, 8) / 50, LONGEST_PAUSE_S)
                self.late.append((now if now - child.began > SOON_S else now + pause, child.number))
        due = [number for when, number in self.late if when <= now]
        self.late = [(when, number) for when, number in self.late if when > now]
        for number in due:
            try:
                self._fork(number)
            except (OSError, WorkerFailed) as failed:
                print(failed, file=sys.stderr, flush=True)  # noqa: T201 (the log of this process)
                self.late.append((now + LONGEST_PAUSE_S, number))

    def end(self) -> None:
        """Tell every worker to end, and give up the addresses."""
        self.is_ending = True
        self._end(list(self.children))
        self._close(list(self.listeners))

    def _paths(self, ways: tuple[Way, ...]) -> list[Path]:
        return [path for way in ways for path in self._addresses(way)]

    def _addresses(self, way: Way) -> list[Path]:
        """One for each worker of the configuration; whoever started this process may have wanted another number."""
        return Sockets(self.sockets.directory, self.config.workers).of(way)

    def _open(self, path: Path) -> None:
        """Listen beside `path`; whoever listens there keeps it until it is replaced, and the connections it has."""
        if path in self.listeners:
            return
        listener, beside = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), _beside(path)
        beside.unlink(missing_ok=True)
        listener.bind(str(beside))
        listener.listen(BACKLOG)
        listener.setblocking(False)
        self.listeners[path] = (listener, inode(beside))

    def _close(self, paths: Any) -> None:
        for path in list(paths):
            listener, number = self.listeners.pop(path)
            listener.close()
            for at in (path, _beside(path)):
                if inode(at) == number:
                    at.unlink(missing_ok=True)

    def _end(self, pids: Any) -> None:
        for pid in list(pids):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def _fork(self, number: int) -> int:
        """Start worker `number`; its process id once it serves. WorkerFailed when it does not, OSError when there
        is no room for it.
        """
        ours = [self._address(way, number) for way in self.config.ways]
        read, write = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            os.close(read)
            os.close(write)
            raise
        if pid == 0:
            self._be_worker(ours, read, write)
        os.close(write)
        with os.fdopen(read, "rb") as told:
            is_up = bool(_readable(READY_LIMIT_S, told)) and told.read(1) == b"1"
        if not is_up:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise WorkerFailed(f"worker {number} did not come up")
        self.children[pid] = Child(number, self.config.digest, time.monotonic())
        return pid

    def _address(self, way: Way, number: int) -> Address:
        path = self._addresses(way)[number]
        return Address(path, *self.listeners[path], self.places[way.name])

    def _be_worker(self, ours: list[Address], read: int, write: int) -> None:
        """In the fork; never returns."""
        code = 1
        try:
            os.close(read)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.set_wakeup_fd(-1)
            mine = {one.listener for one in ours}
            others = [listener for listener, _ in self.listeners.values() if listener not in mine]
            for inherited in (*others, *self.private):
                inherited.close()
            work(ours, lambda: os.close(write) if os.write(write, b"1") else None)
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)


def _readable(wait_s: float | None, *files: Any) -> list[Any]:
    """Which of the files can be read, once one can or the time is over; of any number, unlike `select.select`."""
    with selectors.PollSelector() as selector:
        for one in files:
            selector.register(one, selectors.EVENT_READ)
        return [key.fileobj for key, _ in selector.select(wait_s)]


def _beside(path: Path) -> Path:
    """Where an address is made before it is taken over."""
    return path.with_suffix(".next.sock")


def _dead() -> Iterator[int]:
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid


def run(file: Path, sockets: Sockets, translators: Translators, nonce: str) -> None:
    """Be the parent until told to end."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two for each request that is under way
    parent = Parent(file, sockets, translators, nonce)
    with _wakeups() as woken:
        parent.private = (woken,)
        parent.apply()
        with _control(sockets.control) as control:
            parent.private = (control, woken)
            while not parent.is_ending:
                readable = _readable(0.5 if parent.late else None, control, woken)
                if woken in readable and signal.SIGTERM in woken.recv(4096):
                    break
                parent.reap(time.monotonic())
                if control in readable:
                    _answer(control, parent)
        parent.end()
        _finish(parent)


def _finish(parent: Parent) -> None:
    """Stay until the workers are gone: they end by themselves, within their limit."""
    while parent.children:
        pid, _ = os.waitpid(-1, 0)
        parent.children.pop(pid, None)


@contextmanager
def _control(path: Path) -> Iterator[socket.socket]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as made:
        made.bind(str(path))
        made.listen(8)
        number = inode(path)
        try:
            yield made
        finally:
            if inode(path) == number:
                path.unlink(missing_ok=True)


@contextmanager
def _wakeups() -> Iterator[socket.socket]:
    """A socket that becomes readable with the number of each signal."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.set_wakeup_fd(theirs.fileno())
    with ours, theirs:
        yield ours


def _answer(control: socket.socket, parent: Parent) -> None:
    connection, _ = control.accept()
    with connection, suppress(OSError, ValueError):  # what is no question is not answered
        parent.private = (*parent.private[:2], connection)
        connection.settimeout(1.0)
        question = json.loads(connection.makefile("rb").readline() or b"{}")
        asked = question.get("ask") if isinstance(question, dict) else None
        told = parent.health()
        if asked == "apply":
            told = _applied(parent)
        elif asked == "end":
            parent.is_ending = True
        connection.sendall(json.dumps(told).encode() + b"\n")


def _applied(parent: Parent) -> dict[str, Any]:
    try:
        parent.apply()
    except Exception as why:  # whatever a new configuration brings must not end what serves
        return {**parent.health(), "failed": str(why)}
    return parent.health()
