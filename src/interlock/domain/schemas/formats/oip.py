"""Metadata of the Open Inference Protocol v2 to a Contract with the objects `inputs` and `outputs`, and back.

Each tensor is a field of the type tensor; -1 is a free dimension. Source: kserve/open-inference-protocol,
inference_rest.md, "Model Metadata" and "Tensor Data Types".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from interlock.domain.schemas.contract import Contract, Object
from interlock.domain.schemas.describe import is_shape
from interlock.domain.schemas.field import (
    Bool,
    Bytes,
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
    Type,
)
from interlock.domain.schemas.formats.notes import Notes, name_of, unique_fields

PARTS: Final = ("inputs", "outputs")
Element = Bool | Int | Float | String | Bytes
_TYPES: dict[str, Element] = {
    "BOOL": Bool(),
    **{f"INT{bits}": Int(bits) for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": Int(bits, is_signed=False) for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": Float(bits) for bits in (16, 32, 64)},
    "BYTES": Bytes(),
}
_HELD = frozenset({"name", "versions", "platform", "inputs", "outputs"})


def read(document: Any, notes: Notes) -> Contract:
    """The contract of a model's metadata. `notes` has what could not be held."""
    if not isinstance(document, Mapping) or not any(isinstance(document.get(part), list) for part in PARTS):
        notes.refuse(
            "no_metadata", (), "the document has neither inputs nor outputs", "Ask /v2/models/NAME for it."
        )
        return Contract("", "", ())
    for key in document:
        if key not in _HELD:
            notes.tell("keyword_not_held", (), f"has `{key}`, which a contract does not hold")
    given = document.get("versions")
    versions = given if isinstance(given, list) else []
    if len(versions) > 1:
        notes.tell("versions", (), f"is of the versions {', '.join(map(str, versions))}; the last one is kept")
    objects = [
        Object(part, unique_fields((_tensor(t, part, notes) for t in document[part]), (part,), notes))
        for part in PARTS
        if isinstance(document.get(part), list)
    ]
    return Contract(name_of(str(document.get("name", ""))), str(versions[-1]) if versions else "", tuple(objects))


def _tensor(block: Any, part: str, notes: Notes) -> Field:
    name = block.get("name") if isinstance(block, Mapping) else None
    notes.enter((part, str(name)))
    if not isinstance(name, str) or not isinstance(block, Mapping):
        notes.refuse("tensor_nameless", (part,), "has a tensor without a name", "Name it.")
        return Field("", Tensor(Bytes()))
    datatype, shape = block.get("datatype"), block.get("shape", [-1])
    element = _TYPES.get(str(datatype))
    if datatype == "BF16":
        notes.tell("bf16", (part, name), "is of BF16; read as float32, which holds its values")
        element = Float(32)
    if element is None:
        notes.refuse("type_unknown", (part, name), f"has the datatype {datatype!r}", "Use one of the protocol's.")
        element = Bytes()
    if not is_shape(shape):
        notes.refuse("shape_invalid", (part, name), f"has the shape {shape!r}", "Write a list of lengths.")
        shape = [-1]
    return Field(name, Tensor(element, tuple(shape)))


def write(contract: Contract) -> dict[str, Any]:
    """The metadata: the objects called `inputs` and `outputs`, or the record as the inputs. A field that is no
    tensor becomes one of one value.
    """
    named = {one.name: one for one in contract.objects if one.name in PARTS}
    parts = named or {"inputs": contract.record}
    tensors = {part: [_written(f) for f in one.fields] for part, one in parts.items()}
    return {"name": contract.name, "versions": [contract.version], "platform": "", **tensors}


def _written(one: Field) -> dict[str, Any]:
    element, shape = (one.type.element, one.type.dims) if isinstance(one.type, Tensor) else (one.type, (1,))
    return {"name": one.name, "datatype": _datatype(element), "shape": list(shape)}


def datatype_of(one: Type) -> str:
    """The datatype of values of the type `one`, in its own tensors or those of others; empty when it has none."""
    if isinstance(one, Struct | List | Map | Json):
        return ""
    return _datatype(one.element if isinstance(one, Tensor) else one)


def _datatype(one: Type) -> str:
    if found := next((name for name, known in _TYPES.items() if known == one), ""):
        return found
    match one:
        case Int(is_signed=is_signed):
            return "INT64" if is_signed else "UINT64"
        case Number():
            return "FP64"
        case _:
            return "BYTES"
