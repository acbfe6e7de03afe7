"""Bets on pairs: the candidate's loss less the baseline's for the same request, d in [-1, 1].

Nobody is exposed to the candidate (shadow), and what makes a request hard cancels, so pairs are looked at first:
one percentage point of wrong answers shows in 105 to 900 s without one bad answer served, where two samples need
thousands of exposed requests.

Null E d <= m: log e = sum log(1 + lambda (d - m)), lambda = f / (1 + m) with f of PAIR_FRACTIONS; each factor is at
least 1 - f > 0 and has a mean of at most 1. Null E d >= delta: log e = sum log(1 + f (delta - d)), which grows with
delta; the running limit uses it. Pairs are taken as independent given the past. Waudby-Smith and Ramdas 2024.
"""

from __future__ import annotations

import math

from interlock.domain.checks.evidence import LOSS_BINS, Bins

PAIR_FRACTIONS = (0.9, 0.6, 0.4, 0.25, 0.15, 0.08, 0.04)


def log_e_pairs_above(bins: Bins, margin: float, fraction: float) -> float:
    """Log of the bet against "the mean difference is at most `margin`" (a part of the cap)."""
    stake = fraction / (1 + margin)
    return math.fsum([bins[b] * math.log(1 + stake * (b / LOSS_BINS - margin)) for b in sorted(bins)])


def log_e_pairs_below(bins: Bins, delta: float, fraction: float) -> float:
    """Log of the bet against "the mean difference is at least `delta`"."""
    return math.fsum([bins[b] * math.log(1 + fraction * (delta - b / LOSS_BINS)) for b in sorted(bins)])
