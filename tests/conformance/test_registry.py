"""What the schema registry keeps, on SQLite and on Postgres."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from interlock.domain.registry.faults import (
    ConfigMissing,
    IdTaken,
    Incompatible,
    ModeMissing,
    NotPermitted,
    Referenced,
    SchemaInvalid,
    SchemaMissing,
    SubjectDeleted,
    SubjectMissing,
    SubjectNotDeleted,
    VersionDeleted,
    VersionMissing,
    VersionNotDeleted,
)
from interlock.domain.registry.schema import Reference, Schema, SchemaType
from interlock.domain.registry.settings import Mode, Settings
from interlock.domain.schemas.modes import Mode as Level
from interlock.engine import registry as use
from interlock.engine import registry_settings as rules
from interlock.engine.registry import Registry, Sent
from support.registry import opened

WRITERS = 6


@pytest.fixture
def desk(url: str) -> Iterator[Registry]:
    with opened(url) as registry:
        yield registry


def record(*fields: str, name: str = "Order", **more: Any) -> Sent:
    """An Avro record of longs; a field that ends in `?` has a default."""
    listed = [
        {"name": f.rstrip("?"), "type": "long", **({"default": 0} if f.endswith("?") else {})} for f in fields
    ]
    text = json.dumps({"type": "record", "name": name, "fields": listed})
    return Sent(Schema(SchemaType.AVRO, text, **more))


def put(desk: Registry, subject: str, sent: Sent) -> tuple[int, int]:
    """(id, version) of what was registered."""
    found = use.register(desk, subject, sent, "ana")
    return found.stored.id, found.version


def all_at_once(jobs: list[Any]) -> list[Any]:
    gate = threading.Barrier(len(jobs))

    def run(job: Any) -> Any:
        gate.wait(10)
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def test_one_schema_has_one_id_in_every_subject(desk: Registry) -> None:
    """Registering again finds it; another subject gives it its own version number and the same id."""
    assert put(desk, "a", record("x")) == (1, 1)
    assert put(desk, "a", record("x")) == (1, 1)
    assert put(desk, "a", record("x", "y?")) == (2, 2)
    assert put(desk, "b", record("x", "y?")) == (2, 1)
    assert use.places_of(desk, 2, deleted=False) == [("a", 2), ("b", 1)]


def test_layout_makes_no_other_schema(desk: Registry) -> None:
    """Space and the order of members are no part of what a schema is."""
    put(desk, "a", Sent(Schema(SchemaType.AVRO, '{"type": "fixed", "name": "F", "size": 4}')))
    assert put(desk, "a", Sent(Schema(SchemaType.AVRO, '{"size":4,\n "name":"F","type":"fixed"}'))) == (1, 1)


def test_many_who_register_one_schema_at_once_get_one_id(desk: Registry) -> None:
    """Whoever comes first makes the version; the others find it, in other subjects too."""
    jobs = [partial(put, desk, "a", record("x")) for _ in range(WRITERS)]
    assert set(all_at_once(jobs)) == {(1, 1)}
    jobs = [partial(put, desk, f"s{n}", record("x", "z?")) for n in range(WRITERS)]
    assert {id for id, _ in all_at_once(jobs)} == {2}


def test_of_two_who_register_what_does_not_go_together_one_wins(desk: Registry) -> None:
    """Compatibility is judged against what was committed before, never against an older look."""
    kinds = ("int", "string")
    sent = [Sent(Schema(SchemaType.AVRO, json.dumps({"type": kind}))) for kind in kinds]

    def attempt(each: Sent) -> str:
        try:
            put(desk, "a", each)
        except Incompatible:
            return "refused"
        return "registered"

    assert sorted(all_at_once([partial(attempt, each) for each in sent])) == ["refused", "registered"]


def during_the_first_comparison(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let `act` happen once, while a new version is held against earlier ones."""
    judged, pending = use.judge, [act]

    def judge(*given: Any) -> Any:
        if pending:
            pending.pop()()
        return judged(*given)

    monkeypatch.setattr(use, "judge", judge)


def test_a_long_comparison_keeps_nobody_waiting(desk: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one version is judged, another subject gets its own."""
    put(desk, "slow", record("a"))
    during_the_first_comparison(monkeypatch, partial(put, desk, "quick", record("a")))
    assert put(desk, "slow", record("a", "b?"))[1] == 2
    assert use.versions(desk, "quick", deleted=False, deleted_only=False) == [1]


def test_what_came_during_a_comparison_is_compared_too(desk: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that was committed meanwhile is one that the new version has to read."""
    put(desk, "raced", record("a"))
    text = '{"type":"record","name":"Order","fields":[{"name":"b","type":"string","default":""}]}'
    during_the_first_comparison(monkeypatch, partial(put, desk, "raced", Sent(Schema(SchemaType.AVRO, text))))
    with pytest.raises(Incompatible, match="TYPE_MISMATCH"):
        put(desk, "raced", record("b?"))
    assert use.versions(desk, "raced", deleted=False, deleted_only=False) == [1, 2]


def test_the_level_decides_against_which_versions_is_judged(desk: Registry) -> None:
    """BACKWARD looks at the last version, BACKWARD_TRANSITIVE at all of them, NONE at none."""
    put(desk, "a", record("x"))
    put(desk, "a", record("x", "y?"))
    needs_y = record("x", "y")
    assert use.check(desk, "a", None, needs_y).is_compatible
    rules.set_config(desk, "a", Settings(level=Level.BACKWARD_TRANSITIVE), "ana")
    refused = use.check(desk, "a", None, needs_y)
    assert not refused.is_compatible
    assert "READER_FIELD_MISSING_DEFAULT_VALUE" in refused.messages[0]
    assert refused.messages[1] == "{oldSchemaVersion: 1}"
    with pytest.raises(Incompatible):
        put(desk, "a", needs_y)
    rules.set_config(desk, "a", Settings(level=Level.NONE), "ana")
    assert put(desk, "a", needs_y)[1] == 3


def test_a_check_with_one_version_looks_at_that_version(desk: Registry) -> None:
    """It answers for a version that the level alone would not ask about."""
    put(desk, "a", record("x"))
    put(desk, "a", record("x", "y?"))
    assert not use.check(desk, "a", "1", record("x", "y")).is_compatible
    assert use.check(desk, "a", "latest", record("x", "y")).is_compatible
    with pytest.raises(VersionMissing):
        use.check(desk, "a", "7", record("x"))


def test_groups_need_not_go_together(desk: Registry) -> None:
    """With a compatibility group, versions are held against those of the same value alone."""
    rules.set_config(desk, "a", Settings(group="major"), "ana")
    first = {"properties": {"major": "1"}}
    put(desk, "a", record("x", metadata=first))
    broken = record("y", metadata={"properties": {"major": "2"}})
    assert put(desk, "a", broken)[1] == 2
    with pytest.raises(Incompatible):
        put(desk, "a", record("z", metadata=first))
    assert use.with_metadata(desk, "a", {"major": "1"}, deleted=False).version == 1


def test_deleting_hides_first_and_then_forgets(desk: Registry) -> None:
    """Softly: not listed, still fetched by id. For good: gone; but the id is that schema's for ever."""
    put(desk, "a", record("x"))
    with pytest.raises(VersionNotDeleted):
        use.delete_version(desk, "a", "1", "ana", for_good=True)
    assert use.delete_version(desk, "a", "1", "ana", for_good=False) == 1
    with pytest.raises(VersionDeleted):
        use.delete_version(desk, "a", "1", "ana", for_good=False)
    with pytest.raises(SubjectMissing):
        use.version_of(desk, "a", "1")
    assert use.version_of(desk, "a", "1", deleted=True).is_deleted
    assert use.by_id(desk, 1).id == 1
    assert use.delete_version(desk, "a", "1", "ana", for_good=True) == 1
    with pytest.raises(SchemaMissing):
        use.by_id(desk, 1)
    assert put(desk, "b", record("other")) == (2, 1)
    assert put(desk, "a", record("x")) == (1, 1)


def test_a_version_number_is_not_given_twice(desk: Registry) -> None:
    """What comes after a deleted version has a new number."""
    put(desk, "a", record("x"))
    put(desk, "a", record("x", "y?"))
    use.delete_version(desk, "a", "2", "ana", for_good=False)
    use.delete_version(desk, "a", "2", "ana", for_good=True)
    assert put(desk, "a", record("x", "z?"))[1] == 3


def test_a_subject_is_deleted_whole(desk: Registry) -> None:
    """All its versions and its settings, softly and then for good."""
    put(desk, "a", record("x"))
    put(desk, "a", record("x", "y?"))
    rules.set_config(desk, "a", Settings(level=Level.FULL), "ana")
    with pytest.raises(SubjectNotDeleted):
        use.delete_subject(desk, "a", "ana", for_good=True)
    assert use.delete_subject(desk, "a", "ana", for_good=False) == [1, 2]
    with pytest.raises(SubjectDeleted):
        use.delete_subject(desk, "a", "ana", for_good=False)
    assert use.subjects(desk, "", deleted=False, deleted_only=False) == []
    assert use.subjects(desk, "", deleted=True, deleted_only=False) == ["a"]
    with pytest.raises(ConfigMissing):
        rules.config(desk, "a", or_global=False)
    assert use.delete_subject(desk, "a", "ana", for_good=True) == [1, 2]
    with pytest.raises(SubjectMissing):
        use.delete_subject(desk, "a", "ana", for_good=False)


def test_references_are_followed_and_protected(desk: Registry) -> None:
    """A schema may name a version of another subject; that version cannot go while it is named."""
    put(desk, "money", record("cents", name="Money"))
    order = {"type": "record", "name": "Order", "fields": [{"name": "price", "type": "Money"}]}
    to_money = (Reference("Money", "money", 1),)
    sent = Sent(Schema(SchemaType.AVRO, json.dumps(order), to_money))
    assert put(desk, "orders", sent) == (2, 1)
    assert use.referenced_by(desk, "money", "1") == [2]
    with pytest.raises(Referenced):
        use.delete_version(desk, "money", "1", "ana", for_good=False)
    with pytest.raises(Referenced):
        use.delete_subject(desk, "money", "ana", for_good=False)
    for for_good in (False, True):
        use.delete_version(desk, "orders", "1", "ana", for_good=for_good)
    assert use.referenced_by(desk, "money", "1") == []
    assert use.delete_subject(desk, "money", "ana", for_good=False) == [1]
    with pytest.raises(SchemaInvalid, match="money"):
        put(desk, "orders", sent)


def test_a_reference_that_leads_nowhere_is_refused_and_leaves_nothing(desk: Registry) -> None:
    """Neither an id nor a subject comes of it."""
    sent = Sent(Schema(SchemaType.AVRO, '"Money"', (Reference("Money", "money", 1),)))
    with pytest.raises(SchemaInvalid, match="money"):
        put(desk, "orders", sent)
    assert use.subjects(desk, "", deleted=True, deleted_only=False) == []
    assert put(desk, "orders", record("x")) == (1, 1)


def test_modes_say_what_may_be_written(desk: Registry) -> None:
    """READONLY refuses writes; READONLY_OVERRIDE for all wins over what a subject has set."""
    put(desk, "a", record("x"))
    rules.set_mode(desk, "a", Mode.READONLY, "ana", force=False)
    for write in (
        partial(put, desk, "a", record("x", "y?")),
        partial(use.delete_version, desk, "a", "1", "ana", for_good=False),
        partial(rules.set_config, desk, "a", Settings(level=Level.NONE), "ana"),
    ):
        with pytest.raises(NotPermitted):
            write()
    rules.set_mode(desk, "a", Mode.READWRITE, "ana", force=False)
    rules.set_mode(desk, None, Mode.READONLY_OVERRIDE, "ana", force=False)
    with pytest.raises(NotPermitted):
        put(desk, "a", record("x", "y?"))
    assert rules.delete_mode(desk, None, "ana") is Mode.READONLY_OVERRIDE
    assert rules.delete_mode(desk, "a", "ana") is Mode.READWRITE
    with pytest.raises(ModeMissing):
        rules.mode(desk, "a", or_global=False)


def test_imports_keep_ids_and_versions(desk: Registry) -> None:
    """In IMPORT mode a schema comes with its id and version; an id belongs to one schema."""
    sent = record("x")
    wished = Sent(sent.schema, id=100, version=7)
    with pytest.raises(NotPermitted):
        put(desk, "a", wished)
    rules.set_mode(desk, "a", Mode.IMPORT, "ana", force=False)
    assert put(desk, "a", wished) == (100, 7)
    assert put(desk, "a", wished) == (100, 7)
    assert use.versions(desk, "a", deleted=True, deleted_only=False) == [7]
    with pytest.raises(IdTaken):
        put(desk, "a", Sent(record("y").schema, id=100, version=8))
    with pytest.raises(IdTaken):
        put(desk, "a", Sent(record("y").schema, id=101, version=7))
    rules.delete_mode(desk, "a", "ana")
    assert put(desk, "b", record("z")) == (101, 1)
    with pytest.raises(NotPermitted):
        rules.set_mode(desk, "a", Mode.IMPORT, "ana", force=False)


def test_looking_up_finds_a_schema_with_and_without_its_metadata(desk: Registry) -> None:
    """Clients look up the schema alone; metadata tells apart when it is given."""
    put(desk, "a", record("x", metadata={"properties": {"owner": "ana"}}))
    assert use.look_up(desk, "a", record("x"), deleted=False).version == 1
    with pytest.raises(SchemaMissing):
        use.look_up(desk, "a", record("x", metadata={"properties": {"owner": "ben"}}), deleted=False)
    with pytest.raises(SubjectMissing):
        use.look_up(desk, "nowhere", record("x"), deleted=False)


def test_default_and_override_metadata_are_merged_in(desk: Registry) -> None:
    """What a subject's settings add is part of the schema that is registered."""
    added = Settings(default_metadata={"properties": {"a": "1"}}, override_metadata={"properties": {"b": "2"}})
    rules.set_config(desk, "s", added, "ana")
    found = use.register(desk, "s", record("x", metadata={"properties": {"a": "9", "b": "9"}}), "ana")
    assert found.stored.schema.metadata == {"properties": {"a": "9", "b": "2"}}


def test_every_change_is_in_the_audit_trail(desk: Registry) -> None:
    """Who registered, deleted and configured what."""
    put(desk, "a", record("x"))
    rules.set_config(desk, "a", Settings(level=Level.FULL), "ben")
    use.delete_subject(desk, "a", "ana", for_good=False)
    with desk.store.transaction(read_only=True) as tx:
        told = [(e.event.actor, e.event.kind, e.event.subject) for e in tx.trail()]
    assert told == [
        ("ana", "schema.registered", "subject:a"),
        ("ben", "schema.configured", "subject:a"),
        ("ana", "schema.deleted", "subject:a"),
    ]


def test_contexts_are_told_by_the_subjects_in_them(desk: Registry) -> None:
    """A qualified subject is apart from the one of the default context."""
    put(desk, "orders", record("x"))
    put(desk, ":.staging:orders", record("y"))
    assert use.contexts(desk) == [".", ".staging"]
    assert use.subjects(desk, ":.staging:", deleted=False, deleted_only=False) == [":.staging:orders"]
    assert use.subjects(desk, ":*:", deleted=False, deleted_only=False) == [":.staging:orders", "orders"]
