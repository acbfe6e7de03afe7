"""Readings of declared metrics: which stretch of time is asked for next, and the threads that ask.

A stretch is time in which both releases served at one weight, so that whatever hits both arms within it cancels;
where the weight changes, a new one begins. Stretches are read in order, in whole intervals, each once: the place of
the next one is stored in the transaction that stores its numbers. A stretch never begins before the end of an
earlier one, also when the clock goes back.

What a source does not answer is asked again, together with the time that has come since, which also gathers both
arms of rare traffic. Where it answers that there is nothing, or nothing that makes sense, the time is given up
after LONGEST intervals; while it is unreachable, nothing is. Each gate has a thread of its own, because sources are
slow, and the loop waits for none of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from interlock.domain.checks.evidence import ServiceCounts
from interlock.domain.checks.metric import (
    Arms,
    Counted,
    Metric,
    MetricQuery,
    NoReading,
    Reading,
    Sampled,
    Span,
    arm_counts,
)
from interlock.domain.checks.violations import CONTRACT
from interlock.domain.gates.gate import Gate
from interlock.domain.gates.supply import GRACE_S, MISSED, Supply
from interlock.domain.rollout.plan import Plan
from interlock.engine.ports import MetricSource, MetricSources
from interlock.kernel.errors import InterlockError
from interlock.kernel.instant import Instant

ASSUMES = ("a source knows a stretch of time for good after its lag, each request once, under its release",)

LONGEST = 8
"""So many intervals are asked for at once at most."""
RETRY_S = 10.0
STRETCHES = 256
"""Stretches that wait to be read; beyond them the oldest are given up."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Time in which both releases served at one weight."""

    start: Instant
    end: Instant
    weight_bp: int

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a gate's source was read. waiting: what is yet to be read, oldest first; seen_to: the end of the
    newest stretch ever; filed_to: the end of the newest numbers, at first the beginning of the oldest stretch.
    """

    waiting: tuple[Stretch, ...] = ()
    seen_to: Instant | None = None
    filed_to: Instant | None = None

    def served(self, start: Instant, end: Instant, weight_bp: int) -> Reach:
        """After a block from `start` to `end`. What lies before `seen_to` has been here already."""
        start = max(start, self.seen_to) if self.seen_to else start
        if end <= start:
            return self
        last = self.waiting[-1] if self.waiting else None
        if last and last.end == start and last.weight_bp == weight_bp:
            waiting = (*self.waiting[:-1], replace(last, end=end))
        else:
            waiting = (*self.waiting, Stretch(start, end, weight_bp))[-STRETCHES:]
        return Reach(waiting, end, self.filed_to or start)

    def due(self, metric: Metric, now: Instant) -> Span | None:
        """What to ask for at `now`, if anything: whole intervals, and with the last of a stretch what is left."""
        if not self.waiting:
            return None
        head, step = self.waiting[0], timedelta(seconds=metric.every_s)
        ready = min(head.end, now - timedelta(seconds=metric.lag_s))
        count = min((ready - head.start) // step, LONGEST)
        if count < 1:
            return None
        end = head.start + count * step
        is_last = len(self.waiting) > 1 and head.end - end < step
        if is_last and ready < head.end:
            return None
        return Span(head.start, head.end if is_last else end)

    def passed(self, span: Span, metric: Metric, is_filed: bool) -> Reach:
        """After `span` was read, or given up."""
        head, *rest = self.waiting
        left = replace(head, start=span.end)
        waiting = (left, *rest) if left.seconds > 0 else tuple(rest)
        moved = replace(self, waiting=waiting, filed_to=span.end if is_filed else self.filed_to)
        return moved.tidied(metric)

    def tidied(self, metric: Metric) -> Reach:
        """Without stretches that have ended and are too short to be asked for."""
        waiting = self.waiting
        while len(waiting) > 1 and waiting[0].seconds < metric.every_s:
            waiting = waiting[1:]
        return replace(self, waiting=waiting)


@dataclass(frozen=True, slots=True)
class Answered:
    """What a source said on a span, and when it was asked; `reading` is None while it has not answered. lack: what
    the newest answer lacked; it holds until a better one is there.
    """

    span: Span
    asked_at: Instant
    reading: Reading | None = None
    lack: NoReading | None = None


@dataclass(frozen=True, slots=True)
class Sourced:
    """A gate with the declared metric that supplies it, and the names of its arms there."""

    gate: Gate
    metric: Metric
    query: MetricQuery
    arms: Arms


def from_outside(plan: Plan) -> tuple[tuple[Gate, ...], ...]:
    """The gates on numbers that neither the proxy nor a comparison counts, those on the same numbers together."""
    found: dict[tuple[str, str], tuple[Gate, ...]] = {}
    for gate in plan.gates.gates:
        if gate.metric == "outcome" and gate.sample == "arms" and gate.outcome != CONTRACT:
            same = gate.service, gate.outcome
            found[same] = (*found.get(same, ()), gate)
    return tuple(found.values())


def sourced(plan: Plan, candidate: str, baseline: str) -> tuple[Sourced, ...]:
    """What sources supply to the gates of `plan`, under the first gate on the same numbers. `candidate` and
    `baseline` are the ids of the releases.
    """
    metrics = {m.name: (m, m.query) for m in plan.metrics if m.query}
    found = ((gate, *metrics[gate.outcome]) for gate, *_ in from_outside(plan) if gate.outcome in metrics)
    return tuple(
        Sourced(gate, metric, query, _arms(plan, gate, metric, candidate, baseline))
        for gate, metric, query in found
        if query
    )


def _arms(plan: Plan, gate: Gate, metric: Metric, candidate: str, baseline: str) -> Arms:
    if metric.by == "release":
        return Arms(candidate, baseline)
    return Arms(plan.candidate.version(gate.service) or "", plan.baseline.version(gate.service) or "")


@dataclass(frozen=True, slots=True)
class Filed:
    """What one look makes of a source: how far it was read, what goes into the block, what is due, what is said."""

    reach: Reach
    counts: ServiceCounts
    supply: Supply


def file(asked: Sourced, reach: Reach, answered: Answered | None, now: Instant) -> Filed:
    """Take the source's newest answer in, if it is the one that is wanted next."""
    gate, metric = asked.gate, asked.metric
    counts = ServiceCounts()
    if answered and _is_wanted(answered.span, reach):
        match answered.reading:
            case Counted() | Sampled() as numbers:
                counts = ServiceCounts(*arm_counts(numbers, gate.outcome, gate.cap))
                reach = reach.passed(answered.span, metric, is_filed=True)
            case NoReading(lack="empty" | "invalid") if _is_given_up(answered.span, metric, now):
                reach = reach.passed(answered.span, metric, is_filed=False)
            case _:
                pass
    return Filed(reach, counts, _supply(asked, reach, answered, now))


def _is_wanted(span: Span, reach: Reach) -> bool:
    """An answer that was filed already, or that spans a change of weight, is not."""
    head = reach.waiting[0] if reach.waiting else None
    return head is not None and span.start == head.start and span.end <= head.end


def _is_given_up(span: Span, metric: Metric, now: Instant) -> bool:
    return (now - span.start).total_seconds() - metric.lag_s >= LONGEST * metric.every_s


def _supply(asked: Sourced, reach: Reach, answered: Answered | None, now: Instant) -> Supply:
    metric = asked.metric
    said = Supply(asked.gate.name, "source", through=reach.filed_to)
    if answered and answered.lack:
        lack = answered.lack
        because = f"the source of {metric.name} gave no numbers ({lack.lack}): {lack.because}"
        return replace(said, lack=because, remedy=lack.remedy)
    if reach.filed_to is None:
        return said
    late_s = (now - reach.filed_to).total_seconds() - metric.lag_s
    if (ahead_s := -late_s - metric.lag_s) > GRACE_S:
        says = (
            f"the clock went back: {metric.name} was read up to {ahead_s:.0f} s from now, and nothing is read twice"
        )
        return replace(said, lack=says, remedy="Wait until then, or start the rollout anew.")
    if late_s <= MISSED * metric.every_s + GRACE_S:
        return replace(said, waits=_waits(metric, reach, now))
    because = f"{metric.name} has no numbers of the last {late_s:.0f} s"
    if answered and answered.reading is None:
        waited_s = (now - answered.asked_at).total_seconds()
        because += f"; its source has not answered for {waited_s:.0f} s"
    return replace(said, lack=because, remedy="See whether its source answers, and how fast.")


def _waits(metric: Metric, reach: Reach, now: Instant) -> str:
    if not reach.waiting:
        return ""
    ends = reach.waiting[0].start + timedelta(seconds=metric.every_s + metric.lag_s)
    left_s = (ends - now).total_seconds()
    return f"{metric.name} is read again in {left_s:.0f} s" if left_s > 0 else f"{metric.name} is being read"


class Readings:
    """The threads that read, one for each sourced gate of each live rollout. Used by the loop alone."""

    def __init__(self, sources: MetricSources) -> None:
        self._sources = sources
        self._readers: dict[tuple[str, str], _Reader] = {}

    def answers(self, rollout: str) -> dict[str, Answered]:
        """The newest answer, or question, of each gate of a rollout."""
        return {
            gate: newest
            for (of, gate), reader in self._readers.items()
            if of == rollout and (newest := reader.newest)
        }

    def ask(self, rollout: str, asked: Sourced, span: Span, now: Instant) -> None:
        """Have a gate's source asked, unless it is being asked, or has just said that it knows nothing there."""
        key = rollout, asked.gate.name
        reader = self._readers.get(key)
        if reader is None:
            reader = self._readers[key] = _Reader(lambda: self._sources.open(asked.metric), "/".join(key))
        reader.ask(asked, span, now)

    def forget(self, rollout: str) -> None:
        """Stop the threads of a rollout, each as soon as its source lets it."""
        for key in [k for k in self._readers if k[0] == rollout]:
            self._readers.pop(key).stop()

    def close(self, patience_s: float = 10.0) -> None:
        """Stop all threads, which close their sources; one that hangs longer is left to the end of the process."""
        readers = list(self._readers.values())
        self._readers.clear()
        for reader in readers:
            reader.stop()
        for reader in readers:
            reader.join(patience_s)


@dataclass(slots=True)
class _Order:
    asked: Sourced
    span: Span
    at: Instant


@dataclass(slots=True, eq=False)
class _Reader:
    """One thread with its source, which it opens at the first question, and again after it could not be opened."""

    open: Callable[[], MetricSource]
    name: str
    newest: Answered | None = None
    _order: _Order | None = None
    _is_over: bool = False
    _news: threading.Condition = field(default_factory=threading.Condition)
    _thread: threading.Thread | None = None

    def ask(self, asked: Sourced, span: Span, now: Instant) -> None:
        with self._news:
            before = self.newest
            if before and before.reading is None:
                return
            wait_s = min(RETRY_S, asked.metric.every_s)
            if before and before.span == span and abs((now - before.asked_at).total_seconds()) < wait_s:
                return
            self.newest = Answered(span, now, lack=before.lack if before else None)
            self._order = _Order(asked, span, now)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"read {self.name}", daemon=True)
                self._thread.start()
            self._news.notify()

    def stop(self) -> None:
        with self._news:
            self._is_over = True
            self._news.notify()

    def join(self, patience_s: float) -> None:
        if self._thread is not None:
            self._thread.join(patience_s)

    def _run(self) -> None:
        source: MetricSource | None = None
        try:
            while (order := self._next()) is not None:
                try:
                    source = source or self.open()
                    reading = source.read(order.asked.query, order.asked.arms, order.span)
                except InterlockError as problem:
                    reading = NoReading("invalid", problem.message, problem.remedy)
                except Exception as crash:  # whatever a driver does, the thread lives, and the gate is Undecided
                    reading = NoReading("unavailable", f"reading it failed: {type(crash).__name__}")
                lack = reading if isinstance(reading, NoReading) else None
                with self._news:
                    self.newest = Answered(order.span, order.at, reading, lack)
        finally:
            if source is not None:
                source.close()

    def _next(self) -> _Order | None:
        with self._news:
            self._news.wait_for(lambda: self._order is not None or self._is_over)
            order, self._order = self._order, None
            return None if self._is_over else order
