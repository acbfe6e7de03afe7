"""How a model or a service bears a load: latency quantiles, failures and memory of a bounded run of calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from interlock.domain.checks.check import (
    CheckInvalid,
    Measurement,
    Part,
    Undecided,
    at_most,
    counted,
    no_rows,
    overall,
    telling,
)
from interlock.domain.checks.measures.judge import ALPHA, judge
from interlock.domain.checks.measures.laws import Law, Quantile, Share, estimate

MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True)
class LoadSeen:
    """What a run of calls showed. latencies_ms: of the calls that were answered; first_fault: in words, if any
    failed; grown_bytes: how much the resident memory grew at its peak, None when it could not be read;
    stopped_by: the bound that ended the run.
    """

    latencies_ms: Sequence[float]
    failures: int = 0
    first_fault: str = ""
    grown_bytes: int | None = None
    seconds: float = 0.0
    stopped_by: str = ""


@dataclass(frozen=True, slots=True)
class LoadLimits:
    """latency_ms: quantile -> milliseconds at most; failures: share of calls; grown_mib: growth of memory."""

    latency_ms: Sequence[tuple[float, float]] = ()
    failures: float | None = None
    grown_mib: float | None = None


def load(seen: LoadSeen, limits: LoadLimits, *, alpha: float = ALPHA) -> Measurement:
    """Each limit is a part; all must pass. Calls are taken as independent, which one slow neighbour can belie."""
    statistic = "latency, failures and memory under load"
    calls = len(seen.latencies_ms) + seen.failures
    if not calls:
        return no_rows("load", statistic, None, "calls")
    parts = [_latency(seen, q, limit, alpha) for q, limit in limits.latency_ms]
    if limits.failures is not None:
        parts.append(_judged("failures", Share(seen.failures, calls), limits.failures, alpha, ""))
    if limits.grown_mib is not None:
        parts.append(_memory(seen, calls, limits.grown_mib))
    if not parts:
        raise CheckInvalid("a load check has no limit", remedy="Limit a latency quantile, failures or memory.")
    facts = {
        "calls": calls,
        "failures": seen.failures,
        "first_fault": seen.first_fault,
        "seconds": seen.seconds,
        "calls_per_second": calls / seen.seconds if seen.seconds > 0 else None,
        "stopped_by": seen.stopped_by,
    }
    verdict = overall((part.name, part.verdict) for part in parts)
    return Measurement("load", statistic, verdict, telling(parts), parts=tuple(parts), facts=facts)


def _latency(seen: LoadSeen, q: float, limit_ms: float, alpha: float) -> Part:
    name = f"p{100 * q:g}"
    if not 0 < q < 1:
        raise CheckInvalid(f"{q:g} is no quantile", remedy="Give a number between 0 and 1, such as 0.99.")
    if not seen.latencies_ms:
        return Part(name, Undecided("no call was answered", "a call that is answered"))
    return _judged(name, Quantile(sorted(seen.latencies_ms), q), limit_ms, alpha, "ms")


def _judged(name: str, law: Law, limit: float, alpha: float, unit: str) -> Part:
    found = estimate(law, alpha, unit)
    return Part(name, judge(found, at_most(limit)), found)


def _memory(seen: LoadSeen, calls: int, limit_mib: float) -> Part:
    if seen.grown_bytes is None:
        return Part("memory", Undecided("the memory of the process could not be read", "a process on this machine"))
    found = counted(seen.grown_bytes / MEBIBYTE, calls, "MiB")
    return Part("memory", judge(found, at_most(limit_mib)), found)
