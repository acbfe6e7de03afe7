"""Everything that people have declared, with where each thing is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from interlock.domain.catalog.asset import Asset, Link
from interlock.domain.catalog.consumer import Keeping, Use, Writing
from interlock.domain.catalog.database import Database
from interlock.domain.catalog.service import ModelSpec, ServiceSpec
from interlock.domain.changes.checked import DeclaredCheck
from interlock.domain.changes.request import Change, GateSpec, Role
from interlock.domain.checks.metric import Metric
from interlock.domain.lenses.lens import Lens
from interlock.domain.schemas.contract import Contract


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who may act, and in which roles."""

    name: str
    roles: frozenset[Role] = frozenset()


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of the house. `self_approval` lets an author approve their own change. alpha: how likely the gates
    may ever turn back a good candidate, over a whole rollout; alpha_pass: how likely a step may pass although the
    candidate is worse by the margin. losses: whether a lossy lens must be `counted` on real rows before its plan
    can be approved, or stating its losses is enough.
    """

    self_approval: bool = False
    alpha: float = 0.01
    alpha_pass: float = 0.05
    losses: Literal["stated", "counted"] = "stated"


@dataclass(frozen=True, slots=True)
class Workspace:
    """All declarations. Contracts are keyed by (name, version); `assets` holds every node of the map,
    services, models and contracts included; `links` every declared edge, `uses` who reads which fields of which
    contract, `writings` who but services writes one, `keepings` where its records are kept, `gates` the default
    gates of each service, `databases` where tables are, `drafts` the lenses that nobody has confirmed.
    """

    name: str
    services: Mapping[str, ServiceSpec] = field(default_factory=dict)
    models: Mapping[str, ModelSpec] = field(default_factory=dict)
    contracts: Mapping[tuple[str, str], Contract] = field(default_factory=dict)
    lenses: tuple[Lens, ...] = ()
    changes: Mapping[str, Change] = field(default_factory=dict)
    assets: tuple[Asset, ...] = ()
    links: tuple[Link, ...] = ()
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    gates: Mapping[str, tuple[GateSpec, ...]] = field(default_factory=dict)
    uses: tuple[Use, ...] = ()
    people: Mapping[str, Person] = field(default_factory=dict)
    policy: Policy = Policy()
    checks: tuple[DeclaredCheck, ...] = ()
    writings: tuple[Writing, ...] = ()
    keepings: tuple[Keeping, ...] = ()
    databases: Mapping[str, Database] = field(default_factory=dict)
    drafts: tuple[Lens, ...] = ()
