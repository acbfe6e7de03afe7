"""Outcomes that come late, from post to verdict: what is judged when, that each counts once, and what is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from interlock.adapters.store.sql import open_store
from interlock.domain.changes.request import GateSpec, Steps
from interlock.domain.checks.metric import Metric
from interlock.domain.gates.receipt import replay
from interlock.engine.context import Context
from interlock.engine.gates import gates_view
from interlock.engine.outcomes import take_in
from interlock.engine.plans import approve_change, plan_change
from interlock.engine.ports import Outcome
from interlock.engine.reconcile import Loop
from interlock.engine.releases import adopt_declared
from interlock.engine.rollouts import find, start
from support.world import Declared, ManualClock, SimPlane, SimProbe, change, workspace

GATES = (GateSpec("errors", "scoring", 0.05), GateSpec("outcome", "scoring", 0.2, "wrong", 1.0))
STEPS = Steps(canary_bp=(2_000,), dwell_s=5.0, warmup_s=1.0, bake_s=5.0)


@dataclass
class World:
    """A rollout judged by labels that take `delay_s`, those of a loss of 1 `slow_s` more. wrong: shares by arm."""

    path: Path
    delay_s: int = 5
    slow_s: int = 0
    wrong: dict[str, float] = field(default_factory=lambda: {"candidate": 0.1, "baseline": 0.1})
    horizon_s: float | None = None
    dwell_s: float = 5.0
    posted: list[Outcome] = field(default_factory=list)
    due: list[tuple[datetime, Outcome]] = field(default_factory=list)

    def __post_init__(self) -> None:
        space = workspace(better=replace(change(), gates=GATES, steps=replace(STEPS, dwell_s=self.dwell_s)))
        if self.horizon_s is not None:
            space = replace(space, metrics={"wrong": Metric("wrong", horizon_s=self.horizon_s)})
        self.declared, self.clock, self.plane = Declared(space), ManualClock(), SimPlane()
        self.boot()
        adopt_declared(self.context)
        self.loop.tick()
        for requirement in plan_change(self.context, "better").missing:
            approve_change(self.context, "better", requirement.role, requirement.holders[0])
        self.rollout = start(self.context, "better", "ana")

    def boot(self) -> None:
        store = open_store(f"sqlite:///{self.path / 'state.db'}")
        self.context = Context(store, self.plane, SimProbe(), self.declared, self.clock)
        self.loop = Loop(self.context)

    def close(self) -> None:
        self.loop.close()
        self.context.store.close()

    def answer(self) -> None:
        """Twenty answers of each release in this second, and their labels in time to come."""
        answered_at = self.clock.now()
        for arm, release in (("candidate", self.rollout.candidate), ("baseline", self.rollout.baseline)):
            for i in range(20):
                is_wrong = i < 20 * self.wrong[arm]
                at = answered_at + timedelta(seconds=self.delay_s + (self.slow_s if is_wrong else 0))
                name = f"{release}-{answered_at.isoformat()}-{i}"
                one = Outcome(name, "scoring", release, "wrong", float(is_wrong), at, answered_at)
                self.due.append((at, one))

    def seconds(self, count: int) -> None:
        for _ in range(count):
            for service in ("front", "scoring"):
                self.plane.send(service, 1_000)
            if self.stage()[0] == 1:
                self.answer()
            self.clock.turn(1.0)
            come = [o for at, o in self.due if at <= self.clock.now()]
            self.due = [(at, o) for at, o in self.due if at > self.clock.now()]
            take_in(self.context, come)
            self.posted += come
            self.loop.tick()

    def stage(self) -> tuple[int, str]:
        with self.context.store.transaction(read_only=True) as tx:
            position = find(tx, "better").position
        return position.stage, position.because

    def judged(self) -> dict[str, int]:
        """Labels in the stored blocks, by arm."""
        with self.context.store.transaction(read_only=True) as tx:
            services = [b.services["scoring"] for b in tx.blocks(self.rollout.id)]
        return {
            "candidate": sum(n for s in services for n in s.candidate.losses.get("wrong", {}).values()),
            "baseline": sum(n for s in services for n in s.baseline.losses.get("wrong", {}).values()),
        }


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, horizon_s=30.0)
    yield made
    made.close()


def wrong_of(view: dict[str, object]) -> dict[str, object]:
    gates = view["gates"]
    assert isinstance(gates, list)
    return next(g for g in gates if g["gate"] == "scoring/outcome/wrong")


def test_a_candidate_whose_bad_labels_come_late_is_not_passed_on_its_good_ones(tmp_path: Path) -> None:
    """Half of its answers are wrong, which shows 20 s later than that the others are right. Judged as they come,
    the first labels would speak for it: nothing passes, and it is turned back.
    """
    world = World(tmp_path, delay_s=1, slow_s=20, wrong={"candidate": 0.5, "baseline": 0.1}, horizon_s=30.0)
    world.seconds(28)
    assert world.stage()[0] == 1
    assert world.judged() == {"candidate": 0, "baseline": 0}
    view = gates_view(world.context, "better")
    assert "labels wait; those of a block are judged when it is about 30 s old" in str(wrong_of(view)["verdict"])
    assert view["supplies"][0]["wait_s"] == 30.0
    world.seconds(60)
    assert "turning back, because scoring/outcome/wrong" in world.stage()[1]
    world.close()


def test_an_equal_candidate_passes_and_the_receipt_states_what_is_assumed(world: World) -> None:
    """Each label is judged once, both arms alike; the receipt recomputes."""
    world.seconds(100)
    assert world.stage()[1] in ("the candidate is what serves now", "the baseline is no longer needed")
    judged = world.judged()
    assert judged["candidate"] == judged["baseline"] > 0
    with world.context.store.transaction(read_only=True) as tx:
        text = tx.scan("receipt", f"{world.rollout.id}.")[-1].body["text"].encode()
    assert replay(text) == text
    assumed = json.loads(text)["subject"]["assumes"]
    assert any("labels of both arms take equally long" in line for line in assumed)


def test_labels_count_once_across_crashes_repeats_and_any_order(tmp_path: Path) -> None:
    """The control plane dies every second, everything is posted again each time, the newest first: no label is
    lost, and none counts twice.
    """
    world = World(tmp_path, horizon_s=30.0, dwell_s=90.0)
    for _ in range(45):
        world.seconds(1)
        take_in(world.context, world.posted[::-1])
        world.close()
        world.boot()
    with world.context.store.transaction(read_only=True) as tx:
        assert len(tx.outcomes()) == len({o.id for o in world.posted})
    view = gates_view(world.context, "better")
    supply = view["supplies"][0]
    assert sum(world.judged().values()) + supply["pending"] == len(world.posted)
    assert supply["unseen"] == supply["unknown"] == 0
    assert sum(world.judged().values()) > 0
    world.close()


def test_labels_of_others_are_told(world: World) -> None:
    """An answer before the rollout, a release that nobody knows: in status and explain, and not in a block."""
    world.seconds(10)
    stranger = Outcome("x", "scoring", "rffffffffffff", "wrong", 1.0, world.clock.now())
    early = world.clock.now() - timedelta(hours=1)
    other = Outcome("y", "scoring", world.rollout.candidate, "wrong", 1.0, world.clock.now(), early)
    elsewhere = Outcome("z", "front", world.rollout.candidate, "wrong", 1.0, world.clock.now())
    take_in(world.context, [stranger, other, elsewhere])
    world.seconds(1)
    view = gates_view(world.context, "better")
    supply = view["supplies"][0]
    assert (supply["unseen"], supply["unknown"]) == (1, 1)
    assert world.judged() == {"candidate": 0, "baseline": 0}
    assert "1 labels of releases that are not in this rollout are not judged" in str(wrong_of(view)["verdict"])


def test_without_a_horizon_the_wait_is_learned(tmp_path: Path) -> None:
    """From labels that all take five seconds; until that is seen, nothing is judged."""
    world = World(tmp_path, delay_s=5)
    world.seconds(7)
    assert sum(world.judged().values()) == 0
    world.seconds(60)
    assert sum(world.judged().values()) > 0
    assert 5 <= gates_view(world.context, "better")["supplies"][0]["wait_s"] <= 20
    world.close()


@pytest.mark.parametrize("jump_s", [-3_600.0, 7_200.0, 50.0])
def test_a_clock_that_jumps_counts_no_label_twice(world: World, jump_s: float) -> None:
    """To and fro, between two looks."""
    world.seconds(20)
    world.clock.turn(jump_s)
    world.seconds(20)
    world.clock.turn(-jump_s)
    world.seconds(40)
    take_in(world.context, world.posted)
    world.seconds(1)
    supply = gates_view(world.context, "better")["supplies"][0]
    counted = sum(world.judged().values()) + supply["pending"] + supply["unseen"]
    assert counted <= len(world.posted)
