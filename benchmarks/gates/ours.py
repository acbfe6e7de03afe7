"""Interlock: the production judge, fed with simulated counts as the engine feeds it.

The adaptive ramp asks the production `recommend` for the weight after each block, promotes to 90 % when it is safe,
and watches for an hour with the rest held back. Fixed steps are the product's default ones: 1, 5, 25 and 50 % for
at least half a minute each, and a step further as soon as every gate passes. A throttle of the judge is obeyed at
once.

Gates: bad answers (margin 0.5 pp, also by segment; of sticky users only the first in ten minutes), latency (margin
5 % slower than the baseline's .9 quantile) and, where labels come, wrong answers (margin 0.5 pp). All constants are
the production defaults.
"""

from __future__ import annotations

import statistics
import time
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from benchmarks.gates.rule import Course
from benchmarks.gates.traffic import FIRST_BIN, Arm, Counts, Ints, Traffic
from benchmarks.gates.worlds import LABEL_DELAY_S, WORLDS, World

from interlock.domain.checks.evidence import LOSS_BINS, ArmCounts, Block, SegmentCounts, ServiceCounts
from interlock.domain.gates.gate import Gate, GateSet
from interlock.domain.gates.judge import State, absorb, begin, enter_step, verdicts
from interlock.domain.gates.ramp import Ramp, may_promote, recommend
from interlock.domain.gates.verdict import Pass

SERVICE = "model"
OUTCOME = "wrong"
SEGMENT, REST = "country=small", "country=large"
WEIGHTS = (0.01, 0.05, 0.25, 0.5)
DWELL_S = 30.0


def gates_for(world: World) -> GateSet:
    """The gates that a careful user declares for this world; everything else is the product's default."""
    errors = Gate(
        "errors",
        "errors",
        SERVICE,
        margin=0.005,
        weight=0.5,
        counts="first" if world.users else "every",
        segment_share=0.4,
    )
    latency = Gate("latency", "latency", SERVICE, margin=0.05, weight=0.3)
    wrong = Gate("wrong", "outcome", SERVICE, margin=0.005, weight=0.2, outcome=OUTCOME, cap=1.0)
    return GateSet((errors, latency, wrong) if world.has_labels else (errors, latency))


def blocks_of(counts: Counts, number: int, weights: Iterator[float]) -> Iterator[Block]:
    """The production block of each run."""
    for row, weight in enumerate(weights):
        service = ServiceCounts(_arm(counts.candidate, row), _arm(counts.baseline, row))
        yield Block(number, counts.seconds, {SERVICE: service}, weight_bp=round(weight * 10_000))


def _arm(arm: Arm, row: int) -> ArmCounts:
    requests, bad, first_bad = int(arm.requests[row]), int(arm.bad[row]), int(arm.first_bad[row])
    in_segment, segment_bad = int(arm.segment_requests[row]), int(arm.segment_bad[row])
    labels, wrong = int(arm.labels[row]), int(arm.wrong[row])
    return ArmCounts(
        requests=requests,
        bad=bad,
        latency=_sparse(arm.latency[row]),
        losses={OUTCOME: {0: labels - wrong, LOSS_BINS: wrong}} if labels else {},
        first_bad=first_bad,
        segments={
            SEGMENT: _segment(in_segment, segment_bad),
            REST: _segment(requests - in_segment, first_bad - segment_bad),
        },
    )


def _segment(requests: int, bad: int) -> SegmentCounts:
    return requests, bad, requests


def _sparse(row: Ints) -> dict[int, int]:
    filled = np.flatnonzero(row)
    return dict(zip((filled + FIRST_BIN).tolist(), row[filled].tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class InterlockRamp:
    """The production judge with the production ramp."""

    name: str = "interlock"
    title: str = "Interlock"
    block_s: float = 5.0
    baseline_share: float | None = None

    def start(self, runs: int, world: World) -> Course:
        return _RampCourse(runs, world, self.block_s)


@dataclass(frozen=True, slots=True)
class InterlockSteps:
    """The production judge with the product's default steps."""

    name: str = "interlock_steps"
    title: str = "Interlock, fixed steps"
    block_s: float = 5.0
    baseline_share: float | None = None

    def start(self, runs: int, world: World) -> Course:
        return _StepsCourse(runs, world, self.block_s)


class _JudgedCourse(Course):
    """One production state for each run."""

    def __init__(self, runs: int, weight: float, world: World, block_s: float) -> None:
        super().__init__(runs, weight)
        self._states: list[State] = [begin(gates_for(world))] * runs
        self._block_s = block_s

    def look(self, counts: Counts, at_s: float) -> None:
        number = round(at_s / self._block_s) - 1
        blocks = blocks_of(counts, number, iter(self.weight[counts.runs].tolist()))
        for run, block in zip(counts.runs.tolist(), blocks, strict=True):
            self._states[run] = absorb(self._states[run], block)
            if self._states[run].has_failed:
                self.roll_back(np.array([run]))
            else:
                self._decide(run, at_s)

    @abstractmethod
    def _decide(self, run: int, at_s: float) -> None:
        """What the rule does with a run after a block."""


class _RampCourse(_JudgedCourse):
    def __init__(self, runs: int, world: World, block_s: float) -> None:
        self._ramp = Ramp(label_delay_s=LABEL_DELAY_S if world.has_labels else 0.0)
        super().__init__(runs, self._ramp.least, world, block_s)
        self._promoted_s = np.full(runs, np.inf)

    def _decide(self, run: int, at_s: float) -> None:
        state, ramp, weight_bp = self._states[run], self._ramp, round(self.weight[run] * 10_000)
        if weight_bp >= ramp.promoted_bp and state.throttle is None:
            if at_s - self._promoted_s[run] >= ramp.watch_s and not state.is_frozen:
                self.promote(np.array([run]))
        elif may_promote(state, ramp):
            self.weight[run] = ramp.promoted_bp / 10_000
            self._promoted_s[run] = min(self._promoted_s[run], at_s)
        else:
            self.weight[run] = recommend(state, weight_bp, ramp).weight_bp / 10_000


class _StepsCourse(_JudgedCourse):
    def __init__(self, runs: int, world: World, block_s: float) -> None:
        super().__init__(runs, WEIGHTS[0], world, block_s)
        self._step, self._since_s = np.zeros(runs, dtype=int), np.zeros(runs)

    def _decide(self, run: int, at_s: float) -> None:
        state, weight = self._states[run], WEIGHTS[self._step[run]]
        if state.throttle is not None:
            self.weight[run] = min(weight, state.throttle.weight_bp / 10_000)
            return
        self.weight[run] = weight
        if at_s - self._since_s[run] >= DWELL_S and isinstance(verdicts(state).verdict, Pass):
            self._go_on(run, at_s)

    def _go_on(self, run: int, at_s: float) -> None:
        self._step[run] += 1
        self._since_s[run] = at_s
        if self._step[run] == len(WEIGHTS):
            self.promote(np.array([run]))
            return
        self._states[run] = enter_step(self._states[run])
        self.weight[run] = WEIGHTS[self._step[run]]


def decision_ms(world_name: str, blocks: int, seed: int) -> float:
    """Median milliseconds of a decision: take in a block, ask whether to promote, ask for the weight."""
    world, spent_ms = WORLDS[world_name], []
    traffic = Traffic(world, 1, np.random.default_rng(seed), block_s=5.0, label_delay_s=5.0)
    state, ramp, weight, runs = begin(gates_for(world)), Ramp(), np.array([0.1]), np.array([0])
    for number in range(blocks):
        (block,) = blocks_of(traffic.block(number, weight, runs), number, iter(weight.tolist()))
        begun = time.perf_counter()
        state = absorb(state, block)
        may_promote(state, ramp)
        recommend(state, 1_000, ramp)
        spent_ms.append(1e3 * (time.perf_counter() - begun))
    return statistics.median(spent_ms)
