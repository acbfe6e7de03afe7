"""The plan: everything that a rollout will do, compiled from a change, named by the digest of its bytes.

Approvals bind to the digest. Where things are written (file and line) is not part of it: moving a comment
changes nothing that anyone agreed to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from interlock.domain.changes.approval import Requirement
from interlock.domain.changes.request import Window
from interlock.domain.checks.answer import covers, steps
from interlock.domain.checks.metric import Metric
from interlock.domain.gates.gate import GateSet
from interlock.domain.migrations.migration import Migration
from interlock.domain.releases.release import Release
from interlock.domain.rollout.stages import Stage
from interlock.domain.schemas.contract import Contract
from interlock.kernel.digest import digest, plain


@dataclass(frozen=True, slots=True)
class PlannedMove:
    """`kind:name` goes from one version to another. `before` is empty for something that is new."""

    kind: Literal["service", "model", "contract"]
    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Reached:
    """An asset that the change reaches, and the path that explains it."""

    asset: str
    owner: str
    says: str


@dataclass(frozen=True, slots=True)
class Loss:
    """What a translation or a rollback does to one field: exact, recomputed, lost, fabricated or rejected."""

    contract: str
    direction: Literal["forward", "backward", "rollback"]
    field: str
    effect: str
    says: str


@dataclass(frozen=True, slots=True)
class Content:
    """The digest of a contract, lens or model that the plan relies on."""

    kind: Literal["contract", "lens", "model"]
    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class Promise:
    """The contract that callers of a service read its answers by."""

    service: str
    contract: Contract


@dataclass(frozen=True, slots=True)
class Answers:
    """What is watched in single answers. promises: contracts that no answer may break more often than before;
    tolerated: the share of answers whose distribution may move, but for the fields of `allow`, before the rollout
    is held; sample_bp: the share of answers looked at while both releases serve.
    """

    promises: tuple[Promise, ...] = ()
    tolerated: float = 0.1
    allow: tuple[str, ...] = ()
    sample_bp: int = 10_000

    def is_allowed(self, name: str) -> bool:
        """Whether the field was declared to move."""
        return any(covers(steps(pattern), steps(name)) for pattern in self.allow)


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled change. `baseline` and `candidate` are restricted to the services that the rollout holds:
    the moved ones, and every service from which a request can reach them.

    seed: the hash seed of the sticky split; on_expiry: what happens when patience ends without a verdict. waves:
    who else moves before or after this rollout, because of what is kept in tables and streams; empty when any order
    is safe. waves_back: the same of going back, once data of the new versions was written. metrics: the
    declarations of what outcome gates are judged by; without one, outcomes of that name are posted. migrations: of
    tables that keep what moves, with every statement that will be executed.
    """

    change: str
    why: str
    author: str
    sponsor: str
    moves: tuple[PlannedMove, ...]
    baseline: Release
    candidate: Release
    holds: tuple[str, ...]
    stages: tuple[Stage, ...]
    gates: GateSet
    contents: tuple[Content, ...]
    losses: tuple[Loss, ...]
    reaches: tuple[Reached, ...]
    requirements: tuple[Requirement, ...]
    window: Window
    self_approval: bool
    patience_s: float
    on_expiry: Literal["hold", "rollback", "ask"]
    rollback: str
    seed: int
    metrics: tuple[Metric, ...] = ()
    answers: Answers = Answers()
    waves: tuple[tuple[str, ...], ...] = ()
    waves_back: tuple[tuple[str, ...], ...] = ()
    migrations: tuple[Migration, ...] = ()

    @property
    def digest(self) -> str:
        return digest(self)

    @property
    def exposed_gates(self) -> GateSet:
        """The gates that judge while callers are served by both releases: those on pairs have had their say in
        shadow, which is not left before they pass.
        """
        arms = tuple(gate for gate in self.gates.gates if gate.sample == "arms")
        return replace(self.gates, gates=arms or self.gates.gates)

    @property
    def moved_services(self) -> tuple[str, ...]:
        return tuple(m.name for m in self.moves if m.kind == "service")


def changed_parts(approved: Plan, current: Plan) -> tuple[str, ...]:
    """What differs between two plans, one line per value: `candidate.deployments.rebooking.endpoints: a -> b`."""
    before, after = dict(_leaves(plain(approved))), dict(_leaves(plain(current)))
    paths = sorted({*before, *after})
    return tuple(
        f"{path}: {before.get(path, 'absent')} -> {after.get(path, 'absent')}"
        for path in paths
        if before.get(path) != after.get(path)
    )


_NAMES = ("service", "name", "asset", "field", "kind", "role")


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    match value:
        case dict():
            for key, inner in value.items():
                yield from _leaves(inner, f"{path}.{key}" if path else key)
        case [*items] if any(isinstance(i, dict | list) for i in items):
            for index, inner in enumerate(items):
                yield from _leaves(inner, f"{path}.{_label(inner, index)}")
        case _:
            yield path, value


def _label(item: Any, index: int) -> str:
    """A name a person recognises where there is one, so that an insertion does not shift every other line."""
    if isinstance(item, dict):
        named = [str(item[k]) for k in _NAMES if isinstance(item.get(k), str)]
        if named and named[0] not in ("canary",):
            return named[0]
    return str(index)
