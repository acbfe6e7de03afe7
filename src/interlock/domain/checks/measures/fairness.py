"""Whether decisions treat groups alike: demographic parity, its ratio (disparate impact), equalised odds.

Definitions as in Fairlearn (Bird et al. 2020): the difference is the largest share minus the smallest over
groups, the ratio the smallest over the largest; equalised odds take the larger of the differences of true and
false positive rates. The interval takes all groups' exact intervals at once (each at alpha over their number), so
the largest and the smallest are found in it wherever they are; with small groups it is wide, and the verdict
Undecided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, assert_never, get_args

from interlock.domain.checks.check import (
    CheckInvalid,
    Estimate,
    Measurement,
    Undecided,
    at_least,
    at_most,
    no_rows,
)
from interlock.domain.checks.measures.columns import Column, aligned, by_key, is_missing
from interlock.domain.checks.measures.judge import ALPHA, judge
from interlock.domain.checks.measures.laws import Share, estimate
from interlock.domain.checks.measures.quality import is_positive

Parity = Literal["demographic_parity_difference", "demographic_parity_ratio", "equalised_odds_difference"]
PARITIES: tuple[Parity, ...] = get_args(Parity)

Cells = dict[str, Share]
"""Group -> how many of it were chosen."""


def fairness(
    metric: Parity,
    decisions: Column,
    groups: Column,
    *,
    limit: float,
    labels: Column | None = None,
    alpha: float = ALPHA,
) -> Measurement:
    """Decisions (0 or 1) over groups: a difference at most `limit`, a ratio at least `limit` (0.8 is the
    four-fifths rule). labels: what was true (0 or 1), needed by equalised odds; rows without one are left out
    there.
    """
    if metric not in PARITIES:
        raise CheckInvalid(f"there is no metric {metric!r}", remedy=f"Use one of {', '.join(PARITIES)}.")
    threshold = at_least(limit) if metric == "demographic_parity_ratio" else at_most(limit)
    tables = _tables(metric, decisions, groups, labels)
    if not any(tables.values()):
        return no_rows("fairness", metric, threshold, "decided rows")
    names = sorted({group for cells in tables.values() for group in cells})
    if len(names) < 2:
        verdict = Undecided(f"all rows belong to {names[0]!r}", "rows of a second group")
        return Measurement("fairness", metric, verdict, threshold=threshold)
    if empty := [f"{kind} of {name}" for kind, cells in tables.items() for name in names if name not in cells]:
        verdict = Undecided(f"no rows tell the {', '.join(empty)}", "labelled rows of each class in each group")
        return Measurement("fairness", metric, verdict, threshold=threshold)
    found, facts = _compare(metric, tables, alpha)
    return Measurement("fairness", metric, judge(found, threshold), found, threshold, facts=facts)


def _tables(metric: Parity, decisions: Column, groups: Column, labels: Column | None) -> dict[str, Cells]:
    """The shares that are compared: selection rates, or true and false positive rates."""
    match metric:
        case "demographic_parity_difference" | "demographic_parity_ratio":
            chosen, keys = aligned(decisions=decisions, groups=groups)
            return {"selection rate": _cells(chosen, keys)}
        case "equalised_odds_difference":
            if labels is None:
                raise CheckInvalid("equalised odds compare decisions with what was true", remedy="Give labels.")
            rows = list(zip(*aligned(decisions=decisions, groups=groups, labels=labels), strict=True))
            truly = [(d, g) for d, g, x in rows if not is_missing(x) and is_positive(x)]
            falsely = [(d, g) for d, g, x in rows if not is_missing(x) and not is_positive(x)]
            return {"true positive rate": _cells_of(truly), "false positive rate": _cells_of(falsely)}
        case _:
            assert_never(metric)


def _cells_of(pairs: Sequence[tuple[Any, Any]]) -> Cells:
    return _cells([d for d, _ in pairs], [g for _, g in pairs])


def _cells(decisions: Sequence[Any], groups: Sequence[Any]) -> Cells:
    apart = by_key(groups, decisions)
    return {name: Share(sum(is_positive(d) for d in chosen), len(chosen)) for name, (chosen,) in apart.items()}


def _compare(metric: Parity, tables: Mapping[str, Cells], alpha: float) -> tuple[Estimate, dict[str, Any]]:
    count = sum(map(len, tables.values()))
    found = {kind: {g: estimate(s, alpha / count) for g, s in cells.items()} for kind, cells in tables.items()}
    spread = _ratio if metric == "demographic_parity_ratio" else _difference
    ranges = [spread(list(cells.values())) for cells in found.values()]
    value, lower, upper = (max(bounds) for bounds in zip(*ranges, strict=True))
    rows = sum(e.rows for cells in found.values() for e in cells.values())
    facts = {
        kind: {g: {"share": e.value, "lower": e.lower, "upper": e.upper, "rows": e.rows} for g, e in cells.items()}
        for kind, cells in found.items()
    }
    return Estimate(value, lower, upper, 1 - alpha, rows, "simultaneous exact binomial"), facts


def _difference(groups: list[Estimate]) -> tuple[float, float, float]:
    """The largest minus the smallest share: as observed, at least, at most."""
    shares, lows, highs = _columns(groups)
    return max(shares) - min(shares), max(0.0, max(lows) - min(highs)), max(highs) - min(lows)


def _ratio(groups: list[Estimate]) -> tuple[float, float, float]:
    """The smallest over the largest share; 1 where nobody is chosen at all."""
    shares, lows, highs = _columns(groups)
    return _over(min(shares), max(shares)), _over(min(lows), max(highs)), min(1.0, _over(min(highs), max(lows)))


def _over(smallest: float, largest: float) -> float:
    return smallest / largest if largest > 0 else 1.0


def _columns(groups: list[Estimate]) -> tuple[list[float], list[float], list[float]]:
    lows = [0.0 if e.lower is None else e.lower for e in groups]
    highs = [1.0 if e.upper is None else e.upper for e in groups]
    return [e.value for e in groups], lows, highs
