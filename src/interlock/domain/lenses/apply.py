"""What a program does to one record: the reference that every other reading of lenses is tested against.

Rules, chosen so that every language with IEEE 754 doubles agrees on each record:
- An op on a field that is not there does nothing; only Add makes a field, and it keeps one that is there
  (open content passes through). Rename rejects a record that has both names.
- null passes Unit, Cast and Map unchanged, unless a pair of the Map names it. true is never 1.
- Numbers are doubles. An integer is a number without a fraction, however it is written.
- Unit computes source * numerator / denominator + offset in that order and rejects what is not finite;
  with `integer` it rounds half to even and rejects from 2**53 on.
- Cast knows exact counterparts only: integer and string (decimal text of at most 15 digits), integer and
  number (to an integer: no fraction and below 2**53), boolean and string ("true", "false"), boolean and
  integer (1, 0). Numbers with a fraction have no agreed text, so there is no cast between number and string.
- Recombine does nothing when none of its fields is there; otherwise one that is not there counts as null. What an
  expression computes is written as JSON has it: dates and instants as text (RFC 3339), decimals of at most 15
  digits as numbers and others as text.
- Inside and Each reject what is no object, or no list of objects.

A rejection names the field and the rule, never the value: values may be private.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, assert_never

from interlock.domain.lenses.expressions.evaluate import evaluator
from interlock.domain.lenses.expressions.nodes import Expr
from interlock.domain.lenses.ops import (
    Add,
    Blank,
    Cast,
    Drop,
    Each,
    Fill,
    Head,
    Inside,
    Map,
    Nest,
    Op,
    Program,
    Recombine,
    Rename,
    ScalarType,
    Unit,
    Unnest,
    Wrap,
    first_pairs,
)
from interlock.domain.schemas.field import Decimal as DecimalType
from interlock.domain.schemas.field import Type
from interlock.domain.schemas.scalars import depth, double, identity
from interlock.kernel.errors import Invalid

EXACT_LIMIT = 2**53
"""Up to this magnitude every integer is a double."""

TEXT_DIGITS = 15
"""Integers of at most this many digits are cast to and from text."""

MAX_DEPTH = 64
"""Objects and arrays may be nested this deep in a translated body."""

_NO_JSON = "the body is not valid JSON"
_TOO_DEEP = f"the body nests deeper than {MAX_DEPTH}"

Record = dict[str, Any]
_INTEGER_TEXT = re.compile(rf"[+-]?[0-9]{{1,{TEXT_DIGITS}}}")


class Rejected(Invalid):
    """A record that the program cannot translate: `field` and `reason`, the end of a sentence about it."""

    code = "lens.rejected"

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"`{field}` {reason}" if field else reason)
        self.field = field
        self.reason = reason


def apply(program: Program, record: Mapping[str, Any]) -> Record:
    """`record` translated; the one given is left alone. Rejected as the module says."""
    return compile_program(program)(record)


def compile_program(program: Program) -> Callable[[Mapping[str, Any]], Record]:
    """The program as one function, for many records."""
    steps = [_step(op) for op in program]

    def run(record: Mapping[str, Any]) -> Record:
        translated = dict(record)
        for step in steps:
            translated = step(translated)
        return translated

    return run


def _step(op: Op) -> Callable[[Record], Record]:
    match op:
        case Rename(source, target):
            return lambda record: _rename(record, source, target)
        case Add(field, default, value):
            made = _computed(value) if value is not None else lambda _: default
            return lambda record: record if field in record else {**record, field: made(record)}
        case Drop(field):
            return lambda record: {k: v for k, v in record.items() if k != field}
        case Cast(field, source, target):
            cast = CASTS.get((source, target), _no_cast)
            return lambda record: _change(record, field, cast)
        case Unit():
            return lambda record: _change(record, op.field, lambda value: _unit(op, value))
        case Map(field):
            table = {identity(source): target for source, target in first_pairs(op)}
            fallback = op.fallback
            return lambda record: _replace(record, field, table, fallback)
        case Recombine():
            return _recombine(op)
        case Nest(fields, into):
            return lambda record: _nest(record, fields, into)
        case Unnest(fields, source):
            return lambda record: _unnest(record, fields, source)
        case Wrap(field):
            return lambda record: {**record, field: [record[field]]} if field in record else record
        case Head(field):
            return lambda record: _change(record, field, _head)
        case Fill(field, value):
            return lambda record: _filled(record, field, value)
        case Blank(field, value):
            blank = {identity(value): None}
            return lambda record: _replace(record, field, blank, (), is_partial=True)
        case Inside(field, ops):
            return _scoped(field, compile_program(ops), _inside)
        case Each(field, ops):
            return _scoped(field, compile_program(ops), _each)
        case _:
            assert_never(op)


def _computed(value: Expr) -> Callable[[Record], Any]:
    evaluate = evaluator(value)
    return lambda record: as_json(evaluate(record), value.type)


def as_json(value: Any, one: Type) -> Any:
    """What an expression is worth, as JSON has it."""
    match value:
        case Decimal():
            is_small = isinstance(one, DecimalType) and one.precision <= TEXT_DIGITS
            return _plain_number(value) if is_small else format(value, "f")
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case _:
            return value


def _plain_number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _recombine(op: Recombine) -> Callable[[Record], Record]:
    gone = frozenset(one.field for one in op.whole)
    made = [(one, _computed(one.value)) for one in op.parts]

    def run(record: Record) -> Record:
        if not any(name in record for name in gone):
            return record
        left = {k: v for k, v in record.items() if k not in gone}
        for one, compute in made:
            if one.field in left:
                raise Rejected(one.field, "is there already, so nothing can be made in its place")
            value = compute(record)
            if value is None and one.is_needed:
                raise Rejected(one.field, f"cannot be computed from {', '.join(sorted(gone))}")
            left[one.field] = value
        return left

    return run


def _nest(record: Record, fields: tuple[str, ...], into: str) -> Record:
    if into in record and into not in fields:
        raise Rejected(into, "is there already, so nothing can be nested in it")
    inner = {name: record[name] for name in fields if name in record}
    if not inner:
        return record
    return {**{k: v for k, v in record.items() if k not in inner}, into: inner}


def _unnest(record: Record, fields: tuple[str, ...], source: str) -> Record:
    if source not in record:
        return record
    inner = dict.fromkeys(fields) if record[source] is None else record[source]
    if not isinstance(inner, Mapping):
        raise Rejected(source, "is no object")
    if any(name not in fields for name in inner):
        raise Rejected(source, "holds fields that the lens does not name")
    left = {k: v for k, v in record.items() if k != source}
    for name in inner:
        if name in left:
            raise Rejected(name, "is there already, so nothing can be moved to it")
    return {**left, **inner}


def _head(value: Any) -> Any:
    if not isinstance(value, list):
        raise _Misfit("is no list")
    return value[0] if value else None


def _filled(record: Record, field: str, value: Any) -> Record:
    return {**record, field: value} if field in record and record[field] is None else record


def _scoped(
    field: str, run: Callable[[Mapping[str, Any]], Record], within: Callable[..., Any]
) -> Callable[[Record], Record]:
    def step(record: Record) -> Record:
        if record.get(field) is None:
            return record
        try:
            return {**record, field: within(record[field], run)}
        except _Misfit as misfit:
            raise Rejected(field, str(misfit)) from None
        except Rejected as inner:
            raise Rejected(f"{field}.{inner.field}", inner.reason) from None

    return step


def _inside(value: Any, run: Callable[[Any], Record]) -> Record:
    if not isinstance(value, dict):
        raise _Misfit("is no object")
    return run(value)


def _each(value: Any, run: Callable[[Any], Record]) -> list[Any]:
    if not isinstance(value, list) or not all(one is None or isinstance(one, dict) for one in value):
        raise _Misfit("is no list of objects")
    return [None if one is None else run(one) for one in value]


def _rename(record: Record, source: str, target: str) -> Record:
    """The renamed field keeps its place among the keys."""
    if source not in record or source == target:
        return record
    if target in record:
        raise Rejected(target, "is there already, so nothing can be renamed to it")
    return {target if k == source else k: v for k, v in record.items()}


class _Misfit(Exception):
    """Why a value cannot be changed; becomes Rejected where the field is known."""


def _change(record: Record, field: str, change: Callable[[Any], Any]) -> Record:
    if record.get(field) is None:
        return record
    try:
        return {**record, field: change(record[field])}
    except _Misfit as misfit:
        raise Rejected(field, str(misfit)) from None


def _replace(
    record: Record, field: str, table: Mapping[Any, Any], fallback: tuple[Any, ...], is_partial: bool = False
) -> Record:
    if field not in record:
        return record
    value = record[field]
    key = identity(value)
    if key in table:
        return {**record, field: table[key]}
    if value is None or is_partial:
        return record
    if fallback:
        return {**record, field: fallback[0]}
    raise Rejected(field, "has a value that the map does not name")


def _unit(op: Unit, value: Any) -> int | float:
    number = double(value)
    if number is None:
        raise _Misfit("is no finite number")
    result = double(number * float(op.numerator) / float(op.denominator) + op.offset)
    if result is None:
        raise _Misfit("is beyond the range of numbers after conversion")
    if not op.integer:
        return result
    if abs(result) >= EXACT_LIMIT:
        raise _Misfit("is not below 2**53 after conversion")
    return round(result)


def _no_cast(value: Any) -> Any:
    raise _Misfit("has no exact counterpart in the other type")


def _whole(value: Any) -> float:
    number = double(value)
    if number is None or not number.is_integer():
        raise _Misfit("is no integer")
    return number


def _integer_to_string(value: Any) -> str:
    number = _whole(value)
    if abs(number) >= 10**TEXT_DIGITS:
        raise _Misfit(f"has more than {TEXT_DIGITS} digits")
    return str(int(number))


def _string_to_integer(value: Any) -> int:
    if not isinstance(value, str) or not _INTEGER_TEXT.fullmatch(value):
        raise _Misfit(f"is no text of an integer of at most {TEXT_DIGITS} digits")
    return int(value)


def _integer_to_number(value: Any) -> Any:
    _whole(value)
    return value


def _number_to_integer(value: Any) -> int:
    number = _whole(value)
    if abs(number) >= EXACT_LIMIT:
        raise _Misfit("is beyond 2**53")
    return int(number)


def _boolean_to_string(value: Any) -> str:
    if not isinstance(value, bool):
        raise _Misfit("is no boolean")
    return "true" if value else "false"


def _string_to_boolean(value: Any) -> bool:
    if not isinstance(value, str) or value not in ("true", "false"):
        raise _Misfit("is neither the text true nor false")
    return value == "true"


def _boolean_to_integer(value: Any) -> int:
    if not isinstance(value, bool):
        raise _Misfit("is no boolean")
    return int(value)


def _integer_to_boolean(value: Any) -> bool:
    number = double(value)
    if number not in (0.0, 1.0):
        raise _Misfit("is neither 0 nor 1")
    return number == 1.0


CASTS: Mapping[tuple[ScalarType, ScalarType], Callable[[Any], Any]] = {
    ("integer", "string"): _integer_to_string,
    ("string", "integer"): _string_to_integer,
    ("integer", "number"): _integer_to_number,
    ("number", "integer"): _number_to_integer,
    ("boolean", "string"): _boolean_to_string,
    ("string", "boolean"): _string_to_boolean,
    ("boolean", "integer"): _boolean_to_integer,
    ("integer", "boolean"): _integer_to_boolean,
}
"""Every cast there is; both directions of each."""


def translate_text(program: Program, text: str) -> str:
    """A JSON body translated: one object, or an array of objects. Rejected when it is neither, names a key
    twice, nests deeper than MAX_DEPTH, or holds a number beyond a double's range.

    Numbers are read as Python integers and doubles, so an untouched decimal may be written more shortly.
    """
    body = _read(text)
    run = compile_program(program)
    match body:
        case dict():
            translated: Any = run(body)
        case [*records] if all(isinstance(record, dict) for record in records):
            translated = [run(record) for record in records]
        case _:
            raise Rejected("", "the body is neither an object nor an array of objects")
    return json.dumps(translated, separators=(",", ":"), allow_nan=False)


def _read(text: str) -> Any:
    try:
        body = json.loads(
            text, object_pairs_hook=_unique, parse_float=_finite, parse_constant=lambda name: _finite(name)
        )
    except ValueError:
        raise Rejected("", _NO_JSON) from None
    except RecursionError:  # the reader gave up; a text that breaks off is no JSON for that alone
        is_closed = text.rstrip().endswith(("]", "}"))
        raise Rejected("", _TOO_DEEP if is_closed else _NO_JSON) from None
    if depth(body) > MAX_DEPTH:
        raise Rejected("", _TOO_DEEP)
    return body


def _unique(pairs: list[tuple[str, Any]]) -> Record:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise Rejected("", "an object names a key twice")
    return record


def _finite(text: str) -> float:
    number = double(float(text))
    if number is None:
        raise Rejected("", "a number is beyond the range of doubles")
    return number
