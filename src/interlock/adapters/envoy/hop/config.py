"""What the hop serves, and where: one address for each endpoint of a translated deployment and each worker.

The proxy keeps balancing, retrying and timing out as it does without a hop: behind each address is one instance of
the service. Addresses are Unix sockets named by what they lead to, so they can be computed before they are there.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from interlock.domain.lenses.bodies import BodyShape
from interlock.domain.lenses.ops import Program
from interlock.domain.releases.release import Deployment
from interlock.domain.releases.route_table import Backend
from interlock.kernel.digest import digest, short

ANSWER_ROOM_BYTES = 1_048_576
"""Answers up to this size are translated, or up to the service's body limit where that is larger."""
_SUN_PATH_BYTES = 100
_LONGEST_NAME_BYTES = 40


@dataclass(frozen=True, slots=True)
class Way:
    """Through the hop to one instance of a service. `request` and `response` are programs over records in `body`,
    the types are `Deployment`'s.
    """

    release: str
    endpoint: str
    body: BodyShape
    request: Program
    response: Program
    request_types: tuple[tuple[str, str], ...]
    response_types: tuple[tuple[str, str], ...]
    body_limit_bytes: int
    timeout_s: float

    @property
    def name(self) -> str:
        return short(digest(self), 16)

    @property
    def answer_limit_bytes(self) -> int:
        return max(ANSWER_ROOM_BYTES, self.body_limit_bytes)


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that the hop serves; `code` is the version of Interlock whose translation it is."""

    ways: tuple[Way, ...]
    workers: int
    code: str

    @property
    def digest(self) -> str:
        return digest(self)


@dataclass(frozen=True, slots=True)
class Sockets:
    """Where the hop's addresses are: a private directory, and how many workers each way has."""

    directory: Path
    workers: int

    @property
    def control(self) -> Path:
        return self.directory / "control.sock"

    def of(self, way: Way) -> list[Path]:
        """One address for each worker."""
        name = way.name
        return [self.directory / f"{name}-{worker}.sock" for worker in range(self.workers)]


def sockets(state_dir: Path, workers: int) -> Sockets:
    """In the state directory, or, when its paths are too long for sockets, in a private one named by its digest."""
    near = state_dir / "hop"
    if len(os.fsencode(near)) <= _SUN_PATH_BYTES - _LONGEST_NAME_BYTES:
        return Sockets(near, workers)
    name = hashlib.sha256(os.fsencode(state_dir)).hexdigest()[:16]
    return Sockets(Path(tempfile.gettempdir()) / f"interlock-{os.getuid()}-{name}" / "hop", workers)


def ways(release: str, deployment: Deployment) -> list[Way]:
    """A way to each instance; none where the proxy translates by itself, or nothing is to be translated."""
    if not deployment.is_on_hop:
        return []
    return [
        Way(
            release,
            endpoint,
            deployment.body,
            deployment.request,
            deployment.response,
            deployment.request_types,
            deployment.response_types,
            deployment.body_limit_bytes,
            deployment.timeout_s,
        )
        for endpoint in deployment.endpoints
    ]


def all_ways(backends: Iterable[Backend]) -> tuple[Way, ...]:
    """Every way of a table, each once."""
    found = {way.name: way for backend in backends for way in ways(backend.release, backend.deployment)}
    return tuple(found[name] for name in sorted(found))
