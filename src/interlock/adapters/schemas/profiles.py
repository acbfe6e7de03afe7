"""Looks at the columns of a table for what lenses are drafted from: shares of nulls, quantiles, frequent values.

Everything is aggregated where the data is; what comes back are figures, and the most frequent values of text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from interlock.adapters.schemas.tables import Table
from interlock.domain.lenses.profile import LEVELS, MOST_VALUES, Profile

Path = tuple[str, ...]


def profiles(table: Table, rows: int) -> dict[Path, Profile]:
    """Each column's profile, those inside of objects too, over at most about `rows` rows drawn at random."""
    total = table.count()
    sample = table.rows if total <= rows else table.engine.sample(table.rows, rows / total)
    columns = {path: one for name in sample.columns for path, one in _leaves((name,), sample[name])}
    asked: dict[str, Any] = {"rows": sample.count()}
    for place, column in enumerate(columns.values()):
        asked |= {f"c{place}_{what}": e for what, e in _asked(column, table)}
    answer = table.ask(sample.aggregate(**asked))[0]
    seen = int(answer["rows"])
    return {
        path: _profile(table, sample, column, seen, {w: answer.get(f"c{place}_{w}") for w in _FIGURES})
        for place, (path, column) in enumerate(columns.items())
    }


_FIGURES = ("values", "distinct", "numbers", "shortest", "mean", "longest", *(f"q{i}" for i in range(len(LEVELS))))


def _leaves(path: Path, column: Any) -> Iterator[tuple[Path, Any]]:
    if column.type().is_struct():
        for name in column.type().names:
            yield from _leaves((*path, name), column[name])
    else:
        yield path, column


def _asked(column: Any, table: Table) -> Iterator[tuple[str, Any]]:
    """(what, expression) of each figure about a column."""
    yield "values", column.count()
    kind = column.type()
    if kind.is_array() or kind.is_map() or kind.is_json():
        return
    yield "distinct", column.nunique()
    number = column
    if kind.is_string():
        lengths = column.length()
        yield "shortest", lengths.min()
        yield "mean", lengths.mean()
        yield "longest", lengths.max()
        if not table.is_text:
            return
        number = column.try_cast("float64")  # a file of text, which DuckDB reads
        yield "numbers", number.count()
    if (number.type().is_numeric() or kind.is_string()) and table.engine.name != "sqlite":
        for place, level in enumerate(LEVELS):
            yield f"q{place}", number.cast("float64").quantile(level)


def _profile(table: Table, sample: Any, column: Any, seen: int, found: dict[str, Any]) -> Profile:
    values = int(found["values"] or 0)
    nulls = 1 - values / seen if seen else 0.0
    quantiles = [found[f"q{place}"] for place in range(len(LEVELS))]
    is_number = None not in quantiles and (found["numbers"] is None or int(found["numbers"]) == values)
    mean = found["mean"]
    lengths = None if mean is None else (float(found["shortest"]), float(mean), float(found["longest"]))
    has_values = column.type().is_string() or column.type().is_boolean()
    return Profile(
        seen,
        nulls,
        int(found["distinct"] or 0),
        tuple(float(q) for q in quantiles) if is_number else (),
        tuple(_frequent(table, sample, column, values)) if has_values and values and not is_number else (),
        lengths,
    )


def _frequent(table: Table, sample: Any, column: Any, values: int) -> Iterator[tuple[str, float]]:
    import ibis

    there = sample.select(value=column).filter(lambda one: one.value.notnull())
    counted = there.group_by("value").aggregate(n=there.count())
    for row in table.ask(counted.order_by(ibis.desc("n"), "value").limit(MOST_VALUES)):
        yield str(row["value"]), row["n"] / values
