"""Laws of reading: widening is an order that agrees with values, and no "compatible" is refuted by a value."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.domain.schemas.compatibility import reads, widens
from interlock.domain.schemas.describe import described, type_named
from interlock.domain.schemas.diff import differences
from interlock.domain.schemas.field import (
    BOOLEAN,
    INTEGER,
    NUMBER,
    STRING,
    TIMESTAMP,
    Field,
    Float,
    Int,
    Json,
    List,
    Map,
    Struct,
    Type,
)
from interlock.domain.schemas.quick import surely
from interlock.domain.schemas.representation import contract_digest
from interlock.domain.schemas.values import misfits, record_misfits
from support.contracts import (
    NoValue,
    any_type,
    as_read,
    contract,
    edited,
    edited_contract,
    field,
    matched,
    value_of,
)

seeds = st.integers(0, 2**32)


def bare(one: Field) -> Field:
    """Without defaults, which stand in for values, and with closed content: then reading is inclusion of values."""
    return replace(one, default=(), aliases=(), type=closed(one.type))


def closed(kind: Type) -> Type:
    match kind:
        case List(element=element):
            return List(bare(element))
        case Map(value=value):
            return Map(bare(value))
        case Struct(fields=fields):
            return Struct(tuple(bare(one) for one in fields), is_open=False)
        case _:
            return kind


def chain(chance: random.Random) -> tuple[Type, Type, Type]:
    """Three types, each an edit of the one before, or something else."""
    first = bare(field(chance, "x"))
    second = bare(edited(chance, first))
    third = bare(edited(chance, second)) if chance.random() < 0.8 else bare(field(chance, "x"))
    return first.type, second.type, third.type


@given(seeds)
@settings(max_examples=40, deadline=None)
def test_widening_is_an_order(seed: int) -> None:
    """Every type widens to itself; what widens both ways is equal; widening twice is widening."""
    chance = random.Random(seed)
    for _ in range(20):
        a, b, c = chain(chance)
        assert widens(a, a)
        if widens(a, b) and widens(b, c):
            assert widens(a, c), (a, b, c)
        if widens(a, b) and widens(b, a):
            assert has(a, sampled(chance, b)), (a, b)
            assert has(b, sampled(chance, a)), (a, b)


def sampled(chance: random.Random, kind: Type) -> list[Any]:
    """Some values of the type; none where its constraints leave none."""
    try:
        return [value_of(chance, Field("x", kind)) for _ in range(3)]
    except NoValue:
        return []


def has(kind: Type, values: list[Any]) -> bool:
    return not any(list(misfits(value, Field("x", kind), "", matched)) for value in values)


@given(seeds)
@settings(max_examples=50, deadline=None)
def test_a_wider_type_has_every_value_of_a_narrower_one(seed: int) -> None:
    """Values that are generated from the narrower type are values of the wider one."""
    chance = random.Random(seed)
    for _ in range(20):
        a, b, _ = chain(chance)
        if widens(a, b):
            assert has(b, sampled(chance, a)), (a, b)


@given(seeds)
@settings(max_examples=70, deadline=None)
def test_no_value_refutes_a_compatible_verdict(seed: int) -> None:
    """What the writer's contract allows is a record of the reader's, its defaults and former names applied."""
    chance = random.Random(seed)
    for _ in range(20):
        writer = contract(chance)
        reader = edited_contract(chance, writer)
        if chance.random() < 0.5:
            writer, reader = reader, writer
        if len(writer.objects) == 1 and reads(reader, writer).holds:
            for value in sampled(chance, Struct(writer.fields)):
                seen = as_read(value, reader.fields)
                broken = list(record_misfits(seen, reader.record, matched))
                assert not broken, (writer, reader, value, broken)


EDGES: tuple[Any, ...] = (
    None,
    True,
    "",
    "x",
    0,
    -1,
    0.5,
    2**53,
    2**53 + 1,
    1e23,
    10**23 - 1,
    2**64,
    10**400,
    float("inf"),
    [],
    {},
)


@given(seeds)
@settings(max_examples=50, deadline=None)
def test_a_quick_yes_is_no_misfit(seed: int) -> None:
    """For values of the field, of an edit of it, and at the edges of types."""
    chance = random.Random(seed)
    for _ in range(20):
        one = field(chance, "x")
        is_fine = surely(one)
        values = [value for kind in (one, edited(chance, one)) for value in sampled(chance, kind.type)]
        for value in (*values, *EDGES):
            assert not is_fine(value) or not list(misfits(value, one)), (one, value)


def test_plain_good_values_are_known_at_sight() -> None:
    """So that answers which keep their contract cost little to look at."""
    kinds: tuple[Type, ...] = (
        STRING,
        BOOLEAN,
        INTEGER,
        Int(32),
        NUMBER,
        Float(),
        Json(),
        Map(Field("v", STRING)),
        TIMESTAMP,
    )
    inner = Struct((*(Field(f"f{i}", kind) for i, kind in enumerate(kinds)), Field("o", STRING, required=False)))
    record = {
        "f0": "x",
        "f1": False,
        "f2": 3,
        "f3": 3,
        "f4": 0.5,
        "f5": 1,
        "f6": [{}],
        "f7": {"k": "v"},
        "f8": "2026-05-01T08:00:00Z",
    }
    assert surely(Field("x", List(Field("e", inner))))([record, {**record, "o": "y"}])


@given(seeds)
@settings(max_examples=50, deadline=None)
def test_what_does_not_differ_has_one_digest(seed: int) -> None:
    """No difference means the same digest, and a difference another one: the kinds of differences are complete."""
    chance = random.Random(seed)
    for _ in range(10):
        older = contract(chance)
        newer = edited_contract(chance, older)
        same = contract_digest(older) == contract_digest(newer)
        assert same is (differences(older, newer) == ()), differences(older, newer)
        assert differences(older, older) == ()


@given(seeds)
@settings(max_examples=50, deadline=None)
def test_a_described_type_is_named_back(seed: int) -> None:
    """The text of a type without fields inside names that type alone."""
    chance = random.Random(seed)
    for _ in range(20):
        kind = any_type(chance, 0)
        assert type_named(described(kind)) == kind
