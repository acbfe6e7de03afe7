"""Random typed expressions of the lens language, and rows that give them trouble, by seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal as Exact
from random import Random
from typing import Any

from interlock.domain.lenses.expressions.nodes import BOOL, DATE, FLOAT, INT, TEXT, Column, Constant, Expr
from interlock.domain.lenses.expressions.typing import ExpressionInvalid, call, to_decimal
from interlock.domain.schemas.field import Decimal

MONEY = Decimal(9, 2)
COLUMNS = {
    name: Column(name, one)
    for names, one in (("ij", INT), ("xy", FLOAT), ("su", TEXT), ("b", BOOL), ("d", DATE), ("m", MONEY))
    for name in names
}
INTS = (0, 1, -1, 2, -7, 10, 12, 10**15, -(10**15), 2**53 - 1, 2**53, -(2**53), 2**62, 94906266)
FLOATS = (0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 0.1, 1e15, 1e150, 1e-150, 1e-200, 1e200, 2.0**53, -123.456)
TEXTS = (
    *("", "a", "A-b-c", " x\t", "12", "+7", "-007", "1_000", "1.50", "true", "ß", "É-é", "2024-02-29", "%"),
    *(
        "2023-02-29",
        "9" * 16,
        "9" * 15,
        "-",
        "--",
        "0001-01-01",
        "0000-01-01",
        "10000-01-01",
        "a\n",
        "12\n",
        "\U0001f6eb",
    ),
)
DATES = (date(2024, 2, 29), date(1900, 3, 1), date(1, 1, 1), date(9999, 12, 31), date(1970, 1, 1))

Kind = str
_Shape = tuple[str, tuple[Kind, ...]]
_SHAPES: Mapping[Kind, tuple[_Shape, ...]] = {
    "bool": (
        *((f, ("int", "int")) for f in ("eq", "lt", "ge")),
        *((f, ("float", "float")) for f in ("ne", "le", "gt")),
        *((f, ("text", "text")) for f in ("eq", "ne")),
        *((f, ("date", "date")) for f in ("eq", "lt")),
        ("le", ("money", "money")),
        *((f, ("bool", "bool")) for f in ("and", "or", "eq")),
        ("not", ("bool",)),
        ("is_null", ("int",)),
        ("is_null", ("text",)),
        *((f, ("text", "word")) for f in ("starts_with", "ends_with", "contains")),
        ("matches", ("text", "pattern")),
        ("to_bool", ("text",)),
    ),
    "int": (
        *((f, ("int", "int")) for f in ("add", "sub", "mul", "idiv", "mod")),
        *((f, ("int",)) for f in ("neg", "abs")),
        *((f, ("float",)) for f in ("floor", "ceil", "trunc", "round_half_even")),
        ("to_int", ("text",)),
        ("to_int", ("bool",)),
        ("length", ("text",)),
        *((f, ("date",)) for f in ("year", "month", "day")),
        ("days_between", ("date", "date")),
        ("case", ("bool", "int", "bool", "int", "int")),
        ("coalesce", ("int", "int")),
        ("nullif", ("int", "int")),
    ),
    "float": (
        *((f, ("float", "float")) for f in ("add", "sub", "mul", "div")),
        ("div", ("int", "int")),
        ("mul", ("float", "int")),
        *((f, ("float",)) for f in ("neg", "abs")),
        ("to_float", ("int",)),
        ("to_float", ("money",)),
        ("case", ("bool", "float", "float")),
        ("coalesce", ("float", "float")),
    ),
    "text": (
        ("concat", ("text", "text")),
        *((f, ("text",)) for f in ("upper", "lower", "trim")),
        ("substring", ("text", "small", "small")),
        ("replace", ("text", "word", "word")),
        ("split_part", ("text", "word", "small")),
        ("lpad", ("text", "small", "fill")),
        *(("to_text", (k,)) for k in ("int", "bool", "date")),
        ("case", ("bool", "text", "text")),
        ("coalesce", ("text", "text")),
        ("nullif", ("text", "text")),
    ),
    "date": (("to_date", ("text",)), ("add_days", ("date", "int")), ("coalesce", ("date", "date"))),
    "money": (*((f, ("money", "money")) for f in ("add", "sub", "mul")), ("neg", ("money",))),
}
_LITERALS: Mapping[Kind, tuple[Any, tuple[Any, ...]]] = {
    "bool": (BOOL, (True, False, None)),
    "int": (INT, (0, 1, -3, 7, None)),
    "float": (FLOAT, (0.1, 0.5, 3.0, -1.5, 1e10)),
    "text": (TEXT, ("", "a-b", "É", None)),
    "date": (DATE, ("2024-02-29", "1970-01-01")),
    "money": (MONEY, ("0.10", "-12.00")),
    "small": (INT, (1, 2, 4)),
    "word": (TEXT, ("a", "-", "é", "1", "ab", "%", ".")),
    "fill": (TEXT, ("0", "é")),
    "pattern": (TEXT, (r"[0-9]+", r"\d*", r".*-.*", r"\w+", r"(a|A)-b.*", r"[^a]*", r"\\d")),
}
_COLUMNS: Mapping[Kind, str] = {"bool": "b", "int": "ij", "float": "xy", "text": "su", "date": "d", "money": "m"}


def random_expression(random: Random, depth: int = 4) -> Expr:
    """A typed expression of any kind."""
    return _of(random, random.choice(tuple(_SHAPES)), depth)


def _of(random: Random, kind: Kind, depth: int) -> Expr:
    if depth and kind in _SHAPES and random.random() < 0.75:
        function, kinds = random.choice(_SHAPES[kind])
        try:
            return call(function, *(_of(random, k, depth - 1) for k in kinds))  # type: ignore[arg-type]
        except ExpressionInvalid:
            pass  # a decimal that would need too many digits
    if depth and kind == "money" and random.random() < 0.5:
        return to_decimal(COLUMNS[random.choice("su")], 5, 1)
    if kind in _COLUMNS and random.random() < 0.8:
        return COLUMNS[random.choice(_COLUMNS[kind])]
    one, values = _LITERALS[kind]
    return Constant(random.choice(values), one)


def random_rows(random: Random, number: int) -> list[dict[str, Any]]:
    """Rows in which every column is sometimes NULL and often awkward."""
    return [
        {name: None if random.random() < 0.15 else _VALUES[name](random) for name in COLUMNS} for _ in range(number)
    ]


def _int(random: Random) -> int:
    return random.choice(INTS) if random.random() < 0.5 else random.randint(-40, 40)


def _float(random: Random) -> float:
    return random.choice(FLOATS) if random.random() < 0.5 else random.uniform(-1000, 1000)


def _text(random: Random) -> str:
    letters = "aAbB-é1 .%_"
    return (
        random.choice(TEXTS) if random.random() < 0.6 else "".join(random.choices(letters, k=random.randint(0, 8)))
    )


def _date(random: Random) -> date:
    return random.choice(DATES) if random.random() < 0.5 else date(2000, 1, 1) + timedelta(random.randint(0, 9999))


_VALUES: Mapping[str, Callable[[Random], Any]] = {
    "i": _int,
    "j": _int,
    "x": _float,
    "y": _float,
    "s": _text,
    "u": _text,
    "b": lambda random: random.random() < 0.5,
    "d": _date,
    "m": lambda random: Exact(random.randint(-99_999, 99_999)).scaleb(-2),
}
