"""Migrations on real databases, SQLite and Postgres: done, stopped anywhere, resumed, undone, one at a time."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from interlock.adapters.clock import SystemClock
from interlock.adapters.databases.open import DeclaredDatabases
from interlock.domain.catalog.database import Database
from interlock.domain.migrations.migration import Batch, Migration, MigrationStep
from interlock.domain.migrations.pace import Pace
from interlock.domain.migrations.position import Kept, Position
from interlock.domain.rollout.tables import Allowed
from interlock.engine.migration_runner import MigrationUnfinished, Progress, Runner
from interlock.engine.migrations import MigrationNotNow
from interlock.engine.tables import (
    DatabaseAddress,
    DatabaseBusy,
    DatabaseMissing,
    MigrationHeld,
    MigrationLost,
    StatementRefused,
    TableDatabase,
    TableDatabases,
)
from interlock.kernel.digest import digest
from support.tables import PLAN, ROWS, Bureau, Moving, Table, databases, dialect_of, plan_with


@pytest.fixture
def moving(url: str) -> Moving:
    return Moving(url)


def test_it_goes_as_far_as_it_may_and_no_further(moving: Moving) -> None:
    """Up to verifying; then, allowed, the switch; then, ordered, to the end; and once more for nothing."""
    (reached,) = moving.runner().run("better")
    assert (reached.is_there, reached.position.step) == (True, 4)
    assert moving.bureau.words() == [f"{did} {n}" for n in range(4) for did in ("doing", "done")]
    assert moving.table.rows("SELECT count(*) FROM flights WHERE km IS NULL OR km <> miles * 1.609344") == [(0,)]
    moving.bureau.allowed = Allowed("switch", "contract", back="switch")
    moving.runner().run("better")
    assert len(moving.table.rows("SELECT * FROM distances")) == ROWS
    with pytest.raises(MigrationNotNow):
        moving.runner().run("better", "contract")
    (reached,) = moving.runner().run("better", "contract", is_ordered=True)
    assert reached.position.step == 7
    heard = len(moving.bureau.heard)
    assert all(one.is_there for one in moving.runner().run("better"))
    assert len(moving.bureau.heard) == heard


def test_undone_after_any_step_everything_is_as_it_was(moving: Moving) -> None:
    """Schema and rows, after every step that can be taken back; what cannot be says so."""
    for goal, kind in enumerate(
        ("expand", "dual-write", "backfill", "verify", "switch", "stop-old-writes"), start=1
    ):
        moving.bureau.allowed = Allowed(kind, "contract", back=None)  # type: ignore[arg-type]  # a literal
        (reached,) = moving.runner().run("better", is_ordered=True)
        assert reached.position.step == goal
        (undone,) = moving.runner().undo("better")
        assert (undone.is_there, undone.position.step) == (True, 0)
        assert moving.snapshot() == moving.untouched
    moving.runner().run("better", "contract", is_ordered=True)
    (undone,) = moving.runner().undo("better")
    assert not undone.is_there
    assert "nobody knows them" in undone.because


def test_undone_as_far_as_is_asked(moving: Moving) -> None:
    """`to` a step's name or kind keeps that step; to one that is yet to come there is nothing to do."""
    moving.runner().run("better")
    (reached,) = moving.runner().undo("better", "write both")
    assert reached.position.step == 2
    (reached,) = moving.runner().undo("better", "verify")
    assert (reached.is_there, reached.position.step) == (True, 2)
    assert "nothing to take back" in reached.because


def stop_at(number: int, kind: str = "") -> Callable[[Progress], None]:
    """A watcher that ends the run at the `number`-th thing that it is told."""
    seen = itertools.count(1)

    def report(told: Progress) -> None:
        if (not kind or told.kind == kind) and next(seen) == number:
            raise KeyboardInterrupt

    return report


def test_stopped_anywhere_the_next_run_ends_with_the_same_bytes(url: str) -> None:
    """After each thing that a run tells in turn; every run goes on, and the last one has the undisturbed result."""
    undisturbed = Moving(url)
    undisturbed.bureau.allowed = Allowed("switch")
    undisturbed.runner().run("better")
    wanted = undisturbed.snapshot()
    things = len(undisturbed.told)
    undisturbed.runner().undo("better")
    assert things > 12
    for number in range(1, things + 1, 5):
        with pytest.raises(KeyboardInterrupt):
            undisturbed.runner(stop_at(number)).run("better")
        (reached,) = undisturbed.runner().run("better")
        assert reached.is_there
        assert undisturbed.snapshot() == wanted
        undisturbed.runner().undo("better")
        assert undisturbed.snapshot() == undisturbed.untouched


def test_stopped_anywhere_an_undo_still_ends_at_the_beginning(moving: Moving) -> None:
    """Half a backfill, half an undo: from everywhere the way back is the same."""
    for number in range(1, 12, 3):
        with pytest.raises(KeyboardInterrupt):
            moving.runner(stop_at(number)).run("better")
        with pytest.raises(KeyboardInterrupt):
            moving.runner(stop_at(1)).undo("better")
        (reached,) = moving.runner().undo("better")
        assert reached.is_there
        assert moving.snapshot() == moving.untouched


def test_a_step_that_stopped_half_way_is_taken_back_although_it_must_not_go_on(moving: Moving) -> None:
    """By order it began, without one it must not go on; the undo asks for no more than what it does."""
    moving.bureau.allowed = Allowed("switch", "contract", back="switch")
    moving.runner().run("better")
    before = moving.snapshot()
    with pytest.raises(KeyboardInterrupt):
        moving.runner(stop_at(2, "begin")).run("better", "contract", is_ordered=True)
    (reached,) = moving.runner().undo("better", "switch")
    assert (reached.is_there, reached.position.step, reached.position.phase) == (True, 5, "resting")
    assert moving.snapshot() == before


CHILD = """\
import sys
sys.path[:0] = {paths!r}
from interlock.adapters.clock import SystemClock
from interlock.domain.migrations.pace import Pace
from interlock.engine.migration_runner import Runner
from support.tables import PLAN, Bureau, databases, dialect_of, migration, plan_with
bureau = Bureau(plan_with(PLAN, migration(dialect_of({url!r}))))
def report(told):
    print(told.kind, told.position.copied.rows, flush=True)
    if told.kind == "copy" and told.position.copied.rows == 120:
        sys.stdin.read(1)
pace = Pace(40, least=40, most=40)
Runner(databases({url!r}), bureau, SystemClock(), "child", report=report, pace=pace).run("better")
"""


def test_killed_in_the_middle_of_a_backfill(moving: Moving) -> None:
    """kill -9 of a real process between two batches: the next run takes over and ends with the same bytes."""
    tests = str(Path(__file__).parents[1])
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD.format(paths=[tests], url=moving.url)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tests,
    )
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith("copy") and int(line.split()[1]) == 120:
            break
    with pytest.raises(MigrationHeld, match="is run by child, since 20"):
        moving.runner().run("better")
    child.send_signal(signal.SIGKILL)
    child.wait(30)
    child.communicate()
    assert moving.kept().position.copied.rows == 120
    assert takes_over(moving)
    assert moving.table.rows("SELECT count(*) FROM flights WHERE km IS NULL OR km <> miles * 1.609344") == [(0,)]
    copies = [one.position.copied.rows for one in moving.told if one.kind == "copy"]
    assert min(copies) > 120


def takes_over(moving: Moving) -> bool:
    """Postgres notices a dead client by and by: the advisory lock is gone when it did."""
    for _ in range(200):
        try:
            (reached,) = moving.runner().run("better")
        except MigrationHeld:
            threading.Event().wait(0.05)
        else:
            return reached.is_there
    return False


def test_two_runners_at_once(moving: Moving) -> None:
    """One has the table; the other is told who, and the first one goes on undisturbed."""
    first, second = databases(moving.url).open("air"), databases(moving.url).open("air")
    try:
        assert first.claim("flights", "ana on a") is None
        with pytest.raises(MigrationHeld, match="ana on a, since 20") as held:
            second.claim("flights", "ben on b")
        assert held.value.details["by"] == "ana on a"
        with first.transaction() as tx:
            tx.keep(Kept("flights", "p", "m", 7, Position(2)))
        told = second.kept()["flights"]
        assert told.position == Position(2)
        assert told.held is not None
        assert told.held.by == "ana on a"
        first.close()
        found = second.claim("flights", "ben on b")
        assert found is not None
        assert (found.position, found.held) == (Position(2), None)
    finally:
        first.close()
        second.close()


def test_a_runner_that_was_taken_over_changes_nothing(moving: Moving) -> None:
    """Its next transaction is undone as a whole, effects included."""
    first, second = databases(moving.url).open("air"), databases(moving.url).open("air")
    try:
        first.claim("flights", "ana on a")
        moving.table.run("UPDATE interlock_migration SET mark = 'another', version = version + 1, runner = 'ben'")
        with pytest.raises(MigrationLost, match="taken over by ben"):
            clear(first)
        assert moving.snapshot()[0] == moving.untouched[0]
    finally:
        first.close()
        second.close()


def clear(database: TableDatabase) -> None:
    with database.transaction() as tx:
        tx.run("UPDATE flights SET miles = 0")
        tx.keep(Kept("flights", "p", "m", 7, Position(3)))


def test_a_busy_table_is_waited_for_with_smaller_batches(moving: Moving) -> None:
    """Another writer holds what a batch needs: it is undone, said, and done when the other one is through."""
    blocker = moving.table.engine.connect()

    def report(told: Progress) -> None:
        moving.told.append(told)
        if told.kind == "copy" and told.position.copied.rows == 120:
            if dialect_of(moving.url) == "sqlite":
                blocker.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                blocker.exec_driver_sql("LOCK TABLE flights")
        if told.kind == "trouble":
            blocker.rollback()

    try:
        if dialect_of(moving.url) == "sqlite":
            driver: Any = blocker.connection.driver_connection
            driver.isolation_level = None
        (reached,) = moving.runner(report).run("better")
    finally:
        blocker.close()
    assert reached.is_there
    assert ["others hold a lock" in one.says for one in moving.told if one.kind == "trouble"] == [True]
    assert moving.table.rows("SELECT count(*) FROM flights WHERE km IS NULL") == [(0,)]


def test_a_claim_waits_for_other_writers(moving: Moving) -> None:
    """Where the whole database is locked for a while, a run begins once it is free."""
    moving.table.run("CREATE TABLE other (id integer)")
    blocker, waits = databases(moving.url).open("air"), itertools.count()
    blocked = blocker.transaction()
    tx = blocked.__enter__()
    tx.run("INSERT INTO other VALUES (1)")

    def rest(seconds: float) -> None:
        if next(waits) == 0:
            blocked.__exit__(None, None, None)

    try:
        assert moving.runner(rest=rest).run("better")[0].is_there
    finally:
        blocker.close()
    troubles = [one.says for one in moving.told if one.kind == "trouble"]
    assert len(troubles) == (dialect_of(moving.url) == "sqlite")


def test_patience_ends(moving: Moving) -> None:
    """A table that stays busy ends the run with what is in the way; the next run goes on."""
    hours = itertools.count(step=3600)
    blocker = databases(moving.url).open("air")
    runner = moving.runner(timer=lambda: next(hours))
    moving.table.run("CREATE TABLE other (id integer)")
    try:
        with blocker.transaction() as tx:
            tx.run(
                "UPDATE flights SET miles = miles" if dialect_of(moving.url) == "sqlite" else "LOCK TABLE flights"
            )
            with pytest.raises(DatabaseBusy, match="others hold a lock in the database air"):
                runner.run("better")
    finally:
        blocker.close()
    assert moving.runner().run("better")[0].is_there


def test_a_check_that_does_not_hold_is_told_and_stops_before_the_switch(moving: Moving) -> None:
    """With how many rows break it; once they are mended the run goes on."""
    moving.bureau.allowed = Allowed("backfill")
    moving.runner().run("better")
    moving.table.run("UPDATE flights SET km = NULL WHERE id IN (3, 6)")
    moving.bureau.allowed = Allowed("switch")
    (reached,) = moving.runner().run("better")
    assert not reached.is_there
    assert reached.because == "verify of flights does not hold: rows have no kilometres (2 rows)"
    assert moving.bureau.words()[-1] == "held 3"
    moving.table.run("UPDATE flights SET km = miles * 1.609344 WHERE km IS NULL")
    assert moving.runner().run("better")[0].is_there


def test_a_statement_that_is_refused_leaves_nothing_half_done(moving: Moving) -> None:
    """The second of two statements fails: the first one is undone with it, and the message is the database's."""
    broken = replace(
        moving.migration.steps[0], do=(moving.migration.steps[0].do[0], "INSERT INTO nowhere VALUES (1)")
    )
    wrong = replace(moving.migration, steps=(broken, *moving.migration.steps[1:]))
    moving.bureau.known = plan_with(PLAN, wrong)
    with pytest.raises(StatementRefused, match="nowhere"):
        moving.runner().run("better")
    assert moving.snapshot() == moving.untouched
    (undone,) = moving.runner().undo("better")
    assert undone.position.step == 0
    assert moving.snapshot() == moving.untouched


class Crashing:
    """Databases of a runner that dies once it has executed `after` statements outside of transactions."""

    def __init__(self, databases: TableDatabases, after: int) -> None:
        self.databases, self.left = databases, after

    def open(self, name: str) -> TableDatabase:
        opened: Any = self.databases.open(name)
        execute = opened.outside

        def outside(statement: str) -> None:
            execute(statement)
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt

        opened.outside = outside
        database: TableDatabase = opened
        return database


@pytest.mark.parametrize("after", [1, 2])
def test_statements_outside_of_transactions_are_repeated_as_a_whole(moving: Moving, after: int) -> None:
    """Stopped between two of them, or after both and before that is written down: the same end, there and back."""
    built = replace(
        moving.migration.steps[1],
        do=("DROP INDEX IF EXISTS by_miles", "CREATE INDEX by_miles ON flights (miles)"),
        undo=("DROP INDEX IF EXISTS by_miles",),
        is_atomic=False,
    )
    steps = (moving.migration.steps[0], built, *moving.migration.steps[2:4])
    moving.bureau.known = plan_with(PLAN, replace(moving.migration, steps=steps))
    runner = moving.runner()
    runner.databases = Crashing(runner.databases, after)
    with pytest.raises(KeyboardInterrupt):
        runner.run("better")
    assert moving.kept().position.statement == 0
    assert moving.runner().run("better")[0].is_there
    assert moving.runner().undo("better")[0].is_there
    assert moving.snapshot() == moving.untouched


def test_a_run_finishes_a_half_undone_step_and_goes_no_further_back(moving: Moving) -> None:
    """However near its own goal is; and an undo that finds one half undone does not go forward."""
    moving.bureau.allowed = Allowed("stop-old-writes")
    moving.runner().run("better")
    with pytest.raises(KeyboardInterrupt):
        moving.runner(stop_at(1, "begin")).undo("better", "verify")
    moving.bureau.allowed = Allowed("verify")
    (reached,) = moving.runner().run("better")
    assert (reached.is_there, reached.position.step, reached.position.phase) == (True, 5, "resting")
    with pytest.raises(KeyboardInterrupt):
        moving.runner(stop_at(1, "begin")).undo("better", "verify")
    (reached,) = moving.runner().undo("better", "stop")
    assert (reached.is_there, reached.position.step, reached.position.phase) == (True, 4, "resting")


def test_nothing_is_done_that_the_control_plane_refuses(moving: Moving) -> None:
    """Neither at the beginning nor when a run goes on that was stopped."""
    moving.bureau.refuses = "not approved"
    with pytest.raises(MigrationNotNow):
        moving.runner().run("better")
    assert moving.snapshot() == moving.untouched
    moving.bureau.refuses = ""
    with pytest.raises(KeyboardInterrupt):
        moving.runner(stop_at(3, "copy")).run("better")
    before = moving.snapshot()
    moving.bureau.refuses = "no longer approved"
    with pytest.raises(MigrationNotNow, match="no longer"):
        moving.runner().run("better")
    assert moving.snapshot() == before


def test_a_control_plane_that_is_away_is_waited_for(moving: Moving) -> None:
    """As a database is: said, and nothing is begun without its word."""
    moving.bureau.away = 3
    assert moving.runner().run("better")[0].is_there
    troubles = [one.says for one in moving.told if one.kind == "trouble"]
    assert troubles[0] == "the control plane does not answer; trying again in 0.25 s"
    assert len(troubles) == 3
    assert moving.bureau.words()[0] == "doing 0"


def test_a_table_in_the_middle_of_another_migration_is_left_alone(moving: Moving) -> None:
    """Another plan's SQL does not go on where this one stopped; once taken back it may begin."""
    moving.runner().run("better")
    other = replace(moving.migration, newer="3")
    earlier, moving.bureau.known = moving.bureau.known, plan_with(PLAN, other)
    with pytest.raises(MigrationUnfinished, match="4 of 7 steps done"):
        moving.runner().run("better")
    moving.bureau.known = earlier
    moving.runner().undo("better")
    moving.bureau.known = plan_with(PLAN, other)
    assert moving.runner().run("better")[0].is_there
    assert moving.kept().migration == digest(other)


def test_rows_that_come_meanwhile_are_moved_as_well(moving: Moving) -> None:
    """Written between two batches: behind the backfill by the trigger, before it by the backfill."""

    def report(told: Progress) -> None:
        if told.kind == "copy" and told.position.copied.rows == 120:
            moving.table.run(
                "INSERT INTO flights (id, miles) VALUES (1, 10)",
                f"INSERT INTO flights (id, miles) VALUES ({9 * ROWS}, 20)",
            )

    assert moving.runner(report).run("better")[0].is_there
    assert moving.table.rows("SELECT km FROM flights WHERE miles < 50 ORDER BY id") == [
        (10 * 1.609344,),
        (20 * 1.609344,),
    ]


@pytest.mark.parametrize("rows", [0, 1, 50, 51])
def test_tables_of_any_size(url: str, rows: int) -> None:
    """Empty, of one row, of exactly one stretch, of one more: all rows are moved, progress ends at the whole."""
    moving = Moving(url, rows) if rows else empty(url)
    assert moving.runner().run("better")[0].is_there
    assert moving.table.rows("SELECT count(*), count(km) FROM flights") == [(rows, rows)]
    assert moving.kept().position.copied.share == 1.0


def empty(url: str) -> Moving:
    moving = Moving(url, 1)
    moving.table.run("DELETE FROM flights")
    return moving


def test_keys_of_several_columns_and_types(url: str) -> None:
    """Text, times, numbers: a key that is written down is the key that is read."""
    table = Table(url, 1)
    when = "timestamptz" if dialect_of(url) == "postgres" else "text"
    table.run(
        f"CREATE TABLE legs (origin text, at {when}, part numeric, km integer, PRIMARY KEY (origin, at, part))",
        "INSERT INTO legs (origin, at, part)"
        " VALUES ('O''Hare', '2013-01-01 05:00:00+00', 1.5), ('O''Hare', '2013-01-01 05:00:00+00', 2.25),"
        " ('Zürich', '2013-01-02 05:00:00+00', 1), ('a:size', '2013-01-02 05:00:00+00', 1)",
    )
    keys = "SELECT origin, at, part FROM legs {}ORDER BY origin, at, part LIMIT 1 OFFSET :size - 1"
    key, after, upto = "(origin, at, part)", "(:after_0, :after_1, :after_2)", "(:upto_0, :upto_1, :upto_2)"
    batch = Batch(
        "legs",
        ("origin", "at", "part"),
        f"UPDATE legs SET km = 1 WHERE {key} > {after} AND {key} <= {upto}",
        keys.format(f"WHERE {key} > {after} "),
        keys.format(""),
        f"UPDATE legs SET km = 1 WHERE {key} <= {upto}",
        "SELECT count(*) FROM legs",
    )
    step = MigrationStep("fill", "backfill", "fill km", batch=batch)
    moved = Migration("leg", "1", "2", "legs", batch.key, dialect_of(url), (step,), "", "air")
    bureau = Bureau(plan_with(PLAN, moved))
    runner = Runner(
        databases(url), bureau, SystemClock(), "ana", pace=Pace(size=1, least=1, most=1), rest=lambda s: None
    )
    assert runner.run("better")[0].is_there
    assert table.rows("SELECT sum(km) FROM legs") == [(4,)]


def test_what_is_declared_wrongly_is_told(url: str, tmp_path: Path) -> None:
    """A database that is not declared, a variable that is not set, an address of another kind, no such file."""
    declared = {"air": Database("air", "sqlite", url_env="AIR", where="interlock.yaml:3")}
    with pytest.raises(DatabaseMissing, match="'aire'"):
        DeclaredDatabases(lambda: declared, tmp_path, {}).open("aire")
    with pytest.raises(DatabaseAddress, match="AIR"):
        DeclaredDatabases(lambda: declared, tmp_path, {}).open("air")
    with pytest.raises(DatabaseAddress, match="not one of sqlite") as told:
        DeclaredDatabases(lambda: declared, tmp_path, {"AIR": "mysql://me:hunter2@x/y"}).open("air")
    assert "hunter2" not in str(told.value)
    with pytest.raises(DatabaseAddress, match="no SQLite database"):
        DeclaredDatabases(lambda: declared, tmp_path, {"AIR": "sqlite:///none.db"}).open("air")
