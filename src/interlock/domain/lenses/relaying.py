"""What becomes of one message on its way through a relay: into which contract version, and under which headers.

Pure: the same message, with the same routing, always has the same answer, on whichever relay and however often it
is delivered. A message is in the version that its `interlock-contract` header names, else in the one that the relay
was told. It goes to

1. the version that the release reads which its baggage pins, so that a release pin holds across the bus;
2. else the share's version, where its key falls into the share: by the same salted bucket as requests;
3. else the default. A message without a key, or with a pin that nobody named, is no part of the share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from interlock.domain.traffic.baggage import HEADER as BAGGAGE
from interlock.domain.traffic.baggage import pin_of
from interlock.domain.traffic.bucket import is_candidate

CONTRACT_HEADER = "interlock-contract"
"""`name@version` of the body."""
ID_HEADER = "interlock-id"
"""The source position: the same for every copy of a message, so that whoever sees it twice knows."""
REASON_HEADER = "interlock-dead-reason"
FIELD_HEADER = "interlock-dead-field"
BODY_HEADER = "interlock-dead-body"
"""On a dead letter: why, which field, and that the body stayed at the source because it does not fit."""

LONGEST = 300
"""Characters of a reason or a field that are told."""

Headers = tuple[tuple[str, bytes | None], ...]
"""As they arrived: in order, repeated ones included, values as bytes."""


@dataclass(frozen=True, slots=True)
class Share:
    """`weight_bp` of the keys get `version`; seed: the rollout's (`bucket.seed` of its salt)."""

    version: str
    weight_bp: int
    seed: int


@dataclass(frozen=True, slots=True)
class Routing:
    """Of `contract`: messages that do not say otherwise arrive in `source` and leave in `default`. pins: release ->
    the version that it reads.
    """

    contract: str
    source: str
    default: str
    pins: Mapping[str, str] = field(default_factory=dict)
    share: Share | None = None


@dataclass(frozen=True, slots=True)
class Course:
    """From one version of the contract to another; nothing is to be done where they are the same."""

    source: str
    target: str

    @property
    def is_unchanged(self) -> bool:
        return self.source == self.target


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a message cannot be relayed: `field` (empty: the whole body) and `reason`, the end of a sentence."""

    reason: str
    field: str = ""


def decide(routing: Routing, headers: Headers, key: str | None) -> Course | Unfit:
    """Where the message comes from and goes to; Unfit when it says that it is of another contract."""
    stated = text_of(headers, CONTRACT_HEADER)
    name, _, version = stated.partition("@") if stated else (routing.contract, "", routing.source)
    if name != routing.contract:
        return Unfit(f"says that it is of the contract {name}, not of {routing.contract}")
    return Course(version or routing.source, _target(routing, headers, key))


def _target(routing: Routing, headers: Headers, key: str | None) -> str:
    pinned = routing.pins.get(pin_of(_joined(headers, BAGGAGE)) or "")
    if pinned is not None:
        return pinned
    share = routing.share
    if share and key is not None and is_candidate(key, share.seed, share.weight_bp):
        return share.version
    return routing.default


def relayed_headers(headers: Headers, contract: str, version: str, position: str) -> Headers:
    """What the translated message carries: everything it came with, and our own two replaced."""
    return (
        *without(headers, CONTRACT_HEADER, ID_HEADER),
        (CONTRACT_HEADER, f"{contract}@{version}".encode()),
        (ID_HEADER, position.encode()),
    )


def dead_headers(headers: Headers, unfit: Unfit, position: str) -> Headers:
    """What a dead letter carries: everything it came with, why it is one, and where it was."""
    said = [
        (REASON_HEADER, unfit.reason),
        (FIELD_HEADER, unfit.field),
        (ID_HEADER, position),
    ]
    names = (REASON_HEADER, FIELD_HEADER, BODY_HEADER, ID_HEADER)
    return (*without(headers, *names), *((name, printable(value).encode()) for name, value in said if value))


def printable(text: str) -> str:
    """On one line and without orders to a terminal: names of fields and versions are whatever a stranger sent."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text[:LONGEST])


def without(headers: Headers, *names: str) -> Headers:
    """The headers but those of the names, whatever their case."""
    return tuple(one for one in headers if one[0].lower() not in names)


def text_of(headers: Headers, name: str) -> str | None:
    """The last value of the header; None when there is none or it is empty."""
    found = [value for n, value in headers if n.lower() == name and value]
    return found[-1].decode("utf-8", "backslashreplace") if found else None


def _joined(headers: Headers, name: str) -> str:
    """The values of a list header, as RFC 9110 section 5.3 joins them."""
    return ",".join(value.decode("latin-1") for n, value in headers if n.lower() == name and value)
