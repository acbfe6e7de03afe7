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
from interlock.adapters.envoy.names import API, Json
from interlock.adapters.envoy.translate import BUFFER_FILTER, CAPTURE_FILTER

CAPTURE_BODY_LIMIT_BYTES = 262_144
CAPTURE_FILE_LIMIT_BYTES = 67_108_864
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
        return self.directory / "captures.jsonl"


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
    """The three listeners."""
    capture = _capture(places, is_default_on=False)
    edge = _connection_manager("edge", places, [capture, _BUFFER], [_capture_log(places)])
    edge |= {"use_remote_address": True, "normalize_path": True, "request_headers_timeout": "10s"}
    inner = _connection_manager("inner", places, [_BUFFER], []) | {"generate_request_id": False}
    copies = _connection_manager(
        "shadow", places, [_capture(places, is_default_on=True), _BUFFER], [_capture_log(places)]
    )
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


def _connection_manager(name: str, places: Places, filters: list[Json], logs: list[Json]) -> Json:
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{API}extensions.filters.http.router.v3.Router", "suppress_envoy_headers": True},
    }
    return {
        "stat_prefix": name,
        "codec_type": "AUTO",
        "rds": {"route_config_name": name, "config_source": _source(places.file(name))},
        "http_filters": [*filters, router],
        "access_log": [_counting(name), *logs],
    }


_BUFFER: Json = {
    "name": BUFFER_FILTER,
    "disabled": True,
    "typed_config": {"@type": f"{API}extensions.filters.http.buffer.v3.Buffer", "max_request_bytes": 1_048_576},
}


def _capture(places: Places, *, is_default_on: bool) -> Json:
    source = lua.capture_filter(str(places.captures), CAPTURE_BODY_LIMIT_BYTES, CAPTURE_FILE_LIMIT_BYTES)
    kind = f"{API}extensions.filters.http.lua.v3.Lua"
    config: Json = {"@type": kind, "default_source_code": {"inline_string": source}}
    return {"name": CAPTURE_FILTER, "disabled": not is_default_on, "typed_config": config}


def _counting(listener: str) -> Json:
    """Counts each request by route, status, attempts and lens mark; times it in microseconds by route."""
    route = {"name": "route", "value_format": "%ROUTE_NAME%"}
    code = {"name": "code", "value_format": "%RESPONSE_CODE%"}
    attempts = {"name": "attempts", "value_format": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"}
    lens = {"name": "lens", "value_format": f"%RESP({lua.LENS_HEADER})%"}
    config = {
        "@type": f"{API}extensions.access_loggers.stats.v3.Config",
        "stats_scope": {"prefix": f"interlock.{listener}"},
        "counters": [{"stat": {"name": "requests", "tags": [route, code, attempts, lens]}, "value_fixed": 1}],
        "histograms": [
            {
                "stat": {"name": "duration_us", "tags": [route]},
                "unit": "Microseconds",
                "value_format": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
            }
        ],
    }
    return {"name": "envoy.access_loggers.stats", "typed_config": config}


def _capture_log(places: Places) -> Json:
    """Writes one line for each captured answer; lines of the same request id make a pair."""
    fields: dict[str, Any] = {
        "id": "%REQ(X-REQUEST-ID)%",
        "route": "%ROUTE_NAME%",
        "status": "%RESPONSE_CODE%",
        "body": f"%DYNAMIC_METADATA({lua.CAPTURE_NAMESPACE}:body)%",
    }
    matcher = {"filter": lua.CAPTURE_NAMESPACE, "path": [{"key": "body"}], "value": {"present_match": True}}
    return {
        "name": "envoy.access_loggers.file",
        "filter": {"metadata_filter": {"matcher": matcher, "match_if_key_not_found": False}},
        "typed_config": {
            "@type": f"{API}extensions.access_loggers.file.v3.FileAccessLog",
            "path": str(places.captures),
            "log_format": {"json_format": fields},
        },
    }
