"""Rows per CPU second of holding a table against a contract: nine rules on DuckDB in one thread, beside Pandera.

The rules: two of no null, an enum, two ranges, a pattern, a length, a share of nulls, a number of rows. Pandera's
ibis backend runs those that it has (all but the last two) on the same table in the same run; it is left out where
it is not installed.
"""

from __future__ import annotations

import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.rig import table as printed

from interlock.adapters.schemas.tables import Table, opened
from interlock.adapters.schemas.validate import validated
from interlock.domain.schemas.contract import Contract, Object, Rule
from interlock.domain.schemas.field import Field, Float, Int, String

ROWS = 10_000_000
GOAL = 5_000_000
ORIGINS = ("EWR", "JFK", "LGA")
FLIGHTS = Object(
    "flights",
    (
        Field("flight", Int(64)),
        Field("origin", String(), nullable=True, enum=ORIGINS),
        Field("carrier", String(), nullable=True, min_length=2, max_length=2),
        Field("tailnum", String(), nullable=True, pattern="^N[0-9]+[A-Z]*$"),
        Field("distance", Int(64), minimum=1, maximum=6000),
        Field("air_time", Float(64), nullable=True, minimum=0),
    ),
    rules=(
        Rule("mostly flown", "null_values", "air_time", at_most=0.05, is_share=True),
        Rule("not empty", "row_count", at_least=1),
    ),
)
CONTRACT = Contract("flights", "1", (FLIGHTS,))
RULES = 9


def run(rows: int = ROWS) -> dict[str, float]:
    """CPU seconds, the best of three, by who ran the rules."""
    with tempfile.TemporaryDirectory(prefix="il") as place:
        path = Path(place, "flights.duckdb")
        _write(path, rows)
        with opened("flights", f"duckdb://{path}", threads=1) as held:
            found = {"interlock": _best(lambda: _ours(held))}
            found["duckdb, a scan of the same columns"] = _best(lambda: _scan(held))
            try:
                import pandera.ibis as pandera
            except ImportError:
                return found
            found["pandera.ibis"] = _best(lambda: _pandera(pandera, held))
    return found


def _write(path: Path, rows: int) -> None:
    import duckdb

    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE flights AS SELECT i AS flight, ['EWR', 'JFK', 'LGA'][1 + i % 3] AS origin, "
            "['UA', 'B6', 'AA', 'DL'][1 + i % 4] AS carrier, 'N' || (10000 + i % 4000) || 'UA' AS tailnum, "
            "100 + i % 2500 AS distance, "
            "CASE WHEN i % 40 = 0 THEN NULL ELSE (20.5 + i % 300)::DOUBLE END AS air_time "
            f"FROM range({rows}) AS numbers(i)"
        )


def _ours(held: Table) -> None:
    result = validated(held, CONTRACT, FLIGHTS, "flights")
    assert result.verdict.kind == "pass", result.verdict
    assert result.measurement.facts["rows"] > 0


def _scan(held: Table) -> None:
    """The floor: every value is looked at, and nothing is asked of it."""
    columns = [held.rows[f.name] for f in FLIGHTS.fields]
    sums = [(c.length() if c.type().is_string() else c).sum().name(c.get_name()) for c in columns]
    held.rows.aggregate(sums).to_pyarrow()


def _pandera(pandera: Any, held: Table) -> None:
    import ibis.expr.datatypes as dt

    check = pandera.Check
    asked = {
        "flight": pandera.Column(dt.int64),
        "origin": pandera.Column(dt.string, check.isin(ORIGINS), nullable=True),
        "carrier": pandera.Column(dt.string, check.str_length(2, 2), nullable=True),
        "tailnum": pandera.Column(dt.string, check.str_matches("^N[0-9]+[A-Z]*$"), nullable=True),
        "distance": pandera.Column(dt.int64, check.in_range(1, 6000)),
        "air_time": pandera.Column(dt.float64, check.ge(0), nullable=True),
    }
    pandera.DataFrameSchema(asked).validate(held.rows, lazy=True)


def _best(work: Callable[[], None]) -> float:
    return min(_cpu_s(work) for _ in range(3))


def _cpu_s(work: Callable[[], None]) -> float:
    before = resource.getrusage(resource.RUSAGE_SELF)
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def main() -> None:
    """Print the figures beside the goal."""
    rows = 1_000_000 if "--quick" in sys.argv else ROWS
    found = run(rows)
    lines = [("", "measured", "goal")]
    for who, seconds in found.items():
        goal = f">= {GOAL / 1e6:.0f} M rows/s" if who == "interlock" else ""
        lines.append((who, f"{rows / seconds / 1e6:.1f} M rows/s ({seconds:.2f} CPU s)", goal))
    printed(f"nine rules on {rows:,} rows, DuckDB in one thread (best of 3)", lines)


if __name__ == "__main__":
    main()
