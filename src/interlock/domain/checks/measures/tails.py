"""Tails of the binomial and the chi-square distribution, in plain Python.

The incomplete beta and gamma functions by their continued fractions and series (Abramowitz and Stegun 6.5, 26.5;
Lentz's method), to about 12 significant digits.
"""

from __future__ import annotations

import math

_TINY = 1e-300
_ENOUGH = 1e-14


def binomial_at_least(hits: int, trials: int, p: float) -> float:
    """Chance of `hits` or more among `trials` with chance `p` each."""
    if hits <= 0:
        return 1.0
    return _beta_share(hits, trials - hits + 1, p) if hits <= trials else 0.0


def binomial_at_most(hits: int, trials: int, p: float) -> float:
    """Chance of `hits` or fewer among `trials` with chance `p` each."""
    return binomial_at_least(trials - hits, trials, 1 - p)


def chi_square_above(x: float, degrees: int) -> float:
    """Chance that a chi-square variable with so many degrees of freedom exceeds `x`."""
    if x <= 0:
        return 1.0
    if math.isinf(x):
        return 0.0
    a, half = degrees / 2, x / 2
    front = math.exp(a * math.log(half) - half - math.lgamma(a))
    return 1 - front * _gamma_series(a, half) if half < a + 1 else front * _gamma_fraction(a, half)


def _beta_share(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    if x < (a + 1) / (a + b + 2):
        return math.exp(log_front) * _beta_fraction(a, b, x) / a
    return 1 - math.exp(log_front) * _beta_fraction(b, a, 1 - x) / b


def _beta_fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1 / _off_zero(1 - (a + b) * x / (a + 1))
    total = d
    for m in range(1, 100_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / _off_zero(1 + even * d)
        c = _off_zero(1 + even / c)
        total *= c * d
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 / _off_zero(1 + odd * d)
        c = _off_zero(1 + odd / c)
        total *= c * d
        if abs(c * d - 1) < _ENOUGH:
            break
    return total


def _gamma_series(a: float, x: float) -> float:
    term = total = 1 / a
    n = 1
    while term > total * _ENOUGH:
        term *= x / (a + n)
        total += term
        n += 1
    return total


def _gamma_fraction(a: float, x: float) -> float:
    b = x + 1 - a
    c, d = 1 / _TINY, 1 / _off_zero(b)
    total = d
    for n in range(1, 100_000):
        b += 2
        d = 1 / _off_zero(b - n * (n - a) * d)
        c = _off_zero(b - n * (n - a) / c)
        total *= c * d
        if abs(c * d - 1) < _ENOUGH:
            break
    return total


def _off_zero(x: float) -> float:
    return x if abs(x) > _TINY else _TINY
