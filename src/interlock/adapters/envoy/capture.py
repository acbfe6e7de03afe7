"""Shadow pairs out of the file that Envoy writes: lines of one request id, one of each side, make a pair.

The file is taken whole: it is renamed, Envoy is told to open a new one, and when the new one is there the renamed
one is complete; it is read and removed. So a pair is seen at most once, also over a crash of the reader, and the
file is as long as what was written between two calls (Envoy stops capturing above a limit, see `lua.py`).
"""

from __future__ import annotations

import base64
import json
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock.adapters.envoy.admin import Admin, EnvoySilent
from interlock.adapters.envoy.names import Kind, RouteName, parse_route
from interlock.engine.ports import ShadowPair

WAITING_LIMIT = 20_000
"""Halves that wait for the other one; the oldest are given up (the other side was too large, or failed)."""


@dataclass(frozen=True, slots=True)
class Half:
    """One side's answer to a sampled request."""

    id: str
    route: RouteName
    status: int
    body: bytes


class Captures:
    """Takes pairs out of Envoy's capture file."""

    def __init__(self, file: Path, admin: Admin) -> None:
        self._file = file
        self._taken = file.with_suffix(".taken")
        self._admin = admin
        self._waiting: OrderedDict[str, Half] = OrderedDict()

    def take(self) -> list[ShadowPair]:
        """The pairs that became complete. What is written now is seen by a later call."""
        pairs: list[ShadowPair] = []
        if self._taken.exists() and self._file.exists():
            with self._taken.open("rb") as lines:
                for line in lines:
                    pairs += self._join(line)
            self._taken.unlink()
        if not self._taken.exists() and self._file.exists() and self._file.stat().st_size:
            self._file.rename(self._taken)
        if self._taken.exists() and not self._file.exists():
            with suppress(EnvoySilent):  # then a later call asks again; these pairs are not lost over it
                self._admin.post("/reopen_logs")
        return pairs

    def _join(self, line: bytes) -> Iterator[ShadowPair]:
        half = read_half(line)
        if half is None:
            return
        other = self._waiting.get(half.id)
        if other is None or (other.route.kind is Kind.SHADOW) == (half.route.kind is Kind.SHADOW):
            self._waiting[half.id] = half
            if len(self._waiting) > WAITING_LIMIT:
                self._waiting.popitem(last=False)
            return
        del self._waiting[half.id]
        copy, served = (half, other) if half.route.kind is Kind.SHADOW else (other, half)
        yield ShadowPair(
            service=copy.route.service,
            candidate=copy.route.release,
            baseline_status=served.status,
            candidate_status=copy.status,
            baseline_body=served.body,
            candidate_body=copy.body,
        )


def read_half(line: bytes) -> Half | None:
    """One line of the capture file; None when it is not whole (Envoy was killed while it wrote)."""
    try:
        found: dict[str, Any] = json.loads(line)
        route = parse_route(found["route"])
        body = base64.b64decode(found["body"].removeprefix("="), validate=True)
        return Half(found["id"], route, int(found["status"]), body) if route else None
    except (ValueError, KeyError, AttributeError, TypeError):
        return None
