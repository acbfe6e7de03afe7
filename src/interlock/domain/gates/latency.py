"""Latency as exceedance: how often each arm is slower than the baseline used to be at its .5, .9 and .99 quantile.

Thresholds come from the baseline's decayed histogram *before* the block: the lowest bin edge that at most 1 - q of
the past exceeded. (The edge above the quantile's bin, not below it: else a service whose answers all fall into one
bin would count as all slow, and no slowdown could show.) A block without a past to compare with only
becomes past.

The candidate may be slower by some bins, or by some milliseconds: if it is at most that much slower in
distribution, its share beyond the shifted threshold is at most the baseline's share beyond the threshold, which
is the null of the odds test. The milliseconds matter where answers are so fast that nobody would notice a factor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from interlock.domain.checks.evidence import LATENCY_BIN_FACTOR, LATENCY_BIN_ZERO_MS, Bins
from interlock.domain.gates.table import BODY_ODDS, Table, log_e_odds

QUANTILES = (0.5, 0.9, 0.99)
LIMIT_QUANTILE = 0.9
"""The margin of a latency gate is an excess of requests slower than the baseline at this quantile."""
LEAST_PAST = 20.0
"""Decayed requests of the baseline before thresholds mean anything; a matter of power, not of validity."""


@dataclass(frozen=True, slots=True)
class Past:
    """The baseline's latency histogram so far, recent blocks weighing more: (bin, decayed count), bins rising."""

    bins: tuple[tuple[int, float], ...] = ()
    total: float = 0.0

    @property
    def is_enough(self) -> bool:
        return self.total >= LEAST_PAST

    def threshold(self, quantile: float) -> int:
        """The lowest bin such that at most 1 - quantile of the past is in it or above."""
        allowed, tail, edge = (1 - quantile) * self.total, 0.0, 0
        for bin_, count in reversed(self.bins):
            edge = bin_ + 1
            tail += count
            if tail > allowed:
                break
        return edge

    def share_from(self, bin_: int) -> float:
        """The share at or above `bin_`, pulled inside (0, 1) by half a request."""
        return (sum(count for b, count in self.bins if b >= bin_) + 0.5) / (self.total + 1)


def learn_past(past: Past, bins: Bins, seconds: float, half_life_s: float) -> Past:
    """The past after a block of `seconds` in which the baseline answered as `bins` says."""
    kept = 0.5 ** (seconds / half_life_s)
    counts = {b: count * kept for b, count in past.bins}
    for b, n in bins.items():
        counts[b] = counts.get(b, 0.0) + n
    ordered = tuple(sorted(counts.items()))
    return Past(ordered, sum(count for _, count in ordered))


def shifted(threshold: int, tolerated_bins: int, tolerance_ms: float) -> int:
    """The candidate's threshold: later than the baseline's by bins or by milliseconds, whichever is more."""
    edge_ms = LATENCY_BIN_ZERO_MS * LATENCY_BIN_FACTOR**threshold
    later = math.log((edge_ms + tolerance_ms) / LATENCY_BIN_ZERO_MS, LATENCY_BIN_FACTOR)
    return max(threshold + tolerated_bins, math.ceil(later - 1e-9))


def exceedance(candidate: Bins, baseline: Bins, threshold: int, candidate_threshold: int) -> Table:
    """Slow answers of both arms, each from its threshold on."""
    return Table(
        candidate=sum(candidate.values()),
        candidate_hits=_count_from(candidate, candidate_threshold),
        baseline=sum(baseline.values()),
        baseline_hits=_count_from(baseline, threshold),
    )


def log_es_of_latency(
    candidate: Bins, baseline: Bins, past: Past, tolerated_bins: int, tolerance_ms: float = 0.0
) -> tuple[tuple[float, ...], ...]:
    """For each quantile, the log e-variable of each odds ratio looked for."""
    return tuple(
        _log_es_at(
            exceedance(candidate, baseline, edge, shifted(edge, tolerated_bins, tolerance_ms)),
            past.share_from(edge),
        )
        for edge in (past.threshold(q) for q in QUANTILES)
    )


def _log_es_at(table: Table, rate: float) -> tuple[float, ...]:
    return tuple(log_e_odds(table, odds, rate) for odds in BODY_ODDS)


def _count_from(bins: Bins, start: int) -> int:
    return sum(n for b, n in bins.items() if b >= start)


def quantiles_ms(bins: Mapping[int, int]) -> tuple[float, ...]:
    """Latency at QUANTILES in milliseconds, at the (geometric) middle of its bin; empty without counts."""
    total = sum(bins.values())
    if not total:
        return ()
    return tuple(_quantile_ms(bins, q * total) for q in QUANTILES)


def _quantile_ms(bins: Mapping[int, int], rank: float) -> float:
    below = 0
    for b in sorted(bins):
        below += bins[b]
        if below >= rank:
            break
    return float(LATENCY_BIN_ZERO_MS * LATENCY_BIN_FACTOR ** (b + 0.5))
