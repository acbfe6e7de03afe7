"""Sources of declared metrics. Environment variables are put into addresses and headers here, when a source is
opened, so that nothing that is stored or approved holds a secret; and they are taken out of everything that a
source says, because drivers like to repeat what they were given.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from interlock.adapters.metrics.prometheus import PrometheusSource
from interlock.adapters.metrics.source import SourceUrlInvalid
from interlock.adapters.metrics.sql import SqlSource
from interlock.adapters.metrics.warehouse import WarehouseSource
from interlock.domain.checks.metric import (
    VARIABLE,
    Arms,
    Metric,
    MetricQuery,
    NoReading,
    Reading,
    Span,
    source_kind,
)
from interlock.engine.ports import MetricSource
from interlock.kernel.errors import InterlockError, Invalid

_USER_PART = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://([^/]*)@")
_LEAST_SECRET = 3
"""A shorter value is not taken out of messages: it would take words apart, and hides nothing."""


class VariableMissing(Invalid):
    """An address names an environment variable that is not set."""

    code = "source.variable-missing"


@dataclass(frozen=True, slots=True)
class Sources:
    """Opens sources. variables: the environment."""

    variables: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def open(self, metric: Metric) -> MetricSource:
        """The source of `metric`; see the port."""
        url = _filled_url(metric, self.variables)
        headers = {name: _filled(metric, text, self.variables) for name, text in metric.headers.items()}
        secrets = _secrets(metric, url, self.variables)
        try:
            return _Discreet(_opened(url, headers), secrets)
        except InterlockError as problem:
            raise SourceUrlInvalid(
                _without(problem.message, secrets), remedy=_without(problem.remedy, secrets)
            ) from None  # the cause may repeat a secret
        except Exception as crash:  # drivers read addresses in their own ways
            raise SourceUrlInvalid(
                f"the address of {metric.name} cannot be used ({type(crash).__name__})"
            ) from None


@dataclass(frozen=True, slots=True)
class _Discreet:
    """A source that lets no secret out and never raises."""

    source: MetricSource
    secrets: tuple[str, ...]

    def read(self, query: MetricQuery, arms: Arms, span: Span) -> Reading:
        try:
            reading = self.source.read(query, arms, span)
        except Exception as crash:  # a driver's bug must not stop the readings that follow
            reading = NoReading("unavailable", f"reading it failed: {type(crash).__name__}: {crash}")
        if not isinstance(reading, NoReading):
            return reading
        because, remedy = (_without(text, self.secrets) for text in (reading.because, reading.remedy))
        return NoReading(reading.lack, because, remedy)

    def close(self) -> None:
        self.source.close()


def _opened(url: str, headers: Mapping[str, str]) -> MetricSource:
    match source_kind(url):
        case "prometheus":
            return _prometheus(url, headers)
        case "sql":
            return SqlSource(url)
        case "warehouse":
            return WarehouseSource(url)
        case None:
            raise SourceUrlInvalid("the address has no scheme", remedy="Write it like http://prometheus:9090.")


def _prometheus(url: str, headers: Mapping[str, str]) -> MetricSource:
    """A user and a password in the address become the header that RFC 7617 wants."""
    from base64 import b64encode

    parts = urlsplit(url)
    if parts.username is None:
        return PrometheusSource(url, headers)
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    basic = {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return PrometheusSource(bare, {**basic, **headers})


def _filled_url(metric: Metric, variables: Mapping[str, str]) -> str:
    """The address. Within the user's part a value is escaped, so that any password fits; elsewhere it stands as it
    is, so that a variable may also hold a host with its port, or the whole address.
    """
    user = _USER_PART.match(metric.source)
    head, tail = (metric.source[: user.end(1)], metric.source[user.end(1) :]) if user else ("", metric.source)
    escaped = {name: quote(value, safe="") for name, value in variables.items()} if user else {}
    return _filled(metric, head, variables, escaped) + _filled(metric, tail, variables)


def _filled(
    metric: Metric, text: str, variables: Mapping[str, str], values: Mapping[str, str] | None = None
) -> str:
    def value_of(found: re.Match[str]) -> str:
        name = found[1]
        if not variables.get(name):
            raise VariableMissing(
                f"the environment variable {name}, which the source of {metric.name} names, is not set",
                remedy=f"Set {name} where `interlock up` runs, and start it again.",
            )
        return (variables if values is None else values)[name]

    return VARIABLE.sub(value_of, text)


def _secrets(metric: Metric, url: str, variables: Mapping[str, str]) -> tuple[str, ...]:
    """Every text that no message may hold, longest first."""
    texts = (metric.source, *metric.headers.values())
    values = {variables[name] for text in texts for name in VARIABLE.findall(text)}
    password = url.partition("://")[2].rpartition("@")[0].partition(":")[2]
    parts = re.split("[@:/?#]", password)  # where it was not escaped, a driver may have cut it there
    found = {form for v in {*values, password, *parts} for form in (v, quote(v, safe=""), unquote(v))}
    return tuple(sorted((f for f in found if len(f) >= _LEAST_SECRET), key=len, reverse=True))


def _without(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
