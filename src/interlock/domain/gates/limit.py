"""A running upper limit of the candidate's excess over the baseline, valid at any stopping time.

For each excess on a grid that contains the margin, a bettor wagers against "at least this much"; the limit is the
smallest excess whose bettor's capital reached 1/alpha. Capital grows with the excess denied, so the limit errs
with probability at most alpha over all looks, provided that the true excess was at least the limit in every block
counted. An excess that grows later is the business of the evidence of harm, not of this limit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

STAKES = ((0.9, 0.5), (0.5, 0.2), (0.2, 0.1), (0.08, 0.1), (0.03, 0.1))
"""(fraction of the longest stake, prior). Long stakes weigh more: they decide soonest when events are rare."""


@dataclass(frozen=True, slots=True)
class Limit:
    """`value`: the excess is surely below it. `open`: excesses not yet denied, with log capital per stake.
    `requests` of the candidate and `seconds` are what the capital was won with.
    """

    value: float
    open: tuple[tuple[float, tuple[float, ...]], ...]
    requests: int = 0
    seconds: float = 0.0


def begin_limit(margin: float, steps_per_octave: int) -> Limit:
    """No limit yet (1); the grid holds the margin, three octaves below it, and all above up to 1."""
    above = math.ceil(math.log2(1 / margin) * steps_per_octave)
    ladder = [margin * 2 ** (k / steps_per_octave) for k in range(-3 * steps_per_octave, above)]
    start = (0.0,) * len(STAKES)
    return Limit(1.0, tuple((delta, start) for delta in [*ladder, 1.0]))


def log_capital(capital: tuple[float, ...]) -> float:
    """Log of the prior-weighted mean over stakes."""
    top = max(capital)
    return top + math.log(math.fsum(p * math.exp(c - top) for c, (_, p) in zip(capital, STAKES, strict=True)))


def narrow(
    limit: Limit, log_e: Callable[[float, float], float], alpha: float, requests: int, seconds: float
) -> Limit:
    """The limit after a block whose bet against (excess, fraction) is worth exp(log_e(excess, fraction))."""
    value, target = limit.value, -math.log(alpha)
    still_open = []
    for delta, capital in limit.open:
        grown = tuple(c + log_e(delta, fraction) for c, (fraction, _) in zip(capital, STAKES, strict=True))
        if log_capital(grown) >= target:
            value = min(value, delta)
            break
        still_open.append((delta, grown))
    return Limit(value, tuple(still_open), limit.requests + requests, limit.seconds + seconds)


def requests_to_deny(limit: Limit, excess: float, alpha: float) -> int | None:
    """Candidate requests until `excess` is denied if capital keeps growing as it did; None if it does not grow."""
    capital = next((c for delta, c in limit.open if delta == excess), None)
    if capital is None:
        return 0
    lacks = [(-math.log(alpha * p) - c, c) for c, (_, p) in zip(capital, STAKES, strict=True)]
    waits = [lack / c for lack, c in lacks if c > 0]
    return max(1, math.ceil(min(waits) * limit.requests)) if waits else None
