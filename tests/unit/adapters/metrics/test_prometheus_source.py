"""Prometheus by its HTTP API: what it says, and everything that it can do wrong."""

from __future__ import annotations

import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from interlock.adapters.metrics.prometheus import PrometheusSource
from interlock.adapters.metrics.source import SourceUrlInvalid
from interlock.domain.checks.metric import (
    Arms,
    Count,
    Counted,
    MetricQuery,
    NoReading,
    Reading,
    Sampled,
    Span,
)
from support.metric_server import Fields, answers, free_port, sample, scripted, success

ARMS = Arms("r2", "r1")
END = datetime(2026, 5, 1, 8, 1, tzinfo=UTC)
SPAN = Span(END - timedelta(seconds=60), END)
COUNTS = MetricQuery(
    "refusals",
    "counts",
    'sum by (release) (increase(answers_total{release=~"$arms"}[$window]))',
    bad='sum by (release) (increase(answers_total{release=~"$arms",refused="1"}[$window]))',
)
VALUES = MetricQuery("cost", "values", 'cost{release=~"$arms"}')


def read(url: str, query: MetricQuery = VALUES, timeout_s: float = 5.0, **settings: Any) -> Reading:
    return PrometheusSource(url, timeout_s=timeout_s, **settings).read(query, ARMS, SPAN)


def lack(reading: Reading) -> str:
    assert isinstance(reading, NoReading), reading
    assert reading.because
    return reading.lack


def test_counts_come_from_two_queries() -> None:
    """Requests and bad ones, rounded to whole requests, series of one arm added; the placeholders are filled in."""
    asked: list[Fields] = []

    def script(handler: Any, fields: Fields) -> None:
        asked.append(fields)
        values = ["1.9", "2"] if "refused" in fields["query"] else ["99.6", "20.2"]
        vector = [sample("r2", values[0]), sample("r2", "1"), sample("r1", values[1]), sample("r0", "7")]
        answers(200, success("vector", vector))(handler, fields)

    with scripted(script) as url:
        assert read(f"{url}/prefix/", COUNTS) == Counted(Count(101, 3), Count(20, 2))
    assert [f["path"] for f in asked] == ["/prefix/api/v1/query"] * 2
    assert asked[0]["query"] == 'sum by (release) (increase(answers_total{release=~"r2|r1"}[60000ms]))'
    assert float(asked[0]["time"]) == END.timestamp()


def test_values_come_at_the_end_or_at_every_step() -> None:
    """An instant vector gives a value per series, a range one per step; the first step ends one step in."""
    asked: list[Fields] = []

    def script(handler: Any, fields: Fields) -> None:
        asked.append(fields)
        points = [{"metric": {"release": r}, "values": [[0, "1"], [30, "2.5"]]} for r in ("r1", "r2")]
        answers(200, success("matrix", points))(handler, fields)

    with scripted(
        answers(200, success("vector", [sample("r1", "1"), sample("r2", "2"), sample("r2", "3")]))
    ) as url:
        assert read(url) == Sampled((2.0, 3.0), (1.0,))
    with scripted(script) as url:
        stepped = MetricQuery("cost", "values", "cost", step_s=30)
        assert read(url, stepped) == Sampled((1.0, 2.5), (1.0, 2.5))
    assert asked[0]["path"] == "/api/v1/query_range"
    assert float(asked[0]["start"]) == END.timestamp() - 30


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "much", "", None, True])
def test_values_that_are_no_numbers_are_no_reading(value: Any) -> None:
    """NaN and infinities are not averaged away."""
    with scripted(answers(200, success("vector", [sample("r1", "1"), sample("r2", value)]))) as url:
        assert lack(read(url)) == "invalid"


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ([], "empty"),
        ([sample("r1", "1")], "empty"),
        ([sample("r1", "1"), {"metric": {}, "value": [0, "1"]}], "invalid"),
        ([{"metric": {"release": "r1"}}], "unavailable"),
        ([{"metric": {"release": "r1"}, "value": 3}], "unavailable"),
        (["text"], "unavailable"),
    ],
)
def test_vectors_without_both_arms_are_no_reading(result: Any, expected: str) -> None:
    """An arm without series is not zero, an unlabelled series is nobody's, and a wrong form is the server's."""
    with scripted(answers(200, success("vector", result))) as url:
        assert lack(read(url)) == expected


@pytest.mark.parametrize(("bad", "told"), [("100.4", 100), ("121", 100), ("130", None), ("1e9", None)])
def test_far_more_bad_requests_than_requests_are_no_numbers(bad: str, told: int | None) -> None:
    """`increase` may make a few more of them; queries over different requests are not cut to fit."""

    def script(handler: Any, fields: Fields) -> None:
        value = bad if "refused" in fields["query"] else "100"
        answers(200, success("vector", [sample("r2", value), sample("r1", "100")]))(handler, fields)

    with scripted(script) as url:
        reading = read(url, COUNTS)
    if told is None:
        assert lack(reading) == "invalid"
    else:
        assert isinstance(reading, Counted)
        assert reading.candidate == Count(100, told)


def test_no_series_of_bad_requests_is_not_none() -> None:
    """An unknown metric looks the same as no bad request, so it is not taken for one."""

    def script(handler: Any, fields: Fields) -> None:
        vector = [] if "refused" in fields["query"] else [sample("r1", "9"), sample("r2", "9")]
        answers(200, success("vector", vector))(handler, fields)

    with scripted(script) as url:
        found = read(url, COUNTS)
    assert lack(found) == "empty"
    assert isinstance(found, NoReading)
    assert "or 0 *" in found.remedy


def test_negative_counts_are_no_reading() -> None:
    """A difference of counters over a restart goes backwards."""
    with scripted(answers(200, success("vector", [sample("r1", "9"), sample("r2", "-4")]))) as url:
        assert lack(read(url, COUNTS)) == "invalid"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, {"status": "error", "errorType": "bad_data", "error": "parse error"}, "invalid"),
        (422, {"status": "error", "errorType": "execution", "error": "many-to-many"}, "invalid"),
        (401, {}, "invalid"),
        (503, {"status": "error", "errorType": "timeout", "error": "query timed out"}, "unavailable"),
        (500, {"status": "error"}, "unavailable"),
        (302, {}, "unavailable"),
        (200, {"status": "error", "error": "?"}, "unavailable"),
        (200, b"<html>login</html>", "unavailable"),
        (200, b"\xff\xfe", "unavailable"),
        (200, b"[" * 100_000, "unavailable"),
        (200, [1], "unavailable"),
        (200, {"status": "success"}, "unavailable"),
        (200, success("vector", [], warnings=["store-3 did not answer"]), "partial"),
        (200, success("scalar", [0, "1"]), "invalid"),
        (200, success("matrix", []), "invalid"),
        (200, success("string", "x"), "unavailable"),
    ],
)
def test_answers_that_are_no_result_are_no_reading(status: int, body: Any, expected: str) -> None:
    """Errors of the query are the caller's, all others the server's; a warning means that data are missing."""
    with scripted(answers(status, body)) as url:
        assert lack(read(url)) == expected


def test_the_servers_reason_is_told() -> None:
    """What Prometheus says about a query reaches whoever reads the gate."""
    with scripted(answers(400, {"errorType": "bad_data", "error": "unexpected <by>"})) as url:
        found = read(url)
    assert isinstance(found, NoReading)
    assert "unexpected <by>" in found.because


def test_a_server_that_is_gone_or_hangs_up_is_unavailable() -> None:
    """Refused connections, an answer cut short, and bytes that are not HTTP."""
    assert lack(read(f"http://127.0.0.1:{free_port()}")) == "unavailable"
    with scripted(lambda handler, _: handler.reply(200, b"{", length=500)) as url:
        assert lack(read(url)) == "unavailable"
    with scripted(lambda handler, _: handler.wfile.write(b"SSH-2.0-x\r\n\r\n")) as url:
        assert lack(read(url)) == "unavailable"


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"])
@pytest.mark.parametrize("drip", [b"", b" "])
def test_a_slow_server_ends_in_time(first: bytes, drip: bytes) -> None:
    """Silence and single bytes, in head or body: the deadline holds for all together."""
    is_over = threading.Event()

    def script(handler: Any, _: Fields) -> None:
        handler.wfile.write(first)
        while not is_over.wait(0.02):
            handler.wfile.write(drip)

    with scripted(script) as url:
        began = time.monotonic()
        found = read(url, timeout_s=0.3)
        took_s = time.monotonic() - began
        is_over.set()
    assert lack(found) == "unavailable"
    assert isinstance(found, NoReading)
    assert "within 0.3 s" in found.because
    assert took_s < 2


def test_a_server_that_never_answers_the_call_ends_in_time() -> None:
    """A listener that accepts nothing."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        assert lack(read(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2)) == "unavailable"


def test_an_endless_answer_is_given_up() -> None:
    """Nothing larger than the limit is read."""
    with scripted(answers(200, b" " * 5_000)) as url:
        assert lack(read(url, size_limit_bytes=1_000)) == "invalid"


@pytest.mark.parametrize(
    "query",
    [
        MetricQuery("x", "values", "cost{release='$release'}"),
        MetricQuery("x", "values", "cost$"),
        MetricQuery("x", "counts", "answers_total"),
        MetricQuery("x", "counts", "a", bad="b", step_s=5),
        MetricQuery("x", "values", "cost", step_s=600),
        MetricQuery("x", "values", "cost", step_s=0.0001),
    ],
)
def test_queries_that_mean_nothing_are_not_sent(query: MetricQuery) -> None:
    """They are told before anything is asked."""
    assert lack(read(f"http://127.0.0.1:{free_port()}", query)) == "invalid"


def test_a_release_cannot_leave_its_quotes() -> None:
    """Names that are no names are not put into a query; dots are no wildcards."""
    source = PrometheusSource(f"http://127.0.0.1:{free_port()}")
    assert lack(source.read(VALUES, Arms('r2"} or vector(1)', "r1"), SPAN)) == "invalid"
    asked: list[Fields] = []

    def script(handler: Any, fields: Fields) -> None:
        asked.append(fields)
        answers(200, success("vector", []))(handler, fields)

    with scripted(script) as url:
        PrometheusSource(url).read(VALUES, Arms("r.2", "r1"), SPAN)
    assert asked[0]["query"] == r'cost{release=~"r\\.2|r1"}'


@pytest.mark.parametrize("url", ["prometheus:9090", "ftp://x", "http://", "http://user:secret@host", ""])
def test_addresses_that_cannot_be_used_are_refused(url: str) -> None:
    """At once, and without telling a password."""
    with pytest.raises(SourceUrlInvalid) as refused:
        PrometheusSource(url)
    assert "secret" not in str(refused.value)


def test_headers_are_sent_along() -> None:
    """Credentials stand in headers."""
    seen: list[str] = []

    def script(handler: Any, fields: Fields) -> None:
        seen.append(handler.headers["Authorization"])
        answers(200, success("vector", []))(handler, fields)

    with scripted(script) as url:
        read(url, headers={"Authorization": "Bearer t"})
    assert seen == ["Bearer t"]
