"""The shadow stage: answers of copies, compared beyond the baseline's own noise, before anyone is served."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from interlock.cli.gate_text import explained
from interlock.cli.rollouts import lines
from interlock.domain.changes.request import ShadowStep
from interlock.domain.checks.compare import Tolerance
from interlock.engine.gates import gates_view
from interlock.engine.plans import plan_change
from interlock.engine.releases import adopt_declared
from interlock.engine.status import status_view
from support.driven import World
from support.world import change


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.context.store.close()


def declare(world: World, step: ShadowStep) -> None:
    better = change(shadow=True)
    steps = replace(better.steps, shadow=step)
    space = replace(world.declared.workspace, changes={"better": replace(better, steps=steps)})
    world.declared.workspace = space


STEP = ShadowStep(2_000, 3.0, pairs=10, max_difference=0.05)


def shadowed(world: World, seconds: int, body: bytes = b"{}", twin: bytes = b"{}", copies: int = 40) -> None:
    for _ in range(seconds):
        world.plane.copy("scoring", copies, body=body, twin=twin)
        world.second()
        if world.now().position.stage > 1 or world.now().position.phase != "forward":
            return


@pytest.mark.parametrize(
    ("share", "declared", "asked"), [(2_000, None, 1_000), (2_000, 300, 300), (9_000, None, 1_000)]
)
def test_twins_are_asked_for(world: World, share: int, declared: int | None, asked: int) -> None:
    """Half as many as copies, or as declared; copies and twins are never more than every request."""
    declare(world, replace(STEP, share_bp=share, twin_bp=declared))
    world.begin()
    world.second()
    world.second()
    assert world.plane.table is not None
    assert {e.shadow.twin_bp for e in world.plane.table.entries if e.shadow} == {asked}


def test_answers_that_differ_beyond_noise_turn_back_and_name_the_field(world: World) -> None:
    """Every copy differs, no twin does: turned back, with the field, its counts and its mean change."""
    declare(world, STEP)
    world.begin()
    shadowed(world, 20, body=b'{"score": 3}', twin=b"{}")
    ended = world.now()
    assert ended.position.phase == "draining"
    assert "beyond the baseline's own noise" in ended.position.because
    assert "score" in ended.position.because


def test_noise_of_the_baseline_itself_is_not_blamed_on_the_candidate(world: World) -> None:
    """Copies differ always, and so do twins: held until that is surely all noise, with the noisy field named and
    its remedy; then the rollout goes on.
    """
    declare(world, STEP)
    world.begin()
    shadowed(world, 6, body=b'{"at": 3}', twin=b'{"at": 2}')
    now = world.now()
    assert (now.position.stage, now.position.phase) == (1, "forward")
    assert "must be 5.0%" in now.position.because
    text = "\n".join(lines(status_view(world.context)))
    assert "at: the baseline alone differs, 100.0%" in text
    assert "ignore" in text
    assert "noise 100.0%" in "\n".join(explained(gates_view(world.context, "better")))
    shadowed(world, 20, body=b'{"at": 3}', twin=b'{"at": 2}')
    assert world.now().position.stage == 2


def test_without_twins_a_difference_never_turns_back(world: World) -> None:
    """What cannot be told from noise holds; it proves nothing."""
    declare(world, STEP)
    world.begin()
    for _ in range(8):
        world.plane.copy("scoring", 100, body=b'{"score": 3}')
        world.plane.pairs = [p for p in world.plane.pairs if not p.is_twin]
        world.second()
    now = world.now()
    assert (now.position.stage, now.position.phase) == (1, "forward")


def test_shadow_ends_only_when_answers_surely_differ_little_enough(world: World) -> None:
    """Ten agreeing pairs are enough pairs, and prove nothing about 5 %; the reason says how many more."""
    declare(world, STEP)
    world.begin()
    shadowed(world, 5, copies=4)
    held = world.now()
    assert held.position.stage == 1
    assert "more pairs" in held.position.because
    shadowed(world, 40, copies=40)
    assert world.now().position.stage == 2


def test_declared_tolerances_and_orders_are_heeded(world: World) -> None:
    """A difference within tolerance, in a list without order, or ignored, is none."""
    rules = replace(STEP, ignore=("id",), tolerate=(Tolerance("score", absolute=0.5),), any_order=("offers",))
    declare(world, rules)
    world.begin()
    baseline = json.dumps({"score": 1.0, "offers": [1, 2], "id": "a"}).encode()
    candidate = json.dumps({"score": 1.4, "offers": [2, 1], "id": "b"}).encode()
    for _ in range(20):
        world.plane.copy("scoring", 40)
        world.plane.pairs = [
            replace(p, baseline_body=baseline, candidate_body=candidate) for p in world.plane.pairs
        ]
        world.second()
        if world.now().position.stage > 1:
            break
    assert world.now().position.stage == 2
    assert world.context.seen["better-1"].shadow.differing == 0


def test_rules_of_comparison_are_part_of_what_is_approved(world: World) -> None:
    """Another tolerance makes another digest."""
    digests = set()
    for step in (STEP, replace(STEP, tolerate=(Tolerance("a", 1.0),)), replace(STEP, any_order=("a",))):
        declare(world, step)
        digests.add(world.approve_all().plan.digest)
    assert len(digests) == 3


def test_a_crash_in_shadow_loses_no_pair_and_counts_none_twice(world: World) -> None:
    """Pairs and twins are stored with the position."""
    declare(world, replace(STEP, seconds=100.0))
    world.begin()
    copied = 0
    for _ in range(10):
        world.plane.copy("scoring", 10)
        copied += sum(not p.is_twin for p in world.plane.pairs)
        world.second()
        world.crash()
    world.second()
    seen = world.context.seen["better-1"]
    assert seen.shadow.pairs == 2 * seen.twins.pairs == copied > 50


def test_posts_that_are_not_copied_are_told_in_the_plan(world: World) -> None:
    """Callers who only POST would keep the shadow waiting for pairs for ever; replay lets them be copied."""

    def told() -> list[str]:
        found = plan_change(world.context, "better").findings
        return [f.says for f in found if f.code == "shadow.posts_not_copied"]

    declare(world, STEP)
    [says] = told()
    assert says.startswith("POST requests to front are not copied")
    space = world.declared.workspace
    front = replace(space.services["front"], replay=("/score",))
    world.declared.workspace = replace(space, services={**space.services, "front": front})
    adopt_declared(world.context)
    assert told() == []
