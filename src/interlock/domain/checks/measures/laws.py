"""What a sample says about the true value of a statistic: p-values against each limit, and from them intervals.

Every law answers two questions: how surprising is the sample if the true value were at most `limit`, and if it were
at least `limit`? An interval holds the limits that neither question rejects. Rows are taken as independent.

| law | for | method |
|---|---|---|
| Share | accuracy, null share, any yes or no | exact (Clopper and Pearson 1934) |
| Mean | bounded losses, paired differences | betting (Waudby-Smith and Ramdas 2024), valid at every size |
| Quantile | latency | exact, order statistics |
| RankShare | AUC | Chernoff's bound for U-statistics (Hoeffding 1963), valid at every size |
| Norm | distances between two samples | approximate: chi-square, for large samples |
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from interlock.domain.checks.check import CheckInvalid, Estimate
from interlock.domain.checks.measures.tails import binomial_at_least, binomial_at_most, chi_square_above

MEAN_BINS = 4000
"""Losses are rounded outward to this grid, so that a million rows cost little more than ten thousand."""


class Law(Protocol):
    """value: the statistic of the sample; low, high: the least and greatest that the true value can be."""

    @property
    def value(self) -> float: ...
    @property
    def rows(self) -> int: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def method(self) -> str: ...
    def p_at_most(self, limit: float) -> float:
        """A p-value of "the true value is at most `limit`"; never falls as `limit` grows."""

    def p_at_least(self, limit: float) -> float:
        """A p-value of "the true value is at least `limit`"; never grows with `limit`."""


def estimate(law: Law, alpha: float, unit: str = "") -> Estimate:
    """The two-sided interval that misses the true value with a probability of at most `alpha`."""
    lower, upper = lower_limit(law, alpha / 2), upper_limit(law, alpha / 2)
    return Estimate(law.value, _finite(lower), _finite(upper), 1 - alpha, law.rows, law.method, unit)


def lower_limit(law: Law, alpha: float) -> float:
    """The greatest limit that the true value surely reaches, but for a chance of `alpha`."""
    if law.p_at_most(law.low) > alpha:
        return law.low
    return _edge(law.low, law.value, lambda limit: law.p_at_most(limit) <= alpha)


def upper_limit(law: Law, alpha: float) -> float:
    """The least limit that the true value surely keeps to, but for a chance of `alpha`; may be infinite."""
    if law.p_at_least(law.high) > alpha:
        return law.high
    outside = law.high
    if math.isinf(outside):
        outside = 2 * abs(law.value) + 1e-9
        while law.p_at_least(outside) > alpha:
            outside *= 2
    return _edge(outside, law.value, lambda limit: law.p_at_least(limit) <= alpha)


def _edge(rejected: float, kept: float, is_rejected: Callable[[float], bool]) -> float:
    """The boundary between the two, on its rejected side."""
    for _ in range(50):
        middle = (rejected + kept) / 2
        if is_rejected(middle):
            rejected = middle
        else:
            kept = middle
    return rejected


def _finite(limit: float) -> float | None:
    return limit if math.isfinite(limit) else None


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` among `rows`."""

    hits: int
    rows: int
    low: float = 0.0
    high: float = 1.0
    method: str = "exact binomial"

    @property
    def value(self) -> float:
        return self.hits / self.rows

    def p_at_most(self, limit: float) -> float:
        return binomial_at_least(self.hits, self.rows, limit)

    def p_at_least(self, limit: float) -> float:
        return binomial_at_most(self.hits, self.rows, limit)


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of numbers in [low, high], kept as counts of numbers rounded down and rounded up.

    Against "the mean of x in [0, 1] is at most m" a stake f wins 1 + f (x/m - 1) per row, which is never negative
    and has mean at most 1; the average of the products over several f is an e-value, and 1 over it a p-value
    (Ville). The stakes depend on the number of rows alone. The other direction bets on 1 - x.
    """

    value: float
    rows: int
    low: float
    high: float
    floors: Mapping[int, int]
    ceilings: Mapping[int, int]
    method: str = "betting"

    def p_at_most(self, limit: float) -> float:
        return self._p((limit - self.low) / (self.high - self.low), self.floors)

    def p_at_least(self, limit: float) -> float:
        mirrored = {MEAN_BINS - k: n for k, n in self.ceilings.items()}
        return self._p((self.high - limit) / (self.high - self.low), mirrored)

    def _p(self, m: float, bins: Mapping[int, int]) -> float:
        if m >= 1:
            return 1.0
        if m <= 0:
            return 0.0 if any(bins) else 1.0
        stakes = _stakes(self.rows)
        logs = [math.fsum([n * math.log(1 - f + f * k / (MEAN_BINS * m)) for k, n in bins.items()]) for f in stakes]
        top = max(logs)
        return min(1.0, math.exp(min(700.0, -top)) * len(logs) / math.fsum(math.exp(x - top) for x in logs))


def _stakes(rows: int) -> list[float]:
    """Parts of the longest stake, halved until they suit the spread of `rows` rows."""
    count = 1 + max(1, math.ceil(math.log2(2 * math.sqrt(rows))))
    return [0.95 / 2**k for k in range(count)]


def mean_of(numbers: Iterable[float], low: float, high: float) -> Mean:
    """The law of a mean; numbers outside [low, high] count as the nearest bound."""
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise CheckInvalid(f"[{low}, {high}] is no range for a mean", remedy="Give a finite cap above 0.")
    held = [min(high, max(low, x)) for x in numbers]
    steps = [(x - low) / (high - low) * MEAN_BINS for x in held]
    # A step within float noise of a grid point is that grid point.
    floors = Counter(math.floor(step + 1e-9) for step in steps)
    ceilings = Counter(math.ceil(step - 1e-9) for step in steps)
    return Mean(math.fsum(held) / len(held), len(held), low, high, floors, ceilings)


@dataclass(frozen=True, slots=True)
class Quantile:
    """The `q` quantile of a law without an upper bound; `ordered` is the sample, ascending, never below 0."""

    ordered: Sequence[float]
    q: float
    low: float = 0.0
    high: float = math.inf
    method: str = "exact order statistics"

    @property
    def rows(self) -> int:
        return len(self.ordered)

    @property
    def value(self) -> float:
        return self.ordered[max(0, math.ceil(self.q * self.rows) - 1)]

    def p_at_most(self, limit: float) -> float:
        return binomial_at_most(bisect_right(self.ordered, limit), self.rows, self.q)

    def p_at_least(self, limit: float) -> float:
        return binomial_at_least(bisect_left(self.ordered, limit), self.rows, self.q)


@dataclass(frozen=True, slots=True)
class RankShare:
    """The chance that one of a kind ranks above one of another, averaged over all pairs of two samples.

    `rows`: the size of the smaller sample. A U-statistic is an average of averages over that many disjoint pairs,
    so Chernoff's bound exp(-rows kl(value, limit)) holds for it too.
    """

    value: float
    rows: int
    low: float = 0.0
    high: float = 1.0
    method: str = "Chernoff for U-statistics"

    def p_at_most(self, limit: float) -> float:
        return math.exp(-self.rows * _kl(self.value, limit)) if limit < self.value else 1.0

    def p_at_least(self, limit: float) -> float:
        return math.exp(-self.rows * _kl(self.value, limit)) if limit > self.value else 1.0


def _kl(p: float, q: float) -> float:
    """Relative entropy of a coin with chance p from one with chance q, nats."""
    if q <= 0 or q >= 1:
        return 0.0 if p == q else math.inf
    left = p * math.log(p / q) if p > 0 else 0.0
    return left + ((1 - p) * math.log((1 - p) / (1 - q)) if p < 1 else 0.0)


@dataclass(frozen=True, slots=True)
class Norm:
    """The length of a difference that is known up to noise in `degrees` directions, `noise` in each.

    The observed length differs from the true one by at most the length of the noise, whose square is `noise`
    squared times a chi-square variable. So two samples of one law are told apart only beyond what their sizes
    explain.
    """

    value: float
    noise: float
    degrees: int
    rows: int
    high: float = math.inf
    low: float = 0.0
    method: str = "approximate: chi-square noise"

    def p_at_most(self, limit: float) -> float:
        return (
            chi_square_above(((self.value - limit) / self.noise) ** 2, self.degrees) if limit < self.value else 1.0
        )

    def p_at_least(self, limit: float) -> float:
        return (
            chi_square_above(((limit - self.value) / self.noise) ** 2, self.degrees) if limit > self.value else 1.0
        )

    def floor(self, alpha: float) -> float:
        """The length that noise alone exceeds with a chance of `alpha`."""
        return upper_limit(Norm(0.0, self.noise, self.degrees, self.rows), alpha)


@dataclass(frozen=True, slots=True)
class Rescaled:
    """The same law in another unit: `forward` is increasing, `backward` undoes it."""

    law: Law
    forward: Callable[[float], float]
    backward: Callable[[float], float]

    @property
    def value(self) -> float:
        return self.forward(self.law.value)

    @property
    def rows(self) -> int:
        return self.law.rows

    @property
    def low(self) -> float:
        return self.forward(self.law.low)

    @property
    def high(self) -> float:
        return self.forward(self.law.high)

    @property
    def method(self) -> str:
        return self.law.method

    def p_at_most(self, limit: float) -> float:
        return self.law.p_at_most(self.backward(limit))

    def p_at_least(self, limit: float) -> float:
        return self.law.p_at_least(self.backward(limit))


def rooted(law: Law) -> Law:
    """The square root of the law's value: a root mean square from a mean square."""
    return Rescaled(law, math.sqrt, lambda x: x * x if x > 0 else 0.0)


def squared(law: Law) -> Law:
    """The square of the law's value."""
    return Rescaled(law, lambda x: x * x, lambda x: math.sqrt(max(0.0, x)))
