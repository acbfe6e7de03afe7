"""Which calls make sense, and of which type they are: every `Call` is made here.

Nothing is converted silently but for literals and for whole numbers that meet floats in arithmetic: integers and
floats do not compare (engines disagree from 2**53 on), and a float becomes an integer by a named rounding only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal as Exact

from interlock.domain.lenses.expressions.nodes import (
    BOOL,
    DATE,
    FLOAT,
    INSTANT,
    INT,
    TEXT,
    Call,
    Constant,
    Expr,
    ExprType,
    Name,
)
from interlock.domain.schemas.field import Bool, Date, Decimal, Float, Int, String, Timestamp
from interlock.kernel.errors import Invalid

MAX_PRECISION = 38
FLOAT_DIGITS = 15
"""Decimals of at most so many digits become the nearest double on every engine."""

Args = tuple[Expr, ...]


class ExpressionInvalid(Invalid):
    """An expression that has no meaning, or none that all engines share."""

    code = "expression.invalid"


def named(one: ExprType) -> str:
    """The type in the words of the language."""
    match one:
        case Bool():
            return "BOOLEAN"
        case Int():
            return "INTEGER"
        case Float():
            return "DOUBLE"
        case Decimal(precision, scale):
            return f"DECIMAL({precision}, {scale})"
        case String():
            return "TEXT"
        case Date():
            return "DATE"
        case Timestamp(is_zoned=is_zoned):
            return "TIMESTAMPTZ" if is_zoned else "TIMESTAMP"


def call(function: Name, *args: Expr) -> Expr:
    """The call with its type; arguments are widened where that is exact. ExpressionInvalid otherwise."""
    return _RULES[function](function, args)


def null_of(one: ExprType) -> Constant:
    return Constant(None, one)


def _refuse(function: str, args: Args, remedy: str) -> ExpressionInvalid:
    given = ", ".join(named(a.type) for a in args)
    return ExpressionInvalid(f"{function} does not take {given or 'nothing'}", remedy=remedy)


def _is_null(expr: Expr) -> bool:
    return isinstance(expr, Constant) and expr.value is None


def to_float(expr: Expr) -> Expr:
    """`expr` as a double; integers are exact as long as they may be computed with at all."""
    match expr:
        case Constant(int() | float() as value, Int() | Float()):
            return Constant(float(value), FLOAT)
        case _ if isinstance(expr.type, Float):
            return expr
        case _:
            return call("to_float", expr)


def _widened(args: Args) -> Args:
    """Numbers of one kind; a literal takes the kind of what it meets."""
    if any(isinstance(a.type, Float) for a in args) and not any(isinstance(a.type, Decimal) for a in args):
        return tuple(to_float(a) if isinstance(a.type, Int | Float) else a for a in args)
    if any(isinstance(a.type, Decimal) for a in args):
        return tuple(_as_decimal(a) for a in args)
    return args


def _as_decimal(expr: Expr) -> Expr:
    if isinstance(expr, Constant) and isinstance(expr.type, Int) and isinstance(expr.value, int):
        return Constant(str(expr.value), Decimal(len(str(abs(expr.value))), 0))
    return expr


def _arithmetic(function: Name, args: Args) -> Expr:
    widened = _widened(args)
    kinds = {type(a.type) for a in widened}
    if kinds == {Int}:
        return Call(function, widened, INT)
    if kinds == {Float}:
        return Call(function, widened, FLOAT)
    if kinds == {Decimal}:
        return Call(function, widened, _decimal_result(function, widened))
    raise _refuse(function, args, "Compute with numbers of one kind; CAST one of them.")


def _decimal_result(function: Name, args: Args) -> Decimal:
    """Precision and scale that hold every result exactly (ISO/IEC 9075-2, 6.27)."""
    (p, s), *rest = [(a.type.precision, a.type.scale) for a in args if isinstance(a.type, Decimal)]
    for q, t in rest:
        if function == "mul":
            p, s = p + q, s + t
        else:
            p, s = max(p - s, q - t) + max(s, t) + 1, max(s, t)
    if p > MAX_PRECISION:
        raise ExpressionInvalid(
            f"the result of {function} would need {p} digits; there are at most {MAX_PRECISION}",
            remedy="CAST the operands to smaller decimals, or to DOUBLE.",
        )
    return Decimal(p, s)


def _division(function: Name, args: Args) -> Expr:
    if not all(isinstance(a.type, Int | Float | Decimal) for a in args):
        raise _refuse("/", args, "Divide numbers.")
    return Call("div", tuple(to_float(a) for a in args), FLOAT)


def _whole(function: Name, args: Args) -> Expr:
    if not all(isinstance(a.type, Int) for a in args):
        raise _refuse("// and %" if function in ("idiv", "mod") else function, args, "Use whole numbers.")
    return Call(function, args, INT)


def _comparison(function: Name, args: Args) -> Expr:
    left, right = args
    if isinstance(left.type, Float) != isinstance(right.type, Float):
        left, right = _literal_as_float(left), _literal_as_float(right)
    if Decimal in (type(left.type), type(right.type)):
        left, right = _as_decimal(left), _as_decimal(right)
    if type(left.type) is not type(right.type):
        raise _refuse("a comparison", args, "Compare values of one type; CAST one of them.")
    if isinstance(left.type, Timestamp) and left.type != right.type:
        raise _refuse("a comparison", args, "Instants and wall-clock times do not compare.")
    if isinstance(left.type, Bool) and function not in ("eq", "ne"):
        raise _refuse("an ordering", args, "Booleans are equal or not.")
    return Call(function, (left, right), BOOL)


def _literal_as_float(expr: Expr) -> Expr:
    return to_float(expr) if isinstance(expr, Constant) and isinstance(expr.type, Int) else expr


def _logic(function: Name, args: Args) -> Expr:
    if not all(isinstance(a.type, Bool) for a in args):
        raise _refuse(function.upper(), args, "Write conditions, such as `x > 0`.")
    return Call(function, args, BOOL)


def _is_null_call(function: Name, args: Args) -> Expr:
    return Call("is_null", args, BOOL)


def unified(args: Args, what: str) -> Args:
    """`args` in one type; NULL takes the others'."""
    typed = tuple(a for a in args if not _is_null(a))
    if not typed:
        return args
    if any(isinstance(a.type, Float) for a in typed):
        typed = tuple(_literal_as_float(a) for a in typed)
    if any(isinstance(a.type, Decimal) for a in typed):
        typed = tuple(_as_decimal(a) for a in typed)
    wanted = _joined([a.type for a in typed])
    if wanted is None:
        raise _refuse(what, args, "Give values of one type; CAST the others.")
    rest = iter(typed)
    return tuple(null_of(wanted) if _is_null(a) else _cast_up(next(rest), wanted) for a in args)


def _joined(types: list[ExprType]) -> ExprType | None:
    decimals = [one for one in types if isinstance(one, Decimal)]
    if len(decimals) == len(types):
        scale = max(one.scale for one in decimals)
        whole = max(one.precision - one.scale for one in decimals)
        return Decimal(min(whole + scale, MAX_PRECISION), scale)
    first = types[0]
    same = all(type(one) is type(first) and (not isinstance(first, Timestamp) or one == first) for one in types)
    return first if same else None


def _cast_up(expr: Expr, wanted: ExprType) -> Expr:
    return Call("to_decimal", (expr,), wanted) if isinstance(wanted, Decimal) and expr.type != wanted else expr


def _coalesce(function: Name, args: Args) -> Expr:
    same = unified(args, function)
    return Call(function, same, same[0].type)


def _case(function: Name, args: Args) -> Expr:
    conditions, values = args[:-1:2], unified((*args[1:-1:2], args[-1]), "CASE")
    if not all(isinstance(c.type, Bool) for c in conditions):
        raise _refuse("WHEN", conditions, "Write conditions, such as `x > 0`.")
    pairs = [part for pair in zip(conditions, values[:-1], strict=True) for part in pair]
    return Call("case", (*pairs, values[-1]), values[0].type)


Check = Callable[[Name, Args], Expr]


def _takes(result: ExprType, *kinds: type, remedy: str) -> Check:
    """A function of fixed argument types."""

    def check(function: Name, args: Args) -> Expr:
        fits = len(args) == len(kinds) and all(isinstance(a.type, k) for a, k in zip(args, kinds, strict=True))
        if not fits:
            raise _refuse(function, args, remedy)
        return Call(function, args, result)

    return check


def _literal(function: str, expr: Expr) -> Constant:
    if isinstance(expr, Constant) and expr.value is not None:
        return expr
    raise ExpressionInvalid(
        f"{function} needs a literal there, since engines differ on computed ones", remedy="Write the value itself."
    )


def _text_with(result: ExprType, *literals: type, remedy: str) -> Check:
    """A function of a text and literals."""

    def check(function: Name, args: Args) -> Expr:
        kinds = (String, *literals)
        if len(args) != len(kinds) or not all(isinstance(a.type, k) for a, k in zip(args, kinds, strict=True)):
            raise _refuse(function, args, remedy)
        constants = tuple(_literal(function, a) for a in args[1:])
        _check_literals(function, constants)
        return Call(function, (args[0], *constants), result)

    return check


def _check_literals(function: Name, constants: tuple[Constant, ...]) -> None:
    numbers = [c.value for c in constants if isinstance(c.value, int)]
    if any(n < 1 for n in numbers) or any(n > 1_000_000 for n in numbers):
        raise ExpressionInvalid(
            f"{function} counts positions and lengths from 1", remedy="Write a whole number from 1 on."
        )
    empty = [c for c in constants if c.value == ""]
    if empty and not (function == "replace" and constants[0].value != ""):
        raise ExpressionInvalid(f"{function} of an empty text differs between engines", remedy="Name a text.")
    if function == "lpad" and len(str(constants[1].value)) != 1:
        raise ExpressionInvalid("lpad fills with one character", remedy="Write lpad(x, 3, '0').")


def _rounded(function: Name, args: Args) -> Expr:
    if len(args) == 1 and isinstance(args[0].type, Float):
        return Call(function, args, INT)
    raise _refuse(function, args, "Round a DOUBLE.")


def _to_float(function: Name, args: Args) -> Expr:
    one = args[0]
    if isinstance(one.type, Decimal) and one.type.precision > FLOAT_DIGITS:
        raise ExpressionInvalid(
            f"a decimal of {one.type.precision} digits has no one nearest double on all engines",
            remedy=f"CAST it to at most {FLOAT_DIGITS} digits first.",
        )
    if not isinstance(one.type, Int | Decimal):
        raise _refuse("CAST to DOUBLE", args, "CAST whole numbers or decimals.")
    return Call(function, args, FLOAT)


def _to_int(function: Name, args: Args) -> Expr:
    if isinstance(args[0].type, Float | Decimal):
        raise _refuse("CAST to INTEGER", args, "Use floor, ceil, trunc or round_half_even of a DOUBLE.")
    if not isinstance(args[0].type, String | Bool):
        raise _refuse("CAST to INTEGER", args, "CAST text or booleans.")
    return Call(function, args, INT)


def _to_text(function: Name, args: Args) -> Expr:
    if not isinstance(args[0].type, Int | Bool | Date):
        raise _refuse("CAST to TEXT", args, "Engines write other values differently; CAST to INTEGER first.")
    return Call(function, args, TEXT)


def to_decimal(expr: Expr, precision: int, scale: int) -> Expr:
    """`expr` (text, an integer or a decimal) as DECIMAL(precision, scale); NULL where it does not fit exactly."""
    if not 1 <= precision <= MAX_PRECISION or not 0 <= scale <= precision:
        raise ExpressionInvalid(
            f"DECIMAL({precision}, {scale}) does not exist", remedy=f"Use at most {MAX_PRECISION} digits."
        )
    if isinstance(expr, Constant) and isinstance(expr.type, String) and isinstance(expr.value, str):
        return _exact(expr.value, Decimal(precision, scale))
    if not isinstance(expr.type, String | Int | Decimal):
        raise _refuse("CAST to DECIMAL", (expr,), "CAST text, whole numbers or decimals.")
    return Call("to_decimal", (expr,), Decimal(precision, scale))


def _exact(text: str, wanted: Decimal) -> Constant:
    try:
        value = Exact(text)
    except ArithmeticError:
        value = Exact("NaN")
    if value.is_finite():
        scaled = value.scaleb(wanted.scale)
        if scaled == scaled.to_integral_value() and abs(scaled) < 10**wanted.precision:
            return Constant(format(value, "f"), wanted)
    raise ExpressionInvalid(f"{text!r} is no {named(wanted)}", remedy="Write a decimal that fits.")


def _no_rule(function: Name, args: Args) -> Expr:
    raise _refuse(function, args, "See the list of functions.")


_NUMBERS = "Use numbers."
_TEXTS = "Use text and literals."
_RULES: Mapping[Name, Check] = {
    **dict.fromkeys(("add", "sub", "mul"), _arithmetic),
    **dict.fromkeys(("neg", "abs"), _arithmetic),
    "div": _division,
    **dict.fromkeys(("idiv", "mod"), _whole),
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge"), _comparison),
    **dict.fromkeys(("and", "or", "not"), _logic),
    "is_null": _is_null_call,
    **dict.fromkeys(("coalesce", "nullif"), _coalesce),
    "case": _case,
    **dict.fromkeys(("floor", "ceil", "trunc", "round_half_even"), _rounded),
    "to_float": _to_float,
    "to_int": _to_int,
    "to_text": _to_text,
    "to_bool": _takes(BOOL, String, remedy="CAST text to BOOLEAN."),
    "to_decimal": _no_rule,
    "concat": _takes(TEXT, String, String, remedy="Join text with ||; CAST numbers to TEXT first."),
    **dict.fromkeys(("upper", "lower", "trim"), _takes(TEXT, String, remedy=_TEXTS)),
    "length": _takes(INT, String, remedy=_TEXTS),
    "substring": _text_with(TEXT, Int, Int, remedy="Write substring(x, 1, 3)."),
    "replace": _text_with(TEXT, String, String, remedy="Write replace(x, 'a', 'b')."),
    "split_part": _text_with(TEXT, String, Int, remedy="Write split_part(x, '-', 1)."),
    "lpad": _text_with(TEXT, Int, String, remedy="Write lpad(x, 3, '0')."),
    **dict.fromkeys(
        ("starts_with", "ends_with", "contains"), _text_with(BOOL, String, remedy="Write starts_with(x, 'a').")
    ),
    "matches": _text_with(BOOL, String, remedy="Write regexp_full_match(x, '[0-9]+')."),
    "to_date": _takes(DATE, String, remedy="CAST text (YYYY-MM-DD) to DATE."),
    **dict.fromkeys(("year", "month", "day"), _takes(INT, Date, remedy="Use a DATE.")),
    "add_days": _takes(DATE, Date, Int, remedy="Write add_days(a_date, 1)."),
    "days_between": _takes(INT, Date, Date, remedy="Write days_between(earlier, later)."),
    "epoch_us": _takes(INT, Timestamp, remedy="Use an instant."),
    "from_epoch_us": _takes(INSTANT, Int, remedy="Use whole microseconds since 1970."),
    "date_in": _takes(DATE, Timestamp, String, remedy="Write date_in(an_instant, 'Europe/Berlin')."),
    "hour_in": _takes(INT, Timestamp, String, remedy="Write hour_in(an_instant, 'Europe/Berlin')."),
}
