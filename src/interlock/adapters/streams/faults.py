"""Why a stream cannot be relayed from or to."""

from __future__ import annotations

import importlib.util

from interlock.kernel.errors import Invalid, Missing


class StreamMissing(Missing):
    """The server has no stream (the cluster no topic) of that name."""

    code = "stream.missing"


class StreamUnfit(Invalid):
    """The stream is there, but a relay from or to it would lose or repeat messages."""

    code = "stream.unfit"


class ExtraMissing(Invalid):
    """The client of this sort of broker is not installed."""

    code = "stream.extra_missing"


def need(module: str, extra: str) -> None:
    """ExtraMissing unless the client library is installed."""
    if importlib.util.find_spec(module) is None:
        raise ExtraMissing(f"{module} is not installed", remedy=f"pip install 'interlock[{extra}]'")
