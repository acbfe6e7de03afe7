from __future__ import annotations

import random
from typing import Any

import pytest

from interlock.domain.checks.check import CheckInvalid, Fail, Pass, Undecided
from interlock.domain.checks.measures.fairness import Parity, fairness


def decided() -> tuple[list[int], list[int], list[str]]:
    """Labels, decisions and groups in which group a is favoured."""
    chance = random.Random(2013)
    groups = [chance.choice("abc") for _ in range(300)]
    labels = [int(chance.random() < {"a": 0.5, "b": 0.4, "c": 0.3}[g]) for g in groups]
    decisions = [
        int(chance.random() < (0.7 if y else 0.2) + (0.1 if g == "a" else 0))
        for y, g in zip(labels, groups, strict=True)
    ]
    return labels, decisions, groups


FAIRLEARN = {
    "demographic_parity_difference": 0.20681634304207125,
    "demographic_parity_ratio": 0.6634852723383248,
    "equalised_odds_difference": 0.1545130035696074,
}
"""What fairlearn.metrics 0.15.0 says about `decided` (there spelled equalized_odds_difference)."""


@pytest.mark.parametrize("metric", FAIRLEARN)
def test_values_are_those_of_fairlearn(metric: Parity) -> None:
    """Our simple definitions agree with recorded figures of Fairlearn."""
    labels, decisions, groups = decided()
    found = fairness(metric, decisions, groups, limit=0.1, labels=labels).estimate
    assert found is not None
    assert found.value == pytest.approx(FAIRLEARN[metric])


def test_recorded_figures_are_those_of_an_installed_fairlearn() -> None:
    """Where Fairlearn is installed, the recorded figures are compared with it."""
    fairlearn: Any = pytest.importorskip("fairlearn.metrics", exc_type=ImportError)
    labels, decisions, groups = decided()
    for name, recorded in FAIRLEARN.items():
        there = getattr(fairlearn, name.replace("equalised", "equalized"))
        assert there(labels, decisions, sensitive_features=groups) == pytest.approx(recorded)


def rows(rates: dict[str, float], count: int) -> tuple[list[int], list[str]]:
    groups = [g for g in rates for _ in range(count)]
    decisions = [int(k < rates[g] * count) for g in rates for k in range(count)]
    return decisions, groups


@pytest.mark.parametrize(
    ("metric", "limit"), [("demographic_parity_difference", 0.1), ("demographic_parity_ratio", 0.8)]
)
def test_planted_favour_fails_and_even_treatment_passes(metric: Parity, limit: float) -> None:
    """A group chosen half as often is found; groups chosen alike pass; few rows are Undecided."""
    assert isinstance(fairness(metric, *rows({"a": 0.6, "b": 0.3}, 400), limit=limit).verdict, Fail)
    assert isinstance(fairness(metric, *rows({"a": 0.6, "b": 0.6}, 4000), limit=limit).verdict, Pass)
    assert isinstance(fairness(metric, *rows({"a": 0.6, "b": 0.6}, 10), limit=limit).verdict, Undecided)


def test_equal_selection_can_hide_unequal_odds() -> None:
    """Both groups are chosen alike, but in one of them the wrong ones are."""
    labels = ([1] * 200 + [0] * 200) * 2
    groups = ["a"] * 400 + ["b"] * 400
    decisions = [1] * 200 + [0] * 200 + [0] * 200 + [1] * 200
    parity = fairness("demographic_parity_difference", decisions, groups, limit=0.15)
    odds = fairness("equalised_odds_difference", decisions, groups, limit=0.15, labels=labels)
    assert isinstance(parity.verdict, Pass)
    assert isinstance(odds.verdict, Fail)
    assert set(odds.facts) == {"true positive rate", "false positive rate"}


def test_what_does_not_compare_is_undecided() -> None:
    """No rows, one group, or a group without positives tell nothing about parity."""
    verdicts = [
        fairness("demographic_parity_difference", [], [], limit=0.1).verdict,
        fairness("demographic_parity_difference", [1, 0], ["a", "a"], limit=0.1).verdict,
        fairness("equalised_odds_difference", [1, 0, 1], ["a", "a", "b"], limit=0.1, labels=[1, 0, 0]).verdict,
    ]
    assert {type(v) for v in verdicts} == {Undecided}
    assert "true positive rate of b" in verdicts[2].because


def test_equalised_odds_need_labels() -> None:
    """Without what was true the check is a mistake; so are an unknown metric and a decision that is none."""
    with pytest.raises(CheckInvalid, match="what was true"):
        fairness("equalised_odds_difference", [1], ["a"], limit=0.1)
    with pytest.raises(CheckInvalid, match="no metric"):
        fairness("parity", [1], ["a"], limit=0.1)  # type: ignore[arg-type] # by mistake
    with pytest.raises(CheckInvalid, match="neither 0 nor 1"):
        fairness("demographic_parity_ratio", [0.4, 1], ["a", "b"], limit=0.1)
