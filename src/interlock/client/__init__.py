"""What a service installs so that its own calls stay in the release that serves the request it is answering.

    app.add_middleware(ReleaseMiddleware)                                       # what came in
    httpx2.AsyncClient(event_hooks={"request": [pin_request_async]})            # what goes out
    httpx2.Client(event_hooks={"request": [pin_request]})
    pin_session(requests.Session())
    any_other_client.post(url, headers=outgoing_headers())

Light on purpose: the standard library and a header parser, no framework and no client library. Use the
hooks on clients that call services behind Interlock; baggage is not meant for strangers.
"""

from interlock.client.context import current_release, is_shadow
from interlock.client.middleware import ReleaseMiddleware
from interlock.client.outgoing import outgoing_headers, pin_request, pin_request_async, pin_session

__all__ = [
    "ReleaseMiddleware",
    "current_release",
    "is_shadow",
    "outgoing_headers",
    "pin_request",
    "pin_request_async",
    "pin_session",
]
