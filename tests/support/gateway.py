"""An Envoy data plane on free ports, and the small releases that its tests publish."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock.adapters.envoy.plane import EnvoyDataPlane
from interlock.domain.releases.release import Deployment, Release, Replay
from interlock.domain.traffic.bucket import bucket
from interlock.engine.ports import Captured, Counters
from support.echo import Answer, Echo, call, free_port

SEED = 2**64 - 59


@dataclass
class Gateway:
    """A running data plane and its two ports."""

    plane: EnvoyDataPlane
    edge: int
    inner: int
    directory: Path

    def ask(self, path: str, body: Any = b"{}", **more: Any) -> Answer:
        """A request at the edge."""
        return call(self.edge, path, body, **more)

    def ask_inside(self, path: str, baggage: str | None = None, body: Any = b"{}", **more: Any) -> Answer:
        """A request at the inner listener."""
        return call(self.inner, path, body, headers={"baggage": baggage} if baggage else {}, **more)

    def counted(self, claim: Callable[[Counters], bool]) -> Counters:
        """The counters, once `claim` holds; latencies lag by the flush interval."""
        return eventually(self.plane.counters, claim)


def eventually(read: Callable[[], Any], claim: Callable[[Any], bool], deadline_s: float = 8.0) -> Any:
    """The first value read for which `claim` holds."""
    ends = time.monotonic() + deadline_s
    while not claim(value := read()):
        assert time.monotonic() < ends, f"it did not come about within {deadline_s} s; last seen: {value}"
        time.sleep(0.02)
    return value


def another(directory: Path, edge: int, inner: int, **more: Any) -> Gateway:
    """A data plane object for these addresses; nothing is started."""
    plane = EnvoyDataPlane(directory, ("127.0.0.1", edge), ("127.0.0.1", inner), **more)
    return Gateway(plane, edge, inner, directory)


@contextmanager
def gateway(directory: Path, **more: Any) -> Iterator[Gateway]:
    """An Envoy that is started, and ended afterwards."""
    made = another(directory, free_port(), free_port(), **more)
    try:
        made.plane.ensure()
        yield made
    finally:
        made.plane.stop()


def deployed(service: str, echo: Echo, version: str = "1", **more: Any) -> Deployment:
    """`service` on the edge, answered by `echo`; POSTs may be replayed."""
    settings: dict[str, Any] = {"edge": True, "replay": Replay(posts=True), "timeout_s": 5.0, **more}
    return Deployment(service, version, (echo.endpoint,), **settings)


def cut(*deployments: Deployment) -> Release:
    """A release of these deployments."""
    return Release(tuple(sorted(deployments, key=lambda d: d.service)))


def key_in(weight_bp: int, seed: int = SEED, skip: int = 0) -> str:
    """An entity key whose bucket is below `weight_bp`."""
    return [k for k in (f"key-{n}" for n in range(20_000)) if bucket(k, seed) < weight_bp][skip]


def key_outside(weight_bp: int, seed: int = SEED, skip: int = 0) -> str:
    """An entity key whose bucket is not below `weight_bp`."""
    return [k for k in (f"key-{n}" for n in range(20_000)) if bucket(k, seed) >= weight_bp][skip]


def taken(plane: EnvoyDataPlane, claim: Callable[[Captured], bool]) -> Captured:
    """Everything captured from now on, once `claim` holds of it."""
    sofar = Captured()

    def take() -> Captured:
        nonlocal sofar
        more = plane.take_captured()
        sofar = Captured(sofar.pairs + more.pairs, sofar.answers + more.answers, sofar.bad + more.bad)
        return sofar

    found: Captured = eventually(take, claim)
    return found
