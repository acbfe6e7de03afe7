"""Metrics of other places: what is asked, and what a reading can say. A reading without numbers says why, and is no
evidence for anything: the gate that waits for it stays Undecided.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from string import Template
from typing import Literal

from interlock.domain.checks.bins import add_bins
from interlock.domain.checks.evidence import LOSS_BINS, ArmCounts
from interlock.kernel.instant import Instant

Gives = Literal["counts", "values"]


@dataclass(frozen=True, slots=True)
class MetricQuery:
    """A question to one source, in its own language.

    gives `counts`: requests and bad ones among them, of each arm; `values`: samples of a number, of each arm.
    text: one SQL statement that returns (arm, n, bad) or (arm, value) rows; or PromQL whose series carry the
    release in the label `arm_label`. bad: PromQL for the bad requests (a SQL statement gives both). step_s: PromQL
    values are taken at every step of the window; 0: once, at its end. SQL binds `:candidate`, `:baseline`,
    `:start`, `:end` (RFC 3339), `:start_s`, `:end_s` (Unix seconds); PromQL has `$candidate`, `$baseline`, `$arms`
    (a regular expression of both) and `$window` (like `60000ms`); a dollar sign is written `$$`.
    """

    name: str
    gives: Gives
    text: str
    bad: str = ""
    arm_label: str = "release"
    step_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Metric:
    """A declared metric: numbers that a source keeps or, without a source, outcomes that are posted.

    source: its address, in which `${NAME}` stands for an environment variable that is put in when the source is
    opened, and nowhere else; headers: sent to a Prometheus, with variables likewise. by: whether the source knows
    an arm by the id of its release or by the version of the gate's service. every_s: how long a stretch of time is
    that is asked for at once (for posted outcomes: after how long without one the newest are old; 0: never).
    lag_s: how long after its end a stretch is asked for. horizon_s: no posted label is waited for longer.
    cap: the largest loss that counts, for gates that name none; 0 when none is declared.
    """

    name: str
    source: str = ""
    query: MetricQuery | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    by: Literal["release", "version"] = "release"
    every_s: float = 0.0
    lag_s: float = 0.0
    horizon_s: float | None = None
    cap: float = 0.0
    where: str = ""


SourceKind = Literal["prometheus", "sql", "warehouse"]
_SQL = ("sqlite", "postgresql", "mysql", "mariadb", "mssql", "oracle")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://?")


def source_kind(url: str) -> SourceKind | None:
    """Who can read the address: Prometheus (http, https), SQLAlchemy (the databases that it knows by itself), or
    Ibis (all others). None without a scheme.
    """
    found = _SCHEME.match(url)
    if found is None:
        return None
    scheme = found[1].lower().partition("+")[0]
    return "prometheus" if scheme in ("http", "https") else "sql" if scheme in _SQL else "warehouse"


VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""An environment variable in an address or a header."""

PROMQL_NAMES = ("candidate", "baseline", "arms", "window")
"""What PromQL may refer to by `$name`."""


def unknown_names(promql: str) -> tuple[str, ...] | None:
    """Placeholders of a PromQL text that mean nothing; None when a dollar sign stands for none at all."""
    template = Template(promql)
    if not template.is_valid():
        return None
    return tuple(n for n in template.get_identifiers() if n not in PROMQL_NAMES)


@dataclass(frozen=True, slots=True)
class Arms:
    """The releases that are compared, by the names under which the source knows them."""

    candidate: str
    baseline: str


@dataclass(frozen=True, slots=True)
class Span:
    """The stretch of time that is asked for: from `start` on, before `end`."""

    start: Instant
    end: Instant

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


@dataclass(frozen=True, slots=True)
class Count:
    """Requests of one arm, and the bad ones among them."""

    n: int = 0
    bad: int = 0


@dataclass(frozen=True, slots=True)
class Counted:
    """Both arms answered with counts, and both had requests."""

    candidate: Count
    baseline: Count
    kind: Literal["counted"] = "counted"


@dataclass(frozen=True, slots=True)
class Sampled:
    """Both arms answered with at least one finite value each."""

    candidate: tuple[float, ...]
    baseline: tuple[float, ...]
    kind: Literal["sampled"] = "sampled"


Lack = Literal["unavailable", "invalid", "empty", "partial"]
"""Why there are no numbers: the source did not answer in time; the query or its answer makes no sense; it has
nothing on an arm; or it says itself that its answer is not whole.
"""


@dataclass(frozen=True, slots=True)
class NoReading:
    """No numbers, and why. Whoever judges treats it as no data: Undecided, never Pass."""

    lack: Lack
    because: str
    remedy: str = ""
    kind: Literal["none"] = "none"


Reading = Counted | Sampled | NoReading


def arm_counts(reading: Counted | Sampled, metric: str, cap: float) -> tuple[ArmCounts, ArmCounts]:
    """A reading as evidence (candidate, baseline): losses of `metric` between 0 and `cap`, in bins that add.

    Bad requests are losses of the whole cap. Values outside of [0, cap] count as its nearest end.
    """
    if not (math.isfinite(cap) and cap > 0):
        raise ValueError(f"a cap of {cap} leaves nothing to count")
    match reading:
        case Counted(candidate=c, baseline=b):
            return _of_count(c, metric), _of_count(b, metric)
        case Sampled(candidate=c, baseline=b):
            return _of_values(c, metric, cap), _of_values(b, metric, cap)


def _of_count(count: Count, metric: str) -> ArmCounts:
    return ArmCounts(losses={metric: add_bins({0: count.n - count.bad}, {LOSS_BINS: count.bad})})


def _of_values(values: Iterable[float], metric: str, cap: float) -> ArmCounts:
    bins: dict[int, int] = {}
    for value in values:
        index = round(min(max(value, 0.0), cap) / cap * LOSS_BINS)
        bins[index] = bins.get(index, 0) + 1
    return ArmCounts(losses={metric: dict(sorted(bins.items()))})
