"""Whether a lens fits the two contract versions that it joins, by running it over fields instead of records.

Forward, each op must find its field, the right type and the right values, and the result must be the newer
contract. Backward, what the reversed ops fabricate and convert must be of the older contract's types; which
of the newer values have no way back is no misfit but a loss, and `loss` tells it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import assert_never

from interlock.domain.lenses.apply import CASTS, Rejected, apply
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import Add, Cast, Drop, Map, Op, Rename, Scalar, Unit
from interlock.domain.lenses.reverse import reversed_ops
from interlock.domain.lenses.units import conversion
from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.diff import beyond, interval, limits, shown
from interlock.domain.schemas.field import INTEGER, NUMBER, Field, Kind, type_of
from interlock.domain.schemas.scalars import json_type
from interlock.domain.schemas.values import misfit
from interlock.kernel.finding import Finding, Severity
from interlock.kernel.ident import did_you_mean

_FACTOR_TOLERANCE = 1e-9
_SCALARS: tuple[Kind, ...] = ("string", "integer", "number", "boolean")
_TEXT: tuple[Kind, ...] = ("string", "date", "timestamp")
_Said = tuple[str, str, str, Severity]


@dataclass(frozen=True, slots=True)
class _Known:
    """A field as it stands after some ops: what it may hold, and how its number relates to the first contract's.

    `is_constant`: an Add made it, and `field.default` is its only value. `is_mapped`: its unit is not known.
    """

    field: Field
    factor: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)
    is_converted: bool = False
    is_mapped: bool = False
    is_constant: bool = False


_Fields = dict[str, _Known]


def fit(lens: Lens, older: Contract, newer: Contract) -> list[Finding]:
    """Everything that keeps `lens` from taking `older` to `newer` and back; warnings where it cannot be told."""
    said = [*_impossible(lens)] or [*_forward(lens, older, newer)]
    if not any(severity is Severity.ERROR for *_, severity in said):
        said += _backward(lens, older, newer)
    subject = f"lens:{lens.contract}@{lens.older}..{lens.newer}"
    return [Finding(f"lens.{code}", how, subject, says, remedy, lens.where) for code, says, remedy, how in said]


def _impossible(lens: Lens) -> Iterator[_Said]:
    for number, op in enumerate(lens.ops, start=1):
        if isinstance(op, Unit) and (op.numerator == 0 or op.denominator <= 0):
            says = f"{_title(number, op)}: the factor {op.numerator}/{op.denominator} cannot be turned around"
            yield (
                "factor_invalid",
                says,
                "Use a factor other than zero, with a positive denominator.",
                Severity.ERROR,
            )


def _forward(lens: Lens, older: Contract, newer: Contract) -> Iterator[_Said]:
    fields: _Fields = {f.name: _Known(f) for f in older.fields}
    for number, op in enumerate(lens.ops, start=1):
        yield from ((c, f"{_title(number, op)}: {s}", r, how) for c, s, r, how in _step(op, fields))
    for wanted in newer.fields:
        if wanted.name not in fields:
            says = f"nothing yields `{wanted.name}`, which version {newer.version} has"
            yield "field_lacking", says, f"Add {{field: {wanted.name}}} or rename a field to it.", Severity.ERROR
            continue
        given = fields[wanted.name]
        yield from _assignable(given, wanted)
        if not given.is_constant:
            yield from _in_range(given.field, wanted)
    for name in fields:
        if newer.field(name) is None:
            says = f"`{name}` is left over: version {newer.version} does not have it"
            yield "field_left_over", says, f"Drop {{field: {name}}}, or rename it.", Severity.ERROR


def _backward(lens: Lens, older: Contract, newer: Contract) -> Iterator[_Said]:
    fields: _Fields = {f.name: _Known(f) for f in newer.fields}
    for op in reversed_ops(lens.ops):
        for _ in _step(op, fields):
            pass  # forward said it already, or it is a loss
    for wanted in older.fields:
        if wanted.name in fields:
            said = _assignable(fields[wanted.name], wanted)
            yield from ((c, f"on the way back, {s}", r, how) for c, s, r, how in said if how is Severity.ERROR)


def _title(number: int, op: Op) -> str:
    return f"op {number} ({op.op})"


def _step(op: Op, fields: _Fields) -> Iterator[_Said]:
    """Moves `fields` past the op, and says what is wrong with it there."""
    name = op.source if isinstance(op, Rename) else op.field
    if isinstance(op, Add):
        if name in fields:
            yield "field_taken", f"`{name}` is there already", "Remove the add, or name another.", Severity.ERROR
        fields[name] = _Known(_constant(op), is_constant=True)
        return
    if name not in fields:
        says = f"`{name}` does not exist at this point"
        yield "field_unknown", says, did_you_mean(name, fields), Severity.ERROR
        return
    match op:
        case Rename(_, target):
            if target in fields and target != name:
                says = f"`{target}` is there already"
                yield "field_taken", says, "Rename or drop that one first.", Severity.ERROR
            moved = fields.pop(name)
            fields[target] = replace(moved, field=replace(moved.field, name=target))
        case Drop():
            del fields[name]
        case Cast():
            yield from _cast(op, fields)
        case Unit():
            yield from _unit(op, fields)
        case Map():
            yield from _map(op, fields)
        case _:
            assert_never(op)


def _constant(op: Add) -> Field:
    return Field(op.field, type_of(_kind_of((op.default,))), True, op.default is None, default=(op.default,))


def _kind_of(values: tuple[Scalar, ...]) -> Kind:
    """The narrowest type that holds all the values; `object` when there is none, or only null."""
    types = {json_type(v) for v in values if v is not None}
    if types == {"integer", "number"}:
        return "number"
    return next((one for one in _SCALARS if types == {one}), "object")


def _is_of_type(given: Kind, wanted: Kind) -> bool:
    return given == wanted or (wanted, given) == ("number", "integer")


def _cast(op: Cast, fields: _Fields) -> Iterator[_Said]:
    known = fields[op.field]
    if (op.source, op.target) not in CASTS:
        says = f"there is no exact cast from {op.source} to {op.target}"
        yield "cast_unknown", says, f"There is: {_casts()}.", Severity.ERROR
    elif not _is_of_type(known.field.kind, op.source):
        says = f"`{op.field}` is {known.field.kind}, not {op.source}"
        yield "type_misfit", says, f"Write `from: {known.field.kind}`.", Severity.ERROR
    values = _translated(op, known.field)
    fields[op.field] = replace(known, field=replace(known.field, type=type_of(op.target), enum=values))


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


def _unit(op: Unit, fields: _Fields) -> Iterator[_Said]:
    known = fields[op.field]
    if known.field.kind not in ("integer", "number"):
        says = f"`{op.field}` is {known.field.kind}, and only numbers have units"
        yield "type_misfit", says, "Cast it to a number first.", Severity.ERROR
    ratio = Fraction(op.numerator, op.denominator)
    fields[op.field] = _Known(
        field=replace(
            known.field,
            type=INTEGER if op.integer else NUMBER,
            enum=_translated(op, known.field),
            minimum=_converted(op, known.field)[0],
            maximum=_converted(op, known.field)[1],
        ),
        factor=known.factor * ratio,
        offset=known.offset * ratio + Fraction(op.offset),
        is_converted=True,
        is_mapped=known.is_mapped,
    )


def _converted(op: Unit, one: Field) -> tuple[float | None, float | None]:
    low, high = (
        None if bound is None else bound * op.numerator / op.denominator + op.offset
        for bound in (one.minimum, one.maximum)
    )
    return (low, high) if op.numerator > 0 else (high, low)


def _map(op: Map, fields: _Fields) -> Iterator[_Said]:
    known = fields[op.field]
    sources = tuple(source for source, _ in op.pairs)
    left = beyond(known.field.enum, (*sources, None))
    if left and not op.fallback:
        says = f"the map does not name {shown(left)} of `{op.field}`"
        yield "map_incomplete", says, "Add a pair for each, or a fallback.", Severity.ERROR
    if known.field.enum and (stray := beyond(sources, (*known.field.enum, None))):
        says = f"the map names {shown(stray)}, which `{op.field}` never is"
        yield "map_stray", says, "Check the spelling, or remove the pair.", Severity.WARNING
    targets = (*(target for _, target in op.pairs), *op.fallback)
    has_null = known.field.nullable and None not in sources
    field = replace(
        known.field,
        type=type_of(_kind_of(targets)),
        enum=(*targets, *((None,) if has_null else ())),
        nullable=has_null or None in targets,
        minimum=None,
        maximum=None,
    )
    fields[op.field] = _Known(field, is_mapped=True)


def _assignable(known: _Known, wanted: Field) -> Iterator[_Said]:
    """Whether the field is of the wanted type and unit; a constant must be a value of the wanted field."""
    given, name = known.field, wanted.name
    if known.is_constant:
        if reason := misfit(given.default[0], wanted):
            says = f"the default of `{name}` {reason}"
            yield "default_misfit", says, "Choose a default that the contract allows.", Severity.ERROR
        return
    is_text = given.kind in _TEXT and wanted.kind in _TEXT and given.enum
    if not (_is_of_type(given.kind, wanted.kind) or is_text):
        says = f"`{name}` would be {given.kind}, and the contract wants {wanted.kind}"
        yield "type_misfit", says, "Add a cast, or correct the op.", Severity.ERROR
    yield from _same_unit(known, wanted)


def _same_unit(known: _Known, wanted: Field) -> Iterator[_Said]:
    name, source, target = wanted.name, known.field.unit, wanted.unit
    expected = conversion(source, target)
    if known.is_mapped and not (known.is_converted or target):
        return
    if known.is_mapped or (known.is_converted and (expected is None or not source)):
        says = f"whether `{name}` goes from {source or '?'} to {target or '?'} rightly cannot be checked"
        yield "unit_unknown", says, "Check it by hand.", Severity.WARNING
    elif expected is None:
        says = f"`{name}` is in {source or 'no stated unit'}, and the contract wants {target or 'no stated unit'}"
        yield "unit_misfit", says, "Add a unit op, or state the unit.", Severity.ERROR
    elif not _is_near(known.factor, expected[0]) or not _is_near(known.offset, expected[1]):
        says = f"`{name}` is multiplied by {known.factor}{_plus(known.offset)}"
        right = f"{source or 'no unit'} to {target or 'no unit'} is {expected[0]}{_plus(expected[1])}"
        yield "unit_misfit", says, f"{right}.", Severity.ERROR


def _plus(offset: Fraction) -> str:
    return f" plus {float(offset):.15g}" if offset else ""


def _is_near(given: Fraction, expected: Fraction) -> bool:
    return abs(given - expected) <= Fraction(_FACTOR_TOLERANCE) * max(Fraction(1), abs(expected))


def _in_range(given: Field, wanted: Field) -> Iterator[_Said]:
    """Whether every value that arrives is one that the newer contract declares."""
    name = wanted.name
    if given.nullable and not wanted.nullable:
        says = f"`{name}` may be null, and the contract does not allow it"
        yield "null_misfit", says, "Map null to a value, or allow null.", Severity.ERROR
    if wanted.required and not given.required and not wanted.default:
        says = f"`{name}` may be missing, and the contract requires it"
        yield "presence_misfit", says, "Make it optional, or give it a default.", Severity.ERROR
    if wanted.enum and not given.enum:
        says = f"`{name}` may be any value, and the contract has an enum"
        yield "enum_misfit", says, "Add a map.", Severity.ERROR
    elif wanted.enum and (unknown := beyond(given.enum, (*wanted.enum, None))):
        says = f"`{name}` may become {shown(unknown)}, which the contract does not have"
        yield "enum_misfit", says, f"The contract has {shown(wanted.enum)}.", Severity.ERROR
    elif any(misfit(v, replace(wanted, enum=(), nullable=True)) for v in given.enum):
        says = f"`{name}` may become a value outside the contract's type or bounds"
        yield "enum_misfit", says, "Correct the map.", Severity.ERROR
    (low, high), (wanted_low, wanted_high) = limits(given), limits(wanted)
    if not given.enum and (low < wanted_low or high > wanted_high):
        says = (
            f"`{name}` arrives {interval(low, high)}, and the contract has it {interval(wanted_low, wanted_high)}"
        )
        yield "bounds_misfit", says, "Such records would break the contract; widen the bounds.", Severity.WARNING
