"""Pairs out of the capture file, without an Envoy."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from interlock.adapters.envoy import capture
from interlock.adapters.envoy.admin import Admin, EnvoySilent
from interlock.adapters.envoy.capture import Captures, read_line
from interlock.engine.ports import Answer, BadAnswer, Captured


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


def line(
    id: str, route: str, body: bytes | None = b"x", status: int = 200, request: bytes | None = b"q", **more: object
) -> str:
    told = {
        "id": id,
        "route": route,
        "pair": None if route.endswith("shadow") else "r2",
        "answer": None,
        "by": "s@" + route.split("|")[1],
        "at": "1795264633.268",
        "status": status,
        "segment": None,
        "key": None,
        "request": None if request is None or route.endswith("shadow") else written(request),
        "body": None if body is None else written(body),
        **more,
    }
    return json.dumps(told) + "\n"


def written(body: bytes) -> str:
    return "=" + base64.b64encode(body).decode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "captures.jsonl"


def took(captures: Captures, file: Path, *lines: str) -> Captured:
    """What comes of `lines`, once they were taken and the next file was begun."""
    with file.open("a") as more:
        more.write("".join(lines))
    first = captures.take()
    assert first == Captured(), "nothing is told of a file that may still be written to"
    return captures.take()


def test_halves_join_in_either_order_and_over_calls(file: Path) -> None:
    """The copy may be the first or the last to end, also when the file was taken in between."""
    captures = Captures(file, Reopening(file))
    copy = line("2", "s|r2|shadow", b"\xff")
    served = line("2", "s|r1|unkeyed", status=404, segment="gold")
    [pair] = took(captures, file, line("1", "s|r1|edge"), copy, served).pairs
    assert (pair.service, pair.candidate, pair.is_twin, pair.segment) == ("s", "r2", False, "gold")
    assert (pair.baseline_status, pair.baseline_body, pair.candidate_body) == (404, b"x", b"\xff")
    assert pair.request == b"q"
    assert len(took(captures, file, line("1", "s|r2|shadow")).pairs) == 1
    assert captures.take() == Captured()


def test_a_copy_to_the_release_that_served_is_a_twin(file: Path) -> None:
    """It names the candidate of its comparison all the same."""
    [pair] = took(Captures(file, Reopening(file)), file, line("1", "s|r1|edge"), line("1", "s|r1|shadow")).pairs
    assert (pair.is_twin, pair.candidate) == (True, "r2")


@pytest.mark.parametrize("copy", ["s|r3|shadow", "other|r2|shadow"])
def test_halves_of_two_comparisons_are_no_pair(file: Path, copy: str) -> None:
    """A caller used an id twice; nothing of it is told, and it waits for nothing."""
    captures = Captures(file, Reopening(file))
    assert took(captures, file, line("1", "s|r1|edge"), line("1", copy)) == Captured()
    assert took(captures, file, line("1", "s|r2|shadow")) == Captured()


@pytest.mark.parametrize("twice", ["s|r2|shadow", "s|r1|edge"])
def test_the_same_side_twice_is_no_pair(file: Path, twice: str) -> None:
    """Two answers of one side, whatever happened, are not compared with one another."""
    assert took(Captures(file, Reopening(file)), file, line("1", twice) * 2) == Captured()


def test_what_lacks_a_body_is_neither_pair_nor_answer(file: Path) -> None:
    """It was above the limit, or the answer was there before the request was; the empty body is one."""
    captures = Captures(file, Reopening(file))
    lacking = line("1", "s|r1|edge", request=None, answer="yes") + line(
        "2", "s|r1|edge", None, answer="yes", key="k"
    )
    found = took(captures, file, lacking, line("1", "s|r2|shadow"), line("2", "s|r2|shadow"))
    assert (found.pairs, found.answers, len(found.bad)) == ((), (), 1)
    assert len(took(captures, file, line("3", "s|r1|edge", b"", request=b"", answer="yes")).answers) == 1


def test_one_line_may_be_for_several_things(file: Path) -> None:
    """Half of a pair, a sampled answer, and bad."""
    served = line("1", "s|r1|edge", b"a", 500, answer="yes", key="k", segment="(others)")
    found = took(Captures(file, Reopening(file)), file, served, line("1", "s|r2|shadow"))
    assert len(found.pairs) == 1
    assert found.answers == (Answer("s", "r1", 500, b"q", b"a", "(others)"),)
    assert found.bad == (BadAnswer("s", "r1", "k", 1795264633.268, "(others)"),)


@pytest.mark.parametrize(("by", "number"), [("s@r2", 1), ("s@r1", 0), (None, 1)])
def test_the_answer_of_a_fallback_is_no_sample(file: Path, by: str | None, number: int) -> None:
    """Another release gave it; what Envoy itself answered, without any, the arm's callers did get."""
    found = took(Captures(file, Reopening(file)), file, line("1", "s|r2|edge", pair=None, answer="yes", by=by))
    assert len(found.answers) == number


def test_lines_are_kept_when_envoy_is_silent(file: Path) -> None:
    """A file that cannot be reopened now is asked for again; nothing that was read is lost."""
    admin = Reopening(file)
    captures = Captures(file, admin)
    file.write_text(line("1", "s|r1|edge") + line("1", "s|r2|shadow"))
    captures.take()
    file.write_text(line("2", "s|r1|edge") + line("2", "s|r2|shadow"))
    admin.is_silent = True
    assert len(captures.take().pairs) == 1
    admin.is_silent = False
    captures.take()
    assert len(captures.take().pairs) == 1


def test_waiting_halves_are_bounded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest half is given up when too many wait."""
    monkeypatch.setattr(capture, "WAITING_LIMIT", 2)
    captures = Captures(file, Reopening(file))
    took(captures, file, *(line(str(n), "s|r1|edge") for n in range(3)))
    assert len(took(captures, file, *(line(str(n), "s|r2|shadow") for n in (2, 1, 0))).pairs) == 2


def test_sampled_answers_wait_for_no_other_half(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, they push no half of a pair out."""
    monkeypatch.setattr(capture, "WAITING_LIMIT", 2)
    captures = Captures(file, Reopening(file))
    sampled = (line(f"a{n}", "s|r1|edge", pair=None, answer="yes") for n in range(9))
    found = took(captures, file, line("1", "s|r1|edge"), *sampled, line("1", "s|r2|shadow"))
    assert (len(found.pairs), len(found.answers)) == (1, 9)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"id":"1"}', line("1", "no|ne"), line("1", "s|r1|edge").replace('"=', '"=%')]
)
def test_a_broken_line_is_passed_over(text: str) -> None:
    """Envoy may have been killed while it wrote."""
    assert read_line(text.encode()) is None
