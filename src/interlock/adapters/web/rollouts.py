"""Rollouts, their orders, timelines, verdicts and receipts."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict

from interlock.adapters.web.speaker import Engine, Speaker
from interlock.domain.rollout.position import Verb
from interlock.engine import losses, records, rollouts
from interlock.engine.status import status_view
from interlock.engine.views import rollout_view, timeline
from interlock.kernel.errors import Missing


class StartBody(BaseModel):
    """Which change to roll out."""

    model_config = ConfigDict(extra="forbid")
    change: str


class OrderBody(BaseModel):
    """What to tell a rollout, and why."""

    model_config = ConfigDict(extra="forbid")
    verb: Verb
    because: str = ""


routes = APIRouter(tags=["rollouts"])


@routes.get("/status")
def status(context: Engine) -> dict[str, Any]:
    """What serves, what is under way, and who holds what."""
    return status_view(context)


@routes.post("/rollouts", status_code=201)
def start(body: StartBody, context: Engine, person: Speaker) -> dict[str, Any]:
    """Start the rollout of an approved change."""
    rollout = rollouts.start(context, body.change, person)
    with context.store.transaction(read_only=True) as tx:
        return rollout_view(context, tx, rollout)


@routes.get("/rollouts")
def every(context: Engine) -> list[dict[str, Any]]:
    """All rollouts, oldest first."""
    with context.store.transaction(read_only=True) as tx:
        return [rollout_view(context, tx, r) for r in records.read_rollouts(tx)]


@routes.get("/rollouts/{name}")
def one(context: Engine, name: str) -> dict[str, Any]:
    """One rollout, by its id or by its change (the newest), with its timeline."""
    with context.store.transaction(read_only=True) as tx:
        found = rollouts.find(tx, name)
        return rollout_view(context, tx, found) | {"timeline": timeline(tx, found)}


@routes.get("/rollouts/{name}/going-back")
def going_back(context: Engine, name: str) -> dict[str, Any]:
    """What rolling back would lose: the verdicts on fields, and what was counted of real rows."""
    with context.store.transaction(read_only=True) as tx:
        return losses.going_back(context, tx, records.read_plan(tx, rollouts.find(tx, name).plan))


@routes.post("/rollouts/{name}/orders", status_code=202)
def order(name: str, body: OrderBody, context: Engine, person: Speaker) -> dict[str, Any]:
    """Pause, resume, promote, abort or roll back."""
    told = rollouts.order(context, name, body.verb, person, body.because)
    with context.store.transaction(read_only=True) as tx:
        return rollout_view(context, tx, told)


@routes.get("/rollouts/{name}/receipts")
def receipts(context: Engine, name: str) -> list[dict[str, Any]]:
    """The receipts of a rollout's verdicts, oldest first."""
    with context.store.transaction(read_only=True) as tx:
        found = rollouts.find(tx, name)
        kept = records.read_receipts(tx, found.id)
        return [{"name": d.key, "receipt": json.loads(d.body["text"])} for d in kept]


@routes.get("/receipts/{name}")
def receipt(context: Engine, name: str) -> Response:
    """One receipt, byte for byte as it was kept; `interlock gate replay` recomputes it offline."""
    with context.store.transaction(read_only=True) as tx:
        found = tx.read("receipt", name)
    if found is None:
        raise Missing(f"there is no receipt {name!r}")
    return Response(found.body["text"], media_type="application/json")
