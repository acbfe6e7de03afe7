"""What Envoy starts with: the bootstrap, and its three listeners. Routes and clusters come from files beside it.

edge: strangers are outside, so their `x-envoy-*` headers and request ids are replaced. inner: our services call
one another here; bind it where only they can reach it. shadow: no socket at all, an address inside Envoy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock.adapters.envoy import lua
from interlock.adapters.envoy.clusters import SHADOW_LISTENER
from interlock.adapters.envoy.marks import BAD, INSIDE, MARKS_TYPE, OUTSIDE
from interlock.adapters.envoy.names import (
    API,
    BAD_FILTER,
    BUFFER_FILTER,
    CAPTURE_FILTER,
    GROUP_FILTER,
    MARKS_FILTER,
    OVERWRITE,
    Json,
    header_mutation,
)
from interlock.adapters.envoy.translate import METADATA
from interlock.domain.releases.release import ENTITY_HEADER

CAPTURE_BODY_LIMIT_BYTES = 262_144
CAPTURE_FILE_LIMIT_BYTES = 67_108_864
BAD_FILE_LIMIT_BYTES = 75_497_472
"""Bodies leave the rest of the same file to bad answers: about thirty thousand of them between two looks."""
GROUPED_SHARE_BP = 1_250
"""The share of keyed requests that shows the group of its key: an eighth, because it costs a Lua filter."""
_HCM = f"{API}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


@dataclass(frozen=True, slots=True)
class Places:
    """Where this Envoy keeps its files, and the addresses it listens on."""

    directory: Path
    edge: tuple[str, int]
    inner: tuple[str, int]
    admin_socket: Path

    def file(self, name: str) -> Path:
        return self.directory / f"{name}.json"

    @property
    def captures(self) -> Path:
        """The file that holds bodies of requests; its directory is for this user alone."""
        return self.directory / "captured" / "requests.jsonl"


def bootstrap(places: Places) -> Json:
    """The start-up configuration; everything that may change later is read from files."""
    pipe = {"path": str(places.admin_socket), "mode": 0o600}
    internal = f"{API}extensions.bootstrap.internal_listener.v3.InternalListener"
    return {
        "admin": {"address": {"pipe": pipe}},
        "dynamic_resources": {
            "cds_config": _source(places.file("clusters")),
            "lds_config": _source(places.file("listeners")),
        },
        "bootstrap_extensions": [
            {"name": "envoy.bootstrap.internal_listener", "typed_config": {"@type": internal}}
        ],
        "inline_headers": [{"inline_header_name": "baggage", "inline_header_type": "REQUEST_HEADER"}],
        "stats_flush_interval": "1s",
    }


def listeners(places: Places) -> list[Json]:
    """The three listeners. Filters run in this order on requests, and in the reverse order on answers."""
    capture = _capture(places, is_copy=False)
    edge = _connection_manager("edge", places, [_MARKS, _group(), capture, _bad(places), _BUFFER], OUTSIDE)
    edge["access_log"].append(_captured_log(places))
    edge |= {"use_remote_address": True, "normalize_path": True, "request_headers_timeout": "10s"}
    inner = _connection_manager("inner", places, [_MARKS, _BUFFER], INSIDE) | {"generate_request_id": False}
    copies = _connection_manager("shadow", places, [_MARKS, _capture(places, is_copy=True), _BUFFER], OUTSIDE)
    copies["access_log"].append(_captured_log(places))
    copies |= {"generate_request_id": False, "preserve_external_request_id": True}
    return [
        _listener("edge", edge, _address(places.edge)),
        _listener("inner", inner, _address(places.inner)),
        _listener(SHADOW_LISTENER, copies, {"internal_listener": {}}),
    ]


def _source(path: Path) -> Json:
    return {"resource_api_version": "V3", "path_config_source": {"path": str(path)}}


def _address(at: tuple[str, int]) -> Json:
    # without SO_REUSEPORT a second proxy cannot quietly take half of the connections
    return {"address": {"socket_address": {"address": at[0], "port_value": at[1]}}, "enable_reuse_port": False}


def _listener(name: str, manager: Json, where: Json) -> Json:
    network = {"name": "http", "typed_config": {"@type": _HCM, **manager}}
    return {"name": name, **where, "filter_chains": [{"filters": [network]}]}


def _connection_manager(name: str, places: Places, filters: list[Json], marks: str) -> Json:
    """`marks` is the namespace in which this listener's requests are marked."""
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{API}extensions.filters.http.router.v3.Router", "suppress_envoy_headers": True},
    }
    return {
        "stat_prefix": name,
        "codec_type": "AUTO",
        "rds": {"route_config_name": name, "config_source": _source(places.file(name))},
        "http_filters": [*filters, router],
        "access_log": [_counting(name, marks), _counting_groups(name, marks), _counting_untold(name)],
    }


_BUFFER: Json = {
    "name": BUFFER_FILTER,
    "disabled": True,
    "typed_config": {"@type": f"{API}extensions.filters.http.buffer.v3.Buffer", "max_request_bytes": 1_048_576},
}
_MARKS: Json = {"name": MARKS_FILTER, "disabled": True, "typed_config": {"@type": MARKS_TYPE}}


def _lua(name: str, source: str) -> Json:
    kind = f"{API}extensions.filters.http.lua.v3.Lua"
    return {"name": name, "typed_config": {"@type": kind, "default_source_code": {"inline_string": source}}}


def _capture(places: Places, *, is_copy: bool) -> Json:
    """Copies bodies. Of a copy the answer alone: its request is that of the other half."""
    file, limits = str(places.captures), (CAPTURE_BODY_LIMIT_BYTES, CAPTURE_FILE_LIMIT_BYTES)
    source = lua.capture_filter(file, *limits, with_request=not is_copy)
    return {**_lua(CAPTURE_FILTER, source), "disabled": not is_copy}


def _bad(places: Places) -> Json:
    """Filters that come into being when the answer turns out bad, by the rule of `counters.py`: the key of the
    request goes to a header of the answer, which the digest of it takes away again. (Lua sees no request here.)
    """
    key = {"key": lua.ANSWER_KEY_HEADER, "value": f"%REQ({ENTITY_HEADER})%"}
    told = [{"append": {"header": key, "append_action": OVERWRITE}}]
    carry = header_mutation("interlock.bad_key", response_mutations=told)
    digest = _lua("interlock.digest", lua.bad_filter(str(places.captures), BAD_FILE_LIMIT_BYTES))
    response = f"{API}type.matcher.v3.HttpResponse"
    lens, attempts = (
        _single(f"{response}HeaderMatchInput", name, value_match={"exact": value})
        for name, value in ((lua.LENS_HEADER, "rejected"), ("x-envoy-attempt-count", "2"))  # at most one retry
    )
    failed = _single(f"{response}StatusCodeClassMatchInput", value_match={"exact": "5xx"})
    return _where({"or_matcher": {"predicate": [failed, attempts, lens]}}, BAD_FILTER, digest, carry)


def _group() -> Json:
    """A filter for a share of the requests, drawn by their random ids: keys are many, and few are asked for."""
    drawn = {
        "@type": f"{API}extensions.matching.input_matchers.runtime_fraction.v3.RuntimeFraction",
        "runtime_fraction": {
            "default_value": {"numerator": GROUPED_SHARE_BP, "denominator": "TEN_THOUSAND"},
            "runtime_key": "interlock.unset",
        },
    }
    request_id = f"{API}type.matcher.v3.HttpRequestHeaderMatchInput"
    is_drawn = _single(request_id, "x-request-id", custom_match={"name": "drawn", "typed_config": drawn})
    return _where(is_drawn, GROUP_FILTER, _lua("interlock.grouping", lua.group_filter()))


def _single(kind: str, header: str = "", **match: Any) -> Json:
    config = {"@type": kind, **({"header_name": header} if header else {})}
    return {"single_predicate": {"input": {"name": "seen", "typed_config": config}, **match}}


def _where(predicate: Json, name: str, *run: Json) -> Json:
    """The filter `name`, which runs `run` for the requests of which `predicate` holds, once that is known. On
    answers the last of them runs first.
    """
    what = {"typed_config": run[0]} if len(run) == 1 else {"filter_chain": {"typed_config": list(run)}}
    action = {"@type": f"{API}extensions.filters.http.composite.v3.ExecuteFilterAction", **what}
    found = {"predicate": predicate, "on_match": {"action": {"name": "run", "typed_config": action}}}
    composite = {"@type": f"{API}extensions.filters.http.composite.v3.Composite"}
    config = {
        "@type": f"{API}extensions.common.matching.v3.ExtensionWithMatcher",
        "extension_config": {"name": "composite", "typed_config": composite},
        "xds_matcher": {"matcher_list": {"matchers": [found]}},
    }
    return {"name": name, "disabled": True, "typed_config": config}


def _counting(listener: str, marks: str) -> Json:
    """Counts each request by route, status, attempts, lens mark and segment; times it in microseconds by route."""
    tags = {
        "route": "%ROUTE_NAME%",
        "code": "%RESPONSE_CODE%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "lens": f"%RESP({lua.LENS_HEADER})%",
        "segment": f"%DYNAMIC_METADATA({marks}:segment)%",
    }
    timed = {
        "stat": {"name": "duration_us", "tags": _tags({"route": tags["route"]})},
        "unit": "Microseconds",
        "value_format": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
    }
    return _stats(listener, "requests", tags, histograms=[timed])


def _counting_groups(listener: str, marks: str) -> Json:
    """Counts the requests that have the group of their key, by route, group and segment."""
    tags = {
        "route": "%ROUTE_NAME%",
        "group": f"%DYNAMIC_METADATA({marks}:group)%",
        "segment": f"%DYNAMIC_METADATA({marks}:segment)%",
    }
    return _stats(listener, "groups", tags) | {"filter": _is_marked(marks, "group")}


def _counting_untold(listener: str) -> Json:
    """Counts bad answers for whose key the file had no room."""
    return _stats(listener, "untold", {"route": "%ROUTE_NAME%"}) | {"filter": _is_marked(BAD, "untold")}


def _stats(listener: str, name: str, tags: dict[str, str], **more: Any) -> Json:
    config = {
        "@type": f"{API}extensions.access_loggers.stats.v3.Config",
        "stats_scope": {"prefix": f"interlock.{listener}"},
        "counters": [{"stat": {"name": name, "tags": _tags(tags)}, "value_fixed": 1}],
        **more,
    }
    return {"name": "envoy.access_loggers.stats", "typed_config": config}


def _tags(formats: dict[str, str]) -> list[Json]:
    return [{"name": name, "value_format": value} for name, value in formats.items()]


def _is_marked(namespace: str, key: str) -> Json:
    matcher = {"filter": namespace, "path": [{"key": key}], "value": {"present_match": True}}
    return {"metadata_filter": {"matcher": matcher, "match_if_key_not_found": False}}


def _captured_log(places: Places) -> Json:
    """Writes one line for each request whose bodies were captured, or whose answer was bad; see `capture.py`."""
    bodies = lua.CAPTURE_NAMESPACE
    fields = {
        "id": "%REQ(X-REQUEST-ID)%",
        "route": "%ROUTE_NAME%",
        "pair": f"%METADATA(ROUTE:{METADATA}:pair)%",
        "answer": f"%METADATA(ROUTE:{METADATA}:answer)%",
        "by": "%UPSTREAM_CLUSTER_RAW%",
        "at": "%START_TIME(%s.%3f)%",
        "status": "%RESPONSE_CODE%",
        "segment": f"%DYNAMIC_METADATA({OUTSIDE}:segment)%",
        "key": f"%DYNAMIC_METADATA({BAD}:key)%",
        "request": f"%DYNAMIC_METADATA({bodies}:request)%",
        "body": f"%DYNAMIC_METADATA({bodies}:body)%",
    }
    return {
        "name": "envoy.access_loggers.file",
        "filter": {"or_filter": {"filters": [_is_marked(bodies, "body"), _is_marked(BAD, "key")]}},
        "typed_config": {
            "@type": f"{API}extensions.access_loggers.file.v3.FileAccessLog",
            "path": str(places.captures),
            "log_format": {"json_format": fields},
        },
    }
