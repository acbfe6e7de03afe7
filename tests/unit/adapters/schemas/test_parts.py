"""Parts beside a target: of one run at a time, of one work, and void when they are not whole."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from interlock.adapters.schemas.parts import FileParts, TargetBusy, TargetExists, TargetUnwritable, Work
from interlock.adapters.schemas.row_encoders import encoder
from interlock.domain.schemas.field import Field, Int
from interlock.engine.lens_data import Place, Progress, RejectedRow, Translated

FIELDS = (Field("n", Int(64)),)
WORK = Work("sha256:lens", "sha256:input", "json")


def opened(
    out: Path, work: Work = WORK, rejects: Path | None = None, is_forced: bool = False
) -> AbstractContextManager[FileParts]:
    return FileParts.opened(out, rejects, encoder("json", FIELDS), work, is_forced)


def put(parts: FileParts, *numbers: int, rejected: int = 0) -> None:
    """A part of these rows."""
    done = parts.progress.place.row + len(numbers)
    bad = [RejectedRow(n, "n", "is odd", {}) for n in range(rejected)]
    moved = Translated([{"n": n} for n in numbers], len(numbers), bad)
    parts.put(moved, Progress(Place(done), done, parts.progress.rejected + rejected))


@contextmanager
def left_behind(out: Path) -> Iterator[Path]:
    """The directory of a run that ended after two parts."""
    with opened(out) as parts:
        put(parts, 1, 2)
        put(parts, 3)
    yield out.with_name(f".{out.name}.parts")


def test_a_target_is_written_by_one_run_at_a_time(tmp_path: Path) -> None:
    """The second one is told so, and takes nothing from the first."""
    out = tmp_path / "a.jsonl"
    with opened(out) as parts:
        put(parts, 1)
        with pytest.raises(TargetBusy), opened(out):
            pass
        parts.publish(parts.progress)
    assert out.read_text() == '{"n":1}\n'


def test_what_was_interrupted_is_cut_off(tmp_path: Path) -> None:
    """Bytes behind the last whole part are no part of the target."""
    out = tmp_path / "a.jsonl"
    with left_behind(out) as place, (place / "data").open("ab") as file:
        file.write(b'{"n":')
    with opened(out) as parts:
        assert (parts.progress.place.row, parts.void) == (3, "")
        put(parts, 4)
        parts.publish(parts.progress)
    assert [json.loads(x)["n"] for x in out.read_text().splitlines()] == [1, 2, 3, 4]
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("manifest.json", b"{", "they were written by another version"),
        ("manifest.json", b'{"layout": 0}', "they were written by another version"),
        ("data", b"", "they are not whole"),
    ],
)
def test_parts_that_cannot_be_used_are_void(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    """The run begins at the beginning, and says why."""
    with left_behind(tmp_path / "a.jsonl") as place:
        (place / name).write_bytes(content)
    with opened(tmp_path / "a.jsonl") as parts:
        assert (parts.progress, parts.void) == (Progress(), says)


@pytest.mark.parametrize(
    ("work", "says"),
    [
        (Work("sha256:other", WORK.source, WORK.form), "the lens is another"),
        (Work(WORK.lens, "sha256:other", WORK.form), "the input has changed"),
        (Work(WORK.lens, WORK.source, "csv"), "the format is another"),
    ],
)
def test_parts_of_another_work_are_void(tmp_path: Path, work: Work, says: str) -> None:
    """Whatever it is that differs."""
    with left_behind(tmp_path / "a.jsonl"):
        pass
    with opened(tmp_path / "a.jsonl", work) as parts:
        assert (parts.progress.place.row, parts.void) == (0, says)


def test_parts_that_left_rows_out_are_void_where_none_may_be(tmp_path: Path) -> None:
    """With a place for rejected rows they are used again."""
    out, rejects = tmp_path / "a.jsonl", tmp_path / "r.jsonl"
    with opened(out, rejects=rejects) as parts:
        put(parts, 1, rejected=2)
    with opened(out, rejects=rejects) as parts:
        assert parts.progress.rejected == 2
        put(parts, 2)
    with opened(out) as parts:
        assert parts.void == "they leave rows out that were rejected"


def test_a_target_of_somebody_else_is_not_replaced_by_parts_that_were_published(tmp_path: Path) -> None:
    """The rename happened, the parts stayed, and another file is there now."""
    out = tmp_path / "a.jsonl"
    with left_behind(out) as place:
        manifest = json.loads((place / "manifest.json").read_text())
        (place / "manifest.json").write_text(json.dumps({**manifest, "is_publishing": True, "size": 1}))
        (place / "data").unlink()
    out.write_text("of somebody else")
    with pytest.raises(TargetExists), opened(out):
        pass
    assert out.read_text() == "of somebody else"


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """There is no such directory."""
    with pytest.raises(TargetUnwritable, match="cannot be written"), opened(tmp_path / "none" / "a.jsonl"):
        pass


@pytest.mark.parametrize("which", ["out.jsonl", "rejects.jsonl"])
def test_what_is_no_file_is_never_replaced(tmp_path: Path, which: str) -> None:
    """Not by force either: `--rejects /dev/null` would take it from everybody, where the user may do that."""
    os.mkfifo(tmp_path / which)
    with (
        pytest.raises(TargetUnwritable, match="is no file"),
        opened(tmp_path / "out.jsonl", rejects=tmp_path / "rejects.jsonl", is_forced=True),
    ):
        pass
    assert (tmp_path / which).is_fifo()
