"""What a lens in the path of requests costs, by engine, as a ratio to the same route without one in the same run.

`python -m benchmarks.lens_path` pins requests to a release at the inner listener: a plain one, one behind the hop,
and one in Lua, each with the same service and the same load, alternating for seven rounds; the median of the paired
ratios counts. POST of 292 bytes, answers of 185, both translated; 32 connections, one Envoy worker, one worker of
the hop. Goals (requests/s against plain): hop at least 0.60, Lua at least 0.55. Services and load share the machine
with both, so processor time per request is the steadier figure.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.rig import (
    Driven,
    Load,
    Sample,
    Service,
    compared,
    cpu_seconds,
    cut,
    deployment,
    drive,
    pid_of,
    plane,
    serving,
    table,
)

from interlock.domain.lenses.ops import Add, Cast, Drop, Map, Program, Rename, Unit
from interlock.domain.releases.route_table import route_table

CONNECTIONS = 32
GOALS = {"hop": 0.60, "Lua": 0.55}
_REQUEST: Program = (
    Rename("amount_cents", "amount"),
    Unit("amount", 1, 100),
    Map("channel", (("w", "web"), ("a", "app"))),
    Cast("zip", "integer", "string"),
    Add("currency", "EUR"),
)
_RESPONSE: Program = (Rename("score", "probability"), Drop("debug"))
_BODY = {"amount_cents": 129_900, "channel": "w", "zip": 10_115, "id": "o-1", "pad": "x" * 216}
_ANSWER = {"score": 0.25, "debug": [1, 2, 3], "version": "2", "pad": "y" * 128}


def run(quick: bool = False) -> dict[str, Any]:
    """Seven rounds of 2 s for each variant (three of 1 s when `quick`)."""
    rounds, seconds = (3, 1) if quick else (7, 2)
    answer = json.dumps(_ANSWER, separators=(",", ":"))
    lens: dict[str, Any] = {"request": _REQUEST, "response": _RESPONSE}
    with (
        serving([Service(answer, content_type="application/json")]) as [port],
        plane() as (data_plane, _, inner),
    ):
        releases = {
            "plain": cut(deployment("svc", "1", port)),
            "hop": cut(deployment("svc", "2", port, lens_engine="hop", **lens)),
            "Lua": cut(deployment("svc", "3", port, lens_engine="lua", **lens)),
        }
        first, *others = releases.values()
        data_plane.publish(route_table(first, tuple(others)))
        pids = pid_of(data_plane.directory), *_workers(data_plane.directory)
        samples: dict[str, list[Sample]] = {name: [] for name in releases}
        for _ in range(rounds):
            for name, release in releases.items():
                samples[name].append(_load(inner, f"interlock.release={release.id}", seconds, pids))
    return compared(samples)


def _workers(directory: Path) -> list[int]:
    """The processes of the hop that serve."""
    parent = json.loads((directory / "hop-process.json").read_text())["pid"]
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def _load(port: int, baggage: str, seconds: int, pids: tuple[int, ...]) -> Sample:
    before = [cpu_seconds(pid) for pid in pids]
    body = json.dumps(_BODY, separators=(",", ":")).encode()
    driven: Driven = drive(Load(port, "/svc/", CONNECTIONS, seconds=seconds, baggage=baggage, body=body))
    used = [1e6 * (cpu_seconds(pid) - was) / driven.requests for pid, was in zip(pids, before, strict=True)]
    cpu_us = {"envoy_us": used[0], "hop_us": sum(used[1:])}
    return Sample(driven.requests / driven.seconds, driven.p99_ms, cpu_us, driven.failed)


def main() -> None:
    """Print the figures beside their goals."""
    found = run(quick="--quick" in sys.argv)
    rows = [("", "requests/s x plain", "goal")]
    rows += [(name, str(found[name]["ratio"]), f">= {goal}") for name, goal in GOALS.items()]
    table(f"lenses in the path of requests (plain route: {found['plain']['requests_per_s']} requests/s)", rows)
    for name, figures in found.items():
        cost = f"Envoy {figures['envoy_us']} us, hop {figures['hop_us']} us a request"
        print(f"    {name}: p99 {figures['p99_ms']} ms, {cost}, {figures['failed']} failed")


if __name__ == "__main__":
    main()
