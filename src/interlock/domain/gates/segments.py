"""Evidence of harm by segment: a fault that hits a twentieth of the requests hides in the total.

Each segment is a mixture of its own over the errors' ratios; together they are their weighted average, where the
k-th segment seen weighs 1 / (k H), H = 1 + 1/2 + ... + 1/32, and what is not seen yet stays at 1. So many segments
cost little, and a segment joins by its name and requests, never by how they went.

A segment bets only after each arm has shown `least_keys` keys in it: three users never decide. Its counts wait for
both arms as those of a gate do. To name segments e-BH is used (Wang and Ramdas 2022); naming decides nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from interlock.domain.checks.evidence import SEGMENT_LIMIT, SegmentCounts, ServiceCounts
from interlock.domain.gates.gate import GateSet
from interlock.domain.gates.mixture import Mixture, Schedule, begin_mixture, grow, log_of, write_off
from interlock.domain.gates.table import RARE_RATIOS, Table, log_e_allocation
from interlock.domain.gates.verdict import SegmentReport

WEIGHTS = tuple(
    1 / (k * math.fsum(1 / j for j in range(1, SEGMENT_LIMIT + 1))) for k in range(1, SEGMENT_LIMIT + 1)
)
NOBODY: SegmentCounts = (0, 0, 0)
OUTAGE_SHARE, OUTAGE_RATIO = 0.2, 40.0


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment: its evidence, all its counts, and counts that wait for the other arm since `waiting_s`.

    idle_s: time since the evidence last moved; blocks without a bad answer change nothing but this.
    """

    name: str
    mixture: Mixture
    candidate: SegmentCounts = NOBODY
    baseline: SegmentCounts = NOBODY
    waiting: tuple[int, int, int, int] = (0, 0, 0, 0)
    waiting_s: float = 0.0
    idle_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Segments:
    """All segments in the order in which they were first seen."""

    seen: tuple[Segment, ...] = ()

    @property
    def e_value(self) -> float:
        """Capped evidence, weighted."""
        return self._mean([s.mixture.e_value_capped for s in self.seen])

    @property
    def e_value_uncapped(self) -> float:
        return self._mean([s.mixture.e_value for s in self.seen])

    def _mean(self, values: list[float]) -> float:
        weights = WEIGHTS[: len(values)]
        idle = max(0.0, 1 - math.fsum(weights))
        return math.fsum([w * v for w, v in zip(weights, values, strict=True)]) + idle


def watch_segments(
    segments: Segments,
    gate_set: GateSet,
    counts: ServiceCounts,
    at_s: float,
    seconds: float,
    schedule: Schedule,
    assigned: float | None,
) -> Segments:
    """The segments after a block. `assigned`: the candidate's share where first bad answers are counted."""
    candidate, baseline = counts.candidate.segments, counts.baseline.segments
    known = {s.name for s in segments.seen}
    arriving = sorted({*candidate, *baseline} - known)[: SEGMENT_LIMIT - len(known)]
    joined = (*segments.seen, *(Segment(name, begin_mixture(len(RARE_RATIOS))) for name in arriving))
    after = []
    for segment in joined:
        c, b = candidate.get(segment.name, NOBODY), baseline.get(segment.name, NOBODY)
        is_open = min(segment.candidate[2], segment.baseline[2]) >= gate_set.least_keys
        moved = _bet(segment, gate_set, (c, b), at_s, seconds, schedule, assigned) if is_open else segment
        after.append(replace(moved, candidate=_sum(segment.candidate, c), baseline=_sum(segment.baseline, b)))
    return Segments(tuple(after))


def _sum(a: SegmentCounts, b: SegmentCounts) -> SegmentCounts:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def _bet(
    segment: Segment,
    gate_set: GateSet,
    arms: tuple[SegmentCounts, SegmentCounts],
    at_s: float,
    seconds: float,
    schedule: Schedule,
    assigned: float | None,
) -> Segment:
    (n_c, k_c, _), (n_b, k_b, _) = arms
    m_c, j_c, m_b, j_b = segment.waiting
    block = (n_c + m_c, k_c + j_c, n_b + m_b, k_b + j_b)
    lasted_s, idle_s = segment.waiting_s + seconds, segment.idle_s + seconds
    nothing = replace(segment, waiting=(0, 0, 0, 0), waiting_s=0.0, idle_s=idle_s)
    if assigned is None and not (block[0] and block[2]):
        if lasted_s >= gate_set.carry_s:
            return nothing
        return replace(segment, waiting=block, waiting_s=lasted_s, idle_s=idle_s)
    if not (block[1] or block[3]):
        return nothing
    table = Table(*block, assigned)
    log_es = [log_e_allocation(table, ratio, gate_set.rho) for ratio in RARE_RATIOS]
    begun_s = at_s - segment.waiting_s
    grown = grow(
        segment.mixture, log_es, begun_s, schedule, idle_s, is_outage(block[0], block[1], segment.baseline[:2])
    )
    return replace(nothing, mixture=grown, idle_s=0.0)


def is_outage(requests: int, bad: int, usual: tuple[int, int]) -> bool:
    """Whether a block's answers, three bad ones left out, were bad beyond a burst: at least a fifth of them, and
    40 times as often as in the baseline, whose (requests, bad) so far are `usual`.
    """
    rate = usual[1] / usual[0] if usual[0] else 0.0
    return bad - 3 >= requests * max(OUTAGE_SHARE, OUTAGE_RATIO * rate)


def write_off_segments(segments: Segments) -> Segments:
    """After a throttle that was not confirmed."""
    return Segments(tuple(replace(s, mixture=write_off(s.mixture)) for s in segments.seen))


def named(segments: Segments, alpha: float) -> tuple[SegmentReport, ...]:
    """The segments that carry a difference, the heaviest first, by e-BH: the j heaviest, for the largest j whose
    j-th e-value is at least K / (alpha j), among K segments.
    """
    ranked = sorted(segments.seen, key=lambda s: (-s.mixture.e_value, s.name))
    least = [len(ranked) / (alpha * (j + 1)) for j in range(len(ranked))]
    count = max((j + 1 for j, s in enumerate(ranked) if s.mixture.e_value >= least[j]), default=0)
    return tuple(
        SegmentReport(s.name, log_of(s.mixture.e_value), *s.candidate[:2], *s.baseline[:2]) for s in ranked[:count]
    )
