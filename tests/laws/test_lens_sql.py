"""A lens in the SQL of triggers says of each row what the reference says, on connections that nobody prepared."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal as Exact
from random import Random
from typing import Any

import pytest

from interlock.adapters.schemas.lens_sql import Translation, translate
from interlock.domain.lenses.apply import Rejected, apply
from interlock.domain.lenses.expressions.evaluate import evaluator
from interlock.domain.lenses.expressions.nodes import FLOAT, INT, TEXT, Column, Constant, Expr
from interlock.domain.lenses.expressions.typing import call
from interlock.domain.lenses.ops import Add, Blank, Cast, Fill, Map, Op, Unit
from interlock.domain.schemas.field import Bool, Date, Decimal, Field, Float, Int, String
from support.expressions import FLOATS, INTS, TEXTS, random_expression, random_rows
from support.migrating import Database, Postgres, Sqlite, postgres_server

pytest.importorskip("ibis")

FIELDS = (
    *(Field(name, Int(64), nullable=True) for name in "ij"),
    *(Field(name, Float(64), nullable=True) for name in "xy"),
    *(Field(name, String(), nullable=True) for name in "su"),
    Field("b", Bool(), nullable=True),
    Field("d", Date(), nullable=True),
    Field("m", Decimal(9, 2), nullable=True),
)
TYPES = {
    "int": "bigint",
    "float": "double precision",
    "string": "text",
    "decimal": "numeric(9, 2)",
    "bool": "boolean",
}
EXPRESSIONS, ROWS = 40, 30


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    made: Database = Sqlite() if request.param == "sqlite" else Postgres(postgres_server(), "lenses")
    yield made
    made.close()


def fill(database: Database, fields: tuple[Field, ...], rows: list[dict[str, Any]]) -> None:
    columns = ", ".join(f"{f.name} {TYPES.get(f.type.kind, f.type.kind)}" for f in fields)
    database.run("DROP TABLE IF EXISTS t")
    database.run(f"CREATE TABLE t (n bigint, {columns})")
    values = ", ".join(f":{name}" for name in ("n", *(f.name for f in fields)))
    for number, row in enumerate(rows):
        held = {f.name: held_in(database, row[f.name]) for f in fields}
        database.run(f"INSERT INTO t VALUES ({values})", {"n": number, **held})


def held_in(database: Database, value: Any) -> Any:
    is_text = database.dialect == "sqlite" and isinstance(value, date | Exact)
    return str(value) if is_text else value


def asked(database: Database, found: Translation, names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """Each row: what was made, and whether it is rejected."""
    rejected = " OR ".join((*(f"{one.column}" for one in found.rejections), "1 = 0"))
    made = ", ".join(found.made[name] for name in names)
    return database.run(
        f"SELECT {made}, {rejected} FROM ({found.over('SELECT * FROM t', ['n'])}) AS lens ORDER BY n"
    )


def told(value: Any, kind: Any) -> Any:
    match value:
        case float():
            return value + 0.0
        case Exact():
            return value.normalize() + 0
        case int() if isinstance(kind, Bool):
            return bool(value)
        case date():
            return value.isoformat()
        case _:
            return value


def test_expressions_mean_what_the_reference_says(database: Database) -> None:
    """Bit for bit. What the database cannot compute exactly is refused before it is asked."""
    random = Random(3)
    rows = random_rows(random, ROWS)
    fill(database, FIELDS, rows)
    refused = 0
    for _ in range(EXPRESSIONS):
        expr = random_expression(random, 3)
        wanted = Field("made", expr.type, nullable=True)
        found, findings = translate((Add("made", value=expr),), FIELDS, (wanted,), database.dialect, "t")
        if found is None:
            assert [one.code for one in findings] == ["migration.engine_refuses"]
            refused += 1
            continue
        agree(asked(database, found, ("made",)), expr, rows)
    assert refused < EXPRESSIONS * (0.7 if database.dialect == "sqlite" else 0.2)


def agree(said: list[tuple[Any, ...]], expr: Expr, rows: list[dict[str, Any]]) -> None:
    evaluate = evaluator(expr)
    for row, (made, is_rejected) in zip(rows, said, strict=True):
        assert not is_rejected
        assert told(made, expr.type) == told(evaluate(row), expr.type), (expr, row)


@pytest.mark.parametrize("function", ["floor", "ceil", "trunc", "round_half_even", "idiv", "mod"])
def test_sqlite_needs_no_functions_of_mathematics(function: Any) -> None:
    """SQLite is often built without them, so none is called."""
    kind = FLOAT if function in ("floor", "ceil", "trunc", "round_half_even") else INT
    args = (Column("x", FLOAT),) if kind == FLOAT else (Column("i", INT), Constant(7, INT))
    program = (Add("made", value=call(function, *args)),)
    found, _ = translate(program, FIELDS, (Field("made", Int(64), nullable=True),), "sqlite", "t")
    assert found is not None
    assert not any(f"{name}(" in found.sql.upper() for name in ("MOD", "FLOOR", "CEIL", "CEILING", "TRUNC"))


OPS: tuple[tuple[Field, tuple[Any, ...], Op, Field], ...] = tuple(
    (Field("a", source, nullable=True), values, op, Field("a", target, nullable=True))
    for source, values, op, target in (
        (Int(64), INTS, Cast("a", "integer", "string"), String()),
        (String(), TEXTS, Cast("a", "string", "integer"), Int(64)),
        (Float(64), FLOATS, Cast("a", "number", "integer"), Int(64)),
        (Bool(), (True, False), Cast("a", "boolean", "string"), String()),
        (String(), TEXTS, Cast("a", "string", "boolean"), Bool()),
        (Bool(), (True, False), Cast("a", "boolean", "integer"), Int(64)),
        (Int(64), INTS, Cast("a", "integer", "boolean"), Bool()),
        (Float(64), FLOATS, Unit("a", 9, 5, 32.0), Float(64)),
        (Float(64), FLOATS, Unit("a", -3, 7, 0.5, True), Int(64)),
        (Int(64), INTS, Unit("a", 1, 4, integer=True), Int(64)),
        (String(), TEXTS, Map("a", (("", "x"), ("%", "it's"), (None, "null"), ("É-é", None))), String()),
        (Int(64), INTS, Map("a", ((1, 0.5), (2.0, 3), (-7, -1)), (9,)), Float(64)),
        (Bool(), (True, False), Map("a", ((True, "y"), (False, "n"), (1, "one"))), String()),
        (Float(64), FLOATS, Map("a", ((0, False), (0.5, True)), (None,)), Bool()),
        (String(), TEXTS, Fill("a", "it's"), String()),
        (Int(64), INTS, Fill("a", 0.5), Float(64)),
        (Int(64), INTS, Blank("a", 1), Int(64)),
        (String(), TEXTS, Blank("a", "true"), String()),
    )
)


@pytest.mark.parametrize("case", OPS, ids=lambda case: f"{case[2].op} {case[0].type.kind}")
def test_ops_mean_what_the_reference_says(
    database: Database, case: tuple[Field, tuple[Any, ...], Op, Field]
) -> None:
    """The same value, or a rejection of the same field; beyond 2**53 and near zero, a rejection at least."""
    source, values, op, target = case
    rows = [{"a": value} for value in (*values, None)]
    fill(database, (source,), rows)
    found, findings = translate((op,), (source,), (target,), database.dialect, "t")
    assert found is not None, findings
    for row, (made, is_rejected) in zip(rows, asked(database, found, ("a",)), strict=True):
        try:
            wanted = told(apply((op,), row)["a"], target.type)
        except Rejected:
            assert is_rejected, row
            continue
        if is_rejected:
            assert is_extreme(row["a"]), row
        else:
            assert told(made, target.type) == wanted, row


def is_extreme(value: Any) -> bool:
    return isinstance(value, int | float) and (abs(value) >= 2**53 or 0 < abs(value) < 1e-250)


@pytest.mark.parametrize("text", ["it's", 'a "quoted" name', "back\\slash", "%s :x $1 $interlock$", "\U0001f6eb"])
def test_literals_are_what_they_say(database: Database, text: str) -> None:
    """Nothing in a text of a lens is taken for SQL."""
    fill(database, (Field("s", String()),), [{"s": "k"}])
    found, _ = translate(
        (Map("s", (("k", text),)),), (Field("s", String()),), (Field("s", String()),), database.dialect, "t"
    )
    assert found is not None
    assert asked(database, found, ("s",)) == [(text, False)]


def test_sqlite_values_of_another_type_are_rejected() -> None:
    """A column of SQLite may hold anything; what is none of the field's type has no form."""
    database = Sqlite()
    fill(database, (Field("a", Int(64)),), [{"a": "12x"}, {"a": 1.5}, {"a": 3}])
    found, _ = translate(
        (Unit("a", 60, integer=True),), (Field("a", Int(64)),), (Field("a", Int(64)),), "sqlite", "t"
    )
    assert found is not None
    assert [bool(rejected) for _, rejected in asked(database, found, ("a",))] == [True, True, False]
    database.close()


def test_what_triggers_cannot_do_is_refused() -> None:
    """The finding names op, field and database."""
    wanted = (Field("made", Bool(), nullable=True),)
    pattern = call("matches", Column("s", TEXT), Constant("[0-9]+", TEXT))
    found, [finding] = translate((Add("made", value=pattern),), FIELDS, wanted, "sqlite", "table:t")
    assert found is None
    assert finding.code == "migration.engine_refuses"
    assert "op 1 (add) on `made`: SQLite has no regular expressions" in finding.says
