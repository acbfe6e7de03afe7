"""An audit counts what is so: its one query finds what a walk over the records finds, which is what apply does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st

from interlock.adapters.schemas.compute import EngineRefuses
from interlock.adapters.schemas.lens_audit import by_query
from interlock.adapters.schemas.row_values import records_of, table_of
from interlock.adapters.schemas.tables import IbisEngine, Table
from interlock.domain.lenses.apply import Rejected, apply
from interlock.domain.lenses.audit import (
    Counts,
    Trip,
    as_in_table,
    completed,
    counted_records,
    declared_paths,
    trip,
)
from interlock.domain.lenses.returned import at_path
from interlock.domain.schemas.scalars import equal_json
from support.lens_cases import SLOW, lenses, rows_of

ibis = pytest.importorskip("ibis")
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)


@pytest.fixture(scope="module")
def duckdb() -> Iterator[Any]:
    backend = ibis.duckdb.connect()
    yield backend
    backend.disconnect()


@st.composite
def trips(draw: st.DrawFn) -> tuple[Trip, list[dict[str, Any]]]:
    """A lens in one of its directions, and rows of the version that it starts from."""
    lens, older, newer = draw(lenses())
    asked = trip(lens, older, newer, draw(st.sampled_from(("1", "2"))))
    return asked, draw(st.lists(rows_of(asked.source), min_size=1, max_size=6))


def by_hand(asked: Trip, rows: list[dict[str, Any]]) -> tuple[int, dict[str, int], int]:
    """Rows that came back whole, how many changed by path, and how many were rejected; by the reference alone."""
    paths = [path for path, _ in declared_paths(asked.source.fields)]
    whole, rejected, changed = 0, 0, dict.fromkeys(paths, 0)
    for row in rows:
        try:
            came = apply(asked.back, as_in_table(apply(asked.there, row), asked.target.fields))
        except Rejected:
            rejected += 1
            continue
        was, now = completed(row, asked.source.fields), completed(came, asked.source.fields)
        whole += equal_json(was, now)
        for path in paths:
            changed[path] += not equal_json(at_path(was, path, None), at_path(now, path, None))
    return whole, changed, rejected


def figures(counts: Counts) -> Any:
    return (
        counts.rows,
        counts.survived,
        [(x.version, x.field, x.unchanged, x.changed, x.rejected, x.fabricated) for x in counts.fields],
        counts.rejected,
    )


@settings(max_examples=80, phases=PHASES, deadline=None, suppress_health_check=SLOW)
@given(trips())
def test_records_are_counted_as_the_reference_translates_them(case: tuple[Trip, list[dict[str, Any]]]) -> None:
    """Each field's count is the number of rows in which the reference brings it back otherwise."""
    asked, rows = case
    counts = counted_records(asked, rows, is_table=True)
    whole, changed, rejected = by_hand(asked, rows)
    assert (counts.rows, counts.survived) == (len(rows), whole)
    assert sum(one.rows for one in counts.rejected) == rejected
    assert {x.field: x.changed for x in counts.fields if x.version == asked.source.version} == changed
    for one in counts.fields:
        if one.version == asked.source.version:
            assert one.unchanged + one.changed + rejected == len(rows)


@settings(max_examples=60, phases=PHASES, deadline=None, suppress_health_check=SLOW)
@given(case=trips())
def test_one_query_counts_what_a_walk_over_the_records_does(
    duckdb: Any, case: tuple[Trip, list[dict[str, Any]]]
) -> None:
    """Nested fields, lists, rejections by field and reason, and what is made up included."""
    asked, rows = case
    arrow = table_of(rows, asked.source.fields)
    duckdb.con.register("given", arrow)
    table = Table("given", duckdb.table("given"), IbisEngine(duckdb))
    try:
        found = by_query(asked, table)
    except EngineRefuses as no:
        event(f"refused: {str(no)[:40]}")
        return
    event("counted")
    walked = counted_records(asked, records_of(arrow, asked.source.fields), is_table=True)
    assert figures(found) == figures(walked)
