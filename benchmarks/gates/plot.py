"""The plot: bad answers served by bad candidates, one row for each world, one mark for each rule, on a log axis.

Marks differ in shape as well as in colour, and the page's dark mode is followed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from benchmarks.gates.goals import Cells
from benchmarks.gates.rule import Rule
from benchmarks.gates.worlds import BAD

WIDTH, LEFT, RIGHT, TOP, ROW = 860, 190, 24, 96, 26
DECADES = 6
COLOURS = (
    "#0b6e4f",
    "#57a773",
    "#b3541e",
    "#d98e04",
    "#3f5aa8",
    "#7a5195",
    "#a23b72",
    "#5c6b73",
    "#8a8d0f",
    "#1b98b5",
)
SHAPES = ("disc", "ring", "square", "frame", "diamond", "triangle", "cross", "bar", "kite", "plus")
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#222}.grid{stroke:#ccc}.faint{fill:#777}"
    "@media(prefers-color-scheme:dark){svg{background:#16181a}text{fill:#ddd}.grid{stroke:#444}.faint{fill:#999}}"
)


def plot(cells: Cells, rules: Sequence[Rule]) -> str:
    """An SVG document."""
    worlds = [world for world in BAD if any((rule.name, world.name) in cells for rule in rules)]
    height = TOP + ROW * len(worlds) + 40
    body = [*_legend(rules), *_axis(TOP + ROW * len(worlds))]
    for row, world in enumerate(worlds):
        y = TOP + ROW * row + ROW / 2
        body.append(f'<text x="{LEFT - 12}" y="{y + 4:.1f}" text-anchor="end">{escape(world.title)}</text>')
        for k, rule in reversed(list(enumerate(rules))):
            if cell := cells.get((rule.name, world.name)):
                told = f"{rule.title}, {world.title}: {cell.harm:,.0f}; never stopped in {cell.missed:.0%}"
                body.append(f"<g><title>{escape(told)}</title>{_mark(k, _x(cell.harm), y)}</g>")
    says = "Bad answers served beyond the baseline's, median, by rule and world"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{says}">'
    return "\n".join([head, f"<style>{STYLE}</style>", *body, "</svg>", ""])


def _x(harm: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * min(DECADES, math.log10(max(1.0, harm))) / DECADES


def _axis(bottom: float) -> Iterator[str]:
    for decade in range(DECADES + 1):
        x = _x(10.0**decade)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}"/>'
        yield f'<text class="faint" x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{10**decade:,}</text>'
    middle = (LEFT + WIDTH - RIGHT) / 2
    says = "bad answers served beyond the baseline's"
    yield f'<text x="{middle}" y="{bottom + 34}" text-anchor="middle">{says}</text>'


def _legend(rules: Sequence[Rule]) -> Iterator[str]:
    for k, rule in enumerate(rules):
        x, y = 20 + (k % 4) * 210, 20 + (k // 4) * 24
        yield _mark(k, x, y)
        yield f'<text x="{x + 12}" y="{y + 4}">{escape(rule.title)}</text>'


def _mark(k: int, x: float, y: float) -> str:
    colour = COLOURS[k % len(COLOURS)]
    paths = {
        "square": "M-5-5h10v10h-10z",
        "frame": "M-5-5h10v10h-10z",
        "diamond": "M0-7L7 0 0 7-7 0z",
        "triangle": "M0-6L6 5H-6z",
        "cross": "M-5-5L5 5M5-5L-5 5",
        "bar": "M0-7V7",
        "plus": "M0-6V6M-6 0H6",
        "kite": "M0 6L6-5H-6z",
    }
    shape = SHAPES[k % len(SHAPES)]
    is_open = shape in ("ring", "frame", "cross", "bar", "plus")
    ink = f'fill="none" stroke="{colour}" stroke-width="2.5"' if is_open else f'fill="{colour}"'
    at = f'transform="translate({x:.1f} {y:.1f})"'
    return f'<path d="{paths[shape]}" {at} {ink}/>' if shape in paths else f'<circle r="6" {at} {ink}/>'
