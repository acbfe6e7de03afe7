"""The laws of `decide`, over all plans' stages and everything that could be seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from interlock.domain.changes.cut import cut
from interlock.domain.checks.drift import Drift
from interlock.domain.checks.shadow import PairCounts, excess_of_answers
from interlock.domain.gates.verdict import Fail, Judgement, Pass, Throttle, Undecided
from interlock.domain.rollout.actions import Adopt, Publish
from interlock.domain.rollout.compile import compile_plan
from interlock.domain.rollout.decide import STALE_AFTER_S, decide
from interlock.domain.rollout.observation import Seen
from interlock.domain.rollout.position import LONGEST_GAP_S, Order, Position, steadied, traffic
from interlock.domain.rollout.stages import Canary, Judged, Promote, Shadow
from interlock.domain.rollout.undo import undo
from support.world import START, change, workspace

SPACE = workspace(better=change(shadow=True))
PLAN, _ = compile_plan(SPACE, SPACE.changes["better"], cut(SPACE, dict.fromkeys(SPACE.services, "1")))
STAGES = range(len(PLAN.stages))
SHADOW = next(i for i in STAGES if isinstance(PLAN.stages[i], Shadow))
BOUND = 0.05
STRICT = replace(
    PLAN, stages=tuple(replace(s, max_difference=BOUND) if isinstance(s, Shadow) else s for s in PLAN.stages)
)

MOVED = (("scoring", Drift("score", "values", 0.5, 0.1, 400, 400, "median 1")),)

verdicts = st.sampled_from([Pass("fine"), Fail("harm"), Undecided("needs more", "collecting", 100, 3.0)])
throttles = st.none() | st.integers(1, 10_000).map(lambda bp: Throttle(1.0, "g", 0.5, bp, "likely harm"))
judgements = st.none() | st.builds(
    Judgement, verdicts, st.just("g"), st.just(0.0), st.just(0.0), st.just(()), throttles, st.booleans()
)
orders = st.none() | st.sampled_from(["pause", "resume", "promote", "abort", "rollback"]).map(
    lambda verb: Order(verb, "ana", START)
)
pair_counts = st.integers(0, 2_000).flatmap(
    lambda n: st.builds(PairCounts, pairs=st.just(n), differing=st.integers(0, n))
)
seens = st.builds(
    Seen,
    is_approved=st.booleans(),
    missing=st.just(("data-steward for better",)),
    is_in_place=st.booleans(),
    ill=st.sampled_from([None, {}, {"scoring@2 127.0.0.1:1": "silent"}]),
    judgement=judgements,
    shadow=pair_counts,
    twins=pair_counts,
    moved=st.sampled_from([(), MOVED]),
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


@given(positions, seens, times)
def test_answers_turn_back_only_beyond_the_baselines_own_noise(position: Position, seen: Seen, now: object) -> None:
    """Without a failing gate, shadow turns back exactly when the excess is surely above the bound; without twins
    never.
    """
    at = replace(position, stage=SHADOW, phase="forward", order=None)
    calm = replace(seen, shadow_judgement=None)
    turned = decide(STRICT, at, calm, now).position.phase == "draining"  # type: ignore[arg-type]
    assert turned == excess_of_answers(seen.shadow, seen.twins, STRICT.gates.alpha).is_above(BOUND)
    assert not (turned and not seen.twins.pairs)


@given(positions, seens, times)
def test_shadow_is_left_only_when_answers_surely_differ_little_enough(
    position: Position, seen: Seen, now: object
) -> None:
    """However long it took and however many pairs there are."""
    at = replace(position, stage=SHADOW, phase="forward", order=None)
    if decide(STRICT, at, seen, now).position.stage > SHADOW:  # type: ignore[arg-type]
        assert excess_of_answers(seen.shadow, seen.twins, STRICT.gates.alpha_pass).is_within(BOUND)


@given(positions, seens, times)
def test_answers_that_moved_hold_and_never_turn_back(position: Position, seen: Seen, now: object) -> None:
    """Where both releases serve, or copies are compared, the next stage waits for a person."""
    at = replace(position, phase="forward", order=None)
    still = decide(PLAN, at, replace(seen, moved=()), now)  # type: ignore[arg-type]
    moved = decide(PLAN, at, replace(seen, moved=MOVED), now)  # type: ignore[arg-type]
    assert moved.position.phase == still.position.phase
    if isinstance(PLAN.stages[at.stage], Judged | Shadow):
        assert moved.position.stage == at.stage


@given(positions, seens, st.floats(0, 1e6))
def test_asking_never_turns_back_by_itself(position: Position, seen: Seen, late_s: float) -> None:
    """When patience ends without a verdict and a person is asked, traffic stays as it is without one."""
    asking = replace(PLAN, on_expiry="ask")
    calm = replace(seen, judgement=None, shadow_judgement=None)
    at = replace(position, phase="forward", order=None)
    decision = decide(asking, at, calm, START + timedelta(seconds=PLAN.patience_s + late_s))
    assert decision.position.phase == "forward" or decision.position.outcome == "promoted"


@given(positions, st.integers(-(10**7), 10**7), st.floats(0, 5_000))
def test_a_gap_between_looks_ends_no_wait(position: Position, jump_s: int, spent_s: float) -> None:
    """What the position has waited is the same before and after the clock jumped, or it went on as usual."""
    looked_at = START + timedelta(seconds=spent_s)
    now = looked_at + timedelta(seconds=jump_s)
    waited = now - steadied(position, looked_at, now).since
    assert waited in (looked_at - START, now - START)
    assert (waited == now - START) == (0 <= jump_s <= LONGEST_GAP_S)


@given(positions, seens, times)
def test_a_promote_that_is_heeded_goes_on(position: Position, seen: Seen, now: object) -> None:
    """Also what was frozen: once everything is the candidate's, nobody has to resume it."""
    asked = replace(position, order=Order("promote", "ana", START), stage=len(PLAN.stages) - 2)
    decision = decide(PLAN, asked, seen, now)  # type: ignore[arg-type]
    if decision.because.startswith("promoted"):
        assert (decision.position.phase, decision.position.is_paused) == ("forward", False)


def test_every_stage_that_moves_traffic_has_an_undo() -> None:
    """Only the last stage, which moves none, is a point of no return."""
    without = [s.kind for s in PLAN.stages if undo(s) is None]
    assert without == ["retire"]
    promoted = next(i for i in STAGES if isinstance(PLAN.stages[i], Promote))
    assert traffic(PLAN, Position(promoted, START)) == traffic(PLAN, Position(STAGES[-1], START))
