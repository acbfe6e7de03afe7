"""A promoted change is taken back by a change of its own; a lens can change without a new version."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from interlock.domain.changes.request import Change
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import Add, Rename
from interlock.engine import changes, contents
from interlock.engine.plans import plan_change
from interlock.kernel.errors import Missing
from support.driven import World
from support.world import change, workspace


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.context.store.close()


def declared(world: World, *asked: Change) -> None:
    world.declared.workspace = workspace(**{one.name: one for one in asked})


def test_all_of_a_promoted_change_goes_back(world: World) -> None:
    """The change that is written compiles to a plan that ends where the first began."""
    world.begin()
    assert world.run().position.phase == "finished"
    made = changes.revert(world.context, "better", "all", "eve", dry_run=True)
    assert made["written"] is None
    assert made["change"]["moves"] == [
        {"contract": "amounts", "to": "1"},
        {"model": "risk", "to": "1"},
        {"service": "scoring", "to": "1"},
    ]
    moves = [
        (kind, name, one["to"]) for one in made["change"]["moves"] for kind, name in one.items() if kind != "to"
    ]
    declared(world, change(), change("back", moves))
    plan = plan_change(world.context, "back").plan
    assert plan.candidate.version("scoring") == "1"
    assert plan.candidate.deployment("scoring").request == ()  # type: ignore[union-attr]  # it is there


def test_what_was_never_planned_is_not_reverted(world: World) -> None:
    """There is nothing to say what it moved from."""
    with pytest.raises(Missing, match="was never planned"):
        changes.revert(world.context, "better", "all", "eve", dry_run=True)


def test_a_changed_lens_is_a_change_of_its_own(world: World) -> None:
    """The same version behind another lens is another deployment; behind the same lens there is nothing to do."""
    world.begin()
    world.run()
    again = change("mend", [("service", "scoring", "2")])
    declared(world, change(), again)
    assert "change.no_move" in {f.code for f in plan_change(world.context, "mend").findings}
    mended = Lens("amounts", "1", "2", (Rename("cents", "amount_cents"), Add("currency", "EUR")))
    world.declared.workspace = replace(workspace(better=change(), mend=again), lenses=(mended,))
    planned = plan_change(world.context, "mend")
    assert "change.no_move" not in {f.code for f in planned.findings}
    assert planned.plan.candidate.deployment("scoring").request == mended.ops  # type: ignore[union-attr]


def test_what_a_plan_relied_on_is_kept_as_it_was_written(world: World) -> None:
    """Under its digest, so that a later edit of the same file replaces nothing."""
    places = workspace()
    lens = replace(places.lenses[0], where="lenses/amounts.yaml:1")
    contracts = {key: replace(one, where=f"{key[1]}.yaml:1") for key, one in places.contracts.items()}
    world.declared.workspace = replace(places, lenses=(lens,), contracts=contracts)
    plan_change(world.context, "better")
    kept = {f"{one['kind']}:{one['name']}": one for one in contents.of_change(world.context, "better")}
    assert kept["lens:amounts@1..2"]["text"] == "declared at lenses/amounts.yaml:1\n"
    assert kept["contract:amounts@1"]["text"] == "declared at 1.yaml:1\n"
    assert kept["model:risk@2"]["text"] is None
    moved = replace(lens, where="elsewhere.yaml:9")
    world.declared.workspace = replace(places, lenses=(moved,), contracts=contracts)
    plan_change(world.context, "better")
    again = {f"{one['kind']}:{one['name']}": one for one in contents.of_change(world.context, "better")}
    assert again["lens:amounts@1..2"]["file"] == "lenses/amounts.yaml:1"
