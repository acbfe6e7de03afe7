"""A thin layer in front of the routes: subjects with slashes, and content types."""

from __future__ import annotations

from urllib.parse import unquote

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from interlock.adapters.registry_api.answers import MEDIA_TYPE, error, is_taken, media_type


class ClientConventions:
    """Makes the routes see what clients mean.

    A subject may have a slash, sent as %2F; the server in front has decoded it, so the path is decoded again here
    with slashes and per cent signs kept. Bodies of a content type that is not the API's are refused (415), others
    are read as JSON; answers are in the content type that the client accepts.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not is_taken(headers.get("content-type", "")):
            refused = error(415, 415, f"HTTP 415 Unsupported Media Type: send {MEDIA_TYPE}")
            await refused(scope, receive, send)
            return
        try:
            path = _path(scope)
        except UnicodeDecodeError:
            await error(400, 400, "HTTP 400 Bad Request: the path is no UTF-8")(scope, receive, send)
            return
        kept = [(k, v) for k, v in scope["headers"] if k != b"content-type"]
        scope = {**scope, "path": path, "headers": [*kept, (b"content-type", b"application/json")]}
        chosen = media_type(headers.get("accept", "")).encode()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [_spoken(k, v, chosen) for k, v in message["headers"]]}
            await send(message)

        await self._app(scope, receive, answer)


def _spoken(key: bytes, value: bytes, chosen: bytes) -> tuple[bytes, bytes]:
    is_ours = key == b"content-type" and value == MEDIA_TYPE.encode()
    return key, chosen if is_ours else value


def _path(scope: Scope) -> str:
    raw = scope.get("raw_path")
    if not raw:
        return str(scope["path"])
    text = raw.decode("ascii", errors="replace")
    kept = text.replace("%25", "%2525").replace("%2F", "%252F").replace("%2f", "%252F")
    return unquote(kept, errors="strict")


def part(text: str) -> str:
    """A part of the path as the client meant it."""
    return unquote(text)
