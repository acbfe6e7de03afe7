"""A schema as it was sent (text, or a descriptor in base64) made into a `File`: resolved, validated, comparable.

google.protobuf's descriptor pool is the judge of validity: numbers used twice, reserved ones, names that lead
nowhere.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from google.protobuf import descriptor_pb2 as pb
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError

from interlock.domain.schemas.fault import SchemaUnreadable
from interlock.domain.schemas.protobuf.model import Enum, Field, File, Kind, Label, Message
from interlock.domain.schemas.protobuf.source import from_text
from interlock.domain.schemas.protobuf.text import to_text

ROOT = "schema.proto"
"""Name of the file itself, which nobody imports."""

_WELL_KNOWN = (
    *("any", "api", "descriptor", "duration", "empty", "field_mask"),
    *("source_context", "struct", "timestamp", "type", "wrappers"),
)
_KINDS: dict[int, Kind] = {10: "group", 11: "message", 14: "enum"}
_TYPES = {number: name.removeprefix("TYPE_").lower() for name, number in pb.FieldDescriptorProto.Type.items()}


@dataclass(frozen=True, slots=True)
class Compiled:
    """A schema that was read. text: as `.proto`; serialized: its descriptor, for clients that want that."""

    text: str
    serialized: bytes
    identity: str
    file: File


def compile_schema(schema: str, references: Mapping[str, str]) -> Compiled:
    """Read `schema`; `references` are the sources of what it imports, by file name, transitively.
    SchemaUnreadable.
    """
    proto, is_text = _proto(schema, ROOT)
    pool = DescriptorPool()
    _add_imports(pool, proto, references, ())
    identity = hashlib.sha256(proto.SerializeToString(deterministic=True)).hexdigest()
    shipped = _without_unknown_options(proto)
    file = _added(pool, shipped)
    text = schema if is_text else to_text(proto)
    return Compiled(text, shipped.SerializeToString(deterministic=True), identity, _file(file))


def normal_text(schema: str, references: Mapping[str, str]) -> str:
    """The one text of all schemas that differ only in comments, layout, and how types are qualified."""
    proto, _ = _proto(schema, ROOT)
    pool = DescriptorPool()
    _add_imports(pool, proto, references, ())
    resolved = pb.FileDescriptorProto()
    _added(pool, _without_unknown_options(proto)).CopyToProto(resolved)
    return to_text(_with_options(resolved, proto))


def _proto(schema: str, name: str) -> tuple[pb.FileDescriptorProto, bool]:
    """The descriptor, and whether the schema was text. Base64 that holds no descriptor is read as text."""
    try:
        proto = pb.FileDescriptorProto.FromString(base64.b64decode(schema, validate=True))
        is_descriptor = bool(proto.message_type or proto.enum_type or proto.name)
    except (binascii.Error, DecodeError, ValueError):
        is_descriptor = False
    if not is_descriptor:
        return from_text(schema, name), True
    proto.name = name
    return proto, False


def _add_imports(
    pool: DescriptorPool, proto: pb.FileDescriptorProto, references: Mapping[str, str], through: tuple[str, ...]
) -> None:
    for name in proto.dependency:
        if name in through:
            raise SchemaUnreadable(f"`{name}` imports itself", remedy="Break the circle of imports.")
        if _is_there(pool, name):
            continue
        if name in references:
            imported, _ = _proto(references[name], name)
            _add_imports(pool, imported, references, (*through, name))
            _added(pool, _without_unknown_options(imported))
        elif name in _well_known():
            imported = pb.FileDescriptorProto.FromString(_well_known()[name])
            _add_imports(pool, imported, {}, (*through, name))
            _added(pool, imported)
        else:
            raise SchemaUnreadable(
                f"the import `{name}` leads nowhere",
                remedy=f"Register it, and send a reference of the name {name!r} with the schema.",
            )


def _is_there(pool: DescriptorPool, name: str) -> bool:
    try:
        pool.FindFileByName(name)
    except KeyError:
        return False
    return True


@cache
def _well_known() -> Mapping[str, bytes]:
    """The files that every Protobuf compiler brings."""
    modules = (import_module(f"google.protobuf.{name}_pb2") for name in _WELL_KNOWN)
    return {module.DESCRIPTOR.name: module.DESCRIPTOR.serialized_pb for module in modules}


def _added(pool: DescriptorPool, proto: pb.FileDescriptorProto) -> Any:
    try:
        pool.AddSerializedFile(proto.SerializeToString())
        return pool.FindFileByName(proto.name)
    except (TypeError, KeyError, ValueError, DecodeError) as error:
        says = str(error.args[0] if error.args else error).split("descriptor pool: ")[-1]
        raise SchemaUnreadable(f"the schema is not valid: {says[:300]}") from error


def _without_unknown_options(proto: pb.FileDescriptorProto) -> pb.FileDescriptorProto:
    bare = pb.FileDescriptorProto()
    bare.CopyFrom(proto)
    for options in _all_options(bare):
        options.ClearField("uninterpreted_option")
    return bare


def _with_options(resolved: pb.FileDescriptorProto, source: pb.FileDescriptorProto) -> pb.FileDescriptorProto:
    """`resolved`, with the options of `source`, which has the same parts in the same order."""
    for mine, theirs in zip(_optioned(resolved), _optioned(source), strict=True):
        if theirs.HasField("options"):
            mine.options.CopyFrom(theirs.options)
    return resolved


def _all_options(proto: pb.FileDescriptorProto) -> Iterator[Any]:
    return (part.options for part in _optioned(proto) if part.HasField("options"))


def _optioned(part: Any) -> Iterator[Any]:
    """Everything inside that can have options, itself included."""
    yield part
    inner = (
        "message_type",
        "nested_type",
        "enum_type",
        "extension",
        "field",
        "oneof_decl",
        "service",
        "method",
        "value",
    )
    for name in inner:
        if name in part.DESCRIPTOR.fields_by_name:
            for each in getattr(part, name):
                yield from _optioned(each)


def _file(file: Any) -> File:
    messages: dict[str, Message] = {}
    enums: dict[str, Enum] = {}
    own_messages = [m for top in file.message_types_by_name.values() for m in _nested(top)]
    own_enums = list(file.enum_types_by_name.values())
    own_enums += [e for m in own_messages for e in m.enum_types]
    for message in own_messages:
        _collect(message, messages, enums)
    for enum in own_enums:
        enums[enum.full_name] = _enum(enum)
    return File(
        file.package,
        tuple(m.full_name for m in own_messages),
        tuple(e.full_name for e in own_enums),
        messages,
        enums,
    )


def _nested(message: Any) -> Iterator[Any]:
    yield message
    for inner in message.nested_types:
        if not inner.GetOptions().map_entry:
            yield from _nested(inner)


def _collect(message: Any, messages: dict[str, Message], enums: dict[str, Enum]) -> None:
    """`message` and everything that its fields lead to."""
    waiting = [message]
    while waiting:
        one = waiting.pop()
        if one.full_name in messages:
            continue
        messages[one.full_name] = _message(one)
        for field in one.fields:
            if field.message_type is not None:
                waiting.append(field.message_type)
            elif field.enum_type is not None:
                enums[field.enum_type.full_name] = _enum(field.enum_type)


def _message(message: Any) -> Message:
    proto = pb.DescriptorProto()
    message.CopyToProto(proto)
    reserved = tuple((r.start, r.end - 1) for r in proto.reserved_range)
    fields = sorted(message.fields, key=lambda f: f.number)
    return Message(_local(message), tuple(_field(f) for f in fields), reserved)


def _local(described: Any) -> str:
    package = described.file.package
    full: str = described.full_name
    return full.removeprefix(f"{package}.") if package else full


def _field(field: Any) -> Field:
    label: Label = "repeated" if field.is_repeated else "required" if field.is_required else "optional"
    oneof = field.containing_oneof
    is_synthetic = oneof is not None and len(oneof.fields) == 1 and oneof.name == f"_{field.name}"
    named = field.message_type or field.enum_type
    return Field(
        number=field.number,
        name=field.name,
        kind=_KINDS.get(field.type, "scalar"),
        type=named.full_name if named is not None else _TYPES[field.type],
        label=label,
        oneof="" if oneof is None or is_synthetic else oneof.name,
        is_map=field.message_type is not None and field.message_type.GetOptions().map_entry,
        has_presence=field.has_presence,
        default=str(field.default_value) if field.has_default_value else "",
    )


def _enum(enum: Any) -> Enum:
    values: dict[int, str] = {}
    for value in enum.values:
        values.setdefault(value.number, value.name)
    return Enum(_local(enum), values, enum.is_closed)
