"""Plants a fault in a service while it runs, so that benchmarks can measure how long it takes to be found.

For the demo and its benchmarks alone. Off unless the environment variable DEMO_FAULT names a file when the service
starts. The file holds one `Fault` as JSON, and may come, change and go at any time; the service looks at each
request, so no process restarts between two faults. An answer that a fault took part in says so in its trail
(`"fault": true`), which callers pass on: whoever gets it knows for sure.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, assert_never

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from demo.services.serving import answer

FAULT_VARIABLE = "DEMO_FAULT"
HANG_S = 30.0
"""Longer than any caller waits."""

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, and for which requests.

    kind: `fails` answers 500; `hangs` does not answer while anybody waits; `slows` waits `added_ms`, and makes the
    service's own time `factor` times as long; `misjudges` adds `bias_min` and a normal error of standard deviation
    `noise_min` to a prediction. share: of the requests that qualify. field, value: only requests whose `field` is
    `value` qualify. after_s: begins so long after the first request that the service got since it was planted.
    grows_s: comes on evenly over so long, in share (`fails`, `hangs`) or in size. seed: which requests it hits.
    """

    kind: Literal["fails", "hangs", "slows", "misjudges"]
    share: float = 1.0
    factor: float = 1.0
    added_ms: float = 0.0
    bias_min: float = 0.0
    noise_min: float = 0.0
    field: str = ""
    value: str = ""
    after_s: float = 0.0
    grows_s: float = 0.0
    seed: int = 0


def plant(path: Path, fault: Fault | None) -> None:
    """Set the fault of the services that watch `path`; None takes it away. No reader ever sees half a file."""
    if fault is None:
        path.unlink(missing_ok=True)
        return
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(fault)))
    fresh.replace(path)


class Planted:
    """The fault in a file, as it stands at each request. `clock` tells seconds."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.path, self.clock = path, clock
        self.fault: Fault | None = None
        self.since = 0.0
        self.chance = random.Random()
        self._stamp: tuple[int, int] | None = None

    def strike(self, body: bytes) -> tuple[Fault, float] | None:
        """The fault that hits the request with this body, and its strength (0 to 1); None when it is spared."""
        self._look()
        fault = self.fault
        if fault is None or (late_s := self.clock() - self.since - fault.after_s) < 0:
            return None
        if fault.field and json.loads(body).get(fault.field) != fault.value:
            return None
        strength = min(1.0, late_s / fault.grows_s) if fault.grows_s else 1.0
        share = fault.share * (strength if fault.kind in ("fails", "hangs") else 1.0)
        return (fault, strength) if self.chance.random() < share else None

    def _look(self) -> None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            self.fault = self._stamp = None
            return
        stamp = found.st_ino, found.st_mtime_ns
        if stamp != self._stamp:
            self.fault = Fault(**json.loads(self.path.read_text()))
            self._stamp, self.since = stamp, self.clock()
            self.chance = random.Random(self.fault.seed)


def with_faults(route: Route) -> Route:
    """`route`, suffering from the fault in the file that DEMO_FAULT names; `route` itself when it names none."""
    path = os.environ.get(FAULT_VARIABLE)
    if not path:
        return route
    planted, endpoint = Planted(Path(path)), route.endpoint

    async def handle(request: Request) -> Response:
        struck = planted.strike(await request.body())
        if struck is None:
            return await endpoint(request)  # type: ignore[no-any-return]  # Starlette declares endpoints as Any
        return await suffer(*struck, endpoint, request, planted.chance)

    return Route(route.path, handle, methods=list(route.methods or ()))


async def suffer(
    fault: Fault, strength: float, endpoint: Endpoint, request: Request, chance: random.Random
) -> Response:
    """The answer to a request that `fault` hits."""
    match fault.kind:
        case "fails":
            return failure()
        case "hangs":
            await asyncio.sleep(HANG_S)
            return failure()
        case "slows":
            began = time.monotonic()
            response = await endpoint(request)
            own_s = time.monotonic() - began
            await asyncio.sleep(strength * ((fault.factor - 1) * own_s + fault.added_ms / 1000))
            return marked(response)
        case "misjudges":
            off_min = strength * (fault.bias_min + chance.gauss(0, fault.noise_min))
            return marked(await endpoint(request), off_min)
        case _ as unreachable:
            assert_never(unreachable)


def failure() -> Response:
    return answer({"error": "a planted fault"}, 500)


def marked(response: Response, off_min: float = 0.0) -> Response:
    """The same answer, marked in the service's own entry of the trail, with its prediction off by `off_min`."""
    if response.status_code != 200:
        return response
    body: dict[str, Any] = json.loads(bytes(response.body))
    own, *others = body["trail"]
    body["predicted_delay_min"] = round(body["predicted_delay_min"] + off_min, 2)
    return answer(body | {"trail": [own | {"fault": True}, *others]})
