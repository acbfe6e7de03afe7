"""Pairs, sampled answers and bad answers out of the file in which Envoy writes of single requests.

The file is taken whole: it is renamed, Envoy is told to open a new one, and when the new one is there the renamed
one is complete; it is read and removed. So each line is seen at most once, also over a crash of the reader, and the
file is as long as what was written between two calls (Envoy stops writing above a limit, see `lua.py`).

A line says what it is for: its route names the candidate that a pair is to be compared with, and whether the
answer is a sample. A pair are two lines of one request id, what was served and what the copy got; they join only
if the copy went to that candidate or, as a twin, to the release that served, so an id that a caller used twice
makes no pair of two comparisons. An answer that a fallback gave belongs to neither arm and is left out of the
sample: the arm's failure is counted, and it is told by key.
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
from interlock.adapters.envoy.names import Kind, RouteName, cluster, parse_route
from interlock.engine.ports import Answer, BadAnswer, Captured, ShadowPair

WAITING_LIMIT = 20_000
"""Halves that wait for the other one; the oldest are given up (the other side was too large, or failed)."""


@dataclass(frozen=True, slots=True)
class Line:
    """What one line says. pair: the candidate of the comparison; by: the cluster that answered in the end; key: the
    digest of the entity key, where the answer was bad; body, request: None where they were not captured.
    """

    id: str
    route: RouteName
    pair: str
    is_answer: bool
    by: str
    at_s: float
    status: int
    segment: str
    key: str
    request: bytes | None
    body: bytes | None

    @property
    def is_copy(self) -> bool:
        return self.route.kind is Kind.SHADOW


class Captures:
    """Takes what was captured out of Envoy's file."""

    def __init__(self, file: Path, admin: Admin) -> None:
        self._file = file
        self._taken = file.with_suffix(".taken")
        self._admin = admin
        self._waiting: OrderedDict[str, Line] = OrderedDict()

    def take(self) -> Captured:
        """What became complete. What is written now is seen by a later call."""
        lines = self._lines()
        if not self._taken.exists() and self._file.exists() and self._file.stat().st_size:
            self._file.rename(self._taken)
        if self._taken.exists() and not self._file.exists():
            with suppress(EnvoySilent):  # then a later call asks again; these lines are not lost over it
                self._admin.post("/reopen_logs")
        return Captured(
            pairs=tuple(pair for line in lines for pair in self._joined(line)),
            answers=tuple(answer for line in lines for answer in _answers(line)),
            bad=tuple(bad for line in lines for bad in _bad(line)),
        )

    def _lines(self) -> list[Line]:
        """The lines of the renamed file, once it is complete."""
        if not self._taken.exists() or not self._file.exists():
            return []
        with self._taken.open("rb") as file:
            lines = [line for text in file if (line := read_line(text))]
        self._taken.unlink()
        return lines

    def _joined(self, line: Line) -> Iterator[ShadowPair]:
        if line.body is None or not (line.is_copy or (line.pair and line.request is not None)):
            return
        other = self._waiting.get(line.id)
        if other is None or other.is_copy == line.is_copy:
            self._waiting[line.id] = line
            if len(self._waiting) > WAITING_LIMIT:
                self._waiting.popitem(last=False)
            return
        del self._waiting[line.id]
        yield from _pair(*(line, other) if line.is_copy else (other, line))


def _pair(copy: Line, served: Line) -> Iterator[ShadowPair]:
    is_twin = copy.route.release == served.route.release
    if copy.route.service != served.route.service or not (is_twin or copy.route.release == served.pair):
        return
    yield ShadowPair(
        service=copy.route.service,
        candidate=served.pair,
        baseline_status=served.status,
        candidate_status=copy.status,
        baseline_body=served.body or b"",
        candidate_body=copy.body or b"",
        request=served.request or b"",
        is_twin=is_twin,
        segment=served.segment,
    )


def _answers(line: Line) -> Iterator[Answer]:
    route = line.route
    is_own = line.by in ("", cluster(route.service, route.release))  # empty: Envoy itself answered
    if line.is_answer and is_own and line.request is not None and line.body is not None:
        yield Answer(route.service, route.release, line.status, line.request, line.body, line.segment)


def _bad(line: Line) -> Iterator[BadAnswer]:
    if line.key:
        yield BadAnswer(line.route.service, line.route.release, line.key, line.at_s, line.segment)


def read_line(text: bytes) -> Line | None:
    """One line of the file; None when it is not whole (Envoy was killed while it wrote)."""
    try:
        found: dict[str, Any] = json.loads(text)
        route = parse_route(found["route"])
        if route is None:
            return None
        return Line(
            id=str(found["id"]),
            route=route,
            pair=found["pair"] or "",
            is_answer=bool(found["answer"]),
            by=found["by"] or "",
            at_s=float(found["at"]),
            status=int(found["status"]),
            segment=found["segment"] or "",
            key=found["key"] or "",
            request=_body(found["request"]),
            body=_body(found["body"]),
        )
    except (ValueError, KeyError, AttributeError, TypeError):
        return None


def _body(text: str | None) -> bytes | None:
    """Envoy writes null for a body that was not captured; `=` is before each that was, also before an empty one."""
    return None if text is None else base64.b64decode(text.removeprefix("="), validate=True)
