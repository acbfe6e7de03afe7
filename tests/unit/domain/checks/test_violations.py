"""Answers are held against their contract, per field and kind."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.domain.checks.violations import ViolationCounts, count_violations, violations
from interlock.domain.schemas.contract import record
from interlock.domain.schemas.field import BOOLEAN, INTEGER, NUMBER, STRING, Field
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
        ({**GOOD, "rank": 10**400}, (("rank", "range"),)),
        ({**GOOD, "label": "never"}, (("label", "enum"),)),
        ({**GOOD, "surprise": 1, "another": 2}, (("(unlisted)", "unlisted"),)),
        ([GOOD], (("(whole)", "type"),)),
    ],
)
def test_each_violation_has_its_kind(answer: Any, expected: tuple[tuple[str, str], ...]) -> None:
    """Every way to break a contract is found and named."""
    assert violations(answer, CONTRACT) == expected


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
