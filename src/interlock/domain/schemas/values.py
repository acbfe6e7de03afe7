"""Values in JSON against the field that they are meant to be of: every misfit, with its path.

Dates, times and timestamps are text as RFC 3339 writes it, durations as ISO 8601 (days and smaller), bytes base64.
"""

from __future__ import annotations

import binascii
import datetime
import decimal
import re
import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, Literal, NamedTuple, assert_never

from interlock.domain.schemas.contract import Object
from interlock.domain.schemas.describe import described
from interlock.domain.schemas.diff import shown
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
    Scalar,
    String,
    Struct,
    Tensor,
    Time,
    Timestamp,
    Type,
)
from interlock.domain.schemas.ranges import UNIT_NS, bounds, held
from interlock.domain.schemas.scalars import double, identity, json_type
from interlock.kernel.digest import canonical

Matches = Callable[[str, str], bool]
"""Whether a pattern is found in a text."""

Kind = Literal["missing", "null", "type", "enum", "range", "pattern", "unlisted"]
"""How a value is none of the field. range: bounds, lengths, numbers of items, multiples, items that repeat."""


class At(NamedTuple):
    """A place: `path` as it stands in the value (`lines[3].price`), `field` for all values alike
    (`lines[].price`, and `{}` for the entries of a map).
    """

    path: str = ""
    field: str = ""

    def key(self, name: str) -> At:
        return At(f"{self.path}.{name}", f"{self.field}.{name}") if self.path else At(name, name)

    def item(self, index: int) -> At:
        return At(f"{self.path}[{index}]", f"{self.field}[]")

    def entry(self, key: str) -> At:
        return At(f"{self.path}{{{key}}}", f"{self.field}{{}}")


class Misfit(NamedTuple):
    """says: why the value is none of the field, as the end of a sentence."""

    at: At
    kind: Kind
    says: str


UNLISTED = "(unlisted)"
"""Stands for all fields that closed content does not list."""

_DAY = re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})", re.ASCII)
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])(?:\.([0-9]{1,9}))?", re.ASCII)
_OFFSET = re.compile(r"([Zz])|([+-])([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_LENGTH = re.compile(
    r"(-?)P(?:([0-9]{1,12})D)?(?:T(?=[0-9])(?:([0-9]{1,12})H)?(?:([0-9]{1,12})M)?(?:([0-9]{1,19})(?:\.([0-9]{1,9}))?S)?)?",
    re.ASCII,
)
_EPOCH = datetime.date(1970, 1, 1).toordinal()
_YEAR_ZERO = 366
"""Days of the year 0000, which `datetime` does not have."""


def misfits(value: Any, one: Field, path: str = "", matches: Matches | None = None) -> Iterator[Misfit]:
    """Why `value`, which stands at `path`, is no value of the field. Patterns are tried only with `matches`: some
    take for ever in engines that backtrack, so whoever calls chooses the engine.
    """
    yield from _misfits(value, one, At(path, path), matches)


def _misfits(value: Any, one: Field, at: At, matches: Matches | None) -> Iterator[Misfit]:
    if value is None:
        if not one.nullable:
            yield Misfit(at, "null", "is null, and null is not allowed")
        return
    wrong = list(_type_misfits(value, one.type, at, matches))
    yield from wrong or _unmet(value, one, at, matches)


def misfit(value: Scalar, one: Field) -> str:
    """The first misfit of a value without values inside, as the end of a sentence; empty when it fits."""
    return next((found.says for found in misfits(value, one)), "")


def record_misfits(value: Any, one: Object, matches: Matches | None = None) -> Iterator[Misfit]:
    """Why `value` is no record of the object."""
    yield from _type_misfits(value, Struct(one.fields, one.is_open), At(), matches)


def _type_misfits(value: Any, one: Type, at: At, matches: Matches | None) -> Iterator[Misfit]:
    match one:
        case List(element=element) if isinstance(value, list):
            for index, item in enumerate(value):
                yield from _misfits(item, element, at.item(index), matches)
        case Map(value=inner) if isinstance(value, dict):
            for key, item in value.items():
                yield from _misfits(item, inner, at.entry(key), matches)
        case Struct() if isinstance(value, dict):
            yield from _struct(value, one, at, matches)
        case Tensor() if isinstance(value, list):
            yield from _tensor(value, one, at)
        case List() | Map() | Struct() | Tensor():
            yield Misfit(at, "type", f"is {_brief(value)}, which is no {one.kind}")
        case _:
            if not _is_scalar_of(value, one):
                yield Misfit(at, "type", f"is {_brief(value)}, which is no {described(one)}")


def _brief(value: Any) -> str:
    if isinstance(value, list | dict):
        return f"a JSON {json_type(value)}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _struct(value: dict[str, Any], one: Struct, at: At, matches: Matches | None) -> Iterator[Misfit]:
    for field in one.fields:
        if field.name in value:
            yield from _misfits(value[field.name], field, at.key(field.name), matches)
        elif field.required:
            yield Misfit(at.key(field.name), "missing", "is missing")
    if not one.is_open:
        known = {field.name for field in one.fields}
        for name in value:
            if name not in known:
                # the name is the sender's and may be anything, so all of them are alike
                where = At(at.key(name).path, at.key(UNLISTED).field)
                yield Misfit(where, "unlisted", "is not listed, and the content is closed")


def _tensor(value: list[Any], one: Tensor, at: At) -> Iterator[Misfit]:
    level: list[Any] = [value]
    for depth, wanted in enumerate(one.dims):
        lengths = {len(items) if isinstance(items, list) else -1 for items in level}
        if -1 in lengths or len(lengths) > 1 or (wanted != -1 and lengths - {wanted}):
            length = wanted if wanted != -1 else "one"
            yield Misfit(at, "type", f"does not have {length} length in dimension {depth + 1}")
            return
        level = [item for items in level for item in items]
    for item in level:
        if item is None or not _is_scalar_of(item, one.element):
            yield Misfit(at, "type", f"has {_brief(item)}, which is no {described(one.element)}")
            return


def _is_scalar_of(value: Any, one: Type) -> bool:
    match one:
        case Json():
            return True
        case Bool():
            return isinstance(value, bool)
        case String():
            return isinstance(value, str)
        case Int():
            return (number := _number(value)) is not None and number.denominator == 1 and _is_held(number, one)
        case Float(bits=bits):
            return _is_float(value, bits)
        case Number():
            return _number(value) is not None
        case Decimal(scale=scale):
            number = _number(value)
            return number is not None and (number * 10**scale).denominator == 1 and _is_held(number, one)
        case Bytes(size=size):
            raw = _raw(value)
            return raw is not None and size in (0, len(raw))
        case Date() | Time() | Timestamp() | Duration():
            return (count := counted(value, one)) is not None and _is_held(Fraction(count), one)
        case List() | Map() | Struct() | Tensor():
            return False
        case _:
            assert_never(one)


def _is_held(number: Fraction, one: Type) -> bool:
    span = held(one)
    return span.low <= number <= span.high


def _number(value: Any) -> Fraction | None:
    """A JSON number as it is written: 0.1 is a tenth."""
    if isinstance(value, bool) or not isinstance(value, int | float | decimal.Decimal):
        return None
    if isinstance(value, float) and double(value) is None:
        return None
    return Fraction(value) if isinstance(value, int) else Fraction(str(value))


def _is_float(value: Any, bits: int) -> bool:
    number = double(value)
    if number is None or (isinstance(value, int) and number != value):
        return False
    code = {16: "e", 32: "f", 64: "d"}[bits]
    try:
        return bool(struct.unpack(code, struct.pack(code, number))[0] == number)
    except OverflowError:
        return False


def _raw(value: Any) -> bytes | None:
    if not isinstance(value, str):
        return None
    try:
        return binascii.a2b_base64(value.encode("ascii"), strict_mode=True)
    except (ValueError, binascii.Error):
        return None


def counted(value: Any, one: Type) -> int | None:
    """Days, or units of the type, since 1970-01-01 or midnight, or the length; None for text that says none
    such.
    """
    if not isinstance(value, str):
        return None
    match one:
        case Date():
            return _day(value)
        case Time(unit=unit):
            return _clock(value, UNIT_NS[unit])
        case Duration(unit=unit):
            return _length(value, UNIT_NS[unit])
        case Timestamp(unit=unit, is_zoned=is_zoned):
            return _instant(value, UNIT_NS[unit], is_zoned)
        case _:
            return None


def _day(text: str) -> int | None:
    found = _DAY.fullmatch(text)
    if not found:
        return None
    year, month, day = (int(found[key]) for key in ("year", "month", "day"))
    shift = 0
    if year == 0:  # a leap year, as 2000 is
        year, shift = 2000, datetime.date(2000, 1, 1).toordinal() - (1 - _YEAR_ZERO)
    try:
        return datetime.date(year, month, day).toordinal() - _EPOCH - shift
    except ValueError:
        return None


def _in_units(ns: int, unit_ns: int) -> int | None:
    count, rest = divmod(ns, unit_ns)
    return count if rest == 0 else None


def _clock_ns(text: str) -> int | None:
    found = _CLOCK.fullmatch(text)
    if not found:
        return None
    hours, minutes, seconds = (int(found[i]) for i in (1, 2, 3))
    return ((hours * 60 + minutes) * 60 + seconds) * UNIT_NS["s"] + int((found[4] or "").ljust(9, "0"))


def _clock(text: str, unit_ns: int) -> int | None:
    ns = _clock_ns(text)
    return None if ns is None else _in_units(ns, unit_ns)


def _instant(text: str, unit_ns: int, is_zoned: bool) -> int | None:
    day, clock = _day(text[:10]), text[11:]
    if day is None or text[10:11] not in ("T", "t", " "):
        return None
    offset_s = 0
    if is_zoned:
        zone = clock[-1:] if clock[-1:] in "Zz" else clock[-6:]
        found = _OFFSET.fullmatch(zone)
        if not found:
            return None
        clock = clock[: -len(zone)]
        if found[2]:
            offset_s = (int(found[3]) * 60 + int(found[4])) * (60 if found[2] == "+" else -60)
    ns = _clock_ns(clock)
    if ns is None:
        return None
    return _in_units((day * 86_400 - offset_s) * UNIT_NS["s"] + ns, unit_ns)


def _length(text: str, unit_ns: int) -> int | None:
    found = _LENGTH.fullmatch(text)
    if not found or not any(found.group(2, 3, 4, 5)):
        return None
    days, hours, minutes, seconds = (int(found[i] or 0) for i in (2, 3, 4, 5))
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    count = _in_units(total * UNIT_NS["s"] + int((found[6] or "").ljust(9, "0")), unit_ns)
    return -count if count is not None and found[1] else count


def _unmet(value: Any, one: Field, at: At, matches: Matches | None) -> Iterator[Misfit]:
    """What a value of the type breaks of the field's constraints."""
    if one.enum and identity(value) not in {identity(v) for v in one.enum}:
        yield Misfit(at, "enum", f"is {_brief(value)}, which the enum does not have ({shown(one.enum)})")
    number = _number(value) if not isinstance(value, str) else counted(value, one.type)
    if number is not None:
        span = bounds(one)
        is_low = number < span.low or (span.is_low_open and number == span.low)
        if is_low or number > span.high or (span.is_high_open and number == span.high):
            yield Misfit(at, "range", f"is {_brief(value)}, not within {span}")
        if one.multiple_of and (Fraction(number) / Fraction(str(one.multiple_of))).denominator != 1:
            yield Misfit(at, "range", f"is {_brief(value)}, no multiple of {one.multiple_of:.15g}")
    if isinstance(value, str):
        yield from _text(value, one, at, matches)
    if isinstance(value, list):
        if not (one.min_items or 0) <= len(value) <= (len(value) if one.max_items is None else one.max_items):
            yield Misfit(at, "range", f"has {len(value)} items")
        if one.has_unique_items and len({canonical(item) for item in value}) < len(value):
            yield Misfit(at, "range", "has an item twice")


def _text(value: str, one: Field, at: At, matches: Matches | None) -> Iterator[Misfit]:
    if not (one.min_length or 0) <= len(value) <= (len(value) if one.max_length is None else one.max_length):
        yield Misfit(at, "range", f"is {len(value)} characters long")
    if one.pattern and matches and not matches(one.pattern, value):
        yield Misfit(at, "pattern", f"does not match {one.pattern!r}")
