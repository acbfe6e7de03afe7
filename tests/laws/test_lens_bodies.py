"""Every shape of a body gives its records and takes them back; a lens does to each what the reference does."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.domain.lenses.apply import Rejected, compile_program
from interlock.domain.lenses.bodies import BodyShape, body_run, closed, opened, without_selection
from interlock.domain.lenses.ops import Add, Blank, Cast, Drop, Map, Nest, Program, Rename, Unit

names = st.text("abcdefg.", min_size=1, max_size=3)
values = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=3)
nested = st.recursive(values, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2))
records = st.dictionaries(names, nested, max_size=4)
around = st.fixed_dictionaries({}, optional={"params": st.dictionaries(names, values), "signature_name": names})
elements = {
    "BOOL": st.booleans(),
    "INT32": st.integers(-(2**31), 2**31 - 1),
    "UINT64": st.integers(0, 2**64 - 1),
    "FP64": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9),
    "BYTES": st.text(max_size=3),
}


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    columns = draw(st.lists(names, unique=True, max_size=4))
    rows = draw(st.lists(st.tuples(*[nested] * len(columns)).map(list), max_size=3))
    index = draw(st.fixed_dictionaries({}, optional={"index": st.just(list(range(len(rows))))}))
    return {**draw(around), "dataframe_split": {"columns": columns, **index, "data": rows}}


@st.composite
def columnar(draw: st.DrawFn) -> dict[str, Any]:
    number = draw(st.integers(0, 3))
    columns = draw(st.dictionaries(names, st.lists(nested, min_size=number, max_size=number), max_size=3))
    return {draw(st.sampled_from(("inputs", "outputs", "predictions"))): columns, **draw(around)}


@st.composite
def listed(draw: st.DrawFn) -> dict[str, Any]:
    key = draw(st.sampled_from(("dataframe_records", "instances", "inputs", "predictions")))
    return {**draw(around), key: draw(st.lists(records, max_size=3))}


def folded(flat: list[Any], shape: list[int]) -> list[Any]:
    if len(shape) < 2:
        return flat
    size = math.prod(shape[1:])
    return [folded(flat[i * size : (i + 1) * size], shape[1:]) for i in range(shape[0])]


@st.composite
def tensor_bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Tensors of one batch, flat or nested, with what the protocol lets stand beside them."""
    batch, tensors = draw(st.integers(0, 3)), []
    for name in draw(st.lists(names, unique=True, min_size=1, max_size=3)):
        datatype = draw(st.sampled_from(sorted(elements)))
        shape = [batch, *draw(st.sampled_from(([], [1], [1, 1], [2], [2, 3])))]
        count = math.prod(shape)
        flat = draw(st.lists(elements[datatype], min_size=count, max_size=count))
        data = folded(flat, shape) if draw(st.booleans()) else flat
        told = draw(st.fixed_dictionaries({}, optional={"parameters": st.just({"content_type": "np"})}))
        tensors.append({"name": name, "shape": shape, "datatype": datatype, **told, "data": data})
    beside = draw(st.fixed_dictionaries({}, optional={"id": names, "model_name": names}))
    return {**beside, draw(st.sampled_from(("inputs", "outputs"))): tensors}


BODIES: dict[BodyShape, st.SearchStrategy[Any]] = {
    "object": records | st.lists(records, max_size=3),
    "mlflow": tables() | columnar() | listed(),
    "oip": tensor_bodies(),
}
shaped = st.sampled_from(sorted(BODIES)).flatmap(lambda shape: BODIES[shape].map(lambda body: (shape, body)))


def text(value: Any) -> str:
    """Exactly this JSON: the order of keys, and 1 other than 1.0."""
    return json.dumps(value)


@settings(max_examples=300, deadline=None)
@given(shaped)
def test_to_records_and_back_is_the_identity(case: tuple[BodyShape, Any]) -> None:
    """Nothing of a body is lost or changed on the way, in any shape."""
    shape, body = case
    found, frame = opened(body, shape)
    if found or shape == "object":
        assert text(closed(frame, found)) == text(body)
    assert text(body_run((), shape)(body)) == text(body)


@settings(max_examples=300, deadline=None)
@given(shaped)
def test_renaming_there_and_back_is_the_identity(case: tuple[BodyShape, Any]) -> None:
    """A tensor keeps its datatype, shape and layout under another name; names come back with zero rows, too."""
    shape, body = case
    there = body_run((Rename("a", "zz"), Rename("b", "yy")), shape)(body)
    back = body_run((Rename("yy", "b"), Rename("zz", "a")), shape)(there)
    assert text(back) == text(body)


@settings(max_examples=300, deadline=None)
@given(shaped)
def test_each_record_is_what_the_reference_makes_of_it(case: tuple[BodyShape, Any]) -> None:
    """The shape decides where the records are, never what becomes of them."""
    shape, body = case
    program: Program = (Rename("a", "zz"), Add("n", 1), Drop("b"))
    found = opened(body, shape)[0]
    expected = [compile_program(program)(record) for record in found]
    if expected:
        assert text(opened(body_run(program, shape)(body), shape)[0]) == text(expected)


def tensor(name: str, datatype: str, data: list[Any], *inner: int) -> dict[str, Any]:
    batch = len(data) // max(math.prod(inner), 1)
    return {"name": name, "shape": [batch, *inner], "datatype": datatype, "data": data}


def test_a_tensor_that_a_lens_makes_has_the_datatype_that_its_reader_declares() -> None:
    """Without a declaration it is the widest of its kind; and it has the shape that tensors of one value have."""
    body = {"inputs": [tensor("a", "INT32", [1, 2], 1), tensor("m", "FP32", [1, 2, 3, 4], 2)]}
    program: Program = (Unit("a", 1, 2), Add("n", 7))
    made = body_run(program, "oip", {"a": "FP32", "n": "INT16"})(body)
    assert made["inputs"] == [
        tensor("a", "FP32", [0.5, 1.0], 1),
        body["inputs"][1],
        tensor("n", "INT16", [7, 7], 1),
    ]
    assert [t["datatype"] for t in body_run(program, "oip")(body)["inputs"]] == ["FP64", "FP32", "INT64"]
    assert body_run((Map("a", ((1, "x"), (2, "y"))),), "oip")(body)["inputs"][0] == tensor(
        "a", "BYTES", ["x", "y"], 1
    )


def test_an_empty_batch_is_translated_by_name() -> None:
    """There is no row to look at; what the lens does to names is known from a row of nulls."""
    empty = {"inputs": [{"name": "a", "shape": [0, 1], "datatype": "FP32", "data": []}]}
    made = body_run((Rename("a", "b"), Add("n", 1)), "oip", {"n": "INT64"})(empty)
    assert [(t["name"], t["datatype"], t["shape"]) for t in made["inputs"]] == [
        ("b", "FP32", [0, 1]),
        ("n", "INT64", [0, 1]),
    ]


one = tensor("a", "INT64", [1])
REFUSED: list[tuple[BodyShape, Any, Program, str]] = [
    ("object", [1], (), "neither an object nor an array of objects"),
    ("mlflow", {"x": 1}, (), "the body has none of dataframe_split"),
    ("mlflow", {"inputs": {}, "instances": []}, (), "the body has both instances and inputs"),
    ("mlflow", {"predictions": [0.5, 0.7]}, (), "`predictions` has values without names"),
    ("mlflow", {"dataframe_split": {"data": [[1]]}}, (), "`dataframe_split` does not name its columns"),
    ("mlflow", {"dataframe_split": {"columns": ["a", "a"], "data": []}}, (), "names a column twice"),
    ("mlflow", {"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}, (), "a row that is not one value"),
    ("mlflow", {"inputs": {"a": [1], "b": []}}, (), "columns that are no lists of one length"),
    ("oip", [], (), "no tensors under inputs or outputs"),
    ("oip", {"inputs": [one, one]}, (), "two of one name"),
    ("oip", {"inputs": [one, tensor("b", "INT64", [1, 2])]}, (), "tensors of different first dimensions"),
    ("oip", {"inputs": [{**one, "shape": []}]}, (), "`a` has no shape"),
    ("oip", {"inputs": [{**one, "shape": [True]}]}, (), "`a` has no shape"),
    ("oip", {"inputs": [{**one, "shape": [2]}]}, (), "`a` has not as many values as its shape says"),
    ("oip", {"inputs": [{**one, "shape": [10**9, 0], "data": []}]}, (), "`a` has a shape that no values fill"),
    ("oip", {"inputs": [{**one, "shape": [1, 10**9, 0], "data": []}]}, (), "`a` has a shape that no values fill"),
    ("oip", {"inputs": [{**one, "shape": [1] * 3_000 + [2], "data": [1, 2]}]}, (), "`a` has a shape that"),
    ("oip", {"inputs": [{**one, "data": [[1], [2]], "shape": [2, 2]}]}, (), "`a` has not as many values"),
    ("oip", {"inputs": [{**one, "data": None, "parameters": {"binary_data_size": 8}}]}, (), "as binary data"),
    (
        "oip",
        {"inputs": [one], "outputs": [{"name": "s", "parameters": {"binary_data": True}}]},
        (),
        "`s` is asked for",
    ),
    ("oip", {"inputs": [one], "parameters": {"binary_data_output": True}}, (), "as binary data"),
    ("oip", {"inputs": [one]}, (Blank("a", 1),), "`a` has values that no tensor of one datatype holds"),
    ("oip", {"inputs": [one]}, (Nest(("a",), "o"),), "`o` has values that no tensor"),
    ("oip", {"inputs": [tensor("a", "INT64", [2**40])]}, (Unit("a", 1, integer=True),), "no tensor of INT32 holds"),
    ("oip", {"inputs": [one]}, (Cast("a", "boolean", "string"),), "`a` is no boolean"),
]


@pytest.mark.parametrize(("shape", "body", "program", "why"), REFUSED, ids=[why for *_, why in REFUSED])
def test_what_has_no_records_is_rejected_in_words(shape: BodyShape, body: Any, program: Program, why: str) -> None:
    """The reason names the part of the body, and never a value."""
    with pytest.raises(Rejected) as rejected:
        body_run(program, shape, {"a": "INT32"} if program and program[0].op == "unit" else {})(body)
    assert why in str(rejected.value)


def test_a_request_that_selects_answers_by_name_is_rejected_where_answers_are_translated() -> None:
    """The names that callers know are not those of the service."""
    run = without_selection(body_run((), "oip"))
    assert run({"inputs": [one]}) == {"inputs": [one]}
    with pytest.raises(Rejected, match="selects tensors of the answer"):
        run({"inputs": [one], "outputs": [{"name": "score"}]})


@pytest.mark.parametrize("outputs", [None, 3, {"name": "s"}, [None, "s"]])
def test_what_a_request_asks_for_may_be_written_badly(outputs: Any) -> None:
    """It is the server's to refuse: the records are there, and are translated."""
    translated = body_run((Rename("a", "b"),), "oip")({"inputs": [one], "outputs": outputs})
    assert translated == {"inputs": [{**one, "name": "b"}], "outputs": outputs}


def test_empty_values_are_values() -> None:
    """A tensor whose rows hold nothing keeps its shape."""
    empty = {**one, "shape": [3, 0], "data": []}
    assert body_run((Rename("a", "b"),), "oip")({"inputs": [empty]}) == {"inputs": [{**empty, "name": "b"}]}
