"""Expressions of the language as Ibis expressions: the same value on every engine, or a refusal at plan time.

Lenses over tables and the row conditions of contracts share it, with all else that reads tables.

Where an engine would raise, wrap or round differently, operands become NULL before they meet: CASE branches are no
protection, since engines may evaluate them for every row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import reduce
from typing import Any, Literal

from interlock.adapters.schemas.columns import is_day, only
from interlock.domain.lenses.expressions.evaluate import EPOCH, EXACT_LIMIT, LARGEST, SMALLEST
from interlock.domain.lenses.expressions.nodes import Call, Column, Constant, Expr, ExprType, Name
from interlock.domain.schemas.field import Bool, Date, Decimal, Float, Int, String, Timestamp
from interlock.kernel.errors import Refused

Engine = Literal["duckdb", "polars", "postgres", "spark", "sqlite"]
Value = Any
"""An Ibis value; Ibis' own types say little to a type checker."""
Make = Callable[[Any], Value]
"""A value of a row: of a table, or of an object in a list, whose columns it takes by name."""

MAX_DOUBLE = 1.7976931348623157e308
FIRST_DAY, LAST_DAY = -719_162, 2_932_896
"""Days from 1970-01-01 to 0001-01-01 and to 9999-12-31."""


class EngineRefuses(Refused):
    """The engine cannot compute the expression exactly, so it is not used for it."""

    code = "lens.engine_refuses"


_LENIENT = frozenset(("coalesce", "case", "and", "or", "is_null", "nullif"))
"""Functions that may have a value although an argument is NULL."""

_NOT_ON: Mapping[Engine, frozenset[str]] = {
    "duckdb": frozenset(("date_in", "hour_in")),
    "polars": frozenset(
        (
            "date_in",
            "hour_in",
            "length",
            "upper",
            "lower",
            "replace",
            "lpad",
            "add_days",
            "epoch_us",
            "from_epoch_us",
        )
    ),
    "postgres": frozenset(("date_in", "hour_in")),
    "spark": frozenset(("date_in", "hour_in", "epoch_us", "from_epoch_us", "split_part")),
    "sqlite": frozenset(
        ("split_part", "to_decimal", "date_in", "hour_in", "epoch_us", "from_epoch_us", "add_days", "days_between")
    ),
}


def lacks(expr: Expr, engine: Engine) -> tuple[str, ...]:
    """What of `expr` the engine cannot compute exactly; empty when it can compute all of it."""
    found = set(_lacks(expr, engine))
    return tuple(sorted(found))


def _lacks(expr: Expr, engine: Engine) -> list[str]:
    here = ["decimals"] if engine == "sqlite" and isinstance(expr.type, Decimal) else []
    if isinstance(expr, Call):
        if engine == "polars" and expr.function == "mul" and isinstance(expr.type, Decimal):
            here.append("products of decimals")
        here += [expr.function] if expr.function in _NOT_ON[engine] else []
        for arg in expr.args:
            here += _lacks(arg, engine)
    return here


def with_columns(table: Value, wanted: Mapping[str, Expr], engine: Engine) -> Value:
    """`table` with a column more for each of `wanted`. EngineRefuses when the engine cannot.

    Every call is computed once, in a stage of its own depth: written out, an expression whose guards name their
    operand twice would double in size at each level.
    """
    for expr in wanted.values():
        if missing := lacks(expr, engine):
            raise EngineRefuses(
                f"{engine} cannot compute {', '.join(missing)} exactly", remedy="Use another engine for it."
            )
    steps, made = stages(wanted, engine, "_interlock_")
    for step in steps:
        table = table.mutate(**{name: make(table) for name, make in step.items()}).view()
    whole = table.mutate(**{name: make(table) for name, make in made.items()})
    helpers = [name for step in steps for name in step]
    return whole.drop(*helpers) if helpers else whole


def stages(
    wanted: Mapping[str, Expr], engine: Engine, prefix: str, columns: Mapping[str, Make] | None = None
) -> tuple[list[dict[str, Make]], dict[str, Make]]:
    """Columns to add to the rows, stage by stage, each over those before it; and then what is wanted of them.

    prefix: what the names of the columns begin with; columns: the fields that are read, finite and of the types
    that they are read as, when they are not simply columns of the row.
    """
    levels: dict[Call, int] = {}
    for expr in wanted.values():
        _level(expr, levels, engine)
    names: dict[Expr, str] = {expr: f"{prefix}{n}" for n, expr in enumerate(levels)}
    steps: list[dict[str, Make]] = [{} for _ in range(max(levels.values(), default=0))]
    for expr, level in levels.items():
        make = _making_call(expr, names, engine, columns)
        if _is_settled_later(expr, engine):
            steps[level - 2][f"{names[expr]}_raw"] = make
            make = _settling(f"{names[expr]}_raw", engine)
        steps[level - 1][names[expr]] = make
    return steps, {name: _making(expr, names, engine, columns) for name, expr in wanted.items()}


_Columns = Mapping[str, Make] | None


def _making(expr: Expr, names: Mapping[Expr, str], engine: Engine, columns: _Columns) -> Make:
    return lambda row: Emitter(engine, names, row, columns).emit(expr)


def _making_call(expr: Call, names: Mapping[Expr, str], engine: Engine, columns: _Columns) -> Make:
    return lambda row: Emitter(engine, names, row, columns).emit_call(expr)


def _is_settled_later(expr: Call, engine: Engine) -> bool:
    """Whether the result is looked at before it counts, in a stage of its own, so that it is computed once. SQLite
    computes what it names once anyway, and its parser has no room for more stages than are needed.
    """
    return engine != "sqlite" and expr.function in ("add", "sub", "mul", "div") and isinstance(expr.type, Float)


def _settling(name: str, engine: Engine) -> Make:
    return lambda row: Emitter(engine).settled(row[name])


def _level(expr: Expr, levels: dict[Call, int], engine: Engine) -> int:
    """How many stages `expr` needs before it is there."""
    if not isinstance(expr, Call):
        return 0
    if expr not in levels:
        own = 2 if _is_settled_later(expr, engine) else 1
        levels[expr] = own + max((_level(a, levels, engine) for a in expr.args), default=0)
    return levels[expr]


def double(value: float) -> Value:
    """Bare float literals are decimals to some engines, so they are written as text and cast."""
    import ibis

    return ibis.literal(repr(float(value))).cast("float64")


class Emitter:
    """Values of one row on one engine. names: the columns that hold what calls are worth."""

    def __init__(
        self,
        engine: Engine,
        names: Mapping[Expr, str] | None = None,
        row: Any = None,
        columns: Mapping[str, Make] | None = None,
    ) -> None:
        import ibis

        self._ibis = ibis
        self._names = names or {}
        self.engine = engine
        self._row = row
        self._columns = columns

    def emit(self, expr: Expr) -> Value:
        match expr:
            case Column(name) if self._columns is not None:
                return self._columns[name](self._row)
            case Column(name, type=one):
                return self._column(self._row[name], one)
            case Constant(value, type=one):
                return self.constant(value, one)
            case Call():
                return self._row[self._names[expr]]

    def emit_call(self, expr: Call) -> Value:
        """The call over its arguments, which earlier stages have computed."""
        if expr.function not in _LENIENT and any(isinstance(a, Constant) and a.value is None for a in expr.args):
            return self._ibis.null(ibis_type(expr.type))  # some engines take NULL = 1 for false
        emitted = [self._bounded(a) if _is_bounded(expr, n) else self.emit(a) for n, a in enumerate(expr.args)]
        match expr.function:
            case "case":
                return reduce(
                    lambda rest, branch: branch[0].ifelse(branch[1], rest),
                    reversed(list(zip(emitted[:-1:2], emitted[1:-1:2], strict=True))),
                    emitted[-1],
                )
            case "coalesce":
                return self._ibis.coalesce(*emitted)
            case function:
                literals = [a.value if isinstance(a, Constant) else None for a in expr.args]
                return self._call(function, emitted, literals, [a.type for a in expr.args], expr.type)

    def _bounded(self, arg: Expr) -> Value:
        """An operand of arithmetic, within the magnitudes that it has; what arithmetic made is so already."""
        value = self.emit(arg)
        match arg, arg.type:
            case (Call(function), _) if function in BOUNDED:
                return value
            case (Call("to_float", (inner,)), _) if not isinstance(inner.type, Float):
                return value
            case (_, Int()):
                return value if _is_small(arg, EXACT_LIMIT - 1) else self._whole(value)
            case (_, Float()):
                return value if _is_small(arg, LARGEST) else self.settled(value)
            case _:
                return value

    def _column(self, column: Value, one: ExprType) -> Value:
        if isinstance(one, Float):
            column = column.cast("float64")
            return self.only(column.between(self.double(-MAX_DOUBLE), self.double(MAX_DOUBLE)), column)
        return column

    def constant(self, value: Any, one: ExprType) -> Value:
        kind = ibis_type(one)
        if value is None:
            return self._ibis.null(kind)
        match one:
            case Float():
                return self.double(value)
            case Decimal() | Date():
                return self._ibis.literal(value).cast(kind)
            case Int():
                return self.whole(value)
            case Timestamp(is_zoned=is_zoned):
                return self._moment(value, is_zoned, kind)
            case _:
                return self._ibis.literal(value, kind)

    def _moment(self, microseconds: int, is_zoned: bool, kind: str) -> Value:
        """As text that names UTC, so that the zone of a session changes nothing."""
        moment = EPOCH + timedelta(microseconds=microseconds)
        moment = moment if is_zoned else moment.replace(tzinfo=None)
        if self.engine == "polars":
            return self._ibis.literal(moment, kind)
        return self._ibis.literal(moment.isoformat(" ")).cast(kind)

    def double(self, value: float) -> Value:
        return self._ibis.literal(float(value), "float64") if self.engine == "polars" else double(value)

    def only(self, condition: Value, value: Value) -> Value:
        return only(condition, value)

    def _call(
        self, function: Name, args: list[Value], literals: list[Any], types: list[ExprType], result: ExprType
    ) -> Value:
        if function in _ARITHMETIC:
            return self._arithmetic(function, args, types[0], result)
        if function in _PLAIN:
            return _PLAIN[function](*args)
        special: Callable[..., Value] = getattr(self, f"_{function}")
        return special(args, literals, types, result)

    # ---- numbers

    def _arithmetic(self, function: Name, args: list[Value], one: ExprType, result: ExprType) -> Value:
        change = _ARITHMETIC[function]
        match one:
            case Int():
                return self._whole(change(*self._that_fit(function, args)))
            case Float():
                made = change(*args)
                return self.settled(made) if self.engine == "sqlite" else made
            case _:
                return change(*args).cast(ibis_type(result))

    def _that_fit(self, function: Name, args: list[Value]) -> list[Value]:
        """Factors become NULL when their product would leave 64 bits; as doubles they cannot raise."""
        if function != "mul":
            return args
        a, b = args
        product = a.cast("float64") * b.cast("float64")
        return [self.only(product.abs() < self.double(EXACT_LIMIT), a), b]

    def _whole(self, value: Value) -> Value:
        """`value`, or NULL from 2**53 on. Compared as it is: the limit is a 64-bit integer everywhere."""
        limit = self._ibis.literal(EXACT_LIMIT, "int64")
        return self.only((value < limit) & (value > -limit), value)

    # ---- what lenses need of values besides

    def literal(self, value: Any, kind: str) -> Value:
        return self._ibis.literal(value, kind)

    def whole(self, value: int) -> Value:
        """Bare integer literals are of 32 bits to some engines, and so is what is chosen among them."""
        if self.engine == "polars":
            return self._ibis.literal(value, "int64")
        return self._ibis.literal(str(value)).cast("int64")

    def null(self, kind: Any) -> Value:
        return self._ibis.null(kind)

    def whole_text(self, text: Value) -> Value:
        """Text of an integer of at most 15 digits as that integer, NULL for other text."""
        return self.only(self.full_match(text, "[+-]?[0-9]{1,15}"), text).cast("int64")

    def chosen(self, branches: list[tuple[Value, Value]], rest: Value) -> Value:
        """The value of the first condition that is true."""
        return self._ibis.cases(*branches, else_=rest) if branches else rest

    def filled(self, value: Value, instead: Value) -> Value:
        return self._ibis.coalesce(value, instead)

    def first(self, listed: Value) -> Value:
        """The first element, NULL when there is none; some engines raise when an empty list is asked for it."""
        return self.only(listed.length() > self.literal(0, "int64"), listed)[0]

    def inner(self, whole: Value, name: str) -> Value:
        """A field of an object; some servers of Spark's protocol give 0 for one of no object at all."""
        return self.only(whole.notnull(), whole[name]) if self.engine == "spark" else whole[name]

    def first_code(self, listed: Value, make: Make) -> Value:
        """What `make` makes of the first element of which it makes anything but NULL."""
        return self.first(listed.map(make).filter(lambda code: code.notnull()))

    def quotient(self, a: Value, b: Value) -> Value:
        """The quotient of finite doubles. Polars multiplies by the reciprocal of a constant, which rounds twice; a
        divisor that comes from the row is none.
        """
        return a / (b + (a - a)) if self.engine == "polars" else a / b

    def is_finite_beyond(self, value: Value, low: float, high: float) -> Value:
        """Whether a double is less or more than the two, but no infinity and no NaN."""
        least, most = self.double(-MAX_DOUBLE), self.double(MAX_DOUBLE)
        above = (value > self.double(high)) & (value <= most)
        return ((value < self.double(low)) & (value >= least)) | above

    def is_fractional(self, value: Value) -> Value:
        """Whether a finite double has a fraction; from 2**53 on none has."""
        within = self._within(value)
        return (within.floor().cast("float64") != within).fill_null(False)

    def plus(self, value: Value, offset: float) -> Value:
        """The sum; minus zero plus zero is zero, which Polars takes for nothing to do."""
        zero = self.double(0.0)
        if offset == 0 and self.engine == "polars":
            return (value == zero).ifelse(zero, value)
        return value + self.double(offset)

    def half_even(self, value: Value) -> Value:
        """A double below 2**53 in size as the nearest integer, the even one of two.

        Adding and taking away 1.5 * 2**52 leaves no place for a fraction, and IEEE 754 rounds the sum half to even.
        From 2**51 on it would round too much; there, doubles have halves at most, up to 2**52.
        """
        shift = self.double(1.5 * 2.0**52)
        near = (value + shift) - shift
        return (value.abs() < self.double(2.0**51)).ifelse(near, self._half_even_far(value)).cast("int64")

    def _half_even_far(self, value: Value) -> Value:
        low = value.floor().cast("float64")
        is_odd = (low / self.double(2.0)).floor().cast("float64") * self.double(2.0) != low
        return ((value != low) & is_odd).ifelse(low + self.double(1.0), low)

    def settled(self, value: Value) -> Value:
        """What is usual is asked first: engines compute the value anew in each branch."""
        size, least = value.abs(), self.double(SMALLEST)
        usual = (size.between(least, self.double(LARGEST)), value)
        return self._ibis.cases(usual, (size < least, self.double(0.0)), else_=self._ibis.null("float64"))

    def _div(self, args: list[Value], *_: Any) -> Value:
        a, b = args
        made = self.quotient(a, self.only(b.abs().between(self.double(SMALLEST), self.double(LARGEST)), b))
        return self.settled(made) if self.engine == "sqlite" else made

    def _idiv(self, args: list[Value], *_: Any) -> Value:
        """From absolute values, since engines round towards zero or down."""
        a, b = (self._whole(x) for x in args)
        zero = self._ibis.literal(0, "int64")
        size = self.quotient((a.abs() - self._rest(a, b)).cast("float64"), b.abs().nullif(zero).cast("float64"))
        size = size.cast("int64")
        return ((a < zero) == (b < zero)).ifelse(size, -size)

    def _mod(self, args: list[Value], *_: Any) -> Value:
        a, b = (self._whole(x) for x in args)
        rest = self._rest(a, b)
        return (a < self._ibis.literal(0, "int64")).ifelse(-rest, rest)

    def _rest(self, a: Value, b: Value) -> Value:
        return a.abs() % b.abs().nullif(self._ibis.literal(0, "int64"))

    def _within(self, value: Value) -> Value:
        limit = self.double(EXACT_LIMIT)
        return self.only((value < limit) & (value > -limit), value)

    def _floor(self, args: list[Value], *_: Any) -> Value:
        return self._within(args[0]).floor().cast("int64")

    def _ceil(self, args: list[Value], *_: Any) -> Value:
        return self._within(args[0]).ceil().cast("int64")

    def _trunc(self, args: list[Value], *_: Any) -> Value:
        value = self._within(args[0])
        return (value < self.double(0)).ifelse(value.ceil().cast("int64"), value.floor().cast("int64"))

    def _round_half_even(self, args: list[Value], *_: Any) -> Value:
        value = self._within(args[0])
        low = value.floor().cast("float64")
        rest = value - low
        is_odd = (low / self.double(2)).floor().cast("float64") * self.double(2) != low
        half = self.double(0.5)
        goes_up = (rest > half) | ((rest == half) & is_odd)
        return goes_up.ifelse(low + self.double(1), low).cast("int64")

    # ---- casts

    def _to_float(self, args: list[Value], _: Any, types: list[ExprType], __: Any) -> Value:
        value = self._whole(args[0]) if isinstance(types[0], Int) else args[0]
        return value.cast("float64")

    def _to_int(self, args: list[Value], _: Any, types: list[ExprType], __: Any) -> Value:
        if isinstance(types[0], Bool):
            one, none = self.whole(1), self.whole(0)
            return self.only(args[0].notnull(), args[0].ifelse(one, none))
        return self.whole_text(args[0])

    def _to_text(self, args: list[Value], _: Any, types: list[ExprType], __: Any) -> Value:
        if isinstance(types[0], Bool):
            yes, no = self._ibis.literal("true"), self._ibis.literal("false")
            return self.only(args[0].notnull(), args[0].ifelse(yes, no))
        if isinstance(types[0], Int):
            return self._whole(args[0]).cast("string")
        return args[0].cast("string")

    def _to_bool(self, args: list[Value], *_: Any) -> Value:
        yes, no = (self._ibis.literal(word) for word in ("true", "false"))
        is_no = (args[0] == no).ifelse(self._ibis.literal(False), self._ibis.null("boolean"))
        return (args[0] == yes).ifelse(self._ibis.literal(True), is_no)

    def _to_decimal(self, args: list[Value], _: Any, types: list[ExprType], result: Decimal) -> Value:
        whole, scale = result.precision - result.scale, result.scale
        text = args[0] if isinstance(types[0], String) else args[0].cast("string")
        # at most so many digits that matter before and behind the point, so that nothing is rounded or too large
        head = f"0*[0-9]{{1,{whole}}}" if whole else "0+"
        tail = rf"(\.[0-9]{{0,{scale}}}0*)?"
        fits = self.full_match(text, f"[+-]?{head}{tail}") & self.full_match(
            text, r"[+-]?[0-9]{1,38}(\.[0-9]{1,38})?"
        )
        return self.only(fits, text).cast(ibis_type(result))

    def _to_date(self, args: list[Value], *_: Any) -> Value:
        """A calendar is checked before the cast, which would raise on some engines."""
        text = self.only(self.full_match(args[0], "[0-9]{4}-[0-9]{2}-[0-9]{2}"), args[0])
        return self.only(is_day(text), text).cast("date")

    # ---- text

    def _concat(self, args: list[Value], *_: Any) -> Value:
        a, b = args
        return self.only(a.notnull() & b.notnull(), a + b)

    def _upper(self, args: list[Value], *_: Any) -> Value:
        return self._letters(args[0], "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "upper")

    def _lower(self, args: list[Value], *_: Any) -> Value:
        return self._letters(args[0], "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "lower")

    def _letters(self, text: Value, before: str, after: str, plain: str) -> Value:
        """ASCII letters alone; SQLite's own functions do just that."""
        return getattr(text, plain)() if self.engine == "sqlite" else text.translate(before, after)

    def _substring(self, args: list[Value], literals: list[Any], *_: Any) -> Value:
        return args[0].substr(literals[1] - 1, literals[2])

    def _replace(self, args: list[Value], literals: list[Any], *_: Any) -> Value:
        return args[0].replace(literals[1], literals[2])

    def _split_part(self, args: list[Value], literals: list[Any], *_: Any) -> Value:
        parts, number = args[0].split(literals[1]), literals[2]
        part = self.only(parts.length() >= self.literal(number, "int64"), parts)[number - 1]
        return self.only(args[0].notnull(), self._ibis.coalesce(part, self._ibis.literal("")))

    def _lpad(self, args: list[Value], literals: list[Any], *_: Any) -> Value:
        length, fill = literals[1], literals[2]
        padded = self._ibis.literal(fill * length) + args[0]
        is_long = args[0].length() >= length
        return is_long.ifelse(args[0].substr(0, length), padded.right(length))

    def _starts_with(self, args: list[Value], literals: list[Any], *_: Any) -> Value:
        """By comparison: engines that make a LIKE of it ignore case or heed wildcards."""
        return args[0].substr(0, len(literals[1])) == literals[1]

    def _ends_with(self, args: list[Value], literals: list[Any], *_: Any) -> Value:
        return args[0].right(len(literals[1])) == literals[1]

    def _contains(self, args: list[Value], literals: list[Any], *_: Any) -> Value:
        return self.only(args[0].notnull(), args[0].find(literals[1]) >= 0)

    def _matches(self, args: list[Value], literals: list[Any], *_: Any) -> Value:
        return self.full_match(args[0], literals[1])

    def full_match(self, text: Value, pattern: str) -> Value:
        end = r"\Z" if self.engine in ("postgres", "sqlite") else r"\z"
        return self.only(text.notnull(), text.re_search(rf"\A(?:{_ascii(pattern)}){end}"))

    # ---- time

    def _add_days(self, args: list[Value], *_: Any) -> Value:
        day, days = args
        since = self._days(day) + self._whole(days)
        fits = since.between(FIRST_DAY, LAST_DAY)
        # to engines a day and an interval make a timestamp, though Ibis calls it a date
        moved = self.only(fits, day) + self.only(fits, days).as_interval("D")
        return moved.cast("timestamp").cast("date")

    def _days_between(self, args: list[Value], *_: Any) -> Value:
        return self._days(args[1]) - self._days(args[0])

    def _days(self, day: Value) -> Value:
        return day.delta(self._ibis.literal("1970-01-01").cast("date"), unit="day").cast("int64")

    def _epoch_us(self, args: list[Value], *_: Any) -> Value:
        seconds = args[0].truncate("s")
        return seconds.epoch_seconds().cast("int64") * 1_000_000 + args[0].microsecond().cast("int64")

    def _from_epoch_us(self, args: list[Value], *_: Any) -> Value:
        low, high = FIRST_DAY * 86_400_000_000, (LAST_DAY + 1) * 86_400_000_000 - 1
        return self.only(args[0].between(low, high), args[0]).as_timestamp("us")


def _is_bounded(call: Call, number: int) -> bool:
    """Whether that operand is brought to the magnitudes of arithmetic; a divisor is looked at by `div` itself."""
    return call.function in BOUNDED and (call.function, number) != ("div", 1)


def _is_small(one: Expr, limit: float) -> bool:
    """Whether it is a constant that arithmetic can have."""
    value = one.value if isinstance(one, Constant) else None
    return isinstance(value, int | float) and (value == 0 or SMALLEST <= abs(value) <= limit)


def _ascii(pattern: str) -> str:
    """Classes such as \\d mean ASCII alone in every engine."""
    classes = {"\\d": "[0-9]", "\\w": "[A-Za-z0-9_]", "\\s": "[ \\t\\n\\r\\f\\x0b]"}
    return re.sub(r"\\.", lambda found: classes.get(found[0], found[0]), pattern)


def ibis_type(one: ExprType) -> str:
    match one:
        case Bool():
            return "boolean"
        case Int():
            return "int64"
        case Float():
            return "float64"
        case Decimal(precision, scale):
            return f"decimal({precision}, {scale})"
        case String():
            return "string"
        case Date():
            return "date"
        case Timestamp(is_zoned=is_zoned):
            return "timestamp('UTC')" if is_zoned else "timestamp"


BOUNDED = frozenset(("add", "sub", "mul", "neg", "abs", "div"))
"""Functions whose operands and results have the magnitudes of arithmetic."""
_ARITHMETIC: Mapping[str, Callable[..., Value]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "neg": lambda a: -a,
    "abs": lambda a: a.abs(),
}
_PLAIN: Mapping[str, Callable[..., Value]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "not": lambda a: ~a,
    "is_null": lambda a: a.isnull(),
    "nullif": lambda a, b: a.nullif(b),
    "trim": lambda a: a.strip(),
    "length": lambda a: a.length().cast("int64"),
    "year": lambda a: a.year().cast("int64"),
    "month": lambda a: a.month().cast("int64"),
    "day": lambda a: a.day().cast("int64"),
}
