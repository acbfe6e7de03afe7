"""What each op does to a record, and what it rejects."""

from __future__ import annotations

import json
from typing import Any

import pytest

from interlock.domain.lenses.apply import MAX_DEPTH, Rejected, apply, compile_program, translate_text
from interlock.domain.lenses.expressions.nodes import DATE, FLOAT, INT, TEXT, Column, Constant
from interlock.domain.lenses.expressions.typing import call
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
from interlock.domain.lenses.reverse import reversed_ops
from interlock.domain.schemas.field import Decimal
from interlock.domain.schemas.scalars import depth, equal_json
from interlock.kernel.errors import Invalid

CARRIERS = Map("c", (("UA", "United"), ("B6", "JetBlue"), (1, "one"), (True, "yes")))

TENS = Recombine(
    (Computed("n", call("add", call("mul", Column("t", INT), Constant(10, INT)), Column("o", INT))),),
    (
        Computed("t", call("idiv", Column("n", INT), Constant(10, INT)), is_needed=True),
        Computed("o", call("mod", Column("n", INT), Constant(10, INT))),
    ),
)
INNER = (Rename("p", "q"), Unit("q", 60, integer=True))

TRANSLATED: list[tuple[Op, dict[str, Any], dict[str, Any]]] = [
    (Rename("a", "b"), {"x": 1, "a": 2, "y": 3}, {"x": 1, "b": 2, "y": 3}),
    (Rename("a", "a"), {"a": 2}, {"a": 2}),
    (Rename("a", "b"), {"b": 2}, {"b": 2}),
    (Add("a", None), {}, {"a": None}),
    (Add("a", 1), {"a": 2}, {"a": 2}),
    (Drop("a", 1), {"a": 2, "b": [1]}, {"b": [1]}),
    (Unit("a", 60, integer=True), {"a": 1.5}, {"a": 90}),
    (Unit("a", 1, 60, integer=True), {"a": 90}, {"a": 2}),
    (Unit("a", 1, 60, integer=True), {"a": 150}, {"a": 2}),
    (Unit("a", 9, 5, 32.0), {"a": 100}, {"a": 212.0}),
    (Unit("a", 60), {"a": None}, {"a": None}),
    (CARRIERS, {"c": "UA"}, {"c": "United"}),
    (CARRIERS, {"c": 1.0}, {"c": "one"}),
    (CARRIERS, {"c": True}, {"c": "yes"}),
    (CARRIERS, {"c": None}, {"c": None}),
    (Map("c", ((None, "none"),)), {"c": None}, {"c": "none"}),
    (Map("c", (("a", 1),), ("other",)), {"c": [7]}, {"c": "other"}),
    (Map("c", (("a", 1), ("a", 2))), {"c": "a"}, {"c": 1}),
    (Cast("a", "integer", "string"), {"a": -5.0}, {"a": "-5"}),
    (Cast("a", "string", "integer"), {"a": "+007"}, {"a": 7}),
    (Cast("a", "number", "integer"), {"a": 5.0}, {"a": 5}),
    (Cast("a", "integer", "number"), {"a": 2**60}, {"a": 2**60}),
    (Cast("a", "boolean", "string"), {"a": True}, {"a": "true"}),
    (Cast("a", "string", "boolean"), {"a": "false"}, {"a": False}),
    (Cast("a", "boolean", "integer"), {"a": True}, {"a": 1}),
    (Cast("a", "integer", "boolean"), {"a": 0.0}, {"a": False}),
    (Add("a", value=call("mul", Column("n", INT), Constant(2, INT))), {"n": 4}, {"n": 4, "a": 8}),
    (Add("a", value=Column("n", INT)), {"n": 4, "a": 1}, {"n": 4, "a": 1}),
    (Add("a", value=call("to_date", Column("d", TEXT))), {"d": "2024-02-30"}, {"d": "2024-02-30", "a": None}),
    (Add("a", value=Column("d", DATE)), {"d": "2024-02-29"}, {"d": "2024-02-29", "a": "2024-02-29"}),
    (Add("a", value=Column("d", Decimal(5, 2))), {"d": 1.5}, {"d": 1.5, "a": 1.5}),
    (Add("a", value=Column("d", Decimal(20, 2))), {"d": "1.50"}, {"d": "1.50", "a": "1.50"}),
    (Drop("a", value=Column("x", FLOAT)), {"a": 1, "x": 2.0}, {"x": 2.0}),
    (TENS, {"n": -42, "x": 1}, {"x": 1, "t": -4, "o": -2}),
    (TENS, {"x": 1}, {"x": 1}),
    (Nest(("a", "b"), "o"), {"b": 2, "x": 0, "a": 1}, {"x": 0, "o": {"a": 1, "b": 2}}),
    (Nest(("a", "b"), "b"), {"b": 2, "a": 1}, {"b": {"a": 1, "b": 2}}),
    (Nest(("a", "b"), "o"), {"x": 0}, {"x": 0}),
    (Unnest(("a", "b"), "o"), {"o": {"b": 2}, "x": 0}, {"x": 0, "b": 2}),
    (Unnest(("a", "b"), "o"), {"o": None, "x": 0}, {"x": 0, "a": None, "b": None}),
    (Unnest(("a",), "o"), {"x": 0}, {"x": 0}),
    (Wrap("a"), {"a": None}, {"a": [None]}),
    (Wrap("a"), {}, {}),
    (Head("a"), {"a": [[1], 2]}, {"a": [1]}),
    (Head("a"), {"a": []}, {"a": None}),
    (Head("a"), {"a": None}, {"a": None}),
    (Fill("a", -1), {"a": None}, {"a": -1}),
    (Fill("a", -1), {}, {}),
    (Blank("a", 1), {"a": 1.0}, {"a": None}),
    (Blank("a", 1), {"a": True}, {"a": True}),
    (Blank("a", 1), {"a": [1]}, {"a": [1]}),
    (Inside("o", INNER), {"o": {"p": 1, "r": 2}}, {"o": {"q": 60, "r": 2}}),
    (Inside("o", INNER), {"o": None}, {"o": None}),
    (Each("l", INNER), {"l": [{"p": 1}, None, {}]}, {"l": [{"q": 60}, None, {}]}),
    (Each("l", INNER), {}, {}),
]


@pytest.mark.parametrize(("op", "record", "expected"), TRANSLATED)
def test_an_op_translates_as_documented(op: Op, record: dict[str, Any], expected: dict[str, Any]) -> None:
    """The result has the value and the JSON type, and keys keep their order."""
    translated = apply((op,), record)
    assert equal_json(translated, expected)
    assert list(translated) == list(expected)


REJECTED: list[tuple[Op, Any]] = [
    (Unit("a", 60), True),
    (Unit("a", 60), "5"),
    (Unit("a", 60), float("nan")),
    (Unit("a", 60), 10**400),
    (Unit("a", 60), 1e308),
    (Unit("a", 60, integer=True), 2**53),
    (Unit("a", 60), {"b": 1}),
    (Map("a", (("x", 1),)), "y"),
    (Map("a", ((1, "x"),)), True),
    (Map("a", ((1, "x"),)), [1]),
    (Cast("a", "integer", "string"), 1.5),
    (Cast("a", "integer", "string"), 10**15),
    (Cast("a", "integer", "string"), True),
    (Cast("a", "string", "integer"), " 7"),
    (Cast("a", "string", "integer"), "٧"),
    (Cast("a", "string", "integer"), "7\n"),
    (Cast("a", "string", "integer"), "1" * 16),
    (Cast("a", "string", "integer"), 7),
    (Cast("a", "number", "integer"), 2**53),
    (Cast("a", "number", "integer"), 0.5),
    (Cast("a", "integer", "number"), 0.5),
    (Cast("a", "string", "boolean"), "True"),
    (Cast("a", "boolean", "string"), 1),
    (Cast("a", "boolean", "integer"), 1),
    (Cast("a", "integer", "boolean"), True),
    (Cast("a", "integer", "boolean"), 2),
    (Cast("a", "number", "string"), 1),
    (Head("a"), {"b": 1}),
    (Head("a"), "text"),
    (Inside("a", INNER), [1]),
    (Inside("a", INNER), 1),
    (Each("a", INNER), {"p": 1}),
    (Each("a", INNER), [{"p": 1}, 2]),
    (Unnest(("b",), "a"), [1]),
    (Unnest(("b",), "a"), {"c": 1}),
    (Nest(("b",), "a"), 1),
]


REJECTED_ELSEWHERE: list[tuple[Op, dict[str, Any], str]] = [
    (TENS, {"n": None}, "t"),
    (TENS, {"n": "42"}, "t"),
    (TENS, {"n": 42, "o": 1}, "o"),
    (Unnest(("b",), "a"), {"a": {"b": 1}, "b": 2}, "b"),
    (Inside("o", INNER), {"o": {"p": "x"}}, "o.q"),
    (Inside("o", (Each("l", INNER),)), {"o": {"l": [{"p": 1}, {"p": 1, "q": 2}]}}, "o.l.q"),
    (Inside("o", (Each("l", INNER),)), {"o": {"l": 7}}, "o.l"),
]


@pytest.mark.parametrize(("op", "record", "field"), REJECTED_ELSEWHERE)
def test_a_rejection_names_the_field_by_its_path(op: Op, record: dict[str, Any], field: str) -> None:
    """Also where it lies inside an object or a list, and where it could not be made."""
    with pytest.raises(Rejected) as caught:
        apply((op,), record)
    assert caught.value.field == field


@pytest.mark.parametrize(("op", "value"), REJECTED)
def test_a_value_without_counterpart_is_rejected_by_field_and_rule(op: Op, value: Any) -> None:
    """The rejection is the caller's to correct; it names the field, and never the value."""
    with pytest.raises(Rejected) as caught:
        apply((op,), {"a": value})
    assert isinstance(caught.value, Invalid)
    assert (caught.value.code, caught.value.field) == ("lens.rejected", "a")
    assert str(caught.value) == f"`a` {caught.value.reason}"


def test_a_rename_onto_a_field_that_is_there_is_rejected() -> None:
    """Neither of two values is silently lost."""
    with pytest.raises(Rejected, match="`b` is there already"):
        apply((Rename("a", "b"),), {"a": 1, "b": 2})


def test_a_compiled_program_serves_many_records() -> None:
    """The program is prepared once, and no record sees another."""
    run = compile_program((Rename("a", "b"), Unit("b", 60, integer=True), Add("w", 1)))
    assert [run({"a": n}) for n in range(3)] == [{"b": 60 * n, "w": 1} for n in range(3)]


def test_a_program_is_turned_around_op_by_op() -> None:
    """Each op has its inverse, in reverse order; an offset changes its sign and scale."""
    program = (
        Rename("a", "b"),
        Unit("b", 9, 5, 32.0),
        Add("w", 1),
        Drop("t", ""),
        Cast("h", "string", "integer"),
        Map("c", (("x", 1), ("y", 1)), ("z",)),
    )
    assert reversed_ops(program) == (
        Map("c", ((1, "x"), (1, "y"))),
        Cast("h", "integer", "string"),
        Add("t", ""),
        Drop("w", 1),
        Unit("b", 5, 9, -160 / 9),
        Rename("b", "a"),
    )
    assert reversed_ops((Unit("a", -2, 3),)) == (Unit("a", -3, 2),)


def test_shapes_and_expressions_are_turned_around_as_well() -> None:
    """Each has its counterpart; what an expression makes on one side is dropped on the other."""
    value = Column("n", INT)
    inner = (Fill("p", 0), Wrap("p"))
    program: tuple[Op, ...] = (
        Add("a", value=value),
        Nest(("a", "b"), "o"),
        Inside("o", inner),
        Each("l", inner),
        TENS,
    )
    back = (Head("p"), Blank("p", 0))
    assert reversed_ops(program) == (
        Recombine(TENS.parts, TENS.whole),
        Each("l", back),
        Inside("o", back),
        Unnest(("a", "b"), "o"),
        Drop("a", value=value),
    )
    assert reversed_ops(reversed_ops(program)) == program


def test_bodies_are_objects_or_arrays_of_objects() -> None:
    """A body is translated whole; numbers too large for doubles stay exact integers."""
    program = (Rename("a", "b"),)
    assert translate_text(program, '{"a": 12345678901234567890}') == '{"b":12345678901234567890}'
    assert json.loads(translate_text(program, '[{"a": [1]}, {}]')) == [{"b": [1]}, {}]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("7", "neither an object nor"),
        ("[{}, 1]", "neither an object nor"),
        ("{", "not valid JSON"),
        ("{} x", "not valid JSON"),
        ('{"a": NaN}', "range of doubles"),
        ('{"a": 1e999}', "range of doubles"),
        ('{"a": {"b": 1, "\\u0062": 2}}', "names a key twice"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nests deeper"),
        ("[" * 100_000, "not valid JSON"),
        ("[" * 600 + "]" * 600, "nests deeper"),
        ('{"a":' * 600 + "1" + "}" * 600, "nests deeper"),
        ("[" * 5_000 + "]" * 5_000, "nests deeper"),
        ('{"a":' * 5_000 + "1" + "}" * 5_000, "nests deeper"),
    ],
)
def test_a_body_that_is_ambiguous_or_no_json_is_rejected(text: str, why: str) -> None:
    """Nothing is guessed about a body that readers could take in two ways."""
    with pytest.raises(Rejected, match=why):
        translate_text((), text)


def test_depth_is_told_of_any_value() -> None:
    """However deep it is: no reader of records may fall over what a stranger sends."""
    record: Any = 1
    for _ in range(5_000):
        record = {"a": [record, {}]}
    assert depth(record) == 10_001
    assert [depth(one) for one in (1, "[", [], {}, {"a": [1, {}]}, [[], {"a": []}])] == [0, 0, 1, 1, 3, 3]
