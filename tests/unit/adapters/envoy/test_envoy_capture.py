"""Pairs out of the capture file, without an Envoy."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from interlock.adapters.envoy import capture
from interlock.adapters.envoy.admin import Admin, EnvoySilent
from interlock.adapters.envoy.capture import Captures, read_half


class Reopening(Admin):
    """Opens a new, empty file when told to, as Envoy does; or keeps silent."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        self.file = file
        self.is_silent = False

    def post(self, target: str) -> bytes:
        assert target == "/reopen_logs"
        if self.is_silent:
            raise EnvoySilent("silent")
        self.file.touch()
        return b"OK"


def line(id: str, route: str, body: bytes = b"x", status: int = 200) -> str:
    said = {"id": id, "route": route, "status": status, "body": "=" + base64.b64encode(body).decode()}
    return json.dumps(said) + "\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "captures.jsonl"


def test_halves_join_in_either_order_and_over_calls(file: Path) -> None:
    """The copy may be the first or the last to end, also when the file was taken in between."""
    captures = Captures(file, Reopening(file))
    file.write_text(
        line("1", "s|r1|edge") + line("2", "s|r2|shadow", b"\xff") + line("2", "s|r1|unkeyed", status=404)
    )
    assert captures.take() == []
    [pair] = captures.take()
    assert (pair.service, pair.candidate) == ("s", "r2")
    assert (pair.baseline_status, pair.baseline_body, pair.candidate_body) == (404, b"x", b"\xff")
    with file.open("a") as more:
        more.write(line("1", "s|r2|shadow"))
    assert captures.take() == []
    assert len(captures.take()) == 1
    assert captures.take() == []


def test_the_same_side_twice_is_no_pair(file: Path) -> None:
    """Two answers of one side, whatever happened, are not compared with one another."""
    captures = Captures(file, Reopening(file))
    file.write_text(line("1", "s|r2|shadow") * 2)
    captures.take()
    assert captures.take() == []


def test_pairs_are_kept_when_envoy_is_silent(file: Path) -> None:
    """A file that cannot be reopened now is asked for again; nothing that was read is lost."""
    admin = Reopening(file)
    captures = Captures(file, admin)
    file.write_text(line("1", "s|r1|edge") + line("1", "s|r2|shadow"))
    captures.take()
    file.write_text(line("2", "s|r1|edge") + line("2", "s|r2|shadow"))
    admin.is_silent = True
    assert len(captures.take()) == 1
    admin.is_silent = False
    captures.take()
    assert len(captures.take()) == 1


def test_waiting_halves_are_bounded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest half is given up when too many wait."""
    monkeypatch.setattr(capture, "WAITING_LIMIT", 2)
    captures = Captures(file, Reopening(file))
    file.write_text("".join(line(str(n), "s|r1|edge") for n in range(3)))
    captures.take()
    captures.take()
    file.write_text("".join(line(str(n), "s|r2|shadow") for n in (2, 1, 0)))
    captures.take()
    assert len(captures.take()) == 2


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"id":"1"}', line("1", "none"), line("1", "s|r1|edge").replace('"=', '"=%')]
)
def test_a_broken_line_is_passed_over(text: str) -> None:
    """Envoy may have been killed while it wrote."""
    assert read_half(text.encode()) is None
