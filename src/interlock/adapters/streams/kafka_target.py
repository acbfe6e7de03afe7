"""Puts messages on a Kafka topic with the idempotent producer: in order, and once, however often it sends again.

From Kafka, partition p goes to partition p, so that the order of each key stays; from elsewhere the key decides as
it does in Java clients (murmur2). The tail of a partition tells what a crashed batch had put already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import xxhash

from interlock.adapters.streams.address import Place
from interlock.adapters.streams.faults import StreamUnfit, need
from interlock.adapters.streams.kafka_client import CALL_S, away, partitions_of, settings
from interlock.domain.lenses.relaying import ID_HEADER, text_of
from interlock.engine.relay import BusAway, Marks, Outgoing, Placed, Turned

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

SILENT_S = 20.0
_LARGEST = 1_000_000
"""message.max.bytes where no file says otherwise."""


class KafkaTarget:
    """Fulfils Target. source: where the messages come from."""

    def __init__(self, place: Place, dead: Place, source: Place, relay: str) -> None:
        self.name = place.name
        self._place, self._dead, self._source, self._relay = place, dead, source, relay
        self._producer: Producer | None = None
        self._reader: Consumer | None = None
        self._counts: dict[str, int] = {}

    def open(self) -> None:
        need("confluent_kafka", "kafka")
        from confluent_kafka import Consumer, Producer

        given = settings(self._place)
        self._largest = int(given.get("message.max.bytes", _LARGEST))
        self._producer = Producer(
            settings(
                self._place,
                **{
                    "enable.idempotence": True,
                    # A message that is given up must take those behind it along, or they would be turned around.
                    "enable.gapless.guarantee": True,
                    "message.timeout.ms": int(SILENT_S * 1000),
                    "partitioner": "murmur2_random",
                },
            )
        )
        self._reader = Consumer(
            settings(
                self._place,
                **{
                    "group.id": f"{self._relay}.tail",
                    "enable.auto.commit": False,
                    "enable.partition.eof": True,
                    "auto.offset.reset": "earliest",
                },
            )
        )
        self._counts = {place.subject: partitions_of(self._producer, place) for place in (self._place, self._dead)}
        self._check()

    def _check(self) -> None:
        from confluent_kafka.admin import AdminClient

        if not self._source.is_kafka:
            return
        names = {place.subject for place in (self._place, self._dead)}
        if self._source.brokers == self._place.brokers and self._source.subject in names:
            raise StreamUnfit(
                f"the relay would read what it writes to {self._source.subject}", remedy="Name another."
            )
        count = partitions_of(AdminClient(settings(self._source)), self._source)
        if count != self._counts[self._place.subject]:
            raise StreamUnfit(
                f"{self._source.subject} has {count} partitions and {self._place.subject} has "
                f"{self._counts[self._place.subject]}, so that keys would not keep their order",
                remedy="Give both topics the same number of partitions.",
            )

    def close(self) -> None:
        if self._producer is not None:
            self._producer.purge()
            self._producer.flush(0)
            self._producer = None
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def misfit(self, one: Outgoing) -> str:
        size = len(one.body or b"") + len(one.arrived.raw_key or b"") + 100
        size += sum(len(name.encode()) + len(value or b"") + 10 for name, value in one.headers)
        return f"is larger than the {self._largest} bytes that a message may have" if size > self._largest else ""

    def put(self, messages: Sequence[Outgoing]) -> Sequence[Placed | Turned]:
        results: list[Placed | Turned | None] = [None] * len(messages)
        faults: list[KafkaError] = []
        for index, one in enumerate(messages):
            self._produce(one, _noting(results, index, faults))
        left = len(messages) + 1
        while not faults and 0 < (now := self._opened().flush(CALL_S)) < left:
            left = now
        if faults:
            raise away(self._place, faults[0])
        found = [one for one in results if one is not None]
        if len(found) < len(messages):
            raise BusAway(f"{self.name}: {len(messages) - len(found)} messages were not confirmed for {CALL_S:g} s")
        return found

    def _produce(self, one: Outgoing, note: Callable[[KafkaError | None, Message | None], None]) -> None:
        from confluent_kafka import KafkaError, KafkaException

        topic = (self._dead if one.is_dead else self._place).subject
        key = one.arrived.raw_key
        if key is None and not self._source.is_kafka and one.arrived.key is not None:
            key = one.arrived.key.encode()
        try:
            self._opened().produce(
                topic,
                one.body,
                key,
                partition=self._partition(one, topic, key),
                on_delivery=note,
                timestamp=round(one.arrived.at.timestamp() * 1000),
                headers=list(one.headers),
            )
        except BufferError:
            self._opened().poll(0.1)
            self._produce(one, note)
        except KafkaException as fault:
            if fault.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                raise away(self._place, fault.args[0]) from fault
            note(fault.args[0], None)

    def _partition(self, one: Outgoing, topic: str, key: bytes | None) -> int:
        """That of the source; by the key; without one by what keeps its order."""
        if self._source.is_kafka:
            return int(one.arrived.lane) % self._counts[topic]
        if key is not None:
            return -1
        return int(xxhash.xxh64_intdigest(one.arrived.order.encode()) % self._counts[topic])

    def _places(self, lane: str) -> list[TopicPartition]:
        from confluent_kafka import TopicPartition

        return [
            TopicPartition(topic, partition)
            for topic, count in self._counts.items()
            for partition in ([int(lane) % count] if self._source.is_kafka else range(count))
        ]

    def _high(self, place: TopicPartition) -> int:
        from confluent_kafka import KafkaException

        if self._reader is None:
            raise BusAway(f"{self.name} is not open")
        try:
            return int(self._reader.get_watermark_offsets(place, timeout=CALL_S)[1])
        except KafkaException as fault:
            raise away(self._place, fault.args[0]) from fault

    def ends(self, lane: str) -> Marks:
        return {_name(place): self._high(place) - 1 for place in self._places(lane)}

    def since(self, lane: str, marks: Marks) -> frozenset[str]:
        from confluent_kafka import TopicPartition

        unread = [
            TopicPartition(one.topic, one.partition, start)
            for one in self._places(lane)
            if (start := marks.get(_name(one), -1) + 1) < self._high(one)
        ]
        return frozenset(self._tail(unread)) if unread else frozenset()

    def _tail(self, places: list[TopicPartition]) -> set[str]:
        """The ids of what the partitions have from these offsets on."""
        from confluent_kafka import KafkaError

        reader: Any = self._reader
        reader.assign(places)
        found: set[str] = set()
        left = {_name(one) for one in places}
        while left:
            message = reader.poll(CALL_S)
            if message is None:
                raise BusAway(
                    f"{self.name}: the tail of {', '.join(sorted(left))} was not given within {CALL_S:g} s"
                )
            fault = message.error()
            if fault and fault.code() == KafkaError._PARTITION_EOF:
                left.discard(f"{message.topic()}/{message.partition()}")
            elif fault:
                raise away(self._place, fault)
            elif position := text_of(tuple(message.headers() or ()), ID_HEADER):
                found.add(position)
        reader.unassign()
        return found

    def _opened(self) -> Producer:
        if self._producer is None:
            raise BusAway(f"{self.name} is not open")
        return self._producer


def _name(place: TopicPartition) -> str:
    return f"{place.topic}/{place.partition}"


def _noting(
    results: list[Placed | Turned | None], index: int, faults: list[KafkaError]
) -> Callable[[KafkaError | None, Message | None], None]:
    """What keeps the report of one delivery."""

    def note(fault: KafkaError | None, message: Message | None) -> None:
        from confluent_kafka import KafkaError

        if fault is None and message is not None:
            results[index] = Placed(f"{message.topic()}/{message.partition()}", message.offset() or 0)
        elif fault is not None and fault.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            results[index] = Turned("is larger than what the topic keeps")
        elif fault is not None:
            faults.append(fault)

    return note
