"""A plan in words for the person who is asked to approve it."""

from __future__ import annotations

from typing import assert_never

from interlock.domain.checks.pairs import FAILURE
from interlock.domain.checks.violations import CONTRACT
from interlock.domain.gates.gate import Gate
from interlock.domain.lenses.inline import why_hop
from interlock.domain.releases.release import Deployment
from interlock.domain.rollout.plan import Plan
from interlock.domain.rollout.stages import Canary, Climb, Prepare, Promote, Retire, Shadow, Stage, Watch
from interlock.domain.rollout.undo import undo


def explain_stage(stage: Stage) -> str:
    """One sentence: what happens in `stage` and what ends it."""
    match stage:
        case Prepare():
            return "publish both releases at every hop and ask the candidate's endpoints whether they are well"
        case Shadow() as shadow:
            return _explain_shadow(shadow)
        case Canary(weight_bp=weight, dwell_s=dwell):
            keys = f"{weight / 100:g} % of the entity keys"
            return f"serve {keys} by the candidate, for at least {dwell:g} s, until the gates pass"
        case Climb(budget=budget, dwell_s=dwell):
            pace = f"as fast as at most about {budget:g} bad answers while a fault is found out allow"
            return f"raise the candidate's share {pace}; at least {dwell:g} s, until the gates pass"
        case Watch(holdback_bp=holdback, watch_s=watch):
            most = f"all but {holdback / 100:g} % of the keys"
            return f"serve {most} by the candidate, and go on comparing for {watch:g} s"
        case Promote(bake_s=bake):
            return f"serve everything by the candidate; keep the baseline present for {bake:g} s"
        case Retire():
            return "remove the baseline from the routes; what the candidate was is what serves now"
        case _ as unreachable:
            assert_never(unreachable)


def _explain_shadow(shadow: Shadow) -> str:
    copies = f"copy {shadow.share_bp / 100:g} % of the requests to the candidate and compare the answers"
    least = f"for at least {shadow.seconds:g} s and {shadow.pairs} pairs"
    if shadow.max_difference is None:
        return f"{copies}, {least}"
    twins = f"{shadow.twin_bp / 100:g} % go to the baseline a second time to tell its noise"
    limit = f"{shadow.max_difference:.1%} differ beyond noise"
    return f"{copies} ({twins}), {least}, until surely at most {limit}; turning back when surely more do"


_COUNTED = {CONTRACT: "break what callers were promised", FAILURE: "fail"}
"""Outcomes that are counted from the answers themselves."""


def explain_gate(gate: Gate) -> str:
    """One sentence: what the candidate must prove to pass `gate`."""
    if gate.bound is not None:
        return f"{_kept(gate, gate.bound)}; turned back only if it is worse than the baseline, too"
    match gate.metric:
        case "errors":
            return f"at most {gate.margin:.1%} more of the answers bad than the baseline's{_looked_at(gate)}"
        case "latency":
            slow = f"more than {gate.tolerance_ms:g} ms slower than the baseline's .9 quantile"
            return f"at most {gate.margin:.1%} more of the requests {slow}"
        case "outcome":
            where = " on the same requests, in shadow" if gate.sample == "pairs" else ""
            if told := _COUNTED.get(gate.outcome):
                return f"at most {gate.margin:.1%} more of the answers {told} than the baseline's{where}"
            mean = f"mean {gate.outcome} at most {gate.margin:g} above the baseline's{where}"
            return f"{mean} (each capped at {gate.cap:g})"
        case _ as unreachable:
            assert_never(unreachable)


def _kept(gate: Gate, bound: float) -> str:
    """What a gate with a bound asks of the candidate alone."""
    match gate.metric:
        case "errors":
            return f"at most {100 * bound:.3g} % of the answers bad"
        case "latency":
            slower = f"slower than {bound:g} ms (its p{100 * gate.quantile:g})"
            return f"at most {100 * (1 - gate.quantile):.3g} % of the requests {slower}"
        case "outcome":
            return f"mean {gate.outcome} at most {bound:g} (each capped at {gate.cap:g})"
        case _ as unreachable:
            assert_never(unreachable)


def _looked_at(gate: Gate) -> str:
    """Which bad answers count as evidence, and whether segments are looked at."""
    match gate.counts:
        case "every":
            counted = ""
        case "first":
            counted = "; each key's first bad answer in ten minutes counts"
        case "keyed":
            counted = "; each key's first bad answer in ten minutes counts, where keys are known"
        case _ as unreachable:
            assert_never(unreachable)
    parts = f"; segments are looked at one by one, too ({gate.segment_share:.0%} of the evidence)"
    return counted + (parts if gate.segment_share else "")


def explain_lenses(plan: Plan) -> tuple[tuple[str, str], ...]:
    """(service@version, what translates its requests and answers, and why that) for each with a lens before it."""
    return tuple(
        (f"{one.service}@{one.version}", _explain_engine(one))
        for one in plan.candidate.deployments
        if one.request or one.response
    )


def _explain_engine(one: Deployment) -> str:
    sides = " and ".join(
        name for name, program in (("requests", one.request), ("answers", one.response)) if program
    )
    if not one.is_on_hop:
        return f"{sides} are translated by Lua in the proxy"
    why = "; ".join(why_hop(one.request, one.response, one.body))
    return f"{sides} are translated by the lens hop beside the proxy, because {why}"


def explain(plan: Plan) -> tuple[tuple[str, str, str], ...]:
    """(stage, what happens, how it is undone) for each stage, in order of execution."""
    return tuple(
        (stage.kind, explain_stage(stage), undo(stage) or "point of no return: going back is a change of its own")
        for stage in plan.stages
    )
