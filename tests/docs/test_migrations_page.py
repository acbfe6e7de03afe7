"""The walk through docs/migrations.md, typed by a stranger: real command line, control plane, Envoy and SQLite."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from interlock.adapters.workspace.loader import WorkspaceFiles
from interlock.adapters.workspace.template import write_template
from support.journey import Journey, starting
from support.pages import page
from support.revisions import write_revisions

PAGE = page("migrations.md")
REVISIONS = re.compile(r"^```yaml\n(revisions:.*?)^```", re.MULTILINE | re.DOTALL)
LINE = re.compile(r"^```yaml\n(databases: .*?)^```", re.MULTILINE | re.DOTALL)
ORDERS = [(f"o-{number:03}", "de" if number % 2 else "fr", number % 7) for number in range(200)]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    """What `init` and the page write, with free addresses, services that answer, a table of orders, and two
    revisions; running.
    """
    tmp_path, monkeypatch = tmp_path_factory.mktemp("shop"), pytest.MonkeyPatch()
    write_template(tmp_path)
    PAGE.write_files(tmp_path)
    (databases,) = LINE.findall(PAGE.text)
    with (tmp_path / "interlock.yaml").open("a") as root:
        root.write(databases)
    (revisions,) = REVISIONS.findall(PAGE.text)
    with (tmp_path / "changes" / "first.yaml").open("a") as change:
        change.write(revisions)
    write_revisions(tmp_path)
    monkeypatch.setenv("SHOP_DATABASE", "sqlite:///shop.db")
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection, connection:
        connection.execute("CREATE TABLE orders (order_id text PRIMARY KEY, country text NOT NULL, basket integer)")
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?)", ORDERS)
    try:
        with starting(tmp_path) as made:
            made.up()
            yield made
    finally:
        monkeypatch.undo()


def rows(shop: Journey, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(shop.root / "shop.db")) as connection:
        return connection.execute(query).fetchall()


SCHEMA = """SELECT type, name, sql FROM sqlite_master
    WHERE name NOT LIKE '%interlock%' AND name NOT LIKE '%alembic_version%' ORDER BY 1, 2"""


def test_what_runs_by_order_is_refused_before_its_time(shop: Journey) -> None:
    """A run and a contract without approvals, a change that there is not; nothing has touched the table."""
    shop.json("plan", "first")
    code, told = shop.run("migration", "run", "first")
    assert (code, "not approved" in told) == (3, True), told
    code, told = shop.run("migration", "contract", "first", "--yes", "-o", "json")
    assert (code, "plan.not_approved" in told) == (3, True), told
    code, told = shop.run("migration", "status", "nothing")
    assert (code, "there is no plan" in told) == (3, True), told
    shown = shop.json("migration", "show", "first")
    assert [one["place"] for one in shown["tables"]] == ["shop.alembic_version", "shop.orders"]
    assert not shown["is_approved"]
    assert [name for _, name, _ in rows(shop, SCHEMA)] == ["sqlite_autoindex_orders_1", "orders"]


def test_the_walk_does_what_the_page_says(shop: Journey) -> None:
    """Planned, approved, moved, switched with promotion, rolled back, taken back: the table is as it was."""
    assert WorkspaceFiles(shop.root).load()[1] == []
    before, said = rows(shop, SCHEMA), {}
    assert len(PAGE.commands) == 15
    for command in PAGE.commands:
        typed = command.line
        code, said[typed] = shop.run(*command.arguments)
        assert code == command.code, (typed, said[typed])
        if typed.endswith("--until switch"):
            assert len(rows(shop, "SELECT articles, channel FROM orders__current")) == len(ORDERS)
        if typed == "interlock migration run first":
            assert rows(shop, "SELECT count(*) FROM orders__v2 WHERE channel = 'web'") == [(len(ORDERS),)]
            assert rows(shop, "SELECT tag FROM remarks") == [("old",)]
            assert rows(shop, "SELECT version_num FROM alembic_version") == [("bb22",)]
    assert "ALTER TABLE" in said["interlock plan first --sql"]
    assert "no way back" in said["interlock plan first --sql"]
    assert "run by" not in said["interlock migration status first"]
    assert rows(shop, SCHEMA) == before
    assert rows(shop, "SELECT version_num FROM alembic_version") == []
    assert rows(shop, "SELECT * FROM orders ORDER BY order_id") == ORDERS
    kinds = [entry["kind"] for entry in shop.json("audit", "log")]
    assert {"migration.doing", "migration.done", "migration.undoing", "migration.undone"} <= set(kinds)
    assert "sqlite:///" not in (shop.root / "up.err").read_text()
