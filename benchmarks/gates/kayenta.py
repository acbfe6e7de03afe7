"""Kayenta's automated canary analysis: a Mann-Whitney score of metrics by the minute, each ten minutes for an hour.

From the judge's published rule (github.com/spinnaker/kayenta, NetflixACAJudge and MannWhitneyClassifier) and
Spinnaker's canary documentation: candidate and a fresh baseline get 10 % each; each metric is a series of points,
one a minute; a metric is High if the lower end of the 98 % Wilcoxon interval of the shift exceeds a quarter of the
estimated shift (Hodges-Lehmann). The score is the share of metrics that pass, and below the marginal 75 of 100 the
canary fails. With the two or three metrics here (bad answers, mean latency, wrong answers where labels come) one
High metric fails.

The interval uses the normal quantile of the rank sum, as R does from 50 points on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from benchmarks.gates.rule import Course
from benchmarks.gates.totals import Totals
from benchmarks.gates.traffic import Counts, Floats
from benchmarks.gates.worlds import World

TOLERANCE = 0.25
Z_98 = 2.3263478740408408
POINT_S, JUDGE_S, LIFETIME_S = 60.0, 600.0, 3600.0


@dataclass(frozen=True, slots=True)
class Kayenta:
    """Judged each ten minutes, promoted after an hour."""

    name: str = "kayenta"
    title: str = "Kayenta"
    weight: float = 0.1
    block_s: float = 5.0
    baseline_share: float | None = 0.1

    def start(self, runs: int, world: World) -> Course:
        return _KayentaCourse(self, runs, world)


class _KayentaCourse(Course):
    def __init__(self, rule: Kayenta, runs: int, world: World) -> None:
        super().__init__(runs, rule.weight)
        self._totals, self._world = Totals(runs, world.has_labels), world
        self._points: list[tuple[Floats, Floats]] = []

    def look(self, counts: Counts, at_s: float) -> None:
        self._totals.add(counts)
        if at_s % POINT_S:
            return
        self._points.append((self._totals.means(0), self._totals.means(1)))
        self._totals.clear()
        if at_s % JUDGE_S == 0:
            candidate, baseline = (np.array(arm) for arm in zip(*self._points, strict=True))
            failed = [run for run in counts.runs if _is_any_high(candidate[:, :, run], baseline[:, :, run])]
            self.roll_back(np.array(failed, dtype=np.int64))
        if at_s >= LIFETIME_S:
            self.promote(counts.runs[~self.has_ended[counts.runs]])


def _is_any_high(candidate: Floats, baseline: Floats) -> bool:
    """Arrays of points x metrics."""
    return any(is_high(c[np.isfinite(c)], b[np.isfinite(b)]) for c, b in zip(candidate.T, baseline.T, strict=True))


def is_high(candidate: Floats, baseline: Floats) -> bool:
    """Whether the candidate's points are surely higher, by more than the tolerated part of the shift."""
    n, m = len(candidate), len(baseline)
    if not n or not m:
        return False
    shifts = np.sort(np.subtract.outer(candidate, baseline), axis=None)
    cut = round(n * m / 2 - Z_98 * math.sqrt(n * m * (n + m + 1) / 12))
    if cut < 1:
        return False
    return bool(shifts[cut - 1] > TOLERANCE * abs(float(np.median(shifts))))
