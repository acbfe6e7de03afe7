"""The relay: takes messages of a stream, translates each, puts it on another stream, and remembers how far it is.

One batch at a time: take, translate, put, commit. The cursor moves when everything before it is on the target, so
no crash loses a message. It carries *marks*, the ends of the target at that moment: what a crashed batch had put
already lies behind them and is read when the relay opens again, so no crash doubles one either, however long the
relay was away. A start, a broker that comes back and a partition that is handed over are all the same case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from interlock.domain.lenses.apply import Rejected
from interlock.domain.lenses.path import LensMissing
from interlock.domain.lenses.relaying import (
    BODY_HEADER,
    Course,
    Headers,
    Routing,
    Unfit,
    dead_headers,
    decide,
    printable,
    relayed_headers,
)
from interlock.engine.ports import Clock
from interlock.kernel.digest import plain
from interlock.kernel.errors import Invalid, Refused, Unavailable
from interlock.kernel.instant import Instant

Marks = Mapping[str, int]
"""Place on the target -> how far it reached."""

BATCH = 512
BATCH_BYTES = 16 * 1_048_576
"""About how much of a source is held at a time, so that large messages come in smaller batches."""
IDLE_S = 0.5
PROGRESS_S = 1.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 15.0


class BusAway(Unavailable):
    """A broker does not answer, or cannot take or give messages now. The relay waits for it."""

    code = "bus.away"


class LensUnusable(Invalid):
    """The workspace's lenses or contracts have errors, so nothing should be translated by them."""

    code = "relay.lens_unusable"


class DeadLetterRefused(Refused):
    """A message can be neither translated nor kept as a dead letter. The relay stops rather than lose it."""

    code = "relay.dead_letter_refused"


@dataclass(frozen=True, slots=True)
class Arrived:
    """One message. lane: what has a cursor of its own (a partition); offset: its place there; position: both and
    the stream, as text that never names another message; name: its subject or topic. key: of the entity; order:
    messages of one order keep theirs (of one key, where there is one); raw_key: Kafka's. body None: a tombstone.
    """

    lane: str
    offset: int
    position: str
    body: bytes | None
    headers: Headers
    at: Instant
    key: str | None = None
    order: str = ""
    name: str = ""
    raw_key: bytes | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to put: the arrived one's body translated, or its own as a dead letter. unfit: why it is one."""

    arrived: Arrived
    body: bytes | None
    headers: Headers
    unfit: Unfit | None = None

    @property
    def is_dead(self) -> bool:
        return self.unfit is not None


@dataclass(frozen=True, slots=True)
class Placed:
    """Where the target keeps a message. is_repeat: the target had it already."""

    place: str
    offset: int
    is_repeat: bool = False


@dataclass(frozen=True, slots=True)
class Turned:
    """The target refuses this message for good (not the whole stream for now): `reason` ends a sentence."""

    reason: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What came. resumed: lanes that open with this batch, and their marks (None: there is no cursor yet); behind:
    messages that wait after these, None while that is unknown; notices: what a person should know, such as messages
    that the source let go before they were read.
    """

    messages: Sequence[Arrived] = ()
    resumed: Mapping[str, Marks | None] = field(default_factory=dict)
    behind: int | None = None
    notices: tuple[str, ...] = ()


class Source(Protocol):
    """Where messages come from. Every method raises BusAway when the broker is gone; then close, and open again."""

    name: str

    def open(self) -> None:
        """Connect, and begin at the cursors."""
        ...

    def take(self, limit: int, wait_s: float) -> Taken:
        """Up to `limit` messages, of about BATCH_BYTES at most, as soon as there is one; each lane in its order."""
        ...

    def commit(self, cursors: Mapping[str, tuple[int | None, Marks]]) -> None:
        """Lane -> (the last offset that is done, None: none yet; marks). Durable on return. Refused when another
        relay of the same name moved the cursor.
        """
        ...

    def close(self) -> None: ...


class Target(Protocol):
    """Where messages go: a stream and its dead letters. BusAway as Source."""

    name: str

    def open(self) -> None: ...
    def ends(self, lane: str) -> Marks:
        """How far the places reach that messages of the lane go to."""
        ...

    def since(self, lane: str, marks: Marks) -> frozenset[str]:
        """Positions (the id header) of what was put on the places of the lane after the marks."""
        ...

    def misfit(self, one: Outgoing) -> str:
        """Why the target could never take it; empty when nothing is known against it."""
        ...

    def put(self, messages: Sequence[Outgoing]) -> Sequence[Placed | Turned]:
        """Put all, durable on return; of one order each only after the one before it is durable."""
        ...

    def close(self) -> None: ...


class Stop(Protocol):
    """A request to end."""

    def is_set(self) -> bool: ...
    def wait(self, timeout: float | None = None) -> bool: ...


@dataclass(slots=True)
class Counts:
    """Since the start. relayed: translated; unchanged: in the target version already; repeated: delivered again and
    left out; behind, lag_s: messages that wait, and how old the last one taken was while any did (None: unknown).
    """

    relayed: int = 0
    unchanged: int = 0
    dead: int = 0
    repeated: int = 0
    waits: int = 0
    behind: int | None = None
    lag_s: float = 0.0
    is_away: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth telling: `kind` (opened, notice, progress, dead, waiting, back, stopped) and a sentence."""

    kind: str
    says: str
    at: Instant
    details: Mapping[str, object] = field(default_factory=dict)


Translate = Callable[[bytes], bytes]
Translators = Callable[[Course], Translate]
"""What translates a body on a course. LensMissing when no lens leads there; the function made raises Rejected."""


class Relay:
    """Runs until told to stop, or until it has caught up. `counts` may be read from another thread. routings: how
    messages are routed now, asked for each batch.
    """

    def __init__(
        self,
        source: Source,
        target: Target,
        routings: Callable[[], Routing],
        translators: Translators,
        clock: Clock,
        tell: Callable[[Event], None],
        body_limit: int = 1_048_576,
    ) -> None:
        self.counts = Counts()
        self._source, self._target = source, target
        self._routings, self._translators, self._body_limit = routings, translators, body_limit
        self._routing = routings()
        self._clock, self._tell = clock, tell
        self._made: dict[Course, Translate] = {}
        self._known: dict[str, frozenset[str]] = {}
        self._marks: dict[str, dict[str, int]] = {}
        self._away_since: Instant | None = None
        self._wait_s = FIRST_WAIT_S
        self._told_at: Instant | None = None
        self._told: tuple[int, ...] = ()

    def run(self, stop: Stop, *, is_once: bool = False) -> Counts:
        """Relay until `stop`, or (is_once) until nothing waits. What is in flight is finished; a broker that is
        away is waited for. Refused, Missing and Invalid end it; a missing lens does before anything is read.
        """
        for version in {self._routing.default, *self._routing.pins.values(), *self._shared()}:
            self._translator(Course(self._routing.source, version))
        while not stop.is_set():
            try:
                self._open()
                self._until(stop, is_once)
                break
            except BusAway as fault:
                away = fault
            finally:
                self._close()
            self._wait(away, stop)
        self._say("stopped", "asked to stop" if stop.is_set() else "caught up", **plain(self.counts))
        return self.counts

    def _shared(self) -> tuple[str, ...]:
        return (self._routing.share.version,) if self._routing.share else ()

    def _open(self) -> None:
        self._known.clear()
        self._target.open()
        self._source.open()
        self._say("opened", f"{self._source.name} -> {self._target.name}")

    def _close(self) -> None:
        self._source.close()
        self._target.close()

    def _wait(self, away: BusAway, stop: Stop) -> None:
        self.counts.waits += 1
        self.counts.is_away = True
        self._away_since = self._away_since or self._clock.now()
        says = f"{away.message}; asked again in {self._wait_s:g} s, waiting for {self._age(self._away_since):.1f} s"
        self._say("waiting", says, since=self._away_since, retry_s=self._wait_s)
        stop.wait(self._wait_s)
        self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)

    def _works(self) -> None:
        """Messages could be taken and put. That a broker lets itself be opened is not enough to say so."""
        if self._away_since:
            self._say("back", f"after {self._age(self._away_since):.1f} s", seconds=self._age(self._away_since))
        self._away_since, self._wait_s, self.counts.is_away = None, FIRST_WAIT_S, False

    def _until(self, stop: Stop, is_once: bool) -> None:
        while not stop.is_set():
            taken = self._source.take(BATCH, IDLE_S)
            for notice in taken.notices:
                self._say("notice", notice)
            self._resume(taken.resumed)
            if taken.messages:
                self._handle(taken.messages)
            self._works()
            self._measure(taken)
            if is_once and not taken.messages and taken.behind == 0:
                return

    def _resume(self, resumed: Mapping[str, Marks | None]) -> None:
        """Before a lane's first message: what its crashed batch put already; without a cursor, one is made."""
        for lane, marks in resumed.items():
            ends = self._target.ends(lane)
            if marks is None:
                marks = ends
                self._source.commit({lane: (None, marks)})
            # A target that ends before its mark was emptied or made anew since.
            self._marks[lane] = {place: min(at, ends.get(place, at)) for place, at in marks.items()}
            self._known[lane] = self._target.since(lane, self._marks[lane])

    def _handle(self, messages: Sequence[Arrived]) -> None:
        self._routing = self._routings()
        fresh = [one for one in messages if one.position not in self._known.get(one.lane, ())]
        self.counts.repeated += len(messages) - len(fresh)
        outgoing = [self._outgoing(one) for one in fresh]
        placed = self._put(outgoing)
        self._commit(messages, placed)

    def _put(self, outgoing: Sequence[Outgoing]) -> list[tuple[Outgoing, Placed]]:
        """All of them on the target, those that it turned away as dead letters."""
        if not outgoing:
            return []
        placed: list[tuple[Outgoing, Placed]] = []
        turned: list[Outgoing] = []
        for one, result in zip(outgoing, self._target.put(outgoing), strict=True):
            match result:
                case Placed():
                    placed.append((one, result))
                case Turned(reason) if one.is_dead:
                    raise DeadLetterRefused(
                        f"{self._target.name} does not take the dead letter of {one.arrived.position}: {reason}",
                        remedy="Raise the limit of what it keeps, or name another place with --dead.",
                    )
                case Turned(reason):
                    turned.append(self._dead(one.arrived, Unfit(reason)))
        return placed + self._put(turned)

    def _commit(self, messages: Sequence[Arrived], placed: Iterable[tuple[Outgoing, Placed]]) -> None:
        for one, where in placed:
            marks = self._marks[one.arrived.lane]
            marks[where.place] = max(where.offset, marks.get(where.place, where.offset))
        ends = {one.lane: one.offset for one in messages}
        self._source.commit({lane: (offset, self._marks[lane]) for lane, offset in ends.items()})
        for one, where in placed:
            self._count(one, where)

    def _count(self, one: Outgoing, where: Placed) -> None:
        if where.is_repeat:
            self.counts.repeated += 1
        elif unfit := one.unfit:
            self.counts.dead += 1
            says = f"`{unfit.field}` {unfit.reason}" if unfit.field else unfit.reason
            details = {"position": one.arrived.position, "field": unfit.field, "reason": unfit.reason}
            self._say("dead", f"{one.arrived.position}: {printable(says)}", **details)
        elif one.body is one.arrived.body:
            self.counts.unchanged += 1
        else:
            self.counts.relayed += 1

    def _outgoing(self, one: Arrived) -> Outgoing:
        """The message translated; a dead letter when it cannot be."""
        course = decide(self._routing, one.headers, one.key)
        if isinstance(course, Unfit):
            return self._dead(one, course)
        body = self._translated(one.body, course)
        if isinstance(body, Unfit):
            return self._dead(one, body)
        headers = relayed_headers(one.headers, self._routing.contract, course.target, one.position)
        made = Outgoing(one, body, headers)
        reason = self._target.misfit(made)
        return self._dead(one, Unfit(reason)) if reason else made

    def _translated(self, body: bytes | None, course: Course) -> bytes | Unfit | None:
        """A tombstone has nothing to translate, and a body that is in its version already passes untouched."""
        if body is None or course.is_unchanged:
            return body
        if len(body) > self._body_limit:
            return Unfit(f"is larger than {self._body_limit} bytes")
        translate = self._translator(course)
        if isinstance(translate, Unfit):
            return translate
        try:
            return translate(body)
        except Rejected as rejected:
            return Unfit(rejected.reason, rejected.field)

    def _translator(self, course: Course) -> Translate | Unfit:
        """Made once. A version that messages name and no lens leads from is theirs to mend, not the relay's."""
        if course not in self._made:
            try:
                self._made[course] = self._translators(course)
            except LensMissing as missing:
                if course.source == self._routing.source:
                    raise
                return Unfit(missing.message)
        return self._made[course]

    def _dead(self, one: Arrived, unfit: Unfit) -> Outgoing:
        """The original bytes and the reason; without the headers it came with, or the reason alone, where more does
        not fit.
        """
        own = dead_headers((), unfit, one.position)
        for headers in (dead_headers(one.headers, unfit, one.position), own):
            whole = Outgoing(one, one.body, headers, unfit)
            if not self._target.misfit(whole):
                return whole
        return Outgoing(one, b"", (*own, (BODY_HEADER, b"left at the source: it does not fit")), unfit)

    def _measure(self, taken: Taken) -> None:
        counts = self.counts
        counts.behind = taken.behind
        if taken.messages:
            counts.lag_s = self._age(taken.messages[-1].at) if taken.behind else 0.0
        elif taken.behind == 0:
            counts.lag_s = 0.0
        now = self._clock.now()
        numbers = (counts.relayed, counts.unchanged, counts.dead, counts.repeated, counts.behind or 0)
        is_due = self._told_at is None or (now - self._told_at).total_seconds() >= PROGRESS_S
        if is_due and numbers != self._told:
            self._told_at, self._told = now, numbers
            self._say("progress", told(counts), **plain(self.counts))

    def _age(self, at: Instant) -> float:
        return max(0.0, (self._clock.now() - at).total_seconds())

    def _say(self, kind: str, says: str, **details: object) -> None:
        self._tell(Event(kind, says, self._clock.now(), details))


def told(counts: Counts) -> str:
    """The counts as a sentence."""
    behind = "an unknown number" if counts.behind is None else str(counts.behind)
    return (
        f"{counts.relayed} translated, {counts.unchanged} unchanged, {counts.dead} dead letters, "
        f"{counts.repeated} repeats left out; {behind} behind, {counts.lag_s:.1f} s"
    )
