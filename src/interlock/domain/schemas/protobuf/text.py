"""A file descriptor as `.proto` text, for people who read a registered schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf import descriptor_pb2 as pb
from google.protobuf import text_encoding, text_format

_TYPES = {number: name.removeprefix("TYPE_").lower() for name, number in pb.FieldDescriptorProto.Type.items()}
_LABELS = {1: "optional ", 2: "required ", 3: "repeated "}
_LAST_NUMBER = 536_870_912
_LAST_ENUM = 2**31 - 1


def to_text(file: pb.FileDescriptorProto) -> str:
    """The text; reading it gives the same descriptor again, comments aside."""
    return "\n".join(_file(file)) + "\n"


def _file(file: pb.FileDescriptorProto) -> Iterator[str]:
    if file.syntax == "editions":
        yield f'edition = "{pb.Edition.Name(file.edition).removeprefix("EDITION_")}";'
    else:
        yield f'syntax = "{file.syntax or "proto2"}";'
    if file.package:
        yield f"package {file.package};"
    for index, name in enumerate(file.dependency):
        how = "public " if index in file.public_dependency else "weak " if index in file.weak_dependency else ""
        yield f'import {how}"{name}";'
    yield from (f"option {option};" for option in _options(file))
    is_labelled = file.syntax not in ("proto3", "editions")
    for message in file.message_type:
        yield from _message(message, is_labelled)
    for enum in file.enum_type:
        yield from _enum(enum)
    yield from _extensions(file, is_labelled)
    for service in file.service:
        yield from _service(service)


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


def _message(message: pb.DescriptorProto, is_labelled: bool) -> Iterator[str]:
    yield f"message {message.name} {{"
    yield from _indented(_inside(message, is_labelled))
    yield "}"


def _inside(message: pb.DescriptorProto, is_labelled: bool) -> Iterator[str]:
    yield from (f"option {option};" for option in _options(message))
    maps = {n.name: n for n in message.nested_type if n.options.map_entry}
    groups = {f.type_name.split(".")[-1] for f in (*message.field, *message.extension) if f.type == 10}
    told: set[int] = set()
    for field in message.field:
        is_member = field.HasField("oneof_index") and not field.proto3_optional
        if not is_member:
            yield from _field(field, message, maps, is_labelled)
        elif field.oneof_index not in told:
            told.add(field.oneof_index)
            yield f"oneof {message.oneof_decl[field.oneof_index].name} {{"
            yield from (f"  option {o};" for o in _options(message.oneof_decl[field.oneof_index]))
            for other in message.field:
                if other.HasField("oneof_index") and other.oneof_index == field.oneof_index:
                    yield from _indented(_field(other, message, maps, False))
            yield "}"
    for nested in message.nested_type:
        if nested.name not in maps and nested.name not in groups:
            yield from _message(nested, is_labelled)
    for enum in message.enum_type:
        yield from _enum(enum)
    for extended in message.extension_range:
        yield f"extensions {_range(extended.start, extended.end - 1, _LAST_NUMBER - 1)};"
    yield from _reserved(message, 1, _LAST_NUMBER - 1)
    yield from _extensions(message, is_labelled)


def _reserved(part: Any, beyond: int, last: int) -> Iterator[str]:
    for reserved in part.reserved_range:
        yield f"reserved {_range(reserved.start, reserved.end - beyond, last)};"
    if part.reserved_name:
        yield "reserved " + ", ".join(f'"{name}"' for name in part.reserved_name) + ";"


def _range(first: int, last: int, greatest: int) -> str:
    return str(first) if first == last else f"{first} to {'max' if last >= greatest else last}"


def _field(
    field: pb.FieldDescriptorProto, message: Any, maps: dict[str, pb.DescriptorProto], is_labelled: bool
) -> Iterator[str]:
    entry = maps.get(field.type_name.split(".")[-1]) if field.label == 3 else None
    if entry is not None:
        key, value = entry.field
        yield f"map<{_type(key)}, {_type(value)}> {field.name} = {field.number}{_compact(field)};"
        return
    has_label = field.label != 1 or is_labelled or field.proto3_optional
    label = _LABELS[field.label] if has_label else ""
    if field.type == pb.FieldDescriptorProto.TYPE_GROUP:
        group = next(n for n in message.nested_type if n.name == field.type_name.split(".")[-1])
        yield f"{label}group {group.name} = {field.number} {{"
        yield from _indented(_inside(group, is_labelled))
        yield "}"
        return
    yield f"{label}{_type(field)} {field.name} = {field.number}{_compact(field)};"


def _type(field: pb.FieldDescriptorProto) -> str:
    return field.type_name or _TYPES[field.type]


def _compact(field: pb.FieldDescriptorProto) -> str:
    given = []
    if field.HasField("default_value"):
        is_text = field.type in (pb.FieldDescriptorProto.TYPE_STRING, pb.FieldDescriptorProto.TYPE_BYTES)
        given.append(f"default = {_default(field) if is_text else field.default_value}")
    if field.HasField("json_name") and field.json_name != _json_name(field.name):
        given.append(f'json_name = "{field.json_name}"')
    given += _options(field)
    return f" [{', '.join(given)}]" if given else ""


def _default(field: pb.FieldDescriptorProto) -> str:
    if field.type == pb.FieldDescriptorProto.TYPE_BYTES:
        return f'"{field.default_value}"'  # the descriptor has it escaped already
    return f'"{text_encoding.CEscape(field.default_value.encode(), as_utf8=False)}"'


def _json_name(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in others)


def _enum(enum: pb.EnumDescriptorProto) -> Iterator[str]:
    yield f"enum {enum.name} {{"
    yield from (f"  option {option};" for option in _options(enum))
    for value in enum.value:
        options = ", ".join(_options(value))
        yield f"  {value.name} = {value.number}{f' [{options}]' if options else ''};"
    yield from _indented(_reserved(enum, 0, _LAST_ENUM))
    yield "}"


def _extensions(part: Any, is_labelled: bool) -> Iterator[str]:
    for field in part.extension:
        yield f"extend {field.extendee} {{"
        yield from _indented(_field(field, part, {}, is_labelled))
        yield "}"


def _service(service: pb.ServiceDescriptorProto) -> Iterator[str]:
    yield f"service {service.name} {{"
    yield from (f"  option {option};" for option in _options(service))
    for method in service.method:
        taken = f"{'stream ' if method.client_streaming else ''}{method.input_type}"
        given = f"{'stream ' if method.server_streaming else ''}{method.output_type}"
        options = " ".join(f"option {option};" for option in _options(method))
        yield f"  rpc {method.name} ({taken}) returns ({given}){f' {{ {options} }}' if options else ';'}"
    yield "}"


def _options(part: Any) -> Iterator[str]:
    """`name = value` of each option, known ones first."""
    if not part.HasField("options"):
        return
    for known, value in part.options.ListFields():
        if known.name == "map_entry" or known.name == "uninterpreted_option":
            continue
        for one in value if known.is_repeated else [value]:
            yield f"{known.name} = {_value(known, one)}"
    for kept in part.options.uninterpreted_option:
        yield f"{kept.name[0].name_part} = {kept.aggregate_value}"


def _value(known: Any, value: Any) -> str:
    if known.message_type is not None:
        return "{ " + text_format.MessageToString(value, as_one_line=True) + " }"
    return text_format.MessageToString(_alone(known, value), as_one_line=True).split(": ", 1)[1].strip()


def _alone(known: Any, value: Any) -> Any:
    from google.protobuf.message_factory import GetMessageClass

    message = GetMessageClass(known.containing_type)()
    if known.is_repeated:
        getattr(message, known.name).append(value)
    else:
        setattr(message, known.name, value)
    return message
