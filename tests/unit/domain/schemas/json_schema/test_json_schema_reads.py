"""One JSON Schema reads another: each keyword by its code, and the ways in which schemas combine."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft7Validator

from interlock.domain.schemas.json_schema import Difference, Policy, reads
from interlock.domain.schemas.json_schema.values import Interner

OPEN: dict[str, Any] = {"type": "object"}
CLOSED: dict[str, Any] = {"type": "object", "additionalProperties": False}
NEW = {"$schema": "https://json-schema.org/draft/2020-12/schema"}


def codes(reader: Any, writer: Any, policy: Policy = Policy.STRICT) -> list[str]:
    return sorted({one.code for one in reads(reader, writer, policy) if one.is_blocking})


def member(schema: Any, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": schema}, **more}


BLOCKED = [
    ({"type": "string"}, {"type": "number"}, "TYPE_CHANGED"),
    ({"type": "integer"}, {"type": "number"}, "TYPE_NARROWED"),
    ({"type": "string"}, {"type": ["string", "null"]}, "SUM_TYPE_NARROWED"),
    ({"enum": ["a"]}, {"enum": ["a", "b"]}, "ENUM_ARRAY_NARROWED"),
    ({"enum": ["a", "c"]}, {"enum": ["a", "b"]}, "ENUM_ARRAY_CHANGED"),
    ({"const": 1}, {"const": 2}, "ENUM_ARRAY_CHANGED"),
    ({"type": "string", "enum": ["a"]}, {"type": "string"}, "PRODUCT_TYPE_EXTENDED"),
    ({"type": "string", "minLength": 2}, {"type": "string", "minLength": 1}, "MIN_LENGTH_INCREASED"),
    ({"type": "string", "minLength": 2}, {"type": "string"}, "MIN_LENGTH_ADDED"),
    ({"type": "string", "maxLength": 2}, {"type": "string", "maxLength": 3}, "MAX_LENGTH_DECREASED"),
    ({"type": "string", "maxLength": 2}, {"type": "string"}, "MAX_LENGTH_ADDED"),
    ({"type": "string", "pattern": "^a$"}, {"type": "string", "pattern": "^a"}, "PATTERN_CHANGED"),
    ({"type": "string", "pattern": "^a$"}, {"type": "string"}, "PATTERN_ADDED"),
    ({"type": "string", "format": "date"}, {"type": "string"}, "FORMAT_ADDED"),
    ({"type": "string", "format": "date"}, {"type": "string", "format": "time"}, "FORMAT_CHANGED"),
    ({"type": "number", "minimum": 1}, {"type": "number", "minimum": 0.5}, "MINIMUM_INCREASED"),
    ({"type": "number", "maximum": 1}, {"type": "number"}, "MAXIMUM_ADDED"),
    ({"type": "number", "exclusiveMinimum": 1}, {"type": "number", "minimum": 1}, "EXCLUSIVE_MINIMUM_ADDED"),
    (
        {"type": "number", "exclusiveMaximum": 1},
        {"type": "number", "exclusiveMaximum": 2},
        "EXCLUSIVE_MAXIMUM_DECREASED",
    ),
    ({"type": "number", "multipleOf": 4}, {"type": "number", "multipleOf": 2}, "MULTIPLE_OF_EXPANDED"),
    ({"type": "number", "multipleOf": 3}, {"type": "number", "multipleOf": 2}, "MULTIPLE_OF_CHANGED"),
    ({"type": "number", "multipleOf": 0.1}, {"type": "number", "multipleOf": 0.3}, "MULTIPLE_OF_CHANGED"),
    (member({}, required=["a"]), member({}), "REQUIRED_ATTRIBUTE_ADDED"),
    (member({"default": 1}, required=["a"]), member({}), "REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED"),
    ({"type": "object", "required": ["a"]}, CLOSED, "REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL"),
    (member({"type": "string"}), OPEN, "OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL"),
    (
        member({"type": "string"}),
        {"type": "object", "additionalProperties": {"type": "null"}},
        "PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL",
    ),
    (CLOSED, {**CLOSED, "properties": {"a": {}}}, "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL"),
    (
        {"type": "object", "additionalProperties": {"type": "null"}},
        {**CLOSED, "properties": {"a": {"type": "string"}}},
        "PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL",
    ),
    (CLOSED, OPEN, "ADDITIONAL_PROPERTIES_REMOVED"),
    ({"type": "object", "additionalProperties": {"type": "null"}}, OPEN, "ADDITIONAL_PROPERTIES_NARROWED"),
    ({**NEW, "type": "object", "unevaluatedProperties": False}, OPEN, "UNEVALUATED_PROPERTIES_REMOVED"),
    ({"type": "object", "minProperties": 2}, {"type": "object", "minProperties": 1}, "MIN_PROPERTIES_INCREASED"),
    ({"type": "object", "maxProperties": 2}, OPEN, "MAX_PROPERTIES_ADDED"),
    ({"type": "object", "dependencies": {"a": ["b"]}}, OPEN, "DEPENDENCY_ARRAY_ADDED"),
    (
        {"type": "object", "dependencies": {"a": ["b", "c"]}},
        {"type": "object", "dependencies": {"a": ["b"]}},
        "DEPENDENCY_ARRAY_EXTENDED",
    ),
    ({"type": "object", "dependencies": {"a": {"required": ["b"]}}}, OPEN, "DEPENDENCY_SCHEMA_ADDED"),
    ({"type": "object", "propertyNames": {"maxLength": 3}}, OPEN, "PROPERTY_NAMES_NARROWED"),
    ({"type": "object", "patternProperties": {"^a": {"type": "null"}}}, OPEN, "PATTERN_PROPERTY_NARROWED"),
    ({"type": "array", "items": {"type": "null"}}, {"type": "array"}, "SCHEMA_ADDED"),
    ({"type": "array", "items": [{"type": "null"}]}, {"type": "array"}, "ITEM_ADDED_TO_OPEN_CONTENT_MODEL"),
    (
        {"type": "array", "items": [{}], "additionalItems": False},
        {"type": "array", "items": [{}, {}], "additionalItems": False},
        "ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL",
    ),
    (
        {"type": "array", "items": [{}], "additionalItems": False},
        {"type": "array", "items": [{}]},
        "ADDITIONAL_ITEMS_REMOVED",
    ),
    ({**NEW, "type": "array", "minItems": 2}, {"type": "array", "minItems": 1}, "MIN_ITEMS_INCREASED"),
    ({"type": "array", "maxItems": 2}, {"type": "array", "maxItems": 3}, "MAX_ITEMS_DECREASED"),
    ({"type": "array", "uniqueItems": True}, {"type": "array"}, "UNIQUE_ITEMS_ADDED"),
    ({"type": "array", "contains": {"type": "null"}}, {"type": "array", "minItems": 1}, "CONTAINS_NARROWED"),
    ({**NEW, "type": "array", "contains": {}, "maxContains": 1}, {"type": "array"}, "MAX_CONTAINS_ADDED"),
    ({"not": {"type": ["null", "string"]}}, {"not": {"type": "null"}}, "NOT_TYPE_EXTENDED"),
    ({"not": {"minimum": 5}}, {"type": "integer", "maximum": 5}, "NOT_TYPE_EXTENDED"),
    ({"oneOf": [{"minimum": 1}, {"maximum": 5}]}, {"type": "integer"}, "TYPE_CHANGED"),
    ({"anyOf": [{"minLength": 5}, {"pattern": "^a"}]}, {"type": "string"}, "TYPE_CHANGED"),
    ({"if": {"minimum": 5}, "then": {"multipleOf": 2}}, {"type": "integer"}, "MULTIPLE_OF_ADDED"),
    ({"$ref": "https://example.org/a"}, {"$ref": "https://example.org/b"}, "REFERENCE_NOT_FOLLOWED"),
    (False, True, "TYPE_CHANGED"),
]


@pytest.mark.parametrize(
    ("reader", "writer", "code"), BLOCKED, ids=[f"{c}-{i}" for i, (_, _, c) in enumerate(BLOCKED)]
)
def test_what_is_not_read_has_its_code(reader: Any, writer: Any, code: str) -> None:
    """A narrower reader is incompatible, with the registry's name for the difference and a remedy."""
    assert code in codes(reader, writer)
    assert all(one.says and one.remedy for one in reads(reader, writer))


UNION = {"oneOf": [{"type": "object", "required": ["t"], "properties": {"t": {"const": t}}} for t in "ab"]}
NODE: dict[str, Any] = {
    "$ref": "#/definitions/n",
    "definitions": {
        "n": {"type": "object", "properties": {"v": {"type": "integer"}, "n": {"$ref": "#/definitions/n"}}}
    },
}

READ = [
    (True, {"type": "string"}),
    ({"type": "number"}, {"type": "integer"}),
    ({"type": "integer"}, {"type": "number", "multipleOf": 3}),
    ({"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 1}),
    ({"enum": [1, 2, 3]}, {"type": "integer", "minimum": 1, "maximum": 3}),
    ({"type": "string"}, {"enum": ["a", "b"]}),
    ({"type": "string", "pattern": "^[a-z]+$"}, {"enum": ["a", "b"]}),
    ({"type": "string", "pattern": "^[a-z]*$"}, {"type": "string", "pattern": "^[a-c]+$"}),
    ({"type": "number", "multipleOf": 10.1}, {"type": "number", "multipleOf": 20.2}),
    (member({"type": "number"}), {"type": "object", "additionalProperties": {"type": "integer"}}),
    (member({"type": "string"}), CLOSED),
    (
        {"type": "object", "patternProperties": {"^S_": {"type": "string"}}, "additionalProperties": False},
        {**CLOSED, "properties": {"S_1": {"type": "string"}, "S_2": {"maxLength": 2, "type": "string"}}},
    ),
    ({"type": "object", "maxProperties": 2}, {**CLOSED, "properties": {"a": {}, "b": {}, "c": False}}),
    ({"type": "object", "dependencies": {"a": ["b"]}}, {"type": "object", "required": ["b"]}),
    ({"type": "array", "items": [{}, {"type": "null"}]}, {"type": "array", "maxItems": 1}),
    (
        {"type": "array", "contains": {"type": "number"}},
        {"type": "array", "minItems": 1, "items": {"type": "integer"}},
    ),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": ["null", "string"]}),
    (
        {"oneOf": [{"type": "string"}, {"type": "null"}]},
        {"anyOf": [{"type": "null"}, {"maxLength": 3, "type": "string"}]},
    ),
    ({"oneOf": [*UNION["oneOf"], {"type": "null"}]}, UNION),
    ({"not": {"type": "integer"}}, {"not": {"type": "number"}}),
    ({"not": {"minimum": 5}}, {"type": "integer", "maximum": 4}),
    ({"if": {"type": "string"}, "then": {"maxLength": 4}, "else": {"type": "null"}}, {"enum": ["abc", None]}),
    ({"allOf": [{"minimum": 0}, {"maximum": 9}]}, {"type": "number", "minimum": 1, "maximum": 8}),
    ({"type": "string"}, {"allOf": [{"type": "string"}, {"type": "number"}]}),
    (NODE["definitions"]["n"] | {"definitions": NODE["definitions"]}, NODE),
    ({"$ref": "https://example.org/a", "definitions": {}}, {"$ref": "https://example.org/a"}),
    ({**NEW, "properties": {"a": {"type": "string"}}, "unevaluatedProperties": False}, False),
    (
        {**NEW, "allOf": [{"properties": {"a": {}}}], "unevaluatedProperties": False},
        {**CLOSED, "properties": {"a": {"type": "string"}}},
    ),
]


@pytest.mark.parametrize(("reader", "writer"), READ)
def test_what_is_read_is_proven(reader: Any, writer: Any) -> None:
    """A reader that takes at least what is written is compatible, whatever the two look like."""
    assert reads(reader, writer) == ()


def test_a_change_deep_in_a_recursive_union_is_seen() -> None:
    """Taking a recursive goal as proven does not hide a change behind the recursion."""

    def schema(first: str, second: str) -> dict[str, Any]:
        def node(kind: str, target: str) -> dict[str, Any]:
            ref = {"oneOf": [{"$ref": f"#/definitions/{target}"}]}
            return {"type": "object", "properties": {"id": {"type": kind}, "ref": ref}}

        definitions = {"T0": node(first, "T2"), "T1": node(second, "T2"), "T2": node("integer", "T0")}
        root = {"oneOf": [{"$ref": "#/definitions/T0"}, {"$ref": "#/definitions/T1"}]}
        return {"properties": {"root": root}, "definitions": definitions}

    assert reads(schema("boolean", "number"), schema("integer", "boolean")) != ()


def test_paths_point_into_the_reader() -> None:
    """The path is a JSON pointer to the demand that is not met, names escaped."""
    reader = {"type": "object", "properties": {"a/b": {"type": "string", "minLength": 2}}}
    writer = {"type": "object", "properties": {"a/b": {"type": "string"}}}
    (found,) = reads(reader, writer)
    assert (found.code, found.path) == ("MIN_LENGTH_ADDED", "/properties/a~1b/minLength")


def test_all_reasons_are_named() -> None:
    """Not only the first difference is reported."""
    reader = {"type": "object", "properties": {n: {"type": "string", "maxLength": 1} for n in "abc"}}
    writer = {"type": "object", "properties": {n: {"type": "string"} for n in "abc"}}
    assert len(reads(reader, writer)) == 3


LENIENT_ONLY = [
    (member({"type": "string"}), OPEN),
    (CLOSED, member({})),
    (CLOSED, OPEN),
    (
        {"type": "object", "additionalProperties": {"type": "null"}},
        {"type": "object", "additionalProperties": True},
    ),
    (member({"default": 1}, required=["a"]), member({})),
]


@pytest.mark.parametrize(("reader", "writer"), LENIENT_ONLY)
def test_lenient_says_what_it_assumes(reader: Any, writer: Any) -> None:
    """What only passes by the lenient assumption is named with it and does not block; strict blocks it."""
    assert codes(reader, writer) != []
    found = reads(reader, writer, Policy.LENIENT)
    assert found != ()
    assert all(not one.is_blocking and "lenient" in one.assumption for one in found)


def test_lenient_still_refuses_what_is_declared_otherwise() -> None:
    """Two declarations of one property have to agree under either policy."""
    reader, writer = member({"type": "string"}), member({"type": "number"})
    assert codes(reader, writer, Policy.LENIENT) == ["TYPE_CHANGED"]
    both = {"type": "object", "additionalProperties": {"type": "null"}}
    assert codes(both, {"type": "object", "additionalProperties": {"type": "string"}}, Policy.LENIENT) != []


def test_a_difference_becomes_a_finding() -> None:
    """An error when it blocks, a warning with its assumption when the policy lets it pass."""
    (strict,) = reads(CLOSED, OPEN)
    (lenient,) = reads(CLOSED, OPEN, Policy.LENIENT)
    assert isinstance(strict, Difference)
    assert (strict.finding("contract:x").is_blocking, lenient.finding("contract:x").is_blocking) == (True, False)
    assert strict.finding("contract:x").code == "schema.additional_properties_removed"
    assert "lenient" in lenient.finding("contract:x").says


def test_drafts_are_told_apart() -> None:
    """In draft-07 a reference hides its siblings, in 2020-12 it does not."""
    schema = {"$ref": "#/definitions/a", "minLength": 3, "definitions": {"a": {"type": "string"}}}
    old = {"$schema": "http://json-schema.org/draft-07/schema#", **schema}
    assert reads(old, {"type": "string"}) == ()
    assert codes({**NEW, **schema}, {"type": "string"}) == ["MIN_LENGTH_ADDED"]


def wide(fields: int, last: str) -> dict[str, Any]:
    names = {f"f{i}": {"type": "string"} for i in range(fields)} | {"last": {"type": last}}
    return {**CLOSED, "properties": names, "required": list(names)}


def test_size_does_not_matter() -> None:
    """10,000 fields, 1,000 levels and a long tuple are compared, and the one change is found."""
    assert [one.path for one in reads(wide(10_000, "string"), wide(10_000, "null"))] == ["/properties/last"]

    def nested(innermost: str) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": innermost}
        for level in range(1000):
            schema = (
                {"type": "object", "properties": {"a": schema}} if level % 2 else {"type": "array", "items": schema}
            )
        return schema

    assert reads(nested("number"), nested("integer")) == ()
    (found,) = reads(nested("integer"), nested("number"))
    assert found.code == "TYPE_NARROWED"


def test_thousands_of_listed_values_are_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """In another order, the work grows with the values, and not with their square."""
    asked = []
    number = Interner.number

    def counted(self: Interner, value: object) -> int:
        asked.append(1)
        return number(self, value)

    monkeypatch.setattr(Interner, "number", counted)
    assert codes({"enum": list(range(2_000))[::-1]}, {"enum": list(range(2_000))}) == []
    assert len(asked) < 20 * 2_000


def test_a_keyword_that_only_some_validators_ask_is_not_relied_on() -> None:
    """Newer drafts dropped `dependencies`: a reader may ask it, a writer need not keep to it."""
    disputed = {**NEW, "dependencies": {"a": ["b"]}}
    stated = {**NEW, "dependentRequired": {"a": ["b"]}}
    assert codes(disputed, NEW) == codes(disputed, stated) == ["DEPENDENCY_SCHEMA_ADDED"]
    assert codes(stated, disputed) == ["DEPENDENCY_ARRAY_ADDED"]
    assert codes({**disputed, "title": "same"}, disputed) == codes(NEW, disputed) == []


def test_a_float_beyond_whole_numbers_divides_as_validators_see_it() -> None:
    """1e300 as it is written is no multiple of 3, as the machine holds it, it may be one: neither is relied on."""
    held = next(float(f"1e{n}") for n in range(300, 200, -1) if int(float(f"1e{n}")) % 3 == 0)
    writer = {"enum": [held, 6], "multipleOf": 3}
    assert Draft7Validator(writer).is_valid(held)
    assert codes({"const": 6}, writer) != []
    assert codes({"const": 6}, {**writer, "enum": [7, 6]}) == []


def test_what_takes_too_long_is_undecided() -> None:
    """Beyond the budget the answer is no, and says why; nothing hangs."""

    def union(size: int, bound: int) -> dict[str, Any]:
        return {"anyOf": [{"type": "object", "required": [f"k{i}"], "maxProperties": bound} for i in range(size)]}

    found = reads(union(40, 4), {**union(40, 3), "minProperties": 1}, budget=30)
    assert [one.code for one in found] == ["NOT_DECIDED"]
    assert "30 steps" in found[0].says
    assert reads(union(3000, 3) | {"title": "same"}, union(3000, 3)) == ()


def test_exploding_patterns_are_not_run() -> None:
    """A pattern on which a backtracking matcher would never end is followed in linear time, or left undecided."""
    evil = "^(a+)+$"
    assert reads({"type": "string", "pattern": evil}, {"enum": ["a" * 500]}) == ()
    assert reads({"type": "string", "pattern": evil}, {"enum": ["a" * 500 + "b"]}) != ()
    assert reads({"type": "string", "pattern": "(?=a)b"}, {"enum": ["ab"]}) != ()


def test_nothing_is_changed() -> None:
    """The documents handed in are left as they were."""
    reader, writer = json.loads(json.dumps(NODE)), json.loads(json.dumps(UNION))
    reads(reader, writer)
    assert (reader, writer) == (NODE, UNION)
