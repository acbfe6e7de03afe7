"""Rows whose reference is in no row of the other table: one anti-join per reference.

A row with a null among the fields refers to nothing and is kept, as in SQL (MATCH SIMPLE).
"""

from __future__ import annotations

from functools import reduce
from operator import and_
from typing import Any

from interlock.adapters.schemas.expressions import misfits, read
from interlock.adapters.schemas.tables import Table
from interlock.domain.schemas.contract import Object, Reference
from interlock.domain.schemas.describe import described
from interlock.domain.schemas.field import Field
from interlock.kernel.errors import Invalid


class ReferenceNotAsked(Invalid):
    """Two tables that cannot be compared: a column is lacking, or has values of another kind."""

    code = "data.reference_not_asked"


def orphans(table: Table, one: Object, reference: Reference, other: Table, target: Object | None) -> Any:
    """The rows of `table` that refer to nothing. target: what the contract says of `other`, if it does.

    ReferenceNotAsked when the tables cannot be compared.
    """
    if len(reference.fields) != len(reference.to_fields) or not reference.fields:
        raise ReferenceNotAsked("the reference does not name as many fields on both sides")
    pairs = list(zip(reference.fields, reference.to_fields, strict=True))
    ours = {f"interlock_from_{n}": _value(table, one.field(f), f) for n, (f, _) in enumerate(pairs)}
    theirs = {
        f"interlock_to_{n}": _value(other, (target and target.field(to)) or one.field(f), to)
        for n, (f, to) in enumerate(pairs)
    }
    for (f, to), our, their in zip(pairs, ours.values(), theirs.values(), strict=True):
        if _kind(our) != _kind(their):
            raise ReferenceNotAsked(f"`{f}` is {our.type()}, and `{other.name}.{to}` is {their.type()}")
    left = table.rows.mutate(**ours)
    left = left.filter(reduce(and_, (left[n].notnull() for n in ours)))
    right = other.rows.select(**theirs).view()
    return left.anti_join(right, [left[a] == right[b] for a, b in zip(ours, theirs, strict=True)])


def _value(table: Table, held: Field | None, name: str) -> Any:
    """The column as values of the field's type."""
    if name not in table.rows.columns:
        raise ReferenceNotAsked(f"`{table.name}` has no column `{name}`")
    column = table.rows[name]
    if held is None:
        return _plain(column)
    typed, _ = read(table, column, held.type)
    if typed is None or isinstance(misfits(table, typed, held.type), str):
        raise ReferenceNotAsked(f"the column `{table.name}.{name}` is not {described(held.type)}")
    return _plain(typed)


def _plain(column: Any) -> Any:
    """Identifiers of a type of their own as text, which files and other columns hold them as."""
    return column.cast("string") if column.type().is_uuid() else column


def _kind(column: Any) -> str:
    found = column.type()
    return "number" if found.is_numeric() and not found.is_boolean() else str(type(found).__name__)
