"""Sources of declared metrics: who reads an address, and that no secret gets out."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from interlock.adapters.metrics.open import Sources, VariableMissing
from interlock.domain.checks.metric import (
    Arms,
    Count,
    Counted,
    Gives,
    Metric,
    MetricQuery,
    NoReading,
    Reading,
    Span,
    source_kind,
)
from interlock.kernel.errors import Invalid
from support.metric_server import _Handler, answers, sample, scripted, success

ARMS = Arms("r2", "r1")
END = datetime(2026, 5, 1, tzinfo=UTC)
SPAN = Span(END - timedelta(seconds=60), END)
SECRET = "p@ss/w:rd"


def metric(source: str, gives: Gives = "counts", text: str = "q", **headers: str) -> Metric:
    return Metric("refusals", source, MetricQuery("refusals", gives, text, "b"), headers)


def read(source: str, gives: Gives = "counts", text: str = "q", **variables: str) -> Reading:
    declared = metric(source, gives, text)
    opened = Sources(variables).open(declared)
    try:
        assert declared.query is not None
        return opened.read(declared.query, ARMS, SPAN)
    finally:
        opened.close()


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://prometheus:9090", "prometheus"),
        ("https://prometheus/p", "prometheus"),
        ("sqlite:///x.db", "sql"),
        ("postgresql+psycopg://reader@host/db", "sql"),
        ("duckdb:///x.duckdb?read_only=True", "warehouse"),
        ("duckdb://x.duckdb", "warehouse"),
        ("bigquery://project", "warehouse"),
        ("${URL}", None),
        ("prometheus", None),
    ],
)
def test_an_address_tells_who_reads_it(url: str, kind: str | None) -> None:
    """Prometheus over HTTP, SQLAlchemy's own databases, Ibis for all others."""
    assert source_kind(url) == kind


def test_variables_are_put_in_when_a_source_is_opened(tmp_path: Path) -> None:
    """A part of the address, or all of it."""
    text = "SELECT 'r1' AS arm, 10 AS n, 1 AS bad UNION ALL SELECT 'r2', 5, 0"
    found = Counted(Count(5, 0), Count(10, 1))
    assert read("sqlite:///${PLACE}/x.db", text=text, PLACE=str(tmp_path)) == found
    assert read("${URL}", text=text, URL=f"sqlite:///{tmp_path}/x.db") == found


def test_a_variable_that_is_not_set_is_named() -> None:
    """With where to set it."""
    for variables in ({}, {"PW": ""}):
        with pytest.raises(VariableMissing, match="PW") as missing:
            Sources(variables).open(metric("postgresql://reader:${PW}@host/db"))
        assert "interlock up" in missing.value.remedy


def test_credentials_of_an_address_become_a_header() -> None:
    """RFC 7617, whatever characters the password has; a header may hold a variable too."""
    seen: list[str] = []

    def script(handler: _Handler, _: dict[str, str]) -> None:
        seen.append(f"{handler.headers.get('Authorization')} {handler.headers.get('X-Team')}")
        answers(200, success("vector", [sample("r1", "3"), sample("r2", "4")]))(handler, {})

    with scripted(script) as url:
        host = url.removeprefix("http://")
        declared = metric("http://reader:${PW}@${HOST}", "values", **{"X-Team": "team-${TEAM}"})
        opened = Sources({"PW": SECRET, "HOST": host, "TEAM": "a"}).open(declared)
        assert declared.query is not None
        opened.read(MetricQuery("refusals", "values", "q"), ARMS, SPAN)
    assert seen == [f"Basic {b64encode(f'reader:{SECRET}'.encode()).decode()} team-a"]


def what_is_told(source: str, variables: dict[str, str]) -> str:
    """The message of a source that cannot be opened, or of one that does not answer."""
    try:
        reading = read(source, text="SELECT 1", **variables)
    except Invalid as refused:
        return f"{refused} {refused.__cause__ or ''}"
    return f"{reading.because} {reading.remedy}" if isinstance(reading, NoReading) else ""


@pytest.mark.parametrize(
    "source",
    [
        "postgresql+psycopg://reader:${PW}@127.0.0.1:1/x?connect_timeout=1&application_name=${PW}",
        "${URL}",
        "${RAW_URL}",
        "mysql+nodriver://reader:${PW}@h/x",
        "duckdb:///nowhere/${PW}.duckdb?read_only=True",
        "nosuchthing://reader:${PW}@host/x",
        "http://127.0.0.1:1/${PW}",
        "http://${PW}:badport",
    ],
)
def test_no_message_holds_a_secret(source: str) -> None:
    """Neither of a source that cannot be opened, nor of one that does not answer."""
    raw = f"postgresql+psycopg://reader:{SECRET}@127.0.0.1:1/x"
    variables = {"PW": SECRET, "RAW_URL": raw, "URL": raw.replace(SECRET, quote(SECRET, safe=""))}
    told = what_is_told(source, variables)
    assert told.strip()
    for form in (SECRET, "p%40ss", "ss/w", "w:rd"):
        assert form not in told


def test_a_database_that_repeats_a_secret_is_cut(tmp_path: Path) -> None:
    """A driver's message with the value in it shows stars instead."""
    found = read("sqlite:///${PLACE}/x.db", text="SELECT * FROM hunter2_table", PLACE=str(tmp_path), X="unused")
    assert isinstance(found, NoReading)
    assert "hunter2_table" in found.because
    found = read("sqlite:///${PLACE}/x.db", text=f"SELECT * FROM '{tmp_path}'", PLACE=str(tmp_path))
    assert isinstance(found, NoReading)
    assert str(tmp_path) not in found.because
    assert "***" in found.because
