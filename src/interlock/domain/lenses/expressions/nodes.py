"""Expressions as a closed union, after types were settled.

What every engine computes (measured where engines disagree, see docs/decisions):
- Every expression has a value or NULL; nothing raises. A field that must not be NULL rejects the record instead.
- Integers are exact while they are below 2**53 in size; an operation on or to a larger one gives NULL. Columns that
  are only passed on keep any integer.
- Floats are IEEE 754 doubles and finite; NaN and infinities are NULL, also where a column brings them. Arithmetic
  has magnitudes from 1e-150 to 1e150: larger ones are NULL, smaller ones are 0.
- Decimals are exact, of a precision and scale that each operation fixes (at most 38 digits).
- Text is Unicode code points. Zoned timestamps are instants in microseconds; others are wall-clock time.
- Conditions have three values: true, false, NULL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal as Tag

from interlock.domain.schemas.field import Bool, Date, Decimal, Float, Int, String, Timestamp

ExprType = Bool | Int | Float | Decimal | String | Date | Timestamp

BOOL, INT, FLOAT, TEXT, DATE, INSTANT = Bool(), Int(64), Float(64), String(), Date(), Timestamp("us", True)

Value = str | int | float | bool | None

Name = Tag[
    "add",
    "sub",
    "mul",
    "div",
    "idiv",
    "mod",
    "neg",
    "abs",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "and",
    "or",
    "not",
    "is_null",
    "coalesce",
    "nullif",
    "case",
    "floor",
    "ceil",
    "trunc",
    "round_half_even",
    "to_float",
    "to_int",
    "to_text",
    "to_bool",
    "to_decimal",
    "concat",
    "upper",
    "lower",
    "trim",
    "length",
    "substring",
    "replace",
    "split_part",
    "lpad",
    "starts_with",
    "ends_with",
    "contains",
    "matches",
    "to_date",
    "year",
    "month",
    "day",
    "add_days",
    "days_between",
    "epoch_us",
    "from_epoch_us",
    "date_in",
    "hour_in",
]


@dataclass(frozen=True, slots=True)
class Column:
    """A field of the record, by the name that it has there."""

    name: str
    type: ExprType
    is_nullable: bool = True
    kind: Tag["column"] = "column"


@dataclass(frozen=True, slots=True)
class Constant:
    """A value of `type`. Decimals and dates are held as text, timestamps as microseconds since 1970."""

    value: Value
    type: ExprType
    kind: Tag["constant"] = "constant"


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the language, applied. `case` has conditions and values in turn, and the default at the end."""

    function: Name
    args: tuple[Column | Constant | Call, ...]
    type: ExprType
    kind: Tag["call"] = "call"


Expr = Column | Constant | Call


def fields_read(expr: Expr) -> Iterator[Column]:
    """The fields that `expr` reads, each as often as it does."""
    match expr:
        case Column():
            yield expr
        case Call(args=args):
            for arg in args:
                yield from fields_read(arg)
        case Constant():
            pass


def columns(expr: Expr) -> Iterator[str]:
    """Their names."""
    return (one.name for one in fields_read(expr))


def renamed(expr: Expr, names: Mapping[str, str]) -> Expr:
    """The same, of fields that are called otherwise; every field that it reads is in `names`."""
    match expr:
        case Column(name):
            return Column(names[name], expr.type, expr.is_nullable)
        case Call(function, args):
            return Call(function, tuple(renamed(arg, names) for arg in args), expr.type)
        case Constant():
            return expr


def is_nullable(expr: Expr) -> bool:
    """Whether the value may be NULL, as far as is known without looking at values."""
    match expr:
        case Column(is_nullable=known):
            return known
        case Constant(value=value):
            return value is None
        case Call(function="is_null"):
            return False
        case Call(function="coalesce", args=args):
            return all(is_nullable(a) for a in args)
        case Call(function="case", args=args):
            return any(is_nullable(a) for a in (*args[1:-1:2], args[-1]))
        case Call(function=function, args=args):
            return function not in TOTAL or any(is_nullable(a) for a in args)


TOTAL: frozenset[str] = frozenset(
    (
        *("eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not", "to_text", "concat", "upper", "lower", "trim"),
        *(
            "length",
            "substring",
            "replace",
            "split_part",
            "lpad",
            "starts_with",
            "ends_with",
            "contains",
            "matches",
        ),
        *("year", "month", "day", "epoch_us"),
    )
)
"""Functions that are NULL only where an argument is."""
