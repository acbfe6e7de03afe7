"""Contracts drawn by Hypothesis over the whole of what a contract holds, sensible or not: for laws of formats."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from interlock.domain.schemas.contract import Check, Contract, Object, Reference, Rule
from interlock.domain.schemas.field import (
    Bool,
    Bytes,
    Date,
    Decimal,
    Duration,
    Field,
    Float,
    Int,
    Json,
    List,
    Map,
    Number,
    String,
    Struct,
    Tensor,
    Time,
    Timestamp,
    Type,
)

UNITS = st.sampled_from(["s", "ms", "us", "ns"])
NAMES = st.one_of(
    st.sampled_from(["id", "price", "class", "a-b", "a_b", "Größe", "2nd", "from", "value"]),
    st.text("abcxyz_", min_size=1, max_size=6),
)
INTS = st.builds(Int, st.sampled_from([0, 8, 16, 32, 64]), st.booleans())
FLOATS = st.builds(Float, st.sampled_from([16, 32, 64]))
SIMPLE: st.SearchStrategy[Type] = st.one_of(
    st.sampled_from([Bool(), Number(), String(), Date(), Json()]),
    INTS,
    FLOATS,
    st.builds(Time, UNITS),
    st.builds(Duration, UNITS),
    st.builds(Timestamp, UNITS, st.booleans()),
    st.builds(Bytes, st.integers(0, 16)),
    st.integers(1, 38).flatmap(lambda p: st.builds(Decimal, st.just(p), st.integers(0, p))),
    st.builds(
        Tensor,
        st.one_of(st.just(Bool()), INTS, FLOATS, st.just(String())),
        st.lists(st.integers(-1, 4), max_size=3).map(tuple),
    ),
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**40), 2**40), st.floats(-1e6, 1e6), st.text(max_size=4)
)
BOUNDS = st.one_of(st.none(), st.integers(-9, 9), st.floats(-9, 9))
COUNTS = st.one_of(st.none(), st.integers(0, 9))
FEW: dict[str, st.SearchStrategy[Any]] = {
    "unit": st.sampled_from(["min", "km", "EUR"]),
    "enum": st.lists(SCALARS.filter(lambda v: v is not None), min_size=1, max_size=3, unique_by=repr).map(tuple),
    "default": SCALARS.map(lambda v: (v,)),
    "minimum": BOUNDS,
    "maximum": BOUNDS,
    "more_than": BOUNDS,
    "less_than": BOUNDS,
    "multiple_of": st.one_of(st.none(), st.integers(1, 9)),
    "min_length": COUNTS,
    "max_length": COUNTS,
    "min_items": COUNTS,
    "max_items": COUNTS,
    "pattern": st.sampled_from(["^a", "[0-9]+", "a|b"]),
    "format": st.sampled_from(["uuid", "email", "date", "int32"]),
    "description": st.text(max_size=8),
    "is_unique": st.booleans(),
    "has_unique_items": st.booleans(),
    "id": st.sampled_from(["f1", "7", "19001"]),
    "aliases": st.lists(NAMES, max_size=2).map(tuple),
    "tags": st.lists(st.sampled_from(["pii", "finance"]), max_size=2).map(tuple),
    "is_personal": st.booleans(),
    "is_deprecated": st.booleans(),
    "physical_type": st.sampled_from(["VARCHAR(18)", "int"]),
}


def types(depth: int) -> st.SearchStrategy[Type]:
    if depth == 0:
        return SIMPLE
    inner = fields(depth - 1)
    return st.one_of(
        SIMPLE,
        inner.map(List),
        inner.map(Map),
        st.builds(Struct, st.lists(inner, max_size=3, unique_by=lambda f: f.name).map(tuple), st.booleans()),
    )


@st.composite
def fields(draw: Any, depth: int) -> Field:
    """A field with any mix of attributes; not all of them make sense together."""
    chosen = sorted(set(draw(st.lists(st.sampled_from(sorted(FEW)), max_size=4))))
    given = {name: draw(FEW[name]) for name in chosen}
    return Field(draw(NAMES), draw(types(depth)), draw(st.booleans()), draw(st.booleans()), **given)


@st.composite
def objects(draw: Any, depth: int) -> Object:
    """A record or table with keys, references, checks and rules over its fields."""
    held = tuple(draw(st.lists(fields(depth), min_size=1, max_size=4, unique_by=lambda f: f.name)))
    names = st.sampled_from([f.name for f in held])
    keys = st.lists(names, max_size=2).map(lambda some: tuple(dict.fromkeys(some)))
    rules = st.builds(Rule, st.just("r"), st.sampled_from(["row_count", "null_values"]), names, st.just(0.0))
    return Object(
        draw(st.sampled_from(["order", "flights", "Line Item", "inputs", "outputs"])),
        held,
        draw(st.booleans()),
        draw(keys),
        tuple(draw(st.lists(keys.filter(bool), max_size=1))),
        tuple(draw(st.lists(st.builds(Reference, keys, st.just("x"), keys), max_size=1))),
        tuple(draw(st.lists(st.builds(Check, st.just("c"), st.just("a > 0")), max_size=1))),
        tuple(draw(st.lists(rules, max_size=1))),
        draw(st.sampled_from(["", "t_orders"])),
        draw(st.text(max_size=5)),
    )


@st.composite
def contracts(draw: Any, depth: int = 2, most: int = 2) -> Contract:
    """A contract of one or more objects."""
    held = draw(st.lists(objects(depth), min_size=1, max_size=most, unique_by=lambda o: o.name))
    return Contract("order", draw(st.sampled_from(["1", "2.0"])), tuple(held), draw(st.sampled_from(["", "shop"])))
