"""Ops on plain values as columns: the rules of `domain/lenses/apply`, for each type that a column can have.

What rejects a row is asked of the operand, and the operand is NULL before anything could raise or wrap.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from interlock.adapters.schemas.compute import MAX_DOUBLE, Emitter, Engine
from interlock.adapters.schemas.lens_terms import Plain, Scope, Term, Unable, both, term
from interlock.domain.lenses.apply import EXACT_LIMIT, TEXT_DIGITS, as_json
from interlock.domain.lenses.expressions.evaluate import EPOCH, bounded
from interlock.domain.lenses.ops import Cast, Map, Scalar, ScalarType, Unit, first_pairs
from interlock.domain.schemas.field import (
    BOOLEAN,
    INTEGER,
    NUMBER,
    OBJECT,
    STRING,
    Bool,
    Date,
    Decimal,
    Float,
    Int,
    Number,
    String,
    Timestamp,
    Type,
)
from interlock.domain.schemas.scalars import double

INT64 = 2**63
Scalars = Bool | String | Date | Timestamp | Int | Float | Number | Decimal
Bad = Callable[[Any], Any]


def dtype(name: str) -> Any:
    import ibis

    return ibis.dtype(name)


def constant(value: Scalar, field: str, engine: Engine) -> Plain:
    """A field that is there and has the value."""
    emitter = Emitter(engine)
    match value:
        case None:
            return Plain(Term(lambda _: emitter.null("null"), is_simple=True), True, OBJECT, dtype("null"))
        case bool():
            return _constant(lambda _: emitter.literal(value, "boolean"), BOOLEAN, "boolean")
        case str():
            return _constant(lambda _: emitter.literal(value, "string"), STRING, "string", (value,))
        case _:
            return _number(value, field, emitter)


def _constant(make: Any, one: Type, held: str, texts: tuple[str, ...] = ()) -> Plain:
    return Plain(Term(make, is_simple=True), True, one, dtype(held), texts)


def _number(value: int | float, field: str, emitter: Emitter) -> Plain:
    if value != int(value) or (isinstance(value, float) and abs(value) >= INT64):
        return _constant(lambda _: emitter.double(value), NUMBER, "float64")
    if abs(value) >= INT64:
        raise Unable(field, f"{value} is beyond 64 bits", "Use a smaller number.")
    return _constant(lambda _: emitter.whole(int(value)), INTEGER, "int64")


def is_null(one: Plain) -> bool:
    """Whether it is a field that only ever is null."""
    return bool(one.held.is_null())


def as_type(value: Scalar, like: Plain, field: str, engine: Engine) -> Callable[[], Any]:
    """The constant as a value of the field's column."""
    emitter = Emitter(engine)
    match like.type, value:
        case (Bool(), bool()):
            return lambda: emitter.literal(value, "boolean")
        case (String(), str()):
            return lambda: emitter.literal(value, "string")
        case (Int(), int() | float()) if not isinstance(value, bool) and value == int(value) and abs(value) < INT64:
            return lambda: emitter.whole(int(value)).cast(like.held)
        case (Float() | Number(), int() | float()) if not isinstance(value, bool):
            if like.held.is_floating() and double(value) == value:
                return lambda: emitter.double(value)
        case (Date() | Timestamp() | Decimal(), _) if (typed := typed_constant(value, like.type)) is not None:
            kind = like.type
            return lambda: emitter.constant(typed, kind)
    raise Unable(field, "the value is of another type than the column", "Use a value of the field's own type.")


def typed_constant(value: Scalar, one: Type) -> Any:
    """The constant as expressions write one of the type; None when it is no value of it."""
    match one:
        case Date() | Timestamp() if isinstance(value, str):
            found = bounded(value, one)
        case Decimal(precision) if precision <= TEXT_DIGITS and not isinstance(value, str):
            found = bounded(value, one)
        case _:
            return None
    match found:
        case None:
            return None
        case datetime():
            return epoch(found)
        case date():
            return found.isoformat()
        case _:
            return format(found, "f")


def epoch(moment: datetime) -> int:
    """Microseconds since 1970, of wall-clock time as if it were UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(microseconds=1)


def equals(one: Plain, value: Scalar, field: str, engine: Engine) -> Callable[[Any], Any] | None:
    """What tells whether a value of the column is that JSON value; None when it never is."""
    emitter = Emitter(engine)
    match one.type, value:
        case (_, None):
            return None
        case (Bool(), bool()) | (String(), str()):
            literal = emitter.literal(value, "boolean" if isinstance(value, bool) else "string")
            return lambda v: v == literal
        case (Date() | Timestamp(), str()):
            return _equals_moment(one.type, value, field, emitter)
        case (Int() | Float() | Number() | Decimal(), int() | float()) if not isinstance(value, bool):
            return _equals_number(one, value, field, emitter)
        case (Bool() | String() | Date() | Timestamp() | Int() | Float() | Number() | Decimal(), _):
            return None
        case _:
            raise _no_op(one, field)


def _equals_moment(one: Date | Timestamp, value: str, field: str, emitter: Emitter) -> Callable[[Any], Any] | None:
    """Text that is written as JSON has the type names one value; any other text none."""
    if emitter.engine == "sqlite" and isinstance(one, Timestamp):
        raise Unable(field, "instants are text here, in several forms", "Use another engine for it.")
    found = bounded(value, one)
    if found is None or as_json(found, one) != value:
        return None
    typed = typed_constant(value, one)
    return lambda v: v == emitter.constant(typed, one)


def _equals_number(one: Plain, value: int | float, field: str, emitter: Emitter) -> Callable[[Any], Any] | None:
    number = double(value)
    if number is None:
        return None
    if one.held.is_integer() and abs(number) < EXACT_LIMIT:
        if not number.is_integer():
            return None
        whole = int(number)
        return lambda v: wide(v) == emitter.literal(whole, "int64")
    change = _as_double(one, field)
    return lambda v: change(v) == emitter.double(number)


def wide(value: Any) -> Any:
    """An integer as one that can be compared with any of 64 bits: some engines take the narrower type of two."""
    held = value.type()
    return value if not held.is_integer() or held.nbytes == 8 else value.cast("int64")


def _no_op(one: Plain, field: str) -> Unable:
    return Unable(
        field, f"columns of type {one.type.kind} are only passed on", "Rename or drop it, or cast it before."
    )


def _as_double(one: Plain, field: str) -> Callable[[Any], Any]:
    """A number of the column as the double that JSON readers see."""
    if isinstance(one.type, Decimal) and one.type.precision > TEXT_DIGITS:
        says = f"decimals of more than {TEXT_DIGITS} digits are text where records pass, and no numbers"
        raise Unable(field, says, f"Declare at most {TEXT_DIGITS} digits.")
    if one.held.is_decimal() and not isinstance(one.type, Decimal):
        raise Unable(field, "integers beyond 64 bits are only passed on", "Use a column of at most 64 bits.")
    if one.held.is_floating() and one.held.nbytes == 8:
        return lambda v: v
    return lambda v: v.cast("float64")


# ---- cast


def cast(op: Cast, one: Plain, scope: Scope) -> Plain:
    """The field as the other type. Unable for columns that have no casts."""
    return _CASTS.get((op.source, op.target), _never_casts(op))(one, op.field, scope)


def _changed(
    one: Plain,
    field: str,
    scope: Scope,
    bads: list[tuple[Bad, str]],
    made: tuple[Callable[[Any], Any], Type, str],
) -> Plain:
    """The field changed; it is rejected where one of the conditions holds for a value."""
    held = scope.stages.held(one.term)
    for is_bad, reason in bads:
        scope.reject(_where(held, is_bad), field, reason)
    make, to, name = made
    return Plain(term(make, held), one.there, to, dtype(name))


def _where(held: Term, is_bad: Bad) -> Term:
    return term(lambda v: v.notnull() & is_bad(v), held)


def _none_fits(reason: str, to: Type, name: str) -> Callable[[Plain, str, Scope], Plain]:
    """Every value is rejected."""

    def run(one: Plain, field: str, scope: Scope) -> Plain:
        held = scope.stages.held(one.term)
        scope.reject(term(lambda v: v.notnull(), held), field, reason)
        return Plain(Term(lambda _: Emitter(scope.engine).null(name), is_simple=True), one.there, to, dtype(name))

    return run


_TARGETS: dict[ScalarType, tuple[Type, str]] = {
    "string": (STRING, "string"),
    "integer": (INTEGER, "int64"),
    "number": (NUMBER, "float64"),
    "boolean": (BOOLEAN, "boolean"),
}


def _never_casts(op: Cast) -> Callable[[Plain, str, Scope], Plain]:
    return _none_fits("has no exact counterpart in the other type", *_TARGETS[op.target])


def _from_number(reason: str, target: ScalarType, change: Any) -> Callable[[Plain, str, Scope], Plain]:
    def run(one: Plain, field: str, scope: Scope) -> Plain:
        if isinstance(one.type, Int | Float | Number | Decimal):
            found: Plain = change(one, field, scope)
            return found
        return _other(one, field, scope, reason, target)

    return run


def _other(one: Plain, field: str, scope: Scope, reason: str, target: ScalarType) -> Plain:
    """A column of another type than the cast is from: each of its values is rejected."""
    if not (
        is_null(one) or isinstance(one.type, Bool | String | Date | Timestamp | Int | Float | Number | Decimal)
    ):
        raise _no_op(one, field)
    return _none_fits(reason, *_TARGETS[target])(one, field, scope)


def _fractions(one: Plain, as_double: Callable[[Any], Any], emitter: Emitter) -> list[tuple[Bad, str]]:
    if one.held.is_integer():
        return []
    return [(lambda v: emitter.is_fractional(as_double(v)), "is no integer")]


def _outside(one: Plain, limit: int, as_double: Callable[[Any], Any], emitter: Emitter) -> tuple[Bad, Any]:
    """Whether a value is as large as the limit; and the value, NULL where it is."""
    if one.held.is_integer():
        low, high = emitter.literal(-limit, "int64"), emitter.literal(limit, "int64")
        return (
            lambda v: (wide(v) <= low) | (wide(v) >= high),
            lambda v: emitter.only((wide(v) > low) & (wide(v) < high), v),
        )
    least, most = emitter.double(-limit), emitter.double(limit)

    def within(v: Any) -> Any:
        number = as_double(v)
        return emitter.only((number > least) & (number < most), number)

    return (lambda v: (as_double(v) <= least) | (as_double(v) >= most)), within


def _whole_to_string(one: Plain, field: str, scope: Scope) -> Plain:
    as_double = _as_double(one, field)
    emitter = Emitter(scope.engine)
    is_out, within = _outside(one, 10**TEXT_DIGITS, as_double, emitter)
    bads = [*_fractions(one, as_double, emitter), (is_out, f"has more than {TEXT_DIGITS} digits")]
    made = (lambda v: within(v).cast("int64").cast("string"), STRING, "string")
    return _changed(one, field, scope, bads, made)


def _whole_to_number(one: Plain, field: str, scope: Scope) -> Plain:
    """The value stays what it is."""
    held = scope.stages.held(one.term)
    for is_bad, reason in _fractions(one, _as_double(one, field), Emitter(scope.engine)):
        scope.reject(_where(held, is_bad), field, reason)
    kept = one.type if isinstance(one.type, Decimal) else NUMBER
    return Plain(held, one.there, kept, one.held)


def _number_to_whole(one: Plain, field: str, scope: Scope) -> Plain:
    as_double = _as_double(one, field)
    emitter = Emitter(scope.engine)
    is_out, within = _outside(one, EXACT_LIMIT, as_double, emitter)
    bads = [*_fractions(one, as_double, emitter), (is_out, "is beyond 2**53")]
    return _changed(one, field, scope, bads, (lambda v: within(v).cast("int64"), INTEGER, "int64"))


def _whole_to_boolean(one: Plain, field: str, scope: Scope) -> Plain:
    as_double, emitter = _as_double(one, field), Emitter(scope.engine)
    yes, no = emitter.double(1), emitter.double(0)
    bads: list[tuple[Bad, str]] = [
        (
            lambda v: (as_double(v) != yes) & (as_double(v) != no),
            "is neither 0 nor 1",
        )
    ]
    return _changed(one, field, scope, bads, (lambda v: as_double(v) == yes, BOOLEAN, "boolean"))


_NO_TEXT = f"is no text of an integer of at most {TEXT_DIGITS} digits"


def _string_to_whole(one: Plain, field: str, scope: Scope) -> Plain:
    if not isinstance(one.type, String):
        return _other(one, field, scope, _NO_TEXT, "integer")
    emitter = Emitter(scope.engine)
    bads: list[tuple[Bad, str]] = [(lambda v: ~emitter.full_match(v, _WHOLE_TEXT), _NO_TEXT)]
    made = (lambda v: emitter.whole_text(v), INTEGER, "int64")
    return _changed(one, field, scope, bads, made)


_WHOLE_TEXT = f"[+-]?[0-9]{{1,{TEXT_DIGITS}}}"


def _string_to_boolean(one: Plain, field: str, scope: Scope) -> Plain:
    reason = "is neither the text true nor false"
    if not isinstance(one.type, String):
        return _other(one, field, scope, reason, "boolean")
    emitter = Emitter(scope.engine)
    yes, no = emitter.literal("true", "string"), emitter.literal("false", "string")
    bads: list[tuple[Bad, str]] = [(lambda v: (v != yes) & (v != no), reason)]
    return _changed(one, field, scope, bads, (lambda v: v == yes, BOOLEAN, "boolean"))


def _boolean_to(target: ScalarType, yes: str | int, no: str | int) -> Callable[[Plain, str, Scope], Plain]:
    to, name = _TARGETS[target]

    def run(one: Plain, field: str, scope: Scope) -> Plain:
        if not isinstance(one.type, Bool):
            return _other(one, field, scope, "is no boolean", target)
        emitter = Emitter(scope.engine)
        words = [emitter.whole(w) if isinstance(w, int) else emitter.literal(w, name) for w in (yes, no)]
        return _changed(one, field, scope, [], (lambda v: emitter.only(v.notnull(), v.ifelse(*words)), to, name))

    return run


_CASTS: dict[tuple[ScalarType, ScalarType], Callable[[Plain, str, Scope], Plain]] = {
    ("integer", "string"): _from_number("is no integer", "string", _whole_to_string),
    ("string", "integer"): _string_to_whole,
    ("integer", "number"): _from_number("is no integer", "number", _whole_to_number),
    ("number", "integer"): _from_number("is no integer", "integer", _number_to_whole),
    ("boolean", "string"): _boolean_to("string", "true", "false"),
    ("string", "boolean"): _string_to_boolean,
    ("boolean", "integer"): _boolean_to("integer", 1, 0),
    ("integer", "boolean"): _from_number("is neither 0 nor 1", "boolean", _whole_to_boolean),
}


# ---- unit


def unit(op: Unit, one: Plain, scope: Scope) -> Plain:
    """The number in the other unit: the operations in the order of the reference."""
    reason = "is no finite number"
    if not isinstance(one.type, Int | Float | Number | Decimal):
        return _other(one, op.field, scope, reason, "integer" if op.integer else "number")
    as_double, emitter = _as_double(one, op.field), Emitter(scope.engine)
    if one.raw is not None:  # what is not finite is not within the operands either
        one = replace(one, term=one.raw, raw=None)
    low, high = _operands(op, MAX_DOUBLE, is_open=False)
    bads = _beyond(low, high, one, as_double, emitter, "is beyond the range of numbers after conversion")
    if op.integer:
        low, high = _operands(op, EXACT_LIMIT, is_open=True)
        bads += _beyond(low, high, one, as_double, emitter, "is not below 2**53 after conversion")
    is_free = not bads and not one.held.is_floating()

    def converted(value: Any) -> Any:
        number = as_double(value)
        if not is_free:
            number = emitter.only(number.between(emitter.double(low), emitter.double(high)), number)
        return _converted(op, number, emitter)

    made = _changed(one, op.field, scope, bads, (converted, NUMBER, "float64"))
    if not op.integer:
        return made
    return Plain(term(emitter.half_even, scope.stages.held(made.term)), made.there, INTEGER, dtype("int64"))


def _converted(op: Unit, number: Any, emitter: Emitter) -> Any:
    if op.denominator != 1 and emitter.engine == "postgres":
        # a quotient that rounds to zero is an error there
        least = emitter.double(_vanishing(op))
        number = (number.abs() <= least).ifelse(emitter.double(0.0), number)
    if op.numerator != 1:
        number = number * emitter.double(float(op.numerator))
    if op.denominator != 1:
        number = emitter.quotient(number, emitter.double(float(op.denominator)))
    return emitter.plus(number, op.offset)


def _beyond(
    low: float, high: float, one: Plain, as_double: Callable[[Any], Any], emitter: Emitter, reason: str
) -> list[tuple[Bad, str]]:
    """The condition on the operand, unless the column's type keeps to it."""
    least, most = _extent(one)
    if low <= least and most <= high:
        return []
    return [(lambda v: emitter.is_finite_beyond(as_double(v), low, high), reason)]


def _extent(one: Plain) -> tuple[float, float]:
    if one.held.is_integer():
        bits = one.held.nbytes * 8
        return (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1)) if one.held.is_signed_integer() else (0.0, 2.0**bits)
    if isinstance(one.type, Decimal):
        most = 10.0 ** (one.type.precision - one.type.scale)
        return -most, most
    return -MAX_DOUBLE, MAX_DOUBLE


def _apply(op: Unit, number: float) -> float:
    return number * float(op.numerator) / float(op.denominator) + op.offset


@lru_cache(maxsize=1024)
def _operands(op: Unit, limit: float, is_open: bool) -> tuple[float, float]:
    """The least and the largest operand with a result within the limit; each step is monotone, and so is the whole.
    Engines differ in what they do beyond: some raise.
    """

    def is_above(number: float) -> bool:
        result = _apply(op, number)
        return result > -limit if is_open else result >= -limit

    def is_below(number: float) -> bool:
        result = _apply(op, number)
        return result < limit if is_open else result <= limit

    first, last = (is_above, is_below) if op.numerator > 0 else (is_below, is_above)
    low = _first(first)
    high = _first(lambda number: not last(number))
    return (
        MAX_DOUBLE if low is None else low,
        MAX_DOUBLE if high is None else _at(_place(high) - 1) if high > -MAX_DOUBLE else -MAX_DOUBLE,
    )


@lru_cache(maxsize=1024)
def _vanishing(op: Unit) -> float:
    """The largest number whose product and quotient are zero."""
    found = _first(lambda number: number > 0 and abs(number * float(op.numerator) / float(op.denominator)) > 0)
    return _at(_place(found) - 1) if found is not None else 0.0


def _first(holds: Callable[[float], bool]) -> float | None:
    """The least double for which a condition holds that holds for every larger one too."""
    low, high = _place(-MAX_DOUBLE), _place(MAX_DOUBLE)
    if not holds(MAX_DOUBLE):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(_at(middle)) else (middle + 1, high)
    return _at(low)


def _place(number: float) -> int:
    """Where the double stands among all of them."""
    [bits] = struct.unpack("<q", struct.pack("<d", number))
    return int(bits) if bits >= 0 else -(bits & (2**63 - 1))


def _at(place: int) -> float:
    sign, size = (-1.0, -place) if place < 0 else (1.0, place)
    [number] = struct.unpack("<d", struct.pack("<q", size))
    return sign * float(number)


# ---- map, fill, blank


def mapped(op: Map, one: Plain, scope: Scope) -> Plain:
    """Each value that a pair names replaced; the first pair that names it wins."""
    pairs = [pair for pair in first_pairs(op) if pair[0] is not None]
    null_pair = next((pair for pair in first_pairs(op) if pair[0] is None), None)
    targets = [t for _, t in pairs] + [*op.fallback, *([null_pair[1]] if null_pair else [])]
    to, held, texts = _common(targets, op.field)
    like = Plain(one.term, True, to, held)
    value = scope.stages.held(one.term)
    tests = _tests(pairs, one, op.field, scope.engine)
    if not op.fallback:
        scope.reject(term(lambda v: v.notnull() & ~_any([test(v) for test, _ in tests]), value), op.field, _UNNAMED)
    emitter = Emitter(scope.engine)

    def made(target: Scalar) -> Any:
        return emitter.null(held) if target is None else as_type(target, like, op.field, scope.engine)()

    def run(v: Any) -> Any:
        rest = made(op.fallback[0]) if op.fallback else emitter.null(held)
        found = emitter.chosen([(test(v), made(target)) for test, target in tests], rest)
        if null_pair is None:
            return emitter.only(v.notnull(), found) if op.fallback else found
        return v.isnull().ifelse(made(null_pair[1]), found)

    made_term = term(run, value)
    if null_pair is not None and one.there is not True:
        made_term = _only_there(made_term, one, emitter)
    return Plain(made_term, one.there, to, held, texts)


_UNNAMED = "has a value that the map does not name"


def _only_there(made: Term, one: Plain, emitter: Emitter) -> Term:
    assert isinstance(one.there, Term)
    return term(lambda there, v: emitter.only(there, v), one.there, made)


def _tests(
    pairs: list[tuple[Scalar, Scalar]], one: Plain, field: str, engine: Engine
) -> list[tuple[Callable[[Any], Any], Scalar]]:
    if is_null(one):
        return []
    found = [(equals(one, source, field, engine), target) for source, target in pairs]
    return [(test, target) for test, target in found if test is not None]


def _any(conditions: list[Any]) -> Any:
    import ibis

    found = ibis.literal(False)
    for one in conditions:
        found = found | one
    return found


def _common(values: list[Scalar], field: str) -> tuple[Type, Any, tuple[str, ...]]:
    """The one type of all the values that are not null."""
    kinds = {_kind(value) for value in values if value is not None}
    if not kinds:
        return OBJECT, dtype("null"), ()
    if kinds == {"integer", "number"}:
        kinds = {"number"}
    if len(kinds) > 1:
        raise Unable(field, "the map gives values of several types, and a column has one", "Give one type only.")
    to, name = _TARGETS[kinds.pop()]
    return to, dtype(name), tuple(dict.fromkeys(v for v in values if isinstance(v, str)))


def _kind(value: Scalar) -> ScalarType:
    match value:
        case bool():
            return "boolean"
        case str():
            return "string"
        case _:
            is_whole = value == int(value or 0) and not (isinstance(value, float) and abs(value) >= INT64)
            return "integer" if is_whole else "number"


def filled(one: Plain, value: Scalar, field: str, scope: Scope) -> Plain:
    """null replaced by the value."""
    emitter = Emitter(scope.engine)
    if value is None:
        return one
    if is_null(one):
        put = constant(value, field, scope.engine)
        if isinstance(one.there, bool):
            return Plain(put.term, one.there, put.type, put.held, put.texts)
        return Plain(_only_there(put.term, one, emitter), one.there, put.type, put.held, put.texts)
    one = _widened(one, value)
    make = as_type(value, one, field, scope.engine)
    texts = (*one.texts, str(value)) if one.texts else ()
    if one.there is True:
        return Plain(term(lambda v: emitter.filled(v, make()), one.term), True, one.type, one.held, texts)
    held = scope.stages.held(one.term)
    is_empty = both(one.there, term(lambda v: v.isnull(), held))
    if is_empty is False:
        return one
    assert isinstance(is_empty, Term)
    made = term(lambda empty, v: empty.ifelse(make(), v), is_empty, held)
    return Plain(made, one.there, one.type, one.held, texts)


def _widened(one: Plain, value: Scalar) -> Plain:
    """Integers of 64 bits where the column's own have no room for the value."""
    if not one.held.is_integer() or isinstance(value, str | None):
        return one
    least, most = _extent(one)
    if least <= value < most:
        return one
    return Plain(term(lambda v: v.cast("int64"), one.term), one.there, INTEGER, dtype("int64"))


def blanked(one: Plain, value: Scalar, field: str, scope: Scope) -> Plain:
    """The value replaced by null."""
    test = None if is_null(one) else equals(one, value, field, scope.engine)
    if test is None:
        return one
    emitter, is_value = Emitter(scope.engine), test
    held = scope.stages.held(one.term)
    made = term(lambda v: emitter.only(~is_value(v), v), held)
    return Plain(made, one.there, one.type, one.held, one.texts)
