"""Measures all rules in all worlds: `python -m benchmarks.gates [--quick] [--replications N]`.

Prints the tables, and puts them between the markers of docs/benchmarks.md and the plot beside it. Cells are kept,
so a run that is cut short goes on where it stopped. --quick measures a few runs of each cell and changes no page.
By default a cell has 50 runs of Interlock's ramp (800 where its goal is 1 %, which fewer cannot tell), 20
of its fixed steps, and 150 of the others.
"""

from __future__ import annotations

import argparse
import platform
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gates.cells import Job, measured
from benchmarks.gates.goals import goals
from benchmarks.gates.kayenta import Kayenta
from benchmarks.gates.ours import InterlockRamp, InterlockSteps, decision_ms
from benchmarks.gates.platforms import GrowthBook, Spotify
from benchmarks.gates.plot import plot
from benchmarks.gates.replays import replay_receipts
from benchmarks.gates.rule import Rule
from benchmarks.gates.shadow import shadow_times
from benchmarks.gates.tables import report
from benchmarks.gates.thresholds import ARGO, ARGO_TUNED, FLAGGER, FLAGGER_FAST
from benchmarks.gates.worlds import WORLDS, World

ROOT = Path(__file__).parents[2]
PAGE, PLOT = ROOT / "docs" / "benchmarks.md", ROOT / "docs" / "benchmarks-gates.svg"
KEPT = ROOT / ".interlock" / "benchmarks" / "gates.jsonl"
PEERS: tuple[Rule, ...] = (FLAGGER, FLAGGER_FAST, ARGO, ARGO_TUNED, Kayenta(), GrowthBook(), Spotify())
PRODUCT: tuple[Rule, ...] = (
    InterlockRamp(),
    InterlockRamp("interlock_1s", "Interlock, 1 s blocks", block_s=1.0),
    InterlockSteps(),
)
FINE_WORLDS = ("bad_1", "bad_5", "total", "total_1000")
"""Where blocks of a second are tried too."""
OFTEN = {"bursty": 800}
"""Worlds whose goal is a share that 50 runs cannot tell."""
SEED = 20_240_501
"""Of the published figures; another seed gives other worlds."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is not kept yet, then print and write."""
    asked = _asked(arguments)
    begun = time.monotonic()
    jobs = _jobs(asked)
    cells = {}
    for done, cell in enumerate(measured(jobs, asked.kept, asked.processes), start=1):
        cells[cell.rule, cell.world] = cell
        spent_s = time.monotonic() - begun
        if done % 10 == 0 or done == len(jobs):
            print(f"{done} of {len(jobs)} cells, {spent_s:.0f} s", file=sys.stderr, flush=True)
    replays = replay_receipts(50 if asked.quick else 1_000, asked.seed)
    rules = [rule for rule in (*PRODUCT, *PEERS) if any(name == rule.name for name, _ in cells)]
    shadow = shadow_times(2 if asked.quick else 20, asked.seed)
    told = report(cells, rules, goals(cells, shadow, decision_ms("wrong_3", 400, asked.seed)), replays)
    print(f"\n{told}\n\ntook {time.monotonic() - begun:.0f} s")
    if not asked.quick and not asked.rules and not asked.worlds:
        PLOT.write_text(plot(cells, rules))
        PAGE.write_text(replaced(PAGE.read_text(), told))


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gates", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few runs of each cell; changes no page")
    parser.add_argument(
        "--replications",
        type=int,
        help="runs of each cell (default 50, 20, 150)",
    )
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--rules", nargs="*", help="only these; changes no page")
    parser.add_argument("--worlds", nargs="*", choices=sorted(WORLDS), help="only these; changes no page")
    parser.add_argument("--kept", type=Path, default=KEPT, help="where measured cells are kept")
    return parser.parse_args(arguments)


def _jobs(asked: argparse.Namespace) -> list[Job]:
    return [
        Job(rule, world, _runs(asked, rule, world), asked.seed)
        for rule in (*PEERS, *PRODUCT)
        if not asked.rules or rule.name in asked.rules
        for world in WORLDS.values()
        if not asked.worlds or world.name in asked.worlds
        if rule.block_s == PRODUCT[0].block_s or world.name in FINE_WORLDS
    ]


def _runs(asked: argparse.Namespace, rule: Rule, world: World) -> int:
    """How often a cell is run; those of the product cost most."""
    if asked.replications:
        return int(asked.replications)
    if asked.quick:
        return 3 if rule in PRODUCT else 10
    if rule in PEERS:
        return 150
    if isinstance(rule, InterlockSteps):
        return 20
    return OFTEN.get(world.name, 50)


def replaced(page: str, told: str) -> str:
    """The page with what is between its markers replaced; ValueError without markers."""
    system = f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}"
    section = f"\n![Bad answers served, by rule and world](benchmarks-gates.svg)\n\n{told}\n\n"
    section += f"Measured on {system}, with `python -m benchmarks.gates`.\n"
    fresh, count = re.subn(
        r"(<!-- gates -->\n).*?(<!-- /gates -->)", lambda m: m[1] + section + m[2], page, flags=re.DOTALL
    )
    if count != 1:
        raise ValueError("the page has no section for gates; add <!-- gates --> and <!-- /gates -->")
    return fresh


if __name__ == "__main__":
    main()
