"""Answers that break their contract, counted per field and kind, for each arm; counts add.

Every kind of an answer's violations counts once per answer and field. Fields have paths: `lines[].price`, with `[]`
for the elements of a list and `{}` for the entries of a map; a condition of the whole record that is broken has its
name in their place. Limits: patterns are not tried, and of one answer no
more than the first MOST violations are looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

from interlock.domain.checks.answer import UNREADABLE, WHOLE, read_answer
from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.field import Field, Struct
from interlock.domain.schemas.quick import surely, surely_struct
from interlock.domain.schemas.values import Kind as MisfitKind
from interlock.domain.schemas.values import misfits, record_misfits

Kind = MisfitKind | Literal["unreadable", "check"]

Violations = tuple[tuple[str, Kind], ...]
"""(field, kind) of each way in which an answer breaks its contract."""

RowTest = tuple[str, Callable[[Mapping[str, Any]], bool]]
"""A condition of whole records by its name, and what tells whether a record breaks it."""

CONTRACT = "contract"
"""The outcome whose loss is 1 for an answer that breaks what callers were promised, and 0 for one that does not."""

MOST = 1_000


@dataclass(frozen=True, slots=True)
class ViolationCounts:
    """One arm. broken: answers with at least one violation; fields: field -> kind -> answers."""

    answers: int = 0
    broken: int = 0
    fields: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def __add__(self, other: ViolationCounts) -> ViolationCounts:
        names = sorted({*self.fields, *other.fields})
        return ViolationCounts(
            self.answers + other.answers,
            self.broken + other.broken,
            {n: _added(self.fields.get(n, {}), other.fields.get(n, {})) for n in names},
        )

    @property
    def share(self) -> float:
        """The share of answers that break the contract; 0 when there is none."""
        return self.broken / self.answers if self.answers else 0.0


def _added(a: Mapping[str, int], b: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted((Counter(a) + Counter(b)).items()))


def count_violations(
    bodies: Iterable[bytes], contract: Contract, checks: Sequence[RowTest] = ()
) -> ViolationCounts:
    """Counts over the bodies of successful answers."""
    answers = broken = 0
    fields: dict[str, Counter[str]] = {}
    violations = violations_of(contract, checks)
    for body in bodies:
        found = violations(read_answer(body))
        answers += 1
        broken += bool(found)
        for name, kind in found:
            fields.setdefault(name, Counter())[kind] += 1
    return ViolationCounts(answers, broken, {n: dict(sorted(fields[n].items())) for n in sorted(fields)})


def violations_of(contract: Contract, checks: Sequence[RowTest] = ()) -> Callable[[Any], Violations]:
    """What tells the violations of answers, given as plain JSON data. Make it once for many answers."""
    record = contract.record
    is_fine = surely_struct(Struct(record.fields, record.is_open))

    def violations(answer: Any) -> Violations:
        broken: Violations = ()
        if isinstance(answer, dict):
            broken = tuple((name, "check") for name, breaks in checks if breaks(answer))
        if is_fine(answer):
            return broken
        if answer is UNREADABLE:
            return ((WHOLE, "unreadable"),)
        found = islice(record_misfits(answer, record), MOST)
        return (*dict.fromkeys((one.at.field or WHOLE, one.kind) for one in found), *broken)

    return violations


def violation_of(one: Field) -> Callable[[Any], Kind | None]:
    """What tells the first way in which a value, with all that is inside, is none of the field."""
    is_fine = surely(one)

    def violation(value: Any) -> Kind | None:
        if is_fine(value):
            return None
        return next((found.kind for found in misfits(value, one)), None)

    return violation
