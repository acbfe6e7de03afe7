"""What was counted between two looks at cumulative counters."""

from __future__ import annotations

from interlock.domain.checks.evidence import ArmCounts, Bins, SegmentCounts

NONE: SegmentCounts = (0, 0, 0)


def since(before: ArmCounts, after: ArmCounts) -> ArmCounts:
    """`after` minus `before`. Counters that went backwards were restarted: then all of `after` is new."""
    if _went_backwards(before, after):
        return after
    return ArmCounts(
        requests=after.requests - before.requests,
        bad=after.bad - before.bad,
        latency={k: n - before.latency.get(k, 0) for k, n in after.latency.items() if n > before.latency.get(k, 0)},
        first_bad=after.first_bad - before.first_bad,
        segments={name: _less(counts, before.segments.get(name)) for name, counts in after.segments.items()},
    )


def _went_backwards(before: ArmCounts, after: ArmCounts) -> bool:
    return (
        after.requests < before.requests
        or after.bad < before.bad
        or after.first_bad < before.first_bad
        or not _covers(after.latency, before.latency)
        or any(min(_less(after.segments.get(name, NONE), c)) < 0 for name, c in before.segments.items())
    )


def _less(after: SegmentCounts, before: SegmentCounts | None) -> SegmentCounts:
    n, bad, keys = before or NONE
    return after[0] - n, after[1] - bad, after[2] - keys


def _covers(after: Bins, before: Bins) -> bool:
    return all(after.get(k, 0) >= n for k, n in before.items())
