"""What each field is before and after every op: a program run over fields instead of records.

`step` moves the fields past one op and says what is wrong with it there. `check` asks whether the result is the
other contract, `formulas` types expressions by what there is at their point, `loss` asks what a field may hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import isfinite
from typing import assert_never

from interlock.domain.lenses.apply import CASTS, Rejected, apply
from interlock.domain.lenses.expressions.nodes import Expr, is_nullable
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
    Recombine,
    Rename,
    Scalar,
    Unit,
    Unnest,
    Wrap,
    title,
)
from interlock.domain.schemas.diff import beyond, shown
from interlock.domain.schemas.field import INTEGER, NUMBER, Field, Json, Kind, List, Struct, type_of
from interlock.domain.schemas.scalars import equal_json, json_type
from interlock.domain.schemas.values import misfit
from interlock.kernel.finding import Severity
from interlock.kernel.ident import did_you_mean

_SCALARS: tuple[Kind, ...] = ("string", "integer", "number", "boolean")
Said = tuple[str, str, str, Severity]
"""Code, what is wrong, remedy, severity."""


@dataclass(frozen=True, slots=True)
class Known:
    """A field as it stands after some ops: what it may hold, and how its number relates to the first contract's.

    `is_constant`: an Add made it, and `field.default` is its only value. `is_computed`: an expression made it.
    `is_mapped`: its unit is not known. `inside`: the fields of an object; `element`: what a list holds.
    """

    field: Field
    factor: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)
    is_converted: bool = False
    is_mapped: bool = False
    is_constant: bool = False
    is_computed: bool = False
    inside: Fields | None = None
    element: Known | None = None


Fields = dict[str, Known]


def start(fields: Iterable[Field]) -> Fields:
    """The fields of a contract, before any op."""
    return {one.name: known(one) for one in fields}


def known(one: Field) -> Known:
    match one.type:
        case Struct(fields):
            return Known(one, inside=start(fields))
        case List(element):
            return Known(one, element=known(element))
        case _:
            return Known(one)


def is_of_type(given: Kind, wanted: Kind) -> bool:
    return given == wanted or (wanted, given) == ("number", "integer")


def step(op: Op, fields: Fields) -> Iterator[Said]:
    """Moves `fields` past the op, and says what is wrong with it there."""
    match op:
        case Add():
            yield from _add(op, fields)
        case Recombine():
            yield from _recombine(op, fields)
        case Nest():
            yield from _nest(op, fields)
        case Rename(source):
            yield from _lacking(source, fields) or _rename(op, fields)
        case Unnest(_, source):
            yield from _lacking(source, fields) or _unnest(op, fields)
        case _:
            yield from _lacking(op.field, fields) or _change(op, fields)


def past(op: Op, fields: Fields) -> None:
    """Moves `fields` past the op; what is wrong with it there is told elsewhere."""
    for _ in step(op, fields):
        pass


def _lacking(name: str, fields: Fields) -> list[Said]:
    if name in fields:
        return []
    says = f"`{name}` does not exist at this point"
    return [("field_unknown", says, did_you_mean(name, fields), Severity.ERROR)]


def _change(
    op: Drop | Cast | Unit | Map | Wrap | Head | Fill | Blank | Inside | Each, fields: Fields
) -> Iterator[Said]:
    match op:
        case Drop():
            del fields[op.field]
        case Cast():
            yield from _cast(op, fields)
        case Unit():
            yield from _unit(op, fields)
        case Map():
            yield from _map(op, fields)
        case Wrap():
            one = fields[op.field]
            element = replace(one, field=replace(one.field, name="element", required=True), is_constant=False)
            fields[op.field] = _listed(
                Field(op.field, one.field.type, one.field.required, min_items=1, max_items=1), element
            )
        case Head():
            yield from _head(op, fields)
        case Fill():
            yield from _fill(op, fields)
        case Blank():
            fields[op.field] = _blanked(op, fields[op.field])
        case Inside():
            yield from _inside(op, fields)
        case Each():
            yield from _each(op, fields)
        case _:
            assert_never(op)


def _taken(name: str, remedy: str) -> Said:
    return "field_taken", f"`{name}` is there already", remedy, Severity.ERROR


def _add(op: Add, fields: Fields) -> Iterator[Said]:
    if op.field in fields:
        yield _taken(op.field, "Remove the add, or name another.")
    if op.value is not None:
        fields[op.field] = _made(op.field, op.value, is_needed=False)
        return
    constant = Field(op.field, type_of(_kind_of((op.default,))), True, op.default is None, default=(op.default,))
    fields[op.field] = Known(constant, is_constant=True)


def _made(name: str, value: Expr, is_needed: bool) -> Known:
    one = Field(name, value.type, True, is_nullable(value) and not is_needed)
    return Known(one, is_mapped=True, is_computed=True)


def _kind_of(values: tuple[Scalar, ...]) -> Kind:
    """The narrowest type that holds all the values; `object` when there is none, or only null."""
    types = {json_type(v) for v in values if v is not None}
    if types == {"integer", "number"}:
        return "number"
    return next((one for one in _SCALARS if types == {one}), "object")


def _rename(op: Rename, fields: Fields) -> Iterator[Said]:
    if op.target in fields and op.target != op.source:
        yield _taken(op.target, "Rename or drop that one first.")
    moved = fields.pop(op.source)
    fields[op.target] = replace(moved, field=replace(moved.field, name=op.target))


def _recombine(op: Recombine, fields: Fields) -> Iterator[Said]:
    gone: list[Known] = []
    for one in op.whole:
        yield from _lacking(one.field, fields)
        if one.field in fields:
            gone.append(fields.pop(one.field))
    is_there = any(one.field.required for one in gone)
    for made in op.parts:
        yield from _part(made, is_there, fields)


def _part(made: Computed, is_there: bool, fields: Fields) -> Iterator[Said]:
    if made.field in fields:
        yield _taken(made.field, "Drop or rename that one first.")
    one = _made(made.field, made.value, made.is_needed)
    fields[made.field] = replace(one, field=replace(one.field, required=is_there))


def _nest(op: Nest, fields: Fields) -> Iterator[Said]:
    inner: Fields = {}
    for name in op.fields:
        yield from _lacking(name, fields)
        if name in fields:
            inner[name] = fields.pop(name)
    if op.into in fields:
        yield _taken(op.into, "Name another object.")
    is_there = any(one.field.required for one in inner.values())
    fields[op.into] = _object(Field(op.into, Struct((), is_open=False), is_there), inner)


def _object(one: Field, inside: Fields) -> Known:
    is_open = isinstance(one.type, Struct) and one.type.is_open
    fields = tuple(inner.field for inner in inside.values())
    return Known(replace(one, type=Struct(fields, is_open)), inside=inside)


def _listed(one: Field, element: Known) -> Known:
    return Known(replace(one, type=List(element.field)), element=element)


def _misfit(name: str, given: Field, needed: str, remedy: str) -> Said:
    return "type_misfit", f"`{name}` is {given.kind}, and {needed}", remedy, Severity.ERROR


def _unnest(op: Unnest, fields: Fields) -> Iterator[Said]:
    whole = fields.pop(op.source)
    if whole.inside is None:
        yield _misfit(op.source, whole.field, "only objects with known fields are unnested", "Name an object.")
        return
    if left := [name for name in whole.inside if name not in op.fields]:
        says = f"`{op.source}` also has {', '.join(f'`{name}`' for name in left)}, which would be left over"
        yield "field_left_over", says, "Name every field of the object, or drop the rest `in` it.", Severity.ERROR
    for name in op.fields:
        yield from _lacking(name, whole.inside)
        if name not in whole.inside:
            continue
        if name in fields:
            yield _taken(name, "Rename that one first, or the one inside.")
        fields[name] = _moved_out(whole.inside[name], whole.field)


def _moved_out(inner: Known, whole: Field) -> Known:
    """A field of an object that may be missing may be missing; null in place of the object leaves it null."""
    one = inner.field
    is_nullable_now = one.nullable or whole.nullable
    return replace(
        inner,
        field=replace(
            one,
            required=one.required and whole.required,
            nullable=is_nullable_now,
            enum=_with_null(one, whole.nullable),
        ),
    )


def _with_null(one: Field, has_null: bool) -> tuple[Scalar, ...]:
    return (*one.enum, None) if one.enum and has_null and None not in one.enum else one.enum


def _head(op: Head, fields: Fields) -> Iterator[Said]:
    whole = fields[op.field]
    if whole.element is None:
        yield _misfit(op.field, whole.field, "only lists have a first element", "Name a list.")
        return
    one, was = whole.element.field, whole.field
    is_null = one.nullable or was.nullable or not was.min_items
    head = replace(one, name=op.field, required=was.required, nullable=is_null, enum=_with_null(one, is_null))
    fields[op.field] = replace(whole.element, field=head)


def _fill(op: Fill, fields: Fields) -> Iterator[Said]:
    was = fields[op.field]
    one = was.field
    if was.is_constant:
        value = op.value if one.default == (None,) else one.default[0]
        fields[op.field] = replace(
            was, field=replace(one, type=type_of(_kind_of((value,))), nullable=False, default=(value,))
        )
        return
    said = misfit(op.value, Field(one.name, one.type))
    if op.value is None or said:
        remedy = f"Choose a value that is {one.kind}."
        yield "type_misfit", f"the value for null {said or 'is null'}", remedy, Severity.ERROR
    enum: tuple[Scalar, ...] = tuple(v for v in one.enum if v is not None)
    if one.enum and one.nullable and not any(equal_json(v, op.value) for v in enum):
        enum = (*enum, op.value)
    wider = _widened(replace(one, enum=enum, nullable=False), op.value) if one.nullable else one
    fields[op.field] = replace(was, field=wider)


def _widened(one: Field, value: Scalar) -> Field:
    """The field with constraints that `value` keeps as well."""
    if not misfit(value, one):
        return one
    if isinstance(value, str):
        return replace(one, min_length=None, max_length=None, pattern="")
    return replace(one, minimum=None, maximum=None, more_than=None, less_than=None, multiple_of=None)


def _blanked(op: Blank, was: Known) -> Known:
    one = was.field
    if was.is_constant and equal_json(one.default[0], op.value):
        return replace(was, field=replace(one, type=Json(), nullable=True, default=(None,)))
    enum = tuple(v for v in one.enum if not equal_json(v, op.value))
    return replace(was, field=replace(one, nullable=True, enum=(*enum, None) if one.enum else ()))


def _inside(op: Inside, fields: Fields) -> Iterator[Said]:
    was = fields[op.field]
    if was.inside is None:
        yield _misfit(op.field, was.field, "only an object with known fields has ops in it", "Name an object.")
        return
    inside = dict(was.inside)
    yield from _all(op.ops, inside, op.field)
    fields[op.field] = replace(_object(was.field, inside), is_computed=was.is_computed)


def _each(op: Each, fields: Fields) -> Iterator[Said]:
    was = fields[op.field]
    if was.element is None or was.element.inside is None:
        yield _misfit(op.field, was.field, "ops for each need a list of objects with known fields", "Name a list.")
        return
    inside = dict(was.element.inside)
    yield from _all(op.ops, inside, op.field)
    fields[op.field] = _listed(was.field, _object(was.element.field, inside))


def _all(ops: tuple[Op, ...], inside: Fields, name: str) -> Iterator[Said]:
    for number, op in enumerate(ops, start=1):
        for code, says, remedy, how in step(op, inside):
            yield code, f"in `{name}`, op {number} ({title(op)}): {says}", remedy, how


def _cast(op: Cast, fields: Fields) -> Iterator[Said]:
    was = fields[op.field]
    if (op.source, op.target) not in CASTS:
        says = f"there is no exact cast from {op.source} to {op.target}"
        yield "cast_unknown", says, f"There is: {_casts()}.", Severity.ERROR
    elif not is_of_type(was.field.kind, op.source):
        says = f"`{op.field}` is {was.field.kind}, not {op.source}"
        yield "type_misfit", says, f"Write `from: {was.field.kind}`.", Severity.ERROR
    values = _translated(op, was.field)
    fields[op.field] = replace(was, field=replace(was.field, type=type_of(op.target), enum=values))


def _casts() -> str:
    return ", ".join(f"{source} to {target}" for source, target in CASTS)


def _translated(op: Cast | Unit, one: Field) -> tuple[Scalar, ...]:
    """The enum after the op; a value that the op rejects is left out, which `loss` tells."""
    values: list[Scalar] = []
    for value in one.enum:
        try:
            values.append(apply((op,), {one.name: value})[one.name])
        except Rejected:
            continue
    return tuple(values)


def _unit(op: Unit, fields: Fields) -> Iterator[Said]:
    was = fields[op.field]
    if was.field.kind not in ("integer", "number"):
        says = f"`{op.field}` is {was.field.kind}, and only numbers have units"
        yield "type_misfit", says, "Cast it to a number first.", Severity.ERROR
    ratio = Fraction(op.numerator, op.denominator)
    one = was.field
    minimum, maximum = _converted(op, one.minimum, one.maximum)
    more_than, less_than = _converted(op, one.more_than, one.less_than)
    if op.integer:  # rounding may reach an end that was excluded
        minimum, maximum = _outward(minimum, more_than, min), _outward(maximum, less_than, max)
        more_than = less_than = None
    fields[op.field] = Known(
        field=replace(
            one,
            type=INTEGER if op.integer else NUMBER,
            enum=_translated(op, one),
            minimum=minimum,
            maximum=maximum,
            more_than=more_than,
            less_than=less_than,
            multiple_of=None,
        ),
        factor=was.factor * ratio,
        offset=was.offset * ratio + Fraction(op.offset),
        is_converted=True,
        is_mapped=was.is_mapped,
        is_computed=was.is_computed,
    )


def _converted(op: Unit, low: float | None, high: float | None) -> tuple[float | None, float | None]:
    low, high = (
        None if bound is None else bound * op.numerator / op.denominator + op.offset for bound in (low, high)
    )
    return (low, high) if op.numerator > 0 else (high, low)


def _outward(one: float | None, other: float | None, choose: Callable[[Iterable[float]], float]) -> float | None:
    ends = [end for end in (one, other) if end is not None]
    end = choose(ends) if ends else None
    return end if end is None or not isfinite(end) else float(round(end))


def _map(op: Map, fields: Fields) -> Iterator[Said]:
    was = fields[op.field]
    sources = tuple(source for source, _ in op.pairs)
    left = beyond(was.field.enum, (*sources, None))
    if left and not op.fallback:
        says = f"the map does not name {shown(left)} of `{op.field}`"
        yield "map_incomplete", says, "Add a pair for each, or a fallback.", Severity.ERROR
    if was.field.enum and (stray := beyond(sources, (*was.field.enum, None))):
        says = f"the map names {shown(stray)}, which `{op.field}` never is"
        yield "map_stray", says, "Check the spelling, or remove the pair.", Severity.WARNING
    targets = (*(target for _, target in op.pairs), *op.fallback)
    has_null = was.field.nullable and None not in sources
    one = Field(
        op.field,
        type_of(_kind_of(targets)),
        was.field.required,
        nullable=has_null or None in targets,
        unit=was.field.unit,
        enum=(*targets, *((None,) if has_null else ())),
        default=was.field.default,
    )
    fields[op.field] = Known(one, is_mapped=True, is_computed=was.is_computed)
