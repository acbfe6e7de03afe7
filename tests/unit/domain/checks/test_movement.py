"""Series of what moved: windows held against the baseline's first ones, with the floor of their noise."""

from __future__ import annotations

import pytest

from interlock.domain.checks.diagnosis import Series
from interlock.domain.checks.evidence import ArmCounts
from interlock.domain.checks.movement import (
    GRAINS,
    REFERENCE_COUNT,
    TOLERATED_ERRORS,
    TOLERATED_SHARE,
    Spell,
    broken_baseline,
    coarser,
    series_of,
    slower,
)
from interlock.domain.checks.shadow import FieldPairs, PairCounts


def spells(candidate: list[ArmCounts], baseline: list[ArmCounts]) -> list[Spell]:
    return [
        Spell(2.0 * (i + 1), candidate={"s": c}, baseline={"s": b})
        for i, (c, b) in enumerate(zip(candidate, baseline, strict=True))
    ]


def beyond(series: Series) -> list[int]:
    """Windows in which it is surely beyond its tolerance."""
    return [i for i, w in enumerate(series.windows) if w.at_least > series.tolerated]


def only(found: tuple[Series, ...], kind: str, arm: str = "", segment: str = "") -> Series:
    return next(s for s in found if (s.kind, s.arm, s.segment) == (kind, arm, segment))


WELL = ArmCounts(500, 2, {40: 500})


def test_each_arm_is_held_against_the_baselines_first_windows() -> None:
    """A candidate that is broken from its first request on has moved; the baseline has not."""
    found = series_of(spells([ArmCounts(500, 200)] * 5, [WELL] * 5), {}, {})
    assert beyond(only(found, "errors", "candidate")) == [1, 2, 3, 4]
    assert beyond(only(found, "errors", "baseline")) == []


def test_few_requests_are_taken_together_and_dated_no_earlier_than_they_were_there() -> None:
    """A throttled candidate goes on failing with two requests in a window: still beyond, from when it began."""
    thin = [ArmCounts(2, 1)] * 40
    found = series_of(spells([WELL, WELL, ArmCounts(500, 250), *thin], [WELL] * 43), {}, {})
    assert beyond(only(found, "errors", "candidate"))[:20] == list(range(2, 22))
    late = series_of(spells([WELL] * 3 + thin, [WELL] * 43), {}, {})
    assert min(beyond(only(late, "errors", "candidate"))) > 20


def test_segments_are_looked_at_one_by_one() -> None:
    """All is hardly worse, one segment much."""

    def arm(bad: int) -> ArmCounts:
        segments = {"a": (4_500, 20, 4_500), "b": (500, bad, 500)}
        return ArmCounts(5_000, 20 + bad, segments=segments)

    found = series_of(spells([arm(0)] * 3 + [arm(100)] * 4, [arm(0)] * 7), {}, {})
    assert beyond(only(found, "errors", "candidate", "b")) == [3, 4, 5, 6]
    assert beyond(only(found, "errors", "candidate", "a")) == []


@pytest.mark.parametrize(("shift", "moved"), [(0, False), (1, False), (4, True), (-4, False)])
def test_only_what_becomes_slower_by_more_than_a_bin_has_moved(shift: int, moved: bool) -> None:
    """9 % more is nothing; faster is none either."""
    effect, floor = slower({40: 600, 44: 400}, {40 + shift: 600, 44 + shift: 400}, 0.001)
    assert (effect - floor > TOLERATED_SHARE) == moved


def test_answers_on_the_same_requests_are_told_beyond_the_noise_of_all_twins() -> None:
    """A field that twins disagree in as often has not moved; another one has."""

    def pairs(n: int, noisy: int, worse: int) -> PairCounts:
        fields = {"at": FieldPairs(n, noisy), "score": FieldPairs(n, worse)}
        return PairCounts(n, max(noisy, worse), fields=fields)

    windows = [Spell(2.0 * i, shadow=pairs(400, 120, 160), twins=pairs(400, 120, 0)) for i in range(1, 6)]
    found = {s.subject: beyond(s) for s in series_of(windows, {}, {})}
    assert found["score"] == [0, 1, 2, 3, 4]
    assert found["at"] == []


def test_windows_add_to_coarser_ones() -> None:
    """Sums stay, the time is the last one's, and what is left over is kept."""
    windows = spells([WELL] * 5, [WELL] * 5)
    merged = coarser(windows, 2)
    assert [w.at_s for w in merged] == [4.0, 8.0, 10.0]
    assert sum(w.candidate["s"].requests for w in merged) == 2_500
    assert coarser(windows, GRAINS[0]) == tuple(windows)


def test_a_broken_baseline_is_named() -> None:
    """It failed more than a tenth of its requests, surely; two bad ones of five hundred are no such thing."""
    assert broken_baseline(spells([WELL] * 3, [ArmCounts(500, 150)] * 3))[0].startswith("the baseline of s itself")
    assert broken_baseline(spells([ArmCounts(500, 150)] * 3, [WELL] * 3)) == ()


def test_nothing_moves_before_there_is_something_to_compare_with() -> None:
    """The first windows are the reference, however few their requests."""
    few = [ArmCounts(REFERENCE_COUNT // 10, 5)] * 4
    assert all(not beyond(s) for s in series_of(spells(few, few), {}, {}))
    assert TOLERATED_ERRORS > 0
