"""A disk that is full, which SQLite can be made to believe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from interlock.engine.tables import DatabaseFull
from support.tables import Moving


@contextmanager
def full_disk(pages: int) -> Iterator[None]:
    """Every database that is opened meanwhile may grow by `pages` and no more."""

    def limit(connection: Any, _record: object) -> None:
        (there,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {there + pages}").fetchall()

    sa.event.listen(sa.pool.Pool, "connect", limit)
    try:
        yield
    finally:
        sa.event.remove(sa.pool.Pool, "connect", limit)


def test_a_full_disk_ends_the_run_and_the_next_one_goes_on(tmp_path: Path) -> None:
    """Clear, at once and with nothing half done; with room again, the rows that were moved are not moved again."""
    moving = Moving(f"sqlite:///{tmp_path}/interlock.db", rows=4_000)
    with full_disk(pages=6), pytest.raises(DatabaseFull, match="no space is left for the database air") as told:
        moving.runner().run("better")
    assert "What was done stays done" in told.value.remedy
    moved = moving.kept().position.copied.rows
    assert 0 < moved < 4_000
    assert moving.table.rows("SELECT count(km) FROM flights") == [(moved,)]
    moving.told.clear()
    assert moving.runner().run("better")[0].is_there
    assert min(one.position.copied.rows for one in moving.told if one.kind == "copy") > moved
    assert moving.table.rows("SELECT count(*) FROM flights WHERE km IS NULL") == [(0,)]
