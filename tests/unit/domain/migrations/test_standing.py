"""What people are told of a migration, and how far it may go as the rollout stands."""

from __future__ import annotations

from dataclasses import replace

import pytest

from interlock.domain.changes.cut import cut
from interlock.domain.migrations.advance import lacking, progress, reach, standing
from interlock.domain.migrations.position import Copied, Held, Kept, Position
from interlock.domain.rollout.compile import compile_plan
from interlock.domain.rollout.decide import decide
from interlock.domain.rollout.observation import Seen
from interlock.domain.rollout.position import Position as RolloutPosition
from interlock.domain.rollout.position import Traffic, traffic
from interlock.domain.rollout.stages import Prepare, Promote
from interlock.domain.rollout.tables import TableSeen, allowed, tables_lack
from interlock.kernel.digest import digest
from support.tables import migration, plan_with
from support.world import START, workspace

SPACE = workspace()
MOVED = migration("postgres")
PLAN = plan_with(
    compile_plan(SPACE, SPACE.changes["better"], cut(SPACE, dict.fromkeys(SPACE.services, "1")))[0], MOVED
)
HALF = Position(2, "doing", copied=Copied(rows=6_200, total=10_000, rate=21.1))
PROMOTE = next(n for n, stage in enumerate(PLAN.stages) if isinstance(stage, Promote))


def seen(position: Position, held: bool = True, of: str = "", fault: str = "") -> dict[str, TableSeen]:
    by = Held("ana", START) if held else None
    kept = Kept("flights", PLAN.digest, of or digest(MOVED), 7, position, by)
    return {"air.flights": TableSeen(MOVED, kept, fault)}


def at_prepare(tables: dict[str, TableSeen]) -> str:
    well = Seen(is_approved=True, is_in_place=True, ill={}, tables=tables)
    decision = decide(PLAN, RolloutPosition(0, START), well, START)
    if decision.position.stage == 0:
        assert traffic(PLAN, decision.position) == Traffic(is_present=True)
    return f"{decision.position.stage} {decision.because}"


def test_a_rollout_says_what_it_waits_for() -> None:
    """Progress, rows, time left; and who should do something when nobody does."""
    assert at_prepare(seen(HALF)) == (
        "0 held, because backfill of flights is at 62 % (6,200 of 10,000 rows), 3 minutes left at 21 rows/s"
    )
    assert at_prepare(seen(HALF, held=False)).endswith("; nobody is at it (`interlock migration run better`)")
    assert at_prepare({}) == "0 held, because where flights stands was not asked yet"
    assert at_prepare(seen(HALF, fault="the database air does not answer")).endswith("air does not answer")
    assert at_prepare(seen(Position(4))) == "1 the candidate is present everywhere and well"


def test_another_migration_of_the_table_does_not_count() -> None:
    """However far that one is, this one has not begun."""
    assert "has not begun" in at_prepare(seen(Position(7), of="sha256:another"))


def test_the_baseline_stays_until_the_switch() -> None:
    """The bake may be over; without the switch the old release is not retired."""
    well = Seen(is_approved=True, is_in_place=True, ill={}, tables=seen(Position(4)))
    later = START.replace(hour=23)
    decision = decide(PLAN, RolloutPosition(PROMOTE, START), well, later)
    assert decision.position.stage == PROMOTE
    assert "everything is served by the candidate; held, because flights" in decision.because
    switched = replace(well, tables=seen(Position(5)))
    assert decide(PLAN, RolloutPosition(PROMOTE, START), switched, later).position.stage == PROMOTE + 1


@pytest.mark.parametrize(
    ("copied", "says"),
    [
        (Copied(total=10), "0 % (0 of 10 rows)"),
        (Copied(rows=10, total=10, rate=2.0), "99 % (10 of 10 rows), 0 s left at 2 rows/s"),
        (Copied(rows=10, total=10, rate=2.0, is_through=True), "100 % (10 of 10 rows)"),
        (Copied(rows=0, total=7_200, rate=1.0), "0 % (0 of 7,200 rows), 2 hours left at 1 rows/s"),
        (Copied(is_through=True), "100 % (0 of 0 rows)"),
    ],
)
def test_progress_in_words(copied: Copied, says: str) -> None:
    """Never the whole before it is through, no time left before a rate is known."""
    assert progress(copied) == says


@pytest.mark.parametrize(
    ("position", "says"),
    [
        (Position(), "has not begun"),
        (Position(3), "has done backfill; next is verify"),
        (Position(7), "is complete"),
        (Position(1, "doing"), "write both of flights (flight 1 to 2) is under way"),
        (Position(1, "undoing"), "write both of flights (flight 1 to 2) is being taken back"),
        (Position(3, "doing"), "verify of flights (flight 1 to 2) is under way"),
    ],
)
def test_standing_in_words(position: Position, says: str) -> None:
    """Where it stands, from the first step to the last."""
    assert standing(MOVED, position).endswith(says)


def test_what_is_lacking() -> None:
    """Nothing once the last step of the kind is done, also while a later one is under way."""
    assert reach(MOVED, "verify") == 4
    assert lacking(MOVED, Position(3), "verify")
    assert lacking(MOVED, Position(3, "undoing"), "verify")
    assert not lacking(MOVED, Position(4), "verify")
    assert not lacking(MOVED, Position(4, "doing"), "verify")
    assert tables_lack(PLAN, seen(Position(4)), "verify") == ""


STEPS = {"verify": 3, "switch": 4, "stop-old-writes": 5, "contract": 6}


@pytest.mark.parametrize(
    ("position", "is_served", "forward", "ordered", "kept"),
    [
        (None, False, "verify", None, None),
        (RolloutPosition(0, START), False, "verify", None, None),
        (RolloutPosition(1, START), False, "verify", None, "verify"),
        (RolloutPosition(PROMOTE, START), False, "switch", None, "switch"),
        (RolloutPosition(PROMOTE, START, "draining"), False, None, None, "contract"),
        (RolloutPosition(PROMOTE, START, "finished", outcome="rolled_back"), False, "verify", None, None),
        (RolloutPosition(PROMOTE, START, "finished", outcome="promoted"), True, "switch", "contract", "switch"),
        (RolloutPosition(PROMOTE, START, "finished", outcome="promoted"), False, "verify", None, None),
    ],
)
def test_how_far_it_may_go(
    position: RolloutPosition | None, is_served: bool, forward: str | None, ordered: str | None, kept: str | None
) -> None:
    """Before traffic, with promotion, by order afterwards; back only while nobody needs what would go."""
    found = allowed(PLAN, position, is_served)
    assert (found.forward, found.ordered, found.back) == (forward, ordered, kept)
    for kind, place in STEPS.items():
        may = forward is not None and place <= STEPS[forward]
        assert found.may_do(kind, is_ordered=False) == may
        assert found.may_do(kind, is_ordered=True) == (may if ordered is None else place <= STEPS[ordered])
        assert found.may_undo(kind) == (kept is None or place > STEPS[kept])
    assert isinstance(PLAN.stages[0], Prepare)
