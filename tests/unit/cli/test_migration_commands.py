"""What a person sees of migrations: steps, SQL on request, where tables stand, progress."""

from __future__ import annotations

import io

import click
import pytest
from rich.console import Console
from rich.progress import Progress as Bars

from interlock.cli.migrations import Drawn, Lines, status_lines, table_lines
from interlock.domain.migrations.position import Copied, Held, Kept, Position
from interlock.domain.rollout.tables import TableSeen
from interlock.engine.migration_runner import Progress
from interlock.engine.migrations import table_view
from interlock.kernel.digest import digest
from support.tables import migration
from support.world import START

MOVED = migration("sqlite")


def seen(position: Position, held: Held | None = None) -> TableSeen:
    return TableSeen(MOVED, Kept("flights", "sha256:p", digest(MOVED), 7, position, held))


def test_steps_say_what_they_do_and_how_they_are_undone() -> None:
    """In plain words; statements only on request; the point of no return by name."""
    view = table_view(MOVED, TableSeen(MOVED))
    brief, long = "\n".join(table_lines(view, False)), "\n".join(table_lines(view, True))
    assert "0. add km: a column for kilometres" in brief
    assert "undo: 2 statements; it costs: rolling back loses `km` of records written since" in brief
    assert "must not be: rows have no kilometres" in brief
    assert "undo: point of no return: once miles are dropped nobody knows them" in brief
    assert "ALTER TABLE" not in brief
    for step in MOVED.steps:
        for statement in (*step.do, *step.undo):
            assert all(line.strip() in long for line in statement.splitlines())
    assert MOVED.steps[2].batch is not None
    assert MOVED.steps[2].batch.sql in long


@pytest.mark.parametrize(
    ("limit", "approved", "says"),
    [
        ({"forward": "verify", "because": "the switch comes with promotion"}, True, "everything up to verify; the"),
        ({"forward": None, "because": "requests are under way"}, True, "nothing may be done now: requests"),
        ({"forward": "verify", "because": ""}, False, "the plan is not approved (`interlock plan better`)"),
    ],
)
def test_where_it_stands(limit: dict[str, str | None], approved: bool, says: str) -> None:
    """Each step with a mark, who is at it and since when, and what may be done now."""
    held = Held("ana on a, process 7", START)
    half = seen(Position(2, "doing", copied=Copied(rows=5, total=10, rate=1.0)), held)
    view = {"change": "better", "tables": [table_view(MOVED, half)], "allowed": limit, "is_approved": approved}
    told = "\n".join(status_lines(view))
    assert "air.flights: backfill of flights is at 50 % (5 of 10 rows), 5 s left at 1 rows/s" in told
    assert "(run by ana on a, process 7 since 2026-05-01T08:00:00Z)" in told
    assert "[x] write both\n  [>] backfill\n  [ ] verify" in told
    assert says in told


@pytest.mark.parametrize(
    ("position", "is_told"),
    [
        (Position(3), True),
        (Position(0, "doing", statement=1), True),
        (Position(0), False),
        (Position(7), False),
        (Position(0, "doing"), False),
    ],
)
def test_another_migration_of_the_table_is_told(position: Position, is_told: bool) -> None:
    """So that nobody wonders why nothing has begun; one that was taken back, or is complete, is in nobody's way."""
    other = TableSeen(MOVED, Kept("flights", "sha256:p", "sha256:other", 7, position))
    limit = {"forward": "verify", "because": ""}
    view = {"change": "better", "tables": [table_view(MOVED, other)], "allowed": limit, "is_approved": True}
    assert ("another plan's migration has the table" in "\n".join(status_lines(view))) == is_told


def copying(rows: int) -> Progress:
    position = Position(2, "doing", copied=Copied(rows=rows, total=100, rate=10.0))
    return Progress(MOVED, position, f"backfill at {rows}", "copy")


def test_without_a_terminal_progress_is_a_line_for_each_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    """A log of a long backfill stays short; trouble is always told."""
    lines = Lines()
    for rows in range(100):
        lines.report(copying(rows))
    lines.report(Progress(MOVED, Position(2, "doing"), "others hold a lock; trying again in 1 s", "trouble"))
    told = capsys.readouterr().out.splitlines()
    assert told[:2] == ["backfill at 0", "backfill at 10"]
    assert len(told) == 11
    assert "trying again" in told[-1]


def test_on_a_terminal_progress_is_a_bar() -> None:
    """One for each table, which says what is going on; trouble stays on the screen above it."""
    screen = io.StringIO()
    with Bars(*Drawn.columns(), console=Console(file=screen, force_terminal=True, width=120)) as bars:
        drawn = Drawn(bars)
        drawn.report(copying(50))
        bars.refresh()
        drawn.report(Progress(MOVED, Position(2, "doing"), "the database does not answer", "trouble"))
        drawn.report(Progress(MOVED, Position(4), "verify is done", "end"))
    shown = click.unstyle(screen.getvalue())
    assert " 36 %  backfill at 50" in shown
    assert "the database does not answer" in shown
    assert "verify is done" in shown
