"""Rows and series as readings, and the texts that are sent. What does not make sense becomes a NoReading that says
so.

Rows of one arm add up, so a query may also group by place or by pod; rows of releases that are not compared are
passed over. An arm without rows is not zero: nobody knows whether there was nothing or nobody looked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from string import Template
from typing import Any

from interlock.domain.checks.metric import (
    Arms,
    Count,
    Counted,
    Gives,
    MetricQuery,
    NoReading,
    Reading,
    Sampled,
    Span,
)
from interlock.kernel.instant import to_rfc3339

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")
_ROUNDING = 1e-6
_EXTRAPOLATED = 1.25
"""How many times as large `increase` may make a count that began within the window, beside one that did not."""

Row = Sequence[Any]


class Senseless(Exception):
    """Raised inside this folder, where a source's answer cannot be used; it ends as a NoReading."""

    def __init__(self, reading: NoReading) -> None:
        super().__init__(reading.because)
        self.reading = reading


def senseless(because: str, remedy: str = "") -> Senseless:
    """The query or its answer makes no sense."""
    return Senseless(NoReading("invalid", because, remedy))


def binds(arms: Arms, span: Span) -> dict[str, str | float]:
    """What SQL may refer to by `:name`."""
    return {
        "candidate": arms.candidate,
        "baseline": arms.baseline,
        "start": to_rfc3339(span.start),
        "end": to_rfc3339(span.end),
        "start_s": span.start.timestamp(),
        "end_s": span.end.timestamp(),
    }


def promql(text: str, arms: Arms, span: Span) -> str:
    """PromQL with its placeholders filled in. Names of releases are checked, so that none can leave its quotes."""
    for name in (arms.candidate, arms.baseline):
        if not _SAFE.fullmatch(name):
            raise senseless(f"{name!r} is no name that can stand in a query")
    either = "|".join(re.escape(name).replace("\\", "\\\\") for name in (arms.candidate, arms.baseline))
    values = {
        "candidate": arms.candidate,
        "baseline": arms.baseline,
        "arms": either,
        "window": f"{max(round(span.seconds * 1000), 1)}ms",
    }
    try:
        return Template(text).substitute(values)
    except (KeyError, ValueError) as error:
        known = ", ".join(f"${name}" for name in values)
        raise senseless(
            f"the query has a placeholder that means nothing: {error}", f"There are {known}."
        ) from error


def reading_of_rows(gives: Gives, rows: Iterable[Row], arms: Arms) -> Reading:
    """Rows of (arm, n, bad) or (arm, value)."""
    try:
        ours = [row for row in map(tuple, rows) if _arm(row, gives) in (arms.candidate, arms.baseline)]
        if gives == "counts":
            return counted([(str(r[0]), _whole(r[1], "n"), _whole(r[2], "bad")) for r in ours], arms)
        return sampled([(str(r[0]), finite(r[1], "value")) for r in ours], arms)
    except Senseless as wrong:
        return wrong.reading


def _arm(row: Row, gives: Gives) -> str:
    wanted = ("arm", "n", "bad") if gives == "counts" else ("arm", "value")
    if len(row) != len(wanted):
        raise senseless(f"a row has {len(row)} columns", f"Return ({', '.join(wanted)}) rows.")
    return str(row[0])


def counted(found: Iterable[tuple[str, int, int]], arms: Arms) -> Reading:
    """Counts as (arm, requests, bad)."""
    sums: dict[str, tuple[int, int]] = {}
    for arm, n, bad in found:
        before = sums.get(arm, (0, 0))
        sums[arm] = before[0] + n, before[1] + bad
    for arm, (n, bad) in sums.items():
        if not 0 <= bad <= n:
            return NoReading(
                "invalid", f"{arm}: {bad} bad among {n} requests", "Count both over the same requests."
            )
    if lacking := _lacking({a for a, (n, _) in sums.items() if n}, arms):
        return lacking
    return Counted(Count(*sums[arms.candidate]), Count(*sums[arms.baseline]))


def sampled(found: Iterable[tuple[str, float]], arms: Arms) -> Reading:
    """Values as (arm, value)."""
    values: dict[str, list[float]] = {}
    for arm, value in found:
        values.setdefault(arm, []).append(value)
    if lacking := _lacking(set(values), arms):
        return lacking
    return Sampled(tuple(values[arms.candidate]), tuple(values[arms.baseline]))


def _lacking(there: set[str], arms: Arms) -> NoReading | None:
    wanted = (("candidate", arms.candidate), ("baseline", arms.baseline))
    gone = [f"the {arm} ({name})" for arm, name in wanted if name not in there]
    if not gone:
        return None
    says = f"nothing was found on {' and '.join(gone)}"
    return NoReading("empty", says, "Check the metric's name, and how the query tells releases apart.")


def finite(value: Any, name: str) -> float:
    """A finite number, also from text or a decimal; Senseless otherwise."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise senseless(f"{name} is {value!r}, which is no finite number", "Leave such rows out of the query.")
    return number


def _whole(value: Any, name: str) -> int:
    number = finite(value, name)
    if abs(number - round(number)) > _ROUNDING or number < 0:
        raise senseless(f"{name} is {value!r}, which counts nothing", "Counts are whole numbers from 0 on.")
    return round(number)


def reading_of_vectors(query: MetricQuery, vectors: Sequence[Any], arms: Arms) -> Reading:
    """PromQL results of one query: the requests and the bad ones, or the values."""
    try:
        if query.gives == "values":
            return sampled(_samples(query, vectors[0]), arms)
        totals = [_rounded_sums(query, vector, arms) for vector in vectors]
    except Senseless as wrong:
        return wrong.reading
    requests, bad = totals
    if unknown := sorted(arm for arm, n in requests.items() if n and arm not in bad):
        says = f"there is no series of bad requests for {' and '.join(unknown)}: none, or an unknown metric"
        return NoReading("empty", says, "If no series means none were bad, write: ... or 0 * (the requests).")
    return counted([(arm, n, _within(bad.get(arm, 0), n)) for arm, n in requests.items()], arms)


def _within(bad: int, requests: int) -> int:
    """Bad requests, at most all of them where `increase` made a few more of them than there were requests; far more
    stay as they are, because the two queries count different things.
    """
    return min(bad, requests) if bad <= _EXTRAPOLATED * requests + 2 else bad


def _rounded_sums(query: MetricQuery, vector: Any, arms: Arms) -> dict[str, int]:
    """Requests by arm. `increase` extrapolates, so sums are rounded to whole requests."""
    sums: dict[str, float] = {}
    for arm, value in _samples(query, vector):
        if arm in (arms.candidate, arms.baseline):
            sums[arm] = sums.get(arm, 0.0) + value
    if negative := [arm for arm, total in sums.items() if total < 0]:
        raise senseless(f"{negative[0]} has a negative count", "Use increase(), which heeds restarted counters.")
    return {arm: round(total) for arm, total in sums.items()}


def _samples(query: MetricQuery, vector: Any) -> list[tuple[str, float]]:
    """(arm, value) of every sample in an instant vector or a range of them."""
    found = []
    for series in vector:
        try:
            arm = series["metric"].get(query.arm_label)
            points = series["values"] if "values" in series else [series["value"]]
            texts = [text for _, text in points]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            says = "the series are not as the HTTP API of Prometheus writes them"
            raise Senseless(NoReading("unavailable", says)) from error
        if arm is None:
            raise senseless(
                f"a series has no label {query.arm_label!r}", f"Group by it: sum by ({query.arm_label}) (...)."
            )
        found += [(str(arm), finite(text, query.name)) for text in texts]
    return found


def failure(status: int, answer: Mapping[str, Any]) -> NoReading:
    """What an answer of Prometheus that is not a success says."""
    says = f"{answer.get('errorType', 'error')}: {answer.get('error', 'no reason given')}"
    if status in (400, 422):
        return NoReading("invalid", f"the query was refused: {says}", "Try the query in Prometheus itself.")
    if status in (401, 403):
        return NoReading("invalid", f"access was refused ({status})", "Check the source's credentials.")
    return NoReading("unavailable", f"it answered {status}: {says}")
