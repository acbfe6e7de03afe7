"""Reads a Kafka topic. Each partition is a lane; its cursor is the group's committed offset, and the marks of the
target are the metadata that Kafka keeps with it, so both are written at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from interlock.adapters.streams.address import Place
from interlock.adapters.streams.faults import need
from interlock.adapters.streams.kafka_client import CALL_S, away, partitions_of, settings
from interlock.adapters.streams.keys import key_of
from interlock.engine.relay import BATCH_BYTES, Arrived, BusAway, Marks, Taken
from interlock.kernel.instant import Instant

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

_LAST_MS = 253_402_300_799_000
CHUNK = 64
"""Messages asked of the client at once, whose size is not known before."""


class KafkaSource:
    """Fulfils Source. relay: the group; start: where to begin without a cursor."""

    def __init__(
        self, place: Place, relay: str, key: str, start: Literal["earliest", "latest"] = "earliest"
    ) -> None:
        self.name = place.name
        self._place, self._relay, self._key, self._start = place, relay, key, start
        self._consumer: Consumer | None = None
        self._begun: dict[int, int] = {}
        self._reached: dict[int, int] = {}
        self._notices: list[str] = []
        self._resumed: dict[str, Marks | None] = {}
        self._fault = ""

    def open(self) -> None:
        need("confluent_kafka", "kafka")
        from confluent_kafka import Consumer, TopicPartition

        self._begun, self._reached, self._resumed, self._fault = {}, {}, {}, ""
        self._consumer = Consumer(
            settings(
                self._place,
                **{
                    "group.id": self._relay,
                    "enable.auto.commit": False,
                    "enable.auto.offset.store": False,
                    "auto.offset.reset": "error",
                    "partition.assignment.strategy": "range",
                    "error_cb": self._told,
                },
            )
        )
        count = partitions_of(self._consumer, self._place)
        if self._place.partitions:
            mine = [TopicPartition(self._place.subject, one) for one in self._place.partitions if one < count]
            self._assigned(self._consumer, mine)
        else:
            self._consumer.subscribe([self._place.subject], on_assign=self._assigned, on_revoke=self._revoked)

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _told(self, fault: KafkaError) -> None:
        from confluent_kafka import KafkaError

        if fault.code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._AUTHENTICATION) or fault.fatal():
            self._fault = fault.str()

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Begin each partition at its cursor; its marks open the lane."""
        from confluent_kafka import KafkaException, TopicPartition

        try:
            for one in consumer.committed(partitions, timeout=CALL_S):
                self._begin(one, *consumer.get_watermark_offsets(one, timeout=CALL_S))
            begun = [TopicPartition(self._place.subject, one, at) for one, at in sorted(self._begun.items())]
            consumer.assign(begun)
        except KafkaException as fault:
            self._fault = fault.args[0].str()

    def _begin(self, cursor: TopicPartition, low: int, high: int) -> None:
        """Where to read a partition from. A cursor beyond its end is of a topic that was made anew."""
        lane, at = f"{self._place.subject}/{cursor.partition}", cursor.offset
        is_usable = 0 <= at <= high
        fresh = high if self._start == "latest" and at < 0 else low
        self._resumed[str(cursor.partition)] = _marks(cursor.metadata) if is_usable else None
        self._begun[cursor.partition] = self._reached[cursor.partition] = max(at, low) if is_usable else fresh
        if at > high:
            self._notices.append(f"{lane} ends at {high}, before the cursor ({at}): it is read anew")
        elif 0 <= at < low:
            self._notices.append(f"{low - at} messages went out of {lane} before they were relayed")

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for one in partitions:
            self._begun.pop(one.partition, None)
            self._reached.pop(one.partition, None)
            self._resumed.pop(str(one.partition), None)

    def take(self, limit: int, wait_s: float) -> Taken:
        consumer = self._opened()
        first = consumer.poll(wait_s)
        messages = [] if first is None else [first]
        size = 0
        while messages and len(messages) < limit and size < BATCH_BYTES:
            more = consumer.consume(min(CHUNK, limit - len(messages)), 0)
            if not more:
                break
            messages += more
            size += sum(len(one.value() or b"") for one in more)
        if self._fault:
            raise BusAway(f"{self.name}: {self._fault}")
        for message in messages:
            if fault := message.error():
                raise away(self._place, fault)
        held = [self._arrived(one) for one in messages if self._is_next(one)]
        resumed, self._resumed = self._resumed, {}
        notices, self._notices = tuple(self._notices), []
        return Taken(held, resumed, self._behind(consumer), notices)

    def _is_next(self, message: Message) -> bool:
        """Whether it is ours, and was not taken: the client may give what it had before partitions were handed
        over, and then the same again.
        """
        partition, offset = message.partition() or 0, message.offset() or 0
        if offset < self._reached.get(partition, offset + 1):
            return False
        self._reached[partition] = offset + 1
        return True

    def _behind(self, consumer: Consumer) -> int | None:
        """What is not taken yet; None while no partition is ours."""
        from confluent_kafka import KafkaException, TopicPartition

        if not self._reached:
            return None
        waiting = 0
        for partition, reached in self._reached.items():
            place = TopicPartition(self._place.subject, partition)
            try:
                _, high = consumer.get_watermark_offsets(place, timeout=CALL_S, cached=True)
                if high < 0:
                    _, high = consumer.get_watermark_offsets(place, timeout=CALL_S)
            except KafkaException as fault:
                raise away(self._place, fault.args[0]) from fault
            waiting += max(0, high - reached)
        return waiting

    def _arrived(self, message: Message) -> Arrived:
        partition, offset = message.partition() or 0, message.offset() or 0
        given: Any = message.headers() or []
        headers = tuple((name, value) for name, value in given)
        raw: Any = message.key()
        body: Any = message.value()
        return Arrived(
            lane=str(partition),
            offset=offset,
            position=f"{self._place.subject}/{partition}/{offset}",
            body=body,
            headers=headers,
            at=_instant(message.timestamp()[1]),
            key=key_of(self._key, headers, self._place.subject, raw),
            order=f"{partition} {raw!r}" if raw else str(partition),
            name=self._place.subject,
            raw_key=raw,
        )

    def commit(self, cursors: Mapping[str, tuple[int | None, Marks]]) -> None:
        from confluent_kafka import KafkaException, TopicPartition

        offsets = []
        for lane, (done, marks) in cursors.items():
            following = self._begun[int(lane)] if done is None else done + 1
            offsets.append(TopicPartition(self._place.subject, int(lane), following, json.dumps(dict(marks))))
        try:
            committed = self._opened().commit(offsets=offsets, asynchronous=False)
        except KafkaException as fault:
            raise away(self._place, fault.args[0]) from fault
        for one in committed or ():
            if one.error:
                raise away(self._place, one.error)

    def _opened(self) -> Consumer:
        if self._consumer is None:
            raise BusAway(f"{self.name} is not open")
        return self._consumer


def _instant(ms: int) -> Instant:
    """A producer may say any number (microseconds, say): what no date tells is the last moment that one does."""
    return datetime.fromtimestamp(min(ms, _LAST_MS) / 1000, UTC)


def _marks(metadata: str | None) -> Marks | None:
    """Those of a cursor that a relay wrote; None for one that a person moved, which has none."""
    try:
        found = json.loads(metadata or "null")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
