"""Is a request that crosses five services ever served by two releases, while weights change and roll back?

`python -m benchmarks.coherence` sends 100,000 requests through a chain of five services (edge and four inner hops)
at about 10 % canary, republishing the weight all the time, with one rollback to zero in the middle. Beside it the
same chain behind independent random splits per hop, as weighted routes without a pin do it; at 10 % and five hops
1 - 0.9^5 - 0.1^5 = 41 % of those are mixed. Goals: 0 mixed, 0 failed, 0 unpinned.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from benchmarks.rig import (
    Driven,
    Driving,
    Load,
    Service,
    cut,
    deployment,
    drive,
    envoy,
    free_port,
    plain_cluster,
    plain_listener,
    plane,
    serving,
    table,
)

from interlock.domain.releases.route_table import Split, route_table
from interlock.domain.traffic.bucket import seed

HOPS = 5
WEIGHTS_BP = (1_000, 500, 2_000, 1_000, 1_500)
PAUSE_S = 0.1
ROLLBACK = 10
"""Which publication is the rollback."""
CONNECTIONS = 12


def run(quick: bool = False) -> dict[str, Any]:
    """Run both chains (100,000 requests through ours; 4,000 when `quick`)."""
    requests = 4_000 if quick else 100_000
    pinned, published, unpinned = _pinned(requests)
    independent = _independent(max(2_000, requests // 10))
    return {
        "requests": pinned.requests,
        "publications": published,
        "mixed": _mixed(pinned),
        "failed": pinned.failed,
        "unpinned": unpinned,
        "candidate_requests": pinned.answers[200, b"c" * HOPS],
        "requests_per_s": round(pinned.requests / pinned.seconds),
        "p99_ms": round(pinned.p99_ms, 2),
        "independent_mixed_percent": round(100 * _mixed(independent) / independent.requests, 2),
    }


def _mixed(driven: Driven) -> int:
    return sum(n for (status, body), n in driven.answers.items() if status == 200 and len(set(body)) > 1)


def _chain(inner: int) -> list[Service]:
    """Both releases of each hop, baseline first; each hop calls the next one through `inner`."""
    calls = [f"/s{n + 1}/" if n + 1 < HOPS else "" for n in range(HOPS)]
    return [Service(tag, call, inner) for tag in "bc" for call in calls]


def _pinned(requests: int) -> tuple[Driven, int, int]:
    with plane() as (data_plane, edge, inner), serving(_chain(inner)) as ports:
        releases = [
            cut(*(deployment(f"s{n}", version, port, edge=n == 0) for n, port in enumerate(side)))
            for version, side in (("1", ports[:HOPS]), ("2", ports[HOPS:]))
        ]
        r1, r2 = releases

        def publish(weight_bp: int) -> None:
            data_plane.publish(route_table(r1, (r2,), {"s0": Split(r2.id, weight_bp, seed("coherence"))}))

        publish(WEIGHTS_BP[0])
        driving, published = Driving(Load(edge, "/s0/", CONNECTIONS, requests)), 0
        while not driving.is_done():
            published += 1
            publish(0 if published == ROLLBACK else WEIGHTS_BP[published % len(WEIGHTS_BP)])
            time.sleep(PAUSE_S)
        return driving.wait(), published, sum(data_plane.counters().unpinned.values())


def _independent(requests: int) -> Driven:
    edge, inner = free_port(), free_port()
    with serving(_chain(inner)) as ports:
        names = [f"s{n}@{tag}" for tag in "bc" for n in range(HOPS)]
        clusters = [plain_cluster(name, port) for name, port in zip(names, ports, strict=True)]
        routes = [
            {
                "match": {"prefix": f"/s{n}/"},
                "route": {
                    "weighted_clusters": {
                        "clusters": [{"name": f"s{n}@b", "weight": 9_000}, {"name": f"s{n}@c", "weight": 1_000}]
                    }
                },
            }
            for n in range(HOPS)
        ]
        with envoy([plain_listener(port, routes) for port in (edge, inner)], clusters, edge):
            return drive(Load(edge, "/s0/", CONNECTIONS, requests))


def main() -> None:
    """Print the figures beside their goals."""
    found = run(quick="--quick" in sys.argv)
    table(
        f"coherence (chain of {HOPS}, {found['requests']} requests, {found['publications']} changes, 1 rollback)",
        [
            ("", "measured", "goal"),
            ("mixed requests", str(found["mixed"]), "0"),
            ("failed requests", str(found["failed"]), "0"),
            ("requests that arrived inside without a pin", str(found["unpinned"]), "0"),
            ("mixed with independent splits, percent", str(found["independent_mixed_percent"]), "41 expected"),
        ],
    )
    print(
        f"    {found['candidate_requests']} served by the candidate; {found['requests_per_s']} requests/s,"
        f" p99 {found['p99_ms']} ms"
    )


if __name__ == "__main__":
    main()
