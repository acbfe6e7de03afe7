"""What clients send and get. Members that are unset are left out of answers, as clients of the API expect."""

from __future__ import annotations

import base64
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from interlock.domain.registry.extras import wrong_rules
from interlock.domain.registry.faults import SchemaInvalid
from interlock.domain.registry.languages import SERIALIZED, TEXT_FORMATS
from interlock.domain.registry.schema import Reference, Schema, SchemaType
from interlock.engine.registry import Sent
from interlock.engine.registry_records import Registered, Stored

_GREATEST = 2**31 - 1


class ReferenceBody(BaseModel):
    """What a schema imports."""

    name: str = Field(min_length=1)
    subject: str = Field(min_length=1)
    version: int = Field(ge=-1, le=_GREATEST)


class MetadataBody(BaseModel):
    """Tags by path, properties, and the names of those properties that are secret."""

    tags: dict[str, list[str]] | None = None
    properties: dict[str, str] | None = None
    sensitive: list[str] | None = None


class SchemaBody(BaseModel):
    """A schema. `id` and `version` are for imports."""

    model_config = ConfigDict(populate_by_name=True)
    text: str = Field(alias="schema", default="")
    schemaType: str | None = None
    references: list[ReferenceBody] | None = None
    metadata: MetadataBody | None = None
    ruleSet: dict[str, Any] | None = None
    id: int | None = Field(default=None, ge=-1, le=_GREATEST)
    version: int | None = Field(default=None, ge=-1, le=_GREATEST)

    def sent(self, *, normalize: bool) -> Sent:
        """As the use cases take it. SchemaInvalid for a type or rules that are none."""
        if says := wrong_rules(self.ruleSet or {}):
            raise SchemaInvalid(f"Invalid rule set: {says}")
        schema = Schema(
            _type(self.schemaType),
            self.text,
            tuple(Reference(r.name, r.subject, r.version) for r in self.references or ()),
            _given(self.metadata.model_dump()) if self.metadata else {},
            _given(self.ruleSet or {}),
        )
        return Sent(schema, normalize, _positive(self.id), _positive(self.version))


class ModeBody(BaseModel):
    """A mode."""

    mode: str


def _positive(number: int | None) -> int | None:
    """Clients send -1 or 0 for none."""
    return number if number is not None and number > 0 else None


def _given(members: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in members.items() if v not in (None, {}, [])}


def _type(name: str | None) -> SchemaType:
    try:
        return SchemaType((name or "AVRO").upper())
    except ValueError:
        known = ", ".join(SchemaType)
        raise SchemaInvalid(f"Invalid schema type {str(name)[:40]}", remedy=f"There is: {known}.") from None


def stored_body(stored: Stored, format: str) -> dict[str, Any]:
    """A schema; its type is left out when it is Avro, which older clients expect."""
    schema = stored.schema
    body: dict[str, Any] = {"guid": stored.guid, "schema": schema_text(stored, format)}
    if schema.type is not SchemaType.AVRO:
        body["schemaType"] = schema.type.value
    if schema.references:
        body["references"] = [
            {"name": r.name, "subject": r.subject, "version": r.version} for r in schema.references
        ]
    if schema.metadata:
        body["metadata"] = dict(schema.metadata)
    if schema.rule_set:
        body["ruleSet"] = dict(schema.rule_set)
    return body


def registered_body(found: Registered, format: str) -> dict[str, Any]:
    """A version of a subject."""
    body = {"subject": found.subject, "version": found.version, "id": found.stored.id}
    deleted = {"deleted": True} if found.is_deleted else {}
    return body | stored_body(found.stored, format) | deleted


def schema_text(stored: Stored, format: str) -> str:
    """The schema's text, or its descriptor in base64 when `serialized` is asked for. SchemaInvalid for others."""
    if format == SERIALIZED and stored.serialized:
        return base64.b64encode(bytes.fromhex(stored.serialized)).decode()
    if format in TEXT_FORMATS:
        return stored.schema.text
    raise SchemaInvalid(f"There is no format {format[:40]!r} of {stored.schema.type} schemas here")
