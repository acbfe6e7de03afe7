"""Statements that are unsafe while applications use the database."""

from __future__ import annotations

import pytest

from interlock.domain.migrations.unsafe import takes_away, unsafe_statements


def rules(sql: str, version: tuple[int, ...] = ()) -> list[str]:
    return [one.code.removeprefix("migration.") for one in unsafe_statements((sql,), "s", "step", version)]


@pytest.mark.parametrize(
    ("sql", "broken"),
    [
        ('ALTER TABLE "a b" ADD COLUMN c TEXT', ["column-added"]),
        ("alter table t add c int not null", ["column-required", "column-added"]),
        ("ALTER TABLE t ADD COLUMN c INT NOT NULL DEFAULT 0", ["column-added"]),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (x > 0)", []),
        ("ALTER TABLE t DROP COLUMN c", ["column-dropped"]),
        ("ALTER TABLE t DROP CONSTRAINT c", []),
        ("ALTER TABLE t RENAME COLUMN a TO b", ["column-renamed"]),
        ("ALTER TABLE t RENAME a TO b", ["column-renamed"]),
        ("ALTER TABLE t RENAME TO u", ["table-renamed"]),
        ("ALTER TABLE t ALTER COLUMN c TYPE bigint", ["type-changed"]),
        ("DROP TABLE t", ["table-dropped"]),
        ("CREATE UNIQUE INDEX i ON t (a)", ["index-built"]),
        ("CREATE INDEX CONCURRENTLY i ON t (a)", []),
        ("CREATE TABLE u AS SELECT * FROM t", ["table-copied"]),
        ("UPDATE t SET a = 1", ["all-rows-changed"]),
        ("UPDATE t SET a = 'WHERE'", ["all-rows-changed"]),
        ("UPDATE t SET a = 1 WHERE b", []),
        ("/* DROP TABLE t */ SELECT 'DROP TABLE t' -- DROP TABLE t", []),
        ('CREATE VIEW "DROP TABLE x" AS SELECT 1', []),
    ],
)
def test_each_rule_knows_its_statements(sql: str, broken: list[str]) -> None:
    """By the head of the statement; words in quotes and comments do not count."""
    assert rules(sql) == broken


@pytest.mark.parametrize(
    ("sql", "version", "rule"),
    [
        ("ALTER TABLE t DROP COLUMN c", (3, 34, 9), "column-drop-unknown"),
        ("ALTER TABLE t RENAME COLUMN a TO b", (3, 24), "column-rename-unknown"),
        (
            "CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE t SET a = 1 FROM u WHERE b; END",
            (3, 32),
            "update-from-unknown",
        ),
    ],
)
def test_what_an_old_sqlite_lacks_is_an_error(sql: str, version: tuple[int, ...], rule: str) -> None:
    """From the version that has it on, it is none."""
    [first, *_] = unsafe_statements((sql,), "s", "step", version)
    assert (first.code, first.is_blocking, first.where) == (f"migration.{rule}", True, "step:1")
    assert rule not in rules(sql, (3, 45))


def test_rules_that_are_answered_are_not_told() -> None:
    """And what takes something away is known by its rule."""
    assert [*unsafe_statements(("DROP TABLE t",), "s", "step", answered=("table-dropped",))] == []
    assert takes_away(("SELECT 1", "DROP TABLE t"))
    assert not takes_away(("ALTER TABLE t ADD COLUMN c",))
