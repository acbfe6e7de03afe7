"""Check results as part of what an approver sees: a failed one blocks, a missing one warns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from interlock.adapters.workspace.loader import WorkspaceFiles
from interlock.checking.measures import quality
from interlock.domain.changes.checked import DeclaredCheck
from interlock.domain.changes.request import Role
from interlock.domain.checks.check import Check, perform
from interlock.domain.checks.record import as_document
from interlock.engine.checks import take_in
from interlock.engine.plans import PlanBlocked, approve_change, plan_change
from interlock.engine.rollouts import start
from interlock.engine.views import plan_view
from support.driven import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.context.store.close()


def post(world: World, error: float, subject: str = "model:risk@2", rows: int = 400) -> None:
    labels, predictions = [0.0] * rows, [error] * rows
    check = Check("error", subject, lambda: quality("mae", predictions, labels, limit=1.0, cap=10.0), "test")
    take_in(world.context, as_document([perform(check)]), "ben")


def found(world: World) -> dict[str, str]:
    return {f.code: f"{f.severity} {f.says}" for f in plan_change(world.context, "better").findings}


def test_a_failed_check_blocks_the_approval(world: World) -> None:
    """It is an error of the plan, with the check's name and figures; a newer result that passes lifts it."""
    post(world, error=5.0)
    told = found(world)["check.failed"]
    assert told.startswith("error check error of model:risk@2 failed")
    assert "5" in told
    with pytest.raises(PlanBlocked):
        approve_change(world.context, "better", Role.SPONSOR, "ana")
    post(world, error=0.1)
    world.approve_all()


def test_a_check_that_fails_after_the_approval_blocks_the_start(world: World) -> None:
    """Results are looked up when the rollout starts, not only when somebody approves."""
    world.approve_all()
    post(world, error=5.0)
    with pytest.raises(PlanBlocked):
        start(world.context, "better", "ana")


def test_a_check_of_another_version_says_nothing_here(world: World) -> None:
    """The version that serves failed its check; the change moves to another one."""
    post(world, error=5.0, subject="model:risk@1")
    world.approve_all()


def test_a_check_without_a_version_only_warns(world: World) -> None:
    """What it measured may have been the other version."""
    post(world, error=5.0, subject="model:risk")
    assert found(world)["check.unversioned"].startswith("warning")
    world.approve_all()


def test_missing_and_undecided_checks_warn(world: World) -> None:
    """A declared check without a result, and one on too few rows: told with their remedy, and not blocking."""
    declared = DeclaredCheck("error", "model:risk@2", "checks/error.yaml:2")
    world.declared.workspace = replace(world.declared.workspace, checks=(declared,))
    assert found(world)["check.missing"].startswith("warning")
    post(world, error=0.1, rows=3)
    told = found(world)
    assert "check.missing" not in told
    assert told["check.undecided"].startswith("warning")
    world.approve_all()


def test_what_the_approver_saw_is_in_the_audit_and_not_in_the_digest(world: World) -> None:
    """A passed check that is run again and passes again voids no approval."""
    post(world, error=0.1)
    before = plan_change(world.context, "better").plan.digest
    planned = world.approve_all()
    view = plan_view(planned)
    with world.context.store.transaction() as tx:
        given = next(e.event for e in tx.trail() if e.event.kind == "approval.given")
    assert [(c["name"], c["verdict"], c["digest"]) for c in given.facts["checks"]] == [
        ("error", "pass", view["checks"][0]["digest"])
    ]
    post(world, error=0.2)
    assert plan_change(world.context, "better").plan.digest == before == planned.plan.digest
    start(world.context, "better", "ana")


def test_declared_checks_are_read_from_the_workspace(tmp_path: Path) -> None:
    """Documents of kind Check tell what is expected of a version, with their place."""
    text = "kind: Check\nname: error\nsubject: model:risk@2\nmeasure: load\nurl: http://127.0.0.1:1\n"
    (tmp_path / "interlock.yaml").write_text("kind: Workspace\nname: small\n")
    (tmp_path / "check.yaml").write_text(text)
    space, _ = WorkspaceFiles(tmp_path).load()
    assert space.checks == (DeclaredCheck("error", "model:risk@2", "check.yaml:2"),)
