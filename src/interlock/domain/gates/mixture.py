"""Evidence over time: a mixture over effect sizes and over the time at which a regression begins.

Half of the prior mass bets from the start. At each restart a part restart_s/horizon_s of what is left joins, so
that a late regression is found nearly as fast as an early one, and mass is left after any time. The value is a
nonnegative supermartingale that starts at 1 while the candidate is within its tolerances, so by Ville's inequality
(1939) the probability that it ever reaches 1/alpha is at most alpha, however often one looks. Weighted averages
of such processes are such processes: that is how gates combine.

A capped copy is robust to bursts. Its log capital S of each effect may rise above any earlier level by at most
cap_nats + nats_s * time: S(t) <= S(u) + cap_nats + nats_s (t - u) for all u < t. (A bucket of room: gains spend it,
losses and time refill it, cap_nats is its size.) min(e, anything) is still an e-variable, so the bound alpha holds
as before. What is gained: a burst of bad answers in one arm for B seconds raises the capped evidence by a factor of
at most exp(cap_nats + nats_s B) whatever its height, so evidence that fails a candidate has to come from a longer
time. The bound alpha itself takes requests of a block as independent, which bursts in one arm are not; that bursts
alike in law in both arms fail a good candidate in less than 1 % of rollouts is measured, not proven.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

CEILING = 1e200
"""Evidence is cut here: it stays finite, and a smaller bet stays valid."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the second half of the prior mass joins, and how fast the capped copy may rise: see above."""

    restart_s: float
    horizon_s: float
    cap_nats: float
    nats_s: float = math.inf

    @property
    def part(self) -> float:
        """The part of the waiting mass that joins at a restart."""
        return min(1.0, self.restart_s / self.horizon_s)


@dataclass(frozen=True, slots=True)
class Mixture:
    """Capital per effect, plain and capped, the room that the capped one has to rise, how many restarts there were,
    and the mass that waits for the next ones.
    """

    masses: tuple[float, ...]
    capped: tuple[float, ...]
    room: tuple[float, ...]
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
    return Mixture(start, start, (math.inf,) * effects, 0, 0.5)


def grow(
    mixture: Mixture,
    log_es: Sequence[float],
    at_s: float,
    schedule: Schedule,
    seconds: float = 1.0,
    is_outage: bool = False,
) -> Mixture:
    """The mixture after a block that began at `at_s` and lasted `seconds`, with one log e-variable for each effect.
    In an outage the capped copy may rise by cap_nats in the block, whatever room there is.
    """
    joined = max(mixture.joined, int(at_s // schedule.restart_s))
    waiting = mixture.waiting * (1 - schedule.part) ** (joined - mixture.joined)
    joining = (mixture.waiting - waiting) / len(log_es)
    cap = schedule.cap_nats
    room = [min(cap, r + schedule.nats_s * seconds) for r in mixture.room]
    gains = [min(x, cap if is_outage else r) for x, r in zip(log_es, room, strict=True)]
    return Mixture(
        masses=tuple([_paid(m + joining, x) for m, x in zip(mixture.masses, log_es, strict=True)]),
        capped=tuple([_paid(m + joining, x) for m, x in zip(mixture.capped, gains, strict=True)]),
        room=tuple([min(cap, max(0.0, r - x)) for r, x in zip(room, gains, strict=True)]),
        joined=joined,
        waiting=waiting,
    )


def write_off(mixture: Mixture) -> Mixture:
    """The mixture after evidence that was not confirmed: capital above its prior is given up, plain and capped.
    Giving up capital keeps every bound. The plain copy is then worth what the capped one is.
    """
    prior = (1 - mixture.waiting) / len(mixture.capped)
    kept = tuple([min(c, prior) for c in mixture.capped])
    return replace(mixture, masses=kept, capped=kept)


def _paid(capital: float, log_e: float) -> float:
    """Capital after the bet, at most the ceiling; the exponent is cut so that it cannot overflow."""
    return min(CEILING, capital * math.exp(min(log_e, 200.0)))


def log_of(e_value: float) -> float:
    """The log of evidence; what underflowed to 0 counts as 1e-300, so that it can be written down."""
    return math.log(max(e_value, 1e-300))


def combine(values: Sequence[float], weights: Sequence[float]) -> float:
    """The weighted average of e-values; never worse than Bonferroni."""
    return math.fsum(v * w for v, w in zip(values, weights, strict=True)) / math.fsum(weights)
