"""Conditions of whole rows: typed against the fields of their object, with what is wrong at its place."""

from __future__ import annotations

import pytest

from interlock.domain.checks.violations import count_violations, violations_of
from interlock.domain.lenses.rows import row_conditions, row_findings, row_tests
from interlock.domain.schemas.contract import Check, Contract, Object
from interlock.domain.schemas.field import Decimal, Field, Int, List, Number, String, Timestamp
from interlock.kernel.finding import Severity

FIELDS = (
    Field("net", Number()),
    Field("total", Number(), nullable=True),
    Field("n", Int(8), required=False),
    Field("state", String()),
    Field("price", Decimal(5, 2)),
    Field("made", Timestamp("ms")),
    Field("sent", Timestamp("us")),
    Field("tags", List(Field("element", String()))),
)


def order(*conditions: str) -> Contract:
    checks = tuple(Check(f"c{n}", text) for n, text in enumerate(conditions))
    return Contract("order", "1", (Object("order", FIELDS, checks=checks),), where="order.yaml:1")


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("total = nett", "there is no field 'nett'"),
        ("total +", "cannot be read"),
        ("total + net", "is DOUBLE, not true or false"),
        ("state > 1", "a comparison does not take TEXT, INTEGER"),
        ("random() > 1", "is not part of the language"),
        ("tags = 'x'", "there is no field 'tags'"),
    ],
)
def test_a_condition_without_meaning_is_found(condition: str, says: str) -> None:
    """It blocks, names the check and the place, and says its remedy once; the other conditions are kept."""
    contract = order("net >= 0", condition)
    (found,) = row_findings(contract)
    assert (found.code, found.severity, found.where) == ("contract.check_invalid", Severity.ERROR, "order.yaml:1")
    assert "'c1'" in found.says
    assert says in found.says
    assert not found.remedy or found.remedy not in found.says
    assert [one.name for one in row_conditions(contract.record)] == ["c0"]


def test_records_break_a_condition_that_is_false_for_them() -> None:
    """NULL keeps it, absent fields and values of another type are NULL; instants of every unit compare."""
    contract = order("total >= net OR state = 'void'", "n > 1", "price < 3 AND sent >= made")
    assert not list(row_findings(contract))
    fine = {"net": 1, "total": 2, "n": 2, "state": "x", "price": 2.4, "made": "2026-01-01T00:00:00Z", "tags": []}
    fine["sent"] = "2026-01-01T02:00:00+02:00"
    violations = violations_of(contract, row_tests(contract.record))
    assert violations(fine) == ()
    assert violations(fine | {"total": 0.5}) == (("c0", "check"),)
    assert violations(fine | {"total": None}) == ()
    assert violations(fine | {"n": 1, "total": 0, "state": "void"}) == (("c1", "check"),)
    assert ("c1", "check") not in violations(fine | {"n": "one"})
    assert violations(fine | {"price": 3.01}) == (("c2", "check"),)
    assert violations(fine | {"sent": "2025-12-31T23:59:59Z"}) == (("c2", "check"),)
    counts = count_violations(
        [b'{"net": 3, "total": 1, "state": "x"}', b"[]"], contract, row_tests(contract.record)
    )
    assert counts.fields["c0"] == {"check": 1}
    assert counts.broken == 2
