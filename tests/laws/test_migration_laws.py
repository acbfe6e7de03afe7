"""Laws of a migration's way: stopped anywhere it ends the same, undone anywhere it ends at the beginning.

The table is a set of effects in memory. Each action takes effect together with the position, or not at all, or
(outside of a transaction) some of its statements take effect although the position was not written.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.domain.migrations.advance import (
    ORDER,
    Begin,
    Copy,
    End,
    Execute,
    Rest,
    advance,
    begun,
    ended,
    executed,
    reach,
)
from interlock.domain.migrations.migration import Batch, Migration, MigrationStep
from interlock.domain.migrations.pace import Pace, rate_after
from interlock.domain.migrations.position import KeyPart, Position

NOW = datetime(2026, 5, 1, tzinfo=UTC)
ROWS = 6
BATCH = Batch("t", ("id",), "copy", "next", "first", "start", "count")


def step(number: int, kind: str, statements: int, is_atomic: bool, has_batch: bool) -> MigrationStep:
    """A step whose statements each make one thing; its undo takes them away in the opposite order."""
    things = [f"{number}.{n}" for n in range(statements)]
    return MigrationStep(
        f"step {number}",
        kind,  # type: ignore[arg-type]  # one of ORDER
        "does something",
        tuple(f"+{thing}" for thing in things),
        tuple(f"-{thing}" for thing in reversed(things)),
        BATCH if has_batch else None,
        is_atomic=is_atomic,
    )


@st.composite
def migrations(draw: st.DrawFn) -> Migration:
    """Up to six steps in legal order."""
    kinds = sorted(draw(st.lists(st.sampled_from(ORDER[:-1]), min_size=1, max_size=6)), key=ORDER.index)
    steps = tuple(
        step(n, kind, draw(st.integers(0, 3)), draw(st.booleans()), draw(st.booleans()))
        for n, kind in enumerate(kinds)
    )
    return Migration("c", "1", "2", "t", ("id",), "postgres", steps, "the end")


@dataclass
class World:
    """Effects and position; `log` is every effect in order."""

    migration: Migration
    position: Position = field(default_factory=Position)
    effects: set[str] = field(default_factory=set)
    log: list[str] = field(default_factory=list)

    def apply(self, statement: str, is_strict: bool) -> None:
        """Within a transaction nothing can be made that is there, or taken away that is not; outside of one a
        statement bears being repeated.
        """
        self.log.append(statement)
        assert not is_strict or (statement[1:] in self.effects) == (statement[0] == "-"), statement
        if statement[0] == "+":
            self.effects.add(statement[1:])
        else:
            self.effects.discard(statement[1:])

    def act(self, goal: int, crash: bool) -> bool:
        """One action, or the crash in it; whether there was something to do."""
        action = advance(self.migration, self.position, goal)
        match action:
            case Rest():
                return False
            case Begin():
                after = begun(self.migration, self.position, action, NOW)
            case Execute():
                after = executed(self.position, action)
                half = 0 if action.is_atomic else 1 + len(self.log) % len(action.statements)
                for statement in action.statements[:half] if crash else action.statements:
                    self.apply(statement, action.is_atomic)
            case Copy():
                after = self.copied(crash)
            case End():
                after = ended(self.migration, self.position, NOW)
        if not crash:
            self.position = after
        return True

    def copied(self, crash: bool) -> Position:
        copied = self.position.copied
        at = int(copied.after[0].text) if copied.after else 0
        if at == ROWS:
            return replace(self.position, copied=replace(copied, is_through=True))
        if not crash:
            self.log.append(f"row {self.position.step}.{at + 1}")
        return replace(self.position, copied=replace(copied, after=(KeyPart("integer", str(at + 1)),)))

    def go(self, goal: int, crashes: list[bool]) -> None:
        for crash in crashes:
            if not self.act(goal, crash):
                return
        while self.act(goal, crash=False):
            pass


crashing = st.lists(st.booleans(), max_size=60)
goals = st.integers(0, 6)


@given(migrations(), goals, crashing)
@settings(max_examples=150)
def test_stopped_anywhere_it_ends_as_if_undisturbed(migration: Migration, goal: int, crashes: list[bool]) -> None:
    """The same effects and the same position but for its times; what is atomic took effect once."""
    goal = min(goal, len(migration.steps))
    calm, shaken = World(migration), World(migration)
    calm.go(goal, [])
    shaken.go(goal, crashes)
    assert shaken.effects == calm.effects
    assert shaken.position == calm.position
    assert shaken.position.step == goal
    atomic = {f"+{n}." for n, one in enumerate(migration.steps) if one.is_atomic} | {"row "}
    counted = [line for line in shaken.log if any(line.startswith(head) for head in atomic)]
    assert len(counted) == len(set(counted))


@given(migrations(), goals, st.lists(st.booleans(), max_size=30), crashing, goals)
@settings(max_examples=150)
def test_undone_after_any_beginning(
    migration: Migration, goal: int, before: list[bool], crashes: list[bool], kept: int
) -> None:
    """Stopped wherever, then taken back to `kept` steps with any crashes: exactly their effects are there."""
    world = World(migration)
    for crash in before:
        world.act(min(goal, len(migration.steps)), crash)
    kept = min(kept, world.position.step)
    world.go(kept, crashes)
    wanted = {s[1:] for one in migration.steps[:kept] for s in one.do}
    assert world.effects == wanted
    assert (world.position.step, world.position.phase) == (kept, "resting")


@given(migrations(), goals)
def test_a_goal_that_is_reached_asks_for_nothing(migration: Migration, goal: int) -> None:
    """And says that it is reached."""
    world = World(migration)
    world.go(min(goal, len(migration.steps)), [])
    action = advance(migration, world.position, world.position.step)
    assert isinstance(action, Rest)
    assert action.is_there


@given(migrations())
def test_what_cannot_be_taken_back_is_never_undone(migration: Migration) -> None:
    """With the last step irreversible, no goal below it is ever begun to be reached once it has had an effect."""
    last = replace(migration.steps[-1], do=("+end",), undo=(), is_reversible=False, is_atomic=True)
    hard = replace(migration, steps=(*migration.steps[:-1], last))
    world = World(hard)
    world.go(len(hard.steps), [])
    before = world.position
    world.go(0, [])
    assert world.position == before
    assert "end" in world.effects


@given(st.lists(st.one_of(st.floats(0, 100), st.none()), max_size=40), st.floats(0.01, 1.0))
def test_a_pace_stays_within_its_bounds(times: list[float | None], share: float) -> None:
    """Whatever batches take (None: it waited for a lock), sizes stay within bounds and rests are short."""
    pace = Pace(share=share)
    for took in times:
        before = pace
        pace = pace.eased() if took is None else pace.after(took)
        assert pace.least <= pace.size <= pace.most
        assert pace.size <= round(before.size * 1.5) + 1
        assert 0 <= pace.rest_s(took or 0.0) <= 10.0


@given(st.floats(1, 1e6), st.lists(st.integers(1, 10_000), min_size=1, max_size=20))
def test_a_rate_lies_between_what_was_seen(first: float, rows: list[int]) -> None:
    """It is an average, so it never leaves the range of its parts."""
    rate, seen = first, [first]
    for n in rows:
        rate = rate_after(rate, n, 1.0)
        seen.append(float(n))
        assert min(seen) - 1e-6 <= rate <= max(seen) + 1e-6


@given(migrations())
def test_kinds_are_reached_in_their_order(migration: Migration) -> None:
    """More of the way reaches more steps, and all of it reaches every step."""
    reaches = [reach(migration, kind) for kind in ORDER]
    assert reaches == sorted(reaches)
    assert reaches[-1] == len(migration.steps)
