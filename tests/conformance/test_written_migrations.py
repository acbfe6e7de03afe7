"""What the writer writes, executed by the runner: the whole way and every way back, on SQLite and Postgres."""

from __future__ import annotations

from dataclasses import replace

import pytest

from interlock.adapters.schemas.table_moves import MigrationWriter
from interlock.domain.catalog.database import Table as Declared
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import Add, Rename, Unit
from interlock.domain.migrations.advance import reach
from interlock.domain.migrations.migration import Migration
from interlock.domain.rollout.tables import Allowed, TableMove
from interlock.domain.schemas.contract import Contract, record
from interlock.domain.schemas.field import INTEGER, NUMBER, STRING, Field
from support.tables import PLAN, ROWS, Bureau, Moving, dialect_of, plan_with

IDENT = Field("id", INTEGER)


def contract(version: str, *fields: Field, unique: tuple[str, ...] = ()) -> Contract:
    made = record("flight", version, (IDENT, *fields), is_open=False)
    one = replace(made.record, unique=(unique,) if unique else ())
    return replace(made, objects=(one,))


OLDER = contract("1", Field("miles", NUMBER))
NEWER = contract("2", Field("km", NUMBER), Field("source", STRING), unique=("id", "km"))
LENS = Lens("flight", "1", "2", (Rename("miles", "km"), Unit("km", 1_609_344, 1_000_000), Add("source", "paper")))


def written(url: str) -> Migration:
    move = TableMove(Declared("air", "flights", ("id",)), dialect_of(url), OLDER, NEWER, LENS)
    migration, findings = MigrationWriter().render(move)
    assert migration is not None, findings
    assert not [one for one in findings if one.is_blocking]
    return migration


@pytest.fixture
def moving(url: str) -> Moving:
    made = Moving(url)
    made.migration = written(url)
    made.bureau = Bureau(plan_with(PLAN, made.migration))
    return made


def test_the_whole_way(moving: Moving) -> None:
    """Both versions are served in between; at the end the table has the new columns alone, under their names."""
    moving.bureau.allowed = Allowed("switch", "contract")
    assert moving.runner().run("better")[0].is_there
    assert moving.table.rows("SELECT count(*) FROM flights__v2 WHERE source = 'paper'") == [(ROWS,)]
    moving.table.run("INSERT INTO flights__v2 (id, km, source) VALUES (1, 1.609344, 'radio')")
    assert moving.table.rows("SELECT miles FROM flights__v1 WHERE id = 1") == [(1.0,)]
    moving.table.run("INSERT INTO flights (id, miles) VALUES (2, 10)")
    ((km, source),) = moving.table.rows("SELECT km, source FROM flights__current WHERE id = 2")
    assert (round(km, 6), source) == (16.09344, "paper")
    assert moving.runner().run("better", "expire", is_ordered=True)[0].is_there
    assert len(moving.table.rows("SELECT id, km, source FROM flights")) == ROWS + 2


def test_every_way_back_ends_at_the_beginning(moving: Moving) -> None:
    """From each step that can be taken back, schema and rows are what they were."""
    last = reach(moving.migration, "stop-old-writes")
    for number in range(1, last + 1):
        name = moving.migration.steps[number - 1].name
        moving.bureau.allowed = Allowed("stop-old-writes", "contract")
        assert moving.runner().run("better", name, is_ordered=True)[0].position.step == number
        assert moving.runner().undo("better")[0].is_there
        assert moving.snapshot() == moving.untouched, name


def test_brought_back_from_what_was_kept_aside(moving: Moving) -> None:
    """After `contract`, the old columns come back with the values that they had."""
    moving.bureau.allowed = Allowed("switch", "contract")
    moving.runner().run("better", "contract", is_ordered=True)
    assert moving.runner().undo("better")[0].is_there
    assert sorted(moving.table.rows("SELECT id, miles FROM flights")) == sorted(moving.untouched[0])
