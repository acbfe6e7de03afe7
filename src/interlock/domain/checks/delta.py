"""What was counted between two looks at cumulative counters."""

from __future__ import annotations

from interlock.domain.checks.evidence import ArmCounts, Bins


def since(before: ArmCounts, after: ArmCounts) -> ArmCounts:
    """`after` minus `before`. Counters that went backwards were restarted: then all of `after` is new."""
    if after.requests < before.requests or after.bad < before.bad or not _covers(after.latency, before.latency):
        return after
    return ArmCounts(
        requests=after.requests - before.requests,
        bad=after.bad - before.bad,
        latency={k: n - before.latency.get(k, 0) for k, n in after.latency.items() if n > before.latency.get(k, 0)},
    )


def _covers(after: Bins, before: Bins) -> bool:
    return all(after.get(k, 0) >= n for k, n in before.items())
