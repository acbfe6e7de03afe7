"""Who is meant by a name, which order counts, and what a rollout begins with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from interlock.domain.releases.release import Deployment
from interlock.engine import records
from interlock.engine.plans import plan_change
from interlock.engine.rollouts import RolloutTurningBack, order, start
from interlock.kernel.errors import Stale
from support.driven import World
from support.world import change


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.context.store.close()


def declare(world: World, *names: str) -> None:
    """Changes that all move the same."""
    space = world.declared.workspace
    world.declared.workspace = replace(space, changes={**space.changes, **{n: change(n) for n in names}})


def test_an_order_to_go_back_is_not_overwritten(world: World) -> None:
    """Another order before the next look, or in the drain, is refused with the reason; the same one is no news."""
    world.begin()
    world.second()
    order(world.context, "better", "rollback", "ana")
    with pytest.raises(RolloutTurningBack, match="ana asked for it"):
        order(world.context, "better", "resume", "ben")
    assert order(world.context, "better", "abort", "ben").position.order == world.now().position.order
    world.second()
    with pytest.raises(RolloutTurningBack, match="turning back"):
        order(world.context, "better", "promote", "ben")
    assert world.run().position.outcome == "rolled_back"
    with world.context.store.transaction(read_only=True) as tx:
        ordered = [e.event.kind for e in tx.trail() if e.event.kind.endswith("_ordered")]
    assert ordered == ["rollout.rollback_ordered"]


def test_the_newest_rollout_of_a_change_is_the_last_that_was_started(world: World) -> None:
    """Also when the clock went back between the two, and after more than nine."""
    world.begin()
    world.second()
    order(world.context, "better", "abort", "ana")
    world.run()
    world.clock.turn(-7_200.0)
    assert start(world.context, "better", "ana").id == "better-2"
    assert world.now().id == "better-2"
    order(world.context, "better", "abort", "ana")
    ended = world.run()
    with world.context.store.transaction() as tx:
        for number in (9, 10):
            records.write_rollout(tx, replace(ended, id=f"better-{number}", version=0))
    assert start(world.context, "better", "ana").id == "better-11"
    assert world.now().id == "better-11"


def test_a_name_means_a_change_or_a_rollout(world: World) -> None:
    """A change called as a rollout is not planned; a rollout is not numbered into the name of a change."""
    declare(world, "better-1", "better-2")
    plan_change(world.context, "better-2")
    world.begin()
    (taken,) = [f for f in plan_change(world.context, "better-1").findings if f.is_blocking]
    assert taken.code == "change.name_taken"
    order(world.context, "better", "abort", "ana")
    world.run()
    assert start(world.context, "better", "ana").id == "better-3"


def test_receipts_are_of_one_rollout_in_the_order_of_their_numbers(world: World) -> None:
    """Names of changes may have dots, and ten comes after nine."""
    with world.context.store.transaction() as tx:
        for name in (*(f"better-1.{n}" for n in range(1, 12)), "better-1.x-1.1"):
            tx.write("receipt", name, {"text": "{}"})
        found = [d.key for d in records.read_receipts(tx, "better-1")]
    assert found == [f"better-1.{n}" for n in range(1, 12)]


@dataclass
class Meanwhile:
    """A probe that takes its time: once it was asked, another release serves."""

    world: World

    def ill(self, deployments: Sequence[Deployment]) -> dict[str, str]:
        with self.world.context.store.transaction() as tx:
            current = records.read_current(tx)
            assert current is not None
            moved = [replace(d, timeout_s=9.0) if d.service == "front" else d for d in current.deployments]
            records.write_current(tx, replace(current, deployments=tuple(moved)))
        return {}


def test_a_plan_for_another_release_than_serves_now_is_not_started(world: World) -> None:
    """What serves changed while endpoints were asked: the approved plan translates from what is gone."""
    world.approve_all()
    context = replace(world.context, probe=Meanwhile(world))
    with pytest.raises(Stale, match="another release serves"):
        start(context, "better", "ana")
    with world.context.store.transaction(read_only=True) as tx:
        assert tx.scan("rollout") + tx.scan("hold") == []
