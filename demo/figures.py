"""What the demo claims, computed from its records: per change, what users were exposed to and what they saw.

Arms are told apart by the release that the edge named on the answer. They are compared while they served
side by side, in the same seconds, because flights of another hour have other delays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from demo.records import Record

BAD_ABOVE_MIN = 30.0
"""An answer that is off by more is bad; of the baseline's answers, about one in ten is."""
BIN_S = 2.0
"""Width of the bins of the series, in seconds; exposure has a bin per second."""


@dataclass(frozen=True, slots=True)
class ChangeStory:
    """What the control plane says of one change.

    outcome: `promoted`, `rolled_back` or `aborted`; baseline, candidate: release ids; started, ended: seconds since
    the epoch; timeline: entries with `at` (seconds since the epoch), `what` and `because`; verdicts: entries
    with `gate`, `verdict` and `because`.
    """

    name: str
    outcome: str
    baseline: str
    candidate: str
    started: float
    ended: float
    timeline: Sequence[Mapping[str, Any]] = ()
    verdicts: Sequence[Mapping[str, Any]] = ()


Span = tuple[float, float]
"""From when to when, in seconds since the epoch."""

Series = list[tuple[float, float]]
"""(seconds since the start of the change, value)."""


@dataclass(frozen=True, slots=True)
class Arm:
    """What one release did in one change: numbers over the time side by side, series over the whole change.

    bad_share and error_share are shares of its answers; errors and latencies are None without an answer.
    """

    requests: int
    bad: int
    failed: int
    mean_absolute_error_min: float | None
    latency_ms_p50: float | None
    latency_ms_p99: float | None
    absolute_error: Series = field(default_factory=list)
    error_share: Series = field(default_factory=list)
    latency_p50: Series = field(default_factory=list)
    latency_p99: Series = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ChangeFigures:
    """Everything the report says of a change. `started` is in seconds since the epoch.

    bad_answers: answers of the candidate that users saw and that failed or were off by more than
    `bad_above_min`; expected_bad_answers: as many as the baseline's rate would have given in the same time;
    replayed: answers of the baseline to requests that the candidate had failed; seconds_to_last_candidate_request:
    from the first bad answer, None when it was promoted or no answer was bad.
    """

    name: str
    outcome: str
    baseline_release: str
    candidate_release: str
    started: float
    seconds: float
    requests: int
    failed: int
    mixed: int
    replayed: int
    bad_above_min: float
    bad_answers: int
    expected_bad_answers: float
    seconds_to_last_candidate_request: float | None
    exposure: Series
    candidate: Arm
    baseline: Arm
    timeline: Sequence[Mapping[str, Any]]
    verdicts: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Report:
    """The whole run. audit: `verified` or `broken`; audit_chain: the control plane's own verification of it."""

    seed: int
    rate: float
    requests: int
    failed: int
    mixed: int
    audit: str
    audit_chain: Mapping[str, Any]
    changes: tuple[ChangeFigures, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def is_bad(record: Record) -> bool:
    """The user got a failure, or a prediction that is off by more than the limit."""
    return record.is_failed or (record.off_by_min is not None and record.off_by_min > BAD_ABOVE_MIN)


def report_of(
    records: Sequence[Record],
    stories: Iterable[ChangeStory],
    seed: int,
    rate: float,
    audit_chain: Mapping[str, Any],
    facts: Mapping[str, Any] | None = None,
) -> Report:
    """`facts` are further figures of the run, by name, that are to stand in the report."""
    return Report(
        seed=seed,
        rate=rate,
        requests=len(records),
        failed=sum(r.is_failed for r in records),
        mixed=sum(r.is_mixed for r in records),
        audit=str(audit_chain["audit"]),
        audit_chain=audit_chain,
        changes=tuple(change_figures(records, story) for story in stories),
        facts=facts or {},
    )


def change_figures(records: Sequence[Record], story: ChangeStory) -> ChangeFigures:
    within = sorted((r for r in records if story.started <= r.at < story.ended), key=lambda r: r.at)
    candidate = [r for r in within if r.release == story.candidate]
    baseline = [r for r in within if r.release == story.baseline]
    compared_in = side_by_side(candidate, baseline)
    arms = [arm_of(answered, compared_in, (story.started, story.ended)) for answered in (candidate, baseline)]
    rate = arms[1].bad / arms[1].requests if arms[1].requests else 0.0
    return ChangeFigures(
        name=story.name,
        outcome=story.outcome,
        baseline_release=story.baseline,
        candidate_release=story.candidate,
        started=story.started,
        seconds=round(story.ended - story.started, 3),
        requests=len(within),
        failed=sum(r.is_failed for r in within),
        mixed=sum(r.is_mixed for r in within),
        replayed=sum(r.attempts > 1 and not r.is_failed for r in baseline),
        bad_above_min=BAD_ABOVE_MIN,
        bad_answers=arms[0].bad,
        expected_bad_answers=round(rate * arms[0].requests, 1),
        seconds_to_last_candidate_request=seconds_to_last(records, story),
        exposure=exposure_of(within, story),
        candidate=arms[0],
        baseline=arms[1],
        timeline=story.timeline,
        verdicts=story.verdicts,
    )


def side_by_side(candidate: Sequence[Record], baseline: Sequence[Record]) -> Span:
    """From when to when both arms answered; an empty span when they never did."""
    if not candidate or not baseline:
        return math.inf, -math.inf
    return max(candidate[0].at, baseline[0].at), min(candidate[-1].at, baseline[-1].at)


def seconds_to_last(records: Sequence[Record], story: ChangeStory) -> float | None:
    """From the first bad answer of the candidate to its last request, also one after the change ended; None
    when it was promoted, because then it serves on.
    """
    answered = [r for r in records if r.release == story.candidate and r.at >= story.started]
    first_bad = min((r.at + r.latency_ms / 1000 for r in answered if is_bad(r)), default=None)
    if first_bad is None or story.outcome == "promoted":
        return None
    return round(max(0.0, max(r.at for r in answered) - first_bad), 3)


def exposure_of(within: Sequence[Record], story: ChangeStory) -> Series:
    """Share of the requests of each second that the candidate answered."""

    def share(bin_: list[Record]) -> float:
        return sum(r.release == story.candidate for r in bin_) / len(bin_)

    return series(within, (story.started, story.ended), 1.0, share)


def arm_of(answered: Sequence[Record], compared_in: Span, change: Span) -> Arm:
    compared = [r for r in answered if compared_in[0] <= r.at <= compared_in[1]]
    errors = [r.off_by_min for r in compared if r.off_by_min is not None]
    latencies = [r.latency_ms for r in compared]
    return Arm(
        requests=len(compared),
        bad=sum(map(is_bad, compared)),
        failed=sum(r.is_failed for r in compared),
        mean_absolute_error_min=round(sum(errors) / len(errors), 3) if errors else None,
        latency_ms_p50=quantile(latencies, 0.50) if latencies else None,
        latency_ms_p99=quantile(latencies, 0.99) if latencies else None,
        absolute_error=series(answered, change, BIN_S, mean_error),
        error_share=series(answered, change, BIN_S, lambda bin_: sum(r.is_failed for r in bin_) / len(bin_)),
        latency_p50=series(answered, change, BIN_S, lambda bin_: quantile([r.latency_ms for r in bin_], 0.50)),
        latency_p99=series(answered, change, BIN_S, lambda bin_: quantile([r.latency_ms for r in bin_], 0.99)),
    )


def mean_error(records: Sequence[Record]) -> float | None:
    errors = [r.off_by_min for r in records if r.off_by_min is not None]
    return sum(errors) / len(errors) if errors else None


def series(
    records: Iterable[Record], change: Span, width_s: float, measure: Callable[[list[Record]], float | None]
) -> Series:
    """`measure` of the records of each bin, at the middle of the bin.

    Bins without records are left out, and so is the last one when the change ended within it.
    """
    started, ended = change
    whole = int((ended - started) // width_s)
    bins: dict[int, list[Record]] = {}
    for record in records:
        bins.setdefault(int((record.at - started) // width_s), []).append(record)
    measured = ((number, measure(bin_)) for number, bin_ in sorted(bins.items()) if number < whole)
    return [(round((n + 0.5) * width_s, 3), round(value, 4)) for n, value in measured if value is not None]


def quantile(values: Sequence[float], q: float) -> float:
    """The smallest value that at least the share `q` of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]
