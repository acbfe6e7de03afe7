"""Reads a JetStream stream in order, from a cursor that the relay keeps in a key-value bucket of the server.

The cursor is not a durable consumer's: that one delivers new messages before it delivers again what a crash left
unacknowledged, which breaks the order of a key, and nothing can be written with it. The bucket's entry holds how
far the relay is and the marks of the target in one atomic write, and is written against the revision that was
read, so that two relays of one name cannot both go on.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from interlock.adapters.streams.address import Place
from interlock.adapters.streams.faults import StreamUnfit, need
from interlock.adapters.streams.keys import key_of
from interlock.adapters.streams.nats_link import CALL_S, Link, headers_of, reading_from, stream_of
from interlock.engine.relay import BATCH_BYTES, Arrived, BusAway, Marks, Taken
from interlock.kernel.errors import Refused

if TYPE_CHECKING:
    from nats.aio.msg import Msg
    from nats.js.kv import KeyValue

BUCKET = "interlock-relays"
LANE = ""
"""A stream is one sequence, so it has one cursor."""
PULL, FIRST_PULL = 1024, 32
"""How many messages are asked for at once; at first few, because nobody knows yet how large they are."""
PULL_S, HEARTBEAT_S = 30.0, 2.0
GONE_S = 3 * HEARTBEAT_S


class CursorTaken(Refused):
    """Another relay of this name moved the cursor, or the cursor is of another source."""

    code = "relay.cursor_taken"


class NatsSource:
    """Fulfils Source. relay: its name; start: where to begin without a cursor."""

    def __init__(
        self, place: Place, relay: str, key: str, start: Literal["earliest", "latest"] = "earliest"
    ) -> None:
        self.name = place.name
        self._place, self._relay, self._key, self._start = place, relay, key, start
        self._link: Link | None = None
        self._consumer = ""
        self._resumed: dict[str, Marks | None] = {}
        self._notices: tuple[str, ...] = ()

    def open(self) -> None:
        need("nats", "nats")
        self._link = Link(self._place, f"interlock relay {self._relay} (source)")
        self._link.open()
        self._link.call(self._begin(self._link), 3 * CALL_S)

    def close(self) -> None:
        if self._link is None:
            return
        if self._consumer and self._link.connection is not None and self._link.connection.is_connected:
            with suppress(BusAway):
                self._link.call(self._leave(self._link), 2.0)
        self._link.close()
        self._link, self._consumer = None, ""

    async def _leave(self, link: Link) -> None:
        from nats.js.errors import Error

        with suppress(Error):
            await link.jetstream.delete_consumer(self._place.stream, self._consumer)

    async def _begin(self, link: Link) -> None:
        info = await stream_of(link, self._place)
        if (kept := getattr(info.config.retention, "value", info.config.retention)) not in (None, "limits"):
            raise StreamUnfit(
                f"{self.name}: the stream keeps messages by {kept}, so they could go before they are relayed",
                remedy="Relay from a stream that keeps messages by limits.",
            )
        self._born = int(info.created.timestamp()) if isinstance(info.created, datetime) else str(info.created)
        self._bucket = await _bucket(link, info.config.num_replicas or 1)
        first, last = info.state.first_seq, info.state.last_seq
        self._next = await self._cursor(last + 1 if self._start == "latest" else 1)
        await self._consume(link)
        if 1 < self._next < first:
            says = f"up to {first - self._next} messages went out of {self._place.stream} before they were relayed"
            self._notices = (says,)

    async def _cursor(self, otherwise: int) -> int:
        """The next sequence; the lane opens with its marks."""
        from nats.js.errors import KeyNotFoundError

        self._owner = f"{self._place.stream} {self._place.subject} {self._born}"
        try:
            entry = await self._bucket.get(self._relay)
        except KeyNotFoundError:
            self._revision, self._resumed = 0, {LANE: None}
            return otherwise
        self._revision = entry.revision or 0
        kept = json.loads(entry.value or b"{}")
        if kept.get("source") != self._owner:
            raise CursorTaken(
                f"the relay {self._relay} has a cursor in {kept.get('source')}, not in {self._owner}",
                remedy="Give this relay another --name.",
            )
        self._resumed = {LANE: kept["marks"]}
        return int(kept["next"])

    async def _consume(self, link: Link) -> None:
        made = await link.jetstream.add_consumer(self._place.stream, reading_from(self._place, self._next))
        self._consumer = made.name
        self._pending = made.num_pending or 0
        self._seen, self._asked, self._fault, self._pull = 0, 0, "", FIRST_PULL
        self._buffer: deque[Msg] = deque()
        self._something = asyncio.Event()
        self._heard = asyncio.get_running_loop().time()
        inbox = link.client.new_inbox()
        self._inbox = inbox
        await link.client.subscribe(inbox, cb=self._hear)
        link.on_closed.append(lambda: self._fail("the connection was lost"))
        await self._ask(link)

    def _fail(self, reason: str) -> None:
        self._fault = self._fault or reason
        self._something.set()

    async def _ask(self, link: Link) -> None:
        """Keep a request open, so that messages arrive while others are handled."""
        if self._asked > self._pull // 2 or len(self._buffer) > self._pull:
            return
        request = {"batch": self._pull, "expires": int(PULL_S * 1e9), "idle_heartbeat": int(HEARTBEAT_S * 1e9)}
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._place.stream}.{self._consumer}"
        self._asked += self._pull
        self._heard = asyncio.get_running_loop().time()
        await link.client.publish(subject, json.dumps(request).encode(), reply=self._inbox)

    async def _hear(self, message: Msg) -> None:
        self._heard = asyncio.get_running_loop().time()
        told = message.headers or {}
        status = told.get("Status", "")
        if message.reply.startswith("$JS.ACK."):
            self._asked -= 1
            self._buffer.append(message)
        elif status in ("404", "408"):
            self._asked -= int(told.get("Nats-Pending-Messages", self._asked))
        elif status != "100":
            self._fail(told.get("Description", status))
        self._something.set()

    def take(self, limit: int, wait_s: float) -> Taken:
        link = self._linked()
        taken = link.call(self._drained(link, limit, wait_s), wait_s + CALL_S)
        resumed, self._resumed = self._resumed, {}
        notices, self._notices = self._notices, ()
        return Taken(tuple(self._arrived(one) for one in taken), resumed, self._pending, notices)

    async def _drained(self, link: Link, limit: int, wait_s: float) -> list[Msg]:
        await self._ask(link)
        if not self._buffer and not self._fault:
            self._something.clear()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._something.wait(), wait_s)
        silent_s = asyncio.get_running_loop().time() - self._heard
        if not self._buffer and (self._fault or silent_s > GONE_S):
            raise BusAway(f"{self.name}: {self._fault or f'the server is silent for {silent_s:.0f} s'}")
        taken: list[Msg] = []
        size = 0
        while self._buffer and len(taken) < limit and size < BATCH_BYTES:
            taken.append(self._buffer.popleft())
            size += len(taken[-1].data)
        if taken:
            self._pull = max(1, min(PULL, BATCH_BYTES * len(taken) // (size + 1)))
        return taken

    def _arrived(self, message: Msg) -> Arrived:
        """One message. A gap in the consumer's own count means that some were lost on the way."""
        about = message.metadata
        self._seen += 1
        if about.sequence.consumer != self._seen:
            raise BusAway(f"{self.name}: messages were lost on the way")
        self._pending = about.num_pending
        headers = headers_of(message)
        key = key_of(self._key, headers, message.subject, None)
        sequence = about.sequence.stream
        return Arrived(
            lane=LANE,
            offset=sequence,
            position=f"{self._place.stream}/{self._born}/{sequence}",
            body=message.data,
            headers=headers,
            at=about.timestamp.astimezone(UTC),
            key=key,
            order=message.subject if key is None else key,
            name=message.subject,
        )

    def commit(self, cursors: Mapping[str, tuple[int | None, Marks]]) -> None:
        done, marks = cursors[LANE]
        following = self._next if done is None else done + 1
        document = {"source": self._owner, "next": following, "marks": dict(marks)}
        self._linked().call(self._write(json.dumps(document).encode()))
        self._next = following

    async def _write(self, document: bytes) -> None:
        from nats.js.errors import KeyWrongLastSequenceError

        try:
            self._revision = await self._bucket.update(self._relay, document, last=self._revision)
        except KeyWrongLastSequenceError:
            raise CursorTaken(
                f"another relay of the name {self._relay} moved the cursor",
                remedy="Run one at a time, or give each its own --name.",
            ) from None

    def _linked(self) -> Link:
        if self._link is None:
            raise BusAway(f"{self.name} is not open")
        return self._link


async def _bucket(link: Link, replicas: int) -> KeyValue:
    from nats.js.api import KeyValueConfig
    from nats.js.errors import BucketNotFoundError

    jetstream = link.jetstream
    try:
        return await jetstream.key_value(BUCKET)
    except BucketNotFoundError:
        says = "How far each interlock relay is"
        return await jetstream.create_key_value(
            KeyValueConfig(BUCKET, description=says, history=1, replicas=replicas)
        )
