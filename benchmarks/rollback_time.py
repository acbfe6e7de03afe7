"""How long after the decision to roll back does the candidate still get requests?

`python -m benchmarks.rollback_time` publishes a 50 % canary and a rollback, twenty times, under load. Measured from
the call of `publish` to the arrival of the last request at the candidate, by one clock. Goals: median at most
100 ms and worst at most 500 ms, of which Envoy's own switch is a few milliseconds; 0 failed requests.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from benchmarks.rig import Driving, Load, Service, ask, cut, deployment, median, plane, serving, table

from interlock.domain.releases.route_table import Split, route_table
from interlock.domain.traffic.bucket import seed

QUIET_S = 0.2
"""After this long without a request the last one was the last."""


def run(quick: bool = False) -> dict[str, Any]:
    """Roll back 20 times (5 when `quick`)."""
    times = 5 if quick else 20
    with serving([Service("b"), Service("c")]) as (baseline, candidate), plane() as (data_plane, edge, _):
        r1, r2 = cut(deployment("svc", "1", baseline)), cut(deployment("svc", "2", candidate))

        def publish(weight_bp: int) -> None:
            data_plane.publish(route_table(r1, (r2,), {"svc": Split(r2.id, weight_bp, seed("rollback"))}))

        def last_s() -> float:
            return float(ask(candidate, "/-/last"))

        publish(5_000)
        driving = Driving(Load(edge, "/svc/", connections=8))
        took = []
        for _ in range(times):
            publish(5_000)
            began = time.monotonic()
            while last_s() < began:
                time.sleep(0.002)
            decided = time.monotonic()
            publish(0)
            acknowledged = time.monotonic()
            time.sleep(QUIET_S)
            took.append((max(0.0, last_s() - decided), acknowledged - decided))
        driven = driving.end()
    return {
        "rollbacks": times,
        "median_ms": round(1000 * median([last for last, _ in took]), 1),
        "worst_ms": round(1000 * max(last for last, _ in took), 1),
        "publish_median_ms": round(1000 * median([ack for _, ack in took]), 1),
        "failed": driven.failed,
        "requests_per_s": round(driven.requests / driven.seconds),
    }


def main() -> None:
    """Print the figures beside their goals."""
    found = run(quick="--quick" in sys.argv)
    table(
        f"rollback ({found['rollbacks']} times at {found['requests_per_s']} requests/s)",
        [
            ("", "measured", "goal"),
            ("decision to last candidate request, median ms", str(found["median_ms"]), "<= 100"),
            ("decision to last candidate request, worst ms", str(found["worst_ms"]), "<= 500"),
            ("publish returns, median ms", str(found["publish_median_ms"]), ""),
            ("failed requests", str(found["failed"]), "0"),
        ],
    )


if __name__ == "__main__":
    main()
