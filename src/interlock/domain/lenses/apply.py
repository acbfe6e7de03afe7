"""What a program does to one record: the reference that every other reading of lenses is tested against.

Rules, chosen so that every language with IEEE 754 doubles agrees on each record:
- An op on a field that is not there does nothing; only Add makes a field, and it keeps one that is there
  (open content passes through). Rename rejects a record that has both names.
- null passes Unit, Cast and Map unchanged, unless a pair of the Map names it. true is never 1.
- Numbers are doubles. An integer is a number without a fraction, however it is written.
- Unit computes source * numerator / denominator + offset in that order and rejects what is not finite;
  with `integer` it rounds half to even and rejects beyond 2**53.
- Cast knows exact counterparts only: integer and string (decimal text of at most 15 digits), integer and
  number (to an integer: no fraction and below 2**53), boolean and string ("true", "false"), boolean and
  integer (1, 0). Numbers with a fraction have no agreed text, so there is no cast between number and string.

A rejection names the field and the rule, never the value: values may be private.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, assert_never

from interlock.domain.lenses.ops import Add, Cast, Drop, Map, Op, Program, Rename, ScalarType, Unit
from interlock.domain.schemas.scalars import double, identity
from interlock.kernel.errors import Invalid

EXACT_LIMIT = 2**53
"""Up to this magnitude every integer is a double."""

TEXT_DIGITS = 15
"""Integers of at most this many digits are cast to and from text."""

MAX_DEPTH = 64
"""Objects and arrays may be nested this deep in a translated body."""

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
        case Add(field, default):
            return lambda record: record if field in record else {**record, field: default}
        case Drop(field):
            return lambda record: {k: v for k, v in record.items() if k != field}
        case Cast(field, source, target):
            cast = CASTS.get((source, target), _no_cast)
            return lambda record: _change(record, field, cast)
        case Unit():
            return lambda record: _change(record, op.field, lambda value: _unit(op, value))
        case Map(field):
            table = _table(op)
            fallback = op.fallback
            return lambda record: _replace(record, field, table, fallback)
        case _:
            assert_never(op)


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


def _replace(record: Record, field: str, table: Mapping[Any, Any], fallback: tuple[Any, ...]) -> Record:
    if field not in record:
        return record
    value = record[field]
    key = identity(value)
    if key in table:
        return {**record, field: table[key]}
    if value is None:
        return record
    if fallback:
        return {**record, field: fallback[0]}
    raise Rejected(field, "has a value that the map does not name")


def _table(op: Map) -> dict[tuple[str, Any], Any]:
    """The pairs by identity; the first that names a value wins."""
    table: dict[tuple[str, Any], Any] = {}
    for source, target in op.pairs:
        table.setdefault(identity(source), target)
    return table


def _unit(op: Unit, value: Any) -> int | float:
    number = double(value)
    if number is None:
        raise _Misfit("is no finite number")
    result = double(number * float(op.numerator) / float(op.denominator) + op.offset)
    if result is None:
        raise _Misfit("is beyond the range of numbers after conversion")
    if not op.integer:
        return result
    if abs(result) > EXACT_LIMIT:
        raise _Misfit("is beyond 2**53 after conversion")
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
    except (ValueError, RecursionError):
        raise Rejected("", "the body is not valid JSON") from None
    if _depth(body) > MAX_DEPTH:
        raise Rejected("", f"the body nests deeper than {MAX_DEPTH}")
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


def _depth(value: Any) -> int:
    match value:
        case dict():
            return 1 + max(map(_depth, value.values()), default=0)
        case list():
            return 1 + max(map(_depth, value), default=0)
        case _:
            return 0
