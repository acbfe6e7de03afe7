"""The header of a CSV file, which says how the rest is read: as many values in each row as it has names.

Nothing is guessed from rows: a reader that may skip lines until the rest fits drops data without a word.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from interlock.adapters.schemas.row_values import DataUnreadable

_DELIMITERS = (",", ";", "\t", "|")
_LONGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Header:
    """Names of columns, and what stands between them."""

    names: tuple[str, ...]
    delimiter: str


def header_of(path: Path) -> Header:
    """The first record of the file, read by the delimiter that gives the most names. DataUnreadable."""
    text, where = _first_record(path), f"{path}:1"
    delimiters = ("\t",) if path.suffix.lower() == ".tsv" else _DELIMITERS
    found = max((Header(_names(text, one, where), one) for one in delimiters), key=lambda one: len(one.names))
    if not any(name.strip() for name in found.names):
        raise DataUnreadable("there is no header", remedy="Name the columns in the first line.", where=where)
    names = tuple(name or f"column{index}" for index, name in enumerate(found.names))  # as DuckDB calls them
    times = Counter(name.casefold() for name in names)
    if twice := [name for name in names if times[name.casefold()] > 1]:
        says = f"the header names `{twice[0]}` twice, or `{twice[1]}` in another case"
        raise DataUnreadable(says, remedy="Rename one of them.", where=where)
    return Header(names, found.delimiter)


def _names(text: str, delimiter: str, where: str) -> tuple[str, ...]:
    try:
        return tuple(next(csv.reader(io.StringIO(text), delimiter=delimiter), ()))
    except csv.Error as error:
        raise DataUnreadable(f"the header is no row of CSV: {error}", where=where) from error


def _first_record(path: Path) -> str:
    """Up to the first line end that stands in no quotes."""
    try:
        with path.open("rb") as file:
            held = file.read(_LONGEST)
    except OSError as error:
        raise DataUnreadable(f"{path.name} cannot be read: {error.strerror}", where=str(path)) from error
    is_quoted = False
    for mark in re.finditer(rb'["\r\n]', held):
        is_quoted ^= mark[0] == b'"'
        if not is_quoted and mark[0] != b'"':
            held = held[: mark.start()]
            break
    try:
        return held.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataUnreadable("the header is not UTF-8", where=f"{path}:1") from error
