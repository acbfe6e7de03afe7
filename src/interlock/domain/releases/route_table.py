"""The vendor-free table of how traffic reaches releases; an adapter translates it to its data plane.

The table is rebuilt whole from the live releases, sorted, and named by its digest; it is never patched.

Laws that an adapter keeps:
1. Every backend of every release in the table answers under its pin at every inner hop before any edge
   assigns a request to it; on removal the order is reversed.
2. The edge decides once, by `bucket(key, seed) < weight_bp`; a pin that an outside caller sends is void.
3. An inner hop follows the pin; without one, or with one that is not in the table, it serves `default`,
   and the request is counted as unpinned.
4. A replayable request that the candidate fails is replayed whole by the edge, once, under the baseline.
"""

from __future__ import annotations

from dataclasses import dataclass

from interlock.domain.releases.release import Deployment, Release
from interlock.kernel.digest import digest

WHOLE_BP = 10_000
"""Weights and shares are basis points: 10,000 is everything."""


@dataclass(frozen=True, slots=True)
class Split:
    """Keys whose bucket is below `weight_bp` belong to the candidate; `seed` is the rollout's salt. `sample_bp` of
    the answers of each release are captured.
    """

    candidate: str
    weight_bp: int
    seed: int
    sample_bp: int = 0


@dataclass(frozen=True, slots=True)
class Shadow:
    """`share_bp` of the baseline's replayable requests are copied to the candidate; its answers are not served.
    Other `twin_bp` are copied to the baseline itself, which shows how far it disagrees with itself.
    """

    candidate: str
    share_bp: int
    twin_bp: int = 0


@dataclass(frozen=True, slots=True)
class Backend:
    """Service `deployment.service` as release `release` serves it."""

    release: str
    deployment: Deployment


@dataclass(frozen=True, slots=True)
class Entry:
    """How requests for one service are assigned; `default` serves the unpinned and the unassigned."""

    service: str
    default: str
    split: Split | None = None
    shadow: Shadow | None = None


@dataclass(frozen=True, slots=True)
class RouteTable:
    """All live releases and every service's entry, both sorted."""

    backends: tuple[Backend, ...]
    entries: tuple[Entry, ...]

    @property
    def digest(self) -> str:
        return digest(self)

    def backend(self, service: str, release: str) -> Backend:
        return next(b for b in self.backends if b.deployment.service == service and b.release == release)


def route_table(
    default: Release,
    live: tuple[Release, ...] = (),
    splits: dict[str, Split] | None = None,
    shadows: dict[str, Shadow] | None = None,
    defaults: dict[str, str] | None = None,
) -> RouteTable:
    """Build the table from the default release, the other live releases, and what each service's edge does.

    `splits`, `shadows` and `defaults` are by service; `defaults` overrides the default release's id.
    """
    ids = [r.id for r in (default, *live)]  # each a digest of the whole release, so told once
    releases = dict(zip(ids, (default, *live), strict=True))
    backends = sorted(
        (Backend(name, d) for name, r in releases.items() for d in r.deployments),
        key=lambda b: (b.deployment.service, b.release),
    )
    services = sorted({b.deployment.service for b in backends})
    entries = tuple(
        Entry(
            service=s,
            default=(defaults or {}).get(s, ids[0]),
            split=(splits or {}).get(s),
            shadow=(shadows or {}).get(s),
        )
        for s in services
    )
    return RouteTable(backends=tuple(backends), entries=entries)
