"""The audit trail and its verification; personal tokens."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from interlock.adapters.web.speaker import Engine, Token
from interlock.engine.audit import verification
from interlock.engine.tokens import SpeaksForAnother, is_operator, keep_token, person_of, require_person
from interlock.engine.views import entry_view


class TokenBody(BaseModel):
    """For whom a new token speaks."""

    model_config = ConfigDict(extra="forbid")
    person: str


routes = APIRouter(tags=["audit"])


@routes.get("/audit")
def trail(
    context: Engine, after: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000
) -> list[dict[str, Any]]:
    """Entries of the chain in order, beginning after `after`."""
    with context.store.transaction(read_only=True) as tx:
        return [entry_view(e) for e in tx.trail(after, limit)]


@routes.get("/audit/verification")
def verify(context: Engine) -> dict[str, Any]:
    """Recompute the whole chain; every edited, removed or reordered entry is named."""
    return verification(context)


@routes.post("/tokens", status_code=201)
def issue(context: Engine, body: TokenBody, token: Token) -> dict[str, Any]:
    """A new personal token; it is shown once. Only the operator's token may issue one."""
    if not is_operator(context, token):
        raise SpeaksForAnother("only the operator's token issues tokens")
    require_person(context, body.person)
    fresh = secrets.token_urlsafe(32)
    keep_token(context, fresh, body.person, person_of(context, token, None))
    return {"person": body.person, "token": fresh}
