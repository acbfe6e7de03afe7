"""Measures of columns: calibration, robustness, availability, integrity, drift, skew."""

from __future__ import annotations

import random
from typing import Any

import pytest

from interlock.domain.checks.check import CheckInvalid, Fail, Pass, Undecided
from interlock.domain.checks.measures.calibration import calibration
from interlock.domain.checks.measures.drift import drift, skew
from interlock.domain.checks.measures.integrity import integrity
from interlock.domain.checks.measures.presence import Expected, availability, expected_of
from interlock.domain.checks.measures.robustness import nudged, robustness
from interlock.domain.schemas.contract import record
from interlock.domain.schemas.field import NUMBER, Field

CHANCE = random.Random(11)
NAN = float("nan")


def test_overconfidence_fails_and_calibration_passes() -> None:
    """Chances that come true pass; the same outcomes under chances pushed to the edges fail, bin by bin visible."""
    chances = [CHANCE.random() for _ in range(8_000)]
    labels = [int(CHANCE.random() < c) for c in chances]
    sharp = [0.02 if c < 0.5 else 0.98 for c in chances]
    assert isinstance(calibration(chances, labels, limit=0.05).verdict, Pass)
    failed = calibration(sharp, labels, limit=0.05)
    assert isinstance(failed.verdict, Fail)
    assert [(b["from"], b["to"]) for b in failed.facts["bins"]] == [(0.0, 0.1), (0.9, 1.0)]
    assert failed.facts["bins"][1]["upper"] < failed.facts["bins"][1]["predicted"]


def test_calibration_of_nothing_is_undecided() -> None:
    """No labels, or a labelled row without a prediction, leave it open."""
    assert isinstance(calibration([0.5], [None], limit=0.1).verdict, Undecided)
    assert isinstance(calibration([None], [1], limit=0.1).verdict, Undecided)


def step(rows: list[dict[str, Any]]) -> list[float]:
    """A model that jumps at a distance of 500."""
    return [100.0 if row["distance"] >= 500 else row["distance"] / 100 for row in rows]


def test_a_cliff_is_found_by_a_small_nudge() -> None:
    """A model that jumps near its inputs moves when they are nudged; far from the cliff it stands."""
    near = [{"distance": 498.0, "hour": 1} for _ in range(60)]
    far = [{"distance": 100.0, "hour": 1} for _ in range(200)]
    for rows, verdict in ((near, Fail), (far, Pass)):
        nudges = {"distance": step(nudged(rows, "distance", by=0.01)), "hour": step(nudged(rows, "hour", by=0.01))}
        measured = robustness(step(rows), nudges, tolerance=0.5, limit=0.05)
        assert isinstance(measured.verdict, verdict)
        assert measured.facts["moved"]["hour"] == 0


def test_an_answer_that_vanishes_has_moved() -> None:
    """NaN after a nudge counts as moved, and a changed word does; without nudges nothing is proven."""
    assert isinstance(robustness([1.0] * 50, {"n": [NAN] * 50}, tolerance=1, limit=0.1).verdict, Fail)
    assert isinstance(robustness(["a"] * 50, {"n": ["b"] * 50}, tolerance=1, limit=0.1).verdict, Fail)
    assert isinstance(robustness([1.0], {}, tolerance=1, limit=0.1).verdict, Undecided)
    assert isinstance(robustness([], {"n": []}, tolerance=1, limit=0.1).verdict, Undecided)


def test_nudges_leave_what_is_missing_and_refuse_text() -> None:
    """None stays None, an absolute nudge adds, and a word cannot be nudged."""
    assert nudged([{"x": 2.0}, {"x": None}], "x", by=1, relative=False) == [{"x": 3.0}, {"x": None}]
    with pytest.raises(CheckInvalid, match="no number"):
        nudged([{"x": "far"}], "x", by=0.1)


def test_missing_columns_and_nulls_are_named() -> None:
    """A column that is gone fails, one null fails where none may be, and a share of nulls is judged as a share."""
    rows = [{"distance": 1.0, "gate": None if k < 60 else "B1", "hour": 1} for k in range(100)]
    measured = availability(rows, [Expected("distance"), Expected("gate", 0.1), Expected("wind")])
    assert {p.name: p.verdict.kind for p in measured.parts} == {"distance": "pass", "gate": "fail", "wind": "fail"}
    assert measured.facts["unexpected"] == ["hour"]
    (one,) = availability([{"x": 1}, {"x": NAN}], [Expected("x")]).parts
    assert one.verdict == Fail("1 of 2 rows lack it")
    assert isinstance(availability([], [Expected("x")]).verdict, Undecided)
    assert isinstance(availability([{"x": 1}], []).verdict, Undecided)


def test_a_contract_says_what_must_be_available() -> None:
    """Required fields must be there, nullable ones may be null, optional ones may be away."""
    fields = (Field("a", NUMBER), Field("b", NUMBER, nullable=True), Field("c", NUMBER, required=False))
    measured = availability([{"a": 1, "b": None}], expected_of(record("features", "1", fields)))
    assert {p.name: p.verdict.kind for p in measured.parts} == {"a": "pass", "b": "pass"}


@pytest.mark.parametrize(
    ("outputs", "settings", "flaw"),
    [
        ([0.1, NAN], {}, "missing or NaN"),
        ([0.1, None], {}, "missing or NaN"),
        ([0.1, float("inf")], {}, "infinite"),
        ([0.1, "0.2"], {}, "not a number"),
        ([1, True], {"type": "integer"}, "not a integer"),
        ([0.1, -0.1], {"minimum": 0}, "below 0"),
        ([0.1, 1.1], {"maximum": 1}, "above 1"),
        (["low", "lo"], {"type": "string", "choices": ["low", "high"]}, "none of the choices"),
    ],
)
def test_one_broken_output_fails(outputs: list[Any], settings: dict[str, Any], flaw: str) -> None:
    """Each kind of broken output is found and counted, with the row where it stands."""
    measured = integrity(outputs, **settings)
    assert isinstance(measured.verdict, Fail)
    assert measured.facts["flaws"] == {flaw: 1}
    assert "row 1" in measured.verdict.because


def test_a_model_that_always_says_the_same_fails() -> None:
    """A constant output is broken unless it is declared possible; no output is Undecided."""
    assert isinstance(integrity([0.5] * 9).verdict, Fail)
    assert isinstance(integrity([0.5] * 9, may_be_constant=True).verdict, Pass)
    assert isinstance(integrity([0.5, 0.6], minimum=0, maximum=1).verdict, Pass)
    assert isinstance(integrity([]).verdict, Undecided)


def normal(count: int, mean: float = 0.0) -> list[float]:
    return [CHANCE.gauss(mean, 1) for _ in range(count)]


@pytest.mark.parametrize(
    ("metric", "limit"), [("jensen_shannon", 0.1), ("psi", 0.2), ("standardised_difference", 0.2)]
)
def test_drift_is_judged_by_its_size(metric: Any, limit: float) -> None:
    """A large shift fails, none passes, and a tiny one that is significant by any test still passes."""
    still, tiny, far = normal(6_000), normal(6_000, 0.08), normal(6_000, 1.0)
    measured = drift(
        {"x": normal(6_000)} | {"y": normal(6_000)}, {"x": far, "y": still}, limit=limit, metric=metric
    )
    assert {p.name: p.verdict.kind for p in measured.parts} == {"x": "fail", "y": "pass"}
    assert isinstance(drift({"x": normal(6_000)}, {"x": tiny}, limit=limit, metric=metric).verdict, Pass)


def test_drift_of_few_rows_is_noise() -> None:
    """Forty rows differ from forty others by more than the limit, and are not failed for it; nor are three."""
    measured = drift({"x": normal(40)}, {"x": normal(40)}, limit=0.05)
    assert isinstance(measured.verdict, Undecided)
    assert measured.estimate is not None
    assert measured.estimate.value > 0.05
    assert isinstance(drift({"x": [1.0] * 3}, {"x": [9.0] * 3}, limit=0.05).verdict, Undecided)


def test_new_words_and_more_nulls_are_drift() -> None:
    """Categories and the share of missing values count as parts of a column's law; a column that is gone fails."""
    words = ["a", "b"] * 500
    for now in (["a", "c"] * 500, ["a", None] * 500):
        assert isinstance(drift({"x": words}, {"x": now}, limit=0.1).verdict, Fail)
    assert isinstance(drift({"x": words}, {}, limit=0.1).verdict, Fail)
    assert isinstance(drift({}, {"x": words}, limit=0.1).verdict, Undecided)


@pytest.mark.parametrize("metric", ["jensen_shannon", "psi", "standardised_difference"])
def test_a_constant_column_that_stays_passes_and_one_that_jumps_fails(metric: Any) -> None:
    """No spread is no reason to divide by nothing."""
    constant = [5.0] * 2_000
    assert isinstance(drift({"x": constant}, {"x": constant}, limit=0.1, metric=metric).verdict, Pass)
    assert isinstance(drift({"x": constant}, {"x": [6.0] * 2_000}, limit=0.1, metric=metric).verdict, Fail)


def test_identifiers_as_categories_do_not_cry_wolf() -> None:
    """Thousands of rare words are one category together."""
    ids = [f"id{k}" for k in range(4_000)]
    assert isinstance(drift({"x": ids[:2_000]}, {"x": ids[2_000:]}, limit=0.1).verdict, Pass)


def test_skew_names_the_feature_that_serving_computes_otherwise() -> None:
    """The same rows computed twice: a feature in another unit fails, float noise and shared nulls do not."""
    metres = [float(k) for k in range(1, 301)]
    training = {"distance": metres, "hour": [None, 2] * 150}
    serving = {"distance": [m / 1000 for m in metres], "hour": [None, 2] * 150}
    measured = skew(training, serving, limit=0.05)
    assert {p.name: p.verdict.kind for p in measured.parts} == {"distance": "fail", "hour": "pass"}
    noisy = {"distance": [m * (1 + 1e-9) for m in metres], "hour": training["hour"]}
    assert isinstance(skew(training, noisy, limit=0.05).verdict, Pass)
    assert isinstance(skew(training, {}, limit=0.05).verdict, Fail)
    with pytest.raises(CheckInvalid, match="length"):
        skew(training, {"distance": [1.0], "hour": [1]}, limit=0.05)
