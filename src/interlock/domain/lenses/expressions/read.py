"""Text of the expression language, read with sqlglot's parser (its DuckDB dialect) and then typed.

The parser knows far more than the language does: whatever is not listed here is refused by name, with what to write
instead. Text is parsed, never run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from interlock.domain.lenses.expressions.nodes import (
    BOOL,
    DATE,
    FLOAT,
    INT,
    TEXT,
    Column,
    Constant,
    Expr,
    ExprType,
    Name,
)
from interlock.domain.lenses.expressions.typing import ExpressionInvalid, call, named, to_decimal, to_float
from interlock.domain.schemas.field import Date, Int, String
from interlock.kernel.ident import did_you_mean

if TYPE_CHECKING:
    from sqlglot import exp

MAX_LENGTH = 10_000
MAX_DEPTH = 100
EXACT_LIMIT = 2**53

_BINARY: Mapping[str, Name] = {
    "Add": "add",
    "Sub": "sub",
    "Mul": "mul",
    "Div": "div",
    "IntDiv": "idiv",
    "Mod": "mod",
    "EQ": "eq",
    "NEQ": "ne",
    "LT": "lt",
    "LTE": "le",
    "GT": "gt",
    "GTE": "ge",
    "And": "and",
    "Or": "or",
    "DPipe": "concat",
    "Nullif": "nullif",
    "StartsWith": "starts_with",
    "EndsWith": "ends_with",
    "Contains": "contains",
    "RegexpFullMatch": "matches",
}
_UNARY: Mapping[str, Name] = {
    "Neg": "neg",
    "Not": "not",
    "Abs": "abs",
    "Floor": "floor",
    "Ceil": "ceil",
    "Trunc": "trunc",
    "Upper": "upper",
    "Lower": "lower",
    "Trim": "trim",
    "Length": "length",
    "Year": "year",
    "Month": "month",
    "Day": "day",
}
_NAMED: Mapping[str, Name] = {
    "round_half_even": "round_half_even",
    "add_days": "add_days",
    "days_between": "days_between",
    "epoch_us": "epoch_us",
    "from_epoch_us": "from_epoch_us",
    "date_in": "date_in",
    "hour_in": "hour_in",
    "matches": "matches",
}
_ARGUMENTS: Mapping[str, tuple[Name, tuple[str, ...]]] = {
    "Substring": ("substring", ("this", "start", "length")),
    "Replace": ("replace", ("this", "expression", "replacement")),
    "SplitPart": ("split_part", ("this", "delimiter", "part_index")),
    "Pad": ("lpad", ("this", "expression", "fill_pattern")),
}
FUNCTIONS = tuple(
    sorted(
        {*_NAMED, "abs", "floor", "ceil", "trunc", "upper", "lower", "trim", "length", "year", "month", "day"}
        | {"substring", "replace", "split_part", "lpad", "starts_with", "ends_with", "contains", "coalesce"}
        | {"regexp_full_match", "nullif", "cast"}
    )
)
"""The names that may be called."""

_INSTEAD = {
    "Like": "Use starts_with, ends_with, contains or regexp_full_match.",
    "Concat": "Write a || b.",
    "Round": "Use round_half_even.",
    "Pow": "Multiply.",
    "NullSafeNEQ": "Write `a <> b OR a IS NULL`.",
    "CurrentTimestamp": "An expression gives the same value whenever it is run.",
    "Rand": "An expression gives the same value whenever it is run.",
}


def read_expression(text: str, known: Mapping[str, Column]) -> Expr:
    """The typed expression that `text` states over the fields in `known`. ExpressionInvalid says what is wrong and
    where.
    """
    if len(text) > MAX_LENGTH:
        says = f"the expression has {len(text):,} characters"
        raise ExpressionInvalid(says, remedy=f"Use at most {MAX_LENGTH:,}.")
    return _Reader(known).read(_parsed(text), 0)


def _parsed(text: str) -> exp.Expr:
    import sqlglot  # a second of start-up that only expressions need
    from sqlglot.errors import SqlglotError

    try:
        parsed = sqlglot.parse(text, dialect="duckdb")
    except (SqlglotError, RecursionError) as problem:
        detail = problem.errors[0] if isinstance(problem, sqlglot.ParseError) and problem.errors else {}
        at = f" at line {detail['line']}, column {detail['col']}" if detail.get("line") else ""
        says = detail.get("description") or "it nests too deeply or ends too early"
        raise ExpressionInvalid(
            f"{text[:60]!r} cannot be read{at}: {says}", remedy="Check brackets and quotes."
        ) from None
    found = parsed[0] if len(parsed) == 1 else None
    if not isinstance(found, sqlglot.exp.Expr):
        raise ExpressionInvalid(f"{text[:60]!r} is not one expression", remedy="Write one expression, without `;`.")
    return found


class _Reader:
    def __init__(self, known: Mapping[str, Column]) -> None:
        self._known = known

    def read(self, node: exp.Expr, depth: int) -> Expr:
        if depth > MAX_DEPTH:
            says = f"the expression nests deeper than {MAX_DEPTH}"
            raise ExpressionInvalid(says, remedy="Split it in two fields.")
        try:
            return self._read(node, depth)
        except ExpressionInvalid as wrong:
            wrong.details.setdefault("column", _column(node))  # of the innermost part that knows where it stands
            raise

    def _read(self, node: exp.Expr, depth: int) -> Expr:
        kind = type(node).__name__
        if reader := getattr(self, f"_{kind.lower()}", None):
            found: Expr = reader(node, depth + 1)
            return found
        if kind in _BINARY:
            _check_remainder(node)
            return call(_BINARY[kind], *self._all((node.this, node.expression), depth))
        if kind in _UNARY and not _extra(node):
            return call(_UNARY[kind], *self._all((node.this,), depth))
        if kind in _ARGUMENTS:
            function, names = _ARGUMENTS[kind]
            return call(function, *self._all([node.args[n] for n in names if node.args.get(n) is not None], depth))
        raise ExpressionInvalid(
            f"{node.sql(dialect='duckdb')[:60]!r} is not part of the language",
            remedy=_INSTEAD.get(kind) or f"There are operators, CASE, CAST and {', '.join(FUNCTIONS)}.",
        )

    def _all(self, nodes: Sequence[Any], depth: int) -> list[Expr]:
        return [self.read(n, depth + 1) for n in nodes]

    def _paren(self, node: exp.Expr, depth: int) -> Expr:
        return self.read(node.this, depth)

    def _column(self, node: exp.Expr, depth: int) -> Expr:
        name = node.name
        if node.args.get("table") is not None or name not in self._known:
            written = node.sql(dialect="duckdb")
            raise ExpressionInvalid(
                f"there is no field {written!r} at this point", remedy=did_you_mean(name, self._known)
            )
        return self._known[name]

    def _null(self, node: exp.Expr, depth: int) -> Expr:
        return Constant(None, TEXT)

    def _boolean(self, node: exp.Expr, depth: int) -> Expr:
        return Constant(bool(node.this), BOOL)

    def _literal(self, node: exp.Expr, depth: int) -> Expr:
        text = str(node.this)
        if node.is_string:
            return Constant(text, TEXT)
        if re.fullmatch(r"[0-9]+", text):
            if int(text) >= EXACT_LIMIT:
                raise ExpressionInvalid(f"{text} is not below 2**53", remedy="Write it as DECIMAL '...'.")
            return Constant(int(text), INT)
        number = float(text)
        if number in (float("inf"), float("-inf")):
            raise ExpressionInvalid(f"{text} is no finite number", remedy="Write a smaller one.")
        return Constant(number, FLOAT)

    def _neg(self, node: exp.Expr, depth: int) -> Expr:
        one = self.read(node.this, depth)
        if isinstance(one, Constant) and isinstance(one.value, int | float) and not isinstance(one.value, bool):
            return Constant(-one.value, one.type)
        return call("neg", one)

    def _is(self, node: exp.Expr, depth: int) -> Expr:
        if type(node.expression).__name__ != "Null":
            raise ExpressionInvalid("IS compares with NULL only", remedy="Write `x IS NULL` or `x = true`.")
        return call("is_null", self.read(node.this, depth))

    def _in(self, node: exp.Expr, depth: int) -> Expr:
        """`x IN (1, 2)` is `x = 1 OR x = 2`; a NULL in the list would make every other value unknown."""
        one = self.read(node.this, depth)
        values = self._all(node.args.get("expressions") or [], depth)
        if not values or any(not isinstance(v, Constant) or v.value is None for v in values):
            raise ExpressionInvalid("IN takes a list of literals without NULL", remedy="Write x IN (1, 2).")
        return reduce(lambda a, b: call("or", a, b), [call("eq", one, v) for v in values])

    def _between(self, node: exp.Expr, depth: int) -> Expr:
        one, low, high = self._all((node.this, node.args["low"], node.args["high"]), depth)
        return call("and", call("ge", one, low), call("le", one, high))

    def _case(self, node: exp.Expr, depth: int) -> Expr:
        subject = self.read(node.this, depth) if node.this is not None else None
        parts: list[Expr] = []
        for branch in node.args["ifs"]:
            condition = self.read(branch.this, depth)
            parts.append(condition if subject is None else call("eq", subject, condition))
            parts.append(self.read(branch.args["true"], depth))
        default = node.args.get("default")
        parts.append(self.read(default, depth) if default is not None else Constant(None, TEXT))
        return call("case", *parts)

    def _if(self, node: exp.Expr, depth: int) -> Expr:
        otherwise = node.args.get("false")
        default = self.read(otherwise, depth) if otherwise is not None else Constant(None, TEXT)
        return call("case", self.read(node.this, depth), self.read(node.args["true"], depth), default)

    def _coalesce(self, node: exp.Expr, depth: int) -> Expr:
        return call("coalesce", *self._all((node.this, *node.expressions), depth))

    def _cast(self, node: exp.Expr, depth: int) -> Expr:
        return cast(self.read(node.this, depth), node.args["to"])

    def _anonymous(self, node: exp.Expr, depth: int) -> Expr:
        name = str(node.this).lower()
        if name not in _NAMED:
            raise ExpressionInvalid(f"there is no function {name!r}", remedy=did_you_mean(name, FUNCTIONS))
        args = self._all(node.expressions, depth)
        if name in ("date_in", "hour_in"):
            _check_zone(args)
        return call(_NAMED[name], *args)


def _column(node: exp.Expr) -> int | None:
    """Where the text of `node` begins, from 1, as far as the parser remembers."""
    places = [part.meta["start"] for part in node.walk() if "start" in part.meta]
    return min(places) + 1 if places else None


def _extra(node: exp.Expr) -> bool:
    """Whether a function of one argument was given more."""
    return any(value for key, value in node.args.items() if key != "this")


def _check_remainder(node: exp.Expr) -> None:
    """The parser reads % as loosely as +, and SQL as tightly as *: only brackets say which is meant."""
    kinds = [type(one).__name__ for one in (node.this, node.expression)]
    if type(node).__name__ == "Mod" and (kinds[0] in ("Add", "Sub") or kinds[1] in ("Mul", "Div", "IntDiv")):
        says = f"{node.sql(dialect='duckdb')[:60]!r} can be read in two ways"
        raise ExpressionInvalid(says, remedy="Write brackets around the remainder: a + (b % c).")


def _check_zone(args: Sequence[Expr]) -> None:
    zone = args[1].value if len(args) == 2 and isinstance(args[1], Constant) else None
    if zone not in available_timezones():
        raise ExpressionInvalid(f"there is no time zone {zone!r}", remedy="Name one, such as 'Europe/Berlin'.")


_INTEGERS = ("INT", "BIGINT", "SMALLINT", "TINYINT")
_TEXTS = ("TEXT", "VARCHAR", "CHAR")


def cast(one: Expr, to: exp.Expr) -> Expr:
    """CAST of `one` to sqlglot's data type `to`."""
    wanted = to.this.name
    if wanted == "DECIMAL":
        sizes = [int(p.this.this) for p in to.expressions] or [18, 3]
        return to_decimal(one, sizes[0], sizes[1] if len(sizes) > 1 else 0)
    if isinstance(one, Constant) and one.value is None:
        return _null_as(wanted, one)
    match wanted:
        case "DOUBLE":
            return to_float(one)
        case _ if wanted in _INTEGERS:
            return one if isinstance(one.type, Int) else call("to_int", one)
        case _ if wanted in _TEXTS:
            return one if isinstance(one.type, String) else call("to_text", one)
        case "BOOLEAN":
            return call("to_bool", one)
        case "DATE":
            return one if isinstance(one.type, Date) else call("to_date", one)
    raise ExpressionInvalid(
        f"there is no CAST from {named(one.type)} to {to.sql(dialect='duckdb')}",
        remedy="Cast to INTEGER, DOUBLE, DECIMAL(p, s), TEXT, BOOLEAN or DATE.",
    )


def _null_as(wanted: str, one: Constant) -> Constant:
    types: dict[str, ExprType] = {"DOUBLE": FLOAT, "BOOLEAN": BOOL, "DATE": DATE}
    if wanted in _INTEGERS:
        return Constant(None, INT)
    if wanted in _TEXTS:
        return Constant(None, TEXT)
    return Constant(None, types[wanted]) if wanted in types else one
