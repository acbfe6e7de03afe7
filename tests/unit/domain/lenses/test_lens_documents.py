"""Lens documents become lenses, their faults become findings, and the published schema agrees."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from interlock.domain.lenses.expressions.nodes import FLOAT, TEXT, Column, Constant
from interlock.domain.lenses.expressions.typing import call
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import (
    Add,
    Blank,
    Cast,
    Computed,
    Drop,
    Each,
    Fill,
    Head,
    Inside,
    Map,
    Nest,
    Op,
    Recombine,
    Rename,
    Unit,
    Unnest,
    Wrap,
)
from interlock.domain.lenses.parse import LENS_SCHEMA, lens_from
from interlock.domain.schemas.contract import Contract, record
from interlock.domain.schemas.field import ARRAY, NUMBER, STRING, Field, List, Struct

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
    ({"nest": {"fields": ["a", "b"], "into": "o"}}, Nest(("a", "b"), "o")),
    ({"unnest": {"field": "o", "fields": ["a", "b"]}}, Unnest(("a", "b"), "o")),
    ({"wrap": {"field": "a"}}, Wrap("a")),
    ({"head": {"field": "a"}}, Head("a")),
    ({"fill": {"field": "a", "value": -1}}, Fill("a", -1)),
    ({"blank": {"field": "a", "value": "N/A"}}, Blank("a", "N/A")),
    ({"in": {"field": "o", "ops": [{"wrap": {"field": "a"}}]}}, Inside("o", (Wrap("a"),))),
    (
        {"each": {"field": "l", "ops": [{"in": {"field": "o", "ops": [{"head": {"field": "a"}}]}}]}},
        Each("l", (Inside("o", (Head("a"),)),)),
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
    ("lens.names_expected", document({"nest": {"fields": "a", "into": "o"}})),
    ("lens.names_expected", document({"nest": {"fields": ["a", "a"], "into": "o"}})),
    ("lens.names_expected", document({"unnest": {"field": "o", "fields": []}})),
    ("lens.value_missing", document({"fill": {"field": "a"}})),
    ("lens.value_missing", document({"blank": {"field": "a", "value": None}})),
    ("lens.ops_missing", document({"in": {"field": "a", "ops": {"drop": "b"}}})),
    ("lens.op_unknown", document({"each": {"field": "a", "ops": [{"drp": {"field": "b"}}]}})),
    ("lens.formulas_expected", document({"split": {"field": "a", "into": {}, "merge": "b"}})),
    ("lens.key_missing", document({"split": {"field": "a", "into": {"b": "a"}}})),
    ("lens.text_expected", document({"add": {"field": "a", "value": 1}})),
]
FAULTS_OF_MEANING: list[tuple[str, dict[str, Any]]] = [
    ("lens.versions_equal", document(to="1")),
    ("lens.text_expected", document(to=2)),
    ("lens.cast_unknown", document({"cast": {"field": "a", "from": "number", "to": "string"}})),
    ("lens.factor_invalid", document({"unit": {"field": "a", "factor": 0}})),
    ("lens.factor_invalid", document({"unit": {"field": "a", "factor": "1/0"}})),
    ("lens.offset_invalid", document({"unit": {"field": "a", "factor": "1/1000", "offset": 1e308}})),
    ("lens.factor_invalid", document({"unit": {"field": "a", "factor": "123456789.123456789012345"}})),
    ("lens.unit_unknown", document({"unit": {"field": "a", "from": "min", "to": "km"}})),
    ("lens.unit_unknown", document({"unit": {"field": "a", "from": "min", "to": "sec"}})),
    ("lens.unit_twice", document({"unit": {"field": "a", "from": "min", "to": "s", "factor": 60}})),
    ("lens.unit_twice", document({"unit": {"field": "a", "from": "min", "to": "s", "offset": 1}})),
    ("lens.map_twice", document({"map": {"field": "a", "values": {"x": 1}, "pairs": [["x", 2]]}})),
    ("lens.map_empty", document({"map": {"field": "a"}})),
    ("lens.value_twice", document({"add": {"field": "a", "value": "b", "default": 1}})),
    ("lens.value_invalid", document({"fill": {"field": "a", "value": 2**53}})),
    ("lens.untyped", document({"add": {"field": "a", "value": "b"}})),
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
    described(LENS_SCHEMA["$defs"]["op"])


LEG = (Field("miles", NUMBER, nullable=True),)
OLDER = record(
    "flight-features",
    "1",
    (
        Field("route", STRING),
        Field("miles", NUMBER),
        Field("tags", ARRAY),
        Field("legs", List(Field("x", Struct(LEG)))),
    ),
)
NEWER = record(
    "flight-features",
    "2",
    (
        Field("origin", STRING),
        Field("dest", STRING, nullable=True),
        Field("km", NUMBER, nullable=True),
        Field("tags", ARRAY),
        Field("legs", List(Field("x", Struct((*LEG, Field("km", NUMBER, nullable=True)))))),
    ),
)
CONTRACTS: dict[tuple[str, str], Contract] = {(one.name, one.version): one for one in (OLDER, NEWER)}


def test_expressions_are_typed_by_the_contract_on_their_side() -> None:
    """The way there by the older version, the way back by the newer one; in lists by the fields of the objects."""
    split = {"field": "route", "into": {"origin": "upper(route)", "dest": "trim(route)"}, "merge": "origin || dest"}
    inner = {"add": {"field": "km", "value": "miles * 1.6"}}
    lens, findings = lens_from(
        document(
            {"split": split},
            {"add": {"field": "km", "value": "miles * 1.6"}},
            {"drop": {"field": "miles", "value": "coalesce(km / 1.6, 0)"}},
            {"each": {"field": "legs", "ops": [inner]}},
        ),
        locate,
        CONTRACTS,
    )
    assert findings == []
    assert lens is not None
    route, miles, km = Column("route", TEXT, False), Column("miles", FLOAT, False), Column("km", FLOAT)
    back = call("concat", Column("origin", TEXT, False), Column("dest", TEXT))
    factor = Constant(1.6, FLOAT)
    assert lens.ops == (
        Recombine(
            (Computed("route", back, is_needed=True),),
            (Computed("origin", call("upper", route), is_needed=True), Computed("dest", call("trim", route))),
        ),
        Add("km", value=call("mul", miles, factor)),
        Drop("miles", value=call("coalesce", call("div", km, factor), Constant(0.0, FLOAT))),
        Each("legs", (Add("km", value=call("mul", Column("miles", FLOAT), factor)),)),
    )


def test_merging_is_splitting_the_other_way() -> None:
    """The fields of a merge are those that its way back computes."""
    merge = {"into": "route", "value": "origin || '-'", "split": {"origin": "route"}}
    both = {
        ("c", "1"): record("c", "1", (Field("origin", STRING),)),
        ("c", "2"): record("c", "2", (Field("route", STRING),)),
    }
    lens, findings = lens_from(document({"merge": merge}, contract="c"), locate, both)
    assert findings == []
    assert lens is not None
    [op] = lens.ops
    assert isinstance(op, Recombine)
    assert [[one.field for one in side] for side in (op.whole, op.parts)] == [["origin"], ["route"]]


ILL_FORMED = {
    "miles * 'x'": "column 1",
    "miles + 1 + kms": "column 13",
    "upper(tags)": "`tags` is",
    "km": "there is no field",
    "miles +": "cannot be read",
    "random()": "column 1",
}


@pytest.mark.parametrize("text", ILL_FORMED)
def test_an_expression_without_meaning_is_located(text: str) -> None:
    """The finding has the file and line of the expression, the column in it, and a remedy."""
    lens, [finding] = lens_from(document({"add": {"field": "km", "value": text}}), locate, CONTRACTS)
    assert lens is None
    assert (finding.code, finding.where) == ("lens.expression_invalid", "lens.yaml:ops.0.add.value")
    assert ILL_FORMED[text] in finding.says
    assert finding.remedy


def test_expressions_of_the_way_back_see_the_newer_version() -> None:
    """A field of the older version alone is unknown there, even if it was there on the way."""
    _, [finding] = lens_from(document({"drop": {"field": "miles", "value": "route"}}), locate, CONTRACTS)
    assert "there is no field 'route'" in finding.says
