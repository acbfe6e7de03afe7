"""Where a share lies, given so many hits among so many trials: bounds that hold at every look at once.

Trials are taken as independent with one chance p of a hit. The mixture of likelihoods over Jeffreys' prior,
divided by the likelihood of p, is a martingale under p that starts at 1 (Robbins 1970); by Ville's inequality it
ever reaches 1/alpha with a probability of at most alpha. The p at which it is below 1/alpha form an interval.
"""

from __future__ import annotations

import math


def share_bounds(hits: int, trials: int, alpha: float) -> tuple[float, float]:
    """The interval that holds the true share, at all sizes together, but for a probability of alpha.

    (0, 1) without trials. ValueError when there are more hits than trials.
    """
    if not 0 <= hits <= trials:
        raise ValueError(f"{hits} hits among {trials} trials")
    if not trials:
        return 0.0, 1.0
    middle = hits / trials
    low = 0.0 if hits == 0 else _edge(0.0, middle, hits, trials, alpha)
    high = 1.0 if hits == trials else _edge(1.0, middle, hits, trials, alpha)
    return low, high


def _edge(outside: float, inside: float, hits: int, trials: int, alpha: float) -> float:
    """The boundary between a rejected and an accepted share, rounded towards the rejected one."""
    for _ in range(60):
        middle = (outside + inside) / 2
        if _log_evidence(middle, hits, trials) >= -math.log(alpha):
            outside = middle
        else:
            inside = middle
    return outside


def _log_evidence(p: float, hits: int, trials: int) -> float:
    """Log of the mixture martingale against the share p in (0, 1)."""
    misses = trials - hits
    if not 0 < p < 1:
        return math.inf
    mixture = math.lgamma(hits + 0.5) + math.lgamma(misses + 0.5) - math.lgamma(trials + 1) - math.log(math.pi)
    return mixture - hits * math.log(p) - misses * math.log1p(-p)
