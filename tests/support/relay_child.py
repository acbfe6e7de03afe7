"""A relay in a process of its own that says where it is and then waits to be killed:
`python -m support.relay_child FROM TO NAME POINT BATCH`.

POINT is `half` (half of the batch is on the target) or `commit` (all of it is, and the cursor is not moved); BATCH
counts from 1. It writes one line, and waits.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from interlock.adapters.bodies import body_translator
from interlock.adapters.clock import SystemClock
from interlock.adapters.streams.address import beside, place_of
from interlock.adapters.streams.kafka_source import KafkaSource
from interlock.adapters.streams.kafka_target import KafkaTarget
from interlock.adapters.streams.nats_source import NatsSource
from interlock.adapters.streams.nats_target import NatsTarget
from interlock.domain.lenses.ops import Rename
from interlock.domain.lenses.relaying import Routing
from interlock.engine.relay import Marks, Outgoing, Placed, Relay, Turned


def wait_for_the_end() -> NoReturn:
    sys.stdout.write("here\n")
    sys.stdout.flush()
    while True:
        signal.pause()


def main() -> None:
    source_url, target_url, name, point, batch = sys.argv[1:]
    at, to = place_of(source_url), place_of(target_url)
    source: Any = KafkaSource(at, name, "key") if at.is_kafka else NatsSource(at, name, "header:x-entity-key")
    target: Any = (KafkaTarget if to.is_kafka else NatsTarget)(to, beside(to, ""), at, name)
    left = [int(batch)]
    put, commit = target.put, source.commit

    def halved(messages: Sequence[Outgoing]) -> Sequence[Placed | Turned]:
        left[0] -= 1
        if not left[0] and point == "half":
            put(messages[: len(messages) // 2])
            wait_for_the_end()
        placed: Sequence[Placed | Turned] = put(messages)
        return placed

    def kept(cursors: Mapping[str, tuple[int | None, Marks]]) -> None:
        is_done = any(done is not None for done, _ in cursors.values())
        if not left[0] and is_done and point == "commit":
            wait_for_the_end()
        commit(cursors)

    target.put, source.commit = halved, kept
    rename = body_translator((Rename("basket", "articles"),), ())
    routing = Routing("order", "1", "2")
    Relay(source, target, lambda: routing, lambda _: rename, SystemClock(), lambda _: None).run(threading.Event())


if __name__ == "__main__":
    main()
