"""While a table is moved, both versions show what the lens says, whoever writes; each step can be taken back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from random import Random
from typing import Any

import pytest

from interlock.adapters.schemas.migrations import plan_migration
from interlock.domain.lenses.apply import Rejected, apply
from interlock.domain.lenses.expressions.read import read_expression
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import (
    Add,
    Blank,
    Cast,
    Computed,
    Drop,
    Fill,
    Map,
    Program,
    Recombine,
    Rename,
    Unit,
)
from interlock.domain.lenses.reverse import reversed_ops
from interlock.domain.lenses.rows import known_in
from interlock.domain.migrations.migration import Dialect, Migration, MigrationStep
from interlock.domain.schemas.contract import Contract, Object
from interlock.domain.schemas.field import Bool, Field, Float, Int, String
from interlock.domain.schemas.values import misfit
from support.migrating import Database, Postgres, Refusal, Row, Sqlite, backward, forward, postgres_server

pytest.importorskip("ibis")

KEY = Field("Id", Int(64))
TABLE = "order lines"
SEEDS = range(4)


@dataclass(frozen=True)
class Part:
    """A lens on its own: fields of the older version, those of the newer, and some values of either."""

    older: tuple[Field, ...]
    newer: tuple[Field, ...]
    ops: Program
    older_values: tuple[tuple[Any, ...], ...] = ()
    newer_values: tuple[tuple[Any, ...], ...] = ()

    def get(self, row: Row) -> Row | None:
        return self._made(self.ops, row, self.older, self.newer)

    def put(self, row: Row) -> Row | None:
        return self._made(reversed_ops(self.ops), row, self.newer, self.older)

    def _made(self, ops: Program, row: Row, source: tuple[Field, ...], target: tuple[Field, ...]) -> Row | None:
        try:
            made = apply(ops, {f.name: row[f.name] for f in source})
        except Rejected:
            return None
        return made if all(fits(made[f.name], f) for f in target) else None


def fits(value: Any, one: Field) -> bool:
    return one.nullable if value is None else not misfit(value, one)


def made_of(text: str, *fields: Field) -> Any:
    return read_expression(text, known_in(fields))


def whole(name: str, **more: Any) -> Field:
    return Field(name, Int(64), **more)


def text(name: str, **more: Any) -> Field:
    return Field(name, String(), **more)


INTS, WORDS = ((0,), (1,), (-7,), (61,), (None,)), (("a",), ("b",), ("it's",), ("",), (None,))
K, HI, LO = whole("k"), whole("hi"), whole("lo", minimum=0)
N2, SIDE = whole("n2", nullable=True), whole("side", nullable=True)
PARTS = (
    Part(
        (text('sel"ect', nullable=True),),
        (text("from", nullable=True),),
        (Rename('sel"ect', "from"),),
        WORDS,
        WORDS,
    ),
    Part(
        (whole("Seconds", nullable=True),),
        (whole("minutes", nullable=True, maximum=100),),
        (Rename("Seconds", "minutes"), Unit("minutes", 1, 60, integer=True)),
        (*INTS, (30,), (90,), (150,), (-30,), (6029,), (6031,), (2**53 + 3,), (10**17,)),
        (*INTS, (100,), (101,), (2**50,)),
    ),
    Part(
        (text("grade"),),
        (text("grade", enum=("A", "B", "X")),),
        (Map("grade", (("a", "A"), ("b", "B"), ("bb", "B"))),),
        (("a",), ("b",), ("bb",), ("zz",)),
        (("A",), ("B",), ("X",), ("Q",), (None,)),
    ),
    Part(
        (text("code", nullable=True),),
        (whole("code", nullable=True),),
        (Cast("code", "string", "integer"),),
        (("12",), ("-007",), ("+3",), ("1e3",), ("12\n",), ("",), ("9" * 16,), (None,)),
        (*INTS, (10**15 - 1,), (10**15,)),
    ),
    Part((), (text("tag"),), (Add("tag", "new"),), ((),), (("new",), ("other",), (None,))),
    Part((text("note", nullable=True),), (), (Drop("note", "n/a"),), WORDS, ((),)),
    Part(
        (K,),
        (HI, LO),
        (
            Recombine(
                (Computed("k", made_of("hi * 10 + lo", HI, LO), True),),
                (Computed("hi", made_of("k // 10", K), True), Computed("lo", made_of("k % 10", K), True)),
            ),
        ),
        ((0,), (42,), (-7,), (2**53 - 1,), (2**54,)),
        ((1, 2), (0, 99), (2**52, 3), (3, -1), (None, 1)),
    ),
    Part(
        (N2,),
        (N2, SIDE),
        (Add("side", value=made_of("n2 * 2 + 1", N2)),),
        INTS,
        ((1, 3), (1, 5), (None, None), (7, 7)),
    ),
    Part(
        (whole("n3", nullable=True),),
        (whole("n3"),),
        (Fill("n3", -1),),
        INTS,
        ((-1,), (0,), (5,), (None,)),
    ),
    Part(
        (Field("flag", Bool()),),
        (text("flag"),),
        (Cast("flag", "boolean", "string"),),
        ((True,), (False,)),
        (("true",), ("false",), ("maybe",)),
    ),
    Part(
        (Field("t", Float(64), nullable=True),),
        (Field("T", Float(64), nullable=True),),
        (Rename("t", "T"), Unit("T", 9, 5, 32.0)),
        ((0.1,), (-40.0,), (1e300,), (37.7,), (None,)),
        ((98.6,), (-40.0,), (0.3,), (None,)),
    ),
    Part(
        (text("gap"),),
        (text("gap", nullable=True),),
        (Blank("gap", "-"),),
        (("-",), ("x",), ("",)),
        ((None,), ("x",), ("-",)),
    ),
)


@dataclass(frozen=True)
class Case:
    """A lens of several parts, both contracts, and its migration."""

    parts: tuple[Part, ...]
    older: Contract
    newer: Contract
    migration: Migration

    def fields(self, is_newer: bool) -> tuple[Field, ...]:
        return (self.newer if is_newer else self.older).fields


def contract(version: str, fields: tuple[Field, ...]) -> Contract:
    return Contract("lines", version, (Object("lines", fields, False, ("Id",)),))


@cache
def case(seed: int, dialect: Dialect) -> Case:
    """Half of the parts, so that each is in two cases."""
    parts = tuple(PARTS[(seed * 3 + n) % len(PARTS)] for n in range(len(PARTS) // 2))
    older = contract("1", (KEY, *(f for part in parts for f in part.older)))
    newer = contract("2", (KEY, *(f for part in parts for f in part.newer)))
    lens = Lens("lines", "1", "2", tuple(op for part in parts for op in part.ops))
    planned = plan_migration(lens, older, newer, TABLE, ("Id",), dialect)
    assert planned.migration is not None, planned.findings
    return Case(parts, older, newer, planned.migration)


@dataclass
class Model:
    """What the table should hold: each row in both versions, None where it has no form in the newer one."""

    case: Case
    older: dict[int, Row] = field(default_factory=dict)
    newer: dict[int, Row | None] = field(default_factory=dict)
    is_strict: bool = False

    def whole(self, row: Row) -> Row | None:
        made = [part.get(row) for part in self.case.parts]
        return None if None in made else merged({"Id": row["Id"]}, made)

    def write_older(self, row: Row) -> bool:
        """Whether the write is accepted."""
        key = row["Id"]
        was, held = self.older.get(key), self.newer.get(key)
        if was is None or held is None:
            found = self.whole(row)
        else:
            changed = [part for part in self.case.parts if differs(part.older, was, row)]
            made = [part.get(row) for part in changed]
            found = None if None in made else merged(held, made)
        if found is None and self.is_strict:
            return False
        self.older[key], self.newer[key] = row, found
        return True

    def write_newer(self, row: Row) -> bool:
        key = row["Id"]
        if not all(fits(row[f.name], f) for f in self.case.newer.fields):
            return False
        was, held = self.newer.get(key), self.older.get(key, {"Id": key})
        changed = [p for p in self.case.parts if was is None or differs(p.newer, was, row)]
        made = [part.put(row) for part in changed]
        if None in made:
            return False
        self.older[key], self.newer[key] = merged(held, made), row
        return True

    def delete(self, key: int) -> None:
        del self.older[key], self.newer[key]

    def restore(self, older: dict[int, Row], newer: dict[int, Row | None]) -> None:
        """The older rows, from what was archived where a row's newer fields are as they were then."""
        for key, row in self.newer.items():
            was = newer.get(key)
            assert row is not None
            made = []
            for part in self.case.parts:
                is_same = was is not None and not differs(part.newer, was, row)
                made.append({f.name: older[key][f.name] for f in part.older} if is_same else part.put(row))
            self.older[key] = merged({"Id": key}, made)


def merged(row: Row, made: list[Row | None]) -> Row:
    return {**row, **{name: value for one in made if one is not None for name, value in one.items()}}


def differs(fields: tuple[Field, ...], one: Row, other: Row) -> bool:
    return any(one[f.name] != other[f.name] for f in fields)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@dataclass
class World:
    """The database, and the model beside it."""

    random: Random
    database: Database
    case: Case
    model: Model
    is_served: bool = False
    is_stopped: bool = False

    def create(self) -> None:
        kinds = {"int": "bigint", "string": "text", "bool": "boolean", "float": "double precision"}
        if self.database.dialect == "sqlite":
            kinds = {"int": "INTEGER", "string": "TEXT", "bool": "BOOLEAN", "float": "REAL"}
        columns = ", ".join(
            f"{quoted(f.name)} {kinds[f.type.kind]}{'' if f.nullable else ' NOT NULL'}"
            for f in self.case.older.fields
        )
        self.database.run(
            f"CREATE TABLE {quoted(TABLE)} ({columns}, extra text DEFAULT 'kept', PRIMARY KEY (\"Id\"))"
        )

    # ---- writers

    def write(self) -> None:
        """One random write of one of the applications, and a look at all that can be seen."""
        is_newer = self.is_served and self.random.random() < 0.5
        held = self.model.newer if is_newer else self.model.older
        there = sorted(key for key, row in held.items() if row is not None)
        match self.random.choice(("insert", "update", "update", "delete")):
            case "update" if there:
                self.update(self.random.choice(there), is_newer)
            case "delete" if len(there) > 2:
                self.delete(self.random.choice(there), is_newer)
            case _:
                self.insert(is_newer)
        self.look()

    def drawn(self, is_newer: bool, row: Row, few: bool) -> Row:
        parts = self.random.sample(self.case.parts, 1) if few else self.case.parts
        for part in parts:
            fields, values = (part.newer, part.newer_values) if is_newer else (part.older, part.older_values)
            drawn = dict(zip((f.name for f in fields), self.random.choice(values), strict=True))
            if is_newer or all(fits(drawn[f.name], f) for f in fields):
                row = {**row, **drawn}
            else:
                row = {**row, **dict(zip((f.name for f in fields), values[0], strict=True))}
        return row

    def insert(self, is_newer: bool) -> None:
        row = self.drawn(is_newer, {"Id": max(self.model.older, default=0) + 1}, few=False)
        columns, values = ", ".join(map(quoted, row)), ", ".join(f":v{n}" for n in range(len(row)))
        sql = f"INSERT INTO {self.target(is_newer)} ({columns}) VALUES ({values})"
        self.ask(sql, self.bound(row), row, is_newer)

    def update(self, key: int, is_newer: bool) -> None:
        was = (self.model.newer if is_newer else self.model.older)[key]
        assert was is not None
        row = self.drawn(is_newer, was, few=True)
        changed = {name: value for name, value in row.items() if value != was[name]} or {"Id": key}
        sets = ", ".join(f"{quoted(name)} = :v{n}" for n, name in enumerate(changed))
        sql = f'UPDATE {self.target(is_newer)} SET {sets} WHERE "Id" = {key}'
        self.ask(sql, self.bound(changed), row, is_newer)

    def bound(self, row: Row) -> Row:
        return {f"v{n}": value for n, value in enumerate(row.values())}

    def ask(self, sql: str, values: Row, row: Row, is_newer: bool) -> None:
        """The database accepts what the model accepts, and says which field it refuses."""
        before = replace(self.model, older=dict(self.model.older), newer=dict(self.model.newer))
        accepted = self.model.write_newer(row) if is_newer else self.model.write_older(row)
        if not is_newer and self.is_stopped:
            self.model, accepted = before, False
        if accepted:
            self.database.run(sql, values)
            return
        with pytest.raises(Refusal, match=r"`|no longer written"):
            self.database.run(sql, values)

    def delete(self, key: int, is_newer: bool) -> None:
        self.database.run(f'DELETE FROM {self.target(is_newer)} WHERE "Id" = {key}')
        self.model.delete(key)

    def target(self, is_newer: bool) -> str:
        if is_newer:
            return quoted(f"{TABLE}__v2")
        return quoted(self.random.choice((TABLE, f"{TABLE}__v1")) if self.is_served else TABLE)

    # ---- what is seen

    def look(self) -> None:
        assert self.seen(TABLE, is_newer=False) == self.model.older
        if self.is_served:
            assert self.seen(f"{TABLE}__v1", is_newer=False) == self.model.older
            assert self.seen(f"{TABLE}__v2", is_newer=True) == self.shown()

    def shown(self) -> Mapping[int, Row]:
        return {key: row for key, row in self.model.newer.items() if row is not None}

    def seen(self, name: str, is_newer: bool) -> dict[int, Row]:
        fields = self.case.fields(is_newer)
        rows = self.database.run(f"SELECT {', '.join(quoted(f.name) for f in fields)} FROM {quoted(name)}")
        told = ({f.name: plain(v, f) for f, v in zip(fields, row, strict=True)} for row in rows)
        return {row["Id"]: row for row in told}

    # ---- after the end

    def write_final(self) -> None:
        """A write of the newer version to a table that has only that. The model still holds it to both."""
        there = sorted(self.shown())
        if there and self.random.random() < 0.6:
            was = self.shown()[self.random.choice(there)]
        else:
            was = {"Id": max(self.model.older, default=0) + 1}
        row = self.drawn(True, was, few=len(was) > 1)
        target = quoted(self.random.choice((TABLE, f"{TABLE}__v2")))
        is_there = len(was) > 1
        if not all(fits(row[f.name], f) for f in self.case.newer.fields) or not self.model.write_newer(row):
            return
        if is_there:
            sets = ", ".join(f"{quoted(name)} = :v{n}" for n, name in enumerate(row))
            self.database.run(f'UPDATE {target} SET {sets} WHERE "Id" = {row["Id"]}', self.bound(row))
        else:
            columns, values = ", ".join(map(quoted, row)), ", ".join(f":v{n}" for n in range(len(row)))
            self.database.run(f"INSERT INTO {target} ({columns}) VALUES ({values})", self.bound(row))
        assert self.seen(f"{TABLE}__v2", is_newer=True) == self.shown()

    # ---- steps

    def past(self, step: MigrationStep) -> None:
        forward(self.database, step)
        if step.name == "look":
            assert not any(self.database.run(sql) for sql, _ in step.checks)
        elif step.checks:
            self.verify(step)
        match step.name:
            case "dual-write":
                self.is_served = True
            case "constrain":
                self.model.is_strict = True
            case "stop-old-writes":
                self.is_stopped = True
            case _:
                pass
        self.look()

    def verify(self, step: MigrationStep) -> None:
        """The step tells the rows that have no form in the newer version, and they are mended or removed."""
        told = {row[0] for sql, _ in step.checks for row in self.database.run(sql)}
        assert told == {key for key, row in self.model.newer.items() if row is None}
        for key in sorted(told):
            self.delete(key, is_newer=False)
        assert not any(self.database.run(sql) for sql, _ in step.checks)


def plain(value: Any, one: Field) -> Any:
    return bool(value) if isinstance(one.type, Bool) and value is not None else value


@cache
def names() -> Iterator[int]:
    """Numbers, each once."""
    return iter(range(10**6))


@pytest.fixture
def server() -> str:
    return postgres_server()


@pytest.fixture(params=["sqlite", "sqlite recursive", "postgres"])
def opened(request: pytest.FixtureRequest) -> Iterator[Callable[[], Database]]:
    """Opens databases, which are closed at the end."""
    made: list[Database] = []

    def another() -> Database:
        if request.param == "postgres":
            made.append(Postgres(request.getfixturevalue("server"), f"case_{next(names())}"))
        else:
            made.append(Sqlite(is_recursive="recursive" in request.param))
        return made[-1]

    yield another
    for one in made:
        one.close()


def world(seed: int, database: Database) -> World:
    found = case(seed, database.dialect)
    made = World(Random(seed), database, found, Model(found))
    made.create()
    for _ in range(8):
        made.insert(is_newer=False)
    return made


def lived(made: World, steps: tuple[MigrationStep, ...]) -> None:
    """Everybody writes before each step, until the older version goes."""
    for step in steps:
        if step.name == "contract":
            return
        for _ in range(6):
            made.write()
        made.past(step)


@pytest.mark.parametrize("seed", SEEDS)
def test_both_versions_show_what_the_lens_says(opened: Callable[[], Database], seed: int) -> None:
    """Old applications, on the table or its view, and new ones write at random between the steps."""
    made = world(seed, opened())
    lived(made, made.case.migration.steps)


Mutant = Callable[[str], str]
KEPT = re.compile(
    r'(?P<column>"[^"]+(?:""[^"]*)*") = CASE WHEN (?P<when>(?:(?! = CASE WHEN ).)*?)'
    r" THEN (?:CAST\()?(?:interlock_)?lens\.interlock_made_\d+(?: AS [A-Z ]+\))? ELSE "
)


def without_update(sql: str) -> str:
    """The table's trigger heeds inserts alone."""
    if "~interlock_from_older" in sql:
        return sql.replace("BEFORE INSERT OR UPDATE", "BEFORE INSERT")
    return "SELECT 1" if "from_older_update" in sql and sql.startswith("CREATE") else sql


def without_put(sql: str) -> str:
    """An update of the newer version leaves the older columns."""
    is_writer = "INSTEAD OF UPDATE" in sql or "__to_older" in sql
    return KEPT.sub(r"\g<column> = CASE WHEN \g<when> THEN \g<column> ELSE ", sql) if is_writer else sql


def with_too_much(sql: str) -> str:
    """A write of the older version computes every newer column again."""
    if "__from_older" not in sql:
        return sql
    sql = sql.replace(" THEN NEW.", " OR true THEN NEW.")
    return sql.replace(" = CASE WHEN NEW.", " = CASE WHEN 1 OR NEW.")


def without_reasons(sql: str) -> str:
    """Rows of the newer version that have no form in the older are not refused."""
    return sql.replace("RAISE(ABORT, 'no form in version 1", "length('").replace(
        "'no form in version 1", "NULL || '"
    )


@pytest.mark.parametrize("mutant", [without_update, without_put, with_too_much, without_reasons])
def test_planted_faults_are_caught(opened: Callable[[], Database], mutant: Mutant) -> None:
    """Each fault is seen in one case at least."""
    for seed in SEEDS:
        made = world(seed, opened())
        changed = [replace(s, do=tuple(map(mutant, s.do))) for s in made.case.migration.steps]
        assert [s.do for s in changed] != [s.do for s in made.case.migration.steps]
        try:
            lived(made, tuple(changed))
        except (AssertionError, pytest.fail.Exception):
            return
    pytest.fail("nothing was noticed")


@pytest.mark.parametrize("seed", SEEDS)
def test_each_step_is_taken_back_to_the_byte(opened: Callable[[], Database], seed: int) -> None:
    """Schema and data are what they were before the step; only what was filled stays until its columns go."""
    made = world(seed, opened())
    for key in [key for key, row in made.model.newer.items() if row is None]:
        made.delete(key, is_newer=False)
    steps = [step for step in made.case.migration.steps if step.name not in ("contract", "expire")]
    before = []
    for step in steps:
        before.append(made.database.told())
        forward(made.database, step)
        assert not any(made.database.run(sql) for sql, _ in step.checks), step.name
    for step, told in reversed(list(zip(steps, before, strict=True))):
        backward(made.database, step)
        if step.name != "backfill":
            assert made.database.told() == told, step.name


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_was_written_there_is_a_way_back(opened: Callable[[], Database], seed: int) -> None:
    """From any step, after writes to both versions, the older one is left as its writers know it."""
    made = world(seed, opened())
    empty, _ = made.database.told()
    steps = made.case.migration.steps
    last = made.random.randint(1, [step.name for step in steps].index("archive"))
    for step in steps[:last]:
        made.past(step)
        for _ in range(4):
            made.write()
    for step in reversed(steps[:last]):
        backward(made.database, step)
    made.is_served = False
    made.look()
    assert made.database.told()[0] == empty


@pytest.mark.parametrize("seed", SEEDS)
def test_the_end_leaves_the_newer_version_alone(opened: Callable[[], Database], seed: int) -> None:
    """After the older columns went, the table is the newer contract's; what it holds comes from the view before."""
    made = world(seed, opened())
    for step in made.case.migration.steps:
        shown = made.shown()
        forward(made.database, step) if step.name in ("contract", "expire") else made.past(step)
        if step.name in ("contract", "expire"):
            assert made.seen(TABLE, is_newer=True) == shown
            assert made.seen(f"{TABLE}__v2", is_newer=True) == shown
            assert made.seen(f"{TABLE}__current", is_newer=True) == shown
        elif step.kind != "expand":
            made.write()
    columns = {f.name for f in made.case.newer.fields} | {"extra"}
    made.database.run(f"SELECT * FROM {quoted(TABLE)}")
    assert set(made.database.columns()) == columns
    for _ in range(4):
        made.write_final()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_end_is_taken_back_from_the_archive(opened: Callable[[], Database], seed: int) -> None:
    """Rows that were not written since are as they were; others are what the lens makes of them."""
    made = world(seed, opened())
    for step in made.case.migration.steps:
        if step.name == "contract":
            break
        made.past(step)
        for _ in range(3):
            made.write()
    archived = dict(made.model.older), dict(made.model.newer)
    forward(made.database, step)
    for _ in range(5):
        made.write_final()
    made.model.restore(*archived)
    backward(made.database, step)
    made.look()
    for _ in range(4):
        made.write()
