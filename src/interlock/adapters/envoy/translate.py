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
from interlock.adapters.envoy.hop.answers import UNSENT_HEADER
from interlock.adapters.envoy.hop.config import Sockets
from interlock.adapters.envoy.marks import carried, edge_marks, inner_marks, segments_of
from interlock.adapters.envoy.names import (
    API,
    BUFFER_FILTER,
    CAPTURE_FILTER,
    OVERWRITE,
    Json,
    Kind,
    RouteName,
    cluster,
    shadow_cluster,
    switched_on,
)
from interlock.adapters.envoy.sampling import MILLION, Range, Slice, answers_of, slices
from interlock.domain.releases.release import Deployment
from interlock.domain.releases.route_table import Entry, RouteTable, Split
from interlock.domain.traffic.baggage import HEADER, KEY_MEMBER, RELEASE_MEMBER, SEGMENT_MEMBER, SHADOW_MEMBER

Backends = dict[str, Deployment]
"""One service: release -> deployment."""

BODILESS = "GET|HEAD|OPTIONS|DELETE|TRACE"
IDEMPOTENT = f"{BODILESS}|PUT"
"""Methods that may always be repeated (RFC 9110 section 9.2.2; CONNECT is not proxied)."""
_UNSENT = "connect-failure,refused-stream,reset-before-request"
_UNSENT_BY_HOP = {"name": UNSENT_HEADER, "present_match": True}


@dataclass(frozen=True, slots=True)
class Resources:
    """Everything release-specific that Envoy reads: clusters, and one RouteConfiguration per listener."""

    clusters: tuple[Json, ...]
    edge: Json
    inner: Json
    shadow: Json


def translate(table: RouteTable, hop: Sockets) -> Resources:
    """The resources that make `table` serve, with lenses at `hop` where they are not in Lua. The table must be
    sound (see `validate.py`).
    """
    found = by_service(table)
    served = [(e, found.get(e.service, {})) for e in table.entries]
    is_carried = any(segments_of(at, e.default) for e, at in served if is_on_edge(e, at))
    return Resources(
        clusters=tuple(clusters(table, hop)),
        edge=_routes("edge", "path", {e.service: _edge(e, at) for e, at in served if is_on_edge(e, at)}),
        inner=_routes("inner", "path", {e.service: _list(_inner(e, at, is_carried)) for e, at in served}),
        shadow=_routes("shadow", lua.SHADOW_HEADER, {n: m for e, at in served for n, m in _shadows(e, at)}),
    )


def by_service(table: RouteTable) -> dict[str, Backends]:
    """service -> release -> deployment."""
    found: dict[str, Backends] = {}
    for backend in table.backends:
        found.setdefault(backend.deployment.service, {})[backend.release] = backend.deployment
    return found


def is_on_edge(entry: Entry, backends: Backends) -> bool:
    """Whether outside callers come in here: what an edge draws or copies, an inner service follows by the pin."""
    return entry.default in backends and backends[entry.default].edge


# ---- parts of a route


@dataclass(frozen=True, slots=True)
class _Place:
    """Which requests a route takes besides its service: path, further header conditions, and those whose random
    number of a million is below `below`.
    """

    match: Json
    rewrite: str
    headers: tuple[Json, ...] = ()
    below: int = MILLION

    def given(self, *headers: Json, below: int = MILLION) -> _Place:
        return _Place(self.match, self.rewrite, (*self.headers, *headers), min(self.below, below))

    def as_match(self) -> Json:
        out = {**self.match}
        if self.headers:
            out["headers"] = list(self.headers)
        if self.below < MILLION:
            out["runtime_fraction"] = {
                "default_value": {"numerator": self.below, "denominator": "MILLION"},
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
        "retry_policy": _retrying(deployment, {"retry_on": _UNSENT, "num_retries": 1, "retry_back_off": _AT_ONCE}),
    }


def _retrying(deployment: Deployment, policy: Json) -> Json:
    """What the hop could not send is as unsent as what Envoy could not."""
    if not deployment.is_on_hop:
        return policy
    retry_on = f"{policy['retry_on']},retriable-headers"
    return {**policy, "retry_on": retry_on, "retriable_headers": [_UNSENT_BY_HOP]}


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
        "retry_policy": _retrying(deployment, retry),
    }


_WHOLE = Range()
_CAPTURED = switched_on(CAPTURE_FILTER)
METADATA = "interlock"
"""Namespace of what a route says of its captured lines."""
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
    return switched_on(BUFFER_FILTER, config)


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
    if entry.split and backends[entry.default].unkeyed == "split":
        drawn = Range().at(entry.split.weight_bp)
        yield from _candidate(entry, backends, Kind.UNKEYED, within=Range(0, drawn))
        yield from _default(entry, backends, Kind.UNKEYED, within=Range(drawn, MILLION))
    else:
        yield from _default(entry, backends, Kind.ASIDE if entry.split else Kind.UNKEYED)


def _candidate(
    entry: Entry, backends: Backends, kind: Kind, *headers: Json, within: Range = _WHOLE
) -> Iterator[Json]:
    """The candidate's requests, those first whose answers are captured."""
    assert entry.split is not None
    noted = _noted(entry, backends, kind)
    if answers_of(entry):
        below = within.at(answers_of(entry))
        more = {"filters": {**noted, **_CAPTURED}, "metadata": _told(is_answer=True)}
        yield from _to_either(
            entry, backends, RouteName(entry.service, entry.split.candidate, kind), headers, below, **more
        )
    name = RouteName(entry.service, entry.split.candidate, kind)
    yield from _to_either(entry, backends, name, headers, within.end, filters=noted)


def _to_either(
    entry: Entry, backends: Backends, name: RouteName, headers: tuple[Json, ...], below: int, **more: Any
) -> Iterator[Json]:
    """To the candidate, and what it fails of the replayable requests to the default."""
    assert entry.split is not None
    ours, theirs = backends[entry.split.candidate], backends[entry.default]
    kept = max(1_048_576, ours.body_limit_bytes)
    for replays, places in ((True, _replayable(ours)), (False, _everywhere(entry.service))):
        action = _to_candidate(entry.service, entry.split, entry.default, ours, replays=replays)
        for place in places:
            at = place.given(*headers, below=below)
            yield _route(name, at, action, ours, theirs, request_body_buffer_limit=kept, **more)


def _default(
    entry: Entry, backends: Backends, kind: Kind, *headers: Json, within: Range = _WHOLE
) -> Iterator[Json]:
    """The default's requests, those first that are copied, or whose answers are captured."""
    deployment = backends[entry.default]
    name = RouteName(entry.service, entry.default, kind)
    action = _to_one(entry.service, entry.default, deployment)
    noted = _noted(entry, backends, kind)
    beside = carried(segments_of(backends, entry.default), is_keyed=_is_told(entry, kind))
    for part in slices(entry, within, is_comparable=kind is not Kind.ASIDE):
        if part.copied_to:
            yield from _copied(entry, backends, name, headers, part, noted, beside)
        if part.is_answer:
            filters, metadata = {**noted, **_CAPTURED}, _told(is_answer=True)
            for place in (p.given(*headers, below=part.end) for p in _everywhere(entry.service)):
                yield from _pinned(name, place, action, deployment, beside, filters=filters, metadata=metadata)
    for place in (p.given(*headers) for p in _everywhere(entry.service)):
        yield from _pinned(name, place, action, deployment, beside, filters=noted)


def _pinned(
    name: RouteName, place: _Place, action: Json, deployment: Deployment, beside: str, *, filters: Json, **more: Any
) -> Iterator[Json]:
    """To the default. Where there is no baggage to keep and Lua translates nothing, the route writes the pin."""
    if not deployment.is_in_lua:
        bare, pin = place.given(_NO_BAGGAGE), _pin(name.release, beside)
        yield _route(name, bare, action, deployment, filters={**_UNTOUCHED, **filters}, **more, **pin)
    yield _route(name, place, action, deployment, filters=filters, **more)


def _copied(
    entry: Entry,
    backends: Backends,
    name: RouteName,
    headers: tuple[Json, ...],
    part: Slice,
    noted: Json,
    beside: str,
) -> Iterator[Json]:
    """The slice of replayable requests that is copied, and both of whose answers are captured.

    Envoy abandons a copy when the answer is there before the whole request was, so a request with a body is
    buffered first; one of unknown length, or above the limit, is not copied, so as never to refuse it here. The
    limit is the smaller of both releases' for twins too, so that they are of the same requests as the pairs.
    """
    assert entry.shadow is not None
    deployment = backends[entry.default]
    limit = min(deployment.body_limit_bytes, backends[entry.shadow.candidate].body_limit_bytes)
    mirror = {"cluster": shadow_cluster(entry.service, part.copied_to), "disable_shadow_host_suffix_append": True}
    action = {
        **_to_one(entry.service, entry.default, deployment),
        "request_mirror_policies": [mirror],
    }
    sized = {"name": "content-length", "range_match": {"start": 0, "end": limit + 1}}
    bodiless = (
        _header(":method", safe_regex={"regex": BODILESS}),
        {"name": "content-length", "present_match": False},
    )
    filters, metadata = {**noted, **_CAPTURED}, _told(entry.shadow.candidate, is_answer=part.is_answer)
    for place in _replayable(deployment):
        at, buffered = place.given(*headers, sized, below=part.end), {**filters, **_buffered(limit)}
        yield from _pinned(name, at, action, deployment, beside, filters=buffered, metadata=metadata)
    for place in _everywhere(entry.service):
        at = place.given(*headers, *bodiless, below=part.end)
        yield from _pinned(name, at, action, deployment, beside, filters=filters, metadata=metadata)


def _noted(entry: Entry, backends: Backends, kind: Kind) -> Json:
    """What is marked on every request of an arm."""
    key_header = backends[entry.default].entity_header if _is_told(entry, kind) else ""
    return edge_marks(segments_of(backends, entry.default), key_header=key_header)


def _is_told(entry: Entry, kind: Kind) -> bool:
    """Bad answers are told by key, and keys counted by segment, while there is another arm to compare with."""
    return entry.split is not None and kind is Kind.EDGE


def _told(candidate: str = "", *, is_answer: bool) -> Json:
    """What captured lines of a route are for: pairs in a comparison with `candidate`, sampled answers, or both."""
    told = {**({"pair": candidate} if candidate else {}), **({"answer": "yes"} if is_answer else {})}
    return {"filter_metadata": {METADATA: told}}


def _inner(entry: Entry, backends: Backends, is_carried: bool) -> Iterator[Json]:
    """Follow the pin; copies are counted apart, twins too. Without a known pin: the default, counted as unpinned.

    is_carried: an edge tells segments apart, so a pin may have the segment beside it.
    """
    service = entry.service
    marks = inner_marks(segments_of(backends, entry.default))
    copy = _header(HEADER, contains=f"{SHADOW_MEMBER}=1")
    releases = sorted(backends, key=lambda r: (r != entry.default, r))
    for release in (r for r in releases if not backends[r].is_in_lua):
        name, action = RouteName(service, release, Kind.PINNED), _to_one(service, release, backends[release])
        for place in _everywhere(service):
            bare = place.given(_bare_pin(release, is_carried))
            yield _route(name, bare, action, filters={**_UNTOUCHED, **marks})
    for release in releases:
        action = _to_one(service, release, backends[release])
        for kind, conditions in ((Kind.SHADOW, (copy,)), (Kind.PINNED, ())):
            for place in _everywhere(service):
                pinned = place.given(*conditions, pin_header(release))
                yield _route(RouteName(service, release, kind), pinned, action, backends[release], filters=marks)
    name = RouteName(service, entry.default, Kind.UNPINNED)
    for place in _everywhere(service):
        if entry.default in backends:
            default = backends[entry.default]
            yield _route(name, place, _to_one(service, entry.default, default), default)
        else:
            yield _no_release(name, place)


_NO_BAGGAGE = {"name": HEADER, "present_match": False}
_UNTOUCHED = {RELEASE_FILTER: {"@type": f"{API}extensions.filters.http.lua.v3.LuaPerRoute", "disabled": True}}
"""Where Lua translates nothing and the pin is right, or needs no thought: Lua costs a tenth of the request."""


def _pin(release: str, beside: str) -> Json:
    """The pin, and what goes `beside` it, as all of the baggage. Only for routes that cannot be repeated under
    another release.
    """
    header = {"key": HEADER, "value": f"{RELEASE_MEMBER}={release}{beside}"}
    return {"request_headers_to_add": [{"header": header, "append_action": OVERWRITE}]}


def _bare_pin(release: str, is_carried: bool) -> Json:
    """Matches baggage that is the right pin alone, or with the segment that the edge put beside it."""
    pin = f"{RELEASE_MEMBER}={release}"
    if not is_carried:
        return _header(HEADER, exact=pin)
    beside = f"(?:,(?:{re.escape(SEGMENT_MEMBER)}|{re.escape(KEY_MEMBER)})=[^,;]*)*"
    return _header(HEADER, safe_regex={"regex": re.escape(pin) + beside})


def pin_header(release: str) -> Json:
    """Matches a baggage header with the pin of `release` as a whole member: r2 is neither r22 nor a property."""
    pin = rf"(?:.*,)?\s*{re.escape(RELEASE_MEMBER)}\s*=\s*{re.escape(release)}\s*(?:[,;].*)?"
    return _header(HEADER, safe_regex={"regex": pin})


def _shadows(entry: Entry, backends: Backends) -> Iterator[tuple[str, Json]]:
    """Copies for each release that is on the edge; for the default they are twins of what it served."""
    marks = edge_marks(segments_of(backends, entry.default))
    for release, deployment in backends.items():
        if deployment.edge:
            name = cluster(entry.service, release)
            route = {
                "name": str(RouteName(entry.service, release, Kind.SHADOW)),
                "match": {"prefix": "/"},
                "route": {"cluster": name, "timeout": _seconds(deployment.timeout_s)},
                **({"typed_per_filter_config": marks} if marks else {}),
            }
            yield name, {"action": _action("Route", route)}
