"""Contracts, neighbours of them, and values of their fields, drawn from a `random.Random`: for laws and
benchmarks.
"""

from __future__ import annotations

import base64
import math
import random
import string
import struct
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal as Exact
from fractions import Fraction
from typing import Any

from interlock.domain.schemas.contract import Check, Contract, Object, Reference, Rule
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
    TimeUnit,
    Type,
)
from interlock.domain.schemas.odcs.types import moment
from interlock.domain.schemas.ranges import written
from interlock.domain.schemas.scalars import identity
from interlock.domain.schemas.values import misfits
from interlock.kernel.digest import canonical

UNITS: tuple[TimeUnit, ...] = ("s", "ms", "us", "ns")
INTS = tuple(Int(bits, sign) for bits in (0, 8, 16, 32, 64) for sign in (True, False))
FLOATS = tuple(Float(bits) for bits in (16, 32, 64))
PATTERNS = ("", "^[a-z]*$", "^[A-Z]")
NAMES = ("a", "b", "c", "d", "total", "line-items")


def scalar_type(chance: random.Random) -> Type:
    if chance.random() < 0.4:  # these have most constraints
        return chance.choice((String(), chance.choice(INTS)))
    precision = chance.randint(1, 38)
    return chance.choice(
        (
            *(Bool(), Number(), String(), Bytes(), Bytes(chance.randint(1, 4)), Date(), Json()),
            *(Time(chance.choice(UNITS)), Timestamp(chance.choice(UNITS), chance.random() < 0.5)),
            *(Duration(chance.choice(UNITS)), Decimal(precision, chance.randint(0, precision))),
            *(chance.choice(INTS), chance.choice(FLOATS), tensor_type(chance)),
        )
    )


def tensor_type(chance: random.Random) -> Tensor:
    element = chance.choice((Bool(), String(), Bytes(2), chance.choice(INTS), chance.choice(FLOATS)))
    return Tensor(element, tuple(chance.choice((-1, 1, 2, 3)) for _ in range(chance.randint(1, 3))))


def any_type(chance: random.Random, depth: int = 2) -> Type:
    if depth and chance.random() < 0.3:
        match chance.randint(0, 2):
            case 0:
                return List(field(chance, "element", depth - 1))
            case 1:
                return Map(field(chance, "value", depth - 1))
            case _:
                return Struct(fields(chance, depth - 1), chance.random() < 0.5)
    return scalar_type(chance)


def fields(chance: random.Random, depth: int) -> tuple[Field, ...]:
    names = chance.sample(NAMES, chance.randint(0, 3))
    return tuple(field(chance, name, depth) for name in names)


def field(chance: random.Random, name: str, depth: int = 2) -> Field:
    one = Field(name, any_type(chance, depth), chance.random() < 0.6, chance.random() < 0.3)
    one = replace(one, **constraints(chance, one.type))
    if not isinstance(one.type, Json | List | Map | Struct | Tensor) and chance.random() < 0.25:
        listed = {identity(v): v for v in _samples(chance, replace(one, nullable=False))}
        one = replace(one, enum=tuple(v for v in listed.values() if v is not None))
        if one.enum and chance.random() < 0.4:
            one = replace(one, enum_labels=tuple(f"meaning {i}" for i in range(len(one.enum))))
    if chance.random() < 0.25 and is_default_possible(one):
        one = replace(one, default=tuple(_samples(chance, one)[:1]))
    return replace(one, **attributes(chance))


def _samples(chance: random.Random, one: Field) -> list[Any]:
    try:
        return [value_of(chance, one) for _ in range(3)]
    except NoValue:
        return []


def is_default_possible(one: Field) -> bool:
    """Defaults are scalars."""
    return not isinstance(one.type, Json | List | Map | Struct | Tensor)


def attributes(chance: random.Random) -> dict[str, Any]:
    """What says nothing about single values, each seldom."""
    some = {
        "unit": "min",
        "description": "what it is",
        "id": f"f_{chance.randint(1, 3)}" if chance.random() < 0.8 else "the id",
        "aliases": ("former",),
        "tags": ("pii",) if chance.random() < 0.5 else ("gold", "hot"),
        "classification": "confidential",
        "is_personal": True,
        "is_deprecated": True,
        "is_unique": True,
        "physical_type": chance.choice(("VARCHAR(18)", "DECIMAL(10, 2)")),
    }
    return {key: value for key, value in some.items() if chance.random() < 0.1}


def constraints(chance: random.Random, one: Type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    match one:
        case Int() | Float() | Number() | Decimal() | Date() | Time() | Timestamp() | Duration():
            found |= bounds(chance, one)
        case String():
            if chance.random() < 0.5:
                found |= {"min_length": chance.randint(0, 2), "max_length": chance.randint(2, 5)}
            if chance.random() < 0.4:
                found |= {"pattern": chance.choice(PATTERNS), "format": chance.choice(("", "email"))}
        case List() if chance.random() < 0.7:
            found |= {
                "min_items": chance.randint(0, 1),
                "max_items": chance.randint(1, 3),
                "has_unique_items": chance.random() < 0.3,
            }
    return found


def bounds(chance: random.Random, one: Type) -> dict[str, Any]:
    """Bounds that leave room; 0 is within them."""
    is_whole = not isinstance(one, Float | Number)
    low = (
        chance.choice((None, 0, -5, -1000))
        if not isinstance(one, Date | Time | Timestamp)
        else chance.choice((None, 0))
    )
    high = chance.choice((None, 50, 100, 70_000, 2**40))
    if isinstance(one, Decimal) and high is not None and high >= 10 ** (one.precision - one.scale):
        high = None
    step = chance.choice((None, None, 1, 5)) if isinstance(one, Int) else None
    found = {"minimum": low, "maximum": high, "multiple_of": step}
    if low is not None and chance.random() < 0.3:
        found |= {"minimum": None, "more_than": low - 1 if is_whole else low - 0.5}
    if high is not None and chance.random() < 0.3:
        found |= {"maximum": None, "less_than": high}
    return {key: value for key, value in found.items() if value is not None}


def contract(chance: random.Random, version: str = "1") -> Contract:
    names = chance.sample(("orders", "lines", "people"), chance.choice((1, 1, 2)))
    objects = tuple(table(chance, name) for name in names)
    return Contract("order", version, objects, owner=chance.choice(("", "sales")))


def table(chance: random.Random, name: str) -> Object:
    found = fields(chance, 2) or (Field("a", Int(32)),)
    named = [one.name for one in found]
    return Object(
        name,
        found,
        is_open=chance.random() < 0.5,
        primary_key=tuple(chance.sample(named, len(named))) if chance.random() < 0.3 else (),
        unique=((named[0],),) if chance.random() < 0.2 else (),
        references=(Reference((named[0],), "customers", ("id",)),) if chance.random() < 0.2 else (),
        checks=(Check("positive", f"{named[0]} >= 0"),) if chance.random() < 0.2 else (),
        rules=tuple(rule(chance, chance.choice(("", named[0]))) for _ in range(chance.choice((0, 0, 1, 2)))),
        physical_name=chance.choice(("", "dw.orders")),
        description=chance.choice(("", "what is sold")),
        id=chance.choice(("", "o1", "an odd id")),
    )


def rule(chance: random.Random, field: str) -> Rule:
    metric = chance.choice(("null_values", "missing_values", "row_count", "freshness_s", "sql", "custom", "text"))
    name, severity = chance.choice(("", "r1")), chance.choice(("error", "warning", "info"))
    head = Rule(name, metric, field, severity=severity, description=chance.choice(("", "why")))
    if metric == "custom":
        return replace(head, engine="soda", query=chance.choice(("checks: 1", '{"a":1}')))
    if metric == "text":
        return head
    head = replace(head, query="SELECT count({field}) FROM {object}" if metric == "sql" else "")
    head = replace(head, arguments={"missingValues": (None, "", "n/a")} if metric == "missing_values" else {})
    share = metric in ("null_values", "missing_values") and chance.random() < 0.5
    low, high = (0.05, 0.25) if share else (5.0, 25.0)
    spans: tuple[dict[str, Any], ...] = (
        {"at_least": low},
        {"at_most": high},
        {"above": low},
        {"below": high},
        {"at_least": low, "at_most": high},
        {"at_least": low, "at_most": high, "is_negated": True},
        {"at_least": low, "at_most": low},
        {"above": low, "below": high},
    )
    return replace(head, is_share=share, **chance.choice(spans))


# Neighbours: what someone might edit.


_UNBOUNDED = (
    "minimum",
    "maximum",
    "more_than",
    "less_than",
    "multiple_of",
    "min_length",
    "max_length",
    "min_items",
)
NO_CONSTRAINTS: dict[str, Any] = dict.fromkeys((*_UNBOUNDED, "max_items"))
NO_CONSTRAINTS |= {"pattern": "", "format": "", "has_unique_items": False}


def edited(chance: random.Random, one: Field, depth: int = 2) -> Field:
    """The field after one edit, of itself or of a field inside."""
    inner = _edited_inside(chance, one, depth)
    if inner is not None and chance.random() < 0.7:
        return inner
    match chance.randint(0, 12):
        case 0:
            return replace(one, nullable=not one.nullable)
        case 1:
            return replace(one, required=not one.required)
        case 2:
            return replace(one, type=_wider(chance, one.type))
        case 3:
            return replace(one, minimum=None, more_than=None, maximum=None, less_than=None)
        case 4 | 9 | 10 | 11 | 12:
            return replace(one, **{**NO_CONSTRAINTS, **constraints(chance, one.type)})
        case 5:
            return replace(one, enum=one.enum[1:], enum_labels=one.enum_labels[1:])
        case 6:
            return replace(one, enum=(), enum_labels=(), multiple_of=None, pattern="", format="")
        case 7 if is_default_possible(one):
            return replace(one, default=tuple(_samples(chance, one)[:1]))
        case _:
            return replace(one, **attributes(chance))


def _edited_inside(chance: random.Random, one: Field, depth: int) -> Field | None:
    match one.type:
        case List(element=element):
            return replace(one, type=List(edited(chance, element, depth - 1)))
        case Map(value=value):
            return replace(one, type=Map(edited(chance, value, depth - 1)))
        case Struct(fields=inside, is_open=is_open):
            return replace(one, type=Struct(edited_fields(chance, inside), is_open))
        case _:
            return None


def edited_fields(chance: random.Random, given: tuple[Field, ...]) -> tuple[Field, ...]:
    """One field edited, added, removed or renamed; or only the order changed."""
    match chance.randint(0, 6):
        case 0:
            free = [name for name in NAMES if name not in {one.name for one in given}]
            return (*given, field(chance, chance.choice(free), 0)) if free else given
        case 1 if given:
            return given[1:]
        case 2 if given:
            return (replace(given[0], name="renamed", aliases=(given[0].name,)), *given[1:])
        case 3 if given:
            return (*given[1:], given[0])
        case _ if given:
            place = chance.randrange(len(given))
            return tuple(edited(chance, one) if k == place else one for k, one in enumerate(given))
        case _:
            return given


def _wider(chance: random.Random, one: Type) -> Type:
    match one:
        case Int():
            return chance.choice((*INTS, Decimal(20, 0), Float(64), Number(), Json()))
        case Float():
            return chance.choice((*FLOATS, Number()))
        case Decimal(precision=precision, scale=scale):
            return chance.choice(
                (Decimal(min(38, precision + 2), scale + 1 if scale < precision else scale), Number())
            )
        case Time() | Timestamp() | Duration():
            return replace(one, unit=chance.choice(UNITS))
        case Tensor(element=element, dims=dims):
            return Tensor(element, tuple(-1 for _ in dims))
        case _:
            return chance.choice((one, Json(), String()))


def edited_contract(chance: random.Random, one: Contract) -> Contract:
    place = chance.randrange(len(one.objects))
    objects = tuple(
        replace(o, fields=edited_fields(chance, o.fields)) if k == place else o for k, o in enumerate(one.objects)
    )
    return replace(one, version="2", objects=objects)


# Values in JSON.


class NoValue(ValueError):
    """Constraints that someone edited leave no value, or none that is easily found."""


def value_of(chance: random.Random, one: Field) -> Any:
    """A value of the field; keys that may be missing sometimes are."""
    if one.nullable and chance.random() < 0.2:
        return None
    if one.enum:
        return chance.choice(one.enum)
    for _ in range(10):
        value = _typed(chance, one)
        if not list(misfits(value, one, "", matched)):
            return value
    raise NoValue(f"no value found for {one}")


def matched(pattern: str, text: str) -> bool:
    """The three patterns of this module, without a regular expression engine."""
    if pattern == "^[a-z]*$":
        return all(c in string.ascii_lowercase for c in text)
    return text[:1] in tuple(string.ascii_uppercase) if pattern else True


def _typed(chance: random.Random, one: Field) -> Any:
    kind = one.type
    match kind:
        case List(element=element):
            low, high = one.min_items or 0, 3 if one.max_items is None else one.max_items
            return [value_of(chance, element) for _ in range(chance.randint(low, max(low, high)))]
        case Map(value=value):
            return {key: value_of(chance, value) for key in chance.sample("xyz", chance.randint(0, 2))}
        case Struct():
            return record_of(chance, kind.fields)
        case Tensor(element=element, dims=dims):
            return _tensor(chance, element, dims)
        case Json():
            return chance.choice((1, "x", True, [1, None], {"k": 1.5}))
        case Bool():
            return chance.random() < 0.5
        case String():
            letters = string.ascii_uppercase if one.pattern == "^[A-Z]" else string.ascii_lowercase
            high = 4 if one.max_length is None else one.max_length
            low = max(one.min_length or 0, 1 if one.pattern == "^[A-Z]" else 0)
            return "".join(chance.choice(letters) for _ in range(chance.randint(low, max(low, high))))
        case Bytes(size=size):
            return base64.b64encode(chance.randbytes(size or chance.randint(0, 3))).decode()
        case _:
            return _number(chance, one)


def _tensor(chance: random.Random, element: Type, dims: tuple[int, ...]) -> Any:
    def level(sizes: list[int]) -> Any:
        if not sizes:
            return value_of(chance, Field("e", element))
        return [level(sizes[1:]) for _ in range(sizes[0])]

    return level([chance.randint(1, 2) if d == -1 else d for d in dims])


def record_of(chance: random.Random, given: tuple[Field, ...]) -> dict[str, Any]:
    return {one.name: value_of(chance, one) for one in given if one.required or chance.random() < 0.6}


def _number(chance: random.Random, one: Field) -> Any:
    span = written(one)
    low, high = max(span.low, -(2**70)), min(span.high, 2**70)
    edge = chance.random()
    match one.type:
        case Float(bits=bits):
            raw = chance.choice((0.0, 0.5, float(low), float(high), chance.uniform(-100, 100)))
            code = {16: "e", 32: "f", 64: "d"}[bits]
            try:
                value = struct.unpack(code, struct.pack(code, raw))[0]
            except OverflowError:
                return 0.25
            return value if math.isfinite(value) else 0.25
        case Number():
            return chance.choice((0, 0.1, 7, 3.75, 49))
        case Decimal(scale=scale):
            count = chance.randint(math.ceil(low * 10**scale), math.floor(high * 10**scale))
            return count // 10**scale if count % 10**scale == 0 else _as_float(count, scale)
    whole = span.whole()
    low, high = max(whole.low, -(2**70)), min(whole.high, 2**70)
    count = int(low) if edge < 0.2 else int(high) if edge < 0.4 else chance.randint(int(low), int(high))
    if one.multiple_of:
        count -= count % int(one.multiple_of)
    if isinstance(one.type, Int):
        return count
    if isinstance(one.type, Duration):
        return _duration(Fraction(count) * {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[one.type.unit])
    return moment(count, one.type) or moment(0, one.type)


def _as_float(count: int, scale: int) -> float:
    """The float that is written with these digits; 0 when no float is."""
    exact = Exact(count).scaleb(-scale)
    return float(exact) if Exact(repr(float(exact))) == exact else 0.0


def _duration(ns: Fraction) -> str:
    seconds, rest = divmod(abs(int(ns)), 10**9)
    return f"{'-' if ns < 0 else ''}PT{seconds}.{rest:09d}S"


def as_read(value: Mapping[str, Any], reader: tuple[Field, ...]) -> dict[str, Any]:
    """A record as the reader sees it: former names are new ones, and defaults stand in for what is missing."""
    seen = dict(value)
    for one in reader:
        if one.name not in seen and (known := next((alias for alias in one.aliases if alias in seen), None)):
            seen[one.name] = seen.pop(known)
        if one.name in seen:
            seen[one.name] = _inside(seen[one.name], one.type)
        elif one.default:
            seen[one.name] = one.default[0]
    return seen


def _filled(items: list[Any], kind: Type) -> list[Any]:
    """Items are unique as they are written: of those that only defaults make equal, one is enough."""
    seen: dict[bytes, Any] = {}
    kept: list[Any] = []
    for item in items:
        read = _inside(item, kind)
        was = seen.setdefault(canonical(read), item)
        if was is item or canonical(was) == canonical(item):
            kept.append(read)
    return kept


def _inside(value: Any, kind: Type) -> Any:
    match kind, value:
        case Struct(fields=inner), dict():
            return as_read(value, inner)
        case List(element=element), list():
            return _filled(value, element.type)
        case Map(value=inner), dict():
            return {key: _inside(item, inner.type) for key, item in value.items()}
        case _:
            return value
