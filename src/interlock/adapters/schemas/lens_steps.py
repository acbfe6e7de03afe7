"""Ops run over the fields of a row, as `domain/lenses/apply` runs them over a record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from interlock.adapters.schemas import lens_scalars as scalars
from interlock.adapters.schemas.compute import BOUNDED, Emitter, ibis_type, lacks, stages
from interlock.adapters.schemas.lens_shapes import flat_refuses, head, held_objects
from interlock.adapters.schemas.lens_terms import (
    Cond,
    Fields,
    Known,
    Listed,
    Plain,
    Refused,
    Scope,
    Single,
    Term,
    Unable,
    Whole,
    both,
    either,
    negated,
    term,
)
from interlock.domain.lenses.expressions.nodes import Call, Column, Constant, Expr, ExprType, fields_read
from interlock.domain.lenses.ops import (
    Add,
    Blank,
    Cast,
    Computed,
    Drop,
    Each,
    Fill,
    Head,
    Inside,
    Map,
    Nest,
    Op,
    Program,
    Recombine,
    Rename,
    Unit,
    Unnest,
    Wrap,
    title,
)
from interlock.domain.schemas.field import Bool, Date, Decimal, Float, Int, Number, String, Timestamp


@dataclass(frozen=True, slots=True)
class Refusal:
    """at: which op, for people; field: with the fields that it is in."""

    at: str
    field: str
    says: str
    remedy: str


def run(program: Program, scope: Scope, before: str = "") -> Iterator[Refusal]:
    """Moves the fields past the program, and says which ops the engine cannot run exactly. Such an op leaves fields
    of which nothing more is said.
    """
    for number, op in enumerate(program, start=1):
        at = f"{before}op {number} ({title(op)})"
        try:
            yield from _step(op, scope, at)
        except Unable as no:
            yield Refusal(at, f"{scope.path}{no.field}", no.says, no.remedy)
            scope.fields.update((name, Refused()) for name in _made_by(op))


def _made_by(op: Op) -> tuple[str, ...]:
    match op:
        case Rename(_, target):
            return (target,)
        case Recombine(_, parts):
            return tuple(one.field for one in parts)
        case Nest(_, into):
            return (into,)
        case Unnest(fields):
            return fields
        case _:
            return (op.field,)


def _step(op: Op, scope: Scope, at: str) -> Iterator[Refusal]:
    match op:
        case Add():
            _add(op, scope)
        case Recombine():
            _recombine(op, scope)
        case Nest():
            _nest(op, scope)
        case Unnest():
            _unnest(op, scope)
        case Rename(source, target):
            if source in scope.fields and source != target:
                _put(scope, target, scope.fields.pop(source), "is there already, so nothing can be renamed to it")
        case Drop(field):
            scope.fields.pop(field, None)
        case Inside(field, ops) | Each(field, ops):
            yield from _within(op, field, ops, scope, at)
        case _:
            if op.field in scope.fields and not isinstance(scope.fields[op.field], Refused):
                scope.fields[op.field] = _changed(op, scope.fields[op.field], scope)


def _changed(op: Cast | Unit | Map | Wrap | Head | Fill | Blank, one: Known, scope: Scope) -> Known:
    match op:
        case Wrap(field):
            flat_refuses(field, scope.engine)
            return Single(one.there, one)
        case Head():
            return head(one, op.field, scope)
        case Blank() if not isinstance(one, Plain):
            return one
        case _ if not isinstance(one, Plain):
            raise Unable(op.field, "objects and lists have no such op", "Name a field that is one plain value.")
        case Cast():
            return scalars.cast(op, one, scope)
        case Unit():
            return scalars.unit(op, one, scope)
        case Map():
            return scalars.mapped(op, one, scope)
        case Fill():
            return scalars.filled(one, op.value, op.field, scope)
        case Blank():
            return scalars.blanked(one, op.value, op.field, scope)
        case _:
            assert_never(op)


def _put(scope: Scope, name: str, one: Known, reason: str) -> None:
    """Gives the field that name; rejects rows that have another of that name."""
    old = scope.fields.get(name)
    if old is not None and reason:
        scope.reject(both(one.there, old.there), name, reason)
    scope.fields[name] = one if old is None else _one_of(name, one, old, scope)


def _one_of(name: str, one: Known, other: Known, scope: Scope) -> Known:
    """The first where it is there, else the other."""
    if one.there is True or other.there is False:
        return one
    if one.there is False:
        return other
    if isinstance(one, Plain) and isinstance(other, Plain) and (one.held == other.held or scalars.is_null(other)):
        is_there, emitter = one.there, Emitter(scope.engine)
        assert isinstance(is_there, Term)
        null = Term(lambda _: emitter.null(one.held), is_simple=True)
        rest = null if scalars.is_null(other) else other.term
        value = term(lambda there, a, b: there.ifelse(a, b), is_there, one.term, rest)
        return Plain(value, either(one.there, other.there), one.type, one.held)
    raise Unable(
        name, "two fields of different types take turns in one column", "Rename or drop one of them first."
    )


def _add(op: Add, scope: Scope) -> None:
    old = scope.fields.get(op.field)
    if old is not None and old.there is True:
        return
    if op.value is None:
        made = scalars.constant(op.default, op.field, scope.engine)
    else:
        [made] = _computed((Computed(op.field, op.value),), scope)
    scope.fields[op.field] = made if old is None else _one_of(op.field, old, made, scope)


def _computed(wanted: tuple[Computed, ...], scope: Scope) -> list[Plain]:
    """What the expressions are worth, computed in stages over the fields that they read."""
    read: dict[str, Term] = {}
    plainly = {name for one in wanted for name in _read_plainly(one.value)}
    for one in wanted:
        if missing := lacks(one.value, scope.engine):
            says = f"{', '.join(missing)} cannot be computed exactly"
            raise Unable(one.field, says, "Write it with other functions, or use another engine.")
        for column in fields_read(one.value):
            if column.name not in read:
                operand = _operand(column, one.field, scope, column.name in plainly)
                read[column.name] = scope.stages.held(operand)
    base = max((one.level for one in read.values()), default=0)
    columns = {name: one.make for name, one in read.items()}
    exprs: dict[str, Expr] = {str(n): one.value for n, one in enumerate(wanted)}
    steps, made = stages(exprs, scope.engine, f"{scope.stages.fresh()}_", columns)
    for number, step in enumerate(steps):
        for name, make in step.items():
            scope.stages.put(name, make, base + number)
    level = base + len(steps)
    return [
        Plain(
            Term(made[str(n)], level, is_simple=True),
            True,
            one.value.type,
            scalars.dtype(ibis_type(one.value.type)),
        )
        for n, one in enumerate(wanted)
    ]


def _read_plainly(expr: Expr) -> Iterator[str]:
    """The fields that are read by more than arithmetic, which has no NaN and no infinity anyway."""
    match expr:
        case Column(name):
            yield name
        case Call(function, args):
            for arg in args:
                if not (function in BOUNDED and isinstance(arg, Column)):
                    yield from _read_plainly(arg)
        case Constant():
            pass


def _operand(column: Column, field: str, scope: Scope, is_plain: bool) -> Term:
    """The field as the expression reads it; NULL when it is not there."""
    one = scope.fields.get(column.name)
    emitter = Emitter(scope.engine)
    null = Term(lambda _: emitter.null(ibis_type(column.type)), is_simple=True)
    match one:
        case None | Refused():
            return null
        case Plain() if scalars.is_null(one):
            return null
        case Plain() if _reads(one, column.type):
            if one.held == scalars.dtype(ibis_type(column.type)):
                return one.term if is_plain or one.raw is None else one.raw
            return term(lambda v: v.cast(ibis_type(column.type)), one.term)
        case _:
            says = f"`{column.name}` is of a type that expressions do not read from a table"
            raise Unable(field, says, "Cast it first, or compute it elsewhere.")


def _reads(one: Plain, wanted: ExprType) -> bool:
    match one.type, wanted:
        case (Int(), Int()) | (Int(), Float()) | (Number(), Float()):
            is_whole = one.held.is_integer() and not (one.held.is_unsigned_integer() and one.held.nbytes == 8)
            return is_whole or one.held.is_floating()
        case (Float(), Float()):
            return True
        case (Timestamp(unit, is_zoned), Timestamp(is_zoned=wanted_zoned)):
            return unit != "ns" and is_zoned == wanted_zoned
        case (Bool(), Bool()) | (String(), String()) | (Date(), Date()):
            return True
        case (Decimal(), Decimal()):
            return one.type == wanted
        case _:
            return False


def _recombine(op: Recombine, scope: Scope) -> None:
    gone = [one.field for one in op.whole]
    is_active = either(*(scope.fields[name].there for name in gone if name in scope.fields))
    if is_active is False:
        return
    made = _computed(op.parts, scope)
    for name in gone:
        scope.fields.pop(name, None)
    reason = f"cannot be computed from {', '.join(sorted(gone))}"
    for part, value in zip(op.parts, made, strict=True):
        one = _there_if(value, is_active, scope)
        _put(scope, part.field, one, "is there already, so nothing can be made in its place")
        if part.is_needed:
            is_null = term(lambda v: v.isnull(), value.term)
            scope.reject(both(is_active, is_null), part.field, reason)


def _there_if(value: Plain, is_there: Cond, scope: Scope) -> Plain:
    if is_there is True:
        return value
    assert isinstance(is_there, Term)
    emitter = Emitter(scope.engine)
    made = term(lambda there, v: emitter.only(there, v), is_there, value.term)
    return Plain(made, is_there, value.type, value.held, value.texts)


def _nest(op: Nest, scope: Scope) -> None:
    flat_refuses(op.into, scope.engine)
    if op.into in scope.fields and op.into not in op.fields:
        scope.reject(scope.fields[op.into].there, op.into, "is there already, so nothing can be nested in it")
    inner = {name: scope.fields.pop(name) for name in op.fields if name in scope.fields}
    if inner:
        is_there = either(*(one.there for one in inner.values()))
        scope.fields[op.into] = Whole(is_there, is_there, inner)


def _unnest(op: Unnest, scope: Scope) -> None:
    whole = scope.fields.get(op.source)
    if whole is None or isinstance(whole, Refused):
        return
    if not isinstance(whole, Whole):
        raise Unable(op.source, "only objects with known fields are unnested", "Name an object.")
    left_over = either(*(one.there for name, one in whole.fields.items() if name not in op.fields))
    scope.reject(both(whole.is_full, left_over), op.source, "holds fields that the lens does not name")
    del scope.fields[op.source]
    is_null = False if whole.is_full is whole.there else both(whole.there, negated(whole.is_full))
    for name in op.fields:
        if (one := _moved_out(name, whole, is_null, scope)) is not None:
            _put(scope, name, one, "is there already, so nothing can be moved to it")


def _moved_out(name: str, whole: Whole, is_null: Cond, scope: Scope) -> Known | None:
    """A field of the object outside of it; null when there is null in place of the object."""
    match whole.fields.get(name):
        case None if is_null is False:
            return None
        case None:
            null = scalars.constant(None, name, scope.engine)
            return Plain(null.term, is_null, null.type, null.held)
        case Plain(value, there, one, held, texts):
            is_full, emitter = whole.is_full, Emitter(scope.engine)
            if isinstance(is_full, Term):
                value = term(lambda full, v: emitter.only(full, v), is_full, value)
            return Plain(value, either(is_null, both(is_full, there)), one, held, texts)
        case Whole(there, is_full, fields):
            return Whole(either(is_null, both(whole.is_full, there)), both(whole.is_full, is_full), fields)
        case Refused() as refused:
            return refused
        case inner if whole.is_full is True:
            return inner
        case _:
            raise Unable(name, "a list is moved out of an object that may be missing", "Use another engine for it.")


def _within(op: Inside | Each, field: str, ops: Program, scope: Scope, at: str) -> Iterator[Refusal]:
    match op, scope.fields.get(field):
        case (_, None | Refused()):
            return
        case (Inside(), Whole(_, is_full, fields) as whole):
            yield from _scoped(field, ops, scope, at, is_full, fields)
            scope.fields[field] = Whole(whole.there, is_full, fields)
        case (Each(), Single(there, Whole(_, is_full, fields))):
            yield from _scoped(field, ops, scope, at, both(there, is_full), fields)
        case (Each(), Listed() as listed):
            yield from run(ops, listed.inner, f"{at}: ")
            held_objects(listed, scope)
        case (Inside(), _):
            raise Unable(field, "only an object with known fields has ops in it", "Name an object.")
        case _:
            raise Unable(field, "ops for each need a list of objects with known fields", "Name a list of objects.")


def _scoped(field: str, ops: Program, scope: Scope, at: str, is_there: Cond, fields: Fields) -> Iterator[Refusal]:
    inner = Scope(fields, scope.stages, scope.engine, both(scope.guard, is_there), f"{scope.path}{field}.")
    yield from run(ops, inner, f"{at}: ")
