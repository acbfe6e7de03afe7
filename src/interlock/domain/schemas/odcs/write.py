"""Contracts as ODCS documents.

A new document is v3.2.0. A contract that was read from a document is written into that document: what the contract
still says as it did stays letter for letter, what it says otherwise is replaced, and what it never read is kept.
That is a merge of three: the document as it was, what the contract of that document would be written as, and what
this contract is written as.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from interlock.domain.schemas.contract import Contract, Object, Reference
from interlock.domain.schemas.describe import described
from interlock.domain.schemas.field import ARRAY, Field, List, Map, Struct
from interlock.domain.schemas.odcs.quality import block_of
from interlock.domain.schemas.odcs.read import ATTRIBUTES, CONSTRAINTS, from_odcs, is_tagged_personal
from interlock.domain.schemas.odcs.reading import OURS
from interlock.domain.schemas.odcs.types import OPTIONS, flat_type, logical_type, moment, type_options
from interlock.kernel.digest import canonical

Block = dict[str, Any]

NEWEST = "v3.2.0"
_STABLE_ID = re.compile(r"[A-Za-z0-9_-]+")
_PROPERTY_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*")
_OBJECT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def to_odcs(contract: Contract, version: str = "") -> Block:
    """An ODCS document from which `from_odcs` reads the same contract (`where` aside). version: of the standard; by
    default that of the document that the contract was read from, else the newest.
    """
    kept = contract.document or {}
    version = version or str(kept.get("apiVersion") or NEWEST)
    fresh = _document(contract, version)
    if not kept:
        return fresh
    was, _ = from_odcs(kept, lambda path: "")
    merged: Block = _merged(kept, _document(was, str(kept.get("apiVersion"))), fresh)
    return merged


def _document(contract: Contract, version: str) -> Block:
    custom: Block = {}
    document: Block = {
        "apiVersion": version,
        "kind": "DataContract",
        "id": contract.name,
        "name": contract.name,
        "version": contract.version,
        "status": "active",
        "schema": [_object(one, version) for one in contract.objects],
    }
    if contract.owner and version.startswith("v3.0"):
        custom["owner"] = contract.owner
    elif contract.owner:
        document["team"] = {"name": contract.owner}
    return document | _custom_block(custom)


@dataclass(frozen=True, slots=True)
class _Writing:
    """What of an object is written at its properties. `at_fields`: references of one field, by its path."""

    object: Object
    has_new: bool
    at_fields: Mapping[str, list[Block]]


def _object(one: Object, version: str) -> Block:
    named, listed, odd = _references(one)
    writing = _Writing(one, not version.startswith(("v3.0", "v3.1")), named)
    block: Block = {"name": one.name, "logicalType": "object"}
    custom: Block = {"content": "open" if one.is_open else "closed"}
    block |= _identified(one.id, custom)
    for key, value in (("physicalName", one.physical_name), ("description", one.description)):
        block |= {key: value} if value else {}
    block["properties"] = [_property(f, f.name, writing) for f in one.fields]
    if listed:
        block["relationships"] = listed
    paths = _paths(one.fields, "")
    if rules := [block_of(rule, not rule.field) for rule in one.rules if rule.field not in paths]:
        block["quality"] = rules
    if not paths.issuperset(one.primary_key):
        custom["primary_key"] = list(one.primary_key)
    if one.unique:
        custom["unique"] = [list(key) for key in one.unique]
    if one.checks:
        custom["checks"] = [{"name": check.name, "condition": check.condition} for check in one.checks]
    if odd:
        custom["references"] = odd
    return block | _custom_block({k: v for k, v in custom.items() if (k, v) != ("content", "open")})


def _paths(fields: Iterable[Field], prefix: str) -> set[str]:
    found: set[str] = set()
    for one in fields:
        found.add(f"{prefix}{one.name}")
        if isinstance(one.type, Struct):
            found |= _paths(one.type.fields, f"{prefix}{one.name}.")
    return found


def _references(one: Object) -> tuple[dict[str, list[Block]], list[Block], list[Block]]:
    """At properties, at the object, and those with names that the standard's references cannot have."""
    named: dict[str, list[Block]] = {}
    listed: list[Block] = []
    odd: list[Block] = []
    paths = _paths(one.fields, "")
    for reference in one.references:
        targets = [_spelled(reference.to, name) for name in reference.to_fields]
        sources = [_spelled(one.name, name) for name in reference.fields]
        if None in targets or None in sources or len(sources) != len(targets) or not targets:
            odd.append(_as_custom(reference))
        elif len(sources) == 1 and reference.fields[0] in paths:
            named.setdefault(reference.fields[0], []).append({"to": targets[0]})
        else:
            is_one = len(sources) == 1
            listed.append({"from": sources[0] if is_one else sources, "to": targets[0] if is_one else targets})
    return named, listed, odd


def _spelled(owner: str, name: str) -> str | None:
    if "/" in owner:
        return f"{owner}/properties/{name.replace('.', '/properties/')}"
    is_plain = _OBJECT_NAME.fullmatch(owner) and _PROPERTY_NAME.fullmatch(name)
    return f"{owner}.{name}" if is_plain else None


def _as_custom(reference: Reference) -> Block:
    return {"fields": list(reference.fields), "to": reference.to, "to_fields": list(reference.to_fields)}


def _identified(stable: str, custom: Block) -> Block:
    if stable and not _STABLE_ID.fullmatch(stable):
        custom["id"] = stable
        return {}
    return {"id": stable} if stable else {}


def _property(one: Field, path: str, writing: _Writing) -> Block:
    """path: of the property within the object; empty inside of lists and maps, where nothing refers to it."""
    logical = logical_type(one.type, writing.has_new)
    custom: Block = {}
    block: Block = {"name": one.name, "logicalType": logical, "required": one.required}
    block |= _identified(one.id, custom)
    options = type_options(one.type, logical)
    _write_constraints(one, logical, options, custom)
    said = {
        "description": one.description,
        "physicalType": one.physical_type,
        "unique": one.is_unique,
        "tags": list(one.tags),
        "classification": one.classification,
        "deprecated": one.is_deprecated and writing.has_new,
        "logicalTypeOptions": options,
    }
    block |= {key: value for key, value in said.items() if value}
    block |= _nested(one, path, logical, custom, writing)
    if path:
        block |= _at_property(path, writing)
    block |= _write_enum(one, custom, writing.has_new)
    _write_custom(one, custom, writing.has_new)
    return block | _custom_block(custom)


def _write_constraints(one: Field, logical: str, options: Block, custom: Block) -> None:
    """Into the options where the standard has a place, else into custom properties."""
    for key in CONSTRAINTS:
        value = getattr(one, ATTRIBUTES[key])
        if value is None or value is False or value == "":
            continue
        has_place = key in OPTIONS.get(logical, ())
        if has_place and logical in ("date", "time", "timestamp") and key != "format":
            text = moment(value, one.type)
            has_place = text is not None
            value = value if text is None else text
        (options if has_place else custom)[key] = value


def _nested(one: Field, path: str, logical: str, custom: Block, writing: _Writing) -> Block:
    match one.type:
        case Struct(fields=fields, is_open=is_open):
            if not is_open:
                custom["content"] = "closed"
            return {"properties": [_property(f, f"{path}.{f.name}" if path else "", writing) for f in fields]}
        case List(element=element):
            return {} if one.type == ARRAY else {"items": _property(element, "", writing)}
        case Map(value=value) if logical == "map":
            key = {"logicalType": "string", "required": True}
            return {"map": {"key": key, "value": _property(value, "", writing)}}
        case Map(value=value):
            custom["type"] = "map"
            return {"properties": [_property(value, "", writing)]}
        case _:
            options = type_options(one.type, logical)
            if logical == "object" or flat_type(logical, options, one.physical_type) != one.type:
                custom["type"] = described(one.type)
            return {}


def _at_property(path: str, writing: _Writing) -> Block:
    block: Block = {}
    key = writing.object.primary_key
    if path in key:
        block |= {"primaryKey": True, "primaryKeyPosition": key.index(path) + 1}
    if rules := [block_of(rule) for rule in writing.object.rules if rule.field == path]:
        block["quality"] = rules
    if path in writing.at_fields:
        block["relationships"] = writing.at_fields[path]
    return block


def _write_enum(one: Field, custom: Block, has_new: bool) -> Block:
    if not one.enum:
        return {}
    labels = (*one.enum_labels, *("" for _ in one.enum))
    entries = [
        {"value": value} | ({"label": label} if label else {})
        for value, label in zip(one.enum, labels, strict=False)
    ]
    if has_new:
        return {"enum": entries}
    custom["enum"] = entries if any(one.enum_labels) else list(one.enum)
    return {}


def _write_custom(one: Field, custom: Block, has_new: bool) -> None:
    custom |= {"unit": one.unit} if one.unit else {}
    custom |= {"default": one.default[0]} if one.default else {}
    custom |= {"nullable": one.nullable} if one.nullable is one.required else {}
    custom |= {"aliases": list(one.aliases)} if one.aliases else {}
    custom |= {"deprecated": True} if one.is_deprecated and not has_new else {}
    if one.is_personal is not is_tagged_personal(one.classification, one.tags):
        custom["personal"] = one.is_personal


def _custom_block(custom: Mapping[str, Any]) -> Block:
    if not custom:
        return {}
    return {"customProperties": [{"property": f"{OURS}{k}", "value": v} for k, v in custom.items()]}


_OF_TYPE = ("logicalTypeOptions", "items", "map", "properties", "enum")
"""What belongs to a logical type and goes with it."""


def _merged(raw: Any, was: Any, now: Any) -> Any:
    """raw: as written by someone; was: as we would have written it; now: as it shall be."""
    if canonical(was) == canonical(now):
        return deepcopy(raw)
    if isinstance(raw, Mapping) and isinstance(was, Mapping) and isinstance(now, Mapping):
        return _merged_block(raw, was, now)
    if isinstance(raw, list) and isinstance(was, list) and isinstance(now, list):
        return _merged_list(raw, was, now)
    return now


def _merged_block(raw: Mapping[str, Any], was: Mapping[str, Any], now: Mapping[str, Any]) -> Block:
    is_other = was.get("logicalType") != now.get("logicalType")
    merged: Block = {}
    for key, value in raw.items():
        if key in now:
            merged[key] = now[key] if is_other and key in _OF_TYPE else _merged(value, was.get(key), now[key])
        elif key == "customProperties":
            merged |= {key: kept} if (kept := [e for e in value if not _is_ours(e)]) else {}
        elif key not in was and not (is_other and key in _OF_TYPE) and not _is_ours(raw):
            merged[key] = deepcopy(value)
    options = merged.get("logicalTypeOptions")
    if isinstance(options, dict) and "required" in options:
        needed = {one["name"] for one in now.get("properties", ()) if one["required"]}
        options["required"] = [name for name in options["required"] if name in needed]
    return merged | {k: v for k, v in now.items() if k not in raw and canonical(was.get(k)) != canonical(v)}


def _is_ours(entry: Any) -> bool:
    return isinstance(entry, Mapping) and str(entry.get("property", "")).startswith(OURS)


def _merged_list(raw: list[Any], was: list[Any], now: list[Any]) -> list[Any]:
    """Entries with a name (property, value) or an id meet by it, others by what they say; unread ones are kept."""
    if len(raw) == len(was) == len(now) and not any(_label(one) for one in (*raw, *now)):
        return [_merged(*three) for three in zip(raw, was, now, strict=True)]
    written = {_label(one): one for one in raw if _label(one)}
    before = {_label(one): one for one in was if _label(one)}
    by_id = {one.get("id"): one for one in raw if isinstance(one, Mapping) and one.get("id")}
    merged: list[Any] = []
    for one in now:
        label = _label(one)
        if label not in written and isinstance(one, Mapping) and one.get("id") in by_id:
            label = _label(by_id[one.get("id")])
        is_known = label in written and label in before
        merged.append(_merged(written[label], before[label], one) if is_known else deepcopy(one))
    taken = {_label(one) for one in (*was, *now)}
    return merged + [deepcopy(one) for one in raw if _label(one) and _label(one) not in taken and not _is_ours(one)]


def _label(one: Any) -> str:
    """What an entry of a list is called, so that it is found again; empty when it has no name."""
    if not isinstance(one, Mapping):
        return ""
    if "value" in one and "property" not in one:
        return f"value {canonical(one['value']).decode()}"
    return next((f"{key} {one[key]}" for key in ("property", "name") if one.get(key)), "")
