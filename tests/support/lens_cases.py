"""Hypothesis strategies for contracts, lenses that fit them, and their rows: tidy ones that keep the contract, and
rough ones as they come from outside.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, assume
from hypothesis import strategies as st

from interlock.domain.lenses.check import fit
from interlock.domain.lenses.expressions.nodes import INT, TEXT, Column, Constant, Expr
from interlock.domain.lenses.expressions.typing import call
from interlock.domain.lenses.flow import Fields, Known, start, step
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
    Program,
    Recombine,
    Rename,
    Unit,
    Unnest,
    Wrap,
)
from interlock.domain.schemas.contract import Contract, record
from interlock.domain.schemas.field import BOOLEAN, INTEGER, NUMBER, STRING, Field, Kind, List, Struct, Type
from interlock.domain.schemas.values import misfit

SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
"""Health checks that drawing whole lenses does not pass."""

FRESH = ("f0", "f1", "f2", "f3", "f4", "f5")
SENTINELS: dict[Kind, tuple[Any, ...]] = {
    "integer": (-1, 0, 7),
    "number": (-1, 0.5),
    "string": ("N/A", "x"),
    "boolean": (True,),
}


@st.composite
def plain_fields(draw: st.DrawFn, name: str) -> Field:
    kind: Type = draw(st.sampled_from((INTEGER, NUMBER, STRING, BOOLEAN)))
    least = draw(st.sampled_from((None, 0))) if kind in (INTEGER, NUMBER) else None
    enum = draw(st.sampled_from(((), ("x", "y"), ("1", "07", "N/A")))) if kind == STRING else ()
    return Field(name, kind, draw(st.booleans()), draw(st.booleans()), enum=enum, minimum=least)


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    """Two plain fields, an object, a list of numbers, a list of objects."""
    inner = Struct((draw(plain_fields("p")), draw(plain_fields("q"))), is_open=False)
    flags = st.tuples(st.booleans(), st.booleans())
    fields = [draw(plain_fields("a")), draw(plain_fields("b")), Field("o", inner, *draw(flags))]
    items = draw(st.sampled_from((None, 1)))
    numbers = List(Field("element", INTEGER, nullable=draw(st.booleans())))
    fields.append(Field("l", numbers, *draw(flags), min_items=items, max_items=items))
    fields.append(Field("m", List(Field("element", inner, nullable=draw(st.booleans()))), *draw(flags)))
    return record("c", "1", tuple(fields), is_open=False)


def values_of(one: Field) -> st.SearchStrategy[Any]:
    """Values of the field, small ones."""
    match one.type:
        case Struct(fields):
            there: st.SearchStrategy[Any] = st.fixed_dictionaries(
                {f.name: values_of(f) for f in fields if f.required},
                optional={f.name: values_of(f) for f in fields if not f.required},
            )
        case List(element):
            most = 3 if one.max_items is None else one.max_items
            there = st.lists(values_of(element), min_size=one.min_items or 0, max_size=most)
        case _:
            there = plain_values(one)
    return st.none() | there if one.nullable else there


def plain_values(one: Field) -> st.SearchStrategy[Any]:
    if one.enum:
        return st.sampled_from(one.enum)
    by_kind: dict[str, st.SearchStrategy[Any]] = {
        "integer": st.integers(-3, 100),
        "number": st.integers(-3, 9) | st.integers(-7, 50).map(lambda n: n / 4),
        "string": st.sampled_from(("N/A", "x", "y", "7", "07", "true", "", "-3", "é")),
        "boolean": st.booleans(),
    }
    return by_kind.get(one.kind, st.none()).filter(lambda v: not misfit(v, one))


@st.composite
def ops_for(draw: st.DrawFn, fields: Fields, depth: int = 0) -> Op:
    """An op that makes sense at this point."""
    assume(fields)
    name = draw(st.sampled_from(sorted(fields)))
    new = draw(st.sampled_from(FRESH))
    here = fields[name]
    kinds: list[st.SearchStrategy[Op]] = [
        st.just(Rename(name, new)),
        st.just(Drop(name, draw(st.sampled_from((None, 0, ""))))),
        st.just(Add(new, draw(st.sampled_from((None, 1, "x"))))),
        st.just(Wrap(name)),
        st.lists(st.sampled_from(sorted(fields)), min_size=1, max_size=2, unique=True).map(
            lambda names: Nest(tuple(names), new)
        ),
    ]
    if here.inside is not None and depth < 2:
        kinds += [st.just(Unnest(tuple(here.inside), name)), scoped(Inside, name, here, depth)] * 2
    if here.element is not None:
        kinds += [st.just(Head(name))] * 2
        if here.element.inside is not None and depth < 2:
            kinds += [scoped(Each, name, here.element, depth)] * 2
    kinds += on_plain(name, new, here.field) * 2
    return draw(st.one_of(kinds))


def scoped(kind: Callable[[str, Program], Op], name: str, here: Known, depth: int) -> st.SearchStrategy[Op]:
    return ops_for(dict(here.inside or {}), depth + 1).map(lambda op: kind(name, (op,)))


def on_plain(name: str, new: str, one: Field) -> list[st.SearchStrategy[Op]]:
    found: list[st.SearchStrategy[Op]] = []
    for value in SENTINELS.get(one.kind, ()):
        found += [st.just(Fill(name, value)), st.just(Blank(name, value))]
    match one.kind:
        case "integer":
            found += [
                st.just(Cast(name, "integer", "string")),
                st.just(Unit(name, 60, integer=True)),
                st.just(tens(name, new)),
            ]
        case "number":
            found += [st.just(Unit(name, 9, 5, 32.0)), st.just(Cast(name, "number", "integer"))]
        case "string":
            found += [
                st.just(Cast(name, "string", "integer")),
                st.just(Map(name, (("x", "y"), ("y", "x"), ("N/A", "z")))),
            ]
            found += [st.just(Drop(name, value=Constant("x", TEXT))), st.just(louder(name, new))]
        case "boolean":
            found += [st.just(Cast(name, "boolean", "string"))]
        case _:
            pass
    return found


def tens(name: str, new: str) -> Op:
    """An integer is split into tens and ones; negative ones come back the same too, halves never occur."""
    ten: Expr = Constant(10, INT)
    whole = Column(name, INT)
    parts = (Computed(new, call("idiv", whole, ten)), Computed(f"{new}_", call("mod", whole, ten)))
    back = call("add", call("mul", Column(new, INT), ten), Column(f"{new}_", INT))
    return Recombine((Computed(name, back),), parts)


def louder(name: str, new: str) -> Op:
    return Recombine((Computed(name, Column(new, TEXT)),), (Computed(new, call("upper", Column(name, TEXT))),))


@st.composite
def lenses(draw: st.DrawFn) -> tuple[Lens, Contract, Contract]:
    """A lens that fits two contracts: the newer one is what its ops make of the older one."""
    older = draw(contracts())
    fields = start(older.fields)
    program: list[Op] = []
    for _ in range(draw(st.integers(1, 4))):
        op = draw(ops_for(fields))
        trial = dict(fields)
        if any(how == "error" for *_, how in step(op, trial)):
            continue
        program.append(op)
        fields = trial
    newer = record("c", "2", tuple(one.field for one in fields.values()), is_open=False)
    lens = Lens("c", "1", "2", tuple(program))
    assume(not any(f.is_blocking and "on the way back" not in f.says for f in fit(lens, older, newer)))
    return lens, older, newer


def rows_of(one: Contract) -> st.SearchStrategy[dict[str, Any]]:
    return values_of(Field("row", Struct(one.fields)))


HUGE = (2**53, 2**53 + 1, -(2**53), 2**53 - 1, 2**63, 2**64, 10**15, 10**40)
awkward = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(HUGE),
    st.sampled_from((-0.0, 0.5, 1.0, 7.0, -1.0, 1e300, 5e-324, 2.0**53, 1e16)),
    st.integers(-3, 100),
    st.sampled_from(("", "x", "7", "+007", "9" * 16, "true", "N/A", "\u00e9", "\U0001f6eb", "\x00", "]] --")),
)
"""Scalars that JSON can write, of any type."""
not_finite = st.sampled_from((math.nan, math.inf, -math.inf))


def rough_rows(one: Contract, *, is_json: bool = False) -> st.SearchStrategy[dict[str, Any]]:
    """Rows that break the contract here and there: values of other types, huge numbers, fields that are missing or
    that nobody knows, keys in any order; NaN and infinities too unless `is_json`.
    """
    stray = (
        awkward
        | st.lists(awkward, max_size=2)
        | st.dictionaries(st.sampled_from(("p", "q", "z")), awkward, max_size=2)
    )
    return _rough(Struct(one.fields), stray if is_json else stray | not_finite)


@st.composite
def _rough(draw: st.DrawFn, whole: Struct, stray: st.SearchStrategy[Any]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for one in draw(st.permutations(whole.fields)):
        chance = draw(st.integers(0, 15))
        if chance == 0:
            row[one.name] = draw(stray)
        elif chance > 1 and (one.required or draw(st.booleans())):
            row[one.name] = draw(_roughly(one, stray))
    if draw(st.integers(0, 7)) == 0:
        row[draw(st.sampled_from(("extra", *FRESH)))] = draw(stray)
    return row


def _roughly(one: Field, stray: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    match one.type:
        case Struct() as inner:
            there: st.SearchStrategy[Any] = _rough(inner, stray)
        case List(Field(type=Struct() as inner)):
            there = st.lists(_rough(inner, stray), max_size=3)
        case _:
            return values_of(one)
    return st.none() | there if one.nullable else there
