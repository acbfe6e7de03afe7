"""Pairs: the candidate's loss less the baseline's for the same request, as bins that add.

The bin is the difference of two loss bins, -LOSS_BINS to LOSS_BINS, so that a pair is as exact as the losses that
it is made of (41 bins over the same range would round away margins of 2 %). Histograms are sparse.
"""

from __future__ import annotations

import math

from interlock.domain.checks.evidence import LOSS_BINS, Bins

FAILURE = "failure"
"""The loss of an answer that failed (a status from 500 on), 1, or did not, 0."""


def pair_bin(candidate_loss: float, baseline_loss: float, cap: float) -> int | None:
    """The bin of a pair of losses in [0, cap] (beyond it they count as the cap); None where one is no number."""
    bins = [_loss_bin(loss, cap) for loss in (candidate_loss, baseline_loss)]
    return None if bins[0] is None or bins[1] is None else bins[0] - bins[1]


def _loss_bin(loss: float, cap: float) -> int | None:
    return None if math.isnan(loss) else round(min(max(loss, 0.0), cap) / cap * LOSS_BINS)


def disagreement_bin(candidate_differs: bool, twin_differs: bool) -> int:
    """The binary pair: the baseline answered a request twice and the candidate once. What differs beyond the
    baseline's own noise is a loss of 1, noise without it one of -1, so the mean is the disagreement beyond noise.
    """
    return LOSS_BINS * (candidate_differs - twin_differs)


def mean_difference(bins: Bins, cap: float) -> float | None:
    """The mean of the candidate's loss less the baseline's, in loss units; None without pairs."""
    pairs = sum(bins.values())
    return cap * sum(b * n for b, n in bins.items()) / (LOSS_BINS * pairs) if pairs else None
