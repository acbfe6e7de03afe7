"""Whether predicted chances come true: the expected calibration error with an interval, and the reliability table.

Predictions are put into bins of equal width; the error is the mean over rows of |observed share - mean
prediction| of the row's bin (Naeini, Cooper and Hauskrecht 2015). The error of a sample is too high on average,
because noise never cancels within an absolute value: by at most the sum of sqrt(n_b)/2n over the bins. The
interval allows for that, and for chance by McDiarmid's inequality (one label moves the error by at most 1/n), so
it is valid at every size. It is about the error within these bins, for the rows' predictions as they are.
"""

from __future__ import annotations

import math
from typing import Any

from interlock.domain.checks.check import Estimate, Measurement, Undecided, at_most, no_rows
from interlock.domain.checks.measures.columns import Column, aligned, is_missing
from interlock.domain.checks.measures.judge import ALPHA, judge
from interlock.domain.checks.measures.laws import Share, estimate
from interlock.domain.checks.measures.quality import chance_of, is_positive


def calibration(
    chances: Column, labels: Column, *, limit: float, bins: int = 10, alpha: float = ALPHA
) -> Measurement:
    """The expected calibration error (0 to 1), at most `limit`. labels: 0 or 1; rows without a label are left
    out.
    """
    threshold, statistic = at_most(limit), "expected calibration error"
    given = [(c, x) for c, x in zip(*aligned(chances=chances, labels=labels), strict=True) if not is_missing(x)]
    if any(is_missing(c) for c, _ in given):
        verdict = Undecided("some labelled rows have no prediction", "a prediction for each row")
        return Measurement("calibration", statistic, verdict, threshold=threshold)
    rows = [(chance_of(c), is_positive(x)) for c, x in given]
    if not rows:
        return no_rows("calibration", statistic, threshold, "labelled rows")
    table = reliability(rows, bins, alpha)
    found = _error(table, len(rows), alpha)
    return Measurement("calibration", statistic, judge(found, threshold), found, threshold, facts={"bins": table})


def reliability(rows: list[tuple[float, bool]], bins: int, alpha: float) -> list[dict[str, Any]]:
    """One row per bin that has any: its edges, mean prediction, and the observed share with its interval."""
    held: dict[int, list[tuple[float, bool]]] = {}
    for chance, label in rows:
        held.setdefault(min(bins - 1, int(chance * bins)), []).append((chance, label))
    return [_bin(b / bins, (b + 1) / bins, held[b], alpha) for b in sorted(held)]


def _bin(start: float, end: float, rows: list[tuple[float, bool]], alpha: float) -> dict[str, Any]:
    observed = estimate(Share(sum(label for _, label in rows), len(rows)), alpha)
    mean = math.fsum(chance for chance, _ in rows) / len(rows)
    return {
        "from": start,
        "to": end,
        "rows": len(rows),
        "predicted": mean,
        "observed": observed.value,
        "lower": observed.lower,
        "upper": observed.upper,
    }


def _error(table: list[dict[str, Any]], rows: int, alpha: float) -> Estimate:
    error = math.fsum(row["rows"] * abs(row["observed"] - row["predicted"]) for row in table) / rows
    chance = math.sqrt(math.log(2 / alpha) / (2 * rows))
    too_high = math.fsum(math.sqrt(row["rows"]) for row in table) / (2 * rows)
    lower, upper = max(0.0, error - chance - too_high), min(1.0, error + chance)
    return Estimate(error, lower, upper, 1 - alpha, rows, "McDiarmid")
