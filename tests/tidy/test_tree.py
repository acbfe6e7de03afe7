"""The tree itself: rules that a person would otherwise have to remember."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
LONGEST_FUNCTION = 70
LONGEST_FILE = 700
VAGUE = {"util", "utils", "helper", "helpers", "common", "misc", "base", "manager", "processor"}
RETIRED = re.compile(r"\b(control_group|treatment|blue_green|old_version|new_version)\b")
LEFTOVER = re.compile(r"\b(TO[D]O|FIX[M]E|X[X]X)\b|NotImplemented[E]rror")
MACHINE_PATH = re.compile(r"(?<![\w.])/(work|root|home)/[a-z]")
REGISTRY = re.compile(r"py[p]i\.org|python[h]osted|registry\.np[m]js|deb\.deb[i]an")


def tracked() -> list[Path]:
    """Every file that git knows or would take in."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for line in listed.stdout.splitlines() if (path := ROOT / line).is_file()]


def texts() -> Iterator[tuple[Path, str]]:
    for path in tracked():
        if path.suffix in {".py", ".md", ".yaml", ".yml", ".toml", ".txt", ".css", ".lua", ".cfg", ""}:
            yield path, path.read_text(errors="replace")


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_functions_fit_on_a_screen(path: Path) -> None:
    """No function is longer than 70 lines, no file longer than 700."""
    for node in functions(path):
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        assert length <= LONGEST_FUNCTION, f"{node.name} has {length} lines"
    assert len(path.read_text().splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_say_what_they_are(path: Path) -> None:
    """Each module begins with a docstring for a newcomer."""
    assert ast.get_docstring(ast.parse(path.read_text())), "the module has no docstring"


def test_names_are_not_vague() -> None:
    """No module is called util, helper, common, or the like."""
    assert [p for p in SOURCES if p.stem in VAGUE or set(p.parts) & VAGUE] == []


def test_retired_words_stay_retired() -> None:
    """Baseline and candidate have one name each."""
    assert [str(p) for p in SOURCES if RETIRED.search(p.read_text())] == []


def test_nothing_is_left_over() -> None:
    """No reminders, no unimplemented branches, no machine paths, no registry hosts in any file."""
    wrong = []
    for path, text in texts():
        for rule in (LEFTOVER, MACHINE_PATH, REGISTRY):
            wrong += [f"{path.relative_to(ROOT)}: {m.group()}" for m in rule.finditer(text)]
    assert wrong == []


def test_suppressions_name_their_rule() -> None:
    """A `type: ignore` or `noqa` says which rule it silences."""
    bare = re.compile(r"# (type: ignore|noqa)(?![\[:])")
    assert [str(p) for p in tracked() if p.suffix == ".py" and bare.search(p.read_text())] == []


def test_tests_state_the_behaviour() -> None:
    """Every test has a docstring."""
    silent = [
        f"{path.relative_to(ROOT)}:{node.name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in functions(path)
        if node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert silent == []


HEAVY = ("fastapi", "sqlalchemy", "pydantic", "uvicorn", "alembic", "yaml", "jsonschema", "rich", "numpy")


@pytest.mark.parametrize("statement", ["import interlock.cli.main", "import interlock.client"])
def test_light_doors_stay_light(statement: str) -> None:
    """The command line's help and the client load nothing heavy."""
    loaded = subprocess.run(
        [sys.executable, "-c", f"{statement}, sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    assert [m for m in HEAVY if m in loaded.stdout.split()] == []


@pytest.mark.parametrize(
    "command",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["lint-imports"]],
    ids=lambda c: " ".join(c),
)
def test_linters_are_content(command: list[str]) -> None:
    """The rules of pyproject.toml and .importlinter hold."""
    tool = Path(sys.executable).with_name(command[0])
    done = subprocess.run([str(tool), *command[1:]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
