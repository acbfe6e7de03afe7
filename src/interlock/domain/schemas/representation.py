"""What of a contract its digest is over: everything that readers and writers can tell, in one form.

Descriptions, the owner, places and the document are no part of it, nor is the order of fields, keys, rules, enum
values, aliases and tags. The order of objects is: the first one is the record.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from interlock.domain.schemas.contract import Contract, Object
from interlock.domain.schemas.diff import labels
from interlock.domain.schemas.field import Field, List, Map, Struct, Type
from interlock.domain.schemas.nesting import refuse_deep
from interlock.domain.schemas.ranges import Range, bounds
from interlock.domain.schemas.scalars import identity
from interlock.kernel.digest import canonical, digest, plain

_AS_THEY_ARE = (
    *("nullable", "unit", "multiple_of", "pattern", "format", "is_unique", "has_unique_items", "id"),
    *("is_personal", "is_deprecated", "physical_type", "classification", "max_length", "max_items"),
)


def contract_digest(contract: Contract) -> str:
    """`sha256:` and 64 hexadecimal digits. TooDeep or TooLarge for endless contracts."""
    refuse_deep(contract)
    is_alone = len(contract.objects) == 1
    return digest([_object(one, "" if is_alone else one.name) for one in contract.objects])


def _object(one: Object, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "id": one.id,
        "physical_name": one.physical_name,
        "fields": _fields(one.fields),
        "is_open": one.is_open,
        "primary_key": list(one.primary_key),
        "unique": sorted(map(list, set(one.unique))),
        "references": _sorted(one.references),
        "checks": _sorted(one.checks),
        "rules": _sorted(one.rules),
    }


def _sorted(values: tuple[Any, ...]) -> list[Any]:
    """Each once."""
    by_form = {canonical(value): plain(value) for value in values}
    return [by_form[form] for form in sorted(by_form)]


def _fields(fields: tuple[Field, ...]) -> dict[str, Any]:
    return {one.name: _field(one) for one in fields}


def _field(one: Field, is_inner: bool = False) -> dict[str, Any]:
    """`is_inner`: an element of a list or a value of a map, for which presence and defaults say nothing."""
    found: dict[str, Any] = {key: getattr(one, key) for key in _AS_THEY_ARE}
    said = labels(one)
    found |= {
        "type": _type(one.type),
        "enum": sorted(([*identity(value), said[identity(value)]] for value in one.enum), key=canonical),
        "bounds": _range(bounds(one)),
        "min_length": one.min_length or 0,
        "min_items": one.min_items or 0,
        "aliases": sorted(set(one.aliases)),
        "tags": sorted(set(one.tags)),
    }
    if not is_inner:
        found |= {"is_optional": not one.required, "default": [identity(value) for value in one.default]}
    return {key: value for key, value in found.items() if value or (value == 0 and value is not False)}


def _range(one: Range) -> list[Any]:
    return [] if one == Range() else [str(one), str(one.low), str(one.high)]


def _type(one: Type) -> Any:
    match one:
        case List(element=inner) | Map(value=inner):
            return {"kind": one.kind, "of": _field(inner, is_inner=True)}
        case Struct(fields=fields, is_open=is_open):
            return {"kind": one.kind, "fields": _fields(fields), "is_open": is_open}
        case _:
            return {key.name: getattr(one, key.name) for key in dataclasses.fields(one)}
