"""Callers that stick to an arm: the first bad answer per key is the unit."""

from __future__ import annotations

import random

import pytest

from interlock.domain.checks.evidence import ArmCounts
from interlock.domain.checks.first_bad import FirstBad, firsts, note
from interlock.domain.gates.gate import Gate, GateSet, InvalidGate
from interlock.domain.gates.judge import State, absorb, begin, verdicts
from interlock.domain.gates.receipt import assumptions
from interlock.domain.gates.verdict import Undecided
from support.gate_counts import SERVICE, block, folded

EVERY = GateSet((Gate("errors", "errors", SERVICE, 0.02),))
FIRST = GateSet((Gate("errors", "errors", SERVICE, 0.02, counts="first"),))
WEIGHT_BP = 2_000


def sticky(seed: int, gates: GateSet, worse: float = 0.0) -> State:
    """Ten minutes of 2,000 users, 100 requests/s; eight users fail nine times of ten wherever they are, the others
    once in 200, and in the candidate `worse` more.
    """
    chance = random.Random(seed)
    in_candidate = [chance.random() < WEIGHT_BP / 10_000 for _ in range(2_000)]
    memories, state = [FirstBad(), FirstBad()], begin(gates)
    for number in range(300):
        requests, bad, before = [0, 0], [0, 0], list(memories)
        for _ in range(200):
            user = min(1_999, int(chance.paretovariate(0.4)) - 1)
            arm = 0 if in_candidate[user] else 1
            requests[arm] += 1
            rate = 0.9 if user % 250 == 7 else 0.005 + (worse if arm == 0 else 0.0)
            if chance.random() < rate:
                bad[arm] += 1
                memories[arm], _ = note(memories[arm], str(user), number * 2.0)
        arms = [ArmCounts(requests[i], bad[i], first_bad=firsts(before[i], memories[i])) for i in (0, 1)]
        state = absorb(state, block(number, arms[0], arms[1], 2.0, WEIGHT_BP))
    return state


def test_a_few_failing_users_roll_back_what_counts_every_answer() -> None:
    """16 rollouts without any difference: counting first answers fails none, counting all fails several."""
    assert sum(sticky(s, FIRST).e_value_uncapped >= 100 for s in range(16)) == 0
    assert sum(sticky(s, EVERY).e_value_uncapped >= 100 for s in range(16)) >= 2


def test_a_worse_candidate_is_still_found() -> None:
    """Five percentage points more."""
    assert sticky(3, FIRST, worse=0.05).has_failed


def test_without_a_known_weight_first_answers_prove_nothing() -> None:
    """The share must be assigned: an observed one would be moved by heavy callers."""
    arms = ArmCounts(20, 20, first_bad=20), ArmCounts(180, 1, first_bad=1)
    assert folded(FIRST, 20, *arms).e_value == 1.0
    assert folded(FIRST, 20, *arms, weight_bp=1_000).has_failed


def test_upper_limits_still_count_every_bad_answer() -> None:
    """A pass says what callers got, not how many of them."""
    state = folded(FIRST, 60, ArmCounts(100, 9, first_bad=0), ArmCounts(100, 0), weight_bp=5_000)
    assert verdicts(state).reports[0].upper_limit > 0.05


def test_a_window_lasts_ten_minutes() -> None:
    """The same key counts again after it."""
    memory, first = note(FirstBad(), "ana", 10.0)
    again, second = note(memory, "ana", 599.0)
    _, third = note(again, "ana", 600.0)
    assert (first, second, third) == (True, False, True)


def test_the_receipt_says_which_unit_was_used() -> None:
    """For each gate on errors."""
    assert any("first bad answer of each key" in told for told in assumptions(FIRST))
    assert any("every bad answer counts" in told for told in assumptions(EVERY))


def test_only_errors_have_first_answers() -> None:
    """Latency has none."""
    with pytest.raises(InvalidGate, match="no bad answers"):
        Gate("latency", "latency", SERVICE, 0.1, counts="first")


KEYED = GateSet((Gate("errors", "errors", SERVICE, 0.02, counts="keyed", segment_share=0.4),))


def test_keyed_gates_count_first_answers_where_there_are_keys() -> None:
    """With keys the evidence is that of first answers; a few failing users prove nothing."""
    same = GateSet((Gate("errors", "errors", SERVICE, 0.02, counts="keyed"),))
    assert [sticky(s, same).e_value for s in (3, 4)] == [sticky(s, FIRST).e_value for s in (3, 4)]


def test_keyed_gates_count_every_answer_where_there_are_none() -> None:
    """Counters without keys, or without a known weight: nothing is missed."""
    blind = ArmCounts(20, 10), ArmCounts(180, 1)
    assert folded(KEYED, 60, *blind, weight_bp=1_000).has_failed
    keyed = ArmCounts(20, 10, first_bad=10), ArmCounts(180, 1, first_bad=1)
    assert folded(KEYED, 60, *keyed).has_failed


def test_once_keys_are_known_repeats_are_not_new_evidence() -> None:
    """One caller's failures after its first one, block by block, in requests and in its segment."""
    first = ArmCounts(20, 1, first_bad=1, segments={"fr": (20, 1, 20)})
    repeats = ArmCounts(20, 20, segments={"fr": (20, 0, 20)})
    quiet = ArmCounts(180, 0, segments={"fr": (180, 0, 180)})
    state = absorb(begin(KEYED), block(0, first, quiet, weight_bp=1_000))
    before = state.e_value_uncapped
    for number in range(1, 60):
        state = absorb(state, block(number, repeats, quiet, weight_bp=1_000))
    assert state.e_value_uncapped <= before


def test_what_the_first_answers_prove_is_confirmed_by_their_repeats() -> None:
    """A total failure with few keys: throttled, none of the keys left is new, and the failure still ends it before
    the throttle would be cleared.
    """
    state = absorb(begin(FIRST), block(0, ArmCounts(20, 20, first_bad=20), ArmCounts(180, 0), weight_bp=1_000))
    assert state.throttle is not None
    while not state.has_failed:
        state = absorb(state, block(state.number + 1, ArmCounts(1, 1), ArmCounts(199, 0), weight_bp=17))
    assert state.elapsed_s < FIRST.clear_s


def test_repeats_alone_prove_nothing() -> None:
    """One caller who fails for ten minutes at a tenth of the keys."""
    state = absorb(begin(FIRST), block(0, ArmCounts(20, 1, first_bad=1), ArmCounts(180, 0), weight_bp=1_000))
    for _ in range(600):
        state = absorb(state, block(state.number + 1, ArmCounts(20, 2), ArmCounts(180, 0), weight_bp=1_000))
    assert state.throttle is None
    assert not state.has_failed


def broken_for_one(gates: GateSet, seconds: int, bad: int = 2, usual_bad: int = 0) -> State:
    """One caller at 1 % of the keys, two requests a second, `bad` of them bad; `usual_bad` of the baseline's 38."""
    state = absorb(begin(gates), block(0, ArmCounts(2, bad, first_bad=1), ArmCounts(38, 0), weight_bp=100))
    for _ in range(1, seconds):
        state = absorb(state, block(state.number + 1, ArmCounts(2, bad), ArmCounts(38, usual_bad), weight_bp=100))
    return state


@pytest.mark.parametrize("gates", [FIRST, KEYED], ids=["first", "keyed"])
def test_an_outage_of_ten_minutes_counts_every_answer(gates: GateSet) -> None:
    """Where one key calls the candidate, its first failure proves nothing, and a total failure must end all the
    same: after as long as keys are remembered.
    """
    assert not broken_for_one(gates, 599).has_failed
    assert broken_for_one(gates, 610).has_failed


def test_an_outage_of_both_arms_is_not_the_candidates() -> None:
    """The baseline fails a tenth of its answers, and the candidate all of one caller's: no 40 times as many."""
    assert not broken_for_one(FIRST, 700, usual_bad=4).has_failed


def test_an_outage_that_ended_does_not_grow_old() -> None:
    """Five answers fail, then the caller is gone for ten minutes: silence is no outage."""
    state = broken_for_one(FIRST, 5)
    for _ in range(700):
        state = absorb(state, block(state.number + 1, ArmCounts(), ArmCounts(38, 0), weight_bp=100))
    assert not state.has_failed
    assert not state.tracks[0].is_lasting_outage


def test_failures_of_few_callers_are_told_as_such() -> None:
    """Two minutes of them are no outage that lasts, and the person who waits reads why."""
    state = broken_for_one(FIRST, 120)
    verdict = verdicts(state).verdict
    assert isinstance(verdict, Undecided)
    assert "went to few callers (first ones of a caller in ten minutes: 1 in the candidate, 0 in the baseline)" in (
        verdict.because
    )
    assert "`counts: every`" in verdict.because
    assert "few callers" not in verdicts(broken_for_one(FIRST, 2, bad=1)).verdict.because
