"""The examples of docs/lenses.md: its files are written into a fresh workspace, its commands run in turn, and each
operation does to its record what the page says.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from interlock.adapters.workspace.loader import WorkspaceFiles
from interlock.adapters.workspace.template import write_template
from interlock.domain.lenses.apply import apply
from interlock.domain.lenses.loss import Effect
from interlock.domain.lenses.parse import LENS_SCHEMA, lens_from
from interlock.domain.lenses.reverse import reversed_ops
from interlock.domain.schemas.contract import Contract, record
from interlock.domain.schemas.field import INTEGER, NUMBER, STRING, Field, Json, List, Struct, Type
from support.pages import assert_done, page

PAGE = page("lenses.md")
EXAMPLE = re.compile(r"^- `((\w+): .*?)`:\s+`(\{.*?\})` (<?->) `(\{.*?\})`$", re.MULTILINE)

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # Ibis 12 with DuckDB 1.5


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_template(tmp_path)
    PAGE.write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_does_what_the_page_says(shop: Path) -> None:
    """In the order of the page, with the exit codes that it tells (0 where it tells none)."""
    assert WorkspaceFiles(shop).load()[1] == []
    # the relay is run by test_streams_section
    commands = [one for one in PAGE.commands if not one.line.startswith("interlock lens relay")]
    assert len(commands) == 19
    for command in commands:
        assert_done(command)


def typed(value: Any) -> Type:
    """The type that a value of an example has."""
    match value:
        case dict():
            return Struct(fields_of(value))
        case [first, *_]:
            return List(Field("element", typed(first)))
        case int():
            return INTEGER
        case float():
            return NUMBER
        case str():
            return STRING
        case _:
            return Json()


def fields_of(example: dict[str, Any]) -> tuple[Field, ...]:
    return tuple(Field(name, typed(value), nullable=True) for name, value in example.items())


def contract(version: str, example: dict[str, Any]) -> Contract:
    return record("c", version, fields_of(example))


@pytest.mark.parametrize("example", EXAMPLE.findall(PAGE.text), ids=lambda one: one[0])
def test_operations_do_what_the_page_says(example: tuple[str, str, str, str, str]) -> None:
    """There, and back where the arrow says so."""
    text, _, before, arrow, after = example
    older, newer = contract("1", json.loads(before)), contract("2", json.loads(after))
    document = {"kind": "Lens", "contract": "c", "from": "1", "to": "2", "ops": [yaml.safe_load(f"{{{text}}}")]}
    contracts = {("c", "1"): older, ("c", "2"): newer}
    lens, findings = lens_from(document, lambda path: "", contracts)
    assert lens is not None, findings
    there = apply(lens.ops, json.loads(before))
    assert there == json.loads(after)
    assert (apply(reversed_ops(lens.ops), there) == json.loads(before)) is (arrow == "<->")


def test_every_operation_has_an_example() -> None:
    """And every word of a loss is explained."""
    assert {name for _, name, *_ in EXAMPLE.findall(PAGE.text)} == set(LENS_SCHEMA["$defs"]["op"]["properties"])
    for effect in Effect.__args__:  # type: ignore[attr-defined]  # a Literal's values
        assert f"| {effect} |" in PAGE.text
