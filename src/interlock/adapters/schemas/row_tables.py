"""Reads a table of a database piece by piece, in one query. A table has no place to go on from: another
query may give other rows in another order, so that a run of one always begins at the beginning.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from interlock.adapters.schemas.tables import Table, opened
from interlock.engine.lens_data import Piece, Place


@dataclass(frozen=True, slots=True)
class RowTable:
    """A table. identity: drawn anew for each reading."""

    table: Table
    schema: Any
    part_rows: int
    identity: str

    @property
    def rows(self) -> int | None:
        return self.table.count()

    def pieces(self, place: Place) -> Iterator[Piece]:
        row = place.row
        for table in self.table.engine.batches(self.table.rows, self.part_rows):
            yield Piece(table, table.num_rows, row, Place(row + table.num_rows))
            row += table.num_rows


@contextmanager
def row_table(name: str, database: str, part_rows: int) -> Iterator[RowTable]:
    """The table of that name. DataMissing, DataUnreadable."""
    with opened(name, database) as table:
        yield RowTable(table, table.rows.schema().to_pyarrow(), part_rows, secrets.token_hex(16))
