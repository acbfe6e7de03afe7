"""Tables that move with a change: planned, approved, waited for, switched, taken back; on a real SQLite."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from interlock.adapters.schemas.table_moves import MigrationWriter
from interlock.domain.catalog.database import Database
from interlock.domain.catalog.service import VersionRef
from interlock.domain.changes.cut import cut
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import Rename, Unit
from interlock.domain.migrations.migration import Migration
from interlock.domain.rollout.compile import compile_plan
from interlock.domain.rollout.position import Verb
from interlock.domain.rollout.revisions import RevisionMove
from interlock.domain.rollout.tables import TableMove
from interlock.domain.schemas.contract import record
from interlock.domain.schemas.field import INTEGER, NUMBER, Field
from interlock.engine.migration_runner import POLL_S, MigrationUnfinished, PlanForged, Reached
from interlock.engine.migrations import MigrationMissing, MigrationNotNow, NotSteward, Told, migration_view, tell
from interlock.engine.plans import plan_change
from interlock.engine.rollouts import NotApproved, order, start
from interlock.engine.status import status_view
from interlock.engine.views import plan_view
from interlock.kernel.digest import canonical
from interlock.kernel.errors import Missing
from interlock.kernel.finding import Finding
from support.table_world import LENS, TableWorld, with_ledger
from support.world import change, workspace


@pytest.fixture
def world(tmp_path: Path) -> Iterator[TableWorld]:
    made = TableWorld(tmp_path)
    yield made
    made.close()


class Edited:
    """Writes what the real writer writes, but for one byte once `is_on`."""

    def __init__(self) -> None:
        self.writer, self.is_on = MigrationWriter(), False

    def render(self, move: TableMove | RevisionMove) -> tuple[Migration | None, tuple[Finding, ...]]:
        migration, findings = self.writer.render(move)
        if not self.is_on or migration is None:
            return migration, findings
        look, first, *others = migration.steps
        edited = replace(first, undo=(*first.undo[:-1], first.undo[-1] + " "))
        return replace(migration, steps=(look, edited, *others)), findings


def test_the_plan_shows_every_statement_and_the_digest_covers_it(world: TableWorld) -> None:
    """Seven kinds of steps with undo and costs; the way back ends where it says."""
    planned = plan_change(world.context, "better")
    (table,) = plan_view(planned)["migrations"]
    kinds = [step["kind"] for step in table["steps"]]
    assert list(dict.fromkeys(kinds)) == [
        "expand",
        "dual-write",
        "backfill",
        "verify",
        "switch",
        "stop-old-writes",
        "contract",
    ]
    assert table["place"] == "books.ledger"
    assert table["no_return"]
    for step in table["steps"]:
        for statement in step["do"]:
            assert canonical(statement) in canonical(planned.plan)
    assert not planned.is_blocked, planned.findings


def test_a_plan_for_postgres_tells_what_is_unsafe_and_asks_no_database(world: TableWorld) -> None:
    """The same declarations give the same bytes, and findings name the step."""
    books = Database("books", "postgres", url_env="BOOKS")
    world.declared.workspace = replace(world.declared.workspace, databases={"books": books})
    planned, again = plan_change(world.context, "better"), plan_change(world.context, "better")
    assert planned.plan.digest == again.plan.digest
    assert [one for one in planned.findings if one.is_blocking] == []
    assert planned.plan.migrations[0].dialect == "postgres"
    assert "migration.unchecked" not in {one.code for one in planned.findings}


def test_one_changed_byte_of_sql_voids_approvals(tmp_path: Path) -> None:
    """Another undo is another plan; what changed is named, and the rollout does not start."""
    renderer = Edited()
    world = TableWorld(tmp_path, renderer=renderer)
    approved = world.approve_all()
    renderer.is_on = True
    again = plan_change(world.context, "better")
    assert again.plan.digest != approved.plan.digest
    assert again.missing
    assert any("migrations" in line and "undo" in line for line in again.voided)
    with pytest.raises(NotApproved):
        start(world.context, "better", "ana")
    world.close()


def test_a_plan_without_tables_differs_by_the_empty_field_alone() -> None:
    """What is compiled has no other part for tables."""
    space = workspace()
    plan, _ = compile_plan(space, space.changes["better"], cut(space, dict.fromkeys(space.services, "1")))
    assert plan.migrations == ()
    assert json.loads(canonical(plan))["migrations"] == []


def test_a_rollout_waits_for_its_tables_and_switches_them_with_promotion(world: TableWorld) -> None:
    """No traffic before every row is verified; not over before the switch; then old shapes go by order alone."""
    world.begin()
    for _ in range(3):
        world.second()
    (rollout,) = status_view(world.context)["rollouts"]
    assert "has not begun" in rollout["evidence"]["tables"]["books.ledger"]
    held = world.now().position
    assert held.stage == 0
    assert "has not begun; nobody is at it (`interlock migration run better`)" in held.because
    world.runner().run("better")
    assert world.rows("SELECT count(*) FROM ledger WHERE euros <> cents / 100 OR euros IS NULL") == [(0,)]
    promote(world)
    world.runner().run("better")
    ended = world.run()
    assert ended.position.outcome == "promoted"
    assert world.rows("SELECT euros FROM ledger__current WHERE id = 7") == [(7.0,)]
    begun = [f"migration.{did} {step}" for step in ("look", "expand") for did in ("doing", "done")]
    assert world.events()[:4] == begun


def promote(world: TableWorld) -> None:
    """By order, once it is known where the tables stand; until the switch alone is waited for."""
    world.second()
    order(world.context, "better", "promote", "ana")
    for _ in range(10):
        world.second()
    assert "everything is served by the candidate; held, because ledger" in world.now().position.because


def test_a_promotion_by_order_waits_for_tables_too(world: TableWorld) -> None:
    """An impatient person does not send traffic to a release whose rows are not there."""
    world.begin()
    world.second()
    order(world.context, "better", "promote", "ana")
    world.second()
    assert world.now().position.stage == 0
    assert "held, because ledger" in world.now().position.because
    world.runner().run("better")
    for _ in range(3):
        world.second()
    assert "everything is served by the candidate" in world.now().position.because


def followed(world: TableWorld, verb: Verb) -> Reached:
    """How far a runner comes that is to follow up to the switch. Each of its waits is a second of the world; in the
    first one the rollout gets an order.
    """
    world.begin()
    runner = world.runner()
    ordered = iter([True])

    def rest(seconds: float) -> None:
        world.second()
        if seconds >= POLL_S and next(ordered, False):
            order(world.context, "better", verb, "ana")

    runner.rest = rest
    (reached,) = runner.follow("better", "switch")
    return reached


def test_a_runner_that_follows_switches_when_it_may(world: TableWorld) -> None:
    """It waits while the candidate proves itself."""
    assert followed(world, "promote").is_there
    assert world.rows("SELECT euros FROM ledger__current WHERE id = 7") == [(7.0,)]


def test_a_runner_that_follows_stops_when_the_rollout_turns_back(world: TableWorld) -> None:
    """With the reason, and what was moved stays for a person to take back."""
    reached = followed(world, "abort")
    assert not reached.is_there
    assert "switch is not done" in reached.because


def test_a_database_that_is_gone_holds_the_rollout(world: TableWorld) -> None:
    """Nothing advances on what is not known; the reason names the database, never its address."""
    world.variables = {"BOOKS": "sqlite:///nowhere.db"}
    world.crash()
    world.begin()
    for _ in range(3):
        world.second()
    assert world.now().position.stage == 0
    assert "there is no SQLite database at" in world.now().position.because


def test_nothing_runs_that_is_not_approved(world: TableWorld) -> None:
    """The plan is there, approvals are not: refused before the table is touched."""
    plan_change(world.context, "better")
    with pytest.raises(NotApproved, match="none of its SQL runs"):
        world.runner().run("better")
    assert world.schema() == world.first


def test_orders_have_their_time_and_their_person(world: TableWorld) -> None:
    """The old shape stays until promotion, and goes by a data steward's order; the switch cannot be undone then."""
    world.begin()
    world.runner().run("better")
    with pytest.raises(MigrationNotNow, match="must not be done now"):
        world.runner("ben").run("better", "contract", is_ordered=True)
    for _ in range(3):
        world.second()
    with pytest.raises(MigrationNotNow, match="must keep everything up to verify"):
        world.runner().undo("better")
    promote(world)
    world.runner().run("better")
    assert world.run().position.outcome == "promoted"
    with pytest.raises(NotSteward, match="Who may order it: ben"):
        world.runner("ana").run("better", "contract", is_ordered=True)
    (reached,) = world.runner("ben").run("better", "contract", is_ordered=True)
    assert reached.is_there
    columns = [row[0] for row in world.rows("SELECT name FROM pragma_table_info('ledger')")]
    assert columns == ["id", "euros"]
    with pytest.raises(MigrationNotNow, match="must keep everything up to switch"):
        world.runner("ben").undo("better")
    assert world.runner("ben").undo("better", "switch")[0].is_there
    assert world.rows("SELECT cents FROM ledger WHERE id = 7") == [(700.0,)]
    world.runner("ben").run("better", "expire", is_ordered=True)
    (reached,) = world.runner("ben").undo("better", "switch")
    assert not reached.is_there
    assert "cannot be taken back" in reached.because


def test_after_a_rollback_everything_can_be_taken_back(world: TableWorld) -> None:
    """The table is as it was, byte by byte of its schema, and the change may be begun again."""
    world.begin()
    world.runner().run("better")
    for _ in range(5):
        world.second()
    order(world.context, "better", "rollback", "ana")
    assert world.run().position.outcome == "rolled_back"
    (reached,) = world.runner().undo("better")
    assert (reached.is_there, reached.position.step) == (True, 0)
    assert world.schema() == world.first
    assert world.rows("SELECT count(*), sum(cents) FROM ledger") == [(60, 100.0 * 61 * 30)]
    assert {line.split()[0] for line in world.events()} >= {"migration.undoing", "migration.undone"}
    world.runner().run("better")


def back_and_on(world: TableWorld) -> None:
    """Adds a change back to version 1, and a third version with a change to it."""
    space = world.declared.workspace
    scoring = space.services["scoring"]
    third = replace(scoring.versions["2"], request=VersionRef("amounts", "3"))
    fields = (Field("id", INTEGER), Field("dollars", NUMBER))
    changes = {
        **space.changes,
        "back": change("back", [("service", "scoring", "1"), ("model", "risk", "1"), ("contract", "amounts", "1")]),
        "on": change("on", [("service", "scoring", "3"), ("contract", "amounts", "3")]),
    }
    world.declared.workspace = replace(
        space,
        changes=changes,
        services={**space.services, "scoring": replace(scoring, versions={**scoring.versions, "3": third})},
        contracts={**space.contracts, ("amounts", "3"): record("amounts", "3", fields, is_open=False)},
        lenses=(*space.lenses, Lens("amounts", "2", "3", (Rename("euros", "dollars"), Unit("dollars", 11, 10)))),
    )


def test_a_change_back_needs_no_migration_while_both_shapes_are_there(world: TableWorld) -> None:
    """It says so; once it is promoted, the undo of the change before leaves the table as it was."""
    back_and_on(world)
    world.begin()
    world.promote()
    planned = plan_change(world.context, "back")
    assert planned.plan.migrations == ()
    assert [one.severity for one in planned.findings if one.code == "migration.both_shapes"] == ["info"]
    assert [one.code for one in plan_change(world.context, "on").findings if one.is_blocking] == [
        "migration.between"
    ]
    world.runner("ben").run("better", "stop-old-writes", is_ordered=True)
    stopped = plan_change(world.context, "back")
    assert [one.code for one in stopped.findings if one.is_blocking] == ["migration.old_writes_stopped"]
    world.runner().undo("better", "switch")
    world.begin("back")
    world.second()
    order(world.context, "back", "promote", "ana")
    assert world.run("back").position.outcome == "promoted"
    assert world.runner().undo("better")[0].is_there
    assert world.schema() == world.first


def test_the_next_migration_begins_where_this_one_ended(world: TableWorld) -> None:
    """Two contracts moved one after the other, both to their end; the views of the middle version are known of."""
    back_and_on(world)
    world.begin()
    world.promote()
    world.runner("ben").run("better", "expire", is_ordered=True)
    world.begin("on")
    world.promote("on")
    assert world.rows("SELECT dollars FROM ledger__current WHERE id = 10") == [(11.0,)]
    assert world.rows("SELECT euros FROM ledger__v2 WHERE id = 10") == [(10.0,)]


def test_an_edited_plan_does_not_go_on_where_another_stopped(world: TableWorld) -> None:
    """The SQL that stopped half way is taken back by its own undo, which was approved with it."""
    world.approve_all()
    world.runner().run("better")
    thousandths = replace(LENS, ops=(Rename("cents", "euros"), Unit("euros", 1, 1_000)))
    world.declared.workspace = replace(world.declared.workspace, lenses=(thousandths,))
    world.approve_all()
    with pytest.raises(MigrationUnfinished, match="in the middle of another migration"):
        world.runner().run("better")
    (reached,) = world.runner().undo("better")
    assert reached.position.step == 0
    assert world.schema() == world.first
    world.runner().run("better")
    assert world.rows("SELECT euros FROM ledger WHERE id = 7") == [(0.7,)]


def test_no_secret_is_stored(world: TableWorld) -> None:
    """A password in the environment is in no plan, view, event, nor in the store's file."""
    secret = "hunter2-and-more"
    declared = Database("books", "postgres", url_env="BOOKS")
    space = with_ledger(workspace())
    world.declared.workspace = replace(space, databases={"books": declared})
    world.variables = {"BOOKS": f"postgresql://me:{secret}@127.0.0.1:1/books"}
    world.crash()
    world.begin()
    for _ in range(2):
        world.second()
    view = migration_view(world.context, "better")
    assert "does not answer" in view["tables"][0]["fault"]
    assert secret not in json.dumps(view) + world.now().position.because
    world.context.store.close()
    assert secret.encode() not in b"".join(path.read_bytes() for path in world.file.parent.glob("state.db*"))


def test_what_a_runner_tells_must_make_sense(world: TableWorld) -> None:
    """Places, steps and plans that there are not; changes without tables; a plan that its digest does not name."""
    digest = world.approve_all().plan.digest
    for wrong in (Told(digest, "books.other", 0, "doing"), Told(digest, "books.ledger", 99, "doing")):
        with pytest.raises(MigrationMissing):
            tell(world.context, "better", wrong, "ana")
    with pytest.raises(Missing, match="not stored"):
        tell(world.context, "better", Told("sha256:0", "books.ledger", 0, "doing"), "ana")
    runner = world.runner()
    honest = runner.office.plan
    runner.office.plan = lambda named: replace(honest(named), why="another")  # type: ignore[method-assign]  # a liar
    with pytest.raises(PlanForged):
        runner.run("better")
    world.declared.workspace = workspace(plain=change("plain"))
    plan_change(world.context, "plain")
    with pytest.raises(MigrationMissing, match="moves no table"):
        migration_view(world.context, "plain")
