"""Puts messages on a JetStream stream: many at once, and of one order one after the other.

Only when a message is durable is the next one of its order sent, so that no failure between them can turn them
around. `Nats-Msg-Id` lets the server drop what it was sent twice within its window; what lies further back is found
by its id header (`since`).
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from interlock.adapters.streams.address import Place
from interlock.adapters.streams.faults import StreamUnfit, need
from interlock.adapters.streams.nats_link import CALL_S, Link, headers_of, reading_from, stream_of, wire
from interlock.adapters.streams.subjects import covers, is_mappable, mapped, overlap
from interlock.domain.lenses.relaying import ID_HEADER, Headers, text_of
from interlock.engine.relay import BusAway, Marks, Outgoing, Placed, Turned

CONTROL = "nats-"
"""Headers that begin so are instructions to the source's server, and not part of the message."""
TOO_LARGE = 10054
"""JetStream's error code for a message beyond the stream's limit."""
HEADERS_BYTES = 65_535
TAIL = 1000
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""A token of RFC 9110 section 5.6.2: what NATS clients take as the name of a header."""


class _Ack(msgspec.Struct):
    """What JetStream answers to a publication."""

    stream: str = ""
    seq: int = 0
    duplicate: bool = False
    error: dict[str, Any] | None = None


_READ = msgspec.json.Decoder(_Ack)


@dataclass(slots=True)
class _Batch:
    """What is being put. waiting: by order, the indices that are not sent yet."""

    number: int
    messages: Sequence[Outgoing]
    waiting: dict[str, deque[int]]
    results: list[Placed | Turned | None]
    left: int
    fault: str = ""
    done: asyncio.Event = field(default_factory=asyncio.Event)


class NatsTarget:
    """Fulfils Target. source: where the messages come from, for the wildcards of subjects."""

    def __init__(self, place: Place, dead: Place, source: Place, relay: str) -> None:
        self.name = place.name
        self._place, self._dead, self._source, self._relay = place, dead, source, relay
        self._link: Link | None = None
        self._numbers = itertools.count()
        self._batch: _Batch | None = None
        self._limits: dict[str, int] = {}

    def open(self) -> None:
        need("nats", "nats")
        self._link = Link(self._place, f"interlock relay {self._relay} (target)")
        self._link.open()
        self._link.call(self._begin(self._link))

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    async def _begin(self, link: Link) -> None:
        for place in (self._place, self._dead):
            info = await stream_of(link, place)
            self._check(place, info.config.subjects or [])
            most = info.config.max_msg_size or -1
            self._limits[place.stream] = min(most, link.client.max_payload) if most > 0 else link.client.max_payload
        self._inbox = link.client.new_inbox()
        await link.client.subscribe(f"{self._inbox}.*", cb=self._hear)
        link.on_closed.append(self._lost)

    def _check(self, place: Place, kept: list[str]) -> None:
        """StreamUnfit where the stream does not keep the subject, or the relay would read what it writes."""
        if not any(covers(one, place.subject) for one in kept):
            raise StreamUnfit(
                f"the stream {place.stream} does not keep {place.subject}, but {', '.join(kept) or 'nothing'}",
                remedy="Add the subject to the stream, or name another.",
            )
        source = self._source
        is_same = (source.stream, source.brokers) == (place.stream, place.brokers)
        if is_same and overlap(source.subject, place.subject):
            raise StreamUnfit(
                f"{place.subject} is part of {source.subject}, so the relay would read what it writes",
                remedy="Name another subject.",
            )
        if not is_mappable(source.subject if not source.is_kafka else "", place.subject):
            raise StreamUnfit(
                f"{place.subject} has wildcards that {source.subject} has not",
                remedy="Use the same wildcards in the same order on both sides, or none on the target's.",
            )

    def _subject(self, one: Outgoing) -> str:
        pattern = self._dead.subject if one.is_dead else self._place.subject
        is_plain = "*" not in pattern and ">" not in pattern
        return pattern if is_plain else mapped(self._source.subject, pattern, one.arrived.name)

    def _stream(self, one: Outgoing) -> str:
        return self._dead.stream if one.is_dead else self._place.stream

    def misfit(self, one: Outgoing) -> str:
        if any(not _NAME.fullmatch(name) for name, _ in one.headers):
            return "has a header whose name NATS does not take"
        headers = sum(len(n) + len(v or b"") + 4 for n, v in one.headers)
        headers += len(one.arrived.position) + len(one.arrived.name) + self._overhead
        if headers > HEADERS_BYTES:
            return f"has more than the {HEADERS_BYTES} bytes of headers that JetStream keeps"
        size, most = len(one.body or b"") + headers, self._limits[self._stream(one)]
        return f"is larger than the {most} bytes that {self._stream(one)} keeps" if size > most else ""

    @property
    def _overhead(self) -> int:
        """Bytes of the headers that are added here, at most."""
        return 80 + sum(len(place.subject) + len(place.stream) for place in (self._place, self._dead))

    def _headers(self, one: Outgoing, subject: str) -> Headers:
        return (
            *((n, v) for n, v in one.headers if not n.lower().startswith(CONTROL)),
            ("Nats-Msg-Id", f"{one.arrived.position}>{subject}".encode()),
            ("Nats-Expected-Stream", self._stream(one).encode()),
        )

    def put(self, messages: Sequence[Outgoing]) -> Sequence[Placed | Turned]:
        link = self._linked()
        return link.call(self._put(link, messages), CALL_S * (2 + len(messages)))

    async def _put(self, link: Link, messages: Sequence[Outgoing]) -> Sequence[Placed | Turned]:
        waiting: dict[str, deque[int]] = {}
        for index, one in enumerate(messages):
            waiting.setdefault(one.arrived.order, deque()).append(index)
        batch = _Batch(next(self._numbers), messages, waiting, [None] * len(messages), len(messages))
        self._batch = batch
        for order in list(waiting):
            await self._send(link, batch, order)
        left = batch.left + 1
        while not batch.done.is_set() and batch.left < left:
            left = batch.left
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(batch.done.wait(), CALL_S)
        self._batch = None
        if not batch.done.is_set():
            batch.fault = f"no message was confirmed for {CALL_S:g} s, {batch.left} of {len(messages)} wait"
        if batch.fault:
            raise BusAway(f"{self.name}: {batch.fault}")
        return [one for one in batch.results if one is not None]

    async def _send(self, link: Link, batch: _Batch, order: str) -> None:
        index = batch.waiting[order].popleft()
        one = batch.messages[index]
        subject = self._subject(one)
        headers = wire(self._headers(one, subject))
        reply = f"{self._inbox}.{batch.number}-{index}"
        await link.client.publish(subject, one.body or b"", reply=reply, headers=headers)

    async def _hear(self, message: Any) -> None:
        number, _, index_text = message.subject.rpartition(".")[2].partition("-")
        batch = self._batch
        if batch is None or int(number) != batch.number or batch.done.is_set():
            return None
        index = int(index_text)
        if not message.data:
            return self._finish(batch, f"no stream takes {self._subject(batch.messages[index])}")
        ack = _READ.decode(message.data)
        if ack.error and ack.error.get("err_code") != TOO_LARGE:
            return self._finish(batch, f"the server refuses: {ack.error.get('description', ack.error)}")
        too_large = Turned(f"is larger than what {self._stream(batch.messages[index])} keeps")
        batch.results[index] = too_large if ack.error else Placed(ack.stream, ack.seq, ack.duplicate)
        batch.left -= 1
        if not batch.left:
            return batch.done.set()
        order = batch.messages[index].arrived.order
        if batch.waiting[order]:
            try:
                await self._send(self._linked(), batch, order)
            except Exception as fault:  # whatever the client raises must not leave the batch waiting
                self._finish(batch, str(fault) or type(fault).__name__)
        return None

    def _finish(self, batch: _Batch, fault: str) -> None:
        batch.fault = batch.fault or fault
        batch.done.set()

    def _lost(self) -> None:
        if self._batch is not None:
            self._finish(self._batch, "the connection was lost")

    def ends(self, lane: str) -> Marks:
        return self._linked().call(self._ends(self._linked()))

    async def _ends(self, link: Link) -> Marks:
        return {place.stream: (await stream_of(link, place)).state.last_seq for place in {self._place, self._dead}}

    def since(self, lane: str, marks: Marks) -> frozenset[str]:
        return self._linked().call(self._since(self._linked(), marks), 30 * CALL_S)

    async def _since(self, link: Link, marks: Marks) -> frozenset[str]:
        found: set[str] = set()
        for place in {self._place, self._dead}:
            found |= await self._tail(link, place, marks.get(place.stream, 0) + 1)
        return frozenset(found)

    async def _tail(self, link: Link, place: Place, start: int) -> set[str]:
        """The ids of what the place has from the sequence `start` on; its headers alone are sent."""
        if (await stream_of(link, place)).state.last_seq < start:
            return set()
        jetstream = link.jetstream
        made = await jetstream.add_consumer(place.stream, reading_from(place, start, headers_only=True))
        found: set[str] = set()
        left = made.num_pending or 0
        reading = await jetstream.pull_subscribe_bind(consumer=made.name, stream=place.stream)
        while left > 0:
            for message in await reading.fetch(min(left, TAIL), timeout=CALL_S):
                left -= 1
                if position := text_of(headers_of(message), ID_HEADER):
                    found.add(position)
        await reading.unsubscribe()
        await jetstream.delete_consumer(place.stream, made.name)
        return found

    def _linked(self) -> Link:
        if self._link is None:
            raise BusAway(f"{self.name} is not open")
        return self._link
