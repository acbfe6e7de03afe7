from __future__ import annotations

from pathlib import Path

import pytest

from interlock.adapters.workspace.kinds import KINDS
from interlock.adapters.workspace.loader import Addresses, DeclarationExists, WorkspaceFiles
from interlock.adapters.workspace.template import write_template


def test_the_template_loads_without_findings(tmp_path: Path) -> None:
    """What `interlock init` writes is a whole workspace: two services, a model, a lens, a change."""
    write_template(tmp_path)
    workspace, findings = WorkspaceFiles(tmp_path).load()
    assert findings == []
    assert sorted(workspace.services) == ["checkout", "scorer"]
    assert [str(move) for move in workspace.changes["first"].moves] == [
        "contract:order",
        "model:risk",
        "service:scorer",
    ]
    assert len(workspace.lenses) == 1
    assert WorkspaceFiles(tmp_path).addresses() == Addresses()


def test_every_file_names_a_schema_that_is_there(tmp_path: Path) -> None:
    """Editors find the schema of each file by its first line; there is one schema per kind."""
    written = write_template(tmp_path)
    for path in (p for p in written if p.suffix == ".yaml"):
        first = path.read_text().splitlines()[0]
        assert first.startswith("# yaml-language-server: $schema=")
        assert (path.parent / first.partition("=")[2]).is_file()
    assert len([p for p in written if p.suffix == ".json"]) == len(KINDS)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A file that is there already is named, and then nothing at all is written."""
    (tmp_path / "interlock.yaml").write_text("mine")
    with pytest.raises(DeclarationExists, match=r"interlock\.yaml"):
        write_template(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["interlock.yaml"]


def test_the_first_change_is_short(tmp_path: Path) -> None:
    """A change is about ten lines."""
    write_template(tmp_path)
    lines = (tmp_path / "changes" / "first.yaml").read_text().splitlines()
    assert len([line for line in lines if not line.startswith("#")]) <= 10
