"""Real brokers for tests: a NATS server with JetStream, and librdkafka's mock cluster."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import nats
from confluent_kafka import Consumer, Producer, TopicPartition
from nats.js import JetStreamContext
from nats.js.api import StreamConfig

from support.echo import free_port

Result = TypeVar("Result")
SERVER = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or "nats-server"


@dataclass(frozen=True, slots=True)
class Kept:
    """A message as a stream has it."""

    place: str
    offset: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    key: bytes | None = None
    at_ms: int = 0


class NatsServer:
    """A server on a port of its own; stopped or killed, it starts again with what it kept."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when it takes connections."""
        command = [SERVER, "-js", "-sd", str(self.folder), "-a", "127.0.0.1", "-p", str(self.port)]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE)
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if b"Server is ready" in line:
                return
        raise RuntimeError("the NATS server ended")

    def kill(self) -> None:
        """SIGKILL: nothing is flushed or closed."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stderr is not None
            self._process.stderr.close()
            self._process = None

    def run(self, work: Any) -> Any:
        """What `work(jetstream)` returns, on a connection of its own."""
        return asyncio.run(self._run(work))

    async def _run(self, work: Any) -> Any:
        client = await nats.connect(self.url)
        try:
            return await work(client.jetstream())
        finally:
            await client.close()

    def stream(self, name: str, subjects: Sequence[str], **more: Any) -> None:
        """Make a stream."""

        async def make(jetstream: JetStreamContext) -> None:
            await jetstream.add_stream(StreamConfig(name=name, subjects=list(subjects), **more))

        self.run(make)

    def publish(self, messages: Sequence[tuple[str, bytes, Mapping[str, str]]]) -> None:
        """(subject, body, headers), in order, each durable on return."""

        async def put(jetstream: JetStreamContext) -> None:
            for subject, body, headers in messages:
                await jetstream.publish_async(subject, body, headers=dict(headers) or None)
            await jetstream.publish_async_completed()

        self.run(put)

    def kept(self, stream: str, subject: str = ">") -> list[Kept]:
        """All messages of the subject that the stream has, in order."""

        async def read(jetstream: JetStreamContext) -> list[Kept]:
            reading = await jetstream.pull_subscribe(subject, stream=stream)
            left = (await reading.consumer_info()).num_pending or 0
            found: list[Kept] = []
            while len(found) < left:
                for one in await reading.fetch(1000, timeout=5):
                    found.append(Kept(one.subject, one.metadata.sequence.stream, one.data, one.headers or {}))
                    await one.ack()
            await reading.unsubscribe()
            return found

        found: list[Kept] = self.run(read)
        return found


@contextmanager
def nats_server(folder: Path) -> Iterator[NatsServer]:
    """A running server."""
    server = NatsServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()


class MockKafka:
    """librdkafka's mock cluster: four partitions a topic, made by the first message.

    It has groups, committed offsets with metadata and idempotent producers. It has no durable log, no transactions
    as readers see them, no retention and no second broker that takes over.
    """

    def __init__(self) -> None:
        self._cluster = Producer({"test.mock.num.brokers": 1, "log_level": 0})
        (broker,) = self._cluster.list_topics(timeout=10).brokers.values()
        self.brokers = f"{broker.host}:{broker.port}"
        self.url = f"kafka://{self.brokers}"

    def make(self, *topics: str) -> None:
        """Make empty topics."""
        for topic in topics:
            self._cluster.list_topics(topic, timeout=10)

    def publish(
        self, topic: str, messages: Sequence[tuple[bytes, bytes | None, dict[str, bytes]]], at_ms: int = 0
    ) -> None:
        """(key, body, headers), in order; at_ms: their time, 0 for now."""
        producer = Producer({"bootstrap.servers": self.brokers, "enable.idempotence": True, "log_level": 0})
        for key, body, headers in messages:
            producer.produce(topic, body, key, headers=list(headers.items()), timestamp=at_ms)
        assert producer.flush(10) == 0

    def kept(self, topic: str) -> list[Kept]:
        """All messages of the topic, by partition and in order."""
        reader = Consumer({"bootstrap.servers": self.brokers, "group.id": "reader", "enable.partition.eof": True})
        partitions = [
            TopicPartition(topic, p, 0)
            for p in self._cluster.list_topics(topic, timeout=10).topics[topic].partitions
        ]
        reader.assign(partitions)
        found: list[Kept] = []
        left = len(partitions)
        while left:
            one = reader.poll(10)
            assert one is not None
            if one.error():
                left -= 1
                continue
            told: Any = one
            headers = {name: (value or b"").decode("latin-1") for name, value in told.headers() or []}
            place, at_ms = f"{topic}/{told.partition()}", told.timestamp()[1]
            found.append(Kept(place, told.offset(), told.value(), headers, told.key(), at_ms))
        reader.close()
        return sorted(found, key=lambda kept: (kept.place, kept.offset))
