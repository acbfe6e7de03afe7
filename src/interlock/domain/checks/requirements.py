"""What a contract asks of every row of a table, one condition at a time, and how rules of quality are judged. Pure.

Conditions of fields inside structs are asked where the struct is there. What no query asks (elements of lists and
maps, conditions of rows, formats without a pattern) is told, so that nobody takes it for kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from interlock.domain.checks.check import Fail, Pass, Undecided, Verdict
from interlock.domain.schemas.contract import Object, Rule, Severity
from interlock.domain.schemas.field import Field, List, Map, Struct, Tensor
from interlock.domain.schemas.ranges import Range

Test = Literal["present", "type", "null", "enum", "bounds", "multiple", "length", "pattern", "items", "unique"]
TESTS: tuple[Test, ...] = get_args(Test)

RULE_METRICS = ("null_values", "missing_values", "invalid_values")
"""Metrics that count rows one by one, so that they join the one query."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Every value of `field`, at `path` (struct fields from the outside in), keeps to one of its constraints."""

    path: tuple[str, ...]
    test: Test
    field: Field

    @property
    def name(self) -> str:
        return f"{'.'.join(self.path)} {self.test}"

    @property
    def says(self) -> str:
        """What is asked, for people."""
        return f"`{'.'.join(self.path)}` {_ASKS[self.test](self.field)}"


@dataclass(frozen=True, slots=True)
class Key:
    """No two rows have the same values in `fields`; rows with a null among them are not compared, as in SQL."""

    fields: tuple[str, ...]
    is_primary: bool = False

    @property
    def name(self) -> str:
        return f"{', '.join(self.fields)} {'primary key' if self.is_primary else 'unique'}"


def conditions(one: Object) -> tuple[Condition, ...]:
    """Every condition of single values, in the order of the fields. Presence and type come before the others."""
    return tuple(_conditions((), one.fields))


def _conditions(path: tuple[str, ...], fields: tuple[Field, ...]) -> Iterator[Condition]:
    for field in fields:
        here = (*path, field.name)
        if field.required:
            yield Condition(here, "present", field)
        yield Condition(here, "type", field)
        if not field.nullable:
            yield Condition(here, "null", field)
        yield from (Condition(here, test, field) for test in _constraints(field))
        if isinstance(field.type, Struct):
            yield from _conditions(here, field.type.fields)


def _constraints(field: Field) -> Iterator[Test]:
    if field.enum:
        yield "enum"
    if any(b is not None for b in (field.minimum, field.maximum, field.more_than, field.less_than)):
        yield "bounds"
    if field.multiple_of is not None:
        yield "multiple"
    if field.min_length is not None or field.max_length is not None:
        yield "length"
    if field.pattern:
        yield "pattern"
    if field.min_items is not None or field.max_items is not None:
        yield "items"
    if field.has_unique_items:
        yield "unique"


def keys(one: Object) -> tuple[Key, ...]:
    """Every set of fields whose values are unique, each once; the primary key first."""
    primary = [Key(one.primary_key, is_primary=True)] if one.primary_key else []
    others = [Key(k) for k in (*one.unique, *((f.name,) for f in one.fields if f.is_unique)) if k]
    found: dict[tuple[str, ...], Key] = {}
    for key in (*primary, *others):
        found.setdefault(key.fields, key)
    return tuple(found.values())


def unasked(one: Object) -> tuple[tuple[str, str], ...]:
    """(what, why) of everything that no query asks."""
    return tuple(_unasked("", one.fields))


def _unasked(prefix: str, fields: tuple[Field, ...]) -> Iterator[tuple[str, str]]:
    for field in fields:
        path = f"{prefix}{field.name}"
        match field.type:
            case List() | Map() | Tensor():
                yield f"{path} elements", "what is inside a list, map or tensor is not looked at in tables"
            case Struct(fields=inner):
                yield from _unasked(f"{path}.", inner)
            case _ if field.format:
                yield f"{path} format", f"the format {field.format!r} has no pattern"
            case _:
                continue


def _range_of(field: Field) -> str:
    parts = [
        ("at least", field.minimum),
        ("at most", field.maximum),
        ("more than", field.more_than),
        ("less than", field.less_than),
    ]
    return "is " + " and ".join(f"{words} {bound}" for words, bound in parts if bound is not None)


def _between(low: int | None, high: int | None, of: str) -> str:
    parts = [("at least", low), ("at most", high)]
    return "has " + " and ".join(f"{words} {bound}" for words, bound in parts if bound is not None) + f" {of}"


_ASKS: Mapping[Test, Callable[[Field], str]] = {
    "present": lambda f: "is there",
    "type": lambda f: f"is {f.type.kind}",
    "null": lambda f: "is never null",
    "enum": lambda f: f"is one of {len(f.enum)} values",
    "bounds": _range_of,
    "multiple": lambda f: f"is a multiple of {f.multiple_of}",
    "length": lambda f: _between(f.min_length, f.max_length, "characters"),
    "pattern": lambda f: f"matches {f.pattern}",
    "items": lambda f: _between(f.min_items, f.max_items, "elements"),
    "unique": lambda f: "has no element twice",
}


def judged(broken: int, rows: int, asks: str, severity: Severity = "error") -> Verdict:
    """The verdict of a condition that `broken` of `rows` rows break."""
    if not broken:
        return Pass(f"{asks} in all {rows:,} rows")
    says = f"{broken:,} of {rows:,} rows break: {asks}"
    return Fail(says) if severity == "error" else Pass(f"{says} (a {severity} only)")


def judged_rule(rule: Rule, measured: float | None, rows: int) -> Verdict:
    """The verdict of a rule of quality; measured: its metric, None when there is none."""
    if rule.is_share and rows == 0:
        measured = None
    if measured is None:
        return Undecided(f"{rule.metric} could not be measured", "rows, and a metric that can be asked")
    value = measured / rows if rule.is_share else measured
    holds = _allowed(rule).is_within_value(value) is not rule.is_negated
    says = f"{rule.metric} is {value:.6g}, and {'not ' * rule.is_negated}{_allowed(rule).says} is asked"
    if holds:
        return Pass(says)
    return Fail(says) if rule.severity == "error" else Pass(f"{says} (a {rule.severity} only)")


@dataclass(frozen=True, slots=True)
class _Allowed:
    """The values that a rule allows."""

    bounds: Range
    says: str

    def is_within_value(self, value: float) -> bool:
        return Range(value, value).is_within(self.bounds)


def _allowed(rule: Rule) -> _Allowed:
    parts = [
        ("at least", rule.at_least),
        ("more than", rule.above),
        ("at most", rule.at_most),
        ("less than", rule.below),
    ]
    bounds = Range()
    for low, is_open in ((rule.at_least, False), (rule.above, True)):
        bounds = bounds if low is None else bounds.meet(Range(low=low, is_low_open=is_open))
    for high, is_open in ((rule.at_most, False), (rule.below, True)):
        bounds = bounds if high is None else bounds.meet(Range(high=high, is_high_open=is_open))
    return _Allowed(bounds, " and ".join(f"{words} {bound:g}" for words, bound in parts if bound is not None))
