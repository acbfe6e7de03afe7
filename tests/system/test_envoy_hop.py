"""The lens hop between a real Envoy and services: what Lua cannot translate, and processes that come and go."""

from __future__ import annotations

import http.client
import json
import os
import re
import resource
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from interlock.adapters.envoy.hop import control
from interlock.adapters.envoy.hop.config import all_ways, sockets
from interlock.domain.lenses.expressions.nodes import FLOAT, Column
from interlock.domain.lenses.expressions.typing import call as calling
from interlock.domain.lenses.ops import Add, Program, Rename
from interlock.domain.releases.release import Release, Replay
from interlock.domain.releases.route_table import RouteTable, Split, route_table
from support.echo import Echo, free_port, serving
from support.gateway import SEED, Gateway, another, cut, deployed, eventually, gateway

COMPUTES: Program = (
    Add("double", value=calling("add", Column("a", FLOAT), Column("a", FLOAT))),
    Rename("a", "b"),
)
BACKWARD: Program = (Rename("score", "probability"),)


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("hop"), concurrency=2) as made:
        yield made


@pytest.fixture
def pair() -> Iterator[tuple[Echo, Echo]]:
    with serving(Echo("first")) as first, serving(Echo("second")) as second:
        yield first, second


def lensed(
    envoy: Gateway, pair: tuple[Echo, Echo], weight_bp: int = 10_000, **more: Any
) -> tuple[Release, Release]:
    """The second release reads another contract, by way of the hop."""
    lens = {"request": COMPUTES, "lens_engine": "hop", **more}
    r1, r2 = cut(deployed("hopped", pair[0])), cut(deployed("hopped", pair[1], "2", **lens))
    envoy.plane.publish(route_table(r1, (r2,), {"hopped": Split(r2.id, weight_bp, SEED)}))
    return r1, r2


def hop_health(envoy: Gateway) -> tuple[bool, str]:
    part = envoy.plane.health()[1]
    assert part.name == "lens hop"
    return part.is_well, part.says


def hop_pid(envoy: Gateway) -> int:
    pid: int = json.loads((envoy.directory / "hop-process.json").read_text())["pid"]
    return pid


def workers(envoy: Gateway) -> list[int]:
    parent = hop_pid(envoy)
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


class Stream:
    """Callers that send without pause, each on a kept connection; what they got."""

    def __init__(self, port: int, path: str, body: bytes, callers: int = 4) -> None:
        self._port, self._path, self._body, self._done = port, path, body, threading.Event()
        self.statuses: list[int] = []
        self._threads = [threading.Thread(target=self._call, args=(n,)) for n in range(callers)]

    def _call(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        headers = {"x-entity-key": f"k{number}", "content-type": "application/json"}
        while not self._done.is_set():
            connection.request("POST", self._path, self._body, headers)
            answer = connection.getresponse()
            answer.read()
            self.statuses.append(answer.status)
        connection.close()

    def more(self, number: int = 100) -> None:
        """Wait until so many more requests were answered."""
        wanted = len(self.statuses) + number
        eventually(lambda: len(self.statuses), lambda n: n >= wanted, 20)

    @contextmanager
    def flowing(self) -> Iterator[Stream]:
        for thread in self._threads:
            thread.start()
        try:
            self.more(20)
            yield self
        finally:
            self._done.set()
            for thread in self._threads:
                thread.join()


def test_a_lens_that_computes_stands_in_the_path(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """Pin, trace and other headers pass; the length is that of the translated body."""
    _, r2 = lensed(envoy, pair, response=BACKWARD)
    pair[1].answer = b'{"score": 0.50}'
    headers = {"traceparent": "00-1-2-01", "baggage": "a=1"}
    answer = envoy.ask("/hopped/x?q=1", b'{"a": 1.5}', key="k", headers=headers)
    assert (answer.status, answer.body, answer.release) == (200, b'{"probability":0.50}', r2.id)
    [seen] = pair[1].seen
    assert json.loads(seen["body"]) == {"b": 1.5, "double": 3.0}
    assert (seen["path"], seen["headers"]["traceparent"]) == ("/x?q=1", "00-1-2-01")
    assert seen["baggage"] == [f"interlock.release={r2.id},a=1"]
    assert int(seen["headers"]["content-length"]) == len(seen["body"])


@pytest.mark.parametrize(
    ("body", "sent", "read"),
    [
        (
            "oip",
            {"id": "7", "inputs": [{"name": "a", "shape": [2, 1], "datatype": "FP32", "data": [1.5, 2]}]},
            [
                {"name": "b", "shape": [2, 1], "datatype": "FP32", "data": [1.5, 2]},
                {"name": "double", "shape": [2, 1], "datatype": "FP64", "data": [3.0, 4.0]},
            ],
        ),
        (
            "mlflow",
            {"dataframe_split": {"columns": ["a"], "data": [[1.5], [2]]}},
            {"columns": ["b", "double"], "data": [[1.5, 3.0], [2, 4.0]]},
        ),
    ],
)
def test_the_lens_finds_its_records_in_every_declared_shape(
    envoy: Gateway, pair: tuple[Echo, Echo], body: str, sent: Any, read: Any
) -> None:
    """Rows of tensors and of data frames are records."""
    lensed(envoy, pair, body=body, request=(*COMPUTES,))
    envoy.ask("/hopped/v2/models/m/infer", json.dumps(sent).encode(), key="k")
    told = json.loads(pair[1].seen[0]["body"])
    assert told.get("inputs", told.get("dataframe_split")) == read
    assert told.get("id") == sent.get("id")


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_an_unreachable_service_is_replaced_for_any_method(
    envoy: Gateway, pair: tuple[Echo, Echo], method: str
) -> None:
    """What the hop could not send is safe to send elsewhere; the arm has the failure."""
    r1, r2 = lensed(envoy, (pair[0], Echo("gone", port=free_port())))
    assert envoy.ask("/hopped/x", b'{"a": 1}', key="k", method=method).release == r1.id
    assert envoy.plane.counters().arms["hopped", r2.id].bad == 1


def test_a_hanging_service_is_replayed(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """The hop lets go of the service when the proxy's time is over."""
    r1, _ = lensed(envoy, pair, timeout_s=0.3)
    pair[1].hang = threading.Event()
    assert envoy.ask("/hopped/x", b'{"a": 1}', key="k").release == r1.id


def test_no_request_fails_while_releases_change_behind_the_hop(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """Make before break: addresses are there before the proxy knows them, and what has begun is finished."""
    with serving(Echo("third")) as third:
        r1 = cut(deployed("moving", pair[0], request=COMPUTES, lens_engine="hop", replay=Replay()))
        others = [
            cut(deployed("moving", echo, str(n), request=COMPUTES, lens_engine="hop", replay=Replay()))
            for n, echo in enumerate((pair[1], third), start=2)
        ]
        envoy.plane.publish(route_table(r1))
        with Stream(envoy.edge, "/moving/x", b'{"a": 1}').flowing() as stream:
            for serves, candidate in ((r1, others[0]), (others[0], others[1]), (others[1], r1)):
                envoy.plane.publish(route_table(serves, (candidate,), {"moving": Split(candidate.id, 5_000, SEED)}))
                stream.more()
                envoy.plane.publish(route_table(candidate))
                stream.more()
        assert set(stream.statuses) == {200}
        assert {json.loads(e.seen[-1]["body"])["b"] for e in (*pair, third)} == {1}


def test_a_killed_worker_costs_what_was_under_way_at_most(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """What the candidate's hop loses is replayed under the baseline, and another worker takes its place."""
    lensed(envoy, pair)
    with Stream(envoy.edge, "/hopped/x", b'{"a": 1}').flowing() as stream:
        for _ in range(3):
            os.kill(workers(envoy)[0], signal.SIGKILL)
            stream.more(50)
    assert set(stream.statuses) == {200}
    is_well, says = eventually(lambda: hop_health(envoy), lambda told: told[0])
    assert is_well
    assert "2 of 2 workers" in says


def test_a_killed_hop_is_started_again(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """Workers outlive their parent; the next look brings a new one, which takes the addresses over."""
    lensed(envoy, pair)
    orphans = workers(envoy)
    with Stream(envoy.edge, "/hopped/x", b'{"a": 1}').flowing() as stream:
        os.kill(hop_pid(envoy), signal.SIGKILL)
        assert not eventually(lambda: hop_health(envoy), lambda told: not told[0])[0]
        stream.more(50)
        envoy.plane.ensure()
        assert hop_health(envoy)[0]
        stream.more(50)
        eventually(lambda: [pid for pid in orphans if Path(f"/proc/{pid}").exists()], lambda left: not left, 15)
    assert set(stream.statuses) == {200}


def test_a_hop_that_does_not_start_leaves_the_earlier_table_serving(
    tmp_path: Path, pair: tuple[Echo, Echo], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last word is told; the proxy is looked after all the same."""
    with gateway(tmp_path) as envoy:
        r1 = cut(deployed("hopped", pair[0]))
        envoy.plane.publish(route_table(r1))
        monkeypatch.setattr(control, "MODULE", "interlock.no_such_hop")
        with pytest.raises(control.HopFailed, match="No module named interlock"):
            lensed(envoy, pair)
        assert envoy.plane.published() == route_table(r1).digest
        assert envoy.ask("/hopped/x").release == r1.id
        monkeypatch.undo()
        lensed(envoy, pair)
        monkeypatch.setattr(control, "MODULE", "interlock.no_such_hop")
        envoy.plane._hop.stop()
        assert not envoy.plane.ensure()
        assert hop_health(envoy) == (False, "not running")


def test_another_control_plane_adopts_the_hop(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """Nothing is started anew when the plane that started it is gone."""
    lensed(envoy, pair)
    eventually(lambda: workers(envoy), lambda found: len(found) == 2, 15)
    before = hop_pid(envoy), workers(envoy)
    successor = another(envoy.directory, envoy.edge, envoy.inner, concurrency=2)
    assert not successor.plane.ensure()
    assert (hop_pid(envoy), workers(envoy)) == before
    assert hop_health(successor)[0]
    successor.plane.close()


def test_the_hop_ends_with_the_last_table_that_needs_it(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """Nothing runs for nothing, and no address is left."""
    r1, _ = lensed(envoy, pair)
    pid = hop_pid(envoy)
    envoy.plane.publish(route_table(r1))
    eventually(lambda: envoy.plane.ensure() or Path(f"/proc/{pid}").exists(), lambda runs: not runs, 15)
    assert [part.name for part in envoy.plane.health()] == ["envoy"]
    assert list((envoy.directory / "hop").glob("*")) == []


def test_copies_and_inner_calls_pass_the_hop_too(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """Whatever leads to the release's cluster is translated; a bare pin inside needs no Lua at all."""
    _, r2 = lensed(envoy, pair, 0)
    for pin in (f"interlock.release={r2.id}", f"a=1,interlock.release={r2.id}"):
        told = envoy.ask_inside("/hopped/x", pin, b'{"a": 2}').json
        assert json.loads(told["body"]) == {"b": 2, "double": 4.0}
        assert told["baggage"] == [pin if pin.startswith("interlock") else f"interlock.release={r2.id},a=1"]


def address(envoy: Gateway, table: RouteTable) -> str:
    """The first worker's address of the table's one way."""
    [way] = all_ways(table.backends)
    return str(sockets(envoy.directory, 2).of(way)[0])


def test_requests_in_a_pipeline_are_answered_in_their_order(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """Several requests in one segment, one cut in two, an answer without a body, and one refused between them."""
    table = route_table(cut(deployed("alone", pair[0], request=COMPUTES, lens_engine="hop")))
    envoy.plane.publish(table)
    posts = [f'POST /{n} HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\r\n{{"a": {n}}}' for n in (1, 2)]
    refused = "POST /r HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello"
    head = "HEAD /h HTTP/1.1\r\nhost: x\r\n\r\n"
    chunked = (
        "POST /c HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n"
        "connection: close\r\n\r\n"
        '4\r\n{"a"\r\n4\r\n: 3}\r\n0\r\n\r\n'
    )
    sent = "".join((posts[0], refused, head, posts[1], chunked)).encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(10)
        caller.connect(address(envoy, table))
        caller.sendall(sent[:150])
        caller.sendall(sent[150:])
        got = b"".join(iter(lambda: caller.recv(65_536), b""))
    assert re.findall(rb"HTTP/1.1 (\d+) ", got) == [b"200", b"400", b"200", b"200", b"200"]
    assert [e["path"] for e in pair[0].seen] == ["/1", "/h", "/2", "/c"]
    assert [json.loads(e["body"] or "{}").get("b") for e in pair[0].seen] == [1, None, 2, 3]


def test_a_hop_of_another_version_is_replaced(
    envoy: Gateway, pair: tuple[Echo, Echo], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its code is what translates: another process takes the addresses over, and nobody waits for an answer."""
    lensed(envoy, pair)
    before = hop_pid(envoy)
    monkeypatch.setattr(control, "__version__", "99.0")
    envoy.plane.ensure()
    assert hop_pid(envoy) != before
    monkeypatch.undo()
    lensed(envoy, pair)
    assert envoy.ask("/hopped/x", body=b'{"a": 2}').status == 200


def test_a_hop_whose_successor_does_not_start_serves_on(
    envoy: Gateway, pair: tuple[Echo, Echo], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installation that is broken must not end what a whole one began; the next one adopts it."""
    _, r2 = lensed(envoy, pair)
    before = hop_pid(envoy)
    monkeypatch.setattr(control, "__version__", "99.0")
    monkeypatch.setattr(control, "MODULE", "interlock.no_such_hop")
    envoy.plane.ensure()
    monkeypatch.undo()
    for _ in range(2):
        assert envoy.ask("/hopped/x", b'{"a": 1}', key="k").release == r2.id
        lensed(envoy, pair)
        assert hop_pid(envoy) == before


@pytest.mark.parametrize("workers", [1, 3])
def test_another_number_of_workers_is_taken_over(envoy: Gateway, pair: tuple[Echo, Echo], workers: int) -> None:
    """A control plane with other settings adopts the hop, and tells it what it wants."""
    _, r2 = lensed(envoy, pair)
    before = hop_pid(envoy)
    successor = another(envoy.directory, envoy.edge, envoy.inner, concurrency=workers)
    successor.plane.publish(route_table(r2))
    assert (hop_pid(envoy), f"{workers} of {workers} workers" in hop_health(successor)[1]) == (before, True)
    assert {envoy.ask("/hopped/x", b'{"a": 1}', key="k").release for _ in range(8)} == {r2.id}
    successor.plane.close()
    lensed(envoy, pair)


def test_workers_may_hold_as_many_connections_as_the_system_allows(envoy: Gateway, pair: tuple[Echo, Echo]) -> None:
    """Whatever the shell of the control plane allows by itself."""
    few, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    envoy.plane._hop.stop()
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, most))
    try:
        lensed(envoy, pair)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (few, most))
    told = Path(f"/proc/{workers(envoy)[0]}/limits").read_text()
    assert re.search(r"Max open files +(\d+) ", told)[1] == str(most)  # type: ignore[index] # it is there


@pytest.mark.parametrize("line", [b"{\n", b"[1]\n", b"\xff\n", b"\n"])
def test_what_is_no_question_does_not_end_the_hop(envoy: Gateway, pair: tuple[Echo, Echo], line: bytes) -> None:
    """Whoever may write to the control socket gets an answer, or the end of the connection."""
    lensed(envoy, pair)
    before = hop_pid(envoy)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.connect(str(sockets(envoy.directory, 2).control))
        asking.sendall(line)
        asking.makefile("rb").readline()
    assert hop_health(envoy)[0]
    assert hop_pid(envoy) == before
