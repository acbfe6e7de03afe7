"""All measures by name, for people who write checks: `from interlock.checking.measures import quality`."""

from __future__ import annotations

from interlock.adapters.load import Bounds, http_call, run_load
from interlock.domain.checks.check import Fail, Measurement, Pass, Undecided
from interlock.domain.checks.measures.calibration import calibration
from interlock.domain.checks.measures.drift import drift, skew
from interlock.domain.checks.measures.fairness import fairness
from interlock.domain.checks.measures.integrity import integrity
from interlock.domain.checks.measures.load import LoadLimits, LoadSeen, load
from interlock.domain.checks.measures.presence import Expected, availability, expected_of
from interlock.domain.checks.measures.quality import quality, segment_quality
from interlock.domain.checks.measures.robustness import nudged, robustness

__all__ = [
    "Bounds",
    "Expected",
    "Fail",
    "LoadLimits",
    "LoadSeen",
    "Measurement",
    "Pass",
    "Undecided",
    "availability",
    "calibration",
    "drift",
    "expected_of",
    "fairness",
    "http_call",
    "integrity",
    "load",
    "nudged",
    "quality",
    "robustness",
    "run_load",
    "segment_quality",
    "skew",
]
