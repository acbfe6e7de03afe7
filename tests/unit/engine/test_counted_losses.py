"""Audits of lenses beside the plan: shown before approval, named in it, shown again when going back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from interlock.domain.changes.request import Role
from interlock.domain.changes.workspace import Policy
from interlock.domain.lenses.audit import Audit, counted_records, trip
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import Cast, Drop, Rename
from interlock.domain.schemas.contract import record
from interlock.domain.schemas.field import INTEGER, STRING, Field
from interlock.engine import losses
from interlock.engine.codec import Unreadable, dump
from interlock.engine.plans import PlanBlocked, approve_change, plan_change
from interlock.engine.views import plan_view
from support.driven import World
from support.world import workspace

OLDER = record("amounts", "1", (Field("cents", STRING), Field("note", STRING, required=False)))
NEWER = record("amounts", "2", (Field("amount_cents", INTEGER),))
LENS = Lens(
    "amounts", "1", "2", (Rename("cents", "amount_cents"), Cast("amount_cents", "string", "integer"), Drop("note"))
)
ROWS = [{"cents": "5", "note": None}, {"cents": "7", "note": "x"}, {"cents": "many"}]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.declared.workspace = declared()
    yield made
    made.context.store.close()


def declared(policy: Policy = Policy(), lens: Lens = LENS):  # type: ignore[no-untyped-def]  # noqa: B008  # frozen
    contracts = {("amounts", "1"): OLDER, ("amounts", "2"): NEWER}
    return replace(workspace(), contracts=contracts, lenses=(lens,), policy=policy)


def audit(version: str = "1", rows: list[dict[str, object]] = ROWS) -> Audit:  # type: ignore[assignment]
    asked = trip(LENS, OLDER, NEWER, version)
    counts = counted_records(asked, rows)
    other = asked.target.version
    return Audit("amounts", version, other, asked.direction, asked.lens, "sha256:rows", "records", 1.0, counts)


def post(world: World, one: Audit) -> dict[str, object]:
    return losses.take_in(world.context, dump(one), "ben")


def codes(world: World) -> dict[str, str]:
    return {f.code: f"{f.severity} {f.says}" for f in plan_change(world.context, "better").findings}


def test_a_lossy_lens_that_nobody_counted_is_told(world: World) -> None:
    """A warning by default; an error where the policy asks for counts. Counting on real rows lifts it."""
    assert codes(world)["loss.uncounted"].startswith("warning what amounts loses between 1 and 2")
    world.declared.workspace = declared(Policy(losses="counted"))
    with pytest.raises(PlanBlocked):
        approve_change(world.context, "better", Role.SPONSOR, "ana")
    post(world, audit())
    assert "loss.uncounted" not in codes(world)
    world.approve_all()


def test_the_counts_are_read_before_approval_and_named_in_it(world: World) -> None:
    """They are in the view of the plan and in the audit entry, and not in the digest."""
    one = audit()
    before = plan_change(world.context, "better").plan.digest
    assert post(world, one) == {"digest": one.digest, "is_new": True}
    planned = plan_change(world.context, "better")
    assert planned.plan.digest == before
    [shown] = plan_view(planned)["counted"]
    assert (shown["rows"], shown["survived"]) == (3, 1)
    assert {line["field"]: line["result"] for line in shown["lines"] if line["effect"] == "lost"}[
        "note"
    ] == "1 of 3 rows"
    assert "1 of 3 rows cannot go from version 1 to 2" in codes(world)["loss.rejects"]
    world.approve_all()
    with world.context.store.transaction(read_only=True) as tx:
        given = [e.event for e in tx.trail() if e.event.kind == "approval.given"]
    assert {tuple(event.facts["counted"]) for event in given} == {(one.digest,)}


def test_posting_again_changes_nothing(world: World) -> None:
    """The same audit is kept once."""
    post(world, audit())
    assert post(world, audit())["is_new"] is False


def test_another_lens_has_no_counts(world: World) -> None:
    """What was counted was counted of exactly these operations and fields."""
    post(world, audit())
    world.declared.workspace = declared(lens=replace(LENS, ops=(*LENS.ops, Rename("amount_cents", "amount_cents"))))
    assert "loss.uncounted" in codes(world)
    assert plan_change(world.context, "better").counted == ()


def test_going_back_shows_what_rows_of_the_newer_version_lose(world: World) -> None:
    """With the verdicts of the plan, for the lens as it is now."""
    post(world, audit())
    post(world, audit("2", [{"amount_cents": 5}, {"amount_cents": 10**15}]))
    rollout = world.begin()
    with world.context.store.transaction(read_only=True) as tx:
        plan = plan_change(world.context, "better").plan
        told = losses.going_back(world.context, tx, plan)
    assert rollout.plan == plan.digest
    assert [one["direction"] for one in told["counted"]] == ["backward"]
    assert told["counted"][0]["rejected"][0]["rows"] == 1
    assert all(one["direction"] == "rollback" for one in told["losses"])


def test_what_is_no_audit_is_refused(world: World) -> None:
    """With the places that do not fit."""
    with pytest.raises(Unreadable, match="no Audit"):
        losses.take_in(world.context, {"contract": "amounts"}, "ben")
