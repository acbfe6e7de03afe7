"""Whether data moved: between training and serving, or between a reference and the present.

`drift` compares two samples column by column by an effect size, never by a bare p-value: with many rows every
tiny shift is significant, and with few no sample looks like another. So a column fails only when its distance is
above the declared limit by more than noise, and passes only when limit and noise together leave room. The noise
floor, which two samples of these sizes from one law exceed with a chance of alpha, is shown beside each distance.

| metric | for | value | noise |
|---|---|---|---|
| jensen_shannon | any column | distance, 0 to 1, base 2 (Lin 1991) | (1/n + 1/m)/(8 ln 2) |
| psi | any column | population stability index, Jeffreys' half added to each count | (1/n + 1/m) (Yurdakul 2018) |
| standardised_difference | numbers | difference of means over the pooled standard deviation | (1/n + 1/m) |

The right column times a chi-square variable with (bins - 1) degrees of freedom, or 1, is the square of the noise:
an approximation, good when bins hold at least five rows of each sample; rarer categories are put together.

`skew` compares the same rows computed twice, for training and for serving, value by value.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal, assert_never, get_args

from interlock.domain.checks.check import (
    CheckInvalid,
    Fail,
    Measurement,
    Part,
    Threshold,
    Undecided,
    at_most,
    no_rows,
    overall,
    telling,
)
from interlock.domain.checks.measures.columns import Column, aligned, is_missing, plain_values
from interlock.domain.checks.measures.judge import ALPHA, judge_parts
from interlock.domain.checks.measures.laws import Law, Norm, Share, squared

Distance = Literal["jensen_shannon", "psi", "standardised_difference"]
DISTANCES: tuple[Distance, ...] = get_args(Distance)

LEAST_ROWS = 30
"""With fewer rows in either sample nothing is said about its law."""

LEAST_PER_BIN = 5

NULL, RARE = "(null)", "(rare)"


def drift(
    reference: Mapping[str, Column],
    present: Mapping[str, Column],
    *,
    limit: float,
    metric: Distance = "jensen_shannon",
    bins: int = 10,
    alpha: float = ALPHA,
) -> Measurement:
    """Each column of `reference` against the same column of `present`; its distance is at most `limit`.

    Failures hold for all columns together (Holm); all must pass. A column that is not in `present` fails.
    """
    if metric not in DISTANCES:
        raise CheckInvalid(f"there is no metric {metric!r}", remedy=f"Use one of {', '.join(DISTANCES)}.")
    threshold = at_most(limit)
    laws: dict[str, Law] = {}
    facts: dict[str, dict[str, Any]] = {}
    others: list[Part] = []
    for name, column in reference.items():
        if name not in present:
            others.append(Part(name, Fail("the column is not there any more")))
            continue
        law = _distance(plain_values(column), plain_values(present[name]), metric, bins)
        if isinstance(law, Norm):
            laws[name] = law if metric != "psi" else squared(law)
            floor = law.floor(alpha)
            facts[name] = {"noise_floor": floor if metric != "psi" else floor**2}
        else:
            others.append(Part(name, law))
    found = [Part(p.name, p.verdict, p.estimate, facts[p.name]) for p in judge_parts(laws, threshold, alpha)]
    return _gathered("drift", metric, threshold, found + others)


def skew(
    training: Mapping[str, Column],
    serving: Mapping[str, Column],
    *,
    limit: float,
    tolerance: float = 1e-6,
    alpha: float = ALPHA,
) -> Measurement:
    """Per column, the share of rows whose two values differ, at most `limit`. Rows of both are the same, in one
    order. tolerance: how far numbers may differ, relative to the larger (and absolutely below 1); anything else
    must be equal.
    """
    threshold, statistic = at_most(limit), "share of rows that differ"
    laws: dict[str, Law] = {}
    others: list[Part] = []
    for name, column in training.items():
        if name not in serving:
            others.append(Part(name, Fail("serving does not have the column")))
            continue
        pairs = list(zip(*aligned(training=column, serving=serving[name]), strict=True))
        if pairs:
            laws[name] = Share(sum(not _is_same(a, b, tolerance) for a, b in pairs), len(pairs))
        else:
            others.append(Part(name, Undecided("there are no rows", "rows to compare")))
    return _gathered("skew", statistic, threshold, judge_parts(laws, threshold, alpha) + others)


def _gathered(
    kind: Literal["drift", "skew"], statistic: str, threshold: Threshold, found: list[Part]
) -> Measurement:
    if not found:
        return no_rows(kind, statistic, threshold, "columns")
    parts = tuple(sorted(found, key=lambda part: part.name))
    verdict = overall((part.name, part.verdict) for part in parts)
    return Measurement(kind, statistic, verdict, telling(parts), threshold, parts, {"multiplicity": "Holm"})


def _too_few(n: int, m: int) -> Undecided:
    return Undecided(f"{n} rows against {m} say nothing about their law", f"{LEAST_ROWS} rows with values in each")


def _distance(reference: list[Any], present: list[Any], metric: Distance, bins: int) -> Norm | Fail | Undecided:
    """The distance of two columns, or the verdict that needs none."""
    match metric:
        case "jensen_shannon" | "psi":
            if min(len(reference), len(present)) < LEAST_ROWS:
                return _too_few(len(reference), len(present))
            return _binned(*_tables(reference, present, bins), metric)
        case "standardised_difference":
            return _standardised(_filled(reference), _filled(present))
        case _:
            assert_never(metric)


def _filled(column: list[Any]) -> list[float]:
    values = [v for v in column if not is_missing(v)]
    if any(not _is_number(v) for v in values):
        raise CheckInvalid("a standardised difference is for numbers", remedy="Use jensen_shannon for this column.")
    return values


def _standardised(reference: list[float], present: list[float]) -> Norm | Fail | Undecided:
    n, m = len(reference), len(present)
    if min(n, m) < LEAST_ROWS:
        return _too_few(n, m)
    means = math.fsum(reference) / n, math.fsum(present) / m
    squares = [math.fsum((x - mean) ** 2 for x in xs) for xs, mean in zip((reference, present), means, strict=True)]
    spread = math.sqrt((squares[0] + squares[1]) / (n + m - 2))
    noise = math.sqrt(1 / n + 1 / m)
    difference = abs(means[0] - means[1])
    if not spread and difference:
        return Fail(f"always {means[0]:g} before, always {means[1]:g} now")
    return Norm(difference / spread if spread else 0.0, noise, 1, min(n, m))


def _binned(reference: Counter[Any], present: Counter[Any], metric: Literal["jensen_shannon", "psi"]) -> Norm:
    n, m = reference.total(), present.total()
    bins = sorted({*reference, *present}, key=str)
    degrees, rows = max(1, len(bins) - 1), min(n, m)
    sizes = 1 / n + 1 / m
    if metric == "psi":
        added = len(bins) / 2
        shares = [((reference[b] + 0.5) / (n + added), (present[b] + 0.5) / (m + added)) for b in bins]
        index = math.fsum((p - q) * math.log(p / q) for p, q in shares)
        return Norm(math.sqrt(max(0.0, index)), math.sqrt(sizes), degrees, rows)
    divergence = math.fsum(_divergence(reference[b] / n, present[b] / m) for b in bins)
    return Norm(math.sqrt(max(0.0, divergence)), math.sqrt(sizes / (8 * math.log(2))), degrees, rows, high=1.0)


def _divergence(p: float, q: float) -> float:
    """One bin's part of the Jensen-Shannon divergence, bits."""
    middle = (p + q) / 2
    return sum(x * math.log2(x / middle) for x in (p, q) if x > 0) / 2


def _tables(reference: list[Any], present: list[Any], bins: int) -> tuple[Counter[Any], Counter[Any]]:
    """Counts of both samples over common bins: equal parts of the pooled numbers, or categories."""
    pooled = [v for v in (*reference, *present) if not is_missing(v)]
    if all(_is_number(v) for v in pooled):
        edges = _edges(sorted(pooled), min(bins, min(len(reference), len(present)) // (2 * LEAST_PER_BIN)))
        counts = [
            Counter(NULL if is_missing(v) else bisect_right(edges, v) for v in c) for c in (reference, present)
        ]
    else:
        counts = [Counter(NULL if is_missing(v) else str(v) for v in c) for c in (reference, present)]
    return _without_rare(*counts)


def _edges(ordered: list[float], bins: int) -> list[float]:
    """Inner edges of so many bins with equally many of the ordered numbers; fewer where numbers repeat."""
    return sorted({ordered[len(ordered) * k // bins] for k in range(1, bins)})


def _without_rare(reference: Counter[Any], present: Counter[Any]) -> tuple[Counter[Any], Counter[Any]]:
    """Bins of which a sample would be expected to hold fewer than five rows become one."""
    total = reference.total() + present.total()
    smaller = min(reference.total(), present.total())
    both = reference + present
    rare = {b for b, n in both.items() if n * smaller < LEAST_PER_BIN * total}
    if not rare:
        return reference, present
    merged = [Counter({b: n for b, n in c.items() if b not in rare}) for c in (reference, present)]
    for counter, source in zip(merged, (reference, present), strict=True):
        counter[RARE] = sum(source[b] for b in rare)
    return merged[0], merged[1]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_same(a: Any, b: Any, tolerance: float) -> bool:
    if is_missing(a) or is_missing(b):
        return is_missing(a) and is_missing(b)
    if _is_number(a) and _is_number(b):
        return math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)
    return bool(a == b)
