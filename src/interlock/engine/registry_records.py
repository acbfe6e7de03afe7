"""How the schema registry is kept: which kind of document holds what, under which key. No rule lives here.

A subject is one document with its versions; a schema is a document under its id; another leads from a schema's
identity to its id, for ever, so that a schema that comes back has the id that records on the wire still carry.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote

from interlock.domain.registry.faults import IdTaken, SchemaMissing
from interlock.domain.registry.schema import Schema, guid
from interlock.domain.registry.settings import DEFAULTS, Mode, Settings
from interlock.domain.registry.subject import Subject, Version
from interlock.engine.codec import dump, load
from interlock.engine.ports import Transaction

SUBJECT, SCHEMA = "registry-subject", "registry-schema"
IDENTITY, GUID, COUNTER = "registry-identity", "registry-guid", "registry-counter"
PLACE, USE = "registry-place", "registry-use"
CONFIG, MODE = "registry-config", "registry-mode"
EVERYWHERE = "/"
"""Key of what is set for all subjects; no subject's key has a slash."""

_GREATEST_ID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Stored:
    """A schema under its id. serialized: its binary form in hexadecimal, empty where its language has none."""

    id: int
    guid: str
    schema: Schema
    serialized: str = ""


@dataclass(frozen=True, slots=True)
class Registered:
    """A version of a subject with its schema."""

    subject: str
    version: int
    stored: Stored
    is_deleted: bool = False


def key(subject: str | None) -> str:
    """A subject as a part of a key, without slashes; EVERYWHERE for none."""
    return EVERYWHERE if subject is None else quote(subject, safe="")


def read_subject(tx: Transaction, name: str) -> Subject:
    """The subject, without versions when it is not there."""
    found = tx.read(SUBJECT, key(name))
    return Subject(name) if found is None else load(Subject, found.body)


def read_subjects(tx: Transaction) -> list[Subject]:
    """All subjects, by name."""
    return sorted((load(Subject, d.body) for d in tx.scan(SUBJECT)), key=lambda s: s.name)


def write_subject(tx: Transaction, subject: Subject) -> None:
    """A subject without versions is gone, and begins at 1 again."""
    if subject.versions:
        tx.write(SUBJECT, key(subject.name), dump(subject))
    else:
        tx.erase(SUBJECT, key(subject.name))


def read_schema(tx: Transaction, id: int) -> Stored:
    found = tx.read(SCHEMA, f"{id:010d}")
    if found is None:
        raise SchemaMissing(f"Schema {id} not found")
    return load(Stored, found.body)


def read_version(tx: Transaction, subject: str, version: Version) -> Registered:
    return Registered(subject, version.number, read_schema(tx, version.id), version.is_deleted)


def id_of_guid(tx: Transaction, wanted: str) -> int | None:
    found = tx.read(GUID, key(wanted))
    return None if found is None else int(found.body["id"])


def last_id(tx: Transaction) -> int:
    """The greatest id ever given, 0 when there is none."""
    found = tx.read(COUNTER, "id")
    return 0 if found is None else int(found.body["last"])


def keep_schema(tx: Transaction, schema: Schema, identity: str, serialized: bytes, wanted: int | None) -> Stored:
    """The schema under the id that it has, or under the next one, or under the one that is wanted. IdTaken."""
    known = tx.read(IDENTITY, identity)
    if known is not None:
        if wanted not in (None, known.body["id"]):
            raise IdTaken(f"This schema has the id {known.body['id']}, not {wanted}")
        return read_schema(tx, known.body["id"])
    last = last_id(tx)
    id = wanted or last + 1
    if not 0 < id <= _GREATEST_ID or tx.read(SCHEMA, f"{id:010d}") is not None:
        raise IdTaken(f"The id {id} belongs to another schema")
    stored = Stored(id, guid(identity), schema, serialized.hex())
    tx.write(SCHEMA, f"{id:010d}", dump(stored))
    tx.write(IDENTITY, identity, {"id": id})
    tx.write(GUID, stored.guid, {"id": id})
    tx.write(COUNTER, "id", {"last": max(last, id)})
    return stored


def keep_place(tx: Transaction, subject: str, version: Version, schema: Schema) -> None:
    """Remember that the version has its schema, and which other versions it refers to."""
    tx.write(PLACE, _place(subject, version), {})
    for used in _uses(subject, version, schema):
        tx.write(USE, used, {"id": version.id})


def forget_place(tx: Transaction, subject: str, version: Version) -> None:
    """What `keep_place` remembered. The schema keeps its id."""
    tx.erase(PLACE, _place(subject, version))
    for used in _uses(subject, version, read_schema(tx, version.id).schema):
        tx.erase(USE, used)


def places(tx: Transaction, id: int) -> list[tuple[str, int]]:
    """(subject, version) of each version that has the schema, those that are deleted softly included."""
    keys = (d.key.split("/") for d in tx.scan(PLACE, f"{id:010d}/"))
    return [(unquote(subject), int(number)) for _, subject, number in keys]


def users(tx: Transaction, subject: str, number: int) -> list[int]:
    """Ids of the schemas that refer to a version."""
    return sorted({d.body["id"] for d in tx.scan(USE, f"{key(subject)}/{number:010d}/")})


def _place(subject: str, version: Version) -> str:
    return f"{version.id:010d}/{key(subject)}/{version.number:010d}"


def _uses(subject: str, version: Version, schema: Schema) -> list[str]:
    place = _place(subject, version)
    return [f"{key(r.subject)}/{r.version:010d}/{place}" for r in schema.references]


def read_settings(tx: Transaction, subject: str | None) -> Settings | None:
    """What is set for a subject, or for all (None)."""
    found = tx.read(CONFIG, key(subject))
    return None if found is None else load(Settings, found.body)


def effective_settings(tx: Transaction, subject: str | None) -> Settings:
    """What holds for a subject, or for all (None)."""
    everywhere = (read_settings(tx, None) or Settings()).over(DEFAULTS)
    own = None if subject is None else read_settings(tx, subject)
    return everywhere if own is None else own.over(everywhere)


def read_mode(tx: Transaction, subject: str | None) -> Mode | None:
    """The mode that is set for a subject, or for all (None)."""
    found = tx.read(MODE, key(subject))
    return None if found is None else Mode(found.body["mode"])
