"""What a lens made as the columns of the target: exactly its types, or a rejection, or a refusal beforehand.

Records have numbers of any size and text for dates; columns have types. A value that the target's column cannot
hold is rejected, where the reference would pass on a record that breaks its contract.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from interlock.adapters.schemas import lens_scalars as scalars
from interlock.adapters.schemas.compute import Emitter, Engine
from interlock.adapters.schemas.lens_shapes import held_objects, objects
from interlock.adapters.schemas.lens_terms import (
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
    both,
    term,
)
from interlock.domain.lenses.apply import EXACT_LIMIT, TEXT_DIGITS
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
    Json,
    List,
    Map,
    Number,
    String,
    Struct,
    Tensor,
    Time,
    Timestamp,
    Type,
)
from interlock.domain.schemas.ranges import held

COLUMN_MISFIT: Final = "is no value of the target's column"
_SCALES = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_CASELESS = ("duckdb", "spark", "sqlite")
"""Engines to which names that differ by case alone are the same."""
_NO_INT8, _NO_UNSIGNED = ("postgres", "sqlite"), ("postgres", "sqlite", "spark")


def column_type(one: Type, engine: Engine) -> Any:
    """The Ibis type of a column for the type: the engine's own, or its next wider one. Unable where it has none."""
    from ibis.expr import datatypes as dt

    match one:
        case List(element):
            return dt.Array(column_type(element.type, engine))
        case Tensor(element, dims):
            nested = column_type(element, engine)
            for _ in dims:
                nested = dt.Array(nested)
            return nested
        case Map(value):
            return dt.Map(dt.string, column_type(value.type, engine))
        case Struct(()):
            raise Unable("", "an object without any field has no column", "Drop the object, or keep a field in it.")
        case Struct(fields):
            return dt.Struct({f.name: column_type(f.type, engine) for f in fields})
        case _:
            return dt.dtype(_plain_type(one, engine))


def _plain_type(
    one: Bool | Int | Float | Number | Decimal | String | Bytes | Date | Time | Timestamp | Duration | Json,
    engine: Engine,
) -> str:
    match one:
        case Bool():
            return "boolean"
        case Int():
            return _int_type(one, engine)
        case Float(bits):
            return "float64" if bits == 64 or engine == "sqlite" else "float32"
        case Number():
            return "float64"
        case Decimal(precision, scale):
            return f"decimal({precision}, {scale})"
        case String() | Json():
            return "string"
        case Bytes():
            return "binary"
        case Date():
            return "date"
        case Time():
            return "time"
        case Timestamp(unit, is_zoned):
            return f"timestamp('UTC', {_SCALES[unit]})" if is_zoned else f"timestamp({_SCALES[unit]})"
        case Duration(unit):
            return f"interval('{unit}')"


def _int_type(one: Int, engine: Engine) -> str:
    bits = one.bits or 64
    if engine == "sqlite":
        return "int64"
    if not one.is_signed and engine in _NO_UNSIGNED:
        return {8: "int16", 16: "int32", 32: "int64", 64: "decimal(20, 0)"}[bits]
    if bits == 8 and engine in _NO_INT8:
        return "int16"
    return f"{'' if one.is_signed else 'u'}int{bits}"


def fit(one: Known | None, wanted: Field, scope: Scope) -> Term:
    """The field as the target's column; NULL where it is absent. Unable when the types never meet."""
    emitter = Emitter(scope.engine)
    kind = column_type(wanted.type, scope.engine)
    null = Term(lambda _: emitter.null(kind), is_simple=True)
    match one, wanted.type:
        case (None | Refused(), _):
            return null
        case (Plain(), _) if scalars.is_null(one):
            return null
        case (Whole(), Struct(fields)):
            return _object(one, fields, wanted.name, scope)
        case (Single(there, inner), List(element)):
            if scope.engine == "polars" and isinstance(element.type, List):
                raise _never(wanted, "a list that would be joined with the one around it")
            within = Scope({}, scope.stages, scope.engine, both(scope.guard, there), f"{scope.path}{wanted.name}.")
            return _if(there, term(_array, fit(inner, element, within)), emitter)
        case (Listed(), List(element)):
            return _objects(one, element, scope)
        case (Plain(), _):
            return _plain(one, wanted, scope)
        case _:
            raise _never(wanted, "an object or a list")


def _never(wanted: Field, what: str) -> Unable:
    says = f"it is {what} here, and the target's column is {described(wanted.type)}"
    return Unable(wanted.name, says, "Cast it, or correct the target's contract.")


def _array(value: Any) -> Any:
    import ibis

    return ibis.array([value])


def _if(there: Any, value: Term, emitter: Emitter) -> Term:
    if there is True:
        return value
    if there is False:
        return term(lambda v: emitter.null(v.type()), value)
    return term(lambda is_there, v: emitter.only(is_there, v), there, value)


def left_over(fields: Fields, wanted: tuple[Field, ...], scope: Scope) -> None:
    """Unable when there is a field that the target has no column for, or two columns are one to the engine."""
    names = {one.name for one in wanted}
    folded: dict[str, str] = {}
    for one in wanted if scope.engine in _CASELESS else ():
        if (other := folded.setdefault(one.name.lower(), one.name)) != one.name:
            raise Unable(one.name, f"`{other}` and `{one.name}` are one name here", "Rename one of them.")
    for name in fields:
        if name not in names:
            raise Unable(name, "it is left over: the target has no column for it", "Drop it, or add it there.")


def _object(one: Whole, wanted: tuple[Field, ...], name: str, scope: Scope) -> Term:
    inner = Scope(one.fields, scope.stages, scope.engine, both(scope.guard, one.is_full), f"{scope.path}{name}.")
    try:
        left_over(one.fields, wanted, inner)
        parts = {f.name: fit(one.fields.get(f.name), f, inner) for f in wanted}
    except Unable as no:
        raise Unable(f"{name}.{no.field}", no.says, no.remedy) from None
    emitter = Emitter(scope.engine)
    names = tuple(parts)
    made = term(lambda *values: objects(dict(zip(names, values, strict=True)), None, emitter), *parts.values())
    return _if(one.is_full, made, emitter)


def _objects(listed: Listed, element: Field, scope: Scope) -> Term:
    inner = listed.inner
    assert isinstance(inner.guard, Term)
    whole = Whole(True, inner.guard, inner.fields)
    if not isinstance(element.type, Struct):
        raise _never(element, "a list of objects")
    made = _object(whole, element.type.fields, "", Scope({}, inner.stages, inner.engine, True, inner.path[:-1]))
    held_objects(listed, scope)
    return term(lambda v: v.map(made.make), listed.base)


# ---- plain values


def _plain(one: Plain, wanted: Field, scope: Scope) -> Term:
    emitter = Emitter(scope.engine)
    if isinstance(one.type, List) and isinstance(wanted.type, List):
        return _elements(one, one.type.element, wanted, wanted.type.element, scope)
    is_bad, make = _scalar(one, wanted, emitter, scope.engine)
    if is_bad is None:
        return term(make, one.term)
    held = scope.stages.held(one.term)
    scope.reject(term(lambda v: v.notnull() & is_bad(v), held), wanted.name, COLUMN_MISFIT)
    return term(make, held)


def _elements(one: Plain, has: Field, wanted: Field, wants: Field, scope: Scope) -> Term:
    """A list whose elements are of another type, one by one."""
    if _same(one.held.value_type, column_type(wants.type, scope.engine)):
        return one.term
    if scope.engine == "polars":
        raise _never(wanted, f"a list of {described(has.type)}")
    stages = Stages(scope.stages.prefix, scope.stages.reasons)
    inner = Scope({}, stages, scope.engine, True, f"{scope.path}{wanted.name}.")
    element = Plain(Term(lambda x: x, is_simple=True), True, has.type, one.held.value_type)
    made = _plain(element, wants, inner)
    held = scope.stages.held(one.term)
    if (code := stages.code()) is not None:
        emitter, coded = Emitter(scope.engine), code.make
        scope.stages.reject_by(term(lambda v: emitter.first_code(v, coded), held))
    return term(lambda v: v.map(made.make), held)


def _same(one: Any, other: Any) -> bool:
    """Whether two Ibis types are one, whether or not null is allowed."""
    if one.is_array() and other.is_array():
        return _same(one.value_type, other.value_type)
    if one.is_struct() and other.is_struct():
        return one.names == other.names and all(map(_same, one.types, other.types))
    return bool(one.copy(nullable=True) == other.copy(nullable=True))


Change = tuple[Callable[[Any], Any] | None, Callable[[Any], Any]]
"""Whether a value does not fit, if there are such; and the value as the target's column has it."""


def _scalar(one: Plain, wanted: Field, emitter: Emitter, engine: Engine) -> Change:
    kind = column_type(wanted.type, engine)
    match one.type, wanted.type:
        case (Int() | Number(), Int() as to) if not one.held.is_floating():
            return _to_int(one, to, kind, emitter)
        case (Int() | Number() | Float(), Float() | Number() as to):
            return _to_float(one, to, kind, wanted, emitter)
        case (Int() | Number() | Float(), Decimal() as to):
            return _to_decimal(one, to, wanted, emitter)
        case (Decimal(precision, scale), Decimal() as to):
            if to.scale < scale or to.precision - to.scale < precision - scale:
                raise _never(wanted, described(one.type))
            return None, (lambda v: v) if to == one.type else (lambda v: v.cast(kind))
        case (Decimal(precision), Number() | Float(64)) if precision <= TEXT_DIGITS:
            return None, lambda v: v.cast("float64")
        case (Timestamp(unit, is_zoned), Timestamp() as to):
            if is_zoned != to.is_zoned or _SCALES[unit] > _SCALES[to.unit]:
                raise _never(wanted, described(one.type))
            return None, (lambda v: v) if unit == to.unit else (lambda v: v.cast(kind))
        case (String(), Date() | Timestamp() as to) if one.texts:
            return _moments(one, to, kind, emitter)
        case (Struct(), Struct()) if not _same(one.held, kind):
            raise _never(wanted, described(one.type))
        case (has, to) if type(has) is type(to):
            return None, lambda v: v
        case _:
            raise _never(wanted, described(one.type))


def _to_int(one: Plain, to: Int, kind: Any, emitter: Emitter) -> Change:
    if not to.bits and (one.held.is_decimal() or one.held == scalars.dtype("uint64")):
        return None, lambda v: v
    low, high = _ends(Int(to.bits or 64, to.is_signed))
    least, most = _range(one)
    if low <= least and most <= high:
        return None, (lambda v: v) if one.held == kind else (lambda v: v.cast(kind))

    if not one.held.is_decimal() and not (one.held.is_unsigned_integer() and one.held.nbytes == 8):
        return _between(max(low, -scalars.INT64), min(high, scalars.INT64 - 1), kind, emitter)
    name = "decimal(38, 0)"

    def is_within(v: Any) -> Any:
        return v.cast(name).between(emitter.literal(low, name), emitter.literal(high, name))

    return (lambda v: ~is_within(v)), (lambda v: emitter.only(is_within(v), v).cast(kind))


def _range(one: Plain) -> tuple[int, int]:
    if one.held.is_decimal():
        most = 10 ** int(one.held.precision or 38)
        return -most, most
    return _ends(Int(one.held.nbytes * 8, one.held.is_signed_integer()))


def _ends(one: Int) -> tuple[int, int]:
    """The least and the largest of the integers of so many bits."""
    limits = held(one)
    return int(limits.low), int(limits.high)


def _to_float(one: Plain, to: Float | Number, kind: Any, wanted: Field, emitter: Emitter) -> Change:
    """Whole numbers that every such float is exact for; doubles only where the column holds doubles."""
    bits = to.bits if isinstance(to, Float) else 64
    if one.held.is_floating():
        if one.held.nbytes > kind.nbytes:
            raise _never(wanted, "a double")
        return None, (lambda v: v) if one.held == kind else (lambda v: v.cast(kind))
    limit = {16: 2**11, 32: 2**24, 64: EXACT_LIMIT}[bits]
    least, most = _range(one)
    if -limit <= least and most <= limit:
        return None, lambda v: v.cast(kind)
    return _between(-limit, limit, kind, emitter)


def _between(low: int, high: int, kind: Any, emitter: Emitter) -> Change:
    """Whole numbers from `low` to `high`."""

    def is_within(v: Any) -> Any:
        return scalars.wide(v).between(emitter.literal(low, "int64"), emitter.literal(high, "int64"))

    return (lambda v: ~is_within(v)), (lambda v: emitter.only(is_within(v), v).cast(kind))


def _to_decimal(one: Plain, to: Decimal, wanted: Field, emitter: Emitter) -> Change:
    """A number that is a decimal of so many digits, as JSON writes it."""
    whole = to.precision - to.scale
    kind = f"decimal({to.precision}, {to.scale})"
    if one.held.is_integer():
        limit = min(10**whole, scalars.INT64) - 1
        least, most = _range(one)
        if -limit <= least and most <= limit:
            return None, lambda v: v.cast(kind)
        return _between(-limit, limit, kind, emitter)
    if to.precision > TEXT_DIGITS:
        raise _never(wanted, "a double")
    power, end = emitter.double(10.0**to.scale), emitter.double(10.0**whole)

    def is_exact(v: Any) -> Any:
        """Whether all digits are there, as one number: it is the double that the decimal is nearest to."""
        digits = emitter.half_even(emitter.only((v < end) & (v > -end), v) * power)
        near = emitter.literal(10**to.precision, "int64")
        is_near = (digits < near) & (digits > -near)
        return ((emitter.quotient(digits.cast("float64"), power) == v) & is_near).fill_null(False)

    return (lambda v: ~is_exact(v)), (lambda v: emitter.only(is_exact(v), v).cast(kind))


def _moments(one: Plain, to: Date | Timestamp, kind: Any, emitter: Emitter) -> Change:
    """Dates and instants that are written as text, when each text is known beforehand."""
    known = {text: value for text in one.texts if (value := scalars.typed_constant(text, to)) is not None}

    def make(v: Any) -> Any:
        pairs = [(v == emitter.literal(text, "string"), emitter.constant(at, to)) for text, at in known.items()]
        return emitter.chosen(pairs, emitter.null(kind))

    words = [text for text in one.texts if text not in known]
    return (lambda v: v.isin(words)) if words else None, make
