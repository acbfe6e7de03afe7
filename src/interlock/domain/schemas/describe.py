"""Types as short text, and back: `int64`, `decimal(10,2)`, `timestamp(us)`, `tensor(float32,[3,-1])`.

The text names a type exactly as long as no fields are inside of it; of lists, maps and structs it tells only the
kind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeGuard, assert_never

from interlock.domain.schemas.field import (
    Bool,
    Bytes,
    Date,
    Decimal,
    Duration,
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


def described(one: Type) -> str:
    """The type in a word or two. `integer` is a whole number of any size, `local` a timestamp of no zone."""
    match one:
        case Int(bits=bits):
            sign = "" if one.is_signed else "u"
            return f"{sign}int{bits}" if bits else f"{sign}integer"
        case Float(bits=bits):
            return f"float{bits}"
        case Decimal(precision=precision, scale=scale):
            return f"decimal({precision},{scale})"
        case Bytes(size=size):
            return f"bytes({size})" if size else "bytes"
        case Timestamp(unit=unit):
            return f"timestamp({unit})" if one.is_zoned else f"timestamp({unit},local)"
        case Time(unit=unit) | Duration(unit=unit):
            return f"{one.kind}({unit})"
        case Tensor(element=element, dims=dims):
            return f"tensor({described(element)},[{','.join(map(str, dims))}])"
        case Bool() | Number() | String() | Date() | Json() | List() | Map() | Struct():
            return one.kind
        case _:
            assert_never(one)


_NAMED: tuple[Type, ...] = (
    *(Bool(), Number(), String(), Date(), Json(), Bytes(), Int(), Int(0, is_signed=False)),
    *(Int(bits, is_signed) for bits in (8, 16, 32, 64) for is_signed in (True, False)),
    *(Float(bits) for bits in (16, 32, 64)),
)
_PLAIN: Mapping[str, Type] = {described(one): one for one in _NAMED}
_UNITS: Mapping[str, TimeUnit] = {"s": "s", "ms": "ms", "us": "us", "ns": "ns"}
_CALL = re.compile(r"(?P<name>[a-z]+)\((?P<inside>[a-z0-9,()\[\]-]{1,400})\)")
_TENSOR = re.compile(r"(?P<element>[a-z0-9()]+),\[(?P<dims>(-1|[0-9]{1,9})(,(-1|[0-9]{1,9})){0,31})?\]")
_MAX_PRECISION = 38


def type_named(text: str) -> Type | None:
    """The type that `described` calls so, for types without fields inside; None when there is none."""
    if text in _PLAIN:
        return _PLAIN[text]
    found = _CALL.fullmatch(text)
    if not found:
        return None
    name, inside = found["name"], found["inside"]
    match name, inside.split(","):
        case "decimal", [str(p), str(s)] if p.isdecimal() and s.isdecimal() and 1 <= int(p) <= _MAX_PRECISION:
            return Decimal(int(p), int(s)) if int(s) <= int(p) else None
        case "bytes", [str(size)] if size.isdecimal() and int(size) > 0:
            return Bytes(int(size))
        case "timestamp", [str(unit)] if unit in _UNITS:
            return Timestamp(_UNITS[unit])
        case "timestamp", [str(unit), "local"] if unit in _UNITS:
            return Timestamp(_UNITS[unit], is_zoned=False)
        case "time", [str(unit)] if unit in _UNITS:
            return Time(_UNITS[unit])
        case "duration", [str(unit)] if unit in _UNITS:
            return Duration(_UNITS[unit])
        case "tensor", _:
            return _tensor(inside)
        case _:
            return None


def is_shape(told: object) -> TypeGuard[list[int]]:
    """Whether this is a tensor's shape: at most 32 lengths of at most nine digits, -1 for those that are free."""
    if not isinstance(told, list) or len(told) > 32:
        return False
    return all(type(length) is int and -1 <= length < 10**9 for length in told)


def _tensor(inside: str) -> Tensor | None:
    found = _TENSOR.fullmatch(inside)
    element: Any = type_named(found["element"]) if found else None
    if found is None or not isinstance(element, Bool | Int | Float | String | Bytes):
        return None
    return Tensor(element, tuple(int(d) for d in (found["dims"] or "").split(",") if d))
