"""Databases and tables as people declare them."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.adapters.workspace.loader import WorkspaceFiles
from interlock.domain.catalog.database import Database, Table
from interlock.kernel.finding import Finding

ROOT = "kind: Workspace\nname: shop\npeople: {alex: {}}\n"
CONTRACT = """\
kind: DataContract
apiVersion: v3.1.0
id: order
name: order
version: "1"
status: active
team: {name: alex}
schema: [{name: order, properties: [{name: id, logicalType: integer}, {name: total, logicalType: number}]}]
"""
DATASET = "kind: Asset\ntype: dataset\nname: orders\nowner: alex\n"
KEEPS = "keeps: {contract: order}\n"
DATABASES = "databases: {books: {dialect: sqlite, url: 'sqlite:///books.db'}}\n"


def load(path: Path, root: str, **files: str) -> tuple[WorkspaceFiles, list[Finding]]:
    for name, text in {"interlock": root, "order": CONTRACT, **files}.items():
        (path / f"{name}.yaml").write_text(text)
    workspace = WorkspaceFiles(path)
    return workspace, [one for one in workspace.load()[1] if one.is_blocking]


def test_a_table_belongs_to_what_keeps_a_contract(tmp_path: Path) -> None:
    """With its database, its key in order, and where it is written."""
    table = "table: {database: books, name: Orders, key: [id, total]}\n"
    workspace, findings = load(tmp_path, ROOT + DATABASES, orders=DATASET + KEEPS + table)
    assert findings == []
    loaded = workspace.load()[0]
    (keeping,) = loaded.keepings
    assert keeping.table == Table("books", "Orders", ("id", "total"), "orders.yaml:6")
    assert loaded.databases == {"books": Database("books", "sqlite", "", "sqlite:///books.db", "interlock.yaml:4")}


@pytest.mark.parametrize(
    ("root", "dataset", "code", "where"),
    [
        (DATABASES, KEEPS + "table: {database: book, name: o, key: [id]}\n", "database.unknown", "orders.yaml:6"),
        ("", KEEPS + "table: {database: books, name: o, key: [id]}\n", "database.unknown", "orders.yaml:6"),
        (
            DATABASES,
            KEEPS + "table: {database: books, name: o, key: [ident]}\n",
            "table.key_unknown",
            "orders.yaml:6",
        ),
        (DATABASES, "table: {database: books, name: o, key: [id]}\n", "field.missing", "orders.yaml:5"),
        (DATABASES, KEEPS + "table: {database: books, name: o, key: []}\n", "field.value", "orders.yaml:6"),
        ("databases: {b: {dialect: sqlite, url: 'mysql://x/y'}}\n", "", "field.value", "interlock.yaml:4"),
        ("databases: {b: {dialect: sqlite}}\n", "", "field.value", "interlock.yaml:4"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path, root: str, dataset: str, code: str, where: str
) -> None:
    """Databases that there are not, keys that are no fields, tables of nothing, addresses of another kind."""
    _, findings = load(tmp_path, ROOT + root, orders=DATASET + dataset)
    assert [(one.code, one.where) for one in findings] == [(code, where)]


@pytest.mark.parametrize("address", ["postgresql://me:hunter2@host/b", "postgresql://host/b?password=hunter2"])
def test_a_password_in_a_file_is_an_error_that_does_not_repeat_it(tmp_path: Path, address: str) -> None:
    """And says where it belongs."""
    _, findings = load(tmp_path, f"{ROOT}databases: {{b: {{dialect: postgres, url: '{address}'}}}}\n")
    (finding,) = findings
    assert finding.code == "database.password"
    assert "url_env" in finding.remedy
    assert "hunter2" not in str(finding)


def test_two_assets_do_not_keep_one_table(tmp_path: Path) -> None:
    """The second one is told who has it."""
    table = KEEPS + "table: {database: books, name: o, key: [id]}\n"
    other = DATASET.replace("orders", "archive") + table
    _, findings = load(tmp_path, ROOT + DATABASES, orders=DATASET + table, zarchive=other)
    assert [one.code for one in findings] == ["table.twice"]
    assert "dataset:orders" in findings[0].says


def test_a_job_has_no_table(tmp_path: Path) -> None:
    """Only a dataset is kept in one."""
    job = "kind: Asset\ntype: job\nname: orders\nowner: alex\ntable: {database: books, name: o, key: [id]}\n"
    _, findings = load(tmp_path, ROOT + DATABASES, orders=job)
    assert "a job is not kept in a table" in findings[0].says
