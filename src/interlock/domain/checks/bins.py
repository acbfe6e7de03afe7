"""Sparse histograms over fixed grids. Two histograms over the same grid add; over different grids they do not mean
the same and must not meet.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from interlock.domain.checks.evidence import Bins

__all__ = ["SIGNED_LOG", "Bins", "Edges", "Grid", "SignedLog", "add_bins", "cumulative", "even_edges", "middle_of"]


def add_bins(a: Bins, b: Bins) -> dict[int, int]:
    """Counts of both, sorted by bin."""
    out = dict(a)
    for k, n in b.items():
        out[k] = out.get(k, 0) + n
    return {k: n for k, n in sorted(out.items()) if n}


@dataclass(frozen=True, slots=True)
class SignedLog:
    """Bins of equal ratio on both sides of zero: bin 0 holds |x| below `zero`, bin i holds x from zero * f**(i-1),
    f = 2**(1/`per_octave`), and bin -i the mirror image. What is beyond `largest` counts in the outermost bins.
    """

    zero: float = 1e-9
    per_octave: int = 8
    largest: float = 1e15
    kind: Literal["signed-log"] = "signed-log"

    def bin(self, x: float) -> int:
        size = min(abs(x), self.largest)
        if size < self.zero:
            return 0
        steps = 1 + math.floor(math.log2(size / self.zero) * self.per_octave + 1e-9)
        return steps if x > 0 else -steps


@dataclass(frozen=True, slots=True)
class Edges:
    """Bin i holds edges[i-1] <= x < edges[i]; the first and the last bin are open. Edges rise strictly."""

    edges: tuple[float, ...]
    kind: Literal["edges"] = "edges"

    def bin(self, x: float) -> int:
        return bisect_right(self.edges, x)


Grid = SignedLog | Edges
SIGNED_LOG = SignedLog()


def even_edges(low: float, high: float, bins: int) -> Edges:
    """`bins` bins of equal width within [low, high], and one open bin on each side."""
    inner = tuple(low + (high - low) * i / bins for i in range(bins))
    return Edges((*inner, math.nextafter(high, math.inf)))


def quantile_edges(values: Sequence[float], bins: int) -> Edges:
    """Edges so that each of at most `bins` bins holds about as many of `values`. A value that takes a bin's part
    alone gets a bin of its own, so that a constant that moves is seen, whichever way it goes.
    """
    ordered = sorted(values)
    cuts = [ordered[len(ordered) * i // bins] for i in range(1, bins)] if ordered else []
    alone = {math.nextafter(a, math.inf) for a, b in pairwise(cuts) if a == b}
    return Edges(tuple(sorted({*cuts, *alone})))


def middle_of(grid: Grid, index: int) -> float:
    """A value that stands for the bin: its (geometric) middle, or its edge where the bin is open."""
    match grid:
        case SignedLog():
            if index == 0:
                return 0.0
            size = grid.zero * 2 ** ((abs(index) - 0.5) / grid.per_octave)
            return math.copysign(size, index)
        case Edges(edges=edges):
            if not edges:
                return 0.0
            if index <= 0 or index >= len(edges):
                return edges[0] if index <= 0 else edges[-1]
            return (edges[index - 1] + edges[index]) / 2


def cumulative(bins: Bins, keys: Sequence[int]) -> list[float]:
    """Share of the counts at or below each of `keys`, which rise; zeros when there are no counts."""
    total = sum(bins.values())
    out, seen = [], 0
    for key in keys:
        seen += bins.get(key, 0)
        out.append(seen / total if total else 0.0)
    return out
