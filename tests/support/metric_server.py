"""Servers of metrics: a Prometheus that misbehaves as told, and a real one where its binary is installed."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

PROMETHEUS = shutil.which("prometheus")

Fields = dict[str, str]
Script = Callable[["_Handler", Fields], None]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: Script

    def do_POST(self) -> None:
        sent = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        with suppress(OSError):  # the other side may hang up on purpose
            type(self).script(self, {"path": self.path, **{k: v[0] for k, v in sent.items()}})

    def reply(self, status: int, body: bytes, length: int | None = None) -> None:
        """One whole answer; `length` may lie."""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def scripted(script: Script) -> Iterator[str]:
    """URL of a server whose every answer `script` writes."""
    handler = type("_Scripted", (_Handler,), {"script": staticmethod(script)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answers(status: int, body: Any) -> Script:
    """A script that answers everything alike; `body` as JSON, or bytes as they are."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda handler, _: handler.reply(status, raw)


def success(kind: str, result: Any, **extra: Any) -> dict[str, Any]:
    """An answer of the HTTP API that holds a result."""
    return {"status": "success", "data": {"resultType": kind, "result": result}, **extra}


def sample(release: str, value: str, at: float = 0.0) -> dict[str, Any]:
    """One series of an instant vector."""
    return {"metric": {"release": release}, "value": [at, value]}


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def real_prometheus(place: Path, scrape_port: int) -> Iterator[str]:
    """URL of a real server that scrapes `scrape_port` five times a second; it may not be ready yet."""
    assert PROMETHEUS is not None
    port = free_port()
    (place / "prometheus.yml").write_text(
        "global: {scrape_interval: 200ms}\n"
        "scrape_configs:\n"
        f"  - {{job_name: services, static_configs: [{{targets: ['127.0.0.1:{scrape_port}']}}]}}\n"
    )
    server = subprocess.Popen(
        [
            PROMETHEUS,
            f"--config.file={place}/prometheus.yml",
            f"--storage.tsdb.path={place}/tsdb",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)
