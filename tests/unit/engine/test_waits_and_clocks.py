"""Waiting that ends, and clocks that jump."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from support.driven import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.context.store.close()


def impatient(world: World, on_expiry: Literal["hold", "rollback", "ask"]) -> None:
    space = world.declared.workspace
    better = space.changes["better"]
    steps = replace(better.steps, patience_s=20.0, on_expiry=on_expiry)
    world.declared.workspace = replace(space, changes={"better": replace(better, steps=steps)})
    world.begin()


@pytest.mark.parametrize(
    ("on_expiry", "phase"), [("hold", "forward"), ("ask", "forward"), ("rollback", "draining")]
)
def test_patience_ends_as_declared(world: World, on_expiry: Literal["hold", "rollback", "ask"], phase: str) -> None:
    """Without traffic no gate decides: hold stays, ask stays and names the two commands, rollback goes back."""
    impatient(world, on_expiry)
    for _ in range(24):
        world.second(requests=0)
    now = world.now()
    assert now.position.phase == phase
    asks = (
        "`interlock promote better`" in now.position.because
        and "`interlock rollback better`" in now.position.because
    )
    assert asks == (on_expiry == "ask")


@pytest.mark.parametrize("jump_s", [-7_200.0, -0.5, 7_200.0, 86_400.0 * 365])
def test_a_clock_that_jumps_makes_no_block_and_ends_no_wait(world: World, jump_s: float) -> None:
    """Back or forth: blocks keep the length that was seen, no patience ends, and the rollout still promotes."""
    impatient(world, "rollback")
    for _ in range(8):
        world.second()
    world.clock.turn(jump_s)
    stage = world.now().position.stage
    for _ in range(5):
        world.second()
    assert world.now().position.phase == "forward"
    assert world.now().position.stage >= stage
    assert world.run().position.outcome == "promoted"
    with world.context.store.transaction() as tx:
        seconds = [b.seconds for b in tx.blocks("better-1")]
        told = [e.event.because for e in tx.trail() if e.event.kind == "rollout.gap"]
    assert all(0 < s < 5 for s in seconds)
    assert len(told) == (abs(jump_s) > 60)


def test_evidence_does_not_grow_younger_when_the_clock_goes_back(world: World) -> None:
    """Two hours back and no traffic since: stale, as it would be without the jump."""
    impatient(world, "hold")
    for _ in range(4):
        world.second()
    world.clock.turn(-7_200.0)
    for _ in range(20):
        world.second(requests=0)
    age_s = world.context.seen["better-1"].evidence_age_s
    assert age_s is not None
    assert 15 < age_s < 30


def test_evidence_that_is_rare_is_told_with_what_is_missing(world: World) -> None:
    """A caller every few minutes: the newest evidence is old, and how much more it takes is said all the same."""
    impatient(world, "hold")
    for _ in range(6):
        world.second(requests=200)
    for _ in range(20):
        world.second(requests=0)
    because = world.now().position.because
    assert "the newest evidence is" in because
    assert "would do (" in because


def test_a_drain_is_not_cut_short_by_a_clock_that_jumps(world: World) -> None:
    """Requests that the candidate holds get their time to finish."""
    rollout = world.begin()
    for _ in range(400):
        world.second(bad={rollout.candidate: 0.5})
        if world.now().position.phase == "draining":
            break
    world.clock.turn(3_600.0)
    world.loop.tick()
    assert world.now().position.phase == "draining"
