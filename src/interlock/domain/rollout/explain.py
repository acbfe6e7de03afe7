"""A plan in words for the person who is asked to approve it."""

from __future__ import annotations

from typing import assert_never

from interlock.domain.gates.gate import Gate
from interlock.domain.rollout.plan import Plan
from interlock.domain.rollout.stages import Canary, Climb, Prepare, Promote, Retire, Shadow, Stage, Watch
from interlock.domain.rollout.undo import undo


def explain_stage(stage: Stage) -> str:
    """One sentence: what happens in `stage` and what ends it."""
    match stage:
        case Prepare():
            return "publish both releases at every hop and ask the candidate's endpoints whether they are well"
        case Shadow(share_bp=share, seconds=seconds, pairs=pairs, max_difference=bound):
            limit = f", turning back if more than {bound:.1%} differ" if bound is not None else ""
            return (
                f"copy {share / 100:g} % of the requests to the candidate and compare the answers, "
                f"for at least {seconds:g} s and {pairs} pairs{limit}"
            )
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


def explain_gate(gate: Gate) -> str:
    """One sentence: what the candidate must prove to pass `gate`."""
    match gate.metric:
        case "errors":
            return f"at most {gate.margin:.1%} more of the answers bad than the baseline's"
        case "latency":
            slow = f"more than {gate.tolerance_ms:g} ms slower than the baseline's .9 quantile"
            return f"at most {gate.margin:.1%} more of the requests {slow}"
        case "outcome":
            return f"mean {gate.outcome} at most {gate.margin:g} above the baseline's (each capped at {gate.cap:g})"
        case _ as unreachable:
            assert_never(unreachable)


def explain(plan: Plan) -> tuple[tuple[str, str, str], ...]:
    """(stage, what happens, how it is undone) for each stage, in order of execution."""
    return tuple(
        (stage.kind, explain_stage(stage), undo(stage) or "point of no return: going back is a change of its own")
        for stage in plan.stages
    )
