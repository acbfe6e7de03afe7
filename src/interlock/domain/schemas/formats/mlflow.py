"""MLflow model signatures to a Contract with the objects `inputs`, `outputs` and `params`, and back.

Read are a signature (as in `signature.to_dict()`: JSON text by part) and an MLmodel document that has one. A
column's `required` (true by default) is presence; a column that is not required may be null. Tensors are fields of
the type tensor. Source: MLflow documentation, "Model Signatures and Input Examples"; mlflow.types.schema.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from interlock.domain.schemas.contract import Contract, Object
from interlock.domain.schemas.describe import described, is_shape, type_named
from interlock.domain.schemas.field import (
    Bool,
    Bytes,
    Date,
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
    Timestamp,
    Type,
)
from interlock.domain.schemas.formats.notes import ELEMENT, VALUE, Notes, Path, unique_fields
from interlock.domain.schemas.scalars import double

PARTS: Final = ("inputs", "outputs", "params")
_TYPES: dict[str, Type] = {
    "boolean": Bool(),
    "integer": Int(32),
    "long": Int(64),
    "float": Float(32),
    "double": Float(64),
    "string": String(),
    "binary": Bytes(),
    "datetime": Timestamp("ns", is_zoned=False),
    "any": Json(),
}
_NAMES = {found: name for name, found in _TYPES.items()}
_DTYPES = {"bool": Bool(), "str": String(), "object": String(), "bytes": Bytes()}
_HELD = frozenset(
    {"type", "name", "required", "items", "properties", "values", "tensor-spec", "default", "shape", "optional"}
)


def read(document: Any, notes: Notes) -> Contract:
    """The contract of a signature. `notes` has what could not be held."""
    signature = document.get("signature", document) if isinstance(document, Mapping) else None
    if not isinstance(signature, Mapping) or not any(signature.get(part) for part in PARTS):
        notes.refuse("no_signature", (), "the document has no signature", "Log the model with one.")
        return Contract("", "", ())
    objects = []
    for part in PARTS:
        if signature.get(part):
            columns = _columns(signature[part], part, notes)
            fields = tuple(_column(c, i, part, notes) for i, c in enumerate(columns))
            objects.append(Object(part, unique_fields(fields, (part,), notes)))
    return Contract("", "", tuple(objects))


def _columns(given: Any, part: str, notes: Notes) -> list[Any]:
    """A part's columns; the document holds them as JSON text."""
    try:
        found = json.loads(given) if isinstance(given, str) else given
    except (ValueError, RecursionError) as fault:
        notes.refuse("part_unreadable", (part,), f"is no JSON: {fault}", "Log the model again.")
        return []
    if not isinstance(found, list):
        notes.refuse("part_unreadable", (part,), "is no list of columns", "Log the model again.")
        return []
    return found


def _column(block: Any, place: int, part: str, notes: Notes) -> Field:
    name = str(block.get("name") or place) if isinstance(block, Mapping) else str(place)
    path = (part, name)
    if part != "params" or not isinstance(block, Mapping):
        return _field(name, block, path, notes)
    one = replace(_field(name, {**block, "required": False}, path, notes), nullable=False)
    if block.get("shape"):
        one = replace(one, type=List(Field("element", one.type)))
    value = block.get("default")
    if value is None or isinstance(value, bool | str) or double(value) is not None:
        return replace(one, default=_default(value), nullable=value is None)
    notes.tell("default_not_held", path, "has a default that is no scalar; it is left out")
    return one


def _default(value: Scalar) -> tuple[Scalar, ...]:
    return (value,)


def _field(name: str, block: Any, path: Path, notes: Notes) -> Field:
    notes.enter(path)
    if not isinstance(block, Mapping):
        notes.refuse("column_invalid", path, f"is {str(block)[:60]!r}, which is no column", "Log the model again.")
        return Field(name, Json(), nullable=True)
    for key in block:
        if key not in _HELD:
            notes.tell("keyword_not_held", path, f"has `{key}`, which a contract does not hold")
    is_required = block.get("required", not block.get("optional", False)) is not False
    return Field(name, _type(block, path, notes), required=is_required, nullable=not is_required)


def _type(block: Mapping[str, Any], path: Path, notes: Notes) -> Type:
    match str(block.get("type", "")).lower():
        case "tensor":
            return _tensor(block.get("tensor-spec"), path, notes)
        case "array":
            return List(_field("element", block.get("items"), (*path, ELEMENT), notes))
        case "map":
            return Map(_field("value", block.get("values"), (*path, VALUE), notes))
        case "object":
            listed = block.get("properties")
            inner = listed.items() if isinstance(listed, Mapping) else ()
            return Struct(tuple(_field(str(k), v, (*path, str(k)), notes) for k, v in inner), is_open=False)
        case named if named in _TYPES:
            return _TYPES[named]
        case named:
            notes.refuse("type_unknown", path, f"has the type {named!r}", "Log the model again.")
            return Json()


def _tensor(spec: Any, path: Path, notes: Notes) -> Type:
    given = spec if isinstance(spec, Mapping) else {}
    dtype, shape = str(given.get("dtype", "")), given.get("shape", [-1])
    element = _DTYPES.get(dtype, type_named(dtype))
    if dtype.startswith(("<U", "U")):
        element = String()
    if isinstance(element, Bool | Int | Float | String | Bytes) and is_shape(shape):
        return Tensor(element, tuple(shape))
    notes.tell("tensor_not_held", path, f"is a tensor of {dtype!r} {shape}; read as json")
    return Json()


def write(contract: Contract) -> dict[str, Any]:
    """The signature: the objects called `inputs`, `outputs` and `params`, or the record as the inputs."""
    named = {one.name: one for one in contract.objects if one.name in PARTS}
    parts = named or {"inputs": contract.record}
    return {
        part: json.dumps([(_param if part == "params" else _written)(f, f.name) for f in one.fields])
        for part, one in parts.items()
    }


def _param(one: Field, name: str) -> dict[str, Any]:
    is_list = isinstance(one.type, List)
    inner = one.type.element.type if isinstance(one.type, List) else one.type
    default = one.default[0] if one.default else None
    return {"name": name, "default": default, "shape": [-1] if is_list else None, "type": _scalar(inner)}


def _written(one: Field, name: str = "") -> dict[str, Any]:
    block = _of_type(one.type)
    if name:
        block["name"] = name
    return block | {"required": one.required and not one.nullable}


def _of_type(one: Type) -> dict[str, Any]:
    match one:
        case Tensor(element=element, dims=dims):
            words = {"bool": "bool", "string": "str", "bytes": "bytes"}
            dtype = words.get(element.kind) or (described(element) if described(element) != "integer" else "int64")
            return {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": list(dims)}}
        case List(element=inner):
            return {"type": "array", "items": _written(inner)}
        case Map(value=inner):
            return {"type": "map", "values": _written(inner)}
        case Struct(fields=fields):
            return {"type": "object", "properties": {f.name: _written(f) for f in fields}}
        case _:
            return {"type": _scalar(one)}


def _scalar(one: Type) -> str:
    """The nearest of MLflow's types that holds the values."""
    if one in _NAMES:
        return _NAMES[one]
    match one:
        case Int(bits=bits, is_signed=is_signed):
            return "integer" if bits in (8, 16) or (bits == 32 and is_signed) else "long"
        case Float():
            return "float"
        case Number():
            return "double"
        case Timestamp() | Date():
            return "datetime"
        case Bytes():
            return "binary"
        case _:
            return "string"
