"""JSON bodies read strictly, with the text of every number kept: the way that accepts all that may be accepted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from interlock.domain.lenses.apply import MAX_DEPTH, Record, Rejected
from interlock.domain.lenses.generate import translator
from interlock.domain.lenses.ops import Program
from interlock.domain.schemas.field import Field
from interlock.domain.schemas.scalars import depth


class BodyUnread(Rejected):
    """A body that cannot be read as records, whatever the lens."""

    says: ClassVar[str]

    def __init__(self) -> None:
        super().__init__("", self.says)


class NotUtf8(BodyUnread):
    """The bytes are not UTF-8."""

    code = "body.not_utf8"
    says = "the body is not UTF-8"


class NotJson(BodyUnread):
    """The text is not JSON (RFC 8259): NaN and infinities, a byte order mark and trailing text included."""

    code = "body.not_json"
    says = "the body is not valid JSON"


class KeyTwice(BodyUnread):
    """An object, at any depth, has two values of one name."""

    code = "body.key_twice"
    says = "an object names a key twice"


class TooDeep(BodyUnread):
    """Objects and arrays are nested deeper than MAX_DEPTH."""

    code = "body.too_deep"
    says = f"the body nests deeper than {MAX_DEPTH}"


class NoRecords(BodyUnread):
    """JSON, but no record and no list of records."""

    code = "body.no_records"
    says = "the body is neither an object nor an array of objects"


class _Float(float):
    """A number that keeps its text; infinite where no double is that large, so that no op takes it for a number."""

    text: str


class _Int(int):
    """A whole number that keeps its text."""

    text: str


def strict_translator(program: Program, fields: Sequence[Field], is_fixed: bool) -> Callable[[bytes], bytes]:
    """The program on bodies. is_fixed: records are put in the order of the fields before."""
    run = _ordered(translator(program, fields), tuple(one.name for one in fields) if is_fixed else ())

    def translate(body: bytes) -> bytes:
        match read(body):
            case dict() as record:
                return written(run(record))
            case [*records] if all(isinstance(one, dict) for one in records):
                return written([run(one) for one in records])
            case _:
                raise NoRecords

    return translate


def _ordered(run: Callable[[Mapping[str, Any]], Record], names: tuple[str, ...]) -> Callable[[Record], Record]:
    """`run` on records whose fields were put in the order of `names`; others follow."""

    def translate(record: Record) -> Record:
        return run({**{name: record[name] for name in names if name in record}, **record})

    return translate if names else run


def read(body: bytes) -> Any:
    """A body as JSON data. BodyUnread, of one of its kinds."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise NotUtf8 from None
    try:
        data = _DECODER.decode(text)
    except RecursionError:
        raise TooDeep from None
    except ValueError:
        raise NotJson from None
    if text.count("[") + text.count("{") > MAX_DEPTH and depth(data) > MAX_DEPTH:
        raise TooDeep
    return data


def _unique(pairs: list[tuple[str, Any]]) -> Record:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise KeyTwice
    return record


def _float(text: str) -> float:
    """Python's own floats where they are written as they came: without an exponent, no digit too many."""
    number = float(text)
    return number if repr(number) == text and "e" not in text else _kept(text)


def _kept(text: str) -> _Float:
    number = _Float(text)
    number.text = text
    return number


def _int(text: str) -> int | float:
    """Python's own integers where they are written as they came."""
    try:
        number = int(text)
    except ValueError:  # more digits than Python reads, so beyond all doubles
        return _kept(text)
    if text != "-0":
        return number
    zero = _Int(number)
    zero.text = text
    return zero


def _refused(name: str) -> Any:
    raise ValueError


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_float, parse_int=_int, parse_constant=_refused)


def written(data: Any) -> bytes:
    """Compact JSON; what is not Unicode (half of a surrogate pair) is escaped, as it must have come."""
    try:
        return _encode(data)
    except UnicodeEncodeError:
        return _escaped(data).encode()


def _verbatim(number: _Float | _Int) -> msgspec.Raw:
    return msgspec.Raw(number.text.encode())


_encode = msgspec.json.Encoder(enc_hook=_verbatim).encode


def _escaped(data: Any) -> str:
    match data:
        case dict():
            return "{" + ",".join(f"{json.dumps(name)}:{_escaped(one)}" for name, one in data.items()) + "}"
        case list():
            return "[" + ",".join(map(_escaped, data)) + "]"
        case _Float() | _Int():
            return data.text
        case _:
            return json.dumps(data, allow_nan=False)
