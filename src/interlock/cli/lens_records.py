"""Reads a few records for a person to look at: JSON in any of its layouts, and what tables are read from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interlock.kernel.errors import Invalid

if TYPE_CHECKING:
    from interlock.domain.schemas.field import Field, Kind

_JSON = (".json", ".jsonl", ".ndjson")


class RecordsUnreadable(Invalid):
    """A file holds no records."""

    code = "lens.records_unreadable"


def records_of(file: str, fields: tuple[Field, ...], most: int) -> list[dict[str, Any]]:
    """At most `most` records of a file. JSON: an object, an array of them, or one per line. RecordsUnreadable."""
    path = Path(file)
    if path.suffix.lower() in _JSON and path.is_file():
        return _of_json(path, most)
    from interlock.adapters.schemas.tables import opened

    with opened(file, "") as table:
        rows = table.ask(table.rows.limit(most))
    return [_as_record(row, fields, table.is_text) for row in rows]


def _of_json(path: Path, most: int) -> list[dict[str, Any]]:
    text = path.read_text("utf-8-sig")
    try:
        found = json.loads(text)
        records = found if isinstance(found, list) else [found]
    except ValueError:
        records = [_line(path, number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if wrong := next((n for n, one in enumerate(records, 1) if not isinstance(one, dict)), 0):
        says = f"record {wrong} of {path.name} is no JSON object"
        raise RecordsUnreadable(says, remedy="Write one object per line.", where=str(path))
    return records[:most]


def _line(path: Path, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        says = f"the line is no JSON: {error}"
        raise RecordsUnreadable(says, remedy="Write one object per line.", where=f"{path}:{number}") from error


def _as_record(row: Mapping[str, Any], fields: tuple[Field, ...], is_text: bool) -> dict[str, Any]:
    kinds = {one.name: one.kind for one in fields}
    return {k: _typed(v, kinds.get(k)) if is_text else _plain(v) for k, v in row.items()}


def _typed(value: Any, kind: Kind | None) -> Any:
    """A text of a CSV file as its field has it; as it stands where it is no such value."""
    if value is None or kind is None or kind not in _READERS:
        return value
    try:
        return _READERS[kind](value)
    except ValueError:
        return value


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


_READERS: Mapping[Kind, Callable[[str], Any]] = {"integer": int, "number": float, "boolean": _boolean}


def _plain(value: Any) -> Any:
    """What Arrow has, as JSON has it."""
    match value:
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case date() | time():
            return value.isoformat()
        case Decimal():
            return float(value)
        case dict():
            return {k: _plain(v) for k, v in value.items()}
        case list():
            return [_plain(v) for v in value]
        case _:
            return value
