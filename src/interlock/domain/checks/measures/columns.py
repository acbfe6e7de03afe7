"""Columns of plain values: lists, tuples, arrays, anything that has a length and an order.

Missing means None or NaN, so that data read from JSON, CSV, numpy or pandas agree.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from interlock.domain.checks.check import CheckInvalid

Column = Sequence[Any]
Value = TypeVar("Value")


def is_missing(value: Any) -> bool:
    """None or NaN."""
    return value is None or bool(value != value)  # only NaN differs from itself


def plain_values(column: Iterable[Any]) -> list[Any]:
    """The column as Python values: numpy scalars become int, float, bool or str."""
    as_list = getattr(column, "tolist", None)
    values = as_list() if callable(as_list) else column
    return [value.item() if hasattr(value, "item") else value for value in values]


def number(value: Any, column: str) -> float:
    """`value` as a finite float; CheckInvalid, which names the column, otherwise."""
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    raise CheckInvalid(f"{column} has {value!r}, which is no finite number", remedy="Check output integrity first.")


def numbers(column: Iterable[Any], name: str) -> list[float]:
    return [number(value, name) for value in plain_values(column)]


def aligned(**columns: Iterable[Any]) -> list[list[Any]]:
    """The columns as lists of one length; CheckInvalid when their lengths differ."""
    lists = {name: plain_values(column) for name, column in columns.items()}
    if len({len(values) for values in lists.values()}) > 1:
        lengths = ", ".join(f"{name} {len(values)}" for name, values in lists.items())
        raise CheckInvalid(f"columns differ in length: {lengths}", remedy="Give one value per row in each column.")
    return list(lists.values())


def by_key(keys: Sequence[Any], *columns: Sequence[Any]) -> dict[str, list[list[Any]]]:
    """The columns apart for each key, keys as text in their order; a missing key is `(missing)`."""
    places: dict[str, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault("(missing)" if is_missing(key) else str(key), []).append(place)
    return {name: [[column[p] for p in places[name]] for column in columns] for name in sorted(places)}
