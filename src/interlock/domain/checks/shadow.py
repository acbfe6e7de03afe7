"""Shadow evidence: how often the candidate's answers differ from the baseline's, beyond what the baseline does
alone.

Some answers differ between two runs of the same release: clocks, request ids, sampling, ties. So the same
statistics are kept over *twins*, pairs in which the baseline answered both copies, and what counts is the share of
candidate pairs that differ less the share of twins that do. All statistics add, in any order, with a bounded size.

Limits: bounds take pairs as independent (sample by request, not by user), and the noise as the same in both kinds
of pair. Without twins nothing is proven to be more than noise; an upper bound is still valid.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from interlock.domain.checks.answer import WHOLE
from interlock.domain.checks.bins import SIGNED_LOG, Bins, add_bins, middle_of
from interlock.domain.checks.compare import STRICT, ComparisonRules, FieldCompared, compare_answers
from interlock.domain.checks.share import share_bounds

FIELD_LIMIT = 200
"""Fields kept apart. Answers whose keys are identifiers would grow without end; what is beyond adds up in OTHER."""

OTHER = "(other fields)"
STATUS = "(status)"
UNITS_PER_ONE = 10**12
LARGEST_CHANGE = 1e12


@dataclass(frozen=True, slots=True)
class FieldPairs:
    """One field over many pairs.

    pairs: in which it was compared; differing: in which it differed, of which `absent` in one answer only and
    `retyped` of another type. changes: candidate minus baseline, in bins of SIGNED_LOG, over pairs of numbers;
    total: their exact sum in units of 1e-12 (each change limited to 1e12), an integer so that adding is exact in
    any order.
    """

    pairs: int = 0
    differing: int = 0
    absent: int = 0
    retyped: int = 0
    changes: Bins = field(default_factory=dict)
    total: int = 0

    def __add__(self, other: FieldPairs) -> FieldPairs:
        return FieldPairs(
            self.pairs + other.pairs,
            self.differing + other.differing,
            self.absent + other.absent,
            self.retyped + other.retyped,
            add_bins(self.changes, other.changes),
            self.total + other.total,
        )

    @property
    def mean_change(self) -> float | None:
        """The mean of candidate minus baseline; None where no pair had two numbers."""
        numbers = sum(self.changes.values())
        return self.total / numbers / UNITS_PER_ONE if numbers else None

    def change_quantile(self, q: float) -> float | None:
        """The q quantile of the absolute change, within 5 %; None where no pair had two numbers."""
        sizes: dict[float, int] = {}
        for b, n in self.changes.items():
            size = abs(middle_of(SIGNED_LOG, b))
            sizes[size] = sizes.get(size, 0) + n
        wanted, seen = q * sum(sizes.values()), 0
        for size in sorted(sizes):
            seen += sizes[size]
            if seen >= wanted:
                return size
        return None


@dataclass(frozen=True, slots=True)
class PairCounts:
    """Many pairs. differing: pairs that differ in at least one field or in their status."""

    pairs: int = 0
    differing: int = 0
    candidate_failed: int = 0
    baseline_failed: int = 0
    fields: Mapping[str, FieldPairs] = field(default_factory=dict)

    def __add__(self, other: PairCounts) -> PairCounts:
        fields = dict(self.fields)
        for name, counts in other.fields.items():
            fields[name] = fields.get(name, FieldPairs()) + counts
        return PairCounts(
            self.pairs + other.pairs,
            self.differing + other.differing,
            self.candidate_failed + other.candidate_failed,
            self.baseline_failed + other.baseline_failed,
            _limited(fields),
        )

    @property
    def difference(self) -> float:
        """The share of pairs that differ; 0 when there is none."""
        return self.differing / self.pairs if self.pairs else 0.0


def _limited(fields: Mapping[str, FieldPairs]) -> dict[str, FieldPairs]:
    """The first FIELD_LIMIT fields, the shallow ones first, and the rest as one. A field that is kept in the end
    was kept in every part, so the result does not depend on the order of adding.
    """
    named = sorted((name for name in fields if name != OTHER), key=lambda n: (n.count(".") + n.count("[]"), n))
    kept = {name: fields[name] for name in sorted(named[:FIELD_LIMIT])}
    rest = [fields[name] for name in named[FIELD_LIMIT:]] + ([fields[OTHER]] if OTHER in fields else [])
    return kept | {OTHER: sum(rest, FieldPairs())} if rest else kept


def count_pair(
    baseline_status: int,
    candidate_status: int,
    baseline_body: bytes,
    candidate_body: bytes,
    rules: ComparisonRules = STRICT,
) -> PairCounts:
    """One pair of answers to the same request. Bodies are compared only when both succeeded; two failures with one
    status agree, since their words are for people.
    """
    is_same_status = baseline_status == candidate_status
    found: Iterable[FieldCompared] = ()
    if is_same_status and baseline_status < 400:
        found = compare_answers(baseline_body, candidate_body, rules)
    fields = {one.path: _of_one(one) for one in found}
    fields[STATUS] = FieldPairs(pairs=1, differing=int(not is_same_status))
    return PairCounts(
        pairs=1,
        differing=int(any(f.differing for f in fields.values())),
        candidate_failed=int(candidate_status >= 500),
        baseline_failed=int(baseline_status >= 500),
        fields=_limited(fields),
    )


def _of_one(one: FieldCompared) -> FieldPairs:
    changes: dict[int, int] = {}
    total = 0
    if one.change is not None:
        limited = min(max(one.change, -LARGEST_CHANGE), LARGEST_CHANGE)
        changes = {SIGNED_LOG.bin(limited): 1}
        total = round(limited * UNITS_PER_ONE)
    return FieldPairs(
        pairs=1,
        differing=int(one.kind != "same"),
        absent=int(one.kind in ("missing", "added")),
        retyped=int(one.kind == "type"),
        changes=changes,
        total=total,
    )


@dataclass(frozen=True, slots=True)
class Excess:
    """How much more often the candidate differs than the baseline from itself, as a share of pairs.

    subject: a field's path, or WHOLE for answers as such. share, noise: as counted (noise None without twins).
    at_least, at_most: bounds on the true excess that hold at every look together, but for a probability of alpha.
    """

    subject: str
    pairs: int
    twins: int
    share: float
    noise: float | None
    at_least: float
    at_most: float
    mean_change: float | None = None

    def is_above(self, margin: float) -> bool:
        """Whether the excess is surely more than `margin`."""
        return self.at_least > margin

    def is_within(self, margin: float) -> bool:
        """Whether the excess is surely at most `margin`."""
        return self.at_most <= margin

    def __str__(self) -> str:
        noise = "unknown (no twins yet)" if self.noise is None else f"{self.noise:.2%} of {self.twins:,} twins"
        change = "" if self.mean_change is None else f", by {self.mean_change:+.4g} on average"
        return (
            f"{self.subject}: {self.share:.2%} of {self.pairs:,} pairs differ{change}; noise {noise}; "
            f"excess surely between {self.at_least:.2%} and {self.at_most:.2%}"
        )


def excess_of_answers(shadow: PairCounts, twins: PairCounts, alpha: float = 0.05) -> Excess:
    """The excess of answers as a whole: what a verdict rests on."""
    return _excess(WHOLE, (shadow.differing, shadow.pairs), (twins.differing, twins.pairs), alpha)


def excess_by_field(shadow: PairCounts, twins: PairCounts, alpha: float = 0.05) -> tuple[Excess, ...]:
    """The excess of each field, the surest first; alpha is shared among all fields, so that naming a field that
    carries the difference is as safe as the verdict. Shares are of all pairs: a field that is in neither answer
    agrees. Of the fields beyond the limit, which add up as one, shares are of their comparisons.
    """
    each = alpha / max(len(shadow.fields), 1)
    found = []
    for name, c in shadow.fields.items():
        t = twins.fields.get(name, FieldPairs())
        pairs, of_twins = (c.pairs, t.pairs) if name == OTHER else (shadow.pairs, twins.pairs)
        found.append(_excess(name, (c.differing, pairs), (t.differing, of_twins), each, c.mean_change))
    return tuple(sorted(found, key=lambda e: (-e.at_least, -e.share, e.subject)))


def _excess(
    subject: str, counted: tuple[int, int], noisy: tuple[int, int], alpha: float, mean: float | None = None
) -> Excess:
    (differing, pairs), (unlike, twins) = counted, noisy
    low, high = share_bounds(differing, pairs, alpha / 2)
    noise_low, noise_high = share_bounds(unlike, twins, alpha / 2)
    return Excess(
        subject=subject,
        pairs=pairs,
        twins=twins,
        share=differing / pairs if pairs else 0.0,
        noise=unlike / twins if twins else None,
        at_least=max(0.0, low - noise_high),
        at_most=max(0.0, high - noise_low),
        mean_change=mean,
    )


def pairs_until_within(shadow: PairCounts, twins: PairCounts, margin: float, alpha: float = 0.05) -> int | None:
    """How many more pairs, with twins in proportion, would show that the excess is within `margin`, if shares stay
    as they are; None when they would not.
    """
    counted, noisy = (shadow.differing, shadow.pairs), (twins.differing, twins.pairs)

    def is_within(times: float) -> bool:
        grown = [(round(hits * times), round(trials * times)) for hits, trials in (counted, noisy)]
        return _excess(WHOLE, grown[0], grown[1], alpha).is_within(margin)

    if not shadow.pairs:
        return None
    enough = next((2.0**power for power in range(12) if is_within(2.0**power)), None)
    if enough is None or enough == 1:
        return None if enough is None else 0
    least = enough / 2
    for _ in range(3):
        middle = (least + enough) / 2
        least, enough = (least, middle) if is_within(middle) else (middle, enough)
    return math.ceil(shadow.pairs * (enough - 1))


def noisy_fields(twins: PairCounts, share: float = 0.01) -> tuple[str, ...]:
    """Fields in which the baseline surely disagrees with itself in more than `share` of twins: candidates for
    `ignore` or a tolerance.
    """
    return tuple(
        name for name, c in sorted(twins.fields.items()) if share_bounds(c.differing, c.pairs, 0.05)[0] > share
    )
