"""One rule in one world: what it did to good and bad candidates, and what it cost."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from benchmarks.gates.rule import Course, Rule
from benchmarks.gates.sticky import StickyTraffic
from benchmarks.gates.traffic import Counts, Traffic
from benchmarks.gates.worlds import HORIZON_S, World

BATCH = 40
"""Runs side by side; more would only cost memory."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run came to.

    harm: bad, slow and wrong answers served beyond the baseline's, on average over chance, until two hours after
    the start; exposed: requests that the candidate served by then; to_90_s: seconds until it had 90 % of the
    traffic.
    """

    was_rolled_back: bool
    ended_s: float
    harm: float
    exposed: float
    to_90_s: float | None


def run_trial(rule: Rule, world: World, runs: int, seed: int) -> list[Run]:
    """`runs` runs; the same seed gives the same result."""
    found: list[Run] = []
    while len(found) < runs:
        size = min(BATCH, runs - len(found))
        chance = np.random.default_rng([seed, zlib.crc32(world.name.encode()), len(found)])
        found += _Batch(rule, world, size, chance).run()
    return found


class _Batch:
    def __init__(self, rule: Rule, world: World, runs: int, chance: np.random.Generator) -> None:
        kind = StickyTraffic if world.users else Traffic
        self._rule, self._world, self._runs = rule, world, runs
        self._traffic = kind(world, runs, chance, rule.block_s)
        self._course: Course = rule.start(runs, world)
        self._harm, self._exposed = np.zeros((2, runs))
        self._to_90_s, self._ended_s = np.full((2, runs), math.nan)

    def run(self) -> list[Run]:
        for number in range(math.ceil(HORIZON_S / self._rule.block_s)):
            going = np.flatnonzero(~self._course.has_ended)
            if not len(going):
                break
            self._block(number, going)
        self._serve_promoted()
        return [self._outcome(run) for run in range(self._runs)]

    def _outcome(self, run: int) -> Run:
        ended_s = _known(self._ended_s[run])
        return Run(
            was_rolled_back=bool(self._course.was_rolled_back[run]),
            ended_s=HORIZON_S if ended_s is None else ended_s,
            harm=float(self._harm[run]),
            exposed=float(self._exposed[run]),
            to_90_s=_known(self._to_90_s[run]),
        )

    def _block(self, number: int, going: Any) -> None:
        rule, course, block_s = self._rule, self._course, self._rule.block_s
        counts: Counts = self._traffic.block(number, course.weight, going, rule.baseline_share)
        served = counts.candidate.requests
        self._harm[going] += served * self._world.excess((number + 0.5) * block_s)
        self._exposed[going] += served
        at_s = (number + 1) * block_s
        course.look(counts, at_s)
        arrived = (course.weight[going] >= 0.9 - 1e-9) & np.isnan(self._to_90_s[going])
        self._to_90_s[going[arrived]] = at_s
        self._ended_s[going[course.has_ended[going]]] = at_s

    def _serve_promoted(self) -> None:
        """What promoted candidates serve until the horizon, on average."""
        times = np.arange(0.5, HORIZON_S)
        excess = np.array([self._world.excess(at_s) for at_s in times])
        for run in np.flatnonzero(self._course.has_ended & ~self._course.was_rolled_back):
            rest = times > self._ended_s[run]
            self._harm[run] += self._world.rate_rps * float(excess[rest].sum())
            self._exposed[run] += self._world.rate_rps * float(rest.sum())


def _known(seconds: float) -> float | None:
    return None if math.isnan(seconds) else float(seconds)
