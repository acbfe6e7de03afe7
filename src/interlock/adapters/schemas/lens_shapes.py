"""Columns read as the fields of a lens: plain values, objects, lists of objects."""

from __future__ import annotations

from typing import Any, Final

from interlock.adapters.schemas.columns import type_of_column
from interlock.adapters.schemas.compute import MAX_DOUBLE, Emitter, Engine
from interlock.adapters.schemas.lens_terms import (
    Cond,
    Fields,
    Known,
    Listed,
    Plain,
    Refused,
    Scope,
    Single,
    Stages,
    Term,
    Unable,
    Whole,
    term,
)
from interlock.adapters.schemas.sqlite import from_sqlite
from interlock.domain.schemas.describe import described
from interlock.domain.schemas.field import (
    Bool,
    Bytes,
    Date,
    Decimal,
    Duration,
    Field,
    Float,
    Int,
    List,
    Number,
    String,
    Struct,
    Time,
    Timestamp,
    Type,
)

FLAT: tuple[Engine, ...] = ("postgres", "sqlite")
"""Engines whose tables have no objects, or none that Ibis knows of: they are passed on as they are."""


def flat_refuses(field: str, engine: Engine) -> None:
    """Unable where tables have no objects and lists."""
    if engine in FLAT:
        says = "tables have no objects and lists here that could be made or looked into"
        raise Unable(field, says, "Use DuckDB or Spark for it.")


def read(one: Field, value: Term, held: Any, outer: Scope) -> Known:
    """The column `value`, of the Ibis type `held`, as the field. Unable when it is of another type.

    NULL is null where the field may be null; in an optional field that may not, it is no field at all. Floats that
    are not finite are NULL, as everywhere where rows become records.
    """
    if outer.engine in FLAT and isinstance(one.type, Struct | List) and not _has_floats(held):
        return Plain(value, _there(one, term(lambda v: v.notnull(), value)), one.type, held)
    if outer.engine == "spark" and isinstance(one.type, Timestamp):
        says = f"is {described(one.type)}, and Spark reads those in the time zone of its session"
        raise Unable(one.name, says, "Run the lens on another engine, or keep the field as text.")
    if not _holds(held, one.type):
        says = f"the column is {held}, and the field {described(one.type)}"
        raise Unable(one.name, says, "Cast the column, or correct the contract.")
    if isinstance(one.type, Struct) and held.is_struct():
        is_full = term(lambda v: v.notnull(), value)
        return Whole(_there(one, is_full), is_full, _inner(one.type, value, held, outer))
    if isinstance(one.type, List) and held.is_array():
        return _list(one, one.type, value, held, outer)
    if outer.engine == "sqlite":
        value = _of_its_type(one, value, outer)
    raw = value if held.is_floating() and value.is_simple else None
    if held.is_floating():
        value = finite(value, Emitter(outer.engine))
    return Plain(value, _there(one, term(lambda v: v.notnull(), value)), one.type, held, raw=raw)


STRAY: Final = "holds a value of another type than its column"


def _of_its_type(one: Field, value: Term, outer: Scope) -> Term:
    """Columns of SQLite hold values of any type; a row with one that does not belong there is rejected."""
    wrong = term(lambda v: v.notnull() & from_sqlite(v, one.type)[1].fill_null(False), value)
    if not isinstance(one.type, Bool | Int | Float | Number | Decimal | String | Date | Time | Timestamp):
        return value
    outer.reject(wrong, one.name, STRAY)
    if isinstance(one.type, Date | Time | Timestamp):
        return value
    return outer.stages.held(term(lambda v: from_sqlite(v, one.type)[0], value))


def _there(one: Field, is_full: Cond) -> Cond:
    return True if one.required or one.nullable else is_full


def finite(value: Term, emitter: Emitter) -> Term:
    return term(lambda v: emitter.only(_is_finite(v, emitter), v), value)


def _is_finite(v: Any, emitter: Emitter) -> Any:
    return v.cast("float64").between(emitter.double(-MAX_DOUBLE), emitter.double(MAX_DOUBLE))


def _inner(one: Struct, value: Term, held: Any, outer: Scope) -> Fields:
    emitter = Emitter(outer.engine)
    there = [f for f in one.fields if f.name in held.names]
    return {f.name: read(f, _of(value, f.name, emitter), held[f.name], outer) for f in there}


def _of(value: Term, name: str, emitter: Emitter) -> Term:
    return Term(lambda row: emitter.inner(value.make(row), name), value.level, is_simple=True)


def _list(one: Field, wanted: List, value: Term, held: Any, outer: Scope) -> Known:
    is_full = term(lambda v: v.notnull(), value)
    element = wanted.element
    if outer.engine == "polars" and _has_floats(held):
        says = "floats within lists are not looked at, and some may not be finite"
        raise Unable(one.name, says, "Use DuckDB or Spark for it.")
    if not (isinstance(element.type, Struct) and held.value_type.is_struct()) or outer.engine == "polars":
        if _has_floats(held):
            emitter = Emitter(outer.engine)
            value = outer.stages.hold(term(lambda v: _cleaned(v, emitter), value).make, value.level)
        return Plain(value, _there(one, is_full), one.type, held)
    stages = Stages(outer.stages.prefix, outer.stages.reasons)
    row = Term(lambda x: x, is_simple=True)
    inner = Scope({}, stages, outer.engine, term(lambda x: x.notnull(), row), f"{outer.path}{one.name}.")
    inner.fields = _inner(element.type, row, held.value_type, inner)
    return Listed(_there(one, is_full), is_full, value, tuple(held.value_type.names), inner)


def _has_floats(held: Any) -> bool:
    if held.is_array() or held.is_map():
        return _has_floats(held.value_type)
    if held.is_struct():
        return any(_has_floats(one) for one in held.types)
    return bool(held.is_floating())


def _cleaned(value: Any, emitter: Emitter) -> Any:
    """The value with NULL for floats that are not finite, within lists and objects as well."""
    held = value.type()
    if not _has_floats(held) or held.is_map():
        return value
    if held.is_floating():
        return emitter.only(_is_finite(value, emitter), value)
    if held.is_array():
        return value.map(lambda x: _cleaned(x, emitter))
    return objects({name: _cleaned(value[name], emitter) for name in held.names}, value.notnull(), emitter)


def objects(fields: dict[str, Any], is_full: Any, emitter: Emitter) -> Any:
    """An object of the values where there is one."""
    import ibis

    made = ibis.struct(fields)
    return made if is_full is None else emitter.only(is_full, made)


_HELD: tuple[tuple[tuple[type, ...], tuple[str, ...]], ...] = (
    ((Bool,), ("is_boolean",)),
    ((Int,), ("is_integer",)),
    ((Float,), ("is_floating",)),
    ((Number,), ("is_floating", "is_integer")),
    ((Decimal,), ("is_decimal",)),
    ((String,), ("is_string", "is_uuid")),
    ((Bytes,), ("is_binary",)),
    ((Date,), ("is_date",)),
    ((Time,), ("is_time",)),
    ((Duration,), ("is_interval",)),
    ((List,), ("is_array",)),
    ((Struct,), ("is_struct",)),
)


def _holds(held: Any, wanted: Type) -> bool:
    """Whether a column of that Ibis type holds values of the field's type."""
    if isinstance(wanted, Timestamp):
        return bool(held.is_timestamp()) and (held.timezone is not None) == wanted.is_zoned
    if isinstance(wanted, Int) and held.is_decimal():
        return bool(held.scale == 0)
    if isinstance(wanted, Decimal) and held.is_decimal():
        return type_of_column(held) == wanted
    asks = next((asks for kinds, asks in _HELD if isinstance(wanted, kinds)), ())
    return not asks or any(getattr(held, ask)() for ask in asks)


# ---- lists


def head(one: Known, field: str, scope: Scope) -> Known:
    """The first element of a list, null where there is none."""
    flat_refuses(field, scope.engine)
    emitter = Emitter(scope.engine)
    match one:
        case Single(_, inner):
            return inner
        case Listed(there, base=base, inner=inner):
            first = scope.stages.hold(term(emitter.first, base).make, base.level)
            is_full = term(lambda v: v.notnull(), first)
            return Whole(there, is_full, {name: _rebased(f, first) for name, f in inner.fields.items()})
        case Plain(value, there, List(element), held):
            first = scope.stages.hold(term(emitter.first, value).make, value.level)
            return _put_at(there, read(element, first, held.value_type, scope))
        case _:
            raise Unable(field, "only lists have a first element", "Name a list.")


def _put_at(there: Cond, one: Known) -> Known:
    """An element of a list as a field that is there where the list is."""
    match one:
        case Whole(_, is_full, fields):
            return Whole(there, is_full, fields)
        case Plain(value, _, kind, held, texts):
            return Plain(value, there, kind, held, texts)
        case _:
            return one


def _rebased(one: Known, first: Term) -> Known:
    """A field of the objects of a list as a field of one of them."""

    def of(inner: Term) -> Term:
        return Term(lambda row: inner.make(first.make(row)), first.level, inner.is_simple)

    def when(inner: Cond) -> Cond:
        return of(inner) if isinstance(inner, Term) else inner

    match one:
        case Plain(value, there, kind, held, texts):
            return Plain(of(value), when(there), kind, held, texts)
        case Whole(there, is_full, fields):
            return Whole(when(there), when(is_full), {n: _rebased(f, first) for n, f in fields.items()})
        case Single(there, inner):
            return Single(when(there), _rebased(inner, first))
        case Listed(there, is_full, base, names, inner, applied):
            return Listed(when(there), when(is_full), of(base), names, inner, applied)
        case Refused():
            return one


def held_objects(listed: Listed, scope: Scope) -> None:
    """What the ops within made and rejected so far becomes part of the row: columns that objects got in stages, and
    the first rejection of the first object that has one.
    """
    stages = listed.inner.stages
    emitter = Emitter(scope.engine)
    for added in stages.added[listed.applied :]:
        names = listed.names
        grown = term(lambda v, n=names, a=added: v.map(lambda x: _grown(x, n, a, emitter)), listed.base)
        listed.base = scope.stages.hold(grown.make, grown.level)
        listed.names = (*names, *added)
    listed.applied = len(stages.added)
    if (code := stages.code()) is not None:
        listed.base = scope.stages.held(listed.base)
        make = code.make
        scope.stages.reject_by(term(lambda v: emitter.first_code(v, make), listed.base))
        stages.rejections.clear()


def _grown(x: Any, names: tuple[str, ...], added: Any, emitter: Emitter) -> Any:
    fields = {**{name: x[name] for name in names}, **{name: make(x) for name, make in added.items()}}
    return objects(fields, x.notnull(), emitter)
