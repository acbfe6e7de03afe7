"""A small table on its way from one contract version to the next, for tests that look at one thing."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.adapters.schemas.migrations import plan_migration
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import Add, Drop, Map, Program, Rename, Unit
from interlock.domain.migrations.migration import Dialect, Migration, Planned
from interlock.domain.schemas.contract import Contract, Object
from interlock.domain.schemas.field import Field, Int, String
from support.migrating import Database, Refusal, backward, forward

ID = Field("id", Int(64))
OLDER = (
    ID,
    Field("seconds", Int(64), nullable=True),
    Field("grade", String()),
    Field("note", String(), nullable=True),
)
NEWER = (
    ID,
    Field("minutes", Int(64), nullable=True, is_unique=False),
    Field("grade", String(), enum=("A", "B", "X")),
    Field("remark", String(), nullable=True),
    Field("tag", String()),
)
OPS: Program = (
    Rename("seconds", "minutes"),
    Unit("minutes", 1, 60, integer=True),
    Map("grade", (("a", "A"), ("b", "B"))),
    Rename("note", "remark"),
    Add("tag", "new"),
)
CREATE = (
    "CREATE TABLE orders (id {key} PRIMARY KEY, seconds bigint, grade text NOT NULL, note text)",
    "INSERT INTO orders VALUES (1, 60, 'a', 'x'), (2, 150, 'b', NULL)",
)


def contract(version: str, fields: tuple[Field, ...]) -> Contract:
    return Contract("orders", version, (Object("orders", fields, False, ("id",)),))


def planned(dialect: Dialect, ops: Program = OPS, **changes: Any) -> Planned:
    """The plan of the lens from OLDER to NEWER, or of what `changes` says instead."""
    older = contract(changes.pop("older", "1"), changes.pop("source", OLDER))
    newer = contract(changes.pop("newer", "2"), changes.pop("target", NEWER))
    lens = Lens("orders", older.version, newer.version, ops)
    asked = {"table": "orders", "key": ("id",), **changes}
    return plan_migration(lens, older, newer, dialect=dialect, **asked)


def migration(dialect: Dialect, ops: Program = OPS, **changes: Any) -> Migration:
    found = planned(dialect, ops, **changes)
    assert found.migration is not None, found.findings
    return found.migration


def upto(database: Database, moved: Migration, last: str) -> None:
    """Every step up to `last`, which is done as well."""
    for step in moved.steps:
        forward(database, step)
        if step.name == last:
            return


def assert_follows(database: Database, dialect: Dialect) -> None:
    """A second migration of the table begins where the first left it, comes back there, and goes through."""
    upto(database, migration(dialect), "expire")
    target = (*NEWER[:2], Field("grade", Int(64)), Field("comment", String(), nullable=True))
    following = migration(
        dialect,
        (Drop("tag", "old"), Rename("remark", "comment"), Map("grade", (("A", 1), ("B", 2), ("X", 3)))),
        older="2",
        newer="3",
        source=NEWER,
        target=target,
        has_older_view=True,
    )
    told = database.told()
    done = [step for step in following.steps if step.name not in ("contract", "expire")]
    for step in done:
        forward(database, step)
    database.run("INSERT INTO orders__v3 VALUES (7, 1, 1, 'c')")
    assert database.run("SELECT * FROM orders__v2 WHERE id = 7") == [(7, 1, "A", "c", "old")]
    database.run("DELETE FROM orders__v3 WHERE id = 7")
    for step in reversed(done):
        backward(database, step)
    assert database.told() == told
    upto(database, following, "expire")
    assert database.run("SELECT * FROM orders__current ORDER BY id") == [(1, 1, 1, "x"), (2, 2, 2, None)]
    database.run("INSERT INTO orders (id, minutes, grade) VALUES (8, 1, 9)")
    with pytest.raises(Refusal):
        database.run("INSERT INTO orders (id, minutes, grade) VALUES (9, 1, NULL)")
