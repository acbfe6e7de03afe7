"""A small world in memory: a declared system, a clock that tests turn, a data plane that does as it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from interlock.adapters.envoy.validate import refuse_unsound
from interlock.domain.catalog.asset import Asset, AssetId, Kind, Link
from interlock.domain.catalog.service import ModelSpec, ModelVersion, ServiceSpec, ServiceVersion, VersionRef
from interlock.domain.changes.request import Change, GateSpec, Move, Role, ShadowStep, Steps
from interlock.domain.changes.workspace import Person, Workspace
from interlock.domain.checks.evidence import ArmCounts
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import Rename
from interlock.domain.releases.release import Deployment
from interlock.domain.releases.route_table import RouteTable
from interlock.domain.schemas.contract import record
from interlock.domain.schemas.field import INTEGER, Field
from interlock.engine.ports import Answer, BadAnswer, Captured, Counters, PartHealth, ShadowPair, Source
from interlock.kernel.errors import Unavailable
from interlock.kernel.finding import Finding

START = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


def workspace(**changes: Change) -> Workspace:
    """front calls scoring, which holds a model and reads a contract; billing stands alone."""
    amounts = VersionRef("amounts", "1")
    services = {
        "scoring": ServiceSpec(
            name="scoring",
            serving="1",
            versions={
                "1": ServiceVersion(("127.0.0.1:9001",), request=amounts, model=VersionRef("risk", "1")),
                "2": ServiceVersion(
                    ("127.0.0.1:9002",), request=VersionRef("amounts", "2"), model=VersionRef("risk", "2")
                ),
            },
            owner="cleo",
            callers_request=amounts,
        ),
        "front": ServiceSpec(
            name="front",
            serving="1",
            versions={"1": ServiceVersion(("127.0.0.1:9003",)), "2": ServiceVersion(("127.0.0.1:9004",))},
            owner="dan",
            edge=True,
            calls=("scoring",),
        ),
        "billing": ServiceSpec(
            name="billing",
            serving="1",
            versions={"1": ServiceVersion(("127.0.0.1:9005",)), "2": ServiceVersion(("127.0.0.1:9006",))},
            owner="dan",
            edge=True,
        ),
    }
    models = {"risk": ModelSpec("risk", "1", {"1": ModelVersion("a"), "2": ModelVersion("b")}, owner="cleo")}
    contracts = {
        ("amounts", "1"): record("amounts", "1", (Field("cents", INTEGER),)),
        ("amounts", "2"): record("amounts", "2", (Field("amount_cents", INTEGER),)),
    }
    ids = {n: AssetId(Kind.SERVICE, n) for n in services}
    contract, model = AssetId(Kind.CONTRACT, "amounts"), AssetId(Kind.MODEL, "risk")
    return Workspace(
        name="small",
        services=services,
        models=models,
        contracts=contracts,
        lenses=(Lens("amounts", "1", "2", (Rename("cents", "amount_cents"),)),),
        changes=changes or {"better": change()},
        assets=(
            *(Asset(i, owner=services[n].owner) for n, i in ids.items()),
            Asset(contract),
            Asset(model, "cleo"),
        ),
        links=(
            Link(ids["scoring"], ids["front"], "calls"),
            Link(contract, ids["scoring"], "reads"),
            Link(model, ids["scoring"], "holds"),
        ),
        people={
            "ana": Person("ana", frozenset({Role.SPONSOR})),
            "ben": Person("ben", frozenset({Role.STEWARD, Role.VALIDATOR})),
            "cleo": Person("cleo", frozenset({Role.OWNER})),
            "dan": Person("dan", frozenset({Role.OWNER})),
            "eve": Person("eve"),
        },
    )


def change(name: str = "better", moves: Sequence[tuple[str, str, str]] = (), shadow: bool = False) -> Change:
    """A change that moves scoring, its model and its contract, unless other moves are given."""
    named = moves or [("service", "scoring", "2"), ("model", "risk", "2"), ("contract", "amounts", "2")]
    return Change(
        name=name,
        why="a better model",
        author="eve",
        sponsor="ana",
        moves=tuple(Move(kind, thing, to) for kind, thing, to in named),  # type: ignore[arg-type]  # literals
        gates=tuple(GateSpec("errors", n, 0.05) for k, n, _ in named if k == "service"),
        steps=Steps(
            shadow=ShadowStep(2_000, 5.0, pairs=10) if shadow else None,
            canary_bp=(1_000, 5_000),
            dwell_s=5.0,
            warmup_s=3.0,
            bake_s=10.0,
        ),
    )


@dataclass
class ManualClock:
    """Stands still until a test turns it."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def turn(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class Declared:
    """A workspace in memory."""

    workspace: Workspace
    findings: list[Finding] = field(default_factory=list)

    def load(self, besides: Sequence[Source] = ()) -> tuple[Workspace, list[Finding]]:
        return self.workspace, list(self.findings)

    def source(self, where: str) -> Source:
        return Source(where, f"declared at {where}\n")

    def write_sources(self, sources: Sequence[Source]) -> None:
        raise Unavailable("a workspace in memory is not written to")

    def write_change(self, change_document: Mapping[str, Any]) -> Path:
        raise Unavailable("a workspace in memory is not written to")


@dataclass
class SimPlane:
    """Serves the last published table. `send` counts requests the way a proxy would; `is_silent` breaks it."""

    table: RouteTable | None = None
    history: list[RouteTable] = field(default_factory=list)
    arms: dict[tuple[str, str], ArmCounts] = field(default_factory=dict)
    shadows: dict[tuple[str, str], ArmCounts] = field(default_factory=dict)
    pairs: list[ShadowPair] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    bad: list[BadAnswer] = field(default_factory=list)
    owed: dict[tuple[str, str, str], float] = field(default_factory=dict)
    epoch: str = "1"
    is_silent: bool = False

    def ensure(self) -> bool:
        return False

    def publish(self, table: RouteTable) -> None:
        """What the proxy would refuse is refused."""
        self._demand_answer()
        refuse_unsound(table)
        self.table = table
        self.history.append(table)

    def published(self) -> str | None:
        return self.table.digest if self.table else None

    def counters(self) -> Counters:
        self._demand_answer()
        return Counters(self.epoch, dict(self.arms), dict(self.shadows))

    def take_captured(self) -> Captured:
        taken = Captured(tuple(self.pairs), tuple(self.answers), tuple(self.bad))
        self.pairs, self.answers, self.bad = [], [], []
        return taken

    def health(self) -> tuple[PartHealth, ...]:
        return (PartHealth("proxy", not self.is_silent, ""),)

    def stop(self) -> None:
        self.table = None

    def restart(self) -> None:
        """Lose all counters, as a restarted proxy does."""
        self.epoch, self.arms, self.shadows = self.epoch + "+", {}, {}

    def send(self, service: str, requests: int, bad_share: Mapping[str, float] | None = None) -> None:
        """`requests` to `service`, split by its entry's weight; `bad_share` by release."""
        assert self.table is not None
        entry = next(e for e in self.table.entries if e.service == service)
        weight = entry.split.weight_bp if entry.split else 0
        shares = {entry.default: 10_000 - weight}
        if entry.split:
            shares[entry.split.candidate] = weight
        for release, share in shares.items():
            n = self._whole((service, release, "requests"), requests * share / 10_000)
            bad = self._whole((service, release, "bad"), n * (bad_share or {}).get(release, 0.0))
            self._count(self.arms, service, release, n, min(n, bad))

    def _whole(self, name: tuple[str, str, str], amount: float) -> int:
        """The whole part of `amount` and of what earlier calls left over, so that small shares count too."""
        owed = self.owed.get(name, 0.0) + amount
        self.owed[name] = owed - int(owed)
        return int(owed)

    def copy(
        self,
        service: str,
        requests: int,
        bad: int = 0,
        body: bytes = b"{}",
        twin: bytes = b"{}",
        asked: bytes = b"",
    ) -> None:
        """Shadow copies of `requests`, with their pairs; and twins in proportion, where the table asks for them."""
        assert self.table is not None
        entry = next(e for e in self.table.entries if e.service == service)
        if entry.shadow is None:
            return
        self._count(self.shadows, service, entry.shadow.candidate, requests, bad)
        self.pairs += [
            ShadowPair(service, entry.shadow.candidate, 200, 500 if i < bad else 200, b"{}", body, asked)
            for i in range(requests)
        ]
        twins = round(requests * entry.shadow.twin_bp / entry.shadow.share_bp)
        pair = ShadowPair(service, entry.shadow.candidate, 200, 200, b"{}", twin, asked, is_twin=True)
        self.pairs += [pair] * twins

    def sample(self, service: str, bodies: Mapping[str, Sequence[bytes]], request: bytes = b"") -> None:
        """Answers of each release, captured where the table asks for them."""
        assert self.table is not None
        entry = next(e for e in self.table.entries if e.service == service)
        if entry.split and entry.split.sample_bp:
            self.answers += [
                Answer(service, release, 200, request, body) for release, some in bodies.items() for body in some
            ]

    def _count(self, into: dict[tuple[str, str], ArmCounts], service: str, release: str, n: int, bad: int) -> None:
        into[service, release] = into.get((service, release), ArmCounts()) + ArmCounts(n, bad, {40: n} if n else {})

    def _demand_answer(self) -> None:
        if self.is_silent:
            raise Unavailable("the proxy does not answer")


@dataclass
class SimProbe:
    """Answers what a test says."""

    reasons: dict[str, str] = field(default_factory=dict)

    def ill(self, deployments: Sequence[Deployment]) -> dict[str, str]:
        return {k: v for k, v in self.reasons.items() if any(k.startswith(f"{d.service}@") for d in deployments)}


def with_endpoint(space: Workspace, service: str, version: str, endpoint: str) -> Workspace:
    """`space` with one endpoint changed, as if someone edited the file."""
    spec = space.services[service]
    versions = {**spec.versions, version: replace(spec.versions[version], endpoints=(endpoint,))}
    return replace(space, services={**space.services, service: replace(spec, versions=versions)})
