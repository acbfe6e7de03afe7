"""Bets on the excess of the candidate's mean over the baseline's, for losses in [0, 1].

Each loss x becomes a signal y: (x - g)/s in the candidate and -(x - g)/(1 - s) in the baseline, where s is the
candidate's share of the block's losses and g a guess of the baseline's mean from past blocks only. A bet pays
1 + l (y - m) per loss against "excess <= m", or 1 + l (delta - y) against "excess >= delta".

Proof that a bet is an e-variable. Take n_c and n_b as given and the losses as independent, with conditional means
that average mu_c and mu_b over the arm's losses in the block. All factors are nonnegative when l is at most the
longest stake below. The mean of the product is the product of the n = n_c + n_b mean factors, and by the inequality
of arithmetic and geometric means at most the n-th power of their average, which is
s (1 + l ((mu_c - g)/s - m)) + (1 - s) (1 + l (-(mu_b - g)/(1 - s) - m)) = 1 + l (mu_c - mu_b - m) <= 1 when
mu_c - mu_b <= m. The other direction is the mirror image. The guess g cancels: a bad one costs power, never
validity, and so does a level of loss that moves from block to block in both arms.

With losses 0 or 1, g = 0 and l = lambda s this is the stratified excess test for shares of bad requests.
Betting: Waudby-Smith and Ramdas 2024.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from interlock.domain.gates.table import Table

FRACTIONS = (0.9, 0.5, 0.25, 0.1)
"""Parts of the longest stake that the search for harm bets."""


@dataclass(frozen=True, slots=True)
class Signals:
    """One block's signals as (y, how many), with the candidate's share and the guess that made them."""

    values: tuple[tuple[float, int], ...]
    share: float
    guess: float

    def longest_above(self, margin: float) -> float:
        """The largest stake at which no bet against "excess <= margin" can lose more than everything."""
        s, g = self.share, self.guess
        return 1 / max(g / s + margin, (1 - g) / (1 - s) + margin)

    def longest_below(self) -> float:
        """The same against "excess >= delta", for every delta >= 0 at once, so that capital grows with delta."""
        s, g = self.share, self.guess
        return 1 / max((1 - g) / s, g / (1 - s))


def signals_of_losses(
    candidate: Iterable[tuple[float, int]], baseline: Iterable[tuple[float, int]], share: float, guess: float
) -> Signals:
    """Signals of losses in [0, 1], given as (loss, how many) for each arm."""
    rising = tuple(((x - guess) / share, n) for x, n in candidate)
    falling = tuple(((guess - x) / (1 - share), n) for x, n in baseline)
    return Signals(rising + falling, share, guess)


def signals_of_table(table: Table) -> Signals:
    """Signals of hits, guess 0: events with a loss of 1."""
    s = table.share
    quiet = table.candidate + table.baseline - table.candidate_hits - table.baseline_hits
    values = ((1 / s, table.candidate_hits), (-1 / (1 - s), table.baseline_hits), (0.0, quiet))
    return Signals(values, s, 0.0)


def log_e_above(signals: Signals, margin: float, fraction: float) -> float:
    """Log of the bet against "excess <= margin", staking `fraction` < 1 of the longest."""
    stake, log = fraction * signals.longest_above(margin), math.log
    floor = 1 - stake * margin
    return math.fsum([n * log(floor + stake * y) for y, n in signals.values])


def log_e_below(signals: Signals, delta: float, fraction: float) -> float:
    """Log of the bet against "excess >= delta", staking `fraction` < 1 of the longest."""
    stake, log = fraction * signals.longest_below(), math.log
    ceiling = 1 + stake * delta
    return math.fsum([n * log(ceiling - stake * y) for y, n in signals.values])
