"""Everything that people have declared, with where each thing is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from interlock.domain.catalog.asset import Asset, Link
from interlock.domain.catalog.service import ModelSpec, ServiceSpec
from interlock.domain.changes.request import Change, Role
from interlock.domain.lenses.lens import Lens
from interlock.domain.schemas.contract import Contract


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who may act, and in which roles."""

    name: str
    roles: frozenset[Role] = frozenset()


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of the house. `self_approval` lets an author approve their own change."""

    self_approval: bool = False


@dataclass(frozen=True, slots=True)
class Workspace:
    """All declarations. Contracts are keyed by (name, version); `assets` holds every node of the map,
    services, models and contracts included; `links` every declared edge.
    """

    name: str
    services: Mapping[str, ServiceSpec] = field(default_factory=dict)
    models: Mapping[str, ModelSpec] = field(default_factory=dict)
    contracts: Mapping[tuple[str, str], Contract] = field(default_factory=dict)
    lenses: tuple[Lens, ...] = ()
    changes: Mapping[str, Change] = field(default_factory=dict)
    assets: tuple[Asset, ...] = ()
    links: tuple[Link, ...] = ()
    people: Mapping[str, Person] = field(default_factory=dict)
    policy: Policy = Policy()
