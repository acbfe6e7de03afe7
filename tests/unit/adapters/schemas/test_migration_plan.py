"""What the plan of a migration says, and what its triggers do in single cases, on SQLite."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from interlock.domain.lenses.ops import Add, Cast, Drop, Nest, Program, Rename, Wrap
from interlock.domain.schemas.field import Bool, Date, Decimal, Field, Float, Int, Json, List, String, Struct, Type
from support.migrating import Refusal, Sqlite, backward, forward
from support.moving import CREATE, ID, NEWER, OLDER, assert_follows, migration, planned, upto


@pytest.fixture
def database() -> Iterator[Sqlite]:
    made = Sqlite(is_recursive=True)
    for sql in CREATE:
        made.run(sql.format(key="INTEGER"))
    yield made
    made.close()


def test_the_steps_are_in_their_legal_order() -> None:
    """Each with its undo, but for the last; validation is a step of Postgres alone."""
    names = ["look", "expand", "dual-write", "backfill", "verify", "index", "constrain", "validate", "switch"]
    names += ["stop-old-writes", "archive", "contract", "expire"]
    unique = tuple(replace(f, is_unique=f.name == "minutes") for f in NEWER)
    assert [one.name for one in migration("postgres", target=unique).steps] == names
    assert [one.name for one in migration("sqlite", target=unique).steps] == [n for n in names if n != "validate"]
    for step in migration("postgres").steps:
        assert bool(step.undo) == (bool(step.do) and step.name != "expire")
        assert step.is_reversible == (step.name != "expire")


def test_what_going_back_costs_is_told_from_where_it_costs() -> None:
    """Nothing before both versions are written; the archive's end loses what only it had."""
    steps = {one.name: one for one in migration("sqlite").steps}
    assert steps["expand"].costs == ()
    assert {(one.field, one.effect) for one in steps["dual-write"].costs} >= {
        ("tag", "lost"),
        ("grade", "rejected"),
    }
    assert steps["switch"].costs == steps["dual-write"].costs
    assert {("seconds", "lost"), ("grade", "lost")} <= {(one.field, one.effect) for one in steps["expire"].costs}
    assert migration("sqlite").no_return.startswith("`contract` drops `seconds`, `grade`: from there on")


def test_locks_are_waited_for_shortly() -> None:
    """Every step that locks others out says how long it waits, there and back."""
    for step in migration("postgres").steps:
        if step.is_atomic and step.do:
            assert step.do[0] == "SET LOCAL lock_timeout = '5s'"
            assert not step.undo or step.undo[0] == "SET LOCAL lock_timeout = '5s'"


def test_a_refused_writer_is_told_field_and_reason(database: Sqlite) -> None:
    """As long as the older version is served: what has no form in it, and what the newer does not allow."""
    upto(database, migration("sqlite"), "dual-write")
    for values, says in (
        ("5, 1, 'X', 't'", "no form in version 1: `grade` has a value that the map does not name"),
        ("5, 1, 'Q', 't'", "`grade` is none of the listed values in version 2"),
        ("5, 1, 'A', NULL", "`tag` may not be null in version 2"),
        ("5, 'x', 'A', 't'", "no form in version 1: `minutes` holds what is no int64"),
    ):
        with pytest.raises(Refusal, match=says):
            database.run(f"INSERT INTO orders__v2 (id, minutes, grade, tag) VALUES ({values})")
    assert database.run("SELECT count(*) FROM orders") == [(2,)]


def test_an_edit_keeps_what_it_does_not_touch(database: Sqlite) -> None:
    """Seconds that are finer than minutes stay when only the tag is edited; the tag stays when seconds are."""
    upto(database, migration("sqlite"), "backfill")
    database.run("UPDATE orders__v2 SET tag = 'mine' WHERE id = 2")
    assert database.run("SELECT seconds FROM orders WHERE id = 2") == [(150,)]
    database.run("UPDATE orders SET seconds = 200 WHERE id = 2")
    assert database.run("SELECT minutes, tag FROM orders__v2 WHERE id = 2") == [(3, "mine")]


def test_rows_are_replaced_and_upserted_as_ever(database: Sqlite) -> None:
    """Statements that insert and update at once."""
    upto(database, migration("sqlite"), "backfill")
    database.run(
        "INSERT INTO orders (id, seconds, grade) VALUES (1, 120, 'b') ON CONFLICT (id) DO UPDATE SET seconds = 240"
    )
    database.run("INSERT OR REPLACE INTO orders (id, seconds, grade) VALUES (2, 600, 'a')")
    assert database.run("SELECT id, minutes, grade FROM orders__v2 ORDER BY id") == [(1, 4, "A"), (2, 10, "A")]


def test_what_the_tables_own_triggers_make_is_what_the_newer_version_shows(database: Sqlite) -> None:
    """Also where they came after the migration's own, and so fire before it."""
    upto(database, migration("sqlite"), "backfill")
    own = "UPDATE orders SET seconds = seconds / 60 * 60 WHERE id = NEW.id AND seconds % 60 <> 0"
    for when in ("INSERT", "UPDATE"):
        database.run(f"CREATE TRIGGER own_{when} AFTER {when} ON orders BEGIN {own}; END")
    database.run("INSERT INTO orders (id, seconds, grade) VALUES (5, 119, 'a')")
    assert database.run("SELECT seconds, minutes FROM orders WHERE id = 5") == [(60, 1)]
    database.run("UPDATE orders SET seconds = 359 WHERE id = 5")
    assert database.run("SELECT seconds, minutes FROM orders WHERE id = 5") == [(300, 5)]


def test_a_default_of_the_newer_contract_stands_in(database: Sqlite) -> None:
    """Views have no defaults of their own; null that is given for it on an update is refused."""
    target = tuple(replace(f, default=("it's",)) if f.name == "tag" else f for f in NEWER)
    upto(database, migration("sqlite", target=target), "dual-write")
    database.run("INSERT INTO orders__v2 (id, minutes, grade) VALUES (3, 1, 'A')")
    assert database.run("SELECT tag FROM orders__v2 WHERE id = 3") == [("it's",)]
    with pytest.raises(Refusal, match="`tag` may not be null"):
        database.run("UPDATE orders__v2 SET tag = NULL WHERE id = 3")


def test_a_version_that_only_renames_moves_no_rows(database: Sqlite) -> None:
    """Both names are of one column until the end, and two fields may change names."""
    target = (ID, replace(OLDER[3], name="grade"), OLDER[1], replace(OLDER[2], name="note"))
    ops = (Rename("grade", "free"), Rename("note", "grade"), Rename("free", "note"))
    moved = migration("sqlite", ops, target=target)
    assert [one.name for one in moved.steps if one.name == "expand"] == ["expand"]
    upto(database, moved, "switch")
    assert database.run("SELECT * FROM orders__v2 WHERE id = 1") == [(1, "x", 60, "a")]
    database.run("UPDATE orders__v2 SET note = 'b' WHERE id = 1")
    assert database.run("SELECT grade FROM orders WHERE id = 1") == [("b",)]
    rest = moved.steps[[one.name for one in moved.steps].index("switch") + 1 :]
    for step in rest:
        forward(database, step)
    assert database.run("SELECT id, seconds, note, grade FROM orders WHERE id = 1") == [(1, 60, "b", "x")]


def test_migrations_follow_one_another(database: Sqlite) -> None:
    """The views and rules that one leaves are where the next begins; taking the next back leaves them."""
    assert_follows(database, "sqlite")


def test_the_last_step_but_one_comes_back(database: Sqlite) -> None:
    """From the archive, as long as it is there."""
    moved = migration("sqlite")
    upto(database, moved, "contract")
    database.run("UPDATE orders SET minutes = 7 WHERE id = 1")
    [end] = [one for one in moved.steps if one.name == "contract"]
    backward(database, end)
    assert database.run("SELECT id, seconds, grade FROM orders ORDER BY id") == [(1, 420, "a"), (2, 150, "b")]


@pytest.mark.parametrize(
    ("ops", "change", "says"),
    [
        (
            (Nest(("note",), "more"),),
            Field("more", Struct((OLDER[3],))),
            "op 1 (nest) on `more`: objects and lists",
        ),
        (
            (Wrap("note"),),
            Field("note", List(Field("element", String(), nullable=True)), min_items=1, max_items=1),
            "op 1 (wrap) on `note`: objects and lists",
        ),
    ],
)
def test_what_triggers_cannot_do_is_refused_when_planned(ops: Program, change: Field, says: str) -> None:
    """The finding names op and field; nothing is planned."""
    found = planned("postgres", ops, target=(*OLDER[:3], change))
    assert found.migration is None
    assert {one.code for one in found.findings} == {"migration.engine_refuses"}
    assert says in found.findings[0].says


def test_single_precision_is_not_calculated_with() -> None:
    """Its digits are others than those of the reference."""
    single = Field("seconds", Float(32), nullable=True)
    found = planned("postgres", (Cast("seconds", "number", "integer"),), source=(ID, single), target=(ID, OLDER[1]))
    assert {one.code for one in found.findings} == {"migration.engine_refuses"}
    assert "float32 is not what the lens calculates with" in found.findings[0].says


def test_a_lens_that_does_not_fit_is_no_migration() -> None:
    """What the check of the lens says is passed on."""
    found = planned("postgres", (Drop("nothing"),))
    assert found.migration is None
    assert "lens.field_unknown" in [one.code for one in found.findings]


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Types of columns are written by sqlglot."""
    monkeypatch.setitem(sys.modules, "sqlglot", None)
    [one] = planned("postgres").findings
    assert (one.code, one.remedy) == ("migration.no_writer", "Install it with: pip install 'interlock[data]'")


@pytest.mark.parametrize("kind", [Int(16), Float(64), String(), Bool(), Decimal(5, 1), Date(), Json()])
def test_a_field_that_is_added_as_null_has_its_type(database: Sqlite, kind: Type) -> None:
    """With bounds where it has some."""
    added = Field("more", kind, nullable=True, maximum=7 if kind.kind in ("int", "float", "decimal") else None)
    upto(database, migration("sqlite", (Add("more"),), target=(*OLDER, added)), "verify")
    assert database.run("SELECT more FROM orders__v2") == [(None,), (None,)]


def test_integers_of_any_size_keep_their_digits(database: Sqlite) -> None:
    """Where they are only carried to another column."""
    wide = replace(OLDER[1], type=Int(), maximum=10**15)
    upto(database, migration("sqlite", (), source=OLDER, target=(ID, wide, *OLDER[2:])), "backfill")
    database.run(f"UPDATE orders SET seconds = {10**15} WHERE id = 1")
    assert database.run("SELECT seconds FROM orders__v2 WHERE id = 1") == [(10**15,)]
