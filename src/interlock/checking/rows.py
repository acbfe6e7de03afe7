"""Rows from files: CSV with a header, or JSON Lines. The whole file is held in memory, up to MAX_BYTES.

An empty CSV cell is a missing value. A column is numbers, or true and false, only when every filled cell of it
is; so a column with the codes 1, 2 and 2A stays text, and 007 does too.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from interlock.domain.checks.check import CheckInvalid

MAX_BYTES: Final = 512 * 2**20

Row = dict[str, Any]

_NUMBER: Final = re.compile(
    r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)(e[-+]?[0-9]+)?|[-+]?inf|nan", re.ASCII | re.IGNORECASE
)
_WORDS: Final = {"true": True, "false": False}


def read_rows(path: Path) -> list[Row]:
    """The rows of a `.csv`, `.jsonl` or `.ndjson` file; CheckInvalid, which names file and line, when it cannot be
    read.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CheckInvalid(f"has more than {MAX_BYTES:,} bytes", remedy="Check a sample.", where=str(path))
        with path.open(encoding="utf-8-sig", newline="") as lines:
            match path.suffix.lower():
                case ".csv":
                    return _from_csv(lines, path)
                case ".jsonl" | ".ndjson":
                    return _from_json_lines(lines, path)
    except OSError as fault:
        raise CheckInvalid(f"cannot be read: {fault.strerror}", where=str(path)) from fault
    except UnicodeDecodeError as fault:
        raise CheckInvalid("is not UTF-8", remedy="Save it as UTF-8.", where=str(path)) from fault
    raise CheckInvalid("is neither CSV nor JSON Lines", remedy="Name it .csv or .jsonl.", where=str(path))


def _from_csv(lines: Iterable[str], path: Path) -> list[Row]:
    reader = csv.reader(lines, strict=True)
    try:
        header = next(reader, [])
        cells = []
        for line in reader:
            if line and len(line) != len(header):
                says = f"has {len(line)} cells under {len(header)} names"
                raise CheckInvalid(says, where=f"{path}:{reader.line_num}")
            if line:
                cells.append(line)
    except csv.Error as fault:
        raise CheckInvalid(f"is no CSV: {fault}", where=f"{path}:{reader.line_num}") from fault
    if len(set(header)) < len(header):
        raise CheckInvalid("has two columns of one name", remedy="Rename one of them.", where=f"{path}:1")
    columns = [_meant([line[place] for line in cells]) for place in range(len(header))]
    return [dict(zip(header, values, strict=True)) for values in zip(*columns, strict=True)]


def _meant(column: list[str]) -> list[Any]:
    filled = [cell for cell in column if cell]
    read: Callable[[str], Any] = str
    if all(_NUMBER.fullmatch(cell) for cell in filled):
        read = _number
    elif all(cell.lower() in _WORDS for cell in filled):
        read = _truth
    return [read(cell) if cell else None for cell in column]


def _number(cell: str) -> float:
    return int(cell) if re.fullmatch(r"[-+]?[0-9]{1,18}", cell) else float(cell)


def _truth(cell: str) -> bool:
    return _WORDS[cell.lower()]


def _from_json_lines(lines: Iterable[str], path: Path) -> list[Row]:
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as fault:
            raise CheckInvalid(f"is no JSON: {fault}", where=f"{path}:{number}") from fault
        if not isinstance(row, dict):
            raise CheckInvalid("a row is a JSON object", where=f"{path}:{number}")
        rows.append(row)
    return rows
