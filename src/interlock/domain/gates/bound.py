"""Bets on one arm alone: is its mean loss above a bound, or surely below an amount? Losses are in [0, 1].

Null "mean <= m": a bet pays 1 + (f / m) (x - m) per loss x, at least 1 - f > 0; its mean is at most 1. Null
"mean >= delta": it pays 1 + f (delta - x). Losses of a block are taken as independent, with conditional means that
average the block's mean; by the inequality of means the product is then an e-variable too. For bad answers, x is 0
or 1, and the first bet is the likelihood ratio of the rate m + f (1 - m) to m. Waudby-Smith and Ramdas 2024.

A baseline that breaks the bound itself takes the blame from the candidate: a gate with a bound fails at the minimum
of two evidences, "above the bound" and "worse than the baseline", which is valid if either is not so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from interlock.domain.checks.evidence import LATENCY_BIN_FACTOR, LATENCY_BIN_ZERO_MS, LOSS_BINS, ArmCounts
from interlock.domain.gates.gate import Gate
from interlock.domain.gates.mixture import Mixture, Schedule, begin_mixture, grow

OVER_FRACTIONS = (0.9, 0.5, 0.2, 0.08, 0.03, 0.01)
"""Parts of the longest stake against "mean <= m"; the effects looked for."""

Losses = tuple[tuple[float, int], ...]
"""(loss in [0, 1], how many)."""


@dataclass(frozen=True, slots=True)
class Absolute:
    """Evidence that each arm is above the bound."""

    candidate: Mixture
    baseline: Mixture


def begin_absolute() -> Absolute:
    start = begin_mixture(len(OVER_FRACTIONS))
    return Absolute(start, start)


def log_e_over(losses: Iterable[tuple[float, int]], mean: float, fraction: float) -> float:
    """Log of the bet against "mean <= `mean`"."""
    stake, floor = fraction / mean, 1 - fraction
    return math.fsum([n * math.log(floor + stake * x) for x, n in losses])


def log_e_under(losses: Iterable[tuple[float, int]], delta: float, fraction: float) -> float:
    """Log of the bet against "mean >= `delta`"; it grows with delta."""
    return math.fsum([n * math.log(1 + fraction * (delta - x)) for x, n in losses])


def losses_of(gate: Gate, arm: ArmCounts, is_surely: bool = True) -> Losses:
    """The arm's losses under the gate's bound. A latency bin that holds the bound counts as slow unless `is_surely`
    slow is asked for, so that neither blame nor pass comes from the rounding.
    """
    match gate.metric:
        case "errors":
            return (1.0, arm.bad), (0.0, arm.requests - arm.bad)
        case "latency":
            edge = _edge(gate.bound or 0.0, is_surely)
            total, slow = sum(arm.latency.values()), sum(n for b, n in arm.latency.items() if b >= edge)
            return (1.0, slow), (0.0, total - slow)
        case "outcome":
            bins = arm.losses.get(gate.outcome, {})
            return tuple((b / LOSS_BINS, bins[b]) for b in sorted(bins))


def _edge(bound_ms: float, is_surely: bool) -> int:
    exact = math.log(bound_ms / LATENCY_BIN_ZERO_MS, LATENCY_BIN_FACTOR)
    return math.ceil(exact - 1e-9) if is_surely else math.floor(exact + 1e-9)


def weigh(
    absolute: Absolute,
    gate: Gate,
    candidate: ArmCounts,
    baseline: ArmCounts,
    at_s: float,
    seconds: float,
    schedule: Schedule,
) -> Absolute:
    """The evidence after a block; an arm without counts bets nothing."""
    mean = gate.target / gate.unit

    def after(mixture: Mixture, arm: ArmCounts) -> Mixture:
        losses = losses_of(gate, arm)
        if not sum(n for _, n in losses):
            return mixture
        return grow(mixture, [log_e_over(losses, mean, f) for f in OVER_FRACTIONS], at_s, schedule, seconds)

    return replace(
        absolute, candidate=after(absolute.candidate, candidate), baseline=after(absolute.baseline, baseline)
    )
