"""A table that is not what its contract says: the first step tells it by name, and nothing has been changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from interlock.adapters.schemas.table_moves import MigrationWriter
from interlock.domain.catalog.database import Table as Declared
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import Rename, Unit
from interlock.domain.migrations.migration import Migration
from interlock.domain.rollout.tables import TableMove
from interlock.domain.schemas.contract import record
from interlock.domain.schemas.field import INTEGER, NUMBER, STRING, Field
from support.tables import PLAN, Bureau, Moving, dialect_of, plan_with

KEY = (Field("Id", INTEGER), Field("line", STRING))
OLDER = record("order", "1", (*KEY, Field("cents", NUMBER), Field("it's", STRING, nullable=True)), is_open=False)
NEWER = record("order", "2", (*KEY, Field("euros", NUMBER), Field("note", STRING, nullable=True)), is_open=False)
LENS = Lens("order", "1", "2", (Rename("cents", "euros"), Unit("euros", 1, 100), Rename("it's", "note")))
COLUMNS = {
    "Id": '"Id" bigint NOT NULL',
    "line": "line text NOT NULL",
    "cents": "cents double precision NOT NULL",
    "it's": '"it\'s" text',
}
UNIQUE = 'UNIQUE ("Id", line)'


def written(url: str) -> Migration:
    move = TableMove(Declared("air", "Order", ("Id", "line")), dialect_of(url), OLDER, NEWER, LENS)
    migration, findings = MigrationWriter().render(move)
    assert migration is not None, findings
    return migration


@pytest.fixture
def moving(url: str) -> Moving:
    made = Moving(url)
    made.migration = written(url)
    made.bureau = Bureau(plan_with(PLAN, made.migration))
    return made


def create(key: str = UNIQUE, **columns: str) -> str:
    """The table as the contract says, but for the key and the columns that are given."""
    parts = (*(COLUMNS | columns).values(), key)
    return f'CREATE TABLE "Order" ({", ".join(filter(None, parts))})'


CASES = [
    ((), "there is no table of this name", "`Order`"),
    (("CREATE VIEW \"Order\" AS SELECT 1 AS cents",), "there is no table of this name", "`Order`"),
    ((create(cents=""),), "version 1 declares columns that the table does not have:", "`cents`"),
    ((create(**{"it's": "its text", "cents": ""}),), "that the table does not have:", "`cents`, `it's`"),
    (
        (create(cents='cents double precision GENERATED ALWAYS AS ("Id" * 2) STORED'),),
        "columns that the table computes itself",
        "`cents`",
    ),
    ((create(""),), "no unique index that keeps rows apart by the key alone:", "`Id`, `line`"),
    ((create('UNIQUE ("Id", line, cents)'),), "no unique index", "`Id`, `line`"),
    (
        (create(""), 'CREATE UNIQUE INDEX apart ON "Order" ("Id", line) WHERE cents > 0'),
        "no unique index",
        "`Id`, `line`",
    ),
    ((create(more="note text, euros int"),), "of names that the migration needs:", "`note`, `euros`"),
    (
        (create(), 'CREATE TABLE "Order__v1" (a int)', 'CREATE VIEW "Order__current" AS SELECT 1 AS one'),
        "the database has something of the names that the migration gives to what it makes:",
        "`Order__current`, `Order__v1`",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("statements", "says", "names"), CASES)
def test_what_differs_is_told_by_name(moving: Moving, statements: tuple[str, ...], says: str, names: str) -> None:
    """On both databases, with names in any case and with quotes; nothing is changed, and undo has nothing to do."""
    moving.table.run(*statements)
    before = moving.snapshot()
    (reached,) = moving.runner().run("better")
    assert (reached.is_there, reached.position.step) == (False, 0)
    assert reached.because.startswith("look of Order does not hold: ")
    assert says in reached.because
    told = reached.because.rpartition(": ")[2]
    assert sorted(told.split(", ")) == sorted(names.split(", "))
    assert moving.bureau.words() == ["doing 0", "held 0"]
    assert moving.snapshot() == before
    assert moving.runner().undo("better")[0].is_there


@pytest.mark.parametrize("key", ['PRIMARY KEY ("Id", line)', "UNIQUE (line)", 'PRIMARY KEY ("Id")'])
def test_any_key_that_keeps_rows_apart_will_do(moving: Moving, key: str) -> None:
    """Of the whole key or of a part of it."""
    moving.table.run(create(key))
    assert moving.runner().run("better")[0].is_there


def test_once_it_is_mended_the_run_goes_on(moving: Moving) -> None:
    """By changing the table; or the plan, which then begins although the one before it had looked."""
    moving.table.run(create(""), "INSERT INTO \"Order\" VALUES (1, 'a', 100, NULL)")
    assert not moving.runner().run("better")[0].is_there
    edited = replace(moving.migration, no_return="said otherwise")
    moving.bureau.known = plan_with(PLAN, edited)
    assert not moving.runner().run("better")[0].is_there
    moving.table.run('CREATE UNIQUE INDEX apart ON "Order" ("Id", line)')
    (reached,) = moving.runner().run("better")
    assert (reached.is_there, reached.migration) == (True, edited)
    assert moving.table.rows('SELECT euros FROM "Order__v2"') == [(1.0,)]


def test_a_column_of_another_type_is_told(moving: Moving) -> None:
    """Postgres has types of columns, SQLite has types of values, which are told with their rows."""
    moving.table.run(create(cents="cents text"), "INSERT INTO \"Order\" VALUES (1, 'a', 'x', NULL)")
    (reached,) = moving.runner().run("better")
    says: Any = {
        "postgres": "columns that the lens reads are of another type than version 1 says: `cents` is `text`",
        "sqlite": "`euros` holds what is no number (1 row)",
    }
    assert says[moving.migration.dialect] in reached.because
