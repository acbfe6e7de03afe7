"""What was counted between two looks at cumulative counters."""

from __future__ import annotations

from collections.abc import Mapping

from interlock.domain.checks.evidence import OTHER_SEGMENTS, ArmCounts, Bins, SegmentCounts


def since(before: ArmCounts, after: ArmCounts) -> ArmCounts:
    """`after` minus `before`. Counters that went backwards were restarted: then all of `after` is new."""
    if _went_backwards(before, after):
        return after
    return ArmCounts(
        requests=after.requests - before.requests,
        bad=after.bad - before.bad,
        latency={k: n - before.latency.get(k, 0) for k, n in after.latency.items() if n > before.latency.get(k, 0)},
        first_bad=after.first_bad - before.first_bad,
        segments=_segments_since(before.segments, after.segments),
    )


def _went_backwards(before: ArmCounts, after: ArmCounts) -> bool:
    return (
        after.requests < before.requests
        or after.bad < before.bad
        or after.first_bad < before.first_bad
        or not _covers(after.latency, before.latency)
    )


def _segments_since(
    before: Mapping[str, SegmentCounts], after: Mapping[str, SegmentCounts]
) -> dict[str, SegmentCounts]:
    """A segment that lost counts was folded into the others meanwhile, and the others gained them: both are left
    out of this block.
    """
    is_folded = any(name not in after for name in before)
    out = {}
    for name, (n, bad, keys) in after.items():
        n0, bad0, keys0 = before.get(name, (0, 0, 0))
        if n > n0 and not (is_folded and name == OTHER_SEGMENTS):
            out[name] = (n - n0, bad - bad0, keys - keys0)
    return out


def _covers(after: Bins, before: Bins) -> bool:
    return all(after.get(k, 0) >= n for k, n in before.items())
