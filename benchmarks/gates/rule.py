"""What a controller may do: read the counts of each block, set weights, roll back, promote.

A rule starts a course: many runs side by side, each with its own weight and end. A course is looked at after each
block, with the counts of the runs that still go on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

import numpy as np
from benchmarks.gates.traffic import EDGES_MS, Counts, Floats, Ints
from benchmarks.gates.worlds import World
from numpy.typing import NDArray


class Course(ABC):
    """The runs of a rule in one world. `weight` is the candidate's share of traffic in the next block."""

    def __init__(self, runs: int, weight: float) -> None:
        self.weight: Floats = np.full(runs, weight)
        self.has_ended: NDArray[np.bool_] = np.zeros(runs, dtype=bool)
        self.was_rolled_back: NDArray[np.bool_] = np.zeros(runs, dtype=bool)

    @abstractmethod
    def look(self, counts: Counts, at_s: float) -> None:
        """Decide on the block that ended `at_s` seconds after the start."""

    def roll_back(self, runs: Ints) -> None:
        """The candidate gets nothing any more."""
        self.weight[runs], self.has_ended[runs], self.was_rolled_back[runs] = 0.0, True, True

    def promote(self, runs: Ints) -> None:
        """The candidate gets everything, and nobody compares any more."""
        self.weight[runs], self.has_ended[runs] = 1.0, True


class Rule(Protocol):
    """A controller. `baseline_share`: share of traffic of its separate baseline deployment, None if it compares
    with all that the candidate does not get.
    """

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def block_s(self) -> float: ...
    @property
    def baseline_share(self) -> float | None: ...
    def start(self, runs: int, world: World) -> Course:
        """Runs that begin now."""
        ...


class Window:
    """Counts of the candidate since the last check, as a threshold rule's query would return them."""

    def __init__(self, runs: int, bins: int) -> None:
        self._requests = np.zeros(runs)
        self._bad = np.zeros(runs)
        self._latency = np.zeros((runs, bins))

    def add(self, counts: Counts) -> None:
        self._requests[counts.runs] += counts.candidate.requests
        self._bad[counts.runs] += counts.candidate.bad
        self._latency[counts.runs] += counts.candidate.latency

    def read(self, runs: Ints) -> tuple[Floats, Floats]:
        """Success rate and .99 quantile of latency in ms (NaN without requests), and begin anew."""
        n = self._requests[runs]
        with np.errstate(invalid="ignore"):
            success = np.where(n > 0, 1 - self._bad[runs] / n, np.nan)
        p99 = quantile_ms(self._latency[runs], 0.99)
        self._requests[runs], self._bad[runs], self._latency[runs] = 0, 0, 0
        return success, p99


def quantile_ms(latency: Floats, q: float) -> Floats:
    """The quantile of each row, linear within its bin as Prometheus' histogram_quantile; NaN without requests."""
    below = np.cumsum(latency, axis=1)
    rank = q * below[:, -1]
    at = np.minimum((below < rank[:, None]).sum(axis=1), latency.shape[1] - 1)
    rows = np.arange(len(latency))
    inside = latency[rows, at]
    with np.errstate(invalid="ignore", divide="ignore"):
        part = (rank - (below[rows, at] - inside)) / inside
    found: Floats = EDGES_MS[at] + part * (EDGES_MS[at + 1] - EDGES_MS[at])
    return found
