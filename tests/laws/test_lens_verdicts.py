"""What a lens is said to do to a field is what it does to records: no field is called exact that is not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from interlock.domain.lenses import loss as judged
from interlock.domain.lenses.apply import Rejected, apply
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.loss import LensLoss, loss
from interlock.domain.lenses.ops import (
    Program,
)
from interlock.domain.lenses.reverse import reversed_ops
from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.scalars import equal_json
from support.lens_cases import SLOW, lenses, rows_of


def called_exact(told: LensLoss, direction: str, name: str) -> bool:
    """Whether nothing but exactness is said of the field and of what is inside."""
    lines = [x.effect for x in told.lines if x.direction == direction and x.field.split(".")[0] == name]
    return bool(lines) and set(lines) == {"exact"}


def assert_exact(program: Program, told: LensLoss, direction: str, source: Contract, row: dict[str, Any]) -> None:
    try:
        returned = apply(reversed_ops(program), apply(program, row))
    except Rejected:
        event(f"{direction}: rejected")
        return
    for one in source.fields:
        if called_exact(told, direction, one.name):
            event(f"{direction}: exact {one.kind}")
            assert (one.name in returned) == (one.name in row), one.name
            assert equal_json(returned.get(one.name), row.get(one.name)), one.name


def assert_law(case: tuple[Lens, Contract, Contract], data: st.DataObject) -> None:
    lens, older, newer = case
    told = loss(lens, older, newer)
    for _ in range(3):
        assert_exact(lens.ops, told, "forward", older, data.draw(rows_of(older)))
        assert_exact(reversed_ops(lens.ops), told, "backward", newer, data.draw(rows_of(newer)))


@settings(max_examples=250, deadline=None, suppress_health_check=SLOW)
@given(lenses(), st.data())
def test_a_field_that_is_called_exact_comes_back_the_same(
    case: tuple[Lens, Contract, Contract], data: st.DataObject
) -> None:
    """In both directions, through every op, with null, absent, nested and listed values."""
    assert_law(case, data)


CARELESS = ("_head",)


@pytest.mark.parametrize("rule", CARELESS)
def test_the_law_sees_a_careless_verdict(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each rule that is left out is found, so that the law means something."""
    monkeypatch.setattr(judged, rule, lambda *args: iter(()))

    @settings(
        max_examples=3000,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(lenses(), st.data())
    def law(case: tuple[Lens, Contract, Contract], data: st.DataObject) -> None:
        assert_law(case, data)

    with pytest.raises((AssertionError, ExceptionGroup)):
        law()
