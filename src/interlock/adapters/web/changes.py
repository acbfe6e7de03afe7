"""Changes, plans, approvals, impact."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from interlock.adapters.web.speaker import Engine, Speaker
from interlock.domain.changes.request import Role
from interlock.domain.changes.revert import Part
from interlock.engine import changes, contents, plans
from interlock.engine.views import plan_view
from interlock.kernel.digest import plain


class MoveBody(BaseModel):
    """One thing to move."""

    model_config = ConfigDict(extra="forbid")
    kind: str = Field(pattern="^(service|model|contract)$")
    name: str
    to: str


class ChangeBody(BaseModel):
    """A new change. It is written as YAML into the workspace, where it can be edited."""

    model_config = ConfigDict(extra="forbid")
    name: str
    why: str = ""
    sponsor: str = ""
    moves: list[MoveBody] = Field(min_length=1)
    dry_run: bool = False


class RevertBody(BaseModel):
    """Which part of a change goes back: all of it, the model alone, or contracts and lenses alone."""

    model_config = ConfigDict(extra="forbid")
    part: Part = "all"
    name: str = ""
    dry_run: bool = False


class ApprovalBody(BaseModel):
    """An approval. `digest` (or a prefix of it) guards against approving another plan than the one read."""

    model_config = ConfigDict(extra="forbid")
    role: Role
    digest: str | None = Field(default=None, min_length=6)


routes = APIRouter(tags=["changes"])


@routes.get("/workspace")
def workspace(context: Engine) -> dict[str, Any]:
    """Everything declared, in brief, and every finding."""
    return changes.overview(context)


@routes.get("/impact")
def impact(context: Engine, asset: Annotated[str, Query(description="kind:name")]) -> dict[str, Any]:
    """What a change of `asset` reaches, each with the path that explains it."""
    return changes.impact_of(context, asset)


@routes.post("/changes", status_code=201)
def create(body: ChangeBody, context: Engine, person: Speaker) -> dict[str, Any]:
    """Write a new change request into the workspace."""
    moves = [{m.kind: m.name, "to": m.to} for m in body.moves]
    return changes.create(context, body.name, body.why, person, body.sponsor or person, moves, body.dry_run)


@routes.post("/changes/{name}/revert", status_code=201)
def revert(name: str, body: RevertBody, context: Engine, person: Speaker) -> dict[str, Any]:
    """Write the change request that takes back a part of this one."""
    return changes.revert(context, name, body.part, person, body.name, body.dry_run)


@routes.post("/changes/{name}/plan")
def plan(context: Engine, name: str) -> dict[str, Any]:
    """Compile the change as it is declared now; the same stages are later executed."""
    return plan_view(plans.plan_change(context, name))


@routes.get("/changes/{name}/contents")
def kept(context: Engine, name: str) -> list[dict[str, Any]]:
    """What the newest plan relies on: contracts and lenses with their documents, models by digest."""
    return contents.of_change(context, name)


@routes.post("/changes/{name}/approvals")
def approve(name: str, body: ApprovalBody, context: Engine, person: Speaker) -> dict[str, Any]:
    """Approve the plan, in a role, for exactly its digest."""
    planned = plans.approve_change(context, name, body.role, person, body.digest)
    return plan_view(planned) | {"approved_as": body.role, "person": plain(person)}
