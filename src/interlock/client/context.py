"""The baggage of the request that is being answered, in a context variable.

asyncio tasks and `asyncio.to_thread` inherit it. A bare `threading.Thread` does not: run its target in
`contextvars.copy_context()`, or pass `outgoing_headers()` along.
"""

from __future__ import annotations

from contextvars import ContextVar

from interlock.domain.traffic.baggage import SHADOW_MEMBER, pin_of, value_of

incoming: ContextVar[str] = ContextVar("interlock.baggage", default="")
"""The joined `baggage` header of the current request; empty outside of one."""


def current_release() -> str | None:
    """The release that serves the current request; None outside of a request and for an unpinned one."""
    return pin_of(incoming.get())


def is_shadow() -> bool:
    """True when the current request is a copy whose answer nobody receives: do not charge, mail or write."""
    return value_of(incoming.get(), SHADOW_MEMBER) == "1"
