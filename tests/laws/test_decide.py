"""The laws of `decide`, over all plans' stages and everything that could be seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from interlock.domain.changes.cut import cut
from interlock.domain.checks.shadow import PairCounts
from interlock.domain.gates.verdict import Fail, Judgement, Pass, Throttle, Undecided
from interlock.domain.rollout.actions import Adopt, Publish
from interlock.domain.rollout.compile import compile_plan
from interlock.domain.rollout.decide import STALE_AFTER_S, decide
from interlock.domain.rollout.observation import Seen
from interlock.domain.rollout.position import Order, Position, traffic
from interlock.domain.rollout.stages import Canary, Promote
from interlock.domain.rollout.undo import undo
from support.world import START, change, workspace

SPACE = workspace(better=change(shadow=True))
PLAN, _ = compile_plan(SPACE, SPACE.changes["better"], cut(SPACE, dict.fromkeys(SPACE.services, "1")))
STAGES = range(len(PLAN.stages))

verdicts = st.sampled_from([Pass("fine"), Fail("harm"), Undecided("needs more", "collecting", 100, 3.0)])
throttles = st.none() | st.integers(1, 10_000).map(lambda bp: Throttle(1.0, "g", 0.5, bp, "likely harm"))
judgements = st.none() | st.builds(
    Judgement, verdicts, st.just("g"), st.just(0.0), st.just(0.0), st.just(()), throttles, st.booleans()
)
orders = st.none() | st.sampled_from(["pause", "resume", "promote", "abort", "rollback"]).map(
    lambda verb: Order(verb, "ana", START)
)
seens = st.builds(
    Seen,
    is_approved=st.booleans(),
    missing=st.just(("data-steward for better",)),
    is_in_place=st.booleans(),
    ill=st.sampled_from([None, {}, {"scoring@2 127.0.0.1:1": "silent"}]),
    judgement=judgements,
    shadow=st.builds(PairCounts, pairs=st.integers(0, 100), differing=st.just(0)),
    shadow_judgement=judgements,
    evidence_age_s=st.none() | st.floats(0, 60),
    fault=st.sampled_from(["", "the data plane is silent"]),
)
positions = st.builds(
    Position,
    stage=st.sampled_from(STAGES),
    since=st.just(START),
    phase=st.sampled_from(["forward", "draining", "frozen"]),
    is_paused=st.booleans(),
    order=orders,
    because=st.just("so far"),
)
times = st.floats(0, 5_000).map(lambda s: START + timedelta(seconds=s))


def exposure(position: Position) -> int:
    """How much traffic the candidate has, in basis points."""
    flow = traffic(PLAN, position)
    return 10_000 if flow.default == "candidate" else flow.weight_bp


@given(positions, seens, times)
def test_same_input_gives_same_output(position: Position, seen: Seen, now: object) -> None:
    """A decision depends on its arguments alone."""
    assert decide(PLAN, position, seen, now) == decide(PLAN, position, seen, now)  # type: ignore[arg-type]


@given(positions, seens, times)
def test_nothing_moves_traffic_without_approval(position: Position, seen: Seen, now: object) -> None:
    """For a digest that is not approved, exposure never grows."""
    decision = decide(PLAN, position, replace(seen, is_approved=False), now)  # type: ignore[arg-type]
    assert exposure(decision.position) <= exposure(position)


@given(positions, seens, times)
def test_exposure_never_grows_on_missing_or_stale_evidence(position: Position, seen: Seen, now: object) -> None:
    """Only a person's promote order may pass over evidence; the gates never do."""
    stale = replace(seen, evidence_age_s=STALE_AFTER_S + 1)
    position = replace(position, order=None)
    if isinstance(PLAN.stages[position.stage], Canary):
        assert exposure(decide(PLAN, position, stale, now).position) <= exposure(position)  # type: ignore[arg-type]


@given(positions, seens, times)
def test_a_fault_in_observation_never_advances(position: Position, seen: Seen, now: object) -> None:
    """What was not seen whole is no reason to go on."""
    blind = replace(seen, fault="the data plane is silent", judgement=None, shadow_judgement=None)
    decision = decide(PLAN, position, blind, now)  # type: ignore[arg-type]
    assert exposure(decision.position) <= exposure(position)


@given(positions, seens, times)
def test_a_fail_in_canary_always_turns_back(position: Position, seen: Seen, now: object) -> None:
    """Paused or not, in place or not: harm turns back at once and exposure is zero."""
    canary = next(i for i in STAGES if isinstance(PLAN.stages[i], Canary))
    at = replace(position, stage=canary, phase="forward", order=None)
    failed = replace(seen, judgement=Judgement(Fail("harm"), "g", 9.0, 9.0, ()))
    decision = decide(PLAN, at, failed, now)  # type: ignore[arg-type]
    assert decision.position.phase == "draining"
    assert exposure(decision.position) == 0
    assert any(isinstance(a, Publish) for a in decision.actions)


@given(positions, seens)
def test_once_actions_took_hold_deciding_again_yields_none(position: Position, seen: Seen) -> None:
    """With the routes in place and nothing new seen at the same instant, no action is repeated."""
    first = decide(PLAN, position, seen, START)
    settled = replace(seen, is_in_place=True)
    second = decide(PLAN, first.position, settled, START)
    if second.position == first.position:
        assert second.actions == ()


@given(positions, seens, times)
def test_exposure_grows_by_one_stage_at_most(position: Position, seen: Seen, now: object) -> None:
    """Without an order, a decision enters the next stage or none."""
    decision = decide(PLAN, replace(position, order=None), seen, now)  # type: ignore[arg-type]
    assert decision.position.stage - position.stage in (0, 1)


@given(positions, seens, times)
def test_the_candidate_is_adopted_only_after_it_served_everything(
    position: Position, seen: Seen, now: object
) -> None:
    """Adopt comes from the last stage alone, and only with an approved plan whose routes are in place."""
    decision = decide(PLAN, position, seen, now)  # type: ignore[arg-type]
    if any(isinstance(a, Adopt) for a in decision.actions):
        assert position.stage == STAGES[-1]
        assert seen.is_approved
        assert seen.is_in_place
        assert not seen.fault


@given(positions, seens, times, st.integers(1, 10_000))
def test_a_throttle_never_raises_the_weight(position: Position, seen: Seen, now: object, weight: int) -> None:
    """Likely harm lowers the candidate's weight at once, or leaves it."""
    canary = next(i for i in STAGES if isinstance(PLAN.stages[i], Canary))
    at = replace(position, stage=canary, phase="forward", order=None, throttle_bp=None)
    likely = Judgement(
        Undecided("not confirmed", "throttled"), "g", 5.0, 5.0, (), Throttle(1.0, "g", 0.5, weight, "x")
    )
    decision = decide(PLAN, at, replace(seen, judgement=likely), now)  # type: ignore[arg-type]
    assert exposure(decision.position) == min(exposure(at), weight)


def test_every_stage_that_moves_traffic_has_an_undo() -> None:
    """Only the last stage, which moves none, is a point of no return."""
    without = [s.kind for s in PLAN.stages if undo(s) is None]
    assert without == ["retire"]
    promoted = next(i for i in STAGES if isinstance(PLAN.stages[i], Promote))
    assert traffic(PLAN, Position(promoted, START)) == traffic(PLAN, Position(STAGES[-1], START))
