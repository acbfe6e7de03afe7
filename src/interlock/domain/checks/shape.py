"""Shapes: what the fields of many records look like, as counts that add: how often a field is absent, how often it
is outside of its contract, and how its values are spread.

A *layout* fixes beforehand what is counted, so that shapes of two arms, of many proxies and of many blocks add up
exactly and stay small: numbers fall into bins, words into a fixed list. It is learned from the first records of the
baseline where there are enough of them, and follows from the contract otherwise.

Fields inside a struct are fields of their own, by path: `address.city`. Limits: a word that is not on the list is
only seen as one of the others; text that hardly ever repeats (names, identifiers), dates, maps and lists count
as there or absent and as of the contract or not. A model's confidence is a number like any other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, assert_never

from interlock.domain.checks.bins import SIGNED_LOG, Bins, Grid, add_bins, even_edges, middle_of, quantile_edges
from interlock.domain.checks.violations import Kind as ViolationKind
from interlock.domain.checks.violations import violation_of
from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.field import Field, Kind, Struct, type_of
from interlock.domain.schemas.scalars import double, json_type
from interlock.kernel.digest import digest

BINS = 40
WORD_LIMIT = 50
FIELD_LIMIT = 60
"""So many fields of records without a contract are counted, by name."""
LEARNING_RECORDS = 200
"""Fewer values than this say too little of how a field is spread."""

OTHER_WORD = -1
"""The bin of the words that are not on the list."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Values fall into the bins of a grid."""

    grid: Grid
    kind: Literal["numbers"] = "numbers"


@dataclass(frozen=True, slots=True)
class Words:
    """Values are counted by word: bin i is words[i]."""

    words: tuple[str, ...]
    kind: Literal["words"] = "words"


@dataclass(frozen=True, slots=True)
class Opaque:
    """Values are not looked at."""

    kind: Literal["opaque"] = "opaque"


Split = Numbers | Words | Opaque


@dataclass(frozen=True, slots=True)
class FieldLayout:
    """How one field of the contract is counted. path: the keys that lead to it through structs, itself the last;
    the field is named by all of them (`address.city`). Empty for a field of the record itself.
    """

    field: Field
    split: Split
    path: tuple[str, ...] = ()

    def value(self, record: Mapping[str, Any]) -> Any:
        """What the record has there; None when it has nothing."""
        if not self.path:
            return record.get(self.field.name)
        held: Any = record
        for key in self.path:
            held = held.get(key) if isinstance(held, dict) else None
        return held


@dataclass(frozen=True)
class Layout:
    """What is counted of each field. Shapes of layouts with one digest add."""

    fields: tuple[FieldLayout, ...]

    @cached_property
    def digest(self) -> str:
        return digest(self.fields)

    def split(self, name: str) -> Split:
        return next((f.split for f in self.fields if f.field.name == name), Opaque())


def layout_of(contract: Contract, learned_from: Sequence[Any] = ()) -> Layout:
    """The layout for records of a contract. learned_from: the first records of the baseline, as plain JSON data."""
    records = [record for record in learned_from if isinstance(record, dict)]
    return Layout(tuple(_learned(one, records) for one in _fields(contract.fields)))


def _fields(fields: Iterable[Field], outer: tuple[str, ...] = ()) -> Iterator[FieldLayout]:
    """Each field, and after a struct those inside it, which are judged apart from it."""
    for one in fields:
        path = (*outer, one.name)
        name, steps = ".".join(path), path if outer else ()
        if isinstance(one.type, Struct):
            yield FieldLayout(replace(one, name=name, type=Struct()), Opaque(), steps)
            yield from _fields(one.type.fields, path)
        else:
            yield FieldLayout(replace(one, name=name), Opaque(), steps)


def _learned(one: FieldLayout, records: Iterable[Mapping[str, Any]]) -> FieldLayout:
    return replace(one, split=_split(one.field, [v for r in records if (v := one.value(r)) is not None]))


def inferred_layout(records: Sequence[Mapping[str, Any]]) -> Layout:
    """The layout for records without a contract, from the first ones. A field whose values are all numbers, all
    text or all truth values is one of that kind; one of several kinds is counted as there or absent. Nothing is
    promised, so every field may be absent.
    """
    values: dict[str, list[Any]] = {}
    for record in records:
        for name, value in record.items():
            values.setdefault(name, []).append(value)
    fields = [
        Field(name, type_of(_kind_of_values(found)), required=False, nullable=True)
        for name, found in sorted(values.items())[:FIELD_LIMIT]
    ]
    return Layout(tuple(FieldLayout(one, _split(one, values[one.name])) for one in fields))


def _kind_of_values(values: Sequence[Any]) -> Kind:
    kinds = {json_type(v) for v in values if v is not None}
    if kinds and kinds <= {"integer", "number"}:
        return "number"
    return "string" if kinds == {"string"} else "boolean" if kinds == {"boolean"} else "object"


def _split(one: Field, values: Sequence[Any]) -> Split:
    violation = violation_of(one)
    fitting = [v for v in values if v is not None and violation(v) is None]
    if one.enum:
        return Words(tuple(dict.fromkeys(_word(v) for v in one.enum if v is not None)))
    match one.kind:
        case "boolean":
            return Words(("false", "true"))
        case "integer" | "number":
            return Numbers(_grid(one, [x for v in fitting if (x := double(v)) is not None]))
        case "string":
            return _learned_words([_word(v) for v in fitting])
        case "timestamp" | "date" | "object" | "array":
            return Opaque()
        case _:
            assert_never(one.kind)


def _grid(one: Field, numbers: Sequence[float]) -> Grid:
    if len(numbers) >= LEARNING_RECORDS:
        return quantile_edges(numbers, BINS)
    if one.minimum is not None and one.maximum is not None and one.minimum < one.maximum:
        return even_edges(one.minimum, one.maximum, BINS)
    return SIGNED_LOG


def _learned_words(words: Sequence[str]) -> Split:
    counted = Counter(words)
    if len(words) < LEARNING_RECORDS or len(counted) > len(words) / 2:
        return Opaque()
    return Words(tuple(w for w, _ in sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:WORD_LIMIT]))


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    number = double(value)
    return str(value) if number is None else f"{number:.17g}"


@dataclass(frozen=True, slots=True)
class FieldShape:
    """absent: missing or null; outside: there, but no value of the contract's field; values: the
    others that the split can place (a number outside of its range is placed as well).
    """

    absent: int = 0
    outside: int = 0
    values: Bins = field(default_factory=dict)

    def __add__(self, other: FieldShape) -> FieldShape:
        return FieldShape(
            self.absent + other.absent, self.outside + other.outside, add_bins(self.values, other.values)
        )


class LayoutsDiffer(ValueError):
    """Shapes of two layouts cannot be added or compared: their bins mean different things."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Counts over `records`. layout: the digest of what was counted; empty for no records at all. unreadable:
    records that are no JSON object; they count in no field.
    """

    layout: str = ""
    records: int = 0
    unreadable: int = 0
    fields: Mapping[str, FieldShape] = field(default_factory=dict)

    def __add__(self, other: Shape) -> Shape:
        if self.layout and other.layout and self.layout != other.layout:
            raise LayoutsDiffer("shapes of two layouts do not add")
        empty = FieldShape()
        names = sorted({*self.fields, *other.fields})
        return Shape(
            self.layout or other.layout,
            self.records + other.records,
            self.unreadable + other.unreadable,
            {n: self.fields.get(n, empty) + other.fields.get(n, empty) for n in names},
        )


@dataclass(slots=True)
class _Tally:
    absent: int = 0
    outside: int = 0
    values: Counter[int] = field(default_factory=Counter)


def shape_of(records: Iterable[Any], layout: Layout) -> Shape:
    """The shape of records given as plain JSON data (what is no object, UNREADABLE included, counts as such)."""
    counting = [(one, _Tally(), _places(one.split), violation_of(one.field)) for one in layout.fields]
    total = unreadable = 0
    for record in records:
        total += 1
        if not isinstance(record, dict):
            unreadable += 1
            continue
        for one, tally, places, violation in counting:
            _count(tally, one.value(record), one.split, places, violation)
    fields = {
        one.field.name: FieldShape(t.absent, t.outside, dict(sorted(t.values.items()))) for one, t, _, _ in counting
    }
    return Shape(layout.digest, total, unreadable, dict(sorted(fields.items())))


def _places(split: Split) -> dict[str, int]:
    return {word: i for i, word in enumerate(split.words)} if isinstance(split, Words) else {}


def _count(
    tally: _Tally,
    value: Any,
    split: Split,
    places: Mapping[str, int],
    violation: Callable[[Any], ViolationKind | None],
) -> None:
    if value is None:
        tally.absent += 1
        return
    broken = violation(value)
    tally.outside += broken is not None
    match split:
        case Numbers(grid=grid) if broken in (None, "range") and (x := double(value)) is not None:
            tally.values[grid.bin(x)] += 1
        case Words() if broken in (None, "enum"):
            tally.values[places.get(_word(value), OTHER_WORD)] += 1
        case _:
            pass


def names_release(one: FieldLayout, baseline: Shape, candidate: Shape) -> bool:
    """Whether a text says which release answered, and not what: all answers of the baseline have one word, and none
    of the candidate's. An enumeration is no such thing.
    """
    empty = FieldShape()
    before = baseline.fields.get(one.field.name, empty).values
    after = candidate.fields.get(one.field.name, empty).values
    is_free_text = isinstance(one.split, Words) and one.field.kind == "string" and not one.field.enum
    return is_free_text and len(before) == len(after) == 1 and set(before) != set(after)


def quantile(bins: Bins, grid: Grid, q: float) -> float | None:
    """The q quantile, as exact as the bins are; None without values."""
    wanted, seen = q * sum(bins.values()), 0
    for index in sorted(bins):
        seen += bins[index]
        if seen >= wanted:
            return middle_of(grid, index)
    return None
