"""Conditions of whole rows: the checks of a contract, typed against its fields.

They are read here, and not with the contract, because the expression language stands above contracts. What counts
the violations of records stands below it as well, and is given the conditions as functions.

A row breaks a condition that is false for it. Where the condition is NULL the row keeps it, as in SQL
(ISO/IEC 9075-2, 4.23.3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from interlock.domain.lenses.expressions.evaluate import evaluator
from interlock.domain.lenses.expressions.nodes import (
    FLOAT,
    INT,
    Column,
    Expr,
    ExprType,
    columns,
    fields_read,
)
from interlock.domain.lenses.expressions.read import read_expression
from interlock.domain.lenses.expressions.typing import ExpressionInvalid, named
from interlock.domain.schemas.contract import Check, Contract, Object
from interlock.domain.schemas.field import (
    Bool,
    Date,
    Decimal,
    Field,
    Float,
    Int,
    Number,
    String,
    Timestamp,
)
from interlock.kernel.finding import Finding, Severity

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class RowCondition:
    """A condition that is true or NULL for every row. says: its text."""

    name: str
    says: str
    expr: Expr

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that it reads, each once."""
        return tuple(dict.fromkeys(columns(self.expr)))

    def breaking(self) -> Callable[[Mapping[str, Any]], bool]:
        """What tells whether a record (plain JSON data) breaks it. Make it once for many records."""
        evaluate = evaluator(self.expr)
        decimals = {c.name for c in fields_read(self.expr) if isinstance(c.type, Decimal)}

        def breaks(record: Mapping[str, Any]) -> bool:
            """JSON has decimals as numbers; what was written is the shortest text of the double."""
            written = {n: repr(v) for n in decimals if isinstance(v := record.get(n), float)}
            return evaluate({**record, **written} if written else record) is False

        return breaks


def row_condition(check: Check, one: Object) -> RowCondition:
    """The check, typed against the object's fields. ExpressionInvalid; ModuleNotFoundError without the parser."""
    expr = read_expression(check.condition, known_in(one.fields))
    if not isinstance(expr.type, Bool):
        says = f"`{check.condition[:60]}` is {named(expr.type)}, not true or false"
        raise ExpressionInvalid(says, remedy="Compare it with something.")
    return RowCondition(check.name, check.condition, expr)


def row_conditions(one: Object) -> tuple[RowCondition, ...]:
    """Every check of the object that has a meaning; what is wrong with the others is told by `row_findings`."""
    found = []
    for check in one.checks:
        try:
            found.append(row_condition(check, one))
        except (ExpressionInvalid, ModuleNotFoundError):
            continue
    return tuple(found)


def row_tests(one: Object) -> tuple[tuple[str, Callable[[Mapping[str, Any]], bool]], ...]:
    """Each check by its name, and what tells whether a record breaks it."""
    return tuple((found.name, found.breaking()) for found in row_conditions(one))


def known_in(fields: tuple[Field, ...]) -> dict[str, Column]:
    """The fields that expressions can read, by name: those of one plain value."""
    known = {f.name: (f, typed) for f in fields if (typed := _type_in_expressions(f)) is not None}
    return {name: Column(name, typed, f.nullable or not f.required) for name, (f, typed) in known.items()}


def _type_in_expressions(one: Field) -> ExprType | None:
    match one.type:
        case Int():
            return INT
        case Float() | Number():
            return FLOAT
        case Timestamp(is_zoned=is_zoned):
            return Timestamp("us", is_zoned)
        case Bool() | Decimal() | String() | Date() as typed:
            return typed
        case _:
            return None


def row_findings(contract: Contract, locate: Callable[[Path], str] | None = None) -> Iterator[Finding]:
    """What is wrong with the contract's row conditions. locate: `file:line` of a path in its document."""
    for index, one in enumerate(contract.objects):
        for number, check in enumerate(one.checks):
            where = locate(_place(contract, index, number)) if locate else contract.where
            try:
                row_condition(check, one)
            except ExpressionInvalid as wrong:
                says = f"the check {check.name!r} of {one.name} has no meaning: {wrong.message}"
                yield _finding(contract, "check_invalid", Severity.ERROR, says, wrong.remedy, where)
            except ModuleNotFoundError:
                says = f"the check {check.name!r} of {one.name} was not read, because sqlglot is not installed"
                remedy = "Install it with: pip install 'interlock[data]'"
                yield _finding(contract, "check_unread", Severity.WARNING, says, remedy, where)


def _finding(contract: Contract, code: str, how: Severity, says: str, remedy: str, where: str) -> Finding:
    return Finding(f"contract.{code}", how, f"contract:{contract.name}", says, remedy, where)


def _place(contract: Contract, index: int, number: int) -> Path:
    """Where the check stands in the contract's document; the object itself when it is not found."""
    at: Path = ("schema", index)
    match (contract.document or {}).get("schema"):
        case [*blocks] if index < len(blocks):
            for place, entry in enumerate(blocks[index].get("customProperties") or []):
                if entry.get("property") == "interlock:checks":
                    return (*at, "customProperties", place, "value", number, "condition")
    return at
