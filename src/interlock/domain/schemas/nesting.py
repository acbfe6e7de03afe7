"""How deep a contract is nested, told without recursion; what walks a contract asks this first.

Depth is limited, because every walk over types is recursive. Types hold one another by value, so a type cannot
contain itself: a recursive schema of another format cannot be written down here, and its importer says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import assert_never

from interlock.domain.schemas.contract import Contract
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
from interlock.kernel.errors import Invalid

MAX_DEPTH = 40
"""Levels of fields within fields; the declarations' YAML may be as deep."""


MAX_FIELDS = 100_000


class TooDeep(Invalid):
    """A contract is nested deeper than MAX_DEPTH."""

    code = "contract.too_deep"


class TooLarge(Invalid):
    """A contract has more than MAX_FIELDS fields."""

    code = "contract.too_large"


def inner(one: Type) -> tuple[Field, ...]:
    """The fields right inside a type."""
    match one:
        case Struct(fields=fields):
            return fields
        case List(element=element):
            return (element,)
        case Map(value=value):
            return (value,)
        case Bool() | Int() | Float() | Number() | Decimal() | String() | Bytes() | Date() | Time():
            return ()
        case Timestamp() | Duration() | Tensor() | Json():
            return ()
        case _:
            assert_never(one)


def depth(fields: Iterable[Field]) -> int:
    """How many levels of fields there are: 0 for none, 1 for flat ones. Stops counting above MAX_DEPTH."""
    return sum(1 for _ in _levels(fields))


def _levels(fields: Iterable[Field]) -> Iterator[int]:
    """The number of fields on each level, the outermost first. A field that is shared by many counts for each, but
    is looked at once, so that types which double from level to level cost no more than they are written in.
    """
    level, found = [(one, 1) for one in fields], 0
    while level and found <= MAX_DEPTH:
        found += 1
        yield sum(times for _, times in level)
        below: dict[int, tuple[Field, int]] = {}
        for one, times in level:
            for field in inner(one.type):
                below[id(field)] = (field, times + below.get(id(field), (field, 0))[1])
        level = list(below.values())


def refuse_deep(*contracts: Contract) -> None:
    """TooDeep or TooLarge for a contract that no walk should be sent into."""
    for contract in contracts:
        name = f"{contract.name}@{contract.version}"
        levels = [[*_levels(one.fields)] for one in contract.objects]
        if any(len(counts) > MAX_DEPTH for counts in levels):
            raise TooDeep(
                f"{name} has more than {MAX_DEPTH} levels of fields within fields",
                remedy="Keep the inner levels as one field of type json.",
                where=contract.where,
            )
        if (total := sum(map(sum, levels))) > MAX_FIELDS:
            raise TooLarge(
                f"{name} has {total:,} fields, those within fields counted; {MAX_FIELDS:,} are read",
                remedy="Split it into several contracts.",
                where=contract.where,
            )
