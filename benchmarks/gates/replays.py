"""Receipts of simulated rollouts, replayed: the verdict has to come back to the same bytes, in whatever order the
counts of several gateways were merged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
from benchmarks.gates.ours import SERVICE, blocks_of, gates_for
from benchmarks.gates.traffic import Traffic
from benchmarks.gates.worlds import WORLDS, World

from interlock.domain.checks.evidence import ArmCounts, Bins, Block, ServiceCounts
from interlock.domain.gates.receipt import receipt, replay

BLOCKS = 24
GATEWAYS = 4
WEIGHT = 0.1
WORLD_NAMES = ("aa", "bad_1", "slower_1.2", "segment", "wrong_3")


@dataclass(frozen=True, slots=True)
class Replays:
    """How many receipts were replayed, and how many came back with other bytes: as they were, and after the counts
    of four gateways had been merged in another order.
    """

    receipts: int
    differ: int
    differ_merged: int


def replay_receipts(count: int, seed: int) -> Replays:
    """`count` receipts of rollouts of 24 blocks in worlds with bad answers, latency, segments and labels."""
    differ = differ_merged = 0
    for number in range(count):
        chance = np.random.default_rng([seed, number])
        world = WORLDS[WORLD_NAMES[number % len(WORLD_NAMES)]]
        blocks = list(_blocks(world, chance))
        gates, subject = gates_for(world), {"rollout": f"simulated-{number}"}
        issued = receipt(gates, blocks, subject, steps=(BLOCKS // 2,))
        differ += replay(issued) != issued
        merged = [_merged(block, chance) for block in blocks]
        differ_merged += receipt(gates, merged, subject, steps=(BLOCKS // 2,)) != issued
    return Replays(count, differ, differ_merged)


def _blocks(world: World, chance: np.random.Generator) -> Iterator[Block]:
    """Labels are made to come at once, so that short rollouts have some."""
    traffic = Traffic(world, 1, chance, block_s=5.0, label_delay_s=5.0)
    weight, runs = np.array([WEIGHT]), np.array([0])
    for number in range(BLOCKS):
        yield from blocks_of(traffic.block(number, weight, runs), number, iter([WEIGHT]))


def _merged(block: Block, chance: np.random.Generator) -> Block:
    """The block as the sum of what four gateways counted, added in an order drawn by chance."""
    counts = block.services[SERVICE]
    candidates, baselines = _parts(counts.candidate, chance), _parts(counts.baseline, chance)
    parts = [
        Block(block.number, block.seconds, {SERVICE: ServiceCounts(c, b)}, weight_bp=block.weight_bp)
        for c, b in zip(candidates, baselines, strict=True)
    ]
    merged: Block = reduce(add, [parts[k] for k in chance.permutation(GATEWAYS)])
    return merged


def _parts(arm: ArmCounts, chance: np.random.Generator) -> list[ArmCounts]:
    def shares(n: int) -> list[int]:
        return [int(k) for k in chance.multinomial(n, [1 / GATEWAYS] * GATEWAYS)]

    def split(bins: Bins) -> list[dict[int, int]]:
        columns = {bin_: shares(n) for bin_, n in bins.items()}
        return [{bin_: of[k] for bin_, of in columns.items() if of[k]} for k in range(GATEWAYS)]

    latency, losses = split(arm.latency), {name: split(bins) for name, bins in arm.losses.items()}
    segments = {n: list(zip(*map(shares, counts), strict=True)) for n, counts in arm.segments.items()}
    rows = zip(shares(arm.requests), shares(arm.bad), shares(arm.first_bad), strict=True)
    return [
        ArmCounts(
            requests=requests,
            bad=bad,
            first_bad=first_bad,
            latency=latency[k],
            losses={name: of[k] for name, of in losses.items()},
            segments={name: (n, hits, keys) for name, of in segments.items() for n, hits, keys in of[k : k + 1]},
        )
        for k, (requests, bad, first_bad) in enumerate(rows)
    ]
