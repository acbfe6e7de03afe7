"""The relay between topics of librdkafka's mock cluster.

What the mock cannot show: that a real broker keeps what it acknowledged, retention, elections, quotas, a broker
that restarts, and how long a group of real members takes to hand partitions over.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from interlock.adapters.streams.faults import StreamMissing, StreamUnfit
from interlock.adapters.workspace.loader import WorkspaceFiles
from interlock.adapters.workspace.template import write_template
from interlock.config import RelaySettings
from interlock.domain.lenses.relaying import Routing, Share
from interlock.domain.traffic.bucket import is_candidate
from interlock.engine.relay import Counts, Event
from interlock.relay import open_relay
from support.brokers import Kept, MockKafka

ROUTING = Routing("order", "1", "2")
ALL = "?partitions=0,1,2,3"
"""Every partition, without a group: the mock takes seconds to gather one."""


@pytest.fixture(scope="module")
def kafka() -> MockKafka:
    return MockKafka()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    write_template(folder)
    return folder


def order(number: int) -> tuple[bytes, bytes, dict[str, bytes]]:
    body = {"order_id": str(number), "country": "PE", "basket": number}
    return f"k{number % 9}".encode(), json.dumps(body).encode(), {"baggage": b"interlock.release=rx"}


def relayed(
    kafka: MockKafka, shop: Path, topics: tuple[str, str], routing: Routing = ROUTING, partitions: str = ALL
) -> Counts:
    """What a relay counted when it had caught up; the topics of the target are there."""
    source, target = topics
    kafka.make(target, f"{target}.dead")
    workspace, _ = WorkspaceFiles(shop).load()
    urls = (f"{kafka.url}/{source}{partitions}", f"{kafka.url}/{target}", "")
    name = f"{source}-relay"
    with open_relay(workspace, "order", lambda: routing, name, urls, RelaySettings(), lambda _: None) as relay:
        return relay.run(threading.Event(), is_once=True)


def in_order(kept: list[Kept]) -> bool:
    """Whether the numbers of each key grow."""
    numbers = [json.loads(one.body)["articles"] for one in kept]
    keys = {number % 9 for number in numbers}
    return all(of == sorted(of) for of in ([n for n in numbers if n % 9 == key] for key in keys))


def test_messages_arrive_translated_on_their_partition(kafka: MockKafka, shop: Path) -> None:
    """With key, headers and time as they came; tombstones stay tombstones; poison is set aside as it came."""
    kafka.publish("plain", [*map(order, range(50)), (b"k1", None, {}), (b"k2", b"{broken", {"a": b"\xff"})])
    counts = relayed(kafka, shop, ("plain", "plain-next"))
    assert (counts.relayed, counts.unchanged, counts.dead) == (50, 1, 1)
    came, kept = kafka.kept("plain"), kafka.kept("plain-next")
    assert len(kept) == 51
    assert in_order([one for one in kept if one.body is not None])
    for one in kept:
        topic, partition, offset = one.headers["interlock-id"].split("/")
        (origin,) = (o for o in came if (o.place, o.offset) == (f"{topic}/{partition}", int(offset)))
        assert one.place == f"plain-next/{partition}"
        assert (one.key, one.at_ms) == (origin.key, origin.at_ms)
        assert one.headers["interlock-contract"] == "order@2"
        if one.body is not None:
            assert one.headers["baggage"] == "interlock.release=rx"
    (letter,) = kafka.kept("plain-next.dead")
    assert letter.body == b"{broken"
    assert letter.key == b"k2"
    assert letter.headers["interlock-dead-reason"] == "the body is not valid JSON"


@pytest.mark.parametrize(
    ("at_ms", "kept_ms"),
    [(1_098_063_919_580, 1_098_063_919_580), (1_700_000_000_000_000, 253_402_300_799_000)],
    ids=["a moment", "microseconds for milliseconds"],
)
def test_whatever_time_a_producer_says_is_relayed(kafka: MockKafka, shop: Path, at_ms: int, kept_ms: int) -> None:
    """To the millisecond; a time that no date tells stops no relay."""
    kafka.publish(f"at-{at_ms}", [order(1)], at_ms)
    assert relayed(kafka, shop, (f"at-{at_ms}", f"at-{at_ms}-next")).relayed == 1
    assert [one.at_ms for one in kafka.kept(f"at-{at_ms}-next")] == [kept_ms]


def test_headers_that_nats_does_not_take_stop_no_relay(kafka: MockKafka, shop: Path, tmp_path: Path) -> None:
    """Too many of them, or of strange names: their dead letters keep the body. A line break ends no header."""
    from support.brokers import nats_server

    strange = [{"a": b"x" * 70_000}, {"\u00e9": b"x"}, {"a": b"1\r\nNats-Rollup: all"}, {"a": b"\xff"}]
    workspace, _ = WorkspaceFiles(shop).load()
    kafka.publish("strange", [(b"k", order(n)[1], headers) for n, headers in enumerate(strange)])
    with nats_server(tmp_path / "nats") as server:
        server.stream("NEXT", ["next.>"])
        urls = (f"{kafka.url}/strange{ALL}", f"{server.url}/NEXT/next.new", "")
        with open_relay(workspace, "order", lambda: ROUTING, "s", urls, RelaySettings(), lambda _: None) as relay:
            counts = relay.run(threading.Event(), is_once=True)
        letters, kept = server.kept("NEXT", "next.new.dead"), server.kept("NEXT", "next.new")
    assert (counts.dead, counts.relayed, counts.waits) == (2, 2, 0)
    assert [one.body for one in letters] == [order(0)[1], order(1)[1]]
    assert "65535 bytes of headers" in letters[0].headers["interlock-dead-reason"]
    assert [one.headers["a"] for one in kept] == ["1 Nats-Rollup: all", "\ufffd"]
    assert "Nats-Rollup" not in kept[0].headers


@pytest.mark.parametrize("point", ["half", "commit"])
def test_a_killed_relay_loses_and_doubles_nothing(kafka: MockKafka, shop: Path, point: str) -> None:
    """SIGKILL within a batch and before its offsets are committed; the order of each key stays."""
    topics = (f"killed-{point}", f"killed-{point}-next")
    kafka.publish(topics[0], [order(number) for number in range(1_500)])
    kafka.make(topics[1], f"{topics[1]}.dead")
    urls = (f"{kafka.url}/{topics[0]}{ALL}", f"{kafka.url}/{topics[1]}")
    child = [sys.executable, "-m", "support.relay_child", *urls, f"{topics[0]}-relay", point, "2"]
    tests = Path(__file__).parents[1]
    with subprocess.Popen(child, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(tests)}) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        process.kill()
    before = len(kafka.kept(topics[1]))
    assert 0 < before < 1_500
    counts = relayed(kafka, shop, topics)
    kept = kafka.kept(topics[1])
    assert sorted(json.loads(one.body)["articles"] for one in kept) == list(range(1_500))
    assert in_order(kept)
    assert counts.repeated > 0
    assert counts.relayed == 1_500 - before


def test_a_group_is_given_its_partitions(kafka: MockKafka, shop: Path) -> None:
    """Without partitions in the address, the relay is a member of the group of its name."""
    kafka.publish("shared", [order(number) for number in range(20)])
    assert relayed(kafka, shop, ("shared", "shared-next"), partitions="").relayed == 20
    assert len(kafka.kept("shared-next")) == 20


def test_the_share_goes_by_the_key(kafka: MockKafka, shop: Path) -> None:
    """A part of the keys is in the newer version, as at the edge."""
    kafka.publish("shares", [(f"key {n}".encode(), order(n)[1], {}) for n in range(100)])
    routing = Routing("order", "1", "1", {}, Share("2", 3_000, 5))
    relayed(kafka, shop, ("shares", "shares-next"), routing)
    ahead = {one.key for one in kafka.kept("shares-next") if one.headers["interlock-contract"] == "order@2"}
    assert ahead == {key.encode() for key in (f"key {n}" for n in range(100)) if is_candidate(key, 5, 3_000)}


def test_topics_that_would_break_the_relay_are_refused(kafka: MockKafka, shop: Path) -> None:
    """A loop, and a topic that is not there."""
    kafka.publish("loop", [order(1)])
    with pytest.raises(StreamUnfit, match="read what it writes"):
        relayed(kafka, shop, ("loop", "loop"))
    with pytest.raises(StreamMissing, match="no topic nowhere"):
        relayed(kafka, shop, ("nowhere", "loop-next"))


def test_a_cluster_that_is_gone_is_waited_for(shop: Path) -> None:
    """The relay says so, and ends when it is asked to."""
    hosting = (
        "from support.brokers import MockKafka; m = MockKafka(); m.publish('a', [(b'k', b'{}', {})]);"
        "m.make('b', 'b.dead'); print(m.url, flush=True); input()"
    )
    tests = Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": str(tests)}
    events: queue.Queue[Event] = queue.Queue()
    workspace, _ = WorkspaceFiles(shop).load()
    stop = threading.Event()
    with subprocess.Popen(
        [sys.executable, "-c", hosting], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as host:
        assert host.stdout is not None
        url = host.stdout.readline().decode().strip()
        urls = (f"{url}/a{ALL}", f"{url}/b", "")
        with open_relay(workspace, "order", lambda: ROUTING, "r", urls, RelaySettings(), events.put) as relay:
            thread = threading.Thread(target=relay.run, args=(stop,))
            thread.start()
            try:
                while events.get(timeout=30).details.get("relayed") != 1:
                    pass
                host.kill()
                while (event := events.get(timeout=30)).kind != "waiting":
                    pass
            finally:
                stop.set()
                thread.join(60)
    assert "asked again in" in event.says
    assert not thread.is_alive()
    assert relay.counts.is_away


def test_a_relay_crosses_from_one_broker_to_another(kafka: MockKafka, shop: Path, tmp_path: Path) -> None:
    """From NATS to Kafka and back: keys decide the partition, and the cursor finds its place on either side."""
    from support.brokers import nats_server

    workspace, _ = WorkspaceFiles(shop).load()
    kafka.make("crossed", "crossed.dead")

    def run(source: str, target: str, routing: Routing) -> Counts:
        key = RelaySettings("header:x-entity-key" if source.startswith("nats") else "key")
        urls = (source, target, "")
        with open_relay(workspace, "order", lambda: routing, "cross", urls, key, lambda _: None) as relay:
            return relay.run(threading.Event(), is_once=True)

    with nats_server(tmp_path / "nats") as server:
        server.stream("ORDERS", ["orders.>"])
        sent = [order(number) for number in range(40)]
        server.publish([("orders.new", body, {"x-entity-key": key.decode()}) for key, body, _ in sent])
        there = (f"{server.url}/ORDERS/orders.new", f"{kafka.url}/crossed")
        assert run(*there, ROUTING).relayed == 40
        assert run(*there, ROUTING).relayed == 0
        assert in_order(kafka.kept("crossed"))
        back = (f"{kafka.url}/crossed{ALL}", f"{server.url}/ORDERS/orders.back")
        assert run(*back, Routing("order", "2", "1")).relayed == 40
        assert run(*back, Routing("order", "2", "1")).relayed == 0
        returned = server.kept("ORDERS", "orders.back")
        assert sorted(json.loads(one.body)["basket"] for one in returned) == list(range(40))
