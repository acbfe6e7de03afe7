"""How fast rows are moved: batches of a steady length in time, and a rest after each, so that others get a turn.

The size follows the time that the last batch took; a batch that had to wait for a lock halves it. As AIMD in
congestion control (Jacobson 1988) this backs off at once and comes back by and by.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

GROWTH = 1.5
"""A batch is at most so many times the one before."""
MEMORY = 0.2
"""How much the newest batch counts in the rate."""


@dataclass(frozen=True, slots=True)
class Pace:
    """size: rows of the next batch, within least and most. batch_s: how long a batch should take; share: how much
    of the time may be spent in batches, the rest is rest.
    """

    size: int = 500
    batch_s: float = 0.2
    share: float = 0.5
    least: int = 10
    most: int = 20_000

    def after(self, took_s: float) -> Pace:
        """The pace after a batch that took so long."""
        wanted = self.batch_s / took_s if took_s > 0 else GROWTH
        return self._sized(self.size * min(max(wanted, 1 / 4), GROWTH))

    def eased(self) -> Pace:
        """The pace after a batch that was undone because it waited too long for others."""
        return self._sized(self.size / 2)

    def rest_s(self, took_s: float) -> float:
        """How long to rest after a batch that took so long; at most ten seconds."""
        return min(took_s * (1 / self.share - 1), 10.0)

    def _sized(self, size: float) -> Pace:
        return replace(self, size=min(max(round(size), self.least), self.most))


def rate_after(rate: float, rows: int, seconds: float) -> float:
    """Rows per second, with the newest batch and its rest; `rate` 0 when nothing is known yet."""
    if seconds <= 0:
        return rate
    return rows / seconds if rate <= 0 else (1 - MEMORY) * rate + MEMORY * rows / seconds


def backoff_s(attempt: int) -> float:
    """How long to wait before the attempt after `attempt` failed ones: from a quarter of a second to ten."""
    return float(min(0.25 * 2.0 ** min(attempt, 10), 10.0))
