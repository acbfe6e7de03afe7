"""Small line plots as hand-written SVG: colours come from the page's style, so light and dark both work.

Each plot states its data twice: as lines, told apart by colour, dash and a label, and as a table to unfold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 560, 230
LEFT, RIGHT, TOP, BOTTOM = 52, 112, 24, 30
LABEL_GAP = 14
"""Least distance of two labels at the ends of lines, in the units of the drawing."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line; `style` is its CSS class; `gap_s`: points further apart than this are not joined."""

    label: str
    style: str
    points: Points
    gap_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Plot:
    """One figure. `seconds`: the end of the x axis; `top`: the least end of the y axis; `marks`: numbered
    instants; `show` writes a value for people.
    """

    title: str
    says: str
    lines: Sequence[Line]
    seconds: float
    show: Callable[[float], str]
    top: float = 0.0
    marks: Sequence[float] = ()
    is_filled: bool = False


@dataclass(frozen=True, slots=True)
class _Scale:
    seconds: float
    top: float

    def x(self, t: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * min(max(t / self.seconds, 0.0), 1.0), 1)

    def y(self, value: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(max(value / self.top, 0.0), 1.0), 1)


def nice_step(span: float, parts: int) -> float:
    """The smallest of 1, 2 or 5 times a power of ten that needs at most `parts` steps for `span`."""
    power = 10.0 ** math.floor(math.log10(span / parts))
    return next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= parts + 1e-9)


def draw(plot: Plot) -> str:
    """A <figure> with the drawing, what it says, and its data as a table."""
    highest = max([plot.top, *(value for line in plot.lines for _, value in line.points)]) or 1.0
    step = nice_step(highest, 4)
    scale = _Scale(max(plot.seconds, 1e-9), step * math.ceil(highest / step - 1e-9))
    parts = [*_axes(plot, scale, step), *_marks(plot, scale)]
    for line in plot.lines:
        parts += _line(line, scale, plot.is_filled)
    parts += _labels(plot, scale)
    return (
        f"<figure><figcaption><strong>{escape(plot.title)}</strong> {escape(plot.says)}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(plot.title)}. {escape(plot.says)}">'
        f"{''.join(parts)}</svg>{_table(plot)}</figure>"
    )


def _axes(plot: Plot, scale: _Scale, step: float) -> Iterator[str]:
    for number in range(round(scale.top / step) + 1):
        y = scale.y(number * step)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
        yield f'<text class="tick end" x="{LEFT - 8}" y="{y + 4}">{escape(plot.show(number * step))}</text>'
    every = nice_step(scale.seconds, 6)
    for number in range(int(scale.seconds / every) + 1):
        x = scale.x(number * every)
        yield f'<text class="tick middle" x="{x}" y="{HEIGHT - BOTTOM + 18}">{number * every:g} s</text>'


def _marks(plot: Plot, scale: _Scale) -> Iterator[str]:
    """Numbers that would cover one another are drawn one beside the other."""
    last_x = -math.inf
    for number, at in enumerate(plot.marks, 1):
        x = scale.x(at)
        last_x = max(x, last_x + 15)
        yield f'<line class="mark" x1="{x}" x2="{x}" y1="{TOP - 6}" y2="{HEIGHT - BOTTOM}"/>'
        yield f'<circle class="mark-dot" cx="{last_x}" cy="{TOP - 13}" r="7.5"/>'
        yield f'<text class="mark-number" x="{last_x}" y="{TOP - 9.5}">{number}</text>'


def _line(line: Line, scale: _Scale, is_filled: bool) -> Iterator[str]:
    for run in joined(line):
        spots = " ".join(f"{scale.x(t)},{scale.y(value)}" for t, value in run)
        if is_filled and len(run) > 1:
            ends = f"{scale.x(run[0][0])},{scale.y(0)} {spots} {scale.x(run[-1][0])},{scale.y(0)}"
            yield f'<polygon class="area {line.style}" points="{ends}"/>'
        if len(run) == 1:
            yield f'<circle class="dot {line.style}" cx="{scale.x(run[0][0])}" cy="{scale.y(run[0][1])}" r="2.5"/>'
        else:
            yield f'<polyline class="line {line.style}" points="{spots}"/>'


def joined(line: Line) -> list[list[tuple[float, float]]]:
    """The points in runs that are drawn as one stroke."""
    runs: list[list[tuple[float, float]]] = []
    for point in line.points:
        if not runs or point[0] - runs[-1][-1][0] > line.gap_s:
            runs.append([])
        runs[-1].append(point)
    return runs


def _labels(plot: Plot, scale: _Scale) -> Iterator[str]:
    """Each line's name in the right margin, at the height where the line ends, and never over another."""
    drawn = [line for line in plot.lines if line.points]
    ends = sorted(((scale.y(line.points[-1][1]), line) for line in drawn), key=lambda end: end[0])
    above = -math.inf
    heights = []
    for y, line in ends:
        above = max(y, above + LABEL_GAP)
        heights.append((above, line))
    overflow = max(0.0, above - (HEIGHT - BOTTOM))
    x = WIDTH - RIGHT + 8
    for y, line in heights:
        yield f'<text class="name {line.style}" x="{x}" y="{y + 4 - overflow:.1f}">{escape(line.label)}</text>'


def _table(plot: Plot) -> str:
    times = sorted({t for line in plot.lines for t, _ in line.points})
    values = [dict(line.points) for line in plot.lines]
    head = "".join(f'<th scope="col">{escape(line.label)}</th>' for line in plot.lines)
    rows = "".join(
        f'<tr><th scope="row">{t:g}</th>'
        + "".join(f"<td>{escape(plot.show(v[t])) if t in v else '–'}</td>" for v in values)
        + "</tr>"
        for t in times
    )
    return (
        '<details><summary>as a table</summary><div class="scroll" tabindex="0"><table><thead><tr>'
        f'<th scope="col">second</th>{head}</tr></thead><tbody>{rows}</tbody></table></div></details>'
    )
