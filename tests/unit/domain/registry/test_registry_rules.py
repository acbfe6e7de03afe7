"""Subjects, names and settings of a registry, as values."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.domain.registry.faults import (
    SchemaInvalid,
    SettingInvalid,
    SettingUnsupported,
    SubjectInvalid,
    VersionInvalid,
)
from interlock.domain.registry.languages import normal, read, reads
from interlock.domain.registry.schema import Schema, SchemaType, bare_identity, guid, identity
from interlock.domain.registry.settings import Mode, Settings, body_of, effective_mode, settings_of
from interlock.domain.registry.subject import Subject, context_of, subject_name, version_number
from interlock.domain.schemas.modes import Mode as Level


@pytest.mark.parametrize(
    ("text", "name", "context"),
    [
        ("orders", "orders", "."),
        (":.:orders", "orders", "."),
        (":.staging:orders", ":.staging:orders", ".staging"),
        ("a:b", "a:b", "."),
    ],
)
def test_a_subject_has_one_name(text: str, name: str, context: str) -> None:
    """The default context is not part of it."""
    assert subject_name(text) == name
    assert context_of(name) == context


@pytest.mark.parametrize("text", ["", ":.:", "a\nb", "a\0", "x" * 1025, "\ud800"])
def test_what_is_no_subject(text: str) -> None:
    """Empty, too long, or with characters that cannot be shown or stored."""
    with pytest.raises(SubjectInvalid):
        subject_name(text)


@pytest.mark.parametrize(("text", "number"), [("latest", None), ("-1", None), ("1", 1), ("2147483647", 2**31 - 1)])
def test_versions(text: str, number: int | None) -> None:
    """Whole numbers above zero, and `latest`."""
    assert version_number(text) == number


@pytest.mark.parametrize("text", ["0", "-2", "1.0", "", "2147483648", "١", "newest", "9" * 5000])
def test_what_is_no_version(text: str) -> None:
    """Everything else."""
    with pytest.raises(VersionInvalid):
        version_number(text)


def test_a_subject_numbers_its_versions() -> None:
    """After all that ever were, deleted ones included."""
    subject = Subject("a")
    for id in (10, 20, 30):
        subject, _ = subject.add(id, f"identity-{id}", f"bare-{id}")
    subject, _ = subject.delete_version(3, for_good=False)
    subject, _ = subject.delete_version(3, for_good=True)
    subject, fourth = subject.add(40, "identity-40", "bare-40")
    assert fourth.number == 4
    assert [v.number for v in subject.versions] == [1, 2, 4]
    assert subject.with_identity("identity-30", deleted=True) is None
    found = subject.with_identity("bare-20")
    assert found is not None
    assert found.number == 2


def test_metadata_and_rules_make_another_schema_of_the_same_text() -> None:
    """The bare identity is the same, so that clients who know nothing of metadata find it."""
    plain = Schema(SchemaType.AVRO, '"int"')
    owned = Schema(SchemaType.AVRO, '"int"', metadata={"properties": {"owner": "ana"}})
    assert bare_identity(plain, "int") == bare_identity(owned, "int")
    assert identity(plain, "int") != identity(owned, "int")
    assert guid(identity(plain, "int")) == guid(identity(plain, "int"))


def test_settings_of_a_subject_lie_over_those_of_all() -> None:
    """What a subject leaves open holds as it is set for all."""
    everywhere = Settings(level=Level.FULL, group="major")
    assert Settings(level=Level.NONE).over(everywhere) == Settings(level=Level.NONE, group="major")


def test_settings_are_shown_as_they_were_sent() -> None:
    """With the name that the API gives the level in answers, and without what is not set."""
    sent = {"compatibility": "full", "normalize": True, "compatibilityPolicy": "lenient", "alias": None}
    assert body_of(settings_of(sent)) == {
        "compatibilityLevel": "FULL",
        "normalize": True,
        "compatibilityPolicy": "LENIENT",
    }
    with pytest.raises(SettingUnsupported, match="alias"):
        settings_of({"alias": "other"})


def test_a_setting_may_be_switched_off_again() -> None:
    """`false` of a subject holds over the `true` of all."""
    assert settings_of({"normalize": False}).over(Settings(normalize=True)).normalize is False


@pytest.mark.parametrize(
    "body",
    [
        {"normalize": "yes"},
        {"compatibilityGroup": {"a": 1}},
        {"defaultMetadata": 5},
        {"defaultMetadata": {"properties": 5}},
        {"overrideMetadata": {"properties": {"a": 1}}},
        {"overrideMetadata": {"sensitive": [{"a": 1}]}},
        {"overrideMetadata": {"tags": {"a": [{"x": 1}]}}},
        {"defaultMetadata": {"colour": "red"}},
        {"defaultRuleSet": 5},
        {"defaultRuleSet": {"domainRules": [5]}},
        {"overrideRuleSet": {"domainRules": [{"name": ["a"]}]}},
        {"overrideRuleSet": {"domainRules": [{"name": "a", "params": {"x": float("inf")}}]}},
    ],
)
def test_a_setting_that_is_not_of_its_kind_is_refused(body: dict[str, Any]) -> None:
    """It would be kept, and nothing could be registered under it any more."""
    with pytest.raises(SettingInvalid, match=next(iter(body))):
        settings_of(body)


def test_rules_of_three_places_are_merged_by_name() -> None:
    """Overrides win over the schema's own, those over defaults."""
    settings = Settings(
        default_rule_set={"domainRules": [{"name": "a", "expr": "1"}, {"name": "b", "expr": "1"}]},
        override_rule_set={"domainRules": [{"name": "c", "expr": "3"}]},
    )
    own = {"domainRules": [{"name": "b", "expr": "2"}, {"name": "c", "expr": "2"}]}
    applied = settings.applied(Schema(SchemaType.AVRO, '"int"', rule_set=own))
    assert [(r["name"], r["expr"]) for r in applied.rule_set["domainRules"]] == [("a", "1"), ("b", "2"), ("c", "3")]


@pytest.mark.parametrize(
    ("everywhere", "own", "holds"),
    [
        (None, None, Mode.READWRITE),
        (Mode.READONLY, None, Mode.READONLY),
        (Mode.READONLY, Mode.READWRITE, Mode.READWRITE),
        (Mode.READONLY_OVERRIDE, Mode.READWRITE, Mode.READONLY_OVERRIDE),
    ],
)
def test_which_mode_holds(everywhere: Mode | None, own: Mode | None, holds: Mode) -> None:
    """The subject's own, unless all are overridden."""
    assert effective_mode(everywhere, own) is holds


def test_normal_texts_are_equal_for_schemas_that_differ_in_layout_alone() -> None:
    """In each language; and reading the normal text gives the same meaning again."""
    pairs = {
        SchemaType.AVRO: ('{"type":"fixed","size":4,"name":"F"}', '{ "name": "F", "type": "fixed", "size": 4 }'),
        SchemaType.JSON: ('{"type":"object","title":"T"}', '{"title": "T", "type": "object"}'),
        SchemaType.PROTOBUF: ('syntax = "proto3"; message M { M m = 1; }', 'syntax="proto3";message M{.M m=1;}//x'),
    }
    for kind, (one, other) in pairs.items():
        assert normal(kind, one, ()) == normal(kind, other, ())
        again = read(kind, normal(kind, one, ()), ())
        assert read(kind, normal(kind, other, ()), ()).meaning == again.meaning


MONEY = '{"type":"object","properties":{"cents":{"type":"integer"}}}'


def test_a_json_schema_refers_to_what_is_registered_and_to_nothing_else() -> None:
    """What comes with it is compared through the reference; a remote one is refused, nothing is fetched."""
    order = '{"type":"object","properties":{"price":{"$ref":"money.json"}}}'
    with pytest.raises(SchemaInvalid, match=r"money\.json") as refused:
        read(SchemaType.JSON, order, ())
    assert refused.value.where == "#/properties/price/$ref"
    with pytest.raises(SchemaInvalid, match="fetched"):
        read(SchemaType.JSON, '{"$ref":"https://example.com/money.json"}', ())
    before = read(SchemaType.JSON, order, (("money.json", MONEY),))
    after = read(SchemaType.JSON, order, (("money.json", MONEY.replace("integer", "string")),))
    assert not any(r.is_blocking for r in reads(before, before, is_lenient=False))
    assert any(r.is_blocking for r in reads(after, before, is_lenient=False))


def test_a_schema_of_another_language_is_not_read() -> None:
    """A subject keeps its language."""
    one, other = read(SchemaType.AVRO, '"string"', ()), read(SchemaType.JSON, '{"type":"string"}', ())
    assert [r.code for r in reads(one, other, is_lenient=True)] == ["SCHEMA_TYPE_CHANGED"]
