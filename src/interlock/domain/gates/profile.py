"""What a service's traffic is like, and what a worse candidate does to it: the worlds of power and rehearsal.

A profile is measured from counters, or assumed and then said to be. Limits: requests are independent, latency has
no link to errors, labels come at once, and the rate does not move with the time of day.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from interlock.domain.checks.evidence import LATENCY_BIN_FACTOR, LATENCY_BIN_ZERO_MS, LOSS_BINS, ArmCounts, Bins
from interlock.domain.gates.gate import Gate, GateSet

Shares = Mapping[int, float]
"""Bin -> probability; they sum to 1, bins rise."""

SIGMA = 0.5
"""Spread of the assumed log-normal latency: the .99 quantile is 3.2 times the median."""
LOSS_STEP = 4


@dataclass(frozen=True, slots=True)
class Profile:
    """One service's answers: share of bad ones, latency, and per outcome the loss in bins of cap/200."""

    rate_rps: float
    bad: float
    latency: Shares = field(default_factory=dict)
    losses: Mapping[str, Shares] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Harm:
    """How a candidate is worse in `service`: `bad` more of its answers are bad (a share), latency is multiplied, or
    the mean of `outcome` is `loss` higher (a part of the cap). It begins after `begins_s` and is whole `grows_s`
    later.
    """

    name: str
    service: str = ""
    bad: float = 0.0
    latency_factor: float = 1.0
    outcome: str = ""
    loss: float = 0.0
    begins_s: float = 0.0
    grows_s: float = 0.0

    @property
    def is_any(self) -> bool:
        """Whether it makes anything worse."""
        return bool(self.bad or self.loss) or self.latency_factor != 1

    def part_at(self, at_s: float) -> float:
        """How much of the harm is there `at_s` seconds after the start, 0 to 1."""
        if at_s < self.begins_s:
            return 0.0
        return min(1.0, (at_s - self.begins_s) / self.grows_s) if self.grows_s else 1.0


NO_HARM = Harm("no difference")


def harmed(profile: Profile, harm: Harm, at_s: float) -> Profile:
    """The candidate's profile while the harm stands as it does at `at_s`."""
    part = harm.part_at(at_s)
    if not part:
        return profile
    steps = part * math.log(harm.latency_factor, LATENCY_BIN_FACTOR)
    losses = dict(profile.losses)
    if harm.outcome in losses:
        losses[harm.outcome] = moved(losses[harm.outcome], part * harm.loss * LOSS_BINS, LOSS_BINS)
    return replace(
        profile,
        bad=min(1.0, profile.bad + part * harm.bad),
        latency=moved(profile.latency, steps) if steps else profile.latency,
        losses=losses,
    )


def moved(shares: Shares, bins: float, last: int | None = None) -> dict[int, float]:
    """Every bin moved up by `bins`, a fraction going to the next one; what is beyond `last` stays in it."""
    whole, rest = math.floor(bins), bins - math.floor(bins)
    out: dict[int, float] = {}
    for bin_, share in shares.items():
        for target, part in ((bin_ + whole, share * (1 - rest)), (bin_ + whole + 1, share * rest)):
            kept = target if last is None else min(last, target)
            out[kept] = out.get(kept, 0.0) + part
    return {b: p for b, p in sorted(out.items()) if p > 0}


def lognormal_latency(median_ms: float) -> dict[int, float]:
    """Latency around `median_ms` with the spread SIGMA."""

    def below(bin_: int) -> float:
        z = math.log(LATENCY_BIN_ZERO_MS * LATENCY_BIN_FACTOR**bin_ / median_ms) / SIGMA
        return 0.5 * (1 + math.erf(z / math.sqrt(2)))

    middle = math.floor(math.log(median_ms / LATENCY_BIN_ZERO_MS, LATENCY_BIN_FACTOR))
    wide = math.ceil(4 * SIGMA / math.log(LATENCY_BIN_FACTOR))
    shares = {b: below(b + 1) - below(b) for b in range(max(0, middle - wide), max(0, middle) + wide)}
    return normal(shares)


def exponential_loss(mean: float) -> dict[int, float]:
    """Exponential losses of `mean` (a part of the cap), those above the cap counting as the cap."""
    edges = [*range(0, LOSS_BINS, LOSS_STEP), math.inf]
    tails = [math.exp(-edge / (mean * LOSS_BINS)) for edge in edges]
    shares = {
        min(LOSS_BINS, k * LOSS_STEP + LOSS_STEP // 2): tails[k] - tails[k + 1] for k in range(len(edges) - 1)
    }
    return normal(shares)


def normal(weights: Mapping[int, float]) -> dict[int, float]:
    """`weights` as shares that sum to 1; empty when there is nothing."""
    total = math.fsum(weights.values())
    return {k: w / total for k, w in sorted(weights.items()) if w > 0} if total > 0 else {}


def profile_of(counts: ArmCounts, seconds: float, losses: Mapping[str, Shares]) -> Profile:
    """The profile of an arm that did `counts` in `seconds`. The share of bad answers is shrunk by half an answer,
    because a service that showed none is not one that never errs.
    """
    return Profile(
        rate_rps=counts.requests / seconds,
        bad=(counts.bad + 0.5) / (counts.requests + 1),
        latency=normal({b: float(n) for b, n in counts.latency.items()}),
        losses=losses,
    )


def slow_from(shares: Shares) -> int:
    """The lowest bin such that at most a tenth of the answers are in it or above."""
    tail, edge = 0.0, 0
    for bin_ in sorted(shares, reverse=True):
        edge = bin_ + 1
        tail += shares[bin_]
        if tail > 0.1:
            break
    return edge


def worse_answers(profile: Profile, served: ArmCounts) -> float:
    """How many of the answers served were bad or slow beyond what the profile would have given; at least 0.

    Slow is beyond the profile's .9 quantile. A higher loss of an outcome is not counted here: no single answer is
    known to be worse.
    """
    bad = served.bad - profile.bad * served.requests
    edge = slow_from(profile.latency)
    usual = math.fsum(share for b, share in profile.latency.items() if b >= edge)
    return max(0.0, bad) + max(0.0, _from(served.latency, edge) - usual * sum(served.latency.values()))


def _from(bins: Bins, edge: int) -> int:
    return sum(n for b, n in bins.items() if b >= edge)


def harms_of(gate_set: GateSet) -> tuple[Harm, ...]:
    """The grid of differences that power is told for: per gate, from hardly worse to useless."""
    return tuple(harm for gate in gate_set.gates for harm in _harms(gate))


def _harms(gate: Gate) -> list[Harm]:
    service = gate.service
    match gate.metric:
        case "errors":
            points = [
                Harm(f"{service}: errors +{100 * p:g} pp", service, bad=p) for p in (0.005, 0.01, 0.02, 0.05, 0.2)
            ]
            return [*points, Harm(f"{service}: total failure", service, bad=1.0)]
        case "latency":
            factors = (1.1, 1.2, 1.5, 2.0)
            return [Harm(f"{service}: latency x{f:g}", service, latency_factor=f) for f in factors]
        case "outcome":
            shifts = [gate.target * m for m in (0.5, 1.0, 2.0, 4.0) if gate.target * m < gate.cap]
            return [
                Harm(f"{service}: mean {gate.outcome} +{s:g}", service, outcome=gate.outcome, loss=s / gate.cap)
                for s in shifts
            ]
