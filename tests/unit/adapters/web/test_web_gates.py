"""Gates over HTTP, with the very payloads that Flagger sends and the conditions that Argo Rollouts evaluates."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from interlock.adapters.web.app import build_app
from interlock.domain.gates.receipt import replay
from interlock.engine import records
from interlock.kernel.digest import digest
from support.gate_world import TOKEN, GateWorld

GATES = {"gates": [{"metric": "errors", "margin": 0.05}], "warmup_s": 0}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[GateWorld]:
    made = GateWorld(tmp_path)
    yield made
    made.close()


@pytest.fixture
def session(world: GateWorld) -> GateWorld:
    """A session called podinfo that judges errors."""
    assert world.client.put("/v1/gates/podinfo", json=GATES).status_code == 201
    return world


def block(number: int, bad: int = 0, requests: int = 200, **more: Any) -> dict[str, Any]:
    """A block of a second: as many requests in both arms, `bad` of the candidate's failed."""
    arms = {"candidate": {"requests": requests, "bad": bad}, "baseline": {"requests": requests, "bad": 0}}
    return {"number": number, "seconds": 1.0, "services": {"podinfo": arms}, **more}


def post(world: GateWorld, *blocks: dict[str, Any], **more: Any) -> Response:
    return world.client.post("/v1/gates/podinfo/blocks", json={"blocks": list(blocks), **more})


def payload(checksum: str = "85d557f47b", phase: str = "Progressing", **metadata: str) -> dict[str, Any]:
    """As in docs/gitbook/usage/webhooks.md of fluxcd/flagger."""
    body: dict[str, Any] = {"name": "podinfo", "namespace": "test", "phase": phase, "checksum": checksum}
    return body | ({"metadata": metadata} if metadata else {})


def hook(world: GateWorld, kind: str, **body: Any) -> int:
    return world.client.post(f"/v1/gates/podinfo?type={kind}", json=payload(**body)).status_code


def result(world: GateWorld, name: str = "podinfo", **query: str) -> dict[str, Any]:
    answer = world.client.get(f"/v1/gates/{name}", params=query)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()["result"]
    return found


def passing(world: GateWorld, first: int = 0) -> None:
    assert post(world, *(block(n) for n in range(first, first + 10))).status_code == 202


def test_a_fault_in_one_segment_is_found_and_named(world: GateWorld) -> None:
    """Two per cent of all answers, and all of them in one country."""
    gates = {"gates": [{"metric": "errors", "margin": 0.05, "segments": True}], "warmup_s": 0}
    assert world.client.put("/v1/gates/podinfo", json=gates).status_code == 201

    def arm(bad: int) -> dict[str, Any]:
        segments = {"fr": {"requests": 20, "bad": bad}, "de": {"requests": 180}}
        return {"requests": 200, "bad": bad, "segments": segments}

    for number in range(120):
        services = {"podinfo": {"candidate": arm(4), "baseline": arm(0)}}
        assert post(world, {"number": number, "seconds": 1.0, "services": services}).status_code == 202
    told = result(world)
    assert told["verdict"] == "fail"
    assert "in fr " in told["because"]


def test_a_session_gives_a_receipt_of_its_present_verdict(session: GateWorld) -> None:
    """Which recomputes to the same bytes."""
    passing(session)
    told = session.client.get("/v1/gates/podinfo/receipt")
    assert told.status_code == 200
    assert replay(told.content) == told.content
    assert json.loads(told.content)["judgement"]["verdict"]["kind"] == "pass"
    assert session.client.get("/v1/gates/nobody/receipt").status_code == 404


def test_first_bad_answers_are_judged_at_the_assigned_weight(world: GateWorld) -> None:
    """One caller who fails again and again is one bad answer."""
    gates = {"gates": [{"metric": "errors", "margin": 0.05, "counts": "first"}], "warmup_s": 0}
    world.client.put("/v1/gates/podinfo", json=gates)
    for number in range(60):
        arms = {
            "candidate": {"requests": 20, "bad": 10, "first_bad": int(number == 0)},
            "baseline": {"requests": 180, "first_bad": 0},
        }
        block = {"number": number, "seconds": 1.0, "weight": 0.1, "services": {"podinfo": arms}}
        assert post(world, block).status_code == 202
    assert result(world)["verdict"] == "undecided"


def test_a_bound_is_told_as_what_it_is(world: GateWorld) -> None:
    """A p99 that the candidate itself must keep."""
    gates = {"gates": [{"metric": "latency", "bound": 80, "quantile": 0.99}], "warmup_s": 0}
    told = world.client.put("/v1/gates/podinfo", json=gates)
    assert (told.status_code, told.json()["gates"]) == (201, ["podinfo/latency/p99"])


# --- Argo Rollouts


def argo(told: dict[str, Any]) -> str:
    """What Argo makes of `successCondition: result.verdict == "pass"`, `failureCondition: result.verdict == "fail"`
    (utils/evaluate/evaluate.go): neither is inconclusive.
    """
    if told["verdict"] == "fail":
        return "Failed"
    return "Successful" if told["verdict"] == "pass" else "Inconclusive"


def test_argo_gets_inconclusive_then_successful(session: GateWorld) -> None:
    """Without evidence the answer is 200 and Undecided, never an error and never a pass."""
    before = result(session)
    assert (argo(before), before["ok"], before["reason"]) == ("Inconclusive", False, "no-data")
    passing(session)
    after = result(session)
    assert (argo(after), after["ok"]) == ("Successful", True)


def test_argo_gets_failed_and_the_audit_trail_tells_it(session: GateWorld) -> None:
    """A Fail is final: good blocks after it change nothing."""
    post(session, *(block(n, bad=150) for n in range(10)))
    passing(session, first=10)
    told = result(session)
    assert (argo(told), told["ok"]) == ("Failed", False)
    assert "podinfo/errors" in told["because"]
    (entry,) = [e for e in session.get("/audit") if e["kind"] == "gate.failed"]
    kept = session.client.get(f"/v1/receipts/{entry['facts']['receipt']}").content
    assert digest(kept.decode()) == entry["facts"]["digest"]
    assert replay(kept) == kept
    assert json.loads(kept)["judgement"]["verdict"]["because"] == entry["because"]


def test_argo_may_open_the_session_with_a_web_metric(world: GateWorld) -> None:
    """Its web metric can send PUT with a jsonBody; twice changes nothing, another hash starts over."""
    first = world.client.put("/v1/gates/podinfo", json=GATES | {"candidate": "6c5b8f"})
    again = world.client.put("/v1/gates/podinfo", json=GATES | {"candidate": "6c5b8f"})
    assert (first.status_code, again.status_code) == (201, 200)
    passing(world)
    assert result(world, candidate="6c5b8f")["verdict"] == "pass"
    other = result(world, candidate="77aa01")
    assert (other["verdict"], other["reason"]) == ("undecided", "other-candidate")
    assert world.client.put("/v1/gates/podinfo", json=GATES | {"candidate": "77aa01"}).status_code == 201
    assert result(world, candidate="77aa01")["verdict"] == "undecided"


def test_a_pass_on_old_evidence_is_undecided(session: GateWorld) -> None:
    """Counts stopped coming two minutes ago; a Fail would stay."""
    passing(session)
    session.clock.turn(121.0)
    told = result(session)
    assert (told["verdict"], told["reason"], told["age_s"]) == ("undecided", "stale", 121.0)
    post(session, *(block(n, bad=150) for n in range(20, 30)))
    session.clock.turn(500.0)
    assert result(session)["verdict"] == "fail"


# --- Flagger


def test_flagger_goes_through_a_whole_release(session: GateWorld) -> None:
    """Hooks in the order of pkg/controller/scheduler.go: the first increase needs no evidence, later ones do."""
    assert hook(session, "confirm-rollout", checksum="of-the-release-before") == 200
    assert hook(session, "rollback") == 409
    assert hook(session, "pre-rollout") == 200
    assert hook(session, "confirm-traffic-increase") == 200
    assert hook(session, "rollout") == 409
    assert hook(session, "confirm-traffic-increase") == 409
    passing(session)
    assert hook(session, "rollout") == 200
    assert hook(session, "confirm-traffic-increase") == 200
    assert hook(session, "confirm-traffic-increase") == 409  # the next weight passes on its own evidence
    passing(session, first=10)
    assert hook(session, "rollback") == 409
    assert hook(session, "confirm-promotion") == 200
    assert hook(session, "post-rollout", phase="Succeeded") == 200
    assert hook(session, "event", phase="Succeeded") == 200


def test_flagger_rolls_back_on_fail_alone(session: GateWorld) -> None:
    """Its rollback hook turns back on 2xx, so Pass and Undecided answer 409; every other hook halts on Fail."""
    hook(session, "pre-rollout")
    assert hook(session, "rollback") == 409
    post(session, *(block(n, bad=150) for n in range(10)))
    assert hook(session, "rollback") == 200
    for kind in ("pre-rollout", "rollout", "confirm-traffic-increase", "confirm-promotion"):
        assert hook(session, kind) == 409


def test_a_halt_says_why(session: GateWorld) -> None:
    """The body, which Flagger logs, is a problem document with the verdict and its reason."""
    answer = session.client.post("/v1/gates/podinfo?type=confirm-promotion", json=payload())
    told = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (told["title"], told["status"], told["exit_code"]) == ("gate.undecided", 409, 4)
    assert "no requests of the candidate" in told["detail"]
    assert told["result"]["ok"] is False


def test_another_checksum_never_passes_on_the_evidence_of_the_one_before(session: GateWorld) -> None:
    """The next release begins with nothing counted, whichever hook comes first."""
    hook(session, "pre-rollout", checksum="one")
    passing(session)
    assert hook(session, "confirm-promotion", checksum="one") == 200
    assert hook(session, "confirm-promotion", checksum="two") == 409
    assert result(session)["candidate"] == "two"
    passing(session)  # numbers may begin anew: it is another series
    assert hook(session, "confirm-promotion", checksum="two") == 200


def test_a_failed_release_does_not_roll_the_waiting_one_back(session: GateWorld) -> None:
    """While Flagger waits to begin it still sends the checksum of the release before."""
    hook(session, "pre-rollout", checksum="one")
    post(session, *(block(n, bad=150) for n in range(10)))
    assert hook(session, "rollback", checksum="one") == 200
    assert hook(session, "confirm-rollout", checksum="one") == 200
    assert hook(session, "rollback", checksum="one", phase="Waiting") == 409
    assert hook(session, "rollback", checksum="two") == 409


def test_a_hook_may_name_its_type_in_the_metadata_but_must_name_it(session: GateWorld) -> None:
    """Without it a Pass could be taken as an order to roll back."""
    named = session.client.post("/v1/gates/podinfo", json=payload(type="pre-rollout", token="x"))
    unnamed = session.client.post("/v1/gates/podinfo", json=payload())
    wrong = session.client.post("/v1/gates/podinfo?type=rolback", json=payload())
    assert (named.status_code, unnamed.status_code, wrong.status_code) == (200, 422, 422)
    assert unnamed.json()["title"] == "hook.untyped"
    assert "rollback" in wrong.json()["remedy"]


def test_flagger_authenticates_by_its_address(session: GateWorld) -> None:
    """http://any:TOKEN@host becomes basic authentication; a wrong token and none are 401, on this route alone."""
    bare = TestClient(build_app(session.context))
    path = "/v1/gates/podinfo?type=pre-rollout"
    assert bare.post(path, json=payload(), auth=("flagger", TOKEN)).status_code == 200
    assert bare.post(path, json=payload(), auth=("flagger", "wrong")).status_code == 401
    assert bare.post(path, json=payload()).status_code == 401
    assert bare.get("/v1/gates/podinfo", auth=("flagger", TOKEN)).status_code == 401


def test_an_unknown_session_halts(world: GateWorld) -> None:
    """404 is outside 2xx; the answer says what there is."""
    world.client.put("/v1/gates/podinfo", json=GATES)
    answer = world.client.post("/v1/gates/podinf?type=pre-rollout", json=payload())
    assert (answer.status_code, answer.json()["title"]) == (404, "gate.missing")
    assert "podinfo" in answer.json()["remedy"]


# --- blocks


def test_a_block_counts_once(session: GateWorld) -> None:
    """Posted again it changes nothing; with other counts, or after a later one, nothing of the posting is taken."""
    assert post(session, block(0), block(1)).json() == {"received": 2, "new": 2}
    assert post(session, block(1), block(2)).json() == {"received": 2, "new": 1}
    conflict = post(session, block(1, bad=1), block(3))
    assert (conflict.status_code, conflict.json()["title"]) == (409, "evidence.conflict")
    assert post(session, block(7)).json()["new"] == 1
    late = post(session, block(5), block(8))
    assert (late.status_code, late.json()["title"]) == (409, "evidence.late")
    assert [b["number"] for b in session.get("/gates/podinfo/blocks")["blocks"]] == [0, 1, 2, 7]


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        (block(0, bad=201), 422),
        (block(0) | {"seconds": float("1e9")}, 422),
        (block(-1), 422),
        (block(0) | {"services": {"podinf": {}}}, 422),
        (block(0) | {"services": {"podinfo": {"candidate": {"losses": {"mae": {"1": 2}}}}}}, 422),
        (block(0) | {"services": {"podinfo": {"candidate": {"latency_ms": {"NaN": 2}}}}}, 422),
        (block(0) | {"services": {"podinfo": {"candidate": {"latency_ms": {"-3": 2}}}}}, 422),
        (block(0) | {"typo": 1}, 422),
    ],
    ids=["more bad than asked", "days long", "negative", "service", "outcome", "NaN", "negative time", "member"],
)
def test_what_contradicts_itself_is_not_stored(session: GateWorld, wrong: dict[str, Any], status: int) -> None:
    """And the blocks after it are judged as if it had never come."""
    assert post(session, wrong).status_code == status
    assert session.get("/gates/podinfo/blocks")["blocks"] == []
    passing(session)
    assert result(session)["verdict"] == "pass"


def test_blocks_may_name_their_candidate(session: GateWorld) -> None:
    """A late reporter of the release before cannot speak for the next one."""
    hook(session, "pre-rollout", checksum="two")
    refused = post(session, block(0), candidate="one")
    assert (refused.status_code, refused.json()["title"]) == (409, "evidence.other_candidate")
    assert post(session, block(0), candidate="two").status_code == 202


def test_latency_and_losses_come_in_the_units_of_the_field(world: GateWorld) -> None:
    """Milliseconds and loss units; both gates pass on equal arms and say the latency that was posted."""
    gates = [
        {"metric": "latency", "service": "scorer"},
        {"metric": "outcome", "service": "scorer", "outcome": "mae", "margin": 5, "cap": 100},
    ]
    assert world.client.put("/v1/gates/pair", json={"gates": gates, "warmup_s": 0}).status_code == 201
    arm = {"requests": 100, "latency_ms": {"10": 90, "40.5": 10}, "losses": {"mae": {"3": 50, "9.5": 50}}}
    rows = [
        {"number": n, "seconds": 5, "services": {"scorer": {"candidate": arm, "baseline": arm}}} for n in range(60)
    ]
    assert world.client.post("/v1/gates/pair/blocks", json={"blocks": rows}).status_code == 202
    told = result(world, "pair")
    assert told["verdict"] == "pass"
    latency, loss = told["gates"]
    assert latency["candidate"]["ms"][0] == pytest.approx(10, rel=0.1)
    assert loss["candidate"]["mean"] == pytest.approx(6.25, abs=0.3)


def test_a_step_in_the_blocks_begins_the_limits_anew(session: GateWorld) -> None:
    """For controllers without hooks: what passed at one weight passes the next on its own evidence."""
    passing(session)
    post(session, block(10, requests=5, step=True))
    assert result(session)["verdict"] == "undecided"
    assert session.get("/gates/podinfo/blocks")["steps"] == [10]
    passing(session, first=11)
    assert result(session)["verdict"] == "pass"


def test_a_restart_forgets_nothing(session: GateWorld) -> None:
    """Verdict, steps and candidate come from the store; the figures are the same to the last digit."""
    hook(session, "pre-rollout")
    passing(session)
    hook(session, "confirm-traffic-increase")
    hook(session, "confirm-traffic-increase")
    post(session, block(10, bad=1))
    before = result(session)
    session.restart()
    assert result(session) == before


def test_a_session_cannot_take_a_rollout_s_name(world: GateWorld) -> None:
    """Its gates are its own."""
    world.begin()
    answer = world.client.put("/v1/gates/better", json=GATES)
    assert (answer.status_code, answer.json()["title"]) == (409, "gate.name_taken")


def test_gates_default_to_errors_and_latency_and_outcomes_need_a_margin(world: GateWorld) -> None:
    """As in a change without gates."""
    opened = world.client.put("/v1/gates/plain", json={})
    assert opened.json()["gates"] == ["plain/errors", "plain/latency"]
    outcome = {"gates": [{"metric": "outcome", "outcome": "mae", "cap": 9}]}
    assert world.client.put("/v1/gates/other", json=outcome).status_code == 422


# --- rollouts


def test_a_live_rollout_is_explained_between_its_boundaries(world: GateWorld) -> None:
    """Rule, numbers of both arms, distance to each boundary, what is missing."""
    rollout = world.begin()
    assert world.get("/rollouts/better/gates")["judged"] == "nothing"
    world.seconds(4, requests=20)
    told = world.get("/rollouts/better/gates")
    assert (told["rollout"], told["judged"], told["verdict"]["kind"]) == (rollout.id, "canary", "undecided")
    errors = next(g for g in told["gates"] if g["metric"] == "errors")
    assert errors["passes_when"].startswith("at most 5.0% more of the answers bad than the baseline's; ")
    assert "1.1 times the baseline's" in errors["fails_when"]
    assert errors["candidate"]["requests"] > 0
    assert errors["baseline"]["requests"] > errors["candidate"]["requests"]
    assert 0 < errors["evidence"] < errors["proof"] == 100
    assert errors["limit"] > errors["margin"]
    assert errors["needs_requests"] > 0
    assert errors["needs_s"] > 0


def test_an_ended_rollout_is_explained_from_its_blocks(world: GateWorld) -> None:
    """After a restart too, with the same figures; other controllers are told that it was turned back."""
    rollout = world.begin()
    world.seconds(60, bad={rollout.candidate: 0.3})
    before = world.get(f"/rollouts/{rollout.id}/gates")
    assert (before["outcome"], before["verdict"]["kind"]) == ("rolled_back", "fail")
    world.restart()
    assert world.get(f"/rollouts/{rollout.id}/gates") == before
    assert result(world, "better")["verdict"] == "fail"
    assert result(world, rollout.id)["of"] == "rollout"


def test_a_rollout_that_someone_turned_back_is_a_fail_for_other_controllers(world: GateWorld) -> None:
    """Whatever its gates said last."""
    rollout = world.begin()
    world.seconds(6)
    world.client.post(f"/v1/rollouts/{rollout.id}/orders", json={"verb": "abort", "because": "a wrong model"})
    world.seconds(12)
    told = result(world, rollout.id)
    assert told["verdict"] == "fail"
    assert "a wrong model" in told["because"]
    hooked = world.client.post(f"/v1/gates/{rollout.id}?type=rollback", json=payload())
    assert hooked.status_code == 200


def test_a_live_pass_on_stale_evidence_is_undecided(world: GateWorld) -> None:
    """The rollout itself holds in that case; a person and a controller are told the same."""
    world.begin()
    for _ in range(60):
        world.seconds(1)
        if world.get("/rollouts/better/gates")["verdict"]["kind"] == "pass":
            break
    world.plane.is_silent = True
    world.clock.turn(20.0)
    world.loop.tick()
    told = world.get("/rollouts/better/gates")
    assert told["is_stale"]
    assert (told["verdict"]["kind"], told["verdict"]["reason"]) == ("undecided", "stale")
    assert result(world, "better")["verdict"] == "undecided"


def test_a_frozen_rollout_does_not_pass(world: GateWorld) -> None:
    """Its gates passed before an invariant broke; nothing may go on because of that."""
    rollout = world.begin()
    world.seconds(40)
    assert result(world, "better")["verdict"] == "pass"
    with world.context.store.transaction() as tx:
        found = records.read_rollout(tx, rollout.id)
        broken = replace(found.position, phase="frozen", outcome=None, because="frozen: no release serves")
        records.write_rollout(tx, replace(found, position=broken))
    told = result(world, "better")
    assert (told["verdict"], told["reason"], told["because"]) == (
        "undecided",
        "frozen",
        "frozen: no release serves",
    )


def test_traffic_is_told_with_latency(world: GateWorld) -> None:
    """Per service and release, since the proxy started."""
    world.begin()
    world.seconds(3)
    told = world.get("/traffic")
    arm = next(a for a in told["arms"] if (a["service"], a["release"]) == ("scoring", told["release"]))
    assert arm["counts"]["requests"] == sum(arm["counts"]["latency"].values()) > 0
