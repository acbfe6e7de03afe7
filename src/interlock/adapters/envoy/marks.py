"""What a request is marked with on its way through Envoy, for counters and captured lines: segment and key.

Marks are Envoy's dynamic metadata, written by its native header-to-metadata filter, which a route switches on; so
they cost nothing where no segments are declared and no split is on, and their values are those of the declaration
or "(others)", however many a caller invents.

At the edge the segment is read from the declared header. Behind it, it travels in baggage beside the pin and is
read from there alone: a service that loses one loses both, and the request counts as unpinned, whereas a header
that only one of two versions forwards would move requests between segments in one arm and not in the other.
Inner services are told apart by their own declared values, so a value that they do not declare is "(others)".
The shadow listener reads the header again, because marks do not go along with a copy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from interlock.adapters.envoy.names import (
    API,
    BAD_FILTER,
    GROUP_FILTER,
    MARKS_FILTER,
    Json,
    switched_on,
)
from interlock.domain.checks.evidence import OTHER_SEGMENTS, SEGMENT_LIMIT
from interlock.domain.releases.release import ENTITY_HEADER, Deployment
from interlock.domain.traffic.baggage import HEADER, KEY_MEMBER, SEGMENT_MEMBER

OUTSIDE = "interlock.outside"
"""Namespace of segment and group at the edge and for copies; release filters carry on what they find in it."""
INSIDE = "interlock.inside"
"""The same at the inner listener, as baggage told it."""
KEY = "interlock.key"
"""Namespace of the entity key itself, which no log and no counter writes; where it is needed before the answer
turns out bad, or is in another header than usual.
"""
BAD = "interlock.bad"
"""Namespace of the key's digest where the answer was bad."""


@dataclass(frozen=True, slots=True)
class Segments:
    """How requests for one service are told apart."""

    header: str
    values: tuple[str, ...]


def segments_of(backends: Mapping[str, Deployment], default: str) -> Segments | None:
    """What the live releases of a service declare together, so that both arms are told apart alike: the header is
    the default's, or else the first that one declares; None when none does.
    """
    order = sorted(backends, key=lambda release: (release != default, release))
    declared = [backends[r] for r in order if backends[r].segment_header and backends[r].segments]
    if not declared:
        return None
    header = declared[0].segment_header
    values = {v for d in declared if d.segment_header == header for v in d.segments}
    return Segments(header, tuple(sorted(values)[:SEGMENT_LIMIT]))


def edge_marks(segments: Segments | None, *, key_header: str = "") -> Json:
    """Filters for a route of the edge. `key_header` names the entity header where bad answers are told by key."""
    rules = _segment_rules(OUTSIDE, segments.header, f"({_any_of(segments.values)})") if segments else []
    if key_header and (segments or key_header != ENTITY_HEADER):
        rules.append(_rule(key_header, KEY, "key"))
    told = switched_on(BAD_FILTER) if key_header else {}
    grouped = switched_on(GROUP_FILTER) if key_header and segments else {}
    return {**(_marks(rules) if rules else {}), **told, **grouped}


def inner_marks(segments: Segments | None) -> Json:
    """Filters for a route of the inner listener."""
    if segments is None:
        return {}
    rules = _segment_rules(INSIDE, HEADER, _member(SEGMENT_MEMBER, _any_of(segments.values)))
    return _marks([*rules, _rule(HEADER, INSIDE, "group", _member(KEY_MEMBER, "[0-9]{1,2}"))])


def carried(segments: Segments | None, *, is_keyed: bool) -> str:
    """What a route of the edge appends to the pin, as Envoy's formatter; empty where nothing is declared."""
    if segments is None:
        return ""
    group = f",{KEY_MEMBER}=%DYNAMIC_METADATA({OUTSIDE}:group)%" if is_keyed else ""
    return f",{SEGMENT_MEMBER}=%DYNAMIC_METADATA({OUTSIDE}:segment)%{group}"


def _segment_rules(namespace: str, header: str, pattern: str) -> list[Json]:
    """Every request has a path, so every request is among the others, unless the second rule knows better."""
    others = {"metadata_namespace": namespace, "key": "segment", "value": OTHER_SEGMENTS}
    return [{"header": ":path", "on_header_present": others}, _rule(header, namespace, "segment", pattern)]


def _rule(header: str, namespace: str, key: str, pattern: str = "") -> Json:
    """`header`, or what the group of `pattern` finds in it, as metadata; none when it finds nothing."""
    there: Json = {"metadata_namespace": namespace, "key": key}
    if pattern:
        regex = {"regex": f"^(?:{pattern}|.*)$"}
        there["regex_value_rewrite"] = {"pattern": regex, "substitution": "\\1"}
    return {"header": header, "on_header_present": there}


def _any_of(values: tuple[str, ...]) -> str:
    return "|".join(re.escape(value) for value in values)


def _member(name: str, values: str) -> str:
    return rf"(?:.*,)?\s*{re.escape(name)}\s*=\s*({values})\s*(?:[,;].*)?"


def _marks(rules: list[Json]) -> Json:
    return switched_on(MARKS_FILTER, {"@type": MARKS_TYPE, "request_rules": rules})


MARKS_TYPE = f"{API}extensions.filters.http.header_to_metadata.v3.Config"
