"""What a Kafka client gives while partitions are handed over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from interlock.adapters.streams.address import place_of
from interlock.adapters.streams.kafka_source import KafkaSource

OURS = [TopicPartition("t", 0)]


class Given:
    """A message of partition 0."""

    def __init__(self, offset: int) -> None:
        self._known = {"partition": 0, "offset": offset, "timestamp": (1, 0), "value": b"{}"}

    def __getattr__(self, name: str) -> Any:
        return lambda: self._known.get(name)


class Client:
    """A consumer that gives messages of these offsets. None: the partition is taken away and given back, by when
    the cursor is at `cursor`.
    """

    def __init__(self, source: Any, gives: Sequence[int | None], cursor: int) -> None:
        self.source, self.gives, self.cursor = source, list(gives), cursor

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        return [TopicPartition(one.topic, one.partition, self.cursor) for one in partitions]

    def get_watermark_offsets(self, *_: Any, **more: Any) -> tuple[int, int]:
        return 0, 20

    def assign(self, partitions: list[TopicPartition]) -> None: ...

    def poll(self, timeout: float) -> Given:
        return Given(self.gives.pop(0) or 0)

    def consume(self, most: int, timeout: float) -> list[Given]:
        if self.gives[:1] == [None]:
            self.gives.pop(0)
            self.source._revoked(self, OURS)
            self.source._assigned(self, OURS)
        return [Given(self.gives.pop(0) or 0)] if self.gives else []


@pytest.mark.parametrize(
    ("gives", "cursor", "taken"),
    [([5, 6, None, 5, 6, 7], 5, [5, 6, 7]), ([5, 6, None, 8, 9], 8, [8, 9]), ([5, 6, 9], 5, [5, 6, 9])],
    ids=["given back", "relayed by another meanwhile", "compacted"],
)
def test_each_message_is_taken_once_while_partitions_are_handed_over(
    gives: list[int | None], cursor: int, taken: list[int]
) -> None:
    """The client gives what it had before, and then again what comes from the cursor on."""
    source: Any = KafkaSource(place_of("kafka://a/t"), "r", "key")
    source._consumer = Client(source, gives, 5)
    source._assigned(source._consumer, OURS)
    source._consumer.cursor = cursor
    assert [one.offset for one in source.take(512, 0.0).messages] == taken
