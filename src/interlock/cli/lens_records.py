"""Reads a few records for a person to look at: JSON in any of its layouts, and what tables are read from."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interlock.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from interlock.adapters.schemas.row_files import RowFile
    from interlock.domain.schemas.field import Field

_LINES = (".jsonl", ".ndjson")
_TEXT = "interlock_text_"


class RecordsUnreadable(Invalid):
    """A file holds no records."""

    code = "lens.records_unreadable"


def records_of(file: str, fields: tuple[Field, ...], most: int) -> list[dict[str, Any]]:
    """At most `most` records of a file. JSON: an object, an array of them, or one per line. RecordsUnreadable,
    DataMissing, DataUnreadable.
    """
    from interlock.adapters.schemas.row_files import row_file
    from interlock.adapters.schemas.row_forms import form_of

    path = Path(file)
    try:
        match form_of(path):
            case "json" if path.is_file():
                return _of_json(path, most)
            case "csv":
                return _of_text(path, fields, most)
            case _:
                return _of_columns(row_file(path, most), fields, most)
    except Invalid as fault:
        fault.where = fault.where or file
        raise


def _of_json(path: Path, most: int) -> list[dict[str, Any]]:
    try:
        if path.suffix.lower() in _LINES and _is_by_line(path):
            return list(islice(_by_line(path), most))
        return _whole(path)[:most]
    except UnicodeDecodeError as error:
        says = f"{path.name} is not UTF-8: {error.reason}"
        raise RecordsUnreadable(says, remedy="Write JSON in UTF-8.", where=str(path)) from error


def _whole(path: Path) -> list[dict[str, Any]]:
    """Of a file that is one value, or lines. The lines tell what is wrong when it is neither."""
    from interlock.adapters.schemas.row_lines import parsed

    text = path.read_text("utf-8-sig")
    try:
        found = parsed(text.encode())
    except (ValueError, RecursionError):
        return list(_by_line(path))
    records = found if isinstance(found, list) else [found]
    return [_object(one, f"record {number} of {path.name}", str(path)) for number, one in enumerate(records, 1)]


def _is_by_line(path: Path) -> bool:
    """Whether the first line is an object of its own."""
    try:
        return bool(next(_by_line(path), None))
    except RecordsUnreadable:
        return False


def _by_line(path: Path) -> Iterator[dict[str, Any]]:
    """Read no further than it is asked."""
    from interlock.adapters.schemas.row_lines import parsed

    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            where = f"{path}:{number}"
            try:
                found = parsed(line.encode())
            except (ValueError, RecursionError) as error:
                is_deep = isinstance(error, RecursionError)
                says = "the line nests too deep" if is_deep else f"the line is no JSON: {error}"
                raise RecordsUnreadable(says, remedy="Write one object per line.", where=where) from error
            yield _object(found, "the line", where)


def _object(found: Any, what: str, where: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise RecordsUnreadable(f"{what} is no JSON object", remedy="Write one object per line.", where=where)
    return found


def _of_columns(file: RowFile, fields: tuple[Field, ...], most: int) -> list[dict[str, Any]]:
    """Columns that no field declares are of their own types."""
    from interlock.adapters.schemas import row_values
    from interlock.adapters.schemas.columns import field_of_arrow
    from interlock.adapters.schemas.tables import ibis_or_refuse
    from interlock.engine.lens_data import Place

    ibis_or_refuse()
    declared = {one.name: one for one in fields}
    records: list[dict[str, Any]] = []
    for piece in file.pieces(Place()):
        table = row_values.engine_table(piece.rows.slice(0, most - len(records)), fields)
        shown = (declared.get(one.name) or field_of_arrow(one, str(file.path)) for one in table.schema)
        records += row_values.records_of(table, tuple(shown))
        if len(records) >= most:
            break
    return records


def _of_text(path: Path, fields: tuple[Field, ...], most: int) -> list[dict[str, Any]]:
    """Text that is no value of its field stands as it is."""
    from interlock.adapters.schemas import row_values
    from interlock.adapters.schemas.columns import from_text
    from interlock.adapters.schemas.tables import opened

    records: list[dict[str, Any]] = []
    with opened(str(path)) as table:
        there = [one for one in fields if one.name in table.rows.columns]
        read = {one.name: from_text(table.rows[one.name], one.type)[0] for one in there}
        typed = {name: column for name, column in read.items() if column is not None}
        texts = {f"{_TEXT}{name}": table.rows[name] for name in typed}
        for batch in table.engine.batches(table.rows.mutate(**typed, **texts).limit(most), most):
            known = tuple(one for one in there if one.name in typed)
            records += map(_with_text, row_values.records_of(batch, known))
    return records


def _with_text(record: dict[str, Any]) -> dict[str, Any]:
    kept = {name.removeprefix(_TEXT): text for name, text in record.items() if name.startswith(_TEXT)}
    unread = {name: text for name, text in kept.items() if text is not None and record.get(name) is None}
    return {name: value for name, value in record.items() if not name.startswith(_TEXT)} | unread
