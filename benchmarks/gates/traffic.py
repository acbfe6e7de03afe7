"""Traffic of many runs of one world at once, block by block: counts of both arms as arrays over runs.

Arrivals are Poisson. Then the counts of each latency bin are independent Poisson counts too, and the requests of an
arm are their sum, so nothing is approximated but the width of a bin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from benchmarks.gates.worlds import (
    HORIZON_S,
    LABEL_DELAY_S,
    LABELLED,
    MEDIAN_MS,
    SEGMENT_SHARE,
    SIGMA,
    TAIL_FACTOR,
    World,
)
from numpy.typing import NDArray

from interlock.domain.checks.evidence import LATENCY_BIN_FACTOR, LATENCY_BIN_ZERO_MS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_LOG_STEP = math.log(LATENCY_BIN_FACTOR)
_CENTRE = math.log(MEDIAN_MS / LATENCY_BIN_ZERO_MS) / _LOG_STEP
FIRST_BIN, LAST_BIN = 46, 124
"""Bins of the simulated histograms; the outermost ones take what lies beyond."""
BINS = np.arange(FIRST_BIN, LAST_BIN + 1)
MIDDLES_MS: Floats = LATENCY_BIN_ZERO_MS * LATENCY_BIN_FACTOR ** (BINS.astype(np.float64) + 0.5)
EDGES_MS: Floats = LATENCY_BIN_ZERO_MS * LATENCY_BIN_FACTOR ** np.append(BINS, LAST_BIN + 1).astype(np.float64)
_Z_GRID = np.linspace(-9, 9, 3601)
_NORMAL = np.array([0.5 * math.erfc(-z / math.sqrt(2)) for z in _Z_GRID])
_SWING_S = 1800.0
_BURST_BAD = 0.05
_BURST_MEAN_S, _BURST_EACH_S = 10.0, 900.0
_WANDER, _WANDER_KEPT = 0.1, 0.95
WRONG = 0.1
"""Share of wrong answers of the baseline."""


@dataclass(frozen=True, slots=True)
class Arm:
    """Counts of one arm in one block, an entry (for latency: a row) for each run.

    first_bad leaves out bad answers of a user who already had one in the last ten minutes; without sticky users it
    is bad. labels and wrong are those that arrived in the block.
    """

    requests: Ints
    latency: Ints
    bad: Ints
    first_bad: Ints
    segment_requests: Ints
    segment_bad: Ints
    labels: Ints
    wrong: Ints


@dataclass(frozen=True, slots=True)
class Counts:
    """One block of both arms; `runs` are the numbers of the runs that the entries belong to."""

    runs: Ints
    candidate: Arm
    baseline: Arm
    seconds: float


@dataclass(frozen=True, slots=True)
class _Moment:
    """What is true of one arm in one block, an entry for each run."""

    expected: Floats
    bad: Floats
    factor: Floats


class Traffic:
    """Traffic of `runs` runs of a world. Blocks must be asked for in order."""

    def __init__(
        self,
        world: World,
        runs: int,
        chance: np.random.Generator,
        block_s: float,
        label_delay_s: float = LABEL_DELAY_S,
    ) -> None:
        self.world, self.chance, self.block_s = world, chance, block_s
        self._label_blocks = round(label_delay_s / block_s)
        blocks = math.ceil(HORIZON_S / block_s)
        self._load = np.exp(_wander(chance, runs, blocks))
        self._phase = chance.uniform(0, 2 * math.pi, runs)
        self._bursts = [_bursts(chance, runs, blocks, block_s) if world.bursts else None for _ in range(2)]
        self._posted: list[list[tuple[Ints, Ints]]] = []
        self._runs = runs

    def block(self, number: int, weight: Floats, runs: Ints, baseline_share: float | None = None) -> Counts:
        """The counts of the named runs at these candidate weights. With `baseline_share` the baseline is a
        separate deployment with that share of the traffic; else it serves what the candidate does not.
        """
        rest = 1 - weight if baseline_share is None else np.full(self._runs, baseline_share)
        arms = [self._arm(side, number, share, runs) for side, share in enumerate((weight, rest))]
        self._posted.append([labels for _, labels in arms])
        arrived = self._arrived(number, runs)
        candidate, baseline = (Arm(*counts, *labels) for (counts, _), labels in zip(arms, arrived, strict=True))
        return Counts(runs, candidate, baseline, self.block_s)

    def _arm(
        self, side: int, number: int, share: Floats, runs: Ints
    ) -> tuple[tuple[Ints, Ints, Ints, Ints, Ints, Ints], tuple[Ints, Ints]]:
        moment = self._moment(side, number, share, runs)
        tail = self.world.tail if side == 0 else 0.0
        latency = self.chance.poisson(moment.expected[:, None] * latency_shares(moment.factor, tail))
        requests = latency.sum(axis=1)
        failures = self._failures(side, number, share, runs, requests, moment.bad)
        return (requests, latency, *failures), self._label(side, runs, requests)

    def _failures(
        self, side: int, number: int, share: Floats, runs: Ints, requests: Ints, bad: Floats
    ) -> tuple[Ints, Ints, Ints, Ints]:
        """Bad answers, those that are a user's first, requests of the segment and bad answers of it."""
        in_segment = self.chance.binomial(requests, SEGMENT_SHARE)
        extra = self.world.segment_excess if side == 0 else 0.0
        segment_bad = self.chance.binomial(in_segment, np.minimum(1, bad + extra))
        all_bad = segment_bad + self.chance.binomial(requests - in_segment, bad)
        return all_bad, all_bad, in_segment, segment_bad

    def _moment(self, side: int, number: int, share: Floats, runs: Ints) -> _Moment:
        world, at_s = self.world, (number + 0.5) * self.block_s
        load = self._load[runs, number]
        bad, factor = np.full(len(runs), world.bad), np.ones(len(runs))
        if world.drift:
            swing = np.sin(2 * math.pi * at_s / _SWING_S + self._phase[runs])
            load, bad, factor = load * np.exp(0.7 * swing), bad * np.exp(swing), factor * np.exp(0.2 * swing)
        if world.incident and world.incident[0] <= at_s < world.incident[1]:
            bad, factor = np.full(len(runs), world.incident[2]), factor * world.incident[3]
        if (bursts := self._bursts[side]) is not None:
            bad = np.where(bursts[runs, number], _BURST_BAD, bad)
        if side == 0:
            bad, factor = np.minimum(1, bad + world.excess_bad(at_s)), factor * world.latency(at_s)
        return _Moment(world.rate_rps * self.block_s * load * share[runs], bad, factor)

    def _label(self, side: int, runs: Ints, requests: Ints) -> tuple[Ints, Ints]:
        """Labels posted for this block's requests, for all runs, and how many of them say wrong."""
        labels, wrong = np.zeros((2, self._runs), dtype=np.int64)
        if self.world.has_labels:
            labels[runs] = self.chance.binomial(requests, LABELLED)
            share = WRONG + (self.world.excess_wrong if side == 0 else 0.0)
            wrong[runs] = self.chance.binomial(labels[runs], share)
        return labels, wrong

    def _arrived(self, number: int, runs: Ints) -> list[tuple[Ints, Ints]]:
        posted = number - self._label_blocks
        if posted < 0:
            nothing = np.zeros(len(runs), dtype=np.int64)
            return [(nothing, nothing)] * 2
        return [(labels[runs], wrong[runs]) for labels, wrong in self._posted[posted]]


def latency_shares(factor: Floats, tail: float) -> Floats:
    """Probability of each bin at each factor on latency, as rows; one row if all factors agree."""
    if len(factor) and np.ptp(factor) == 0:
        return _one_share(float(factor[0]), tail)
    return _shares(factor, tail)


@lru_cache(maxsize=4096)
def _one_share(factor: float, tail: float) -> Floats:
    return _shares(np.array([factor]), tail)


def _shares(factor: Floats, tail: float) -> Floats:
    body = _body(factor)
    return (1 - tail) * body + tail * _body(factor * TAIL_FACTOR) if tail else body


def _body(factor: Floats) -> Floats:
    edges = np.append(BINS, LAST_BIN + 1)
    z = (edges - _CENTRE - (np.log(factor) / _LOG_STEP)[:, None]) * (_LOG_STEP / SIGMA)
    below = np.interp(z, _Z_GRID, _NORMAL)
    below[:, 0], below[:, -1] = 0.0, 1.0
    shares: Floats = np.diff(below, axis=1)
    return shares


def _wander(chance: np.random.Generator, runs: int, blocks: int) -> Floats:
    """Autoregressive noise with standard deviation 0.1, alike in both arms."""
    noise = chance.standard_normal((runs, blocks)) * _WANDER * math.sqrt(1 - _WANDER_KEPT**2)
    for k in range(1, blocks):
        noise[:, k] += _WANDER_KEPT * noise[:, k - 1]
    return noise


def _bursts(chance: np.random.Generator, runs: int, blocks: int, block_s: float) -> NDArray[np.bool_]:
    """Whether an arm is in a burst: for about ten seconds, each fifteen minutes on average."""
    begins = chance.random((runs, blocks)) < block_s / _BURST_EACH_S
    lasts = np.ceil(chance.exponential(_BURST_MEAN_S, (runs, blocks)) / block_s)
    until = np.maximum.accumulate(np.where(begins, np.arange(blocks) + lasts, 0), axis=1)
    inside: NDArray[np.bool_] = np.arange(blocks) < until
    return inside
