"""Conditions of a contract as Ibis expressions that are true for the rows that break them.

Ibis compiles them for the engine. Floats are written as text that is cast, because engines read bare ones as
decimals.
"""

from __future__ import annotations

import datetime
import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from operator import ge, gt, le, lt, or_
from typing import Any

from interlock.adapters.schemas.columns import from_text, type_of_column
from interlock.adapters.schemas.compute import double
from interlock.adapters.schemas.sqlite import canonical_date, canonical_time, canonical_timestamp, from_sqlite
from interlock.adapters.schemas.tables import Table
from interlock.domain.checks.requirements import Condition, Test
from interlock.domain.schemas.compatibility import widens
from interlock.domain.schemas.contract import Rule
from interlock.domain.schemas.describe import described
from interlock.domain.schemas.field import (
    Date,
    Decimal,
    Duration,
    Field,
    Float,
    Int,
    Json,
    Number,
    Struct,
    Time,
    Timestamp,
    Type,
)
from interlock.domain.schemas.ranges import UNIT_NS, held

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True, slots=True)
class Breaks:
    """What breaks a condition. rows: a boolean column; None where the column's type proves that no row does.

    reason: why every row does, empty when the rows say. A condition of a column that is not there, or of another
    type than wanted, has no answer of its own.
    """

    rows: Any = None
    reason: str = ""


def breaks(table: Table, asked: Condition) -> Breaks | None:
    """What breaks the condition; None when another condition's failure leaves nothing to ask."""
    column, is_there = _column(table, asked.path)
    if column is None:
        lacking = f"there is no column `{'.'.join(asked.path)}`"
        return Breaks(reason=lacking) if asked.test == "present" else None
    wanted = asked.field.type
    typed, is_none = read(table, column, wanted)
    if typed is None:
        return Breaks(reason=f"text is not read as {described(wanted)}") if asked.test == "type" else None
    misfit = misfits(table, typed, wanted)
    match asked.test:
        case "present":
            return Breaks()
        case "type":
            return Breaks(reason=misfit) if isinstance(misfit, str) else Breaks(_either(is_none, misfit))
        case "null":
            return Breaks(column.isnull() if is_there is None else is_there & column.isnull())
        case test:
            return None if isinstance(misfit, str) else Breaks(_broken(test, typed, asked.field))


def _column(table: Table, path: tuple[str, ...]) -> tuple[Any, Any]:
    """The column at `path`, None where it is lacking; and whether the structs around it are there."""
    if path[0] not in table.rows.columns:
        return None, None
    column, is_there = table.rows[path[0]], None
    for step in path[1:]:
        if not column.type().is_struct() or step not in column.type().names:
            return None, None
        is_there = column.notnull() if is_there is None else is_there & column.notnull()
        column = column[step]
    return column, is_there


def read(table: Table, column: Any, wanted: Type) -> tuple[Any, Any]:
    """The column as values of the type, null where a value is read as none, and which ones those are (None when
    that cannot be). None, None for what text is not read as.
    """
    if table.is_text:
        return from_text(column, wanted)
    return from_sqlite(column, wanted) if table.engine.name == "sqlite" else (column, None)


def misfits(table: Table, typed: Any, wanted: Type) -> Any:
    """Which values of a column that was read are none of the type: None when the column's type says that all are,
    words when none can be.
    """
    is_moment = isinstance(wanted, Date | Time | Timestamp) and typed.type().is_string()
    return None if is_moment and table.engine.name == "sqlite" else _misfit(typed, wanted, table.is_text)


def _either(one: Any, other: Any) -> Any:
    given = [expr for expr in (one, other) if expr is not None]
    return reduce(lambda a, b: a.fill_null(False) | b.fill_null(False), given) if given else None


def _misfit(column: Any, wanted: Type, is_text: bool) -> Any:
    found = type_of_column(column.type())
    match wanted, found:
        case (Json(), _) | (Struct(), Struct()):  # the fields of a struct are asked one by one
            return None
        case Int(), (Int() | Decimal(scale=0)) if not widens(found, wanted):
            return _outside(column, wanted)
        case ((Float() | Number()), (Int() | Float() | Decimal())):
            return None
        case Decimal(), (Decimal() | Int()) if not widens(found, wanted):
            return _outside(column, wanted)
        case (Timestamp(), Timestamp()) | (Time(), Time()) | (Duration(), Duration()):
            is_same = is_text or getattr(wanted, "is_zoned", None) == getattr(found, "is_zoned", None)
            return None if is_same else f"the column is {described(found)}, not {described(wanted)}"
        case _ if widens(found, wanted) or found.kind == wanted.kind:
            return None
        case _:
            return f"the column is {described(found)}, not {described(wanted)}"


def _any(given: Iterable[Any]) -> Any:
    """Whether any holds; None when there is nothing to hold."""
    held_by = list(given)
    return reduce(or_, held_by) if held_by else None


def _outside(column: Any, wanted: Int | Decimal) -> Any:
    """Numbers that the narrower type cannot hold."""
    limits = held(wanted)
    ends = ((limits.low, lt), (limits.high, gt))
    found = [is_out(column, _number(bound, column)) for bound, is_out in ends if abs(bound) != math.inf]
    if isinstance(wanted, Decimal):
        found.append(column.round(wanted.scale) != column)
    return _any(found)


def _broken(test: Test, column: Any, one: Field) -> Any:
    match test:
        case "enum":
            values = [_literal(v, one.type, column) for v in one.enum if v is not None]
            return column.notnull() & ~column.isin(values) if values else column.notnull()
        case "bounds":
            asks = ((one.minimum, lt), (one.maximum, gt), (one.more_than, le), (one.less_than, ge))
            return _any(is_out(column, _literal(b, one.type, column)) for b, is_out in asks if b is not None)
        case "multiple":
            if isinstance(one.multiple_of, int) and column.type().is_integer():
                return column % one.multiple_of != 0
            return _no_multiple(column.cast("float64"), float(one.multiple_of or 1))
        case "length" | "items":
            low, high = (one.min_length, one.max_length) if test == "length" else (one.min_items, one.max_items)
            if not (column.type().is_string() if test == "length" else column.type().is_array()):
                return None
            size = column.length()
            return _any(is_out(size, limit) for limit, is_out in ((low, lt), (high, gt)) if limit is not None)
        case "pattern":
            return ~column.re_search(one.pattern) if column.type().is_string() else None
        case _:
            return column.unique().length() < column.length() if column.type().is_array() else None


_WHOLE_FROM = 2.0**53
"""From here on floats have no fraction, and engines that round to 64 bits fail."""


def _no_multiple(column: Any, of: float) -> Any:
    """Floats that are no multiple, but for what dividing rounds; infinity and NaN are none of anything."""
    times = column / double(of)
    size = times.abs()
    small = (size < double(_WHOLE_FROM)).ifelse(times, double(0.0))
    is_between = (small - small.round().cast("float64")).abs() > size * double(1e-15) + double(1e-9)
    return (is_between & (size < double(_WHOLE_FROM))) | (column.abs() > double(sys.float_info.max))


def _literal(value: Any, wanted: Type, column: Any) -> Any:
    """A value as the engine's literal: floats as cast text; counts of dates and times as what they count."""
    import ibis

    match wanted, value:
        case Date(), int() | float():
            return _moment((_EPOCH + datetime.timedelta(days=value)).date().isoformat(), column, wanted)
        case Timestamp(unit=unit), int() | float():
            instant = _EPOCH + datetime.timedelta(microseconds=value * UNIT_NS[unit] / 1000)
            instant = instant if wanted.is_zoned else instant.replace(tzinfo=None)
            return _moment(instant.isoformat(), column, wanted)
        case Time(unit=unit), int() | float():
            instant = _EPOCH + datetime.timedelta(microseconds=value * UNIT_NS[unit] / 1000)
            return _moment(instant.time().isoformat(), column, wanted)
        case ((Date() | Timestamp() | Time()), str()):
            return _moment(value, column, wanted)
        case _, bool():
            return ibis.literal(value)
        case _, int() | float():
            return _number(value, column)
        case _:
            return ibis.literal(value)


def _moment(text: str, column: Any, wanted: Date | Time | Timestamp) -> Any:
    """As text that is cast: the functions that make dates of numbers have a different name in each engine. Where
    the column is text it stays text, in the form that SQLite's columns are read in.
    """
    import ibis

    if not column.type().is_string():
        return ibis.literal(text).cast(column.type())
    form = {"date": canonical_date, "time": canonical_time, "timestamp": canonical_timestamp}[wanted.kind]
    return ibis.literal(form(text) or text)


def _number(value: int | float | Fraction, column: Any) -> Any:
    """A number as a literal that compares with the column exactly, where both are exact."""
    import ibis

    found = column.type()
    if isinstance(value, int) and found.is_integer() and -(2**63) <= value < 2**63:
        return ibis.literal(value)
    if found.is_decimal() or (isinstance(value, int | Fraction) and found.is_integer()):
        scale = (found.scale or 0) if found.is_decimal() else 0
        exact = Fraction(repr(value)) if isinstance(value, float) else Fraction(value)
        if (exact * 10**scale).denominator == 1 and abs(exact) < 10 ** (38 - scale):
            return ibis.literal(_decimal_text(exact, scale)).cast(f"decimal(38, {scale})")
    return ibis.literal(repr(float(value))).cast("float64")


def _decimal_text(exact: Fraction, scale: int) -> str:
    """The digits of a number that has at most `scale` of them behind the point."""
    digits = f"{abs(exact.numerator) * 10**scale // exact.denominator:0{scale + 1}d}"
    sign = "-" if exact < 0 else ""
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}" if scale else f"{sign}{digits}"


def counted_by(rule: Rule, column: Any) -> Any:
    """Which rows a rule's metric counts."""
    if rule.metric == "null_values":
        return column.isnull()
    if rule.metric == "missing_values":
        return column.isnull() | _is_among(column, rule.arguments.get("missingValues", ())).fill_null(False)
    wrong = None
    if valid := rule.arguments.get("validValues", ()):
        wrong = column.notnull() & ~_is_among(column, valid)
    for pattern in rule.arguments.get("pattern", ()):
        wrong = _either(wrong, column.notnull() & ~column.cast("string").re_search(str(pattern)))
    return column.isnull() & column.notnull() if wrong is None else wrong


def _is_among(column: Any, values: tuple[Any, ...]) -> Any:
    """As text, so that a list may hold what the column's type cannot."""
    return column.cast("string").isin([str(v) for v in values if v is not None])
