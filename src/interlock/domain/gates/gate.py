"""What a rollout must satisfy: gates, and the error rates and tolerances that they share.

A gate asks two questions. Fail: is there proof that the candidate is worse than tolerated (errors: `rho` times
the baseline's rate; latency: `latency_bins` bins slower; outcome: `margin` above the baseline's mean loss)?
Pass: is the excess surely at most `margin`? So a candidate that is provably worse than tolerated fails even
when its excess would have fitted within the margin of an errors or latency gate: which is proven first decides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from interlock.kernel.errors import Invalid
from interlock.kernel.ident import is_name

Metric = Literal["errors", "latency", "outcome"]
METRICS: tuple[Metric, ...] = ("errors", "latency", "outcome")


class InvalidGate(Invalid):
    """A gate or a set of gates could not judge anything as it is written."""

    code = "gate.invalid"


def _demand(holds: bool, subject: str, message: str, remedy: str) -> None:
    if not holds:
        raise InvalidGate(f"gate {subject!r}: {message}", remedy=remedy, subject=subject)


def _is_between(low: float, value: float, high: float) -> bool:
    """Strictly; false for NaN and infinities."""
    return math.isfinite(value) and low < value < high


@dataclass(frozen=True, slots=True)
class Gate:
    """One criterion on one service, candidate against baseline in the same blocks of time.

    margin: the excess that still passes: a share of requests for errors and latency (for latency: requests
    slower than the baseline's .9 quantile), loss units for outcomes. weight: this gate's part of the evidence,
    relative to the others. outcome, cap: the outcome metric and the largest loss that counts, in loss units.
    tolerance_ms: a slowdown that nobody would notice (latency only).
    """

    name: str
    metric: Metric
    service: str
    margin: float
    weight: float = 1.0
    outcome: str = ""
    cap: float = 0.0
    tolerance_ms: float = 0.0

    def __post_init__(self) -> None:
        _demand(bool(self.name), self.name, "a gate needs a name", "Name it after its service and metric.")
        _demand(is_name(self.service), self.name, f"{self.service!r} names no service", "Name the service judged.")
        _demand(self.metric in METRICS, self.name, f"unknown metric {self.metric!r}", f"Use one of {METRICS}.")
        _demand(_is_between(0, self.weight, math.inf), self.name, "its weight is not above 0", "Use 1.")
        _demand(_is_between(-1e-9, self.tolerance_ms, math.inf), self.name, "its tolerance_ms is below 0", "Use 0.")
        if self.metric == "outcome":
            _demand(bool(self.outcome), self.name, "it names no outcome metric", "Set `outcome`.")
            _demand(_is_between(0, self.cap, math.inf), self.name, "its cap is not above 0", "Set `cap`.")
        _demand(
            _is_between(0, self.margin, self.unit),
            self.name,
            f"margin {self.margin} is not between 0 and {self.unit:g}; with 0 nothing could ever pass",
            "Use the largest excess that you would accept.",
        )

    @property
    def unit(self) -> float:
        """The largest excess possible: 1 for shares of requests, the cap for losses."""
        return self.cap if self.metric == "outcome" else 1.0


@dataclass(frozen=True, slots=True)
class GateSet:
    """The gates of a rollout and the constants of their tests.

    alpha: bound on the probability that a candidate within the tolerances is ever failed. alpha_pass: bound on
    the probability that a step passes although the excess is at least the margin in every block of it.
    warmup_s: latency is not judged in the first seconds (cold caches). rho: tolerated ratio of error rates.
    latency_bins: tolerated slowdown in bins of a factor 2**(1/8). cap_nats: what one block may add to the
    evidence that fails a candidate; a single burst is not enough. hesitate: evidence from which nothing passes.
    restart_s, horizon_s: a regression that begins later is looked for from each restart on, until the horizon.
    half_life_s: of the memory of the baseline. carry_s: how long a block waits for its missing arm.
    """

    gates: tuple[Gate, ...]
    alpha: float = 0.01
    alpha_pass: float = 0.05
    warmup_s: float = 60.0
    rho: float = 1.1
    latency_bins: int = 1
    cap_nats: float = 1.25
    hesitate: float = 5.0
    restart_s: float = 60.0
    horizon_s: float = 7_200.0
    half_life_s: float = 600.0
    carry_s: float = 60.0

    def __post_init__(self) -> None:
        names = [gate.name for gate in self.gates]
        _demand(bool(names), "", "a set needs a gate; what nothing judges cannot pass", "Add a gate on errors.")
        _demand(len(set(names)) == len(names), names[0], f"names repeat in {names}", "Name each gate differently.")
        for field, low, high in (
            ("alpha", 0, 1),
            ("alpha_pass", 0, 1),
            ("warmup_s", -1e-9, math.inf),
            ("rho", 1 - 1e-9, math.inf),
            ("latency_bins", -1, math.inf),
            ("cap_nats", 0, math.inf),
            ("hesitate", 1, math.inf),
            ("restart_s", 0, math.inf),
            ("horizon_s", 0, math.inf),
            ("half_life_s", 0, math.inf),
            ("carry_s", 0, math.inf),
        ):
            value = getattr(self, field)
            _demand(_is_between(low, value, high), field, f"{field} = {value} is out of range", "See GateSet.")
