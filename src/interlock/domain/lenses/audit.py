"""An audit: what a lens loses of real rows, counted by sending each of them there and back.

For every field of the version that the rows are in: how many rows bring it back unchanged, how many changed, how
many are rejected for it; and for fields of the other version that the lens makes up, in how many rows it does. This
settles what `loss` can only call possible. The counts of a sample are those of the sample.

Whatever counts (records here, one query on an engine) follows these rules:
- Rows that are rejected on the way there or back are neither changed nor unchanged.
- A field within objects is compared by its dotted path; within a list of objects it is compared in all of them at
  once. A difference counts for the field and for every object or list around it.
- Fields that the contract does not declare are compared too, by their outermost name.
- In a table a field that is not there is null, in both versions; in JSON lines the two differ.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from interlock.domain.lenses.apply import Rejected
from interlock.domain.lenses.expressions.nodes import columns
from interlock.domain.lenses.generate import translator
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.loss import Direction, Effect, LensLoss
from interlock.domain.lenses.ops import Add, Program, Recombine, Rename
from interlock.domain.lenses.returned import ABSENT, at_path, is_same
from interlock.domain.lenses.reverse import reversed_ops
from interlock.domain.lenses.trace import Trace, dotted, traces
from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.field import Field, List, Map, Struct, Type
from interlock.kernel.digest import digest

REDACTED = "(not shown)"
MOST_EXAMPLES = 3
_LONGEST = 120

Way = Literal["there", "back"]
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Trip:
    """Records of `source` go `there`, to `target`, and `back`. direction: forward when `source` is the older."""

    there: Program
    back: Program
    source: Contract
    target: Contract
    direction: Literal["forward", "backward"]

    @property
    def lens(self) -> str:
        """The digest of what is audited: the program, and the fields at both of its ends."""
        return digest([self.there, self.source.fields, self.target.fields])


@dataclass(frozen=True, slots=True)
class Example:
    """A value as JSON, and what came back in its place; not shown where it is personal, or not declared."""

    was: str
    came: str


@dataclass(frozen=True, slots=True)
class FieldAudit:
    """Rows by what became of `field` (a dotted path) of `version`. rejected: rows that are rejected for this field.

    A field of the rows' version is unchanged, changed, or not compared since the row is rejected. A field of the
    other version is listed when the lens makes it up; then only `fabricated` counts.
    """

    version: str
    field: str
    unchanged: int = 0
    changed: int = 0
    rejected: int = 0
    fabricated: int = 0
    examples: tuple[Example, ...] = ()

    @property
    def is_exact(self) -> bool:
        return not (self.changed or self.rejected or self.fabricated)


@dataclass(frozen=True, slots=True)
class Refusal:
    """`rows` are rejected on the way for `reason`, the end of a sentence about `field`, as it is called there."""

    way: Way
    field: str
    reason: str
    rows: int


@dataclass(frozen=True, slots=True)
class Counts:
    """survived: rows that came back whole. fields: of the rows' version in the order of the contract, then those
    that are not declared, then what is made up. rejected: by way, field and reason.
    """

    rows: int
    survived: int
    fields: tuple[FieldAudit, ...]
    rejected: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class Audit:
    """lens: digest of what was audited; data: digest of what the rows are; engine: who counted. `share` of the rows
    were looked at. Its own digest is over all of it.
    """

    contract: str
    source: str
    target: str
    direction: Literal["forward", "backward"]
    lens: str
    data: str
    engine: str
    share: float
    counts: Counts

    @property
    def digest(self) -> str:
        return digest(self)

    @property
    def is_lossless(self) -> bool:
        """Whether every row came back whole. Values that the other version makes up are no loss of these rows."""
        return self.counts.survived == self.counts.rows


def trip(lens: Lens, older: Contract, newer: Contract, version: str) -> Trip:
    """The trip of records that are in `version`, one of the two."""
    back = reversed_ops(lens.ops)
    if version == newer.version:
        return Trip(back, lens.ops, newer, older, "backward")
    return Trip(lens.ops, back, older, newer, "forward")


def declared_paths(fields: tuple[Field, ...], at: str = "") -> Iterator[tuple[str, Field]]:
    """Every field with its dotted path, through objects and lists of them."""
    for one in fields:
        path = f"{at}{one.name}"
        yield path, one
        inner: Type = one.type
        while isinstance(inner, List):
            inner = inner.element.type
        if isinstance(inner, Struct):
            yield from declared_paths(inner.fields, f"{path}.")


def personal_paths(fields: tuple[Field, ...], at: str = "") -> frozenset[str]:
    """The paths that hold what is personal: tagged so, around something that is, or within it."""
    return frozenset(_personal(fields, at, False))


def _personal(fields: tuple[Field, ...], at: str, is_within: bool) -> Iterator[str]:
    for one in fields:
        path, is_it = f"{at}{one.name}", is_within or one.is_personal
        inner = list(_personal(_inside(one.type), f"{path}.", is_it))
        if is_it or inner:
            yield path
        yield from inner


def _inside(one: Type) -> tuple[Field, ...]:
    match one:
        case Struct(fields):
            return fields
        case List(element) | Map(element):
            return (element,) if element.is_personal else _inside(element.type)
        case _:
            return ()


def hidden(record: Record, fields: tuple[Field, ...]) -> dict[str, Any]:
    """The record without what is personal."""
    by_name = {one.name: one for one in fields}
    return {name: _hidden(value, by_name[name]) if name in by_name else value for name, value in record.items()}


def _hidden(value: Any, one: Field) -> Any:
    if one.is_personal:
        return None if value is None else REDACTED
    match value, one.type:
        case dict(), Struct(fields):
            return hidden(value, fields)
        case list(), List(element):
            return [_hidden(inner, element) for inner in value]
        case dict(), Map(element):
            return {key: _hidden(inner, element) for key, inner in value.items()}
        case _:
            return value


def made_up(program: Program, fields: tuple[Field, ...]) -> tuple[str, ...]:
    """The fields that the program gives a value which no field of the record says anything about."""
    return tuple(dotted(one.target) for one in traces(program, fields) if one.target and _is_made_up(one))


def _is_made_up(one: Trace) -> bool:
    leaf = one.steps[0].leaf if one.source is None else None
    return isinstance(leaf, Add) and (leaf.value is None or not any(columns(leaf.value)))


def called(program: Program, fields: tuple[Field, ...]) -> dict[str, str]:
    """What a field is called on the way -> its path at the start, as far as a name leads to one field."""
    names: dict[str, set[str]] = {}
    for one in traces(program, fields):
        if one.source is None:
            continue
        for name in _names(one):
            names.setdefault(name, set()).add(dotted(one.source))
    at_start = {path: path for path, _ in declared_paths(fields)}
    return {name: min(paths) for name, paths in names.items() if len(paths) == 1} | at_start


def _names(one: Trace) -> Iterator[str]:
    yield dotted(one.source or ())
    if one.target:
        yield dotted(one.target)
    for step in one.steps:
        match step.leaf:
            case Rename(source, target):
                yield from (source, target)
            case Recombine(_, parts):
                yield from (part.field for part in parts)
            case _:
                pass


def counted_records(asked: Trip, rows: Iterable[Record | Rejected], is_table: bool = False) -> Counts:
    """The counts over records as JSON has them; Rejected stands for one that could not be read. is_table: they are
    rows of a table, where nothing is absent.
    """
    there = translator(asked.there, asked.source.fields)
    back = translator(asked.back, asked.target.fields)
    tally = Tally(asked, None if is_table else ABSENT)
    for row in rows:
        tally.rows += 1
        way: Way = "there"
        try:
            if isinstance(row, Rejected):
                raise row
            moved = there(row)
            way = "back"
            came = back(as_in_table(moved, asked.target.fields) if is_table else moved)
        except Rejected as why:
            tally.refuse(way, why.field, why.reason)
            continue
        if is_table:
            row, came = completed(row, asked.source.fields), completed(came, asked.source.fields)
        tally.compare(row, came, moved)
    return tally.counts()


def as_in_table(record: Any, fields: tuple[Field, ...]) -> dict[str, Any]:
    """The record after it was a row of a table, where absent and null are one: it lacks what is null and may only
    be absent, and has null for what may be either.
    """
    row = dict(record)
    for one in fields:
        value = _in_table(row.get(one.name), one.type)
        if value is None and not (one.required or one.nullable):
            row.pop(one.name, None)
        else:
            row[one.name] = value
    return row


def _in_table(value: Any, one: Type) -> Any:
    match value, one:
        case dict(), Struct(fields):
            return as_in_table(value, fields)
        case list(), List(element):
            return [_in_table(inner, element.type) for inner in value]
        case _:
            return value


def completed(record: Any, fields: tuple[Field, ...]) -> dict[str, Any]:
    """The record with null for each declared field that is not there, within objects as well."""
    full = dict(record)
    for one in fields:
        full[one.name] = _completed(full.get(one.name), one.type)
    return full


def _completed(value: Any, one: Type) -> Any:
    match value, one:
        case dict(), Struct(fields):
            return completed(value, fields)
        case list(), List(element):
            return [_completed(inner, element.type) for inner in value]
        case _:
            return value


@dataclass(slots=True)
class _FieldTally:
    changed: int = 0
    examples: list[Example] = field(default_factory=list)


@dataclass(slots=True)
class Tally:
    """Counts that grow row by row. absent: what a field that is not there counts as."""

    trip: Trip
    absent: Any = ABSENT
    rows: int = 0
    survived: int = 0
    fields: dict[str, _FieldTally] = field(default_factory=dict)
    made: dict[str, int] = field(default_factory=dict)
    refused: dict[tuple[Way, str, str], int] = field(default_factory=dict)
    declared: frozenset[str] = frozenset()
    redacted: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        fields = self.trip.source.fields
        self.fields = {path: _FieldTally() for path, _ in declared_paths(fields)}
        self.declared = frozenset(self.fields)
        self.made = dict.fromkeys(made_up(self.trip.there, fields), 0)
        self.redacted = personal_paths(fields)

    def refuse(self, way: Way, name: str, reason: str) -> None:
        self.refused[way, name, reason] = self.refused.get((way, name, reason), 0) + 1

    def compare(self, was: Record, came: Record, moved: Record) -> None:
        is_whole = True
        for path in self.fields | dict.fromkeys({*was, *came}):
            before, after = at_path(was, path, self.absent), at_path(came, path, self.absent)
            if is_same(before, after):
                continue
            is_whole = False
            known = self.fields.setdefault(path, _FieldTally())
            known.changed += 1
            is_hidden = path in self.redacted or path not in self.declared
            if len(known.examples) < (1 if is_hidden else MOST_EXAMPLES):
                known.examples.append(example(before, after, is_hidden))
        self.survived += is_whole
        for path in self.made:
            self.made[path] += _is_there(at_path(moved, path)) and path not in was

    def counts(self) -> Counts:
        return counts_of(
            self.trip,
            self.rows,
            self.survived,
            {path: (one.changed, tuple(one.examples)) for path, one in self.fields.items()},
            self.made,
            self.refused,
        )


def counts_of(
    asked: Trip,
    rows: int,
    survived: int,
    changed: Mapping[str, tuple[int, tuple[Example, ...]]],
    made: Mapping[str, int],
    refused: Mapping[tuple[Way, str, str], int],
) -> Counts:
    """The counts in their order, with rejections told of the field that they are for."""
    names = called(asked.there, asked.source.fields)
    of_field: dict[str, int] = {}
    for (_, name, _), n in refused.items():
        of_field[names.get(name, name)] = of_field.get(names.get(name, name), 0) + n
    accepted = rows - sum(refused.values())
    version = asked.source.version
    known = dict.fromkeys(path for path, _ in declared_paths(asked.source.fields))
    fields = [
        FieldAudit(version, path, accepted - found, found, of_field.get(path, 0), 0, shown)
        for path in (*known, *sorted(changed.keys() - known))
        for found, shown in [changed.get(path, (0, ()))]
    ]
    fields += [FieldAudit(asked.target.version, path, fabricated=n) for path, n in made.items()]
    reasons = [Refusal(*why, n) for why, n in sorted(refused.items())]
    return Counts(rows, survived, tuple(fields), tuple(reasons))


def _is_there(value: Any) -> bool:
    return any(map(_is_there, value)) if isinstance(value, list) else value is not ABSENT


def example(was: Any, came: Any, is_personal: bool) -> Example:
    return Example(REDACTED, REDACTED) if is_personal else Example(written(was), written(came))


def written(value: Any) -> str:
    """A value as JSON, cut when it is long."""
    text = "nothing" if value is ABSENT else json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


@dataclass(frozen=True, slots=True)
class Settled:
    """A verdict of `loss`, and what the rows say to it: of `rows` that were counted it concerns `found`; None where
    these rows have nothing to say, since it is about values of the other version.
    """

    direction: Direction
    field: str
    effect: Effect
    says: str
    found: int | None
    rows: int

    @property
    def result(self) -> str:
        if self.found is None:
            return "not of these rows"
        return f"{self.found:,} of {self.rows:,} rows" if self.found else "exact on this data"


def settled(told: LensLoss, audit: Audit) -> tuple[Settled, ...]:
    """Every verdict on the direction that was audited, settled by its counts; and what a rollback costs when the
    rows are in the newer version.
    """
    by_name = {(one.version, one.field): one for one in audit.counts.fields}
    asked: tuple[Direction, ...] = ("forward",) if audit.direction == "forward" else ("backward", "rollback")
    found: list[Settled] = []
    for line in (one for way in asked for one in told.of(way)):
        version = audit.target if line.effect == "fabricated" else audit.source
        counted = by_name.get((version, line.field)) or by_name.get((audit.source, line.field))
        rows = None if counted is None else _concerned(line.effect, counted)
        found.append(Settled(line.direction, line.field, line.effect, line.says, rows, audit.counts.rows))
    return tuple(found)


def _concerned(effect: Effect, counted: FieldAudit) -> int:
    match effect:
        case "fabricated":
            return counted.fabricated
        case "rejected":
            return counted.rejected
        case _:
            return counted.changed
