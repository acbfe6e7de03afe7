"""Lens documents become lenses, their faults become findings, and the published schema agrees."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import Add, Cast, Drop, Map, Op, Rename, Unit
from interlock.domain.lenses.parse import LENS_SCHEMA, lens_from

VALIDATOR = Draft202012Validator(LENS_SCHEMA)


def locate(path: tuple[str | int, ...]) -> str:
    return "lens.yaml:" + ".".join(map(str, path))


def document(*ops: Any, **more: Any) -> dict[str, Any]:
    return {"kind": "Lens", "contract": "flight-features", "from": "1", "to": "2", "ops": list(ops), **more}


READ: list[tuple[dict[str, Any], Op]] = [
    ({"rename": {"from": "a", "to": "b"}}, Rename("a", "b")),
    ({"add": {"field": "a", "default": None}}, Add("a", None)),
    ({"add": {"field": "a"}}, Add("a", None)),
    ({"drop": {"field": "a", "default": ""}}, Drop("a", "")),
    ({"cast": {"field": "a", "from": "string", "to": "integer"}}, Cast("a", "string", "integer")),
    ({"unit": {"field": "a", "from": "min", "to": "s", "integer": True}}, Unit("a", 60, 1, 0.0, True)),
    ({"unit": {"field": "a", "from": "Cel", "to": "[degF]"}}, Unit("a", 9, 5, 32.0)),
    ({"unit": {"field": "a", "from": "[mi_i]", "to": "km"}}, Unit("a", 25146, 15625)),
    ({"unit": {"field": "a", "factor": 60}}, Unit("a", 60)),
    ({"unit": {"field": "a", "factor": "9/5", "offset": 32}}, Unit("a", 9, 5, 32.0)),
    ({"unit": {"field": "a", "factor": "1.609344"}}, Unit("a", 25146, 15625)),
    ({"unit": {"field": "a", "factor": -0.5}}, Unit("a", -1, 2)),
    ({"map": {"field": "a", "values": {"UA": "United"}}}, Map("a", (("UA", "United"),))),
    (
        {"map": {"field": "a", "pairs": [[1, "x"], [True, None]], "fallback": None}},
        Map("a", ((1, "x"), (True, None)), (None,)),
    ),
]


@pytest.mark.parametrize(("written", "op"), READ)
def test_each_op_is_read_and_fits_the_published_schema(written: dict[str, Any], op: Op) -> None:
    """What the reader takes, the schema takes too."""
    lens, findings = lens_from(document(written), locate)
    assert findings == []
    assert lens == Lens("flight-features", "1", "2", (op,), "lens.yaml:")
    assert VALIDATOR.is_valid(document(written))


FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("lens.op_unknown", document({"renam": {"from": "a", "to": "b"}})),
    ("lens.op_invalid", document("rename")),
    ("lens.op_invalid", document({"rename": {"from": "a", "to": "b"}, "drop": {"field": "c"}})),
    ("lens.op_invalid", document({"drop": "a"})),
    ("lens.key_unknown", document({"rename": {"from": "a", "to": "b", "default": 1}})),
    ("lens.key_unknown", document(owner="me")),
    ("lens.key_missing", document({"rename": {"from": "a"}})),
    ("lens.key_missing", document({"drop": {"field": ""}})),
    ("lens.text_expected", document({"drop": {"field": 1}})),
    ("lens.kind_unknown", document(kind="Lense")),
    ("lens.ops_missing", document(ops=None)),
    ("lens.value_invalid", document({"add": {"field": "a", "default": [1]}})),
    ("lens.flag_expected", document({"unit": {"field": "a", "factor": 2, "integer": "yes"}})),
    ("lens.factor_invalid", document({"unit": {"field": "a", "factor": "two"}})),
    ("lens.map_invalid", document({"map": {"field": "a", "pairs": [[1]]}})),
    ("lens.map_invalid", document({"map": {"field": "a", "values": ["a"]}})),
]
FAULTS_OF_MEANING: list[tuple[str, dict[str, Any]]] = [
    ("lens.versions_equal", document(to="1")),
    ("lens.text_expected", document(to=2)),
    ("lens.cast_unknown", document({"cast": {"field": "a", "from": "number", "to": "string"}})),
    ("lens.factor_invalid", document({"unit": {"field": "a", "factor": 0}})),
    ("lens.factor_invalid", document({"unit": {"field": "a", "factor": "1/0"}})),
    ("lens.factor_invalid", document({"unit": {"field": "a", "factor": "123456789.123456789012345"}})),
    ("lens.unit_unknown", document({"unit": {"field": "a", "from": "min", "to": "km"}})),
    ("lens.unit_unknown", document({"unit": {"field": "a", "from": "min", "to": "sec"}})),
    ("lens.unit_twice", document({"unit": {"field": "a", "from": "min", "to": "s", "factor": 60}})),
    ("lens.unit_twice", document({"unit": {"field": "a", "from": "min", "to": "s", "offset": 1}})),
    ("lens.map_twice", document({"map": {"field": "a", "values": {"x": 1}, "pairs": [["x", 2]]}})),
    ("lens.map_empty", document({"map": {"field": "a"}})),
]


@pytest.mark.parametrize(("code", "faulty"), FAULTS + FAULTS_OF_MEANING)
def test_a_fault_yields_no_lens_and_a_finding_with_place_and_remedy(code: str, faulty: dict[str, Any]) -> None:
    """The finding says where the fault is written and what would mend it."""
    lens, findings = lens_from(faulty, locate)
    assert lens is None
    assert code in [finding.code for finding in findings]
    assert all(f.is_blocking and f.remedy and f.where.startswith("lens.yaml:") for f in findings)


@pytest.mark.parametrize("faulty", [faulty for _, faulty in FAULTS])
def test_faults_of_shape_misfit_the_published_schema(faulty: dict[str, Any]) -> None:
    """An editor that knows the schema marks them before Interlock sees them."""
    assert not VALIDATOR.is_valid(faulty)


def test_a_misspelt_op_is_located_and_the_near_one_named() -> None:
    """`did you mean` helps, and the other ops are still read."""
    _, findings = lens_from(document({"rename": {"from": "a", "to": "b"}}, {"unot": {}}, {"drop": {}}), locate)
    assert [f.where for f in findings] == ["lens.yaml:ops.1", "lens.yaml:ops.2.drop"]
    assert "unit" in findings[0].remedy


def test_the_schema_is_valid_and_describes_every_property() -> None:
    """Editors show a description for whatever can be written."""
    Draft202012Validator.check_schema(LENS_SCHEMA)

    def described(schema: dict[str, Any]) -> None:
        for name, one in schema.get("properties", {}).items():
            assert one["description"], name
            assert one["examples"], name
            described(one)
            described(one.get("items", {}))

    described(LENS_SCHEMA)
