"""Draws are whole, within their bounds, and have the right mean and spread."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.domain.gates.chance import binomial, multinomial, poisson


@given(st.integers(0, 5_000), st.floats(0, 1), st.integers(0, 2**32))
def test_a_binomial_count_is_between_none_and_all(n: int, share: float, seed: int) -> None:
    """Certain events always happen, impossible ones never."""
    hits = binomial(random.Random(seed), n, share)
    assert 0 <= hits <= n
    assert binomial(random.Random(seed), n, 1.0) == n
    assert binomial(random.Random(seed), n, 0.0) == 0


@pytest.mark.parametrize(("n", "share"), [(20, 0.3), (1_000, 0.005), (1_000, 0.7), (40_000, 0.02)])
def test_binomial_counts_have_their_mean_and_variance(n: int, share: float) -> None:
    """Within five standard errors over 4,000 draws, below and above the size at which draws are split."""
    chance = random.Random(7)
    counts = [binomial(chance, n, share) for _ in range(4_000)]
    variance = n * share * (1 - share)
    assert statistics.fmean(counts) == pytest.approx(n * share, abs=5 * math.sqrt(variance / 4_000))
    assert statistics.variance(counts) == pytest.approx(variance, rel=0.15)


@pytest.mark.parametrize("mean", [0.3, 8.0, 200.0, 3_000.0])
def test_poisson_counts_have_their_mean_and_variance(mean: float) -> None:
    """Both are `mean`."""
    chance = random.Random(8)
    counts = [poisson(chance, mean) for _ in range(4_000)]
    assert statistics.fmean(counts) == pytest.approx(mean, abs=5 * math.sqrt(mean / 4_000))
    assert statistics.variance(counts) == pytest.approx(mean, rel=0.15)


def test_nothing_is_expected_so_nothing_happens() -> None:
    """A mean of 0 gives 0."""
    assert poisson(random.Random(1), 0.0) == 0


@given(st.integers(0, 3_000), st.lists(st.integers(1, 50), min_size=1, max_size=12), st.integers(0, 2**32))
def test_multinomial_counts_sum_to_what_was_drawn(n: int, weights: list[int], seed: int) -> None:
    """No draw is lost to rounding, and no key is invented."""
    shares = {k: w / sum(weights) for k, w in enumerate(weights)}
    counts = multinomial(random.Random(seed), n, shares)
    assert sum(counts.values()) == n
    assert set(counts) <= set(shares)
    assert all(count > 0 for count in counts.values())
