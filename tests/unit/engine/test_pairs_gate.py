"""Gates on pairs: both answers to one request are scored in shadow, where nobody is served by the candidate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from interlock.domain.changes.request import GateSpec, ShadowStep
from interlock.engine.plans import PlanBlocked, plan_change
from support.driven import World
from support.world import change


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.context.store.close()


def declare(world: World, outcome: str, shadow: ShadowStep | None) -> None:
    """The usual change, with a gate on pairs that tolerates two more bad answers in a hundred."""
    better = change()
    gate = GateSpec("outcome", "scoring", 0.02, outcome, 1.0, sample="pairs")
    steps = replace(better.steps, shadow=shadow)
    changed = replace(better, gates=(*better.gates, gate), steps=steps)
    world.declared.workspace = replace(world.declared.workspace, changes={"better": changed})


STEP = ShadowStep(2_000, 3.0, pairs=10)


def shadowed(world: World, seconds: int, bad: int) -> None:
    for _ in range(seconds):
        world.plane.copy("scoring", 40, bad=bad)
        world.second()
        if world.now().position.stage > 1 or world.now().position.phase != "forward":
            return


def test_shadow_is_left_when_pairs_prove_enough_and_they_are_not_asked_again(world: World) -> None:
    """A few pairs are enough for the stage and not for the gate; with both served, the gate has had its say."""
    declare(world, "failure", STEP)
    world.begin()
    shadowed(world, 6, bad=0)
    held = world.now().position
    assert held.stage == 1
    assert "failure" in held.because
    shadowed(world, 60, bad=0)
    assert world.now().position.stage == 2
    assert world.run().position.outcome == "promoted"


def test_more_failures_on_the_same_requests_turn_back_in_shadow(world: World) -> None:
    """One in ten copies fails where the caller's answer did not: turned back, with nobody served by it."""
    declare(world, "failure", STEP)
    rollout = world.begin()
    shadowed(world, 120, bad=4)
    assert world.now().position.phase == "draining"
    assert ("scoring", rollout.candidate) not in world.plane.arms


@pytest.mark.parametrize(
    ("outcome", "shadow", "says"),
    [
        ("absolute_error", STEP, "no loss is known of both answers"),
        ("contract", STEP, "no loss is known of both answers"),
        ("failure", None, "there is no shadow stage"),
    ],
)
def test_pairs_that_nothing_scores_are_found_before_the_approval(
    world: World, outcome: str, shadow: ShadowStep | None, says: str
) -> None:
    """Labels come after the answers, and this service promises no contract: the plan has an error."""
    declare(world, outcome, shadow)
    found = {f.code: f.says for f in plan_change(world.context, "better").findings}
    assert says in found["gate.no_pairs"]
    with pytest.raises(PlanBlocked):
        world.approve_all()


def test_a_gate_on_answers_that_nobody_captures_is_told(world: World) -> None:
    """It would wait for posted outcomes alone."""
    declare(world, "contract", None)
    space = world.declared.workspace
    better = space.changes["better"]
    gates = (*better.gates[:-1], replace(better.gates[-1], sample="arms"))
    world.declared.workspace = replace(space, changes={"better": replace(better, gates=gates)})
    found = {f.code: f.says for f in plan_change(world.context, "better").findings}
    assert "answers of scoring are not captured" in found["gate.answers_unseen"]


def test_a_shadow_of_everything_says_that_it_cannot_tell_noise(world: World) -> None:
    """No request is left for twins, so a bound on the difference turns nothing back."""
    better = change()
    step = ShadowStep(10_000, 3.0, max_difference=0.05)
    changed = replace(better, steps=replace(better.steps, shadow=step))
    world.declared.workspace = replace(world.declared.workspace, changes={"better": changed})
    codes = {f.code for f in plan_change(world.context, "better").findings}
    assert "shadow.no_twins" in codes
