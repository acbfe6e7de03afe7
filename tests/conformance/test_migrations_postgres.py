"""What only Postgres has to get right when a table is moved: other writers, rights, chains of migrations."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count

import pytest

from interlock.domain.lenses.ops import Add, Map, Rename
from interlock.domain.schemas.field import (
    Bool,
    Date,
    Decimal,
    Field,
    Float,
    Int,
    Json,
    List,
    String,
    Timestamp,
    Type,
)
from support.migrating import Postgres, Refusal, backward, forward, postgres_server
from support.moving import CREATE, ID, NEWER, OLDER, assert_follows, migration, upto

NAMES = count()


@pytest.fixture
def server() -> str:
    return postgres_server()


@pytest.fixture
def database(server: str) -> Iterator[Postgres]:
    made = Postgres(server, f"moved_{next(NAMES)}")
    for sql in CREATE:
        made.run(sql.format(key="bigserial"))
    made.run("SELECT setval('orders_id_seq', 2)")
    yield made
    made.close()


def test_a_stale_write_to_the_view_is_refused(server: str, database: Postgres) -> None:
    """`SET n = n + 1` on a row that another writer changes at the same time is not computed from what was there."""
    upto(database, migration("postgres"), "dual-write")
    other = Postgres(server, "other")
    other.run(f'SET search_path TO "{database.schema}"')
    [[pid]] = other.run("SELECT pg_backend_pid()")
    refusals: list[str] = []

    def write() -> None:
        try:
            other.run("UPDATE orders__v2 SET minutes = minutes + 1 WHERE id = 1")
        except Refusal as refusal:
            refusals.append(str(refusal))

    writer = threading.Thread(target=write)
    with database.transaction():
        database.run("UPDATE orders SET seconds = 600 WHERE id = 1")
        writer.start()
        while not database.run(f"SELECT 1 WHERE cardinality(pg_blocking_pids({pid})) > 0"):
            assert writer.is_alive()
    writer.join()
    other.close()
    assert len(refusals) == 1
    assert "another writer changed the row meanwhile" in refusals[0]
    assert database.run("SELECT seconds FROM orders WHERE id = 1") == [(600,)]


def test_the_table_makes_the_key_that_the_view_is_not_given(database: Postgres) -> None:
    """A serial key works through the newer view, and is returned."""
    upto(database, migration("postgres"), "dual-write")
    row = database.run("INSERT INTO orders__v2 (minutes, grade, tag) VALUES (5, 'A', 't') RETURNING id")
    assert row == [(3,)]
    assert database.run("SELECT seconds, grade FROM orders WHERE id = 3") == [(300, "a")]


def test_who_may_use_the_table_may_use_its_views(database: Postgres) -> None:
    """Rights of the table are those of the views, and are asked of who reads, not of who made the view."""
    name = f"reader_{database.schema}"
    database.run(f"CREATE ROLE {name}")
    try:
        database.run(f"GRANT USAGE ON SCHEMA {database.schema} TO {name}")
        database.run(f"GRANT SELECT ON orders TO {name}")
        upto(database, migration("postgres"), "switch")
        database.run(f"SET ROLE {name}")
        for view in ("orders__v1", "orders__v2", "orders__current"):
            assert len(database.run(f"SELECT * FROM {view}")) == 2
        with pytest.raises(Refusal, match="permission denied"):
            database.run("UPDATE orders__v2 SET tag = 'mine'")
    finally:
        database.run("RESET ROLE")
        database.run(f"DROP OWNED BY {name}")
        database.run(f"DROP ROLE {name}")


def test_migrations_follow_one_another(database: Postgres) -> None:
    """The views and rules that one leaves are where the next begins; taking the next back leaves them."""
    assert_follows(database, "postgres")


def test_types_that_only_postgres_has_are_carried(server: str) -> None:
    """JSON without an equality, lists, instants and identifiers: shared by both versions, or made of text."""
    made = Postgres(server, f"moved_{next(NAMES)}")
    made.run(
        "CREATE TABLE orders (id bigint PRIMARY KEY, doc json, tags text[], at timestamptz, who uuid, n bigint)"
    )
    who, other = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"
    made.run(f"INSERT INTO orders VALUES (1, '{{}}', '{{a}}', '2024-02-29 12:00Z', '{who}', 1)")
    shared = (
        ID,
        Field("doc", Json(), nullable=True),
        Field("tags", List(Field("element", String(), nullable=True)), nullable=True),
        Field("at", Timestamp(), nullable=True),
    )
    uuid = Field("who", String(), nullable=True, format="uuid")
    moved = migration(
        "postgres",
        (Map("who", ((who, "a"), (other, "b"))), Rename("doc", "body")),
        source=(*shared, uuid, Field("n", Int(64), nullable=True)),
        target=(shared[0], Field("body", Json(), nullable=True), *shared[2:], Field("who", String(), nullable=True),
                Field("n", Int(64), nullable=True)),
    )  # fmt: skip
    upto(made, moved, "stop-old-writes")
    made.run("UPDATE orders__v2 SET who = 'b', body = '[1]', tags = '{x,y}' WHERE id = 1")
    assert made.run("SELECT doc, tags, who::text FROM orders") == [([1], ["x", "y"], other)]
    made.close()


@pytest.mark.parametrize("kind", [Int(16), Int(), Float(64), String(), Bool(), Decimal(5, 1), Date(), Json()])
def test_a_field_that_is_added_as_null_has_its_type(database: Postgres, kind: Type) -> None:
    """A bare NULL would be text to Postgres, and has bounds and a column of another type."""
    added = Field("more", kind, nullable=True, maximum=7 if kind.kind in ("int", "float", "decimal") else None)
    moved = migration("postgres", (Add("more"),), target=(*OLDER, added))
    upto(database, moved, "switch")
    database.run("INSERT INTO orders VALUES (9, 1, 'a', NULL)")
    assert database.run("SELECT more FROM orders__v2") == [(None,)] * 3


def test_the_database_keeps_the_newer_rules_after_the_end(database: Postgres) -> None:
    """NOT NULL and CHECK of the newer contract are the table's own."""
    upto(database, migration("postgres"), "contract")
    for value in ("NULL", "'Q'"):
        with pytest.raises(Refusal, match="violates"):
            database.run(f"INSERT INTO orders (minutes, grade, tag) VALUES (1, {value}, 't')")
    database.run("INSERT INTO orders (minutes, grade, tag) VALUES (1, 'X', 't')")


def test_what_has_no_older_form_keeps_the_end_from_being_taken_back(database: Postgres) -> None:
    """Nothing is half done: the table stays what it was."""
    moved = migration("postgres")
    upto(database, moved, "contract")
    database.run("INSERT INTO orders (minutes, grade, tag) VALUES (1, 'X', 't')")
    told = database.told()
    [end] = [step for step in moved.steps if step.name == "contract"]
    with pytest.raises(Refusal, match="no_form_in_1"):
        backward(database, end)
    assert database.told() == told


def test_duplicates_of_what_becomes_unique_are_told(database: Postgres) -> None:
    """The index is built beside the writers, once no two rows are alike."""
    target = tuple(
        Field("minutes", Int(64), nullable=True, is_unique=True) if f.name == "minutes" else f for f in NEWER
    )
    moved = migration("postgres", target=target)
    database.run("INSERT INTO orders VALUES (3, 61, 'a', NULL)")
    upto(database, moved, "backfill")
    [verify] = [step for step in moved.steps if step.name == "verify"]
    told = [(says, rows) for sql, says in verify.checks if (rows := database.run(sql))]
    assert told == [("`minutes` is unique in version 2", [(1,)])]
    database.run("DELETE FROM orders WHERE id = 3")
    upto_index = [step for step in moved.steps if step.name in ("index", "constrain", "validate", "switch")]
    for step in upto_index:
        forward(database, step)
    with pytest.raises(Refusal, match="minutes_key"):
        database.run("INSERT INTO orders VALUES (3, 61, 'a', NULL)")
