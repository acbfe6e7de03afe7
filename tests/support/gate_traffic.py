"""Small simulated traffic for gates, in plain Python and with a given source of chance."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

from interlock.domain.checks.evidence import LOSS_BINS, ArmCounts, Block, ServiceCounts
from interlock.domain.gates.gate import Gate, GateSet

SERVICE = "scorer"
ERRORS = Gate("errors", "errors", SERVICE, margin=0.02)
LATENCY = Gate("latency", "latency", SERVICE, margin=0.15)
OUTCOME = Gate("loss", "outcome", SERVICE, margin=6.0, outcome="absolute_error", cap=120.0)
ALL = GateSet((ERRORS, LATENCY, OUTCOME), warmup_s=3.0)


def arm(chance: random.Random, requests: int, bad: float, slower_bins: int, mean_loss: float) -> ArmCounts:
    """Counts of an arm with a share of bad answers, latency around bin 50, and exponential losses capped at 120."""
    latency = Counter(round(chance.gauss(50 + slower_bins, 5)) for _ in range(requests))
    losses = Counter(
        round(min(120.0, chance.expovariate(1 / mean_loss)) / 120 * LOSS_BINS) for _ in range(requests)
    )
    return ArmCounts(
        requests, sum(chance.random() < bad for _ in range(requests)), latency, {"absolute_error": losses}
    )


def blocks(
    seed: int,
    count: int,
    rate: int = 200,
    weight: float = 0.05,
    bad: tuple[float, float] = (0.005, 0.005),
    slower_bins: int = 0,
    mean_loss: tuple[float, float] = (12.0, 12.0),
) -> Iterator[Block]:
    """Blocks of one second; pairs are (candidate, baseline)."""
    chance = random.Random(seed)
    for number in range(count):
        candidate = sum(chance.random() < weight for _ in range(rate))
        yield Block(
            number,
            1.0,
            {
                SERVICE: ServiceCounts(
                    arm(chance, candidate, bad[0], slower_bins, mean_loss[0]),
                    arm(chance, rate - candidate, bad[1], 0, mean_loss[1]),
                )
            },
        )
