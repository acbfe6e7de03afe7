"""The loop when a look fails half way: what was not stored was never judged, and nothing gets its traffic back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from interlock.domain.audit.event import Event
from interlock.engine import reconcile, records
from interlock.engine.observe import Judges, read_base
from interlock.engine.rollouts import order
from interlock.kernel.errors import Invariant, Unavailable
from support.driven import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.context.store.close()


def broken(*arguments: object) -> object:
    raise Invariant("two and two are five")


def crash(*arguments: object) -> object:
    raise ZeroDivisionError("by nought")


def gone(*arguments: object) -> object:
    raise Unavailable("the disk is full")


def exposed(world: World) -> None:
    """A rollout that gives the candidate a weight."""
    world.begin()
    while not weights(world):
        world.second()


def weights(world: World) -> list[int]:
    assert world.plane.table is not None
    return [e.split.weight_bp for e in world.plane.table.entries if e.split]


def told(world: World, kind: str) -> list[Event]:
    with world.context.store.transaction(read_only=True) as tx:
        return [e.event for e in tx.trail() if e.event.kind == kind]


def test_a_block_that_was_not_stored_is_not_judged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transaction of a look fails after the verdict: later verdicts are those of the stored blocks alone."""
    exposed(world)
    world.second()
    with monkeypatch.context() as failing:
        failing.setattr(reconcile, "due", gone)
        with pytest.raises(Unavailable):
            world.second(bad={world.now().candidate: 0.05})
    world.second()
    rollout = world.now()
    with world.context.store.transaction(read_only=True) as tx:
        plan, base = records.read_plan(tx, rollout.plan), read_base(tx, rollout.id)
        assert base is not None
        anew = Judges().judgement(tx, rollout.id, plan, base.steps)
    assert world.context.seen[rollout.id].judgement == anew


def test_what_turns_back_does_not_get_its_traffic_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An invariant breaks at every look of the drain: the weight stays at zero, and the drain ends."""
    exposed(world)
    order(world.context, "better", "rollback", "ana")
    world.second()
    assert world.now().position.phase == "draining"
    monkeypatch.setattr(reconcile, "observe", broken)
    for _ in range(30):
        world.second()
        assert weights(world) == []
    assert world.now().position.outcome == "rolled_back"
    assert not world.now().is_live
    with world.context.store.transaction(read_only=True) as tx:
        assert tx.scan("hold") == []


def test_a_frozen_rollout_takes_orders_while_the_invariant_stays_broken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told and recorded once, however often one looks; an order to abort is taken up, the last of them."""
    exposed(world)
    said: list[str] = []
    world.loop.report = said.append
    monkeypatch.setattr(reconcile, "observe", broken)
    for _ in range(5):
        world.second()
    assert world.now().position.phase == "frozen"
    assert len(told(world, "rollout.frozen")) == len(said) == 1
    order(world.context, "better", "promote", "ana")
    world.second()
    assert "not promoted: two and two are five" in world.now().position.because
    order(world.context, "better", "abort", "ana")
    world.second()
    assert weights(world) == []
    assert world.run().position.outcome == "aborted"


def test_a_crash_of_ours_freezes_its_rollout_and_the_loop_lives(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the exception: it is told by its name, and a person can end it."""
    exposed(world)
    with monkeypatch.context() as failing:
        failing.setattr(reconcile, "observe", crash)
        world.second()
    assert world.now().position.because == "frozen: ZeroDivisionError: by nought"
    order(world.context, "better", "abort", "ana")
    assert world.run().position.outcome == "aborted"


def test_a_crash_outside_of_rollouts_is_reported_and_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that reconciles does not end while the rest of the control plane goes on."""
    said: list[str] = []
    world.loop.report = said.append
    stop = threading.Event()
    looks = iter(range(3))

    def ensure() -> bool:
        world.context.wake.set()
        if next(looks) == 2:
            stop.set()
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr(world.plane, "ensure", ensure)
    world.loop.run(stop)
    assert said == ["ZeroDivisionError: by nought"]


def test_what_only_a_live_rollout_needs_goes_with_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends right after the transaction that ended the rollout: nothing stays behind."""
    exposed(world)
    rollout = world.now()
    with world.context.store.transaction() as tx:
        tx.write("bad-keys", f"{rollout.id}/scoring|x", {"windows": {}})
    order(world.context, "better", "abort", "ana")
    monkeypatch.setattr(Judges, "forget", crash)
    assert not world.run().is_live
    with world.context.store.transaction(read_only=True) as tx:
        assert tx.scan("bad-keys") + tx.scan("spell") == []
