"""Answers that break their contract, counted per field and kind, for each arm; counts add.

Every kind of an answer's violations counts once per answer and field. Limits: contracts are flat, so what is inside
an object or a list is not looked at; dates and timestamps are only known to be text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from interlock.domain.checks.answer import UNREADABLE, WHOLE, read_answer
from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.field import Field
from interlock.domain.schemas.scalars import double, fits_type, identity

Kind = Literal["missing", "null", "type", "enum", "range", "unlisted", "unreadable"]
KINDS: tuple[Kind, ...] = ("missing", "null", "type", "enum", "range", "unlisted", "unreadable")

CONTRACT = "contract"
"""The outcome whose loss is 1 for an answer that breaks what callers were promised, and 0 for one that does not."""

UNLISTED = "(unlisted)"
"""Stands for all fields that a closed contract does not list: their names are the sender's and may be many."""


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


def count_violations(bodies: Iterable[bytes], contract: Contract) -> ViolationCounts:
    """Counts over the bodies of successful answers."""
    answers = broken = 0
    fields: dict[str, Counter[str]] = {}
    for body in bodies:
        found = violations(read_answer(body), contract)
        answers += 1
        broken += bool(found)
        for name, kind in found:
            fields.setdefault(name, Counter())[kind] += 1
    return ViolationCounts(answers, broken, {n: dict(sorted(fields[n].items())) for n in sorted(fields)})


def violations(answer: Any, contract: Contract) -> tuple[tuple[str, Kind], ...]:
    """(field, kind) of each way in which an answer (plain JSON data) breaks the contract."""
    if answer is UNREADABLE:
        return ((WHOLE, "unreadable"),)
    if not isinstance(answer, dict):
        return ((WHOLE, "type"),)
    found: list[tuple[str, Kind]] = []
    for one in contract.fields:
        if one.name not in answer:
            found += [(one.name, "missing")] if one.required else []
        elif kind := violation(answer[one.name], one):
            found.append((one.name, kind))
    if not contract.is_open and set(answer) - {f.name for f in contract.fields}:
        found.append((UNLISTED, "unlisted"))
    return tuple(found)


def violation(value: Any, one: Field) -> Kind | None:
    """How `value` is no value of the field; None when it is one."""
    if value is None:
        return None if one.nullable else "null"
    if not fits_type(value, one.kind):
        return "type"
    if one.enum and identity(value) not in {identity(v) for v in one.enum}:
        return "enum"
    return None if _is_in_range(value, one) else "range"


def _is_in_range(value: Any, one: Field) -> bool:
    """Whether a number is within the field's bounds; True for what is no number. A number beyond a double's range
    is outside of any bound.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    number = double(value)
    if number is None:
        return one.minimum is None and one.maximum is None
    return (one.minimum is None or number >= one.minimum) and (one.maximum is None or number <= one.maximum)
