"""The adaptive ramp: how much of the traffic the candidate may serve, given what is known about its harm.

weight = budget / (rate * reaction_s * U): if the excess of harmed answers is as high as its upper limit U still
allows, about `budget` of them are served until the gates react. U falls as evidence grows, so the weight grows; it
starts where even a total failure stays within the budget. Bounds: not below `least`, not above `start` until U is
at most `known`, never above `ceiling` (a higher share slows the comparison, because the baseline thins out). Where
few keys call, none may fall into a small share: a candidate that is silent, and not by chance, gets twice as much.

The harm of a small excess h until it is found is about 2 p L / ((1 - weight) h) with L = ln(1/alpha) + cost: nearly
independent of the ramp. Fixed steps lose on large faults instead: 218 bad answers against 21 at a total failure.

Every gate has its own limit, and the lowest decides: a change of several services goes at the pace of the worst of
them. There is one budget, because a request that fails in two services is one bad answer to its caller. A slow
answer costs a tenth of a bad one, and wrong predictions have a budget and a delay of their own. The weight never
falls but for a throttle, and stands still while evidence of harm is above `hesitate`.

Pure: the state of the gates and the weight now give the weight to serve at, with reasons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from interlock.domain.gates.gate import Gate
from interlock.domain.gates.judge import State, is_safe_to_promote
from interlock.domain.gates.limit import requests_to_deny
from interlock.domain.gates.throttle import LEAST_WEIGHT, START_WEIGHT
from interlock.domain.gates.track import Track, is_silent
from interlock.kernel.errors import Invalid


class InvalidRamp(Invalid):
    """The constants of a ramp allow no weight."""

    code = "ramp.invalid"


@dataclass(frozen=True, slots=True)
class Ramp:
    """Constants of an adaptive ramp.

    budget: bad answers accepted while a fault is found out; slow_budget: slow ones; outcome_budget: wrong
    predictions, of which at most `outcome_limit` of the cap is presumed before labels say more. reaction_s: block,
    telemetry and routing until traffic has moved; label_delay_s: until a label comes. least, start, known, ceiling:
    see above. holdback: the baseline's share after promotion, kept for watch_s. dwell_s: judged at least so long
    before.
    """

    budget: float = 20.0
    slow_budget: float = 200.0
    outcome_budget: float = 300.0
    outcome_limit: float = 0.3
    reaction_s: float = 30.0
    label_delay_s: float = 0.0
    least: float = LEAST_WEIGHT
    start: float = START_WEIGHT
    known: float = 0.25
    ceiling: float = 1 / 3
    holdback: float = 0.10
    watch_s: float = 3_600.0
    dwell_s: float = 300.0

    def __post_init__(self) -> None:
        shares = 0 < self.least <= self.start <= self.ceiling < 1 - self.holdback < 1
        limits = 0 < self.known <= 1 and 0 < self.outcome_limit <= 1
        amounts = min(self.budget, self.slow_budget, self.outcome_budget, self.reaction_s) > 0
        times = min(self.label_delay_s, self.watch_s, self.dwell_s) >= 0
        if not (shares and limits and amounts and times):
            raise InvalidRamp(
                f"{self} allows no weight",
                remedy="Use 0 < least <= start <= ceiling < 1 - holdback, budgets above 0.",
            )

    @property
    def promoted_bp(self) -> int:
        """The weight after promotion, while the baseline is held back for the watch."""
        return 10_000 - round(self.holdback * 10_000)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The weight to serve at, in basis points of the keys; `gate` sets it. `needs`: what a higher one waits for."""

    weight_bp: int
    gate: str
    because: str
    needs: str = ""


def recommend(state: State, weight_bp: int, ramp: Ramp) -> Recommendation:
    """The weight that the evidence allows, while the candidate serves at `weight_bp`."""
    if state.throttle is not None:
        throttle = state.throttle
        return Recommendation(throttle.weight_bp, throttle.gate, throttle.because)
    if is_silent(state.tracks):
        return _louder(state, weight_bp, ramp)
    least_bp = max(1, int(ramp.least * 10_000))
    track = min(state.tracks, key=lambda t: allowed(state, t, ramp))
    allowed_bp = max(least_bp, int(allowed(state, track, ramp) * 10_000 + 1e-9))
    if state.is_frozen:
        heaviest = max(state.tracks, key=lambda t: t.e_value_uncapped * t.gate.weight)
        says = f"evidence of harm stands at {state.e_value_uncapped:.3g} to 1, so no more is exposed"
        return Recommendation(max(weight_bp, least_bp), heaviest.gate.name, f"{heaviest.gate.name}: {says}")
    if allowed_bp <= weight_bp:
        says = f"{_why(state, track, ramp)}, which does not allow more than {weight_bp / 100:g} %"
        return Recommendation(weight_bp, track.gate.name, says, needs(state, track))
    return Recommendation(allowed_bp, track.gate.name, _why(state, track, ramp), needs(state, track))


def _louder(state: State, weight_bp: int, ramp: Ramp) -> Recommendation:
    """Twice the weight, up to the ceiling: where few keys call, none may fall into a small share, and a silent
    candidate costs nothing of the budget.
    """
    track = max(state.tracks, key=lambda t: t.pace.owed)
    due = f"about {track.pace.owed:,.0f} answers were due at {weight_bp / 100:g} % and none came"
    says = f"{track.gate.name}: {due}, so no caller falls into that share of the keys"
    louder_bp = max(weight_bp, min(2 * weight_bp, int(ramp.ceiling * 10_000)))
    needs = "" if louder_bp > weight_bp else "callers with keys in the candidate's share"
    return Recommendation(louder_bp, track.gate.name, says, needs)


def may_promote(state: State, ramp: Ramp) -> bool:
    """Whether the candidate may serve all but the holdback: it is safe, and each gate's limit is either so low that
    the weight after promotion keeps within half of the budget too (half, because a thin baseline compares slowly),
    or at most half of what the gate asks for. A slow leak would else be promoted just below the margin.
    """
    return is_safe_to_promote(state, ramp.dwell_s) and all(
        2 * track.limit.value <= track.gate.target / track.gate.unit
        or _within_budget(state, track, ramp) >= 2 * (1 - ramp.holdback)
        for track in state.tracks
    )


def rate_of(state: State, track: Track) -> float:
    """Observations per second of both arms; before the first (labels come late), the requests of the service."""
    if track.pace.rate:
        return track.pace.rate
    return max(t.pace.rate for t in state.tracks if t.gate.service == track.gate.service)


def allowed(state: State, track: Track, ramp: Ramp) -> float:
    """The share of keys at which one gate's harm stays within its budget."""
    rate = rate_of(state, track)
    if not rate:
        return ramp.least
    limit = limit_of(track, ramp)
    most = ramp.ceiling if limit <= ramp.known or track.gate.metric == "outcome" else ramp.start
    return min(most, max(ramp.least, _within_budget(state, track, ramp)))


def _within_budget(state: State, track: Track, ramp: Ramp) -> float:
    """The weight at which the gate's excess, as high as its limit allows, costs the budget until it is found."""
    risk = rate_of(state, track) * _reaction_s(track.gate, ramp) * limit_of(track, ramp)
    return budget_of(track.gate, ramp) / risk


def limit_of(track: Track, ramp: Ramp) -> float:
    """Below what the gate's excess surely is, as a share of answers or a part of the cap."""
    return min(track.limit.value, ramp.outcome_limit) if track.gate.metric == "outcome" else track.limit.value


def budget_of(gate: Gate, ramp: Ramp) -> float:
    match gate.metric:
        case "errors":
            return ramp.budget
        case "latency":
            return ramp.slow_budget
        case "outcome":
            return ramp.outcome_budget
        case _:
            assert_never(gate.metric)


def _reaction_s(gate: Gate, ramp: Ramp) -> float:
    return ramp.reaction_s + (ramp.label_delay_s if gate.metric == "outcome" else 0.0)


_HARMED = {"errors": "bad", "latency": "slow", "outcome": "wrong"}


def _why(state: State, track: Track, ramp: Ramp) -> str:
    gate, rate = track.gate, rate_of(state, track)
    if not rate:
        return f"{gate.name}: nothing was counted yet"
    return (
        f"{gate.name}: at most {limit_of(track, ramp):.2%} more {_HARMED[gate.metric]} answers than in the "
        f"baseline, at {rate:.3g}/s, and {budget_of(gate, ramp):g} of them accepted in "
        f"{_reaction_s(gate, ramp):g} s"
    )


def needs(state: State, track: Track) -> str:
    """What lowers the gate's limit by one step of its grid, at the present rates."""
    if not track.limit.open or not track.limit.requests:
        return ""
    step = track.limit.open[-1][0]
    requests = requests_to_deny(track.limit, step, state.gate_set.alpha_pass)
    if requests is None:
        return f"{track.gate.name} will not fall below {step:.2%} at the present rates"
    seconds = requests * track.limit.seconds / track.limit.requests
    return f"about {requests:,} more observations of the candidate ({seconds:,.0f} s) put it below {step:.2%}"
