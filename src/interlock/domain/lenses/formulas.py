"""Gives the expressions of a lens their types: those of the way there by the older contract, those of the way back
by the newer one, each by the fields that there are at its point of the program.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from interlock.domain.lenses.expressions.nodes import TEXT, Column, Constant, Expr
from interlock.domain.lenses.expressions.read import read_expression
from interlock.domain.lenses.expressions.typing import ExpressionInvalid
from interlock.domain.lenses.flow import Fields, past, start
from interlock.domain.lenses.ops import Add, Computed, Drop, Each, Inside, Op, Program, Recombine
from interlock.domain.lenses.reverse import reversed_ops
from interlock.domain.lenses.rows import known_in
from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.describe import described
from interlock.kernel.finding import Finding, Severity


@dataclass(frozen=True, slots=True)
class Written(Constant):
    """The text of an expression (in `value`), and where it is written; it stands in an op until `typed`."""

    where: str = ""


def written(text: str, where: str) -> Written:
    return Written(text, TEXT, where=where)


def has_formulas(program: Program) -> bool:
    """Whether some op computes something."""
    return any(
        has_formulas(op.ops)
        if isinstance(op, Inside | Each)
        else isinstance(op, Recombine) or (isinstance(op, Add | Drop) and op.value is not None)
        for op in program
    )


def typed(program: Program, older: Contract, newer: Contract, subject: str) -> tuple[Program, list[Finding]]:
    """The program with its expressions typed, and what is wrong with them. What else does not fit, `check` says."""
    typing = _Typing(subject)
    there = typing.forward(program, start(older.fields))
    return typing.backward(there, start(newer.fields)), typing.findings


class _Columns(Mapping[str, Column]):
    """The fields that an expression may read; asking for one of a type that the language lacks says so."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._known = known_in(tuple(one.field for one in fields.values()))

    def __getitem__(self, name: str) -> Column:
        if name in self._fields and name not in self._known:
            says = f"`{name}` is {described(self._fields[name].field.type)}, which expressions have no type for"
            raise ExpressionInvalid(says, remedy="Read fields of one plain value, or cast or unnest it first.")
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


@dataclass(slots=True)
class _Typing:
    subject: str
    findings: list[Finding] = field(default_factory=list)

    def forward(self, program: Program, fields: Fields) -> Program:
        """Moves `fields` past the program."""
        ops: list[Op] = []
        for op in program:
            match op:
                case Add(_, _, value) if value is not None:
                    op = replace(op, value=self.expr(value, fields))
                case Recombine(whole, parts):
                    op = Recombine(
                        tuple(replace(one, is_needed=_is_needed(one, fields)) for one in whole),
                        tuple(replace(one, value=self.expr(one.value, fields)) for one in parts),
                    )
                case Inside(name, inner) | Each(name, inner):
                    op = replace(op, ops=self.forward(inner, _inside(name, fields)))
                case _:
                    pass
            ops.append(op)
            past(op, fields)
        return tuple(ops)

    def backward(self, program: Program, fields: Fields) -> Program:
        """Moves `fields` past the program from its end to its beginning."""
        ops: list[Op] = []
        for op in reversed(program):
            match op:
                case Drop(_, _, value) if value is not None:
                    op = replace(op, value=self.expr(value, fields))
                case Recombine(whole, parts):
                    op = Recombine(
                        tuple(replace(one, value=self.expr(one.value, fields)) for one in whole),
                        tuple(replace(one, is_needed=_is_needed(one, fields)) for one in parts),
                    )
                case Inside(name, inner) | Each(name, inner):
                    op = replace(op, ops=self.backward(inner, _inside(name, fields)))
                case _:
                    pass
            ops.append(op)
            for back in reversed_ops((op,)):
                past(back, fields)
        return tuple(reversed(ops))

    def expr(self, value: Expr, fields: Fields) -> Expr:
        if not isinstance(value, Written):
            return value
        text = str(value.value)
        try:
            return read_expression(text, _Columns(fields))
        except ExpressionInvalid as wrong:
            column = wrong.details.get("column")
            at = f"column {column} of {text[:60]!r}" if column else f"{text[:60]!r}"
            says = f"{at}: {wrong.message}"
            self.add("lens.expression_invalid", says, wrong.remedy, value.where)
        except ModuleNotFoundError:
            says = f"{text[:60]!r} was not read, because sqlglot is not installed"
            self.add("lens.expression_unread", says, "Install it with: pip install 'interlock[data]'", value.where)
        return Constant(None, TEXT)

    def add(self, code: str, says: str, remedy: str, where: str) -> None:
        self.findings.append(Finding(code, Severity.ERROR, self.subject, says, remedy, where))


def _is_needed(one: Computed, fields: Fields) -> bool:
    """Whether what is computed may not be null: the contract on its side of the lens says so."""
    return one.field in fields and not fields[one.field].field.nullable


def _inside(name: str, fields: Fields) -> Fields:
    """The fields of the object in the field, or of those in its list; none when it is neither."""
    whole = fields.get(name)
    here = whole.element if whole is not None and whole.element is not None else whole
    return dict(here.inside or {}) if here is not None else {}
