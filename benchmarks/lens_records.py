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
from jsonata.jsonata import Jsonata

from interlock.adapters.bodies import body_translator
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
        program: Program = (
            Rename(here, there),
            Unit("air_time", 60 if n % 2 == 0 else 1, 1 if n % 2 == 0 else 60),
            Add(f"tag{n}", n),
        )
        found.append((program, fields))
        moved = tuple(Field(there, f.type) if f.name == here else f for f in fields)
        fields = (*moved, Field(f"tag{n}", INTEGER))
    return found


def rates(
    works: Mapping[str, Callable[[Any], Any]], given: Mapping[str, list[Any]], rounds: int
) -> dict[str, float]:
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


def with_care(r: Mapping[str, Any]) -> Record:
    """What a person would write who trusts nobody: the same checks as the generated code makes."""
    if list(r) != NAMES:
        raise ValueError("other fields")
    flight, distance, minutes, route = r["flight"], r["distance"], r["air_time"], r["route"]
    if not isinstance(flight, int) or isinstance(flight, bool) or abs(flight) >= 10**15:
        raise ValueError("flight")
    if not isinstance(distance, int) or isinstance(distance, bool) or abs(distance) >= 2**53:
        raise ValueError("distance")
    if not isinstance(minutes, (int, float)) or isinstance(minutes, bool) or not abs(minutes * 60.0) < 2**53:
        raise ValueError("air_time")
    if not isinstance(route, str):
        raise ValueError("route")
    return by_hand(r)


NAMES = [one.name for one in FIELDS]


def chained(programs: list[tuple[Program, tuple[Field, ...]]]) -> Callable[[Record], Record]:
    """One generated function after the other."""
    steps = [translator(program, fields, is_open=False) for program, fields in programs]

    def run(record: Record) -> Record:
        for step in steps:
            record = step(record)
        return record

    return run


def measured(per_round: int) -> dict[str, float]:
    """Calls per CPU second, by what was called."""
    given = records()
    bodies = [json.dumps(one, separators=(",", ":")).encode() for one in given]
    program, steps = lens(), versions()
    fused: Program = tuple(op for one, _ in steps for op in one)
    generated, bytes_to_bytes = translator(program, FIELDS, False), body_translator(program, FIELDS, False)
    peer = Jsonata(JSONATA)
    works: dict[str, Callable[[Any], Any]] = {
        "generated": generated,
        "by hand": by_hand,
        "by hand, with care": with_care,
        "closures": compile_program(program),
        "fused": translator(fused, FIELDS, False),
        "chained": chained(steps),
        "bytes, typed": bytes_to_bytes,
        "bytes, by keys": body_translator(program, FIELDS, True),
        "bytes, stdlib": lambda body: json.dumps(generated(json.loads(body)), separators=(",", ":")).encode(),
        "jsonata": peer.evaluate,
    }
    for one, body in zip(given[:100], bodies, strict=False):
        assert generated(one) == by_hand(one) == with_care(one) == works["closures"](one)
        assert works["fused"](one) == works["chained"](one)
        assert json.loads(bytes_to_bytes(body)) == json.loads(works["bytes, by keys"](body)) == by_hand(one)
        assert peer.evaluate(one)["weather"]["wind"] == one["wind"]
    counts = {"closures": per_round // 20, "jsonata": per_round // 200}
    items = {
        name: ((bodies if name.startswith("bytes") else given) * (per_round // len(given)))[
            : counts.get(name, per_round)
        ]
        for name in works
    }
    return rates(works, items, ROUNDS)


def main() -> None:
    """Print the ratios beside the goals."""
    found = measured(PER_ROUND // 10 if "--quick" in sys.argv else PER_ROUND)
    asked = (
        ("generated / by hand, with the same checks", "generated", "by hand, with care", ">= 0.95"),
        ("generated / by hand, trusting every record", "generated", "by hand", ""),
        ("generated / closures of the reference", "generated", "closures", ""),
        ("generated / JSONata", "generated", "jsonata", ">= 100"),
        ("five versions fused / one by one", "fused", "chained", ">= 2.5"),
        ("bytes to bytes, typed / json of the standard library", "bytes, typed", "bytes, stdlib", ">= 4"),
        ("bytes to bytes, by keys / json of the standard library", "bytes, by keys", "bytes, stdlib", ""),
    )
    lines = [("", "ratio", "goal")]
    lines += [(title, f"{found[one] / found[other]:.2f}", goal) for title, one, other, goal in asked]
    printed(f"one lens of ten fields, one record at a time (medians of {ROUNDS} alternating rounds)", lines)
    for name, rate in found.items():
        print(f"    {name}: {rate / 1000:,.1f} k records per CPU second")


if __name__ == "__main__":
    main()
