"""Where a rollout stands: all the state that its decisions need, and nothing that can be derived."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from interlock.domain.rollout.plan import Plan
from interlock.domain.rollout.stages import Canary, Climb, Prepare, Promote, Retire, Shadow, Watch
from interlock.kernel.instant import Instant

Verb = Literal["pause", "resume", "promote", "abort", "rollback"]
Outcome = Literal["promoted", "rolled_back", "aborted"]


@dataclass(frozen=True, slots=True)
class Order:
    """What a person told the rollout to do; the next decision takes it up."""

    verb: Verb
    by: str
    at: Instant
    because: str = ""


@dataclass(frozen=True, slots=True)
class Position:
    """`stage` indexes the plan's stages; `since` is when it was entered.

    phase: `forward` through the stages; `draining` back to the baseline, the candidate still present for the
    requests that it holds; `frozen` after an invariant broke; `finished` with an outcome.
    weight_bp: the candidate's share while climbing. throttle_bp: while harm is likely but not proven, its share
    is no higher than this.
    """

    stage: int
    since: Instant
    phase: Literal["forward", "draining", "frozen", "finished"] = "forward"
    is_paused: bool = False
    weight_bp: int = 0
    throttle_bp: int | None = None
    outcome: Outcome | None = None
    order: Order | None = None
    because: str = ""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a position means for requests. `is_present`: the candidate's backends and inner routes exist.

    default: who serves keys outside the candidate's share, and requests without a pin.
    """

    is_present: bool
    weight_bp: int = 0
    shadow_bp: int = 0
    twin_bp: int = 0
    default: Literal["baseline", "candidate"] = "baseline"


def traffic(plan: Plan, position: Position) -> Traffic:
    """The traffic that `position` calls for; total over all positions."""
    if position.phase == "finished":
        promoted = position.outcome == "promoted"
        return Traffic(is_present=promoted, default="candidate" if promoted else "baseline")
    if position.phase == "draining":
        return Traffic(is_present=True)
    match plan.stages[position.stage]:
        case Prepare():
            return Traffic(is_present=True)
        case Shadow(share_bp=share, twin_bp=twins):
            return Traffic(is_present=True, shadow_bp=share, twin_bp=twins)
        case Canary(weight_bp=weight):
            return Traffic(is_present=True, weight_bp=min(weight, position.throttle_bp or weight))
        case Climb():
            return Traffic(is_present=True, weight_bp=position.weight_bp)
        case Watch(holdback_bp=holdback):
            return Traffic(is_present=True, weight_bp=min(10_000 - holdback, position.throttle_bp or 10_000))
        case Promote() | Retire():
            return Traffic(is_present=True, default="candidate")


LONGEST_GAP_S = 60.0
"""The loop looks about once a second. After a longer gap the clock jumped, or nobody looked."""


def gap_between(looked_at: Instant | None, now: Instant) -> timedelta:
    """Time between two looks that nobody saw pass: all of it where the clock went back, or on by too much."""
    gap = timedelta() if looked_at is None else now - looked_at
    return timedelta() if timedelta() <= gap <= timedelta(seconds=LONGEST_GAP_S) else gap


def steadied(position: Position, looked_at: Instant | None, now: Instant) -> Position:
    """The position with such a gap taken out, so that it ends no wait, no watch and no drain."""
    return replace(position, since=position.since + gap_between(looked_at, now))


def drain_s(plan: Plan) -> float:
    """How long requests that the candidate or the baseline still holds may take to finish, in seconds."""
    deployments = (*plan.baseline.deployments, *plan.candidate.deployments)
    return max((d.timeout_s for d in deployments), default=5.0) + 1.0
