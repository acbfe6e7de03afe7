"""What expressions mean: the rule for every place where engines disagree, and what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal as Exact
from typing import Any

import pytest

from interlock.domain.lenses.expressions.evaluate import evaluator
from interlock.domain.lenses.expressions.nodes import BOOL, DATE, FLOAT, INSTANT, INT, TEXT, Call, Column, columns
from interlock.domain.lenses.expressions.read import read_expression
from interlock.domain.lenses.expressions.typing import ExpressionInvalid
from interlock.domain.schemas.field import Decimal
from interlock.engine.codec import dump, load

MONEY = Decimal(10, 2)
TYPES = {"a": INT, "x": FLOAT, "s": TEXT, "d": DATE, "t": INSTANT, "m": MONEY, "b": BOOL, "n": INT}
KNOWN = {name: Column(name, one) for name, one in TYPES.items()}
ROW = {
    "a": -7,
    "x": 2.5,
    "s": " ab-CD ",
    "d": "2024-02-29",
    "t": "2024-01-01T00:30:00+01:00",
    "m": "19.90",
    "b": True,
    "n": None,
}


def value(text: str, **row: Any) -> Any:
    return evaluator(read_expression(text, KNOWN))({**ROW, **row})


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a // 2", -3),
        ("a % 2", -1),
        ("7 / 2", 3.5),
        ("a / 0", None),
        ("a // 0", None),
        ("x * 1.5 + a", -3.25),
        ("0.1 + 0.2 = 0.3", False),
        ("DECIMAL '0.10' + DECIMAL '0.20' = DECIMAL '0.30'", True),
        ("round_half_even(x)", 2),
        ("trunc(-2.5) + floor(-2.5) + ceil(-2.5)", -7),
        ("a * 9007199254740991", None),
        ("x * 1e150", None),
        ("x * 1e-150 * 0.1", 0.0),
        ("1e150 / 1e-150", None),
        ("upper(trim(s))", "AB-CD"),
        ("upper('ßi')", "ßI"),
        ("length('né')", 2),
        ("split_part(s, '-', 2)", "CD "),
        ("split_part(s, '-', 9)", ""),
        ("substring(s, 2, 2)", "ab"),
        ("lpad(CAST(a AS TEXT), 4, '0')", "00-7"),
        ("lpad('abcde', 3, '0')", "abc"),
        ("m * 2", Exact("39.80")),
        ("CAST(m AS DECIMAL(4, 1))", Exact("19.9")),
        ("CAST(m AS DECIMAL(2, 1))", None),
        ("CASE WHEN n > 0 THEN 'a' WHEN a < 0 THEN 'b' ELSE 'c' END", "b"),
        ("CASE a WHEN -7 THEN 1 END", 1),
        ("n > 0 AND false", False),
        ("n > 0 OR true", True),
        ("n > 0 AND true", None),
        ("a IN (1, -7)", True),
        ("x BETWEEN 1 AND 3", True),
        ("year(d) * 100 + month(d)", 202402),
        ("add_days(d, 1)", date(2024, 3, 1)),
        ("days_between(d, DATE '2025-01-01')", 307),
        ("CAST('2023-02-29' AS DATE)", None),
        ("date_in(t, 'Europe/Berlin')", date(2024, 1, 1)),
        ("hour_in(t, 'UTC')", 23),
        ("from_epoch_us(0)", datetime(1970, 1, 1, tzinfo=UTC)),
        ("coalesce(NULL, n, a)", -7),
        ("nullif(a, -7)", None),
        ("n IS NULL", True),
        ("s || NULL", None),
        ("CAST(' 12 ' AS INTEGER)", None),
        ("CAST('+12' AS INTEGER)", 12),
        ("CAST('1_000' AS INTEGER)", None),
        ("CAST(b AS TEXT) || CAST(a AS TEXT)", "true-7"),
        ("regexp_full_match('12', '[0-9]+')", True),
    ],
)
def test_an_expression_has_one_meaning(text: str, wanted: Any) -> None:
    """The rule adopted where engines disagree."""
    found = value(text)
    assert (found, type(found)) == (wanted, type(wanted))


def test_columns_come_in_as_the_language_has_them() -> None:
    """NaN and infinities are NULL, and a whole number written as 7.0 is one."""
    assert value("x", x=float("nan")) is None
    assert value("x IS NULL", x=float("inf")) is True
    assert value("a + 1", a=7.0) == 8
    assert value("a", a=2**60) == 2**60
    assert value("a + 1", a=2**60) is None


@pytest.mark.parametrize(
    ("written", "wanted"),
    [(1.5, Exact("1.50")), (2.0, Exact("2.00")), (3, Exact("3.00")), (0.005, None), (1e9, None)],
)
def test_a_json_number_is_a_decimal_when_it_is_one_as_written(written: float, wanted: Exact | None) -> None:
    """Of the field's digits, by the shortest text of the double; others are NULL."""
    assert value("m", m=written) == wanted


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = x", "a comparison does not take INTEGER, DOUBLE"),
        ("x::int", "CAST to INTEGER does not take DOUBLE"),
        ("CAST(x AS TEXT)", "CAST to TEXT does not take DOUBLE"),
        ("foo(a)", "there is no function 'foo'"),
        ("a LIKE 'x'", "not part of the language"),
        ("now()", "there is no function 'now'"),
        ("missing + 1", "there is no field 'missing'"),
        ("q.a", "there is no field 'q.a'"),
        ("a +", "cannot be read at line 1, column 3"),
        ("a; s", "is not one expression"),
        ("SELECT 1", "not part of the language"),
        ("substring(s, 0, 1)", "from 1"),
        ("substring(s, a, 1)", "needs a literal"),
        ("a IN (1, NULL)", "without NULL"),
        ("NOT a", "NOT does not take INTEGER"),
        ("1e999", "no finite number"),
        ("date_in(t, 'Nowhere')", "no time zone 'Nowhere'"),
        ("DECIMAL '0.12345'", "is no DECIMAL(18, 3)"),
        ("(" * 200 + "a" + ")" * 200, "deep"),
        ("+".join("a" for _ in range(6_000)), "characters"),
    ],
)
def test_what_engines_do_not_share_is_refused(text: str, says: str) -> None:
    """By name, with what to write instead."""
    with pytest.raises(ExpressionInvalid) as refused:
        read_expression(text, KNOWN)
    assert says in str(refused.value)
    assert refused.value.remedy


def test_an_expression_is_plain_data() -> None:
    """It is stored in plans, so its digest must survive."""
    expr = read_expression("CASE WHEN a > 1 THEN x ELSE 0.5 END", KNOWN)
    assert isinstance(expr, Call)
    assert load(Call, dump(expr)) == expr
    assert set(columns(expr)) == {"a", "x"}
