"""The examples of docs/contracts.md: its files are written into a fresh workspace, its commands run in turn."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from interlock.adapters.workspace.loader import WorkspaceFiles
from interlock.adapters.workspace.template import write_template
from interlock.cli.main import interlock
from interlock.domain.changes.interfaces import flows, spelled
from interlock.domain.schemas.order import order
from support.pages import assert_done, page

PAGE = page("contracts.md")
ORDER = re.compile(r"^```text\n(Order .*?)^```", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # Ibis 12 with DuckDB 1.5


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_template(tmp_path)
    PAGE.write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_does_what_the_page_says(shop: Path) -> None:
    """In the order of the page, with the exit codes that it tells (0 where it tells none)."""
    assert len(PAGE.commands) == 11
    for command in PAGE.commands:
        assert_done(command)


def test_the_order_is_what_the_plan_says(shop: Path) -> None:
    """There and back, as printed."""
    CliRunner().invoke(interlock, ["contract", "add", "booking-2.json", "--contract-version", "2"])
    workspace, _ = WorkspaceFiles(shop).load()
    moving = flows(workspace, workspace.changes["currencies"], {})
    lines: list[str] = []
    for title, is_back in (("Order (wave after wave)", False), ("Order of going back", True)):
        waves = spelled(order(moving, is_back=is_back))
        lines += [title, *(f"  {number}. {', '.join(wave)}" for number, wave in enumerate(waves, start=1))]
    (shown,) = ORDER.findall(PAGE.text)
    assert shown.splitlines() == lines
