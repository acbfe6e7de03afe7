"""A small table on its way from one contract version to the next, for tests that look at one thing."""

from __future__ import annotations

from typing import Any

from interlock.adapters.schemas.migrations import plan_migration
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import Add, Map, Program, Rename, Unit
from interlock.domain.migrations.migration import Dialect, Migration, Planned
from interlock.domain.schemas.contract import Contract, Object
from interlock.domain.schemas.field import Field, Int, String

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
