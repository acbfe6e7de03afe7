"""Complements in one SQLite file: by the key of the record, until the time they are kept to.

A batch is one transaction, and writing it again changes nothing, so that a run that was cut short goes on. The file
names the lens it belongs to; another lens is refused, and so is a database that holds anything else.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock.domain.lenses.complement import Kept, key_text
from interlock.kernel.errors import Invalid, Missing, Unavailable
from interlock.kernel.instant import Instant

_SCHEMA = """
CREATE TABLE IF NOT EXISTS complement (key TEXT PRIMARY KEY, kept TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS belongs (lens TEXT NOT NULL);
"""
_MET = "CREATE TEMP TABLE met (key TEXT PRIMARY KEY, kept TEXT NOT NULL) WITHOUT ROWID"
_CLAIM = """
INSERT INTO temp.met VALUES (?, ?)
ON CONFLICT (key) DO UPDATE SET kept = CASE WHEN kept = excluded.kept THEN kept END
"""
"""What is met again must be the same: null is refused."""
_TABLES = {"complement", "belongs"}
_AT_ONCE = 500
"""Keys per query, well below SQLite's limit of parameters."""


class ComplementForeign(Invalid):
    """The file holds the complements of another lens, or is no complement file."""

    code = "complement.foreign"


class ComplementMissing(Missing):
    """There is no such file."""

    code = "complement.missing"


class ComplementUnwritable(Unavailable):
    """The file cannot be written: the disk is full, say, or another run writes it."""

    code = "complement.unwritable"


class ComplementKeyTwice(Invalid):
    """Two rows have the same key, so that what was kept of one would be restored to the other."""

    code = "complement.key_twice"


@dataclass(frozen=True, slots=True)
class ComplementFile:
    """An open file. Keys are JSON texts of the key fields' values, in order."""

    connection: sqlite3.Connection
    path: Path

    def keep(self, batch: Iterable[tuple[Sequence[Any], tuple[Kept, ...]]], until: Instant) -> int:
        """Keeps the complements of a batch, those that hold something, and gives their number. What was kept for a
        key before is replaced, by nothing too: the newest translation counts.
        """
        given = [(key_text(key), kept) for key, kept in batch]
        rows = [(key, dumped(kept), until.timestamp()) for key, kept in given if kept]
        with self._failing(), self.connection:
            self.connection.executemany(
                "DELETE FROM complement WHERE key = ?", [(k,) for k, kept in given if not kept]
            )
            self.connection.executemany("INSERT OR REPLACE INTO complement VALUES (?, ?, ?)", rows)
        return len(rows)

    def claim(self, batch: Iterable[tuple[Sequence[Any], tuple[Kept, ...]]]) -> None:
        """Notes what this run keeps under which key. ComplementKeyTwice when it keeps something else there already:
        the way back could not tell those records apart.
        """
        met = [(key_text(key), dumped(kept)) for key, kept in batch]
        try:
            with self._failing(), self.connection:
                self.connection.executemany(_CLAIM, met)
        except sqlite3.IntegrityError as error:
            raise ComplementKeyTwice(
                "two rows have the same key, and something else is kept of each",
                remedy="Name key fields that tell every row apart.",
            ) from error

    def of(self, keys: Sequence[Sequence[Any]], now: Instant) -> Mapping[str, tuple[Kept, ...]]:
        """What is kept for those of the keys that have something that has not expired, by `key_text`."""
        found: dict[str, tuple[Kept, ...]] = {}
        for start in range(0, len(keys), _AT_ONCE):
            texts = [key_text(key) for key in keys[start : start + _AT_ONCE]]
            marks = ", ".join("?" * len(texts))
            asked = f"SELECT key, kept FROM complement WHERE key IN ({marks}) AND until > ?"
            found |= {key: loaded(kept) for key, kept in self.connection.execute(asked, (*texts, now.timestamp()))}
        return found

    def expire(self, now: Instant) -> int:
        """Removes what is no longer kept, and gives how many records that were."""
        with self._failing(), self.connection:
            return self.connection.execute("DELETE FROM complement WHERE until <= ?", (now.timestamp(),)).rowcount

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise _unwritable(self.path, error) from error


@contextmanager
def complements(path: Path, lens: str, is_new: bool) -> Iterator[ComplementFile]:
    """The file at `path`, which belongs to the lens with the digest `lens`. is_new: it is made when missing."""
    if not is_new and not path.is_file():
        raise ComplementMissing(f"there is no complement {path}", remedy="Name the file that --keep wrote.")
    try:
        connection = sqlite3.connect(path)
    except sqlite3.OperationalError as error:
        raise _unwritable(path, error) from error
    with closing(connection):
        _belongs(connection, path, lens, is_new)
        yield ComplementFile(connection, path)


def _belongs(connection: sqlite3.Connection, path: Path, lens: str, is_new: bool) -> None:
    try:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        if tables - _TABLES or not (tables or is_new):
            raise _foreign(path, "it holds something else")
        connection.executescript(_SCHEMA)
        with connection:
            connection.execute("INSERT INTO belongs SELECT ? WHERE NOT EXISTS (SELECT 1 FROM belongs)", (lens,))
            connection.execute(_MET)
        [(owner,)] = connection.execute("SELECT lens FROM belongs")
    except sqlite3.OperationalError as error:
        raise _unwritable(path, error) from error
    except sqlite3.DatabaseError as error:
        raise _foreign(path, str(error)) from error
    if owner != lens:
        raise ComplementForeign(
            f"{path} belongs to another lens ({owner[:19]}, not {lens[:19]})",
            remedy="Restore with the lens that it was kept with, or name another file.",
        )


def _foreign(path: Path, why: str) -> ComplementForeign:
    return ComplementForeign(f"{path} is no complement: {why}", remedy="Name another file.")


def _unwritable(path: Path, error: sqlite3.OperationalError) -> ComplementUnwritable:
    return ComplementUnwritable(
        f"{path} cannot be written: {error}",
        remedy="Check that it may be written, has space, and that no other run writes it; then run the same again.",
    )


def dumped(kept: tuple[Kept, ...]) -> str:
    return json.dumps([[one.path, one.original, one.returned] for one in kept], ensure_ascii=False)


def loaded(text: str) -> tuple[Kept, ...]:
    return tuple(
        Kept(tuple(path), tuple(original), tuple(returned)) for path, original, returned in json.loads(text)
    )
