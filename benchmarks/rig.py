"""What the data-plane benchmarks share: cheap services, a load generator and a plain Envoy, each its own process.

Services and load are raw asyncio protocols (on uvloop where it is installed), so that Envoy is the slowest part.
A closed loop: each connection sends its next request when it has the answer to the last one.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import multiprocessing.connection
import os
import re
import socket
import statistics
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from interlock.adapters.envoy.plane import EnvoyDataPlane
from interlock.adapters.envoy.process import envoy_path
from interlock.domain.releases.release import Deployment, Release, Replay

HOST = "127.0.0.1"
LAST = b"/-/last"
"""A service answers this path with the monotonic time of its last other request, in seconds."""
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
_BAGGAGE = re.compile(rb"\r\nbaggage: *([^\r]*)", re.I)
_SPAWN = multiprocessing.get_context("spawn")


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's event loop where it is installed, else asyncio's."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class _Messages(asyncio.Protocol, ABC):
    """Cuts a byte stream into HTTP/1.1 messages that declare their length."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (end := self._read.find(b"\r\n\r\n") + 4) > 3:
            length = _LENGTH.search(self._read, 0, end)
            total = end + (int(length[1]) if length else 0)
            if len(self._read) < total:
                return
            head, body, self._read = self._read[:end], self._read[end:total], self._read[total:]
            self.message(head, body)

    @abstractmethod
    def message(self, head: bytes, body: bytes) -> None:
        """What to do with a whole message."""


# ---- services


@dataclass(frozen=True, slots=True)
class Service:
    """Answers `tag`; with `calls`, a path at `calls_port`, the answer of that is appended."""

    tag: str
    calls: str = ""
    calls_port: int = 0
    content_type: str = "text/plain"


class _Served(_Messages):
    """One connection to a service."""

    def __init__(self, service: Service, state: dict[str, Any]) -> None:
        super().__init__()
        self._service = service
        self._state = state

    def message(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET " + LAST):
            self.reply(repr(self._state["last"]).encode())
            return
        self._state["last"] = time.monotonic()
        if not self._service.calls:
            self.reply(self._service.tag.encode())
            return
        baggage = _BAGGAGE.search(head)
        call = (self, baggage[1] if baggage else b"")
        if self._state["idle"]:
            self._state["idle"].pop().call(*call)
        else:
            task = asyncio.ensure_future(self._connect(call))
            self._state["connecting"].add(task)
            task.add_done_callback(self._state["connecting"].discard)

    def reply(self, body: bytes, status: bytes = b"200 OK") -> None:
        told = (status, self._service.content_type.encode(), len(body))
        head = b"HTTP/1.1 %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n" % told
        self.transport.write(head + body)

    def answered(self, status: int, body: bytes) -> None:
        if status == 200:
            self.reply(self._service.tag.encode() + body)
        else:
            self.reply(body, b"502 Bad Gateway")

    async def _connect(self, call: tuple[_Served, bytes]) -> None:
        loop = asyncio.get_running_loop()
        _, hop = await loop.create_connection(
            lambda: _Hop(self._service, self._state), HOST, self._service.calls_port
        )
        hop.call(*call)


class _Hop(_Messages):
    """A service's kept connection to the next one, through Envoy; one call at a time."""

    def __init__(self, service: Service, state: dict[str, Any]) -> None:
        super().__init__()
        self._request = f"GET {service.calls} HTTP/1.1\r\nhost: next\r\nbaggage: ".encode()
        self._state = state
        self._caller: _Served | None = None

    def call(self, caller: _Served, baggage: bytes) -> None:
        self._caller = caller
        self.transport.write(self._request + baggage + b"\r\n\r\n")

    def message(self, head: bytes, body: bytes) -> None:
        caller, self._caller = self._caller, None
        self._state["idle"].append(self)
        if caller:
            caller.answered(int(head[9:12]), body)

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self._state["idle"]:
            self._state["idle"].remove(self)
        if self._caller:
            self._caller.answered(502, b"connection lost")


def _serve(services: list[Service], ports: multiprocessing.connection.Connection) -> None:
    loop = new_loop()
    asyncio.set_event_loop(loop)

    async def listen(service: Service) -> int:
        state: dict[str, Any] = {"last": 0.0, "idle": [], "connecting": set()}
        server = await loop.create_server(lambda: _Served(service, state), HOST, 0, backlog=512)
        port: int = server.sockets[0].getsockname()[1]
        return port

    ports.send([loop.run_until_complete(listen(s)) for s in services])
    loop.add_reader(ports.fileno(), loop.stop)
    loop.run_forever()


@contextmanager
def serving(services: list[Service]) -> Iterator[list[int]]:
    """Run `services` in one other process; yields their ports."""
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_serve, args=(services, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours.recv()
    finally:
        with suppress(OSError):
            ours.send("end")
        process.join(5)
        process.kill()


def ask(port: int, path: str) -> bytes:
    """One GET, on a connection of its own; the body."""
    with socket.create_connection((HOST, port), timeout=5) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        received = b""
        while True:
            received += connection.recv(65_536)
            head, found, body = received.partition(b"\r\n\r\n")
            length = _LENGTH.search(head)
            if found and len(body) >= (int(length[1]) if length else 0):
                return body


# ---- load


@dataclass(frozen=True, slots=True)
class Load:
    """Requests of keys `key-0`, `key-1`, ... until there were `requests`, or for `seconds`, or until its end. They
    are GET, or POST of a JSON `body`.
    """

    port: int
    path: str
    connections: int = 16
    requests: int = 0
    seconds: float = 0.0
    keeps_answers: bool = False
    baggage: str = ""
    body: bytes = b""


@dataclass(slots=True)
class Driven:
    """What the load saw. `answers` counts (status, body); `by_key` is the body for each key's number, if kept."""

    requests: int = 0
    seconds: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    answers: Counter[tuple[int, bytes]] = field(default_factory=Counter)
    by_key: dict[int, bytes] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        return sum(n for (status, _), n in self.answers.items() if status != 200)


class _Driver(_Messages):
    def __init__(self, load: Load, driven: Driven, latencies: list[float], end: asyncio.Future[None]) -> None:
        super().__init__()
        self._load, self._driven, self._latencies, self._end = load, driven, latencies, end
        self._number, self._began = 0, 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._next()

    def _next(self) -> None:
        driven, load = self._driven, self._load
        if self._end.done() or (load.requests and driven.requests >= load.requests):
            self.transport.close()
            return
        self._number = driven.requests
        driven.requests += 1
        self._began = time.perf_counter()
        baggage = f"baggage: {load.baggage}\r\n" if load.baggage else ""
        sized = f"content-type: application/json\r\ncontent-length: {len(load.body)}\r\n" if load.body else ""
        method = "POST" if load.body else "GET"
        fields = f"host: edge\r\nx-entity-key: key-{self._number}\r\n{sized}{baggage}"
        head = f"{method} {load.path} HTTP/1.1\r\n{fields}\r\n"
        self.transport.write(head.encode() + load.body)

    def message(self, head: bytes, body: bytes) -> None:
        self._latencies.append(time.perf_counter() - self._began)
        self._driven.answers[int(head[9:12]), body] += 1
        if self._load.keeps_answers:
            self._driven.by_key[self._number] = body
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc:
            self._driven.answers[0, repr(exc).encode()] += 1


def _drive(load: Load, results: multiprocessing.connection.Connection) -> None:
    loop = new_loop()
    asyncio.set_event_loop(loop)
    driven, latencies, end = Driven(), [], loop.create_future()

    async def all_of_it() -> None:
        began = time.perf_counter()
        if load.seconds:
            loop.call_later(load.seconds, lambda: end.done() or end.set_result(None))
        made = [
            await loop.create_connection(lambda: _Driver(load, driven, latencies, end), HOST, load.port)
            for _ in range(load.connections)
        ]
        while any(not transport.is_closing() for transport, _ in made):
            await asyncio.sleep(0.01)
        driven.seconds = time.perf_counter() - began

    loop.add_reader(results.fileno(), lambda: end.done() or end.set_result(None))
    loop.run_until_complete(all_of_it())
    driven.p50_ms, driven.p99_ms = quantile_ms(latencies, 0.5), quantile_ms(latencies, 0.99)
    results.send(driven)


def quantile_ms(seconds: list[float], q: float) -> float:
    """The empirical quantile, in milliseconds."""
    ordered = sorted(seconds)
    return 1000 * ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else 0.0


class Driving:
    """A load that runs in another process."""

    def __init__(self, load: Load) -> None:
        self._ours, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_drive, args=(load, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._driven: Driven | None = None

    def is_done(self) -> bool:
        return self._ours.poll()

    def end(self) -> Driven:
        """Tell it to end, if it has not, and return what it saw."""
        if self._driven is None:
            if not self._ours.poll():
                self._ours.send("end")
            self._driven = self._ours.recv()
            self._process.join()
        return self._driven

    def wait(self) -> Driven:
        """What it saw, once it is through."""
        self._driven = self._ours.recv()
        self._process.join()
        return self._driven


def drive(load: Load) -> Driven:
    """Run a load of a given length to its end."""
    return Driving(load).wait()


# ---- Envoys


@contextmanager
def plane(**settings: Any) -> Iterator[tuple[EnvoyDataPlane, int, int]]:
    """Interlock's data plane in a fresh directory; yields it with its edge and inner ports."""
    with tempfile.TemporaryDirectory() as directory:
        edge, inner = free_port(), free_port()
        made = EnvoyDataPlane(Path(directory), (HOST, edge), (HOST, inner), **settings)
        made.ensure()
        try:
            yield made, edge, inner
        finally:
            made.stop()


def pid_of(directory: Path) -> int:
    """The process of the Envoy that Interlock started in `directory`."""
    pid: int = json.loads((directory / "process.json").read_text())["pid"]
    return pid


@contextmanager
def envoy(listeners: list[dict[str, Any]], clusters: list[dict[str, Any]], port: int) -> Iterator[int]:
    """An Envoy with nothing of Interlock in it; yields its process id once `port` accepts."""
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory) / "envoy.json"
        config.write_text(json.dumps({"static_resources": {"listeners": listeners, "clusters": clusters}}))
        command = [envoy_path(), "-c", str(config), "--concurrency", "1", "-l", "error", "--disable-hot-restart"]
        with subprocess.Popen(command) as process:
            try:
                _await_port(port)
                yield process.pid
            finally:
                process.terminate()


def _await_port(port: int) -> None:
    ends = time.monotonic() + 10
    while True:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.02)


def plain_listener(port: int, routes: list[dict[str, Any]]) -> dict[str, Any]:
    """An HTTP listener with `routes` and the router, nothing else."""
    api = "type.googleapis.com/envoy.extensions.filters"
    manager = {
        "@type": f"{api}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "plain",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{api}.http.router.v3.Router", "suppress_envoy_headers": True},
            }
        ],
    }
    address = {"socket_address": {"address": HOST, "port_value": port}}
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    return {"name": f"l{port}", "address": address, "filter_chains": [chain]}


def plain_cluster(name: str, port: int) -> dict[str, Any]:
    """A cluster with one endpoint on this machine, and limits out of the way."""
    address = {"socket_address": {"address": HOST, "port_value": port}}
    many = {"max_connections": 100_000, "max_pending_requests": 100_000, "max_requests": 100_000}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "circuit_breakers": {"thresholds": [many]},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }


def cpu_seconds(pid: int) -> float:
    """Processor time that the process has used; 0.0 where /proc does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def deployment(service: str, version: str, port: int, *, edge: bool = True, **more: Any) -> Deployment:
    """A deployment of one endpoint on this machine."""
    return Deployment(service, version, (f"{HOST}:{port}",), edge=edge, replay=Replay(posts=True), **more)


def cut(*deployments: Deployment) -> Release:
    """A release of these deployments."""
    return Release(tuple(sorted(deployments, key=lambda d: d.service)))


# ---- results


def table(title: str, rows: list[tuple[str, str, str]]) -> None:
    """Print what was measured beside its goal."""
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    print(title)
    for row in rows:
        print("  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


@dataclass(frozen=True, slots=True)
class Sample:
    """One load of one variant. cpu_us: for each request, by a name that tells whose."""

    requests_per_s: float
    p99_ms: float
    cpu_us: dict[str, float]
    failed: int


def compared(samples: dict[str, list[Sample]]) -> dict[str, Any]:
    """The medians of each variant; ratio: of its requests/s to those of `plain` in the same round."""
    plain = samples["plain"]
    return {
        name: {
            "requests_per_s": round(median([s.requests_per_s for s in mine])),
            "ratio": round(
                median([s.requests_per_s / p.requests_per_s for s, p in zip(mine, plain, strict=True)]), 3
            ),
            "p99_ms": round(median([s.p99_ms for s in mine]), 2),
            **{whose: round(median([s.cpu_us[whose] for s in mine]), 1) for whose in mine[0].cpu_us},
            "failed": sum(s.failed for s in mine),
        }
        for name, mine in samples.items()
    }


def median(values: list[float]) -> float:
    return statistics.median(values) if values else 0.0
