"""How the Protobuf differ's verdicts stand up to real messages, and to the cases of a public suite.

Random pairs of schemas are judged; then messages are encoded with the writer's and decoded with the reader's
schema by google.protobuf. A yes that a message refutes is UNSAFE. A no that no message refutes may be too strict,
or about what a few messages do not show (a message that is gone, a member of a oneof that is not read).

`python -m benchmarks.protobuf_reads DIRECTORY` also asks the questions of Confluent Schema Registry's
`diff-schema-examples*.json` (protobuf-provider); it is searched below DIRECTORY and is no part of this project.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path
from typing import Any

from benchmarks.protobuf_wire import pairs, refutation

from interlock.domain.schemas.protobuf.compile import Compiled, compile_schema
from interlock.domain.schemas.protobuf.reads import reads

SEED = 2013
PAIRS = 2000
TRIES = 8


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path, nargs="?")
    directory: Path | None = parser.parse_args().directory
    wire()
    if directory is not None:
        suite(directory)


def wire() -> None:
    chance = random.Random(SEED)
    counts = {(said, refuted): 0 for said in (True, False) for refuted in (True, False)}
    spent = 0.0
    for writer, reader in pairs(SEED, PAIRS):
        begun = time.perf_counter()
        said = is_read(reader, writer)
        spent += time.perf_counter() - begun
        counts[said, refutation(writer, reader, chance, TRIES) != ""] += 1
    print(f"{PAIRS} random pairs, up to {2 * TRIES} messages each, {spent / PAIRS * 1e6:.0f} us a verdict")
    print(f"{'':<6}{'pairs':>8}{'refuted by a message':>24}")
    for said in (True, False):
        total = counts[said, True] + counts[said, False]
        warning = "  UNSAFE" if said and counts[said, True] else ""
        print(f"{'yes' if said else 'no':<6}{total:>8}{counts[said, True]:>24}{warning}")


def is_read(reader: Compiled, writer: Compiled, *, is_lenient: bool = False) -> bool:
    return not any(r.is_blocking for r in reads(reader.file, writer.file, is_lenient=is_lenient))


def suite(directory: Path) -> None:
    """Agreement with the suite; its schemas that are named by file are looked for as well."""
    cases: list[dict[str, Any]] = []
    for path in sorted(directory.rglob("diff-schema-examples*.json")):
        found = json.loads(path.read_text())
        if "syntax" in found[0]["original_schema"] or found[0]["original_schema"].endswith(".proto"):
            cases += found
    print(f"\n{'policy':<10}{'cases':>8}{'agree':>8}{'too strict':>12}{'UNSAFE':>8}")
    for is_lenient in (False, True):
        agree = strict = unsafe = 0
        for case in cases:
            writer, reader = (sources(directory, case, side) for side in ("original", "update"))
            said = is_read(reader, writer, is_lenient=is_lenient)
            agree += said == case["compatible"]
            strict += case["compatible"] and not said
            unsafe += said and not case["compatible"]
        print(f"{'lenient' if is_lenient else 'strict':<10}{len(cases):>8}{agree:>8}{strict:>12}{unsafe:>8}")


def sources(directory: Path, case: dict[str, Any], side: str) -> Compiled:
    text = case[f"{side}_schema"]
    given = (d for d in case.get(f"{side}_dependencies") or [] if not d["name"].startswith("google/"))
    imports = {d["name"]: d.get("dependency") or in_file(directory, d["name"]) for d in given}
    return compile_schema(in_file(directory, text) if text.endswith(".proto") else text, imports)


def in_file(directory: Path, name: str) -> str:
    return next(directory.rglob(f"**/{name}")).read_text()


if __name__ == "__main__":
    main()
