"""Complements on disk: kept by key, replaced by newer ones, gone after their time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from interlock.adapters.complements.sqlite import (
    ComplementForeign,
    ComplementMissing,
    ComplementUnwritable,
    complements,
)
from interlock.domain.lenses.complement import Kept, key_text

NOW = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
SEAT = (Kept(("seat",), ("4A",), (None,)),)
TAIL = (Kept(("plane", "tail"), ("Ñ1",), ()), Kept(("legs",), ([1, 2],), ([1],)))


def test_what_is_kept_is_found_by_key_after_reopening(tmp_path: Path) -> None:
    """Records that lose nothing take no room; many keys are asked at once."""
    path = tmp_path / "kept.db"
    with complements(path, "sha256:a", is_new=True) as file:
        assert file.keep([((1, "x"), SEAT), ((2, None), TAIL), ((3, "z"), ())], LATER) == 2
    with complements(path, "sha256:a", is_new=False) as file:
        keys = [(n, "x") for n in range(1_200)] + [(2, None)]
        assert file.of(keys, NOW) == {key_text((1, "x")): SEAT, key_text((2, None)): TAIL}


def test_writing_again_changes_nothing_and_newer_ones_replace(tmp_path: Path) -> None:
    """A batch that is repeated after a crash is the same batch."""
    with complements(tmp_path / "kept.db", "sha256:a", is_new=True) as file:
        for kept in (SEAT, SEAT, TAIL):
            file.keep([((1,), kept)], LATER)
        assert file.of([(1,)], NOW) == {key_text((1,)): TAIL}


def test_what_has_expired_is_neither_found_nor_left(tmp_path: Path) -> None:
    """The retention holds to parts of a second."""
    with complements(tmp_path / "kept.db", "sha256:a", is_new=True) as file:
        file.keep([((1,), SEAT)], NOW + timedelta(seconds=0.5))
        file.keep([((2,), SEAT)], LATER)
        after = NOW + timedelta(seconds=1)
        assert list(file.of([(1,), (2,)], after)) == [key_text((2,))]
        assert file.expire(after) == 1
        assert list(file.of([(1,), (2,)], NOW)) == [key_text((2,))]


def test_another_lens_or_another_file_is_refused(tmp_path: Path) -> None:
    """A complement restores only what its own lens dropped."""
    path = tmp_path / "kept.db"
    with complements(path, "sha256:a", is_new=True):
        pass
    with pytest.raises(ComplementForeign, match="belongs to another lens"), complements(path, "sha256:b", False):
        pass
    path.write_bytes(b"hour,seat\n" * 500)
    with pytest.raises(ComplementForeign, match="no complement"), complements(path, "sha256:a", False):
        pass
    with pytest.raises(ComplementMissing), complements(tmp_path / "none.db", "sha256:a", False):
        pass


def test_a_full_disk_is_told_and_what_was_kept_stays(tmp_path: Path) -> None:
    """The batch that did not fit is not kept in part."""
    path = tmp_path / "kept.db"
    with complements(path, "sha256:a", is_new=True) as file:
        file.keep([((1,), SEAT)], LATER)
        [(pages,)] = file.connection.execute("PRAGMA page_count")
        file.connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(ComplementUnwritable, match="full"):
            file.keep([((n,), TAIL) for n in range(2, 2_000)], LATER)
        assert list(file.of([(n,) for n in range(50)], NOW)) == [key_text((1,))]
