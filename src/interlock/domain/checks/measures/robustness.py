"""Whether answers stay put when inputs move a little: a sensor's noise, a rounding, a typing slip.

The share of rows whose answer moves by more than a tolerance under any of the declared nudges. Nudges are
deterministic and one column at a time, so a failure names its column and repeats.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from interlock.domain.checks.check import CheckInvalid, Measurement, at_most, no_rows
from interlock.domain.checks.measures.columns import Column, aligned, is_missing, plain_values
from interlock.domain.checks.measures.judge import ALPHA, judge
from interlock.domain.checks.measures.laws import Share, estimate

Row = Mapping[str, Any]


def nudged(rows: Iterable[Row], column: str, *, by: float, relative: bool = True) -> list[dict[str, Any]]:
    """The rows with `column` times 1 + `by`, or plus `by`; missing values stay missing."""
    return [{**row, column: _nudge(row.get(column), by, relative, column)} for row in rows]


def robustness(
    predictions: Column, nudges: Mapping[str, Column], *, tolerance: float, limit: float, alpha: float = ALPHA
) -> Measurement:
    """The share of rows that move, at most `limit`. nudges: name of a nudge -> predictions of the same rows under
    it. tolerance: how far a number may move, in its unit; anything else must stay equal. A missing answer has
    moved.
    """
    threshold, statistic = at_most(limit), f"share of rows that move by more than {tolerance:g}"
    if not nudges:
        return no_rows("robustness", statistic, threshold, "nudges")
    before = plain_values(predictions)
    if not before:
        return no_rows("robustness", statistic, threshold)
    moved = {name: _moves(before, after, tolerance) for name, after in nudges.items()}
    found = estimate(Share(sum(map(any, zip(*moved.values(), strict=True))), len(before)), alpha)
    facts = {"moved": {name: sum(rows) / len(before) for name, rows in moved.items()}}
    return Measurement("robustness", statistic, judge(found, threshold), found, threshold, facts=facts)


def _nudge(value: Any, by: float, relative: bool, column: str) -> Any:
    if is_missing(value):
        return value
    if isinstance(value, str):
        raise CheckInvalid(f"column {column!r} has {value!r}, which is no number", remedy="Nudge numeric columns.")
    return value * (1 + by) if relative else value + by


def _moves(before: list[Any], after: Column, tolerance: float) -> list[bool]:
    _, there = aligned(predictions=before, nudged=after)
    return [_has_moved(a, b, tolerance) for a, b in zip(before, there, strict=True)]


def _has_moved(before: Any, after: Any, tolerance: float) -> bool:
    if is_missing(before) or is_missing(after):
        return True
    if isinstance(before, int | float) and isinstance(after, int | float):
        return not abs(before - after) <= tolerance
    return bool(before != after)
