"""The expression language for people: each function with an example, and when it is NULL.

The page of reference is made from this table; what an example is worth, and which engines compute it, is computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from interlock.domain.lenses.expressions.evaluate import evaluator
from interlock.domain.lenses.expressions.nodes import Expr, Name
from interlock.domain.lenses.expressions.read import read_expression
from interlock.domain.lenses.expressions.typing import named

_BEYOND = "beyond 2\\*\\*53 (whole numbers) or 1e150"
_EXAMPLES: Mapping[Name, tuple[str, str]] = {
    "add": ("1 + 2", _BEYOND),
    "sub": ("1.5 - 2", _BEYOND),
    "mul": ("2 * 3", _BEYOND),
    "div": ("7 / 2", "division by 0; always a DOUBLE"),
    "idiv": ("-7 // 2", "division by 0; cut towards 0"),
    "mod": ("-7 % 2", "division by 0; the sign of the first"),
    "neg": ("-(3)", _BEYOND),
    "abs": ("abs(-3)", _BEYOND),
    "eq": ("1 = 1", ""),
    "ne": ("'a' <> 'b'", ""),
    "lt": ("1 < 2", ""),
    "le": ("1 <= 2", ""),
    "gt": ("1 > 2", ""),
    "ge": ("1 >= 2", ""),
    "and": ("false AND nullif(1, 1) = 1", "no argument is false, and one is NULL"),
    "or": ("true OR nullif(1, 1) = 1", "no argument is true, and one is NULL"),
    "not": ("NOT 1 = 2", ""),
    "is_null": ("1 IS NULL", "never"),
    "coalesce": ("coalesce(NULL, 2)", "every argument is NULL"),
    "nullif": ("nullif(1, 2)", "both are the same"),
    "case": ("CASE WHEN 1 > 2 THEN 'a' ELSE 'b' END", "no condition is true, and there is no ELSE"),
    "floor": ("floor(2.5)", "beyond 2\\*\\*53"),
    "ceil": ("ceil(2.5)", "beyond 2\\*\\*53"),
    "trunc": ("trunc(-2.5)", "beyond 2\\*\\*53"),
    "round_half_even": ("round_half_even(2.5)", "beyond 2\\*\\*53"),
    "to_float": ("CAST(7 AS DOUBLE)", "beyond 2\\*\\*53"),
    "to_int": ("CAST('+007' AS INTEGER)", "the text is no whole number of at most 15 digits"),
    "to_text": ("CAST(7 AS TEXT)", "beyond 2\\*\\*53"),
    "to_bool": ("CAST('true' AS BOOLEAN)", "the text is neither true nor false"),
    "to_decimal": ("CAST(trim('1.50') AS DECIMAL(5, 2))", "it does not fit exactly"),
    "concat": ("'a' || 'b'", ""),
    "upper": ("upper('aé')", "; ASCII letters alone"),
    "lower": ("lower('AÉ')", "; ASCII letters alone"),
    "trim": ("trim(' a ')", "; ASCII white space"),
    "length": ("length('é')", "; code points"),
    "substring": ("substring('abcd', 2, 2)", "; counted from 1"),
    "replace": ("replace('a-b', '-', '/')", ""),
    "split_part": ("split_part('a-b', '-', 2)", "; empty text where there are fewer parts"),
    "lpad": ("lpad('7', 3, '0')", "; longer text is cut"),
    "starts_with": ("starts_with('abc', 'ab')", ""),
    "ends_with": ("ends_with('abc', 'bc')", ""),
    "contains": ("contains('abc', 'b')", ""),
    "matches": ("regexp_full_match('A1', '[A-Z][0-9]')", "; the whole text, RE2's syntax, ASCII classes"),
    "to_date": ("CAST('2024-02-29' AS DATE)", "the text is no day written YYYY-MM-DD"),
    "year": ("year(CAST('2024-02-29' AS DATE))", ""),
    "month": ("month(CAST('2024-02-29' AS DATE))", ""),
    "day": ("day(CAST('2024-02-29' AS DATE))", ""),
    "add_days": ("add_days(CAST('2024-02-28' AS DATE), 1)", "beyond the years 1 to 9999"),
    "days_between": ("days_between(CAST('2024-02-28' AS DATE), CAST('2024-03-01' AS DATE))", ""),
    "epoch_us": ("epoch_us(from_epoch_us(1000000))", ""),
    "from_epoch_us": ("from_epoch_us(0)", "beyond the years 1 to 9999"),
    "date_in": ("date_in(from_epoch_us(0), 'Asia/Tokyo')", ""),
    "hour_in": ("hour_in(from_epoch_us(0), 'Asia/Tokyo')", ""),
}


@dataclass(frozen=True, slots=True)
class Described:
    """A function: an example, its type and value as JSON text, and when it is NULL, notes behind a semicolon."""

    name: Name
    example: str
    type: str
    value: object
    null: str
    expr: Expr


def described_functions() -> tuple[Described, ...]:
    """Every function of the language, in the order of its kinds."""
    found = []
    for name, (example, null) in _EXAMPLES.items():
        expr = read_expression(example, {})
        when, _, note = null.partition(";")
        told = when or "an argument is NULL"
        told = f"{told};{note}" if note else told
        found.append(Described(name, example, named(expr.type), evaluator(expr)({}), told, expr))
    return tuple(found)
