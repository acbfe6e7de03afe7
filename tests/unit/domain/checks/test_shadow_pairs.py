"""Shadow pairs are counted by field, against the noise of the baseline with itself."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from interlock.domain.checks.compare import ComparisonRules
from interlock.domain.checks.shadow import (
    FIELD_LIMIT,
    OTHER,
    PairCounts,
    count_pair,
    excess_by_field,
    excess_of_answers,
    noisy_fields,
)
from interlock.engine.codec import dump, load


def pair(
    a: Any, b: Any, statuses: tuple[int, int] = (200, 200), rules: ComparisonRules | None = None
) -> PairCounts:
    return count_pair(*statuses, json.dumps(a).encode(), json.dumps(b).encode(), rules or ComparisonRules())


def many(seed: int, pairs: int, noise: float, change: float) -> PairCounts:
    """Pairs whose `tie` differs by chance, and whose `eta` is moved in a share of `change`."""
    chance = random.Random(seed)
    total = PairCounts()
    for _ in range(pairs):
        tie = "b" if chance.random() < noise else "a"
        eta = 12.0 if chance.random() < change else 10.0
        total += pair({"tie": "a", "eta": 10.0}, {"tie": tie, "eta": eta})
    return total


def test_a_pair_counts_its_fields_and_its_status() -> None:
    """Fields, changes and failures of one pair."""
    counts = pair({"eta": 10, "id": 1}, {"eta": 12, "id": 1})
    assert (counts.pairs, counts.differing) == (1, 1)
    assert counts.fields["eta"].differing == 1
    assert counts.fields["eta"].mean_change == 2.0
    assert counts.fields["eta"].change_quantile(0.5) == pytest.approx(2.0, rel=0.05)
    assert counts.fields["id"].differing == 0


def test_other_statuses_differ_and_bodies_are_left_alone() -> None:
    """An error page is no answer to compare; two failures alike agree."""
    failed = pair({"eta": 10}, {"title": "boom"}, (200, 500))
    assert (failed.differing, failed.candidate_failed, failed.baseline_failed) == (1, 1, 0)
    assert list(failed.fields) == ["(status)"]
    assert pair({"detail": "x"}, {"detail": "y"}, (404, 404)).differing == 0


def test_noise_is_not_held_against_the_candidate() -> None:
    """A field in which the baseline disagrees with itself shows no excess; one that moved does, and leads."""
    shadow, twins = many(1, 1_500, noise=0.2, change=0.1), many(2, 1_500, noise=0.2, change=0.0)
    by_field = {e.subject: e for e in excess_by_field(shadow, twins)}
    assert by_field["tie"].share == pytest.approx(0.2, abs=0.04)
    assert not by_field["tie"].is_above(0.0)
    assert by_field["eta"].is_above(0.05)
    assert next(iter(by_field)) == "eta"
    assert excess_of_answers(shadow, twins).at_least < 0.1
    assert noisy_fields(twins) == ("tie",)


def test_without_twins_nothing_is_more_than_noise() -> None:
    """Harm cannot be proven, but agreement can."""
    shadow = many(3, 400, noise=0.0, change=1.0)
    found = excess_of_answers(shadow, PairCounts())
    assert found.noise is None
    assert not found.is_above(0.0)
    agreed = excess_of_answers(many(4, 400, noise=0.0, change=0.0), PairCounts())
    assert agreed.is_within(0.02)
    assert "no twins yet" in str(agreed)


def test_no_pairs_prove_nothing() -> None:
    """Without evidence the excess may be anything."""
    nothing = excess_of_answers(PairCounts(), PairCounts())
    assert (nothing.at_least, nothing.at_most) == (0.0, 1.0)
    assert not nothing.is_within(0.99)


def test_keys_that_are_identifiers_stay_bounded() -> None:
    """Fields beyond the limit add up as one, and declared ones near the surface are kept."""
    total = PairCounts()
    for i in range(40):
        total += pair({"eta": 1.0, "by_id": {f"k{i}-{j}": 1 for j in range(20)}}, {"eta": 1.0, "by_id": {}})
    assert len(total.fields) == FIELD_LIMIT + 1
    assert total.fields["eta"].pairs == 40
    assert (
        total.fields[OTHER].differing + sum(f.differing for n, f in total.fields.items() if n not in (OTHER, "eta"))
        == 800
    )


def test_counts_survive_the_store() -> None:
    """JSON there and back."""
    counts = many(5, 30, noise=0.3, change=0.5)
    assert load(PairCounts, dump(counts)) == counts
