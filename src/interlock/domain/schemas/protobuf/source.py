"""`.proto` text to a file descriptor (google.protobuf's own model of a file).

Text is parsed by proto-schema-parser (Buf's grammar); a syntax error is told with its line and column. Options that
are no part of the descriptor's vocabulary are kept as uninterpreted ones, so that two texts which differ in them
have different descriptors.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2 as pb
from google.protobuf import text_encoding, text_format
from google.protobuf.message import Message as Wire

from interlock.domain.schemas.fault import SchemaUnreadable

_SCALARS = {
    name.removeprefix("TYPE_").lower(): number
    for name, number in pb.FieldDescriptorProto.Type.items()
    if name not in ("TYPE_GROUP", "TYPE_MESSAGE", "TYPE_ENUM")
}
_LABELS = {name.removeprefix("LABEL_"): number for name, number in pb.FieldDescriptorProto.Label.items()}
_REPEATED = pb.FieldDescriptorProto.LABEL_REPEATED
_GROUP = pb.FieldDescriptorProto.TYPE_GROUP
_MESSAGE = pb.FieldDescriptorProto.TYPE_MESSAGE
_LAST_NUMBER = 536_870_911
_LAST_ENUM = 2**31 - 1


def from_text(text: str, name: str) -> pb.FileDescriptorProto:
    """The descriptor of `text` as the file `name`. SchemaUnreadable when it is no `.proto` file."""
    tree = _parsed(text)
    file = pb.FileDescriptorProto(name=name)
    if tree.edition:
        file.syntax = "editions"
        try:
            file.edition = pb.Edition.Value(f"EDITION_{tree.edition}")
        except ValueError:
            raise SchemaUnreadable(f"there is no edition {tree.edition!r} of Protobuf") from None
    elif tree.syntax in (None, "proto2", "proto3"):
        file.syntax = tree.syntax or "proto2"
    else:
        raise SchemaUnreadable(f"the syntax is {tree.syntax!r}", remedy='Write "proto2" or "proto3".')
    try:
        for element in tree.file_elements:
            _file_element(file, element)
    except (ValueError, TypeError) as error:  # the descriptor's own fields have bounds
        raise SchemaUnreadable(f"the schema is not valid: {error}") from error
    return file


@cache
def _tools() -> Any:
    """The parser, made to raise at the first error. Imported late: it takes a third of a second."""
    from antlr4.error.ErrorListener import ErrorListener
    from proto_schema_parser import ast
    from proto_schema_parser.parser import Parser

    class Raising(ErrorListener):  # type: ignore[misc]  # the runtime of the grammar has no types
        def syntaxError(
            self, _recognizer: Any, _token: Any, line: int, column: int, says: str, _error: Any
        ) -> None:
            raise SchemaUnreadable(says[:300], where=f"line {line} column {column + 1}")

    def strict(part: Any) -> None:
        part.removeErrorListeners()
        part.addErrorListener(Raising())

    return ast, Parser(setup_lexer=strict, setup_parser=strict)


def _parsed(text: str) -> Any:
    _, parser = _tools()
    try:
        return parser.parse(text)
    except (ValueError, AttributeError, TypeError) as error:  # numbers that its grammar allows and it does not read
        raise SchemaUnreadable(
            f"the schema cannot be read: {error}", remedy="Write numbers of fields and enums as decimals."
        ) from error
    except RecursionError:
        raise SchemaUnreadable("the schema is nested too deeply to be read") from None


def _file_element(file: pb.FileDescriptorProto, element: Any) -> None:
    match type(element).__name__:
        case "Package":
            file.package = element.name
        case "Import":
            if element.public:
                file.public_dependency.append(len(file.dependency))
            elif element.weak:
                file.weak_dependency.append(len(file.dependency))
            file.dependency.append(element.name)
        case "Option":
            _option(file.options, element)
        case "Message":
            _message(file.message_type.add(), element, file)
        case "Enum":
            _enum(file.enum_type.add(), element)
        case "Extension":
            _extension(file.extension, file.message_type, element, file)
        case "Service":
            _service(file.service.add(), element)


def _message(message: pb.DescriptorProto, source: Any, file: pb.FileDescriptorProto) -> None:
    message.name = source.name
    _message_elements(message, source.elements, file)
    if file.syntax == "proto3":
        _presence_oneofs(message)


def _message_elements(message: pb.DescriptorProto, elements: Sequence[Any], file: pb.FileDescriptorProto) -> None:
    for element in elements:
        match type(element).__name__:
            case "Field" | "MapField" | "Group":
                _field(message.field, message.nested_type, element, file)
            case "OneOf":
                _oneof(message, element, file)
            case "Message":
                _message(message.nested_type.add(), element, file)
            case "Enum":
                _enum(message.enum_type.add(), element)
            case "Extension":
                _extension(message.extension, message.nested_type, element, file)
            case "Option":
                _option(message.options, element)
            case "Reserved":
                message.reserved_name.extend(element.names)
                for first, last in _ranges(element.ranges, _LAST_NUMBER):
                    message.reserved_range.add(start=first, end=last + 1)
            case "ExtensionRange":
                for first, last in _ranges(element.ranges, _LAST_NUMBER):
                    message.extension_range.add(start=first, end=last + 1)


def _presence_oneofs(message: pb.DescriptorProto) -> None:
    """A proto3 `optional` is a oneof of its own, after the others (descriptor.proto, `proto3_optional`)."""
    for field in message.field:
        if field.proto3_optional:
            field.oneof_index = len(message.oneof_decl)
            message.oneof_decl.add(name=f"_{field.name}")


def _oneof(message: pb.DescriptorProto, source: Any, file: pb.FileDescriptorProto) -> None:
    index = len(message.oneof_decl)
    oneof = message.oneof_decl.add(name=source.name)
    for element in source.elements:
        match type(element).__name__:
            case "Field" | "Group":
                field = _field(message.field, message.nested_type, element, file)
                field.oneof_index = index
                field.ClearField("proto3_optional")
            case "Option":
                _option(oneof.options, element)


def _field(fields: Any, nested: Any, source: Any, file: pb.FileDescriptorProto) -> pb.FieldDescriptorProto:
    field: pb.FieldDescriptorProto = fields.add(name=source.name, number=source.number, label=1)
    cardinality = getattr(source, "cardinality", None)
    if cardinality is not None:
        field.label = _LABELS[cardinality.value]
        field.proto3_optional = file.syntax == "proto3" and cardinality.value == "OPTIONAL"
        if not field.proto3_optional:
            field.ClearField("proto3_optional")
    match type(source).__name__:
        case "Group":
            field.name, field.type, field.type_name = source.name.lower(), _GROUP, source.name
            group = nested.add(name=source.name)
            _message_elements(group, source.elements, file)
        case "MapField":
            entry = nested.add(name=_entry_name(source.name))
            entry.options.map_entry = True
            _typed(entry.field.add(name="key", number=1, label=1), source.key_type)
            _typed(entry.field.add(name="value", number=2, label=1), source.value_type)
            field.label, field.type, field.type_name = _REPEATED, _MESSAGE, entry.name
        case _:
            _typed(field, source.type)
    for option in getattr(source, "options", ()):
        _field_option(field, option)
    return field


def _typed(field: pb.FieldDescriptorProto, type_name: str) -> None:
    if type_name in _SCALARS:
        field.type = _SCALARS[type_name]
    else:
        field.type_name = type_name


def _entry_name(field: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in field.split("_")) + "Entry"


def _field_option(field: pb.FieldDescriptorProto, option: Any) -> None:
    value = option.value
    if option.name == "json_name":
        field.json_name = str(value)
    elif option.name == "default":
        if field.type == pb.FieldDescriptorProto.TYPE_STRING:
            value = text_encoding.CUnescape(value).decode(errors="replace")
        field.default_value = _plain(value)
    else:
        _option(field.options, option)


def _enum(enum: pb.EnumDescriptorProto, source: Any) -> None:
    enum.name = source.name
    for element in source.elements:
        match type(element).__name__:
            case "EnumValue":
                value = enum.value.add(name=element.name, number=_int32(element))
                for option in element.options:
                    _option(value.options, option)
            case "Option":
                _option(enum.options, element)
            case "EnumReserved":
                enum.reserved_name.extend(element.names)
                for first, last in _ranges(element.ranges, _LAST_ENUM):
                    enum.reserved_range.add(start=first, end=last)


def _int32(value: Any) -> int:
    number: int = value.number
    if not -(2**31) <= number < 2**31:
        raise SchemaUnreadable(f"the number {number} of `{value.name}` does not fit 32 bits")
    return number


def _extension(fields: Any, nested: Any, source: Any, file: pb.FileDescriptorProto) -> None:
    for element in source.elements:
        if type(element).__name__ in ("Field", "Group"):
            field = _field(fields, nested, element, file)
            field.extendee = source.typeName
            field.ClearField("proto3_optional")


def _service(service: pb.ServiceDescriptorProto, source: Any) -> None:
    service.name = source.name
    for element in source.elements:
        match type(element).__name__:
            case "Option":
                _option(service.options, element)
            case "Method":
                method = service.method.add(
                    name=element.name,
                    input_type=element.input_type.type,
                    output_type=element.output_type.type,
                    client_streaming=element.input_type.stream,
                    server_streaming=element.output_type.stream,
                )
                for option in element.elements:
                    if type(option).__name__ == "Option":
                        _option(method.options, option)


def _ranges(texts: Sequence[str], last: int) -> list[tuple[int, int]]:
    """`4`, `9 to 11`, `100 to max` as (first, last), both included."""
    found = []
    for text in texts:
        first, _, end = (part.strip() for part in text.partition(" to "))
        try:
            pair = int(first), last if end == "max" else int(end or first)
        except ValueError:
            raise SchemaUnreadable(f"{text!r} is no range of numbers", remedy="Write decimals.") from None
        if not all(-(2**31) <= n <= last for n in pair) or pair[1] < pair[0]:
            raise SchemaUnreadable(f"the range {text!r} is empty or out of bounds")
        found.append(pair)
    return found


def _option(options: Any, option: Any) -> None:
    """Set a known option, or keep an unknown one as it is written."""
    known = options.DESCRIPTOR.fields_by_name.get(option.name.split(".")[0])
    if known is None or known.name == "uninterpreted_option":
        kept = options.uninterpreted_option.add(aggregate_value=_literal(option.value))
        kept.name.add(name_part=option.name, is_extension=False)  # the whole name, as it is written
        return
    inner, closing = option.name.replace(".", " { "), " }" * option.name.count(".")
    is_nested = type(option.value).__name__ == "MessageLiteral"
    text = f"{inner} {_literal(option.value)}" if is_nested else f"{inner}: {_literal(option.value)}"
    _merge(f"{text}{closing}", options, option.name)


def _merge(text: str, options: Wire, name: str) -> None:
    try:
        text_format.Merge(text, options)
    except text_format.ParseError as error:
        raise SchemaUnreadable(f"the option `{name}` has no value that it may have: {error}") from error


def _literal(value: Any) -> str:
    """A value of an option in the text format."""
    match type(value).__name__:
        case "MessageLiteral":
            fields = (e for e in value.elements if type(e).__name__ == "MessageLiteralField")
            return "{ " + " ".join(f"{f.name}: {_literal(f.value)}" for f in fields) + " }"
        case "list":
            return "[" + ", ".join(_literal(v) for v in value) + "]"
        case "str":
            return f'"{value}"'  # escapes are still as they were written
        case _:
            return _plain(value)


def _plain(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float() | str():
            return str(value)
        case _:
            return str(value.name)
