"""Whether a lens fits the two contract versions that it joins, by running it over fields instead of records.

Forward, each op must find its field, the right type and the right values, and the result must be the newer
contract. Backward, what the reversed ops fabricate and convert must be of the older contract's types; which
of the newer values have no way back is no misfit but a loss, and `loss` tells it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from interlock.domain.lenses.flow import Fields, Known, Said, is_of_type, known, past, start, step
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import Each, Inside, Op, Unit, title
from interlock.domain.lenses.reverse import reversed_ops
from interlock.domain.lenses.units import conversion
from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.diff import beyond, interval, limits, shown
from interlock.domain.schemas.field import Field, Kind, Struct
from interlock.domain.schemas.values import misfit
from interlock.kernel.finding import Finding, Severity

_FACTOR_TOLERANCE = 1e-9
Placed = tuple[str, Said]
"""Where it is written, and what is said of it."""
_TEXT: tuple[Kind, ...] = ("string", "date", "timestamp")


def fit(lens: Lens, older: Contract, newer: Contract) -> list[Finding]:
    """Everything that keeps `lens` from taking `older` to `newer` and back; warnings where it cannot be told."""
    said = [*_impossible(lens)] or [*_forward(lens, older, newer)]
    if not any(severity is Severity.ERROR for _, (*_, severity) in said):
        said += [(lens.where, one) for one in _backward(lens, older, newer)]
    return [Finding(f"lens.{code}", how, lens.subject, says, remedy, at) for at, (code, says, remedy, how) in said]


def unconfirmed(lens: Lens) -> Finding:
    """That the lens is a draft, and what makes it one that counts."""
    says = "it is a draft that nobody has confirmed, so nothing is translated by it"
    remedy = "Look at each guess, correct it, and remove `status: draft`."
    return Finding("lens.unconfirmed", Severity.WARNING, lens.subject, says, remedy, lens.where)


def _impossible(lens: Lens) -> Iterator[Placed]:
    for number, op in enumerate(lens.ops, start=1):
        yield from ((lens.place(number), said) for said in _irreversible(number, op))


def _irreversible(number: int, op: Op) -> Iterator[Said]:
    for place, inner in enumerate(op.ops if isinstance(op, Inside | Each) else (), start=1):
        yield from _irreversible(place, inner)
    if isinstance(op, Unit) and (op.numerator == 0 or op.denominator <= 0):
        says = f"{_title(number, op)}: the factor {op.numerator}/{op.denominator} cannot be turned around"
        remedy = "Use a factor other than zero, with a positive denominator."
        yield "factor_invalid", says, remedy, Severity.ERROR


def _forward(lens: Lens, older: Contract, newer: Contract) -> Iterator[Placed]:
    fields = start(older.fields)
    for number, op in enumerate(lens.ops, start=1):
        at = lens.place(number)
        yield from ((at, (c, f"{_title(number, op)}: {s}", r, how)) for c, s, r, how in step(op, fields))
    yield from ((lens.where, said) for said in _arrived(fields, newer.fields, newer.version, ""))


def _arrived(fields: Fields, wanted: tuple[Field, ...], version: str, path: str) -> Iterator[Said]:
    """Whether the fields at `path` are those that the newer version has there."""
    for one in wanted:
        name = f"{path}{one.name}"
        if one.name not in fields:
            says = f"nothing yields `{name}`, which version {version} has"
            yield "field_lacking", says, f"Add {{field: {one.name}}} or rename a field to it.", Severity.ERROR
            continue
        given = fields[one.name]
        yield from _assignable(given, one, name)
        if not given.is_constant:
            yield from _in_range(given.field, one, name)
        yield from _nested(given, known(one), version, name)
    there = {one.name for one in wanted}
    for one_left in fields:
        if one_left not in there:
            says = f"`{path}{one_left}` is left over: version {version} does not have it"
            yield "field_left_over", says, f"Drop {{field: {one_left}}}, or rename it.", Severity.ERROR


def _nested(given: Known, wanted: Known, version: str, name: str) -> Iterator[Said]:
    """The fields of objects, and of objects in lists; anything else is what it is."""
    while given.element is not None and wanted.element is not None:
        given, wanted = given.element, wanted.element
        yield from _assignable(given, wanted.field, name)
        yield from _in_range(given.field, wanted.field, name, is_inside=True)
    if given.inside is not None and isinstance(wanted.field.type, Struct):
        yield from _arrived(given.inside, wanted.field.type.fields, version, f"{name}.")


def _backward(lens: Lens, older: Contract, newer: Contract) -> Iterator[Said]:
    fields = start(newer.fields)
    for op in reversed_ops(lens.ops):
        past(op, fields)  # forward said what is wrong, or it is a loss
    yield from _returned(fields, older.fields, "")


def _returned(fields: Fields, wanted: tuple[Field, ...], path: str) -> Iterator[Said]:
    """Whether what the way back makes up or converts is of the older version's types."""
    for one in wanted:
        if one.name not in fields:
            continue
        given, name = fields[one.name], f"{path}{one.name}"
        said = list(_assignable(given, one, name))
        if given.is_computed:
            said += _in_range(given.field, one, name)
        yield from ((c, f"on the way back, {s}", r, how) for c, s, r, how in said if how is Severity.ERROR)
        if given.inside is not None and isinstance(one.type, Struct):
            yield from _returned(given.inside, one.type.fields, f"{name}.")


def _title(number: int, op: Op) -> str:
    return f"op {number} ({title(op)})"


def _assignable(arrived: Known, wanted: Field, name: str) -> Iterator[Said]:
    """Whether the field is of the wanted type and unit; a constant must be a value of the wanted field."""
    given = arrived.field
    if arrived.is_constant:
        if reason := misfit(given.default[0], wanted):
            says = f"the default of `{name}` {reason}"
            yield "default_misfit", says, "Choose a default that the contract allows.", Severity.ERROR
        return
    is_text = given.kind in _TEXT and wanted.kind in _TEXT and given.enum
    if not (is_of_type(given.kind, wanted.kind) or is_text):
        says = f"`{name}` would be {given.kind}, and the contract wants {wanted.kind}"
        yield "type_misfit", says, "Add a cast, or correct the op.", Severity.ERROR
    yield from _same_unit(arrived, wanted, name)


def _same_unit(arrived: Known, wanted: Field, name: str) -> Iterator[Said]:
    source, target = arrived.field.unit, wanted.unit
    expected = conversion(source, target)
    if arrived.is_mapped and not (arrived.is_converted or target):
        return
    if arrived.is_mapped or (arrived.is_converted and (expected is None or not source)):
        says = f"whether `{name}` goes from {source or '?'} to {target or '?'} rightly cannot be checked"
        yield "unit_unknown", says, "Check it by hand.", Severity.WARNING
    elif expected is None:
        says = f"`{name}` is in {source or 'no stated unit'}, and the contract wants {target or 'no stated unit'}"
        yield "unit_misfit", says, "Add a unit op, or state the unit.", Severity.ERROR
    elif not _is_near(arrived.factor, expected[0]) or not _is_near(arrived.offset, expected[1]):
        says = f"`{name}` is multiplied by {arrived.factor}{_plus(arrived.offset)}"
        right = f"{source or 'no unit'} to {target or 'no unit'} is {expected[0]}{_plus(expected[1])}"
        yield "unit_misfit", says, f"{right}.", Severity.ERROR


def _plus(offset: Fraction) -> str:
    return f" plus {float(offset):.15g}" if offset else ""


def _is_near(given: Fraction, expected: Fraction) -> bool:
    return abs(given - expected) <= Fraction(_FACTOR_TOLERANCE) * max(Fraction(1), abs(expected))


def _in_range(given: Field, wanted: Field, name: str, is_inside: bool = False) -> Iterator[Said]:
    """Whether every value that arrives is one that the newer contract declares. is_inside: an element of a list,
    which is there whenever the list has it.
    """
    if given.nullable and not wanted.nullable:
        says = f"`{name}` may be null, and the contract does not allow it"
        remedy = "Fill null with a value (`coalesce` in an expression), or allow null."
        yield "null_misfit", says, remedy, Severity.ERROR
    if wanted.required and not given.required and not wanted.default and not is_inside:
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
