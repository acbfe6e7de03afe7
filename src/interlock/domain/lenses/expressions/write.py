"""Writes a typed expression as text of the language: `read` of it gives the expression again, or one that is worth
the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from interlock.domain.lenses.expressions.nodes import Call, Column, Constant, Expr, ExprType, Name
from interlock.domain.lenses.expressions.typing import named
from interlock.domain.schemas.field import Bool, Date, Decimal, Float, Int, String, Timestamp

_INFIX: Mapping[Name, tuple[str, int]] = {
    "or": ("OR", 1),
    "and": ("AND", 2),
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge"), ("", 4)),
    "concat": ("||", 5),
    "add": ("+", 6),
    "sub": ("-", 6),
    "mul": ("*", 7),
    "div": ("/", 7),
    "idiv": ("//", 7),
}
"""Each with how tightly it binds."""
_COMPARED: Mapping[Name, str] = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_CASTS: Mapping[Name, str] = {
    "to_float": "DOUBLE",
    "to_int": "INTEGER",
    "to_text": "TEXT",
    "to_bool": "BOOLEAN",
    "to_date": "DATE",
}
_NAMED: Mapping[Name, str] = {"matches": "regexp_full_match"}
_ATOM = 9


def text_of(expr: Expr) -> str:
    """The expression as a person would write it."""
    return _written(expr, 0)


def quoted(name: str) -> str:
    """A field's name as expressions have it: in double quotes unless it is a plain word."""
    is_plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and name.upper() not in _RESERVED
    return name if is_plain else '"' + name.replace('"', '""') + '"'


_RESERVED = frozenset(
    (
        *("ALL", "ANALYSE", "AND", "ANY", "ARRAY", "AS", "ASC", "BETWEEN", "BY", "CASE", "CAST", "CHECK", "COLUMN"),
        *("CONSTRAINT", "CREATE", "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "DATE", "DEFAULT", "DESC"),
        *(
            "DISTINCT",
            "ELSE",
            "END",
            "EXCEPT",
            "EXISTS",
            "FALSE",
            "FETCH",
            "FOR",
            "FROM",
            "FULL",
            "GROUP",
            "HAVING",
        ),
        *("IF", "IN", "INNER", "INTERSECT", "INTERVAL", "INTO", "IS", "JOIN", "LATERAL", "LEFT", "LIKE", "LIMIT"),
        *("NATURAL", "NOT", "NULL", "OFFSET", "ON", "OR", "ORDER", "OUTER", "PRIMARY", "REFERENCES", "RIGHT"),
        *("SELECT", "SET", "SOME", "TABLE", "THEN", "TIME", "TIMESTAMP", "TO", "TRUE", "UNION", "UNIQUE", "USING"),
        *("VALUES", "WHEN", "WHERE", "WINDOW", "WITH"),
    )
)


def _written(expr: Expr, least: int) -> str:
    """In brackets when it binds less tightly than `least`."""
    match expr:
        case Column(name):
            return quoted(name)
        case Constant(value, type=one):
            return _constant(value, one, least)
        case Call():
            text, binds = _call(expr)
            return f"({text})" if binds < least else text


def _constant(value: object, one: ExprType, least: int) -> str:
    if value is None:
        return _null(one)
    match one:
        case Bool():
            return "true" if value else "false"
        case String():
            return "'" + str(value).replace("'", "''") + "'"
        case Date():
            return f"CAST('{value}' AS DATE)"
        case Decimal():
            return f"CAST('{value}' AS {named(one)})"
        case Timestamp():
            return f"from_epoch_us({value})"
        case Int() | Float():
            text = repr(value)
            return f"({text})" if text.startswith("-") and least > 0 else text


def _null(one: ExprType) -> str:
    """NULL takes the type of what it meets; the casts are for where it meets nothing."""
    match one:
        case String() | Timestamp():
            return "NULL"
        case _:
            return f"CAST(NULL AS {named(one)})"


def _call(expr: Call) -> tuple[str, int]:
    """The text, and how tightly it binds."""
    args = expr.args
    if expr.function in _INFIX:
        sign, binds = _INFIX[expr.function]
        sign = _COMPARED.get(expr.function, sign)
        # comparisons do not chain; other operators group to the left
        left = binds + 1 if expr.function in _COMPARED else binds
        return f" {sign} ".join([_written(args[0], left), *(_written(a, binds + 1) for a in args[1:])]), binds
    match expr.function:
        case "not":
            return f"NOT {_written(args[0], 4)}", 3
        case "mod":  # in brackets in anything else: parsers differ on what it binds to
            return f"{_written(args[0], _ATOM)} % {_written(args[1], _ATOM)}", 5
        case "neg":
            return f"-{_written(args[0], _ATOM)}", 8
        case "is_null":
            return f"{_written(args[0], 5)} IS NULL", 4
        case "case":
            return _case(args), _ATOM
        case "to_decimal":
            return f"CAST({_written(args[0], 0)} AS {named(expr.type)})", _ATOM
        case function if function in _CASTS:
            return f"CAST({_written(args[0], 0)} AS {_CASTS[function]})", _ATOM
        case function:
            return f"{_NAMED.get(function, function)}({', '.join(_written(a, 0) for a in args)})", _ATOM


def _case(args: tuple[Expr, ...]) -> str:
    branches = [
        f"WHEN {_written(condition, 0)} THEN {_written(value, 0)}"
        for condition, value in zip(args[:-1:2], args[1:-1:2], strict=True)
    ]
    return f"CASE {' '.join(branches)} ELSE {_written(args[-1], 0)} END"
