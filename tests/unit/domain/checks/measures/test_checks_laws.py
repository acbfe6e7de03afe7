from __future__ import annotations

import math

import pytest
from scipy import stats

from interlock.domain.checks.check import CheckInvalid
from interlock.domain.checks.measures.laws import (
    Norm,
    Quantile,
    RankShare,
    Share,
    estimate,
    mean_of,
    rooted,
    squared,
)


@pytest.mark.parametrize(("hits", "rows"), [(0, 10), (1, 10), (37, 100), (100, 100), (3, 100_000)])
def test_shares_have_the_interval_of_clopper_and_pearson(hits: int, rows: int) -> None:
    """The limits are those of scipy's exact interval."""
    found = estimate(Share(hits, rows), 0.05)
    expected = stats.binomtest(hits, rows).proportion_ci(0.95, "exact")
    assert (found.lower, found.upper) == pytest.approx((expected.low, expected.high), rel=1e-6, abs=1e-9)


def test_rank_shares_follow_their_formula() -> None:
    """Nine of ten pairs in ten disjoint pairs: exp(-10 kl(0.9, 0.5)), the entropy worked out by hand."""
    entropy = 0.9 * math.log(1.8) + 0.1 * math.log(0.2)
    assert RankShare(0.9, 10).p_at_most(0.5) == pytest.approx(math.exp(-10 * entropy))
    assert RankShare(0.1, 10).p_at_least(0.5) == pytest.approx(math.exp(-10 * entropy))
    assert (RankShare(1.0, 10).p_at_most(0.9), RankShare(0.5, 10).p_at_most(0.6)) == (pytest.approx(0.9**10), 1.0)


def test_one_row_bets_by_hand() -> None:
    """One loss of 1 against "the mean is at most 0.5": stakes .95 and .475 double themselves, averaged."""
    assert mean_of([1.0], 0, 1).p_at_most(0.5) == pytest.approx(2 / (1.95 + 1.475))
    assert mean_of([0.0], 0, 1).p_at_least(0.5) == pytest.approx(2 / (1.95 + 1.475))


def test_means_at_their_bounds() -> None:
    """Losses that never occur or always do leave one side open, and a loss disproves a mean of 0."""
    none, all_of_them = mean_of([0.0] * 50, 0, 1), mean_of([1.0] * 50, 0, 1)
    assert (estimate(none, 0.05).lower, estimate(all_of_them, 0.05).upper) == (0, 1)
    assert none.p_at_most(0) == 1
    assert mean_of([0.0, 1.0], 0, 1).p_at_most(0) == 0


@pytest.mark.parametrize("bounds", [(0, 0), (1, 0), (0, math.inf), (0, math.nan)])
def test_a_mean_needs_a_range(bounds: tuple[float, float]) -> None:
    """Without finite bounds in order there is no interval."""
    with pytest.raises(CheckInvalid):
        mean_of([0.5], *bounds)


def test_quantiles_are_order_statistics() -> None:
    """The median of a hundred numbers lies between the 40th and the 61st, as the tables say."""
    found = estimate(Quantile([float(k) for k in range(1, 101)], 0.5), 0.05)
    assert (found.lower, found.value, found.upper) == pytest.approx((40, 50, 61))


def test_other_units_have_the_same_limits() -> None:
    """A root or a square of a law has the roots or squares of its limits."""
    law = mean_of([1.0, 4.0, 9.0, 4.0] * 20, 0, 16)
    plain, root = estimate(law, 0.05), estimate(rooted(law), 0.05)
    assert (root.lower, root.value, root.upper) == pytest.approx(
        tuple(math.sqrt(x) for x in (plain.lower or 0, plain.value, plain.upper or 0))
    )
    norm = Norm(0.5, 0.1, 3, 100)
    assert estimate(squared(norm), 0.05).upper == pytest.approx((estimate(norm, 0.05).upper or 0) ** 2)
    assert norm.floor(0.05) == pytest.approx(0.1 * math.sqrt(stats.chi2.isf(0.05, 3)))
