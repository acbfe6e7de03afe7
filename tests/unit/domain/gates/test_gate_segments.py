"""Faults that hit a part of the requests only."""

from __future__ import annotations

import random

import pytest

from interlock.domain.checks.evidence import ArmCounts
from interlock.domain.gates.gate import Gate, GateSet, InvalidGate
from interlock.domain.gates.judge import State, absorb, begin, verdicts
from support.gate_counts import SERVICE, block, by_segment, folded

WHOLE = GateSet((Gate("errors", "errors", SERVICE, 0.02),))
PARTS = GateSet((Gate("errors", "errors", SERVICE, 0.02, segment_share=0.4),))
COUNTRIES = tuple(f"c{i:02}" for i in range(20))


def seconds_to_throttle(gates: GateSet, seed: int) -> float:
    state, chance = begin(gates), random.Random(seed)
    rates = dict.fromkeys(COUNTRIES, 0.005)
    for number in range(400):
        both = by_segment(chance, 40, rates | {"c07": 0.2}), by_segment(chance, 160, rates)
        state = absorb(state, block(number, *both))
        if state.throttle:
            return state.elapsed_s
    raise AssertionError("nothing was found")


def test_a_fault_in_one_of_twenty_segments_is_found_sooner_by_segment() -> None:
    """20 percentage points in a twentieth of the requests is one in the whole."""
    whole, parts = (sorted(seconds_to_throttle(g, s) for s in range(9))[4] for g in (WHOLE, PARTS))
    assert parts < 0.8 * whole


def test_the_report_names_the_segment_that_carries_the_difference() -> None:
    """And no other, with its counts of both arms; the sentence too."""
    state, chance = begin(PARTS), random.Random(4)
    rates = dict.fromkeys(COUNTRIES, 0.005)
    number = 0
    while not state.has_failed:
        both = by_segment(chance, 40, rates | {"c07": 0.5}), by_segment(chance, 160, rates)
        state, number = absorb(state, block(number, *both)), number + 1
    judgement = verdicts(state)
    assert [s.name for s in judgement.reports[0].segments] == ["c07"]
    told = judgement.reports[0].segments[0]
    assert told.candidate_bad > 10 * told.baseline_bad * told.candidate_requests / told.baseline_requests
    assert "in c07" in judgement.verdict.because


def few_users(keys: int) -> State:
    """A segment of the candidate in which everything fails, and in the first block shows `keys` keys."""
    state = begin(PARTS)
    sound = {"rest": (200, 0, 200)}
    for number in range(200):
        seen = keys if number == 0 else 0
        candidate = ArmCounts(203, 3, segments=sound | {"tiny": (3, 3, seen)})
        state = absorb(state, block(number, candidate, ArmCounts(803, 12, segments=sound | {"tiny": (3, 0, seen)})))
    return state


def test_three_users_never_decide() -> None:
    """However often they fail; with twenty the same counts are evidence."""
    assert few_users(3).tracks[0].segments.e_value_uncapped == pytest.approx(1.0)
    assert few_users(20).tracks[0].segments.e_value_uncapped > 100


def test_segments_alike_in_both_arms_are_no_evidence() -> None:
    """A segment that is bad in both arms is the world's, not the candidate's."""
    chance, state = random.Random(5), begin(PARTS)
    rates = dict.fromkeys(COUNTRIES, 0.005) | {"c03": 0.3}
    for number in range(200):
        state = absorb(state, block(number, by_segment(chance, 100, rates), by_segment(chance, 100, rates)))
    assert state.throttle is None
    assert verdicts(state).reports[0].segments == ()


def test_no_more_segments_are_followed_than_the_limit() -> None:
    """Identifiers as segments cost neither memory nor time without end."""
    state = begin(PARTS)
    for number in range(60):
        arm = ArmCounts(1, 0, segments={f"id-{number}": (1, 0, 1)})
        state = absorb(state, block(number, arm, arm))
    assert len(state.tracks[0].segments.seen) == 32


def test_without_segments_the_gate_judges_the_whole() -> None:
    """The part of the evidence that would look at segments stays at 1."""
    state = folded(PARTS, 30, ArmCounts(20, 20), ArmCounts(180, 1))
    assert state.has_failed


@pytest.mark.parametrize("wrong", [{"segment_share": 1.0}, {"segment_share": -0.5}])
def test_segment_shares_are_parts(wrong: dict[str, float]) -> None:
    """Between none and not all."""
    with pytest.raises(InvalidGate, match="segment_share"):
        Gate("errors", "errors", SERVICE, 0.02, **wrong)  # type: ignore[arg-type]  # wrong values by name
    with pytest.raises(InvalidGate, match="no bad answers"):
        Gate("latency", "latency", SERVICE, 0.1, segment_share=0.4)
