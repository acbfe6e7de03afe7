"""Requests per second of the schema registry, as shares of a bare FastAPI echo that the same client asks in the
same run.

Both are processes of their own with one worker; the client keeps four connections busy. The registry writes to
SQLite, which waits for the disk at each commit. `register` makes a new version each time, `register again` finds
it.
"""

from __future__ import annotations

import http.client
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CLIENTS = 4
ROUNDS = 5
REQUESTS = 100
HEADERS = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
ECHO = """
import sys, uvicorn
from typing import Any
from fastapi import FastAPI
app = FastAPI()
@app.get("/echo")
def get() -> dict[str, Any]:
    return {"id": 1}
@app.post("/echo")
def post(body: dict[str, Any]) -> dict[str, Any]:
    return body
uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False, lifespan="off")
"""

Ask = Callable[[http.client.HTTPConnection, int], None]


def main() -> None:
    """Print one line per request, with its share of the echo's speed."""
    echo_port, registry_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as place:
        serve = ["-m", "interlock", "-C", place, "contract", "serve", "--no-auth", "--listen"]
        with (
            process([sys.executable, "-c", ECHO, str(echo_port)], echo_port, "/echo"),
            process([sys.executable, *serve, f"127.0.0.1:{registry_port}"], registry_port, "/subjects"),
        ):
            print(f"{CLIENTS} connections, requests/s and share of the echo, medians of {ROUNDS} x {REQUESTS}")
            for name, (method, ask) in asked().items():
                rounds = [one_round(echo_port, registry_port, method, ask, r * REQUESTS) for r in range(ROUNDS)]
                per_second = statistics.median(ours for ours, _ in rounds)
                share = statistics.median(ours / floor for ours, floor in rounds)
                print(f"{name:<34}{per_second:>8.0f}{share:>8.2f}")


def one_round(echo_port: int, registry_port: int, method: str, ask: Ask, first: int) -> tuple[float, float]:
    """Requests per second of the registry, and of the echo right before it."""
    floor = speed(echo_port, lambda c, n: send(c, method, "/echo", schema(n) if method == "POST" else None), first)
    return speed(registry_port, ask, first), floor


def asked() -> dict[str, tuple[str, Ask]]:
    """What is asked of the registry, in this order: later ones find what earlier ones registered."""
    new, known = "/subjects/s{}/versions", "/subjects/s0/versions"
    check = "/compatibility/subjects/s0/versions/latest"
    return {
        "register, a new subject": ("POST", lambda c, n: send(c, "POST", new.format(n), schema(n))),
        "register again": ("POST", lambda c, n: send(c, "POST", new.format(n), schema(n))),
        "check compatibility, Avro": ("POST", lambda c, n: send(c, "POST", check, schema(0))),
        "register, Protobuf, a new subject": ("POST", lambda c, n: send(c, "POST", new.format(f"p{n}"), proto(n))),
        "fetch by id": ("GET", lambda c, n: send(c, "GET", "/schemas/ids/1")),
        "fetch the latest version": ("GET", lambda c, n: send(c, "GET", f"{known}/latest")),
    }


def schema(number: int) -> bytes:
    fields = [{"name": f"f{i}", "type": "long", "default": 0} for i in range(20)]
    text = json.dumps({"type": "record", "name": f"R{number}", "fields": fields})
    return json.dumps({"schema": text}).encode()


def proto(number: int) -> bytes:
    fields = " ".join(f"int64 f{i} = {i};" for i in range(1, 21))
    text = f'syntax = "proto3"; message M{number} {{ {fields} }}'
    return json.dumps({"schema": text, "schemaType": "PROTOBUF"}).encode()


def send(connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None) -> None:
    connection.request(method, path, body, HEADERS)
    answer = connection.getresponse()
    said = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{method} {path}: {answer.status} {said.decode()[:200]}")


def speed(port: int, ask: Ask, first: int) -> float:
    """Requests per second over all connections; requests are numbered from `first`."""
    numbers = iter(range(first, first + REQUESTS))
    turn = threading.Lock()
    failed: list[Exception] = []

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            while (number := next_of(numbers, turn)) is not None:
                ask(connection, number)
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return REQUESTS / (time.perf_counter() - begun)


def next_of(numbers: Iterator[int], turn: threading.Lock) -> int | None:
    with turn:
        return next(numbers, None)


@contextmanager
def process(command: list[str], port: int, path: str) -> Iterator[None]:
    """A server that answers at `path`, until the block ends."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as started:
        try:
            wait_for(port, path)
            yield
        finally:
            started.terminate()


def wait_for(port: int, path: str) -> None:
    for _ in range(300):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            connection.getresponse().read()
            return
        except ConnectionError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise TimeoutError(f"nobody answers at port {port}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
