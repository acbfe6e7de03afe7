"""The client against real servers: a pin survives hops made with stock HTTP clients."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import requests
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from interlock.client import (
    ReleaseMiddleware,
    current_release,
    outgoing_headers,
    pin_request,
    pin_request_async,
    pin_session,
)

PIN = "interlock.release=r42"


async def _leaf(request: Request) -> JSONResponse:
    return JSONResponse({"lines": request.headers.getlist("baggage"), "release": current_release()})


async def _via(request: Request) -> JSONResponse:
    url = str(request.url_for("leaf"))
    match request.path_params["client"]:
        case "httpx2-async":
            async with httpx2.AsyncClient(event_hooks={"request": [pin_request_async]}) as client:
                return JSONResponse((await client.get(url)).json())
        case "httpx2":
            return JSONResponse(await asyncio.to_thread(_get_httpx2, url))
        case "requests":
            return JSONResponse(await asyncio.to_thread(_get_requests, url))
        case _:
            return JSONResponse(await asyncio.to_thread(_get_plain, url))


def _get_httpx2(url: str) -> Any:
    with httpx2.Client(event_hooks={"request": [pin_request]}) as client:
        return client.get(url, headers=[("baggage", "step=1"), ("baggage", "phase=2")]).json()


def _get_requests(url: str) -> Any:
    with pin_session(requests.Session()) as session:
        return session.get(url, headers={"baggage": "step=1"}, auth=("ann", "secret")).json()


def _get_plain(url: str) -> Any:
    return requests.get(url, headers=outgoing_headers({"x-mine": "1"}), timeout=5).json()


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    app = Starlette(routes=[Route("/leaf", _leaf, name="leaf"), Route("/via/{client}", _via)])
    app.add_middleware(ReleaseMiddleware)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        thread.join(0.01)
    yield listener.getsockname()
    server.should_exit = True
    thread.join(10)
    listener.close()


def _ask(address: tuple[str, int], path: str, *lines: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection(*address, timeout=10)
    connection.putrequest("GET", path)
    for line in lines:
        connection.putheader("baggage", line)
    connection.endheaders()
    answer: dict[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    return answer


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("httpx2-async", f"{PIN},user=ann"),
        ("httpx2", f"{PIN},step=1,phase=2,user=ann"),
        ("requests", f"{PIN},step=1,user=ann"),
        ("plain", f"{PIN},user=ann"),
    ],
)
def test_the_next_hop_sees_the_pin(address: tuple[str, int], client: str, expected: str) -> None:
    """One header line reaches the next service, with the pin, the caller's and the application's members."""
    answer = _ask(address, f"/via/{client}", "user=ann", PIN)
    assert answer == {"lines": [expected], "release": "r42"}


def test_an_unpinned_request_stays_unpinned(address: tuple[str, int]) -> None:
    """No header is made up, and no pin leaks from an earlier request on the same server."""
    assert _ask(address, "/via/httpx2-async", PIN)["release"] == "r42"
    assert _ask(address, "/via/httpx2-async") == {"lines": [], "release": None}


def test_importing_the_client_loads_nothing_heavy() -> None:
    """A service that installs the client pays for none of the control plane."""
    heavy = {"fastapi", "starlette", "sqlalchemy", "pydantic", "yaml", "xxhash", "httpx2", "requests", "asyncio"}
    code = f"import sys, interlock.client; print(sorted({heavy!r} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert found.stdout.strip() == "[]"
