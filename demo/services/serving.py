"""What the three services share: their command line, their server, and calls to one another.

A service calls another at `INNER/SERVICE/path`; the client's hook carries the pin, so that the callee
answers as the same release. Every answer has a `trail`: each service that took part, and as which release.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from interlock.client import ReleaseMiddleware, current_release, pin_request_async

CALL_TIMEOUT_S = 4.0


class CallFailed(Exception):
    """An inner call had no good answer; the failure goes up, with its status, and is never made up for here."""

    def __init__(self, service: str, status: int, reason: str) -> None:
        super().__init__(f"{service}: {reason}")
        self.status = status


class Peers:
    """Calls to other services through Interlock's inner address."""

    def __init__(self, inner: str) -> None:
        self.inner = inner.rstrip("/")
        self.client = httpx2.AsyncClient(
            event_hooks={"request": [pin_request_async]}, timeout=CALL_TIMEOUT_S, trust_env=False
        )

    async def post(self, service: str, path: str, body: bytes) -> dict[str, Any]:
        """The JSON answer. CallFailed with 502 for a failure, with the callee's own status for a refusal."""
        try:
            answer = await self.client.post(
                f"{self.inner}/{service}{path}", content=body, headers={"content-type": "application/json"}
            )
        except httpx2.HTTPError as error:
            raise CallFailed(service, 502, f"{type(error).__name__} {error}") from error
        if answer.status_code >= 400:
            status = answer.status_code if answer.status_code < 500 else 502
            raise CallFailed(service, status, f"answered {answer.status_code} {answer.text[:200]}")
        answered: dict[str, Any] = json.loads(answer.content)
        return answered

    async def close(self) -> None:
        await self.client.aclose()


def answer(body: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(body), status, media_type="application/json")


def step(service: str) -> dict[str, str | None]:
    """This service's own entry of the trail."""
    return {"service": service, "release": current_release()}


async def _healthy(_: Request) -> Response:
    return answer({"status": "ok"})


async def _call_failed(_: Request, error: Exception) -> Response:
    assert isinstance(error, CallFailed)
    return answer({"error": str(error)}, error.status)


async def _unreadable(_: Request, error: Exception) -> Response:
    return answer({"error": f"the request lacks or misstates {error}"}, 422)


def application(*routes: BaseRoute, peers: Peers | None = None) -> Starlette:
    """`peers` are closed when the server stops."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        if peers:
            await peers.close()

    return Starlette(
        routes=[*routes, Route("/health", _healthy)],
        lifespan=lifespan,
        middleware=[Middleware(ReleaseMiddleware)],
        exception_handlers={CallFailed: _call_failed, KeyError: _unreadable},
    )


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--version", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--inner", required=True, help="Interlock's inner address, http://HOST:PORT")
    parser.add_argument("--models", type=Path, required=True, help="the folder that demo.train made")
    return parser.parse_args(argv)


def serve(app: Starlette, port: int) -> None:
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        timeout_keep_alive=600,
    )
