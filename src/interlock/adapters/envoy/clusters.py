"""Clusters: a service as a release serves it. What is particular to a release are its cluster's upstream filters.

Filters there run anew for each attempt and for each copy, so direct, split, pinned, repeated and mirrored requests
all carry the right pin and the right contract version. Envoy checks no health: a failed attempt is replayed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from interlock.adapters.envoy import lua
from interlock.adapters.envoy.addresses import split_endpoint
from interlock.adapters.envoy.hop.config import Sockets, ways
from interlock.adapters.envoy.names import API, OVERWRITE, Json, cluster, header_mutation, shadow_cluster
from interlock.domain.releases.route_table import Backend, RouteTable
from interlock.domain.traffic.baggage import HEADER

SHADOW_LISTENER = "shadow"
RELEASE_FILTER = "interlock.release"
UPSTREAM_IDLE_S = 4
"""Below the five seconds after which common servers close an idle connection, so that we close it first."""
_MANY = 1_000_000


def clusters(table: RouteTable, hop: Sockets) -> Iterator[Json]:
    """One cluster for each backend, and a second one through which a backend on the edge may get copies.

    Whether it gets any is the edge's matter: so nothing is missing while the edge still copies or does already.
    """
    segmented = {b.deployment.service for b in table.backends if b.deployment.segments}
    for backend in table.backends:
        yield _cluster(backend, hop, is_segmented=backend.deployment.service in segmented)
        if backend.deployment.edge:
            yield _shadow_cluster(backend.deployment.service, backend.release)


def _cluster(backend: Backend, hop: Sockets, *, is_segmented: bool) -> Json:
    """Behind the hop an endpoint is one address for each of its workers, so that Envoy balances those too."""
    deployment = backend.deployment
    name = cluster(deployment.service, backend.release)
    hosts = [split_endpoint(e) for e in deployment.endpoints]
    endpoints = [_socket(host, port) for host, port in hosts]
    if through := ways(backend.release, deployment):
        endpoints = [{"pipe": {"path": str(path)}} for way in through for path in hop.of(way)]
    are_addresses = bool(through) or all(_is_address(host) for host, _ in hosts)
    body: Json = {
        "name": name,
        "type": "STATIC" if are_addresses else "STRICT_DNS",
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        "per_connection_buffer_limit_bytes": max(1_048_576, deployment.body_limit_bytes),
        "circuit_breakers": _UNBROKEN,
        "load_assignment": _assignment(name, endpoints),
        "typed_extension_protocol_options": _upstream(
            _lua_filter(RELEASE_FILTER, lua.release_filter(backend.release, deployment, is_segmented=is_segmented))
        ),
        "metadata": {"filter_metadata": {"interlock": {"release": backend.release}}},
    }
    return body if are_addresses else {**body, "dns_lookup_family": "V4_PREFERRED"}


def _shadow_cluster(service: str, release: str) -> Json:
    name = shadow_cluster(service, release)
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "circuit_breakers": _UNBROKEN,
        "load_assignment": _assignment(
            name, [{"envoy_internal_address": {"server_listener_name": SHADOW_LISTENER}}]
        ),
        "typed_extension_protocol_options": _upstream(_marked_copy(cluster(service, release))),
        "transport_socket": {
            "name": "envoy.transport_sockets.internal_upstream",
            "typed_config": {
                "@type": f"{API}extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport",
                "transport_socket": {
                    "name": "envoy.transport_sockets.raw_buffer",
                    "typed_config": {"@type": f"{API}extensions.transport_sockets.raw_buffer.v3.RawBuffer"},
                },
            },
        },
    }


def _marked_copy(name: str) -> Json:
    """Marks a copy as one, and names the cluster `name` that the shadow listener is to use. The release's own
    filter brings its baggage in order.
    """
    marks = [
        _header(lua.SHADOW_HEADER, name, OVERWRITE),
        _header(HEADER, f"{lua.COPY_MEMBER}=1", "APPEND_IF_EXISTS_OR_ADD"),
    ]
    return header_mutation("interlock.copy", request_mutations=[{"append": mark} for mark in marks])


def _header(name: str, value: str, action: str) -> Json:
    return {"header": {"key": name, "value": value}, "append_action": action}


_UNBROKEN = {
    "thresholds": [
        {"max_connections": _MANY, "max_pending_requests": _MANY, "max_requests": _MANY, "max_retries": _MANY}
    ]
}


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _socket(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}


def _assignment(name: str, addresses: list[Json]) -> Json:
    endpoints = [{"endpoint": {"address": address}} for address in addresses]
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]}


def _upstream(*filters: Json) -> Json:
    codec_type = f"{API}extensions.filters.http.upstream_codec.v3.UpstreamCodec"
    codec = {"name": "envoy.filters.http.upstream_codec", "typed_config": {"@type": codec_type}}
    kind = "extensions.upstreams.http.v3.HttpProtocolOptions"
    options = {
        "@type": API + kind,
        "common_http_protocol_options": {"idle_timeout": f"{UPSTREAM_IDLE_S}s"},
        "explicit_http_config": {"http_protocol_options": {}},
        "http_filters": [*filters, codec],
    }
    return {f"envoy.{kind}": options}


def _lua_filter(name: str, source: str) -> Json:
    kind = f"{API}extensions.filters.http.lua.v3.Lua"
    return {"name": name, "typed_config": {"@type": kind, "default_source_code": {"inline_string": source}}}
