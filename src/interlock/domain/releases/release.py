"""A release is an immutable cut: one version of every service, model and contract, named by its content."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from interlock.domain.lenses.bodies import BodyShape
from interlock.domain.lenses.inline import LensEngine
from interlock.domain.lenses.ops import Program
from interlock.kernel.digest import SPARSE, digest, short

ENTITY_HEADER = "x-entity-key"
"""Names the entity that stays in one release, where a service declares no other header."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What may be sent a second time, under the baseline, after the candidate failed.

    Safe and idempotent methods (RFC 9110 section 9.2.2) always may; `posts` extends that to every POST,
    or to those whose path begins with one of `prefixes`.
    """

    posts: bool = False
    prefixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Deployment:
    """One service at one version, with everything that traffic needs to know of it.

    `request` translates what callers send into what this version reads; `response` translates back.
    Empty programs mean that callers and this version speak the same contract version. `reads`, `writes` and
    `model` name (`name@version`) the contracts and the model of this version; empty when none is declared.
    Requests are told apart by the value of `segment_header` where it is one of `segments`; all others make one.
    `body` is where the records are in what is translated; `request_types` and `response_types` are (field,
    datatype) of what the translation makes, where bodies name datatypes. `lens_engine` is what translates: Lua in
    the proxy (also when it is empty), or the hop beside it.
    """

    service: str
    version: str
    endpoints: tuple[str, ...]
    edge: bool = False
    entity_header: str = ENTITY_HEADER
    unkeyed: Literal["baseline", "split"] = "baseline"
    replay: Replay = Replay()
    segment_header: str = ""
    segments: tuple[str, ...] = ()
    timeout_s: float = 5.0
    body_limit_bytes: int = 1_048_576
    health_path: str = ""
    request: Program = ()
    response: Program = ()
    reads: str = ""
    writes: str = ""
    model: str = ""
    body: BodyShape = field(default="object", metadata={SPARSE: True})
    request_types: tuple[tuple[str, str], ...] = field(default=(), metadata={SPARSE: True})
    response_types: tuple[tuple[str, str], ...] = field(default=(), metadata={SPARSE: True})
    lens_engine: LensEngine = field(default="", metadata={SPARSE: True})

    @property
    def is_on_hop(self) -> bool:
        return self.lens_engine == "hop"

    @property
    def is_in_lua(self) -> bool:
        """Whether the proxy itself translates."""
        return bool(self.request or self.response) and not self.is_on_hop


@dataclass(frozen=True, slots=True)
class Release:
    """A cut. `deployments` are sorted by service."""

    deployments: tuple[Deployment, ...]

    @property
    def id(self) -> str:
        """`r` and 12 hexadecimal digits of the content digest; fits a baggage value and a cluster name."""
        return "r" + short(digest(self))

    def deployment(self, service: str) -> Deployment | None:
        return next((d for d in self.deployments if d.service == service), None)

    def version(self, service: str) -> str | None:
        found = self.deployment(service)
        return found.version if found else None
