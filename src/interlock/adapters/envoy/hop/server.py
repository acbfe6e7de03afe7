"""One worker of the hop: HTTP/1.1 between the proxy and a service, bodies translated on the way, no state kept.

The caller is the proxy, which has checked, limited and timed everything already; so this is a small relay with the
same answers as the Lua in `lua.py`: 422 when a request cannot be translated, 400 when it is not JSON, 502 when an
answer cannot be translated back (each marked by `x-interlock-lens`). What is not translated streams through:
answers other than 2xx, or not JSON; requests where only answers have a lens. A service that cannot be reached is a
503 with `x-interlock-unsent`, which the proxy may repeat whatever the method.

Requests on one connection are answered one after another (RFC 9112 section 9.3.2); what comes early waits. A
connection that is being drained says so with its next answer, so that the proxy never meets a closed one.
"""

from __future__ import annotations

import asyncio
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

import httptools

from interlock.adapters.envoy.hop import answers
from interlock.adapters.envoy.hop.config import Way
from interlock.domain.lenses.apply import Rejected

CONNECT_LIMIT_S = 1.0
IDLE_LIMIT_S = 4.0
"""Below the five seconds after which common servers close an idle connection, so that we close it first."""
SLACK_S = 0.25
"""Beyond the deployment's timeout: the proxy's own clock runs out first, so that it tells the reason."""
LINGER_S = 1.0
"""How long the rest of an answered request is read: who cannot write on may never look for the answer."""
HELD_BYTES = 65_536
HEAD_LIMIT_BYTES = 131_072
"""Of an answer, with what comes before it: beyond what the proxy takes."""
KINDS_TOLD = 100
_OF_ONE_CONNECTION = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
_OURS = _OF_ONE_CONNECTION | {b"content-length", b"expect"}

Translate = Callable[[bytes], bytes]
"""A body translated. Rejected when it cannot be."""


@dataclass(slots=True)
class Place:
    """A way as this worker serves it. to_release, to_callers: None where that side is not translated."""

    way: Way
    to_release: Translate | None
    to_callers: Translate | None
    host: str
    port: int
    idle: list[Service] = field(default_factory=list)
    active: set[Exchange] = field(default_factory=set)


@dataclass(slots=True)
class Worker:
    """What the connections of one process share."""

    loop: asyncio.AbstractEventLoop
    callers: set[Caller] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    is_draining: bool = False
    faults: set[str] = field(default_factory=set)

    def tell(self, fault: Exception) -> None:
        """Into the log of this process, once for each kind: not a line for each request."""
        kind = f"{type(fault).__name__} at {traceback.extract_tb(fault.__traceback__)[-1:]}"
        if kind not in self.faults and len(self.faults) < KINDS_TOLD:
            self.faults.add(kind)
            traceback.print_exception(fault)


class Exchange:
    """One request and its answer."""

    __slots__ = (
        "caller",
        "deadline",
        "fields",
        "has_begun",
        "is_chunked",
        "is_over",
        "is_too_large",
        "is_whole",
        "keeps",
        "length",
        "method",
        "nominated",
        "parts",
        "service",
        "size",
        "target",
    )

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.method = self.target = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.nominated: list[bytes] = []
        self.parts: list[bytes] = []
        self.size = 0
        self.length: bytes | None = None
        self.is_chunked = self.is_whole = self.is_too_large = self.has_begun = self.is_over = False
        self.keeps = True
        self.service: Service | None = None
        self.deadline = 0.0


class Caller(asyncio.Protocol):
    """A connection from the proxy."""

    def __init__(self, worker: Worker, place: Place) -> None:
        self._worker, self._place = worker, place
        self._parser = httptools.HttpRequestParser(self)
        self._queue: deque[Exchange] = deque()
        self._is_paused = False
        self.is_full = False

    # ---- what the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._worker.callers.add(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not any(exchange.has_begun for exchange in self._queue):
                told = (400, "The request is malformed", "lens.malformed", "it is no HTTP/1.1")
                self.transport.write(answers.problem(*told, self._release))
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._worker.callers.discard(self)
        for exchange in self._queue:
            exchange.is_over = True
            self._place.active.discard(exchange)
            if exchange.service:
                exchange.service.abandon()
        self._queue.clear()

    def pause_writing(self) -> None:
        self.is_full = True
        if self._queue and self._queue[0].service:
            _pause(self._queue[0].service.transport)

    def resume_writing(self) -> None:
        self.is_full = False
        if self._queue and self._queue[0].service:
            _resume(self._queue[0].service.transport)

    # ---- what the parser tells

    def on_message_begin(self) -> None:
        self._queue.append(Exchange(self))
        if len(self._queue) > 1:
            self.hold()

    def on_url(self, url: bytes) -> None:
        self._queue[-1].target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        exchange, name = self._queue[-1], name.lower()
        if exchange.method:
            return  # a trailer, which must not become a header
        if name not in _OURS:
            exchange.fields.append((name, value))
        elif name == b"content-length":
            exchange.length = value
        elif name == b"transfer-encoding":
            exchange.is_chunked = True
        elif name == b"connection":
            exchange.nominated += _nominated(value)
        elif name == b"expect" and len(self._queue) == 1:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_headers_complete(self) -> None:
        exchange = self._queue[-1]
        exchange.method = self._parser.get_method()
        exchange.keeps = self._parser.should_keep_alive()
        if self._place.to_release is None and len(self._queue) == 1:
            self._begin(exchange)

    def on_body(self, body: bytes) -> None:
        exchange = self._queue[-1]
        exchange.size += len(body)
        if exchange.is_over or exchange.is_too_large:
            return
        if self._place.to_release is not None:
            exchange.parts.append(body)
            if exchange.size > self._place.way.body_limit_bytes:
                exchange.is_too_large = True
                exchange.parts.clear()
                if len(self._queue) == 1:
                    self._begin(exchange)
        elif exchange.service:
            exchange.service.write(_chunk(body) if exchange.is_chunked else body)
        else:
            exchange.parts.append(body)
            if exchange.size > HELD_BYTES:
                self.hold()

    def on_message_complete(self) -> None:
        exchange = self._queue[-1]
        exchange.is_whole = True
        if exchange.is_over:
            self.transport.close()
            return
        if exchange.has_begun:
            self._expect_answer(exchange)
            if exchange.service and exchange.is_chunked:
                exchange.service.write(b"0\r\n\r\n")
        elif len(self._queue) == 1:
            self._begin(exchange)

    # ---- what is done

    @property
    def _release(self) -> str:
        return self._place.way.release

    def _begin(self, exchange: Exchange) -> None:
        """Send what there is of the first request in the queue: all of it when it is translated."""
        place, exchange.has_begun = self._place, True
        if exchange.is_too_large:
            self._refuse_size(exchange)
            return
        body = b"".join(exchange.parts)
        exchange.parts.clear()
        if place.to_release is not None and body:
            try:
                body = place.to_release(body)
            except Rejected as rejected:
                keeps = self.keeps(exchange)
                self.answered(exchange, answers.refusal(rejected, self._release, keeps=keeps))
                return
            except Exception as fault:  # a fault of the translation must not end the worker
                self._worker.tell(fault)
                keeps = self.keeps(exchange)
                self.answered(exchange, answers.fault(fault, self._release, keeps=keeps))
                return
        if exchange.is_whole and (exchange.is_chunked or exchange.length is not None):
            exchange.length, exchange.is_chunked = b"%d" % len(body), False
        head = _request_head(exchange, drops_encoding=place.to_callers is not None)
        if exchange.is_whole:
            self._expect_answer(exchange)
        self._send(exchange, head + (_chunk(body) if exchange.is_chunked and body else body))

    def _expect_answer(self, exchange: Exchange) -> None:
        """From the end of the request on, time runs."""
        exchange.deadline = self._worker.loop.time() + self._place.way.timeout_s + SLACK_S
        self._place.active.add(exchange)

    def _refuse_size(self, exchange: Exchange) -> None:
        limit = f"the body is larger than {self._place.way.body_limit_bytes} bytes"
        exchange.keeps = False
        self.answered(
            exchange, answers.problem(413, "The body is too large", "lens.too_large", limit, self._release)
        )

    def _send(self, exchange: Exchange, first: bytes) -> None:
        idle = self._place.idle
        while idle:
            service = idle.pop()
            if not service.transport.is_closing():
                service.carry(exchange, first)
                return
        task = self._worker.loop.create_task(self._connect(exchange, first))
        self._worker.tasks.add(task)
        task.add_done_callback(self._worker.tasks.discard)

    async def _connect(self, exchange: Exchange, first: bytes) -> None:
        place, loop = self._place, self._worker.loop
        try:
            made = loop.create_connection(lambda: Service(self._worker, place), place.host, place.port)
            _, service = await asyncio.wait_for(made, CONNECT_LIMIT_S)
        except (TimeoutError, OSError) as why:
            keeps = self.keeps(exchange)
            self.answered(exchange, answers.unreachable(place.way.endpoint, why, self._release, keeps=keeps))
            return
        if exchange.is_over:
            service.transport.abort()
            return
        late = b"".join(map(_chunk, exchange.parts) if exchange.is_chunked else exchange.parts)
        exchange.parts.clear()
        end = b"0\r\n\r\n" if exchange.is_chunked and exchange.is_whole else b""
        self.release()  # before the service may say that it has enough
        service.carry(exchange, first + late + end)

    def hold(self) -> None:
        """Read no more for now."""
        if not self._is_paused:
            self._is_paused = True
            _pause(self.transport)

    def release(self) -> None:
        if self._is_paused and len(self._queue) <= 1:
            self._is_paused = False
            _resume(self.transport)

    def answered(self, exchange: Exchange, last: bytes) -> None:
        """Write the last of an answer, and turn to the next request."""
        if exchange.is_over:
            return
        exchange.is_over, exchange.service = True, None
        self._place.active.discard(exchange)
        self.transport.write(last)
        if not exchange.keeps:
            self._leave(exchange)
            return
        self._queue.popleft()
        self.release()
        if self._queue:  # at the next turn of the loop, so that a long queue makes no deep stack
            self._worker.loop.call_soon(self._turn)

    def _leave(self, exchange: Exchange) -> None:
        """Close the connection, once the caller has sent what it is sending."""
        if exchange.is_whole:
            self.transport.close()
            return
        self.release()
        self._worker.loop.call_later(LINGER_S, self.transport.close)

    def _turn(self) -> None:
        if self._queue and not self._queue[0].has_begun and self._is_ready(self._queue[0]):
            self._begin(self._queue[0])

    def _is_ready(self, exchange: Exchange) -> bool:
        return (
            exchange.is_whole or exchange.is_too_large or (self._place.to_release is None and bool(exchange.method))
        )

    def keeps(self, exchange: Exchange) -> bool:
        """Whether the connection outlives this answer; asked before its head is written. An answer before the end
        of the request leaves the rest without a reader.
        """
        exchange.keeps = exchange.keeps and exchange.is_whole and not self._worker.is_draining
        return exchange.keeps

    def tear(self) -> None:
        """The answer broke off: the proxy must not take what it has for the whole."""
        self.transport.abort()

    def expire(self, exchange: Exchange) -> None:
        """The service took too long."""
        service = exchange.service
        if service is not None and service.is_under_way:
            self.tear()
            return
        if service is not None:
            service.abandon()
        limit, keeps = f"no answer within {self._place.way.timeout_s:g} s", self.keeps(exchange)
        told = (504, "No answer in time", "lens.timeout", limit)
        self.answered(exchange, answers.problem(*told, self._release, keeps=keeps))


@dataclass(slots=True)
class _Answer:
    """What was read of an answer. out: what is to be written of it, or all of its body when it is translated.

    is_interim: a 1xx, after which the answer follows; is_framed: its chunks are written as chunks;
    ends_with_connection: there is no other sign of its end.
    """

    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    nominated: list[bytes] = field(default_factory=list)
    out: list[bytes] = field(default_factory=list)
    type: bytes = b""
    length: bytes | None = None
    size: int = 0
    status: int = 0
    has_begun: bool = False
    is_chunked: bool = False
    is_interim: bool = False
    is_translated: bool = False
    is_too_large: bool = False
    is_framed: bool = False
    is_complete: bool = False
    is_kept: bool = False
    ends_with_connection: bool = False


class Service(asyncio.Protocol):
    """A kept connection to the service."""

    def __init__(self, worker: Worker, place: Place) -> None:
        self._worker, self._place = worker, place
        self._exchange: Exchange | None = None
        self._answer = _Answer()
        self._ahead = 0
        self.idle_since = 0.0

    @property
    def is_under_way(self) -> bool:
        """Whether the caller has a part of the answer already."""
        return self._answer.has_begun and not self._answer.is_translated

    # ---- what the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            self.transport.abort()  # an answer that nobody asked for
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self._answer.is_complete:
                self._fail("the service answers no HTTP/1.1")
                return
            self._answer.is_kept = False
        if self._answer.is_complete or self._answer.is_too_large:
            self._finish(exchange)
        elif not self._answer.has_begun:
            self._ahead += len(data)
            if self._ahead > HEAD_LIMIT_BYTES:
                self._fail(f"the head of its answer is larger than {HEAD_LIMIT_BYTES} bytes")
        elif self._answer.out and not self._answer.is_translated:
            exchange.caller.transport.write(b"".join(self._answer.out))
            self._answer.out.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        with suppress(ValueError):
            self._place.idle.remove(self)
        exchange = self._exchange
        if exchange is None:
            return
        if exc is None and self._answer.has_begun and self._answer.ends_with_connection:
            self._answer.is_kept = False
            self._finish(exchange)
        else:
            self._fail("the service closed the connection before its answer was complete")

    def pause_writing(self) -> None:
        if self._exchange:
            self._exchange.caller.hold()

    def resume_writing(self) -> None:
        if self._exchange:
            self._exchange.caller.release()

    # ---- what the parser tells

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if self._answer.has_begun:
            return  # a trailer, which must not become a header
        if name not in _OURS:
            self._answer.fields.append((name, value))
            if name == b"content-type":
                self._answer.type = value
        elif name == b"content-length":
            self._answer.length = value
        elif name == b"transfer-encoding":
            self._answer.is_chunked = True
        elif name == b"connection":
            self._answer.nominated += _nominated(value)

    def on_headers_complete(self) -> None:
        status, exchange, answer = self._parser.get_status_code(), self._exchange, self._answer
        assert exchange is not None
        if answer.has_begun:
            answer.is_kept = False  # a second answer, that nobody asked for
            return
        if status < 200:
            answer.is_interim = True
            return
        answer.status, answer.has_begun = status, True
        answer.is_kept = self._parser.should_keep_alive()
        has_body = exchange.method != b"HEAD" and status not in (204, 304)
        answer.ends_with_connection = has_body and not answer.is_chunked and answer.length is None
        is_good_json = 200 <= status < 300 and answer.type.lower().startswith(b"application/json")
        answer.is_translated = has_body and is_good_json and self._place.to_callers is not None
        if not has_body:
            answer.out.append(self._head(exchange, answer.length if status != 204 else None))
            answer.is_complete = True
        elif not answer.is_translated:
            answer.is_framed = answer.length is None
            answer.out.append(self._head(exchange, answer.length))

    def on_body(self, body: bytes) -> None:
        answer = self._answer
        if answer.is_complete or answer.is_interim:
            answer.is_kept = False  # more than there should be
            return
        if not answer.is_translated:
            answer.out.append(_chunk(body) if answer.is_framed else body)
            return
        answer.size += len(body)
        answer.out.append(body)
        if answer.size > self._place.way.answer_limit_bytes:
            answer.is_too_large, answer.is_kept = True, False
            answer.out.clear()

    def on_message_complete(self) -> None:
        if self._answer.is_interim:
            self._answer = _Answer()
        else:
            self._answer.is_complete = True

    # ---- what is done

    def carry(self, exchange: Exchange, first: bytes) -> None:
        """Send the request of `exchange`, or what is there of it."""
        self._exchange, exchange.service = exchange, self
        self._parser = httptools.HttpResponseParser(self)  # a new one: it cannot be told that HEAD has no body
        self._answer, self._ahead = _Answer(), 0
        if exchange.caller.is_full:
            _pause(self.transport)
        self.transport.write(first)

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def abandon(self) -> None:
        """Nobody waits for the answer any more."""
        self._exchange = None
        self.transport.abort()

    def _fail(self, why: str) -> None:
        exchange, self._exchange = self._exchange, None
        self.transport.abort()
        if exchange is None:
            return
        if self.is_under_way:
            exchange.caller.tear()
        else:
            keeps = exchange.caller.keeps(exchange)
            exchange.caller.answered(exchange, answers.broken(why, self._place.way.release, keeps=keeps))

    def _finish(self, exchange: Exchange) -> None:
        self._exchange = None
        caller = exchange.caller
        last = self._translated(exchange) if self._answer.is_translated else b"".join(self._answer.out)
        if self._answer.is_framed:
            last += b"0\r\n\r\n"
        if self._answer.is_kept and exchange.is_whole and not self._worker.is_draining:
            if caller.is_full:
                _resume(self.transport)
            self.idle_since = self._worker.loop.time()
            self._place.idle.append(self)
        else:
            self.transport.abort()  # what it has not read of the request, it does not want
        caller.answered(exchange, last)

    def _translated(self, exchange: Exchange) -> bytes:
        """The whole answer; a 502 when it cannot be translated."""
        translate, release = self._place.to_callers, self._place.way.release
        assert translate is not None
        keeps = exchange.caller.keeps(exchange)
        if self._answer.is_too_large:
            too_large = f"the answer is larger than {self._place.way.answer_limit_bytes} bytes"
            return answers.untranslated(too_large, release, keeps=keeps)
        body = b"".join(self._answer.out)
        try:
            body = translate(body) if body else body
        except Rejected as rejected:
            return answers.untranslated(answers.shown(rejected), release, keeps=keeps)
        except Exception as fault:  # a fault of the translation must not end the worker
            self._worker.tell(fault)
            return answers.untranslated(type(fault).__name__, release, keeps=keeps)
        return self._head(exchange, b"%d" % len(body)) + body

    def _head(self, exchange: Exchange, length: bytes | None) -> bytes:
        lines = [b"HTTP/1.1 %d " % self._answer.status]
        gone = frozenset(self._answer.nominated)
        lines += [b"%b: %b" % pair for pair in self._answer.fields if pair[0] not in gone]
        if length is not None:
            lines.append(b"content-length: " + length)
        elif self._answer.is_framed:
            lines.append(b"transfer-encoding: chunked")
        if not exchange.caller.keeps(exchange):
            lines.append(b"connection: close")
        return b"\r\n".join(lines) + b"\r\n\r\n"


def _request_head(exchange: Exchange, *, drops_encoding: bool) -> bytes:
    """A compressed answer could not be translated, so where answers are, none is asked for."""
    lines = [b"%b %b HTTP/1.1" % (exchange.method, exchange.target)]
    gone = {*exchange.nominated, b"accept-encoding"} if drops_encoding else frozenset(exchange.nominated)
    lines += [b"%b: %b" % pair for pair in exchange.fields if pair[0] not in gone]
    if exchange.is_chunked:
        lines.append(b"transfer-encoding: chunked")
    elif exchange.length is not None:
        lines.append(b"content-length: " + exchange.length)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _pause(transport: asyncio.Transport) -> None:
    if not transport.is_closing():
        transport.pause_reading()


def _resume(transport: asyncio.Transport) -> None:
    if not transport.is_closing():
        transport.resume_reading()


def _chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


def _nominated(value: bytes) -> list[bytes]:
    """Fields that `connection` names as being of one connection only (RFC 9110 section 7.6.1)."""
    names = [name.strip().lower() for name in value.split(b",")]
    return [name for name in names if name not in (b"close", b"keep-alive", b"")]


def sweep(places: list[Place], now: float) -> None:
    """End what waits too long for its answer, and close connections that nobody used for a while."""
    for place in places:
        for exchange in [one for one in place.active if one.deadline < now]:
            exchange.caller.expire(exchange)
        for service in [one for one in place.idle if one.idle_since + IDLE_LIMIT_S < now]:
            place.idle.remove(service)
            service.transport.close()
