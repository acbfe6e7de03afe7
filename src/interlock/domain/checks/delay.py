"""Labels that come late: when the outcomes of a block of answers are complete enough to be judged.

Bad outcomes often take longer than good ones (a delay, a complaint, a fraud), so the labels of a young block
flatter it. The delay is therefore modelled from what was seen: answers are grouped into *cohorts* by the block in
which they were given, and labels counted by how long they took. The chance that a label comes at a given age,
among those that have not come yet (a discrete hazard, Kaplan and Meier 1958), takes only cohorts that are old
enough to have shown it. An answer may stay without a label for ever; completeness is therefore the share of the
labels that ever come.

Completeness is not claimed where it cannot be seen: while labels still come in at the greatest age that was
observed, nothing is mature. A second wave of labels, after a silence as long as half of what was observed, cannot
be foreseen: where there is one, declare after how long no label is waited for (the horizon). Then nothing younger
is mature before ages up to the horizon have been observed.

What is assumed: each outcome counts once (the store keeps the first of an id) and names the block that answered,
whatever the order of arrival; one that claims to come before its answer counts as immediate (clocks differ).
Immature blocks are left out, not weighted up, because a weight would break the bounds of the gates. Delays that
depend on the loss itself are harmless only up to the labels that are still missing, so the threshold bounds that
error.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Literal

from interlock.domain.checks.bins import Bins, add_bins
from interlock.kernel.finding import Finding, Severity

Arm = Literal["candidate", "baseline"]

AGES_S = (
    *(1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 900.0, 1_200.0, 1_800.0, 2_700.0),
    *(3_600.0, 5_400.0, 7_200.0, 10_800.0, 14_400.0, 21_600.0, 28_800.0, 43_200.0, 64_800.0, 86_400.0),
    *(129_600.0, 172_800.0, 259_200.0, 345_600.0, 432_000.0, 604_800.0, 1_209_600.0, 2_592_000.0),
)
"""Delay bin i holds delays from AGES_S[i-1] up to AGES_S[i], bin 0 those below one second. The longest is 30 days;
labels that take longer are in the last bin, which no cohort is ever old enough to have shown.
"""

STILL_COMING = 0.05
"""A curve has come to rest when at most this share of its labels came in the older half of the ages it covers."""

MIN_LABELS = 20
"""Fewer labels than this describe no delay."""


def delay_bin(delay_s: float) -> int:
    """The bin of a delay in seconds. A negative one counts as none: the two clocks differ."""
    return bisect_right(AGES_S, delay_s)


@dataclass(frozen=True, slots=True)
class Cohort:
    """The answers of one arm in one block. answers: those that may get a label; arrived: labels by delay bin."""

    answers: int = 0
    arrived: Bins = field(default_factory=dict)

    def __add__(self, other: Cohort) -> Cohort:
        return Cohort(self.answers + other.answers, add_bins(self.arrived, other.arrived))


@dataclass(frozen=True, slots=True)
class Block:
    """A block of time with both arms. ended_s: when its last answer was given, on the clock that `now_s` is on."""

    number: int
    ended_s: float
    candidate: Cohort = Cohort()
    baseline: Cohort = Cohort()

    def arm(self, arm: Arm) -> Cohort:
        return self.candidate if arm == "candidate" else self.baseline


@dataclass(frozen=True, slots=True)
class Curve:
    """shares[i]: the share of answers that had their label by AGES_S[i], over the ages that were observed.

    labels: how many it rests on. is_at_rest: whether labels have stopped coming in at the greatest age observed.
    """

    shares: tuple[float, ...]
    labels: int
    is_at_rest: bool

    @property
    def plateau(self) -> float:
        """The share of answers that ever get a label, as far as seen."""
        return self.shares[-1] if self.shares else 0.0

    def completeness(self, age_s: float, horizon_s: float | None = None) -> float | None:
        """The share of a cohort's labels that should have arrived at `age_s`; None when it cannot be said yet.

        horizon_s: no label is waited for longer than this, as declared. Before that age has been observed, what has
        come to rest may still be followed by more.
        """
        if horizon_s is not None and age_s >= horizon_s:
            return 1.0
        if not self.is_at_rest or not self.plateau or (horizon_s or 0.0) > self.observed_s:
            return None
        reached = min(bisect_right(AGES_S, age_s), len(self.shares))
        return self.shares[reached - 1] / self.plateau if reached else 0.0

    @property
    def observed_s(self) -> float:
        """The greatest age that was observed."""
        return AGES_S[len(self.shares) - 1] if self.shares else 0.0

    def age_at(self, completeness: float, horizon_s: float | None = None) -> float | None:
        """The age in seconds at which a cohort is that complete; None when it cannot be said yet."""
        reached = ((a, self.completeness(a, horizon_s)) for a in AGES_S[: len(self.shares)])
        return next((a for a, c in reached if c is not None and c >= completeness), None)


def curve_of(cohorts: Iterable[tuple[Cohort, float]]) -> Curve:
    """The curve of (cohort, age in seconds of its youngest answer)."""
    seen = [(c, bisect_right(AGES_S, age_s)) for c, age_s in cohorts if age_s >= 0 and c.answers]
    shares: list[float] = []
    waiting, labels = 1.0, 0
    for i in range(max((old for _, old in seen), default=0)):
        at_risk, arrived = _at_risk(seen, i)
        if at_risk:  # else all have their labels by that age, and none can come: the curve stays as it is
            waiting *= 1 - min(arrived / at_risk, 1.0)
        labels += arrived
        shares.append(1 - waiting)
    return Curve(tuple(shares), labels, _is_at_rest(shares, labels))


def _at_risk(seen: Sequence[tuple[Cohort, int]], i: int) -> tuple[int, int]:
    """Answers without a label at the start of bin i, and labels within it, over cohorts that have lived through
    it.
    """
    at_risk = arrived = 0
    for cohort, old in seen:
        if old > i:
            at_risk += max(cohort.answers - sum(n for b, n in cohort.arrived.items() if b < i), 0)
            arrived += cohort.arrived.get(i, 0)
    return at_risk, arrived


def _is_at_rest(shares: Sequence[float], labels: int) -> bool:
    if labels < MIN_LABELS or len(shares) < 2:
        return False
    half = bisect_right(AGES_S, AGES_S[len(shares) - 1] / 2)
    before = shares[half - 1] if half else 0.0
    return shares[-1] - before <= STILL_COMING * shares[-1]


@dataclass(frozen=True, slots=True)
class Maturity:
    """Which blocks may be judged.

    mature: numbers of blocks whose labels are expected to be complete enough in both arms. completeness: of every
    block, in the arm that lags; None where it cannot be said. wait_s: age at which a block becomes mature, None
    when that cannot be said. findings: what a person should know, arm-dependent delay above all.
    """

    mature: frozenset[int]
    completeness: Mapping[int, float | None]
    wait_s: float | None
    findings: tuple[Finding, ...] = ()


def maturity(
    blocks: Sequence[Block],
    now_s: float,
    subject: str,
    threshold: float = 0.95,
    horizon_s: float | None = None,
    alpha: float = 0.01,
) -> Maturity:
    """Which of the blocks are complete at `now_s`, for the outcome metric `subject`.

    A block needs `threshold` of its expected labels in each arm, by that arm's own curve; an arm whose curve cannot
    be told yet keeps every block immature, unless `horizon_s` has passed.
    """
    curves = {arm: curve_of((b.arm(arm), now_s - b.ended_s) for b in blocks) for arm in _ARMS}
    shares = {b.number: _lagging(curves.values(), now_s - b.ended_s, horizon_s) for b in blocks}
    waits = [curve.age_at(threshold, horizon_s) for curve in curves.values()]
    wait_s = None if None in waits else max(w for w in waits if w is not None)
    if horizon_s is not None:
        wait_s = horizon_s if wait_s is None else min(wait_s, horizon_s)
    return Maturity(
        mature=frozenset(n for n, share in shares.items() if share is not None and share >= threshold),
        completeness=shares,
        wait_s=wait_s,
        findings=tuple(_findings(blocks, curves, subject, alpha)),
    )


_ARMS: tuple[Arm, ...] = ("candidate", "baseline")


def _lagging(curves: Iterable[Curve], age_s: float, horizon_s: float | None) -> float | None:
    found = [curve.completeness(age_s, horizon_s) for curve in curves]
    return None if None in found else min(c for c in found if c is not None)


@dataclass(frozen=True, slots=True)
class Pace:
    """How much faster labels of the candidate come: the ratio of hazards, and bounds on it. 1 is equally fast."""

    ratio: float
    low: float
    high: float

    def differs_by(self, factor: float) -> bool:
        """Whether one arm's labels surely come faster by more than `factor`."""
        return self.low > factor or self.high < 1 / factor


def pace_of(blocks: Sequence[Block], alpha: float = 0.01) -> Pace | None:
    """The candidate's pace against the baseline's, among the labels that came, within the same blocks and ages (the
    log-rank statistic and Peto's estimate, which leans towards 1 when the ratio is far from it); None while it
    rests on nothing. Both arms of a block have been waited for equally long, so labels that have not come yet
    favour none of them, and labels that are delivered in one batch carry no weight. `alpha` holds for one look.
    """
    surplus = variance = 0.0
    for block in blocks:
        waiting_c, waiting_b = (sum(block.arm(arm).arrived.values()) for arm in _ARMS)
        for i in sorted({*block.candidate.arrived, *block.baseline.arrived}):
            d_c, d_b = block.candidate.arrived.get(i, 0), block.baseline.arrived.get(i, 0)
            r, d = waiting_c + waiting_b, d_c + d_b
            if r > 1:
                surplus += d_c - d * waiting_c / r
                variance += d * (r - d) * waiting_c * waiting_b / (r * r * (r - 1))
            waiting_c, waiting_b = waiting_c - d_c, waiting_b - d_b
    if variance <= 0:
        return None
    middle, width = surplus / variance, NormalDist().inv_cdf(1 - alpha / 2) / math.sqrt(variance)
    return Pace(_exp(middle), _exp(middle - width), _exp(middle + width))


def _exp(x: float) -> float:
    return math.exp(min(max(x, -50.0), 50.0))


PACE_FACTOR = 1.25
"""A difference of pace below this is not worth a person's time."""


def _findings(
    blocks: Sequence[Block], curves: Mapping[Arm, Curve], subject: str, alpha: float
) -> Iterable[Finding]:
    pace = pace_of(blocks, alpha)
    if pace and pace.differs_by(PACE_FACTOR):
        yield Finding(
            "delay.arm-dependent",
            Severity.WARNING,
            subject,
            f"labels of the candidate come {pace.ratio:.2f} times as fast as the baseline's, surely between "
            f"{pace.low:.2f} and {pace.high:.2f}: blocks are judged only when both arms are complete",
            "Find out what delays one arm's labels; until then trust no comparison of young blocks.",
        )
    low, high = sorted(curve.plateau for curve in curves.values())
    if all(curve.is_at_rest for curve in curves.values()) and high - low > 0.1 and low < high / PACE_FACTOR:
        yield Finding(
            "delay.coverage-differs",
            Severity.WARNING,
            subject,
            f"{curves['candidate'].plateau:.0%} of the candidate's answers get a label, of the baseline's "
            f"{curves['baseline'].plateau:.0%}: the labels may describe different answers",
            "Check how outcomes are joined to answers of each release.",
        )
