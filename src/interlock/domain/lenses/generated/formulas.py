"""Expressions of the lens language as Python expressions, with the reference evaluator behind them.

An expression is written for values of the types that its columns declare and of moderate size; tests on the columns
stand before it, and a row that fails one is given to the reference. Sizes are followed from there (intervals of
integers, magnitudes of floats), so that no step of moderate values can leave what the language computes with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from interlock.domain.lenses.apply import as_json
from interlock.domain.lenses.expressions.evaluate import (
    EXACT_LIMIT,
    LARGEST,
    SMALLEST,
    TRIMMED,
    applied,
    bounded,
    evaluator,
)
from interlock.domain.lenses.expressions.evaluate import constant as constant_of
from interlock.domain.lenses.expressions.nodes import Call, Column, Constant, Expr
from interlock.domain.lenses.generated.source import WHOLE, Proven, Source, Value, within
from interlock.domain.schemas.field import Bool, Float, Int, String

TINY, LARGE = 1e-30, float(EXACT_LIMIT)
"""Floats between these sizes are computed with in place, where an integer in the place of a float is that float."""
_EPSILON = 2.0**-53

_COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
Use = Literal["value", "number"]
"""What a part is for: its value as it is, or arithmetic, where -0.0 and whole numbers may stand for floats."""


@dataclass(frozen=True, slots=True)
class Part:
    """The source of one part. low, high: the bounds of an integer; the sizes of a float that is not zero.

    nulls: the part is NULL where one of these conditions holds; `text` may rely on them, and on names that they
    give, and each on those before it. is_loose: a float that may still be an integer or -0.0, and is settled before
    it is used as a value.
    """

    text: str
    kind: Proven = ""
    nulls: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    is_loose: bool = False

    @property
    def whole(self) -> str:
        """The source of the value, None for NULL."""
        if not self.nulls or self.text == "None":
            return self.text
        return f"(None if {' or '.join(self.nulls)} else {self.text})"


NULL = Part("None", nulls=("True",))


def computed(expr: Expr, read: Mapping[str, Value], source: Source) -> Value:
    """The value of `expr` as JSON has it; `read`: the columns that the record has, as atoms."""
    writer = _Writer(read, source)
    part = writer.value(expr)
    text, kind, is_null = part.whole, part.kind, bool(part.nulls)
    if not isinstance(expr.type, Bool | Int | Float | String):
        one = expr.type
        text, kind, is_null = f"{source.bind(lambda value: as_json(value, one))}({text})", "", True
    if source.is_hopeful:
        source.require(*writer.tests)
        return Value(text, kind, is_null)
    if not writer.tests:
        return Value(text, kind, is_null)
    names = tuple(read)
    slow = source.bind(_reference(expr, names))
    given = ", ".join(read[name].text for name in names)
    text = f"({text} if {' and '.join(writer.tests)} else {slow}({given}))"
    return Value(text, "" if isinstance(expr, Column) else kind)


def _reference(expr: Expr, names: tuple[str, ...]) -> Callable[..., Any]:
    evaluate = evaluator(expr)
    return lambda *values: as_json(evaluate(dict(zip(names, values, strict=True))), expr.type)


class _Writer:
    def __init__(self, read: Mapping[str, Value], source: Source) -> None:
        self.read, self.source = read, source
        self.tests: dict[str, None] = {}
        self.columns: set[str] = set()

    def value(self, expr: Expr) -> Part:
        return _settled(self.part(expr, "value"))

    def part(self, expr: Expr, use: Use) -> Part:
        match expr:
            case Column():
                return self.column(expr, use)
            case Constant(value, one):
                return self.constant(constant_of(value, one))
            case Call("case", args):
                conditions = [self.value(a) for a in args[:-1:2]]
                values = [self.used(a, use) for a in (*args[1:-1:2], args[-1])]
                one_ = _chosen(conditions, values)
                return _nullable(one_, *self.again(one_.text)) if any(v.nulls for v in values) else one_
            case Call("coalesce", args):
                return self.coalesced([self.used(a, use) for a in args])
            case Call("nullif", args):
                one_, other = (self.used(a, use) for a in args)
                name, first = self.again(one_.text)
                return replace(one_, text=name, nulls=(*one_.nulls, f"{first} == {other.whole}"))
            case Call("is_null", args):
                inner = self.value(args[0])
                return Part(f"({' or '.join(inner.nulls)})" if inner.nulls else "False", "bool")
            case Call(("and" | "or") as function, args):
                return self.joined(function, [self.value(a) for a in args])
            case Call():
                return self.called(expr)

    def used(self, expr: Expr, use: Use) -> Part:
        return self.value(expr) if use == "value" else self.part(expr, use)

    def constant(self, value: Any) -> Part:
        if value is None:
            return NULL
        literal = self.source.literal(value)
        match value:
            case bool() | str():
                return Part(literal.text, literal.kind)
            case int():
                return Part(literal.text, "int", low=value, high=value)
            case float():
                return Part(literal.text, "float", low=abs(value) or math.inf, high=abs(value))
            case _:
                return Part(literal.text)

    def column(self, column: Column, use: Use) -> Part:
        """The column, behind a test of its type and, in arithmetic, of its size."""
        value = self.read.get(column.name)
        if value is None or value.is_null:
            return NULL
        x, is_nullable = value.text, value.may_be_null and column.is_nullable
        proven = "" if value.may_be_null and not is_nullable else value.kind
        nulls = (f"{x} is None",) if is_nullable else ()
        match column.type:
            case Int():
                tests = [] if proven == "int" else [f"type({x}) is int"]
                part = Part(x, "int", nulls)
                if use == "number":
                    tests.append(within(x))
                    part = Part(x, "int", nulls, -WHOLE, WHOLE)
            case Float() if use == "number":
                tests = [] if proven in ("int", "float") else [f"(type({x}) is float or type({x}) is int)"]
                tests.append(f"({TINY} < {x} < {LARGE} or -{LARGE} < {x} < -{TINY} or {x} == 0)")
                part = Part(x, "float", nulls, TINY, LARGE - 1, is_loose=True)
            case Float():
                tests = [] if proven == "float" else [f"type({x}) is float"]
                tests.append(f"{x} - {x} == 0.0")
                part = Part(x, "float", nulls)
            case String() | Bool() as one:
                wanted: Proven = "str" if isinstance(one, String) else "bool"
                tests = [] if proven == wanted else [f"type({x}) is {wanted}"]
                part = Part(x, wanted, nulls)
            case one:
                return self.kept(f"{self.source.bind(lambda given: bounded(given, one))}({x})", "")
        if not nulls:
            self.columns.add(x)
        for test in tests:
            self.tests[f"({x} is None or {test})" if nulls else test] = None
        return part

    def kept(self, text: str, kind: Proven, nulls: tuple[str, ...] = ()) -> Part:
        """What `text` computes, which may be NULL."""
        name = self.source.fresh()
        return Part(name, kind, (*nulls, f"({name} := {text}) is None"))

    def again(self, text: str) -> tuple[str, str]:
        """A name for the value of `text`, and the source that has the value first."""
        if text.isidentifier():
            return text, text
        name = self.source.fresh()
        return name, f"({name} := {text})"

    def coalesced(self, parts: list[Part]) -> Part:
        taken = next((n for n, part in enumerate(parts) if not part.nulls), len(parts) - 1)
        parts = parts[: taken + 1]
        text = parts[-1].whole
        for part in reversed(parts[:-1]):
            text = f"({text} if {' or '.join(part.nulls)} else {part.text})"
        one = _one_of(text, parts)
        return one if not parts[-1].nulls else _nullable(one, *self.again(text))

    def joined(self, function: str, parts: list[Part]) -> Part:
        if not any(part.nulls for part in parts):
            return Part(f"({f' {function} '.join(part.text for part in parts)})", "bool")
        joined = self.source.bind(_three_valued(decisive=function == "or"))
        return self.kept(f"{joined}({', '.join(part.whole for part in parts)})", "bool")

    def called(self, expr: Call) -> Part:
        """NULL in, NULL out."""
        function = expr.function
        if isinstance(expr.type, Float) and function in _FLOATS:
            args = [self.part(a, "number") for a in expr.args]
            if all(a.kind in ("float", "int") and a.high is not None for a in args):
                return self.in_floats(expr, args)
        if function in _WHOLES and all(isinstance(a.type, Int) for a in expr.args):
            args = [self.part(a, "number") for a in expr.args]
            if all(a.high is not None for a in args):
                return self.in_integers(expr, args)
        is_size = function in _COMPARISONS and isinstance(expr.args[0].type, Float)
        is_number = is_size or function in _ROUNDED or function == "to_text"
        args = [self.used(a, "number" if is_number else "value") for a in expr.args]
        written = self.simple(expr, args) if all(part.kind for part in args) else None
        if written is None:
            return self.reference(expr, args)
        return replace(written, nulls=_nulls(args))

    def reference(self, expr: Call, args: list[Part]) -> Part:
        """The reference's own function, on values as it takes them."""
        name = self.source.bind(applied(expr.function, expr.type))
        given = ", ".join(_settled(a).text for a in args)
        return self.kept(f"{name}({given})", _PROVEN.get(expr.type.kind, ""), _nulls(args))

    def in_floats(self, expr: Call, args: list[Part]) -> Part:
        """Arithmetic of floats, in place where no size can leave the range of the language."""
        nulls, (a_low, a_high), a = _nulls(args), _sizes(args[0]), args[0].text
        if expr.function in ("to_float", "neg", "abs"):
            text = {"to_float": a, "neg": f"(-{a})", "abs": f"abs({a})"}[expr.function]
            return Part(text, "float", nulls, a_low, a_high, is_loose=True)
        (b_low, b_high), b = _sizes(args[1]), args[1].text
        match expr.function:
            case "mul":
                low, high = a_low * b_low, a_high * b_high
            case "div":
                low, high = a_low / b_high if b_high else math.inf, a_high / b_low
            case _:
                low, high = min(a_low, b_low) * _EPSILON, a_high + b_high
        if not (low > SMALLEST * 2 and high < LARGEST / 2):
            return self.reference(expr, args)
        if (
            expr.function == "div"
        ):  # of two integers below 2**53 Python gives the float next to the quotient as well
            b, first = self.again(b)
            nulls = (*nulls, f"not {first}")
        elif all(one.is_loose for one in args):
            a = f"({a} + 0.0)"
        return Part(f"({a} {_SIGNS[expr.function]} {b})", "float", nulls, low, high, is_loose=True)

    def in_integers(self, expr: Call, args: list[Part]) -> Part:
        """Arithmetic of integers, in place where no bound can reach 2**53."""
        nulls, a, (low, high) = _nulls(args), args[0].text, _bounds(args[0])
        if expr.function in ("neg", "abs"):
            most = max(abs(low), abs(high))
            return Part(f"(-{a})" if expr.function == "neg" else f"abs({a})", "int", nulls, -most, most)
        b, (b_low, b_high) = args[1].text, _bounds(args[1])
        if expr.function in ("idiv", "mod"):
            if b_low <= 0:
                return self.reference(expr, args)
            sign, most = ("//", max(abs(low), abs(high))) if expr.function == "idiv" else ("%", b_high - 1)
            a, first = self.again(a)
            text = f"({a} {sign} {b} if {first} >= 0 else -(-{a} {sign} {b}))"
            return Part(text, "int", nulls, -most, most)
        products = (low * b_low, low * b_high, high * b_low, high * b_high)
        low, high = {
            "add": (low + b_low, high + b_high),
            "sub": (low - b_high, high - b_low),
            "mul": (min(products), max(products)),
        }[expr.function]
        if max(abs(low), abs(high)) >= EXACT_LIMIT:
            return self.reference(expr, args)
        return Part(f"({a} {_SIGNS[expr.function]} {b})", "int", nulls, low, high)

    def simple(self, expr: Call, args: list[Part]) -> Part | None:
        """Comparisons, roundings, texts, for values that are not NULL; None where Python has no one word for it."""
        texts = [part.text for part in args]
        a, high = texts[0], args[0].high
        constants = [one.value for one in expr.args[1:] if isinstance(one, Constant)]
        match expr.function:
            case "eq" | "ne" | "lt" | "le" | "gt" | "ge":
                return Part(f"({a} {_COMPARISONS[expr.function]} {texts[1]})", "bool")
            case "not":
                return Part(f"(not {a})", "bool")
            case "floor" | "ceil" | "trunc" | "round_half_even" if high is not None and high < LARGE:
                return Part(f"{self.source.bind(_ROUNDED[expr.function])}({a})", "int", (), -high, high)
            case "to_text" if args[0].kind == "bool":
                return Part(f"('true' if {a} else 'false')", "str")
            case "to_text" if args[0].kind == "int" and high is not None:
                return Part(f"str({a})", "str")
            case "concat":
                return Part(f"({a} + {texts[1]})", "str")
            case "length":
                return Part(f"len({a})", "int", (), 0, WHOLE)
            case "trim":
                return Part(f"{a}.strip({TRIMMED!a})", "str")
            case "substring" if len(constants) == 2:
                return _substring(a, constants)
            case "split_part" if len(constants) == 2:
                return self.split(a, constants)
            case "starts_with" | "ends_with":
                return Part(f"{a}.{expr.function.replace('_', '')}({texts[1]})", "bool")
            case "contains":
                return Part(f"({texts[1]} in {a})", "bool")
            case "replace":
                return Part(f"{a}.replace({texts[1]}, {texts[2]})", "str")
            case _:
                return None

    def split(self, a: str, constants: list[Any]) -> Part | None:
        """One of the parts; those of one text are found once."""
        match constants:
            case [str() as separator, int() as number] if separator and number >= 1:
                found = f"{a}.split({separator!a})"
            case _:
                return None
        if self.source.is_hopeful and a in self.columns:
            self.source.require(*self.tests)
            parts = first = self.source.shared(found)
        else:
            parts, first = self.again(found)
        if number == 1:
            return Part(f"{first}[0]", "str")
        return Part(f"({parts}[{number - 1}] if len({first}) >= {number} else '')", "str")


_FLOATS = frozenset(("add", "sub", "mul", "div", "neg", "abs", "to_float"))
_WHOLES = frozenset(("add", "sub", "mul", "neg", "abs", "idiv", "mod"))
_ROUNDED: Mapping[str, Callable[[float], int]] = {
    "floor": math.floor,
    "ceil": math.ceil,
    "trunc": math.trunc,
    "round_half_even": round,
}
_PROVEN: Mapping[str, Proven] = {"bool": "bool", "int": "int", "float": "float", "string": "str"}


def _nulls(parts: list[Part]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(null for part in parts for null in part.nulls))


def _settled(part: Part) -> Part:
    """A float that is one, and not -0.0 when it was computed."""
    return replace(part, text=f"({part.text} + 0.0)", is_loose=False) if part.is_loose else part


def _substring(a: str, constants: list[Any]) -> Part | None:
    match constants:
        case [int() as start, int() as length] if start >= 1 and length >= 0:
            return Part(f"{a}[{start - 1}:{start - 1 + length}]", "str")
        case _:
            return None


def _chosen(conditions: list[Part], values: list[Part]) -> Part:
    """The value of the first condition that is true; NULL is not true."""
    text = values[-1].whole
    for condition, value in reversed(list(zip(conditions, values[:-1], strict=True))):
        text = f"({value.whole} if {condition.whole} else {text})"
    return _one_of(text, values)


def _sizes(part: Part) -> tuple[float, float]:
    """How small and how large a number is that is not zero."""
    low, high = part.low or 0.0, part.high or 0.0
    return (1.0, max(abs(low), abs(high))) if part.kind == "int" else (low, high)


def _bounds(part: Part) -> tuple[int, int]:
    return int(part.low or 0), int(part.high or 0)


def _one_of(text: str, parts: list[Part]) -> Part:
    """A part that is one of several: of their kind, and of their sizes where all are known."""
    there = [part for part in parts if part is not NULL]
    kinds = {part.kind for part in there}
    is_sized = bool(there) and all(part.low is not None and part.high is not None for part in there)
    return Part(
        text,
        kinds.pop() if len(kinds) == 1 else "",
        (),
        min(part.low or 0 for part in there) if is_sized else None,
        max(part.high or 0 for part in there) if is_sized else None,
        any(part.is_loose for part in there),
    )


def _nullable(one: Part, name: str, first: str) -> Part:
    return replace(one, text=name, nulls=(f"{first} is None",))


def _three_valued(decisive: bool) -> Callable[..., bool | None]:
    """AND and OR over values that may be NULL: the decisive value wins."""

    def run(*values: bool | None) -> bool | None:
        return decisive if decisive in values else None if None in values else not decisive

    return run
