"""The change as a person writes it: why, what moves, who, how, within which limits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from interlock.domain.checks.compare import Tolerance
from interlock.kernel.instant import Instant


class Role(StrEnum):
    """Who agrees to what."""

    SPONSOR = "change-sponsor"
    STEWARD = "data-steward"
    VALIDATOR = "model-validator"
    OWNER = "service-owner"


@dataclass(frozen=True, slots=True)
class Move:
    """One thing the change moves to another version."""

    kind: Literal["service", "model", "contract"]
    name: str
    to: str
    where: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True)
class Revisions:
    """Revisions of Alembic that a database gets with the change: those after `start` up to `end`. path: where they
    are, relative to the workspace.
    """

    database: str
    path: str
    start: str
    end: str
    where: str = ""

    def __str__(self) -> str:
        return f"revisions:{self.database}"


@dataclass(frozen=True, slots=True)
class GateSpec:
    """A criterion, candidate against baseline in the same blocks of time.

    metric: `errors` (share of bad answers), `latency` (share slower than the baseline's quantiles), or
    `outcome` (mean loss, from outcomes posted later or from the declared metric of that name).
    margin: what the candidate may be worse by and still pass: a share of requests for errors and latency,
    loss units for outcomes. outcome: name of the outcome metric, for example `absolute_error`. cap: the largest
    loss that counts, in loss units (outcomes only; 0: as the metric declares). tolerance_ms: a slowdown nobody
    would notice (latency only).

    bound: instead of a margin, what the candidate itself must keep: a share of bad answers, milliseconds at
    `quantile`, or a mean loss. weight: the gate's part of the evidence, relative to the others; None as the metric
    has by default. counts: `every` bad answer, or the `first` one of each key in ten minutes; None: the first ones
    where the evidence has them. segments: the part of the evidence that looks at segments one by one; None: a
    default part where the service declares segments. sample: losses of both `arms`, or of `pairs` of answers to the
    same request, which shadow traffic has.
    """

    metric: Literal["errors", "latency", "outcome"]
    service: str
    margin: float = 0.0
    outcome: str = ""
    cap: float = 0.0
    tolerance_ms: float = 5.0
    where: str = ""
    bound: float | None = None
    quantile: float = 0.99
    weight: float | None = None
    counts: Literal["every", "first"] | None = None
    segments: float | None = None
    sample: Literal["arms", "pairs"] = "arms"

    @property
    def name(self) -> str:
        """Of the gate: service, metric, outcome, and what sets it apart from others on the same."""
        kind = "pairs" if self.sample == "pairs" else ""
        if self.bound is not None:
            kind = f"p{100 * self.quantile:g}" if self.metric == "latency" else "bound"
        return "/".join(filter(None, (self.service, self.metric, self.outcome, kind)))


@dataclass(frozen=True, slots=True)
class ShadowStep:
    """Copy `share_bp` of the baseline's requests to the candidate for at least `seconds` and `pairs` pairs.

    max_difference: the share of answers that may differ beyond what the baseline differs from itself; None for any.
    twin_bp: the share of requests that the baseline answers a second time, which shows that noise; None for a
    default share. ignore, tolerate, any_order: how answers compare, see ComparisonRules.
    """

    share_bp: int
    seconds: float
    pairs: int = 50
    max_difference: float | None = None
    ignore: tuple[str, ...] = ()
    twin_bp: int | None = None
    tolerate: tuple[Tolerance, ...] = ()
    any_order: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClimbStep:
    """Let the candidate's share grow with the evidence, instead of in fixed steps: about `budget` bad answers are
    accepted while a fault would be found out; at least `dwell_s` of evidence.
    """

    budget: float = 20.0
    dwell_s: float = 300.0


@dataclass(frozen=True, slots=True)
class AnswersStep:
    """What holds a rollout although no gate fails: answers whose distribution moved. tolerated: the share of
    answers that may move unnoticed; allow: fields that are meant to move, as paths; sample_bp: the share looked at.
    """

    tolerated: float = 0.1
    allow: tuple[str, ...] = ()
    sample_bp: int = 10_000


@dataclass(frozen=True, slots=True)
class Steps:
    """How exposure grows. `dwell_s` is the least time at a canary weight; in the first `warmup_s` of exposure
    latency is not judged, because caches are cold; `patience_s` is the longest wait for a verdict, after which
    `on_expiry` is done (`ask` holds like `hold`, and says that a person must choose); `bake_s` is how long the
    baseline stays after promotion, so that a rollback is immediate.
    A burst of bad answers in one release is a fault when it lasts longer than about `burst_s`.
    `climb` replaces the fixed `canary_bp`. Before promotion `holdback_bp` stays with the baseline for `watch_s`.
    """

    shadow: ShadowStep | None = None
    canary_bp: tuple[int, ...] = (100, 500, 2_500, 5_000)
    climb: ClimbStep | None = None
    holdback_bp: int = 1_000
    watch_s: float = 0.0
    dwell_s: float = 30.0
    warmup_s: float = 60.0
    burst_s: float = 20.0
    patience_s: float = 3_600.0
    on_expiry: Literal["hold", "rollback", "ask"] = "hold"
    bake_s: float = 60.0
    answers: AnswersStep = AnswersStep()


@dataclass(frozen=True, slots=True)
class Window:
    """When the rollout may start. Open ends are None."""

    opens: Instant | None = None
    closes: Instant | None = None

    def contains(self, at: Instant) -> bool:
        return (self.opens is None or self.opens <= at) and (self.closes is None or at < self.closes)


@dataclass(frozen=True, slots=True)
class Change:
    """A change request. `author` wrote it; `sponsor` answers for it."""

    name: str
    why: str
    author: str
    sponsor: str
    moves: tuple[Move, ...]
    gates: tuple[GateSpec, ...] = ()
    steps: Steps = Steps()
    window: Window = Window()
    rollback: str = ""
    where: str = ""
    revisions: tuple[Revisions, ...] = ()
