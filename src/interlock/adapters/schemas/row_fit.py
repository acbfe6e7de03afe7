"""Rows as the target's columns hold them. What they cannot hold is left out, with field and reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from interlock.adapters.schemas.lens_fit import COLUMN_MISFIT
from interlock.adapters.schemas.row_values import table_of
from interlock.domain.schemas.field import Field, List, Map, Struct, Type

_NULL: Final = "is null, and null is not allowed"
Why = tuple[str, str]
"""Field and reason."""


def as_schema(rows: Any, schema: Any, by: str) -> tuple[Any, dict[int, Why]]:
    """The rows of an Arrow table as the schema has them; and why others are left out, by their number, which the
    column `by` has.
    """
    import pyarrow as pa
    from pyarrow import compute

    rows, left_out = _without_nulls(rows, schema, by)
    try:
        return rows.drop_columns(by).cast(schema), left_out
    except pa.ArrowInvalid:
        misfits = {
            at: (one.name, COLUMN_MISFIT)
            for one in reversed(schema)
            for at in _misfits(range(rows.num_rows), partial(_taken, rows.column(one.name), one.type))
        }
    numbers = rows.column(by).to_pylist()
    left_out |= {numbers[at]: why for at, why in misfits.items()}
    is_out = compute.is_in(rows.column(by), pa.array(left_out, pa.int64()))
    return rows.filter(compute.invert(is_out)).drop_columns(by).cast(schema), left_out


def _without_nulls(rows: Any, schema: Any, by: str) -> tuple[Any, dict[int, Why]]:
    from pyarrow import compute

    nulls: dict[int, Why] = {}
    for one in schema:
        column = rows.column(one.name)
        if one.nullable or not column.null_count:
            continue
        bad = compute.is_null(column)
        nulls |= dict.fromkeys(rows.column(by).filter(bad).to_pylist(), (one.name, _NULL))
        rows = rows.filter(compute.invert(bad))
    return rows, nulls


def _taken(column: Any, kind: Any, places: Sequence[int]) -> None:
    column.take(list(places)).cast(kind)


def _misfits(places: Sequence[int], make: Callable[[Sequence[int]], Any]) -> list[int]:
    """Which of the places cannot be made: halved until each of them stands alone."""
    try:
        make(places)
    except Exception:  # Arrow and each kind of value have errors of their own
        if len(places) < 2:
            return list(places)
        half = len(places) // 2
        return [*_misfits(places[:half], make), *_misfits(places[half:], make)]
    return []


class Fitting:
    """Records as rows of the target: as they are when they are free of columns, else as far as those hold them.
    Both have what the target demands.
    """

    def __init__(self, fields: tuple[Field, ...], is_free: bool) -> None:
        self.fields, self.is_free = fields, is_free
        self.names = {one.name for one in fields}
        self.nested = [one for one in fields if isinstance(one.type, Struct | List | Map)]
        self.needed = [one.name for one in fields if one.required and not one.nullable]

    def fitted(self, records: list[Any]) -> tuple[Any, dict[int, Why], dict[str, int]]:
        """The rows; the records that do not fit, by place, with field and reason; and what was left out."""
        bad = {at: why for at, one in enumerate(records) if (why := self._null(one))}
        if self.is_free:
            return ([one for at, one in enumerate(records) if at not in bad] if bad else records), bad, {}
        left_out: dict[str, int] = {}
        for record in records:
            for path in {*(record.keys() - self.names), *self._unlisted(record)}:
                left_out[path] = left_out.get(path, 0) + 1
        places = [at for at in range(len(records)) if at not in bad]
        try:
            return table_of([records[at] for at in places], self.fields), bad, left_out
        except Exception:  # Arrow and each kind of value have errors of their own
            wrong = _misfits(places, lambda some: table_of([records[at] for at in some], self.fields))
            bad |= {at: (self._misfit(records[at]), COLUMN_MISFIT) for at in wrong}
            return table_of([records[at] for at in places if at not in bad], self.fields), bad, left_out

    def _null(self, record: Mapping[str, Any]) -> Why | None:
        return next(((name, _NULL) for name in self.needed if record.get(name) is None), None)

    def _unlisted(self, record: Mapping[str, Any]) -> Iterator[str]:
        """The paths of what is within a value and has no place in its column."""
        for one in self.nested:
            yield from _unlisted(record.get(one.name), one.type, one.name)

    def _misfit(self, record: Mapping[str, Any]) -> str:
        """The first field whose column cannot hold its value."""
        for one in self.fields:
            try:
                table_of([{one.name: record.get(one.name)}], (one,))
            except Exception:  # as above
                return one.name
        return ""


def _unlisted(value: Any, one: Type, path: str) -> Iterator[str]:
    match value, one:
        case dict(), Struct(fields):
            known = {inner.name: inner.type for inner in fields}
            for name, inner in value.items():
                if name in known:
                    yield from _unlisted(inner, known[name], f"{path}.{name}")
                else:
                    yield f"{path}.{name}"
        case dict(), Map(held):
            for inner in value.values():
                yield from _unlisted(inner, held.type, path)
        case list(), List(held):
            for inner in value:
                yield from _unlisted(inner, held.type, path)
