"""What the engine needs of the outside, as small protocols. Adapters fulfil them; `wiring.py` joins the two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from interlock.domain.audit.event import Entry, Event, Head
from interlock.domain.changes.workspace import Workspace
from interlock.domain.checks.evidence import ArmCounts, Block
from interlock.domain.checks.metric import Arms, Metric, MetricQuery, Reading, Span
from interlock.domain.releases.release import Deployment
from interlock.domain.releases.route_table import RouteTable
from interlock.kernel.finding import Finding
from interlock.kernel.instant import Instant


@dataclass(frozen=True, slots=True)
class Document:
    """A stored noun: plain JSON `body`, and a `version` that grows by one with each write."""

    key: str
    body: Mapping[str, Any]
    version: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was true in the end, for an answer that `release` of `service` gave. `loss` is in the metric's units.

    `id` makes posting idempotent: the first outcome of an id counts, later ones do not. at: when the outcome was
    known; answered_at: when the answer was given, where that is known (without it, how late labels come cannot be
    told, and the outcome counts in the block in which it arrives).
    """

    id: str
    service: str
    release: str
    metric: str
    loss: float
    at: Instant
    answered_at: Instant | None = None


class Transaction(Protocol):
    """One atomic unit of work. Reads see its own writes; nothing is visible outside before it commits."""

    def read(self, kind: str, key: str) -> Document | None: ...
    def scan(self, kind: str, prefix: str = "") -> list[Document]:
        """Documents of a kind whose key begins with `prefix`, sorted by key."""
        ...

    def write(self, kind: str, key: str, body: Mapping[str, Any], expect: int | None = None) -> int:
        """Store and return the new version. `expect` is the version read before (0: must not exist yet);
        Stale when someone else wrote meanwhile.
        """
        ...

    def erase(self, kind: str, key: str) -> bool: ...
    def append(self, event: Event) -> Entry:
        """Add to the audit chain; concurrent writers queue, so the chain has no fork."""
        ...

    def trail(self, after: int = 0, limit: int | None = None) -> list[Entry]: ...
    def head(self) -> Head:
        """Where the audit chain ends, kept apart from its entries so that a cut end is seen."""
        ...

    def add_blocks(self, rollout: str, blocks: Sequence[Block]) -> None:
        """Idempotent by (rollout, block number): a block that is there already stays as it is."""
        ...

    def blocks(self, rollout: str, first: int = 0) -> list[Block]: ...
    def add_outcomes(self, outcomes: Sequence[Outcome]) -> int:
        """How many were new; an id that is there already is not counted again."""
        ...

    def outcomes(self, after: int = 0, limit: int = 10_000) -> list[tuple[int, Outcome]]:
        """Outcomes in order of arrival, with their sequence numbers, beginning after `after`."""
        ...

    def forget_outcomes(self, through: int) -> int:
        """Drop the outcomes up to this sequence number, and how many that were; their ids count as new again."""
        ...

    def last_outcome(self) -> int:
        """The newest outcome's sequence number, 0 when there is none."""
        ...


class Store(Protocol):
    """Durable state. Unavailable when it cannot be reached or its disk is full; then nothing is half done."""

    def transaction(self, *, read_only: bool = False) -> AbstractContextManager[Transaction]:
        """Writers queue: one at a time, each seeing everything that was committed before it. A `read_only`
        transaction sees one snapshot and waits for nobody.
        """
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ShadowPair:
    """The same request answered twice, bodies in the callers' contract version.

    candidate: the candidate's release. is_twin: the copy went to the baseline too, so that the pair shows the
    baseline against itself; `candidate_status` and `candidate_body` are then the baseline's second answer.
    request: the body that both were asked with; segment: of the request, empty when none is declared.
    """

    service: str
    candidate: str
    baseline_status: int
    candidate_status: int
    baseline_body: bytes
    candidate_body: bytes
    request: bytes = b""
    is_twin: bool = False
    segment: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A sampled answer that a caller got: by which release, to which request, in the callers' contract version."""

    service: str
    release: str
    status: int
    request: bytes
    body: bytes
    segment: str = ""


@dataclass(frozen=True, slots=True)
class BadAnswer:
    """A bad answer of a keyed caller while a split is on. Every one of them is told, or is in `Counters.untold`, or
    was lost with the reader that had just taken it.

    release: of the arm that the request was assigned to. key: the entity key's digest, never the key itself; at_s:
    seconds since 1970, when the request began.
    """

    service: str
    release: str
    key: str
    at_s: float
    segment: str = ""


@dataclass(frozen=True, slots=True)
class Captured:
    """What the data plane saw of single requests since the last look, each once.

    pairs: shadow pairs that became complete; answers: a sample of what callers got while both releases serve; bad:
    bad answers by key.
    """

    pairs: tuple[ShadowPair, ...] = ()
    answers: tuple[Answer, ...] = ()
    bad: tuple[BadAnswer, ...] = ()


@dataclass(frozen=True, slots=True)
class Counters:
    """Cumulative counts since `epoch` (which changes when the data plane lost its counters).

    arms: (service, release) -> what was served to real callers; shadows: the same for copies;
    unpinned: service -> requests that arrived inside without a valid pin; unkeyed: service -> edge requests
    that carried no entity key; untold: service -> bad answers of keyed callers that `Captured.bad` lacks,
    because nobody took them in time.
    """

    epoch: str
    arms: Mapping[tuple[str, str], ArmCounts] = field(default_factory=dict)
    shadows: Mapping[tuple[str, str], ArmCounts] = field(default_factory=dict)
    unpinned: Mapping[str, int] = field(default_factory=dict)
    unkeyed: Mapping[str, int] = field(default_factory=dict)
    untold: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PartHealth:
    """Whether a process of the data plane does its work."""

    name: str
    is_well: bool
    says: str


class DataPlane(Protocol):
    """Where traffic flows. It keeps flowing with everything else gone."""

    def ensure(self) -> bool:
        """Adopt the running proxy, or start it with the last snapshot; True when it had to be started."""
        ...

    def publish(self, table: RouteTable) -> None:
        """Make `table` serve, make-before-break, and return when every proxy acknowledged it.

        Invalid when the proxy refuses it (the old table keeps serving), Unavailable when it does not answer.
        """
        ...

    def published(self) -> str | None:
        """Digest of the table that serves now."""
        ...

    def counters(self) -> Counters: ...
    def take_captured(self) -> Captured:
        """What was captured of single requests since the last call, each once."""
        ...

    def health(self) -> tuple[PartHealth, ...]:
        """Each process that traffic passes. Never an exception."""
        ...

    def stop(self) -> None: ...


class MetricSource(Protocol):
    """A place that knows metrics. It may be slow, wrong or gone; none of that is an exception."""

    def read(self, query: MetricQuery, arms: Arms, span: Span) -> Reading:
        """What the source says on `span`; NoReading when it says nothing usable. Returns within its time limit."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class MetricSources(Protocol):
    """Where declared metrics are read."""

    def open(self, metric: Metric) -> MetricSource:
        """The source of a metric. Invalid when its address cannot be used, or an environment variable is not set;
        no message, of this or of the source's readings, holds the value of a variable.
        """
        ...


class Probe(Protocol):
    """Asks endpoints whether they are well."""

    def ill(self, deployments: Sequence[Deployment]) -> dict[str, str]:
        """`service@version endpoint` -> reason, for each that does not answer; empty when all are well."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """A declaration as text, and the file that it stands in or would, relative to the workspace."""

    file: str
    text: str


class Workspaces(Protocol):
    """Reads what people declared, and writes down what they declare through a tool."""

    def load(self, besides: Sequence[Source] = ()) -> tuple[Workspace, list[Finding]]:
        """Everything declared, as if `besides` stood there too, and everything wrong with it."""
        ...

    def source(self, where: str) -> Source:
        """The document that stands at `where` (file:line). Missing when it is no longer there."""
        ...

    def write_sources(self, sources: Sequence[Source]) -> None:
        """Make new files, all or none. Refused when one of them is there."""
        ...

    def write_change(self, change_document: Mapping[str, Any]) -> Path:
        """Write a new change document; Refused when one of that name exists."""
        ...


class Clock(Protocol):
    """The time, as a port, so that tests and drills own it."""

    def now(self) -> Instant: ...
