from __future__ import annotations

import pytest
from scipy import stats

from interlock.domain.checks.measures.tails import binomial_at_least, binomial_at_most, chi_square_above


@pytest.mark.parametrize("trials", [1, 7, 100, 5_000, 1_000_000])
@pytest.mark.parametrize("p", [1e-6, 0.01, 0.5, 0.93])
def test_binomial_tails_agree_with_scipy(trials: int, p: float) -> None:
    """Both tails are those of an independent implementation, far out too."""
    for hits in {0, 1, trials // 3, round(trials * p), min(trials, round(trials * p) + 3), trials}:
        expected = stats.binom.sf(hits - 1, trials, p)
        assert binomial_at_least(hits, trials, p) == pytest.approx(expected, rel=1e-7, abs=1e-12)
        assert binomial_at_most(hits, trials, p) == pytest.approx(
            stats.binom.cdf(hits, trials, p), rel=1e-7, abs=1e-12
        )


@pytest.mark.parametrize("degrees", [1, 2, 9, 300])
def test_chi_square_tail_agrees_with_scipy(degrees: int) -> None:
    """The tail is that of an independent implementation, on both sides of the switch of method."""
    for x in (0.0, 0.01, degrees * 0.5, float(degrees), degrees + 2.0, degrees * 4.0, 5_000.0):
        assert chi_square_above(x, degrees) == pytest.approx(stats.chi2.sf(x, degrees), rel=1e-8, abs=1e-14)


def test_tails_end_where_nothing_is_left() -> None:
    """Certain and impossible events have chances 1 and 0."""
    assert (binomial_at_least(0, 5, 0.3), binomial_at_least(6, 5, 0.3)) == (1.0, 0.0)
    assert (binomial_at_least(1, 5, 0.0), binomial_at_least(5, 5, 1.0)) == (0.0, 1.0)
    assert (chi_square_above(0, 3), chi_square_above(float("inf"), 3)) == (1.0, 0.0)
