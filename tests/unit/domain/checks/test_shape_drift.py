"""Shapes of records, and how far they lie apart."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from interlock.domain.checks.answer import UNREADABLE
from interlock.domain.checks.bins import SignedLog
from interlock.domain.checks.drift import Drift, drifts, drifts_by_segment
from interlock.domain.checks.shape import (
    OTHER_WORD,
    LayoutsDiffer,
    Numbers,
    Opaque,
    Shape,
    Words,
    layout_of,
    quantile,
    shape_of,
)
from interlock.domain.schemas.contract import record
from interlock.domain.schemas.field import BOOLEAN, NUMBER, STRING, TIMESTAMP, Field, Float, List, Struct
from interlock.engine.codec import dump, load

CONTRACT = record(
    "flight",
    "1",
    (
        Field("eta", NUMBER, minimum=0, maximum=600),
        Field("carrier", STRING),
        Field("tail", STRING),
        Field("gate", STRING, required=False, enum=("A", "B")),
        Field("is_late", BOOLEAN, required=False),
        Field("at", TIMESTAMP, required=False),
        Field("cost", NUMBER, required=False),
    ),
)


def records(seed: int, count: int, eta: float = 100.0, carriers: str = "ABC", gone: float = 0.0) -> list[Any]:
    chance = random.Random(seed)
    return [
        {
            "eta": min(max(chance.gauss(eta, 20), 0), 600) if chance.random() >= gone else None,
            "carrier": chance.choice(carriers),
            "tail": f"N{chance.random()}",
            "is_late": chance.random() < 0.3,
        }
        for _ in range(count)
    ]


LAYOUT = layout_of(CONTRACT, records(0, 500))


def found(reference: Sequence[Any], observed: Sequence[Any]) -> dict[tuple[str, str], Drift]:
    shapes = shape_of(reference, LAYOUT), shape_of(observed, LAYOUT)
    return {(d.field, d.aspect): d for d in drifts(*shapes, LAYOUT)}


def test_a_layout_is_learned_from_the_baseline() -> None:
    """Numbers get bins by quantiles, words a list, what never repeats is not looked at."""
    assert isinstance(LAYOUT.split("eta"), Numbers)
    carrier = LAYOUT.split("carrier")
    assert isinstance(carrier, Words)
    assert set(carrier.words) == {"A", "B", "C"}
    assert LAYOUT.split("tail") == Opaque()
    assert LAYOUT.split("at") == Opaque()
    assert LAYOUT.split("is_late") == Words(("false", "true"))


def test_a_layout_without_records_follows_from_the_contract() -> None:
    """Bounds give even bins, no bounds logarithmic ones, enums their words; open text is not looked at."""
    bare = layout_of(CONTRACT)
    assert bare.split("gate") == Words(("A", "B"))
    assert bare.split("cost") == Numbers(SignedLog())
    assert bare.split("carrier") == Opaque()
    shape = shape_of([{"eta": 0}, {"eta": 600}, {"eta": 599.9}, {"eta": -1}, {"eta": 601}], bare)
    assert shape.fields["eta"].values == {0: 1, 1: 1, 40: 2, 41: 1}
    assert shape.fields["eta"].outside == 2


def test_a_shape_counts_what_is_absent_outside_and_unreadable() -> None:
    """Missing and null are absent; another type is outside and in no bin; an unknown word is one of the others."""
    shape = shape_of([{"eta": None}, {}, {"eta": "x"}, {"gate": "Z", "carrier": "?"}, UNREADABLE, [1]], LAYOUT)
    assert (shape.records, shape.unreadable) == (6, 2)
    assert (shape.fields["eta"].absent, shape.fields["eta"].outside, shape.fields["eta"].values) == (3, 1, {})
    assert (shape.fields["gate"].outside, shape.fields["gate"].values) == (1, {OTHER_WORD: 1})
    assert shape.fields["carrier"].values == {OTHER_WORD: 1}


def test_fields_inside_structs_have_shapes_of_their_own() -> None:
    """By path; an object that is no object is outside, and what is inside it absent; lists are judged whole."""
    place = Struct((Field("km", Float(), minimum=0, maximum=100), Field("town", STRING, enum=("A", "B"))))
    fields = (
        Field("at.x", STRING),
        Field("from", place),
        Field("stops", List(Field("stop", place)), required=False),
    )
    good = {"at.x": "y", "from": {"km": 30, "town": "A"}}
    records = [
        good,
        {**good, "from": {"km": 130, "town": "C"}},
        {**good, "from": "home"},
        {**good, "stops": [{"km": 1}]},
    ]
    layout = layout_of(
        record("trip", "1", fields), [{**good, "from": {"km": i % 50, "town": "B"}} for i in range(300)]
    )
    shape = shape_of(records, layout)
    assert {name: (f.absent, f.outside) for name, f in shape.fields.items()} == {
        "at.x": (0, 0),
        "from": (0, 1),
        "from.km": (1, 1),
        "from.town": (1, 1),
        "stops": (3, 1),
    }
    assert sum(shape.fields["from.km"].values.values()) == 3
    assert shape.fields["from.town"].values == {0: 2, OTHER_WORD: 1}
    split = layout.split("from.km")
    assert isinstance(split, Numbers)
    assert quantile(shape_of(records[:1], layout).fields["from.km"].values, split.grid, 0.5) == pytest.approx(
        30, abs=2
    )


def test_shapes_add_only_within_one_layout_and_survive_the_store() -> None:
    """Halves make the whole; another layout's bins mean something else."""
    some = records(1, 60)
    whole = shape_of(some, LAYOUT)
    assert shape_of(some[:20], LAYOUT) + shape_of(some[20:], LAYOUT) == whole == whole + Shape()
    assert load(Shape, dump(whole)) == whole
    with pytest.raises(LayoutsDiffer):
        whole + shape_of(some, layout_of(CONTRACT))
    with pytest.raises(LayoutsDiffer):
        drifts(whole, shape_of(some, layout_of(CONTRACT)), LAYOUT)
    assert load(type(LAYOUT), dump(LAYOUT)).digest == LAYOUT.digest


def test_a_layout_that_follows_from_numbers_tells_quantiles() -> None:
    """The median of the bins is near the median of the records."""
    split = LAYOUT.split("eta")
    assert isinstance(split, Numbers)
    assert quantile(shape_of(records(2, 1_000), LAYOUT).fields["eta"].values, split.grid, 0.5) == pytest.approx(
        100, abs=5
    )
    assert quantile({}, split.grid, 0.5) is None


def test_no_drift_between_samples_of_one_population() -> None:
    """All of the effect may be noise, in every field."""
    assert [d for d in found(records(3, 2_000), records(4, 1_500)).values() if d.at_least] == []


def test_a_shift_of_numbers_is_found_and_named() -> None:
    """The field that moved leads, with both medians."""
    moved = found(records(5, 2_000), records(6, 2_000, eta=115))
    first = next(iter(moved.values()))
    assert (first.field, first.aspect) == ("eta", "values")
    assert first.is_above(0.1)
    assert "median 11" in first.says
    assert not moved["carrier", "values"].at_least


def test_words_and_absence_are_found_and_named() -> None:
    """A new carrier shows among the others, and nulls by their share."""
    moved = found(records(7, 2_000), records(8, 2_000, carriers="AABQ", gone=0.1))
    assert moved["carrier", "values"].is_above(0.1)
    assert moved["eta", "absent"].is_above(0.05)
    assert "absent in 1" in moved["eta", "absent"].says


def test_small_samples_prove_little() -> None:
    """Thirty records of a shifted field stay within the noise."""
    moved = found(records(9, 30), records(10, 30, eta=110))
    assert moved["eta", "values"].at_least == 0.0
    assert moved["eta", "values"].floor > 0.4


def test_a_drift_in_one_segment_names_it() -> None:
    """Segments are compared each with itself; one that only one side has is left out."""
    reference = {s: shape_of(records(i, 1_500), LAYOUT) for i, s in enumerate(("EWR", "JFK"), start=20)}
    observed = {
        "EWR": shape_of(records(30, 1_500), LAYOUT),
        "JFK": shape_of(records(31, 1_500, eta=120), LAYOUT),
        "LGA": shape_of(records(32, 10), LAYOUT),
    }
    moved = [d for d in drifts_by_segment(reference, observed, LAYOUT) if d.is_above(0.05)]
    assert [(d.segment, d.field) for d in moved] == [("JFK", "eta")]
    assert "in segment JFK" in str(moved[0])


def test_looking_more_often_costs_certainty() -> None:
    """The floor rises with each look, slowly."""
    shapes = shape_of(records(40, 500), LAYOUT), shape_of(records(41, 500), LAYOUT)
    first, hundredth = (
        next(d for d in drifts(*shapes, LAYOUT, look=look) if (d.field, d.aspect) == ("eta", "values"))
        for look in (1, 100)
    )
    assert first.floor < hundredth.floor < 1.5 * first.floor
