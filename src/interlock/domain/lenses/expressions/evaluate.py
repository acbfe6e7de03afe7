"""What an expression is worth for one record: the reference that every engine is tested against.

Values are Python's: int, float, str, bool, Decimal, date, datetime (aware for instants), and None for NULL.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_DOWN, Context, InvalidOperation
from decimal import Decimal as Exact
from typing import Any
from zoneinfo import ZoneInfo

from interlock.domain.lenses.expressions.nodes import Call, Column, Constant, Expr, ExprType, Name
from interlock.domain.schemas.field import Date, Decimal, Float, Int, Timestamp

Row = Mapping[str, Any]
Evaluate = Callable[[Row], Any]

EXACT_LIMIT = 2**53
LARGEST, SMALLEST = 1e150, 1e-150
"""Between these no single operation leaves the range of doubles, where engines raise, wrap or round differently."""
INTEGER_TEXT = re.compile(r"[+-]?[0-9]{1,15}")
DECIMAL_TEXT = re.compile(r"[+-]?[0-9]{1,38}(\.[0-9]{1,38})?")
DATE_TEXT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
TRIMMED = "\t\n\r\v\f "
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WIDE = Context(prec=100)
_UPPER = {i: i - 32 for i in range(ord("a"), ord("z") + 1)}
_LOWER = {i: i + 32 for i in range(ord("A"), ord("Z") + 1)}


def evaluator(expr: Expr) -> Evaluate:
    """`expr` as a function of a record. A field that is absent is NULL."""
    match expr:
        case Column(name, type=one):
            return lambda row: bounded(row.get(name), one)
        case Constant(value, type=one):
            fixed = constant(value, one)
            return lambda row: fixed
        case Call("coalesce", args):
            return _coalesced([evaluator(a) for a in args])
        case Call("case", args):
            return _chosen([evaluator(a) for a in args])
        case Call(("and" | "or") as function, args):
            return _joined([evaluator(a) for a in args], decisive=function == "or")
        case Call("is_null", args):
            inner = evaluator(args[0])
            return lambda row: inner(row) is None
        case Call("nullif", args):
            one_, other = (evaluator(a) for a in args)
            return lambda row: None if (v := one_(row)) is None or v == other(row) else v
        case Call(function, args, result):
            return _strict(applied(function, result), [evaluator(a) for a in args])


def constant(value: Any, one: ExprType) -> Any:
    """The value of a Constant in Python's types."""
    match one:
        case _ if value is None:
            return None
        case Decimal():
            return Exact(value)
        case Float():
            return float(value)
        case Date():
            return date.fromisoformat(value)
        case Timestamp():
            return from_epoch_us(value)
        case _:
            return value


def bounded(value: Any, one: ExprType) -> Any:
    """A field's value as the language sees it: floats that are not finite are NULL, and so is a value of another
    type; an integer in a float field is a float.
    """
    match one:
        case _ if value is None:
            return None
        case Float():
            return _finite(value)
        case Int():
            return value if isinstance(value, int) and not isinstance(value, bool) else _integral(value)
        case Date() if isinstance(value, str):
            return to_date(value)
        case Timestamp(is_zoned=is_zoned) if isinstance(value, str):
            return _moment(value, is_zoned)
        case Decimal(precision, scale) if not isinstance(value, bool) and isinstance(value, int | str | Exact):
            return to_decimal(value, precision, scale)
        case Decimal(precision, scale) if isinstance(value, float) and math.isfinite(value):
            return to_decimal(Exact(repr(value)), precision, scale)  # as JSON writes it
        case _:
            return value if isinstance(value, _PYTHON[type(one).__name__]) else None


_PYTHON: Mapping[str, type] = {
    "Bool": bool,
    "String": str,
    "Date": date,
    "Timestamp": datetime,
    "Decimal": Exact,
}


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _integral(value: Any) -> int | None:
    """JSON may write a whole number with a fraction of zero."""
    return int(value) if isinstance(value, float) and value.is_integer() else None


def _moment(text: str, is_zoned: bool) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if (moment.tzinfo is not None) is not is_zoned:
        return None
    return moment.astimezone(UTC) if is_zoned else moment


def _coalesced(parts: list[Evaluate]) -> Evaluate:
    return lambda row: next((v for part in parts if (v := part(row)) is not None), None)


def _chosen(parts: list[Evaluate]) -> Evaluate:
    """The value of the first condition that is true; NULL is not true."""
    branches, default = list(zip(parts[:-1:2], parts[1:-1:2], strict=True)), parts[-1]

    def run(row: Row) -> Any:
        for condition, value in branches:
            if condition(row) is True:
                return value(row)
        return default(row)

    return run


def _joined(parts: list[Evaluate], decisive: bool) -> Evaluate:
    """Three-valued AND and OR: the decisive value wins over NULL."""

    def run(row: Row) -> Any:
        values = [part(row) for part in parts]
        return decisive if decisive in values else None if None in values else not decisive

    return run


def _strict(function: Callable[..., Any], parts: list[Evaluate]) -> Evaluate:
    """NULL in, NULL out."""

    def run(row: Row) -> Any:
        values = [part(row) for part in parts]
        return None if None in values else function(*values)

    return run


def applied(function: Name, result: ExprType) -> Callable[..., Any]:
    """A strict function over values that are not NULL; no result beyond what its type holds exactly."""
    change = _FUNCTIONS[function]
    if isinstance(result, Decimal):
        precision, scale = result.precision, result.scale

        def run_decimal(*values: Any) -> Any:
            value = change(*values)
            return None if value is None else to_decimal(value, precision, scale)

        return run_decimal
    return lambda *values: _held(change(*values), result)


def _held(value: Any, result: ExprType) -> Any:
    match result:
        case Int():
            return value if value is not None and abs(value) < EXACT_LIMIT else None
        case Float():
            return value if value is not None and math.isfinite(value) else None
        case _:
            return value


def _whole(value: Any) -> int | None:
    return value if abs(value) < EXACT_LIMIT else None


def _exactly(change: Callable[..., Any]) -> Callable[..., Any]:
    """Arithmetic over operands that are below 2**53 when they are integers, and within the magnitudes of `settled`
    when they are floats.
    """

    def run(*values: Any) -> Any:
        if any(isinstance(v, int) and abs(v) >= EXACT_LIMIT for v in values):
            return None
        if isinstance(values[0], Exact):
            return change(*values, context=_WIDE)
        if isinstance(values[0], float):
            return _in_floats(change, values)
        return change(*values)

    return run


def _in_floats(change: Callable[..., Any], values: tuple[float, ...]) -> float | None:
    within = [settled(v) for v in values]
    if None in within:
        return None
    result = change(*within)
    return None if result is None else settled(result)


def settled(value: float) -> float | None:
    """A float within the magnitudes that arithmetic has: None beyond LARGEST, 0 below SMALLEST."""
    if abs(value) > LARGEST:
        return None
    return 0.0 if abs(value) < SMALLEST else value


def _add(a: Any, b: Any, context: Context | None = None) -> Any:
    return context.add(a, b) if context else a + b


def _sub(a: Any, b: Any, context: Context | None = None) -> Any:
    return context.subtract(a, b) if context else a - b


def _mul(a: Any, b: Any, context: Context | None = None) -> Any:
    return context.multiply(a, b) if context else a * b


def _neg(a: Any, context: Context | None = None) -> Any:
    return context.minus(a) if context else -a


def _abs(a: Any, context: Context | None = None) -> Any:
    return context.abs(a) if context else abs(a)


def _div(a: float, b: float) -> float | None:
    return None if b == 0 else a / b


def _idiv(a: int, b: int) -> int | None:
    """Truncating: towards zero."""
    if b == 0:
        return None
    size = abs(a) // abs(b)
    return size if (a < 0) == (b < 0) else -size


def _mod(a: int, b: int) -> int | None:
    """The remainder has the sign of the dividend."""
    if b == 0:
        return None
    size = abs(a) % abs(b)
    return -size if a < 0 else size


def _rounded(change: Callable[[float], Any]) -> Callable[[float], int | None]:
    return lambda a: int(change(a)) if abs(a) < EXACT_LIMIT else None


def _to_float(value: Any) -> float | None:
    if isinstance(value, int):
        return float(value) if abs(value) < EXACT_LIMIT else None
    return float(value)


def _to_int(value: Any) -> int | None:
    if isinstance(value, bool):
        return int(value)
    return int(value) if INTEGER_TEXT.fullmatch(value) else None


def _to_text(value: Any) -> str | None:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value) if abs(value) < EXACT_LIMIT else None
        case _:
            return str(value.isoformat())


def to_decimal(value: Any, precision: int, scale: int) -> Exact | None:
    """`value` (text, an integer, a decimal) with `scale` digits behind the point; None when it does not fit."""
    if isinstance(value, str):
        if not DECIMAL_TEXT.fullmatch(value):
            return None
        value = Exact(value)
    try:
        fixed = Exact(value).quantize(Exact(1).scaleb(-scale), rounding=ROUND_DOWN, context=_WIDE)
    except InvalidOperation:
        return None
    if fixed != value or abs(fixed) >= Exact(10) ** (precision - scale):
        return None
    return fixed + 0 if fixed else fixed.copy_abs()


def to_date(text: str) -> date | None:
    """A day from YYYY-MM-DD; None for any other text, and for years before 1."""
    if not DATE_TEXT.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _substring(text: str, start: int, length: int) -> str:
    return text[start - 1 : start - 1 + length]


def _split_part(text: str, separator: str, number: int) -> str:
    parts = text.split(separator)
    return parts[number - 1] if number <= len(parts) else ""


def _lpad(text: str, length: int, fill: str) -> str:
    return text[:length].rjust(length, fill)


def _add_days(day: date, days: int) -> date | None:
    try:
        return day + timedelta(days=days)
    except OverflowError:
        return None


def _epoch_us(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(microseconds=1)


def from_epoch_us(us: int) -> datetime | None:
    """The instant so many microseconds after 1970; None outside of the years 1 to 9999."""
    try:
        return EPOCH + timedelta(microseconds=us)
    except OverflowError:
        return None


def _date_in(moment: datetime, zone: str) -> date:
    return moment.astimezone(ZoneInfo(zone)).date()


def _hour_in(moment: datetime, zone: str) -> int:
    return moment.astimezone(ZoneInfo(zone)).hour


_FUNCTIONS: Mapping[Name, Callable[..., Any]] = {
    "add": _exactly(_add),
    "sub": _exactly(_sub),
    "mul": _exactly(_mul),
    "neg": _exactly(_neg),
    "abs": _exactly(_abs),
    "div": _exactly(_div),
    "idiv": _exactly(_idiv),
    "mod": _exactly(_mod),
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "not": operator.not_,
    "floor": _rounded(math.floor),
    "ceil": _rounded(math.ceil),
    "trunc": _rounded(math.trunc),
    "round_half_even": _rounded(round),
    "to_float": _to_float,
    "to_int": _to_int,
    "to_text": _to_text,
    "to_bool": lambda text: {"true": True, "false": False}.get(text),
    "to_decimal": lambda value: value,
    "concat": operator.add,
    "upper": lambda text: text.translate(_UPPER),
    "lower": lambda text: text.translate(_LOWER),
    "trim": lambda text: text.strip(TRIMMED),
    "length": len,
    "substring": _substring,
    "replace": lambda text, old, new: text.replace(old, new),
    "split_part": _split_part,
    "lpad": _lpad,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
    "contains": lambda text, part: part in text,
    "matches": lambda text, pattern: re.fullmatch(pattern, text, re.ASCII) is not None,
    "to_date": to_date,
    "year": lambda day: day.year,
    "month": lambda day: day.month,
    "day": lambda day: day.day,
    "add_days": _add_days,
    "days_between": lambda a, b: (b - a).days,
    "epoch_us": _epoch_us,
    "from_epoch_us": from_epoch_us,
    "date_in": _date_in,
    "hour_in": _hour_in,
}
