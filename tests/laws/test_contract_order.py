"""Laws of the order in which units move: the rules allow exactly what a simulation finds safe."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.domain.schemas.order import Does, Effective, Flow, Step, constraints, effective, order

DECLARED = list(itertools.product((False, True), repeat=2))
LENSES = list(itertools.product((False, True), repeat=2))


class World:
    """What each unit reads and writes, and which versions of data each flow has. Everybody is at version `start`;
    at version 2 there is still version 1 data wherever that is read.
    """

    def __init__(self, flows: Iterable[Flow], start: int = 1) -> None:
        self.flows = list(flows)
        self.start = start
        self.reads: dict[str, int] = {}
        self.writes: dict[str, int] = {}
        reads_old = (Effective.BACKWARD, Effective.FULL)
        self.kept = {f.contract: {1, start} if f.holds in reads_old else {start} for f in self.flows}

    def take(self, step: Step) -> None:
        match step.does:
            case Does.DRAINS:
                flow = next(f for f in self.flows if f.contract == step.unit)
                self.kept[flow.contract] = {self.writes.get(name, self.start) for name in flow.producers}
            case Does.READS:
                self.reads[step.unit] = 3 - self.start
            case Does.WRITES:
                self.writes[step.unit] = 3 - self.start
            case Does.MOVES:
                raise AssertionError("a move is taken apart first")
        for flow in self.flows:
            self.kept[flow.contract] |= {self.writes.get(name, self.start) for name in flow.producers}

    def is_safe(self) -> bool:
        return all(self._is_read(flow) for flow in self.flows)

    def _is_read(self, flow: Flow) -> bool:
        written = {self.writes.get(name, self.start) for name in flow.producers}
        there = self.kept[flow.contract] if flow.is_kept else written
        can = {
            (2, 1): flow.holds in (Effective.BACKWARD, Effective.FULL),
            (1, 2): flow.holds in (Effective.FORWARD, Effective.FULL),
        }
        return all(
            can.get((self.reads.get(name, self.start), data), True) for name in flow.consumers for data in there
        )


def is_safe(flows: list[Flow], steps: Iterable[Step], start: int = 1) -> bool:
    """A unit's instances are replaced one by one, so while it moves, either half may be ahead of the other."""
    taken = list(steps)
    return all(is_safe_in_turn(flows, apart(taken, halves), start) for halves in itertools.permutations(HALVES))


HALVES = (Does.READS, Does.WRITES)


def apart(steps: list[Step], halves: tuple[Does, ...]) -> list[Step]:
    return [
        half
        for step in steps
        for half in ([Step(step.unit, d) for d in halves] if step.does is Does.MOVES else [step])
    ]


def is_safe_in_turn(flows: list[Flow], steps: Iterable[Step], start: int) -> bool:
    world = World(flows, start)
    for step in steps:
        world.take(step)
        if not world.is_safe():
            return False
    return True


@pytest.mark.parametrize("is_back", [False, True])
@pytest.mark.parametrize("is_kept", [True, False])
@pytest.mark.parametrize("has_drain", [True, False])
@pytest.mark.parametrize("declared", DECLARED)
@pytest.mark.parametrize("lenses", LENSES)
def test_rules_are_necessary_and_sufficient(
    declared: tuple[bool, bool], lenses: tuple[bool, bool], has_drain: bool, is_kept: bool, is_back: bool
) -> None:
    """Two producers and two consumers, there and back: of all interleavings exactly those are safe that the
    constraints allow.
    """
    holds = effective(backward=declared[0] or lenses[0], forward=declared[1] or lenses[1])
    flow = Flow("c", ("p1", "p2"), ("r1", "r2"), holds, is_kept, has_drain)
    steps = [Step("p1", Does.WRITES), Step("p2", Does.WRITES), Step("r1", Does.READS), Step("r2", Does.READS)]
    if has_drain and is_kept:
        steps.append(Step("c", Does.DRAINS))
    start = 2 if is_back else 1
    safe = {steps for steps in itertools.permutations(steps) if is_safe([flow], steps, start)}
    found = order([flow], is_back=is_back)
    assert found.is_possible is bool(safe)
    if found.is_possible:
        _, before = constraints([flow.reverse if is_back else flow])
        allowed = {
            steps
            for steps in itertools.permutations(steps)
            if all(steps.index(a) < steps.index(b) for a, b in before)
        }
        assert safe == allowed


def flows_of(chance: random.Random) -> list[Flow]:
    units = ("a", "b", "c")
    return [
        Flow(
            contract,
            tuple(sorted(chance.sample(units, chance.randint(1, 2)))),
            tuple(sorted(chance.sample(units, chance.randint(1, 2)))),
            chance.choice((Effective.BACKWARD, Effective.FORWARD, Effective.FULL)),
            chance.random() < 0.5,
            True,
        )
        for contract in ("x", "y")[: chance.randint(1, 2)]
    ]


@pytest.mark.parametrize("is_back", [False, True])
@given(seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_waves_are_safe_and_no_order_is_overlooked(is_back: bool, seed: int) -> None:
    """Whatever units and contracts are tangled, taking the waves in any inner order is safe; and where there is
    said to be no order, no interleaving of reading, writing and draining is safe.
    """
    chance = random.Random(seed)
    flows, start = flows_of(chance), 2 if is_back else 1
    found = order(flows, is_back=is_back)
    if found.is_possible:
        for _ in range(5):
            steps = [step for wave in found.waves for step in chance.sample(wave, len(wave))]
            assert is_safe(flows, steps, start), (flows, found)
        return
    steps = sorted(constraints(flow.reverse if is_back else flow for flow in flows)[0])
    assert not any(is_safe(flows, several, start) for several in itertools.permutations(steps))


@given(st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_units_move_in_one_step_where_that_is_safe(seed: int) -> None:
    """A unit is split only when moving all of them at once in any sequence is not safe."""
    flows = flows_of(random.Random(seed))
    found = order(flows)
    if found.split:
        units = sorted({name for flow in flows for name in (*flow.producers, *flow.consumers)})
        drains = [Step(flow.contract, Does.DRAINS) for flow in flows if flow.is_kept]
        steps = [*(Step(unit, Does.MOVES) for unit in units), *drains]
        assert not any(is_safe(flows, several) for several in itertools.permutations(steps))
