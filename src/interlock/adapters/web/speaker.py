"""Who speaks in a request: the token's person, or the one that an operator's token names."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from interlock.engine.context import Context
from interlock.engine.tokens import Unauthenticated, person_of

_bearer = HTTPBearer(auto_error=False, description="The token that `interlock up` stored in .interlock/token.")


def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


Engine = Annotated[Context, Depends(_context)]


def authenticate(context: Engine, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> str:
    """The token of the request, when it is known; Unauthenticated otherwise."""
    if given is None:
        raise Unauthenticated("this needs a token", remedy="Send `Authorization: Bearer TOKEN`.")
    person_of(context, given.credentials, None)
    return given.credentials


Token = Annotated[str, Depends(authenticate)]

_Named = Annotated[
    str | None,
    Header(alias="interlock-person", description="The person an operator's token speaks for.", max_length=64),
]


def _speaker(context: Engine, token: Token, named: _Named = None) -> str:
    return person_of(context, token, named)


Speaker = Annotated[str, Depends(_speaker)]
