"""ODCS documents become contracts, and every misfit a finding with its place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from interlock.domain.schemas.contract import Check, Contract, Object, Reference, Rule
from interlock.domain.schemas.field import (
    ARRAY,
    INTEGER,
    STRING,
    Date,
    Decimal,
    Field,
    Float,
    Int,
    Json,
    List,
    Map,
    Number,
    Struct,
    Tensor,
    Time,
    Timestamp,
    Type,
)
from interlock.domain.schemas.nesting import MAX_DEPTH
from interlock.domain.schemas.odcs import from_odcs, to_odcs


def locate(path: tuple[str | int, ...]) -> str:
    return "flights.odcs.yaml:" + ".".join(map(str, path))


def document(*properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "kind": "DataContract",
        "apiVersion": "v3.1.0",
        "id": "b1c2",
        "name": "flight-features",
        "version": "1",
        "status": "active",
        "schema": [{"name": "flights", "properties": list(properties)}],
        **more,
    }


def custom(**values: Any) -> list[dict[str, Any]]:
    return [{"property": f"interlock:{key}", "value": value} for key, value in values.items()]


def test_a_document_is_read_with_units_enums_defaults_and_bounds() -> None:
    """Everything that the standard and our custom properties say ends up in the contract."""
    delay = {
        "name": "dep_delay",
        "logicalType": "integer",
        "required": True,
        "description": "Minutes late",
        "logicalTypeOptions": {"minimum": -60, "maximum": 3000},
        "customProperties": [*custom(unit="min", default=0), {"property": "theirs", "value": 1}],
    }
    carrier = {"name": "carrier", "logicalType": "string", "enum": [{"value": "UA", "label": "United"}, "B6"]}
    contract, findings = from_odcs(
        document(delay, carrier, team={"name": "ops"}, customProperties=custom(content="closed")), locate
    )
    assert findings == []
    fields = (
        Field("dep_delay", INTEGER, True, False, "min", (), (0,), -60, 3000, "Minutes late"),
        Field("carrier", STRING, False, True, enum=("UA", "B6"), enum_labels=("United", "")),
    )
    flights = Object("flights", fields, is_open=False)
    assert contract == Contract("flight-features", "1", (flights,), "ops", "flights.odcs.yaml:")


def test_the_owner_of_a_v3_0_team_is_its_member_with_that_role() -> None:
    """The list form of `team` names people with roles."""
    team = [{"username": "ada", "role": "steward"}, {"username": "lin", "role": "Owner"}]
    contract, _ = from_odcs(document(apiVersion="v3.0.2", team=team), locate)
    assert contract.owner == "lin"


PROBLEMS: dict[str, dict[str, Any]] = {
    "contract.kind_unknown": document(kind="Contract"),
    "contract.api_version_unknown": document(apiVersion="v2.2.2"),
    "contract.name_missing": document(name="", id=""),
    "contract.name_invalid": document(name="Flight Features"),
    "contract.version_missing": document(version=""),
    "contract.text_expected": document(version=1),
    "contract.schema_missing": document(schema=[]),
    "contract.object_invalid": document(schema=["flights"]),
    "contract.object_nameless": document(schema=[{"properties": []}]),
    "contract.object_twice": document(schema=[{"name": "a"}, {"name": "a"}]),
    "contract.reference_invalid": document({"name": "a", "logicalType": "string", "relationships": [{"to": "b"}]}),
    "contract.check_invalid": document(schema=[{"name": "a", "customProperties": custom(checks=["a > 0"])}]),
    "contract.rule_invalid": document({"name": "a", "logicalType": "string", "quality": ["none"]}),
    "contract.map_invalid": document({"name": "a", "logicalType": "map"}),
    "contract.content_unknown": document(customProperties=custom(content="half")),
    "contract.custom_unknown": document(customProperties=custom(contents="open")),
    "contract.custom_invalid": document(customProperties=["open"]),
    "contract.list_expected": document(customProperties="open"),
    "contract.field_nameless": document({"logicalType": "string"}),
    "contract.field_twice": document(*[{"name": "a", "logicalType": "string"}] * 2),
    "contract.type_unknown": document({"name": "a", "logicalType": "int"}),
    "contract.flag_expected": document({"name": "a", "logicalType": "string", "required": "yes"}),
    "contract.bound_invalid": document(
        {"name": "a", "logicalType": "number", "logicalTypeOptions": {"minimum": "0"}}
    ),
    "contract.options_invalid": document({"name": "a", "logicalType": "number", "logicalTypeOptions": ["minimum"]}),
    "contract.bounds_empty": document(
        {"name": "a", "logicalType": "number", "logicalTypeOptions": {"minimum": 2, "maximum": 1}}
    ),
    "contract.enum_invalid": document({"name": "a", "logicalType": "string", "enum": [["x"]]}),
    "contract.enum_twice": document({"name": "a", "logicalType": "number", "enum": [1, 1.0]}),
    "contract.enum_misfit": document({"name": "a", "logicalType": "string", "enum": [False]}),
    "contract.default_invalid": document(
        {"name": "a", "logicalType": "string", "customProperties": custom(default=[])}
    ),
    "contract.default_misfit": document(
        {"name": "a", "logicalType": "string", "required": True, "customProperties": custom(default=None)}
    ),
}


@pytest.mark.parametrize("code", PROBLEMS)
def test_each_problem_is_a_blocking_finding_with_place_and_remedy(code: str) -> None:
    """A document with one fault yields that fault's code, where it stands, and what helps."""
    _, findings = from_odcs(PROBLEMS[code], locate)
    found = [finding for finding in findings if finding.code == code]
    assert found
    assert all(f.is_blocking and f.remedy and f.where.startswith("flights.odcs.yaml:") for f in found)


def test_all_problems_are_reported_at_once() -> None:
    """Reading goes on after the first fault."""
    _, findings = from_odcs(document({"name": "a"}, {"name": "b", "logicalType": "text"}, kind="?"), locate)
    assert [f.code for f in findings] == ["contract.kind_unknown"] + ["contract.type_unknown"] * 2


def read_field(block: dict[str, Any]) -> Field:
    contract, findings = from_odcs(document(block), locate)
    assert [f for f in findings if f.is_blocking] == []
    return contract.fields[0]


STRINGS = {"logicalType": "string", "required": True}
TYPES: dict[str, tuple[dict[str, Any], Type]] = {
    "integers are of any size": ({"logicalType": "integer"}, INTEGER),
    "formats name widths": ({"logicalType": "integer", "logicalTypeOptions": {"format": "u16"}}, Int(16, False)),
    "128 bits are of any size": ({"logicalType": "integer", "logicalTypeOptions": {"format": "i128"}}, Int()),
    "numbers": ({"logicalType": "number"}, Number()),
    "floats": ({"logicalType": "number", "logicalTypeOptions": {"format": "f32"}}, Float(32)),
    "decimals by their physical type": (
        {"logicalType": "number", "physicalType": "NUMERIC(12, 2)"},
        Decimal(12, 2),
    ),
    "decimals by our own property": (
        {"logicalType": "number", "customProperties": custom(type="decimal(7,1)")},
        Decimal(7, 1),
    ),
    "dates": ({"logicalType": "date"}, Date()),
    "times": ({"logicalType": "time"}, Time()),
    "instants": ({"logicalType": "timestamp"}, Timestamp()),
    "local time": ({"logicalType": "timestamp", "logicalTypeOptions": {"timezone": False}}, Timestamp("us", False)),
    "lists of anything": ({"logicalType": "array"}, ARRAY),
    "lists": ({"logicalType": "array", "items": STRINGS}, List(Field("element", STRING))),
    "objects": ({"logicalType": "object"}, Struct()),
    "maps": (
        {"logicalType": "map", "map": {"key": {"logicalType": "string"}, "value": STRINGS}},
        Map(Field("value", STRING)),
    ),
    "vectors": (
        {"logicalType": "vector", "logicalTypeOptions": {"dimensions": 3, "elementType": "float64"}},
        Tensor(Float(64), (3,)),
    ),
    "structs": (
        {
            "logicalType": "object",
            "logicalTypeOptions": {"required": ["b"]},
            "properties": [{"name": "a", **STRINGS}, {"name": "b", "logicalType": "string"}],
        },
        Struct((Field("a", STRING), Field("b", STRING, True, True))),
    ),
}


@pytest.mark.parametrize("name", TYPES)
def test_logical_types_with_their_options_are_types(name: str) -> None:
    """Each logical type of the standard is a type of ours, with what its options say."""
    block, wanted = TYPES[name]
    assert read_field({"name": "x", **block}).type == wanted


def test_bounds_of_dates_and_times_are_counted() -> None:
    """Text bounds become counts of the type's unit, and text again."""
    options = {"minimum": "1970-01-02", "exclusiveMaximum": "9999-12-31"}
    day = read_field({"name": "x", "logicalType": "date", "logicalTypeOptions": options})
    assert (day.minimum, day.less_than) == (1, 2_932_896)
    options = {"minimum": "1970-01-01T01:00:00.5+01:00"}
    at = read_field({"name": "x", "logicalType": "timestamp", "logicalTypeOptions": options})
    assert at.minimum == 500_000
    _, findings = from_odcs(
        document({"name": "x", "logicalType": "date", "logicalTypeOptions": {"minimum": "2026-02-30"}}), locate
    )
    assert [(f.code, f.where) for f in findings] == [
        ("contract.bound_invalid", "flights.odcs.yaml:schema.0.properties.0.logicalTypeOptions.minimum")
    ]


def test_keys_references_and_tags() -> None:
    """Key positions order the key; relationships and personal tags are read wherever they stand."""
    blocks = [
        {"name": "b", **STRINGS, "primaryKey": True, "primaryKeyPosition": 2, "classification": "PII"},
        {"name": "a", **STRINGS, "primaryKey": True, "primaryKeyPosition": 1, "unique": True},
        {"name": "c", **STRINGS, "relationships": [{"to": "customers.id"}], "tags": ["hot"]},
    ]
    both = {"from": ["flights.a", "flights.b"], "to": ["/schema/kinds/properties/x", "/schema/kinds/properties/y"]}
    made = document(*blocks)
    made["schema"][0] |= {
        "relationships": [both],
        "customProperties": custom(unique=[["a", "c"]], checks=[{"name": "n", "condition": "a <> b"}]),
    }
    found = from_odcs(made, locate)[0].record
    assert (found.primary_key, found.unique, found.checks) == (("a", "b"), (("a", "c"),), (Check("n", "a <> b"),))
    assert found.references == (
        Reference(("c",), "customers", ("id",)),
        Reference(("a", "b"), "/schema/kinds", ("x", "y")),
    )
    assert [f.is_personal for f in found.fields] == [True, False, False]
    assert [f.is_unique for f in found.fields] == [False, True, False]


RULES: dict[str, tuple[dict[str, Any], Rule]] = {
    "metric": (
        {"metric": "nullValues", "mustBeLessThan": 5, "unit": "percent"},
        Rule("", "null_values", "a", is_share=True, below=0.05),
    ),
    "rule of v3.0": (
        {"type": "library", "rule": "duplicateCount", "mustBeLessOrEqualTo": 3, "severity": "warning"},
        Rule("", "duplicate_values", "a", at_most=3.0, severity="warning"),
    ),
    "rule of v3.0 without operator": ({"rule": "nullCheck"}, Rule("", "null_values", "a", at_most=0.0)),
    "valid values of v3.0": (
        {"rule": "validValues", "validValues": ["x", "y"], "mustBe": 0},
        Rule("", "invalid_values", "a", 0.0, 0.0, arguments={"validValues": ("x", "y")}),
    ),
    "pattern": (
        {"metric": "invalidValues", "arguments": {"pattern": "^x"}, "mustNotBeBetween": [1, 2]},
        Rule("", "invalid_values", "a", 1.0, 2.0, arguments={"pattern": ("^x",)}, is_negated=True),
    ),
    "sql": (
        {"type": "sql", "query": "SELECT count(${column}) FROM ${table}", "mustBeGreaterThan": 0, "name": "some"},
        Rule("some", "sql", "a", query="SELECT count({field}) FROM {object}", above=0.0),
    ),
    "custom": (
        {"type": "custom", "engine": "soda", "implementation": "checks"},
        Rule("", "custom", "a", engine="soda", query="checks"),
    ),
    "text": ({"type": "text", "description": "Looks right"}, Rule("", "text", "a", description="Looks right")),
    "one that compares text": (
        {"type": "sql", "query": "SELECT 'x'", "mustBe": "x"},
        Rule("", "custom", "a", engine="odcs", query='{"mustBe":"x","query":"SELECT \'x\'","type":"sql"}'),
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_quality_blocks_are_rules(name: str) -> None:
    """Library metrics of every version, SQL, custom and text are read; what is none of them is kept as it is."""
    block, wanted = RULES[name]
    made = document({"name": "a", **STRINGS, "quality": [block]})
    contract, findings = from_odcs(made, locate)
    assert (findings, contract.record.rules) == ([], (wanted,))
    assert to_odcs(contract) == made


@pytest.mark.parametrize(
    "block",
    [
        {"type": "library", "metric": ["x"], "mustBe": 0},
        {"type": ["x"], "mustBe": 0},
        {"type": "custom", "engine": "interlock", "implementation": {"metric": "row_count", "arguments": 5}},
        {"type": "custom", "engine": "interlock", "implementation": {"metric": "row_count", "arguments": {"a": 1}}},
        {"type": "custom", "engine": "interlock", "implementation": {"metric": "row_count", "at_most": "x"}},
        {"type": "custom", "engine": "interlock", "implementation": {"metric": "row_count", "is_share": 1}},
    ],
)
def test_a_rule_of_the_wrong_shape_is_kept_as_it_is(block: dict[str, Any]) -> None:
    """It is asked of nothing, and is still there when the contract is written again."""
    made = document({"name": "a", **STRINGS, "quality": [block]})
    contract, findings = from_odcs(made, locate)
    assert (findings, [rule.engine for rule in contract.record.rules]) == ([], ["odcs"])
    assert to_odcs(contract) == made


def test_an_edit_leaves_the_rest_of_the_document_alone() -> None:
    """Only what the contract says otherwise is replaced: other tools' properties, examples and order stay."""
    made = document(
        {"name": "a", "logicalType": "string", "businessName": "A", "examples": ["x"]},
        {"name": "b", "logicalType": "object", "logicalTypeOptions": {"required": ["c"]}, "properties": []},
        servers=[{"server": "s", "type": "duckdb"}],
        customProperties=[{"property": "theirs", "value": 1}, *custom(owner="ops")],
    )
    made["schema"][0]["properties"][1]["properties"] = [{"name": "c", "logicalType": "string"}]
    read = from_odcs(made, locate)[0]
    a, b = read.fields
    edited = replace(read, owner="", objects=(replace(read.record, fields=(replace(a, type=INTEGER), b)),))
    properties = [
        {**made["schema"][0]["properties"][0], "logicalType": "integer"},
        made["schema"][0]["properties"][1],
    ]
    assert to_odcs(edited) == {
        **made,
        "schema": [{"name": "flights", "properties": properties}],
        "customProperties": [{"property": "theirs", "value": 1}],
    }


def test_endless_documents_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Properties within properties without end, or in circles, or too many of them, are findings."""
    deep: dict[str, Any] = {"name": "x", "logicalType": "string"}
    for _ in range(1_000):
        deep = {"name": "x", "logicalType": "object", "properties": [deep]}
    circle: dict[str, Any] = {"name": "x", "logicalType": "array"}
    circle["items"] = circle
    monkeypatch.setattr("interlock.domain.schemas.odcs.read.MAX_FIELDS", 1_000)
    wide = [{"name": str(i), "logicalType": "string"} for i in range(1_005)]
    for block, code in ((deep, "contract.too_deep"), (circle, "contract.recursive")):
        contract, findings = from_odcs(document(block), locate)
        assert [f.code for f in findings] == [code]
        assert len(str(contract)) < 1_000 * MAX_DEPTH
    assert [f.code for f in from_odcs(document(*wide), locate)[1]] == ["contract.too_large"]


def test_what_is_not_read_is_said() -> None:
    """An option that we cannot judge is a warning; it stays in the document."""
    block = {"name": "o", "logicalType": "object", "logicalTypeOptions": {"maxProperties": 3}}
    contract, findings = from_odcs(document(block), locate)
    assert [(f.code, f.is_blocking) for f in findings] == [("contract.option_ignored", False)]
    assert to_odcs(contract) == document(block)
    assert isinstance(contract.fields[0].type, Struct)
    assert not isinstance(contract.fields[0].type, Json)
