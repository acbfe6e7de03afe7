"""After a failure: was it the data, the candidate itself, or the surroundings? Told by what moved, and what moved
first.

- *inputs*: the distribution of requests against a reference. Both arms get the same population, so inputs that move
  are no deed of the candidate.
- *answers*: differences between the arms on the same inputs (shadow pairs above the noise floor). What answers the
  same input differently is the candidate.
- *latency*, *errors*: each arm against its own past. What slows or breaks both arms at once is around them.

The cause is the kind of evidence that moved first, when the order is clear: data-driven when inputs moved first,
model-driven when answers moved first, environment-driven when both arms' latency or errors moved together. It is
"unknown" when nothing moved, when two kinds moved within the same window or the next, or when the candidate alone
is slow or failing while its answers agree: a broken model server and a broken machine look alike from here.

Limits: order in time is no proof of cause, and the reports say what moved rather than why. Movements smaller than
the noise floor do not exist here, so a cause that hides in the noise is not found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["inputs", "answers", "latency", "errors"]
Arm = Literal["candidate", "baseline", ""]
Cause = Literal["data", "model", "environment", "unknown"]


@dataclass(frozen=True, slots=True)
class Window:
    """One window of a series: when it ended (seconds on one clock), the effect, and the floor of its noise."""

    at_s: float
    effect: float
    floor: float

    @property
    def at_least(self) -> float:
        return max(0.0, self.effect - self.floor)


@dataclass(frozen=True, slots=True)
class Series:
    """One kind of evidence over time. subject: a field, or a service for latency and errors; segment: empty for
    all.

    arm: whose latency or errors; empty for inputs and answers. tolerated: an effect that counts as no movement, in
    the unit of the effect. All series of a diagnosis use the same windows, oldest first.
    """

    kind: Kind
    subject: str
    windows: tuple[Window, ...]
    tolerated: float
    segment: str = ""
    arm: Arm = ""

    def __str__(self) -> str:
        whose = f" of the {self.arm}" if self.arm else ""
        where = f" in segment {self.segment}" if self.segment else ""
        return f"{self.kind} {self.subject}{whose}{where}"


@dataclass(frozen=True, slots=True)
class Moved:
    """A series that left its tolerance: the first window of it (index and time), and the largest effect since."""

    series: Series
    window: int
    at_s: float
    effect: float
    at_least: float

    def __str__(self) -> str:
        return f"{self.series} from {self.at_s:g} s on (effect up to {self.effect:.3g}, surely {self.at_least:.3g})"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """moved: everything that moved, the earliest first. carriers: series of the cause's kind that carry it, the
    heaviest first; empty when the cause is unknown.
    """

    cause: Cause
    because: str
    moved: tuple[Moved, ...] = ()
    carriers: tuple[Moved, ...] = ()


_CAUSES: tuple[Cause, ...] = ("data", "environment", "model")

LASTING_WINDOWS = 2
"""A movement lasts at least so many windows in a row; one window alone is a burst."""

CLEAR_LEAD = 2
"""Windows between two movements whose order is clear: an edge that falls into a window is seen in it or in the
next.
"""


def diagnose(series: Iterable[Series], failed_at_s: float | None = None) -> Diagnosis:
    """What drove the failure. failed_at_s: later windows are not looked at, for they cannot have caused it."""
    moved = tuple(sorted(filter(None, (_movement(s, failed_at_s) for s in series)), key=_rank))
    starts = _starts(moved)
    if not starts:
        return Diagnosis("unknown", _because_unclear(moved), moved)
    ordered = sorted(starts, key=lambda cause: (starts[cause], cause))
    first = ordered[0]
    if len(ordered) > 1 and starts[ordered[1]] - starts[first] < CLEAR_LEAD:
        says = f"cannot tell: {_told(moved)}; their order is not clear within {CLEAR_LEAD} windows"
        return Diagnosis("unknown", says, moved)
    carriers = tuple(sorted(_carriers(moved, first), key=lambda m: (-_weight(m), _rank(m))))
    return Diagnosis(first, _because(first, carriers, moved), moved, carriers)


def _movement(series: Series, until_s: float | None) -> Moved | None:
    windows = [w for w in series.windows if until_s is None or w.at_s <= until_s]
    is_beyond = [w.at_least > series.tolerated for w in windows]
    for i in range(len(windows) - LASTING_WINDOWS + 1):
        if all(is_beyond[i : i + LASTING_WINDOWS]):
            top = max(windows[i:], key=lambda w: w.at_least)
            return Moved(series, i, windows[i].at_s, top.effect, top.at_least)
    return None


def _rank(moved: Moved) -> tuple[int, str]:
    return moved.window, str(moved.series)


def _weight(moved: Moved) -> float:
    """How many times its tolerance a movement is, so that units do not matter."""
    return moved.at_least / max(moved.series.tolerated, 1e-12)


def _starts(moved: Sequence[Moved]) -> dict[Cause, int]:
    """The window in which each possible cause began to move."""
    found: dict[Cause, int] = {}
    for cause in _CAUSES:
        if carriers := _carriers(moved, cause):
            found[cause] = min(m.window for m in carriers)
    return found


def _shared(moved: Sequence[Moved]) -> list[Moved]:
    """Movements of latency or errors that both arms of a service made together."""
    felt = [m for m in moved if m.series.arm]
    return [
        m
        for m in felt
        if any(
            o.series.arm != m.series.arm
            and (o.series.kind, o.series.subject) == (m.series.kind, m.series.subject)
            and abs(o.window - m.window) < CLEAR_LEAD
            for o in felt
        )
    ]


def _carriers(moved: Sequence[Moved], cause: Cause) -> list[Moved]:
    match cause:
        case "data":
            return [m for m in moved if m.series.kind == "inputs"]
        case "model":
            return [m for m in moved if m.series.kind == "answers"]
        case "environment":
            return _shared(moved)
        case "unknown":
            return []


def _because(cause: Cause, carriers: Sequence[Moved], moved: Sequence[Moved]) -> str:
    what = {
        "data": "data-driven: the inputs moved first",
        "model": "model-driven: the answers to the same inputs moved first",
        "environment": "environment-driven: both arms moved together, first",
    }[cause]
    after = [m for m in moved if m not in carriers]
    then = f"; then {_told(after)}" if after else "; nothing else moved"
    return f"{what}: {_told(carriers)}{then}"


def _because_unclear(moved: Sequence[Moved]) -> str:
    if not moved:
        return "cannot tell: nothing moved beyond its tolerance and noise"
    return (
        f"cannot tell: {_told(moved)}, in one arm alone, while inputs and answers held still: the release and the "
        "machines that it runs on look alike from here"
    )


def _told(moved: Sequence[Moved], limit: int = 4) -> str:
    rest = f" and {len(moved) - limit} more" if len(moved) > limit else ""
    return ", ".join(str(m) for m in moved[:limit]) + rest
