"""JSON bodies read by msgspec just as far as a program looks at them: other fields keep their bytes.

A closed contract whose fields are all required is read into an object of its own type; other records are read by
their keys, and a list of keys gets its own function when it has come several times. Whatever is not certain goes
the strict way:

- a field that is missing, null where it may not be, or of another type (msgspec says so);
- bytes that are not UTF-8, in fields that are not decoded;
- a key that comes twice, and in the first case fields that the contract does not know: msgspec skips them in
  silence. Each key ends in a colon, so a body with as many colons as keys were read has neither. Where texts hold
  colons, only those behind a quotation mark (or space) are counted: without a backslash no text holds the former;
- brackets that could nest too deep, and a record that the program rejects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from interlock.domain.lenses.apply import MAX_DEPTH, Record
from interlock.domain.lenses.generate import FAMILIAR, REMEMBERED, SHAPES, opened_translator, uses
from interlock.domain.lenses.generated.source import Proven, Unexpected
from interlock.domain.lenses.ops import Program
from interlock.domain.schemas.field import (
    Bool,
    Date,
    Decimal,
    Duration,
    Field,
    Float,
    Int,
    Json,
    Number,
    String,
    Time,
    Timestamp,
)

Translate = Callable[[bytes], bytes]
_encode = msgspec.json.Encoder().encode
_read = msgspec.json.Decoder().decode
_COLON, _BRACKET, _BACKSLASH = b":[\\"  # as integers they are looked for several times as fast
_COLONS = (b'":', b" :", b"\t:", b"\n:", b"\r:")
_PROVEN: Mapping[type, Proven] = {bool: "bool", int: "int", float: "float", str: "str"}


@dataclass(frozen=True, slots=True)
class _Reading:
    """How the fields that are looked at are read, null aside where it may be.

    types: those that do not leave as they came, right away; opening: all of them, from their bytes.
    """

    types: Mapping[str, Any]
    opening: Mapping[str, Callable[[Any], Any]]
    proven: Mapping[str, Proven]


def typed_translator(program: Program, fields: Sequence[Field], strict: Translate) -> Translate | None:
    """The program on bodies whose records have all of the fields, and no others; None when ops go into objects."""
    reading = _reading(program, fields)
    if reading is None or not fields:
        return None
    run = opened_translator(program, fields, reading.proven, _without(reading.opening, reading.types))
    names = {f"f{number}": one.name for number, one in enumerate(fields)}
    types = [(f, reading.types.get(name, msgspec.Raw)) for f, name in names.items()]
    try:
        record = msgspec.defstruct("Record", types, rename=names, gc=False)
    except ValueError:  # a name that would have to be escaped
        return None
    if run is None:
        return None
    one = msgspec.json.Decoder(record).decode
    many = msgspec.json.Decoder(list[record]).decode  # type: ignore[valid-type] # made at run time
    size = len(fields)

    def several(body: bytes) -> bytes:
        try:
            records = many(body)
            if _is_plain(body, size * len(records)):
                return _encode([run(one) for one in records])
        except Exception:  # whatever it is, the strict way decides, and says why
            pass
        return strict(body)

    def translate(body: bytes) -> bytes:
        try:
            if (  # `_is_plain`, without a call where it is plain at first sight
                (body.count(_COLON) <= size and _BRACKET not in body and body.isascii()) or _is_plain(body, size)
            ):
                return _encode(run(one(body)))
        except Exception:  # likewise
            pass
        return several(body) if body[:1] == b"[" else strict(body)

    return translate


def keyed_translator(program: Program, fields: Sequence[Field], strict: Translate) -> Translate:
    """The program on bodies whose records may lack fields and have others, in any order."""
    functions = _Functions(program, fields)
    one = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
    many = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode

    def translate(body: bytes) -> bytes:
        try:
            if body[:1] == b"{":
                record = one(body)
                if _is_plain(body, len(record)) or _is_sound(body):
                    return _encode(functions.translated(record))
            else:
                records = many(body)
                if _is_plain(body, sum(map(len, records))) or _is_sound(body):
                    return _encode([functions.translated(record) for record in records])
        except Exception:  # likewise
            pass
        return strict(body)

    return translate


class _Functions:
    """The functions for lists of keys that have come several times."""

    def __init__(self, program: Program, fields: Sequence[Field]) -> None:
        self.program = program
        self.fields = {one.name: one for one in fields}
        self.made: dict[tuple[str, ...], Callable[[Any], Record] | None] = {}
        self.seen: dict[tuple[str, ...], int] = {}

    def translated(self, record: dict[str, msgspec.Raw]) -> Record:
        """Unexpected where there is no function for the keys, or it does not take the record."""
        keys = tuple(record)
        run = self.made.get(keys) or self.familiar(keys)
        if run is None:
            raise Unexpected
        return run(record)

    def familiar(self, keys: tuple[str, ...]) -> Callable[[Any], Record] | None:
        if keys in self.made or len(self.made) >= SHAPES:
            return None
        if len(self.seen) >= REMEMBERED:
            self.seen = {}
        count = self.seen[keys] = self.seen.get(keys, 0) + 1
        if count < FAMILIAR:
            return None
        fields = tuple(self.fields.get(key) or Field(key, Json(), nullable=True) for key in keys)
        reading = _reading(self.program, fields)
        if reading is not None:
            opened = opened_translator(self.program, fields, reading.proven, reading.opening, is_mapping=True)
        self.made[keys] = None if reading is None else opened
        return self.made[keys]


def _is_plain(body: bytes, size: int) -> bool:
    """Whether the body surely is UTF-8, has no more than `size` keys in all its objects, and is not too deep: all
    keys are those of records then, so that only arrays nest. UnicodeDecodeError where it is no UTF-8.
    """
    return (
        (body.count(_COLON) <= size or (_BACKSLASH not in body and _colons(body) <= size))
        and (_BRACKET not in body or body.count(_BRACKET) < MAX_DEPTH - 2)
        and (body.isascii() or bool(body.decode()))
    )


def _is_sound(body: bytes) -> bool:
    """Whether no key of the body comes twice in its object, and nothing is too deep, found by reading all of it."""
    return _BACKSLASH not in body and bool(body.decode()) and _colons(body) <= _keys(_read(body), 1)


def _colons(body: bytes) -> int:
    """So many keys, or more, has a body without a backslash."""
    return sum(map(body.count, _COLONS))


def _keys(data: Any, depth: int) -> int:
    if depth > MAX_DEPTH and isinstance(data, dict | list):
        raise Unexpected
    match data:
        case dict():
            return len(data) + sum(_keys(one, depth + 1) for one in data.values())
        case list():
            return sum(_keys(one, depth + 1) for one in data)
        case _:
            return 0


def _reading(program: Program, fields: Sequence[Field]) -> _Reading | None:
    """None when an op looks into an object or a list."""
    used = uses(program, fields)
    types: dict[str, Any] = {}
    opening: dict[str, Callable[[Any], Any]] = {}
    proven: dict[str, Proven] = {}
    for one in fields:
        if not used[one.name].is_looked_at:
            continue
        plain = _python_type(one)
        if plain is None:
            return None
        wanted: Any = plain | None if one.nullable and plain is not Any else plain
        opening[one.name] = msgspec.json.Decoder(wanted).decode
        if not used[one.name].is_passed_on:
            types[one.name] = wanted
        if plain is not Any:
            proven[one.name] = _PROVEN[plain]
    return _Reading(types, opening, proven)


def _without(opening: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    return {name: decode for name, decode in opening.items() if name not in names}


def _python_type(one: Field) -> Any:
    """The Python type of the field's values in JSON; None for objects and lists."""
    match one.type:
        case Bool():
            return bool
        case Int():
            return int
        case Float() | Number():
            return float
        case String() | Date() | Time() | Timestamp() | Duration():
            return str
        case Decimal():
            return Any
        case _:
            return None
