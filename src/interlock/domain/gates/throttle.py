"""Throttle: serve the candidate little, at once, while it is found out whether likely harm lasts.

The weight is such that about `budget` more answers are bad until the throttle is confirmed or cleared:
weight = budget / (rate * clear_s * harm), between LEAST_WEIGHT and START_WEIGHT, where rate is the service's
observations per second over both arms and harm the candidate's share of harmed answers in the last block, counted
as (harmed + 2) / (all + 2). Some exposure is kept on purpose: with none, nothing would confirm or clear it.
"""

from __future__ import annotations

from interlock.domain.gates.explain import facts
from interlock.domain.gates.gate import GateSet
from interlock.domain.gates.track import Track
from interlock.domain.gates.verdict import Throttle

LEAST_WEIGHT = 0.0005
START_WEIGHT = 0.10


def throttled(track: Track, gate_set: GateSet, elapsed_s: float) -> Throttle:
    """The throttle that `track`, the heaviest gate, calls for `elapsed_s` seconds into the rollout."""
    harm, rate = min(1.0, track.pace.harm), track.pace.rate
    risk = rate * gate_set.clear_s * harm
    weight = min(START_WEIGHT, max(LEAST_WEIGHT, gate_set.budget / risk)) if risk else LEAST_WEIGHT
    weight_bp = max(1, int(weight * 10_000))
    says = (
        f"{facts(track)}; likely harm, at {track.e_value_uncapped:.3g} to 1, of {harm:.1%} of the answers just "
        f"now: {weight_bp / 100:g} % of the keys until it is confirmed, or for {gate_set.clear_s:g} s without it"
    )
    return Throttle(elapsed_s, track.gate.name, harm, weight_bp, says)
