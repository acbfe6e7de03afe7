"""Use cases of the schema registry: register, look up, fetch, check, delete.

Writers queue in the store, so that two who register the same schema at once get one id, and compatibility is judged
against everything that was committed before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from interlock.domain.audit.event import Event
from interlock.domain.registry import languages
from interlock.domain.registry.compatibility import Earlier, Verdict, judge
from interlock.domain.registry.faults import (
    IdTaken,
    Incompatible,
    NotPermitted,
    Referenced,
    SchemaInvalid,
    SchemaMissing,
)
from interlock.domain.registry.schema import Reference, Schema, bare_identity, identity
from interlock.domain.registry.settings import Mode, Settings, effective_mode, require_writable
from interlock.domain.registry.subject import Version, context_of, missing, version_number
from interlock.domain.schemas.modes import Mode as Level
from interlock.engine import registry_records as records
from interlock.engine.ports import Clock, Store, Transaction
from interlock.engine.registry_records import Registered, Stored
from interlock.kernel.errors import Missing


@dataclass(frozen=True, slots=True)
class Registry:
    """What the use cases need of the outside."""

    store: Store
    clock: Clock


@dataclass(frozen=True, slots=True)
class Sent:
    """A schema as a client sends it: to be normalised or not, and for imports the id and version that it must
    have.
    """

    schema: Schema
    normalize: bool = False
    id: int | None = None
    version: int | None = None


def register(registry: Registry, subject: str, sent: Sent, by: str) -> Registered:
    """The version of `subject` that has this schema: the one that is there, or a new one if it is compatible.

    SchemaInvalid, Incompatible, NotPermitted.
    """
    with registry.store.transaction(read_only=True) as tx:
        judged = prepared = _prepare(tx, subject, sent)
        before = records.read_subject(tx, subject)
        if sent.id is None and (found := _already(tx, subject, prepared)) is not None:
            return found
        is_judged = sent.id is None and current_mode(tx, subject) is Mode.READWRITE
        if is_judged:  # here, so that a long comparison keeps no other writer waiting
            _require_compatible(tx, subject, prepared)
    with registry.store.transaction() as tx:
        prepared = _prepare(tx, subject, sent)  # what it was prepared from may have changed meanwhile
        mode = current_mode(tx, subject)
        require_writable(mode, subject)
        if sent.id is not None:
            _require_import(mode, subject)
        elif (found := _already(tx, subject, prepared)) is not None:
            return found
        is_same = judged.read is prepared.read and judged.settings == prepared.settings
        if mode is not Mode.IMPORT and not (is_judged and is_same and before == records.read_subject(tx, subject)):
            _require_compatible(tx, subject, prepared)
        return _add(tx, registry, subject, prepared, sent, by)


def look_up(registry: Registry, subject: str, sent: Sent, *, deleted: bool) -> Registered:
    """The newest version of `subject` that has this schema. SubjectMissing, SchemaMissing."""
    with registry.store.transaction(read_only=True) as tx:
        there = records.read_subject(tx, subject)
        if not there.live(deleted=deleted):
            raise missing(subject)
        prepared = _prepare(tx, subject, sent)
        found = there.with_identity(prepared.identity, deleted=deleted)
        if found is None and not (sent.schema.metadata or sent.schema.rule_set):
            found = there.with_identity(prepared.bare, deleted=deleted)
        if found is None:
            raise SchemaMissing("Schema not found", remedy="Register it under the subject first.")
        return records.read_version(tx, subject, found)


def version_of(registry: Registry, subject: str, version: str, *, deleted: bool = False) -> Registered:
    """A version, or the `latest`. SubjectMissing, VersionMissing, VersionInvalid."""
    number = version_number(version)
    with registry.store.transaction(read_only=True) as tx:
        return records.read_version(tx, subject, records.read_subject(tx, subject).find(number, deleted=deleted))


def with_metadata(registry: Registry, subject: str, wanted: Mapping[str, str], *, deleted: bool) -> Registered:
    """The newest version whose metadata has these properties. SubjectMissing, SchemaMissing."""
    with registry.store.transaction(read_only=True) as tx:
        there = records.read_subject(tx, subject).live(deleted=deleted)
        if not there:
            raise missing(subject)
        for version in reversed(there):
            found = records.read_version(tx, subject, version)
            if all(found.stored.schema.property(k) == v for k, v in wanted.items()):
                return found
        raise SchemaMissing("No version has this metadata")


def versions(registry: Registry, subject: str, *, deleted: bool, deleted_only: bool) -> list[int]:
    """Numbers of the subject's versions. SubjectMissing."""
    with registry.store.transaction(read_only=True) as tx:
        there = records.read_subject(tx, subject)
    shown = there.live(deleted=deleted or deleted_only)
    if not shown:
        raise missing(subject)
    return [v.number for v in shown if v.is_deleted or not deleted_only]


def subjects(registry: Registry, prefix: str, *, deleted: bool, deleted_only: bool) -> list[str]:
    """Names of subjects, sorted. `prefix` may name a context (`:.staging:`), or all of them (`:*:`)."""
    with registry.store.transaction(read_only=True) as tx:
        there = records.read_subjects(tx)
    wanted = "" if prefix == ":*:" else prefix.removeprefix(":*:")
    shown = (s for s in there if s.versions and s.name.startswith(wanted))
    if deleted_only:
        return sorted(s.name for s in shown if not s.is_live)
    return sorted(s.name for s in shown if s.is_live or deleted)


def contexts(registry: Registry) -> list[str]:
    """Every context that has a subject; the default one always."""
    return sorted({".", *(context_of(name) for name in subjects(registry, "", deleted=True, deleted_only=False))})


def schemas(registry: Registry, prefix: str, *, deleted: bool, latest_only: bool) -> list[Registered]:
    """Every version of every subject, by subject and version."""
    found = []
    with registry.store.transaction(read_only=True) as tx:
        wanted = "" if prefix == ":*:" else prefix
        for subject in records.read_subjects(tx):
            if subject.name.startswith(wanted):
                shown = subject.live(deleted=deleted)
                found += [records.read_version(tx, subject.name, v) for v in (shown[-1:] if latest_only else shown)]
    return found


def by_id(registry: Registry, id: int) -> Stored:
    """The schema of an id, also when its versions are deleted softly. SchemaMissing."""
    with registry.store.transaction(read_only=True) as tx:
        if not records.places(tx, id):
            raise SchemaMissing(f"Schema {id} not found")
        return records.read_schema(tx, id)


def by_guid(registry: Registry, wanted: str) -> Stored:
    """The schema of a guid. SchemaMissing."""
    with registry.store.transaction(read_only=True) as tx:
        found = records.id_of_guid(tx, wanted)
        if found is None or not records.places(tx, found):
            raise SchemaMissing(f"Schema {wanted[:64]} not found")
        return records.read_schema(tx, found)


def places_of(registry: Registry, id: int, *, deleted: bool) -> list[tuple[str, int]]:
    """(subject, version) of each version that has the schema. SchemaMissing."""
    with registry.store.transaction(read_only=True) as tx:
        found = records.places(tx, id)
        if not found:
            raise SchemaMissing(f"Schema {id} not found")
        shown = []
        for subject, number in found:
            there = records.read_subject(tx, subject)
            shown += [(subject, v.number) for v in there.live(deleted=deleted) if v.number == number]
    return shown


def greatest_id(registry: Registry) -> int:
    """The greatest id ever given."""
    with registry.store.transaction(read_only=True) as tx:
        return records.last_id(tx)


def referenced_by(registry: Registry, subject: str, version: str) -> list[int]:
    """Ids of the schemas that refer to a version. SubjectMissing, VersionMissing."""
    number = version_number(version)
    with registry.store.transaction(read_only=True) as tx:
        found = records.read_subject(tx, subject).find(number, deleted=True)
        return records.users(tx, subject, found.number)


def check(registry: Registry, subject: str, version: str | None, sent: Sent) -> Verdict:
    """Whether the schema would be compatible: with one version, or (None) as at registration."""
    with registry.store.transaction(read_only=True) as tx:
        prepared = _prepare(tx, subject, sent)
        there = records.read_subject(tx, subject)
        if version is None:
            return _judged(tx, subject, prepared)
        one = there.find(version_number(version))
        return judge(prepared.read, [_earlier(tx, one)], prepared.settings)


def delete_version(registry: Registry, subject: str, version: str, by: str, *, for_good: bool) -> int:
    """Delete a version softly, or for good. Referenced when other schemas need it."""
    number = version_number(version)
    with registry.store.transaction() as tx:
        require_writable(current_mode(tx, subject), subject)
        there = records.read_subject(tx, subject)
        if not there.versions:
            raise missing(subject)
        after, gone = there.delete_version(number, for_good=for_good)
        _require_unused(tx, subject, gone)
        records.write_subject(tx, after)
        if for_good:
            records.forget_place(tx, subject, gone)
        tell(tx, registry, by, "schema.deleted", subject, {"version": gone.number, "for_good": for_good})
        return gone.number


def delete_subject(registry: Registry, subject: str, by: str, *, for_good: bool) -> list[int]:
    """Delete all versions softly, or for good. Referenced when other schemas need one."""
    with registry.store.transaction() as tx:
        require_writable(current_mode(tx, subject), subject)
        after, gone = records.read_subject(tx, subject).delete(for_good=for_good)
        for version in gone:
            _require_unused(tx, subject, version)
        records.write_subject(tx, after)
        tx.erase(records.CONFIG, records.key(subject))
        tx.erase(records.MODE, records.key(subject))
        if for_good:
            for version in gone:
                records.forget_place(tx, subject, version)
        tell(tx, registry, by, "schema.deleted", subject, {"for_good": for_good})
        return [version.number for version in gone]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A schema with the settings that hold for its subject, read and named."""

    schema: Schema
    read: languages.Read
    settings: Settings
    identity: str
    bare: str


def _prepare(tx: Transaction, subject: str, sent: Sent) -> _Prepared:
    settings = records.effective_settings(tx, subject)
    schema = settings.applied(sent.schema)
    sources = _sources(tx, schema.references)
    read = languages.read(schema.type, schema.text, sources)
    if sent.normalize or settings.normalize:
        read = languages.read(schema.type, languages.normal(schema.type, schema.text, sources), sources)
        schema = replace(schema, references=tuple(sorted(schema.references, key=lambda r: r.name)))
    schema = replace(schema, text=read.text)
    return _Prepared(schema, read, settings, identity(schema, read.meaning), bare_identity(schema, read.meaning))


def _already(tx: Transaction, subject: str, prepared: _Prepared) -> Registered | None:
    found = records.read_subject(tx, subject).with_identity(prepared.identity)
    return None if found is None else records.read_version(tx, subject, found)


def _require_import(mode: Mode, subject: str) -> None:
    if mode is not Mode.IMPORT:
        raise NotPermitted(f"Subject {subject} is not in import mode", remedy="Leave out `id`, or set mode IMPORT.")


def _require_compatible(tx: Transaction, subject: str, prepared: _Prepared) -> None:
    verdict = _judged(tx, subject, prepared)
    if not verdict.is_compatible:
        raise Incompatible(
            "Schema being registered is incompatible with an earlier schema for subject "
            f'"{subject}", details: [{", ".join(verdict.messages)}]'
        )


def _judged(tx: Transaction, subject: str, prepared: _Prepared) -> Verdict:
    """Against the versions of the same compatibility group; only those that the level asks about are read."""
    group, level = prepared.settings.group, prepared.settings.level or Level.BACKWARD
    history: list[Earlier] = []
    for version in reversed(records.read_subject(tx, subject).live()):
        if history and not level.is_transitive:
            break
        before = records.read_schema(tx, version.id).schema
        if not group or before.property(group) == prepared.schema.property(group):
            history.insert(0, _earlier(tx, version))
    return judge(prepared.read, history, prepared.settings)


def _earlier(tx: Transaction, version: Version) -> Earlier:
    schema = records.read_schema(tx, version.id).schema
    return Earlier(version.number, languages.read(schema.type, schema.text, _sources(tx, schema.references)))


def _add(tx: Transaction, registry: Registry, subject: str, prepared: _Prepared, sent: Sent, by: str) -> Registered:
    there = records.read_subject(tx, subject)
    same = next((v for v in there.versions if v.number == sent.version), None)
    if same is not None and same.identity == prepared.identity and sent.id in (None, same.id):
        return records.read_version(tx, subject, same)  # an import that is sent once more
    if same is not None:
        raise IdTaken(f"Version {sent.version} of subject {subject} is another schema")
    if sent.version not in (None, there.last + 1):
        _require_import(current_mode(tx, subject), subject)
    stored = records.keep_schema(tx, prepared.schema, prepared.identity, prepared.read.serialized, sent.id)
    after, version = there.add(stored.id, prepared.identity, prepared.bare, sent.version)
    records.write_subject(tx, after)
    records.keep_place(tx, subject, version, prepared.schema)
    tell(tx, registry, by, "schema.registered", subject, {"version": version.number, "id": stored.id})
    return Registered(subject, version.number, stored)


def _sources(tx: Transaction, references: tuple[Reference, ...]) -> languages.Sources:
    """Texts of all references, each after its own. SchemaInvalid for one that leads nowhere."""
    found: dict[str, str] = {}
    for reference in references:
        there = records.read_subject(tx, reference.subject)
        try:
            version = there.find(reference.version)
        except Missing as error:
            raise SchemaInvalid(
                f'No schema reference found for subject "{reference.subject}" and version {reference.version}',
                remedy="Register what a schema refers to first.",
            ) from error
        schema = records.read_schema(tx, version.id).schema
        for name, text in (*_sources(tx, schema.references), (reference.name, schema.text)):
            if found.setdefault(name, text) != text:
                raise SchemaInvalid(f"The name {name!r} is used for two different references")
    return tuple(found.items())


def _require_unused(tx: Transaction, subject: str, version: Version) -> None:
    if users := records.users(tx, subject, version.number):
        raise Referenced(
            f"One or more references exist to the schema {{subject={subject},version={version.number}}}.",
            remedy=f"Schemas {', '.join(map(str, users[:8]))} refer to it; delete their versions for good first.",
        )


def current_mode(tx: Transaction, subject: str) -> Mode:
    """The mode that holds for a subject."""
    return effective_mode(records.read_mode(tx, None), records.read_mode(tx, subject))


def tell(
    tx: Transaction, registry: Registry, by: str, kind: str, subject: str | None, facts: Mapping[str, Any]
) -> None:
    """Add to the audit trail what was done to a subject, or to all (None)."""
    named = "registry" if subject is None else f"subject:{subject}"
    tx.append(Event(registry.clock.now(), by, kind, named, "", facts))
