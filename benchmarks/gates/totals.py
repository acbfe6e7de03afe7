"""Sums from which experiment platforms work: per arm and metric the count, the sum and the sum of squares.

Metrics: bad answers, latency (from the middles of its bins), and wrong answers where labels come.
"""

from __future__ import annotations

import numpy as np
from benchmarks.gates.traffic import MIDDLES_MS, Arm, Counts, Floats


class Totals:
    """Sums of all runs, arrays of (arm, count / sum / sum of squares, metric, run)."""

    def __init__(self, runs: int, has_labels: bool) -> None:
        self._metrics = 3 if has_labels else 2
        self._sums = np.zeros((2, 3, self._metrics, runs))

    def add(self, counts: Counts) -> None:
        for side, arm in enumerate((counts.candidate, counts.baseline)):
            self._sums[side][:, :, counts.runs] += _moments(arm)[: self._metrics].transpose(1, 0, 2)

    def clear(self) -> None:
        self._sums[:] = 0

    def count(self, side: int) -> Floats:
        """Observations as (metric, run); side 0 is the candidate."""
        n: Floats = self._sums[side, 0]
        return n

    def means(self, side: int) -> Floats:
        """Means as (metric, run), NaN without observations."""
        n, total, _ = self._sums[side]
        with np.errstate(invalid="ignore", divide="ignore"):
            means: Floats = total / n
        return means

    def variances(self, side: int) -> Floats:
        """Variances of one observation. Shares are pulled half a hit inside (0, 1), so that an arm of which every
        answer or none is bad has a variance too; the platforms would see nothing there.
        """
        n, total, squares = self._sums[side]
        with np.errstate(invalid="ignore", divide="ignore"):
            share = (total + 0.5) / (n + 1)
            spread = squares / n - (total / n) ** 2
        shares = [0, *range(2, self._metrics)]
        spread[shares] = (share * (1 - share))[shares]
        variances: Floats = spread
        return variances


def _moments(arm: Arm) -> Floats:
    """(metric, count / sum / sum of squares, run)."""
    ms, squared = arm.latency @ MIDDLES_MS, arm.latency @ MIDDLES_MS**2
    return np.array(
        [
            (arm.requests, arm.bad, arm.bad),
            (arm.requests, ms, squared),
            (arm.labels, arm.wrong, arm.wrong),
        ],
        dtype=np.float64,
    )
