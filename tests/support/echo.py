"""A tiny HTTP service for tests: it tells what it received, and misbehaves on request."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Echo:
    """What a test sets and reads. `answer` replaces the echoed JSON; `calls` are inner URLs' (port, path)."""

    who: str
    port: int = 0
    status: int = 200
    answer: bytes | None = None
    content_type: str = "application/json"
    hang: threading.Event | None = None
    calls: list[tuple[int, str]] = field(default_factory=list)
    seen: list[dict[str, Any]] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65_536  # one write per answer; two small ones would meet delayed acknowledgement
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        assert isinstance(self.server, _Server)
        echo = self.server.echo
        told = {
            "who": echo.who,
            "method": self.command,
            "path": self.path,
            "headers": {k.lower(): v for k, v in self.headers.items()},
            "baggage": self.headers.get_all("baggage") or [],
            "body": self._body().decode(errors="replace"),
        }
        echo.seen.append(told)
        if echo.hang is not None:
            echo.hang.wait(20)
        told["called"] = [self._call(port, path) for port, path in echo.calls]
        body = json.dumps(told).encode() if echo.answer is None else echo.answer
        self.send_response(echo.status)
        self.send_header("content-type", echo.content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_POST

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _call(self, port: int, path: str) -> Any:
        baggage = {"baggage": ",".join(self.headers.get_all("baggage") or [])}
        return call(port, path, method="GET", headers=baggage).json

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, echo: Echo) -> None:
        super().__init__(("127.0.0.1", echo.port), _Handler)
        self.echo = echo
        self.kept: list[socket.socket] = []

    def process_request(self, request: Any, client_address: Any) -> None:
        self.kept.append(request)
        super().process_request(request, client_address)

    def cut_connections(self) -> None:
        """What a killed process does: kept connections end too."""
        for kept in self.kept:
            with suppress(OSError):
                kept.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a proxy that goes away mid-request is part of the tests


@contextmanager
def serving(echo: Echo) -> Iterator[Echo]:
    """Serve `echo` on a free port until the block ends."""
    with _Server(echo) as server:
        echo.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield echo
        finally:
            if echo.hang is not None:
                echo.hang.set()
            server.shutdown()
            thread.join()
            server.cut_connections()


@dataclass(frozen=True)
class Answer:
    """What a caller got."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def release(self) -> str | None:
        return self.headers.get("x-interlock-release")


def call(
    port: int,
    path: str,
    body: bytes | Iterator[bytes] | None = None,
    *,
    key: str | None = None,
    method: str = "POST",
    headers: dict[str, str] | None = None,
) -> Answer:
    """One request on a connection of its own; an iterator as body is sent chunked."""
    sent = {**({"x-entity-key": key} if key is not None else {}), **(headers or {})}
    if body is not None:
        sent.setdefault("content-type", "application/json")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    try:
        connection.request(method, path, body, sent, encode_chunked=not isinstance(body, bytes | None))
        answer = connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
