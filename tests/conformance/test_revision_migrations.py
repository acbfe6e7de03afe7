"""Revisions of Alembic through the runner, on SQLite and Postgres: there, back, and never from the wrong place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from interlock.adapters.schemas.table_moves import MigrationWriter
from interlock.domain.migrations.migration import Migration
from interlock.domain.rollout.revisions import RevisionMove
from interlock.domain.rollout.tables import Allowed
from interlock.engine.migration_runner import MigrationUnfinished
from interlock.engine.migrations import MigrationNotNow
from interlock.engine.tables import StatementRefused
from support.revisions import GROWN, ONE_WAY, stretch, write_revision, write_revisions
from support.tables import PLAN, Bureau, Moving, dialect_of, plan_with


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_revisions(tmp_path / "space")
    return tmp_path / "space"


def written(root: Path, url: str, start: str = "base", end: str = "bb22") -> Migration:
    move = RevisionMove(stretch("air", start, end), dialect_of(url))
    migration, findings = MigrationWriter(root).render(move)
    assert migration is not None, findings
    return migration


@pytest.fixture
def moving(url: str, root: Path) -> Moving:
    made = Moving(url, rows=3)
    made.table.run("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    made.untouched = made.snapshot()
    made.bureau = Bureau(plan_with(PLAN, written(root, url), made.migration))
    return made


BACK = "def downgrade():\n    op.execute('SELECT 2')\n"
NOTE = "SELECT version_num FROM alembic_version"


def test_two_revisions_there_and_back(moving: Moving) -> None:
    """Before traffic, beside a table of the same database; undone, nothing is left of either."""
    revisions, table = moving.runner().run("better")
    assert (revisions.is_there, revisions.position.step, table.is_there) == (True, 3, True)
    assert moving.table.rows("SELECT id, body, tag FROM remarks") == [(1, "it's 5% :done", "old")]
    assert moving.table.rows(NOTE) == [("bb22",)]
    assert moving.bureau.words()[:6] == [f"{did} {n}" for n in range(3) for did in ("doing", "done")]
    assert all(one.is_there for one in moving.runner().undo("better"))
    assert moving.table.rows(NOTE) == []
    assert moving.snapshot() == moving.untouched


def test_what_has_no_way_back_runs_by_order_alone(moving: Moving, root: Path, url: str) -> None:
    """The steps of tables say how far; `switch` leaves it undone, `contract` does it, and nothing takes it back."""
    write_revision(root, "cc33", "bb22", ONE_WAY)
    moving.bureau.known = plan_with(PLAN, written(root, url, end="cc33"))
    moving.bureau.allowed = Allowed("switch", "contract", back="switch")
    (reached,) = moving.runner().run("better", "switch")
    assert (reached.is_there, reached.position.step) == (True, 3)
    with pytest.raises(MigrationNotNow):
        moving.runner().run("better", "contract")
    (reached,) = moving.runner().run("better", "contract", is_ordered=True)
    assert reached.position.step == 4
    assert moving.table.rows("SELECT count(*) FROM remarks") == [(0,)]
    (undone,) = moving.runner().undo("better", "switch")
    assert not undone.is_there
    assert "revision cc33 cannot be undone" in undone.because


def test_a_database_that_is_elsewhere_is_left_alone(moving: Moving) -> None:
    """Somebody ran Alembic before: the run holds at its first step. Meanwhile: the step is undone as a whole."""
    moving.table.run("INSERT INTO alembic_version VALUES ('zz99')")
    (reached,) = moving.runner().run("better")
    assert not reached.is_there
    assert reached.because == (
        "at base of alembic_version does not hold: the database is at a revision already (1 row)"
    )
    moving.table.run("DELETE FROM alembic_version")
    assert moving.runner().run("better", "aa11")[0].position.step == 2
    moving.table.run("UPDATE alembic_version SET version_num = 'zz99'")
    before = moving.snapshot()
    with pytest.raises(StatementRefused, match="version_num"):
        moving.runner().run("better")
    assert moving.snapshot() == before
    with pytest.raises(StatementRefused, match="version_num"):
        moving.runner().undo("better")
    moving.table.run("UPDATE alembic_version SET version_num = 'aa11'")
    assert all(one.is_there for one in moving.runner().undo("better"))
    assert moving.snapshot() == moving.untouched


def test_revisions_that_were_edited_after_they_ran_are_taken_back_first(
    moving: Moving, root: Path, url: str
) -> None:
    """By the plan that ran them; its statements are not forgotten for those of the new one."""
    earlier, later = moving.bureau.known, GROWN.replace("'old'", "'new'")
    moving.bureau.plans = {earlier.digest: earlier}
    moving.runner().run("better", "bb22")
    write_revision(root, "bb22", "aa11", later, "Remarks have a tag.")
    moving.bureau.known = plan_with(PLAN, written(root, url), moving.migration)
    with pytest.raises(MigrationUnfinished, match="is at the end of another migration"):
        moving.runner().run("better")
    assert all(one.is_there for one in moving.runner().undo("better"))
    assert moving.snapshot() == moving.untouched
    assert moving.runner().run("better")[0].is_there
    assert moving.table.rows("SELECT tag FROM remarks") == [("new",)]


def test_the_next_stretch_begins_where_this_one_ended(moving: Moving, root: Path, url: str) -> None:
    """Of another change; undone alone, the first one stays."""
    moving.runner().run("better", "bb22")
    earlier = moving.bureau.known
    write_revision(root, "cc33", "bb22", "def upgrade():\n    op.execute('SELECT 1')\n" + BACK)
    moving.bureau.plans = {earlier.digest: earlier}
    other = plan_with(replace(PLAN, change="next"), written(root, url, "bb22", "cc33"))
    moving.bureau.known = other
    assert moving.runner().run("next")[0].is_there
    assert moving.table.rows(NOTE) == [("cc33",)]
    assert moving.runner().undo("next")[0].is_there
    assert moving.table.rows(NOTE) == [("bb22",)]
