"""Whether a reader of one contract version understands records of another, with every reason why not.

Backward: the newer version reads what was written in the older one. Forward: the older version reads what
is written in the newer one. What cannot be proven is incompatible: a unit that appears or changes, an enum
that no longer contains every value or means something else by one, another pattern.

A field that the writer's open content merely allows counts as not written (the lenient policy; the strict one asks
about it). Defaults of the reader stand in for fields that the writer may leave out. Both make reading a relation
between neighbours: it is transitive only among closed contents without defaults, which is why histories have
transitive modes. A field that was renamed is read through the reader's aliases, else through a lens.

Fields have paths: `order.lines[].price`, with `[]` for the elements of a list and `{}` for the values of a map.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from interlock.domain.schemas.contract import Contract, Object, Rule
from interlock.domain.schemas.describe import described
from interlock.domain.schemas.diff import shown
from interlock.domain.schemas.field import Field, Json, List, Map, Struct, Type
from interlock.domain.schemas.implication import unmet
from interlock.domain.schemas.nesting import refuse_deep
from interlock.domain.schemas.ranges import Range, written
from interlock.domain.schemas.scalars import identity
from interlock.domain.schemas.widening import Profile, step
from interlock.kernel.finding import Finding, Severity

Policy = Literal["lenient", "strict"]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a reader does not understand a writer. path: the field's, empty for the whole; code:
    `compatibility.*`.
    """

    code: str
    path: str
    says: str
    remedy: str
    severity: Severity = Severity.ERROR

    @property
    def is_blocking(self) -> bool:
        return self.severity is Severity.ERROR


@dataclass(frozen=True, slots=True)
class Reading:
    """Whether one version reads another. `reasons` holds warnings too; an error among them makes it false."""

    reader: Contract
    writer: Contract
    reasons: tuple[Reason, ...]

    @property
    def holds(self) -> bool:
        return not any(reason.is_blocking for reason in self.reasons)

    def findings(self) -> tuple[Finding, ...]:
        """The reasons as findings about the reader."""
        who = f"version {self.reader.version} reading {self.writer.version}"
        subject, where = f"contract:{self.reader.name}", self.reader.where
        return tuple(
            Finding(one.code, one.severity, subject, f"{who}: {one.says}", one.remedy, where)
            for one in self.reasons
        )


@dataclass(frozen=True, slots=True)
class Compatibility:
    """backward: newer reads older; forward: older reads newer."""

    backward: Reading
    forward: Reading

    @property
    def is_full(self) -> bool:
        return self.backward.holds and self.forward.holds


@dataclass(frozen=True, slots=True)
class _Rules:
    profile: Profile
    policy: Policy


def compatibility(
    older: Contract, newer: Contract, profile: Profile = "exact", policy: Policy = "lenient"
) -> Compatibility:
    """Both directions at once; see `reads` for one."""
    return Compatibility(
        backward=reads(newer, older, profile, policy), forward=reads(older, newer, profile, policy)
    )


def reads(reader: Contract, writer: Contract, profile: Profile = "exact", policy: Policy = "lenient") -> Reading:
    """Whether `reader` understands everything that `writer` allows. TooDeep or TooLarge for endless contracts."""
    refuse_deep(reader, writer)
    return Reading(reader, writer, tuple(_contracts(reader, writer, _Rules(profile, policy))))


def widens(writer: Type, reader: Type, profile: Profile = "exact") -> bool:
    """Whether every value of one type is a value of another, inner fields and their constraints included: the
    strict reading, in which unlisted fields count as well.
    """
    given, wanted = Field("value", writer), Field("value", reader)
    rules = _Rules(profile, "strict")
    return not any(reason.is_blocking for reason in _value(wanted, given, "value", rules))


def _contracts(reader: Contract, writer: Contract, rules: _Rules) -> Iterator[Reason]:
    if len(reader.objects) <= 1 and len(writer.objects) <= 1:
        yield from _objects(reader.record, writer.record, "", rules)
        return
    by_id = {one.id: one for one in writer.objects if one.id}
    by_name = {one.name: one for one in writer.objects}
    for wanted in reader.objects:
        given = by_name.get(wanted.name) or by_id.get(wanted.id)
        if given is None:
            says = f"there is no `{wanted.name}`"
            yield Reason(
                "compatibility.object_lacking", wanted.name, says, "Keep writing it until nobody reads it."
            )
        elif given.name != wanted.name:
            says = f"`{wanted.name}` is written as `{given.name}` (the same id)"
            yield Reason("compatibility.object_renamed", wanted.name, says, "Keep the name until nobody reads it.")
        else:
            yield from _objects(wanted, given, f"{wanted.name}.", rules)


def _objects(wanted: Object, given: Object, prefix: str, rules: _Rules) -> Iterator[Reason]:
    outer = Struct(wanted.fields, wanted.is_open), Struct(given.fields, given.is_open)
    yield from _struct(*outer, prefix, rules)
    at = prefix.removesuffix(".")
    promised = {frozenset(key) for key in (given.primary_key, *given.unique) if key}
    promised |= {frozenset((one.name,)) for one in given.fields if one.is_unique}
    for key in dict.fromkeys((wanted.primary_key, *wanted.unique)):
        if key and not any(one <= frozenset(key) for one in promised):
            says = f"rows may share {_listed(key)}, and they are read as unique"
            yield Reason("compatibility.key_changed", at, says, "Keep the key, or stop relying on it first.")
    for reference in wanted.references:
        if reference not in given.references:
            says = f"{_listed(reference.fields)} may point to nothing in `{reference.to}`"
            yield Reason("compatibility.reference_changed", at, says, "Keep the reference, or accept strays first.")
    conditions = {check.condition for check in given.checks}
    for check in wanted.checks:
        if check.condition not in conditions:
            says = f"whether rows keep `{check.condition}` is not known"
            yield Reason("compatibility.check_changed", at, says, "Keep the check, or stop relying on it first.")
    yield from _rules(wanted, given, at)


def _rules(wanted: Object, given: Object, at: str) -> Iterator[Reason]:
    """Quality is a promise about whole tables, which no single record breaks, so it is for a person to judge."""
    for rule in wanted.rules:
        if rule.severity == "error" and not any(_implies(one, rule) for one in given.rules):
            says = f"the quality rule {rule.name or rule.metric!r} is not promised"
            yield Reason("compatibility.rule_changed", at, says, "Ask who relies on it.", Severity.WARNING)


def _implies(given: Rule, wanted: Rule) -> bool:
    """Whether rows that keep one rule keep another of the same metric, field and arguments."""
    same = all(
        getattr(given, key) == getattr(wanted, key)
        for key in ("metric", "field", "is_share", "query", "engine", "arguments", "is_negated")
    )
    inside, outside = (wanted, given) if wanted.is_negated else (given, wanted)
    return same and _span(inside).is_within(_span(outside))


def _span(rule: Rule) -> Range:
    found = Range()
    if rule.at_least is not None:
        found = found.meet(Range(low=rule.at_least))
    if rule.above is not None:
        found = found.meet(Range(low=rule.above, is_low_open=True))
    if rule.at_most is not None:
        found = found.meet(Range(high=rule.at_most))
    if rule.below is not None:
        found = found.meet(Range(high=rule.below, is_high_open=True))
    return found


def _struct(wanted: Struct, given: Struct, prefix: str, rules: _Rules) -> Iterator[Reason]:
    there = {one.name: one for one in given.fields}
    by_id = {one.id: one for one in given.fields if one.id}
    taken: set[str] = set()
    for one in wanted.fields:
        path = f"{prefix}{one.name}"
        found = there.get(one.name) or next((there[alias] for alias in one.aliases if alias in there), None)
        if found is not None:
            taken.add(found.name)
            yield from _field(one, found, path, rules)
        elif one.id and one.id in by_id:
            taken.add(by_id[one.id].name)
            says = f"`{path}` is written as `{by_id[one.id].name}` (the same id)"
            remedy = f"Add `{by_id[one.id].name}` to the reader's aliases, or rename it in a lens."
            yield Reason("compatibility.field_renamed", path, says, remedy)
        else:
            yield from _absent(one, path, given.is_open, rules)
    if not wanted.is_open:
        yield from _unexpected(given, taken, prefix)


def _absent(one: Field, path: str, is_open: bool, rules: _Rules) -> Iterator[Reason]:
    if one.required and not one.default:
        says = f"`{path}` is required and not written"
        remedy = "Give it a default, make it optional, or add it in a lens."
        yield Reason("compatibility.field_lacking", path, says, remedy)
    elif is_open and rules.policy == "strict" and not (isinstance(one.type, Json) and one.nullable):
        says = f"`{path}` may be written as anything, because the writer's content is open"
        yield Reason("compatibility.content_open", path, says, "Close the writer's content, or list the field.")


def _unexpected(given: Struct, taken: set[str], prefix: str) -> Iterator[Reason]:
    for one in given.fields:
        if one.name not in taken:
            says = f"`{prefix}{one.name}` is written, and closed content does not allow it"
            remedy = "Drop it in a lens, or open the content."
            yield Reason("compatibility.field_unexpected", f"{prefix}{one.name}", says, remedy)
    if given.is_open:
        says = "fields that are not listed may be written, and closed content does not allow them"
        remedy = "Keep the content open, or close the writer first."
        yield Reason("compatibility.content_closed", prefix.removesuffix("."), says, remedy)


def _field(wanted: Field, given: Field, path: str, rules: _Rules) -> Iterator[Reason]:
    if wanted.id and given.id and wanted.id != given.id and wanted.name == given.name:
        says = f"`{path}` is another field of the same name (id {given.id}, read as {wanted.id})"
        yield Reason("compatibility.field_replaced", path, says, "Give the new field a new name.")
    yield from _value(wanted, given, path, rules)
    if wanted.is_unique and not given.is_unique:
        says = f"`{path}` may repeat between rows, and it is read as unique"
        yield Reason("compatibility.key_changed", path, says, "Keep it unique, or stop relying on it first.")
    yield from _presence(wanted, given, path)


def _value(wanted: Field, given: Field, path: str, rules: _Rules) -> Iterator[Reason]:
    """What may be wrong with a value that is there."""
    if given.nullable and not wanted.nullable:
        says = f"`{path}` may be null, and null is not read"
        yield Reason("compatibility.null_refused", path, says, "Let the reader accept null first.")
    match (wanted.type, given.type):
        case (List(element=one), List(element=other)):
            yield from _value(one, other, f"{path}[]", rules)
        case (Map(value=one), Map(value=other)):
            yield from _value(one, other, f"{path}{{}}", rules)
        case (Struct() as one, Struct() as other):
            yield from _struct(one, other, f"{path}.", rules)
        case _:
            reason = _step(wanted, given, path, rules.profile)
            if reason:
                yield reason
            if reason and reason.is_blocking:
                return
    if wanted.unit != given.unit:
        kinds = given.unit or "an unknown unit", wanted.unit or "an unknown unit"
        says = f"`{path}` is written in {kinds[0]}, read in {kinds[1]}"
        yield Reason("compatibility.unit_changed", path, says, "Translate it with a unit op in a lens.")
    for code, says, remedy in unmet(wanted, given, path):
        yield Reason(f"compatibility.{code}", path, says, remedy)


def _step(wanted: Field, given: Field, path: str, profile: Profile) -> Reason | None:
    says = f"`{path}` is written as {described(given.type)} and read as {described(wanted.type)}"
    match step(given.type, wanted.type, written(given), profile):
        case "exact":
            return None
        case "lossy":
            remedy = "Check that nobody needs the last digits."
            return Reason(
                "compatibility.lossy_promotion", path, f"{says}, which may lose digits", remedy, Severity.WARNING
            )
        case "none":
            return Reason("compatibility.type_changed", path, says, "Translate it with a cast in a lens.")


def _presence(wanted: Field, given: Field, path: str) -> Iterator[Reason]:
    if given.required:
        return
    if wanted.required and not wanted.default:
        says = f"`{path}` may be missing, and it is required"
        yield Reason("compatibility.field_lacking", path, says, "Give it a default or make it optional.")
    if [identity(v) for v in wanted.default] != [identity(v) for v in given.default]:
        read, meant = (shown(f.default) or "nothing" for f in (wanted, given))
        says = f"a missing `{path}` is read as {read}, and the writer means {meant}"
        remedy = "Write the field always while both versions live."
        yield Reason("compatibility.default_changed", path, says, remedy, Severity.WARNING)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
