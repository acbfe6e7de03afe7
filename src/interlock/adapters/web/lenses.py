"""Lenses on real rows and between environments: counted losses, promotions."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body

from interlock.adapters.web.speaker import Engine, Speaker
from interlock.engine import losses, promotions
from interlock.engine.codec import dump, load
from interlock.engine.schema_share import schema_share

routes = APIRouter(tags=["lenses"])


@routes.post("/losses", status_code=202)
def post(context: Engine, person: Speaker, document: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
    """Take in an audit, as `interlock lens audit --post` sends it."""
    return losses.take_in(context, document, person)


@routes.get("/schema-share/{contract}")
def share(context: Engine, contract: str) -> dict[str, Any]:
    """Which version of a contract whom is served in now: default, pins of releases, share of keys."""
    return dump(schema_share(context, contract))


@routes.get("/promotions")
def promoted(context: Engine) -> list[dict[str, Any]]:
    """What was promoted into this environment, in order of time."""
    return promotions.promotions(context)


@routes.post("/promotions", status_code=201)
def promote(
    context: Engine, person: Speaker, document: Annotated[dict[str, Any], Body()], dry_run: bool = False
) -> dict[str, Any]:
    """Take in a lens from another environment: check it here, write it, record it."""
    return promotions.take_in(context, load(promotions.Offer, document), person, dry_run)
