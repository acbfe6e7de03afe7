"""Pages of the documents as tests read them: the files that they show, and the commands that people type."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from interlock.cli.main import interlock
from interlock.kernel.errors import InterlockError

_FILE = re.compile(r"^`([\w./-]+)`:\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
_CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
DOCS = Path(__file__).parents[2] / "docs"


@dataclass(frozen=True)
class Command:
    """A line to type, and the exit code that the page tells (0 where it tells none)."""

    line: str
    code: int

    @property
    def arguments(self) -> list[str]:
        return shlex.split(self.line)[1:]


@dataclass(frozen=True)
class Page:
    """The text of a page."""

    text: str

    @property
    def commands(self) -> list[Command]:
        """In the order of the page."""
        typed = [line.removeprefix("$ ") for body in _CONSOLE.findall(self.text) for line in body.splitlines()]
        parts = [line.partition("  # exit code ") for line in typed]
        return [Command(line, int(told or 0)) for line, _, told in parts]

    def write_files(self, root: Path) -> None:
        """The files that the page shows, under their names."""
        for name, content in _FILE.findall(self.text):
            (root / name).write_text(content)


def page(name: str) -> Page:
    return Page((DOCS / name).read_text())


def assert_done(command: Command) -> None:
    """The command, in this process, ends as the page says."""
    done = CliRunner().invoke(interlock, command.arguments)
    code = done.exception.exit_code if isinstance(done.exception, InterlockError) else done.exit_code
    assert code == command.code, (command.line, done.output, done.exception)
