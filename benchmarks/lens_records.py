"""Records per second of one lens of ten fields, applied to one record at a time, as ratios in one run.

The lens: two fields renamed, two units, a cast, an enum mapped, a text split, two fields nested, one derived, one
dropped, one added. Its peers are the same mapping written by hand in Python and as JSONata; the closures of the
reference; five versions one by one; and json of the standard library from bytes to bytes. Repetitions of all of
them alternate and medians are compared, so that what else the machine does counts for all alike.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.rig import table as printed

from interlock.domain.lenses.apply import compile_program
from interlock.domain.lenses.expressions.nodes import Expr
from interlock.domain.lenses.expressions.read import read_expression
from interlock.domain.lenses.generate import translator
from interlock.domain.lenses.ops import Add, Cast, Computed, Drop, Map, Nest, Program, Recombine, Rename, Unit
from interlock.domain.lenses.rows import known_in
from interlock.domain.schemas.field import INTEGER, NUMBER, STRING, Field

ORIGINS = {"EWR": "newark", "JFK": "kennedy", "LGA": "laguardia"}
FIELDS = (
    Field("carrier", STRING),
    Field("flight", INTEGER),
    Field("tailnum", STRING, nullable=True),
    Field("origin", STRING, enum=tuple(ORIGINS)),
    Field("route", STRING),
    Field("distance", INTEGER),
    Field("air_time", NUMBER),
    Field("temp", NUMBER, nullable=True),
    Field("wind", NUMBER),
    Field("hour", INTEGER),
)
ROUNDS, PER_ROUND = 15, 20_000
Record = dict[str, Any]


def lens() -> Program:
    known = known_in(FIELDS)

    def expr(text: str) -> Expr:
        return read_expression(text, known)

    whole = (Computed("route", read_expression("carrier || '-' || tailnum", known)),)
    return (
        Add("speed", value=expr("distance / air_time * 60.0")),
        Rename("carrier", "airline"),
        Rename("tailnum", "plane"),
        Cast("flight", "integer", "string"),
        Map("origin", tuple(ORIGINS.items())),
        Unit("distance", 1609344, 1000000),
        Unit("air_time", 60, integer=True),
        Recombine(
            whole,
            (
                Computed("start", expr("split_part(route, '-', 1)"), is_needed=True),
                Computed("end", expr("split_part(route, '-', 2)"), is_needed=True),
            ),
        ),
        Nest(("temp", "wind"), "weather"),
        Drop("hour"),
        Add("schema_tag", "v2"),
    )


def by_hand(r: Mapping[str, Any]) -> Record:
    """What a person would write who trusts the records."""
    start, end = r["route"].split("-")
    return {
        "airline": r["carrier"],
        "flight": str(r["flight"]),
        "plane": r["tailnum"],
        "origin": ORIGINS[r["origin"]],
        "distance": r["distance"] * 1609344.0 / 1000000.0,
        "air_time": round(r["air_time"] * 60.0),
        "speed": r["distance"] / r["air_time"] * 60.0 if r["air_time"] else None,
        "start": start,
        "end": end,
        "weather": {"temp": r["temp"], "wind": r["wind"]},
        "schema_tag": "v2",
    }


JSONATA = """{
    "airline": carrier, "flight": $string(flight), "plane": tailnum,
    "origin": $lookup({"EWR": "newark", "JFK": "kennedy", "LGA": "laguardia"}, origin),
    "distance": distance * 1609344 / 1000000, "air_time": $round(air_time * 60),
    "speed": distance / air_time * 60,
    "start": $split(route, "-")[0], "end": $split(route, "-")[1],
    "weather": {"temp": temp, "wind": wind}, "schema_tag": "v2"
}"""


def records() -> list[Record]:
    origins = tuple(ORIGINS)
    return [
        {
            "carrier": ("UA", "B6", "AA", "DL")[i % 4],
            "flight": 1000 + i,
            "tailnum": None if i % 50 == 0 else f"N{10000 + i}",
            "origin": origins[i % 3],
            "route": f"{origins[i % 3]}-IAH",
            "distance": 200 + i % 2000,
            "air_time": 30.5 + i % 300,
            "temp": None if i % 40 == 0 else 39.02 + i % 7,
            "wind": 12.65857 + i % 9,
            "hour": i % 24,
        }
        for i in range(1000)
    ]


def versions() -> list[tuple[Program, tuple[Field, ...]]]:
    """Five small versions of one contract, each with the fields that it starts from."""
    renamed = ("distance", "length", "distance", "length", "distance", "length")
    found: list[tuple[Program, tuple[Field, ...]]] = []
    fields = FIELDS
    for n in range(5):
        here, there = renamed[n], renamed[n + 1]
        program: Program = (Rename(here, there), Unit("air_time", 60 if n % 2 == 0 else 1, 1 if n % 2 == 0 else 60), Add(f"tag{n}", n))
        found.append((program, fields))
        moved = tuple(Field(there, f.type) if f.name == here else f for f in fields)
        fields = (*moved, Field(f"tag{n}", INTEGER))
    return found


def rates(works: Mapping[str, Callable[[Any], Any]], given: Mapping[str, list[Any]], rounds: int) -> dict[str, float]:
    """Calls per CPU second by name, the median of alternating rounds."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            items = given[name]
            before = time.process_time()
            for item in items:
                work(item)
            found[name].append(len(items) / (time.process_time() - before))
    return {name: statistics.median(values) for name, values in found.items()}
