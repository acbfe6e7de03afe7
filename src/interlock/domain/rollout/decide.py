"""The one decision of a rollout: where it stands next, what is due, and why. Pure, and level-triggered.

Laws (tests/laws/test_decide.py): same input, same output; once the actions took hold, deciding again yields
none; missing, stale or conflicting evidence never advances; nothing moves traffic for a digest that is not
approved; a Fail verdict always turns to the baseline.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import assert_never

from interlock.domain.checks.shadow import excess_by_field, excess_of_answers, pairs_until_within
from interlock.domain.gates.verdict import Fail, Pass, Undecided
from interlock.domain.rollout.actions import Action, Adopt, Free, Publish
from interlock.domain.rollout.observation import Seen
from interlock.domain.rollout.plan import Plan
from interlock.domain.rollout.position import Outcome, Position, drain_s, traffic
from interlock.domain.rollout.stages import Canary, Climb, Judged, Prepare, Promote, Retire, Shadow, Watch
from interlock.domain.rollout.tables import BEFORE_TRAFFIC, WITH_PROMOTION, tables_lack
from interlock.kernel.instant import Instant

STALE_AFTER_S = 15.0
"""Evidence older than this says nothing about now."""

TICK_S = 1.0


@dataclass(frozen=True, slots=True)
class Decision:
    """`position` is what to persist, `actions` what to do after that, `because` a sentence for people.

    wake_s: seconds until the next look. uses_evidence: the decision rests on a verdict, whose receipt is kept.
    """

    position: Position
    actions: tuple[Action, ...]
    because: str
    wake_s: float = TICK_S
    uses_evidence: bool = False


def decide(plan: Plan, position: Position, seen: Seen, now: Instant) -> Decision:
    """What the rollout of `plan` does next, given where it stands and what was seen at `now`."""
    match position.phase:
        case "finished":
            return Decision(position, (), position.because)
        case "frozen":
            return _take_order(plan, position, seen, now) or Decision(position, (), position.because)
        case "draining":
            return _drain(plan, position, seen, now)
        case "forward":
            return (
                _take_order(plan, position, seen, now)
                or _turn_back_on_harm(plan, position, seen, now)
                or _throttle(plan, position, seen)
                or _wait(plan, position, seen)
                or _hold_moved(plan, position, seen, now)
                or _advance(plan, position, seen, now)
            )
        case _ as unreachable:
            assert_never(unreachable)


def _take_order(plan: Plan, position: Position, seen: Seen, now: Instant) -> Decision | None:
    order = position.order
    if order is None:
        return None
    asked = f"{order.by} asked for it" + (f": {order.because}" if order.because else "")
    heeded = replace(position, order=None)
    match order.verb:
        case "pause":
            return _stay(replace(heeded, is_paused=True), f"paused, because {asked}")
        case "resume":
            return _stay(replace(heeded, is_paused=False, phase="forward"), f"resumed, because {asked}")
        case "abort" | "rollback":
            outcome: Outcome = "aborted" if order.verb == "abort" else "rolled_back"
            return _turn_back(plan, heeded, now, f"turning back, because {asked}", outcome)
        case "promote":
            if not seen.is_approved:
                return _stay(heeded, "not promoted: the approvals do not cover this plan")
            if seen.ill or seen.fault:
                return _stay(heeded, "not promoted: " + (seen.fault or _illness(seen)))
            if tables_lack(plan, seen.tables, BEFORE_TRAFFIC):
                return None  # the order stays, and is taken up once the tables are there
            step = next(i for i, stage in enumerate(plan.stages) if isinstance(stage, Promote))
            going_on = replace(heeded, is_paused=False, phase="forward")
            return _enter(plan, going_on, max(step, position.stage), now, f"promoted, because {asked}")
        case _ as unreachable:
            assert_never(unreachable)


def _turn_back_on_harm(plan: Plan, position: Position, seen: Seen, now: Instant) -> Decision | None:
    """A Fail turns back at once, even while paused or while routes wait for acknowledgement."""
    match plan.stages[position.stage]:
        case Shadow() as shadow:
            judgement = seen.shadow_judgement
            if says := _differs(plan, shadow, seen):
                return _turn_back(plan, position, now, f"turning back, because {says}", "rolled_back", True)
        case Canary() | Climb() | Watch():
            judgement = seen.judgement
        case Prepare() | Promote() | Retire():
            judgement = None
    if judgement is not None and isinstance(judgement.verdict, Fail):
        because = f"turning back, because {judgement.verdict.because}"
        return _turn_back(plan, position, now, because, "rolled_back", uses_evidence=True)
    return None


def _differs(plan: Plan, shadow: Shadow, seen: Seen) -> str:
    """What is surely too different, and in which fields; empty when nothing is."""
    if shadow.max_difference is None:
        return ""
    excess = excess_of_answers(seen.shadow, seen.twins, plan.gates.alpha)
    if not excess.is_above(shadow.max_difference):
        return ""
    carriers = [e for e in excess_by_field(seen.shadow, seen.twins, plan.gates.alpha) if e.at_least > 0]
    fields = f"; {'; '.join(map(str, carriers[:3]))}" if carriers else ""
    surely = f"surely {excess.at_least:.1%} beyond the baseline's own noise"
    return f"{excess.share:.1%} of shadow answers differ, {surely}; {shadow.max_difference:.1%} allowed{fields}"


def _throttle(plan: Plan, position: Position, seen: Seen) -> Decision | None:
    """Likely harm lowers the weight at once; when it is not confirmed, the weight comes back."""
    if not isinstance(plan.stages[position.stage], Canary | Watch) or seen.judgement is None:
        return None
    throttle = seen.judgement.throttle
    weight_bp = throttle.weight_bp if throttle else None
    if weight_bp == position.throttle_bp:
        return None
    because = f"throttled, because {throttle.because}" if throttle else "cleared: the likely harm was not confirmed"
    moved = replace(position, throttle_bp=weight_bp, because=because)
    return Decision(
        moved, (Publish(traffic(plan, moved)),), because, wake_s=0.0, uses_evidence=throttle is not None
    )


def _wait(plan: Plan, position: Position, seen: Seen) -> Decision | None:
    """Reasons not to advance that hold in every stage; the routes are made right meanwhile."""
    publish = () if seen.is_in_place else (Publish(traffic(plan, position)),)
    if seen.fault:
        return _stay(position, f"held, because {seen.fault}")
    if not seen.is_approved:
        lacking = ", ".join(seen.missing)
        return _stay(position, f"held, because the approvals do not cover this plan (missing: {lacking})")
    if publish:
        return _stay(position, "waiting for the data plane to acknowledge the routes", publish)
    if position.is_paused:
        return _stay(position, position.because)
    return None


def _hold_moved(plan: Plan, position: Position, seen: Seen, now: Instant) -> Decision | None:
    """Answers whose distribution surely moved are no fault, and may be what the change is for: a person decides. A
    lower weight is not held back.
    """
    stage = plan.stages[position.stage]
    is_lower = seen.climb is not None and seen.climb.weight_bp < position.weight_bp
    if not seen.moved or not isinstance(stage, Shadow | Judged) or (isinstance(stage, Climb) and is_lower):
        return None
    fields = "; ".join(f"{service} {drift}" for service, drift in seen.moved[:3])
    more = f"; and {len(seen.moved) - 3} more" if len(seen.moved) > 3 else ""
    choice = f"if that is meant, `interlock promote {plan.change}`, or allow the fields in steps.answers"
    because = (
        f"the distribution of answers moved by more than {plan.answers.tolerated:.0%}: {fields}{more}; {choice}"
    )
    return _expire(plan, position, now, f"held, because {because}")


def _advance(plan: Plan, position: Position, seen: Seen, now: Instant) -> Decision:
    spent_s = (now - position.since).total_seconds()
    match plan.stages[position.stage]:
        case Prepare():
            if seen.ill is None:
                return _stay(position, "waiting for the first answer of the candidate's endpoints")
            if seen.ill:
                return _expire(plan, position, now, f"held, because {_illness(seen)}")
            if lacks := tables_lack(plan, seen.tables, BEFORE_TRAFFIC):
                return _stay(position, f"held, because {lacks}")
            return _enter(plan, position, position.stage + 1, now, "the candidate is present everywhere and well")
        case Shadow() as shadow:
            return _shadow(plan, position, shadow, seen, now, spent_s)
        case Canary() as canary:
            return _canary(plan, position, canary, seen, now, spent_s)
        case Climb() as climb:
            return _climb(plan, position, climb, seen, now)
        case Watch(watch_s=watch_s):
            return _watch(plan, position, seen, now, watch_s - spent_s)
        case Promote(bake_s=bake_s):
            left_s = max(bake_s, drain_s(plan)) - spent_s
            if left_s > 0:
                return _stay(
                    position, f"everything is served by the candidate; the baseline stays {left_s:.0f} s more"
                )
            if lacks := tables_lack(plan, seen.tables, WITH_PROMOTION):
                return _stay(position, f"everything is served by the candidate; held, because {lacks}")
            return _enter(plan, position, position.stage + 1, now, "the baseline is no longer needed")
        case Retire():
            done = replace(
                position, phase="finished", outcome="promoted", because="the candidate is what serves now"
            )
            return Decision(done, (Adopt(), Free(plan.holds)), done.because, wake_s=0.0)
        case _ as unreachable:
            assert_never(unreachable)


def _shadow(plan: Plan, position: Position, shadow: Shadow, seen: Seen, now: Instant, spent_s: float) -> Decision:
    left_s, left_pairs = shadow.seconds - spent_s, shadow.pairs - seen.shadow.pairs
    so_far = f"{seen.shadow.pairs} answers compared, {seen.shadow.difference:.1%} differ"
    if seen.twins.pairs:
        so_far += f", of {seen.twins.pairs} twins {seen.twins.difference:.1%}"
    lacking = [f"{left_pairs} more pairs"] * (left_pairs > 0) + [f"{left_s:.0f} s"] * (left_s > 0)
    if says := (lacking and f"it needs {' and '.join(lacking)}") or _unproven(plan, shadow, seen):
        return _expire(plan, position, now, f"held in shadow ({so_far}), because {says}")
    if _is_stale(seen):
        return _stay(position, f"held in shadow, because {_staleness(seen)}")
    if says := _unjudged_pairs(plan, seen):
        return _expire(plan, position, now, f"held in shadow, because {says}")
    return _enter(plan, position, position.stage + 1, now, f"shadow is done: {so_far}", uses_evidence=True)


def _unjudged_pairs(plan: Plan, seen: Seen) -> str:
    """Why a gate on pairs, which only shadow has, does not pass yet; empty when all of them do."""
    reports = seen.shadow_judgement.reports if seen.shadow_judgement else ()
    verdicts = {report.gate.name: report.verdict for report in reports}
    for gate in plan.gates.gates:
        if gate.sample == "pairs" and not isinstance(verdict := verdicts.get(gate.name), Pass):
            return f"{gate.name}: {verdict.because if verdict else 'there is no pair yet'}"
    return ""


def _unproven(plan: Plan, shadow: Shadow, seen: Seen) -> str:
    """Why it is not proven yet that answers differ little enough; empty when it is, or when any may differ."""
    bound, alpha = shadow.max_difference, plan.gates.alpha_pass
    if bound is None:
        return ""
    excess = excess_of_answers(seen.shadow, seen.twins, alpha)
    if excess.is_within(bound):
        return ""
    more = pairs_until_within(seen.shadow, seen.twins, bound, alpha)
    needs = (
        "at these shares no number of pairs shows more" if more is None else f"it needs about {more:,} more pairs"
    )
    return f"the difference beyond noise is surely at most {excess.at_most:.1%}, and must be {bound:.1%}; {needs}"


def _canary(plan: Plan, position: Position, canary: Canary, seen: Seen, now: Instant, spent_s: float) -> Decision:
    at = f"at {canary.weight_bp / 100:g} %"
    if _is_stale(seen) or seen.judgement is None:
        return _expire(plan, position, now, f"held {at}, because {_scarcity(seen)}")
    match seen.judgement.verdict:
        case Pass(because=because):
            if spent_s < canary.dwell_s:
                return _stay(position, f"{because}; staying {at} for {canary.dwell_s - spent_s:.0f} s more")
            return _enter(plan, position, position.stage + 1, now, because, uses_evidence=True)
        case Undecided(because=because):
            return _expire(plan, position, now, f"held {at}, because {because}")
        case Fail(because=because):  # _turn_back_on_harm saw it first; kept total
            return _turn_back(plan, position, now, f"turning back, because {because}", "rolled_back", True)
        case _ as unreachable:
            assert_never(unreachable)


def _climb(plan: Plan, position: Position, climb: Climb, seen: Seen, now: Instant) -> Decision:
    at = f"at {position.weight_bp / 100:g} %"
    if seen.climb is not None and seen.climb.weight_bp != position.weight_bp:
        because = f"to {seen.climb.weight_bp / 100:g} %, because {seen.climb.because}"
        moved = replace(position, weight_bp=seen.climb.weight_bp, because=because)
        return Decision(moved, (Publish(traffic(plan, moved)),), because, wake_s=0.0)
    if _is_stale(seen) or seen.judgement is None:
        return _expire(plan, position, now, f"held {at}, because {_scarcity(seen)}")
    if seen.is_safe:
        return _enter(plan, position, position.stage + 1, now, seen.judgement.verdict.because, uses_evidence=True)
    needs = f"; {seen.climb.needs}" if seen.climb and seen.climb.needs else ""
    return _expire(plan, position, now, f"held {at}, because {seen.judgement.verdict.because}{needs}")


def _watch(plan: Plan, position: Position, seen: Seen, now: Instant, left_s: float) -> Decision:
    if _is_stale(seen) or seen.judgement is None:
        return _expire(plan, position, now, f"held in the watch, because {_scarcity(seen)}")
    if left_s > 0:
        return _stay(position, f"watching for late faults for {left_s:.0f} s more")
    if seen.judgement.is_frozen:
        return _expire(plan, position, now, f"held in the watch, because {seen.judgement.verdict.because}")
    return _enter(plan, position, position.stage + 1, now, "no late fault was found", uses_evidence=True)


def _expire(plan: Plan, position: Position, now: Instant, because: str) -> Decision:
    """Hold; when patience has ended, do what the plan says."""
    if (now - position.since).total_seconds() < plan.patience_s:
        return _stay(position, because)
    match plan.on_expiry:
        case "hold":
            return _stay(position, because)
        case "ask":
            waited = f"{plan.patience_s:.0f} s passed without a verdict; a person must choose"
            choice = f"`interlock promote {plan.change}` or `interlock rollback {plan.change}`"
            return _stay(position, f"{waited}: {choice}; {because}")
        case "rollback":
            back = f"turning back: {plan.patience_s:.0f} s passed while {because}"
            return _turn_back(plan, position, now, back, "rolled_back")
        case _ as unreachable:
            assert_never(unreachable)


def _drain(plan: Plan, position: Position, seen: Seen, now: Instant) -> Decision:
    position = replace(position, order=None)
    if not seen.is_in_place:
        return _stay(position, position.because, (Publish(traffic(plan, position)),))
    left = position.since + timedelta(seconds=drain_s(plan)) - now
    if left > timedelta():
        return _stay(position, position.because)
    done = replace(position, phase="finished")
    return Decision(done, (Free(plan.holds),), done.because, wake_s=0.0)


def _enter(
    plan: Plan, position: Position, stage: int, now: Instant, because: str, uses_evidence: bool = False
) -> Decision:
    entered = replace(position, stage=stage, since=now, throttle_bp=None, because=because)
    publish: tuple[Action, ...] = (
        () if traffic(plan, entered) == traffic(plan, position) else (Publish(traffic(plan, entered)),)
    )
    return Decision(entered, publish, because, wake_s=0.0, uses_evidence=uses_evidence)


def _turn_back(
    plan: Plan, position: Position, now: Instant, because: str, outcome: Outcome, uses_evidence: bool = False
) -> Decision:
    back = replace(
        position,
        phase="draining",
        since=now,
        outcome=outcome,
        order=None,
        is_paused=False,
        throttle_bp=None,
        because=because,
    )
    return Decision(back, (Publish(traffic(plan, back)),), because, wake_s=0.0, uses_evidence=uses_evidence)


def _stay(position: Position, because: str, actions: tuple[Action, ...] = ()) -> Decision:
    return Decision(replace(position, because=because), actions, because)


def _is_stale(seen: Seen) -> bool:
    return seen.evidence_age_s is None or seen.evidence_age_s > STALE_AFTER_S


def _staleness(seen: Seen) -> str:
    if seen.evidence_age_s is None:
        return "there is no evidence yet"
    return f"the newest evidence is {seen.evidence_age_s:.0f} s old"


def _scarcity(seen: Seen) -> str:
    """The same with what the gates lack: where few call, evidence is often older than `STALE_AFTER_S`."""
    verdict, silence = (seen.judgement.verdict, seen.judgement.silence) if seen.judgement else (None, "")
    lacks = verdict.because if isinstance(verdict, Undecided) else silence
    return _staleness(seen) + (f"; {lacks}" if lacks else "")


def _illness(seen: Seen) -> str:
    ill = sorted((seen.ill or {}).items())
    shown = "; ".join(f"{name}: {why}" for name, why in ill[:3])
    return f"{len(ill)} candidate endpoint{'s are' if len(ill) > 1 else ' is'} not well ({shown})"
