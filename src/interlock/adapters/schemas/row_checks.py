"""Conditions of whole rows as columns of the table: each is computed with the others, in stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as of
from typing import Any, Final, cast

from interlock.adapters.schemas.compute import Engine, lacks, with_columns
from interlock.adapters.schemas.expressions import misfits, read
from interlock.adapters.schemas.sqlite import moment_of
from interlock.adapters.schemas.tables import Table
from interlock.domain.lenses.expressions.nodes import ExprType, renamed
from interlock.domain.lenses.rows import RowCondition, known_in
from interlock.domain.schemas.contract import Object
from interlock.domain.schemas.describe import described
from interlock.domain.schemas.field import Bool, Date, Decimal, Float, Int, String, Timestamp

ASKED: Final[tuple[Engine, ...]] = ("duckdb", "postgres", "sqlite")
"""Engines whose tables `tables.opened` gives."""


@dataclass(frozen=True, slots=True)
class Rows:
    """rows: the table with a column for each condition that can be asked; kept: condition -> that column, which is
    true, false or null; unasked: condition -> why it cannot be.
    """

    rows: Any
    kept: Mapping[RowCondition, str] = of(default_factory=dict)
    unasked: Mapping[RowCondition, str] = of(default_factory=dict)


def rows_with(table: Table, one: Object, conditions: Sequence[RowCondition]) -> Rows:
    """The table's rows, and whether each keeps to the conditions."""
    whys = {c: _why_not(table, one, c) for c in conditions}
    asked = [c for c in conditions if not whys[c]]
    unasked = {c: why for c, why in whys.items() if why}
    if not asked:
        return Rows(table.rows, {}, unasked)
    names = {name: f"interlock_value_{n}" for n, name in enumerate(sorted({n for c in asked for n in c.fields}))}
    known = known_in(one.fields)
    typed = {names[name]: _typed(table, one, name, known[name].type) for name in names}
    kept = {c: f"interlock_check_{n}" for n, c in enumerate(asked)}
    wanted = {kept[c]: renamed(c.expr, names) for c in asked}
    return Rows(with_columns(table.rows.mutate(**typed), wanted, _engine(table)), kept, unasked)


def _why_not(table: Table, one: Object, condition: RowCondition) -> str:
    """Why the table cannot be asked; empty when it can."""
    if table.engine.name not in ASKED:
        return f"rows of {table.engine.name} are not asked; those of {', '.join(ASKED)} are"
    if lacking := lacks(condition.expr, _engine(table)):
        return f"{table.engine.name} cannot compute {', '.join(lacking)} exactly"
    for name in condition.fields:
        held = one.field(name)
        if name not in table.rows.columns or held is None:
            return f"there is no column `{name}`"
        typed, _ = read(table, table.rows[name], held.type)
        if typed is None or isinstance(misfits(table, typed, held.type), str):
            return f"the column `{name}` is not {described(held.type)}"
    return ""


def _engine(table: Table) -> Engine:
    return cast(Engine, table.engine.name)


def _typed(table: Table, one: Object, name: str, wanted: ExprType) -> Any:
    """The column as expressions compute with it: null where a value is none of the field's type."""
    import ibis

    held = one.field(name)
    assert held is not None
    column = table.rows[name]
    typed, _ = read(table, column, held.type)
    match wanted:
        case Int():
            return typed.cast("int64")
        case Float():
            return typed.cast("float64")
        case Decimal(precision, scale):
            misfit = misfits(table, typed, held.type)
            fits = (
                typed
                if misfit is None
                else ibis.ifelse(misfit.fill_null(False), ibis.null(typed.type()(nullable=True)), typed)
            )
            return fits.cast(f"decimal({precision}, {scale})")
        case Date() | Timestamp() if table.engine.name == "sqlite":
            return moment_of(typed, wanted.kind, wanted.kind)
        case Bool() | String() | Date() | Timestamp():
            return typed
