"""The relay between streams of a real NATS server: what it promises, with crashes and poison."""

from __future__ import annotations

import base64
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from interlock.adapters.streams.address import place_of
from interlock.adapters.streams.faults import StreamUnfit
from interlock.adapters.streams.nats_link import StreamMissing
from interlock.adapters.streams.nats_source import CursorTaken, NatsSource
from interlock.adapters.workspace.loader import WorkspaceFiles
from interlock.adapters.workspace.template import write_template
from interlock.config import RelaySettings
from interlock.domain.lenses.apply import MAX_DEPTH
from interlock.domain.lenses.relaying import Routing, Share
from interlock.domain.traffic.bucket import is_candidate
from interlock.engine.codec import dump
from interlock.engine.relay import BATCH_BYTES, Counts, Event, Relay
from interlock.engine.schema_share import SchemaShare
from interlock.relay import open_relay
from support.brokers import NatsServer, nats_server

ROUTING = Routing("order", "1", "2")
SETTINGS = RelaySettings()
INTERLOCK = Path(sys.executable).with_name("interlock")
LIMIT_S = 30


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the lens order 1 to 2."""
    folder = tmp_path_factory.mktemp("shop")
    write_template(folder)
    return folder


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with nats_server(tmp_path / "nats") as running:
        yield running


@pytest.fixture
def streams(server: NatsServer) -> NatsServer:
    """ORDERS keeps what comes, NEXT what is translated."""
    server.stream("ORDERS", ["orders.>"])
    server.stream("NEXT", ["next.>"])
    return server


def order(number: int, key: str = "") -> tuple[str, bytes, dict[str, str]]:
    body = {"order_id": str(number), "country": "PE", "basket": number}
    return "orders.new", json.dumps(body).encode(), {"x-entity-key": key or f"k{number % 7}"}


@contextmanager
def relaying(
    server: NatsServer,
    shop: Path,
    routing: Routing = ROUTING,
    settings: RelaySettings = SETTINGS,
    tell: Callable[[Event], None] = lambda _: None,
    places: tuple[str, str] = ("ORDERS/orders.new", "NEXT/next.new"),
) -> Iterator[Relay]:
    urls = (f"{server.url}/{places[0]}", f"{server.url}/{places[1]}", "")
    workspace, _ = WorkspaceFiles(shop).load()
    with open_relay(workspace, "order", lambda: routing, "r", urls, settings, tell) as relay:
        yield relay


def relayed(server: NatsServer, shop: Path, routing: Routing = ROUTING, **more: Any) -> Counts:
    """What a relay counted when it had caught up."""
    with relaying(server, shop, routing, **more) as relay:
        return relay.run(threading.Event(), is_once=True)


def test_messages_arrive_translated_with_their_headers(streams: NatsServer, shop: Path) -> None:
    """The pin, the trace and the content type are as they came; orders for the server are not passed on."""
    carried = {
        "baggage": "interlock.release=rabc,user=a%20b;p=1",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "tracestate": "x=1",
        "content-type": "application/json",
    }
    subject, body, _ = order(3)
    streams.publish([(subject, body, carried | {"Nats-Msg-Id": "own"})])
    assert relayed(streams, shop).relayed == 1
    (kept,) = streams.kept("NEXT")
    assert json.loads(kept.body) == {"order_id": "3", "country": "PE", "articles": 3, "channel": "web"}
    assert {name: kept.headers[name] for name in carried} == carried
    assert kept.headers["interlock-contract"] == "order@2"
    assert kept.headers["interlock-id"].startswith("ORDERS/")
    assert kept.headers["Nats-Msg-Id"] == f"{kept.headers['interlock-id']}>next.new"


def test_repeated_headers_stay_repeated(streams: NatsServer, shop: Path) -> None:
    """Two lines of baggage are two lines afterwards, though the client keeps one value of each name; and bytes that
    are no text are the same bytes.
    """

    async def publish(jetstream: Any) -> None:
        client = jetstream._nc
        lines = b"baggage: a=1\r\nBaggage: interlock.release=r1\r\nbaggage: b=2\r\nx-raw: \xff\xc3\x28"
        block = b"NATS/1.0\r\n" + lines + b"\r\n\r\n"
        body = order(1)[1]
        head = f"HPUB orders.new {len(block)} {len(block) + len(body)}\r\n".encode()
        await client._send_command(head + block + body + b"\r\n")
        await client.flush()

    streams.run(publish)
    assert relayed(streams, shop).relayed == 1

    async def raw(jetstream: Any) -> bytes:
        return base64.b64decode((await jetstream.get_msg("NEXT", 1)).hdrs)

    lines = streams.run(raw).split(b"\r\n")
    assert lines[1:4] == [b"baggage: a=1", b"Baggage: interlock.release=r1", b"baggage: b=2"]
    assert lines[4] == b"x-raw: \xff\xc3\x28"


@pytest.mark.parametrize("point", ["half", "commit"])
def test_a_killed_relay_loses_and_doubles_nothing(streams: NatsServer, shop: Path, point: str) -> None:
    """SIGKILL within a batch and before its cursor; the order of each key stays. The server's own window for
    doubles is too short to help: what was put is found again by reading.
    """
    streams.stream("SHORT", ["short.>"], duplicate_window=0.1)
    streams.publish([order(number) for number in range(1_500)])
    urls = [f"{streams.url}/ORDERS/orders.new", f"{streams.url}/SHORT/short.new"]
    child = [sys.executable, "-m", "support.relay_child", *urls, "killed", point, "2"]
    tests = Path(__file__).parents[1]
    with subprocess.Popen(child, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(tests)}) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        process.kill()
    before = len(streams.kept("SHORT"))
    assert 0 < before < 1_500
    workspace, _ = WorkspaceFiles(shop).load()
    urls_ = (urls[0], urls[1], "")
    with open_relay(workspace, "order", lambda: ROUTING, "killed", urls_, RelaySettings(), lambda _: None) as relay:
        counts = relay.run(threading.Event(), is_once=True)
    kept = [json.loads(one.body) for one in streams.kept("SHORT")]
    assert sorted(int(one["order_id"]) for one in kept) == list(range(1_500))
    for key in range(7):
        of_key = [one["articles"] for one in kept if one["articles"] % 7 == key]
        assert of_key == sorted(of_key)
    assert counts.repeated > 0
    assert counts.relayed == 1_500 - before


def test_what_cannot_be_translated_is_set_aside(streams: NatsServer, shop: Path) -> None:
    """As it came, with the reason, the field and where it was; the relay goes on."""
    deep = b'{"basket":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}"
    poison = [
        (b"\xff\xfe", {}, "", ""),
        (b"{broken", {}, "", ""),
        (b'{"basket": 1, "articles": 2}', {}, "articles", "is there already"),
        (deep, {}, "", f"deeper than {MAX_DEPTH}"),
        (b'"' + b"x" * 3_000 + b'"', {}, "", "larger than 2000 bytes"),
        (b"{}", {"interlock-contract": "payment@1"}, "", "payment"),
        (b"{}", {"interlock-contract": "order@9"}, "", "no lens leads from order@9"),
    ]
    for body, headers, _, _ in poison:
        streams.publish([("orders.new", body, {"baggage": "a=b"} | headers), order(1)])
    told: list[Event] = []
    counts = relayed(streams, shop, settings=RelaySettings(body_limit=2_000), tell=told.append)
    assert (counts.dead, counts.relayed) == (len(poison), len(poison))
    letters = streams.kept("NEXT", "next.new.dead")
    assert [one.body for one in letters] == [body for body, *_ in poison]
    for letter, (number, (_, headers, field, reason)) in zip(letters, enumerate(poison), strict=True):
        assert reason in letter.headers["interlock-dead-reason"]
        assert letter.headers.get("interlock-dead-field", "") == field
        assert letter.headers["interlock-id"].endswith(f"/{2 * number + 1}")
        assert letter.headers["baggage"] == "a=b"
        assert letter.headers.get("interlock-contract") == headers.get("interlock-contract")
    assert sum(one.kind == "dead" for one in told) == len(poison)


def test_a_message_that_no_longer_fits_leaves_its_bytes_at_the_source(streams: NatsServer, shop: Path) -> None:
    """Neither it nor its dead letter is small enough for the target; the dead letter says so."""
    server = streams
    server.stream("SMALL", ["small.>"], max_msg_size=400)
    server.publish([("orders.new", b'{"order_id": "%s"}' % (b"x" * 380), {}), order(2)])
    counts = relayed(server, shop, places=("ORDERS/orders.new", "SMALL/small.new"))
    assert (counts.dead, counts.relayed) == (1, 1)
    (letter,) = server.kept("SMALL", "small.new.dead")
    assert letter.body == b""
    assert "at the source" in letter.headers["interlock-dead-body"]
    assert "400 bytes" in letter.headers["interlock-dead-reason"]


def test_pins_and_shares_decide_the_version(streams: NatsServer, shop: Path) -> None:
    """A pinned message is in the version that its release reads; of the others a tenth of the keys is ahead."""
    seed = 99
    routing = Routing("order", "1", "1", {"old": "1", "new": "2"}, Share("2", 1_000, seed))
    pinned = [
        (subject, body, headers | {"baggage": f"interlock.release={release}"})
        for release in ("old", "new")
        for subject, body, headers in [order(1)]
    ]
    done = ("orders.new", b'{"articles": 5}', {"interlock-contract": "order@2", "baggage": "interlock.release=new"})
    streams.publish([*pinned, done, *(order(number, f"key {number}") for number in range(200))])
    counts = relayed(streams, shop, routing)
    kept = sorted(streams.kept("NEXT"), key=lambda one: int(one.headers["interlock-id"].rpartition("/")[2]))
    assert kept[0].body == pinned[0][1]
    assert kept[0].headers["interlock-contract"] == "order@1"
    assert json.loads(kept[1].body)["articles"] == 1
    assert kept[2].body == done[1]
    ahead = {one.headers["x-entity-key"] for one in kept[3:] if one.headers["interlock-contract"] == "order@2"}
    assert ahead == {key for key in (f"key {n}" for n in range(200)) if is_candidate(key, seed, 1_000)}
    assert counts.relayed == 1 + len(ahead)
    assert counts.unchanged == 203 - counts.relayed


def test_both_directions_are_one_lens(streams: NatsServer, shop: Path) -> None:
    """Forth and back again through two relays, over subjects with wildcards."""
    streams.publish([("orders.eu.lima", order(4)[1], {})])
    relayed(streams, shop, places=("ORDERS/orders.eu.*", "NEXT/next.eu.*"))
    back = Routing("order", "1", "1")
    streams.stream("BACK", ["back.>"])
    urls = (f"{streams.url}/NEXT/next.*.*", f"{streams.url}/BACK/back.*.*", "")
    workspace, _ = WorkspaceFiles(shop).load()
    with open_relay(workspace, "order", lambda: back, "back", urls, RelaySettings(), lambda _: None) as relay:
        relay.run(threading.Event(), is_once=True)
    (kept,) = streams.kept("BACK")
    assert kept.place == "back.eu.lima"
    assert json.loads(kept.body) == json.loads(order(4)[1])


def test_a_server_that_is_killed_is_waited_for(streams: NatsServer, shop: Path) -> None:
    """The relay says so, goes on when it is back, and nothing is lost or doubled."""
    streams.publish([order(number) for number in range(600)])
    events: queue.Queue[Event] = queue.Queue()
    stop = threading.Event()
    with relaying(streams, shop, tell=events.put) as relay:
        thread = threading.Thread(target=relay.run, args=(stop,))
        thread.start()
        try:
            until(events, lambda event: event.details.get("relayed") == 600)
            streams.kill()
            waiting = until(events, lambda event: event.kind == "waiting")
            assert "asked again in" in waiting.says
            streams.start()
            until(events, lambda event: event.kind == "back")
            streams.publish([order(number) for number in range(600, 1_000)])
            until(events, lambda event: event.details.get("relayed") == 1_000)
        finally:
            stop.set()
            thread.join(LIMIT_S)
    numbers = [json.loads(one.body)["articles"] for one in streams.kept("NEXT")]
    assert sorted(numbers) == list(range(1_000))
    assert relay.counts.waits >= 1


def until(events: queue.Queue[Event], is_it: Callable[[Event], bool]) -> Event:
    """The first event that is it."""
    while True:
        event = events.get(timeout=LIMIT_S)
        if is_it(event):
            return event


def test_a_second_relay_of_a_name_stops_the_first(streams: NatsServer) -> None:
    """Only one can move the cursor; the other learns it at its next batch."""
    place = place_of(f"{streams.url}/ORDERS/orders.new")
    first, second = (NatsSource(place, "same", "subject") for _ in range(2))
    first.open()
    second.open()
    try:
        second.commit({"": (None, {})})
        with pytest.raises(CursorTaken, match="same"):
            first.commit({"": (None, {})})
    finally:
        first.close()
        second.close()


def test_large_messages_come_in_small_batches(streams: NatsServer) -> None:
    """So that a backlog of them does not fill the memory."""
    streams.publish([("orders.new", b"x" * 900_000, {})] * 60)
    source = NatsSource(place_of(f"{streams.url}/ORDERS/orders.new"), "large", "subject")
    source.open()
    try:
        taken = []
        while sum(taken) < 60:
            taken.append(len(source.take(512, 5.0).messages))
    finally:
        source.close()
    assert (max(taken) - 1) * 900_000 < BATCH_BYTES


def test_streams_that_would_lose_messages_are_refused(streams: NatsServer, shop: Path) -> None:
    """Before anything is read: work queues, loops, subjects that nobody keeps, streams that are not there."""
    streams.stream("WORK", ["work.>"], retention="workqueue")
    for places, fault, says in (
        (("WORK/work.a", "NEXT/next.new"), StreamUnfit, "workqueue"),
        (("ORDERS/orders.>", "ORDERS/orders.new"), StreamUnfit, "read what it writes"),
        (("ORDERS/orders.new", "NEXT/other.new"), StreamUnfit, "does not keep other.new"),
        (("ORDERS/orders.new", "NEXT/next.*"), StreamUnfit, "wildcards"),
        (("ORDERS/orders.new", "NONE/next.new"), StreamMissing, "no stream NONE"),
    ):
        with pytest.raises(fault, match=says):
            relayed(streams, shop, places=places)


def test_messages_that_went_before_they_were_read_are_told(streams: NatsServer, shop: Path) -> None:
    """A stream that lets go of old messages while the relay is away."""
    streams.publish([order(number) for number in range(5)])
    relayed(streams, shop)
    streams.publish([order(number) for number in range(5)])

    async def purge(jetstream: Any) -> None:
        await jetstream.purge_stream("ORDERS", keep=2)

    streams.run(purge)
    told: list[Event] = []
    assert relayed(streams, shop, tell=told.append).relayed == 2
    assert [one.says for one in told if one.kind == "notice"] == [
        "up to 3 messages went out of ORDERS before they were relayed"
    ]


def test_the_command_ends_cleanly_and_says_what_it_did(streams: NatsServer, shop: Path) -> None:
    """SIGTERM while it runs: what is in flight is finished; one JSON document a line."""
    streams.publish([order(number) for number in range(300)])
    urls = ["--from", f"{streams.url}/ORDERS/orders.new", "--to", f"{streams.url}/NEXT/next.new"]
    command = [str(INTERLOCK), "-C", str(shop), "lens", "relay", "order@1..2", *urls, "--output", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line).get("relayed") == 300:
                break
        process.send_signal(signal.SIGTERM)
        rest = [json.loads(line) for line in process.stdout]
    assert process.returncode == 0
    assert rest[-1]["kind"] == "stopped"
    assert rest[-1]["behind"] == 0
    assert len(streams.kept("NEXT")) == 300


def test_the_relay_follows_the_share_of_a_rollout(streams: NatsServer, shop: Path) -> None:
    """What the control plane says now decides; what it said last holds while it is silent."""
    said = [SchemaShare("order", "1", (), None, False, "version 1 serves")]

    class ControlPlane(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_known = self.path == "/v1/schema-share/order" and said
            body = json.dumps(dump(said[0]) if is_known else {"title": "thing.missing", "detail": "gone"}).encode()
            self.send_response(200 if is_known else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), ControlPlane) as plane:
        threading.Thread(target=plane.serve_forever).start()
        known = {"INTERLOCK_API": f"http://127.0.0.1:{plane.server_address[1]}", "INTERLOCK_TOKEN": "t"}
        urls = ["--from", f"{streams.url}/ORDERS/orders.new", "--to", f"{streams.url}/NEXT/next.new"]
        command = [str(INTERLOCK), "-C", str(shop), "lens", "relay", "order@1..2", *urls, "--follow", "-o", "json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | known) as process:
            try:
                assert process.stdout is not None
                lines = (json.loads(line) for line in process.stdout)
                streams.publish([order(1)])
                assert next(one for one in lines if one.get("unchanged") == 1)
                said[0] = replace(said[0], default="2", because="version 2 serves")
                assert next(one for one in lines if one["kind"] == "routing")["says"] == "version 2 serves"
                said.clear()
                assert "what it said last holds" in next(one for one in lines if one["kind"] == "notice")["says"]
                streams.publish([order(2)])
                assert next(one for one in lines if one.get("relayed") == 1)
            finally:
                process.terminate()
                plane.shutdown()
    versions = [one.headers["interlock-contract"] for one in streams.kept("NEXT")]
    assert versions == ["order@1", "order@2"]


def test_a_slow_start_is_waited_for(shop: Path, tmp_path: Path) -> None:
    """A relay that is started before its server."""
    server = NatsServer(tmp_path)
    events: queue.Queue[Event] = queue.Queue()
    with relaying(server, shop, tell=events.put) as relay:
        thread = threading.Thread(target=relay.run, args=(stop := threading.Event(),))
        thread.start()
        try:
            assert "no NATS server answers" in until(events, lambda event: event.kind == "waiting").says
        finally:
            stop.set()
            thread.join(LIMIT_S)
    assert not thread.is_alive()
