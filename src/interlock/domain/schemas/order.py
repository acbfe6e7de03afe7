"""In which order producers and consumers of contracts may move to new versions, so that everybody reads all data.

A *unit* (a service, a job) writes some contracts and reads some. For each contract that changes, two facts decide:
whether version 2 reads version 1 (backward) and whether version 1 reads version 2 (forward), lenses counted: a
lens up lets v2 readers read v1 data, a lens down lets v1 readers read v2 data. From these follow the rules, which
are necessary and sufficient (checked against every interleaving in tests/laws):

- both: any order.
- backward alone: every consumer before any producer.
- forward alone: every producer, then all v1 data is drained or backfilled, then any consumer. Without a drain
  there is no order. Requests and responses are never kept, so they drain by themselves.
- neither: no order; a lens, or expand and contract, makes one.

Contracts together give one graph of steps, whose layers are the waves. A unit whose steps would have to come before
themselves moves in two steps: it can read the new version (the code is deployed), and it writes it (a flag is
turned). For the instances of a unit are replaced one by one: while it moves, some read as before and others write
as after.

The way back is the same question with the versions exchanged. It is asked for the time after data of version 2 was
written; before, every order is safe.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


class Effective(StrEnum):
    """What holds between two versions of a contract, lenses counted."""

    BACKWARD = "backward"
    FORWARD = "forward"
    FULL = "full"
    NONE = "none"


def effective(*, backward: bool, forward: bool) -> Effective:
    match (backward, forward):
        case (True, True):
            return Effective.FULL
        case (True, False):
            return Effective.BACKWARD
        case (False, True):
            return Effective.FORWARD
        case _:
            return Effective.NONE


@dataclass(frozen=True, slots=True)
class Flow:
    """A contract that changes. producers and consumers: names of units. `is_kept`: data is at rest (a table, a
    topic); else it is only under way. `has_drain`: data of version 1 can be drained or rewritten before consumers
    move.
    """

    contract: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    holds: Effective
    is_kept: bool = True
    has_drain: bool = False

    @property
    def reverse(self) -> Flow:
        """The same on the way back."""
        swapped = {Effective.BACKWARD: Effective.FORWARD, Effective.FORWARD: Effective.BACKWARD}
        return replace(self, holds=swapped.get(self.holds, self.holds))


class Does(StrEnum):
    """What a unit does in a step. moves: reads and writes the versions that are moved to, at once."""

    MOVES = "moves"
    READS = "can read"
    WRITES = "writes"
    DRAINS = "drains"


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """`unit` is a unit's name, for a drain the contract's."""

    unit: str
    does: Does


@dataclass(frozen=True, slots=True)
class Order:
    """waves: steps that may be taken in any order or at once, wave after wave; empty when `contradictions` say why
    there is no order. split: units that move in two steps. is_back: it is the order of going back.
    """

    waves: tuple[tuple[Step, ...], ...]
    split: tuple[str, ...] = ()
    contradictions: tuple[str, ...] = ()
    is_back: bool = False

    @property
    def is_possible(self) -> bool:
        return not self.contradictions

    def describe(self, step: Step) -> str:
        """`nightly-report moves`, `old data of order is drained or rewritten`."""
        match step.does:
            case Does.DRAINS:
                return f"{'new' if self.is_back else 'old'} data of {step.unit} is drained or rewritten"
            case Does.MOVES if self.is_back:
                return f"{step.unit} goes back"
            case Does.READS | Does.WRITES if self.is_back:
                return f"{step.unit} {step.does.value} as before"
            case _:
                return f"{step.unit} {step.does.value}"


_Before = set[tuple[Step, Step]]


def order(flows: Iterable[Flow], *, is_back: bool = False) -> Order:
    """The waves of all flows together, of going back when `is_back`. Units that no flow constrains are in the first
    wave.
    """
    found = sorted((flow.reverse if is_back else flow for flow in flows), key=lambda flow: flow.contract)
    if refused := [says for flow in found if (says := _refusal(flow, is_back))]:
        return Order((), contradictions=tuple(dict.fromkeys(refused)), is_back=is_back)
    steps, before = constraints(found)
    split = _units_in_circles(steps, before)
    joined, ordered = _joined(steps, before, split)
    waves, left = _layers(joined, ordered)
    if left:
        return Order((), contradictions=(_circle(left, ordered),), is_back=is_back)
    return Order(waves, tuple(sorted(split)), is_back=is_back)


def _refusal(flow: Flow, is_back: bool) -> str:
    if flow.producers and flow.consumers:
        if flow.holds is Effective.NONE:
            return (
                f"{flow.contract}: neither version reads the other, so no order is safe. "
                "Bridge them by a lens, or expand (write both), switch the readers, then contract."
            )
        if flow.holds is Effective.FORWARD and flow.is_kept and not flow.has_drain:
            ahead, behind = ("old", "new") if is_back else ("new", "old")
            return (
                f"{flow.contract}: the {ahead} version does not read what is kept of the {behind} one. "
                f"Rewrite or drain the {behind} data before the readers move, or let a lens read it."
            )
    return ""


def constraints(flows: Iterable[Flow]) -> tuple[set[Step], set[tuple[Step, Step]]]:
    """Every step, reading and writing apart, and which of them comes before which. The flows must not contradict
    themselves already.
    """
    steps: set[Step] = set()
    before: _Before = set()
    for flow in flows:
        reading = {Step(name, Does.READS) for name in flow.consumers}
        writing = {Step(name, Does.WRITES) for name in flow.producers}
        steps |= reading | writing
        match flow.holds:
            case Effective.BACKWARD:
                before |= {(r, w) for r in reading for w in writing}
            case Effective.FORWARD if flow.is_kept and reading and writing:
                drain = Step(flow.contract, Does.DRAINS)
                steps.add(drain)
                before |= {(w, drain) for w in writing} | {(drain, r) for r in reading}
            case Effective.FORWARD:
                before |= {(w, r) for r in reading for w in writing}
            case _:
                pass
    return steps, before


def _joined(steps: set[Step], before: _Before, split: frozenset[str]) -> tuple[set[Step], _Before]:
    """With both steps of a unit as one, unless it is split."""
    both = {step.unit for step in steps if step.does is Does.READS} & {
        step.unit for step in steps if step.does is Does.WRITES
    }

    def name(step: Step) -> Step:
        if step.does is Does.DRAINS or (step.unit in split and step.unit in both):
            return step
        return Step(step.unit, Does.MOVES)

    return {name(step) for step in steps}, {(name(a), name(b)) for a, b in before}


def _units_in_circles(steps: set[Step], before: _Before) -> frozenset[str]:
    """The units that have to be split: those which stand in a circle when they move in one step, and both read and
    write. Splitting some may leave others in no circle, so it goes on until nothing changes.
    """
    split: frozenset[str] = frozenset()
    roles: dict[str, set[Does]] = {}
    for step in steps:
        roles.setdefault(step.unit, set()).add(step.does)
    while True:
        joined, ordered = _joined(steps, before, split)
        stuck = {step.unit for step in _in_circles(joined, ordered) if step.does is Does.MOVES}
        more = {unit for unit in stuck if {Does.READS, Does.WRITES} <= roles[unit]}
        if not more - split:
            return split
        split |= more


def _in_circles(steps: set[Step], before: _Before) -> set[Step]:
    """Steps that are neither free of what comes before them nor of what comes after: those in and between
    circles.
    """
    _, ahead = _layers(steps, before)
    _, behind = _layers(ahead, {(b, a) for a, b in before if a in ahead and b in ahead})
    return behind


def _layers(steps: set[Step], before: _Before) -> tuple[tuple[tuple[Step, ...], ...], set[Step]]:
    """Wave by wave what has nothing left before it; and what is left over when nothing is free (Kahn 1962)."""
    waiting: dict[Step, int] = dict.fromkeys(steps, 0)
    after: dict[Step, list[Step]] = {}
    for earlier, later in before:
        waiting[later] += 1
        after.setdefault(earlier, []).append(later)
    waves: list[tuple[Step, ...]] = []
    free = sorted(step for step, count in waiting.items() if count == 0)
    while free:
        waves.append(tuple(free))
        then: list[Step] = []
        for step in free:
            del waiting[step]
            for later in after.get(step, ()):
                waiting[later] -= 1
                if waiting[later] == 0:
                    then.append(later)
        free = sorted(then)
    return tuple(waves), set(waiting)


def _circle(left: set[Step], before: _Before) -> str:
    """One circle among the steps that are left, as a sentence."""
    earlier = {step: sorted(a for a, b in before if b == step and a in left) for step in left}
    trail = [min(left)]
    while (step := earlier[trail[-1]][0]) not in trail:  # each is left because something before it is
        trail.append(step)
    ring = trail[trail.index(step) :]
    spelled = ", after ".join(f"{one.unit} {one.does.value}" for one in (*ring, ring[0]))
    return (
        f"{spelled}: no order does that even when reading and writing move apart. "
        "Make one of the contracts compatible both ways by a lens, or expand and contract."
    )
