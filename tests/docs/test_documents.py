"""The documents are true: their commands exist and run, their YAML loads, the reference is what the code says."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest
import yaml

from interlock.adapters.workspace.loader import WorkspaceFiles
from interlock.adapters.workspace.template import write_template
from interlock.cli.main import interlock as root
from support.journey import Journey, starting

ROOT = Path(__file__).parents[2]
PAGES = [p for p in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")) if p.name != "CHANGELOG.md"]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")


def blocks(page: Path, language: str) -> list[str]:
    return [body for tag, body in BLOCK.findall(page.read_text()) if tag == language]


def commands(page: Path) -> Iterator[str]:
    """Every `interlock` command that a page tells a person to type."""
    for body in blocks(page, "console"):
        for line in body.splitlines():
            for part in line.removeprefix("$ ").split("&&"):
                if part.strip().startswith("interlock "):
                    yield part.split("#")[0].strip()


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_what_the_code_says() -> None:
    """docs/reference.md equals its generator's output; `make docs` mends it."""
    assert (ROOT / "docs" / "reference.md").read_text() == generator().reference()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Relative links name files that are there."""
    broken = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_in_documents_exist(page: Path) -> None:
    """Each command, with its options, is one that the command line knows."""
    for line in commands(page):
        group: click.Command = root
        arguments = shlex.split(line)[1:]
        while isinstance(group, click.Group) and arguments and arguments[0] in group.commands:
            group = group.commands[arguments.pop(0)]
        known = {option for p in group.params for option in p.opts} | {"--help"}
        unknown = [a for a in arguments if a.startswith("-") and a.split("=")[0] not in known]
        assert not isinstance(group, click.Group), line
        assert unknown == [], line


def test_the_readme_change_is_the_template_s(tmp_path: Path) -> None:
    """The change in the README is the one that `init` writes, and the workspace has no finding."""
    write_template(tmp_path)
    shown = next(yaml.safe_load(b) for b in blocks(ROOT / "README.md", "yaml") if "kind: Change" in b)
    assert shown == yaml.safe_load((tmp_path / "changes" / "first.yaml").read_text())
    assert WorkspaceFiles(tmp_path).load()[1] == []


def test_the_readme_s_first_commands_are_targets_of_make() -> None:
    """`make demo` and `make test` exist, and CI calls the second."""
    makefile = (ROOT / "Makefile").read_text()
    for target in ("demo", "test"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    assert "make test" in (ROOT / ".ci" / "run").read_text()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Journey]:
    """What `interlock init` writes, with its fixed addresses replaced by free ones and its services answering."""
    write_template(tmp_path)
    with starting(tmp_path) as made:
        yield made


def test_the_readme_s_walk_through_runs(shop: Journey) -> None:
    """A stranger who types the README's commands gets what it promises."""
    shop.up()
    walked = blocks(ROOT / "README.md", "console")[2]
    codes = {}
    for line in commands_of(walked):
        code, said = shop.run(*shlex.split(line)[1:])
        codes[line] = code
        assert code == (3 if "--watch" in line else 0), f"{line}: {said}"
    assert len(codes) == 12


def commands_of(body: str) -> list[str]:
    return [line.removeprefix("$ ") for line in body.splitlines()]


def test_the_client_example_names_what_exists() -> None:
    """The imports of the README's Python block work."""
    example = next(b for b in blocks(ROOT / "README.md", "python") if "interlock.client" in b)
    imports = next(line for line in example.splitlines() if line.startswith("from interlock"))
    subprocess.run([sys.executable, "-c", imports], check=True)
