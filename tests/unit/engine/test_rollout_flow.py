"""A change from plan to promotion, and every way back, on a real store with a data plane in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from interlock.domain.changes.request import ClimbStep, Role
from interlock.domain.gates.receipt import replay
from interlock.engine import records
from interlock.engine.audit import verification
from interlock.engine.gates import gates_view
from interlock.engine.plans import approve_change, plan_change
from interlock.engine.records import Rollout
from interlock.engine.rollouts import (
    CandidateIll,
    NotApproved,
    RolloutFinished,
    ServicesHeld,
    order,
    start,
)
from interlock.kernel.errors import Refused
from support.driven import World
from support.world import change, with_endpoint


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.context.store.close()


def test_a_good_candidate_goes_through_every_stage_and_is_what_serves(world: World) -> None:
    """Prepare, two canary weights, promote, retire; then the versions are adopted and the holds are free."""
    world.begin()
    ended = world.run()
    assert ended.position.outcome == "promoted"
    with world.context.store.transaction() as tx:
        current = records.read_current(tx)
        assert current is not None
        assert current.version("scoring") == "2"
        assert tx.scan("hold") == []
    assert world.plane.table is not None
    assert {b.release for b in world.plane.table.backends} == {current.id}
    weights = front_weights(world)
    assert weights == [1_000, 5_000]


def test_candidate_backends_are_present_before_any_weight(world: World) -> None:
    """In every published table, whatever an entry names has its backends."""
    world.begin()
    world.run()
    for table in world.plane.history:
        present = {(b.deployment.service, b.release) for b in table.backends}
        for entry in table.entries:
            assert (entry.service, entry.default) in present
            if entry.split:
                assert all((e.service, entry.split.candidate) in present for e in table.entries)


def test_a_bad_candidate_is_turned_back_with_a_receipt(world: World) -> None:
    """30 % failures: throttled within seconds, turned back when they last, the numbers kept and recomputable."""
    rollout = world.begin()
    ended = world.run(bad={rollout.candidate: 0.3})
    assert ended.position.outcome == "rolled_back"
    with world.context.store.transaction() as tx:
        kept = tx.scan("receipt", f"{rollout.id}.")
        raw = kept[-1].body["text"].encode()
        assert replay(raw) == raw
        current = records.read_current(tx)
        assert current is not None
        assert current.version("scoring") == "1"
        told = {e.event.kind: e.event for e in tx.trail()}
    assert (told["rollout.throttled"].at - rollout.started_at).total_seconds() < 5
    assert (told["rollout.turned_back"].at - rollout.started_at).total_seconds() < 60
    assert told["rollout.turned_back"].facts["receipt"] == kept[-1].key
    assert world.plane.arms["scoring", rollout.candidate].bad < 300
    assert verification(world.context)["audit"] == "verified"


def test_no_traffic_is_never_a_pass(world: World) -> None:
    """Without a request nothing advances, however long one waits; the reason is told."""
    world.begin()
    for _ in range(60):
        world.second(requests=0)
    stuck = world.now()
    assert stuck.position.stage == 1
    assert "no evidence" in stuck.position.because


def test_crash_at_every_second_ends_in_the_same_world(world: World) -> None:
    """The control plane forgets everything each second; the rollout still promotes, with nothing counted twice."""
    world.begin()
    for _ in range(200):
        world.second()
        world.crash()
        if not world.now().is_live:
            break
    ended = world.now()
    assert ended.position.outcome == "promoted"
    with world.context.store.transaction() as tx:
        blocks = tx.blocks(ended.id)
    assert [b.number for b in blocks] == list(range(len(blocks)))
    counted = sum(b.services["scoring"].candidate.requests for b in blocks)
    assert counted <= world.plane.arms["scoring", ended.candidate].requests


def test_an_edited_plan_voids_the_approvals_and_says_what_changed(world: World) -> None:
    """One endpoint edited after approval: start is refused and names the endpoint."""
    world.approve_all()
    world.declared.workspace = with_endpoint(world.declared.workspace, "scoring", "2", "127.0.0.1:6666")
    with pytest.raises(NotApproved, match="not approved") as refused:
        start(world.context, "better", "ana")
    changed = " ".join(refused.value.details["changed"])
    assert "scoring" in changed
    assert "127.0.0.1:6666" in changed


def test_an_author_does_not_approve_their_own_change(world: World) -> None:
    """Refused by default; the policy may allow it."""
    space = world.declared.workspace
    own = replace(space.changes["better"], author="ana")
    world.declared.workspace = replace(space, changes={"better": own})
    with pytest.raises(Refused, match="their own change"):
        approve_change(world.context, "better", Role.SPONSOR, "ana")


def test_a_person_without_the_role_is_refused(world: World) -> None:
    """The message says who may."""
    with pytest.raises(Refused, match="ben"):
        approve_change(world.context, "better", Role.STEWARD, "dan")


def test_required_roles_follow_the_moves(world: World) -> None:
    """Sponsor always, steward for the contract, validator for the model, an owner for each affected service."""
    needed = {(r.role.value, r.subject) for r in plan_change(world.context, "better").plan.requirements}
    assert needed == {
        ("change-sponsor", "better"),
        ("data-steward", "better"),
        ("model-validator", "better"),
        ("service-owner", "scoring"),
        ("service-owner", "front"),
    }


def test_a_second_rollout_over_held_services_is_refused_with_the_holder(world: World) -> None:
    """front calls scoring, so a rollout of scoring holds both; billing is free."""
    other = change("front-2", [("service", "front", "2")])
    third = change("billing-2", [("service", "billing", "2")])
    space = world.declared.workspace
    world.declared.workspace = replace(space, changes={**space.changes, "front-2": other, "billing-2": third})
    world.begin()
    world.approve_all("front-2")
    with pytest.raises(ServicesHeld, match="front by better-1"):
        start(world.context, "front-2", "ana")
    world.approve_all("billing-2")
    assert start(world.context, "billing-2", "ana").id == "billing-2-1"


def test_two_rollouts_side_by_side_both_arrive(world: World) -> None:
    """Disjoint rollouts promote independently, and what serves in the end has both."""
    third = change("billing-2", [("service", "billing", "2")])
    space = world.declared.workspace
    world.declared.workspace = replace(space, changes={**space.changes, "billing-2": third})
    world.begin()
    world.begin("billing-2")
    for _ in range(200):
        world.plane.send("billing", 2_000)
        world.second()
        if not world.now().is_live and not world.now("billing-2").is_live:
            break
    with world.context.store.transaction() as tx:
        current = records.read_current(tx)
    assert current is not None
    assert {d.service: d.version for d in current.deployments} == {"billing": "2", "front": "1", "scoring": "2"}


def test_an_ill_candidate_does_not_start(world: World) -> None:
    """Nothing is held, nothing is published."""
    world.probe.reasons = {"scoring@2 127.0.0.1:9002": "does not answer"}
    world.approve_all()
    before = list(world.plane.history)
    with pytest.raises(CandidateIll, match="does not answer"):
        start(world.context, "better", "ana")
    with world.context.store.transaction() as tx:
        assert tx.scan("hold") == []
        assert tx.scan("rollout") == []
    assert world.plane.history == before


def test_pause_holds_and_resume_goes_on(world: World) -> None:
    """A paused rollout keeps its weight; harm would still turn it back."""
    world.begin()
    for _ in range(3):
        world.second()
    order(world.context, "better", "pause", "ana", "lunch")
    for _ in range(60):
        world.second()
    paused = world.now()
    assert paused.position.is_paused
    assert paused.position.stage == 1
    assert "lunch" in paused.position.because
    order(world.context, "better", "resume", "ana")
    assert world.run().position.outcome == "promoted"


def test_harm_turns_back_while_paused(world: World) -> None:
    """Pausing does not switch the protection off."""
    rollout = world.begin()
    for _ in range(3):
        world.second()
    order(world.context, "better", "pause", "ana")
    assert world.run(bad={rollout.candidate: 0.5}).position.outcome == "rolled_back"


@pytest.mark.parametrize(("verb", "outcome"), [("abort", "aborted"), ("rollback", "rolled_back")])
def test_orders_bring_everything_back(world: World, verb: str, outcome: str) -> None:
    """Exposure is zero at the next look; the candidate stays for its requests, then leaves."""
    world.begin()
    for _ in range(3):
        world.second()
    order(world.context, "better", verb, "ana")  # type: ignore[arg-type]  # parametrised
    world.second()
    assert world.plane.table is not None
    assert all(e.split is None for e in world.plane.table.entries)
    assert len({b.release for b in world.plane.table.backends}) == 2
    assert world.run().position.outcome == outcome
    assert len({b.release for b in world.plane.table.backends}) == 1


def test_promote_order_skips_the_gates_and_is_on_record(world: World) -> None:
    """A person may overrule the wait; the trail names them."""
    world.begin()
    world.second()
    order(world.context, "better", "promote", "ana", "fire drill")
    assert world.run().position.outcome == "promoted"
    with world.context.store.transaction() as tx:
        said = [e.event for e in tx.trail() if e.event.kind == "rollout.promote_ordered"]
    assert said[0].actor == "ana"
    assert said[0].because == "fire drill"


def test_an_ended_rollout_takes_no_orders(world: World) -> None:
    """Going back after promotion is a change of its own, and the message says so."""
    world.begin()
    world.run()
    with pytest.raises(RolloutFinished, match="has ended"):
        order(world.context, "better", "rollback", "ana")


def test_restarted_counters_are_not_read_as_harm_or_negative(world: World) -> None:
    """The proxy loses its counters twice on the way; the candidate still promotes."""
    world.begin()
    for second in range(200):
        if second in (4, 9):
            world.plane.restart()
        world.second()
        if not world.now().is_live:
            break
    assert world.now().position.outcome == "promoted"


def test_a_silent_data_plane_holds_and_says_so(world: World) -> None:
    """No counters, no advance; when it answers again, the rollout goes on."""
    world.begin()
    for _ in range(3):
        world.second()
    world.plane.is_silent = True
    stage = world.now().position.stage
    for _ in range(30):
        world.clock.turn(1.0)
        world.loop.tick()
    assert world.now().position.stage == stage
    assert "does not tell" in world.now().position.because
    world.plane.is_silent = False
    assert world.run().position.outcome == "promoted"


def test_shadow_compares_before_anyone_is_exposed(world: World) -> None:
    """With a shadow stage, copies are compared first and the weight is zero meanwhile."""
    space = world.declared.workspace
    world.declared.workspace = replace(space, changes={"better": change(shadow=True)})
    world.begin()
    for _ in range(8):
        assert world.plane.table is not None
        world.plane.copy("scoring", 20, body=b'{"score": 1}')
        world.second()
        if world.now().position.stage >= 2:
            break
    seen = world.context.seen["better-1"]
    assert seen.shadow.pairs >= 10
    assert seen.shadow.difference == 1.0
    assert seen.shadow.fields["score"].differing == seen.shadow.pairs
    assert world.run().position.outcome == "promoted"


def test_failing_copies_turn_back_before_anyone_is_exposed(world: World) -> None:
    """A candidate that fails in shadow never gets a caller."""
    space = world.declared.workspace
    world.declared.workspace = replace(space, changes={"better": change(shadow=True)})
    rollout = world.begin()
    for _ in range(40):
        world.plane.copy("scoring", 400, bad=200)
        world.second()
        if not world.now().is_live:
            break
    assert world.now().position.outcome == "rolled_back"
    assert ("scoring", rollout.candidate) not in world.plane.arms


def front_weights(world: World) -> list[int]:
    """The candidate's weights at the edge, in the order in which they were published."""
    entries = [e for table in world.plane.history for e in table.entries]
    return [e.split.weight_bp for e in entries if e.service == "front" and e.split]


def climbing(world: World, watch_s: float = 10.0) -> Rollout:
    """Begin a rollout whose exposure grows with the evidence, with a watch at the end."""
    space = world.declared.workspace
    steps = replace(space.changes["better"].steps, climb=ClimbStep(budget=20, dwell_s=20.0), watch_s=watch_s)
    world.declared.workspace = replace(space, changes={"better": replace(space.changes["better"], steps=steps)})
    return world.begin()


def test_exposure_climbs_with_the_evidence_and_late_faults_are_watched_for(world: World) -> None:
    """The weight only grows, stays at a third at most, jumps to all but the holdback, and is promoted."""
    climbing(world)
    assert world.run().position.outcome == "promoted"
    weights = front_weights(world)
    assert weights == sorted(weights)
    assert weights[0] <= 100
    assert max(w for w in weights if w != 9_000) <= 3_334
    assert weights[-1] == 9_000
    assert len(set(weights)) > 3


def test_a_total_failure_while_climbing_costs_about_the_budget(world: World) -> None:
    """The start is so low that a candidate that fails everything has failed few requests when it is turned back."""
    rollout = climbing(world)
    assert world.run(bad={rollout.candidate: 1.0}).position.outcome == "rolled_back"
    assert world.plane.arms["scoring", rollout.candidate].bad < 100


def test_a_fault_that_comes_in_the_watch_is_turned_back(world: World) -> None:
    """With the holdback as comparison, a late failure is still found."""
    rollout = climbing(world, watch_s=300.0)
    for _ in range(200):
        world.second()
        if world.now().position.stage == 2:
            break
    assert world.now().position.stage == 2
    assert world.run(bad={rollout.candidate: 0.3}).position.outcome == "rolled_back"


def test_a_pass_in_the_watch_on_stale_evidence_is_undecided(world: World) -> None:
    """The gates passed and then the data plane fell silent: whoever asks is told that nothing is known of now."""
    climbing(world, watch_s=300.0)
    while world.now().position.stage != 2:
        world.second()
    world.second()
    assert gates_view(world.context, "better")["verdict"]["kind"] == "pass"
    world.plane.is_silent = True
    for _ in range(20):
        world.clock.turn(1.0)
        world.loop.tick()
    told = gates_view(world.context, "better")
    assert told["is_stale"]
    assert (told["verdict"]["kind"], told["verdict"]["reason"]) == ("undecided", "stale")
