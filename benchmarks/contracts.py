"""Contracts: 10,000 fields diffed and judged, beside Apache Avro's checker on the same question; and a run that
tries to refute "compatible" verdicts by values. A seed makes the run repeatable: `python -m benchmarks.contracts
[--quick]`.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from avro.compatibility import ReaderWriterCompatibilityChecker
from avro.schema import parse
from benchmarks.rig import table

from interlock.domain.schemas.compatibility import compatibility, reads
from interlock.domain.schemas.contract import Contract, record
from interlock.domain.schemas.diff import differences
from interlock.domain.schemas.field import Field, Int, Struct
from interlock.domain.schemas.odcs import from_odcs, to_odcs
from interlock.domain.schemas.representation import contract_digest
from interlock.domain.schemas.values import record_misfits

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.contracts import NoValue, as_read, contract, edited_contract, matched, value_of

FIELDS = 10_000
SEED = 2013


def run(quick: bool = False) -> dict[str, Any]:
    """Seconds of CPU per question, the best of several; and the counts of the refutation run."""
    older, newer = wide("1", Int(32)), wide("2", Int(64))
    document = to_odcs(older)
    schemas = [parse(json.dumps(as_avro(one, kind))) for one, kind in ((older, "int"), (newer, "long"))]
    times = 2 if quick else 5

    def peer() -> None:
        ReaderWriterCompatibilityChecker().get_compatibility(schemas[1], schemas[0])
        ReaderWriterCompatibilityChecker().get_compatibility(schemas[0], schemas[1])

    return {
        "floor": best(times, lambda: plainly(older, newer)),
        "diff": best(times, lambda: differences(older, newer)),
        "compatibility": best(times, lambda: compatibility(older, newer)),
        "peer": best(1, peer),
        "digest": best(times, lambda: contract_digest(older)),
        "read": best(times, lambda: from_odcs(document, lambda path: "")),
        "refutation": refutation(random.Random(SEED), 2_000 if quick else 100_000),
    }


def wide(version: str, kind: Int) -> Contract:
    fields = [Field(f"f{number}", kind, description="a field", minimum=0) for number in range(FIELDS)]
    return record("wide", version, tuple(fields))


def as_avro(one: Contract, kind: str) -> dict[str, Any]:
    return {"type": "record", "name": one.name, "fields": [{"name": f.name, "type": kind} for f in one.fields]}


def plainly(older: Contract, newer: Contract) -> list[str]:
    """The least that any differ does: fields by name, and whether they are equal."""
    before = {one.name: one for one in older.fields}
    return [one.name for one in newer.fields if before.get(one.name) != one]


def best(times: int, work: Callable[[], Any]) -> float:
    """CPU seconds of the fastest of several runs."""
    found = []
    for _ in range(times):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


def refutation(chance: random.Random, pairs: int) -> Counter[str]:
    """Pairs of a contract and an edit of it, in either role; of those that are compatible, a record of the writer
    is held against the reader's contract.
    """
    counts: Counter[str] = Counter()
    while counts["instances tried"] < pairs:
        writer = contract(chance)
        reader = edited_contract(chance, writer)
        if chance.random() < 0.5:
            writer, reader = reader, writer
        counts["pairs judged"] += 1
        if len(writer.objects) > 1 or not reads(reader, writer).holds:
            continue
        counts["compatible"] += 1
        for _ in range(2):
            try:
                value = value_of(chance, Field("record", Struct(writer.fields)))
            except NoValue:
                counts["without a value"] += 1
                break
            counts["instances tried"] += 1
            one = replace(reader.record, is_open=reader.is_open)
            counts["refuted"] += any(True for _ in record_misfits(as_read(value, reader.fields), one, matched))
    return counts


def main() -> None:
    """Print the figures."""
    found = run(quick="--quick" in sys.argv)
    floor, peer = found["floor"], found["peer"]
    rows: list[tuple[str, str, str]] = [("", "CPU", "of the floor")]
    for name, key in (
        ("floor: fields by name, equal or not", "floor"),
        ("diff", "diff"),
        ("compatibility, both directions, with constraints", "compatibility"),
        ("peer: Apache Avro's checker, both directions, types alone", "peer"),
        ("digest", "digest"),
        ("read from ODCS", "read"),
    ):
        rows.append((name, f"{found[key] * 1e3:.0f} ms", f"{found[key] / floor:.0f} x"))
    table(f"a contract of {FIELDS:,} fields, each of another type than before", rows)
    print(f"  {peer / found['compatibility']:.0f} times the peer's speed, on one question that it can be asked too")
    counts = found["refutation"]
    listed = [
        (name, f"{counts[name]:,}", "") for name in ("pairs judged", "compatible", "instances tried", "refuted")
    ]
    table("trying to refute compatible verdicts", [("", "count", ""), *listed])


if __name__ == "__main__":
    main()
