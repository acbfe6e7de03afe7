"""Flagger and Argo Rollouts: fixed thresholds on the candidate's own numbers, fixed steps.

Flagger, from its documentation (docs.flagger.app, "Metrics Analysis" and the progressive delivery tutorials) and
the order of checks in its scheduler: each interval it first rolls back if failed checks reached the threshold, else
checks success rate (at least 99 %) and .99 quantile of latency (at most 500 ms) of the last interval; a failed
check, also for want of data, halts and counts; a good one adds the step weight, and after the greatest weight
promotes. Documented: each minute, threshold 5, weights 10 to 50 in steps of 10. Fast: the same each 15 s with
threshold 1, which is as fast as it goes.

Argo Rollouts, from its documentation ("Analysis & Progressive Delivery", background analysis): weights 20, 40, 60
and 80 for ten minutes each; from the second step on the success rate is measured each five minutes, and the third
one below 95 % aborts. Tuned: weights 10, 25, 50 and 75 for five minutes each, measured each minute from the start
against 99 % and 500 ms; the third failure aborts. A measurement without data neither passes nor fails.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from benchmarks.gates.rule import Course, Window
from benchmarks.gates.traffic import BINS, Counts, Ints
from benchmarks.gates.worlds import World


@dataclass(frozen=True, slots=True)
class Flagger:
    """Checks each `interval_s`; a rollout that has `threshold` failed checks is rolled back at the next one."""

    name: str
    title: str
    interval_s: float
    threshold: int
    step: float = 0.1
    greatest: float = 0.5
    least_success: float = 0.99
    most_ms: float = 500.0
    block_s: float = 5.0
    baseline_share: float | None = None

    def start(self, runs: int, world: World) -> Course:
        return _FlaggerCourse(self, runs)


class _FlaggerCourse(Course):
    def __init__(self, rule: Flagger, runs: int) -> None:
        super().__init__(runs, rule.step)
        self._rule, self._window, self._failed = rule, Window(runs, len(BINS)), np.zeros(runs, dtype=int)

    def look(self, counts: Counts, at_s: float) -> None:
        self._window.add(counts)
        if at_s % self._rule.interval_s:
            return
        rule, runs = self._rule, counts.runs
        success, p99 = self._window.read(runs)
        is_lost = self._failed[runs] >= rule.threshold
        is_good = ~is_lost & (success >= rule.least_success) & (p99 <= rule.most_ms)
        self._failed[runs[~is_good]] += 1
        self._advance(runs[is_good])
        self.roll_back(runs[is_lost])

    def _advance(self, runs: Ints) -> None:
        is_last = self.weight[runs] >= self._rule.greatest - 1e-9
        self.weight[runs] += self._rule.step
        self.promote(runs[is_last])


@dataclass(frozen=True, slots=True)
class Argo:
    """Weights for `step_s` each; measured each `interval_s` from `begin_s` on; `failures` abort."""

    name: str
    title: str
    weights: tuple[float, ...]
    step_s: float
    begin_s: float
    interval_s: float
    failures: int
    least_success: float
    most_ms: float
    block_s: float = 5.0
    baseline_share: float | None = None

    def start(self, runs: int, world: World) -> Course:
        return _ArgoCourse(self, runs)


class _ArgoCourse(Course):
    def __init__(self, rule: Argo, runs: int) -> None:
        super().__init__(runs, rule.weights[0])
        self._rule, self._window, self._failed = rule, Window(runs, len(BINS)), np.zeros(runs, dtype=int)

    def look(self, counts: Counts, at_s: float) -> None:
        rule, runs = self._rule, counts.runs
        self._window.add(counts)
        if at_s % rule.interval_s == 0 and at_s >= rule.begin_s:
            self._measure(runs)
        step = int(at_s // rule.step_s)
        going = runs[~self.has_ended[runs]]
        if step >= len(rule.weights):
            self.promote(going)
        else:
            self.weight[going] = rule.weights[step]

    def _measure(self, runs: Ints) -> None:
        success, p99 = self._window.read(runs)
        self._failed[runs] += (success < self._rule.least_success) | (p99 > self._rule.most_ms)
        self.roll_back(runs[self._failed[runs] >= self._rule.failures])


FLAGGER = Flagger("flagger", "Flagger, documented", interval_s=60, threshold=5)
FLAGGER_FAST = Flagger("flagger_fast", "Flagger, fast", interval_s=15, threshold=1)
ARGO = Argo(
    "argo",
    "Argo Rollouts, documented",
    weights=(0.2, 0.4, 0.6, 0.8),
    step_s=600,
    begin_s=600,
    interval_s=300,
    failures=3,
    least_success=0.95,
    most_ms=float("inf"),
)
ARGO_TUNED = Argo(
    "argo_tuned",
    "Argo Rollouts, tuned",
    weights=(0.1, 0.25, 0.5, 0.75),
    step_s=300,
    begin_s=60,
    interval_s=60,
    failures=3,
    least_success=0.99,
    most_ms=500,
)
