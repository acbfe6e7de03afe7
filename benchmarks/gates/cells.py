"""All rules in all worlds, kept on disk: a run that is cut short goes on where it stopped.

A cell is kept with the digest of the sources it came from; when the product's gates or the laboratory change, the
cells they touch are measured again.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import math
import statistics
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.gates import rule as rule_module
from benchmarks.gates import sticky, totals, traffic, trial, worlds
from benchmarks.gates.rule import Rule
from benchmarks.gates.trial import run_trial
from benchmarks.gates.worlds import WORLDS, World

import interlock.domain.gates.ramp

Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Cell:
    """One rule in one world. Medians are over all runs; to_90_s is the median of the runs that got there, None if
    fewer than half did.
    """

    rule: str
    world: str
    runs: int
    rolled_back: int
    harm: float
    exposed: float
    to_90_s: float | None

    @property
    def share_rolled_back(self) -> float:
        return self.rolled_back / self.runs

    @property
    def missed(self) -> float:
        return 1 - self.share_rolled_back


def wilson(hits: int, runs: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    p, z2 = hits / runs, Z_95**2
    middle = (p + z2 / (2 * runs)) / (1 + z2 / runs)
    half = Z_95 / (1 + z2 / runs) * math.sqrt(p * (1 - p) / runs + z2 / (4 * runs**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def measure(rule: Rule, world_name: str, runs: int, seed: int) -> Cell:
    """The cell, measured now."""
    world = WORLDS[world_name]
    found = run_trial(rule, world, runs, seed)
    arrived = [run.to_90_s for run in found if run.to_90_s is not None]
    return Cell(
        rule=rule.name,
        world=world.name,
        runs=runs,
        rolled_back=sum(run.was_rolled_back for run in found),
        harm=statistics.median(run.harm for run in found),
        exposed=statistics.median(run.exposed for run in found),
        to_90_s=statistics.median(arrived) if 2 * len(arrived) >= runs else None,
    )


@dataclass(frozen=True, slots=True)
class Job:
    """A cell to measure."""

    rule: Rule
    world: World
    runs: int
    seed: int

    @property
    def key(self) -> str:
        sources = fingerprint(self.rule)
        return f"{self.rule.name}/{self.world.name}/{self.runs}/{self.seed}/{sources}"


def fingerprint(rule: Rule) -> str:
    """Digest of all sources that a rule's cells depend on."""
    paths = [Path(inspect.getfile(m)) for m in (worlds, traffic, sticky, rule_module, totals, trial)]
    paths.append(Path(inspect.getfile(type(rule))))
    if type(rule).__module__ == "benchmarks.gates.ours":
        paths += judging()
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()[:16]


def judging() -> list[Path]:
    """The product's sources that a simulated verdict comes from: the ramp's module and what it imports, all the way
    down. Other modules of the product's gates (receipts, power, ...) do not touch a cell.
    """
    found, left = set[str](), [interlock.domain.gates.ramp.__name__]
    while left:
        name = left.pop()
        if name in found or not name.startswith(("interlock.domain.gates.", "interlock.domain.checks.")):
            continue
        found.add(name)
        imports = ast.walk(ast.parse(Path(inspect.getfile(sys.modules[name])).read_text()))
        left += [node.module for node in imports if isinstance(node, ast.ImportFrom) and node.module]
    return [Path(inspect.getfile(sys.modules[name])) for name in sorted(found)]


def measured(jobs: Sequence[Job], kept_at: Path, processes: int) -> Iterator[Cell]:
    """Every job's cell, from disk if it is there, else measured and kept."""
    kept = _read(kept_at)
    keys = {id(job): job.key for job in jobs}
    yield from (Cell(**kept[keys[id(job)]]) for job in jobs if keys[id(job)] in kept)
    due = [job for job in jobs if keys[id(job)] not in kept]
    if not due:
        return
    kept_at.parent.mkdir(parents=True, exist_ok=True)
    with kept_at.open("a") as file, ProcessPoolExecutor(processes) as pool:
        under_way = {pool.submit(measure, j.rule, j.world.name, j.runs, j.seed): j for j in due}
        for done in as_completed(under_way):
            cell = done.result()
            file.write(json.dumps({"key": keys[id(under_way[done])], "cell": asdict(cell)}) + "\n")
            file.flush()
            yield cell


def _read(kept_at: Path) -> dict[str, Any]:
    if not kept_at.exists():
        return {}
    whole = kept_at.read_text().rpartition("\n")[0]  # a killed run may leave half a line
    lines = (json.loads(line) for line in whole.splitlines())
    return {line["key"]: line["cell"] for line in lines}
