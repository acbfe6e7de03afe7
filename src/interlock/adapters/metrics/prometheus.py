"""Prometheus by its HTTP API, version 1, and whatever speaks it (Thanos, Mimir, VictoriaMetrics).

Every question has one deadline for everything together, kept by closing the connection: a server that sends a byte
now and then is as late as one that is silent. Answers above a size are given up. Warnings mean that a part of the
data was not reached, so the answer counts as partial.

Limits: an instant query looks back five minutes, so a plain gauge of a dead exporter seems alive for so long: use
functions over `$window`, which become empty. `increase` extrapolates to the window's ends; it is exact to about one
request per scrape. Resolving the host's name is not covered by the deadline, and a host with several addresses may
take it once for each.
"""

from __future__ import annotations

import http.client
import json
import math
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from interlock.adapters.metrics.source import SourceUrlInvalid
from interlock.adapters.metrics.translate import Senseless, failure, promql, reading_of_vectors, senseless
from interlock.domain.checks.metric import Arms, MetricQuery, NoReading, Reading, Span

SIZE_LIMIT_BYTES = 8 * 2**20
POINTS_LIMIT = 11_000
"""What Prometheus itself answers at most, per series."""


@dataclass(frozen=True, slots=True)
class _Ask:
    path: str
    kind: str
    fields: Mapping[str, str]


@dataclass(slots=True)
class PrometheusSource:
    """One server. url: `http(s)://host:port/prefix`; headers: sent along (credentials); timeout_s: per question."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 5.0
    size_limit_bytes: int = SIZE_LIMIT_BYTES

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            shown = f"{parts.scheme}://{parts.hostname or ''}"
            remedy = "Write it like http://prometheus:9090, credentials apart from it."
            raise SourceUrlInvalid(f"{shown} is no address of a Prometheus", remedy=remedy)

    def read(self, query: MetricQuery, arms: Arms, span: Span) -> Reading:
        """The query's value at the end of the span, or at each step within it."""
        try:
            asks = [_ask(query, promql(text, arms, span), span) for text in _texts(query)]
            return reading_of_vectors(query, [self._result(ask) for ask in asks], arms)
        except Senseless as wrong:
            return wrong.reading

    def close(self) -> None:
        """Nothing is kept open between questions."""

    def _result(self, ask: _Ask) -> list[Any]:
        status, body = self._post(ask)
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError) as error:
            says = f"it answered {status} with something that is not JSON"
            raise Senseless(NoReading("unavailable", says, "Is this the address of a Prometheus?")) from error
        return _vector(status, answer, ask.kind)

    def _post(self, ask: _Ask) -> tuple[int, bytes]:
        """Status and body, within the deadline and the size limit."""
        parts = urlsplit(self.url)
        connection = _connection(parts.scheme, parts.hostname or "", parts.port, self.timeout_s)
        is_late = threading.Event()
        watch = threading.Timer(self.timeout_s, _cut, (connection, is_late))
        watch.start()
        try:
            headers = {"Content-Type": "application/x-www-form-urlencoded", **self.headers}
            connection.connect()
            if is_late.is_set():  # there was no socket to cut yet
                raise TimeoutError
            connection.request("POST", parts.path.rstrip("/") + ask.path, urlencode(ask.fields), headers)
            response = connection.getresponse()
            body = response.read(self.size_limit_bytes + 1)
        except (OSError, http.client.HTTPException, ValueError) as error:
            is_timeout = is_late.is_set() or isinstance(error, TimeoutError)
            raise Senseless(NoReading("unavailable", self._silence(is_timeout, error))) from error
        finally:
            watch.cancel()
            connection.close()
        if is_late.is_set():
            raise Senseless(NoReading("unavailable", self._silence(True, None)))
        if len(body) > self.size_limit_bytes:
            raise senseless(f"the answer is longer than {self.size_limit_bytes} bytes", "Aggregate in the query.")
        return response.status, body

    def _silence(self, is_timeout: bool, error: Exception | None) -> str:
        return f"no answer within {self.timeout_s:g} s" if is_timeout else f"it cannot be asked: {error}"


def _connection(scheme: str, host: str, port: int | None, timeout_s: float) -> http.client.HTTPConnection:
    if scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=ssl.create_default_context())
    return http.client.HTTPConnection(host, port, timeout=timeout_s)


def _cut(connection: http.client.HTTPConnection, is_late: threading.Event) -> None:
    """End a question whose time is over: whoever reads the socket wakes up."""
    is_late.set()
    if (sock := connection.sock) is not None:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it ended by itself in the meantime


def _texts(query: MetricQuery) -> tuple[str, ...]:
    if query.gives == "values":
        return (query.text,)
    if not query.bad:
        raise senseless(f"{query.name} has no query for the bad requests", "Set `bad`, or ask for values.")
    if query.step_s:
        raise senseless(f"{query.name} counts at every step, and such counts overlap", "Leave `step_s` out.")
    return query.text, query.bad


def _ask(query: MetricQuery, text: str, span: Span) -> _Ask:
    if not query.step_s:
        return _Ask("/api/v1/query", "vector", {"query": text, "time": f"{span.end.timestamp():.3f}"})
    points = span.seconds / query.step_s
    if not (math.isfinite(points) and 1 <= points <= POINTS_LIMIT):
        raise senseless(f"a step of {query.step_s:g} s does not divide {span.seconds:g} s", "Choose another step.")
    times = {
        "start": f"{span.start.timestamp() + query.step_s:.3f}",
        "end": f"{span.end.timestamp():.3f}",
        "step": f"{query.step_s:g}",
    }
    return _Ask("/api/v1/query_range", "matrix", {"query": text, **times})


def _vector(status: int, answer: Any, wanted: str) -> list[Any]:
    """The series of a successful and whole answer of the wanted type."""
    if not isinstance(answer, dict):
        raise Senseless(NoReading("unavailable", "its answer is not as the HTTP API of Prometheus writes it"))
    if status != 200 or answer.get("status") != "success":
        raise Senseless(failure(status, answer))
    if warnings := answer.get("warnings"):
        raise Senseless(NoReading("partial", f"it warns: {'; '.join(map(str, warnings))[:300]}"))
    found = answer.get("data")
    if not isinstance(found, dict) or not isinstance(found.get("result"), list):
        raise Senseless(NoReading("unavailable", "its answer has no result"))
    if found.get("resultType") != wanted:
        says = f"the query gives a {found.get('resultType')}, not a {wanted}"
        raise senseless(says, "Aggregate to one series per release, like: sum by (release) (...).")
    return list(found["result"])
