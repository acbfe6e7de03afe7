"""Blocks of counts with known rates, for gates on one service."""

from __future__ import annotations

import random
from collections.abc import Mapping

from interlock.domain.checks.evidence import ArmCounts, Block, SegmentCounts, ServiceCounts
from interlock.domain.gates.gate import GateSet
from interlock.domain.gates.judge import State, absorb, begin

SERVICE = "scorer"


def block(
    number: int, candidate: ArmCounts, baseline: ArmCounts, seconds: float = 1.0, weight_bp: int = 0
) -> Block:
    """One block of both arms."""
    return Block(number, seconds, {SERVICE: ServiceCounts(candidate, baseline)}, weight_bp)


def folded(gate_set: GateSet, count: int, candidate: ArmCounts, baseline: ArmCounts, weight_bp: int = 0) -> State:
    """The state after `count` equal blocks of one second."""
    state = begin(gate_set)
    for number in range(count):
        state = absorb(state, block(number, candidate, baseline, weight_bp=weight_bp))
    return state


def hits(chance: random.Random, requests: int, rate: float) -> int:
    """How many of the requests are hit."""
    return sum(chance.random() < rate for _ in range(requests))


def poisson(chance: random.Random, mean: float) -> int:
    """Arrivals of one block, by exponential gaps."""
    count, spent = 0, chance.expovariate(1.0)
    while spent < mean:
        count, spent = count + 1, spent + chance.expovariate(1.0)
    return count


def by_segment(chance: random.Random, requests: int, rates: Mapping[str, float]) -> ArmCounts:
    """Requests spread evenly over segments with own rates; every request has a key of its own."""
    each = requests // len(rates)
    segments: dict[str, SegmentCounts] = {name: (each, hits(chance, each, p), each) for name, p in rates.items()}
    bad = sum(counts[1] for counts in segments.values())
    return ArmCounts(each * len(rates), bad, segments=segments)
