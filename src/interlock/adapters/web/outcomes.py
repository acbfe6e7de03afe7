"""Outcomes: what was true in the end."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from interlock.adapters.web.speaker import Engine
from interlock.engine.outcomes import take_in
from interlock.engine.ports import Outcome


class OutcomeBody(BaseModel):
    """One outcome. `id` makes posting idempotent; `release` is the answer's x-interlock-release header.

    at: when the outcome was known; answered_at: when the answer was given, so that young answers are not judged by
    the outcomes that come first.
    """

    model_config = ConfigDict(extra="forbid")
    id: str = Field(min_length=1, max_length=200)
    service: str = Field(max_length=200)
    release: str = Field(max_length=200)
    metric: str = Field(max_length=200)
    loss: float = Field(ge=0, allow_inf_nan=False)
    at: AwareDatetime
    answered_at: AwareDatetime | None = None


class OutcomesBody(BaseModel):
    """A batch of outcomes."""

    model_config = ConfigDict(extra="forbid")
    outcomes: list[OutcomeBody] = Field(max_length=10_000)


routes = APIRouter(tags=["outcomes"])


@routes.post("/outcomes", status_code=202)
def post(context: Engine, body: OutcomesBody) -> dict[str, Any]:
    """Take outcomes in. An id counts once, however often and in whatever order it is posted."""
    rows = [Outcome(o.id, o.service, o.release, o.metric, o.loss, o.at, o.answered_at) for o in body.outcomes]
    return {"received": len(rows), "new": take_in(context, rows)}
