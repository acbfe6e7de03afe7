"""A lens is run over the fields of its contracts before it is run over records."""

from __future__ import annotations

from dataclasses import replace

import pytest

from interlock.domain.lenses.check import fit
from interlock.domain.lenses.expressions.nodes import FLOAT, TEXT, Column
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
    Program,
    Recombine,
    Rename,
    Unit,
    Unnest,
    Wrap,
)
from interlock.domain.schemas.contract import Contract, record
from interlock.domain.schemas.field import INTEGER, NUMBER, STRING, Field, List, Struct

OLDER = record(
    "flights",
    "1",
    (
        Field("dep_delay", INTEGER, unit="min", nullable=True),
        Field("carrier", STRING, enum=("UA", "B6")),
        Field("tailnum", STRING),
        Field("hour", STRING),
    ),
)
NEWER = record(
    "flights",
    "2",
    (
        Field("departure_delay", INTEGER, unit="s", nullable=True),
        Field("carrier", STRING, enum=("United", "JetBlue")),
        Field("hour", INTEGER),
        Field("wind_speed", NUMBER, nullable=True),
    ),
)
OPS: tuple[Op, ...] = (
    Rename("dep_delay", "departure_delay"),
    Unit("departure_delay", 60, integer=True),
    Map("carrier", (("UA", "United"), ("B6", "JetBlue"))),
    Drop("tailnum", ""),
    Cast("hour", "string", "integer"),
    Add("wind_speed", None),
)


def codes(*ops: Op, older: Contract = OLDER, newer: Contract = NEWER) -> list[str]:
    return [f.code for f in fit(Lens("flights", "1", "2", ops, "lens.yaml:1"), older, newer)]


def instead(index: int, *ops: Op) -> tuple[Op, ...]:
    return (*OPS[:index], *ops, *OPS[index + 1 :])


def test_a_lens_that_fits_has_no_findings() -> None:
    """Names, types, units, enums and defaults agree in both directions."""
    assert codes(*OPS) == []


MISFITS: dict[str, tuple[tuple[Op, ...], str]] = {
    "op on a field that is not there": (instead(1, Unit("dep_delay", 60, integer=True)), "lens.field_unknown"),
    "rename onto a field": (instead(0, Rename("dep_delay", "hour")), "lens.field_taken"),
    "add of a field that is there": ((*OPS, Add("hour", 1)), "lens.field_taken"),
    "field left over": (instead(3), "lens.field_left_over"),
    "field lacking": (instead(5), "lens.field_lacking"),
    "wrong factor": (instead(1, Unit("departure_delay", 3600, integer=True)), "lens.unit_misfit"),
    "factor upside down": (instead(1, Unit("departure_delay", 1, 60, integer=True)), "lens.unit_misfit"),
    "offset where there is none": (instead(1, Unit("departure_delay", 60, 1, 1.0, True)), "lens.unit_misfit"),
    "unit forgotten": (instead(1), "lens.unit_misfit"),
    "unit of text": ((*OPS, Unit("carrier", 60)), "lens.type_misfit"),
    "number where an integer is wanted": (instead(1, Unit("departure_delay", 60)), "lens.type_misfit"),
    "zero factor": (instead(1, Unit("departure_delay", 0)), "lens.factor_invalid"),
    "value not mapped": (instead(2, Map("carrier", (("UA", "United"),))), "lens.map_incomplete"),
    "value mapped outside": (instead(2, Map("carrier", (("UA", "United"), ("B6", "jetBlue")))), "lens.enum_misfit"),
    "value mapped to another type": (instead(2, Map("carrier", (("UA", 1), ("B6", 2)))), "lens.type_misfit"),
    "map forgotten": (instead(2), "lens.enum_misfit"),
    "cast from another type": (instead(4, Cast("hour", "boolean", "integer")), "lens.type_misfit"),
    "cast that does not exist": (instead(4, Cast("hour", "string", "number")), "lens.cast_unknown"),
    "cast forgotten": (instead(4), "lens.type_misfit"),
    "default of another type": (instead(5, Add("wind_speed", "none")), "lens.default_misfit"),
    "default of the way back is null": (instead(3, Drop("tailnum", None)), "lens.default_misfit"),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_a_lens_that_does_not_fit_says_why(misfit: str) -> None:
    """Every kind of misfit is a blocking finding at the lens, with a remedy."""
    ops, code = MISFITS[misfit]
    findings = fit(Lens("flights", "1", "2", ops, "lens.yaml:1"), OLDER, NEWER)
    found = [f for f in findings if f.code == code]
    assert found
    assert all(f.is_blocking and f.remedy and f.where == "lens.yaml:1" for f in found)


def test_an_unknown_field_is_named_with_what_there_is() -> None:
    """The finding tells the op by number and kind, and suggests the nearest field at that point."""
    lens = Lens("flights", "1", "2", instead(1, Unit("departure_dely", 60, integer=True)))
    finding = next(f for f in fit(lens, OLDER, NEWER) if f.code == "lens.field_unknown")
    assert finding.says == "op 2 (unit): `departure_dely` does not exist at this point"
    assert finding.remedy == "Did you mean 'departure_delay'?"


def narrowed(**change: object) -> Contract:
    first, *rest = NEWER.fields
    return record(NEWER.name, NEWER.version, (replace(first, **change), *rest))  # type: ignore[arg-type]  # fields of Field


def test_null_absence_and_bounds_must_be_allowed_by_the_newer_version() -> None:
    """What may arrive and is not declared is found; bounds are only warned of."""
    optional = record(OLDER.name, OLDER.version, (replace(OLDER.fields[0], required=False), *OLDER.fields[1:]))
    assert codes(*OPS, newer=narrowed(nullable=False)) == ["lens.null_misfit"]
    assert codes(*OPS, older=optional) == ["lens.presence_misfit"]
    assert codes(*OPS, newer=narrowed(minimum=0)) == ["lens.bounds_misfit"]
    bounded = record(
        OLDER.name, OLDER.version, (replace(OLDER.fields[0], minimum=0, maximum=10), *OLDER.fields[1:])
    )
    assert codes(*OPS, older=bounded, newer=narrowed(minimum=0, maximum=600)) == []


def test_what_cannot_be_checked_is_a_warning() -> None:
    """A factor between units that the table does not have, and a mapped value that never occurs."""
    older = record(OLDER.name, OLDER.version, (replace(OLDER.fields[0], unit="fortnight"), *OLDER.fields[1:]))
    stray = Map("carrier", (("UA", "United"), ("B6", "JetBlue"), ("DL", "United")))
    assert codes(*OPS, older=older) == ["lens.unit_unknown"]
    assert codes(*instead(2, stray)) == ["lens.map_stray"]
    steps = record("c", "1", (Field("a", INTEGER),)), record("c", "2", (Field("a", INTEGER, unit="s"),))
    assert codes(Map("a", ((1, 60),)), older=steps[0], newer=steps[1]) == ["lens.unit_unknown"]
    assert codes(Unit("a", 60, integer=True), older=steps[0], newer=steps[1]) == ["lens.unit_unknown"]


def test_temperatures_are_checked_with_their_offset() -> None:
    """Celsius to Fahrenheit is 9/5 plus 32, and nothing else."""
    older = record("w", "1", (Field("t", NUMBER, unit="Cel"),))
    newer = record("w", "2", (Field("t", NUMBER, unit="[degF]"),))
    assert codes(Unit("t", 9, 5, 32.0), older=older, newer=newer) == []
    assert codes(Unit("t", 9, 5), older=older, newer=newer) == ["lens.unit_misfit"]
    steps = (Unit("t", 1, 1, 273.15), Unit("t", 9, 5, -459.67))
    assert codes(*steps, older=older, newer=newer) == []


MIN, SEC = Field("t", INTEGER, unit="min"), Field("t", INTEGER, unit="s")
NAME = Field("name", STRING)
UNIT = Unit("t", 60, integer=True)


def struct(*fields: Field) -> Struct:
    return Struct(fields, is_open=False)


def listed(*fields: Field) -> List:
    return List(Field("element", struct(*fields)))


SHAPES: dict[str, tuple[Program, tuple[Field, ...], tuple[Field, ...], list[str]]] = {
    "nest": ((Nest(("t", "name"), "o"),), (MIN, NAME), (Field("o", struct(MIN, NAME)),), []),
    "nest with a unit to convert": ((Nest(("t",), "o"),), (MIN,), (Field("o", struct(SEC)),), ["lens.unit_misfit"]),
    "nest of what is not there": (
        (Nest(("t", "x"), "o"),),
        (MIN,),
        (Field("o", struct(MIN)),),
        ["lens.field_unknown"],
    ),
    "nest onto a field": (
        (Nest(("t",), "name"),),
        (MIN, NAME),
        (Field("name", struct(MIN)),),
        ["lens.field_taken"],
    ),
    "unnest": ((Unnest(("t", "name"), "o"),), (Field("o", struct(MIN, NAME)),), (MIN, NAME), []),
    "unnest of a part": (
        (Unnest(("t",), "o"),),
        (Field("o", struct(MIN, NAME)),),
        (MIN,),
        ["lens.field_left_over"],
    ),
    "unnest of null": (
        (Unnest(("t",), "o"),),
        (Field("o", struct(MIN), nullable=True),),
        (MIN,),
        ["lens.null_misfit"],
    ),
    "unnest of no object": ((Unnest(("t",), "name"),), (NAME, MIN), (MIN,), ["lens.type_misfit"]),
    "in": ((Inside("o", (UNIT,)),), (Field("o", struct(MIN)),), (Field("o", struct(SEC)),), []),
    "in, wrongly": (
        (Inside("o", (Unit("x", 60),)),),
        (Field("o", struct(MIN)),),
        (Field("o", struct(MIN)),),
        ["lens.field_unknown"],
    ),
    "in no object": ((Inside("t", (UNIT,)),), (MIN,), (MIN,), ["lens.type_misfit"]),
    "in, with a zero factor": (
        (Inside("o", (Unit("t", 0),)),),
        (Field("o", struct(MIN)),),
        (Field("o", struct(SEC)),),
        ["lens.factor_invalid"],
    ),
    "each": ((Each("l", (UNIT,)),), (Field("l", listed(MIN)),), (Field("l", listed(SEC)),), []),
    "each forgotten": ((), (Field("l", listed(MIN)),), (Field("l", listed(SEC)),), ["lens.unit_misfit"]),
    "each of no list": ((Each("t", (UNIT,)),), (MIN,), (MIN,), ["lens.type_misfit"]),
    "each leaves a field over": (
        (),
        (Field("l", listed(MIN, NAME)),),
        (Field("l", listed(MIN)),),
        ["lens.field_left_over"],
    ),
    "wrap": ((Wrap("name"),), (NAME,), (Field("name", List(Field("element", STRING))),), []),
    "wrap of another type": (
        (Wrap("name"),),
        (NAME,),
        (Field("name", List(Field("element", INTEGER))),),
        ["lens.type_misfit"],
    ),
    "head": (
        (Head("l"),),
        (Field("l", List(Field("element", INTEGER))),),
        (Field("l", INTEGER, nullable=True),),
        [],
    ),
    "head of what may be empty": (
        (Head("l"),),
        (Field("l", List(Field("element", INTEGER))),),
        (Field("l", INTEGER),),
        ["lens.null_misfit"],
    ),
    "head of no list": ((Head("name"),), (NAME,), (NAME,), ["lens.type_misfit"]),
    "fill": ((Fill("t", -1),), (replace(MIN, nullable=True, minimum=0),), (MIN,), []),
    "fill beyond the bounds": (
        (Fill("t", -1),),
        (replace(MIN, nullable=True, minimum=0),),
        (replace(MIN, minimum=0),),
        ["lens.bounds_misfit"],
    ),
    "fill of another type": ((Fill("t", "none"),), (replace(MIN, nullable=True),), (MIN,), ["lens.type_misfit"]),
    "fill beyond the enum": (
        (Fill("name", "none"),),
        (replace(NAME, nullable=True, enum=("a",)),),
        (replace(NAME, enum=("a", "b")),),
        ["lens.enum_misfit"],
    ),
    "blank": ((Blank("name", "N/A"),), (NAME,), (replace(NAME, nullable=True),), []),
    "blank where null is refused": ((Blank("name", "N/A"),), (NAME,), (NAME,), ["lens.null_misfit"]),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_fields_keep_their_type_and_unit_through_shapes(shape: str) -> None:
    """Objects, lists and stand-ins for null are followed field by field."""
    ops, older, newer, expected = SHAPES[shape]
    assert codes(*ops, older=record("c", "1", older), newer=record("c", "2", newer))[:1] == expected


def test_what_is_nested_is_named_by_its_path() -> None:
    """The finding says which op inside, and which field inside."""
    older, newer = (record("c", v, (Field("o", struct(NAME, MIN)),)) for v in ("1", "2"))
    findings = fit(Lens("c", "1", "2", (Inside("o", (Rename("name", "n"), Drop("x"))),)), older, newer)
    assert [f.says for f in findings] == [
        "op 1 (in): in `o`, op 2 (drop): `x` does not exist at this point",
        "nothing yields `o.name`, which version 2 has",
        "`o.n` is left over: version 2 does not have it",
    ]


UPPER = call("upper", Column("name", TEXT, False))
HALF = call("div", Column("x", FLOAT, False), Column("x", FLOAT, False))


def test_what_is_computed_must_be_what_the_contract_wants() -> None:
    """Type and nullability of expressions are known; the unit of what they yield is not."""
    older = record("c", "1", (NAME, Field("x", NUMBER)))
    kept = (NAME, Field("x", NUMBER))
    for value, made, expected in (
        (UPPER, Field("n", STRING), []),
        (UPPER, Field("n", INTEGER), ["lens.type_misfit"]),
        (HALF, Field("n", NUMBER), ["lens.null_misfit"]),
        (HALF, Field("n", NUMBER, nullable=True), []),
        (HALF, Field("n", NUMBER, nullable=True, unit="s"), ["lens.unit_unknown"]),
    ):
        assert codes(Add("n", value=value), older=older, newer=record("c", "2", (*kept, made))) == expected
    dropped = record("c", "2", (Field("x", NUMBER),))
    assert codes(Drop("name", value=HALF), older=older, newer=dropped)[0] == "lens.type_misfit"
    nulls = record("c", "1", (Field("x", NUMBER), Field("name", NUMBER)))
    assert codes(Drop("name", value=HALF), older=nulls, newer=dropped) == ["lens.null_misfit"]


def test_a_split_needs_its_field_and_makes_new_ones() -> None:
    """What is needed is rejected where it would be null, so that it is never null."""
    older, newer = record("c", "1", (NAME,)), record("c", "2", (Field("a", STRING), Field("b", NUMBER)))
    back = Computed("name", Column("a", TEXT, False))
    good = Recombine((back,), (Computed("a", UPPER), Computed("b", call("to_float", call("to_int", UPPER)), True)))
    assert codes(good, older=older, newer=newer) == []
    assert codes(good, older=record("c", "1", (NAME, Field("a", STRING))), newer=newer)[0] == "lens.field_taken"
    assert codes(good, older=record("c", "1", (MIN,)), newer=newer)[0] == "lens.field_unknown"
    loose = replace(good, parts=(good.parts[0], replace(good.parts[1], is_needed=False)))
    assert codes(loose, older=older, newer=newer) == ["lens.null_misfit"]
