"""A metric declared in YAML and read from a Prometheus that is well, slow, wrong or gone: what a person is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from interlock.adapters.metrics.open import Sources
from interlock.adapters.store.sql import open_store
from interlock.adapters.workspace.loader import WorkspaceFiles
from interlock.engine.context import Context
from interlock.engine.gates import gates_view
from interlock.engine.plans import approve_change, plan_change
from interlock.engine.reconcile import Loop
from interlock.engine.records import Rollout
from interlock.engine.releases import adopt_declared
from interlock.engine.rollouts import find, start
from interlock.engine.views import plan_view
from support.gateway import eventually
from support.metric_server import Fields, Script, _Handler, answers, sample, scripted, success
from support.world import ManualClock, SimPlane, SimProbe

SECRET = "hunter2-keeps-this"
FILES = """\
kind: Workspace
name: shop
---
kind: Service
name: scorer
owner: alex
serving: "1"
edge: true
versions: {{"1": {{endpoints: ["h:1"]}}, "2": {{endpoints: ["h:2"]}}}}
---
kind: Metric
name: refusals
source: http://reader:${{METRICS_PASSWORD}}@{host}
gives: counts
query: requests{{version=~"$arms"}}[$window]
bad: bad{{version=~"$arms"}}[$window]
arm_label: version
by: version
every_s: 5
---
kind: Change
name: better
why: fewer refusals
author: alex
sponsor: sam
moves: [{{service: scorer, to: "2"}}]
gates: [{{metric: outcome, service: scorer, outcome: refusals, margin: 0.1}}]
steps: {{canary: [20%], dwell_s: 5, warmup_s: 1, bake_s: 5}}
"""


def arms(candidate: str, baseline: str) -> list[dict[str, object]]:
    """Two series; the label is the version."""
    found = [sample("2", candidate), sample("1", baseline)]
    return [{"metric": {"version": s["metric"]["release"]}, "value": s["value"]} for s in found]


def counts(handler: _Handler, asked: Fields) -> None:
    """100 requests of the candidate, of which one was bad; 400 of the baseline, of which four were."""
    is_bad = asked["query"].startswith("bad")
    answers(200, success("vector", arms("1", "4") if is_bad else arms("100", "400")))(handler, asked)


@dataclass
class World:
    """A workspace on disk, its Prometheus, and a data plane in memory."""

    root: Path
    host: str
    clock: ManualClock = field(default_factory=ManualClock)
    plane: SimPlane = field(default_factory=SimPlane)

    def __post_init__(self) -> None:
        (self.root / "interlock.yaml").write_text(FILES.format(host=self.host))
        store = open_store(f"sqlite:///{self.root / 'state.db'}")
        sources = Sources({"METRICS_PASSWORD": SECRET})
        files = WorkspaceFiles(self.root)
        self.context = Context(store, self.plane, SimProbe(), files, self.clock, sources=sources)
        self.loop = Loop(self.context)
        adopt_declared(self.context)
        self.loop.tick()

    def begin(self) -> Rollout:
        for requirement in plan_change(self.context, "better").missing:
            approve_change(self.context, "better", requirement.role, "sam")
        return start(self.context, "better", "sam")

    def seconds(self, count: int) -> None:
        """Traffic and looks; each question is answered before the next look."""
        for _ in range(count):
            self.plane.send("scorer", 1_000)
            self.clock.turn(1.0)
            self.loop.tick()
            eventually(self.pending, lambda waiting: not waiting, deadline_s=20)

    def to_the_end(self) -> str:
        """Until the rollout is over, or two minutes have passed; why it is where it is."""
        for _ in range(24):
            self.seconds(5)
            if self.because() == "the candidate is what serves now":
                break
        return self.because()

    def pending(self) -> int:
        found = self.loop.readings.answers("better-1").values()
        return sum(a.reading is None for a in found)

    def because(self) -> str:
        with self.context.store.transaction(read_only=True) as tx:
            return find(tx, "better").position.because

    def close(self) -> None:
        self.loop.close()
        self.context.store.close()


@dataclass
class Server:
    """A Prometheus that answers by `script`, which a test may change."""

    script: Script = counts
    queries: list[str] = field(default_factory=list)

    def answer(self, handler: _Handler, asked: Fields) -> None:
        self.queries.append(asked["query"])
        self.script(handler, asked)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def world(tmp_path: Path, server: Server) -> Iterator[World]:
    with scripted(server.answer) as url:
        made = World(tmp_path, url.removeprefix("http://"))
        yield made
        made.close()


def test_a_plan_says_what_is_read_and_holds_no_secret(world: World) -> None:
    """The variable's name stands in it, and is what is approved."""
    view = plan_view(plan_change(world.context, "better"))
    says = next(g["says"] for g in view["gates"] if g["outcome"] == "refusals")
    read = f"read every 5 s from http://reader:${{METRICS_PASSWORD}}@{world.host}"
    assert says == f"mean refusals at most 0.1 above the baseline's (each capped at 1), {read}"
    assert SECRET not in json.dumps(view)


def test_counts_of_a_prometheus_judge_a_rollout(world: World, server: Server) -> None:
    """Asked for the versions of the gate's service over whole intervals, until the gates pass."""
    world.begin()
    assert world.to_the_end() == "the candidate is what serves now"
    assert all('version=~"2|1"' in query for query in server.queries)
    assert {query.split("[")[1] for query in server.queries} == {"5000ms]"}
    gate = next(g for g in gates_view(world.context, "better")["gates"] if g["metric"] == "outcome")
    seen = gate["candidate"]["requests"], gate["baseline"]["requests"]
    assert seen[0] >= 100
    assert seen[1] == 4 * seen[0]


def no_number(handler: _Handler, asked: Fields) -> None:
    answers(200, success("vector", arms("NaN", "4")))(handler, asked)


def one_arm(handler: _Handler, asked: Fields) -> None:
    answers(200, success("vector", arms("1", "4")[1:]))(handler, asked)


def warned(handler: _Handler, asked: Fields) -> None:
    answers(200, success("vector", arms("1", "4"), warnings=["a store is down"]))(handler, asked)


def refused(handler: _Handler, asked: Fields) -> None:
    text = f"parse error near {handler.headers['Authorization']} {SECRET}"
    answers(400, {"status": "error", "errorType": "bad_data", "error": text})(handler, asked)


@pytest.mark.parametrize(
    ("script", "lack", "says"),
    [
        (no_number, "invalid", "'NaN', which is no finite number"),
        (one_arm, "empty", "nothing was found on the candidate (2)"),
        (warned, "partial", "a store is down"),
        (answers(200, b"<html>login</html>"), "unavailable", "not JSON"),
        (answers(503, {"status": "error"}), "unavailable", "it answered 503"),
        (refused, "invalid", "the query was refused"),
    ],
    ids=["nan", "one-arm", "warning", "login-page", "error", "refused"],
)
def test_a_prometheus_that_is_wrong_is_never_a_pass(
    world: World, server: Server, script: Script, lack: str, says: str
) -> None:
    """The rollout holds with the reason, and goes on when numbers come."""
    server.script = script
    world.begin()
    world.seconds(15)
    assert f"the source of refusals gave no numbers ({lack})" in world.because()
    assert says in world.because()
    assert SECRET not in world.because()
    view = gates_view(world.context, "better")
    assert view["verdict"]["kind"] == "undecided"
    assert SECRET not in json.dumps(view)
    server.script = counts
    assert world.to_the_end() == "the candidate is what serves now"


def test_a_prometheus_that_hangs_stops_nothing_else(tmp_path: Path, server: Server) -> None:
    """Looks go on at once while it does not answer; the gate has no numbers."""
    free = threading.Event()
    server.script = lambda _handler, _asked: assert_waited(free)
    with scripted(server.answer) as url:
        world = World(tmp_path, url.removeprefix("http://"))
        world.begin()
        for _ in range(50):
            world.plane.send("scorer", 1_000)
            world.clock.turn(1.0)
            world.loop.tick()
        assert "refusals has no numbers of the last" in world.because()
        free.set()
        world.close()
    text = b"".join(p.read_bytes() for p in tmp_path.iterdir() if p.is_file())
    assert SECRET.encode() not in text


def assert_waited(free: threading.Event) -> None:
    assert free.wait(20)
