"""Laws of programs: there and back, twice around, and one path or step by step."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.domain.lenses.apply import Rejected, apply
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.loss import counted, loss
from interlock.domain.lenses.ops import Add, Cast, Each, Inside, Map, Op, Program, Rename, Unit
from interlock.domain.lenses.path import lens_path
from interlock.domain.lenses.reverse import reversed_ops
from interlock.domain.schemas.contract import record
from interlock.domain.schemas.field import BOOLEAN, INTEGER, STRING, Field, type_of
from interlock.domain.schemas.scalars import equal_json
from support.lens_programs import NAMES, programs, records_for, scalars

FIELDS = (
    Field("delay", INTEGER, minimum=-1000, maximum=10**6),
    Field("carrier", STRING, enum=("UA", "B6", "é"), nullable=True),
    Field("hour", INTEGER, minimum=0, maximum=23),
    Field("late", BOOLEAN, required=False),
    Field("note", STRING),
)
OLDER = record("flights", "1", FIELDS)

# each block reads one field; within a block the order of the ops counts
BLOCKS: tuple[Program, ...] = (
    (Unit("delay", 60, integer=True),),
    (Unit("delay", 7, 3, 5.0, integer=True), Unit("delay", 60, integer=True)),
    (Rename("delay", "late_by"), Unit("late_by", -1, 1, 273.0, integer=True)),
    (Map("carrier", (("UA", 1), ("B6", 2), ("é", 3))),),
    (Map("carrier", (("UA", "B6"), ("B6", "é"), ("é", "UA"))), Rename("carrier", "airline")),
    (Cast("hour", "integer", "string"),),
    (Cast("late", "boolean", "string"),),
    (Rename("note", "n"), Rename("n", "remark")),
    (Add("wind", 1.5),),
)


def first_field(block: Program) -> str:
    return block[0].source if isinstance(block[0], Rename) else block[0].field


lossless = st.lists(st.sampled_from(BLOCKS), unique_by=first_field, max_size=6).map(lambda blocks: sum(blocks, ()))
flights = st.fixed_dictionaries(
    {
        "delay": st.integers(-1000, 10**6),
        "carrier": st.sampled_from(("UA", "B6", "é", None)),
        "hour": st.integers(0, 23),
        "note": st.text(max_size=5),
    },
    optional={"late": st.booleans(), "extra": st.lists(scalars, max_size=2)},
)


@given(lossless, flights)
def test_a_record_comes_back_the_same_through_a_lossless_program(program: Program, record: dict[str, Any]) -> None:
    """GetPut: what goes there and back through ops that lose nothing is the record that went."""
    assert equal_json(apply(reversed_ops(program), apply(program, record)), record)


@given(lossless, flights)
def test_a_field_that_is_called_exact_comes_back_the_same(program: Program, row: dict[str, Any]) -> None:
    """The symbolic verdict `exact` is kept by every record, and counting on the rows finds the same."""
    newer = record("flights", "2", tuple(_arrived(program)))
    lens = Lens("flights", "1", "2", program)
    assert counted(lens, [row]).survived == 1
    exact = {line.field for line in loss(lens, OLDER, newer).of("forward") if line.effect == "exact"}
    assert exact >= {"note", "hour", "carrier", "delay", "late"}
    assert not exact & {count.field for count in counted(lens, [row]).changed}


def _arrived(program: Program) -> list[Field]:
    """The fields of the newer contract, each of the type that its ops give it."""
    types = {f.name: f.kind for f in FIELDS}
    types |= {op.field: op.target for op in program if isinstance(op, Cast)}
    types |= {op.field: "integer" for op in program if isinstance(op, Map) and op.pairs[0][1] == 1}
    types |= {op.field: "number" for op in program if isinstance(op, Add)}
    for op in program:
        if isinstance(op, Rename):
            types[op.target] = types.pop(op.source)
    return [Field(name, type_of(kind), required=False, nullable=True) for name, kind in types.items()]


@st.composite
def cases(draw: st.DrawFn) -> tuple[Program, dict[str, Any]]:
    program = draw(programs)
    return program, draw(records_for(program))


def outcome(program: Program, record: dict[str, Any]) -> Any:
    try:
        return apply(program, record)
    except Rejected as rejected:
        return rejected


def _plain(program: Program) -> Program:
    """Without fallbacks and offsets, in objects and lists too."""
    return tuple(map(_plain_op, program))


def _plain_op(op: Op) -> Op:
    match op:
        case Map(field, pairs):
            return Map(field, pairs)
        case Unit(field, numerator, denominator):
            return Unit(field, numerator, denominator)
        case Inside(field, ops):
            return Inside(field, _plain(ops))
        case Each(field, ops):
            return Each(field, _plain(ops))
        case _:
            return op


@settings(max_examples=200, deadline=None)
@given(cases())
def test_turned_around_twice_a_program_does_what_it_did(case: tuple[Program, dict[str, Any]]) -> None:
    """reverse(reverse(p)) agrees with p, fallbacks aside; offsets may differ in their last bit."""
    program, record = case
    plain = _plain(program)
    again, once = outcome(reversed_ops(reversed_ops(plain)), record), outcome(plain, record)
    if isinstance(once, Rejected):
        assert isinstance(again, Rejected)
        assert (again.field, again.reason) == (once.field, once.reason)
    else:
        assert equal_json(again, once)


@given(st.sampled_from((0.5, 32.0, -273.15)), st.integers(1, 9), st.integers(1, 9))
def test_an_offset_returns_within_rounding(offset: float, numerator: int, denominator: int) -> None:
    """A Unit turned around twice has its offset again, up to rounding."""
    op = Unit("a", numerator, denominator, offset)
    [again] = reversed_ops(reversed_ops((op,)))
    assert isinstance(again, Unit)
    assert (again.numerator, again.denominator) == (numerator, denominator)
    assert math.isclose(again.offset, offset, rel_tol=1e-15)


@settings(max_examples=200, deadline=None)
@given(programs, programs, cases())
def test_a_path_does_what_its_lenses_do_one_by_one(
    second: Program, third: Program, case: tuple[Program, dict[str, Any]]
) -> None:
    """Composing lenses into one program changes nothing of what they do; the way back is theirs in reverse."""
    first, record = case
    lenses = [Lens("c", "1", "2", first), Lens("c", "2", "3", second), Lens("c", "4", "3", third)]
    path = lens_path(lenses, "c", "1", "4")
    whole = outcome(path, record)
    step: Any = record
    for program in (first, second, reversed_ops(third)):
        step = step if isinstance(step, Rejected) else outcome(program, step)
    if isinstance(whole, Rejected):
        assert isinstance(step, Rejected)
    else:
        assert equal_json(whole, step)
    assert len(lens_path(lenses, "c", "4", "1")) == len(path)


@given(st.sampled_from(NAMES), scalars)
def test_absence_stays_absence(name: str, value: Any) -> None:
    """Ops on a field that is not there do nothing, and the record that was given is never changed."""
    program = (Unit(name, 60), Cast(name, "string", "integer"), Map(name, ((value, "x"),)), Rename(name, "z"))
    record = {"other": value}
    assert equal_json(apply(program, record), record)
    apply((Add(name, 1), Rename("other", "z")), record)
    assert equal_json(record, {"other": value})
