"""Laws of shadow pairs, shapes, bounds and diagnoses."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from interlock.domain.checks import shadow
from interlock.domain.checks.bins import SIGNED_LOG, Edges, even_edges, middle_of
from interlock.domain.checks.compare import STRICT, ComparisonRules, Tolerance, compare_answers, differing_fields
from interlock.domain.checks.delay import Block, Cohort, curve_of, delay_bin, maturity, pace_of
from interlock.domain.checks.diagnosis import CLEAR_LEAD, Cause, Series, Window, diagnose
from interlock.domain.checks.drift import drifts
from interlock.domain.checks.shadow import PairCounts, count_pair, excess_of_answers
from interlock.domain.checks.shape import Shape, layout_of, shape_of
from interlock.domain.checks.share import share_bounds
from interlock.domain.checks.violations import ViolationCounts, count_violations
from interlock.domain.schemas.contract import record
from interlock.domain.schemas.field import NUMBER, STRING, Field

names = st.sampled_from(["a", "b", "c", "d"])
scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-1e3, 1e3) | st.sampled_from(["x", "y"])
answers = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)
objects = st.dictionaries(names, answers, max_size=4)


def body(value: Any) -> bytes:
    return json.dumps(value).encode()


pairs = st.builds(
    lambda a, b, s: count_pair(s, 200, body(a), body(b)), objects, objects, st.sampled_from([200, 200, 404, 500])
)


@given(answers)
def test_an_answer_agrees_with_itself(answer: Any) -> None:
    """Whatever it is made of, in its order and in any order."""
    assert differing_fields(body(answer), body(answer)) == ()
    assert differing_fields(body(answer), body(answer), ComparisonRules(any_order=("**",))) == ()


@given(answers, answers)
def test_comparison_has_no_favourite(a: Any, b: Any) -> None:
    """Swapping the arms finds the same fields, with changes turned round."""
    there, back = compare_answers(body(a), body(b)), compare_answers(body(b), body(a))
    assert [f.path for f in there] == [f.path for f in back]
    assert [abs(f.change or 0) for f in there] == [abs(f.change or 0) for f in back]
    assert {f.path for f in there if f.kind == "missing"} == {f.path for f in back if f.kind == "added"}


@given(answers, answers)
def test_rules_only_forgive(a: Any, b: Any) -> None:
    """No tolerance and no ignored field makes a difference of what agreed; ignoring all forgives all."""
    strict = set(differing_fields(body(a), body(b), STRICT))
    loose = ComparisonRules(ignore=("a", "**.b"), tolerate=(Tolerance("**", absolute=3.0, relative=1e-9),))
    assert set(differing_fields(body(a), body(b), loose)) <= strict
    assert differing_fields(body(a), body(b), ComparisonRules(ignore=("",))) == ()


@given(st.lists(answers, max_size=6), st.randoms(use_true_random=False))
def test_any_order_means_any_order(elements: list[Any], chance: random.Random) -> None:
    """A shuffled list agrees with itself."""
    shuffled = list(elements)
    chance.shuffle(shuffled)
    assert differing_fields(body({"x": elements}), body({"x": shuffled}), ComparisonRules(any_order=("x",))) == ()


@given(st.lists(pairs, max_size=6), st.randoms(use_true_random=False))
def test_pairs_add_in_any_order(counted: list[PairCounts], chance: random.Random) -> None:
    """Any grouping of the same pairs gives the same counts."""
    shuffled = list(counted)
    chance.shuffle(shuffled)
    cut = chance.randint(0, len(shuffled))
    halves = sum(shuffled[:cut], PairCounts()) + sum(shuffled[cut:], PairCounts())
    assert halves == sum(counted, PairCounts())


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 190)), min_size=2, max_size=5),
    st.randoms(use_true_random=False),
)
@settings(max_examples=30)
def test_too_many_fields_add_up_in_any_order(ranges: list[tuple[int, int]], chance: random.Random) -> None:
    """Also when the limit on fields is met in between: nothing is lost, and the order does not matter."""
    counted = [
        count_pair(200, 200, body({f"k{i * 7919 % 601}": 1 for i in range(start, start + length)}), b"{}")
        for start, length in ranges
    ]
    shuffled = list(counted)
    chance.shuffle(shuffled)
    total = sum(counted, PairCounts())
    assert sum(shuffled, PairCounts()) == total
    assert len(total.fields) <= shadow.FIELD_LIMIT + 1
    assert sum(f.absent for f in total.fields.values()) == sum(length for _, length in ranges)


@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from([0.2, 0.05, 0.001]))
def test_bounds_hold_what_was_counted(hits: int, misses: int, alpha: float) -> None:
    """The share is within its bounds, and more certainty means wider ones."""
    low, high = share_bounds(hits, hits + misses, alpha)
    wide_low, wide_high = share_bounds(hits, hits + misses, alpha / 10)
    assert 0 <= wide_low <= low <= high <= wide_high <= 1
    if hits + misses:
        assert low <= hits / (hits + misses) <= high


def test_bounds_hold_at_every_look() -> None:
    """A run in which the bounds ever exclude the true share is as rare as promised, over 400 runs and all looks."""
    chance, alpha = random.Random(1), 0.05
    wrong = 0
    for _ in range(400):
        p, hits = chance.choice([0.01, 0.2, 0.5]), 0
        for n in range(1, 301):
            hits += chance.random() < p
            if n % 10 == 0:
                low, high = share_bounds(hits, n, alpha)
                if not low <= p <= high:
                    wrong += 1
                    break
    assert wrong <= 400 * alpha * 1.5


def test_excess_over_noise_is_rarely_claimed_without_one() -> None:
    """Candidate pairs and twins of one noise: an excess is claimed in no more runs than alpha allows."""
    chance, alpha, wrong = random.Random(2), 0.1, 0
    for _ in range(200):
        shadow_counts, twins = (
            PairCounts(pairs=n, differing=sum(chance.random() < 0.2 for _ in range(n))) for n in (300, 200)
        )
        wrong += excess_of_answers(shadow_counts, twins, alpha).at_least > 0
    assert wrong <= 200 * alpha


@given(st.floats(-1e16, 1e16), st.floats(-1e16, 1e16))
def test_bins_rise_with_values(x: float, y: float) -> None:
    """A greater value is never in a lower bin, and a bin's middle is near its values."""
    for grid in (SIGNED_LOG, even_edges(-10.0, 10.0, 7), Edges((0.0,))):
        assert grid.bin(min(x, y)) <= grid.bin(max(x, y))
    if 1e-8 < abs(x) < 1e15:
        assert abs(middle_of(SIGNED_LOG, SIGNED_LOG.bin(x)) / x - 1) < 0.05


CONTRACT = record(
    "c", "1", (Field("x", NUMBER, required=False, minimum=-50, maximum=50), Field("w", STRING, enum=("p", "q")))
)
LAYOUT = layout_of(CONTRACT)
records = st.lists(
    st.fixed_dictionaries(
        {},
        optional={"x": st.none() | st.floats(-99, 99) | st.just("?"), "w": st.sampled_from(["p", "q", "r", None])},
    ),
    max_size=12,
)


@given(records, records, records)
def test_shapes_and_violations_add_in_any_order(a: list[Any], b: list[Any], c: list[Any]) -> None:
    """Associative, commutative, with an empty element; and the whole is the sum of its parts."""
    x, y, z = (shape_of(r, LAYOUT) for r in (a, b, c))
    assert (x + y) + z == x + (y + z) == shape_of(a + b + c, LAYOUT)
    assert x + y == y + x
    assert x + Shape() == Shape() + x == x
    bodies = [[body(r) for r in some] for some in (a, b)]
    parts = sum((count_violations(some, CONTRACT) for some in bodies), ViolationCounts())
    assert parts == count_violations(bodies[0] + bodies[1], CONTRACT)


@given(records)
def test_a_shape_does_not_drift_from_itself(some: list[Any]) -> None:
    """The effect between a shape and itself is nothing."""
    shape = shape_of(some, LAYOUT)
    assert [d.effect for d in drifts(shape, shape, LAYOUT) if d.effect > 1e-12] == []


def test_drift_is_rarely_claimed_without_one() -> None:
    """Of 150 series of ten looks at samples of one population, a drift is claimed in no more than alpha."""
    chance, alpha, wrong = random.Random(3), 0.1, 0
    for _ in range(150):
        reference, observed = Shape(), Shape()
        is_wrong = False
        for look in range(1, 11):
            for name in ("reference", "observed"):
                drawn = [{"x": chance.gauss(0, 9), "w": chance.choice("ppq")} for _ in range(20)]
                if name == "reference":
                    reference += shape_of(drawn, LAYOUT)
                else:
                    observed += shape_of(drawn, LAYOUT)
            is_wrong |= any(d.at_least for d in drifts(reference, observed, LAYOUT, alpha, look))
        wrong += is_wrong
    assert wrong <= 150 * alpha


@st.composite
def label_blocks(draw: st.DrawFn) -> list[Block]:
    cohorts = st.builds(
        lambda labels, extra: Cohort(len(labels) + extra, {b: labels.count(b) for b in sorted(set(labels))}),
        st.lists(st.integers(0, 9), max_size=20),
        st.integers(0, 10),
    )
    count = draw(st.integers(0, 8))
    return [Block(i, 30.0 * i, draw(cohorts), draw(cohorts)) for i in range(count)]


@given(label_blocks(), st.floats(0, 2_000))
def test_completeness_is_a_share_that_grows_with_age(blocks: Sequence[Block], now_s: float) -> None:
    """Whatever was counted: between 0 and 1, never less for an older block, and nothing immature is judged."""
    curve = curve_of((b.baseline, now_s - b.ended_s) for b in blocks)
    assert list(curve.shares) == sorted(curve.shares)
    assert all(0 <= share <= 1 for share in curve.shares)
    found = maturity(blocks, now_s, "m", threshold=0.9)
    assert all((found.completeness[n] or 0) >= 0.9 for n in found.mature)
    known = [share for _, share in sorted(found.completeness.items()) if share is not None]
    assert known == sorted(known, reverse=True)


@given(label_blocks())
def test_pace_has_no_favourite(blocks: Sequence[Block]) -> None:
    """Swapping the arms turns the ratio round."""
    there = pace_of(blocks)
    back = pace_of([Block(b.number, b.ended_s, b.baseline, b.candidate) for b in blocks])
    assert (there is None) == (back is None)
    if there and back:
        assert abs(there.ratio * back.ratio - 1) < 1e-9


def test_equal_delays_are_rarely_called_different() -> None:
    """Over 200 worlds of one delay, cut off at any age, bounds exclude equal pace in no more than alpha of them."""
    chance, alpha, wrong = random.Random(4), 0.1, 0
    for _ in range(200):
        blocks = []
        for number in range(10):
            age_s = 20.0 * number

            def cohort(answers: int, age_s: float = age_s) -> Cohort:
                delays = [chance.expovariate(1 / 60) for _ in range(answers)]
                bins = [delay_bin(d) for d in delays if d <= age_s]
                return Cohort(answers, {b: bins.count(b) for b in sorted(set(bins))})

            blocks.append(Block(number, -age_s, cohort(20), cohort(60)))
        pace = pace_of(blocks, alpha)
        wrong += pace is not None and pace.differs_by(1.0)
    assert wrong <= 200 * alpha * 1.5


causes = st.sampled_from(["data", "model", "environment"])


@st.composite
def planted(draw: st.DrawFn, cause: Cause, begins: int) -> list[Series]:
    """Series in which `cause` moves at window `begins` and everything else later or never, in any units."""
    floor, tolerated = 0.02, 0.1

    def series(kind: Any, subject: str, start: int, unit: float, arm: Any = "") -> Series:
        windows = []
        for i in range(40):
            effect = draw(st.floats(0.2, 1.0)) if i >= start else draw(st.floats(0.0, 0.1))
            windows.append(Window(5.0 * i, unit * effect, unit * floor))
        return Series(kind, subject, tuple(windows), unit * tolerated, arm=arm)

    def start(of: Cause) -> int:
        return begins if of == cause else begins + draw(st.integers(CLEAR_LEAD, 60))

    unit = draw(st.sampled_from([1.0, 1e3, 1e-3]))
    together = start("environment")
    found = [
        series("inputs", "distance", start("data"), 1.0),
        series("answers", "eta", start("model"), unit),
        series("latency", "svc", together, 1e3, "candidate"),
        series("latency", "svc", together + draw(st.integers(0, CLEAR_LEAD - 1)), 1e3, "baseline"),
        series("errors", "svc", draw(st.integers(0, 80)), 1.0, "candidate"),
    ]
    draw(st.randoms(use_true_random=False)).shuffle(found)
    return found


@given(st.data(), causes, st.integers(0, 30))
@settings(max_examples=40, deadline=None)
def test_the_planted_cause_is_found(plan: st.DataObject, cause: Cause, begins: int) -> None:
    """What clearly moved first is named, in any units and any order of the series, and its carriers are its own."""
    found = diagnose(plan.draw(planted(cause, begins)))
    assert found.cause == cause
    kinds = {"data": {"inputs"}, "model": {"answers"}, "environment": {"latency"}}[cause]
    assert {m.series.kind for m in found.carriers} == kinds
    assert found.carriers[0].window >= begins


@given(st.data(), causes, causes, st.integers(0, 20), st.integers(0, CLEAR_LEAD - 1))
@settings(max_examples=30, deadline=None)
def test_two_causes_at_once_are_not_guessed(
    plan: st.DataObject, one: Cause, other: Cause, begins: int, apart: int
) -> None:
    """Two kinds that move within the same window or the next leave the cause unknown."""
    assume(one != other)
    evidence = plan.draw(planted(one, begins))
    rival = [s for s in plan.draw(planted(other, begins + apart)) if s.kind != "errors"]
    wanted = {"data": "inputs", "model": "answers", "environment": "latency"}[other]
    evidence = [s for s in evidence if s.kind != wanted] + [s for s in rival if s.kind == wanted]
    found = diagnose(evidence)
    assert found.cause == "unknown"
