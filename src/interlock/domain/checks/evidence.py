"""Addable evidence: counts of one time block, per service and arm. Nothing else travels.

Counts add over Envoys and over blocks (associative, commutative, with an empty element), so their cost does
not grow with traffic, and a verdict can be recomputed from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Bins = Mapping[int, int]
"""Sparse histogram: bin index -> count."""

LATENCY_BIN_FACTOR = 2 ** (1 / 8)
LATENCY_BIN_ZERO_MS = 0.25
LOSS_BINS = 200
"""A loss in [0, cap] falls into bin round(loss / cap * LOSS_BINS); a loss above the cap counts as the cap."""


def _add(a: Bins, b: Bins) -> dict[int, int]:
    out = dict(a)
    for k, n in b.items():
        out[k] = out.get(k, 0) + n
    return {k: n for k, n in sorted(out.items()) if n}


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """What one arm (candidate or baseline) of one service did.

    requests: finished requests; bad: those that failed, the failures that a fallback hid included;
    latency: log-spaced bins, bin i holds durations in [zero * f**i, zero * f**(i+1)) milliseconds;
    losses: per outcome metric, bins of the loss (see LOSS_BINS).
    """

    requests: int = 0
    bad: int = 0
    latency: Bins = field(default_factory=dict)
    losses: Mapping[str, Bins] = field(default_factory=dict)

    def __add__(self, other: ArmCounts) -> ArmCounts:
        names = sorted({*self.losses, *other.losses})
        return ArmCounts(
            requests=self.requests + other.requests,
            bad=self.bad + other.bad,
            latency=_add(self.latency, other.latency),
            losses={n: _add(self.losses.get(n, {}), other.losses.get(n, {})) for n in names},
        )


@dataclass(frozen=True, slots=True)
class ServiceCounts:
    """Both arms of one service in the same block of time."""

    candidate: ArmCounts = ArmCounts()
    baseline: ArmCounts = ArmCounts()

    def __add__(self, other: ServiceCounts) -> ServiceCounts:
        return ServiceCounts(self.candidate + other.candidate, self.baseline + other.baseline)


@dataclass(frozen=True, slots=True)
class Block:
    """One block of time. `number` counts from 0 in a rollout; `seconds` is how long the block lasted."""

    number: int
    seconds: float
    services: Mapping[str, ServiceCounts] = field(default_factory=dict)

    def __add__(self, other: Block) -> Block:
        """Counts of the same block from another place; numbers and durations must agree."""
        if self.number != other.number:
            raise ValueError(f"block {self.number} cannot absorb block {other.number}")
        names = sorted({*self.services, *other.services})
        empty = ServiceCounts()
        return Block(
            number=self.number,
            seconds=max(self.seconds, other.seconds),
            services={n: self.services.get(n, empty) + other.services.get(n, empty) for n in names},
        )
