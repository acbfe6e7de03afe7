"""The power of gates as a picture: plain SVG that follows the reader's light or dark setting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from interlock.domain.gates.power import Reach

LEFT, TOP, ROW, WIDTH, RIGHT = 250, 84, 26, 520, 30
COLOURS = ("#2166ac", "#b2182b", "#1b7837", "#8c510a", "#762a83", "#01665e")
STYLE = """
:root { --ink: #1f2328; --soft: #d0d7de; --paper: #ffffff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #444c56; --paper: #0d1117; } }
text { font: 12px system-ui, sans-serif; fill: var(--ink); } .title { font-size: 15px; font-weight: 600; }
.paper { fill: var(--paper); } .grid { stroke: var(--soft); }
.pass { fill: var(--paper); stroke-width: 2; }
@media (prefers-color-scheme: dark) { .mark { filter: brightness(1.6); } }
"""


def power_plot(title: str, reaches: Sequence[Reach], horizon_s: float) -> str:
    """One row per difference, one colour per weight, seconds to the verdict on a logarithmic axis. A filled circle
    is Fail, an open one Pass, an arrow at the edge means undecided at the horizon.
    """
    rows = list(dict.fromkeys(r.harm.name for r in reaches))
    weights = list(dict.fromkeys(r.weight_bp for r in reaches))
    height = TOP + ROW * len(rows) + 50
    total = LEFT + WIDTH + RIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {height}" role="img" aria-labelledby="t d">',
        f'<title id="t">{escape(title)}</title>',
        '<desc id="d">Seconds to Fail or Pass for each difference and weight, as in the text table.</desc>',
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{total}" height="{height}"/>',
        f'<text class="title" x="16" y="26">{escape(title)}</text>',
        *_legend(weights),
        *_axis(horizon_s, TOP + ROW * len(rows)),
    ]
    for number, name in enumerate(rows):
        y = TOP + ROW * number + ROW / 2
        parts.append(f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y}" y2="{y}"/>')
        middle = (len(weights) - 1) / 2
        for reach in (r for r in reaches if r.harm.name == name):
            place = weights.index(reach.weight_bp)
            parts.append(_mark(reach, place, y + 4 * (place - middle), horizon_s))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _x(seconds: float, horizon_s: float) -> float:
    return LEFT + WIDTH * math.log(max(1.0, seconds)) / math.log(max(2.0, horizon_s))


def _axis(horizon_s: float, bottom: float) -> list[str]:
    named = [(1, "1 s"), (10, "10 s"), (60, "1 min"), (600, "10 min"), (3_600, "1 h"), (36_000, "10 h")]
    parts = []
    for seconds, name in named:
        if seconds <= horizon_s:
            x = _x(seconds, horizon_s)
            parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}"/>')
            parts.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{name}</text>')
    return [*parts, f'<text x="{LEFT + WIDTH}" y="{bottom + 38}" text-anchor="end">time to the verdict</text>']


def _legend(weights: Sequence[int]) -> list[str]:
    parts, x = ['<text x="16" y="52">filled: Fail, open: Pass; candidate\'s share</text>'], LEFT + 20
    for number, weight in enumerate(weights):
        colour = COLOURS[number % len(COLOURS)]
        parts.append(f'<circle class="mark" cx="{x}" cy="48" r="5" fill="{colour}"/>')
        parts.append(f'<text x="{x + 10}" y="52">{weight / 100:g} %</text>')
        x += 70
    return parts


def _mark(reach: Reach, number: int, y: float, horizon_s: float) -> str:
    colour, x = COLOURS[number % len(COLOURS)], _x(reach.seconds, horizon_s)
    told = f"{reach.harm.name} at {reach.weight_bp / 100:g} %: {reach.verdict} after {reach.seconds:g} s"
    title = f"<title>{escape(told)}</title>"
    match reach.verdict:
        case "fail":
            return f'<circle class="mark" cx="{x:.1f}" cy="{y}" r="5" fill="{colour}">{title}</circle>'
        case "pass":
            return f'<circle class="mark pass" cx="{x:.1f}" cy="{y}" r="5" stroke="{colour}">{title}</circle>'
        case "undecided":
            points = f"{x - 5:.1f},{y - 5} {x + 5:.1f},{y} {x - 5:.1f},{y + 5}"
            return f'<polygon class="mark" points="{points}" fill="{colour}">{title}</polygon>'
