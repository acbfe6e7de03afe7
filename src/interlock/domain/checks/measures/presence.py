"""Whether the features that a model needs are there: columns that are missing, and shares of nulls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from interlock.domain.checks.check import Fail, Measurement, Part, Pass, at_most, counted, no_rows, overall, telling
from interlock.domain.checks.measures.columns import is_missing
from interlock.domain.checks.measures.judge import ALPHA, judge_parts
from interlock.domain.checks.measures.laws import Share
from interlock.domain.schemas.contract import Contract


@dataclass(frozen=True, slots=True)
class Expected:
    """A column that must be there. null_limit: the share of rows that may lack a value; 0 means none of these
    rows.
    """

    name: str
    null_limit: float = 0.0


def expected_of(contract: Contract) -> tuple[Expected, ...]:
    """What a contract promises: its required fields, which lack a value in no row unless they are nullable."""
    return tuple(Expected(f.name, 1.0 if f.nullable else 0.0) for f in contract.fields if f.required)


def availability(
    rows: Iterable[Mapping[str, Any]], expected: Iterable[Expected], *, alpha: float = ALPHA
) -> Measurement:
    """Each expected column against its limit of nulls. A row without the key has a null there.

    A limit of 0 is a fact about these rows; any other limit is about all rows like them, by the exact interval.
    """
    held, statistic = list(rows), "share of nulls"
    columns = list(expected)
    if not held or not columns:
        return no_rows("availability", statistic, None, "rows" if columns else "expected columns")
    parts = tuple(_column(column, held, alpha) for column in columns)
    verdict = overall((part.name, part.verdict) for part in parts)
    unexpected = sorted({key for row in held for key in row} - {column.name for column in columns})
    return Measurement(
        "availability", statistic, verdict, telling(parts), parts=parts, facts={"unexpected": unexpected}
    )


def _column(column: Expected, rows: list[Mapping[str, Any]], alpha: float) -> Part:
    nulls = sum(is_missing(row.get(column.name)) for row in rows)
    if not any(column.name in row for row in rows):
        return Part(column.name, Fail(f"no row has the column {column.name!r}"), counted(1.0, len(rows)))
    if column.null_limit > 0:
        (part,) = judge_parts({column.name: Share(nulls, len(rows))}, at_most(column.null_limit), alpha)
        return part
    if nulls:
        return Part(
            column.name, Fail(f"{nulls} of {len(rows)} rows lack it"), counted(nulls / len(rows), len(rows))
        )
    return Part(column.name, Pass(f"none of {len(rows)} rows lacks it"), counted(0.0, len(rows)))
