"""Reports on single gates, and the sentences that a person reads."""

from __future__ import annotations

from typing import assert_never

from interlock.domain.checks.evidence import LATENCY_BIN_FACTOR, Bins, ServiceCounts
from interlock.domain.checks.pairs import mean_difference
from interlock.domain.gates.gate import Gate, GateSet, Metric
from interlock.domain.gates.latency import quantiles_ms
from interlock.domain.gates.limit import requests_to_deny
from interlock.domain.gates.mixture import log_of
from interlock.domain.gates.outcome import mean_loss
from interlock.domain.gates.segments import named
from interlock.domain.gates.track import Track, measured, measured_both
from interlock.domain.gates.verdict import Fail, GateReport, Pass, SegmentReport, Undecided, Verdict

_THINGS: dict[Metric, str] = {"errors": "requests", "latency": "timed requests", "outcome": "labelled requests"}


def _things(gate: Gate) -> str:
    return "pairs" if gate.sample == "pairs" else _THINGS[gate.metric]


def report_on(track: Track, gate_set: GateSet, share: float, elapsed_s: float) -> GateReport:
    """The gate's report; `share` is its part of the combined evidence."""
    gate, seen = track.gate, track.seen
    is_errors = gate.metric == "errors"
    in_candidate, in_baseline = measured_both(gate, seen)
    return GateReport(
        gate=gate,
        verdict=_verdict(track, gate_set, share, elapsed_s),
        log_e=log_of(track.e_value),
        log_e_uncapped=log_of(track.e_value_uncapped),
        upper_limit=_limit(track),
        margin=gate.target,
        candidate_requests=in_candidate,
        baseline_requests=in_baseline,
        candidate_bad=seen.candidate.bad if is_errors else None,
        baseline_bad=seen.baseline.bad if is_errors else None,
        candidate_mean=_means(gate, seen)[0],
        baseline_mean=_means(gate, seen)[1],
        candidate_ms=quantiles_ms(seen.candidate.latency),
        baseline_ms=quantiles_ms(seen.baseline.latency),
        segments=named(track.segments, gate_set.alpha),
    )


def _means(gate: Gate, seen: ServiceCounts) -> tuple[float | None, float | None]:
    if gate.sample == "pairs":
        return mean_difference(seen.pairs.get(gate.outcome, {}), gate.cap), None
    c, b = seen.candidate, seen.baseline
    match gate.metric:
        case "errors":
            return c.bad / c.requests if c.requests else None, b.bad / b.requests if b.requests else None
        case "latency":
            return None, None
        case "outcome":
            name, cap = gate.outcome, gate.cap
            return mean_loss(c.losses.get(name, {}), cap), mean_loss(b.losses.get(name, {}), cap)
        case _:
            assert_never(gate.metric)


def _limit(track: Track) -> float:
    """In the gate's unit; the target itself comes back exactly."""
    gate, value = track.gate, track.limit.value
    return gate.target if value == gate.target / gate.unit else value * gate.unit


def _verdict(track: Track, gate_set: GateSet, share: float, elapsed_s: float) -> Verdict:
    if share * track.e_value >= 1 / gate_set.alpha:
        harm = _harm(track.gate, gate_set)
        return Fail(f"{facts(track)}; {harm}: evidence {track.e_value:.3g} to 1")
    if _limit(track) <= track.gate.target:
        return Pass(f"{facts(track)}; {_quantity(track.gate)} is surely below {_amount(track.gate, _limit(track))}")
    if broken := _broken_baseline(track, gate_set):
        return Undecided(broken, "baseline-broken")
    if not track.limit.requests:
        return _without_counts(track, gate_set, elapsed_s)
    return _collecting(track, gate_set)


def _without_counts(track: Track, gate_set: GateSet, elapsed_s: float) -> Undecided:
    """Nothing was compared yet: an arm is missing, or latency is too early to judge."""
    gate, things = track.gate, _things(track.gate)
    counted = zip(("candidate", "baseline"), measured_both(gate, track.seen), strict=True)
    missing = [name for name, count in counted if not count]
    if missing:
        silence = silence_of(track) if missing == [track.pace.silent] else ""
        says = f"{gate.name}: no {things} of the {' and the '.join(missing)} yet"
        return Undecided(says + (f", though {silence}" if silence else ""), "no-data")
    if gate.metric == "latency" and elapsed_s < gate_set.warmup_s:
        needs_s = gate_set.warmup_s - elapsed_s
        says = f"{gate.name}: latency is not judged in the first {gate_set.warmup_s:g} s; {needs_s:g} s to go"
        return Undecided(says, "warming-up", needs_s=needs_s)
    return Undecided(f"{gate.name}: no block with {things} of both arms to compare yet", "no-data")


def silence_of(track: Track) -> str:
    """That an arm should have been heard by now, and what would help; empty while chance explains it."""
    pace = track.pace
    if not pace.silent:
        return ""
    share = pace.weight_bp if pace.silent == "candidate" else 10_000 - pace.weight_bp
    return (
        f"about {pace.owed:,.0f} were due of the {pace.silent} at {share / 100:g} % of the keys: requests carry no "
        "key, or no key that calls falls into so small a share; a larger one would be heard"
    )


def _collecting(track: Track, gate_set: GateSet) -> Undecided:
    gate, limit = track.gate, track.limit
    needs = requests_to_deny(limit, gate.target / gate.unit, gate_set.alpha_pass)
    wanted = f"{facts(track)}; {_quantity(gate)} is surely below {_amount(gate, _limit(track))}, the "
    wanted += f"{'margin' if gate.bound is None else 'bound'} is {_amount(gate, gate.target)}"
    if needs is None:
        says = f"{wanted}, which it will not reach at the present rates{_few_callers(track, gate_set)}"
        return Undecided(says, "collecting")
    needs_s = needs * limit.seconds / limit.requests
    says = f"{wanted}; about {needs:,} more {_things(gate)} of the candidate would do ({needs_s:,.0f} s)"
    return Undecided(says, "collecting", needs, needs_s)


def _few_callers(track: Track, gate_set: GateSet) -> str:
    """Why bad answers that would be proof by their number are none; empty when they would not be."""
    if track.repeats is None or track.repeats.e_value_capped < 1 / gate_set.alpha:
        return ""
    c, b = track.seen.candidate.first_bad, track.seen.baseline.first_bad
    return (
        f"; the bad answers went to few callers (first ones of a caller in ten minutes: {c:,} in the candidate, "
        f"{b:,} in the baseline), who might fail in any release, so only an outage of ten minutes turns back: look "
        "at them and choose; where few callers are usual, declare `counts: every`"
    )


def facts(track: Track, alpha: float = 0.01) -> str:
    """What was counted, both arms, and the segments that carry a difference."""
    gate, seen = track.gate, track.seen
    if gate.sample == "pairs":
        return _facts_of_pairs(track)
    match gate.metric:
        case "errors":
            c, b = seen.candidate, seen.baseline
            told = f"{gate.name}: candidate {_bad(c.bad, c.requests)}, baseline {_bad(b.bad, b.requests)}"
            return "; ".join([told, *(_segment(s) for s in named(track.segments, alpha)[:3])])
        case "latency":
            return (
                f"{gate.name}: candidate {_milliseconds(seen.candidate.latency)}, "
                f"baseline {_milliseconds(seen.baseline.latency)} at the .5, .9 and .99 quantiles"
            )
        case "outcome":
            c_mean, b_mean = _means(gate, seen)
            c_n, b_n = measured(gate, seen.candidate), measured(gate, seen.baseline)
            return (
                f"{gate.name}: mean {gate.outcome} of the candidate {c_mean or 0:.4g} over {c_n:,} labels, "
                f"of the baseline {b_mean or 0:.4g} over {b_n:,}"
            )
        case _:
            assert_never(gate.metric)


def _segment(told: SegmentReport) -> str:
    candidate = _bad(told.candidate_bad, told.candidate_requests)
    return f"in {told.name} {candidate} against {_bad(told.baseline_bad, told.baseline_requests)}"


def _facts_of_pairs(track: Track) -> str:
    gate = track.gate
    pairs, mean = measured_both(gate, track.seen)[0], _means(gate, track.seen)[0]
    return f"{gate.name}: {gate.outcome} {mean or 0:+.4g} in the candidate on the same {pairs:,} requests"


def because_failed(track: Track, gate_set: GateSet, e_value: float) -> str:
    """Why a rollout failed, told by the gate that weighs most."""
    return (
        f"{facts(track)}; {_harm(track.gate, gate_set)}: combined evidence {e_value:.3g} to 1, "
        f"{1 / gate_set.alpha:g} to 1 is proof"
    )


def because_contested(track: Track, gate_set: GateSet, e_value: float) -> str:
    """Why nothing passes although all limits are within their margins."""
    return (
        f"{facts(track)}; every limit is within its margin, but combined evidence of harm stands at {e_value:.3g} "
        f"to 1; nothing passes from {gate_set.hesitate:g} to 1 on"
    )


def because_passed(reports: tuple[GateReport, ...]) -> str:
    """What each gate holds the excess below."""
    held = (
        f"{r.gate.name} surely below {_amount(r.gate, r.upper_limit)} "
        f"({'margin' if r.gate.bound is None else 'bound on its own'} {_amount(r.gate, r.margin)})"
        for r in reports
    )
    return f"excess of the candidate over the baseline: {'; '.join(held)}"


def _quantity(gate: Gate) -> str:
    """What the upper limit limits."""
    if gate.bound is None:
        return "the excess"
    return f"the share slower than {gate.bound:g} ms" if gate.metric == "latency" else "the candidate's own"


def _broken_baseline(track: Track, gate_set: GateSet) -> str:
    """That the baseline itself breaks the bound, if that is proven."""
    if track.absolute is None or track.absolute.baseline.e_value < 1 / gate_set.alpha:
        return ""
    return (
        f"{facts(track)}; the baseline itself breaks the bound of {_bound(track.gate)}, "
        "so the candidate is not blamed unless it is proven worse than the baseline, and cannot pass"
    )


def _bound(gate: Gate) -> str:
    if gate.metric == "latency":
        return f"{gate.bound:g} ms at the {gate.quantile:g} quantile"
    return _amount(gate, gate.target)


def _harm(gate: Gate, gate_set: GateSet) -> str:
    """What the evidence of harm speaks for."""
    if gate.bound is not None:
        return f"above {_bound(gate)}, and worse than the baseline"
    if gate.sample == "pairs":
        return f"worse than the baseline by more than {gate.margin:g} on the same requests"
    match gate.metric:
        case "errors":
            return f"more than {gate_set.rho:g} times the baseline's rate"
        case "latency":
            factor = f"a factor {LATENCY_BIN_FACTOR**gate_set.latency_bins:.3g}"
            return f"slower than the baseline by more than {factor} and {gate.tolerance_ms:g} ms"
        case "outcome":
            return f"worse than the baseline by more than {gate.margin:g}"
        case _:
            assert_never(gate.metric)


def _bad(bad: int, requests: int) -> str:
    return f"{bad:,} bad of {requests:,} requests ({bad / max(requests, 1):.3%})"


def _milliseconds(bins: Bins) -> str:
    return " / ".join(f"{ms:.3g}" for ms in quantiles_ms(bins)) + " ms"


def _amount(gate: Gate, excess: float) -> str:
    """An excess in words: share of requests in percent, losses in their unit."""
    return f"{excess:.4g}" if gate.metric == "outcome" else f"{excess:.3%}"
