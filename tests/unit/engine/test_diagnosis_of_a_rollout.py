"""Why a rollout was turned back: told from windows of inputs, answers and errors, and kept with the verdict."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from interlock.adapters.web.page import PAGE
from interlock.cli.gate_text import explained
from interlock.cli.rollouts import lines
from interlock.domain.gates.receipt import replay
from interlock.engine.captures import KEPT
from interlock.engine.gates import gates_view
from interlock.engine.observe import read_base
from interlock.engine.status import status_view
from support.driven import World

PER_SECOND = 60


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.context.store.close()


def spread(i: int) -> float:
    return (i * 37 % 100) / 100


def asked(amount: Callable[[int], float]) -> list[bytes]:
    return [json.dumps({"amount": amount(i)}).encode() for i in range(PER_SECOND)]


def answered(score: Callable[[int], object]) -> list[bytes]:
    return [json.dumps({"score": score(i)}).encode() for i in range(PER_SECOND)]


def serve(
    world: World,
    seconds: int,
    amount: Callable[[int], float] = spread,
    score: Callable[[int], object] = spread,
    bad: dict[str, float] | None = None,
) -> None:
    """Seconds of traffic: `amount` asked of both releases, `score` answered by the candidate."""
    rollout = world.now()
    for _ in range(seconds):
        for body in asked(amount):
            world.plane.sample("scoring", {rollout.baseline: [b'{"score": 0.5}']}, body)
        world.plane.answers = [
            a.__class__(a.service, a.release, 200, a.request, body)
            for a, body in zip(world.plane.answers, answered(spread), strict=False)
        ]
        world.plane.sample("scoring", {rollout.candidate: answered(score)})
        world.second(bad=bad)
        if world.now().position.phase != "forward":
            return


def begin(world: World) -> tuple[str, str]:
    """A rollout that stays in its first canary step for a while; its releases (candidate, baseline)."""
    space = world.declared.workspace
    better = space.changes["better"]
    slow = replace(better, steps=replace(better.steps, dwell_s=100.0))
    world.declared.workspace = replace(space, changes={"better": slow})
    rollout = world.begin()
    return rollout.candidate, rollout.baseline


def diagnosis(world: World) -> dict[str, Any]:
    assert world.now().position.outcome == "rolled_back", world.now().position
    with world.context.store.transaction() as tx:
        event = next(e.event for e in tx.trail() if e.event.kind == "rollout.turned_back")
        raw = tx.read("receipt", event.facts["receipt"])
    assert raw is not None
    text = raw.body["text"].encode()
    assert replay(text) == text
    told: dict[str, Any] = event.facts["diagnosis"]
    assert json.loads(text)["subject"]["diagnosis"] == told
    return told


def test_answers_that_move_first_are_the_candidates(world: World) -> None:
    """Inputs stay; the candidate's scores break, then its errors rise: model-driven, carried by the score."""
    candidate, _ = begin(world)
    serve(world, 8)
    serve(world, 6, score=lambda i: spread(i) / 4)
    serve(world, 60, score=lambda i: spread(i) / 4, bad={candidate: 0.3})
    told = diagnosis(world)
    assert told["cause"] == "model"
    assert told["carriers"][0]["subject"] == "scoring score"
    for text in (lines(status_view(world.context)), explained(gates_view(world.context, "better"))):
        assert any("diagnosis: model-driven" in line for line in text)
        assert any("carried by answers scoring score" in line for line in text)


def test_inputs_that_move_first_are_no_deed_of_the_candidate(world: World) -> None:
    """Both releases are asked for other amounts, then the candidate fails: data-driven."""
    candidate, _ = begin(world)
    serve(world, 12)
    serve(world, 8, amount=lambda i: 5 + spread(i))
    serve(world, 60, amount=lambda i: 5 + spread(i), bad={candidate: 0.3})
    told = diagnosis(world)
    assert told["cause"] == "data"
    assert told["carriers"][0]["subject"] == "scoring amount"


def test_both_releases_failing_together_is_around_them(world: World) -> None:
    """The baseline fails as well: environment-driven, and it is said that the baseline itself is broken."""
    candidate, baseline = begin(world)
    serve(world, 8)
    serve(world, 90, bad={candidate: 0.7, baseline: 0.3})
    told = diagnosis(world)
    assert told["cause"] == "environment"
    assert told["is_baseline_broken"]
    assert "the baseline of scoring itself failed" in told["because"]


def test_a_candidate_that_fails_alone_is_not_explained_away(world: World) -> None:
    """Its errors rise while inputs and answers hold still: release and machine look alike, and that is said."""
    candidate, _ = begin(world)
    serve(world, 8)
    serve(world, 90, bad={candidate: 0.3})
    told = diagnosis(world)
    assert told["cause"] == "unknown"
    assert "look alike" in told["because"]
    assert not told["is_baseline_broken"]


def test_windows_grow_with_the_logarithm_of_time(world: World) -> None:
    """The recent past is kept finely, the rest coarsely; when the rollout has ended, nothing is left of it."""
    world.begin()
    for _ in range(170):
        world.second(requests=0)
    with world.context.store.transaction() as tx:
        base = read_base(tx, "better-1")
        kept = tx.scan("spell", "better-1/")
    assert base is not None
    assert len(kept) == len(base.caught.spells) < 2 * KEPT
    assert world.run().position.outcome == "promoted"
    with world.context.store.transaction() as tx:
        assert tx.scan("spell", "better-1/") == []


def test_the_page_shows_the_diagnosis() -> None:
    """It reads it from the status."""
    assert "r.diagnosis.because" in PAGE
