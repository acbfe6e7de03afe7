"""Readings become losses that add."""

from __future__ import annotations

import pytest

from interlock.domain.checks.evidence import LOSS_BINS
from interlock.domain.checks.metric import Count, Counted, Sampled, arm_counts


def test_bad_requests_are_losses_of_the_whole_cap() -> None:
    """Good ones are losses of nothing; the sum of the bins is the number of requests."""
    candidate, baseline = arm_counts(Counted(Count(10, 3), Count(7, 0)), "refusals", 1.0)
    assert candidate.losses == {"refusals": {0: 7, LOSS_BINS: 3}}
    assert baseline.losses == {"refusals": {0: 7}}


def test_values_fall_into_bins_of_the_cap() -> None:
    """What is outside of the cap counts as its nearest end."""
    candidate, baseline = arm_counts(Sampled((-1.0, 5.0, 99.0), (2.5,)), "cost", 10.0)
    assert candidate.losses == {"cost": {0: 1, LOSS_BINS // 2: 1, LOSS_BINS: 1}}
    assert baseline.losses == {"cost": {LOSS_BINS // 4: 1}}


@pytest.mark.parametrize("cap", [0.0, -1.0, float("nan"), float("inf")])
def test_a_cap_that_leaves_nothing_is_refused(cap: float) -> None:
    """Instead of dividing by it."""
    with pytest.raises(ValueError, match="nothing to count"):
        arm_counts(Sampled((1.0,), (1.0,)), "cost", cap)
