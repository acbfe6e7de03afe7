"""What a rollout must satisfy: gates, and the error rates and tolerances that they share.

A gate asks two questions. Fail: is there proof that the candidate is worse than tolerated (errors: `rho` times
the baseline's rate; latency: `latency_bins` bins slower; outcome: `margin` above the baseline's mean loss)?
Pass: is the excess surely at most `margin`? So a candidate that is provably worse than tolerated fails even
when its excess would have fitted within the margin of an errors or latency gate: which is proven first decides.

A gate with a `bound` asks about the candidate alone: is it proven to be above the bound, or surely below it? It
fails only if the candidate is also proven worse than the baseline; a baseline that is broken itself is said, not
blamed on the candidate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from interlock.kernel.errors import Invalid
from interlock.kernel.ident import is_name

Metric = Literal["errors", "latency", "outcome"]
METRICS: tuple[Metric, ...] = ("errors", "latency", "outcome")
COUNTS = ("every", "first", "keyed")


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

    bound: instead of a margin, what the candidate itself must keep: the share of bad answers, the milliseconds at
    `quantile` of latency, or the mean loss in loss units. counts: `every` bad answer; or the `first` one of each
    key in ten minutes, for callers that stick to an arm (needs blocks with a known weight); or `keyed`: the first
    ones where the evidence has any, else every one. segment_share: the part
    of an errors gate's evidence that looks at segments one by one; 0 for none. sample: losses of both `arms`, or of
    `pairs` of answers to the same request (shadow).
    """

    name: str
    metric: Metric
    service: str
    margin: float = 0.0
    weight: float = 1.0
    outcome: str = ""
    cap: float = 0.0
    tolerance_ms: float = 0.0
    bound: float | None = None
    quantile: float = 0.99
    counts: Literal["every", "first", "keyed"] = "every"
    segment_share: float = 0.0
    sample: Literal["arms", "pairs"] = "arms"

    def __post_init__(self) -> None:
        self._check_name()
        self._check_kind()
        self._check_threshold()

    def _check_name(self) -> None:
        _demand(bool(self.name), self.name, "a gate needs a name", "Name it after its service and metric.")
        _demand(is_name(self.service), self.name, f"{self.service!r} names no service", "Name the service judged.")
        _demand(self.metric in METRICS, self.name, f"unknown metric {self.metric!r}", f"Use one of {METRICS}.")
        _demand(_is_between(0, self.weight, math.inf), self.name, "its weight is not above 0", "Use 1.")
        _demand(_is_between(-1e-9, self.tolerance_ms, math.inf), self.name, "its tolerance_ms is below 0", "Use 0.")

    def _check_kind(self) -> None:
        name, metric = self.name, self.metric
        if metric == "outcome":
            _demand(bool(self.outcome), name, "it names no outcome metric", "Set `outcome`.")
            _demand(_is_between(0, self.cap, math.inf), name, "its cap is not above 0", "Set `cap`.")
        _demand(self.counts in COUNTS, name, f"counts {self.counts!r} is unknown", f"Use one of {COUNTS}.")
        _demand(self.sample in ("arms", "pairs"), name, f"sample {self.sample!r} is unknown", "Use arms or pairs.")
        _demand(_is_between(-1e-9, self.segment_share, 1), name, "segment_share is not in [0, 1)", "Use 0.4.")
        by_answers = self.counts != "every" or self.segment_share > 0
        _demand(metric == "errors" or not by_answers, name, f"{metric} has no bad answers", "Use metric errors.")
        _demand(metric == "outcome" or self.sample == "arms", name, f"{metric} has no pairs", "Use metric outcome.")

    def _check_threshold(self) -> None:
        if self.bound is not None:
            is_alone = self.counts == "every" and self.sample == "arms" and not self.segment_share
            _demand(is_alone, self.name, "a bound takes no segments, pairs or first counts", "Use a second gate.")
            _demand(self.margin == 0, self.name, "it has a margin and a bound", "Keep one of them.")
            most = math.inf if self.metric == "latency" else self.unit
            _demand(_is_between(0, self.bound, most), self.name, f"bound {self.bound} is out of range", "Raise it.")
            _demand(_is_between(0, self.quantile, 1), self.name, "quantile is not in (0, 1)", "Use 0.99.")
            return
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

    @property
    def target(self) -> float:
        """What the upper limit must come down to: the margin, or the share or mean that the bound allows."""
        if self.bound is None:
            return self.margin
        return 1 - self.quantile if self.metric == "latency" else self.bound


@dataclass(frozen=True, slots=True)
class GateSet:
    """The gates of a rollout and the constants of their tests.

    alpha: bound on the probability that a candidate within the tolerances is ever failed. alpha_pass: bound on
    the probability that a step passes although the excess is at least the margin in every block of it.
    warmup_s: latency is not judged in the first seconds (cold caches). rho: tolerated ratio of error rates.
    latency_bins: tolerated slowdown in bins of a factor 2**(1/8). cap_nats: what one block may add to the
    evidence that fails a candidate; a single burst is not enough. hesitate: evidence from which nothing passes.
    restart_s, horizon_s: a regression that begins later is looked for from each restart on; the mass kept for later
    ones falls to 1/e over the horizon.
    half_life_s: of the memory of the baseline. carry_s: how long a block waits for its missing arm.
    *_nats_s: how fast the evidence of a metric that fails a candidate may rise, in nats per second (see mixture):
    bad answers come in bursts of up to 20 s, slow ones less so, and labels have their own delay.
    budget: bad answers accepted while a throttled candidate is judged, for clear_s seconds; then it is cleared if
    the evidence is below `hesitate`. least_keys: a segment is not judged before each arm has shown so many keys in
    it.
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
    errors_nats_s: float = 0.15
    latency_nats_s: float = 0.4
    outcome_nats_s: float = 1.25
    budget: float = 20.0
    clear_s: float = 60.0
    least_keys: int = 20

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
            ("errors_nats_s", 0, math.inf),
            ("latency_nats_s", 0, math.inf),
            ("outcome_nats_s", 0, math.inf),
            ("budget", 0, math.inf),
            ("clear_s", 0, math.inf),
            ("least_keys", -1, math.inf),
        ):
            value = getattr(self, field)
            _demand(_is_between(low, value, high), field, f"{field} = {value} is out of range", "See GateSet.")
