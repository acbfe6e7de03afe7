"""Drift: how far two shapes lie apart, as an effect with a floor for the noise of sampling; never a bare p-value.

The effect is always a share of records, between 0 and 1:
- `absent`, `outside`: the difference of the two shares;
- `values` of numbers: the largest difference of the cumulative shares (Kolmogorov and Smirnov). Its floor is the
  inequality of Dvoretzky, Kiefer and Wolfowitz for two samples (Wei and Dudley 2012), which holds for any grid;
- `values` of words: the share of records that would need another word (total variation). The floor is the expected
  distance of two samples of one population (Jensen's bound, with pooled shares) and what it varies by (McDiarmid).

`effect - floor` is what is surely there. The floors hold for all fields together and for every look of a series
that numbers its looks: the k-th one spends alpha / (k (k + 1)).

Limits: records are taken as independent; a few callers with many records each make noise look like drift.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, assert_never

from interlock.domain.checks.bins import Bins, cumulative
from interlock.domain.checks.shape import (
    OTHER_WORD,
    FieldShape,
    Layout,
    LayoutsDiffer,
    Numbers,
    Opaque,
    Shape,
    Words,
    quantile,
)
from interlock.domain.checks.share import share_bounds

Aspect = Literal["absent", "outside", "values"]
ASPECTS = 3


@dataclass(frozen=True, slots=True)
class Drift:
    """One aspect of one field. effect and floor: shares, see the module; reference, observed: values compared."""

    field: str
    aspect: Aspect
    effect: float
    floor: float
    reference: int
    observed: int
    says: str
    segment: str = ""

    @property
    def at_least(self) -> float:
        """What is surely there, 0 when all of it may be noise."""
        return max(0.0, self.effect - self.floor)

    def is_above(self, tolerated: float) -> bool:
        """Whether the drift is surely more than `tolerated`."""
        return self.at_least > tolerated

    def __str__(self) -> str:
        place = f" in segment {self.segment}" if self.segment else ""
        return f"{self.field}{place}: {self.says} (effect {self.effect:.3f}, noise up to {self.floor:.3f})"


def drifts(
    reference: Shape, observed: Shape, layout: Layout, alpha: float = 0.01, look: int = 1
) -> tuple[Drift, ...]:
    """Every aspect that both shapes have records for, the surest first. Shapes of another layout: LayoutsDiffer.

    look: which look of a series this is, from 1; alpha bounds the chance of any false `at_least` in all of them.
    """
    return drifts_by_segment({"": reference}, {"": observed}, layout, alpha, look)


def drifts_by_segment(
    reference: Mapping[str, Shape],
    observed: Mapping[str, Shape],
    layout: Layout,
    alpha: float = 0.01,
    look: int = 1,
) -> tuple[Drift, ...]:
    """The same for several segments of the records; alpha is shared among them."""
    both = sorted(set(reference) & set(observed))
    each = alpha / (look * (look + 1)) / max(ASPECTS * len(layout.fields) * len(both), 1)
    found = [d for s in both for d in _of_segment(s, reference[s], observed[s], layout, each)]
    return tuple(sorted(found, key=lambda d: (-d.at_least, -d.effect, d.segment, d.field, d.aspect)))


def _of_segment(segment: str, a: Shape, b: Shape, layout: Layout, alpha: float) -> Iterator[Drift]:
    if {a.layout, b.layout} - {layout.digest, ""}:
        raise LayoutsDiffer("a shape was counted with another layout than the one it is compared by")
    for one in layout.fields:
        name = one.field.name
        x, y = a.fields.get(name, FieldShape()), b.fields.get(name, FieldShape())
        yield from _share("absent", name, (x.absent, _read(a)), (y.absent, _read(b)), alpha, segment)
        present = _read(a) - x.absent, _read(b) - y.absent
        yield from _share("outside", name, (x.outside, present[0]), (y.outside, present[1]), alpha, segment)
        yield from _values(name, layout, x.values, y.values, alpha, segment)


def _read(shape: Shape) -> int:
    return shape.records - shape.unreadable


def _share(
    aspect: Aspect, name: str, a: tuple[int, int], b: tuple[int, int], alpha: float, segment: str
) -> Iterator[Drift]:
    if not a[1] or not b[1]:
        return
    (low_a, high_a), (low_b, high_b) = share_bounds(*a, alpha / 2), share_bounds(*b, alpha / 2)
    p, q = a[0] / a[1], b[0] / b[1]
    effect = abs(q - p)
    surely = max(0.0, low_b - high_a, low_a - high_b)
    verb = "is absent" if aspect == "absent" else "is outside of its contract"
    says = f"{verb} in {q:.2%} of records, in the reference in {p:.2%}"
    yield Drift(name, aspect, effect, effect - surely, a[1], b[1], says, segment)


def _values(name: str, layout: Layout, a: Bins, b: Bins, alpha: float, segment: str) -> Iterator[Drift]:
    n, m = sum(a.values()), sum(b.values())
    if not n or not m:
        return
    spread = 1 / n + 1 / m
    match layout.split(name):
        case Numbers(grid=grid):
            keys = sorted({*a, *b})
            ahead = zip(cumulative(a, keys), cumulative(b, keys), strict=True)
            effect = max(abs(x - y) for x, y in ahead)
            floor = math.sqrt(math.log(2 / alpha) / 2 * spread)
            medians = [f"{quantile(bins, grid, 0.5):.4g}" for bins in (b, a)]
            says = f"median {medians[0]}, in the reference {medians[1]}"
            if medians[0] == medians[1]:
                says = f"{effect:.2%} of values lie elsewhere; the median is near {medians[0]} in both"
        case Words(words=words):
            keys = sorted({*a, *b})
            p, q = {k: a.get(k, 0) / n for k in keys}, {k: b.get(k, 0) / m for k in keys}
            effect = sum(abs(p[k] - q[k]) for k in keys) / 2
            floor = _noise_of_words(a, b, keys, spread) + math.sqrt(math.log(1 / alpha) / 2 * spread)
            most = max(keys, key=lambda k: (abs(p[k] - q[k]), -k))
            word = "other words" if most == OTHER_WORD else repr(words[most])
            says = f"{word} in {q[most]:.2%} of values, in the reference in {p[most]:.2%}"
        case Opaque():
            return
        case never:
            assert_never(never)
    yield Drift(name, "values", effect, floor, n, m, says, segment)


def _noise_of_words(a: Bins, b: Bins, keys: list[int], spread: float) -> float:
    total = sum(a.values()) + sum(b.values())
    pooled = [(a.get(k, 0) + b.get(k, 0)) / total for k in keys]
    return sum(math.sqrt(p * (1 - p) * spread) for p in pooled) / 2
