"""What a lens is said to do to a field is what it does to records: no field is called exact that is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, event, given, settings
from hypothesis import strategies as st

from interlock.domain.lenses import loss as judged
from interlock.domain.lenses.apply import Rejected, apply
from interlock.domain.lenses.check import fit
from interlock.domain.lenses.expressions.nodes import INT, TEXT, Column, Constant, Expr
from interlock.domain.lenses.expressions.typing import call
from interlock.domain.lenses.flow import Fields, Known, start, step
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.loss import LensLoss, loss
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
from interlock.domain.lenses.reverse import reversed_ops
from interlock.domain.schemas.contract import Contract, record
from interlock.domain.schemas.field import BOOLEAN, INTEGER, NUMBER, STRING, Field, Kind, List, Struct, Type
from interlock.domain.schemas.scalars import equal_json
from interlock.domain.schemas.values import misfit

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


def called_exact(told: LensLoss, direction: str, name: str) -> bool:
    """Whether nothing but exactness is said of the field and of what is inside."""
    lines = [x.effect for x in told.lines if x.direction == direction and x.field.split(".")[0] == name]
    return bool(lines) and set(lines) == {"exact"}


def assert_exact(program: Program, told: LensLoss, direction: str, source: Contract, row: dict[str, Any]) -> None:
    try:
        returned = apply(reversed_ops(program), apply(program, row))
    except Rejected:
        event(f"{direction}: rejected")
        return
    for one in source.fields:
        if called_exact(told, direction, one.name):
            event(f"{direction}: exact {one.kind}")
            assert (one.name in returned) == (one.name in row), one.name
            assert equal_json(returned.get(one.name), row.get(one.name)), one.name


def assert_law(case: tuple[Lens, Contract, Contract], data: st.DataObject) -> None:
    lens, older, newer = case
    told = loss(lens, older, newer)
    for _ in range(3):
        assert_exact(lens.ops, told, "forward", older, data.draw(rows_of(older)))
        assert_exact(reversed_ops(lens.ops), told, "backward", newer, data.draw(rows_of(newer)))


SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


@settings(max_examples=250, deadline=None, suppress_health_check=SLOW)
@given(lenses(), st.data())
def test_a_field_that_is_called_exact_comes_back_the_same(
    case: tuple[Lens, Contract, Contract], data: st.DataObject
) -> None:
    """In both directions, through every op, with null, absent, nested and listed values."""
    assert_law(case, data)


CARELESS = ("_head",)


@pytest.mark.parametrize("rule", CARELESS)
def test_the_law_sees_a_careless_verdict(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each rule that is left out is found, so that the law means something."""
    monkeypatch.setattr(judged, rule, lambda *args: iter(()))

    @settings(
        max_examples=3000,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(lenses(), st.data())
    def law(case: tuple[Lens, Contract, Contract], data: st.DataObject) -> None:
        assert_law(case, data)

    with pytest.raises((AssertionError, ExceptionGroup)):
        law()
