"""ODCS documents become contracts, and every misfit a finding with its place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.domain.schemas.contract import Contract, record
from interlock.domain.schemas.field import INTEGER, STRING, Field, type_of
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
    assert contract == record(
        "flight-features",
        "1",
        (
            Field("dep_delay", INTEGER, True, False, "min", (), (0,), -60.0, 3000.0, "Minutes late"),
            Field("carrier", STRING, required=False, nullable=True, enum=("UA", "B6")),
        ),
        is_open=False,
        owner="ops",
        where="flights.odcs.yaml:",
    )


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
    "contract.schema_many": document(schema=[{"properties": []}, {}]),
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


def test_what_is_not_compared_is_said() -> None:
    """Nested structure and exclusive bounds are read over, and a finding that does not block says so."""
    nested = {"name": "o", "logicalType": "object", "properties": []}
    strict = {"name": "n", "logicalType": "number", "logicalTypeOptions": {"exclusiveMinimum": 0}}
    _, findings = from_odcs(document(nested, strict), locate)
    assert [(f.code, f.is_blocking) for f in findings] == [
        ("contract.nested_opaque", False),
        ("contract.option_ignored", False),
    ]


text = st.text(max_size=5)
numbers = st.integers(-5, 5) | st.floats(-5, 5)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": text,
    "date": text,
    "timestamp": text,
    "integer": st.integers(-5, 5),
    "number": numbers,
    "boolean": st.booleans(),
}


@st.composite
def fields(draw: st.DrawFn, name: str) -> Field:
    kind = draw(st.sampled_from((*VALUES, "object", "array")))
    nullable = draw(st.booleans())
    values = VALUES.get(kind, st.nothing())
    enum = draw(st.lists(values, max_size=3, unique=True)) if kind in VALUES else []
    bounds = sorted(draw(st.lists(st.floats(-9, 9), min_size=2, max_size=2)))
    if kind in ("integer", "number"):
        enum = [v for v in enum if bounds[0] <= v <= bounds[1]]
    allowed = [*enum, *([None] if nullable else [])]
    return Field(
        name,
        type_of(kind),
        required=draw(st.booleans()),
        nullable=nullable,
        unit=draw(st.sampled_from(("", "min", "m/s"))),
        enum=tuple(enum),
        default=(draw(st.sampled_from(allowed)),) if allowed and draw(st.booleans()) else (),
        minimum=bounds[0] if draw(st.booleans()) else None,
        maximum=bounds[1] if draw(st.booleans()) else None,
        description=draw(text),
    )


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    names = draw(st.lists(st.text(min_size=1, max_size=4), max_size=4, unique=True))
    read = tuple(draw(fields(name)) for name in names)
    return record("flights", draw(st.sampled_from(("1", "2.0"))), read, draw(st.booleans()), draw(text))


@given(contracts())
def test_a_written_contract_is_read_back_the_same(contract: Contract) -> None:
    """to_odcs and from_odcs lose nothing but the place."""
    again, findings = from_odcs(to_odcs(contract), lambda path: "")
    assert [f for f in findings if f.is_blocking] == []
    assert again == contract
