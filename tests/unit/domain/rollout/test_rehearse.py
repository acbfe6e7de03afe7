"""Whole rollouts in memory: production decisions on drawn traffic."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from interlock.domain.changes.cut import cut
from interlock.domain.gates.profile import NO_HARM, Harm, Profile, lognormal_latency
from interlock.domain.rollout.compile import compile_plan
from interlock.domain.rollout.plan import Plan
from interlock.domain.rollout.rehearse import Rehearsal, drawn, faults, least_s, rehearse, worse_served
from interlock.domain.rollout.stages import Canary, Shadow
from support.world import change, workspace

PROFILES = {"scoring": Profile(200.0, 0.005, lognormal_latency(20.0))}


def plan_of(shadow: bool = False) -> Plan:
    space = workspace(better=change(shadow=shadow))
    serving = cut(space, {name: spec.serving for name, spec in space.services.items()})
    return compile_plan(space, space.changes["better"], serving)[0]


def run(plan: Plan, harm: Harm, seed: int = 1, limit_s: float = 600.0) -> Rehearsal:
    return rehearse(plan, drawn(PROFILES, harm, random.Random(seed)), 1.0, limit_s)


def test_a_good_candidate_goes_through_every_weight_and_is_promoted() -> None:
    """Not before the least time of the weights, and everything is served by it in the bake time."""
    plan = plan_of()
    ended = run(plan, NO_HARM)
    assert (ended.outcome, ended.stage) == ("promoted", "retire")
    assert ended.promoted_s is not None
    assert ended.promoted_s >= least_s(plan)
    assert ended.served["scoring"].requests > 200 * 10


def test_a_bad_candidate_is_turned_back_and_the_cost_is_told() -> None:
    """5 % more bad answers: rolled back within a minute, for fewer than a hundred worse answers."""
    ended = run(plan_of(), Harm("x", "scoring", bad=0.05))
    assert ended.outcome == "rolled_back"
    assert ended.promoted_s is None
    assert "turning back" in ended.because
    assert 0 < worse_served(ended, PROFILES) < 100


def test_shadow_finds_a_total_failure_before_anyone_is_served() -> None:
    """No caller gets an answer of the candidate."""
    ended = run(plan_of(shadow=True), Harm("x", "scoring", bad=1.0))
    assert (ended.outcome, ended.stage, dict(ended.served)) == ("rolled_back", "shadow", {})


def test_a_good_candidate_passes_shadow_too() -> None:
    """Pairs are counted, and the canary follows."""
    assert run(plan_of(shadow=True), NO_HARM).outcome == "promoted"


def test_shadow_of_everything_still_has_a_baseline_to_compare_with() -> None:
    """All requests are copied, and callers are still answered by the baseline."""
    plan = plan_of(shadow=True)
    stages = tuple(replace(s, share_bp=10_000) if isinstance(s, Shadow) else s for s in plan.stages)
    ended = run(replace(plan, stages=stages), Harm("x", "scoring", bad=1.0))
    assert "bad of" in ended.because
    assert ended.seconds < 20


def test_each_weight_passes_on_its_own_evidence() -> None:
    """The same weight twice, without a dwell, takes about twice as long as once, not one block more."""
    plan, slow = plan_of(), {"scoring": replace(PROFILES["scoring"], rate_rps=40.0)}
    prepare, first, _, *rest = plan.stages
    assert isinstance(first, Canary)
    weight = replace(first, dwell_s=0.0)

    def seconds(*weights: Canary) -> float:
        stages = (prepare, *weights, *rest)
        ended = rehearse(replace(plan, stages=stages), drawn(slow, NO_HARM, random.Random(3)), 1.0, 600.0)
        assert ended.promoted_s is not None
        return ended.promoted_s

    once, twice = seconds(weight), seconds(weight, weight)
    assert once >= 10
    assert twice > 1.5 * once


def test_what_never_decides_is_held() -> None:
    """One request a minute: the time is up, and the candidate is neither promoted nor turned back."""
    idle = {"scoring": replace(PROFILES["scoring"], rate_rps=1 / 60)}
    ended = rehearse(plan_of(), drawn(idle, NO_HARM, random.Random(1)), 1.0, 120.0)
    assert (ended.outcome, ended.stage, ended.promoted_s) == ("held", "canary", None)


def test_patience_is_the_plan_s() -> None:
    """With on_expiry rollback, waiting too long turns back; nothing of that is rehearse's own."""
    idle = {"scoring": replace(PROFILES["scoring"], rate_rps=1 / 60)}
    plan = replace(plan_of(), patience_s=30.0, on_expiry="rollback")
    ended = rehearse(plan, drawn(idle, NO_HARM, random.Random(1)), 1.0, 120.0)
    assert ended.outcome == "rolled_back"
    assert "30 s passed" in ended.because


@pytest.mark.parametrize("harm", faults(plan_of(), "scoring")[1:], ids=lambda h: h.name)
def test_the_same_chance_gives_the_same_rollout(harm: Harm) -> None:
    """Seeds reproduce."""
    assert run(plan_of(), harm, seed=5) == run(plan_of(), harm, seed=5)


def test_faults_fit_the_plan() -> None:
    """The leak is whole when the last weight could be passed; the late fault begins halfway; no outcome gate, no
    quality fault.
    """
    plan = plan_of()
    assert least_s(plan) == sum(s.dwell_s for s in plan.stages if isinstance(s, Canary)) == 10.0
    named = {h.name: h for h in faults(plan, "scoring")}
    assert named["slow leak"].grows_s == 10.0
    assert named["late"].begins_s == 5.0
    assert "quality" not in named
