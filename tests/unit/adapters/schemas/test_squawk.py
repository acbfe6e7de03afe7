"""What squawk says of statements, as findings."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from interlock.adapters.schemas import squawk
from interlock.adapters.schemas.migrations import unsafe
from interlock.adapters.schemas.squawk import squawk_findings
from interlock.domain.migrations.migration import Dialect
from support.moving import migration


def test_a_broken_rule_is_told_with_statement_and_remedy() -> None:
    """Statements of several lines are counted as one."""
    statements = ("SET lock_timeout = '1s';\n", "CREATE TABLE u (\n id bigint\n)", "CREATE INDEX i ON t (a)")
    found = squawk_findings(statements, "migration:t", "expand", "16.4")
    [index] = [one for one in found if one.code == "squawk.require-concurrent-index-creation"]
    assert (index.where, index.subject, index.is_blocking) == ("expand:3", "migration:t", False)
    assert "concurrently" in index.remedy
    assert squawk_findings(statements, "m", "e", answered=[one.code.split(".")[1] for one in found]) == ()


def test_statements_that_squawk_cannot_read_are_told() -> None:
    """As a finding, not as a failure."""
    assert next(iter(squawk_findings(("ALTER TABEL t",), "m", "e"))).code.startswith("squawk.")


def test_without_squawk_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is called safe that was not checked."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    [one] = squawk_findings(("SELECT 1",), "m", "e")
    assert (one.code, one.remedy) == (
        "migration.squawk_absent",
        "Install it with: pip install 'interlock[postgres]'",
    )
    assert squawk_findings((), "m", "e") == ()


@pytest.mark.parametrize(
    ("script", "says"), [("echo no >&2; exit 2", "squawk failed: no"), ("echo {", "JSONDecodeError")]
)
def test_a_squawk_that_fails_is_no_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, says: str
) -> None:
    """Its message is passed on."""
    program = tmp_path / "squawk"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(squawk.sys, "executable", str(tmp_path / "python"))
    [one] = squawk_findings(("SELECT 1",), "m", "e")
    assert (one.code, says in one.says) == ("migration.squawk_failed", True)


@pytest.mark.parametrize(
    ("dialect", "version", "codes"),
    [
        ("postgres", "16.4", set()),
        ("sqlite", "3.45.0", {"column-added", "table-copied", "index-built"}),
        ("sqlite", "3.34.0", {"column-added", "table-copied", "index-built", "column-drop-unknown"}),
    ],
)
def test_our_own_steps_break_no_rule_that_their_order_does_not_answer(
    dialect: Dialect, version: str, codes: set[str]
) -> None:
    """What is left is told to people: on SQLite writers wait."""
    found = unsafe(migration(dialect), version)
    assert {one.code.split(".")[1] for one in found} == codes
