"""How the current request's baggage meets what the application sends."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from interlock.client import (
    ReleaseMiddleware,
    current_release,
    is_shadow,
    outgoing_headers,
    pin_request,
    pin_request_async,
    pin_session,
)
from interlock.client.context import incoming
from interlock.client.outgoing import PinningAdapter


@pytest.fixture
def answering() -> Iterator[Callable[[str], object]]:
    """Pretend to answer a request that came with the given baggage."""
    before = incoming.set("")
    yield incoming.set
    incoming.reset(before)


def test_outside_of_a_request_nothing_is_added() -> None:
    """A job that answers nobody keeps the headers it chose, a pin by hand included."""
    assert outgoing_headers() == {}
    assert outgoing_headers({"baggage": "interlock.release=r1"}) == {"baggage": "interlock.release=r1"}
    assert current_release() is None
    assert not is_shadow()


def test_the_pin_is_carried_beside_the_members_of_the_application(answering: Callable[[str], object]) -> None:
    """Our members come from the request; the application's own members and other headers stay."""
    answering("interlock.release=r2,tenant=blue,user=ann;p=1")
    sent = outgoing_headers({"Baggage": "user=bob,step=3", "accept": "*/*"})
    assert sent == {"accept": "*/*", "baggage": "interlock.release=r2,user=bob,step=3,tenant=blue"}


def test_a_pin_that_the_application_sets_is_replaced_not_doubled(answering: Callable[[str], object]) -> None:
    """A call within a pinned request cannot leave the release, and the member stays single."""
    answering("interlock.release=r2")
    assert outgoing_headers({"baggage": "interlock.release=r1"}) == {"baggage": "interlock.release=r2"}


def test_values_travel_byte_for_byte(answering: Callable[[str], object]) -> None:
    """Percent-encoding, properties and `=` within values are nobody's business on the way."""
    answering("interlock.release=r2,a=%20x%2C;p=1;q,b=c=d")
    assert outgoing_headers() == {"baggage": "interlock.release=r2,a=%20x%2C;p=1;q,b=c=d"}


def test_hooks_set_the_header_on_the_request_and_are_idempotent(answering: Callable[[str], object]) -> None:
    """A redirect passes the hook again and must not double anything."""
    answering("interlock.release=r2,tenant=blue")
    request = SimpleNamespace(headers={"baggage": "tenant=red"})
    assert pin_request(request) is request
    asyncio.run(pin_request_async(request))
    assert request.headers == {"baggage": "interlock.release=r2,tenant=red"}


def test_a_session_is_pinned_once_and_keeps_its_adapters() -> None:
    """Pinning twice wraps once; the adapter with the user's settings still does the sending."""
    adapters: dict[str, object] = {"http://": SimpleNamespace(send=lambda r: r, close=lambda: None)}
    session = SimpleNamespace(adapters=adapters, mount=adapters.__setitem__)
    chosen = adapters["http://"]
    pin_session(pin_session(session))
    wrapper = adapters["http://"]
    assert isinstance(wrapper, PinningAdapter)
    assert wrapper.wrapped is chosen


def _ask(scope: dict[str, object]) -> tuple[str | None, bool]:
    seen: list[tuple[str | None, bool]] = []

    async def app(scope: object, receive: object, send: object) -> None:
        seen.append((current_release(), is_shadow()))

    async def run() -> None:
        await ReleaseMiddleware(app)(scope, None, None)  # type: ignore[arg-type]  # the app reads neither
        assert current_release() is None

    contextvars.copy_context().run(asyncio.run, run())
    return seen[0]


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_the_middleware_reads_every_baggage_line(kind: str) -> None:
    """A pin on the second of two header lines counts, for HTTP and WebSocket alike."""
    lines = [(b"baggage", b"user=ann"), (b"baggage", b"interlock.release=r7,interlock.shadow=1")]
    assert _ask({"type": kind, "headers": lines}) == ("r7", True)


def test_scopes_without_headers_pass_untouched() -> None:
    """Start-up and shut-down are no requests."""
    assert _ask({"type": "lifespan"}) == (None, False)


def test_concurrent_requests_do_not_see_each_other() -> None:
    """Each task has its own context, however their steps interleave."""
    seen: dict[str, str | None] = {}

    async def app(scope: dict[str, str], receive: object, send: object) -> None:
        await asyncio.sleep(0)
        seen[scope["path"]] = current_release()

    async def run() -> None:
        scopes = [
            {"type": "http", "path": f"r{i}", "headers": [(b"baggage", f"interlock.release=r{i}".encode())]}
            for i in range(20)
        ]
        await asyncio.gather(*(ReleaseMiddleware(app)(s, None, None) for s in scopes))  # type: ignore[arg-type]

    asyncio.run(run())
    assert seen == {f"r{i}": f"r{i}" for i in range(20)}
