"""Statements that are unsafe while applications use the database, and what would be safe instead.

For Postgres squawk says it in more depth; this table is for the other databases, by the head of the statement. The
rules are those of the databases' own documents: sqlite.org/lang_altertable.html, changes.html.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from interlock.kernel.finding import Finding, Severity

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Rule:
    """pattern: of the statement, upper case, white space as one blank, what is quoted as `?`. before: the version
    of SQLite from which on the statement is there, so that it fails on older ones.
    """

    name: str
    pattern: str
    says: str
    remedy: str
    before: Version = ()
    takes_away: bool = False


_BY_VIEW = "Serve the old name from a view until its last reader is gone."
_RULES: tuple[_Rule, ...] = (
    _Rule(
        "column-drop-unknown",
        r"ALTER TABLE .* DROP COLUMN\b",
        "SQLite drops columns from 3.35 on",
        "Update SQLite, or build the table anew.",
        (3, 35),
    ),
    _Rule(
        "column-rename-unknown",
        r"ALTER TABLE .* RENAME (COLUMN )?\S+ TO\b",
        "SQLite renames columns from 3.25 on",
        "Update SQLite, or build the table anew.",
        (3, 25),
    ),
    _Rule(
        "update-from-unknown",
        r"(CREATE TRIGGER .* )?UPDATE .* SET .* FROM\b",
        "SQLite takes UPDATE ... FROM from 3.33 on",
        "Update SQLite.",
        (3, 33),
    ),
    _Rule(
        "column-dropped",
        r"ALTER TABLE .* DROP (COLUMN )?(?!CONSTRAINT|INDEX|KEY|PRIMARY|FOREIGN|CHECK)",
        "applications that still name the column fail, its data is gone, and SQLite writes every row anew",
        "Drop it when nothing names it any more, and keep a copy by key.",
        takes_away=True,
    ),
    _Rule(
        "table-dropped",
        r"DROP TABLE\b",
        "applications that still use the table fail, and its data is gone",
        "Drop it when nothing uses it any more, and keep a copy.",
        takes_away=True,
    ),
    _Rule(
        "column-renamed",
        r"ALTER TABLE .* RENAME (COLUMN )?(?!TO\b)\S+ TO\b",
        "applications that name the column as before fail",
        _BY_VIEW,
        takes_away=True,
    ),
    _Rule(
        "table-renamed",
        r"(ALTER TABLE \S+ RENAME TO|RENAME TABLE)\b",
        "applications that name the table as before fail",
        _BY_VIEW,
        takes_away=True,
    ),
    _Rule(
        "column-required",
        r"ALTER TABLE .* ADD (COLUMN )?(?!CONSTRAINT)(?!.*\bDEFAULT\b).*\bNOT NULL\b",
        "rows that are there have no value, and applications that do not know the column cannot insert",
        "Add it nullable, fill it, and refuse null afterwards.",
    ),
    _Rule(
        "column-added",
        r"ALTER TABLE .* ADD (COLUMN )?(?!CONSTRAINT|INDEX|KEY|UNIQUE|PRIMARY|FOREIGN|CHECK)",
        "an INSERT that does not list its columns fails once there is one more",
        "Let applications list the columns that they insert.",
    ),
    _Rule(
        "type-changed",
        r"ALTER TABLE .* (ALTER COLUMN .* TYPE|MODIFY|CHANGE)\b",
        "the table may be written anew while nobody else can write it",
        "Add a column of the new type, fill it in batches, and switch.",
    ),
    _Rule(
        "index-built",
        r"CREATE (UNIQUE )?INDEX\b(?! CONCURRENTLY)",
        "writers wait until the index is built",
        "Build it while few write.",
    ),
    _Rule(
        "table-copied",
        r"(CREATE TABLE .* AS SELECT|INSERT INTO .* SELECT)\b",
        "writers wait until all rows are copied",
        "Copy in batches, or while few write.",
    ),
    _Rule(
        "all-rows-changed",
        r"(UPDATE|DELETE FROM) (?!.*\bWHERE\b)",
        "every row is locked until the statement ends",
        "Change rows in batches, in order of the key.",
    ),
)


def unsafe_statements(
    statements: Iterable[str], subject: str, where: str, version: Version = (), answered: Collection[str] = ()
) -> Iterator[Finding]:
    """A finding for each rule that a statement breaks, but for those `answered`: a warning, or an error where the
    database (SQLite, when a version is given) does not know it. where: what is told before the statement's number.
    """
    for number, sql in enumerate(statements, start=1):
        for rule in _broken(sql, version):
            if rule.name in answered:
                continue
            how = Severity.ERROR if rule.before else Severity.WARNING
            yield Finding(f"migration.{rule.name}", how, subject, rule.says, rule.remedy, f"{where}:{number}")


def takes_away(statements: Iterable[str]) -> bool:
    """Whether something goes that applications may still use."""
    return any(rule.takes_away for sql in statements for rule in _broken(sql, ()))


def _broken(sql: str, version: Version) -> Iterator[_Rule]:
    text = _head(sql)
    for rule in _RULES:
        if rule.before and not (version and version < rule.before):
            continue
        if re.match(rule.pattern, text):
            yield rule


def _head(sql: str) -> str:
    """The statement without comments; what is quoted may hold words, so it becomes `?`."""
    bare = re.sub(r"--[^\n]*|/\*.*?\*/", " ", sql, flags=re.S)
    plain = re.sub(r"\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'|`[^`]*`|\[[^\]]*\]", "?", bare)
    return " ".join(plain.split()).upper()
