"""The route table as Envoy resources, as plain JSON data; here the routes of each listener, clusters beside it.

Pure: equal tables give equal resources, so that a golden test can read them. The edge draws a request's bucket
with Envoy's `runtime_fraction` matcher, which is `domain/traffic/bucket.py` to the bit, and follows no pin; the
inner listener follows the pin and draws nothing; the shadow listener serves copies. A candidate's edge route is
a priority group [candidate, default]: its one retry moves on to the default, so a failed attempt is replayed whole.

Limit: one RouteConfiguration per listener. A thousand services make an update of the edge tens of milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from interlock.adapters.envoy import lua
from interlock.adapters.envoy.clusters import RELEASE_FILTER, clusters
from interlock.adapters.envoy.names import API, OVERWRITE, Json, Kind, RouteName, cluster, shadow_cluster
from interlock.domain.releases.release import Deployment
from interlock.domain.releases.route_table import Entry, RouteTable, Split
from interlock.domain.traffic.baggage import HEADER, RELEASE_MEMBER, SHADOW_MEMBER

Backends = dict[str, Deployment]
"""One service: release -> deployment."""

BUFFER_FILTER = "envoy.filters.http.buffer"
CAPTURE_FILTER = "interlock.capture"
BODILESS = "GET|HEAD|OPTIONS|DELETE|TRACE"
IDEMPOTENT = f"{BODILESS}|PUT"
"""Methods that may always be repeated (RFC 9110 section 9.2.2; CONNECT is not proxied)."""
_UNSENT = "connect-failure,refused-stream,reset-before-request"


@dataclass(frozen=True, slots=True)
class Resources:
    """Everything release-specific that Envoy reads: clusters, and one RouteConfiguration per listener."""

    clusters: tuple[Json, ...]
    edge: Json
    inner: Json
    shadow: Json


def translate(table: RouteTable) -> Resources:
    """The resources that make `table` serve. The table must be sound (see `validate.py`)."""
    found = by_service(table)
    served = [(e, found.get(e.service, {})) for e in table.entries]
    return Resources(
        clusters=tuple(clusters(table)),
        edge=_routes("edge", "path", {e.service: _edge(e, at) for e, at in served if _is_on_edge(e, at)}),
        inner=_routes("inner", "path", {e.service: _list(_inner(e, at)) for e, at in served}),
        shadow=_routes("shadow", lua.SHADOW_HEADER, dict(_shadows(table))),
    )


def by_service(table: RouteTable) -> dict[str, Backends]:
    """service -> release -> deployment."""
    found: dict[str, Backends] = {}
    for backend in table.backends:
        found.setdefault(backend.deployment.service, {})[backend.release] = backend.deployment
    return found


def _is_on_edge(entry: Entry, backends: Backends) -> bool:
    return entry.default in backends and backends[entry.default].edge


# ---- parts of a route


@dataclass(frozen=True, slots=True)
class _Place:
    """Which requests a route takes besides its service: path, further header conditions, a random share."""

    match: Json
    rewrite: str
    headers: tuple[Json, ...] = ()
    share_bp: int | None = None

    def given(self, *headers: Json, share_bp: int | None = None) -> _Place:
        return _Place(self.match, self.rewrite, (*self.headers, *headers), share_bp)

    def as_match(self) -> Json:
        out = {**self.match}
        if self.headers:
            out["headers"] = list(self.headers)
        if self.share_bp is not None:
            # MILLION, because Envoy uses one random number for every fraction of a request
            out["runtime_fraction"] = {
                "default_value": {"numerator": self.share_bp * 100, "denominator": "MILLION"},
                "runtime_key": "interlock.unset",
            }
        return out


def _everywhere(service: str) -> list[_Place]:
    return [_Place({"prefix": f"/{service}/"}, "/"), _Place({"path": f"/{service}"}, "/")]


def _replayable(deployment: Deployment) -> list[_Place]:
    """Where a request may be sent a second time although it may have been executed."""
    replay = deployment.replay
    methods = f"{IDEMPOTENT}|POST" if replay.posts else IDEMPOTENT
    places = [p.given(_header(":method", safe_regex={"regex": methods})) for p in _everywhere(deployment.service)]
    posts = () if replay.posts else replay.prefixes
    paths = ["/" + prefix.lstrip("/") for prefix in posts]
    prefixed = [_Place({"prefix": f"/{deployment.service}{path}"}, path) for path in paths]
    return places + [p.given(_header(":method", exact="POST")) for p in prefixed]


def _header(name: str, **string_match: Any) -> Json:
    return {"name": name, "string_match": string_match}


def _has_key(header: str) -> Json:
    """The entity header is there and not empty: all empty keys would share one bucket."""
    absent = {"string_match": {"exact": ""}, "treat_missing_header_as_empty": True, "invert_match": True}
    return {"name": header, **absent}


def _seconds(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".") + "s"


def _to_one(service: str, release: str, deployment: Deployment) -> Json:
    """Serve by one release. A second attempt only when the first never reached the service."""
    return {
        "cluster": cluster(service, release),
        "timeout": _seconds(deployment.timeout_s),
        "retry_policy": {"retry_on": _UNSENT, "num_retries": 1, "retry_back_off": _AT_ONCE},
    }


def _to_candidate(service: str, split: Split, default: str, deployment: Deployment, *, replays: bool) -> Json:
    """Serve by the candidate; what fails is sent once more, under the default."""
    groups = [
        {"name": name, "clusters": [{"cluster_name": cluster(service, release), "weight": 1}]}
        for name, release in (("candidate", split.candidate), ("default", default))
    ]
    retry: Json = {
        "retry_on": f"5xx,reset,{_UNSENT}" if replays else _UNSENT,
        "num_retries": 1,
        "retry_back_off": _AT_ONCE,
        "refresh_cluster_on_retry": True,
    }
    if replays:
        retry["per_try_timeout"] = _seconds(deployment.timeout_s)
    return {
        "inline_cluster_specifier_plugin": {
            "extension": {
                "name": "envoy.router.cluster_specifier_plugin.priority_group",
                "typed_config": {
                    "@type": f"{API}extensions.router.cluster_specifiers.priority_group.v3"
                    ".PriorityGroupClusterSpecifier",
                    "priority_groups": groups,
                },
            }
        },
        "timeout": _seconds(deployment.timeout_s * 2 + 1 if replays else deployment.timeout_s),
        "retry_policy": retry,
    }


_AT_ONCE = {"base_interval": "0.001s", "max_interval": "0.002s"}


def _route(
    name: RouteName, place: _Place, action: Json, *reached: Deployment, filters: Json | None = None, **more: Any
) -> Json:
    """A route; when a release that it may reach translates, bodies above the smallest limit get a 413."""
    limits = [d.body_limit_bytes for d in reached if d.request]
    enabled = {**(_buffered(min(limits)) if limits else {}), **(filters or {})}
    if enabled:
        more["typed_per_filter_config"] = enabled
    return {
        "name": str(name),
        "match": place.as_match(),
        "route": {**action, "prefix_rewrite": place.rewrite},
        **more,
    }


def _buffered(limit_bytes: int) -> Json:
    config = {
        "@type": f"{API}extensions.filters.http.buffer.v3.BufferPerRoute",
        "buffer": {"max_request_bytes": limit_bytes},
    }
    return {BUFFER_FILTER: {"@type": f"{API}config.route.v3.FilterConfig", "config": config}}


_CAPTURED = {CAPTURE_FILTER: {"@type": f"{API}config.route.v3.FilterConfig", "config": {}}}


def _no_release(name: RouteName, place: _Place) -> Json:
    says = f"no release that serves now has {name.service}"
    return {"name": str(name), "match": place.as_match(), **_problem(404, "No such service", says)}


def _problem(status: int, title: str, detail: str) -> Json:
    """A direct answer in the shape of RFC 9457; the words come from us, so they need no escaping."""
    code = "service.missing"
    text = f'{{"type":"about:blank","title":"{title}","status":{status},"code":"{code}","detail":"{detail}"}}'
    return {
        "direct_response": {"status": status, "body": {"inline_string": text}},
        "response_headers_to_add": [
            {"header": {"key": "content-type", "value": "application/problem+json"}, "append_action": OVERWRITE}
        ],
    }


# ---- each listener


def _routes(name: str, by: str, services: dict[str, Json]) -> Json:
    """A RouteConfiguration that finds the service in one step, however many there are."""
    header = ":path" if by == "path" else by
    found = {f"/{key}" if by == "path" else key: on_match for key, on_match in sorted(services.items())}
    kind = "prefix_match_map" if by == "path" else "exact_match_map"
    missing = {"name": "none", "match": {"prefix": "/"}, **_problem(404, "No such service", "no service here")}
    matcher: Json = {"on_no_match": {"action": _action("Route", missing)}}
    if found:
        matcher["matcher_tree"] = {"input": _input(header), kind: {"map": found}}
    host = {
        "name": name,
        "domains": ["*"],
        "matcher": matcher,
        "request_headers_to_remove": [lua.LENGTH_HEADER, lua.SHADOW_HEADER],
        "response_headers_to_add": [{"header": _SERVED_BY, "append_action": OVERWRITE}],
        "include_attempt_count_in_response": name == "edge",
    }
    return {"name": name, "virtual_hosts": [host]}


_SERVED_BY = {"key": "x-interlock-release", "value": "%CLUSTER_METADATA(interlock:release)%"}
"""The release that gave the answer in the end, whatever release the request was assigned to."""


def _input(header: str) -> Json:
    return {
        "name": header,
        "typed_config": {"@type": f"{API}type.matcher.v3.HttpRequestHeaderMatchInput", "header_name": header},
    }


def _action(kind: str, config: Json) -> Json:
    return {"name": "route", "typed_config": {"@type": f"{API}config.route.v3.{kind}", **config}}


def _list(routes: Iterable[Json]) -> Json:
    return {"action": _action("RouteList", {"routes": list(routes)})}


def _edge(entry: Entry, backends: Backends) -> Json:
    default = backends[entry.default]
    unkeyed = list(_unkeyed(entry, backends))
    baseline = [*_default(entry, backends, Kind.EDGE, _has_key(default.entity_header)), *unkeyed]
    if entry.split is None:
        return _list(baseline)
    drawn = {
        "@type": f"{API}extensions.matching.input_matchers.runtime_fraction.v3.RuntimeFraction",
        "runtime_fraction": {
            "default_value": {"numerator": entry.split.weight_bp, "denominator": "TEN_THOUSAND"},
            "runtime_key": "interlock.unset",
        },
        "seed": str(entry.split.seed),
    }
    predicate = {
        "single_predicate": {
            "input": _input(default.entity_header),
            "custom_match": {"name": "bucket", "typed_config": drawn},
        }
    }
    candidate = [*_candidate(entry, backends, Kind.EDGE, _has_key(default.entity_header)), *unkeyed]
    matchers = [{"predicate": predicate, "on_match": _list(candidate)}]
    return {"matcher": {"matcher_list": {"matchers": matchers}, "on_no_match": _list(baseline)}}


def _unkeyed(entry: Entry, backends: Backends) -> Iterator[Json]:
    """Requests without an entity key: nobody's bucket. By chance if the service says so, else the default's."""
    by_chance = backends[entry.default].unkeyed == "split"
    if entry.split and by_chance:
        yield from _candidate(entry, backends, Kind.UNKEYED, share_bp=entry.split.weight_bp)
    yield from _default(entry, backends, Kind.ASIDE if entry.split and not by_chance else Kind.UNKEYED)


def _candidate(
    entry: Entry, backends: Backends, kind: Kind, *headers: Json, share_bp: int | None = None
) -> Iterator[Json]:
    assert entry.split is not None
    ours, theirs = backends[entry.split.candidate], backends[entry.default]
    name = RouteName(entry.service, entry.split.candidate, kind)
    kept = max(1_048_576, ours.body_limit_bytes)
    for replays, places in ((True, _replayable(ours)), (False, _everywhere(entry.service))):
        action = _to_candidate(entry.service, entry.split, entry.default, ours, replays=replays)
        for place in places:
            yield _route(
                name, place.given(*headers, share_bp=share_bp), action, ours, theirs, request_body_buffer_limit=kept
            )


def _default(entry: Entry, backends: Backends, kind: Kind, *headers: Json) -> Iterator[Json]:
    deployment = backends[entry.default]
    name = RouteName(entry.service, entry.default, kind)
    action = _to_one(entry.service, entry.default, deployment)
    if entry.shadow and entry.shadow.share_bp:
        yield from _sampled(entry, backends, name, action, headers)
    for place in (p.given(*headers) for p in _everywhere(entry.service)):
        if not deployment.request and not deployment.response:
            yield _route(name, place.given(_NO_BAGGAGE), action, filters=_UNTOUCHED, **_pin(entry.default))
        yield _route(name, place, action, deployment)


def _sampled(
    entry: Entry, backends: Backends, name: RouteName, action: Json, headers: tuple[Json, ...]
) -> Iterator[Json]:
    """The share of replayable requests that is copied, and both of whose answers are captured.

    Envoy abandons a copy when the answer is there before the whole request was, so a request with a body is
    buffered first; one of unknown length, or above the limit, is not sampled, so as never to refuse it here.
    """
    assert entry.shadow is not None
    deployment, candidate = backends[entry.default], backends[entry.shadow.candidate]
    limit = min(deployment.body_limit_bytes, candidate.body_limit_bytes)
    mirror = {
        "cluster": shadow_cluster(entry.service, entry.shadow.candidate),
        "disable_shadow_host_suffix_append": True,
    }
    copied = {**action, "request_mirror_policies": [mirror]}
    sized = {"name": "content-length", "range_match": {"start": 0, "end": limit + 1}}
    bodiless = (
        _header(":method", safe_regex={"regex": BODILESS}),
        {"name": "content-length", "present_match": False},
    )
    for place in _replayable(deployment):
        sampled = place.given(*headers, sized, share_bp=entry.shadow.share_bp)
        yield _route(name, sampled, copied, filters={**_CAPTURED, **_buffered(limit)})
    for place in _everywhere(entry.service):
        sampled = place.given(*headers, *bodiless, share_bp=entry.shadow.share_bp)
        yield _route(name, sampled, copied, deployment, filters=_CAPTURED)


def _inner(entry: Entry, backends: Backends) -> Iterator[Json]:
    """Follow the pin; copies are counted apart. Without a known pin: the default, counted as unpinned."""
    service = entry.service
    copy = _header(HEADER, contains=f"{SHADOW_MEMBER}=1")
    releases = sorted(backends, key=lambda r: (r != entry.default, r))
    for release in (r for r in releases if not backends[r].request and not backends[r].response):
        name, action = RouteName(service, release, Kind.PINNED), _to_one(service, release, backends[release])
        for place in _everywhere(service):
            yield _route(name, place.given(_bare_pin(release)), action, filters=_UNTOUCHED)
    for release in releases:
        action = _to_one(service, release, backends[release])
        kinds = [(Kind.PINNED, ())] if release == entry.default else [(Kind.SHADOW, (copy,)), (Kind.PINNED, ())]
        for kind, marks in kinds:
            for place in _everywhere(service):
                pinned = place.given(*marks, pin_header(release))
                yield _route(RouteName(service, release, kind), pinned, action, backends[release])
    name = RouteName(service, entry.default, Kind.UNPINNED)
    for place in _everywhere(service):
        if entry.default in backends:
            default = backends[entry.default]
            yield _route(name, place, _to_one(service, entry.default, default), default)
        else:
            yield _no_release(name, place)


_NO_BAGGAGE = {"name": HEADER, "present_match": False}
_UNTOUCHED = {RELEASE_FILTER: {"@type": f"{API}extensions.filters.http.lua.v3.LuaPerRoute", "disabled": True}}
"""Where nothing is to be translated and the pin is right, or needs no thought: Lua costs a tenth of the request."""


def _pin(release: str) -> Json:
    """The pin as all of the baggage. Only for routes that cannot be repeated under another release."""
    header = {"key": HEADER, "value": f"{RELEASE_MEMBER}={release}"}
    return {"request_headers_to_add": [{"header": header, "append_action": OVERWRITE}]}


def _bare_pin(release: str) -> Json:
    return _header(HEADER, exact=f"{RELEASE_MEMBER}={release}")


def pin_header(release: str) -> Json:
    """Matches a baggage header with the pin of `release` as a whole member: r2 is neither r22 nor a property."""
    pin = rf"(?:.*,)?\s*{re.escape(RELEASE_MEMBER)}\s*=\s*{re.escape(release)}\s*(?:[,;].*)?"
    return _header(HEADER, safe_regex={"regex": pin})


def _shadows(table: RouteTable) -> Iterator[tuple[str, Json]]:
    for release, deployment in ((b.release, b.deployment) for b in table.backends if b.deployment.edge):
        name = cluster(deployment.service, release)
        route = {
            "name": str(RouteName(deployment.service, release, Kind.SHADOW)),
            "match": {"prefix": "/"},
            "route": {"cluster": name, "timeout": _seconds(deployment.timeout_s)},
        }
        yield name, {"action": _action("Route", route)}
