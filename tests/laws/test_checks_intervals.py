"""Laws of the intervals: how often they miss in seeded simulations, and what they do not depend on."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from interlock.domain.checks.check import Estimate, Fail, at_most
from interlock.domain.checks.measures.calibration import calibration
from interlock.domain.checks.measures.drift import drift
from interlock.domain.checks.measures.fairness import fairness
from interlock.domain.checks.measures.judge import judge_parts
from interlock.domain.checks.measures.laws import Law, Quantile, RankShare, Share, estimate, mean_of
from interlock.domain.checks.measures.quality import auc, quality

ALPHA = 0.05
RUNS = 200
MOST_MISSES = int(stats.binom.ppf(1 - 1e-6, RUNS, ALPHA))
"""A sound interval misses more often than this in one of a million such simulations."""

unit = st.floats(0, 1, allow_nan=False)


def misses(one: Callable[[random.Random], Estimate | None], truth: float) -> int:
    """How many of the runs have an interval without the truth."""
    chance = random.Random(2013)
    found = [one(chance) for _ in range(RUNS)]
    return sum(not holds(e, truth) for e in found)


def rejections(one: Callable[[random.Random], Law], truth: float) -> int:
    """How many of the runs reject the truth, on either side: then no interval made of these p-values holds it."""
    chance = random.Random(2013)
    laws = [one(chance) for _ in range(RUNS)]
    return sum(min(law.p_at_most(truth), law.p_at_least(truth)) <= ALPHA / 2 for law in laws)


def holds(found: Estimate | None, truth: float) -> bool:
    assert found is not None
    lower = -math.inf if found.lower is None else found.lower
    return lower <= truth <= (math.inf if found.upper is None else found.upper)


@pytest.mark.parametrize(("rows", "p"), [(20, 0.02), (60, 0.5), (200, 0.97)])
def test_shares_are_covered(rows: int, p: float) -> None:
    """The exact binomial interval keeps its promise for rare, even and near-certain events."""
    assert rejections(lambda r: Share(sum(r.random() < p for _ in range(rows)), rows), p) <= MOST_MISSES


@pytest.mark.parametrize("shape", [(1, 1), (0.3, 3), (8, 2)])
def test_means_are_covered(shape: tuple[float, float]) -> None:
    """The betting interval keeps its promise for flat, skewed and narrow losses."""
    a, b = shape
    mean = 10 * a / (a + b)
    assert rejections(lambda r: mean_of([10 * r.betavariate(a, b) for _ in range(80)], 0, 10), mean) <= MOST_MISSES


def test_rare_large_losses_are_covered() -> None:
    """A loss that is almost always 0 and seldom the cap does not fool the interval, as it does a normal one."""
    assert rejections(lambda r: mean_of([float(r.random() < 0.01) for _ in range(60)], 0, 1), 0.01) <= MOST_MISSES


def test_quantiles_are_covered() -> None:
    """Order statistics hold the true 0.9 quantile of a long-tailed law."""
    latencies = lambda r: Quantile(sorted(r.expovariate(1) for _ in range(100)), 0.9)  # noqa: E731 - one line
    assert rejections(latencies, math.log(10)) <= MOST_MISSES


def test_quantiles_of_tied_numbers_are_covered() -> None:
    """Latencies in whole milliseconds have many ties; the 0.9 quantile of these is 2."""
    one = lambda r: Quantile(sorted(r.choices([1.0, 2.0, 3.0], [50, 45, 5], k=100)), 0.9)  # noqa: E731 - one line
    assert rejections(one, 2.0) <= MOST_MISSES


def test_auc_is_covered() -> None:
    """Scores of two normal laws one deviation apart have an AUC of Phi(1/sqrt 2)."""

    def one(r: random.Random) -> Law:
        positives = [True] * 30 + [False] * 50
        return RankShare(auc([r.gauss(float(p), 1) for p in positives], positives), 30)

    assert rejections(one, stats.norm.cdf(1 / math.sqrt(2))) <= MOST_MISSES


@pytest.mark.parametrize(("shift", "bins"), [(0.0, 10), (0.2, 10), (0.0, 80)])
def test_calibration_errors_are_covered(shift: float, bins: int) -> None:
    """The interval holds the true error of predictions that are right, also over many bins, where the sample's
    error is far too high, and of predictions that are 0.2 too low.
    """

    def one(r: random.Random) -> Estimate | None:
        chances = [0.8 * (k % bins) / bins for k in range(400)]
        labels = [int(r.random() < c + shift) for c in chances]
        return calibration(chances, labels, limit=0.1, bins=bins, alpha=ALPHA).estimate

    assert misses(one, shift) <= MOST_MISSES


def test_parity_is_covered() -> None:
    """The simultaneous interval holds the true difference of three groups' selection rates."""
    rates = {"a": 0.5, "b": 0.35, "c": 0.45}

    def one(r: random.Random) -> Estimate | None:
        groups = [g for g in rates for _ in range(60)]
        decisions = [int(r.random() < rates[g]) for g in groups]
        return fairness("demographic_parity_difference", decisions, groups, limit=0.1, alpha=ALPHA).estimate

    assert misses(one, 0.15) <= MOST_MISSES


@pytest.mark.parametrize("metric", ["jensen_shannon", "psi", "standardised_difference"])
def test_two_samples_of_one_law_stay_below_the_noise_floor(metric: str) -> None:
    """The distance of two samples of one law exceeds its noise floor about as seldom as alpha says."""

    def one(r: random.Random) -> bool:
        columns = ({"x": [r.gauss(0, 1) for _ in range(n)]} for n in (300, 200))
        (part,) = drift(*columns, limit=0.1, metric=metric, alpha=ALPHA).parts  # type: ignore[arg-type] # by name
        assert part.estimate is not None
        return part.estimate.value > part.facts["noise_floor"]

    chance = random.Random(2013)
    exceeded = sum(one(chance) for _ in range(RUNS))
    assert exceeded <= MOST_MISSES
    assert metric == "psi" or exceeded >= 2


def test_good_segments_are_rarely_failed_together() -> None:
    """Twenty segments exactly at the limit: any is failed in at most alpha/2 of the runs (Holm)."""

    def one(r: random.Random) -> bool:
        laws: dict[str, Law] = {str(k): Share(sum(r.random() < 0.2 for _ in range(50)), 50) for k in range(20)}
        return any(isinstance(p.verdict, Fail) for p in judge_parts(laws, at_most(0.2), ALPHA))

    chance = random.Random(2013)
    assert sum(one(chance) for _ in range(RUNS)) <= stats.binom.ppf(1 - 1e-6, RUNS, ALPHA / 2)


@settings(max_examples=40, deadline=None)
@given(st.lists(unit, min_size=1, max_size=40), st.integers(0, 40), st.floats(0.05, 0.95))
def test_interval_ends_are_where_rejection_begins(numbers: list[float], hits: int, q: float) -> None:
    """Beyond each end of an interval the limits are rejected, within it they are not."""
    laws: list[Law] = [mean_of(numbers, 0, 1), Share(min(hits, 40), 40), Quantile(sorted(numbers), q)]
    for law in laws:
        found = estimate(law, ALPHA)
        assert found.lower is not None
        if found.lower > law.low:
            assert law.p_at_most(found.lower) <= ALPHA / 2 < law.p_at_most(found.lower + 1e-6)
        if found.upper is not None and found.upper < law.high:
            assert law.p_at_least(found.upper) <= ALPHA / 2 < law.p_at_least(found.upper - 1e-6)


@settings(max_examples=60, deadline=None)
@given(st.lists(unit, min_size=1, max_size=60), st.randoms())
def test_the_order_of_rows_says_nothing(losses: list[float], chance: random.Random) -> None:
    """Rows in another order give the same interval."""
    shuffled = chance.sample(losses, len(losses))
    assert estimate(mean_of(losses, 0, 1), ALPHA) == estimate(mean_of(shuffled, 0, 1), ALPHA)


@settings(max_examples=60, deadline=None)
@given(st.lists(unit, min_size=1, max_size=60))
def test_intervals_hold_their_value_and_grow_with_confidence(losses: list[float]) -> None:
    """An interval contains its statistic, and a surer one contains the less sure."""
    found, surer = (estimate(mean_of(losses, 0, 1), alpha) for alpha in (0.1, 0.01))
    assert found.lower is not None
    assert found.upper is not None
    assert found.lower <= found.value + 1e-9
    assert found.value <= found.upper + 1e-9
    assert holds(surer, found.lower)
    assert holds(surer, found.upper)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=4, max_size=40), st.data())
def test_auc_sees_ranks_alone(scores: list[int], data: st.DataObject) -> None:
    """A monotone transformation changes nothing, turning the scores around turns the AUC, and it counts pairs."""
    positives = data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    if len(set(positives)) < 2:
        return
    found = auc(scores, positives)
    pairs = [(a > b) + (a == b) / 2 for a, p in zip(scores, positives, strict=True) if p
             for b, q in zip(scores, positives, strict=True) if not q]  # fmt: skip
    assert found == pytest.approx(sum(pairs) / len(pairs))
    assert auc([math.exp(s) for s in scores], positives) == found
    assert auc([-s for s in scores], positives) == pytest.approx(1 - found)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-50, 50), min_size=30, max_size=60), st.lists(st.floats(-50, 50), min_size=30, max_size=60)
)
def test_distances_are_symmetric_and_see_no_unit(a: list[float], b: list[float]) -> None:
    """Which sample comes first does not matter, nor does the unit of the column; nothing is far from itself."""
    there, back = (drift({"x": x}, {"x": y}, limit=0.1).estimate for x, y in ((a, b), (b, a)))
    scaled = drift({"x": [4 * x for x in a]}, {"x": [4 * x for x in b]}, limit=0.1).estimate
    itself = drift({"x": a}, {"x": a}, limit=0.1).estimate
    assert there is not None
    assert back is not None
    assert there.value == pytest.approx(back.value)
    assert scaled == there
    assert itself is not None
    assert itself.value == pytest.approx(0, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(unit, unit, unit), min_size=2, max_size=50))
def test_a_paired_comparison_turns_around(rows: list[tuple[float, float, float]]) -> None:
    """Candidate against baseline is the mirror image of baseline against candidate."""
    candidate, baseline, labels = (list(column) for column in zip(*rows, strict=True))
    ahead = quality("mae", candidate, labels, limit=0.1, cap=1, baseline=baseline).estimate
    back = quality("mae", baseline, labels, limit=0.1, cap=1, baseline=candidate).estimate
    assert ahead is not None
    assert back is not None
    assert (ahead.value, ahead.lower) == pytest.approx((-back.value, -(back.upper or 0)))
