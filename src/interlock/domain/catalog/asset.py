"""Assets and links: the nodes and directed edges of the dependency map."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What an asset is."""

    DATASET = "dataset"
    STREAM = "stream"
    CONTRACT = "contract"
    FEATURE = "feature"
    MODEL = "model"
    SERVICE = "service"
    JOB = "job"
    DASHBOARD = "dashboard"


@dataclass(frozen=True, slots=True, order=True)
class AssetId:
    """`kind:name`."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.name}"


@dataclass(frozen=True, slots=True)
class Asset:
    """A node: who owns it, and where it is written (`file:line`)."""

    id: AssetId
    owner: str = ""
    description: str = ""
    where: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """`downstream` depends on `upstream`: a change of upstream reaches downstream. `verb` reads
    downstream-first: "rebooking calls delay-predictor", "delay reads flight-features".
    """

    upstream: AssetId
    downstream: AssetId
    verb: str
    where: str = ""
