"""Guesses a contract from the rows of a table: one query over all columns, and one per candidate of an enum.

Columns of databases and Parquet have declared types; columns of CSV are text whose type is guessed, and a type is
taken only when every value has it. Text that begins with a zero stays text, because a number would lose it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from interlock.adapters.schemas.columns import field_of_column, from_text, type_of_column
from interlock.adapters.schemas.expressions import read
from interlock.adapters.schemas.tables import Table
from interlock.domain.schemas.contract import Contract, Object
from interlock.domain.schemas.field import Bool, Date, Decimal, Field, Float, Int, Json, String, Timestamp, Type
from interlock.domain.schemas.formats.notes import name_of
from interlock.domain.schemas.guess import CERTAIN, ENOUGH, Guess, Inferred, always, nothing_new, within

_CANDIDATES: Mapping[str, Type] = {
    "whole numbers": Int(64),
    "whole numbers, some beyond 64 bits": Decimal(38, 0),
    "numbers": Float(64),
    "true or false": Bool(),
    "dates": Date(),
    "times with an offset": Timestamp("us", is_zoned=True),
    "times": Timestamp("us", is_zoned=False),
}
"""What all values of text may be, the narrower first."""

_IN_TEXT = (("dates", "date"), ("times", "date-time"))
_LONG = r"^[+-]?[0.]*[1-9](\.?[0-9]){17,}"
"""A number of more than 17 digits, of which a float would lose some."""

_OFFSET = r":.*(Z|[+-][0-9]{2}:?[0-9]{2})$"

_MOST_VALUES = 20
_SEEN_EACH = 10
"""A set of values is a candidate for an enum when each was seen so often on average."""

Figures = Mapping[str, Any]


def inferred(table: Table, name: str, version: str, rows: int) -> Inferred:
    """The contract that at most about `rows` rows of the table suggest; a larger table is sampled at random."""
    total = table.count()
    sample = table.rows if total <= rows else table.engine.sample(table.rows, rows / total)
    asking = _Asking(table, sample, total)
    fields = tuple(asking.field(column) for column in sample.columns)
    key = asking.key(fields)
    title = name or name_of(table.name) or "data"
    held = Object(name_of(table.name) or title, fields, primary_key=key, physical_name=table.name)
    return Inferred(Contract(title, version, (held,)), tuple(asking.guesses), asking.seen, total)


@dataclass(slots=True)
class _Asking:
    """One table under inference. figures: column -> what the one query says."""

    table: Table
    sample: Any
    total: int
    guesses: list[Guess] = field(default_factory=list)
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    seen: int = 0

    def __post_init__(self) -> None:
        asked: dict[str, Any] = {"rows": self.sample.count()}
        for index, name in enumerate(self.sample.columns):
            asked |= {f"{index}:{what}": e for what, e in _asked(self.sample[name], self.table)}
        answer = self.table.ask(self.sample.aggregate(**asked))[0]
        self.seen = int(answer.pop("rows"))
        for key, value in answer.items():
            place, _, what = key.partition(":")
            self.figures.setdefault(self.sample.columns[int(place)], {})[what] = value

    def guess(self, path: str, what: str, value: object, sure: float, why: str, is_applied: bool = True) -> None:
        self.guesses.append(Guess(path, what, value, round(sure, 6), why, is_applied))

    def field(self, name: str) -> Field:
        found = self.figures[name]
        values = int(found["values"])
        one = replace(self.type(name, found, values), nullable=self.nullable(name, values))
        one = self.enum(one, found, values)
        one = self.range(one, found, values)
        return self.unique(one, found, values)

    def type(self, name: str, found: Figures, values: int) -> Field:
        declared = field_of_column(name, self.sample[name].type())
        if not self.table.is_text:
            if misfits := int(found.get("misfits") or 0):
                why = f"the column is declared {declared.type.kind}, and {misfits:,} values are not"
                self.guess(name, "type", "json", CERTAIN, why)
                return replace(declared, type=Json())
            self.guess(name, "type", declared.type.kind, CERTAIN, "the column is declared so")
            return replace(declared, format=self.format(name, found, values))
        if not values:
            self.guess(name, "type", "string", 0.0, "there is no value to go by")
            return Field(name, String())
        if found["zeros"]:
            why = f"{found['zeros']:,} values begin with a zero, which a number would lose"
            self.guess(name, "type", "string", CERTAIN, why)
            return Field(name, String())
        return self.by_values(name, found, values)

    def by_values(self, name: str, found: Figures, values: int) -> Field:
        """What every text is, and else text."""
        for words, candidate in _CANDIDATES.items():
            is_lossy = isinstance(candidate, Float) and found["long"]
            is_placed = words != "times with an offset" or found["offsets"] == values
            if found[words] == values and is_placed and not is_lossy:
                self.guess(name, "type", candidate.kind, always(values), f"all {values:,} values are {words}")
                return Field(name, candidate)
        nearest = max(_CANDIDATES, key=lambda words: int(found[words]))
        share = min(found[nearest] / values, 0.999)
        why = f"{share:.1%} of the values are {nearest}, not all" if share else "it is no other type"
        if found["long"]:
            why = f"{found['long']:,} numbers have more digits than a float holds"
        self.guess(name, "type", "string", CERTAIN, why)
        return Field(name, String())

    def format(self, name: str, found: Figures, values: int) -> str:
        """Dates in text."""
        for words, form in _IN_TEXT:
            if values and found.get(words) == values:
                self.guess(name, "format", form, always(values), f"all {values:,} texts are {words}")
                return form
        return ""

    def nullable(self, name: str, values: int) -> bool:
        nulls = self.seen - values
        if not self.seen:
            self.guess(name, "null", True, 0.0, "there is no row to go by")
            return True
        if nulls:
            self.guess(name, "null", True, CERTAIN, f"{nulls:,} of {self.seen:,} rows have none")
            return True
        if not self.table.is_text and not self.sample[name].type().nullable:
            self.guess(name, "null", False, CERTAIN, "the column is declared so")
            return False
        self.guess(name, "null", False, always(self.seen), f"none of {self.seen:,} rows is null")
        return False

    def enum(self, one: Field, found: Figures, values: int) -> Field:
        """A small set of texts that come again and again."""
        distinct = int(found.get("distinct") or 0)
        is_candidate = isinstance(one.type, String) and 0 < distinct <= _MOST_VALUES
        if not is_candidate or values < _SEEN_EACH * distinct:
            return one
        there = self.sample.filter(self.sample[one.name].notnull()).select(value=one.name)
        rows = self.table.ask(there.group_by("value").aggregate(n=there.count()))
        once = sum(row["n"] == 1 for row in rows)
        listed = tuple(sorted(str(row["value"]) for row in rows))
        sure = nothing_new(values, once)
        why = f"{distinct} values in {values:,} rows, {once} of them seen once"
        self.guess(one.name, "enum", list(listed), sure, why, sure >= ENOUGH)
        return replace(one, enum=listed) if sure >= ENOUGH else one

    def range(self, one: Field, found: Figures, values: int) -> Field:
        """Numbers: the range that was seen is told; that none is negative is written down when sure enough."""
        if not isinstance(one.type, Int | Float | Decimal) or not values:
            return one
        low, high = found[f"low_{one.type.kind}"], found[f"high_{one.type.kind}"]
        low, high = (
            float(v) if isinstance(one.type, Float) else int(v) if v == int(v) else float(v) for v in (low, high)
        )
        self.guess(one.name, "range", [low, high], within(values), f"seen in {values:,} values", is_applied=False)
        if low < 0 or (isinstance(one.type, Int) and not one.type.is_signed):
            return one
        sure = always(values)
        self.guess(one.name, "minimum", 0, sure, f"none of {values:,} values is negative", sure >= ENOUGH)
        return replace(one, minimum=0) if sure >= ENOUGH else one

    def unique(self, one: Field, found: Figures, values: int) -> Field:
        is_key_like = isinstance(one.type, Int | String) and not one.enum
        if not is_key_like or values < 2 or found.get("distinct") != values:
            return one
        of = "" if self.seen == self.total else f" of a sample of {self.total:,} rows"
        sure = always(values)
        self.guess(one.name, "unique", True, sure, f"no two of {values:,} values{of} are the same", sure >= ENOUGH)
        return replace(one, is_unique=sure >= ENOUGH)

    def key(self, fields: tuple[Field, ...]) -> tuple[str, ...]:
        """The first unique field without nulls that is called like a key."""
        for one in fields:
            if one.is_unique and not one.nullable and one.name.lower().endswith("id"):
                self.guess(one.name, "key", True, always(self.seen), "unique, never null, and called an id")
                return (one.name,)
        return ()


def _asked(column: Any, table: Table) -> Iterator[tuple[str, Any]]:
    """(what, expression) of each figure about a column."""
    found = column.type()
    yield "values", column.count()
    if not table.is_text:
        column, is_none = read(table, column, type_of_column(found))
        if is_none is not None:
            yield "misfits", is_none.sum()
    if found.is_string() or found.is_integer():
        yield "distinct", column.nunique()
    if found.is_string():
        for words in _CANDIDATES if table.is_text else [words for words, _ in _IN_TEXT]:
            candidate = _CANDIDATES[words]
            typed, is_none = _as(table, column, candidate)
            yield words, (column.notnull() & ~is_none).sum()
            if isinstance(candidate, Int | Float | Decimal):
                yield f"low_{candidate.kind}", typed.min()
                yield f"high_{candidate.kind}", typed.max()
        yield "zeros", column.re_search(r"^[+-]?0[0-9]").sum()
        yield "long", column.re_search(_LONG).sum()
        yield "offsets", column.re_search(_OFFSET).sum()
    elif found.is_numeric():
        kind = "int" if found.is_integer() else "decimal" if found.is_decimal() else "float"
        yield f"low_{kind}", column.min()
        yield f"high_{kind}", column.max()


def _as(table: Table, column: Any, candidate: Type) -> tuple[Any, Any]:
    """Text as the type, and which values are none."""
    if table.engine.name == "sqlite":
        return read(table, column, candidate)
    return from_text(column, candidate, does_cast_raise=table.engine.name != "duckdb")
