"""The port: anything that can tell a metric of both arms."""

from __future__ import annotations

from typing import Protocol

from interlock.domain.checks.metric import Arms, MetricQuery, Reading, Span
from interlock.kernel.errors import Invalid


class SourceUrlInvalid(Invalid):
    """The address of a metric source cannot be used."""

    code = "source.url-invalid"


class MetricSource(Protocol):
    """A place that knows metrics. It may be slow, wrong or gone; none of that is an exception."""

    def read(self, query: MetricQuery, arms: Arms, span: Span) -> Reading:
        """What the source says on `span`; NoReading when it says nothing usable. Returns within its time limit."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
