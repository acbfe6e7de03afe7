"""Throttle: serve the candidate little, at once, while it is found out whether likely harm lasts.

The weight is such that at most about `budget` more answers are bad until the throttle is confirmed or cleared:
weight = budget / (rate * clear_s * harm), between LEAST_WEIGHT and START_WEIGHT and never above the weight before,
where rate is the service's observations per second over both arms and harm an upper limit of what the candidate
adds to the share of harmed answers (see track.Pace). Some exposure is kept on purpose: with none, nothing would
confirm or clear it, and a small fault needs more of it than a large one. So the weight follows as the harm becomes
known, when it would change by half or more; each change is a change of routes.

A share of the keys is not a share of the answers: where a few hundred keys call, none may fall into a few basis
points, and the throttle would never end. So the weight doubles whenever a candidate is silent, and not by chance
(see track.is_silent); silence costs nothing of the budget.
"""

from __future__ import annotations

from dataclasses import replace

from interlock.domain.gates.explain import facts
from interlock.domain.gates.gate import GateSet
from interlock.domain.gates.track import Track
from interlock.domain.gates.verdict import Throttle

LEAST_WEIGHT = 0.0005
START_WEIGHT = 0.10
STEP = 1.5
"""The weight of a throttle is changed by this factor at least."""


def throttled(track: Track, gate_set: GateSet, elapsed_s: float, weight_bp: int) -> Throttle:
    """The throttle that `track`, the heaviest gate, calls for `elapsed_s` seconds into the rollout, while the
    candidate serves at `weight_bp` (0 when unknown).
    """
    start_bp = int(START_WEIGHT * 10_000)
    most_bp = min(start_bp, weight_bp or start_bp)
    return _told(Throttle(elapsed_s, track.gate.name, 0.0, 0, "", most_bp), track, gate_set)


def followed(throttle: Throttle, track: Track, gate_set: GateSet, is_silent: bool) -> Throttle:
    """The throttle after a block: at another weight when the harm turned out to be another one, or when the
    candidate of the track's service `is_silent`.
    """
    is_louder = is_silent and throttle.weight_bp < throttle.most_bp
    now = _told(replace(throttle, gate=track.gate.name, doubled=throttle.doubled + is_louder), track, gate_set)
    is_other = not throttle.weight_bp / STEP < now.weight_bp < throttle.weight_bp * STEP
    return now if is_other else replace(throttle, because=_says(throttle, track, gate_set))


def _told(throttle: Throttle, track: Track, gate_set: GateSet) -> Throttle:
    harm, rate = track.pace.harm, track.pace.rate
    risk = rate * gate_set.clear_s * harm
    weight = max(LEAST_WEIGHT, gate_set.budget / risk) if risk else LEAST_WEIGHT
    weight_bp = max(1, min(throttle.most_bp, int(weight * 10_000) << throttle.doubled))
    told = replace(throttle, harm=harm, weight_bp=weight_bp)
    return replace(told, because=_says(told, track, gate_set))


def _says(throttle: Throttle, track: Track, gate_set: GateSet) -> str:
    """What the throttle rests on by now."""
    says = (
        f"{facts(track)}; likely harm, at {track.e_value_uncapped:.3g} to 1, of at most {track.pace.harm:.1%} of "
        f"the answers: {throttle.weight_bp / 100:g} % of the keys until it is confirmed, or for "
        f"{gate_set.clear_s:g} s without it"
    )
    if throttle.doubled:
        says += "; more than the harm allows, since no caller fell into a smaller share"
    return says
