"""Whether a reader of one contract version understands records of another, with every reason why not.

Backward: the newer version reads what was written in the older one. Forward: the older version reads what
is written in the newer one. What cannot be proven is incompatible: a unit that appears or changes, an enum
that no longer contains every value, bounds that do not contain the writer's.

A field that the writer's open content merely allows counts as not written (the lenient policy; a strict one
would forbid every new field). Defaults of the reader stand in for fields that the writer may leave out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.diff import beyond, interval, limits, shown
from interlock.domain.schemas.field import Field
from interlock.domain.schemas.scalars import double, identity
from interlock.kernel.finding import Finding, Severity


@dataclass(frozen=True, slots=True)
class Reading:
    """Whether one version reads another. `reasons` holds warnings too; an error among them makes it false."""

    reasons: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        return not any(reason.is_blocking for reason in self.reasons)


@dataclass(frozen=True, slots=True)
class Compatibility:
    """backward: newer reads older; forward: older reads newer."""

    backward: Reading
    forward: Reading

    @property
    def is_full(self) -> bool:
        return self.backward.holds and self.forward.holds


def compatibility(older: Contract, newer: Contract) -> Compatibility:
    """Both directions at once; see `reads` for one."""
    return Compatibility(backward=reads(newer, older), forward=reads(older, newer))


def reads(reader: Contract, writer: Contract) -> Reading:
    """Whether `reader` understands every record that `writer` allows."""
    return Reading(tuple(_reasons(reader, writer)))


def _reasons(reader: Contract, writer: Contract) -> Iterator[Finding]:
    subject = f"contract:{reader.name}"
    who = f"version {reader.version} reading {writer.version}"

    def found(code: str, says: str, remedy: str, severity: Severity = Severity.ERROR) -> Finding:
        return Finding(f"compatibility.{code}", severity, subject, f"{who}: {says}", remedy, reader.where)

    for wanted in reader.fields:
        given = writer.field(wanted.name)
        problems = _lacking(wanted) if given is None else _between(wanted, given)
        for code, says, remedy, severity in problems:
            yield found(code, says, remedy, severity)
    if not reader.is_open:
        for given in writer.fields:
            if reader.field(given.name) is None:
                says = f"`{given.name}` is written, and closed content does not allow it"
                yield found("field_unexpected", says, "Drop it in a lens, or open the content.")
        if writer.is_open:
            says = "fields that are not listed may be written, and closed content does not allow them"
            yield found("content_closed", says, "Keep the content open, or close the writer first.")


_Problem = tuple[str, str, str, Severity]


def _lacking(wanted: Field) -> Iterator[_Problem]:
    if wanted.required and not wanted.default:
        says = f"`{wanted.name}` is required and not written"
        yield "field_lacking", says, "Give it a default, make it optional, or add it in a lens.", Severity.ERROR


def _between(wanted: Field, given: Field) -> Iterator[_Problem]:
    name = wanted.name
    if not (wanted.kind == given.kind or (wanted.kind, given.kind) == ("number", "integer")):
        says = f"`{name}` is written as {given.kind} and read as {wanted.kind}"
        yield "type_changed", says, "Translate it with a cast in a lens.", Severity.ERROR
    if wanted.unit != given.unit:
        says = (
            f"`{name}` is written in {given.unit or 'an unknown unit'}, read in {wanted.unit or 'an unknown unit'}"
        )
        yield "unit_changed", says, "Translate it with a unit op in a lens.", Severity.ERROR
    yield from _values(wanted, given)
    yield from _presence(wanted, given)


def _values(wanted: Field, given: Field) -> Iterator[_Problem]:
    name = wanted.name
    if wanted.enum and not given.enum:
        says = f"`{name}` may be any value, and only {shown(wanted.enum)} are read"
        yield "enum_changed", says, "Translate it with a map in a lens.", Severity.ERROR
    elif wanted.enum and (unknown := beyond(given.enum, wanted.enum)):
        says = f"`{name}` may be {shown(unknown)}, which is not read"
        yield "enum_changed", says, "Keep every value, or translate it with a map in a lens.", Severity.ERROR
    (low, high), (wanted_low, wanted_high) = _range(given), limits(wanted)
    if low < wanted_low or high > wanted_high:
        read = interval(wanted_low, wanted_high)
        says = f"`{name}` may be {interval(low, high)}, and only values {read} are read"
        yield "bounds_changed", says, "Widen the reader's bounds first.", Severity.ERROR


def _range(given: Field) -> tuple[float, float]:
    """What numbers the writer may send: its bounds, or those of its enum when that is tighter."""
    low, high = limits(given)
    numbers = [number for value in given.enum if (number := double(value)) is not None]
    if numbers:
        return max(low, min(numbers)), min(high, max(numbers))
    return low, high


def _presence(wanted: Field, given: Field) -> Iterator[_Problem]:
    name = wanted.name
    if given.nullable and not wanted.nullable:
        says = f"`{name}` may be null, and null is not read"
        yield "null_refused", says, "Let the reader accept null first.", Severity.ERROR
    if given.required:
        return
    if wanted.required and not wanted.default:
        says = f"`{name}` may be missing, and it is required"
        yield "field_lacking", says, "Give it a default or make it optional.", Severity.ERROR
    if [identity(v) for v in wanted.default] != [identity(v) for v in given.default]:
        read, written = (shown(f.default) or "nothing" for f in (wanted, given))
        says = f"a missing `{name}` is read as {read}, and the writer means {written}"
        yield "default_changed", says, "Write the field always while both versions live.", Severity.WARNING
