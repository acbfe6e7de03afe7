"""A model that is one percentage point worse, found before anyone is exposed: pairs of answers to the same request,
against two samples at 10 % of the traffic.

200 requests a second, labels for a fifth of them after five minutes, 10 % wrong answers. Shadow copies a quarter of
the requests; 5 % of the pairs differ in whether they are wrong. Both gates have a margin of 0.2 pp.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from benchmarks.gates.traffic import WRONG
from benchmarks.gates.worlds import HORIZON_S, LABEL_DELAY_S, LABELLED

from interlock.domain.checks.evidence import LOSS_BINS, ArmCounts, Block, ServiceCounts
from interlock.domain.gates.gate import Gate, GateSet
from interlock.domain.gates.judge import absorb, begin

RATE_RPS, BLOCK_S = 200.0, 5.0
EXCESS, MARGIN = 0.01, 0.002
COPIED, CHURN, WEIGHT = 0.25, 0.05, 0.1
SERVICE, OUTCOME = "model", "wrong"


@dataclass(frozen=True, slots=True)
class ShadowTimes:
    """Median seconds until the worse model fails; a run that did not within two hours counts as two hours."""

    runs: int
    pairs_s: float
    pairs_found: int
    arms_s: float
    arms_found: int


def shadow_times(runs: int, seed: int) -> ShadowTimes:
    """Both ways to find the worse model, `runs` times."""
    pairs = [_seconds("pairs", _pairs, np.random.default_rng([seed, 0, run])) for run in range(runs)]
    arms = [_seconds("arms", _arms, np.random.default_rng([seed, 1, run])) for run in range(runs)]
    return ShadowTimes(
        runs=runs,
        pairs_s=statistics.median(pairs),
        pairs_found=sum(s < HORIZON_S for s in pairs),
        arms_s=statistics.median(arms),
        arms_found=sum(s < HORIZON_S for s in arms),
    )


Counted = Callable[[np.random.Generator], ServiceCounts]


def _seconds(sample: Literal["pairs", "arms"], counted: Counted, chance: np.random.Generator) -> float:
    gate = Gate("wrong", "outcome", SERVICE, margin=MARGIN, outcome=OUTCOME, cap=1.0, sample=sample)
    state = begin(GateSet((gate,)))
    for number in range(round((HORIZON_S - LABEL_DELAY_S) / BLOCK_S)):
        state = absorb(state, Block(number, BLOCK_S, {SERVICE: counted(chance)}))
        if state.has_failed:
            return LABEL_DELAY_S + state.elapsed_s
    return HORIZON_S


def _pairs(chance: np.random.Generator) -> ServiceCounts:
    count = chance.poisson(RATE_RPS * BLOCK_S * LABELLED * COPIED)
    worse, better = (CHURN + EXCESS) / 2, (CHURN - EXCESS) / 2
    more, fewer, same = (int(n) for n in chance.multinomial(count, [worse, better, 1 - CHURN]))
    return ServiceCounts(pairs={OUTCOME: {-LOSS_BINS: fewer, 0: same, LOSS_BINS: more}})


def _arms(chance: np.random.Generator) -> ServiceCounts:
    def arm(share: float, wrong: float) -> ArmCounts:
        labels = int(chance.poisson(RATE_RPS * BLOCK_S * LABELLED * share))
        hits = int(chance.binomial(labels, wrong))
        return ArmCounts(requests=labels, losses={OUTCOME: {0: labels - hits, LOSS_BINS: hits}})

    return ServiceCounts(arm(WEIGHT, WRONG + EXCESS), arm(1 - WEIGHT, WRONG))
