"""Recorded blocks judged again, and the baseline against itself."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from interlock.domain.checks.evidence import ArmCounts, Block, ServiceCounts
from interlock.domain.gates.backtest import Split, adjusted, compare_baseline, halves, rejudge
from interlock.domain.gates.gate import GateSet, InvalidGate
from interlock.domain.gates.judge import absorb, begin, enter_step, verdicts
from interlock.domain.gates.trail import walk
from support.gate_traffic import ALL, ERRORS, LATENCY, SERVICE, blocks

GATES = GateSet((ERRORS, LATENCY), warmup_s=3.0)


def test_a_verdict_comes_when_the_engine_would_have_had_it() -> None:
    """The first Fail of the backtest is at the block at which the judge first failed; nothing follows it."""
    recorded = list(blocks(3, 60, bad=(0.1, 0.005), weight=0.2))
    state, first = begin(GATES), None
    for block in recorded:
        state = absorb(state, block)
        if first is None and verdicts(state).verdict.kind == "fail":
            first = block.number
    turns = rejudge(GATES, recorded)
    assert turns[0].verdict == "undecided"
    assert (turns[-1].verdict, turns[-1].number) == ("fail", first)


def test_steps_begin_the_limits_anew() -> None:
    """What passed is Undecided again at the block that begins a step, and the turn says so."""
    recorded = list(blocks(4, 80, bad=(0.0, 0.0), weight=0.3))
    turns = rejudge(GATES, recorded, steps=(0, 40))
    assert [(t.verdict, t.is_step) for t in turns] == [
        ("undecided", True),
        ("pass", False),
        ("undecided", True),
        ("pass", False),
    ]
    assert turns[2].number == 40


def test_walking_heeds_steps_as_the_judge_does() -> None:
    """The states are those of absorbing by hand, a mark before the first block included."""
    recorded = list(blocks(5, 30))
    state = begin(GATES)
    for (block, walked), number in zip(walk(GATES, recorded, (0, 10)), range(30), strict=True):
        state = absorb(enter_step(state) if number in (0, 10) else state, block)
        assert walked == state


def test_a_wider_margin_passes_sooner() -> None:
    """10 % instead of 2 %, and by metric as well as by name."""
    recorded = list(blocks(6, 120, weight=0.1))

    def first_pass(gates: GateSet) -> float:
        return next(t.at_s for t in rejudge(gates, recorded) if t.verdict == "pass")

    wide = adjusted(GATES, {"errors": 0.1})
    assert first_pass(wide) <= first_pass(GATES)
    assert adjusted(GATES, {ERRORS.name: 0.1}) == wide
    assert adjusted(GATES, {}, alpha=0.05).alpha == 0.05


def test_an_unknown_gate_and_an_impossible_margin_are_refused() -> None:
    """A typing error never judges by the margin that was meant to be replaced."""
    with pytest.raises(InvalidGate, match="eror"):
        adjusted(GATES, {"eror": 0.1})
    with pytest.raises(InvalidGate):
        adjusted(GATES, {"errors": 2.0})


@pytest.mark.parametrize("split", ["requests", "blocks"])
def test_halves_are_the_baseline_and_nothing_else(split: Split) -> None:
    """Counts of both arms together are the baseline's, and no arm contradicts itself."""
    recorded = list(blocks(7, 10, bad=(1.0, 0.02)))
    made = list(halves(recorded, random.Random(1), split))
    total = sum((b.services[SERVICE].baseline for b in recorded), ArmCounts())
    both = ServiceCounts()
    for block in made:
        both = both + block.services[SERVICE]
        assert all(0 <= a.bad <= a.requests for a in (block.services[SERVICE].candidate, both.baseline))
    assert both.candidate + both.baseline == total
    assert sum(b.seconds for b in made) == 10.0


def test_the_baseline_against_itself_rarely_fails() -> None:
    """At most the bound's share of 100 splits, give or take what chance allows (1 %: 5 of 100 would be a bug)."""
    recorded = list(blocks(8, 40, rate=100))
    null = compare_baseline(GATES, recorded, (random.Random(n) for n in range(100)))
    assert (null.runs, null.blocks) == (100, 40)
    assert null.failed <= 4


def test_splitting_by_blocks_shows_traffic_that_jumps_from_block_to_block() -> None:
    """Bad answers that come in every eighth second alone fail between neighbouring seconds, not between halves."""
    base = list(blocks(9, 240, bad=(0.0, 0.0), rate=100))

    def burst(block: Block) -> Block:
        arm = block.services[SERVICE].baseline
        bad = arm.requests // 2 if block.number % 8 == 0 else 0
        return replace(block, services={SERVICE: ServiceCounts(ArmCounts(), replace(arm, bad=bad))})

    bursty = [burst(b) for b in base]
    gates = GateSet((ERRORS,))
    by_requests = compare_baseline(gates, bursty, (random.Random(n) for n in range(20)), "requests")
    by_blocks = compare_baseline(gates, bursty, (random.Random(n) for n in range(20)), "blocks")
    assert by_requests.failed == 0
    assert by_blocks.failed > 0


def test_runs_are_told_as_they_are_done() -> None:
    """For a picture of the progress."""
    told: list[int] = []
    compare_baseline(ALL, list(blocks(1, 3)), (random.Random(n) for n in range(3)), told=told.append)
    assert told == [1, 2, 3]
