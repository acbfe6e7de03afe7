"""How far each gate is from its two boundaries, in figures and words: what `interlock gate explain` tells."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import assert_never

from interlock.domain.checks.evidence import LATENCY_BIN_FACTOR
from interlock.domain.gates.gate import Gate, GateSet
from interlock.domain.gates.verdict import GateReport, Judgement, Undecided


@dataclass(frozen=True, slots=True)
class Outlook:
    """One gate between its boundaries.

    fails_when: the rule of Fail in words. evidence: this gate's part of the combined evidence of harm, as odds;
    proof: the odds that fail; way_to_fail: how much of the way there it is on a log scale, 0 to 1. limit, margin:
    the excess is surely below the one and must be below the other, in the gate's unit; limit_over_margin is at most
    1 where the gate passes. needs_*: what is missing to pass at the present rates, None when unknown or never.
    """

    report: GateReport
    fails_when: str
    evidence: float
    proof: float
    way_to_fail: float
    limit: float
    margin: float
    limit_over_margin: float
    reason: str
    needs_requests: int | None
    needs_s: float | None


def outlooks(judgement: Judgement, gate_set: GateSet) -> tuple[Outlook, ...]:
    """Every gate of a judgement, in its order."""
    total = math.fsum(gate.weight for gate in gate_set.gates)
    return tuple(_outlook(report, gate_set, report.gate.weight / total) for report in judgement.reports)


def way_to(log_e: float, alpha: float) -> float:
    """How much of the way from no evidence (odds of 1) to proof (1/alpha) it is, on a log scale, 0 to 1."""
    return min(1.0, max(0.0, log_e / -math.log(alpha)))


def _outlook(report: GateReport, gate_set: GateSet, share: float) -> Outlook:
    log_e = report.log_e + math.log(share)
    wanted = report.margin or report.gate.target
    undecided = report.verdict if isinstance(report.verdict, Undecided) else None
    return Outlook(
        report=report,
        fails_when=fails_when(report.gate, gate_set),
        evidence=math.exp(log_e),
        proof=1 / gate_set.alpha,
        way_to_fail=way_to(log_e, gate_set.alpha),
        limit=report.upper_limit,
        margin=wanted,
        limit_over_margin=report.upper_limit / wanted,
        reason=undecided.reason if undecided else "",
        needs_requests=undecided.needs_requests if undecided else None,
        needs_s=undecided.needs_s if undecided else None,
    )


def fails_when(gate: Gate, gate_set: GateSet) -> str:
    """The rule of Fail in words: what the evidence of harm has to prove."""
    odds = f"{1 / gate_set.alpha:g} to 1"
    if gate.bound is not None:
        return _breaks_when(gate, gate.bound, odds)
    match gate.metric:
        case "errors":
            where = ", in all requests or in a segment" if gate.segment_share else ""
            return (
                f"bad answers are proven, at {odds}, to be more than {gate_set.rho:g} times the baseline's{where}"
            )
        case "latency":
            factor = LATENCY_BIN_FACTOR**gate_set.latency_bins
            return (
                f"answers are proven, at {odds}, to be slower than the baseline's by more than "
                f"a factor {factor:.3g} and {gate.tolerance_ms:g} ms"
            )
        case "outcome":
            where = " on the same requests" if gate.sample == "pairs" else ""
            more = f"more than {gate.margin:g} above the baseline's{where}"
            return f"mean {gate.outcome} is proven, at {odds}, to be {more}"
        case _:
            assert_never(gate.metric)


def _breaks_when(gate: Gate, bound: float, odds: str) -> str:
    """The same for a gate that bounds the candidate itself."""
    worse = f"proven, at {odds}, to be above it and worse than the baseline's"
    match gate.metric:
        case "errors":
            return f"the candidate may have at most {bound:.2%} bad answers, and they are {worse}"
        case "latency":
            return f"the candidate's {gate.quantile:g} quantile may be at most {bound:g} ms, and it is {worse}"
        case "outcome":
            return f"the candidate's mean {gate.outcome} may be at most {bound:g}, and it is {worse}"
        case _:
            assert_never(gate.metric)
