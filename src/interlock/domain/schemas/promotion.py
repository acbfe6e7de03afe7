"""Whether a table can be altered in place to hold a newer version: another, smaller relation than read-widening.

A reader that understands old rows says nothing about whether a store can turn one column type into another without
rewriting, nor the other way round. So this is asked per target, and never answered from `widening`.

Sources: Apache Iceberg spec, "Schema Evolution" (v2 and v3 type promotions); Delta Lake protocol, "Type Widening";
PostgreSQL 18 manual, ALTER TABLE, "Notes" (what rewrites the table).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from interlock.domain.schemas.contract import Object
from interlock.domain.schemas.describe import described
from interlock.domain.schemas.field import (
    Bool,
    Bytes,
    Date,
    Decimal,
    Field,
    Float,
    Int,
    Json,
    List,
    Map,
    String,
    Struct,
    Time,
    Timestamp,
    Type,
)

Target = Literal["iceberg_v2", "iceberg_v3", "delta", "postgres"]
Cost = Literal["in_place", "rewrite", "refused"]
"""in_place: metadata alone; rewrite: the store does it, but writes every row again under a lock; refused: it
cannot.
"""

Column = tuple[str, int, int]
"""A store's own type: its name, then precision and scale, or a length, or zeros."""


@dataclass(frozen=True, slots=True)
class Alteration:
    """What altering the column at `path` costs, and why."""

    path: str
    cost: Cost
    says: str


def alterations(older: Object, newer: Object, target: Target) -> tuple[Alteration, ...]:
    """What it takes to alter a table of the older version into one of the newer, columns that stay left out. A
    column that goes is refused: what it holds could not come back.
    """
    return tuple(_columns(older.fields, newer.fields, target, ""))


def promotes(older: Type, newer: Type, target: Target) -> Cost:
    """What altering a column from one type to another costs. Types with fields inside only if they are equal."""
    before, after = (_COLUMNS[target](one) for one in (older, newer))
    if older == newer or (before is not None and before == after):
        return "in_place"
    if before is None or after is None:
        return "refused"
    match target:
        case "iceberg_v2":
            return "in_place" if _iceberg(before, after) else "refused"
        case "iceberg_v3":
            is_date = before[0] == "date" and after[0] in ("timestamp", "timestamp_ns")
            return "in_place" if _iceberg(before, after) or is_date else "refused"
        case "delta":
            return "in_place" if _delta(before, after) else "refused"
        case "postgres":
            return _postgres(before, after)


def _columns(
    older: tuple[Field, ...], newer: tuple[Field, ...], target: Target, prefix: str
) -> Iterator[Alteration]:
    before = {one.name: one for one in older}
    for one in newer:
        path, was = f"{prefix}{one.name}", before.pop(one.name, None)
        if was is None:
            yield _added(one, path, target)
            continue
        if (was.nullable or not was.required) and one.required and not one.nullable:
            yield Alteration(path, _NARROWS[target], "null and missing values would have to go first")
        if isinstance(was.type, Struct) and isinstance(one.type, Struct) and target != "postgres":
            yield from _columns(was.type.fields, one.type.fields, target, f"{path}.")
        elif (cost := promotes(was.type, one.type, target)) != "in_place" or was.type != one.type:
            yield Alteration(path, cost, f"{described(was.type)} becomes {described(one.type)}")
    for name in before:
        yield Alteration(f"{prefix}{name}", "refused", "the column would be dropped with what it holds")


_NARROWS: Final[Mapping[Target, Cost]] = {
    "iceberg_v2": "refused",
    "iceberg_v3": "refused",
    "delta": "refused",
    "postgres": "rewrite",
}


def _added(one: Field, path: str, target: Target) -> Alteration:
    """A new column is null in old rows, unless the target fills in a default without touching them."""
    if one.nullable or not one.required:
        return Alteration(path, "in_place", "a new column that may be null")
    if one.default and one.default[0] is not None and target in ("iceberg_v3", "postgres"):
        return Alteration(path, "in_place", "a new column with a default")
    return Alteration(path, "refused", "a new column that may not be null, and old rows have no value for it")


def _iceberg_column(one: Type) -> Column | None:
    match one:
        case Bool() | Date() | String():
            return (one.kind, 0, 0)
        case Int(bits=bits, is_signed=is_signed) if bits:
            if bits == 64 and not is_signed:
                return ("decimal", 20, 0)
            return ("long" if bits == 64 or (bits == 32 and not is_signed) else "int", 0, 0)
        case Float(bits=bits):
            return ("double" if bits == 64 else "float", 0, 0)
        case Decimal(precision=precision, scale=scale):
            return ("decimal", precision, scale)
        case Bytes(size=size):
            return ("fixed", size, 0) if size else ("binary", 0, 0)
        case Time(unit="us"):
            return ("time", 0, 0)
        case Timestamp(unit=unit, is_zoned=is_zoned) if unit in ("us", "ns"):
            return (f"timestamp{'tz' if is_zoned else ''}{'_ns' if unit == 'ns' else ''}", 0, 0)
        case _:
            return None


def _iceberg(before: Column, after: Column) -> bool:
    match before, after:
        case (("int", _, _), ("long", _, _)) | (("float", _, _), ("double", _, _)):
            return True
        case (("decimal", precision, scale), ("decimal", wider, same)):
            return wider >= precision and scale == same
        case _:
            return False


_BYTES: Final = {"byte": 1, "short": 2, "integer": 4, "long": 8}


def _delta_column(one: Type) -> Column | None:
    match one:
        case Bool() | Date() | String() | Bytes():
            return (one.kind, 0, 0)
        case Int(bits=bits, is_signed=True) if bits:
            return ({8: "byte", 16: "short", 32: "integer", 64: "long"}[bits], 0, 0)
        case Float(bits=bits):
            return ("double" if bits == 64 else "float", 0, 0)
        case Decimal(precision=precision, scale=scale):
            return ("decimal", precision, scale)
        case Timestamp(unit="us", is_zoned=is_zoned):
            return ("timestamp" if is_zoned else "timestamp_ntz", 0, 0)
        case _:
            return None


def _delta(before: Column, after: Column) -> bool:
    match before, after:
        case (name, _, _), (wider, _, _) if name in _BYTES and wider in _BYTES:
            return _BYTES[name] <= _BYTES[wider]
        case (("byte" | "short" | "integer" | "float"), _, _), ("double", _, _):
            return True
        case (name, _, _), ("decimal", precision, scale) if name in _BYTES:
            return precision - scale >= (20 if name == "long" else 10)
        case ("decimal", precision, scale), ("decimal", wider, finer):
            return finer >= scale and wider - finer >= precision - scale
        case ("date", _, _), ("timestamp_ntz", _, _):
            return True
        case _:
            return False


def _postgres_column(one: Type) -> Column | None:
    match one:
        case Bool() | Date() | String() | Bytes():
            return (one.kind, 0, 0)
        case Int(bits=bits, is_signed=True) if bits:
            return ({8: "smallint", 16: "smallint", 32: "integer", 64: "bigint"}[bits], 0, 0)
        case Float(bits=bits):
            return ("double precision" if bits == 64 else "real", 0, 0)
        case Decimal(precision=precision, scale=scale):
            return ("numeric", precision, scale)
        case Timestamp(is_zoned=is_zoned, unit=unit) if unit != "ns":
            return ("timestamptz" if is_zoned else "timestamp", 0, 0)
        case Json() | Struct() | List() | Map():
            return ("jsonb", 0, 0)
        case _:
            return None


_WHOLE: Final = ("smallint", "integer", "bigint")


def _postgres(before: Column, after: Column) -> Cost:
    match before, after:
        case ("numeric", precision, scale), ("numeric", wider, same) if scale == same and wider >= precision:
            return "in_place"
        case ("numeric", precision, scale), ("numeric", wider, finer) if (
            finer >= scale and wider - finer >= precision - scale
        ):
            return "rewrite"
        case (name, _, _), (wider, _, _) if name in _WHOLE and wider in _WHOLE:
            return "rewrite" if _WHOLE.index(name) < _WHOLE.index(wider) else "refused"
        case ((("smallint" | "integer" | "bigint"), _, _), ("numeric", precision, scale)):
            digits = {"smallint": 5, "integer": 10, "bigint": 19}[before[0]]
            return "rewrite" if precision - scale >= digits else "refused"
        case ("real", _, _), ("double precision", _, _):
            return "rewrite"
        case _:
            return "refused"


_COLUMNS: Final[Mapping[Target, Callable[[Type], Column | None]]] = {
    "iceberg_v2": _iceberg_column,
    "iceberg_v3": _iceberg_column,
    "delta": _delta_column,
    "postgres": _postgres_column,
}
