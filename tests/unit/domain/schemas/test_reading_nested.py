"""Reading beyond flat fields: nested types, constraints, names and ids, keys; and what no walk is sent into."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from interlock.domain.schemas.compatibility import compatibility, reads, widens
from interlock.domain.schemas.contract import Check, Contract, Object, Reference, Rule, record
from interlock.domain.schemas.diff import differences
from interlock.domain.schemas.field import (
    INTEGER,
    NUMBER,
    STRING,
    Bytes,
    Date,
    Decimal,
    Field,
    Float,
    Int,
    Json,
    List,
    Map,
    Struct,
    Tensor,
    Time,
    Timestamp,
    Type,
)
from interlock.domain.schemas.nesting import MAX_DEPTH, TooDeep, TooLarge
from interlock.domain.schemas.representation import contract_digest
from interlock.domain.schemas.values import misfits

PRICE = Field("price", Decimal(10, 2), unit="EUR")
LINES = Field("lines", List(Field("element", Struct((PRICE,)))))


def contract(version: str, *fields: Field, is_open: bool = True) -> Contract:
    return record("order", version, fields, is_open)


def reasons(reader: Contract, writer: Contract, **how: Any) -> list[tuple[str, str]]:
    return [(one.code.removeprefix("compatibility."), one.path) for one in reads(reader, writer, **how).reasons]


@pytest.mark.parametrize(
    ("writer", "reader", "is_wider"),
    [
        (Int(32), Int(64), True),
        (Int(32, False), Int(64), True),
        (Int(32, False), Int(32), False),
        (Int(64, False), Decimal(20, 0), True),
        (Int(64), Decimal(20, 2), False),
        (Int(16), Float(32), True),
        (Int(32), Float(32), False),
        (Int(32), Float(64), True),
        (Int(64), Float(64), False),
        (Int(64), INTEGER, True),
        (INTEGER, Int(64), False),
        (INTEGER, NUMBER, True),
        (NUMBER, Float(64), False),
        (Float(16), Float(32), True),
        (Decimal(10, 2), Decimal(12, 3), True),
        (Decimal(10, 2), Decimal(11, 3), True),
        (Decimal(10, 2), Decimal(10, 3), False),
        (Decimal(10, 2), Float(64), False),
        (Bytes(4), Bytes(), True),
        (Bytes(), STRING, False),
        (Date(), Timestamp(), False),
        (Time("s"), Time("ns"), True),
        (Timestamp("s"), Timestamp("us"), True),
        (Timestamp("us"), Timestamp("s"), False),
        (Timestamp("us"), Timestamp("ns"), False),
        (Timestamp("us", True), Timestamp("us", False), False),
        (Tensor(Int(8), (3, 2)), Tensor(Int(16), (-1, 2)), True),
        (Tensor(Int(8), (-1,)), Tensor(Int(8), (3,)), False),
        (Struct((PRICE,)), Json(), True),
        (Json(), Struct(), False),
        (Map(Field("value", Int(8))), Map(Field("value", Int(16))), True),
        (List(Field("x", STRING, nullable=True)), List(Field("y", STRING)), False),
    ],
)
def test_the_lattice(writer: Type, reader: Type, is_wider: bool) -> None:
    """Every value of the one type is exactly a value of the other, or not."""
    assert widens(writer, reader) is is_wider


def test_bounds_can_prove_what_types_alone_do_not() -> None:
    """Whole numbers and instants within bounds fit narrower types."""
    small = Field("n", INTEGER, minimum=0, maximum=100)
    assert reads(contract("2", replace(small, type=Int(8))), contract("1", small)).holds
    late = Field("at", Timestamp("us"), minimum=0, maximum=4_000_000_000_000_000)
    finer = replace(late, type=Timestamp("ns"), minimum=None, maximum=None)
    assert reads(contract("2", finer), contract("1", late)).holds
    same = replace(late, type=Timestamp("ns"), minimum=0, maximum=4_000_000_000_000_000_000)
    assert reads(contract("2", same), contract("1", late)).holds


def test_paths_lead_into_lists_and_structs() -> None:
    """A reason and a difference name the inner field."""
    cents = replace(LINES, type=List(Field("element", Struct((replace(PRICE, unit="ct"),)))))
    older, newer = contract("1", LINES), contract("2", cents)
    assert reasons(newer, older) == [("unit_changed", "lines[].price")]
    assert [(d.code, d.path) for d in differences(older, newer)] == [("unit.changed", "lines[].price")]


DEMANDS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"type": INTEGER, "more_than": 0}, {"type": INTEGER, "minimum": 1}, ""),
    ({"type": NUMBER, "more_than": 0}, {"type": NUMBER, "minimum": 0}, "bounds_changed"),
    ({"type": NUMBER, "minimum": 0}, {"type": NUMBER, "more_than": 0}, ""),
    ({"type": NUMBER, "less_than": 5}, {"type": NUMBER, "maximum": 4.5}, ""),
    ({"type": NUMBER, "multiple_of": 0.1}, {"type": NUMBER, "multiple_of": 0.3}, ""),
    ({"type": NUMBER, "multiple_of": 0.3}, {"type": NUMBER, "multiple_of": 0.1}, "multiple_changed"),
    ({"type": INTEGER, "multiple_of": 5}, {"type": INTEGER, "enum": (5, 10)}, ""),
    ({"type": NUMBER, "multiple_of": 1}, {"type": INTEGER}, ""),
    ({"max_length": 5}, {"max_length": 6}, "length_changed"),
    ({"max_length": 5}, {"enum": ("ab", "abcde")}, ""),
    ({"min_length": 1}, {"min_length": 2}, ""),
    ({"pattern": "^a"}, {"pattern": "^ab"}, "pattern_changed"),
    ({"pattern": "^a"}, {"pattern": "^a"}, ""),
    ({}, {"pattern": "^a"}, ""),
    ({"format": "email"}, {}, "format_changed"),
    ({"type": LINES.type, "min_items": 1}, {"type": LINES.type}, "items_changed"),
    ({"type": LINES.type, "has_unique_items": True}, {"type": LINES.type, "max_items": 1}, ""),
    ({"type": LINES.type, "has_unique_items": True}, {"type": LINES.type}, "items_changed"),
    ({"is_unique": True}, {}, "key_changed"),
    ({"enum": ("a", "b")}, {"enum": ("b",)}, ""),
    ({"enum": ("a",), "enum_labels": ("on",)}, {"enum": ("a",), "enum_labels": ("off",)}, "meaning_changed"),
    ({"enum": ("a",), "enum_labels": ("on",)}, {"enum": ("a",)}, ""),
]


@pytest.mark.parametrize(("wanted", "given", "code"), DEMANDS)
def test_what_is_written_implies_what_is_demanded(wanted: dict[str, Any], given: dict[str, Any], code: str) -> None:
    """Constraints of the reader follow from those of the writer, or the reason says which does not."""
    plain = Field("x", STRING)
    found = reasons(contract("2", replace(plain, **wanted)), contract("1", replace(plain, **given)))
    assert found == ([(code, "x")] if code else [])


def test_a_renamed_field_is_known_by_its_id() -> None:
    """The difference is one renaming; reading needs an alias, and says so."""
    older = contract("1", Field("delay", INTEGER, id="d"))
    newer = contract("2", Field("lateness", INTEGER, id="d", required=False))
    assert [(d.code, d.path) for d in differences(older, newer)] == [
        ("field.renamed", "lateness"),
        ("field.optional", "lateness"),
    ]
    assert reasons(newer, older) == [("field_renamed", "lateness")]
    known = contract("2", Field("lateness", INTEGER, id="d", aliases=("delay",)), is_open=False)
    assert reasons(known, replace(older, objects=(replace(older.record, is_open=False),))) == []
    other = contract("2", Field("delay", INTEGER, id="e"))
    assert reasons(other, older) == [("field_replaced", "delay")]


def test_promotions_that_may_lose_digits_are_a_profile_and_said() -> None:
    """Avro reads long as double; exactly it is incompatible, under its profile a warning."""
    older, newer = contract("1", Field("n", Int(64))), contract("2", Field("n", Float(64)))
    assert reasons(newer, older) == [("type_changed", "n")]
    judged = reads(newer, older, profile="avro")
    assert judged.holds
    assert [one.code for one in judged.reasons] == ["compatibility.lossy_promotion"]


def test_open_content_may_hold_anything_under_the_strict_policy() -> None:
    """An optional field that the writer's open content allows as anything is asked about only there."""
    older, newer = contract("1"), contract("2", Field("n", INTEGER, required=False))
    assert reasons(newer, older) == []
    assert reasons(newer, older, policy="strict") == [("content_open", "n")]


def test_keys_references_checks_and_rules_are_promises() -> None:
    """What a reader relies on beyond single values must still be promised; quality is for a person to judge."""
    bare = Object("t", (Field("a", STRING), Field("b", STRING)))
    full = replace(
        bare,
        primary_key=("a", "b"),
        references=(Reference(("a",), "c", ("id",)),),
        checks=(Check("n", "a <> b"),),
        rules=(Rule("few", "null_values", "a", at_most=5.0),),
    )

    def found(wanted: Object, given: Object) -> list[str]:
        reading = reads(Contract("t", "2", (wanted,)), Contract("t", "1", (given,)))
        return [one.code.removeprefix("compatibility.") for one in reading.reasons]

    assert found(full, full) == []
    assert found(bare, full) == []
    assert found(full, bare) == ["key_changed", "reference_changed", "check_changed", "rule_changed"]
    assert found(replace(bare, primary_key=("a", "b")), replace(bare, unique=(("a",),))) == []
    fewer = replace(full, rules=(Rule("none", "null_values", "a", below=2.0),))
    assert found(full, fewer) == []
    assert found(fewer, full) == ["rule_changed"]


def test_several_objects_are_matched_by_name_and_id() -> None:
    """Paths begin with the object; one that is gone or renamed breaks its readers."""
    one, other = Object("orders", (PRICE,)), Object("lines", (Field("a", STRING),), id="l")
    older = Contract("shop", "1", (one, other))
    assert reasons(older, replace(older, objects=(one,))) == [("object_lacking", "lines")]
    assert reasons(older, replace(older, objects=(one, replace(other, name="rows")))) == [
        ("object_renamed", "lines")
    ]
    narrowed = replace(older, objects=(one, replace(other, fields=(Field("a", STRING, nullable=True),))))
    assert reasons(older, narrowed) == [("null_refused", "lines.a")]
    assert [(d.code, d.path) for d in differences(older, narrowed)] == [("null.allowed", "lines.a")]
    assert [d.code for d in differences(older, replace(older, objects=(other, one)))] == ["object.moved"]


def test_what_is_endless_is_refused() -> None:
    """A thousand levels, or types that double from level to level, are a clear error and take no time."""
    deep = Field("x", STRING)
    for _ in range(1_000):
        deep = Field("x", Struct((deep,)))
    wide = Field("x", STRING)
    for _ in range(MAX_DEPTH - 1):
        wide = Field("x", Struct((wide, replace(wide, name="y"))))
    for field, error in ((deep, TooDeep), (wide, TooLarge)):
        one = contract("1", field)
        for ask in (lambda c: compatibility(c, c), lambda c: differences(c, c), contract_digest):
            with pytest.raises(error):
                ask(one)
    within = Field("x", STRING)
    for _ in range(MAX_DEPTH - 1):
        within = Field("x", Struct((within,)))
    assert compatibility(contract("1", within), contract("2", within)).is_full


def test_the_digest_is_over_what_can_be_told() -> None:
    """Order of fields, descriptions, owner and version are no part of it; a label of an enum is."""
    a, b = Field("a", STRING, enum=("x", "y")), Field("b", INTEGER, minimum=1)
    one = contract("1", a, b)
    same = contract("2", replace(b, minimum=None, more_than=0, description="n"), replace(a, enum=("y", "x")))
    assert contract_digest(one) == contract_digest(replace(same, owner="ops"))
    assert contract_digest(one) != contract_digest(contract("1", replace(a, enum_labels=("on", "off")), b))
    assert contract_digest(one) != contract_digest(contract("1", replace(a, enum=("x", "y", True)), b))


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Int(8), [1, 1.0, -128], [128, 1.5, True, "1", None]),
        (Int(8, False), [255], [-1]),
        (Float(32), [0.5, 1], [0.1, 2**24 + 1, 1e300]),
        (Decimal(4, 2), [0.1, 99.99, 5], [100, 0.125]),
        (NUMBER, [0.1, 10**400], ["1", float("nan")]),
        (Bytes(2), ["AAA="], ["AA==", "A", 5]),
        (Date(), ["2024-02-29", "0000-01-01"], ["2023-02-29", "2024-2-1", 5]),
        (Time("ms"), ["23:59:59.123"], ["24:00:00", "23:59:59.1234"]),
        (
            Timestamp("s"),
            ["2024-02-29T00:00:00+01:00", "2024-02-29t00:00:00z"],
            ["2024-02-29T00:00:00", "2024-02-29"],
        ),
        (Timestamp("s", False), ["2024-02-29T00:00:00"], ["2024-02-29T00:00:00Z", "2024-02-29T00:00:00.5"]),
        (Tensor(Int(8), (2, -1)), [[[1], [2]], [[], []]], [[[1]], [[1], [1, 2]], [1, 2], [["x"], ["y"]]]),
        (Map(Field("v", STRING)), [{}, {"a": "x"}], [{"a": 1}, []]),
        (Struct((Field("a", STRING),), False), [{"a": "x"}], [{}, {"a": "x", "b": 1}]),
    ],
)
def test_values_fit_their_types(kind: Type, good: list[Any], bad: list[Any]) -> None:
    """Values in JSON of each type, and those that are none."""
    one = Field("x", kind)
    assert [value for value in good if list(misfits(value, one))] == []
    assert [value for value in bad if not list(misfits(value, one))] == []


def test_misfits_name_the_path() -> None:
    """Every wrong value inside is told, with where it is and where all of its like are."""
    value = [{"price": 1.234}, {}, {"price": None}]
    found = list(misfits(value, LINES, "lines"))
    assert [one.at.path for one in found] == ["lines[0].price", "lines[1].price", "lines[2].price"]
    assert [one.kind for one in found] == ["type", "missing", "null"]
    assert {one.at.field for one in found} == {"lines[].price"}
