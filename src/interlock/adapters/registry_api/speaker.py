"""Who speaks: a token as `Authorization: Bearer TOKEN`, or as the password of Basic, which stock clients send."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request

from interlock.engine.registry import Registry
from interlock.engine.tokens import Unauthenticated, person_of
from interlock.kernel.errors import Refused

_OWN_NAMES = ("localhost", "127.0.0.1", "::1")

Speaks = Callable[[Request], str]
"""The person of a request; Unauthenticated when there is none."""


class FromABrowser(Refused):
    """Without tokens, a page in a browser could register and delete schemas on behalf of whoever looks at it."""

    code = "registry.from_a_browser"
    status = 403


def anybody(request: Request) -> str:
    """For registries without tokens, on one machine: everybody but pages of other sites (FromABrowser)."""
    if "origin" in request.headers or request.url.hostname not in _OWN_NAMES:
        raise FromABrowser("pages in browsers are not answered without a token", remedy="Leave out --no-auth.")
    return "anonymous"


def token_holder(request: Request) -> str:
    """The person of the request's token. With the operator's token, Basic's user is the person."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    user, token = None, given.strip()
    if scheme.lower() == "basic":
        user, token = _basic(given)
    elif scheme.lower() != "bearer":
        token = ""
    if not token:
        raise Unauthenticated("this needs a token", remedy="Send it as the password (basic.auth.user.info).")
    registry: Registry = request.app.state.registry
    return person_of(registry, token, user or None)


def _basic(given: str) -> tuple[str, str]:
    try:
        user, _, password = base64.b64decode(given.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return user, password


def speaker(request: Request) -> str:
    speaks: Speaks = request.app.state.speaks
    return speaks(request)


Speaker = Annotated[str, Depends(speaker)]


def _registry(request: Request) -> Registry:
    registry: Registry = request.app.state.registry
    return registry


Desk = Annotated[Registry, Depends(_registry)]
