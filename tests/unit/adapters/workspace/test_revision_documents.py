"""Revisions of databases as people declare them in a change."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.adapters.workspace.loader import WorkspaceFiles
from interlock.domain.changes.request import Revisions
from interlock.kernel.finding import Finding

ROOT = "kind: Workspace\nname: shop\npeople: {alex: {}}\ndatabases: {books: {dialect: sqlite, url_env: BOOKS}}\n"
SERVICE = (
    "kind: Service\nname: till\nserving: '1'\nversions: {'1': {endpoints: ['h:1']}, '2': {endpoints: ['h:2']}}\n"
)
CHANGE = "kind: Change\nwhy: notes\nauthor: alex\nsponsor: alex\nmoves: [{service: till, to: '2'}]\n"
GOOD = "{database: books, path: migrations, from: base, to: bb22}"


def load(path: Path, *revisions: str, **files: str) -> tuple[WorkspaceFiles, list[Finding]]:
    listed = "revisions:\n" + "".join(f"- {one}\n" for one in revisions)
    for name, text in {"interlock": ROOT, "till": SERVICE, "better": CHANGE + listed, **files}.items():
        (path / f"{name}.yaml").write_text(text)
    workspace = WorkspaceFiles(path)
    return workspace, [one for one in workspace.load()[1] if one.is_blocking]


def test_a_change_names_database_folder_and_stretch(tmp_path: Path) -> None:
    """With the line where each stands."""
    workspace, findings = load(tmp_path, GOOD)
    assert findings == []
    (one,) = workspace.load()[0].changes["better"].revisions
    assert one == Revisions("books", "migrations", "base", "bb22", "better.yaml:7")


@pytest.mark.parametrize(
    ("revisions", "code", "where"),
    [
        ([GOOD.replace("books", "book")], "database.unknown", "better.yaml:7"),
        ([GOOD, GOOD], "change.revisions_twice", "better.yaml:8"),
        ([GOOD.replace("migrations", "/srv/migrations")], "field.value", "better.yaml:7"),
        ([GOOD.replace("migrations", "../migrations")], "field.value", "better.yaml:7"),
        ([GOOD.replace(", to: bb22", "")], "field.missing", "better.yaml:7"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, revisions: list[str], code: str, where: str) -> None:
    """Databases that there are not, two stretches of one, folders elsewhere, a stretch without an end."""
    _, findings = load(tmp_path, *revisions)
    assert [(one.code, one.where) for one in findings] == [(code, where)]


def test_no_dataset_is_kept_in_alembics_table(tmp_path: Path) -> None:
    """Its name is where revisions stand, beside tables."""
    dataset = (
        "kind: Asset\ntype: dataset\nname: orders\nowner: alex\nkeeps: {contract: order}\n"
        "table: {database: books, name: alembic_version, key: [id]}\n"
    )
    contract = (
        "kind: DataContract\napiVersion: v3.1.0\nid: order\nname: order\nversion: '1'\nstatus: active\n"
        "team: {name: alex}\nschema: [{name: order, properties: [{name: id, logicalType: integer}]}]\n"
    )
    _, findings = load(tmp_path, GOOD, orders=dataset, order=contract)
    assert [(one.code, one.where) for one in findings] == [("table.reserved", "orders.yaml:6")]
