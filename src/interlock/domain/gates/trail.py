"""Judging recorded blocks again: a fold that heeds where rollout steps began, one block after the other.

The engine judges as blocks close; explaining, backtesting and rehearsing walk the same way over what is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from interlock.domain.checks.evidence import Block
from interlock.domain.gates.gate import GateSet
from interlock.domain.gates.judge import State, absorb, begin, enter_step


@dataclass(frozen=True, slots=True)
class Trail:
    """A state, and how many marks of step beginnings are in it."""

    state: State
    heeded: int = 0


def set_out(gate_set: GateSet) -> Trail:
    """Before the first block."""
    return Trail(begin(gate_set))


def arrive(trail: Trail, steps: Sequence[int], number: int) -> Trail:
    """At block `number`, before it counts: the marks at or before it are heeded. `steps` rise."""
    due = sum(mark <= number for mark in steps)
    return Trail(enter_step(trail.state), due) if due > trail.heeded else trail


def advance(trail: Trail, block: Block, steps: Sequence[int] = ()) -> Trail:
    """After `block`. Raises InvalidEvidence."""
    arrived = arrive(trail, steps, block.number)
    return replace(arrived, state=absorb(arrived.state, block))


def walk(gate_set: GateSet, blocks: Iterable[Block], steps: Sequence[int] = ()) -> Iterator[tuple[Block, State]]:
    """Each block with the state after it. Raises InvalidEvidence."""
    trail = set_out(gate_set)
    for block in blocks:
        trail = advance(trail, block, steps)
        yield block, trail.state
