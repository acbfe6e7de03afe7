"""A source and a target in memory that fail where they are told to, and keep what they kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from interlock.engine.relay import Arrived, BusAway, Marks, Outgoing, Placed, Taken, Turned
from interlock.kernel.instant import Instant

START = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


class Crashed(Exception):
    """The process ended here, as with SIGKILL."""


class Ticking:
    """A clock that goes on by a millisecond at each look."""

    def __init__(self) -> None:
        self._now = START + timedelta(hours=1)

    def now(self) -> Instant:
        self._now += timedelta(milliseconds=1)
        return self._now


class Unhurried:
    """Asks nobody to stop, and waits no time."""

    def is_set(self) -> bool:
        return False

    def wait(self, timeout: float | None = None) -> bool:
        return False


@dataclass(slots=True)
class World:
    """What survives crashes. fail: called before and after each effect with its name; it may raise. cut: how many
    of the messages of each order are put before that.
    """

    arrived: list[Arrived]
    fail: Callable[[str], None] = lambda _: None
    cut: Callable[[int], int] = lambda size: size
    cursors: dict[str, tuple[int, dict[str, int]]] = field(default_factory=dict)
    target: dict[str, list[Outgoing]] = field(default_factory=dict)
    largest: int = 10_000
    turns_away: Callable[[Outgoing], bool] = lambda _: False

    def failing(self, what: str) -> None:
        self.fail(what)


class MemorySource:
    """Fulfils Source."""

    name = "memory"

    def __init__(self, world: World) -> None:
        self.world = world
        self.next: dict[str, int] = {}
        self.resumed: dict[str, Marks | None] = {}

    def open(self) -> None:
        self.world.failing("open")
        lanes = {one.lane for one in self.world.arrived}
        cursors = self.world.cursors
        self.next = {lane: cursors[lane][0] if lane in cursors else 0 for lane in lanes}
        self.resumed = {lane: dict(cursors[lane][1]) if lane in cursors else None for lane in lanes}

    def take(self, limit: int, wait_s: float) -> Taken:
        self.world.failing("take")
        waiting = [one for one in self.world.arrived if one.offset >= self.next[one.lane]]
        taken = waiting[: min(limit, 5)]
        for one in taken:
            self.next[one.lane] = one.offset + 1
        resumed, self.resumed = self.resumed, {}
        return Taken(taken, resumed, len(waiting) - len(taken))

    def commit(self, cursors: Mapping[str, tuple[int | None, Marks]]) -> None:
        self.world.failing("before commit")
        for lane, (done, marks) in cursors.items():
            before = self.world.cursors.get(lane, (0, {}))[0]
            self.world.cursors[lane] = (before if done is None else done + 1, dict(marks))
        self.world.failing("after commit")

    def close(self) -> None:
        self.next, self.resumed = {}, {}


class MemoryTarget:
    """Fulfils Target. Places are `live` and `dead`."""

    name = "memory"

    def __init__(self, world: World) -> None:
        self.world = world

    def open(self) -> None:
        self.world.failing("open")

    def close(self) -> None: ...

    def ends(self, lane: str) -> Marks:
        return {place: len(self.world.target.get(place, ())) - 1 for place in ("live", "dead")}

    def since(self, lane: str, marks: Marks) -> frozenset[str]:
        return frozenset(
            one.arrived.position
            for place, kept in self.world.target.items()
            for one in kept[marks.get(place, -1) + 1 :]
        )

    def misfit(self, one: Outgoing) -> str:
        return "is too large" if len(one.body or b"") > self.world.largest else ""

    def put(self, messages: Sequence[Outgoing]) -> Sequence[Placed | Turned]:
        self.world.failing("before put")
        by_order: dict[str, list[int]] = {}
        for index, one in enumerate(messages):
            by_order.setdefault(one.arrived.order, []).append(index)
        results: dict[int, Placed | Turned] = {}
        for indices in by_order.values():
            for index in indices[: self.world.cut(len(indices))]:
                results[index] = self._put(messages[index])
        self.world.failing("after put")
        if len(results) < len(messages):
            raise BusAway("the rest was not confirmed")
        return [results[index] for index in range(len(messages))]

    def _put(self, one: Outgoing) -> Placed | Turned:
        if self.world.turns_away(one):
            return Turned("is not wanted")
        place = "dead" if one.is_dead else "live"
        kept = self.world.target.setdefault(place, [])
        kept.append(one)
        return Placed(place, len(kept) - 1)


def message(offset: int, key: str, body: bytes | None = b"{}", lane: str = "a") -> Arrived:
    """One of a lane, `offset` seconds after the start."""
    at = START + timedelta(seconds=offset)
    return Arrived(lane, offset, f"{lane}/{offset}", body, (), at, key, key, "memory")
