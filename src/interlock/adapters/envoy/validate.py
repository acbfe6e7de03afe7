"""What must hold before Envoy sees a table; it would accept a route to a missing cluster, and answer 503."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from interlock.adapters.envoy.addresses import split_endpoint
from interlock.adapters.envoy.translate import Resources, by_service, is_on_edge
from interlock.domain.checks.evidence import OTHER_SEGMENTS, SEGMENT_LIMIT
from interlock.domain.releases.release import Deployment
from interlock.domain.releases.route_table import WHOLE_BP, Backend, Entry, RouteTable
from interlock.kernel.errors import Invalid
from interlock.kernel.ident import is_name

_TOKEN = re.compile(r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
_RELEASE = re.compile(r"^[A-Za-z0-9._-]{1,63}$")
_SEGMENT = re.compile(r"^[!#-$&-+./0-9:<-\[\]-~-]{1,64}$")
"""What a header and a baggage member hold alike without encoding (W3C baggage: baggage-octet, less the percent)."""


class TableUnsound(Invalid):
    """The route table names what is not there, or numbers outside their range."""

    code = "table.unsound"


def refuse_unsound(table: RouteTable) -> None:
    """Raise TableUnsound with everything that is wrong with `table`, not only the first."""
    problems = sorted({*_of_backends(table), *_of_entries(table)})
    if problems:
        raise TableUnsound(f"the route table cannot be served: {'; '.join(problems)}")


def refuse_dangling(resources: Resources) -> None:
    """Raise TableUnsound when a route names a cluster that is not among the clusters."""
    known = {c["name"] for c in resources.clusters}
    named = {n for part in (resources.edge, resources.inner, resources.shadow) for n in _clusters_named(part)}
    if missing := sorted(named - known):
        raise TableUnsound(f"routes name clusters that do not exist: {', '.join(missing)}")


def _clusters_named(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for key, inner in value.items():
                if key in ("cluster", "cluster_name") and isinstance(inner, str):
                    yield inner
                else:
                    yield from _clusters_named(inner)
        case list():
            for inner in value:
                yield from _clusters_named(inner)


def _of_backends(table: RouteTable) -> Iterator[str]:
    seen: set[tuple[str, str]] = set()
    for backend in table.backends:
        key = (backend.deployment.service, backend.release)
        if key in seen:
            yield f"{key[0]} is in {key[1]} twice"
        seen.add(key)
        yield from _of_backend(backend)


def _of_backend(backend: Backend) -> Iterator[str]:
    deployment = backend.deployment
    name = f"{deployment.service}@{deployment.version}"
    if not is_name(deployment.service):
        yield f"{deployment.service!r} is no service name"
    if not _RELEASE.match(backend.release):
        yield f"{backend.release!r} is no release id"
    if not deployment.endpoints:
        yield f"{name} has no endpoint"
    yield from _of_deployment(name, deployment)


def _of_deployment(name: str, deployment: Deployment) -> Iterator[str]:
    for endpoint in deployment.endpoints:
        try:
            split_endpoint(endpoint)
        except ValueError as error:
            yield f"{name}: {error}"
    if not _TOKEN.match(deployment.entity_header):
        yield f"{name}: {deployment.entity_header!r} is no header name"
    if not 0.001 <= deployment.timeout_s <= 86_400:
        yield f"{name}: a timeout of {deployment.timeout_s} s is not in 0.001..86400"
    if not 0 < deployment.body_limit_bytes < 2**32:
        yield f"{name}: a body limit of {deployment.body_limit_bytes} bytes is not in 1..{2**32 - 1}"

    yield from _of_segments(name, deployment)


def _of_segments(name: str, deployment: Deployment) -> Iterator[str]:
    segments = deployment.segments
    if bool(deployment.segment_header) != bool(segments):
        yield f"{name}: a segment header and segments need one another"
    if deployment.segment_header and not _TOKEN.match(deployment.segment_header):
        yield f"{name}: {deployment.segment_header!r} is no header name"
    if len(segments) > SEGMENT_LIMIT:
        yield f"{name}: {len(segments)} segments are more than {SEGMENT_LIMIT}"
    for segment in segments:
        if segment == OTHER_SEGMENTS or not _SEGMENT.match(segment):
            yield (
                f"{name}: {segment!r} is no segment: 1 to 64 visible ASCII characters without space, quotation "
                f'mark, comma, semicolon, backslash and percent sign, other than "{OTHER_SEGMENTS}"'
            )


def _of_entries(table: RouteTable) -> Iterator[str]:
    found = by_service(table)
    for entry in table.entries:
        backends = found.get(entry.service, {})
        for role, release, number in _roles(entry):
            if release not in backends:
                yield f"the {role} of {entry.service}, {release}, has no such service"
            elif role == "shadow" and is_on_edge(entry, backends) and not backends[release].edge:
                yield f"the shadow of {entry.service}, {release}, is not on the edge"
            elif release == entry.default:
                yield f"the {role} of {entry.service}, {release}, is its default too"
            if not 0 <= number <= WHOLE_BP:
                yield f"the {role} of {entry.service} gets {number} bp, which is not in 0..{WHOLE_BP}"
        if entry.split and not 0 <= entry.split.seed < 2**64:
            yield f"the seed of {entry.service} does not fit 64 bits"
        yield from _of_shares(entry)


def _of_shares(entry: Entry) -> Iterator[str]:
    if entry.split and not 0 <= entry.split.sample_bp <= WHOLE_BP:
        yield f"the sample of {entry.service} is {entry.split.sample_bp} bp, which is not in 0..{WHOLE_BP}"
    if entry.shadow and not 0 <= entry.shadow.twin_bp <= WHOLE_BP - entry.shadow.share_bp:
        both = f"{entry.shadow.share_bp} bp and twins of {entry.shadow.twin_bp} bp"
        yield f"the shadow of {entry.service} gets {both}, which are not in 0..{WHOLE_BP} together"


def _roles(entry: Entry) -> Iterator[tuple[str, str, int]]:
    if entry.split:
        yield "candidate", entry.split.candidate, entry.split.weight_bp
    if entry.shadow:
        yield "shadow", entry.shadow.candidate, entry.shadow.share_bp
