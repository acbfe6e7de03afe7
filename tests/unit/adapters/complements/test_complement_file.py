"""Complements on disk: kept by key, replaced by newer ones, gone after their time."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from interlock.adapters.complements.sqlite import (
    ComplementForeign,
    ComplementKeyTwice,
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


def test_a_record_that_loses_nothing_any_more_has_no_complement(tmp_path: Path) -> None:
    """The newest translation counts also where it dropped nothing: nothing old is restored."""
    with complements(tmp_path / "kept.db", "sha256:a", is_new=True) as file:
        file.keep([((1,), SEAT), ((2,), SEAT)], LATER)
        assert file.keep([((1,), ())], LATER) == 0
        assert list(file.of([(1,), (2,)], NOW)) == [key_text((2,))]


def test_one_key_of_two_records_is_refused(tmp_path: Path) -> None:
    """What was kept of one would be restored to the other; the same record twice does no harm."""
    with complements(tmp_path / "kept.db", "sha256:a", is_new=True) as file:
        file.claim([((1,), SEAT), ((2,), ()), ((1,), SEAT)])
        file.claim([((2.0,), ())])
        with pytest.raises(ComplementKeyTwice):
            file.claim([((3,), TAIL), ((2,), SEAT)])
        file.claim([((3,), SEAT)])
    with complements(tmp_path / "kept.db", "sha256:a", is_new=True) as file:
        file.claim([((1,), TAIL)])


def test_a_key_is_the_same_number_in_every_form(tmp_path: Path) -> None:
    """JSON lines keep 5, Parquet makes 5.0 of it where the contract says number."""
    with complements(tmp_path / "kept.db", "sha256:a", is_new=True) as file:
        file.keep([((5, "x"), SEAT)], LATER)
        assert list(file.of([(5.0, "x")], NOW)) == [key_text((5, "x"))]


@pytest.mark.parametrize("is_new", [True, False])
def test_somebody_elses_database_stays_as_it_is(tmp_path: Path, is_new: bool) -> None:
    """Neither to keep nor to restore: no table of ours appears in it."""
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as theirs:
        theirs.execute("CREATE TABLE orders (id INTEGER)")
    before = path.read_bytes()
    with pytest.raises(ComplementForeign, match="something else"), complements(path, "sha256:a", is_new):
        pass
    assert path.read_bytes() == before


def test_nothing_is_restored_from_an_empty_file(tmp_path: Path) -> None:
    """It holds no complement, so that saying nothing would look as if all were restored."""
    (tmp_path / "empty.db").touch()
    with pytest.raises(ComplementForeign), complements(tmp_path / "empty.db", "sha256:a", is_new=False):
        pass


def test_a_file_that_cannot_be_made_or_is_held_is_told(tmp_path: Path) -> None:
    """In words, and neither as a file of somebody else."""
    with pytest.raises(ComplementUnwritable, match="unable to open"):
        complements(tmp_path / "none" / "kept.db", "sha256:a", is_new=True).__enter__()
    with complements(tmp_path / "kept.db", "sha256:a", is_new=True) as file:
        file.connection.execute("PRAGMA busy_timeout = 0")
        with closing(sqlite3.connect(tmp_path / "kept.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(ComplementUnwritable, match="locked"):
                file.keep([((1,), SEAT)], LATER)
