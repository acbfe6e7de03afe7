"""The one decision of a migration: what is next on the way from where it stands to where it should be. Pure.

A step is begun, its statements are executed, rows are copied, its checks are asked, and it is ended. Each of these
is written down in the transaction that does it, so whoever comes next goes on where the last one was stopped.

Laws (tests/laws/test_migration_laws.py): stopped anywhere and started again, the same statements take effect once
each; undone after any beginning, every effect is gone; a goal that is reached asks for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal, assert_never, get_args

from interlock.domain.migrations.migration import Batch, Migration, MigrationStep, StepKind
from interlock.domain.migrations.position import Copied, Position, Stretch
from interlock.kernel.instant import Instant

ORDER: Final[tuple[StepKind, ...]] = get_args(StepKind)


@dataclass(frozen=True, slots=True)
class Begin:
    """Enter the step's phase. skips: so many statements of the undo have nothing to take back."""

    step: int
    does: Literal["doing", "undoing"]
    because: str
    skips: int = 0
    kind: Literal["begin"] = "begin"


@dataclass(frozen=True, slots=True)
class Execute:
    """Execute `statements` in one transaction; or, those that cannot be in one, in order outside of any, where a
    crash leaves some of them done and all of them are repeated.
    """

    step: int
    statements: tuple[str, ...]
    is_atomic: bool
    because: str
    kind: Literal["execute"] = "execute"


@dataclass(frozen=True, slots=True)
class Copy:
    """Move one more stretch of rows."""

    step: int
    batch: Batch
    because: str
    kind: Literal["copy"] = "copy"


@dataclass(frozen=True, slots=True)
class End:
    """Ask the checks, and leave the step when none of them gives a row."""

    step: int
    checks: tuple[tuple[str, str], ...]
    because: str
    kind: Literal["end"] = "end"


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing to do. is_there: the goal is reached; otherwise `because` tells what is in the way."""

    is_there: bool
    because: str
    kind: Literal["rest"] = "rest"


Next = Begin | Execute | Copy | End | Rest


def reach(migration: Migration, kind: StepKind) -> int:
    """How many steps are done once everything up to `kind` is."""
    return sum(ORDER.index(step.kind) <= ORDER.index(kind) for step in migration.steps)


def advance(migration: Migration, position: Position, goal: int, broken: tuple[str, ...] = ()) -> Next:
    """What is next so that `goal` steps are done. broken: what the step's checks said, when they were asked.

    A step that is half undone is undone first; one that is half done and beyond the goal is undone as well.
    """
    match position.phase:
        case "undoing":
            return _undo(migration, position)
        case "doing" if position.step < goal:
            return _do(migration, position, broken)
        case "doing":
            return _back(migration, position, position.step, goal)
        case "resting" if position.step < goal:
            step = migration.steps[position.step]
            return Begin(position.step, "doing", f"{step.name} is next: {step.says}")
        case "resting" if position.step > goal:
            return _back(migration, position, position.step - 1, goal)
        case "resting":
            return Rest(True, standing(migration, position))
        case _ as unreachable:
            assert_never(unreachable)


def _do(migration: Migration, position: Position, broken: tuple[str, ...]) -> Next:
    step = migration.steps[position.step]
    if position.statement < len(step.do):
        return Execute(position.step, step.do, step.is_atomic, f"{step.name}: {step.says}")
    if step.batch is not None and not position.copied.is_through:
        return Copy(position.step, step.batch, f"{step.name}: {progress(position.copied)}")
    if broken:
        return Rest(False, f"{step.name} of {migration.table} does not hold: {'; '.join(broken)}")
    return End(position.step, step.checks, f"{step.name} is done" if not step.checks else f"checking {step.name}")


def _back(migration: Migration, position: Position, step: int, goal: int) -> Next:
    """Begin to undo `step`, unless it cannot be."""
    one = migration.steps[step]
    if position.phase == "doing" and _is_untouched(position, one):
        return Begin(step, "undoing", f"{one.name} had only begun, so there is nothing to take back", len(one.undo))
    if not one.is_reversible:
        return Rest(False, f"{one.name} of {migration.table} cannot be taken back: {migration.no_return}")
    return Begin(step, "undoing", f"{one.name} is taken back{_cost(one)}")


def _is_untouched(position: Position, step: MigrationStep) -> bool:
    """Whether the step under way had no effect yet. A statement outside of a transaction may have one before it is
    written down.
    """
    has_rows = not step.do and step.batch is not None and position.copied.after is not None
    return step.is_atomic and position.statement == 0 and not has_rows


def _cost(step: MigrationStep) -> str:
    lines = [line.says for line in step.costs]
    return f", which costs: {'; '.join(lines)}" if lines else ""


def _undo(migration: Migration, position: Position) -> Next:
    step = migration.steps[position.step]
    if position.statement < len(step.undo):
        return Execute(position.step, step.undo, step.is_atomic, f"taking back {step.name}")
    return End(position.step, (), f"{step.name} is taken back")


def begun(migration: Migration, position: Position, action: Begin, now: Instant) -> Position:
    """The position once the phase is entered."""
    is_fresh = action.does == "doing" and migration.steps[action.step].batch is not None
    copied = Copied() if is_fresh else position.copied
    return replace(position, step=action.step, phase=action.does, statement=action.skips, since=now, copied=copied)


def executed(position: Position, action: Execute) -> Position:
    """The position once the statements took effect."""
    return replace(position, statement=len(action.statements))


def ended(migration: Migration, position: Position, now: Instant) -> Position:
    """The position once the step under way is done, or undone."""
    is_done = position.phase == "doing"
    line = Stretch(migration.steps[position.step].name, "done" if is_done else "undone", position.since or now, now)
    copied = position.copied if is_done else Copied()
    return Position(position.step + is_done, copied=copied, since=now, trail=(*position.trail, line))


def progress(copied: Copied) -> str:
    """`62 %, 3 minutes left`; rows go with it, so that small tables say something, too."""
    at = f"{int(100 * copied.share)} % ({copied.rows:,} of {copied.total:,} rows)"
    if copied.left_s is None or copied.is_through:
        return at
    return f"{at}, {_spoken(copied.left_s)} left at {copied.rate:,.0f} rows/s"


def _spoken(seconds: float) -> str:
    for unit, length in (("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            count = round(seconds / length)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{seconds:.0f} s"


def standing(migration: Migration, position: Position) -> str:
    """Where the table stands, in a sentence."""
    table = f"{migration.table} ({migration.contract} {migration.older} to {migration.newer})"
    if position.phase != "resting":
        step = migration.steps[position.step]
        if position.phase == "undoing":
            return f"{step.name} of {table} is being taken back"
        if step.batch is not None and not position.copied.is_through:
            return f"{step.name} of {migration.table} is at {progress(position.copied)}"
        return f"{step.name} of {table} is under way"
    if position.step == 0:
        return f"{table} has not begun"
    last = migration.steps[position.step - 1].name
    if position.step == len(migration.steps):
        return f"{table} is complete"
    return f"{table} has done {last}; next is {migration.steps[position.step].name}"


def lacking(migration: Migration, position: Position, kind: StepKind) -> str:
    """Why not everything up to `kind` is done; empty when it is."""
    return "" if position.step >= reach(migration, kind) else standing(migration, position)
