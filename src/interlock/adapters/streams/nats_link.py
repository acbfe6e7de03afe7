"""One connection to NATS, driven from synchronous code: an event loop in a thread of its own.

The client's own reconnecting is off. Whatever was in flight when a connection broke is uncertain; the relay opens
again from its cursor, which settles it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from interlock.adapters.streams.address import Place
from interlock.adapters.streams.faults import StreamMissing
from interlock.domain.lenses.relaying import Headers
from interlock.engine.relay import BusAway

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext
    from nats.js.api import ConsumerConfig, StreamInfo

Result = TypeVar("Result")
CALL_S = 10.0
"""Longest wait for one answer of the server."""


class _Exact(str):
    """A value that the client writes as the bytes it came as, whatever they are."""

    __slots__ = ("value",)
    value: bytes

    def strip(self, chars: str | None = None, /) -> str:
        return self

    def translate(self, table: Any, /) -> str:
        return self

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return self.value


def _exact(value: bytes | None) -> str:
    """A line break would end the header, so it is a space."""
    line = b" ".join((value or b"").splitlines())
    made = _Exact(line.decode("utf-8", "replace"))
    made.value = line
    return made


class WireHeaders(dict[str, str]):
    """Headers as the client has them, and every line as it was on the wire: the dict keeps one of each name."""

    pairs: Headers = ()

    def items(self) -> Any:
        """What the client writes: each line, repeated names included."""
        return [(name, _exact(value)) for name, value in self.pairs]


def wire(headers: Headers) -> WireHeaders:
    """To be sent."""
    made = WireHeaders()
    made.pairs = headers
    return made


def pairs_of(block: bytes) -> Headers:
    """The lines of a header block (`NATS/1.0`, then `Name: value` each), in order."""
    found = []
    for line in block.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            found.append((name.strip().decode("latin-1"), value.strip()))
    return tuple(found)


def headers_of(message: Msg) -> Headers:
    """Every line that the message came with."""
    given: Any = message.headers or {}
    if isinstance(given, WireHeaders):
        return given.pairs
    return tuple((name, value.encode()) for name, value in given.items())


def reading_from(place: Place, start: int, *, headers_only: bool = False) -> ConsumerConfig:
    """A consumer of the place from the sequence `start` on, that nothing outlives for long."""
    from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

    return ConsumerConfig(
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=start,
        ack_policy=AckPolicy.NONE,
        filter_subject=place.subject,
        headers_only=headers_only or None,
        inactive_threshold=60.0,
        mem_storage=True,
        num_replicas=1,
    )


class Link:
    """A connection and its JetStream context. `on_closed` is told by whatever ends it."""

    def __init__(self, place: Place, name: str) -> None:
        self._place, self._name = place, name
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"nats {name}", daemon=True)
        self._thread.start()
        self.connection: Client | None = None
        self._fault = ""
        self.on_closed: list[Callable[[], None]] = []

    @property
    def client(self) -> Client:
        if self.connection is None or not self.connection.is_connected:
            raise BusAway(f"{self._place.name} is not connected")
        return self.connection

    @property
    def jetstream(self) -> JetStreamContext:
        return self.client.jetstream(timeout=CALL_S)

    def call(self, work: Coroutine[Any, Any, Result], limit_s: float = CALL_S) -> Result:
        """The result of `work` on the loop; BusAway when the server does not answer within the limit."""
        import nats.errors

        future = asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, limit_s), self._loop)
        try:
            return future.result()
        except (TimeoutError, nats.errors.Error, OSError) as fault:
            raise BusAway(f"{self._place.name}: {str(fault) or type(fault).__name__}") from fault

    def open(self) -> None:
        """Connect to the first of the servers that answers."""
        self.call(self._connect(), CALL_S * (1 + len(self._place.brokers)))

    async def _connect(self) -> None:
        from nats.aio.client import Client

        class Faithful(Client):
            """Keeps the header lines; nothing is lost when a later version of the client does not ask here."""

            async def _process_headers(self, headers: Any) -> Any:
                parsed = await super()._process_headers(headers)
                if not parsed:
                    return parsed
                kept = WireHeaders(parsed)
                kept.pairs = pairs_of(bytes(headers))
                return kept

        client = Faithful()
        servers = [f"{self._place.scheme}://{broker}" for broker in self._place.brokers]
        self._fault = ""
        try:
            await client.connect(servers, **self._options())
        except Exception as fault:  # the client raises its own, the socket's and the parser's
            with suppress(Exception):
                await client.close()
            why = self._fault or str(fault) or type(fault).__name__
            raise BusAway(f"no NATS server answers at {', '.join(self._place.brokers)} ({why})") from fault
        self.connection = client

    def _options(self) -> dict[str, Any]:
        async def closed() -> None:
            for told in self.on_closed:
                told()

        async def remembered(fault: Exception) -> None:
            """Told by whoever waits for an answer, and when no server answers."""
            self._fault = str(fault) or type(fault).__name__

        user, password = self._place.login
        login: dict[str, Any] = {"user": user, "password": password} if user else {}
        if self._place.file:
            login["user_credentials"] = self._place.file
        return login | {
            "name": self._name,
            "allow_reconnect": False,
            "max_reconnect_attempts": 1,
            "reconnect_time_wait": 0,
            "connect_timeout": 3,
            "ping_interval": 5,
            "max_outstanding_pings": 2,
            "error_cb": remembered,
            "closed_cb": closed,
        }

    def close(self) -> None:
        """Let go of the connection and the thread."""
        self.on_closed.clear()
        if self.connection is not None and not self.connection.is_closed:
            with suppress(BusAway):
                self.call(self.connection.close(), 3.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_S)
        if not self._thread.is_alive():
            self._loop.close()


async def stream_of(link: Link, place: Place) -> StreamInfo:
    """What the server knows of the stream; StreamMissing."""
    from nats.js.errors import NotFoundError

    try:
        return await link.jetstream.stream_info(place.stream)
    except NotFoundError:
        raise StreamMissing(
            f"{place.name}: there is no stream {place.stream}", remedy="Create it, or name another."
        ) from None
