"""W3C baggage: how the pin, the release that serves a request, travels with it from hop to hop.

Members of others are kept as they were written, byte for byte and in order; only our own are replaced, never
appended beside an earlier one, because with duplicates OpenTelemetry obeys the last and a proxy's route
order may obey the first. Source: w3c/baggage, HTTP_HEADER_FORMAT.md (Candidate Recommendation, 2024-05-30).
"""

from __future__ import annotations

from collections.abc import Iterable

HEADER = "baggage"
RELEASE_MEMBER = "interlock.release"
SHADOW_MEMBER = "interlock.shadow"
SEGMENT_MEMBER = "interlock.segment"
"""The segment that the edge found the request in, so that every hop counts it alike."""
KEY_MEMBER = "interlock.key"
"""Which of a few dozen groups the entity key falls into; never the key."""
OWN_PREFIX = "interlock."
"""What begins like this is ours: the edge takes it out of what a stranger sends."""

Members = list[tuple[str, str]]
"""(key, value with its properties), as written on the wire: values stay percent-encoded."""


def parse(header: str | None) -> Members:
    """The members of a `baggage` header value, in order; lines that were joined by commas are welcome.

    What is not `key=value` is left out: a propagator may drop what it cannot read.
    """
    members = []
    for text in (header or "").split(","):
        key, equals, value = text.partition("=")
        if equals and key.strip():
            members.append((key.strip(), value.strip()))
    return members


def format(members: Iterable[tuple[str, str]]) -> str:
    """The header value for `members`; empty when there is none (then send no header)."""
    return ",".join(f"{key}={value}" for key, value in members)


def value_of(header: str | None, key: str) -> str | None:
    """The value of the last member named `key`, without properties; None when absent or empty."""
    found = [value for k, value in parse(header) if k == key]
    return (found[-1].partition(";")[0].strip() or None) if found else None


def pin_of(header: str | None) -> str | None:
    """The release that a request is pinned to, or None."""
    return value_of(header, RELEASE_MEMBER)


def with_pin(header: str | None, release: str) -> str:
    """`header` with exactly one release member. It goes first, where a size limit cuts last."""
    others = [(key, value) for key, value in parse(header) if key != RELEASE_MEMBER]
    return format([(RELEASE_MEMBER, release), *others])
