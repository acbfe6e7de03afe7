"""False alarms and reaction of the rollout judge, measured on simulated traffic with known truth.

`python -m benchmarks.gates_null` prints them. Worlds: 200 requests/s that wander by a fifth, blocks of 1 s, 20
blocks each at weights of 5, 20 and 50 %, 0.5 % bad answers, log-normal latency around 20 ms, exponential losses of
mean 12 (cap 120) on every request. Error rate, latency and loss drift, alike in both arms. The judge is looked at
after every block. Limits: requests are independent, and labels come at once.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from interlock.domain.checks.evidence import (
    LATENCY_BIN_FACTOR,
    LATENCY_BIN_ZERO_MS,
    LOSS_BINS,
    ArmCounts,
    Block,
    ServiceCounts,
)
from interlock.domain.gates.gate import Gate, GateSet
from interlock.domain.gates.judge import absorb, begin, enter_step, verdicts
from interlock.domain.gates.verdict import Fail, Pass

WEIGHTS = (0.05, 0.2, 0.5)
STEP_BLOCKS = 20
RATE_RPS = 200
SERVICE = "scorer"
CAP = 120.0
GATES = GateSet(
    gates=(
        Gate("errors", "errors", SERVICE, margin=0.02),
        Gate("latency", "latency", SERVICE, margin=0.15),
        Gate("loss", "outcome", SERVICE, margin=6.0, outcome="absolute_error", cap=CAP),
    ),
    warmup_s=3.0,
)
BIN_EDGES_MS = LATENCY_BIN_ZERO_MS * LATENCY_BIN_FACTOR ** np.arange(121)
LOSS_EDGES = (np.arange(LOSS_BINS + 2) - 0.5) * CAP / LOSS_BINS
ERF = np.vectorize(math.erf)


@dataclass(frozen=True, slots=True)
class Truth:
    """How the candidate differs: bad answers as ratio and as excess, latency as factor, mean loss as excess."""

    bad_ratio: float = 1.0
    bad_excess: float = 0.0
    latency_factor: float = 1.0
    loss_excess: float = 0.0


NO_DIFFERENCE = Truth()
AT_THE_TOLERANCES = Truth(bad_ratio=GATES.rho, latency_factor=LATENCY_BIN_FACTOR, loss_excess=6.0)
FAULTS = {
    "+1pp errors": Truth(bad_excess=0.01),
    "+5pp errors": Truth(bad_excess=0.05),
    "total failure": Truth(bad_excess=1.0),
    "latency x1.5": Truth(latency_factor=1.5),
    "mean loss 12 -> 24": Truth(loss_excess=12.0),
    "mean loss 12 -> 48": Truth(loss_excess=36.0),
}


def _latency_shares(median_ms: float) -> np.ndarray:
    """Probability of each bin for log-normal latency with sigma 0.5; the first and last take the tails."""
    below = 0.5 * (1 + ERF(np.log(BIN_EDGES_MS / median_ms) / (0.5 * math.sqrt(2))))
    below[0], below[-1] = 0.0, 1.0
    return np.diff(below)


def _loss_shares(mean: float) -> np.ndarray:
    """Probability of each bin for exponential losses whose mean after the cap is `mean`."""
    low, high = 1e-3, 100 * CAP
    for _ in range(60):
        scale = (low + high) / 2
        low, high = (scale, high) if scale * (1 - math.exp(-CAP / scale)) < mean else (low, scale)
    below = 1 - np.exp(-np.maximum(LOSS_EDGES, 0) / scale)
    below[-1] = 1.0
    return np.diff(below)


def _sparse(counts: np.ndarray) -> dict[int, int]:
    filled = np.flatnonzero(counts)
    return dict(zip(filled.tolist(), counts[filled].tolist(), strict=True))


def _arm(chance: np.random.Generator, requests: int, bad: float, median_ms: float, mean_loss: float) -> ArmCounts:
    return ArmCounts(
        requests=requests,
        bad=int(chance.binomial(requests, min(1.0, bad))),
        latency=_sparse(chance.multinomial(requests, _latency_shares(median_ms))),
        losses={"absolute_error": _sparse(chance.multinomial(requests, _loss_shares(mean_loss)))},
    )


def rollout(
    truth: Truth, seed: int, weights: tuple[float, ...] = WEIGHTS, blocks: int = STEP_BLOCKS
) -> Iterator[Block]:
    """The blocks of one simulated rollout, `blocks` at each weight."""
    chance = np.random.default_rng(seed)
    drift = 0.0
    for number in range(blocks * len(weights)):
        drift = 0.95 * drift + 0.1 * chance.standard_normal()
        requests = int(chance.poisson(RATE_RPS * math.exp(0.2 * chance.standard_normal() + 0.5 * drift)))
        in_candidate = int(chance.binomial(requests, weights[number // blocks]))
        bad, median_ms, mean_loss = 0.005 * math.exp(2 * drift), 20 * math.exp(drift), 12 * math.exp(0.5 * drift)
        candidate = _arm(
            chance,
            in_candidate,
            bad * truth.bad_ratio + truth.bad_excess,
            median_ms * truth.latency_factor,
            mean_loss + truth.loss_excess,
        )
        baseline = _arm(chance, requests - in_candidate, bad, median_ms, mean_loss)
        yield Block(number, 1.0, {SERVICE: ServiceCounts(candidate, baseline)})


def false_rollbacks(truth: Truth, runs: int, seed: int) -> dict[str, Any]:
    """The share of whole rollouts that ever fail, looked at after every block."""
    failed = sum(_ever_fails(truth, seed + run) for run in range(runs))
    return {"runs": runs, "failed": failed, "share": failed / runs, "bound": GATES.alpha}


def _ever_fails(truth: Truth, seed: int) -> bool:
    state = begin(GATES)
    for block in rollout(truth, seed):
        state = absorb(state if block.number % STEP_BLOCKS else enter_step(state), block)
        if isinstance(verdicts(state).verdict, Fail):
            return True
    return False


def detection(truth: Truth, runs: int, seed: int, weight: float, blocks: int = 240) -> dict[str, Any]:
    """Medians to Fail at one weight: seconds, candidate requests and bad answers, over the runs that failed within
    `blocks`; the others are `missed`.
    """
    found = [f for run in range(runs) if (f := _time_to_fail(truth, seed + run, weight, blocks))]
    medians = [statistics.median(column) for column in zip(*found, strict=True)] or [None] * 3
    return {
        "weight": weight,
        "runs": runs,
        "missed": runs - len(found),
        "seconds": medians[0],
        "candidate_requests": medians[1],
        "candidate_bad": medians[2],
    }


def _time_to_fail(truth: Truth, seed: int, weight: float, blocks: int) -> tuple[float, int, int] | None:
    state, requests, bad = begin(GATES), 0, 0
    for block in rollout(truth, seed, (weight,), blocks):
        state = absorb(state, block)
        arm = block.services[SERVICE].candidate
        requests, bad = requests + arm.requests, bad + arm.bad
        if isinstance(verdicts(state).verdict, Fail):
            return state.elapsed_s, requests, bad
    return None


def time_to_pass(runs: int, seed: int, weight: float, blocks: int = 180) -> dict[str, Any]:
    """Seconds until a candidate without a difference passes a step at `weight`, from a fresh step."""
    seconds = [s for run in range(runs) if (s := _time_to_pass(seed + run, weight, blocks))]
    ranked = sorted(seconds)
    return {
        "weight": weight,
        "runs": runs,
        "not_passed": runs - len(seconds),
        "median_s": statistics.median(ranked) if ranked else None,
        "p90_s": ranked[math.ceil(0.9 * len(ranked)) - 1] if ranked else None,
    }


def _time_to_pass(seed: int, weight: float, blocks: int) -> float | None:
    state = begin(GATES)
    for block in rollout(NO_DIFFERENCE, seed, (weight,), blocks):
        state = absorb(state, block)
        if isinstance(verdicts(state).verdict, Pass):
            return state.elapsed_s
    return None


def cost(seed: int) -> dict[str, float]:
    """Milliseconds with three gates: median and 95th percentile of one absorb, median of one judgement."""
    absorbing, judging, state = [], [], begin(GATES)
    for block in rollout(NO_DIFFERENCE, seed):
        start = time.perf_counter()
        state = absorb(state, block)
        middle = time.perf_counter()
        verdicts(state)
        absorbing.append((middle - start) * 1e3)
        judging.append((time.perf_counter() - middle) * 1e3)
    return {
        "absorb_ms": statistics.median(absorbing),
        "absorb_ms_p95": statistics.quantiles(absorbing, n=20)[-1],
        "verdicts_ms": statistics.median(judging),
    }


def run(quick: bool) -> dict[str, Any]:
    """All figures; `quick` uses a tenth of the runs."""
    scale = 10 if quick else 1
    return {
        "blocks_per_rollout": STEP_BLOCKS * len(WEIGHTS),
        "no difference": false_rollbacks(NO_DIFFERENCE, 2_000 // scale, seed=1_000_000),
        "at the tolerances": false_rollbacks(AT_THE_TOLERANCES, 300 // scale, seed=2_000_000),
        "detection": {
            name: [detection(truth, 30 // scale, 3_000_000, weight) for weight in (0.05, 0.2)]
            for name, truth in FAULTS.items()
        },
        "pass": [time_to_pass(50 // scale, 4_000_000, weight) for weight in WEIGHTS],
        "cost": cost(5_000_000),
    }


def main() -> None:
    """Print the figures."""
    start = time.perf_counter()
    figures = run(quick=False)
    print(f"rollouts of {figures['blocks_per_rollout']} blocks of 1 s, weights {WEIGHTS}")
    for name in ("no difference", "at the tolerances"):
        f = figures[name]
        print(f"{name}: {f['failed']} of {f['runs']} rolled back, {f['share']:.2%} (bound {f['bound']:.0%})")
    for name, rows in figures["detection"].items():
        for f in rows:
            print(
                f"{name} at {f['weight']:.0%}: fails after {f['seconds']} s, {f['candidate_requests']} candidate "
                f"requests, {f['candidate_bad']} bad (medians); {f['missed']} of {f['runs']} missed"
            )
    for f in figures["pass"]:
        print(
            f"a good candidate at {f['weight']:.0%} passes after {f['median_s']} s (median), {f['p90_s']} s (p90); "
            f"{f['not_passed']} of {f['runs']} not yet"
        )
    print(", ".join(f"{name} {value:.3f}" for name, value in figures["cost"].items()))
    print(f"took {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
