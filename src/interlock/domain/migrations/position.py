"""Where a migration stands: kept inside the migrated database, in the transaction of whatever it tells of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from interlock.kernel.instant import Instant

KeyKind = Literal["integer", "text", "decimal", "number", "instant", "moment", "date", "uuid", "bytes"]
"""instant: a time with its offset; moment: one without."""


@dataclass(frozen=True, slots=True)
class KeyPart:
    """A key column's value as text that gives the same value again."""

    kind: KeyKind
    text: str


Key = tuple[KeyPart, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was done or undone before, and when."""

    step: str
    did: Literal["done", "undone"]
    started: Instant
    ended: Instant


@dataclass(frozen=True, slots=True)
class Copied:
    """How far a backfill is. after: the key of the last row that it reached, None before the first stretch. rows:
    how many it went through, total: how many there were when it began; both are known up to the last stretch, which
    may be shorter. rate: rows per second lately, pauses included. is_through: there are no more rows.
    """

    after: Key | None = None
    rows: int = 0
    total: int = 0
    rate: float = 0.0
    is_through: bool = False

    @property
    def share(self) -> float:
        """0 to 1; below 1 until the backfill is through."""
        if self.is_through:
            return 1.0
        return min(self.rows / self.total, 0.999) if self.total else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds until it is through at the present rate; None while nothing is known."""
        if self.is_through:
            return 0.0
        return max(self.total - self.rows, 0) / self.rate if self.rate > 0 else None


@dataclass(frozen=True, slots=True)
class Position:
    """`step` counts the steps that are done, so it indexes the next one, or the one under way.

    phase: `resting` between two steps; `doing` or `undoing` the step. statement: how many of its statements were
    executed, all or none. copied: of a backfill under way, or of the last one. since: when this phase of the step
    began. trail: what was done and undone before, oldest first.
    """

    step: int = 0
    phase: Literal["resting", "doing", "undoing"] = "resting"
    statement: int = 0
    copied: Copied = Copied()
    since: Instant | None = None
    trail: tuple[Stretch, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """Who runs a migration now, and since when."""

    by: str
    since: Instant


@dataclass(frozen=True, slots=True)
class Kept:
    """What a database knows of a table that moves. plan, migration: the digests that it moves by; steps: how many
    the migration has; held: None when nobody is at it.
    """

    table: str
    plan: str
    migration: str
    steps: int
    position: Position
    held: Held | None = None

    @property
    def is_settled(self) -> bool:
        """Whether the table is all in one shape, so that another migration may begin. A first step whose checks do
        not hold has changed nothing: what it executes is in one transaction.
        """
        one = self.position
        is_untouched = one.phase == "doing" and one.step == one.statement == 0 and one.copied.after is None
        return is_untouched or (one.phase == "resting" and one.step in (0, self.steps))
