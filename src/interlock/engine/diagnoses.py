"""Why a rollout was turned back, as far as what was recorded tells: made once, when the verdict falls, and kept."""

from __future__ import annotations

from typing import Any

from interlock.domain.checks.diagnosis import Moved, diagnose
from interlock.domain.checks.movement import GRAINS, broken_baseline, coarser, series_of
from interlock.engine.captures import Caught, spells
from interlock.engine.ports import Transaction
from interlock.engine.records import Rollout
from interlock.kernel.instant import Instant


def diagnosed(tx: Transaction, caught: Caught, rollout: Rollout, now: Instant) -> dict[str, Any]:
    """The diagnosis of a failure at `now`, as plain JSON data; stored under the rollout."""
    windows = spells(tx, caught, rollout, now)
    inputs = {s: spread.layout for s, spread in caught.inputs.items() if spread.layout}
    answers = {s: spread.layout for s, spread in caught.answers.items() if spread.layout}
    each = [diagnose(series_of(coarser(windows, by), inputs, answers)) for by in GRAINS]
    found = next((d for d in each if d.cause != "unknown"), max(each, key=lambda d: len(d.moved)))
    baseline = broken_baseline(windows)
    told = {
        "cause": found.cause,
        "because": "; ".join([*baseline, found.because]),
        "is_baseline_broken": bool(baseline),
        "carriers": [_moved_view(m) for m in found.carriers],
        "moved": [_moved_view(m) for m in found.moved],
        "windows": len(windows),
    }
    tx.write("diagnosis", rollout.id, told)
    return told


def _moved_view(moved: Moved) -> dict[str, Any]:
    series = moved.series
    return {
        "kind": series.kind,
        "subject": series.subject,
        "segment": series.segment,
        "arm": series.arm,
        "from_s": round(moved.at_s, 3),
        "effect": round(moved.effect, 6),
        "at_least": round(moved.at_least, 6),
    }


def read_diagnosis(tx: Transaction, rollout_id: str) -> dict[str, Any] | None:
    """What was found when the rollout was turned back; None where nothing was looked into."""
    found = tx.read("diagnosis", rollout_id)
    return None if found is None else dict(found.body)
