"""Experiment platforms used as rollout guards: GrowthBook's sequential test and Spotify's group-sequential test.

Both compare means of all requests so far, candidate against baseline, on bad answers, latency and wrong answers
(where labels come), at 5 % one-sided. Both hold 10 % for an hour and then promote, and look after each block. A
constant weight favours them: under a ramp, means over all time confuse the arm with the time.

GrowthBook, from its documentation ("Sequential Testing", "Safe Rollouts": one-sided, any certain harm fails) and
the paper it implements, Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, arXiv 2103.06476: the asymptotic one-sided
confidence sequence has half-width s sqrt(2 (n rho^2 + 1) / (n rho)^2 log(1 + sqrt(n rho^2 + 1) / (2 alpha))), where
rho^2 = (-2 log(2 alpha) + log(1 - 2 log(2 alpha))) / 5000, n counts both arms and s^2 / n is the variance of the
difference.

Spotify, from "Choosing a sequential testing framework" (engineering.atspotify.com, 2023) and Lan and DeMets 1983:
bounds of a group-sequential test with power spending alpha t^2, here split evenly over the metrics (Bonferroni);
time is the part of the hour gone by, as the expected number of requests is known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from benchmarks.gates.rule import Course
from benchmarks.gates.totals import Totals
from benchmarks.gates.traffic import Counts, Floats, Ints
from benchmarks.gates.worlds import World
from numpy.typing import NDArray

ALPHA = 0.05
DURATION_S = 3600.0
TUNING = 5000.0
LEAST = 2
"""Observations of each arm before a variance means anything."""


@dataclass(frozen=True, slots=True)
class GrowthBook:
    """Fails when the lower end of a confidence sequence of the difference is above 0."""

    name: str = "growthbook"
    title: str = "GrowthBook sequential"
    weight: float = 0.1
    block_s: float = 5.0
    baseline_share: float | None = None

    def start(self, runs: int, world: World) -> Course:
        return _PlatformCourse(self, runs, world)

    def is_harmed(self, difference: Floats, variance: Floats, n: Floats, at_s: float) -> NDArray[np.bool_]:
        """Which (metric, run) fail; variance is that of the difference, n counts both arms."""
        return difference > half_width(variance * n, n)


def half_width(variance: Floats, n: Floats, alpha: float = ALPHA) -> Floats:
    """Of the one-sided asymptotic confidence sequence after n observations of this variance."""
    log_a = math.log(2 * alpha)
    rho2 = (-2 * log_a + math.log(1 - 2 * log_a)) / TUNING
    grown = n * rho2 + 1
    width: Floats = np.sqrt(variance * 2 * grown / (n**2 * rho2) * np.log(1 + np.sqrt(grown) / (2 * alpha)))
    return width


@dataclass(frozen=True, slots=True)
class Spotify:
    """Fails when the z-score of a metric crosses the bound of this look."""

    name: str = "spotify"
    title: str = "Spotify group-sequential"
    weight: float = 0.1
    block_s: float = 5.0
    baseline_share: float | None = None

    def start(self, runs: int, world: World) -> Course:
        return _PlatformCourse(self, runs, world)

    def is_harmed(self, difference: Floats, variance: Floats, n: Floats, at_s: float) -> NDArray[np.bool_]:
        looks = round(DURATION_S / self.block_s)
        bound = spending_bounds(ALPHA / len(difference), looks)[round(at_s / self.block_s) - 1]
        return difference > bound * np.sqrt(variance)


@lru_cache
def spending_bounds(alpha: float, looks: int) -> tuple[float, ...]:
    """z-scores of the bounds at `looks` equal steps that spend alpha (k / looks)^2 in all by look k.

    Integrates the Brownian path that has not crossed yet over a grid, as Armitage, McPherson and Rowe 1969.
    """
    grid = np.linspace(-6, 6, 4801)
    step = grid[1] - grid[0]
    spread = math.sqrt(1 / looks)
    reach = np.arange(-math.ceil(6 * spread / step), math.ceil(6 * spread / step) + 1) * step
    kernel = np.exp(-0.5 * (reach / spread) ** 2)
    kernel /= kernel.sum()
    alive = np.zeros(len(grid))
    alive[len(grid) // 2] = 1.0
    bounds = []
    for look in range(1, looks + 1):
        alive = np.convolve(alive, kernel, mode="same")
        spend = alpha * (look**2 - (look - 1) ** 2) / looks**2
        crossed, alive = _cut(grid, alive, spend)
        bounds.append(crossed / math.sqrt(look / looks))
    return tuple(bounds)


def _cut(grid: Floats, alive: Floats, spend: float) -> tuple[float, Floats]:
    """Where the upper tail holds `spend`, and what is left below it."""
    tail = np.cumsum(alive[::-1])[::-1]
    at = int(np.searchsorted(-tail, -spend))
    part = (tail[at - 1] - spend) / (tail[at - 1] - tail[at])
    left = np.where(np.arange(len(grid)) < at, alive, 0.0)
    left[at - 1] -= max(0.0, spend - tail[at])
    return float(grid[at - 1] + (part - 0.5) * (grid[1] - grid[0])), left


class _PlatformCourse(Course):
    def __init__(self, rule: GrowthBook | Spotify, runs: int, world: World) -> None:
        super().__init__(runs, rule.weight)
        self._rule, self._totals = rule, Totals(runs, world.has_labels)

    def look(self, counts: Counts, at_s: float) -> None:
        self._totals.add(counts)
        self.roll_back(self._harmed(counts.runs, at_s))
        if at_s >= DURATION_S:
            self.promote(counts.runs[~self.has_ended[counts.runs]])

    def _harmed(self, runs: Ints, at_s: float) -> Ints:
        t = self._totals
        n_c, n_b = t.count(0)[:, runs], t.count(1)[:, runs]
        with np.errstate(invalid="ignore", divide="ignore"):
            variance = t.variances(0)[:, runs] / n_c + t.variances(1)[:, runs] / n_b
            difference = t.means(0)[:, runs] - t.means(1)[:, runs]
            harmed = self._rule.is_harmed(difference, variance, n_c + n_b, at_s)
        known = (n_c >= LEAST) & (n_b >= LEAST)
        return runs[(harmed & known).any(axis=0)]
