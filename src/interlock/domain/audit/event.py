"""What happened, by whom, to what, and because of what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from interlock.kernel.instant import Instant


@dataclass(frozen=True, slots=True)
class Event:
    """`kind` is `noun.verb` in the past tense (`approval.given`, `rollout.promoted`); `subject` is what it
    happened to; `because` is a sentence for people; `facts` is plain JSON data.
    """

    at: Instant
    actor: str
    kind: str
    subject: str
    because: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """An event in the chain: `digest` covers the event, its `seq` and the digest `previous`."""

    seq: int
    event: Event
    previous: str
    digest: str


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends: the last entry's `seq` and `digest`."""

    seq: int
    digest: str
