"""Results of model, data and service checks, as evidence."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query

from interlock.adapters.web.speaker import Engine, Speaker
from interlock.engine import checks

routes = APIRouter(tags=["checks"])


@routes.post("/checks", status_code=202)
def post(context: Engine, person: Speaker, document: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
    """Take in an evidence document, as `interlock check run --evidence` writes it."""
    return checks.take_in(context, document, person)


@routes.get("/checks")
def latest(
    context: Engine, subject: Annotated[str, Query(description="kind:name@version; empty for all")] = ""
) -> dict[str, Any]:
    """The newest result of each check, and their verdict together."""
    return checks.latest(context, subject)
