"""Carries the release over a message broker, in services that are written with FastStream (NATS, Kafka and others).

    broker = NatsBroker(url, middlewares=[StreamMiddleware])

While a message is handled, `current_release()` is the release that it is pinned to; what the handler returns to a
publisher, publishes itself or asks of others over HTTP (with the hooks of `interlock.client`) carries the same pin.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from faststream import BaseMiddleware
from faststream.message import StreamMessage

from interlock.client.context import incoming
from interlock.client.outgoing import merged
from interlock.domain.traffic.baggage import HEADER


class StreamMiddleware(BaseMiddleware[Any, Any]):
    """One for each message that comes, and for each that is published outside of a handler."""

    _carried = ""

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: StreamMessage[Any]) -> Any:
        """Remember the baggage while the message is handled."""
        self._carried = _baggage(msg.headers)
        token = incoming.set(self._carried)
        try:
            return await call_next(msg)
        finally:
            incoming.reset(token)

    async def publish_scope(self, call_next: Callable[[Any], Awaitable[Any]], cmd: Any) -> Any:
        """Add it to what is published. A handler's result is published when the handling is over, by the
        middleware of its message.
        """
        given = dict(cmd.headers or {})
        if value := merged(_baggage(given), incoming.get() or self._carried):
            cmd.headers = {name: v for name, v in given.items() if name.lower() != HEADER} | {HEADER: value}
        return await call_next(cmd)


def _baggage(headers: dict[str, Any]) -> str:
    """The joined baggage; clients of some brokers give values as bytes."""
    found = (value for name, value in headers.items() if name.lower() == HEADER)
    return ",".join(value.decode("latin-1") if isinstance(value, bytes) else str(value) for value in found)
