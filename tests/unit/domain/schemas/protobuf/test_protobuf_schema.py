"""Protobuf schemas: what is read from text and descriptors, and what is told about what cannot be read."""

from __future__ import annotations

import base64

import pytest

from interlock.domain.schemas.fault import SchemaUnreadable
from interlock.domain.schemas.protobuf.compile import compile_schema, normal_text

RICH = """
syntax = "proto2";
package shop;
import "google/protobuf/timestamp.proto";
option java_package = "com.shop";
message Order {
  optional int32 id = 1 [default = -5, (audit.level) = { n: 1 name: "q" }, deprecated = true];
  optional group Buyer = 3 { optional bytes key = 1 [default = "a\\001"]; }
  optional float weight = 20 [default = -inf];
  optional State state = 21 [default = DONE];
  oneof pay { group Card = 44 { optional int32 no = 1; } string iban = 45; }
  optional .google.protobuf.Timestamp at = 50;
  map<string, State> by_name = 51;
  optional string note = 52 [default = "\\303\\251\\n\\"q", json_name = "zz"];
  repeated int32 sizes = 53 [packed = true];
  message Line { required uint64 sku = 1; }
  repeated Line lines = 54;
  extensions 100 to max;
  reserved 4 to 6, 9;
  reserved "old", "older";
}
enum State { option allow_alias = true; OPEN = 0; DONE = -1; NEW = 0; reserved 5 to max; }
extend Order { optional int32 extra = 100; }
service Shop { rpc Buy(Order) returns (stream Order) { option deprecated = true; } }
"""


def test_every_construct_survives_text_descriptor_and_back() -> None:
    """Normal text reads as the same schema, and so does the text that is made of its descriptor."""
    read = compile_schema(RICH, {})
    normal = normal_text(RICH, {})
    assert normal_text(normal, {}) == normal
    assert compile_schema(normal, {}).file == read.file
    sent = compile_schema(base64.b64encode(read.serialized).decode(), {})
    assert sent.file == read.file
    assert compile_schema(sent.text, {}).file == read.file
    assert '(audit.level) = { n: 1 name: "q" }' in normal


def test_fields_know_what_decides_how_they_are_read() -> None:
    """Kind, full type, label, oneof, presence and default of each field."""
    order = compile_schema(RICH, {}).file.messages["shop.Order"]
    pay = order.field(45)
    assert pay is not None
    assert (pay.oneof, pay.type, pay.has_presence) == ("pay", "string", True)
    state = order.field(21)
    assert state is not None
    assert (state.kind, state.type, state.default) == ("enum", "shop.State", "-1")
    by_name = order.field(51)
    assert by_name is not None
    assert (by_name.is_map, by_name.label) == (True, "repeated")
    assert order.is_reserved(5)
    assert not order.is_reserved(7)


def test_proto3_optional_is_no_oneof() -> None:
    """Its synthetic oneof is a way to say presence."""
    read = compile_schema('syntax = "proto3"; message M { optional int32 a = 1; int32 b = 2; }', {})
    a, b = read.file.messages["M"].fields
    assert (a.oneof, a.has_presence, b.has_presence) == ("", True, False)


def test_options_and_comments_make_another_schema_or_not() -> None:
    """Comments and layout are no part of a schema's identity; an option is, known or not."""
    plain = compile_schema('syntax = "proto3"; message M { int32 a = 1; }', {})
    spaced = compile_schema('syntax = "proto3";\n// a word\nmessage M {\n  int32 a = 1;\n}', {})
    opted = compile_schema('syntax = "proto3"; message M { int32 a = 1 [(audit.pii) = true]; }', {})
    assert plain.identity == spaced.identity != opted.identity
    assert plain.file == opted.file


def test_imports_are_resolved_through_references() -> None:
    """Transitively, and in any package; types of imports are part of what is compared."""
    sources = {
        "money.proto": 'syntax = "proto3"; package m; import "unit.proto"; message Money { Unit u = 1; }',
        "unit.proto": 'syntax = "proto3"; package m; enum Unit { EUR = 0; }',
    }
    text = 'syntax = "proto3"; import "money.proto"; message Order { m.Money price = 1; }'
    file = compile_schema(text, sources).file
    assert file.own_messages == ("Order",)
    assert {"m.Money"} <= set(file.messages)
    assert "m.Unit" in file.enums


@pytest.mark.parametrize(
    ("text", "says", "where"),
    [
        ('syntax = "proto3";\nmessage M {\n  int32 a = ;\n}', "INT_LITERAL", "line 3 column 13"),
        ('{"type": "record"}', "mismatched", "line 1 column 1"),
        ("\0", "token", "line 1 column 1"),
        ('syntax = "proto4";', "proto4", ""),
        ('edition = "1999";', "1999", ""),
        ('syntax = "proto3"; message M { B b = 1; }', "'B'", ""),
        ('syntax = "proto3"; message M { int32 a = 1; int32 b = 1; }', "duplicate", ""),
        ('syntax = "proto3"; message M { int32 a = 99999999999; }', "out of range", ""),
        ('syntax = "proto3"; message M { int32 a = 0; }', "field number", ""),
        ('syntax = "proto3"; enum E { A = 1; }', "zero", ""),
        ('syntax = "proto3"; enum E { A = 0; B = 9999999999; }', "32 bits", ""),
        ('syntax = "proto3"; import "nowhere.proto";', "nowhere.proto", ""),
        ('syntax = "proto3"; message M { int32 a = 1 [packed = "x"]; }', "packed", ""),
        ('syntax = "proto3"; message M { reserved 9 to 3; }', "9 to 3", ""),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text: str, says: str, where: str) -> None:
    """Syntax errors have line and column; others name what is wrong."""
    with pytest.raises(SchemaUnreadable, match=says) as refused:
        compile_schema(text, {})
    assert refused.value.where == where


def test_a_circle_of_imports_is_told() -> None:
    """Two files that import each other are refused."""
    sources = {
        "a.proto": 'syntax = "proto3"; import "b.proto";',
        "b.proto": 'syntax = "proto3"; import "a.proto";',
    }
    with pytest.raises(SchemaUnreadable, match="imports itself"):
        compile_schema('syntax = "proto3"; import "a.proto";', sources)
