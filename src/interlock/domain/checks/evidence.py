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

SegmentCounts = tuple[int, int, int]
"""Of one segment: requests, bad ones among them, and keys that this rollout had not seen in the segment before.
Where nothing has keys, every request counts as a key of its own."""
SEGMENT_LIMIT = 32
"""Segments kept apart; those whose names sort after the first ones add up in OTHER_SEGMENTS."""
OTHER_SEGMENTS = "(others)"


def _add(a: Bins, b: Bins) -> dict[int, int]:
    out = dict(a)
    for k, n in b.items():
        out[k] = out.get(k, 0) + n
    return {k: n for k, n in sorted(out.items()) if n}


def _add_segments(a: Mapping[str, SegmentCounts], b: Mapping[str, SegmentCounts]) -> dict[str, SegmentCounts]:
    """The first names of the union are kept: whatever is beyond them in a part is beyond them in the whole too,
    so that the order of adding does not matter.
    """
    names = sorted({*a, *b} - {OTHER_SEGMENTS})
    out: dict[str, SegmentCounts] = {}
    for name in (*names, OTHER_SEGMENTS):
        kept = name if name in names[:SEGMENT_LIMIT] else OTHER_SEGMENTS
        for counts in (a.get(name), b.get(name)):
            if counts is not None:
                n, bad, keys = out.get(kept, (0, 0, 0))
                out[kept] = (n + counts[0], bad + counts[1], keys + counts[2])
    return out


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """What one arm (candidate or baseline) of one service did.

    requests: finished requests; bad: those that failed, the failures that a fallback hid included;
    latency: log-spaced bins, bin i holds durations in [zero * f**i, zero * f**(i+1)) milliseconds;
    losses: per outcome metric, bins of the loss (see LOSS_BINS). first_bad: bad answers but for those of a key that
    already had one in the same ten minutes (see checks.first_bad). segments: the same requests and bad answers by
    segment; where gates count first bad answers, the bad ones here are first ones too.
    """

    requests: int = 0
    bad: int = 0
    latency: Bins = field(default_factory=dict)
    losses: Mapping[str, Bins] = field(default_factory=dict)
    first_bad: int = 0
    segments: Mapping[str, SegmentCounts] = field(default_factory=dict)

    def __add__(self, other: ArmCounts) -> ArmCounts:
        names = sorted({*self.losses, *other.losses})
        return ArmCounts(
            requests=self.requests + other.requests,
            bad=self.bad + other.bad,
            latency=_add(self.latency, other.latency),
            losses={n: _add(self.losses.get(n, {}), other.losses.get(n, {})) for n in names},
            first_bad=self.first_bad + other.first_bad,
            segments=_add_segments(self.segments, other.segments),
        )


@dataclass(frozen=True, slots=True)
class ServiceCounts:
    """Both arms of one service in the same block of time.

    pairs: per outcome metric, bins of the candidate's loss less the baseline's for the same request, a difference
    of two loss bins (see checks.pairs); shadow traffic alone has them.
    """

    candidate: ArmCounts = ArmCounts()
    baseline: ArmCounts = ArmCounts()
    pairs: Mapping[str, Bins] = field(default_factory=dict)

    def __add__(self, other: ServiceCounts) -> ServiceCounts:
        names = sorted({*self.pairs, *other.pairs})
        return ServiceCounts(
            self.candidate + other.candidate,
            self.baseline + other.baseline,
            {n: _add(self.pairs.get(n, {}), other.pairs.get(n, {})) for n in names},
        )


@dataclass(frozen=True, slots=True)
class Block:
    """One block of time. `number` counts from 0 in a rollout; `seconds` is how long the block lasted.

    weight_bp: the share of keys, in basis points, assigned to the candidate throughout the block; 0 when unknown.
    """

    number: int
    seconds: float
    services: Mapping[str, ServiceCounts] = field(default_factory=dict)
    weight_bp: int = 0

    def __add__(self, other: Block) -> Block:
        """Counts of the same block from another place; numbers and known weights must agree."""
        if self.number != other.number:
            raise ValueError(f"block {self.number} cannot absorb block {other.number}")
        if self.weight_bp != other.weight_bp and self.weight_bp and other.weight_bp:
            raise ValueError(f"block {self.number} has weights {self.weight_bp} and {other.weight_bp}")
        names = sorted({*self.services, *other.services})
        empty = ServiceCounts()
        return Block(
            number=self.number,
            seconds=max(self.seconds, other.seconds),
            services={n: self.services.get(n, empty) + other.services.get(n, empty) for n in names},
            weight_bp=max(self.weight_bp, other.weight_bp),
        )
