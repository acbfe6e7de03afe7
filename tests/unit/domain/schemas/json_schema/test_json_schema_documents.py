"""What is no JSON Schema is refused with a pointer to the fault; references stay inside the document."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.domain.schemas.json_schema import SchemaInvalid, reads

NEW = "https://json-schema.org/draft/2020-12/schema"

FAULTS: list[tuple[Any, str]] = [
    ({"type": 7}, "#/type"),
    ({"type": "strnig"}, "#/type"),
    ({"properties": {"a/b": {"type": []}}}, "#/properties/a~1b/type"),
    ({"properties": []}, "#/properties"),
    ({"items": [{"minLength": -1}]}, "#/items/0/minLength"),
    ({"allOf": []}, "#/allOf"),
    ({"minimum": "1"}, "#/minimum"),
    ({"minimum": float("nan")}, "#"),
    ({"multipleOf": 0}, "#/multipleOf"),
    ({"required": "a"}, "#/required"),
    ({"dependencies": {"a": 1}}, "#/dependencies"),
    ({"not": 1}, "#/not"),
    ({"$ref": "#/definitions/none"}, "#/$ref"),
    ({"properties": {"a": {"$ref": "#here"}}}, "#/properties/a/$ref"),
    ({"properties": {"a": {"$ref": "#/const"}}, "const": 3}, "#/properties/a/$ref"),
    ({"$schema": "http://json-schema.org/draft-04/schema#"}, "#/$schema"),
    ({"$schema": NEW, "items": [{}]}, "#/items"),
    ({"not": {"$schema": NEW}}, "#/not/$schema"),
    ({"exclusiveMinimum": True}, "#/exclusiveMinimum"),
    ({1: "a"}, "#"),
    ({"enum": [{1, 2}]}, "#"),
    ([], "#"),
    ("string", "#"),
]


@pytest.mark.parametrize(("schema", "where"), FAULTS, ids=[where for _, where in FAULTS])
def test_a_fault_is_pointed_at(schema: Any, where: str) -> None:
    """On either side, with whose schema it is."""
    for role, pair in (("reader", (schema, True)), ("writer", (True, schema))):
        with pytest.raises(SchemaInvalid) as caught:
            reads(*pair)
        assert caught.value.where == where
        assert caught.value.details["document"] == role


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"allOf": [{"$ref": "#/definitions/a"}], "definitions": {"a": {"anyOf": [{"$ref": "#"}, {}]}}},
        {"not": {"$ref": "#"}},
    ],
)
def test_a_schema_that_never_ends_is_refused(schema: Any) -> None:
    """Applying itself to the same value again has no meaning; below a member or item it has."""
    with pytest.raises(SchemaInvalid, match="without end"):
        reads(schema, True)
    assert reads({"properties": {"a": {"$ref": "#"}}}, {"properties": {"a": {"$ref": "#"}}, "title": "t"}) == ()


def test_a_document_that_contains_itself_is_refused() -> None:
    """Built by aliases of YAML, for example."""
    schema: dict[str, Any] = {"properties": {}}
    schema["properties"]["a"] = schema
    with pytest.raises(SchemaInvalid, match="contains itself"):
        reads(schema, True)


def test_a_document_of_aliases_is_not_unfolded() -> None:
    """Sixty levels of a part used twice are 2 to the 60 places, and compared once each."""

    def laughing(innermost: str) -> dict[str, Any]:
        part: dict[str, Any] = {"type": innermost}
        for _ in range(60):
            part = {"type": "object", "properties": {"a": part, "b": part}}
        return part

    assert reads(laughing("number"), laughing("integer")) == ()


def test_references_are_found_by_pointer_anchor_and_identifier() -> None:
    """Inside the document, however they are written."""
    for reference, definition in (
        ("#/$defs/a~1b%20c", {}),
        ("#here", {"$anchor": "here"}),
        ("https://example.org/x/y", {"$id": "y"}),
        ("y", {"$id": "y"}),
        ("y#/type-of", {"$id": "y", "type-of": {"type": "string"}}),
    ):
        schema = {
            "$schema": NEW,
            "$id": "https://example.org/x/root",
            "$ref": reference,
            "$defs": {"a/b c": {"type": "string", **definition}},
        }
        assert reads({"type": "string"}, schema) == ()
        assert reads(schema, {"type": "string"}) == ()
        assert reads(schema, {"type": "null"}) != ()


def test_a_reference_to_elsewhere_is_never_followed() -> None:
    """A reader's is undecided with the way out; a writer's may allow anything."""
    outside = {"properties": {"a": {"$ref": "https://example.org/other#/a"}}}
    (found,) = reads({"type": "object", **outside}, {"type": "object", "properties": {"a": {"type": "string"}}})
    assert found.code == "REFERENCE_NOT_FOLLOWED"
    assert "$defs" in found.remedy
    assert reads({"type": "object", "properties": {"a": {"type": "string"}}}, {"type": "object", **outside}) != ()
    assert reads({"$ref": "http://[#/a"}, True) != ()


def test_dynamic_references_are_followed_when_they_can_mean_one_thing() -> None:
    """With one anchor of that name in the document they are ordinary references."""
    tree = {
        "$schema": NEW,
        "$dynamicAnchor": "node",
        "type": "object",
        "properties": {"child": {"$dynamicRef": "#node"}, "v": {"type": "integer"}},
    }
    wider = {**tree, "properties": {**tree["properties"], "v": {"type": "number"}}}
    assert reads(wider, tree) == ()
    assert reads(tree, wider) != ()


def test_names_that_do_not_say_what_they_mean_are_not_equal() -> None:
    """A relative or recursive reference of another document can mean another schema."""
    old = "https://json-schema.org/draft/2019-09/schema"

    def tree(kind: str) -> dict[str, Any]:
        properties = {"child": {"$recursiveRef": "#"}, "v": {"type": kind}}
        return {"$schema": old, "$recursiveAnchor": True, "properties": properties}

    assert [one.code for one in reads(tree("number"), tree("integer"))] == ["REFERENCE_NOT_FOLLOWED"]
    assert reads({"$ref": "other.json", "definitions": {}}, {"$ref": "other.json"}) != ()
    assert reads({"$ref": "urn:x:other", "definitions": {}}, {"$ref": "urn:x:other"}) == ()


def test_a_lone_condition_can_evaluate_members() -> None:
    """`if` without branches demands nothing, and yet what it matches is no unevaluated member."""
    writer = {"$schema": NEW, "type": "object", "if": {"properties": {"a": {}}}, "unevaluatedProperties": False}
    assert reads({"type": "object", "additionalProperties": False}, writer) != ()
    assert reads({"type": "object"}, writer) == ()
