"""A schema as it is registered: its text with everything that makes it the schema that it is."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from interlock.kernel.digest import digest


class SchemaType(StrEnum):
    """The languages that schemas are written in, by the names of the REST API."""

    AVRO = "AVRO"
    JSON = "JSON"
    PROTOBUF = "PROTOBUF"


@dataclass(frozen=True, slots=True)
class Reference:
    """What a schema imports: `name` in its text stands for a version of a subject."""

    name: str
    subject: str
    version: int


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema that someone sent. metadata: `tags`, `properties`, `sensitive`; rule_set: rules of clients, such as
    migration rules. Both are kept and handed out; clients act on them.
    """

    type: SchemaType
    text: str
    references: tuple[Reference, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    rule_set: Mapping[str, Any] = field(default_factory=dict)

    def property(self, name: str) -> str | None:
        """A property of its metadata, as `compatibilityGroup` names one."""
        found = (self.metadata.get("properties") or {}).get(name)
        return None if found is None else str(found)


def bare_identity(schema: Schema, meaning: str) -> str:
    """Digest of the schema without metadata and rules; `meaning` names what its text means."""
    return digest([schema.type, meaning, schema.references])


def identity(schema: Schema, meaning: str) -> str:
    """Digest by which schemas are the same, and so have the same id."""
    return digest([bare_identity(schema, meaning), schema.metadata, schema.rule_set])


def guid(identity_digest: str) -> str:
    """A name for the schema that is the same in every registry."""
    return str(uuid.UUID(hex=identity_digest.removeprefix("sha256:")[:32]))
