"""Migrations of tables: where they stand, and what their runners ask and tell."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from interlock.adapters.web.speaker import Engine, Speaker
from interlock.engine import migrations
from interlock.engine.migrations import Told, What


class ToldBody(BaseModel):
    """What a runner is about to do, has done or found; see `interlock migration`."""

    model_config = ConfigDict(extra="forbid")
    plan: str = Field(min_length=6)
    place: str
    step: int = Field(ge=0)
    what: What
    because: str = Field(default="", max_length=2_000)
    is_ordered: bool = False


routes = APIRouter(tags=["migrations"])


@routes.get("/changes/{name}/migration")
def one(context: Engine, name: str) -> dict[str, Any]:
    """The tables that move with a change: their steps, where each stands, what may be done now."""
    return migrations.migration_view(context, name)


@routes.post("/changes/{name}/migration/steps", status_code=202)
def tell(name: str, body: ToldBody, context: Engine, person: Speaker) -> dict[str, Any]:
    """Ask leave for a step, or tell that it is done; refused when it must not be done now."""
    migrations.tell(context, name, Told(**body.model_dump()), person)
    return {"told": body.what}


@routes.get("/plans/{digest}")
def plan(context: Engine, digest: str) -> dict[str, Any]:
    """A plan by its digest, as exactly what the digest covers."""
    return migrations.plan_of(context, digest)
