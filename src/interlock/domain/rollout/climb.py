"""What a climbing rollout is advised: the weight that the evidence allows, and whether it is enough to go on."""

from __future__ import annotations

from interlock.domain.gates.judge import State
from interlock.domain.gates.ramp import Ramp, Recommendation, may_promote, recommend
from interlock.domain.rollout.stages import Climb


def advice(state: State, stage: Climb, weight_bp: int) -> tuple[Recommendation, bool]:
    """The weight to serve at while the candidate serves at `weight_bp`, and whether it may go on."""
    ramp = Ramp(budget=stage.budget, dwell_s=stage.dwell_s)
    return recommend(state, weight_bp, ramp), may_promote(state, ramp)
