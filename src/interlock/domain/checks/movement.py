"""What moved over time, as series that a diagnosis compares: windows of counts, each with its floor of noise.

A window is held against the first windows of the baseline, so that a candidate that is broken from its first
request on has moved as well. Floors hold for all windows and grains together: window k spends alpha / (k (k + 1)).

Limits: requests count as independent; bursts and callers that stick to an arm move more than the floors say.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import TypeVar

from interlock.domain.checks.bins import add_bins, cumulative
from interlock.domain.checks.diagnosis import Arm, Kind, Series, Window
from interlock.domain.checks.drift import drifts
from interlock.domain.checks.evidence import ArmCounts, Bins
from interlock.domain.checks.shadow import OTHER, STATUS, PairCounts, excess_by_field
from interlock.domain.checks.shape import Layout, Shape, names_release
from interlock.domain.checks.share import share_bounds

ALPHA = 0.01
GRAINS = (1, 2, 4, 8, 16)
"""Windows are looked at as they are, and several as one, because faint movements do not show in short ones."""
REFERENCE_COUNT = 200
"""The first windows that hold so many counts together are what later ones are held against."""

LEAST_COUNT = 50
"""Requests of an arm that say something about it."""

TOLERATED_SHARE = 0.1
"""Records, answers or requests whose distribution may move unnoticed."""
TOLERATED_ERRORS = 0.02


Addable = TypeVar("Addable", Shape, ArmCounts)


@dataclass(frozen=True, slots=True)
class Spell:
    """What was counted in one window of a rollout that ended `at_s` seconds after its start, by service.

    asked: shapes of requests, by service and segment; answered: shapes of the answers of both arms, in equal
    numbers (candidate, baseline); shadow, twins: pairs of answers; candidate, baseline: what callers got.
    """

    at_s: float
    asked: Mapping[str, Mapping[str, Shape]] = field(default_factory=dict)
    answered: Mapping[str, tuple[Shape, Shape]] = field(default_factory=dict)
    shadow: PairCounts = field(default_factory=PairCounts)
    twins: PairCounts = field(default_factory=PairCounts)
    candidate: Mapping[str, ArmCounts] = field(default_factory=dict)
    baseline: Mapping[str, ArmCounts] = field(default_factory=dict)

    def __add__(self, later: Spell) -> Spell:
        """Both windows as one."""
        segments = {s: (self.asked.get(s, {}), later.asked.get(s, {})) for s in {*self.asked, *later.asked}}
        nothing = (Shape(), Shape())
        arms = {s: (self.answered.get(s, nothing), later.answered.get(s, nothing)) for s in _names(self, later)}
        return Spell(
            at_s=later.at_s,
            asked={s: _added(a, b, Shape()) for s, (a, b) in sorted(segments.items())},
            answered={s: (a[0] + b[0], a[1] + b[1]) for s, (a, b) in arms.items()},
            shadow=self.shadow + later.shadow,
            twins=self.twins + later.twins,
            candidate=_added(self.candidate, later.candidate, ArmCounts()),
            baseline=_added(self.baseline, later.baseline, ArmCounts()),
        )


def _names(a: Spell, b: Spell) -> list[str]:
    return sorted({*a.answered, *b.answered})


def _added(a: Mapping[str, Addable], b: Mapping[str, Addable], nothing: Addable) -> dict[str, Addable]:
    return {name: a.get(name, nothing) + b.get(name, nothing) for name in sorted({*a, *b})}


def coarser(spells: Sequence[Spell], by: int) -> tuple[Spell, ...]:
    """The same with `by` windows made one, and what is left over at the end."""
    groups = [spells[i : i + by] for i in range(0, len(spells), by)]
    return tuple(reduce(operator.add, group) for group in groups)


def series_of(
    spells: Sequence[Spell], asked: Mapping[str, Layout], answered: Mapping[str, Layout]
) -> tuple[Series, ...]:
    """Every series that the windows hold. asked, answered: how requests and answers of each service are counted."""
    return (
        *_inputs(spells, asked),
        *_answers_of_pairs(spells),
        *_answers_of_arms(spells, answered),
        *(s for arm in _ARMS for s in _felt(spells, arm)),
    )


_ARMS: tuple[Arm, ...] = ("candidate", "baseline")
_UNSEEN = (0.0, 1.0)
Marks = dict[tuple[str, str], list[tuple[float, float]]]
"""(subject, segment) -> effect and floor in each window."""


def _spent(number: int) -> float:
    return ALPHA / len(GRAINS) / ((number + 1) * (number + 2))


def _series(kind: Kind, spells: Sequence[Spell], marks: Marks, tolerated: float, arm: Arm = "") -> Iterator[Series]:
    for (subject, segment), found in sorted(marks.items()):
        windows = tuple(Window(s.at_s, e, f) for s, (e, f) in zip(spells, found, strict=True))
        yield Series(kind, subject, windows, tolerated, segment, arm)


def _mark(marks: Marks, subject: tuple[str, str], number: int, of: int, effect: float, floor: float) -> None:
    """Keep the surest effect of a subject in a window."""
    found = marks.setdefault(subject, [_UNSEEN] * of)
    if effect - floor > found[number][0] - found[number][1]:
        found[number] = (effect, floor)


def _inputs(spells: Sequence[Spell], layouts: Mapping[str, Layout]) -> Iterator[Series]:
    marks: Marks = {}
    for service, layout in sorted(layouts.items()):
        for segment in sorted({s for spell in spells for s in spell.asked.get(service, {})}):
            reference = Shape()
            for number, spell in enumerate(spells):
                shape = spell.asked.get(service, {}).get(segment, Shape())
                if reference.records < REFERENCE_COUNT:
                    reference += shape
                    continue
                for drift in drifts(reference, shape, layout, _spent(number)):
                    subject = (f"{service} {drift.field}", segment)
                    _mark(marks, subject, number, len(spells), drift.effect, drift.floor)
    return _series("inputs", spells, marks, TOLERATED_SHARE)


def _answers_of_pairs(spells: Sequence[Spell]) -> Iterator[Series]:
    """The candidate against the baseline on the same requests; noise is that of all twins together. A field that is
    no number and differs in every single pair says which release answered.
    """
    marks: Marks = {}
    twins = PairCounts()
    every = sum((spell.shadow for spell in spells), PairCounts())
    named = {n for n, f in every.fields.items() if f.differing == every.pairs and f.mean_change is None}
    for number, spell in enumerate(spells):
        twins += spell.twins
        if not spell.shadow.pairs:
            continue
        for excess in excess_by_field(spell.shadow, twins, _spent(number)):
            if excess.subject not in (OTHER, STATUS, *named):
                effect = max(0.0, excess.share - (excess.noise or 0.0))
                floor = effect - excess.at_least
                _mark(marks, (excess.subject, ""), number, len(spells), effect, floor)
    return _series("answers", spells, marks, TOLERATED_SHARE)


def _answers_of_arms(spells: Sequence[Spell], layouts: Mapping[str, Layout]) -> Iterator[Series]:
    """The candidate's answers against the baseline's in the same window, where callers are assigned by chance."""
    marks: Marks = {}
    for service, layout in sorted(layouts.items()):
        arms = [spell.answered.get(service, (Shape(), Shape())) for spell in spells]
        both = sum((b for _, b in arms), Shape()), sum((c for c, _ in arms), Shape())
        names = {one.field.name for one in layout.fields if not names_release(one, *both)}
        for number, (candidate, baseline) in enumerate(arms):
            if candidate.records and baseline.records:
                found = drifts(baseline, candidate, layout, _spent(number))
                for drift in (d for d in found if d.field in names):
                    subject = (f"{service} {drift.field}", "")
                    _mark(marks, subject, number, len(spells), drift.effect, drift.floor)
    return _series("answers", spells, marks, TOLERATED_SHARE)


def _felt(spells: Sequence[Spell], arm: Arm) -> Iterator[Series]:
    """Bad and slow answers of one arm, held against the baseline's first windows."""
    errors: Marks = {}
    slow: Marks = {}
    for service in sorted({s for spell in spells for s in (*spell.candidate, *spell.baseline)}):
        reference, known = _first_windows([spell.baseline.get(service, ArmCounts()) for spell in spells])
        counts = [(s.candidate if arm == "candidate" else s.baseline).get(service, ArmCounts()) for s in spells]
        for segment in ("", *_shared_segments(reference, counts)):
            before = _bad(reference, segment)
            told = [_bad(c, segment) for c in counts[known:]]
            rises = _rises_of_share(before, told, known)
            _mark_groups(errors, (service, segment), rises, len(spells), TOLERATED_ERRORS)
        rises = _rises_of_latency(reference.latency, [c.latency for c in counts[known:]], known)
        _mark_groups(slow, (service, ""), rises, len(spells), TOLERATED_SHARE)
    yield from _series("errors", spells, errors, TOLERATED_ERRORS, arm)
    yield from _series("latency", spells, slow, TOLERATED_SHARE, arm)


def _first_windows(counts: Sequence[ArmCounts]) -> tuple[ArmCounts, int]:
    """The first windows together, and the number of the first one that is held against them."""
    reference = ArmCounts()
    for number, one in enumerate(counts):
        if reference.requests >= REFERENCE_COUNT:
            return reference, number
        reference += one
    return reference, len(counts)


def _shared_segments(reference: ArmCounts, counts: Sequence[ArmCounts]) -> list[str]:
    """Segments to look at one by one; none where there is one alone."""
    both = sorted(set(reference.segments) & {name for c in counts for name in c.segments})
    return both if len(both) > 1 else []


def _bad(counts: ArmCounts, segment: str) -> tuple[int, int]:
    """Bad answers and requests."""
    if not segment:
        return counts.bad, counts.requests
    requests, bad, _ = counts.segments.get(segment, (0, 0, 0))
    return bad, requests


Rise = tuple[range, float, float]
"""Windows, and by how much they rose together: effect and floor."""


def _rises_of_share(before: tuple[int, int], told: Sequence[tuple[int, int]], known: int) -> Iterator[Rise]:
    if not before[1]:
        return
    for group in _groups([n for _, n in told]):
        after = sum(told[i][0] for i in group), sum(told[i][1] for i in group)
        if after[1]:
            yield _moved_on(group, known), *_rise(before, after, _spent(known + group.start))


def _rises_of_latency(before: Bins, told: Sequence[Bins], known: int) -> Iterator[Rise]:
    if not before:
        return
    for group in _groups([sum(bins.values()) for bins in told]):
        after: Bins = {}
        for i in group:
            after = add_bins(after, told[i])
        if after:
            yield _moved_on(group, known), *slower(before, after, _spent(known + group.start))


def _moved_on(group: range, by: int) -> range:
    return range(group.start + by, group.stop + by)


def _groups(counts: Sequence[int]) -> Iterator[range]:
    """Windows that hold enough stand alone; others are taken together until they do, because a throttled candidate
    has few requests in any one.
    """
    start = held = 0
    for number, count in enumerate(counts):
        if count >= LEAST_COUNT and number > start:
            yield range(start, number)
            start = number
        held = held + count if number > start else count
        if held >= LEAST_COUNT:
            yield range(start, number + 1)
            start, held = number + 1, 0
    if start < len(counts):
        yield range(start, len(counts))


def _mark_groups(marks: Marks, subject: tuple[str, str], rises: Iterable[Rise], of: int, tolerated: float) -> None:
    """What windows show together stands for each of them where the windows before had moved already; else for the
    last two, so that nothing is dated before it was there.
    """
    was_beyond = False
    for group, effect, floor in rises:
        for number in group if was_beyond else group[-2:]:
            _mark(marks, subject, number, of, effect, floor)
        was_beyond = effect - floor > tolerated


def _rise(before: tuple[int, int], after: tuple[int, int], alpha: float) -> tuple[float, float]:
    """How much a share rose, and the floor of its noise."""
    effect = max(0.0, after[0] / after[1] - before[0] / before[1])
    surely = share_bounds(*after, alpha / 2)[0] - share_bounds(*before, alpha / 2)[1]
    return effect, effect - max(0.0, surely)


def slower(reference: Bins, counts: Bins, alpha: float) -> tuple[float, float]:
    """The share of requests by which latency moved up, beyond one bin (9 %), and the floor of its noise (Dvoretzky,
    Kiefer and Wolfowitz, one side, both samples). A faster service has not moved.
    """
    shifted = {b + 1: n for b, n in reference.items()}
    keys = sorted({*shifted, *counts})
    ahead = zip(cumulative(shifted, keys), cumulative(counts, keys), strict=True)
    effect = max(0.0, *(x - y for x, y in ahead))
    n, m = sum(reference.values()), sum(counts.values())
    return effect, math.sqrt(math.log(1 / alpha) / 2 * (1 / n + 1 / m))


def broken_baseline(spells: Sequence[Spell], share: float = 0.1) -> tuple[str, ...]:
    """Services whose baseline itself surely fails more than `share` of its requests, in words: that is no deed of
    the candidate.
    """
    found = []
    for service in sorted({s for spell in spells for s in spell.baseline}):
        counts = sum((spell.baseline.get(service, ArmCounts()) for spell in spells), ArmCounts())
        if counts.requests and share_bounds(counts.bad, counts.requests, ALPHA)[0] > share:
            found.append(
                f"the baseline of {service} itself failed {counts.bad / counts.requests:.1%} of "
                f"{counts.requests:,} requests"
            )
    return tuple(found)
