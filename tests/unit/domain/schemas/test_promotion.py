"""Altering a table in place is another question than reading: asked per target."""

from __future__ import annotations

import pytest

from interlock.domain.schemas.compatibility import widens
from interlock.domain.schemas.contract import Object
from interlock.domain.schemas.field import (
    STRING,
    Bytes,
    Date,
    Decimal,
    Field,
    Float,
    Int,
    Struct,
    Timestamp,
    Type,
)
from interlock.domain.schemas.promotion import Cost, Target, alterations, promotes

TARGETS: tuple[Target, ...] = ("iceberg_v2", "iceberg_v3", "delta", "postgres")
NO, IN, RE = "refused", "in_place", "rewrite"


@pytest.mark.parametrize(
    ("older", "newer", "costs"),
    [
        (Int(32), Int(64), (IN, IN, IN, RE)),
        (Int(64), Int(32), (NO, NO, NO, NO)),
        (Int(8), Int(16), (IN, IN, IN, IN)),
        (Int(32), Float(64), (NO, NO, IN, NO)),
        (Int(32), Decimal(12, 2), (NO, NO, IN, RE)),
        (Float(32), Float(64), (IN, IN, IN, RE)),
        (Decimal(10, 2), Decimal(12, 2), (IN, IN, IN, IN)),
        (Decimal(10, 2), Decimal(13, 4), (NO, NO, IN, RE)),
        (Date(), Timestamp("us", False), (NO, IN, IN, NO)),
        (Bytes(4), Bytes(), (NO, NO, IN, IN)),
        (Int(), Int(64), (NO, NO, NO, NO)),
        (STRING, Int(32), (NO, NO, NO, NO)),
    ],
)
def test_each_target_has_its_own_promotions(older: Type, newer: Type, costs: tuple[Cost, ...]) -> None:
    """What the specifications of the stores allow, and no more."""
    assert tuple(promotes(older, newer, target) for target in TARGETS) == costs


def test_promotion_is_not_widening() -> None:
    """Neither relation follows from the other: readers widen where stores do not, and stores where readers do
    not.
    """
    assert widens(Int(8), Float(32))
    assert promotes(Int(8), Float(32), "iceberg_v2") == "refused"
    assert promotes(Date(), Timestamp("us", False), "delta") == "in_place"
    assert not widens(Date(), Timestamp("us", False))


def test_columns_that_come_go_and_tighten() -> None:
    """New columns need null or a default, dropped ones are refused, and so is taking null away."""
    older = Object(
        "t", (Field("a", STRING, nullable=True), Field("b", STRING), Field("s", Struct((Field("x", Int(32)),))))
    )
    newer = Object(
        "t",
        (
            Field("a", STRING),
            Field("c", STRING, required=False),
            Field("d", STRING, default=("x",)),
            Field("e", STRING),
            Field("s", Struct((Field("x", Int(64)),))),
        ),
    )
    found = {target: {one.path: one.cost for one in alterations(older, newer, target)} for target in TARGETS}
    assert found["iceberg_v2"] == {"a": NO, "b": NO, "c": IN, "d": NO, "e": NO, "s.x": IN}
    assert found["iceberg_v3"] == {"a": NO, "b": NO, "c": IN, "d": IN, "e": NO, "s.x": IN}
    assert found["delta"] == {"a": NO, "b": NO, "c": IN, "d": NO, "e": NO, "s.x": IN}
    assert found["postgres"] == {"a": RE, "b": NO, "c": IN, "d": IN, "e": NO, "s": IN}
    assert alterations(older, older, "postgres") == ()
