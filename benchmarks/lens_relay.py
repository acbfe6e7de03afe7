"""Messages through a relay on JetStream, and what SIGKILL does to them, beside two peers in the same run:

copy        pulls, publishes the same bytes and acknowledges, with the NATS client alone: the floor
faststream  the same translation in a FastStream subscriber with a publisher, as its documentation has it
interlock   interlock lens relay

Each is a process of its own, as is the server. Speed is taken from the server's own times of the first and the last
message; lag is from the source's to the target's time of a message, at a steady load.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.rig import free_port, quantile_ms

KINDS = ("copy", "faststream", "interlock")
MESSAGES = 10_000
STEADY, PER_S = 2_500, 500
KILLS = 5
KEYS = 1_000
SETTLED_S, GIVEN_UP_S = 5.0, 60.0
BATCH = 512


@dataclass(frozen=True, slots=True)
class Seen:
    """A message on the target: its number, and the server's time in seconds."""

    number: int
    at_s: float


def main() -> None:
    """Print speed and lag, then the counts after kills."""
    with server() as url:
        print(f"{MESSAGES} messages of {len(body(0))} bytes, {KEYS} keys; then {PER_S}/s for {STEADY // PER_S} s")
        print(f"{'':<12}{'messages/s':>11}{'of copy':>9}{'p50 lag ms':>12}{'p99 lag ms':>12}")
        speeds: dict[str, float] = {}
        for kind in KINDS:
            speeds[kind], lags = measured(url, kind)
            p50, p99 = (quantile_ms(lags, share) for share in (0.5, 0.99))
            print(f"{kind:<12}{speeds[kind]:>11.0f}{speeds[kind] / speeds['copy']:>9.2f}{p50:>12.1f}{p99:>12.1f}")
        print(f"\n{KILLS} times SIGKILL within {MESSAGES} messages; order: keys with a message after a later one")
        print(f"{'':<12}{'sent':>8}{'seen':>8}{'lost':>8}{'doubled':>9}{'order':>8}")
        for kind in KINDS:
            seen = [one.number for one in killed(url, kind)]
            counts = Counter(seen)
            doubled = sum(count - 1 for count in counts.values())
            print(f"{kind:<12}{MESSAGES:>8}{len(seen):>8}{MESSAGES - len(counts):>8}{doubled:>9}{turned(seen):>8}")


def turned(seen: list[int]) -> int:
    """How many keys have a message after a later one; doubles of the same message are no turn."""
    last: dict[int, int] = {}
    wrong = set()
    for number in seen:
        key = number % KEYS
        if number < last.get(key, -1):
            wrong.add(key)
        last[key] = max(number, last.get(key, -1))
    return len(wrong)


def measured(url: str, kind: str) -> tuple[float, list[float]]:
    """Messages per second over a backlog, and the lags at a steady load, in seconds."""
    with streams(url, kind) as (source, target):
        publish(url, source, 0, MESSAGES)
        with child(kind, url, source, target):
            reach(url, target, MESSAGES)
            kept = read(url, target)
            steadily(url, source, MESSAGES, STEADY)
            reach(url, target, MESSAGES + STEADY)
        speed = len(kept) / (kept[-1].at_s - kept[0].at_s)
        sent = {one.number: one.at_s for one in read(url, source)[MESSAGES:]}
        came = read(url, target)[MESSAGES:]
        return speed, [one.at_s - sent[one.number] for one in came]


def killed(url: str, kind: str) -> list[Seen]:
    """What is on the target in the end."""
    chance = random.Random(kind)
    with streams(url, kind) as (source, target):
        publish(url, source, 0, MESSAGES)
        for _ in range(KILLS):
            with child(kind, url, source, target, end=signal.SIGKILL):
                reach(url, target, held(url, target) + chance.randint(200, MESSAGES // (KILLS + 2)))
        with child(kind, url, source, target):
            settle(url, target)
        return read(url, target)


def body(number: int) -> bytes:
    """A record of the older version."""
    record = {
        "order_id": f"o-{number}",
        "country": "PE",
        "basket": number,
        "lines": [{"sku": f"sku-{n}", "price": 12.5 * n} for n in range(3)],
        "note": "leave it with the neighbour",
    }
    return json.dumps(record).encode()


def number_of(message: bytes) -> int:
    record = json.loads(message)
    return int(record.get("articles", record.get("basket")))


@contextmanager
def server() -> Iterator[str]:
    """A NATS server with JetStream on disk."""
    binary = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or "nats-server"
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        command = [binary, "-js", "-sd", folder, "-a", "127.0.0.1", "-p", str(port)]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if b"Server is ready" in line:
                    break
            try:
                yield f"nats://127.0.0.1:{port}"
            finally:
                process.terminate()


def with_jetstream(url: str, work: Any) -> Any:
    """What `work(jetstream)` returns."""

    async def run() -> Any:
        import nats

        client = await nats.connect(url)
        try:
            return await work(client.jetstream())
        finally:
            await client.close()

    return asyncio.run(run())


@contextmanager
def streams(url: str, kind: str) -> Iterator[tuple[str, str]]:
    """Empty streams of a source and a target, gone afterwards."""
    names = (f"FROM-{kind}", f"TO-{kind}")

    async def make(jetstream: Any) -> None:
        for name in names:
            await jetstream.add_stream(name=name, subjects=[f"{name}.>"])

    async def drop(jetstream: Any) -> None:
        for name in names:
            await jetstream.delete_stream(name)
        if kind == "interlock":
            await jetstream.delete_key_value("interlock-relays")

    with_jetstream(url, make)
    try:
        yield names
    finally:
        with_jetstream(url, drop)


def publish(url: str, source: str, first: int, count: int) -> None:
    async def put(jetstream: Any) -> None:
        for number in range(first, first + count):
            headers = {"x-entity-key": f"k{number % KEYS}"}
            await jetstream.publish_async(f"{source}.new", body(number), headers=headers)
        await jetstream.publish_async_completed()

    with_jetstream(url, put)


def steadily(url: str, source: str, first: int, count: int) -> None:
    """One message after the other, at PER_S."""

    async def put(jetstream: Any) -> None:
        begun = time.monotonic()
        for index in range(count):
            headers = {"x-entity-key": f"k{index % KEYS}"}
            await jetstream.publish_async(f"{source}.new", body(first + index), headers=headers)
            await asyncio.sleep(max(0.0, begun + (index + 1) / PER_S - time.monotonic()))
        await jetstream.publish_async_completed()

    with_jetstream(url, put)


def held(url: str, stream: str) -> int:
    async def ask(jetstream: Any) -> int:
        return int((await jetstream.stream_info(stream)).state.messages)

    return int(with_jetstream(url, ask))


def reach(url: str, stream: str, wanted: int) -> None:
    """Wait until the stream has so many messages."""

    async def wait(jetstream: Any) -> None:
        while (await jetstream.stream_info(stream)).state.messages < wanted:
            await asyncio.sleep(0.01)

    with_jetstream(url, wait)


def settle(url: str, stream: str) -> None:
    """Wait until the stream has all that it should have and no more comes, or nothing comes at all."""

    async def wait() -> None:
        import nats

        client = await nats.connect(url)
        coming = await client.subscribe(f"{stream}.new")
        info, quiet_s = client.jetstream().stream_info, 0.0
        while quiet_s < GIVEN_UP_S:
            try:
                await coming.next_msg(timeout=SETTLED_S)
                quiet_s = 0.0
            except TimeoutError:
                quiet_s += SETTLED_S
                if (await info(stream)).state.messages >= MESSAGES:
                    break
        await client.close()

    asyncio.run(wait())


def read(url: str, stream: str) -> list[Seen]:
    """Everything that the stream has, in order, but for dead letters."""

    async def take(jetstream: Any) -> list[Seen]:
        reading = await jetstream.pull_subscribe(f"{stream}.new", stream=stream)
        left = (await reading.consumer_info()).num_pending
        found: list[Seen] = []
        while len(found) < left:
            for one in await reading.fetch(1_000, timeout=10):
                at: datetime = one.metadata.timestamp
                found.append(Seen(number_of(one.data), at.timestamp()))
                await one.ack()
        await reading.unsubscribe()
        return found

    return list(with_jetstream(url, take))


@contextmanager
def child(kind: str, url: str, source: str, target: str, end: int = signal.SIGTERM) -> Iterator[None]:
    """A relay of the kind, until the block ends."""
    command = [sys.executable, "-m", "benchmarks.lens_relay", kind, url, source, target]
    with subprocess.Popen(command, env=os.environ | {"PYTHONWARNINGS": "ignore"}) as process:
        try:
            yield
        finally:
            process.send_signal(end)


def translate() -> Any:
    from interlock.adapters.bodies import body_translator
    from interlock.domain.lenses.ops import Add, Rename

    return body_translator((Rename("basket", "articles"), Add("channel", "web")), ())


async def copy(url: str, source: str, target: str) -> None:
    """The floor."""
    import nats
    from nats.js.api import ConsumerConfig

    client = await nats.connect(url)
    jetstream = client.jetstream()
    config = ConsumerConfig(ack_wait=2, max_ack_pending=2 * BATCH)
    reading = await jetstream.pull_subscribe(f"{source}.new", durable="copy", stream=source, config=config)
    while True:
        try:
            messages = await reading.fetch(BATCH, timeout=0.05)
        except TimeoutError:
            continue
        acks = [await jetstream.publish_async(f"{target}.new", m.data, headers=m.headers) for m in messages]
        await asyncio.gather(*acks)
        for message in messages:
            await message.ack()


async def faststream(url: str, source: str, target: str) -> None:
    """The peer."""
    from faststream.nats import JStream, NatsBroker, PullSub
    from nats.js.api import ConsumerConfig

    broker = NatsBroker(url, logger=None)
    translated = translate()

    @broker.subscriber(
        f"{source}.new",
        stream=JStream(source, declare=False),
        durable="faststream",
        pull_sub=PullSub(batch_size=BATCH, timeout=0.05),
        config=ConsumerConfig(ack_wait=2, max_ack_pending=2 * BATCH),
        decoder=lambda message: message.body,
    )
    @broker.publisher(f"{target}.new", stream=target)
    async def relay(message: bytes) -> bytes:
        result: bytes = translated(message)
        return result

    await broker.start()
    await asyncio.Event().wait()


def interlock(url: str, source: str, target: str) -> None:
    """Ours, as the command assembles it."""
    from interlock.adapters.clock import SystemClock
    from interlock.adapters.streams.address import beside, place_of
    from interlock.adapters.streams.nats_source import NatsSource
    from interlock.adapters.streams.nats_target import NatsTarget
    from interlock.domain.lenses.relaying import Routing
    from interlock.engine.relay import Relay

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    at, to = place_of(f"{url}/{source}/{source}.new"), place_of(f"{url}/{target}/{target}.new")
    ends = NatsSource(at, "bench", "header:x-entity-key"), NatsTarget(to, beside(to, f"{target}.dead"), at, "bench")
    routing, translated = Routing("order", "1", "2"), translate()
    Relay(*ends, lambda: routing, lambda _: translated, SystemClock(), lambda _: None).run(stop)


def run_child(kind: str, url: str, source: str, target: str) -> None:
    if kind == "interlock":
        interlock(url, source, target)
    else:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        asyncio.run((copy if kind == "copy" else faststream)(url, source, target))


if __name__ == "__main__":
    if sys.argv[1:]:
        run_child(*sys.argv[1:])
    else:
        main()
