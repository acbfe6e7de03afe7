"""JSON Schema documents read as contracts and written from them."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from interlock.domain.schemas.contract import Contract, Object
from interlock.domain.schemas.fault import SchemaUnreadable
from interlock.domain.schemas.field import (
    Bytes,
    Date,
    Field,
    Int,
    Json,
    List,
    Map,
    Number,
    String,
    Struct,
    Timestamp,
)
from interlock.domain.schemas.formats.catalog import FORMATS
from interlock.domain.schemas.formats.form import Imported, export_as, import_as
from interlock.domain.schemas.formats.notes import SchemaTooLarge

FORM = FORMATS["json-schema"]


def read(document: Any) -> Imported:
    return import_as(FORM, json.dumps(document).encode(), "order.json")


def field(schema: Any) -> tuple[Field, list[str]]:
    """The field that a property's schema is read as, and the codes of what could not be held."""
    found = read({"type": "object", "properties": {"x": schema}, "required": ["x"]})
    return found.contract.fields[0], [f.code for f in found.findings]


@pytest.mark.parametrize(
    ("schema", "wanted"),
    [
        ({"type": "integer", "format": "int32"}, Field("x", Int(32))),
        ({"type": ["number", "null"], "exclusiveMinimum": 0}, Field("x", Number(), nullable=True, more_than=0)),
        ({"type": "string", "format": "date"}, Field("x", Date())),
        ({"type": "string", "format": "date-time"}, Field("x", Timestamp())),
        ({"type": "string", "format": "email"}, Field("x", String(), format="email")),
        ({"type": "string", "contentEncoding": "base64"}, Field("x", Bytes())),
        ({"const": "a"}, Field("x", String(), enum=("a",))),
        ({"enum": ["a", "b", None]}, Field("x", String(), nullable=True, enum=("a", "b"))),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, Field("x", String(), nullable=True)),
        ({"type": "array", "items": {"type": "boolean"}, "uniqueItems": True}, None),
        ({"type": "object", "additionalProperties": {"type": "string"}}, Field("x", Map(Field("value", String())))),
        ({}, Field("x", Json(), nullable=True)),
    ],
    ids=lambda v: json.dumps(v) if isinstance(v, dict) else "",
)
def test_what_is_held_is_held_exactly(schema: Any, wanted: Field | None) -> None:
    """Types, formats, null, bounds, lists and maps come over without a finding."""
    found, codes = field(schema)
    assert codes == []
    if wanted is None:
        assert isinstance(found.type, List)
        assert found.has_unique_items
    else:
        assert found == wanted


@pytest.mark.parametrize(
    ("schema", "code"),
    [
        ({"type": ["string", "integer"]}, "import.union"),
        ({"type": "string", "not": {"const": "a"}}, "import.keyword_not_held"),
        ({"type": "array", "prefixItems": [{"type": "string"}]}, "import.tuple"),
        ({"type": "object", "patternProperties": {"^x": {}}}, "import.keyword_not_held"),
        ({"type": "string", "default": ["a"]}, "import.default_not_held"),
        ({"enum": [["a"]]}, "import.enum_not_held"),
        ({"type": "null"}, "import.null_only"),
        ({"$ref": "https://example.org/other.json"}, "import.remote_reference"),
        ({"$ref": "#/$defs/absent"}, "import.reference_missing"),
        ({"type": "text"}, "import.type_unknown"),
        ({"type": "integer", "minimum": "0"}, "import.bound_invalid"),
        (False, "import.schema_invalid"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_what_is_not_held_is_told_at_its_field(schema: Any, code: str) -> None:
    """Nothing is left out silently: each finding names the field."""
    found = read({"type": "object", "properties": {"x": schema}})
    assert code in [f.code for f in found.findings]
    assert all(f.where == "order.json#x" for f in found.findings)


def test_local_references_are_followed_and_recursion_ends() -> None:
    """A definition is read where it is used; a schema that contains itself is json from there on, and told."""
    node = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "next": {"$ref": "#/$defs/node"}},
    }
    found = read({"type": "object", "properties": {"head": {"$ref": "#/$defs/node"}}, "$defs": {"node": node}})
    head = found.contract.fields[0].type
    assert isinstance(head, Struct)
    assert [f.name for f in head.fields] == ["name", "next"]
    assert isinstance(head.fields[1].type, Json)
    assert [f.code for f in found.findings] == ["import.recursive"]


def test_a_bomb_of_references_is_refused() -> None:
    """References that double at each of forty levels stand for a million million fields: refused, not followed."""
    doubled = {
        f"d{i}": {"type": "object", "properties": {k: {"$ref": f"#/$defs/d{i + 1}"} for k in "ab"}}
        for i in range(39)
    }
    document = {"$ref": "#/$defs/d0", "$defs": {**doubled, "d39": {"type": "string"}}}
    with pytest.raises(SchemaTooLarge):
        read(document)


@pytest.mark.parametrize("levels", [100, 5_000])
def test_deep_nesting_is_refused(levels: int) -> None:
    """A document nested beyond the limit is refused with a reason, whatever Python's own limit is."""
    text = '{"type":"object","properties":{"a":' * levels + "true" + "}}" * levels
    with pytest.raises(SchemaTooLarge):
        import_as(FORM, text.encode(), "deep.json")


def test_ten_thousand_fields_are_read_and_written() -> None:
    """Size alone is no problem."""
    wide = Contract("wide", "1", (Object("wide", tuple(Field(f"f{i}", Int(32)) for i in range(10_000))),))
    assert import_as(FORM, export_as(FORM, wide).content, "wide.json").contract.fields == wide.fields


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (b'{"type": "object",\n  "properties": {,}}', "bad.json:2:18"),
        (b'{"a": 1, "a": 2}', "bad.json"),
        (b'{"minimum": NaN}', "bad.json"),
        (b'{\n"a": "\xff"}', "bad.json:2:7"),
    ],
)
def test_what_cannot_be_parsed_says_where(text: bytes, where: str) -> None:
    """Line and column of the first byte that is wrong."""
    with pytest.raises(SchemaUnreadable) as caught:
        import_as(FORM, text, "bad.json")
    assert caught.value.where == where


def test_an_instance_of_the_written_schema_is_one_of_the_contract() -> None:
    """The written schema means to a validator what the contract says."""
    fields = (
        Field("id", Int(8)),
        Field("note", String(), required=False, nullable=True, max_length=3),
        Field("kind", String(), nullable=True, enum=("a", "b")),
    )
    made = export_as(FORM, Contract("t", "1", (Object("t", fields, is_open=False),)))
    validator = jsonschema.Draft202012Validator(json.loads(made.content))
    good = [{"id": -128, "kind": None}, {"id": 1, "note": None, "kind": "a"}]
    bad = [{"id": 128, "kind": "a"}, {"kind": "a"}, {"id": 1, "kind": "c"}, {"id": 1, "kind": "a", "x": 1}]
    assert [validator.is_valid(v) for v in good] == [True, True]
    assert [validator.is_valid(v) for v in bad] == [False] * 4


def test_what_was_edited_beside_the_aside_wins() -> None:
    """Whoever edits the document has the last word; what was carried aside for the old text is left out."""
    one = Contract("t", "1", (Object("t", (Field("a", Int(32), unit="min"), Field("b", Int(0), id="7"))),))
    document = json.loads(export_as(FORM, one).content)
    document["x-interlock"] = [
        {**gap, "instead_of": "s"} if gap["attribute"] == "unit" else gap for gap in document["x-interlock"]
    ]
    found = read(document)
    assert found.contract.fields == (Field("a", Int(32)), Field("b", Int(0), id="7"))
    assert [f.code for f in found.findings] == ["import.aside_stale"]


NO_TYPE = {"path": ["t", "a"], "attribute": "type", "value": 1, "instead_of": "int32"}


@pytest.mark.parametrize("aside", ["x", [1], [NO_TYPE]])
def test_an_unreadable_aside_is_told_and_left_out(aside: Any) -> None:
    """A document that was tampered with is read as what any tool sees."""
    document = {"title": "t", "type": "object", "properties": {"a": {"type": "integer", "format": "int32"}}}
    found = read(document | {"x-interlock": aside})
    assert found.contract.fields[0].type == Int(32)
    assert aside == "x" or [f.code for f in found.findings] == ["import.aside_unreadable"]
