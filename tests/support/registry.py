"""A schema registry on a loopback port, and plain requests to it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import uvicorn
from fastapi import FastAPI

from interlock.adapters.clock import SystemClock
from interlock.adapters.registry_api.app import build_registry
from interlock.adapters.registry_api.speaker import Speaks, anybody
from interlock.adapters.store.sql import open_store
from interlock.engine.registry import Registry

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"


@contextmanager
def opened(url: str) -> Iterator[Registry]:
    """A registry over the store at `url`."""
    registry = Registry(open_store(url), SystemClock())
    try:
        yield registry
    finally:
        registry.store.close()


@contextmanager
def served(registry: Registry, speaks: Speaks = anybody) -> Iterator[str]:
    """URL of a real server that answers for `registry` until the block ends."""
    with listening(build_registry(registry, speaks)) as url:
        yield url


@contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    """URL of a real server of `app`, until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@dataclass(frozen=True)
class Got:
    """An answer: its status, its content type, and its body as JSON where it is some."""

    status: int
    content_type: str
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def error(self) -> tuple[int, int]:
        """(status, number) of a fault."""
        return self.status, self.json["error_code"]


def ask(url: str, method: str = "GET", body: Any = None, **headers: str) -> Got:
    """One request; `body` is sent as JSON, bytes as they are."""
    raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    sent = {"Content-Type": MEDIA_TYPE, **{k.replace("_", "-"): v for k, v in headers.items()}}
    try:
        with urlopen(Request(url, raw, sent, method=method), timeout=20) as answer:
            return Got(answer.status, answer.headers["content-type"], answer.read().decode())
    except HTTPError as refused:
        with refused:
            return Got(refused.code, refused.headers["content-type"], refused.read().decode())
