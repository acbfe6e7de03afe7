"""Names that carry meaning through Envoy and back: clusters, and routes under which requests are counted.

A route is named `service|release|kind`: the access logger counts by that name, so counts follow the arm that a
request was *assigned* to, whoever answered it in the end (intention to treat).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Json = dict[str, Any]

API = "type.googleapis.com/envoy."
"""Prefix of the type names in Envoy's configuration."""
OVERWRITE = "OVERWRITE_IF_EXISTS_OR_ADD"

BUFFER_FILTER = "envoy.filters.http.buffer"
MARKS_FILTER = "interlock.marks"
GROUP_FILTER = "interlock.group"
CAPTURE_FILTER = "interlock.capture"
BAD_FILTER = "interlock.bad"
"""Filters that every listener has switched off, for routes to switch on; see `marks.py`."""


class Kind(StrEnum):
    """Why a request was on a route. EDGE, UNKEYED, PINNED count towards the arm; SHADOW towards the copies.

    UNKEYED carried no entity key and is comparable all the same (split by chance, or there is no split);
    ASIDE carried none while others are split by key: served by the baseline, it would bias the comparison.
    """

    EDGE = "edge"
    UNKEYED = "unkeyed"
    ASIDE = "aside"
    PINNED = "pinned"
    UNPINNED = "unpinned"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class RouteName:
    """What a request on this route counts as."""

    service: str
    release: str
    kind: Kind

    def __str__(self) -> str:
        return f"{self.service}|{self.release}|{self.kind.value}"


def parse_route(text: str) -> RouteName | None:
    """The meaning of a route's name; None for a name that is not ours."""
    parts = text.split("|")
    if len(parts) != 3 or parts[2] not in set(Kind):
        return None
    return RouteName(parts[0], parts[1], Kind(parts[2]))


def switched_on(name: str, config: Json | None = None) -> Json:
    """What a route says to switch the filter `name` on, with a configuration of its own where it has one."""
    return {name: {"@type": f"{API}config.route.v3.FilterConfig", "config": config or {}}}


def header_mutation(name: str, **mutations: list[Json]) -> Json:
    """The filter `name`, which changes headers: `request_mutations`, `response_mutations`."""
    kind = f"{API}extensions.filters.http.header_mutation.v3.HeaderMutation"
    return {"name": name, "typed_config": {"@type": kind, "mutations": mutations}}


def cluster(service: str, release: str) -> str:
    """The cluster through which `service` is reached as `release` serves it."""
    return f"{service}@{release}"


def shadow_cluster(service: str, release: str) -> str:
    """The cluster that sends copies to the shadow listener, on their way to `cluster(service, release)`."""
    return f"shadow:{service}@{release}"
