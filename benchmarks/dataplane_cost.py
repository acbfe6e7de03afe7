"""What the data plane costs, as a ratio to a plain Envoy with one route that alternates with it in the same run.

`python -m benchmarks.dataplane_cost` loads each variant in turn, five rounds, POST of 292 bytes, 32 connections,
one Envoy worker, and takes the median of the paired ratios. Goals (requests/s against plain): edge with everything
on (sticky split, pin, fallback, timings per release) at least 0.70, with 1 % shadow and capture 0.68, with 10 %
0.55; an inner hop that follows a pin 0.70. Load by `wrk` where it is installed, else by this package's generator;
services and load share the machine with Envoy, so Envoy's own processor time per request is the steadier figure.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.rig import (
    HOST,
    Load,
    Sample,
    Service,
    compared,
    cpu_seconds,
    cut,
    deployment,
    drive,
    envoy,
    free_port,
    pid_of,
    plain_cluster,
    plain_listener,
    plane,
    serving,
    table,
)

from interlock.domain.releases.route_table import RouteTable, Shadow, Split, route_table
from interlock.domain.traffic.bucket import seed

CONNECTIONS = 32
GOALS = {"inner, pinned": 0.70, "edge, all on": 0.70, "edge, 1 % shadow": 0.68, "edge, 10 % shadow": 0.55}
_SCRIPT = """
local requests, n = {}, 0
local pin = '%s'
function init(args)
  local body = '{"pad":"' .. string.rep('x', 282) .. '"}'
  for i = 1, 2000 do
    local headers = {['x-entity-key'] = 'key-' .. i, ['content-type'] = 'application/json'}
    if pin ~= '' then headers['baggage'] = pin end
    requests[i] = wrk.format('POST', '/svc/', headers, body)
  end
end
function request() n = n %% 2000 + 1; return requests[n] end
"""


@dataclass(frozen=True, slots=True)
class Variant:
    """Where to send the load, with which pin, after which table was published."""

    name: str
    port: int
    pid: int
    baggage: str = ""
    table: RouteTable | None = None


def run(quick: bool = False) -> dict[str, Any]:
    """Five rounds of 2 s for each variant (two of 1 s when `quick`)."""
    rounds, seconds = (2, 1) if quick else (5, 2)
    port = free_port()
    with (
        serving([Service("b" * 185), Service("c" * 185)]) as (baseline, candidate),
        envoy([plain_listener(port, [_ROUTE])], [plain_cluster("b", baseline)], port) as plain_pid,
        plane() as (data_plane, edge, inner),
    ):
        r1, r2 = cut(deployment("svc", "1", baseline)), cut(deployment("svc", "2", candidate))
        split = {"svc": Split(r2.id, 1_000, seed("cost"))}
        tables = [
            route_table(r1, (r2,), split, {"svc": Shadow(r2.id, share)} if share else None)
            for share in (0, 100, 1_000)
        ]
        pid = pid_of(data_plane.directory)
        variants = [
            Variant("plain", port, plain_pid),
            Variant("inner, pinned", inner, pid, f"interlock.release={r1.id}", tables[0]),
            Variant("edge, all on", edge, pid, "", tables[0]),
            Variant("edge, 1 % shadow", edge, pid, "", tables[1]),
            Variant("edge, 10 % shadow", edge, pid, "", tables[2]),
        ]
        samples = _rounds(variants, rounds, seconds, data_plane.publish, data_plane.take_captured)
    return compared(samples)


_ROUTE = {"match": {"prefix": "/"}, "route": {"cluster": "b"}}


def _rounds(
    variants: list[Variant],
    rounds: int,
    seconds: int,
    publish: Callable[[RouteTable], None],
    drain: Callable[[], object],
) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = {v.name: [] for v in variants}
    for _ in range(rounds):
        for variant in variants:
            if variant.table:
                publish(variant.table)
            drain()
            samples[variant.name].append(_load(variant, seconds))
    return samples


def _load(variant: Variant, seconds: int) -> Sample:
    cpu_before = cpu_seconds(variant.pid)
    if shutil.which("wrk"):
        requests, per_s, p99_ms, failed = _wrk(variant, seconds)
    else:
        driven = drive(Load(variant.port, "/svc/", CONNECTIONS, seconds=seconds, baggage=variant.baggage))
        requests, per_s, p99_ms, failed = (
            driven.requests,
            driven.requests / driven.seconds,
            driven.p99_ms,
            driven.failed,
        )
    return Sample(per_s, p99_ms, {"cpu_us": 1e6 * (cpu_seconds(variant.pid) - cpu_before) / requests}, failed)


def _wrk(variant: Variant, seconds: int) -> tuple[int, float, float, int]:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        Path(script.name).write_text(_SCRIPT % variant.baggage)
        url = f"http://{HOST}:{variant.port}/"
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", script.name, url]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    p99, unit = _number(r"99%\s+([\d.]+)(us|ms|s)", told)
    scale = {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", told)
    requests, per_s = _number(r"(\d+) requests in ()", told)[0], _number(r"Requests/sec:\s+([\d.]+)()", told)[0]
    return int(requests), per_s, p99 * scale, int(bad[1]) if bad else 0


def _number(pattern: str, text: str) -> tuple[float, str]:
    found = re.search(pattern, text)
    if found is None:
        raise ValueError(f"wrk did not tell {pattern!r}:\n{text}")
    return float(found[1]), found[2]


def main() -> None:
    """Print the figures beside their goals."""
    found = run(quick="--quick" in sys.argv)
    rows = [("", "requests/s x plain", "goal")]
    rows += [(name, str(found[name]["ratio"]), f">= {goal}") for name, goal in GOALS.items()]
    table(f"cost of the data plane (plain Envoy: {found['plain']['requests_per_s']} requests/s)", rows)
    for name, figures in found.items():
        cost = f"p99 {figures['p99_ms']} ms, Envoy {figures['cpu_us']} us/request"
        print(f"    {name}: {cost}, {figures['failed']} failed")


if __name__ == "__main__":
    main()
