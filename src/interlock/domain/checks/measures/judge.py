"""From an interval and a threshold to a verdict, for one question or for many at once.

Many at once (segments, columns): to fail, a part must be worse than the threshold by Holm's step-down procedure
(Holm 1979), which bounds the chance that any good part is failed, whatever their dependence. To pass, every part
must pass at the full level: a conjunction needs no correction (Berger 1982, intersection-union).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import assert_never

from interlock.domain.checks.check import COUNTED, Estimate, Fail, Part, Pass, Threshold, Undecided, Verdict
from interlock.domain.checks.measures.laws import Law, estimate

ALPHA = 0.05
"""The default chance that an interval misses the true value; half of it on each side."""


def judge(found: Estimate, threshold: Threshold) -> Verdict:
    """Pass when the whole interval keeps to the threshold, Fail when all of it breaks it, else Undecided."""
    lower = -math.inf if found.lower is None else found.lower
    upper = math.inf if found.upper is None else found.upper
    surely = "" if found.method == COUNTED else "surely "
    limit = f"{threshold.limit:g}"
    match threshold.side:
        case "at_most":
            if upper <= threshold.limit:
                return Pass(f"{found} is {surely}at most {limit}")
            if lower > threshold.limit:
                return Fail(f"{found} is {surely}above {limit}")
        case "at_least":
            if lower >= threshold.limit:
                return Pass(f"{found} is {surely}at least {limit}")
            if upper < threshold.limit:
                return Fail(f"{found} is {surely}below {limit}")
        case _:
            assert_never(threshold.side)
    return Undecided(f"{found} is not surely on either side of {limit}", what_is_missing(found, threshold))


def what_is_missing(found: Estimate, threshold: Threshold) -> str:
    """How many more rows would decide, if the statistic stays where it is; widths shrink with the root of the
    rows.
    """
    distance = abs(found.value - threshold.limit)
    end = found.upper if found.value <= threshold.limit else found.lower
    if end is None:
        return f"more rows: {found.rows} give no limit on this side"
    width = abs(end - found.value)
    if distance <= width / 30:
        return "a value further from the threshold: more rows would hardly help"
    needed = math.ceil(found.rows * (width / distance) ** 2)
    return f"about {max(1, needed - found.rows):,} more rows, if the value stays"


def judge_parts(laws: Mapping[str, Law], threshold: Threshold, alpha: float = ALPHA, unit: str = "") -> list[Part]:
    """One part per law; failures by Holm, passes at the full level. Intervals are those of each part alone."""
    failing = _holm({name: _p_within(law, threshold) for name, law in laws.items()}, alpha / 2)
    return [_part(name, estimate(law, alpha, unit), threshold, name in failing) for name, law in laws.items()]


def _p_within(law: Law, threshold: Threshold) -> float:
    """A p-value of "the part keeps to the threshold"."""
    at_most = threshold.side == "at_most"
    return law.p_at_most(threshold.limit) if at_most else law.p_at_least(threshold.limit)


def _holm(p_values: Mapping[str, float], alpha: float) -> set[str]:
    """The names that are rejected, the chance of any false one being at most `alpha`."""
    rejected: set[str] = set()
    for name, p in sorted(p_values.items(), key=lambda item: item[1]):
        if p > alpha / (len(p_values) - len(rejected)):
            break
        rejected.add(name)
    return rejected


def _part(name: str, found: Estimate, threshold: Threshold, is_failing: bool) -> Part:
    verdict = judge(found, threshold)
    if isinstance(verdict, Fail) and not is_failing:
        because = f"{found} breaks {threshold.limit:g}, as one of many parts may by chance"
        verdict = Undecided(because, "more rows of this part")
    return Part(name, verdict, found)
