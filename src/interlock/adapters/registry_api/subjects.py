"""Subjects and their versions."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import PlainTextResponse

from interlock.adapters.registry_api.answers import MEDIA_TYPE
from interlock.adapters.registry_api.bodies import SchemaBody, registered_body, schema_text
from interlock.adapters.registry_api.pages import Page, page
from interlock.adapters.registry_api.paths import part
from interlock.adapters.registry_api.speaker import Desk, Speaker
from interlock.domain.registry.compatibility import Verdict
from interlock.domain.registry.subject import subject_name
from interlock.engine import registry as use

routes = APIRouter(tags=["subjects"])


def _subject(subject: Annotated[str, Path(min_length=1)]) -> str:
    return subject_name(part(subject))


def _version(version: Annotated[str, Path(description="A number, or `latest`.")]) -> str:
    return part(version)


Named = Annotated[str, Depends(_subject)]
Numbered = Annotated[str, Depends(_version)]


@routes.get("/subjects")
def subjects(
    desk: Desk,
    limits: Page,
    subjectPrefix: str = ":*:",
    deleted: bool = False,
    deletedOnly: bool = False,
    deleted_only: Annotated[bool, Query(include_in_schema=False)] = False,
) -> list[str]:
    """Names of subjects."""
    only = deletedOnly or deleted_only  # stock Python clients write the second
    return page(use.subjects(desk, subjectPrefix, deleted=deleted, deleted_only=only), limits)


@routes.post("/subjects/{subject}")
def look_up(
    subject: Named, body: SchemaBody, desk: Desk, normalize: bool = False, format: str = "", deleted: bool = False
) -> dict[str, Any]:
    """The version that has this schema."""
    found = use.look_up(desk, subject, body.sent(normalize=normalize), deleted=deleted)
    return registered_body(found, format)


@routes.delete("/subjects/{subject}")
def delete_subject(subject: Named, desk: Desk, person: Speaker, permanent: bool = False) -> list[int]:
    """Delete every version, softly or for good."""
    return use.delete_subject(desk, subject, person, for_good=permanent)


@routes.get("/subjects/{subject}/versions")
def versions(
    subject: Named,
    desk: Desk,
    limits: Page,
    deleted: bool = False,
    deletedOnly: bool = False,
    deleted_only: Annotated[bool, Query(include_in_schema=False)] = False,
) -> list[int]:
    """Numbers of versions."""
    only = deletedOnly or deleted_only
    return page(use.versions(desk, subject, deleted=deleted, deleted_only=only), limits)


@routes.post("/subjects/{subject}/versions")
def register(
    subject: Named, body: SchemaBody, desk: Desk, person: Speaker, normalize: bool = False
) -> dict[str, Any]:
    """Register a schema, or find it. The schema itself is not sent back: the client has it."""
    found = use.register(desk, subject, body.sent(normalize=normalize), person)
    return {"id": found.stored.id, "version": found.version, "guid": found.stored.guid}


@routes.get("/subjects/{subject}/versions/{version}")
def version(
    subject: Named, version: Numbered, desk: Desk, format: str = "", deleted: bool = False
) -> dict[str, Any]:
    """One version."""
    return registered_body(use.version_of(desk, subject, version, deleted=deleted), format)


@routes.get(
    "/subjects/{subject}/versions/{version}/schema",
    response_class=PlainTextResponse,
    responses={200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}},
)
def version_text(
    subject: Named, version: Numbered, desk: Desk, format: str = "", deleted: bool = False
) -> PlainTextResponse:
    """The schema alone, as it is."""
    found = use.version_of(desk, subject, version, deleted=deleted)
    return PlainTextResponse(schema_text(found.stored, format), media_type=MEDIA_TYPE)


@routes.get("/subjects/{subject}/versions/{version}/referencedby")
def referenced_by(subject: Named, version: Numbered, desk: Desk, limits: Page) -> list[int]:
    """Ids of the schemas that refer to this version."""
    return page(use.referenced_by(desk, subject, version), limits)


@routes.delete("/subjects/{subject}/versions/{version}")
def delete_version(subject: Named, version: Numbered, desk: Desk, person: Speaker, permanent: bool = False) -> int:
    """Delete a version, softly or for good."""
    return use.delete_version(desk, subject, version, person, for_good=permanent)


@routes.get("/subjects/{subject}/metadata")
def with_metadata(
    subject: Named,
    desk: Desk,
    key: Annotated[list[str], Query(default_factory=list)],
    value: Annotated[list[str], Query(default_factory=list)],
    format: str = "",
    deleted: bool = False,
) -> dict[str, Any]:
    """The newest version whose metadata has these properties."""
    wanted = dict(zip(map(part, key), map(part, value), strict=False))
    return registered_body(use.with_metadata(desk, subject, wanted, deleted=deleted), format)


@routes.post("/compatibility/subjects/{subject}/versions/{version}", tags=["compatibility"])
def check_version(
    subject: Named, version: Numbered, body: SchemaBody, desk: Desk, normalize: bool = False, verbose: bool = False
) -> dict[str, Any]:
    """Whether the schema is compatible with one version."""
    return _told(use.check(desk, subject, version, body.sent(normalize=normalize)), verbose)


@routes.post("/compatibility/subjects/{subject}/versions", tags=["compatibility"])
def check(
    subject: Named, body: SchemaBody, desk: Desk, normalize: bool = False, verbose: bool = False
) -> dict[str, Any]:
    """Whether the schema could be registered."""
    return _told(use.check(desk, subject, None, body.sent(normalize=normalize)), verbose)


def _told(verdict: Verdict, verbose: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"is_compatible": verdict.is_compatible}
    return told | ({"messages": [*verdict.messages, *verdict.notes]} if verbose else {})
