"""Avro, Protobuf, MLflow, Open Inference Protocol and Pandera documents as contracts."""

from __future__ import annotations

import ast
import json
from typing import Any

import avro.schema
import pytest

from interlock.domain.schemas.contract import Contract, Object
from interlock.domain.schemas.fault import SchemaUnreadable
from interlock.domain.schemas.field import (
    Date,
    Decimal,
    Field,
    Float,
    Int,
    Json,
    List,
    Map,
    String,
    Struct,
    Tensor,
    Timestamp,
)
from interlock.domain.schemas.formats.catalog import FORMATS
from interlock.domain.schemas.formats.form import Imported, export_as, import_as
from interlock.domain.schemas.formats.pandera import FORMAT as PANDERA
from interlock.domain.schemas.formats.pandera import export_source

MIXED = Contract(
    "order",
    "1",
    (
        Object(
            "order",
            (
                Field("id", Int(64), id="3"),
                Field("total", Decimal(10, 2), nullable=True, default=(None,)),
                Field("state", String(), enum=("open", "done"), default=("open",), aliases=("status",)),
                Field("at", Timestamp("ms")),
                Field("lines", List(Field("element", Struct((Field("sku", String()),))))),
            ),
        ),
    ),
)


def read(form: str, document: Any) -> Imported:
    content = document if isinstance(document, str) else json.dumps(document)
    return import_as(FORMATS[form], content.encode(), "x")


def test_avro_keeps_defaults_aliases_and_logical_types() -> None:
    """What Avro holds is written as Avro's own tools read it, and comes back without help from the aside."""
    document = json.loads(export_as(FORMATS["avro"], MIXED).content)
    avro.schema.parse(json.dumps(document))
    del document["interlock"]
    found = read("avro", document).contract.fields
    assert found[1:] == MIXED.fields[1:]
    assert found[0] == Field("id", Int(64))


def test_avro_names_types_unions_and_recursion() -> None:
    """A named type is read where it is used; unions and recursion become json, each told at its field."""
    link = {"type": "record", "name": "Link", "fields": [{"name": "next", "type": ["null", "Link"]}]}
    fields = [
        {"name": "a", "type": {"type": "fixed", "name": "Md5", "size": 16}},
        {"name": "b", "type": "Md5"},
        {"name": "c", "type": ["null", "int", "string"]},
        {"name": "d", "type": link},
        {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["X"], "default": "X"}},
    ]
    found = read("avro", {"type": "record", "name": "R", "namespace": "n.s", "fields": fields})
    assert found.contract.fields[0].type == found.contract.fields[1].type
    assert isinstance(found.contract.fields[2].type, Json)
    assert [(f.where, f.code) for f in found.findings] == [
        ("x#c", "import.union"),
        ("x#d.next", "import.recursive"),
        ("x#e", "import.enum_default"),
    ]


PROTO = """syntax = "proto3";
import "google/protobuf/timestamp.proto";
message Order {
  int64 id = 3;
  optional string note = 1;
  repeated Line lines = 4;
  map<string, double> prices = 5;
  google.protobuf.Timestamp at = 6;
  oneof pay { string card = 7; bool cash = 8; }
  message Line { string sku = 1; Order parent = 2; }
  enum State { OPEN = 0; DONE = 5; }
  State state = 9;
}
"""


def test_protobuf_numbers_are_ids() -> None:
    """Numbers, presence, lists, maps, well-known types and nested messages are read; the rest is told."""
    found = read("protobuf", PROTO)
    by_name = {f.name: f for f in found.contract.fields}
    assert by_name["id"] == Field("id", Int(64), required=False, default=(0,), id="3")
    assert by_name["note"] == Field("note", String(), required=False, id="1")
    assert by_name["prices"].type == Map(Field("value", Float(64)))
    assert by_name["at"].type == Timestamp("ns")
    assert by_name["state"].enum == ("OPEN", "DONE")
    codes = {(f.where, f.code) for f in found.findings}
    assert codes == {
        ("x#Order.lines[].parent", "import.recursive"),
        ("x#Order.card", "import.oneof"),
        ("x#Order.cash", "import.oneof"),
        ("x#Order.state", "import.enum_numbers"),
    }


def test_protobuf_that_does_not_parse_says_where() -> None:
    """File, line and column."""
    with pytest.raises(SchemaUnreadable) as caught:
        read("protobuf", 'syntax = "proto3";\nmessage A {\n  int64 = 1;\n}')
    assert caught.value.where.startswith("x:3:")


def test_protobuf_is_written_with_the_numbers_it_had() -> None:
    """An id that is a number stays the field's number; others get free ones."""
    text = export_as(FORMATS["protobuf"], MIXED).content.decode()
    assert "optional int64 id = 3;" in text
    assert "optional string total = 1;" not in text
    assert "enum State_ {" in text


def test_mlflow_signatures_hold_presence_and_tensors() -> None:
    """Columns that are not required may be null; tensors keep element and shape; params keep their defaults."""
    columns = [{"type": "long", "name": "a"}, {"type": "string", "name": "b", "required": False}]
    tensor = [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3]}}]
    params = [{"name": "t", "type": "double", "default": 0.5, "shape": None}]
    document = {"inputs": json.dumps(columns), "outputs": json.dumps(tensor), "params": json.dumps(params)}
    found = read("mlflow", {"run_id": "1", "signature": document})
    inputs, outputs, settings = found.contract.objects
    assert inputs.fields == (Field("a", Int(64)), Field("b", String(), required=False, nullable=True))
    assert outputs.fields[0].type == Tensor(Float(32), (-1, 3))
    assert settings.fields == (Field("t", Float(64), required=False, default=(0.5,)),)
    assert found.findings == ()


def test_oip_metadata_is_tensors() -> None:
    """Datatypes and shapes of a model server's metadata, with its last version."""
    tensors = [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}, {"name": "y", "datatype": "BF16", "shape": [1]}]
    found = read("oip", {"name": "iris", "versions": ["1", "2"], "platform": "onnx", "inputs": tensors})
    assert (found.contract.name, found.contract.version) == ("iris", "2")
    assert found.contract.objects[0].fields[0].type == Tensor(Float(32), (-1, 4))
    assert [f.code for f in found.findings] == ["import.versions", "import.bf16"]


@pytest.mark.parametrize("form", ["avro", "mlflow", "oip"])
@pytest.mark.parametrize("document", [{}, [], 1, {"type": "record"}, {"inputs": "{"}, {"inputs": [1]}])
def test_what_is_no_document_of_the_format_is_a_finding(form: str, document: Any) -> None:
    """Anything that parses is read without a crash; what is unusable has an error."""
    found = read(form, document)
    assert found.is_usable is (form == "avro" and document == {"type": "record"})


@pytest.mark.parametrize("backend", ["polars", "ibis"])
def test_pandera_source_is_python_and_says_what_it_does_not_ask(backend: str) -> None:
    """The source parses, whatever text the contract holds, and what has no check there is told."""
    fields = (Field('a"\n', Int(8), minimum=0, unit="min"), Field("when", Date()), Field("tree", Struct()))
    made = export_source(Contract("t", '1"""', (Object("t", fields),)), backend, "t@1")
    ast.parse(made.content.decode())
    assert [f.where.rpartition(".")[2] for f in made.findings] == ['a"\n', "tree"]


def test_pandera_json_holds_checks() -> None:
    """Bounds, lists of values, patterns and lengths come back from the serialised form."""
    fields = (
        Field("a", Int(64), minimum=1, less_than=9),
        Field("b", String(), nullable=True, enum=("x", "y"), is_unique=True),
        Field("c", String(), required=False, pattern="^a", min_length=1, max_length=4),
    )
    made = export_as(PANDERA, Contract("t", "1", (Object("t", fields, is_open=False),)))
    assert import_as(PANDERA, made.content, "x").contract.fields == fields


def test_pandera_json_of_either_age_is_read() -> None:
    """Checks stand beside a column's other keys, or under `checks` with their name in the options."""
    new = {"a": {"dtype": "int64", "in_range": {"min_value": 1, "max_value": 4, "include_max": False}}}
    options = {"options": {"check_name": "greater_than"}, "value": 2}
    old = {"a": {"dtype": "string[pyarrow]", "checks": [options], "regex": False}}
    found = [import_as(PANDERA, json.dumps({"columns": c}).encode(), "x").contract.fields[0] for c in (new, old)]
    assert found == [Field("a", Int(64), minimum=1, less_than=4), Field("a", String(), more_than=2)]
    with_other = {"a": {"dtype": "int64", "my_check": {}}}
    told = import_as(PANDERA, json.dumps({"columns": with_other}).encode(), "x").findings
    assert [f.code for f in told] == ["import.check_not_held"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (r'{"name": "R\ud800"}', "half of a pair"),
        ('{"minimum": 1e999}', "beyond every number"),
        ('{"a": 1, "b": 2, "a": 3}', "'a' stands twice"),
    ],
)
@pytest.mark.parametrize("form", ["json-schema", "avro", "oip", "mlflow", "pandera"])
def test_json_that_could_not_be_written_again_is_refused(form: str, text: str, says: str) -> None:
    """Half of a surrogate pair, a number without end, a key that says two things."""
    with pytest.raises(SchemaUnreadable, match=says):
        read(form, text)


@pytest.mark.parametrize(
    ("form", "document"),
    [
        ("json-schema", {"properties": {"": {"type": "integer"}}}),
        ("json-schema", {"properties": {"a": {"type": "object", "properties": {"": {}}}}}),
        ("oip", {"name": "m", "inputs": [{"name": "", "datatype": "FP32", "shape": [1]}], "outputs": []}),
        ("pandera", {"schema_type": "dataframe", "columns": {"": {"dtype": "int64"}}}),
    ],
)
def test_a_field_without_a_name_is_refused(form: str, document: Any) -> None:
    """It would be lost as soon as the contract is written down."""
    found = read(form, document)
    assert not found.is_usable
    assert any(f.code.endswith("unnamed") or "name" in f.says for f in found.findings if f.is_blocking)


@pytest.mark.parametrize("shape", [[True], [10**9], [-2], [1] * 33, "1"])
def test_a_shape_that_no_tensor_has_is_refused(shape: Any) -> None:
    """Every type that is read can be written down and read again."""
    document = {"name": "m", "inputs": [{"name": "a", "datatype": "FP32", "shape": shape}], "outputs": []}
    assert not read("oip", document).is_usable


@pytest.mark.parametrize("shape", [[-1, 3], [10**9 - 1] * 32])
def test_every_shape_that_is_read_is_written_by_name(shape: list[int]) -> None:
    """Through every format and back."""
    document = {"name": "m", "inputs": [{"name": "a", "datatype": "FP32", "shape": shape}], "outputs": []}
    contract = read("oip", document).contract
    back = import_as(FORMATS["json-schema"], export_as(FORMATS["json-schema"], contract).content, "x")
    assert back.contract.objects[0].fields[0].type == Tensor(Float(32), tuple(shape))


def test_a_decimal_of_avro_has_whole_numbers() -> None:
    """`true` is no scale, though a computer may count it as 1."""
    decimal = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": True}
    found = read("avro", {"type": "record", "name": "R", "fields": [{"name": "d", "type": decimal}]})
    assert not isinstance(found.contract.fields[0].type, Decimal)
    assert "import.decimal_not_held" in {f.code for f in found.findings}
