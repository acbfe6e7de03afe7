"""Remembers the incoming baggage while a request is answered. Plain ASGI: works in any framework and server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from interlock.client.context import incoming
from interlock.domain.traffic.baggage import HEADER

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_HEADER = HEADER.encode()


class ReleaseMiddleware:
    """Wraps an ASGI application. HTTP and WebSocket scopes carry baggage, others pass untouched."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        # A proxy that appends makes a second header line; reading only the first would lose the pin.
        lines = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == _HEADER]
        token = incoming.set(",".join(lines))
        try:
            return await self.app(scope, receive, send)
        finally:
            incoming.reset(token)
