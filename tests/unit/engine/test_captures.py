"""What captured requests tell beyond counts: broken contracts, answers that moved, first bad answers per key."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from interlock.domain.catalog.service import VersionRef
from interlock.domain.changes.request import AnswersStep
from interlock.domain.gates.receipt import replay
from interlock.domain.schemas.contract import record
from interlock.domain.schemas.field import NUMBER, Field
from interlock.engine.captures import Caught, notes
from interlock.engine.observe import read_base
from interlock.engine.ports import BadAnswer, Counters
from interlock.engine.records import read_plan
from interlock.engine.rollouts import order
from support.driven import World

SCORES = record("scores", "1", (Field("score", NUMBER, minimum=0, maximum=1), Field("why", NUMBER, nullable=True)))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    on_edge(made, True)
    yield made
    made.context.store.close()


def on_edge(world: World, is_on: bool) -> None:
    """Whether callers from outside reach scoring, whose answers are then captured."""
    space = world.declared.workspace
    scoring = replace(space.services["scoring"], edge=is_on)
    world.declared.workspace = replace(space, services={**space.services, "scoring": scoring})


def promise(world: World) -> None:
    """Scoring answers with a contract, and so do its callers read it."""
    space = world.declared.workspace
    scoring = space.services["scoring"]
    versions = {v: replace(one, response=VersionRef("scores", "1")) for v, one in scoring.versions.items()}
    spec = replace(scoring, versions=versions, callers_response=VersionRef("scores", "1"))
    world.declared.workspace = replace(
        space,
        services={**space.services, "scoring": spec},
        contracts={**space.contracts, ("scores", "1"): SCORES},
    )


def declare(world: World, answers: AnswersStep) -> None:
    space = world.declared.workspace
    better = space.changes["better"]
    steps = replace(better.steps, answers=answers)
    world.declared.workspace = replace(space, changes={"better": replace(better, steps=steps)})


def scores(first: int, count: int, of: Callable[[int], object]) -> list[bytes]:
    return [json.dumps({"score": of(i), "why": None}).encode() for i in range(first, first + count)]


def usual(i: int) -> float:
    return (i * 37 % 100) / 100


def serve(world: World, seconds: int, candidate: Callable[[int], object], per_second: int = 40) -> None:
    """Seconds of traffic with sampled answers; the candidate answers as it is told to."""
    rollout = world.now()
    for second in range(seconds):
        first = second * per_second
        bodies = {
            rollout.baseline: scores(first, per_second, usual),
            rollout.candidate: scores(first, per_second, candidate),
        }
        world.plane.sample("scoring", bodies)
        world.second()
        if not world.now().is_live:
            return


def test_answers_are_sampled_while_both_releases_serve(world: World) -> None:
    """The table asks for a share of the answers, as declared."""
    declare(world, AnswersStep(sample_bp=700))
    world.begin()
    for _ in range(4):
        world.second()
    assert world.plane.table is not None
    assert {e.split.sample_bp for e in world.plane.table.entries if e.split} == {700}


def test_a_candidate_that_breaks_its_contract_is_turned_back(world: World) -> None:
    """Nobody declared a gate on it: a fifth of the answers lack the score, the baseline's do not."""
    promise(world)
    world.begin()
    serve(world, 120, lambda i: None if i % 5 == 0 else usual(i))
    ended = world.now()
    assert ended.position.outcome == "rolled_back"
    assert "scoring/outcome/contract" in ended.position.because or "contract" in ended.position.because
    with world.context.store.transaction() as tx:
        raw = tx.scan("receipt", f"{ended.id}.")[-1].body["text"].encode()
    assert replay(raw) == raw


def test_a_candidate_that_keeps_its_contract_is_promoted(world: World) -> None:
    """The same gate passes; without one captured answer it would not."""
    promise(world)
    world.begin()
    for _ in range(20):
        world.second()
    assert "contract" in world.now().position.because
    serve(world, 120, usual)
    assert world.now().position.outcome == "promoted"


def test_answers_that_moved_hold_and_a_person_may_promote(world: World) -> None:
    """Scores that shrink to a third break no rule: held, with field and figures; never turned back by itself."""
    promise(world)
    world.begin()
    serve(world, 60, lambda i: usual(i) / 3)
    held = world.now()
    assert held.position.phase == "forward"
    assert "the distribution of answers moved" in held.position.because
    assert "scoring score: median" in held.position.because
    order(world.context, "better", "promote", "ana")
    serve(world, 30, lambda i: usual(i) / 3)
    assert world.now().position.outcome == "promoted"


@pytest.mark.parametrize("answers", [AnswersStep(allow=("score",)), AnswersStep(tolerated=0.9)])
def test_answers_that_are_meant_to_move_are_declared(world: World, answers: AnswersStep) -> None:
    """An allowed field, or a larger tolerance, and the rollout goes on."""
    promise(world)
    declare(world, answers)
    world.begin()
    serve(world, 90, lambda i: usual(i) / 3)
    assert world.now().position.outcome == "promoted"


def test_answers_without_a_contract_are_watched_as_far_as_they_can_be(world: World) -> None:
    """Shapes are learned from the answers, and it is said that nothing was promised."""
    world.begin()
    serve(world, 60, lambda i: usual(i) / 3)
    assert "the distribution of answers moved" in world.now().position.because
    assert any("no contract" in note for note in world.context.seen["better-1"].notes)


def test_a_text_that_names_the_release_is_said_and_does_not_hold(world: World) -> None:
    """Every answer of the baseline has one word there and none of the candidate's: no prediction moved."""
    rollout = world.begin()
    told: set[str] = set()
    for second in range(90):
        bodies = {
            release: [
                json.dumps({"score": usual(i), "by": release}).encode()
                for i in range(second * 40, second * 40 + 40)
            ]
            for release in (rollout.baseline, rollout.candidate)
        }
        world.plane.sample("scoring", bodies)
        world.second()
        told |= set(world.context.seen["better-1"].notes)
        if not world.now().is_live:
            break
    assert world.now().position.outcome == "promoted"
    assert any("by says which release answered" in note for note in told)


def test_answers_with_objects_inside_are_watched(world: World) -> None:
    """What is learned of them is stored and read again at every look."""
    rollout = world.begin()
    body = json.dumps({"score": 0.5, "from": {"airport": "JFK", "legs": [1, 2], "deep": {"x": 1}}}).encode()
    for _ in range(6):
        world.plane.sample("scoring", {rollout.baseline: [body] * 20, rollout.candidate: [body] * 20})
        world.second()
    assert world.run().position.outcome == "promoted"


def test_answers_that_are_no_objects_are_said_not_to_be_watched(world: World) -> None:
    """Plain text tells nothing; the rollout is not held by it."""
    rollout = world.begin()
    for _ in range(90):
        world.plane.sample("scoring", {rollout.baseline: [b"ok"] * 40, rollout.candidate: [b"fine"] * 40})
        world.second()
        if any("no JSON objects" in n for n in world.context.seen["better-1"].notes):
            break
    else:
        raise AssertionError("nothing was said")
    assert world.run().position.outcome == "promoted"


def test_a_weight_that_grows_while_answers_drift_moves_nothing(world: World) -> None:
    """Both releases drift alike while the candidate's part of the traffic grows: nothing moved between them."""
    promise(world)
    rollout = world.begin()
    for second in range(60):
        level = second / 60
        many, few = (5, 35) if second > 30 else (35, 5)
        world.plane.sample(
            "scoring",
            {
                rollout.baseline: scores(0, many, lambda _, at=level: at),  # type: ignore[misc]  # bound now
                rollout.candidate: scores(0, few, lambda _, at=level: at),  # type: ignore[misc]  # bound now
            },
        )
        world.second()
    assert world.context.seen["better-1"].moved == ()


def first_bads(world: World) -> int:
    with world.context.store.transaction() as tx:
        blocks = tx.blocks("better-1")
    return sum(b.services["scoring"].baseline.first_bad for b in blocks if "scoring" in b.services)


def test_the_first_bad_answer_of_each_key_counts_once(world: World) -> None:
    """Ten keys fail again and again, over crashes: ten first bad answers."""
    rollout = world.begin()
    for _ in range(4):
        world.second()
    for second in range(12):
        world.plane.bad = [
            BadAnswer("scoring", rollout.baseline, f"k{i % 10}", 1_000.0 + second) for i in range(20)
        ]
        world.second(bad={rollout.baseline: 0.05})
        world.crash()
    assert first_bads(world) == 10


def test_bad_answers_told_before_they_are_counted_wait_for_their_block(world: World) -> None:
    """More first bad answers than bad ones in a block would contradict it: the rest comes with the next ones."""
    rollout = world.begin()
    for _ in range(4):
        world.second()
    world.plane.bad = [BadAnswer("scoring", rollout.baseline, f"k{i}", 1_000.0) for i in range(50)]
    world.second()
    assert first_bads(world) == 0
    for _ in range(3):
        world.second(bad={rollout.baseline: 0.02})
    assert first_bads(world) == 50
    judgement = world.context.seen["better-1"].judgement
    assert judgement is not None
    assert getattr(judgement.verdict, "reason", "") != "bad-evidence"


def test_captured_evidence_survives_a_crash_at_every_second(world: World) -> None:
    """Violations are counted once, whatever is forgotten between two looks."""
    promise(world)
    world.begin()
    sent = 0
    for second in range(15):
        rollout = world.now()
        bodies = scores(second * 10, 10, lambda _: None)
        world.plane.sample("scoring", {rollout.baseline: bodies})
        sent += len(world.plane.answers)
        world.second()
        world.crash()
    with world.context.store.transaction() as tx:
        base = read_base(tx, "better-1")
    assert base is not None
    assert base.caught.broken[f"scoring|{world.now().baseline}"].answers == sent > 100


def test_an_inner_service_waits_for_no_answer_that_nobody_captures(world: World) -> None:
    """Its answers are not seen, so no gate on their contract holds the rollout for ever; and that is said."""
    promise(world)
    on_edge(world, False)
    rollout = world.begin()
    with world.context.store.transaction() as tx:
        plan = read_plan(tx, rollout.plan)
    assert "contract" not in {gate.outcome for gate in plan.gates.gates}
    assert [note for note in notes(Caught(), plan, None) if note.startswith("scoring: ")] == [
        "scoring: answers are captured at the edge alone, so those of an inner service are not watched"
    ]
    for _ in range(80):
        world.second()
    assert world.now().position.outcome == "promoted"


def test_requests_without_a_key_are_told_with_the_header_that_lacks(world: World) -> None:
    """At the edge, where they all stay with the baseline and the candidate waits for nobody."""
    rollout = world.begin()
    with world.context.store.transaction() as tx:
        plan = read_plan(tx, rollout.plan)
    told = notes(Caught(), plan, Counters("1", {}, {}, unkeyed={"front": 4_228, "scoring": 3}))
    says = "front: 4,228 requests since the proxy started had no key in the header x-entity-key"
    assert [note for note in told if "in the header" in note] == [f"{says}, so that the baseline answers them"]
