"""Pass, Fail or Undecided: never a neutral number. No evidence is Undecided, and never a pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from interlock.domain.gates.gate import Gate

Reason = Literal["no-data", "warming-up", "collecting", "contested", "throttled", "baseline-broken", "bad-evidence"]
"""Why there is no decision: an arm without counts, latency too early to judge, evidence still growing, limits
reached while the evidence of harm is too high to pass, harm that waits to be confirmed, a baseline that itself
breaks the bound, or a last block that contradicted itself."""


@dataclass(frozen=True, slots=True)
class Pass:
    """The excess is surely within the margin."""

    because: str
    kind: Literal["pass"] = "pass"


@dataclass(frozen=True, slots=True)
class Fail:
    """The candidate is provably worse than tolerated."""

    because: str
    kind: Literal["fail"] = "fail"


@dataclass(frozen=True, slots=True)
class Undecided:
    """Neither is proven. `needs_requests` (of the candidate) and `needs_s` say when the gate would pass at the
    present rates; None means that at these rates it would not, or that nothing is known yet.
    """

    because: str
    reason: Reason
    needs_requests: int | None = None
    needs_s: float | None = None
    kind: Literal["undecided"] = "undecided"


Verdict = Pass | Fail | Undecided


@dataclass(frozen=True, slots=True)
class SegmentReport:
    """A segment that carries the difference: the false discovery rate of those named is at most alpha (e-BH, Wang
    and Ramdas 2022). log_e: log of its uncapped evidence of harm.
    """

    name: str
    log_e: float
    candidate_requests: int
    candidate_bad: int
    baseline_requests: int
    baseline_bad: int


@dataclass(frozen=True, slots=True)
class Throttle:
    """Likely harm, acted on before it is proven to last. since_s: when it began, in seconds of evidence; gate:
    which one weighed most; harm: what it adds at most to the share of harmed answers; weight_bp: the weight to
    serve at, which follows the harm and is never above `most_bp`, the weight before. doubled: how often it was
    doubled because the candidate was silent.
    """

    since_s: float
    gate: str
    harm: float
    weight_bp: int
    because: str
    most_bp: int = 10_000
    doubled: int = 0


@dataclass(frozen=True, slots=True)
class GateReport:
    """Where one gate stands.

    log_e: log of the evidence of harm with each block capped (it decides); log_e_uncapped: without the cap.
    upper_limit: the excess is surely below it, and margin: the limit wanted, both in the gate's unit.
    *_requests: requests counted (labelled requests for outcomes); *_bad: bad answers (errors only);
    *_mean: share of bad answers, or mean loss in loss units; *_ms: latency at the quantiles .5, .9 and .99.
    Means and quantiles pool all blocks, for people; the decision compares within blocks.
    For gates on pairs, requests are pairs and candidate_mean is the mean difference. segments: those that
    carry the difference.
    """

    gate: Gate
    verdict: Verdict
    log_e: float
    log_e_uncapped: float
    upper_limit: float
    margin: float
    candidate_requests: int
    baseline_requests: int
    candidate_bad: int | None = None
    baseline_bad: int | None = None
    candidate_mean: float | None = None
    baseline_mean: float | None = None
    candidate_ms: tuple[float, ...] = ()
    baseline_ms: tuple[float, ...] = ()
    segments: tuple[SegmentReport, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict over all gates; `worst` names the gate that explains it. Logs as in GateReport.

    throttle: serve the candidate at that weight at once, until it is gone. is_frozen: do not raise the weight now.
    silence: that an arm should have been heard by now and was not; empty while chance explains it.
    """

    verdict: Verdict
    worst: str
    log_e: float
    log_e_uncapped: float
    reports: tuple[GateReport, ...]
    throttle: Throttle | None = None
    is_frozen: bool = False
    silence: str = ""
