"""A quick yes: tests that are made once per field and know most good values at sight.

What a test says yes to has no misfit; where it says no, `values.misfits` finds out, so a test may be as coarse as
it likes on that side. Numbers are compared as Python compares them, which is exact up to 2**53.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from interlock.domain.schemas.field import (
    Bool,
    Date,
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
    Time,
    Timestamp,
)
from interlock.domain.schemas.ranges import bounds, held
from interlock.domain.schemas.values import counted

Surely = Callable[[Any], bool]

_EXACT = 2**53


def surely(one: Field) -> Surely:
    """The test for values of the field; patterns are not looked at."""
    typed = _never if one.enum and not isinstance(one.type, String) else _typed(one)
    if one.nullable:
        return lambda value: value is None or typed(value)
    return typed


def surely_struct(one: Struct) -> Surely:
    """The test for records with these fields."""
    tests = tuple((field.name, field.required, surely(field)) for field in one.fields)
    known = frozenset(field.name for field in one.fields)
    is_open = one.is_open

    def test(value: Any) -> bool:
        if not isinstance(value, dict) or not (is_open or value.keys() <= known):
            return False
        for name, is_required, is_fine in tests:
            if name in value:
                if not is_fine(value[name]):
                    return False
            elif is_required:
                return False
        return True

    return test


def _never(_: Any) -> bool:
    return False


def _typed(one: Field) -> Surely:
    match one.type:
        case Json():
            return lambda value: value is not None
        case Bool():
            return lambda value: isinstance(value, bool)
        case String():
            return _text(one)
        case Int() | Number() | Float(bits=64) if not one.multiple_of:
            return _number(one)
        case Date() | Time() | Timestamp() | Duration() if not (
            one.multiple_of or one.min_length or one.max_length
        ):
            return _count(one)
        case List(element=element) if not one.has_unique_items:
            return _list(one, surely(element))
        case Map(value=inner):
            return _map(surely(inner))
        case Struct() as struct:
            return surely_struct(struct)
        case _:
            return _never


def _text(one: Field) -> Surely:
    least, most = one.min_length or 0, math.inf if one.max_length is None else one.max_length
    if one.enum:
        words = frozenset(word for word in one.enum if isinstance(word, str))
        return lambda value: isinstance(value, str) and least <= len(value) <= most and value in words
    return lambda value: isinstance(value, str) and least <= len(value) <= most


def _number(one: Field) -> Surely:
    span = held(one.type).meet(bounds(one))
    if span.is_low_open or span.is_high_open:
        return _never
    low, high = max(span.low, -_EXACT), min(span.high, _EXACT)
    kinds = (int,) if isinstance(one.type, Int) else (int, float)
    return lambda value: type(value) in kinds and low <= value <= high


def _count(one: Field) -> Surely:
    span, kind = held(one.type).meet(bounds(one)), one.type  # both are closed: counts are whole

    def test(value: Any) -> bool:
        count = counted(value, kind)
        return count is not None and span.low <= count <= span.high

    return test


def _list(one: Field, is_fine: Surely) -> Surely:
    least, most = one.min_items or 0, math.inf if one.max_items is None else one.max_items
    return lambda value: isinstance(value, list) and least <= len(value) <= most and all(map(is_fine, value))


def _map(is_fine: Surely) -> Surely:
    return lambda value: isinstance(value, dict) and all(map(is_fine, value.values()))
