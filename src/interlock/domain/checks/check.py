"""A check: a question about a model, its data or a service, and its answer as evidence.

A measurement holds the number, where the true value surely lies, the threshold and the verdict: Pass, Fail, or
Undecided with what is missing. No data, a small segment or a check that raised is Undecided, and never a pass.
Checks judge one sample once. What is looked at again and again while traffic runs is the work of gates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, assert_never, get_args

from interlock.kernel.digest import plain
from interlock.kernel.errors import Invalid

Kind = Literal[
    "quality",
    "calibration",
    "segments",
    "fairness",
    "robustness",
    "availability",
    "skew",
    "drift",
    "integrity",
    "load",
    "custom",
    "imported",
]
KINDS: tuple[Kind, ...] = get_args(Kind)


class CheckInvalid(Invalid):
    """A check cannot measure anything as it is written."""

    code = "check.invalid"


@dataclass(frozen=True, slots=True)
class Pass:
    """The statistic surely keeps to the threshold."""

    because: str
    kind: Literal["pass"] = "pass"


@dataclass(frozen=True, slots=True)
class Fail:
    """The statistic surely breaks the threshold."""

    because: str
    kind: Literal["fail"] = "fail"


@dataclass(frozen=True, slots=True)
class Undecided:
    """Neither is proven; `missing` says what would decide it."""

    because: str
    missing: str
    kind: Literal["undecided"] = "undecided"


Verdict = Pass | Fail | Undecided


@dataclass(frozen=True, slots=True)
class Threshold:
    """What the statistic must keep to, in its own unit."""

    side: Literal["at_most", "at_least"]
    limit: float

    def __str__(self) -> str:
        return f"{self.side.replace('_', ' ')} {self.limit:g}"


def at_most(limit: float) -> Threshold:
    return Threshold("at_most", limit)


def at_least(limit: float) -> Threshold:
    return Threshold("at_least", limit)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic of `rows` rows. The true value lies in [lower, upper] with a probability of at least `level`
    (for methods called approximate: about `level`); None where there is no limit yet.

    method "counted": the number is a fact about exactly these rows, so lower = value = upper.
    """

    value: float
    lower: float | None
    upper: float | None
    level: float
    rows: int
    method: str
    unit: str = ""

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        if self.method == COUNTED:
            return f"{self.value:.4g}{unit}"
        low, high = (("?" if limit is None else f"{limit:.4g}") for limit in (self.lower, self.upper))
        return f"{self.value:.4g}{unit} [{low}, {high}]"


COUNTED = "counted"


def counted(value: float, rows: int, unit: str = "") -> Estimate:
    """A fact about these rows, with nothing to estimate."""
    return Estimate(value, value, value, 1.0, rows, COUNTED, unit)


@dataclass(frozen=True, slots=True)
class Part:
    """The same question about one segment, group, column or figure."""

    name: str
    verdict: Verdict
    estimate: Estimate | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a check found. `facts` are JSON-ready tables for people, which the verdict does not need."""

    kind: Kind
    statistic: str
    verdict: Verdict
    estimate: Estimate | None = None
    threshold: Threshold | None = None
    parts: tuple[Part, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A measurement with the name of its check, what it is about (`model:delay@2`) and where it was taken."""

    name: str
    subject: str
    measurement: Measurement
    source: str = ""

    @property
    def verdict(self) -> Verdict:
        return self.measurement.verdict


@dataclass(frozen=True, slots=True)
class Check:
    """A question that can be asked: `measure` takes the measurement. `source` says where it is written."""

    name: str
    subject: str
    measure: Callable[[], Any]
    source: str = ""


def perform(check: Check) -> CheckResult:
    """Ask. A failed assertion is Fail; any other exception is Undecided with its reason, and never a pass."""
    try:
        measured = measurement_of(check.measure())
        plain(measured)  # facts that are not JSON-ready are a fault of the check, found while it can still be told
    except AssertionError as failed:
        measured = Measurement("custom", "assertions", Fail(str(failed).strip() or "an assertion does not hold"))
    except KeyboardInterrupt:
        raise
    except BaseException as fault:  # whatever a check raises, sys.exit(0) too, is no answer about its subject
        measured = raised(fault)
    return CheckResult(check.name, check.subject, measured, check.source)


def measurement_of(returned: Any) -> Measurement:
    """What a check function returned, as a measurement: its own, or nothing or True when all assertions held.

    False is a failure. CheckInvalid for anything else, because it could be meant either way.
    """
    match returned:
        case Measurement():
            return returned
        case CheckResult(measurement=measurement):
            return measurement
        case None | True:
            return Measurement("custom", "assertions", Pass("all assertions hold"))
        case False:
            return Measurement("custom", "assertions", Fail("the check returned False"))
        case _:
            raise CheckInvalid(
                f"a check returned {type(returned).__name__}, which is no verdict",
                remedy="Return a Measurement, True or False, or assert and return nothing.",
            )


def raised(fault: BaseException) -> Measurement:
    """The measurement of a check that could not finish."""
    because = f"the check raised {type(fault).__name__}: {fault}".rstrip(": ")
    return Measurement("custom", "assertions", Undecided(because, "a check that runs to its end"))


def no_rows(kind: Kind, statistic: str, threshold: Threshold | None, of: str = "rows") -> Measurement:
    """The measurement of nothing."""
    verdict = Undecided(f"there are no {of}", f"{of} to measure")
    return Measurement(kind, statistic, verdict, threshold=threshold)


def overall(named: Iterable[tuple[str, Verdict]]) -> Verdict:
    """One verdict for all: Fail when any fails, else Undecided when any is or when there is none, else Pass."""
    given = list(named)
    failed = [(name, v) for name, v in given if isinstance(v, Fail)]
    open_ones = [(name, v) for name, v in given if isinstance(v, Undecided)]
    if failed:
        return Fail(_listed(failed, len(given)))
    if not given:
        return Undecided("nothing was checked", "a check")
    if open_ones:
        _, first = open_ones[0]
        return Undecided(_listed(open_ones, len(given)), first.missing)
    return Pass(given[0][1].because if len(given) == 1 else f"all {len(given)} pass")


def telling(parts: Iterable[Part]) -> Estimate | None:
    """The estimate to show for all parts: the first whose verdict explains the whole."""
    rank = {"fail": 0, "undecided": 1, "pass": 2}
    told = sorted((part for part in parts if part.estimate), key=lambda part: rank[part.verdict.kind])
    return told[0].estimate if told else None


def _listed(some: list[tuple[str, Fail]] | list[tuple[str, Undecided]], total: int) -> str:
    name, first = some[0]
    return f"{name}: {first.because}" + (f" ({len(some)} of {total})" if total > 1 else "")


def symbol(verdict: Verdict) -> str:
    """One word for tables."""
    match verdict:
        case Pass():
            return "pass"
        case Fail():
            return "FAIL"
        case Undecided():
            return "undecided"
        case _:
            assert_never(verdict)
