"""Evidence over time: a mixture over effect sizes and over the time at which a regression begins.

Half of the prior mass bets from the start; the rest joins in equal portions at each restart until the horizon, so
that a late regression is found nearly as fast as an early one. The value is a nonnegative supermartingale that
starts at 1 while the candidate is within its tolerances, so by Ville's inequality (1939) the probability
that it ever reaches 1/alpha is at most alpha, however often one looks. A capped copy limits what one block may add.
Weighted averages of such processes are such processes: that is how gates combine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

CEILING = 1e200
"""Evidence is cut here: it stays finite, and a smaller bet stays valid."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the second half of the prior mass joins: each `restart_s` until `horizon_s`."""

    restart_s: float
    horizon_s: float
    cap_nats: float

    @property
    def portions(self) -> int:
        return max(1, int(self.horizon_s // self.restart_s))

    def due(self, at_s: float) -> int:
        """Portions that have joined by `at_s` seconds after the start."""
        return min(self.portions, int(at_s // self.restart_s))


@dataclass(frozen=True, slots=True)
class Mixture:
    """Capital per effect, plain and capped, and how many portions of the held-back mass have joined."""

    masses: tuple[float, ...]
    capped: tuple[float, ...]
    joined: int
    waiting: float

    @property
    def e_value(self) -> float:
        return math.fsum(self.masses) + self.waiting

    @property
    def e_value_capped(self) -> float:
        return math.fsum(self.capped) + self.waiting


def begin_mixture(effects: int) -> Mixture:
    """A mixture over `effects` effect sizes, worth 1."""
    start = (0.5 / effects,) * effects
    return Mixture(start, start, 0, 0.5)


def grow(mixture: Mixture, log_es: Sequence[float], at_s: float, schedule: Schedule) -> Mixture:
    """The mixture after a block that began at `at_s`, with one log e-variable for each effect."""
    joined = max(mixture.joined, schedule.due(at_s))
    portion = 0.5 / schedule.portions
    joining = (joined - mixture.joined) * portion / len(log_es)
    cap = schedule.cap_nats
    return Mixture(
        masses=tuple(_paid(m + joining, x) for m, x in zip(mixture.masses, log_es, strict=True)),
        capped=tuple(_paid(m + joining, min(x, cap)) for m, x in zip(mixture.capped, log_es, strict=True)),
        joined=joined,
        waiting=max(0.0, 0.5 - joined * portion),
    )


def _paid(capital: float, log_e: float) -> float:
    """Capital after the bet, at most the ceiling; the exponent is cut so that it cannot overflow."""
    return min(CEILING, capital * math.exp(min(log_e, 200.0)))


def log_of(e_value: float) -> float:
    """The log of evidence; what underflowed to 0 counts as 1e-300, so that it can be written down."""
    return math.log(max(e_value, 1e-300))


def combine(values: Sequence[float], weights: Sequence[float]) -> float:
    """The weighted average of e-values; never worse than Bonferroni."""
    return math.fsum(v * w for v, w in zip(values, weights, strict=True)) / math.fsum(weights)
