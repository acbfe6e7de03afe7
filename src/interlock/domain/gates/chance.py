"""Draws from a source of chance that comes in as an argument: exact binomial, Poisson and multinomial counts.

Splitting at an order statistic (Relles 1972; Ahrens and Dieter 1974) draws large counts in logarithmic time;
nothing is approximated by a normal distribution, because rare events are what gates are about.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

SMALL = 32


class Chance(Protocol):
    """What is needed of a source of chance; `random.Random(seed)` is one."""

    def random(self) -> float: ...
    def betavariate(self, alpha: float, beta: float) -> float: ...
    def gammavariate(self, alpha: float, beta: float) -> float: ...


def binomial(chance: Chance, n: int, share: float) -> int:
    """How many of `n` trials succeed."""
    hits = 0
    while n > SMALL and 0 < share < 1:
        middle = n // 2 + 1
        at = chance.betavariate(middle, n + 1 - middle)
        if at <= share:
            hits, n, share = hits + middle, n - middle, min(1.0, (share - at) / (1 - at))
        else:
            n, share = middle - 1, min(1.0, share / at)
    if share >= 1:
        return hits + n
    return hits + (sum(chance.random() < share for _ in range(n)) if share > 0 else 0)


def poisson(chance: Chance, mean: float) -> int:
    """How many events happen when `mean` are expected."""
    count = 0
    while mean > SMALL:
        order = int(mean * 7 / 8)
        at = chance.gammavariate(order, 1.0)
        if at > mean:
            return count + binomial(chance, order - 1, mean / at)
        count, mean = count + order, mean - at
    left = math.exp(-mean) if mean > 0 else 1.0
    product = chance.random()
    while product > left:
        product *= chance.random()
        count += 1
    return count


def multinomial(chance: Chance, n: int, shares: Mapping[int, float]) -> dict[int, int]:
    """`n` draws among the keys of `shares`, whose values sum to 1; keys that got none are absent."""
    counts: dict[int, int] = {}
    left, mass = n, math.fsum(shares.values())
    for key, share in shares.items():
        if not left:
            break
        hits = binomial(chance, left, min(1.0, share / mass)) if mass > 0 else left
        mass -= share
        if hits:
            counts[key] = hits
            left -= hits
    if left:
        last = list(shares)[-1]
        counts[last] = counts.get(last, 0) + left
    return counts
