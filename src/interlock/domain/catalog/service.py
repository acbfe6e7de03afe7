"""Services and models as their owners declare them, every version side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from interlock.domain.catalog.asset import Kind
from interlock.domain.catalog.behaviour import NOTHING, Behaviour


@dataclass(frozen=True, slots=True)
class VersionRef:
    """`name@version` of a contract or a model."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class ServiceVersion:
    """One version of a service: where it answers, what it reads and writes, which model it holds.

    endpoints: `host:port`, each an interchangeable instance. promises: its behaviour beside the shape of data.
    """

    endpoints: tuple[str, ...]
    request: VersionRef | None = None
    response: VersionRef | None = None
    model: VersionRef | None = None
    promises: Behaviour = NOTHING


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A service. `callers_request` and `callers_response` are the contract versions that its callers speak;
    a version that speaks another one is reached through the lens path between the two, or as it is where it is
    understood. `callers_expect`: what they rely on beside the shape of data.

    replay: whether POST requests may be sent a second time under the baseline ("all", "none", or path
    prefixes); None means yes exactly when a version holds a model.
    serving: the version that serves before Interlock has moved anything. body: where the records are in the bodies
    of requests and answers, a `BodyShape`.
    """

    name: str
    serving: str
    versions: Mapping[str, ServiceVersion]
    owner: str = ""
    edge: bool = False
    entity_header: str = "x-entity-key"
    unkeyed: Literal["baseline", "split"] = "baseline"
    replay: tuple[str, ...] | Literal["all", "none"] | None = None
    segment_header: str = ""
    segments: tuple[str, ...] = ()
    timeout_s: float = 5.0
    body_limit_bytes: int = 1_048_576
    health_path: str = ""
    body: Literal["object", "oip", "mlflow"] = "object"
    calls: tuple[str, ...] = ()
    callers_request: VersionRef | None = None
    callers_response: VersionRef | None = None
    callers_expect: Behaviour = NOTHING
    where: str = ""


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a model: where its bytes are, and the digest of them when they are a local file."""

    uri: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model; `serving` is the version in use before Interlock has moved anything."""

    name: str
    serving: str
    versions: Mapping[str, ModelVersion] = field(default_factory=dict)
    owner: str = ""
    where: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """A contract or model version that a service names. role: `request`, `response` or `model`."""

    role: str
    kind: Kind
    to: VersionRef


def references(version: ServiceVersion) -> Iterator[Reference]:
    """What `version` reads, answers with and holds."""
    if version.request:
        yield Reference("request", Kind.CONTRACT, version.request)
    if version.response:
        yield Reference("response", Kind.CONTRACT, version.response)
    if version.model:
        yield Reference("model", Kind.MODEL, version.model)


def all_references(service: ServiceSpec) -> Iterator[tuple[tuple[str, ...], Reference]]:
    """What callers speak and what every version names, each with its path in the declaration."""
    callers = ServiceVersion((), service.callers_request, service.callers_response)
    for found in references(callers):
        yield ("callers", found.role), found
    for version, spec in service.versions.items():
        for found in references(spec):
            yield ("versions", version, found.role), found
