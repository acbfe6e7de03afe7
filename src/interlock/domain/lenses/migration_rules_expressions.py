"""Expressions of lenses as JSONata (docs.jsonata.org), worth the same for every record: the value, or null.

JSONata has no null that spreads, so each call binds its operands and asks. `$r` is the record. What JSONata
computes otherwise, or processors of it differently, is refused by name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from interlock.domain.lenses.expressions.nodes import Call, Column, Constant, Expr, ExprType, Name
from interlock.domain.schemas.field import Bool, Float, Int, String

EXACT = "9007199254740992"
_LARGEST, _SMALLEST = "1e150", "1e-150"


class NotInJsonata(Exception):
    """What JSONata cannot do the same; the end of a sentence about the op."""


def literal(value: object) -> str:
    """A JSON scalar as JSONata. Text beyond what UTF-8 can carry is refused."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise NotInJsonata("has text with half a surrogate pair")
    return f"({text})" if text.startswith("-") else text


def field_of(name: str) -> str:
    return f"$lookup($r, {literal(name)})"


def jsonata_of(expr: Expr) -> str:
    """The expression over `$r`. NotInJsonata."""
    match expr:
        case Column(name, type=one):
            return f"($v := {field_of(name)}; {_held(one)})"
        case Constant(value, type=Bool() | Int() | Float() | String()):
            return literal(value)
        case Constant(type=one):
            raise NotInJsonata(f"has a constant of type {one.kind}")
        case Call():
            return _call(expr)


def _held(one: ExprType) -> str:
    """`$v` if it is a value of the type, else null."""
    match one:
        case Bool():
            return '$type($v) = "boolean" ? $v : null'
        case Int():
            return '$type($v) = "number" ? ($v = $floor($v) ? $v : null) : null'
        case Float():
            return '$type($v) = "number" ? $v : null'
        case String():
            return '$type($v) = "string" ? $v : null'
        case _:
            raise NotInJsonata(f"reads a field of type {one.kind}")


def _call(expr: Call) -> str:
    function, args = expr.function, expr.args
    if function == "case":
        return _case(args)
    if function == "coalesce":
        return _coalesce(args)
    bound = "; ".join(f"${letter} := {jsonata_of(arg)}" for letter, arg in zip("abc", args, strict=False))
    if function in _OVER_NULL:
        return f"({bound}; {_OVER_NULL[function]})"
    kinds = [type(arg.type) for arg in args]
    if function in _EXACT_SAME and _SUITS[function](kinds):
        return f"({bound}; {_unless_null(len(args))}{_EXACT_SAME[function]})"
    if function in _ARITHMETIC and set(kinds) <= {Int, Float}:
        return f"({bound}; {_unless_null(len(args))}{_arithmetic(function, args, expr.type)})"
    if function in _OF_LITERALS:
        return f"({bound}; {_unless_null(1)}{_OF_LITERALS[function](args)})"
    raise NotInJsonata(f"computes {function} of {', '.join(kind.__name__ for kind in kinds)}")


def _unless_null(count: int) -> str:
    return " or ".join(f"${letter} = null" for letter in "abc"[:count]) + " ? null : "


def _case(args: tuple[Expr, ...]) -> str:
    text = jsonata_of(args[-1])
    for condition, value in reversed(list(zip(args[:-1:2], args[1:-1:2], strict=True))):
        text = f"({jsonata_of(condition)} = true ? {jsonata_of(value)} : {text})"
    return text


def _coalesce(args: tuple[Expr, ...]) -> str:
    text = jsonata_of(args[-1])
    for arg in reversed(args[:-1]):
        text = f"($a := {jsonata_of(arg)}; $a != null ? $a : {text})"
    return text


_OVER_NULL: Mapping[Name, str] = {
    "is_null": "$a = null",
    "nullif": "$a = null ? null : $a = $b ? null : $a",
    "and": "$a = false or $b = false ? false : $a = null or $b = null ? null : true",
    "or": "$a = true or $b = true ? true : $a = null or $b = null ? null : false",
}
_DIGITS = (
    "($abs($a) < 1e15 ? $string($a) : ($h := $floor($abs($a) / 1e8); "
    '($a < 0 ? "-" : "") & $string($h) & $pad($string($abs($a) - $h * 1e8), -8, "0")))'
)
"""JSONata writes numbers with 15 digits."""
_EXACT_SAME: Mapping[Name, str] = {
    "eq": "$a = $b",
    "ne": "$a != $b",
    "lt": "$a < $b",
    "le": "$a <= $b",
    "gt": "$a > $b",
    "ge": "$a >= $b",
    "not": "$not($a)",
    "concat": "$a & $b",
    "length": "$length($a)",
    "to_text": f'$type($a) = "boolean" ? $string($a) : $abs($a) < {EXACT} ? {_DIGITS} : null',
    "to_int": "$a ? 1 : 0",
    "to_bool": '$a = "true" ? true : $a = "false" ? false : null',
    "to_float": f"$abs($a) < {EXACT} ? $a : null",
    "floor": f"$abs($a) < {EXACT} ? $floor($a) : null",
    "ceil": f"$abs($a) < {EXACT} ? $ceil($a) : null",
    "trunc": f"$abs($a) < {EXACT} ? ($a < 0 ? $ceil($a) : $floor($a)) : null",
    "round_half_even": f"$abs($a) < {EXACT} ? $round($a) : null",
}
"""JSONata compares text by UTF-16 units, changes case by Unicode, trims inside too: those are not here."""

_Kinds = list[type]


def _numbers(kinds: _Kinds) -> bool:
    return set(kinds) <= {Int, Float}


def _any_plain(kinds: _Kinds) -> bool:
    return set(kinds) <= {Int, Float, String, Bool}


_SUITS: Mapping[Name, Callable[[_Kinds], bool]] = {
    **dict.fromkeys(("eq", "ne", "not", "concat", "length", "to_bool"), _any_plain),
    **dict.fromkeys(("lt", "le", "gt", "ge", "to_float", "floor", "ceil", "trunc", "round_half_even"), _numbers),
    "to_text": lambda kinds: set(kinds) <= {Int, Bool},
    "to_int": lambda kinds: kinds == [Bool],
}
_ARITHMETIC: Mapping[Name, str] = {
    "add": "$x + $y",
    "sub": "$x - $y",
    "mul": "$x * $y",
    "div": "$x / $y",
    "neg": "-$x",
    "abs": "$abs($x)",
    "mod": "($x < 0 ? -1 : 1) * ($abs($x) % $abs($y))",
}


def _arithmetic(function: Name, args: tuple[Expr, ...], result: ExprType) -> str:
    """Operands within bounds, and the result too; else null. Tiny floats are 0."""
    is_whole = isinstance(args[0].type, Int)
    letters = list(zip("xy", "ab"[: len(args)], strict=False))
    bound = "; ".join(f"${x} := {_settled(f'${a}', is_whole)}" for x, a in letters)
    missing = " or ".join(f"${x} = null" for x, _ in letters)
    zero = " or $y = 0" if function in ("div", "mod") else ""
    made = _settled("$z", isinstance(result, Int))
    return f"({bound}; {missing}{zero} ? null : ($z := {_ARITHMETIC[function]}; {made}))"


def _settled(name: str, is_whole: bool) -> str:
    if is_whole:
        return f"$abs({name}) < {EXACT} ? {name} : null"
    return f"$abs({name}) > {_LARGEST} ? null : $abs({name}) < {_SMALLEST} ? 0 : {name}"


def _values(args: tuple[Expr, ...]) -> list[object]:
    return [arg.value for arg in args[1:] if isinstance(arg, Constant)]


def _substring(args: tuple[Expr, ...]) -> str:
    start, length = _values(args)
    return f"$substring($a, {int(str(start)) - 1}, {length})"


def _split_part(args: tuple[Expr, ...]) -> str:
    separator, number = _values(args)
    return f'($p := $split($a, {literal(separator)})[{int(str(number)) - 1}]; $exists($p) ? $p : "")'


def _replace(args: tuple[Expr, ...]) -> str:
    old, new = _values(args)
    return f"$join($split($a, {literal(old)}), {literal(new)})"


def _starts_with(args: tuple[Expr, ...]) -> str:
    (part,) = _values(args)
    return f"$substring($a, 0, {len(str(part))}) = {literal(part)}"


def _ends_with(args: tuple[Expr, ...]) -> str:
    (part,) = _values(args)
    size = len(str(part))
    return f"$length($a) >= {size} and $substring($a, $length($a) - {size}) = {literal(part)}"


def _contains(args: tuple[Expr, ...]) -> str:
    (part,) = _values(args)
    return f"$contains($a, {literal(part)})"


_OF_LITERALS: Mapping[Name, Callable[[tuple[Expr, ...]], str]] = {
    "substring": _substring,
    "split_part": _split_part,
    "replace": _replace,
    "starts_with": _starts_with,
    "ends_with": _ends_with,
    "contains": _contains,
}
