"""Schemas by id and by guid, and what the registry says about itself."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import PlainTextResponse

from interlock import __version__
from interlock.adapters.registry_api.answers import MEDIA_TYPE
from interlock.adapters.registry_api.bodies import registered_body, schema_text, stored_body
from interlock.adapters.registry_api.pages import Page, page
from interlock.adapters.registry_api.paths import part
from interlock.adapters.registry_api.speaker import Desk
from interlock.domain.registry.schema import SchemaType
from interlock.domain.registry.subject import subject_name
from interlock.engine import registry as use

routes = APIRouter(tags=["schemas"])

Id = Annotated[int, Path(ge=0, le=2**31 - 1)]


@routes.get("/schemas")
def schemas(
    desk: Desk, limits: Page, subjectPrefix: str = "", deleted: bool = False, latestOnly: bool = False
) -> list[dict[str, Any]]:
    """Every version of every subject."""
    found = use.schemas(desk, subjectPrefix, deleted=deleted, latest_only=latestOnly)
    return [registered_body(each, "") for each in page(found, limits)]


@routes.get("/schemas/types")
def types() -> list[str]:
    """The languages of schemas."""
    return [kind.value for kind in SchemaType]


@routes.get("/schemas/ids/{id}")
def by_id(id: Id, desk: Desk, format: str = "", fetchMaxId: bool = False) -> dict[str, Any]:
    """The schema of an id."""
    body = stored_body(use.by_id(desk, id), format)
    return body | ({"maxId": use.greatest_id(desk)} if fetchMaxId else {})


@routes.get(
    "/schemas/ids/{id}/schema",
    response_class=PlainTextResponse,
    responses={200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}},
)
def text_by_id(id: Id, desk: Desk, format: str = "") -> PlainTextResponse:
    """The schema alone, as it is."""
    return PlainTextResponse(schema_text(use.by_id(desk, id), format), media_type=MEDIA_TYPE)


@routes.get("/schemas/ids/{id}/subjects")
def subjects_of(id: Id, desk: Desk, limits: Page, subject: str = "", deleted: bool = False) -> list[str]:
    """Subjects that have the schema."""
    places = use.places_of(desk, id, deleted=deleted)
    wanted = subject and subject_name(subject)
    return page(sorted({name for name, _ in places if wanted in ("", name)}), limits)


@routes.get("/schemas/ids/{id}/versions")
def versions_of(id: Id, desk: Desk, limits: Page, subject: str = "", deleted: bool = False) -> list[dict[str, Any]]:
    """Versions that have the schema."""
    wanted = subject and subject_name(subject)
    places = [p for p in use.places_of(desk, id, deleted=deleted) if wanted in ("", p[0])]
    return [{"subject": name, "version": number} for name, number in page(places, limits)]


@routes.get("/schemas/guids/{guid}")
def by_guid(guid: str, desk: Desk, format: str = "") -> dict[str, Any]:
    """The schema of a guid, which is the same in every registry."""
    return stored_body(use.by_guid(desk, part(guid)), format)


@routes.get("/schemas/guids/{guid}/ids")
def ids_of(guid: str, desk: Desk) -> list[dict[str, Any]]:
    """The id of a guid here. Ids are one sequence for all contexts."""
    return [{"context": ".", "id": use.by_guid(desk, part(guid)).id}]


@routes.get("/contexts", tags=["contexts"])
def contexts(desk: Desk, limits: Page, contextPrefix: str = "") -> list[str]:
    """Contexts that have a subject; the default one always."""
    return page([name for name in use.contexts(desk) if name.startswith(contextPrefix)], limits)


@routes.get("/associations/resources/{namespace}/{name}", tags=["associations"])
def associations(namespace: str, name: str) -> list[dict[str, Any]]:
    """Subjects that are associated with a resource by hand: none, so that clients go by the topic's name."""
    return []


@routes.get("/", include_in_schema=False)
def root() -> dict[str, Any]:
    """Clients ask this to see whether somebody is there."""
    return {}


@routes.get("/v1/metadata/id", tags=["metadata"])
def cluster_id() -> dict[str, Any]:
    """Which registry this is."""
    return {"scope": {"path": [], "clusters": {}}, "id": "interlock"}


@routes.get("/v1/metadata/version", tags=["metadata"])
def server_version() -> dict[str, Any]:
    """The release of Interlock."""
    return {"version": __version__, "commitId": ""}
