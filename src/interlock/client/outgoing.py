"""Carries the current request's baggage to outgoing calls, whichever client makes them.

The application's own members stay; of members that both name, ours decide for `interlock.*` and the
application's for all others. Outside of a request nothing changes, so a job may pin itself by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, Protocol, TypeVar

from interlock.client.context import incoming
from interlock.domain.traffic.baggage import HEADER, format, parse

OURS = "interlock."


class _HasHeaders(Protocol):
    @property
    def headers(self) -> MutableMapping[str, str]: ...


class _Adapter(Protocol):
    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any: ...
    def close(self) -> None: ...


class _Session(Protocol):
    @property
    def adapters(self) -> MutableMapping[str, Any]: ...
    def mount(self, prefix: str, adapter: Any) -> None: ...


SomeRequest = TypeVar("SomeRequest", bound=_HasHeaders)
SomeSession = TypeVar("SomeSession", bound=_Session)


def merged(own: str, inherited: str) -> str:
    """The baggage to send: `inherited` from the current request, with `own` members of the application."""
    theirs, ours = parse(inherited), parse(own)
    pinned = [m for m in theirs if m[0].startswith(OURS)]
    taken = {key for key, _ in pinned}
    added = [m for m in ours if m[0] not in taken]
    taken |= {key for key, _ in added}
    return format([*pinned, *added, *(m for m in theirs if m[0] not in taken)])


def outgoing_headers(headers: Mapping[str, str] | None = None) -> dict[str, str]:
    """`headers` for a call to another service, with the current request's baggage in them."""
    given = dict(headers or {})
    own = ",".join(value for name, value in given.items() if name.lower() == HEADER)
    if not (value := merged(own, incoming.get())):
        return given
    return {name: v for name, v in given.items() if name.lower() != HEADER} | {HEADER: value}


def pin_request(request: SomeRequest) -> SomeRequest:
    """Set `request.headers['baggage']`: a request hook for httpx and httpx2, and anything alike."""
    if value := merged(request.headers.get(HEADER) or "", incoming.get()):
        request.headers[HEADER] = value
    return request


async def pin_request_async(request: _HasHeaders) -> None:
    """`pin_request` for an `AsyncClient`, whose hooks are awaited."""
    pin_request(request)


class PinningAdapter:
    """A requests transport adapter that pins what passes and leaves the sending to the adapter it wraps."""

    def __init__(self, wrapped: _Adapter) -> None:
        self.wrapped = wrapped

    def send(self, request: _HasHeaders, *args: Any, **kwargs: Any) -> Any:
        return self.wrapped.send(pin_request(request), *args, **kwargs)

    def close(self) -> None:
        self.wrapped.close()


def pin_session(session: SomeSession) -> SomeSession:
    """Make every call of a `requests.Session` carry the baggage; returns the same session.

    It wraps the adapters that are mounted now, so their retry settings stay and `auth` stays free; adapters
    mounted afterwards are not pinned.
    """
    for prefix, adapter in list(session.adapters.items()):
        if not isinstance(adapter, PinningAdapter):
            session.mount(prefix, PinningAdapter(adapter))
    return session
