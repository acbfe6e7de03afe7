"""A lens on a table is the same lens on each of its rows: every engine against the reference, bit for bit."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import ibis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.adapters.schemas import lens_scalars
from interlock.adapters.schemas.compute import Emitter, EngineRefuses
from interlock.adapters.schemas.lens_terms import Stages
from interlock.domain.lenses.expressions.nodes import INT, Column, Constant
from interlock.domain.lenses.expressions.typing import call
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import Add, Blank, Cast, Head, Map, Program, Unit
from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.field import BOOLEAN, Field, List, Type
from support.engines import Held, engine_named
from support.lens_cases import SLOW, lenses
from support.lens_columns import (
    INT64,
    ZONED,
    column_rows,
    differences,
    differences_of,
    fields_on,
    loaded,
    random_columns,
    random_lens,
)

SEEDS, LENSES, ROWS = 3, 8, 60
ENGINES = ("duckdb", "polars", "postgres", "sqlite", "spark")


@pytest.fixture(scope="module", params=ENGINES)
def held(request: pytest.FixtureRequest) -> Iterator[Held]:
    with engine_named(request.param) as engine:
        yield engine


@pytest.fixture(scope="module")
def duckdb() -> Iterator[Held]:
    with engine_named("duckdb") as engine:
        yield engine


def assert_columns(held: Held, seed: int, lenses: int = LENSES) -> None:
    """Random lenses over columns of every plain type: of what is not refused, each row."""
    random = Random(seed)
    fields = fields_on(held.name)
    rows = random_columns(random, fields, ROWS)
    table = loaded(held, fields, rows)
    run = 0
    for _ in range(lenses):
        program, target = random_lens(random, held.name, random.randint(1, 5))
        try:
            wrong = differences_of(held, table, program, fields, target, rows)
        except EngineRefuses:
            continue
        assert not wrong, (program, wrong[0])
        run += 1
    assert run > lenses // 2


@pytest.mark.parametrize("seed", range(SEEDS))
def test_plain_columns_agree_with_the_reference(held: Held, seed: int) -> None:
    """Casts, units, maps, expressions and the rest on integers, floats, decimals, text, dates, instants."""
    assert_columns(held, seed)


def assert_shapes(held: Held, examples: int) -> None:
    """Random lenses over objects and lists, with fields that may be absent, null or both."""

    @settings(max_examples=examples, deadline=None, suppress_health_check=SLOW)
    @given(lenses(), st.data())
    def law(case: tuple[Lens, Contract, Contract], data: st.DataObject) -> None:
        lens, older, newer = case
        rows = data.draw(column_rows(older.fields))
        try:
            wrong = differences(held, lens.ops, older.fields, newer.fields, rows)
        except EngineRefuses:
            return
        assert not wrong, (lens.ops, wrong[0])

    law()


@pytest.mark.parametrize(("engine", "examples"), [("duckdb", 60), ("polars", 40), ("spark", 25)])
def test_shapes_agree_with_the_reference(engine: str, examples: int) -> None:
    """Objects and lists, on the engines whose tables have them."""
    with engine_named(engine) as held:
        assert_shapes(held, examples)


@pytest.mark.skipif(shutil.which("java") is None, reason="Spark itself needs Java, and there is none on the path")
def test_spark_itself_agrees_with_the_reference() -> None:
    """What a server of its protocol does, Spark does."""
    with engine_named("java") as held:
        assert_columns(held, SEEDS, lenses=4)
        assert_shapes(held, 3)


# ---- the law sees careless engines


def half_up(self: Emitter, value: Any) -> Any:
    return (value + self.double(0.5)).floor().cast("int64")


def floored(self: Emitter, args: list[Any], *_: Any) -> Any:
    a, b = args
    return (a.cast("float64") / b.nullif(0).cast("float64")).floor().cast("int64")


MAPPED = lens_scalars.mapped


def without_null(op: Map, one: Any, scope: Any) -> Any:
    return MAPPED(replace(op, pairs=tuple(pair for pair in op.pairs if pair[0] is not None)), one, scope)


def without_zone(self: Emitter, microseconds: int, is_zoned: bool, kind: str) -> Any:
    return ibis.literal(str(NOON.replace(tzinfo=None))).cast("timestamp").cast(kind)


def zero_for_none(self: Emitter, listed: Any) -> Any:
    return ibis.coalesce(listed[0], ibis.literal(0, "int64"))


NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)
HALVES = Add("e", value=call("idiv", Column("a", INT), Constant(2, INT)))


@dataclass(frozen=True, slots=True)
class Careless:
    """A rule that is left out (`by` replaces `of.name`), and what tells: a program on a column of one type."""

    of: Any
    name: str
    by: Any
    program: Program
    before: Type
    after: tuple[Field, ...]
    values: tuple[Any, ...]


def field(name: str, one: Type) -> Field:
    return Field(name, one, nullable=True)


CARELESS = {
    "half up": Careless(
        Emitter,
        "half_even",
        half_up,
        (Unit("a", 1, 2, integer=True),),
        INT64,
        (field("a", INT64),),
        (1, 3, -5, None),
    ),
    "floor division": Careless(
        Emitter, "_idiv", floored, (HALVES,), INT64, (field("a", INT64), field("e", INT64)), (7, -7, None)
    ),
    "map without null": Careless(
        *(lens_scalars, "mapped", without_null, (Map("a", ((None, 3), (1, 2))),), INT64),
        *((field("a", INT64),), (1, None)),
    ),
    "dropped rejection": Careless(
        *(Stages, "reject", lambda *_: None, (Cast("a", "integer", "boolean"),), INT64),
        *((field("a", BOOLEAN),), (0, 7, None)),
    ),
    "zone lost": Careless(
        *(Emitter, "_moment", without_zone, (Blank("a", "2024-02-29T12:00:00Z"),), ZONED),
        *((field("a", ZONED),), (NOON, None)),
    ),
    "head of an empty list": Careless(
        *(Emitter, "first", zero_for_none, (Head("a"),), List(field("element", INT64))),
        *((field("a", INT64),), ([], [7], None)),
    ),
}


@pytest.mark.parametrize("rule", CARELESS)
def test_a_rule_that_is_left_out_is_seen(rule: str, duckdb: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the laws above mean something."""
    one = CARELESS[rule]
    rows = [{"n": n, "a": value} for n, value in enumerate(one.values)]
    source = (field("a", one.before),)
    assert not differences(duckdb, one.program, source, one.after, rows)
    monkeypatch.setattr(one.of, one.name, one.by)
    assert differences(duckdb, one.program, source, one.after, rows)
