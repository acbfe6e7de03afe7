from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from interlock.domain.checks.check import CheckInvalid, Fail, Measurement, Pass, Undecided
from interlock.domain.checks.measures.quality import Metric, quality, segment_quality

CHANCE = random.Random(7)
LABELS = [CHANCE.gauss(20, 15) for _ in range(800)]
CLOSE = [x + CHANCE.gauss(0, 4) for x in LABELS]
WIDE = [x + CHANCE.gauss(0, 12) for x in LABELS]
CLASSES = [int(CHANCE.random() < 0.4) for _ in range(800)]
CHANCES = [min(1.0, max(0.0, 0.3 + 0.4 * y + CHANCE.gauss(0, 0.15))) for y in CLASSES]


def value(measured: Measurement) -> float:
    assert measured.estimate is not None
    return measured.estimate.value


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("mae", metrics.mean_absolute_error(LABELS, CLOSE)),
        ("rmse", metrics.root_mean_squared_error(LABELS, CLOSE)),
    ],
)
def test_errors_are_those_of_scikit_learn(metric: Metric, expected: float) -> None:
    """With a cap that no row reaches, the value is the field's own."""
    assert value(quality(metric, CLOSE, LABELS, limit=9, cap=100)) == pytest.approx(expected)


def test_class_metrics_are_those_of_scikit_learn() -> None:
    """AUC and accuracy agree; log loss does when no chance is below its floor."""
    inside = [min(0.99, max(0.01, c)) for c in CHANCES]
    decided = [int(c > 0.5) for c in CHANCES]
    found = [
        value(quality("auc", CHANCES, CLASSES, limit=0.5)),
        value(quality("log_loss", inside, CLASSES, limit=1)),
    ]
    assert found == pytest.approx([metrics.roc_auc_score(CLASSES, CHANCES), metrics.log_loss(CLASSES, inside)])
    accuracy = quality("accuracy", decided, CLASSES, limit=0.5)
    assert value(accuracy) == pytest.approx(metrics.accuracy_score(CLASSES, decided))


def test_a_bad_model_fails_and_a_good_one_passes() -> None:
    """A planted tripling of the error is found; without it the check passes."""
    assert isinstance(quality("mae", CLOSE, LABELS, limit=5, cap=120).verdict, Pass)
    assert isinstance(quality("mae", WIDE, LABELS, limit=5, cap=120).verdict, Fail)
    assert isinstance(quality("auc", CHANCES, CLASSES, limit=0.8).verdict, Pass)
    assert isinstance(quality("auc", CHANCES, [1 - y for y in CLASSES], limit=0.8).verdict, Fail)


def test_few_rows_are_undecided_and_say_how_many_are_missing() -> None:
    """Five rows tell nothing, and the verdict estimates what would."""
    verdict = quality("mae", CLOSE[:5], LABELS[:5], limit=5, cap=120).verdict
    assert isinstance(verdict, Undecided)
    assert "more rows" in verdict.missing


def test_pairs_find_what_absolute_numbers_hide() -> None:
    """A candidate one minute worse on every row is found against the baseline, far within the absolute limit."""
    worse = [p + (1 if p > x else -1) for p, x in zip(CLOSE, LABELS, strict=True)]
    assert isinstance(quality("mae", worse, LABELS, limit=8, cap=40).verdict, Pass)
    assert isinstance(quality("mae", worse, LABELS, limit=0.1, cap=40, baseline=CLOSE).verdict, Fail)
    assert isinstance(quality("mae", CLOSE, LABELS, limit=0.1, cap=40, baseline=worse).verdict, Pass)


@pytest.mark.parametrize("metric", ["auc", "accuracy"])
def test_losing_rank_or_hits_against_the_baseline_fails(metric: Metric) -> None:
    """A candidate that guesses loses against a baseline that knows."""
    known = [float(y) for y in CLASSES]
    guessed = [float(k % 2) for k in range(len(CLASSES))]
    lost = quality(metric, guessed, CLASSES, limit=0.05, baseline=known)
    assert isinstance(lost.verdict, Fail)
    assert value(lost) > 0.3


def test_labels_that_have_not_arrived_are_left_out_and_counted() -> None:
    """Rows without a label do not judge; rows with a label and no prediction leave the verdict open."""
    late = [None, float("nan"), *LABELS[2:]]
    measured = quality("mae", CLOSE, late, limit=5, cap=120)
    assert measured.facts["unlabelled"] == 2
    assert isinstance(measured.verdict, Pass)
    gap = quality("mae", [None, *CLOSE[1:]], LABELS, limit=5, cap=120).verdict
    assert gap == Undecided("1 labelled rows have no prediction", "a prediction for each row")


def test_nothing_to_measure_is_undecided() -> None:
    """No rows, no labels, or labels of one class alone never pass."""
    nothing = [quality("mae", [], [], limit=5, cap=1), quality("mae", [1.0], [None], limit=5, cap=1)]
    nothing.append(quality("auc", [0.1, 0.9], [1, 1], limit=0.5))
    assert {type(m.verdict) for m in nothing} == {Undecided}


def test_arrays_are_as_good_as_lists() -> None:
    """numpy columns give the same measurement."""
    there = quality("mae", np.array(CLOSE), np.array(LABELS), limit=5, cap=120)
    assert there == quality("mae", CLOSE, LABELS, limit=5, cap=120)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: quality("mae", [1.0], [1.0], limit=1), "without a cap"),
        (lambda: quality("mae", [1.0, 2.0], [1.0], limit=1, cap=1), "differ in length"),
        (lambda: quality("mae", ["x"], [1.0], limit=1, cap=1), "no finite number"),
        (lambda: quality("log_loss", [1.5], [1], limit=1), "a predicted chance is 1.5"),
        (lambda: quality("auc", [0.5], ["yes"], limit=1), "neither 0 nor 1"),
        (lambda: quality("f1", [1], [1], limit=1), "no metric 'f1'"),  # type: ignore[arg-type] # by mistake
    ],
)
def test_what_cannot_be_measured_is_refused(call: Any, says: str) -> None:
    """A mistake in the check is told as one."""
    with pytest.raises(CheckInvalid, match=says):
        call()


def test_a_bad_segment_is_named() -> None:
    """A planted error in one of eight segments fails that segment, and no other."""
    keys = [f"s{k % 8}" for k in range(len(LABELS))]
    spoiled = [p + 30 * (s == "s3") for p, s in zip(CLOSE, keys, strict=True)]
    measured = segment_quality("mae", spoiled, LABELS, keys, limit=8, cap=60)
    assert isinstance(measured.verdict, Fail)
    assert measured.verdict.because.startswith("s3: ")
    assert [p.name for p in measured.parts if isinstance(p.verdict, Fail)] == ["s3"]


def test_a_segment_of_three_users_is_undecided_or_pooled() -> None:
    """Small segments keep the whole open, unless they are declared to be judged together."""
    keys = ["large"] * 780 + [f"small{k}" for k in range(20)]
    apart = segment_quality("mae", CLOSE, LABELS, keys, limit=8, cap=60)
    assert isinstance(apart.verdict, Undecided)
    assert next(p.verdict for p in apart.parts if p.name == "large").kind == "pass"
    pooled = segment_quality("mae", CLOSE, LABELS, keys, limit=12, cap=20, pool_below=5)
    assert [p.name for p in pooled.parts] == ["(small segments)", "large"]
    assert isinstance(pooled.verdict, Pass)


def test_a_segment_without_labels_is_undecided() -> None:
    """A segment whose labels have not arrived is told, and keeps the whole from passing."""
    measured = segment_quality("accuracy", [1] * 200, [1] * 199 + [None], ["a"] * 199 + ["b"], limit=0.9)
    assert {p.name: p.verdict.kind for p in measured.parts} == {"a": "pass", "b": "undecided"}
    assert isinstance(measured.verdict, Undecided)
