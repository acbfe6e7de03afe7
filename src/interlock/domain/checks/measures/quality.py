"""How good the predictions are: a metric with its interval, against a bound or against the baseline's predictions.

Against the baseline both predict the same rows, and what is judged is the mean of the differences of their losses:
what makes a row hard cancels. Rows whose label has not arrived are left out and counted. A missing prediction is no
quality at all, so such a sample is Undecided: look at output integrity.

Losses without a bound need a declared cap, because one row could outweigh all others and no interval would hold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, assert_never, get_args

from interlock.domain.checks.check import (
    CheckInvalid,
    Measurement,
    Part,
    Threshold,
    Undecided,
    at_least,
    at_most,
    no_rows,
    overall,
    telling,
)
from interlock.domain.checks.measures.columns import Column, aligned, by_key, is_missing, number
from interlock.domain.checks.measures.judge import ALPHA, judge, judge_parts
from interlock.domain.checks.measures.laws import Law, RankShare, Rescaled, Share, estimate, mean_of, rooted

Metric = Literal["mae", "rmse", "accuracy", "auc", "log_loss"]
METRICS: tuple[Metric, ...] = get_args(Metric)

LEAST_CHANCE = 1e-3
"""Log loss takes a predicted chance as at least this, which caps a row's loss at 6.9 nats."""

SMALL = "(small segments)"


@dataclass(frozen=True, slots=True)
class Rows:
    """Labelled rows without gaps. `baseline` is empty when there is nothing to compare with."""

    predictions: list[Any]
    labels: list[Any]
    baseline: list[Any]

    def __len__(self) -> int:
        return len(self.labels)


def quality(
    metric: Metric,
    predictions: Column,
    labels: Column,
    *,
    limit: float,
    cap: float | None = None,
    baseline: Column | None = None,
    alpha: float = ALPHA,
    unit: str = "",
) -> Measurement:
    """The metric against `limit`: at most for mae, rmse and log_loss, at least for accuracy and auc.

    With `baseline` predictions: how much worse the candidate is, at most `limit` (for rmse in squared units, for
    auc and accuracy as a loss of share). cap: the largest absolute error that counts, in the label's unit; needed
    by mae and rmse. alpha: the chance that the interval misses the true value.
    """
    statistic, threshold = _question(metric, limit, baseline is not None)
    rows, unlabelled, gaps = _labelled(predictions, labels, baseline)
    facts = {"unlabelled": unlabelled}
    if gaps:
        verdict = Undecided(f"{gaps} labelled rows have no prediction", "a prediction for each row")
        return Measurement("quality", statistic, verdict, threshold=threshold, facts=facts)
    if not rows:
        return no_rows("quality", statistic, threshold, "labelled rows")
    law = law_of(metric, rows, cap)
    if law is None:
        return no_rows("quality", statistic, threshold, "labels of both classes")
    found = estimate(law, alpha, unit)
    return Measurement("quality", statistic, judge(found, threshold), found, threshold, facts=facts)


def segment_quality(
    metric: Metric,
    predictions: Column,
    labels: Column,
    segments: Column,
    *,
    limit: float,
    cap: float | None = None,
    baseline: Column | None = None,
    pool_below: int = 0,
    alpha: float = ALPHA,
    unit: str = "",
) -> Measurement:
    """`quality` for each segment. Failures hold for all segments together (Holm); all must pass.

    A segment too small to tell is Undecided, and so is the whole then. pool_below: segments with fewer labelled
    rows are judged together as one, named `(small segments)`; 0 pools none.
    """
    statistic, threshold = _question(metric, limit, baseline is not None)
    given = aligned(predictions=predictions, labels=labels, segments=segments, baseline=_or_same(baseline, labels))
    laws: dict[str, Law] = {}
    silent: list[Part] = []
    for name, (ps, ls, bs) in _segments(given, pool_below).items():
        rows, _, gaps = _labelled(ps, ls, bs if baseline is not None else None)
        law = law_of(metric, rows, cap) if rows and not gaps else None
        if law:
            laws[name] = law
        else:
            because = f"{gaps} rows have no prediction" if gaps else f"{len(rows)} labelled rows tell nothing"
            silent.append(Part(name, Undecided(because, "labelled rows with predictions")))
    parts = tuple(sorted(judge_parts(laws, threshold, alpha, unit) + silent, key=lambda part: part.name))
    verdict = overall((part.name, part.verdict) for part in parts)
    facts = {"multiplicity": "Holm"}
    return Measurement("segments", statistic, verdict, telling(parts), threshold, parts, facts)


def law_of(metric: Metric, rows: Rows, cap: float | None) -> Law | None:
    """What the rows say about the metric, or about its excess over the baseline; None when they say nothing."""
    match metric:
        case "auc":
            return _auc_law(rows)
        case "accuracy" if not rows.baseline:
            return Share(sum(p == x for p, x in zip(rows.predictions, rows.labels, strict=True)), len(rows))
        case "mae" | "rmse" | "log_loss" | "accuracy":
            loss, most = _loss(metric, cap)
            candidate = [min(most, loss(p, x)) for p, x in zip(rows.predictions, rows.labels, strict=True)]
            if rows.baseline:
                baseline = [min(most, loss(p, x)) for p, x in zip(rows.baseline, rows.labels, strict=True)]
                return mean_of([c - b for c, b in zip(candidate, baseline, strict=True)], -most, most)
            law = mean_of(candidate, 0.0, most)
            return rooted(law) if metric == "rmse" else law
        case _:
            assert_never(metric)


def _question(metric: Metric, limit: float, is_paired: bool) -> tuple[str, Threshold]:
    if metric not in METRICS:
        raise CheckInvalid(f"there is no metric {metric!r}", remedy=f"Use one of {', '.join(METRICS)}.")
    if is_paired:
        names = {"rmse": "excess of the mean squared error", "auc": "loss of auc", "accuracy": "loss of accuracy"}
        return names.get(metric, f"excess of {metric}") + " over the baseline", at_most(limit)
    return metric, at_least(limit) if metric in ("accuracy", "auc") else at_most(limit)


def _labelled(predictions: Column, labels: Column, baseline: Column | None) -> tuple[Rows, int, int]:
    """The rows with a label, how many have none, and how many of the labelled lack a prediction."""
    ps, ls, bs = aligned(predictions=predictions, labels=labels, baseline=_or_same(baseline, labels))
    kept = [row for row in zip(ps, ls, bs, strict=True) if not is_missing(row[1])]
    gaps = sum(is_missing(p) or is_missing(b) for p, _, b in kept)
    columns = [list(column) for column in zip(*kept, strict=True)] or [[], [], []]
    return Rows(columns[0], columns[1], columns[2] if baseline is not None else []), len(ls) - len(kept), gaps


def _or_same(baseline: Column | None, labels: Column) -> Column:
    """Stands in for a column that is not there, so that lengths agree."""
    return labels if baseline is None else baseline


def _segments(given: list[list[Any]], pool_below: int) -> dict[str, list[list[Any]]]:
    predictions, labels, keys, baseline = given
    parts = by_key(keys, predictions, labels, baseline)
    small = [n for n, (_, ls, _) in parts.items() if sum(not is_missing(x) for x in ls) < pool_below]
    if len(small) > 1:
        parts[SMALL] = [[v for n in small for v in parts[n][i]] for i in range(3)]
        for name in small:
            del parts[name]
    return parts


def _loss(
    metric: Literal["mae", "rmse", "log_loss", "accuracy"], cap: float | None
) -> tuple[Callable[..., float], float]:
    """A row's loss, and the most that it counts."""
    match metric:
        case "accuracy":
            return lambda p, x: float(p != x), 1.0
        case "log_loss":
            return _log_loss, -math.log(LEAST_CHANCE)
        case "mae" | "rmse":
            if cap is None or not (math.isfinite(cap) and cap > 0):
                remedy = "Set cap to the largest error that should count, in the label's unit."
                raise CheckInvalid(f"{metric} has no interval without a cap on a row's error", remedy=remedy)
            power = 2 if metric == "rmse" else 1
            return lambda p, x: abs(number(p, "predictions") - number(x, "labels")) ** power, cap**power
        case _:
            assert_never(metric)


def _log_loss(predicted: Any, label: Any) -> float:
    chance = chance_of(predicted)
    return -math.log(max(LEAST_CHANCE, chance if is_positive(label) else 1 - chance))


def chance_of(predicted: Any) -> float:
    """A predicted chance of the positive class; CheckInvalid when it is outside [0, 1]."""
    chance = number(predicted, "predictions")
    if not 0 <= chance <= 1:
        raise CheckInvalid(f"a predicted chance is {chance:g}", remedy="Give chances from 0 to 1, not scores.")
    return chance


def is_positive(label: Any) -> bool:
    """Whether a binary label is the positive one; CheckInvalid when it is neither 0 nor 1."""
    if label in (0, 1):
        return bool(label)
    raise CheckInvalid(f"the label {label!r} is neither 0 nor 1", remedy="Code the positive class as 1.")


def _auc_law(rows: Rows) -> Law | None:
    """The law of the AUC, or of how much of it the candidate loses; None without labels of both classes."""
    positives = [is_positive(x) for x in rows.labels]
    smaller = min(sum(positives), len(positives) - sum(positives))
    if not smaller:
        return None
    candidate = auc(rows.predictions, positives)
    if not rows.baseline:
        return RankShare(candidate, smaller)
    lost = (1 + auc(rows.baseline, positives) - candidate) / 2
    return Rescaled(RankShare(lost, smaller), lambda u: 2 * u - 1, lambda d: (d + 1) / 2)


def auc(scores: Sequence[Any], positives: Sequence[bool]) -> float:
    """The share of pairs in which the positive row scores higher, ties as one half (Mann and Whitney 1947)."""
    order = sorted(zip([number(s, "predictions") for s in scores], positives, strict=True))
    below = wins = 0.0
    place = 0
    while place < len(order):
        end = place
        while end < len(order) and order[end][0] == order[place][0]:
            end += 1
        tied = sum(is_one for _, is_one in order[place:end])
        negatives = end - place - tied
        wins += tied * (below + negatives / 2)
        below += negatives
        place = end
    return wins / (below * (len(order) - below))
