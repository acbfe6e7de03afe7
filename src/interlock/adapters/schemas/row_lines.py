"""Records of JSON lines, read as the reference reads bodies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from interlock.adapters.schemas.row_values import DataUnreadable
from interlock.domain.schemas.scalars import double
from interlock.engine.lens_data import Piece


def json_records(piece: Piece, path: Path) -> list[Any]:
    """The records of a piece of JSON lines. DataUnreadable with the line of the first that is none."""
    records: list[Any] = []
    for line, text in zip(piece.lines, piece.rows, strict=True):
        try:
            record = parsed(text)
        except (ValueError, RecursionError) as error:
            raise _no_record(path, line, "no JSON", piece.row + len(records)) from error
        if not isinstance(record, dict):
            raise _no_record(path, line, "no object", piece.row + len(records))
        records.append(record)
    return records


def _no_record(path: Path, line: int, what: str, fine: int) -> DataUnreadable:
    remedy = f"The {fine:,} rows before it can be read. Mend the file and run again."
    return DataUnreadable(f"line {line} is {what}", remedy=remedy, where=f"{path}:{line}")


def parsed(text: bytes) -> Any:
    """JSON as the reference reads bodies; ValueError for what is none, RecursionError for what nests too deep. The
    quick reader is asked first: what it cannot say surely (whether a key stands twice, numbers beyond its
    range), the slow one decides.
    """
    import msgspec

    try:
        record = msgspec.json.decode(text)
        if isinstance(record, dict) and text.count(b":") == _colons(record) and b"\\u003" not in text:
            return record
    except (msgspec.MsgspecError, RecursionError):
        pass
    whole = json.loads(text, object_pairs_hook=_once, parse_float=_finite, parse_constant=_finite)
    msgspec.json.encode(whole)  # half a surrogate pair is no text that can be written
    return whole


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("an object names a key twice")
    return record


def _finite(text: str) -> float:
    number = double(float(text))
    if number is None:
        raise ValueError("a number is beyond the range of doubles")
    return number


def _colons(value: Any) -> int:
    """How many colons the JSON text of a value has when each key stands once."""
    match value:
        case str():
            return value.count(":")
        case dict():
            return len(value) + sum(map(_colons, value)) + sum(map(_colons, value.values()))
        case list():
            return sum(map(_colons, value))
        case _:
            return 0
