"""Answers are held against their contract, per field and kind."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.domain.checks.violations import ViolationCounts, count_violations, violations_of
from interlock.domain.schemas.contract import record
from interlock.domain.schemas.field import BOOLEAN, DATE, INTEGER, NUMBER, STRING, Field, Float, List, Map, Struct
from interlock.engine.codec import dump, load

CONTRACT = record(
    "prediction",
    "1",
    (
        Field("score", NUMBER, minimum=0.0, maximum=1.0),
        Field("label", STRING, enum=("late", "on-time")),
        Field("note", STRING, required=False, nullable=True),
        Field("rank", INTEGER, required=False, minimum=0),
        Field("is_odd", BOOLEAN, required=False, minimum=0, maximum=0),
    ),
    is_open=False,
)
GOOD = {"score": 0.5, "label": "late"}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (GOOD, ()),
        ({**GOOD, "note": None}, ()),
        ({**GOOD, "is_odd": True}, ()),
        ({"label": "late"}, (("score", "missing"),)),
        ({**GOOD, "score": None}, (("score", "null"),)),
        ({**GOOD, "score": True}, (("score", "type"),)),
        ({**GOOD, "score": "0.5"}, (("score", "type"),)),
        ({**GOOD, "score": 1.5}, (("score", "range"),)),
        ({**GOOD, "rank": -1}, (("rank", "range"),)),
        ({**GOOD, "rank": 10**400}, ()),
        ({**GOOD, "score": float("inf")}, (("score", "type"),)),
        ({**GOOD, "label": "never"}, (("label", "enum"),)),
        ({**GOOD, "surprise": 1, "another": 2}, (("(unlisted)", "unlisted"),)),
        ([GOOD], (("(whole)", "type"),)),
    ],
)
def test_each_violation_has_its_kind(answer: Any, expected: tuple[tuple[str, str], ...]) -> None:
    """Every way to break a contract is found and named."""
    assert violations_of(CONTRACT)(answer) == expected


NESTED = record(
    "route",
    "1",
    (
        Field(
            "legs",
            List(
                Field(
                    "leg",
                    Struct(
                        (
                            Field("day", DATE),
                            Field("km", Float(), minimum=0, less_than=20_000),
                            Field("seats", Map(Field("seat", STRING, max_length=3)), required=False),
                        ),
                        is_open=False,
                    ),
                )
            ),
            max_items=2,
        ),
    ),
)
LEG = {"day": "2026-05-01", "km": 730.5}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"legs": [LEG, LEG]}, ()),
        ({"legs": [{**LEG, "seats": {"ann": "12C"}}]}, ()),
        ({"legs": LEG}, (("legs", "type"),)),
        ({"legs": [LEG] * 3}, (("legs", "range"),)),
        ({"legs": [None]}, (("legs[]", "null"),)),
        (
            {"legs": [{**LEG, "day": "1 May"}, {"day": "2026-02-30"}]},
            (("legs[].day", "type"), ("legs[].km", "missing")),
        ),
        ({"legs": [{**LEG, "km": -1}, {**LEG, "km": 20_000}]}, (("legs[].km", "range"),)),
        ({"legs": [{**LEG, "seats": {"a.b": "12C", "}[": "long"}}]}, (("legs[].seats{}", "range"),)),
        ({"legs": [{**LEG, "x": 1, "y": 2}]}, (("legs[].(unlisted)", "unlisted"),)),
    ],
)
def test_what_is_inside_counts_by_its_path(answer: Any, expected: tuple[tuple[str, str], ...]) -> None:
    """Of all elements of a list and all entries of a map together, once per answer."""
    assert violations_of(NESTED)(answer) == expected


def test_an_answer_full_of_violations_costs_no_more_than_some() -> None:
    """What comes after the first thousand is not looked at."""
    assert violations_of(NESTED)({"legs": [{}] * 5_000 + [1]}) == (
        ("legs[].day", "missing"),
        ("legs[].km", "missing"),
    )


def test_counts_tell_answers_and_fields() -> None:
    """An answer that breaks two fields is one broken answer; what is not JSON is broken too."""
    bodies = [b'{"score": 0.5, "label": "late"}', b'{"score": 7, "label": "?"}', b"oops", b'{"score": NaN}']
    counts = count_violations(bodies, CONTRACT)
    assert (counts.answers, counts.broken, counts.share) == (4, 3, 0.75)
    assert counts.fields == {"(whole)": {"unreadable": 2}, "label": {"enum": 1}, "score": {"range": 1}}


def test_counts_add_and_survive_the_store() -> None:
    """Two halves are the whole, and JSON is no loss."""
    bodies = [b'{"score": 7}', b"{}", b'{"score": 0.1, "label": "late"}']
    whole = count_violations(bodies, CONTRACT)
    assert count_violations(bodies[:1], CONTRACT) + count_violations(bodies[1:], CONTRACT) == whole
    assert load(ViolationCounts, dump(whole)) == whole
    assert ViolationCounts().share == 0.0
