"""Revisions of Alembic that move with a service: planned, approved, waited for, taken back; on a real SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from interlock.adapters.schemas.table_moves import MigrationWriter
from interlock.cli.migrations import table_lines
from interlock.domain.catalog.database import Database
from interlock.domain.changes.request import Role
from interlock.engine.migrations import MigrationNotNow, NotSteward
from interlock.engine.plans import plan_change
from interlock.engine.rollouts import NotApproved, order, start
from interlock.engine.views import plan_view
from support.revisions import GROWN, ONE_WAY, stretch, write_revision, write_revisions
from support.table_world import TableWorld
from support.world import change, workspace

ASKS = "def upgrade():\n    op.get_bind()\n"


class RevisionWorld(TableWorld):
    """A change with a service and a database, and nothing else; its revisions are files in `root`."""

    def __init__(self, path: Path) -> None:
        self.root = path / "space"
        write_revisions(self.root)
        super().__init__(path, renderer=MigrationWriter(self.root))

    def boot(self) -> None:
        """With `better` moving the service that stands alone, and the database `books`."""
        if not self.root.joinpath("booted").exists():
            self.root.joinpath("booted").touch()
            self.declare("bb22")
        super().boot()

    def declare(self, end: str) -> None:
        moved = change("better", [("service", "billing", "2")])
        moved = replace(moved, steps=replace(moved.steps, bake_s=0.0), revisions=(stretch("books", end=end),))
        books = Database("books", "sqlite", url_env="BOOKS")
        self.declared.workspace = replace(workspace(better=moved), databases={"books": books})


@pytest.fixture
def world(tmp_path: Path) -> Iterator[RevisionWorld]:
    made = RevisionWorld(tmp_path)
    yield made
    made.close()


def test_the_plan_shows_every_statement_there_and_back(world: RevisionWorld) -> None:
    """As `plan --sql` does; a data steward is asked, and no downgrade is said to cost nothing."""
    planned = plan_change(world.context, "better")
    assert not planned.is_blocked, planned.findings
    assert [str(one.role) for one in planned.missing if one.role is Role.STEWARD] == ["data-steward"]
    (table,) = plan_view(planned)["migrations"]
    shown = "\n".join(table_lines(table, with_sql=True))
    for said in ("books.alembic_version (revisions base to bb22, sqlite)", "CREATE TABLE remarks", "ADD COLUMN tag",
                 "DROP TABLE remarks", "UPDATE alembic_version SET version_num = 'aa11'"):  # fmt: skip
        assert said in shown
    assert "no way back" not in shown
    assert shown.count("it costs: ") == 2


def test_one_changed_byte_of_a_revision_voids_approvals(world: RevisionWorld) -> None:
    """Of the downgrade as well, and at once: the file is read again for each plan."""
    approved = world.approve_all()
    path = world.root / "migrations" / "versions" / "bb22.py"
    for before, after in (("'old'", "'olD'"), ('drop_column("remarks", "tag")', 'drop_column("remarks", "tap")')):
        original = path.read_text()
        path.write_text(original.replace(before, after))
        again = plan_change(world.context, "better")
        assert again.plan.digest != approved.plan.digest
        assert again.missing
        assert any(line.startswith("migrations.") for line in again.voided)
        with pytest.raises(NotApproved):
            start(world.context, "better", "ana")
        path.write_text(original)
    assert not plan_change(world.context, "better").missing


def test_a_plan_without_revisions_is_the_same_bytes(world: RevisionWorld) -> None:
    """What a change does not declare has no part in its name."""
    plain = replace(world.declared.workspace.changes["better"], revisions=())
    world.declared.workspace = replace(world.declared.workspace, changes={"better": plain})
    with_databases = plan_change(world.context, "better").plan
    world.declared.workspace = replace(world.declared.workspace, databases={})
    assert plan_change(world.context, "better").plan.digest == with_databases.digest
    assert with_databases.migrations == ()


def test_a_rollout_waits_for_its_revisions_and_they_go_back_with_it(world: RevisionWorld) -> None:
    """No traffic before they ran, no undo while there is some; after the rollback nothing is left of them."""
    world.begin()
    for _ in range(3):
        world.second()
    held = world.now().position
    assert held.stage == 0
    assert "alembic_version (revisions base to bb22) has not begun" in held.because
    assert world.runner().run("better")[0].is_there
    for _ in range(5):
        world.second()
    assert world.now().position.stage > 0
    with pytest.raises(MigrationNotNow, match="must keep everything up to verify"):
        world.runner().undo("better")
    order(world.context, "better", "rollback", "ana")
    assert world.run().position.outcome == "rolled_back"
    assert world.runner().undo("better")[0].is_there
    assert [row for row in world.schema() if "alembic" not in row[1]] == world.first
    assert world.events()[:2] == ["migration.doing at base", "migration.done at base"]


def test_a_revision_without_a_way_back_comes_last_and_by_order(world: RevisionWorld) -> None:
    """It holds no traffic; once the change is promoted, a data steward runs it."""
    write_revision(world.root, "cc33", "bb22", ONE_WAY)
    world.declare("cc33")
    assert [one.where for one in plan_change(world.context, "better").findings if "one_way" in one.code] == [
        "migrations/versions/cc33.py:1"
    ]
    world.begin()
    with pytest.raises(MigrationNotNow, match="must not be done now"):
        world.runner("ben").run("better", "contract", is_ordered=True)
    world.promote()
    assert world.rows("SELECT count(*) FROM remarks") == [(1,)]
    with pytest.raises(NotSteward):
        world.runner("ana").run("better", "contract", is_ordered=True)
    assert world.runner("ben").run("better", "contract", is_ordered=True)[0].is_there
    assert world.rows("SELECT count(*) FROM remarks") == [(0,)]
    assert world.rows("SELECT version_num FROM alembic_version") == [("cc33",)]


@pytest.mark.parametrize(
    ("end", "body", "code", "where"),
    [
        ("zz99", "", "migration.revisions_unreadable", "changes/better.yaml:7"),
        ("cc33", GROWN.replace("op.add_column", "op.get_bind("), "migration.revisions_unreadable", ""),
        ("cc33", ASKS, "migration.revision_refused", "migrations/versions/cc33.py:8"),
    ],
)
def test_what_cannot_be_written_down_blocks_the_plan(
    world: RevisionWorld, end: str, body: str, code: str, where: str
) -> None:
    """Unknown revisions, files that are none, connections: an error with its place, never the machine's."""
    if body:
        write_revision(world.root, "cc33", "bb22", body)
    world.declare(end)
    planned = plan_change(world.context, "better")
    assert planned.is_blocked
    (finding,) = [one for one in planned.findings if one.is_blocking]
    assert (finding.code, finding.where) == (code, where or "changes/better.yaml:7")
    assert str(world.root) not in str(finding)


def test_a_path_that_is_not_there_and_branches_block_the_plan(world: RevisionWorld) -> None:
    """With the line of the change that names them."""
    write_revision(world.root, "cc33", ("aa11", "bb22"), GROWN)  # type: ignore[arg-type]  # a merge
    for revisions, says in (
        (stretch("books", end="cc33"), "branch"),
        (replace(stretch("books"), path="x"), "no x"),
    ):
        moved = replace(world.declared.workspace.changes["better"], revisions=(revisions,))
        world.declared.workspace = replace(world.declared.workspace, changes={"better": moved})
        (finding,) = [one for one in plan_change(world.context, "better").findings if one.is_blocking]
        assert says in finding.says
        assert finding.where == "changes/better.yaml:7"
