"""Posted outcomes that say when their answer was given: held back until the labels of that time are complete.

Answers are kept in groups: consecutive blocks in which both releases served at one weight. A label joins the group
that answered, whenever it comes; once a group is mature (see checks.delay) all of its labels so far go to the judge
in the next block, and later ones follow, each once.

Why the losses of an old group may stand in a young block: the judge compares the arms within a block, and both arms
of a group come in together, so what hit both when they answered cancels as it would have then. Only groups of one
weight share a block, because otherwise the arms would be made of different parts of different times (Simpson's
paradox). Which block it is depends on when labels came, never on what they say; the bounds hold for any such order.
What is assumed is told by ASSUMES.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from interlock.domain.checks.bins import Bins, add_bins
from interlock.domain.checks.delay import Arm, Block, Cohort, Maturity, delay_bin, maturity
from interlock.domain.checks.evidence import LOSS_BINS, ArmCounts, ServiceCounts
from interlock.domain.gates.gate import Gate
from interlock.domain.gates.supply import GRACE_S, MISSED, Supply
from interlock.kernel.instant import Instant

ASSUMES = (
    "labels of a block are judged once 95 % of those to be expected are there, in either arm",
    "given the loss, labels of both arms take equally long, up to the labels that are still missing",
)

WIDTH_S = 2.0
"""Groups are this long at first. A block adds little to what fails a candidate, so long groups fail it late."""
SKEW_S = 10.0
"""So much may the clock of who answers be off."""
GROUPS = 128
"""So many groups are kept; beyond them neighbours of one weight are joined, the shortest for their age first."""


@dataclass(frozen=True, slots=True)
class Group:
    """Answers of consecutive blocks at one weight, from `start` on and before `end`, and their labels.

    pending_*: losses that are not judged yet, in bins.
    """

    number: int
    start: Instant
    end: Instant
    weight_bp: int
    candidate: Cohort = field(default_factory=Cohort)
    baseline: Cohort = field(default_factory=Cohort)
    pending_candidate: Bins = field(default_factory=dict)
    pending_baseline: Bins = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()

    @property
    def pending(self) -> int:
        return sum(self.pending_candidate.values()) + sum(self.pending_baseline.values())

    def answers(self, arm: Arm) -> int:
        return (self.candidate if arm == "candidate" else self.baseline).answers

    def labelled(self, came: _Came) -> Group:
        """With the labels that have just come."""
        return replace(
            self,
            candidate=self.candidate + Cohort(0, came.ages["candidate"]),
            baseline=self.baseline + Cohort(0, came.ages["baseline"]),
            pending_candidate=add_bins(self.pending_candidate, came.losses["candidate"]),
            pending_baseline=add_bins(self.pending_baseline, came.losses["baseline"]),
        )

    def joined(self, later: Group) -> Group:
        """Together with the group that follows."""
        return replace(
            self,
            end=later.end,
            candidate=self.candidate + later.candidate,
            baseline=self.baseline + later.baseline,
            pending_candidate=add_bins(self.pending_candidate, later.pending_candidate),
            pending_baseline=add_bins(self.pending_baseline, later.pending_baseline),
        )


@dataclass(slots=True)
class _Came:
    """Labels that have just come, of one group or of none, by arm: losses and delays in bins."""

    losses: dict[Arm, dict[int, int]] = field(default_factory=lambda: {"candidate": {}, "baseline": {}})
    ages: dict[Arm, dict[int, int]] = field(default_factory=lambda: {"candidate": {}, "baseline": {}})

    def count(self, arm: Arm, loss_bin: int, age_bin: int) -> None:
        for bins, index in ((self.losses[arm], loss_bin), (self.ages[arm], age_bin)):
            bins[index] = bins.get(index, 0) + 1


@dataclass(frozen=True, slots=True)
class Label:
    """A posted outcome of the gate's metric. arm: None when its release is not in the rollout; answered_at: None
    when nobody said.
    """

    arm: Arm | None
    loss: float
    answered_at: Instant | None


@dataclass(frozen=True, slots=True)
class Labels:
    """What is known of the labels of one gate. came_at: when the newest came; unseen, unknown: see Supply."""

    groups: tuple[Group, ...] = ()
    begun_at: Instant | None = None
    came_at: Instant | None = None
    unseen: int = 0
    unknown: int = 0
    is_delayed: bool = False

    def answered(self, start: Instant, end: Instant, weight_bp: int, counts: ServiceCounts) -> Labels:
        """After a block in which both arms answered as `counts` says. After a clock that went back, what was there
        already is not there twice.
        """
        last = self.groups[-1] if self.groups else None
        start = max(start, last.end) if last else start
        if end <= start:
            return self
        block = Group(
            number=last.number + 1 if last else 0,
            start=start,
            end=end,
            weight_bp=weight_bp,
            candidate=Cohort(counts.candidate.requests),
            baseline=Cohort(counts.baseline.requests),
        )
        if last and _follows(last, block) and (block.end - last.start).total_seconds() <= WIDTH_S:
            groups = (*self.groups[:-1], last.joined(block))
        else:
            groups = _at_most(GROUPS, (*self.groups, block), end)
        return replace(self, groups=groups, begun_at=self.begun_at or start)

    def taken(self, labels: Sequence[Label], gate: Gate, now: Instant) -> tuple[Labels, ServiceCounts]:
        """With labels that have just come, and the losses among them that nobody dated: they count at once."""
        undated, came = _Came(), dict[int, _Came]()
        unseen = unknown = 0
        for label in labels:
            loss_bin = round(min(label.loss, gate.cap) / gate.cap * LOSS_BINS)
            if label.arm is None:
                unknown += 1
            elif label.answered_at is None:
                undated.count(label.arm, loss_bin, 0)
            elif (at := _group_of(self.groups, label.arm, label.answered_at)) is None:
                unseen += 1
            else:
                age_bin = delay_bin((now - label.answered_at).total_seconds())
                came.setdefault(at, _Came()).count(label.arm, loss_bin, age_bin)
        after = replace(
            self,
            groups=tuple(g.labelled(came[i]) if i in came else g for i, g in enumerate(self.groups)),
            came_at=now if labels else self.came_at,
            unseen=self.unseen + unseen,
            unknown=self.unknown + unknown,
            is_delayed=self.is_delayed or bool(came),
        )
        return after, _losses(gate, undated.losses["candidate"], undated.losses["baseline"])

    def ripe(self, now: Instant, gate: Gate, horizon_s: float | None) -> Ripe:
        """What may be judged now."""
        if not self.is_delayed:
            return Ripe(self, ServiceCounts(), None)
        known = maturity([_block(g) for g in self.groups], now.timestamp(), gate.name, horizon_s=horizon_s)
        ready = _of_one_weight(g for g in self.groups if g.number in known.mature and g.pending)
        numbers = {g.number for g in ready}
        judged = ServiceCounts()
        for group in ready:
            judged += _losses(gate, group.pending_candidate, group.pending_baseline)
        groups = tuple(
            replace(g, pending_candidate={}, pending_baseline={}) if g.number in numbers else g for g in self.groups
        )
        return Ripe(replace(self, groups=groups), judged, known)

    def supply(self, gate: Gate, known: Maturity | None, every_s: float, now: Instant) -> Supply:
        """How the labels come."""
        said = Supply(gate.name, "posts", unseen=self.unseen, unknown=self.unknown)
        since = self.came_at or self.begun_at
        silent_s = (now - since).total_seconds() if since else 0.0
        if every_s and silent_s > MISSED * every_s + GRACE_S:
            says = f"no outcome {gate.outcome} has been posted for {silent_s:.0f} s"
            said = replace(said, lack=says, remedy="See whether the job that posts outcomes runs.")
        if known is None:
            return replace(said, waits=_odd(self))
        shares = [share for share in known.completeness.values() if share is not None]
        return replace(
            said,
            waits="; ".join(filter(None, (_waits(self, known), _odd(self)))),
            wait_s=known.wait_s,
            groups=len(self.groups),
            mature=len(known.mature),
            completeness=min(shares, default=None),
            pending=sum(g.pending for g in self.groups),
            findings=known.findings,
        )


@dataclass(frozen=True, slots=True)
class Ripe:
    """The labels after what is mature was taken out, what that is, and how mature groups are."""

    labels: Labels
    counts: ServiceCounts
    known: Maturity | None


def _follows(before: Group, after: Group) -> bool:
    return before.end == after.start and before.weight_bp == after.weight_bp


def _at_most(limit: int, groups: tuple[Group, ...], now: Instant) -> tuple[Group, ...]:
    """Join neighbours; where weights forbid it, the oldest is forgotten."""
    while len(groups) > limit:
        joinable = [i for i in range(len(groups) - 1) if _follows(groups[i], groups[i + 1])]
        if not joinable:
            return groups[1:]
        at = min(joinable, key=lambda i: _relative_length(groups[i], groups[i + 1], now))
        groups = (*groups[:at], groups[at].joined(groups[at + 1]), *groups[at + 2 :])
    return groups


def _relative_length(first: Group, second: Group, now: Instant) -> float:
    age_s = max((now - second.end).total_seconds(), WIDTH_S)
    return (first.seconds + second.seconds) / age_s


def _group_of(groups: Sequence[Group], arm: Arm, answered_at: Instant) -> int | None:
    """The group that gave the answer: the one of that time, or, as clocks differ, a neighbour when the arm gave no
    answers in it. An answer of now may be later than the newest group's end.
    """
    if not groups or answered_at < groups[0].start:
        return None
    at = next(i for i in reversed(range(len(groups))) if groups[i].start <= answered_at)
    is_newest = at == len(groups) - 1
    if not is_newest and (answered_at - groups[at].end).total_seconds() > SKEW_S:
        return None
    near = [at, *(i for i in (at - 1, at + 1) if 0 <= i < len(groups))]
    return next((i for i in near if groups[i].answers(arm)), None)


def _of_one_weight(ready: Iterable[Group]) -> list[Group]:
    """The groups of the first weight of which both arms have labels."""
    by_weight: dict[int, list[Group]] = {}
    for group in ready:
        by_weight.setdefault(group.weight_bp, []).append(group)
    for groups in by_weight.values():
        if any(g.pending_candidate for g in groups) and any(g.pending_baseline for g in groups):
            return groups
    return []


def _block(group: Group) -> Block:
    return Block(group.number, group.end.timestamp(), group.candidate, group.baseline)


def _losses(gate: Gate, candidate: Bins, baseline: Bins) -> ServiceCounts:
    if not candidate and not baseline:
        return ServiceCounts()
    return ServiceCounts(
        ArmCounts(losses={gate.outcome: dict(candidate)}), ArmCounts(losses={gate.outcome: dict(baseline)})
    )


def _waits(labels: Labels, known: Maturity) -> str:
    pending = sum(g.pending for g in labels.groups)
    if known.wait_s is None:
        return f"{pending:,} labels wait, until it is seen how late labels come"
    return f"{pending:,} labels wait; those of a block are judged when it is about {known.wait_s:.0f} s old"


def _odd(labels: Labels) -> str:
    """Labels that are not judged."""
    told = (
        (labels.unseen, "for answers that this rollout did not give"),
        (labels.unknown, "of releases that are not in this rollout"),
    )
    return "; ".join(f"{n:,} labels {what} are not judged" for n, what in told if n)
