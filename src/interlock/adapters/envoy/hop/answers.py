"""The answers that the hop gives itself: problems in the shape of RFC 9457, in the words of the Lua engine."""

from __future__ import annotations

import json
import re

from interlock.adapters.envoy.lua import LENS_HEADER
from interlock.domain.lenses.apply import Rejected

UNSENT_HEADER = "x-interlock-unsent"
"""On an answer to a request that never reached the service."""
UNREADABLE = frozenset({"body.not_json", "body.not_utf8"})
"""Codes of rejections that are the caller's doing."""
_HIDDEN = re.compile(rb"[^A-Za-z0-9_.-]")


def problem(
    status: int,
    title: str,
    code: str,
    detail: str,
    release: str,
    *,
    mark: str = "",
    keeps: bool = False,
    **more: str,
) -> bytes:
    """A whole response. mark: how it counts, in the lens header."""
    told = {"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail}
    body = json.dumps(told, separators=(",", ":")).encode()
    fields = {
        "content-type": "application/problem+json",
        "content-length": str(len(body)),
        "x-interlock-release": release,
        **({LENS_HEADER: mark} if mark else {}),
        **{name.replace("_", "-"): value for name, value in more.items()},
        **({} if keeps else {"connection": "close"}),
    }
    lines = [f"HTTP/1.1 {status} ", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def shown(rejected: Rejected) -> str:
    """Why, with the field's name in harmless letters; never a value."""
    if not rejected.field:
        return rejected.reason
    name = _HIDDEN.sub(b"?", rejected.field.encode("utf-8", "surrogatepass")).decode()
    return f"`{name}` {rejected.reason}"


def refusal(rejected: Rejected, release: str, *, keeps: bool) -> bytes:
    """A request that cannot be translated: the caller's doing when it is no JSON, else the release's."""
    if rejected.code in UNREADABLE:
        told = (400, "The body is not JSON", "lens.unreadable", f"not JSON: {rejected.reason}")
        return problem(*told, release, mark="unreadable", keeps=keeps)
    told = (422, "The request cannot be translated", "lens.rejected", shown(rejected))
    return problem(*told, release, mark="rejected", keeps=keeps)


def fault(found: Exception, release: str, *, keeps: bool) -> bytes:
    told = (500, "The translation failed", "lens.failed", type(found).__name__)
    return problem(*told, release, mark="failed", keeps=keeps)


def untranslated(why: str, release: str, *, keeps: bool) -> bytes:
    """An answer of the service that cannot be translated back."""
    return problem(502, "The answer cannot be translated", "lens.failed", why, release, mark="failed", keeps=keeps)


def unreachable(endpoint: str, why: Exception, release: str, *, keeps: bool) -> bytes:
    reason = getattr(why, "strerror", None) or "it does not answer in time"
    told = (503, "The service cannot be reached", "lens.unreachable", f"{endpoint}: {reason}")
    return problem(*told, release, keeps=keeps, x_interlock_unsent="yes")


def broken(why: str, release: str, *, keeps: bool) -> bytes:
    return problem(503, "The service gave no whole answer", "lens.broken", why, release, keeps=keeps)
