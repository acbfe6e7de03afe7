"""Avro schemas: what can be read, and what a reader makes of what another schema wrote."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import fastavro
import pytest

from interlock.domain.schemas.avro.parse import parse_avro
from interlock.domain.schemas.avro.reads import reads
from interlock.domain.schemas.fault import SchemaUnreadable
from interlock.domain.schemas.reason import Reason


def parsed(schema: Any, **references: Any) -> Any:
    return parse_avro(json.dumps(schema), {name: json.dumps(text) for name, text in references.items()})


def record(*fields: Any, name: str = "R", **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields), **more}


def field(name: str, kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def told(writer: Any, reader: Any, *, is_lenient: bool = False) -> tuple[Reason, ...]:
    return reads(parsed(reader), parsed(writer), is_lenient=is_lenient)


def blocking(reasons: tuple[Reason, ...]) -> list[tuple[str, str]]:
    return [(r.code, r.path) for r in reasons if r.is_blocking]


FIXED = {"type": "fixed", "name": "F", "size": 4}
ENUM = {"type": "enum", "name": "E", "symbols": ["A", "B"]}


@pytest.mark.parametrize(
    ("writer", "reader", "reasons"),
    [
        (record(), record(field("x", "int")), [("READER_FIELD_MISSING_DEFAULT_VALUE", "/fields/0")]),
        (record(), record(field("x", "int", default=0)), []),
        (record(field("x", "int")), record(field("x", "string")), [("TYPE_MISMATCH", "/fields/0/type")]),
        (record(field("x", "int")), record(field("y", "int", aliases=["x"])), []),
        (record(name="A"), record(name="B"), [("NAME_MISMATCH", "/name")]),
        (record(name="A"), record(name="B", aliases=["A"]), []),
        ({**ENUM, "symbols": ["A", "B", "C"]}, ENUM, [("MISSING_ENUM_SYMBOLS", "/symbols")]),
        ({**ENUM, "symbols": ["A", "B", "C"]}, {**ENUM, "default": "A"}, []),
        (FIXED, {**FIXED, "size": 8}, [("FIXED_SIZE_MISMATCH", "/size")]),
        (["null", "int", "string"], ["null", "int"], [("MISSING_UNION_BRANCH", "/2")]),
        ("string", ["null", "int"], [("MISSING_UNION_BRANCH", "/")]),
        (["null", "int"], "int", [("TYPE_MISMATCH", "/")]),
        ({"type": "array", "items": "int"}, {"type": "array", "items": "string"}, [("TYPE_MISMATCH", "/items")]),
        ({"type": "map", "values": "int"}, {"type": "map", "values": "long"}, []),
    ],
)
def test_every_reason_has_its_place(writer: Any, reader: Any, reasons: list[tuple[str, str]]) -> None:
    """Names are those that registries use; the path leads into the reader's schema (the writer's, in a union)."""
    assert blocking(told(writer, reader)) == reasons


def test_all_reasons_are_told_and_each_says_what_would_help() -> None:
    """Not only the first."""
    reasons = told(record(field("a", "int")), record(field("a", "string"), field("b", "int"), name="Q"))
    assert [r.code for r in reasons] == ["NAME_MISMATCH", "TYPE_MISMATCH", "READER_FIELD_MISSING_DEFAULT_VALUE"]
    assert all(r.remedy for r in reasons)


def test_what_resolution_lets_pass_but_may_change_is_noted() -> None:
    """A long read as a double and a symbol read as the default are no reason to refuse, and none to be silent."""
    assert [(r.code, r.is_blocking) for r in told("long", "double")] == [("LOSSY_PROMOTION", False)]
    assert told("int", "long") == ()
    defaulted = told({**ENUM, "symbols": ["A", "C"]}, {**ENUM, "default": "A"})
    assert [(r.code, r.is_blocking) for r in defaulted] == [("MISSING_ENUM_SYMBOLS", False)]


@pytest.mark.parametrize(
    ("writer", "reader"),
    [
        (
            {"logicalType": "decimal", "precision": 9, "scale": 2},
            {"logicalType": "decimal", "precision": 9, "scale": 3},
        ),
        ({"logicalType": "decimal", "precision": 9}, {"logicalType": "duration-of-mine"}),
    ],
)
def test_another_logical_type_reads_the_same_bytes_as_another_value(writer: Any, reader: Any) -> None:
    """1.23 would be read as 0.123: blocking, unless the lenient policy assumes that readers take bytes alone."""
    one, other = {"type": "bytes", **writer}, {"type": "bytes", **reader}
    assert blocking(told(one, other)) == [("LOGICAL_TYPE_CHANGED", "/")]
    assert blocking(told(one, other, is_lenient=True)) == []
    assert blocking(told(one, "bytes")) == []


def test_types_inside_themselves() -> None:
    """A list of itself is compared once, and its fields are found wherever they are."""
    node = record(field("next", ["null", "N"]), field("v", "int"), name="N")
    assert told(node, node) == ()
    other = record(field("next", ["null", "N"]), field("v", "string"), name="N")
    assert ("TYPE_MISMATCH", "/fields/1/type") in blocking(told(node, other))


def test_references_are_known_by_name() -> None:
    """Also those that need one another, in the order in which they are given."""
    cents = {"type": "fixed", "name": "Cents", "namespace": "m", "size": 8}
    money = record(field("amount", "m.Cents"), name="Money", namespace="m")
    order = parsed(record(field("price", "m.Money")), **{"m.Cents": cents, "m.Money": money})
    assert order.fields[0].type.fields[0].type.size == 8


@pytest.mark.parametrize(
    ("text", "says", "where"),
    [
        ('{"type": "recor', "no JSON", "line 1 column 10"),
        ("", "no JSON", "line 1 column 1"),
        ('{"type": "record"}', "Name None", ""),
        ('"Money"', "Money", ""),
        ('{"type": "enum", "name": "E", "symbols": ["A", "A"]}', "Duplicate", ""),
        ('{"type": "enum", "name": "E", "symbols": ["A"], "default": "B"}', "not a valid member", ""),
        ('{"type": "record", "name": "A b", "fields": []}', "not a valid Avro name", ""),
        ('["null", "null"]', "already in Union", ""),
        ("[" * 100_000, "deeply", ""),
    ],
)
def test_what_cannot_be_read_is_told(text: str, says: str, where: str) -> None:
    """With line and column where the text is no JSON."""
    with pytest.raises(SchemaUnreadable, match=says) as refused:
        parse_avro(text, {})
    assert refused.value.where == where


@pytest.mark.parametrize(
    ("kind", "default"),
    [
        ("int", "5"),
        ("int", 2**31),
        ("boolean", 1),
        (["null", "int"], "x"),
        ({"type": "array", "items": "int"}, [1, "2"]),
        ({"type": "fixed", "name": "F", "size": 2}, "abc"),
        (record(field("x", "int"), name="Inner"), {}),
    ],
)
def test_a_default_that_is_no_value_of_its_type_is_refused(kind: Any, default: Any) -> None:
    """A reader would fail on the first record that lacks the field."""
    with pytest.raises(SchemaUnreadable, match="default"):
        parsed(record(field("x", kind, default=default)))


@pytest.mark.parametrize(
    ("kind", "default"),
    [
        (["null", "int"], None),
        (["null", "int"], 5),
        ("double", "NaN"),
        ({"type": "map", "values": "int"}, {"a": 1}),
        (record(field("x", "int", default=1), name="Inner"), {}),
    ],
)
def test_a_default_of_its_type_is_taken(kind: Any, default: Any) -> None:
    """Of a union, a value of any branch."""
    assert parsed(record(field("x", kind, default=default))).fields[0].has_default


def test_a_union_of_many_records_is_read_by_their_names() -> None:
    """Each branch finds its own among a thousand; a renamed one by its alias; a lost one is told."""

    def union(*names: str, **aliases: list[str]) -> Any:
        branches = [
            record(field("x", "int"), name=n, **({"aliases": aliases[n]} if n in aliases else {})) for n in names
        ]
        return record(field("u", ["null", *branches]))

    names = [f"R{i}" for i in range(1_000)]
    assert told(union(*names), union(*reversed(names))) == ()
    assert told(union(*names), union(*names[:-1], "New", New=["R999"])) == ()
    assert blocking(told(union(*names), union(*names[:-1]))) == [
        ("MISSING_UNION_BRANCH", "/fields/0/type/1000"),
    ]


def read_back(writer: Any, reader: Any, value: Any) -> Any:
    """What fastavro reads with `reader` of what it wrote with `writer`."""
    out = BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(writer), value)
    out.seek(0)
    return fastavro.schemaless_reader(out, fastavro.parse_schema(writer), fastavro.parse_schema(reader))


@pytest.mark.parametrize(
    ("writer", "reader", "value"),
    [
        (
            record(field("a", "int"), field("b", "string")),
            record(field("b", "string", aliases=["a"])),
            {"a": 1, "b": "x"},
        ),
        (
            record(field("a", "int")),
            record(field("a", "int"), field("c", "int"), field("b", "string", aliases=["a", "c"])),
            {"a": 1},
        ),
        (
            record(field("a", "int")),
            record(field("b", "int", aliases=["a"]), field("c", "string", aliases=["a"])),
            {"a": 1},
        ),
    ],
)
def test_crossed_aliases_are_not_read(writer: Any, reader: Any, value: Any) -> None:
    """Where an alias leads from two fields to one, or from one to two, a decoder fails, whatever the policy."""
    with pytest.raises((fastavro.read.SchemaResolutionError, KeyError)):
        read_back(writer, reader, value)
    assert "AMBIGUOUS_FIELD_ALIAS" in {code for code, _ in blocking(told(writer, reader, is_lenient=True))}


def test_branches_of_one_name_are_told_apart_by_their_namespace_alone() -> None:
    """Decoders that look for the name without its namespace take the first branch, and fail on it."""
    first, second = (record(field(n, "int"), name="Created", namespace=n) for n in ("orders", "payments"))
    writer = record(field("event", [first, second]))
    reader = record(field("event", [first, second]), field("more", "int", default=0))
    with pytest.raises(fastavro.read.SchemaResolutionError):
        read_back(writer, reader, {"event": ("payments.Created", {"payments": 1})})
    assert blocking(told(writer, reader)) == [("AMBIGUOUS_UNION_BRANCH", "/fields/0/type/1")]
    lenient = told(writer, reader, is_lenient=True)
    assert [(r.code, r.is_blocking) for r in lenient] == [("AMBIGUOUS_UNION_BRANCH", False)]
    changed = {**second, "fields": [field("payments", "string")]}
    other = record(field("event", [first, changed]))
    assert ("MISSING_UNION_BRANCH", "/fields/0/type/1") in blocking(told(writer, other, is_lenient=True))


@pytest.mark.parametrize(
    ("alias", "written", "is_read"), [("Old", "a.Old", True), ("a.Old", "a.Old", True), ("Old", "Old", False)]
)
def test_an_alias_is_in_the_namespace_of_its_type(alias: str, written: str, is_read: bool) -> None:
    """A bare alias of `a.New` means `a.Old`, and no `Old` of nowhere."""
    asked = told(record(name=written), record(name="a.New", aliases=[alias]))
    assert (not blocking(asked)) == is_read


def test_what_a_union_lets_pass_is_noted_too() -> None:
    """A long that a union reads as a double is told like any other."""
    assert [(r.code, r.is_blocking) for r in told(["null", "long"], ["null", "double"])] == [
        ("LOSSY_PROMOTION", False)
    ]


def test_failing_branches_are_tried_once() -> None:
    """Unions of records that meet again and again are answered at once, not in twice the time per level."""

    def ladder(leaf: str) -> Any:
        kind: Any = leaf
        for n in range(40):
            again = f"R{n - 1}" if n else leaf
            kind = ["null", record(field("x", kind), field("y", again), name=f"R{n}")]
        return kind

    assert blocking(told(ladder("string"), ladder("int"))) == [("MISSING_UNION_BRANCH", "/1")]


def test_nesting_beyond_measure_is_left_undecided() -> None:
    """Unions and maps within each other, as deep as they can be read: no answer is a no."""

    def nested(leaf: str, depth: int) -> Any:
        kind: Any = leaf
        for _ in range(depth):
            kind = ["null", {"type": "map", "values": kind}]
        return kind

    def answered(depth: int) -> list[tuple[str, str]]:
        try:
            return blocking(told(nested("int", depth), nested("string", depth)))
        except SchemaUnreadable:
            return [("SCHEMA_UNREADABLE", "")]

    assert all(answered(depth) for depth in range(60, 180, 10))
