"""Compare two answers to the same request, field by field, as declared.

Numbers are equal within a tolerance: exact for two integers, the noise of float arithmetic for others, or what is
declared for the field. Text and truth values are compared exactly, lists in their order unless declared otherwise.
Ignored fields are not looked at at all, so they cost no pair its agreement.

Limits: elements of a list share one path, of which the largest difference is told. In a list that may come in any
order, elements are matched greedily; above 100 that match nothing they are paired in sorted order instead.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from interlock.domain.checks.answer import UNREADABLE, WHOLE, Path, covers, names, read_answer, shown, steps
from interlock.domain.schemas.scalars import double

__all__ = ["WHOLE", "ComparisonRules", "FieldCompared", "Kind", "Tolerance", "compare_answers", "differing_fields"]

RELATIVE_TOLERANCE = 1e-9
"""Numbers with a fraction that are closer than this are equal: the noise of float arithmetic, not of models."""

GREEDY_LIMIT = 100

Kind = Literal["same", "value", "length", "type", "added", "missing"]
"""How a field of the candidate's answer compares: `missing` is in the baseline's alone, `added` in the
candidate's.
"""

_WEIGHT: dict[Kind, int] = {"same": 0, "value": 1, "length": 2, "type": 3, "added": 4, "missing": 5}


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Numbers at `field` (a pattern) agree when they differ by at most `absolute`, or by at most `relative` times
    the larger one.
    """

    field: str
    absolute: float = 0.0
    relative: float = 0.0


@dataclass(frozen=True)
class ComparisonRules:
    """What a service declares about its answers. All fields are patterns, see `answer`.

    ignore: not looked at. tolerate: the first that covers a number holds. any_order: lists that are sets.
    """

    ignore: tuple[str, ...] = ()
    tolerate: tuple[Tolerance, ...] = ()
    any_order: tuple[str, ...] = ()

    @cached_property
    def _ignored(self) -> tuple[Path, ...]:
        return tuple(steps(p) for p in self.ignore)

    @cached_property
    def _tolerated(self) -> tuple[tuple[Path, Tolerance], ...]:
        return tuple((steps(t.field), t) for t in self.tolerate)

    @cached_property
    def _sets(self) -> tuple[Path, ...]:
        return tuple(steps(p) for p in self.any_order)

    def is_ignored(self, path: Path) -> bool:
        return any(covers(pattern, path) for pattern in self._ignored)

    def is_in_any_order(self, path: Path) -> bool:
        """Whether the list at `path` itself, not one above or below it, may come in any order."""
        return any(names(pattern, path) for pattern in self._sets)

    def tolerance(self, path: Path) -> Tolerance | None:
        return next((t for pattern, t in self._tolerated if covers(pattern, path)), None)


STRICT = ComparisonRules()


@dataclass(frozen=True, slots=True)
class FieldCompared:
    """One path of a pair of answers. change: candidate minus baseline where both are finite numbers."""

    path: str
    kind: Kind
    change: float | None = None


def differing_fields(baseline: bytes, candidate: bytes, rules: ComparisonRules = STRICT) -> tuple[str, ...]:
    """Paths of the fields that differ between two JSON answers, sorted; empty when they agree.

    Answers that are not JSON differ as a whole or not at all.
    """
    return tuple(f.path for f in compare_answers(baseline, candidate, rules) if f.kind != "same")


def compare_answers(
    baseline: bytes, candidate: bytes, rules: ComparisonRules = STRICT
) -> tuple[FieldCompared, ...]:
    """Every path that was compared, sorted, each once: of several elements, the one that differs most."""
    a, b = read_answer(baseline), read_answer(candidate)
    if a is UNREADABLE or b is UNREADABLE:
        return (_as_a_whole(baseline, candidate),)
    try:
        return _worst_of_each(_compared(a, b, (), rules))
    except RecursionError:  # nested deeper than any contract: then bytes are all that can be said
        return (_as_a_whole(baseline, candidate),)


def _as_a_whole(baseline: bytes, candidate: bytes) -> FieldCompared:
    return FieldCompared(WHOLE, "same" if baseline == candidate else "value")


def _worst_of_each(found: Iterable[FieldCompared]) -> tuple[FieldCompared, ...]:
    worst: dict[str, FieldCompared] = {}
    for one in found:
        known = worst.get(one.path)
        if known is None or _badness(one) > _badness(known):
            worst[one.path] = one
    return tuple(worst[path] for path in sorted(worst))


def _badness(one: FieldCompared) -> tuple[int, float]:
    return _WEIGHT[one.kind], abs(one.change or 0.0)


def _compared(a: Any, b: Any, path: Path, rules: ComparisonRules) -> Iterator[FieldCompared]:
    if rules.is_ignored(path):
        return
    match a, b:
        case dict(), dict():
            for key in sorted({*a, *b}):
                yield from _compared_key(a, b, key, path, rules)
        case list(), list():
            yield from _compared_lists(a, b, path, rules)
        case _:
            yield _compared_scalars(a, b, path, rules)


def _compared_key(
    a: dict[str, Any], b: dict[str, Any], key: str, path: Path, rules: ComparisonRules
) -> Iterator[FieldCompared]:
    inner = (*path, key)
    if key in a and key in b:
        yield from _compared(a[key], b[key], inner, rules)
    elif not rules.is_ignored(inner):
        yield FieldCompared(shown(inner), "missing" if key in a else "added")


def _compared_lists(a: list[Any], b: list[Any], path: Path, rules: ComparisonRules) -> Iterator[FieldCompared]:
    inner = (*path, "[]")
    if rules.is_ignored(inner):
        return
    yield FieldCompared(shown(inner), "same" if len(a) == len(b) else "length")
    pairs = _matched(a, b, inner, rules) if rules.is_in_any_order(path) else zip(a, b, strict=False)
    for x, y in pairs:
        yield from _compared(x, y, inner, rules)


def _matched(a: list[Any], b: list[Any], path: Path, rules: ComparisonRules) -> Iterator[tuple[Any, Any]]:
    """Elements that agree, and what is left over in pairs; a surplus in one list has no partner."""
    left, right = sorted(a, key=_order), sorted(b, key=_order)
    if max(len(left), len(right)) > GREEDY_LIMIT:
        left, right = _without_equal(left, right)
    if max(len(left), len(right)) > GREEDY_LIMIT:
        yield from zip(left, right, strict=False)
        return
    alone = []
    for x in left:
        partner = next((i for i, y in enumerate(right) if _agree(x, y, path, rules)), None)
        if partner is None:
            alone.append(x)
        else:
            yield x, right.pop(partner)
    yield from zip(alone, right, strict=False)


def _order(value: Any) -> tuple[int, float, str]:
    number = double(value)
    return (1, 0.0, json.dumps(value, sort_keys=True)) if number is None else (0, number, "")


def _without_equal(left: list[Any], right: list[Any]) -> tuple[list[Any], list[Any]]:
    """Both sorted lists without the elements that the other has as they are."""
    kept_left, kept_right, i, j = [], [], 0, 0
    while i < len(left) and j < len(right):
        x, y = _order(left[i]), _order(right[j])
        if x < y:
            kept_left.append(left[i])
        elif y < x:
            kept_right.append(right[j])
        i, j = i + (x <= y), j + (y <= x)
    return kept_left + left[i:], kept_right + right[j:]


def _agree(a: Any, b: Any, path: Path, rules: ComparisonRules) -> bool:
    return all(one.kind == "same" for one in _compared(a, b, path, rules))


def _compared_scalars(a: Any, b: Any, path: Path, rules: ComparisonRules) -> FieldCompared:
    name = shown(path)
    if _is_number(a) and _is_number(b):
        x, y = double(a), double(b)
        if x is None or y is None:
            return FieldCompared(name, "same" if a == b else "value")
        change = y - x if math.isfinite(y - x) else None
        return FieldCompared(name, "same" if _are_close(a, b, rules.tolerance(path)) else "value", change)
    if type(a) is not type(b):
        return FieldCompared(name, "type")
    return FieldCompared(name, "same" if a == b else "value")


def _are_close(a: int | float, b: int | float, tolerance: Tolerance | None) -> bool:
    if tolerance:
        return math.isclose(a, b, rel_tol=tolerance.relative, abs_tol=tolerance.absolute)
    if isinstance(a, int) and isinstance(b, int):
        return a == b
    return math.isclose(a, b, rel_tol=RELATIVE_TOLERANCE, abs_tol=RELATIVE_TOLERANCE)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
