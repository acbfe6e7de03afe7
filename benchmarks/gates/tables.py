"""The laboratory's figures as Markdown tables: worlds down, rules across."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from benchmarks.gates.cells import Cell, wilson
from benchmarks.gates.goals import Cells, Goal
from benchmarks.gates.replays import Replays
from benchmarks.gates.rule import Rule
from benchmarks.gates.worlds import BAD, GOOD, World


def report(cells: Cells, rules: Sequence[Rule], measured: Iterable[Goal], replays: Replays) -> str:
    """All tables."""
    parts = [
        "Good candidates rolled back (share of runs; the 95 % interval for Interlock in brackets):",
        _table(GOOD, rules, cells, _rolled_back),
        "Bad answers (or slow, or wrong ones) served beyond the baseline's, median; m: runs that never stopped it:",
        _table(BAD, rules, cells, _harm),
        "Requests that a bad candidate served, median:",
        _table(BAD, rules, cells, lambda cell: f"{cell.exposed:,.0f}"),
        "Seconds until a good candidate has 90 % of traffic, median (-: fewer than half of the runs got there):",
        _table(GOOD, rules, cells, lambda cell: "-" if cell.to_90_s is None else f"{cell.to_90_s:,.0f}"),
        "Goals (open: none seen beyond it, but so few runs that the 95 % interval reaches beyond it):",
        _goals(measured),
        _replays(replays),
        f"Replications: {_replications(cells, rules)}.",
    ]
    return "\n\n".join(parts)


def _replays(replays: Replays) -> str:
    return (
        f"Receipts: {replays.receipts:,} replayed, {replays.differ} with other bytes; {replays.differ_merged} with "
        "other bytes after the counts of four gateways were merged in another order."
    )


def _table(worlds: Sequence[World], rules: Sequence[Rule], cells: Cells, told: Callable[[Cell], str]) -> str:
    rows = [["world", *(rule.title for rule in rules)]]
    rows.append(["---", *("---:" for _ in rules)])
    for world in worlds:
        found = [cells.get((rule.name, world.name)) for rule in rules]
        if any(found):
            rows.append([world.title, *(told(cell) if cell else "" for cell in found)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _rolled_back(cell: Cell) -> str:
    share = f"{100 * cell.share_rolled_back:.1f} %"
    if not cell.rule.startswith("interlock"):
        return share
    low, high = wilson(cell.rolled_back, cell.runs)
    return f"**{share}** ({100 * low:.1f} to {100 * high:.1f})"


def _harm(cell: Cell) -> str:
    missed = f" (m {100 * cell.missed:.0f} %)" if cell.missed > 0 else ""
    figure = f"{cell.harm:,.0f}"
    return f"**{figure}**{missed}" if cell.rule.startswith("interlock") else figure + missed


def _goals(measured: Iterable[Goal]) -> str:
    head = ["| goal | measured | at most | |", "| --- | ---: | ---: | --- |"]
    rows = (f"| {g.says} | {g.told} | {g.goal:g} | {g.standing} |" for g in measured)
    return "\n".join([*head, *rows])


def _replications(cells: Cells, rules: Sequence[Rule]) -> str:
    runs = {rule.title: sorted({c.runs for (name, _), c in cells.items() if name == rule.name}) for rule in rules}
    return ", ".join(f"{title} {'/'.join(map(str, counts))}" for title, counts in runs.items() if counts)
