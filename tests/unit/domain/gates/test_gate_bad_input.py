"""Counts that cannot be: refused, remembered, and never a pass."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from interlock.domain.checks.delta import since
from interlock.domain.checks.evidence import ArmCounts, Block, ServiceCounts
from interlock.domain.gates.gate import GateSet
from interlock.domain.gates.judge import InvalidEvidence, State, absorb, admit, begin, verdicts
from interlock.domain.gates.receipt import receipt, replay
from interlock.domain.gates.verdict import Undecided
from support.gate_counts import SERVICE, block, folded
from support.gate_traffic import ERRORS, LATENCY, OUTCOME

GATES = GateSet((ERRORS,))
GOOD = ArmCounts(200, 0)


def passing() -> State:
    state = folded(GATES, 20, GOOD, GOOD)
    assert verdicts(state).verdict.kind == "pass"
    return state


@pytest.mark.parametrize(
    "arm",
    [
        ArmCounts(-5, 0),
        ArmCounts(3, 4),
        ArmCounts(math.nan, 0),  # type: ignore[arg-type]  # what a query may return
        ArmCounts(math.inf, 0),  # type: ignore[arg-type]  # what a query may return
        ArmCounts(2.5, 0),  # type: ignore[arg-type]  # what a query may return
        ArmCounts(9, 2, first_bad=3),
        ArmCounts(9, 2, segments={"a": (1, 2, 1)}),
        ArmCounts(9, 2, segments={"a": (1, 0, -1)}),
        ArmCounts(latency={3: math.nan}),  # type: ignore[dict-item]  # what a query may return
        ArmCounts(losses={"absolute_error": {3: math.inf}}),  # type: ignore[dict-item]  # the same
    ],
)
def test_counts_that_cannot_be_are_left_out_and_keep_from_passing(arm: ArmCounts) -> None:
    """The state is as before but for the fault; a sound block mends it."""
    before = passing()
    after = admit(before, block(20, arm, GOOD))
    assert after.tracks == before.tracks
    verdict = verdicts(after).verdict
    assert isinstance(verdict, Undecided)
    assert verdict.reason == "bad-evidence"
    assert verdicts(admit(after, block(21, GOOD, GOOD))).verdict.kind == "pass"
    with pytest.raises(InvalidEvidence):
        absorb(before, block(20, arm, GOOD))


@pytest.mark.parametrize(
    "wrong",
    [
        Block(19, 1.0),
        Block(3, 1.0),
        Block(20, math.nan),
        Block(20, math.inf),
        Block(20, -1.0),
        Block(20, 1.0, weight_bp=10_001),
    ],
)
def test_blocks_that_come_twice_late_or_without_length_are_left_out(wrong: Block) -> None:
    """Counts never count twice."""
    before = passing()
    after = admit(before, wrong)
    assert after.fault
    assert after.tracks == before.tracks


def test_a_receipt_tells_what_was_left_out_and_replays() -> None:
    """With the reasons, and the judgement of the sound blocks."""
    sound = [block(n, GOOD, GOOD) for n in range(3)]
    wrong: list[Any] = [block(3, ArmCounts(1, 2), GOOD), block(1, GOOD, GOOD)]
    written = receipt(GATES, [*sound, *wrong], {"rollout": "r"})
    assert replay(written) == written
    read = json.loads(written)
    assert [b["number"] for b in read["blocks"]] == [0, 1, 2]
    assert len(read["refused"]) == 2
    assert read["judgement"] == json.loads(receipt(GATES, sound, {"rollout": "r"}))["judgement"]


def test_counters_that_went_backwards_were_restarted() -> None:
    """All that a restarted counter holds is new; segments that were folded into the others are left out."""
    assert since(ArmCounts(50, 2), ArmCounts(7, 1)) == ArmCounts(7, 1)
    before = ArmCounts(50, 2, segments={"a": (30, 1, 5), "b": (20, 1, 5)}, first_bad=1)
    after = ArmCounts(70, 3, segments={"a": (40, 2, 6), "(others)": (30, 1, 9)}, first_bad=2)
    assert since(before, after) == ArmCounts(20, 1, segments={"a": (10, 1, 1)}, first_bad=1)


def test_a_constant_metric_breaks_nothing() -> None:
    """All answers in one bin, all losses the same, none or all bad: no crash, and no evidence of harm."""
    gates = GateSet((ERRORS, LATENCY, OUTCOME), warmup_s=0.0)
    for loss, bad in ((0, 0), (200, 50), (0, 50), (200, 0)):
        arm = ArmCounts(50, bad, {50: 50}, {"absolute_error": {loss: 50}})
        state = begin(gates)
        for number in range(100):
            state = absorb(state, Block(number, 1.0, {SERVICE: ServiceCounts(arm, arm)}))
        assert math.isfinite(verdicts(state).log_e)
        assert state.throttle is None
        assert not state.has_failed
