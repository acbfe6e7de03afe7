"""Protobuf files to a Contract, one object per message that stands at the top, and back (proto3).

The number of a field is its stable id. A field without presence is read as one that may be left out and then has
its zero; an enum as text, by the names that its JSON form has. What a contract does not hold (oneof, numbers of
enums, recursion) is noted. Sources: Protocol Buffers language guide (proto 3), ProtoJSON format, well-known types.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from interlock.domain.schemas.contract import Contract, Object
from interlock.domain.schemas.fault import SchemaUnreadable
from interlock.domain.schemas.field import (
    Bool,
    Bytes,
    Decimal,
    Duration,
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
from interlock.domain.schemas.formats.notes import ELEMENT, VALUE, Identifiers, Notes, Path, name_of
from interlock.domain.schemas.formats.text import decoded
from interlock.domain.schemas.protobuf import model
from interlock.domain.schemas.protobuf.compile import compile_schema
from interlock.kernel.finding import Severity

_SCALARS: dict[str, Type] = {
    "double": Float(64),
    "float": Float(32),
    "bool": Bool(),
    "string": String(),
    "bytes": Bytes(),
    **dict.fromkeys(("int32", "sint32", "sfixed32"), Int(32)),
    **dict.fromkeys(("int64", "sint64", "sfixed64"), Int(64)),
    **dict.fromkeys(("uint32", "fixed32"), Int(32, is_signed=False)),
    **dict.fromkeys(("uint64", "fixed64"), Int(64, is_signed=False)),
}
_WORDS: dict[Type, str] = {
    Float(64): "double",
    Float(32): "float",
    Bool(): "bool",
    String(): "string",
    Bytes(): "bytes",
    Int(32): "int32",
    Int(64): "int64",
    Int(32, is_signed=False): "uint32",
    Int(64, is_signed=False): "uint64",
}
_WELL_KNOWN: dict[str, Type] = {
    "google.protobuf.Timestamp": Timestamp("ns"),
    "google.protobuf.Duration": Duration("ns"),
    "google.protobuf.Value": Json(),
    "google.protobuf.Struct": Map(Field("value", Json(), nullable=True)),
    "google.protobuf.ListValue": List(Field("element", Json(), nullable=True)),
}
_WRAPPED = {
    f"google.protobuf.{name}Value": kind
    for name, kind in (
        *(("Double", "double"), ("Float", "float"), ("Int64", "int64"), ("UInt64", "uint64"), ("Int32", "int32")),
        *(("UInt32", "uint32"), ("Bool", "bool"), ("String", "string"), ("Bytes", "bytes")),
    )
}
_TAKEN = range(19_000, 20_000)
"""Numbers that Protobuf keeps for itself."""


def parse(content: bytes, source: str) -> model.File:
    """The file; SchemaUnreadable with line and column."""
    try:
        return compile_schema(decoded(content, source), {}).file
    except SchemaUnreadable as fault:
        where = fault.where.replace("line ", ":").replace(" column ", ":")
        raise SchemaUnreadable(fault.message, remedy=fault.remedy, where=f"{source}{where}") from fault


def read(document: Any, notes: Notes) -> Contract:
    """The contract of the file's messages. `notes` has what could not be held."""
    file: model.File = document
    tops = [full for local, full in file.local_messages().items() if "." not in local]
    if not tops:
        notes.refuse("no_record", (), "the file has no message", "Add one.")
        return Contract("", "", ())
    reading = _Reading(file, notes)
    objects = [
        Object(file.messages[full].local, reading.fields(full, (file.messages[full].local,))) for full in tops
    ]
    return Contract(name_of(objects[0].name), "", tuple(objects))


@dataclass(slots=True)
class _Reading:
    file: model.File
    notes: Notes
    open: list[str] = field(default_factory=list)

    def fields(self, full: str, path: Path) -> tuple[Field, ...]:
        self.open.append(full)
        try:
            return tuple(self.field(one, (*path, one.name)) for one in self.file.messages[full].fields)
        finally:
            self.open.pop()

    def field(self, one: model.Field, path: Path) -> Field:
        self.notes.enter(path)
        if one.oneof:
            says = f"is in the oneof {one.oneof}, of which at most one is there; a contract does not hold that"
            self.notes.tell("oneof", path, says)
        is_list = one.label == "repeated" and not one.is_map
        found = replace(self.single(one, (*path, ELEMENT) if is_list else path), id=str(one.number))
        if one.is_map:
            value = self.map_value(one, path)
            return replace(found, type=Map(value), nullable=False, enum=(), required=False)
        if is_list:
            element = Field("element", found.type, nullable=found.nullable, enum=found.enum)
            return replace(found, type=List(element), nullable=False, enum=(), required=False)
        default = self.default(one, found) if one.default or not one.has_presence else ()
        return replace(found, required=one.label == "required", default=default)

    def single(self, one: model.Field, path: Path) -> Field:
        """The field as if it were neither repeated nor a map."""
        if one.is_map:
            return Field(one.name, Json())
        if one.kind == "scalar":
            return Field(one.name, _SCALARS[one.type])
        if one.kind == "enum":
            says = "is an enum, read as text by its names; the numbers of its values are not held"
            self.notes.tell("enum_numbers", path, says, severity=Severity.INFO)
            return Field(one.name, String(), enum=tuple(self.file.enums[one.type].values.values()))
        if one.type in _WELL_KNOWN:
            return Field(one.name, _WELL_KNOWN[one.type])
        if one.type in _WRAPPED:
            return Field(one.name, _SCALARS[_WRAPPED[one.type]], nullable=True)
        if one.type in self.open:
            self.notes.tell("recursive", path, f"contains {one.type} in itself; read as json from there on")
            return Field(one.name, Json(), nullable=True)
        return Field(one.name, Struct(self.fields(one.type, path)))

    def map_value(self, one: model.Field, path: Path) -> Field:
        entry = self.file.messages[one.type]
        key, value = entry.field(1), entry.field(2)
        if key is not None and key.type != "string":
            self.notes.tell("map_key", path, f"has keys of {key.type}; read as text, as in JSON")
        found = self.single(value, (*path, VALUE)) if value is not None else Field("value", Json())
        return replace(found, name="value")

    def default(self, one: model.Field, found: Field) -> tuple[Scalar, ...]:
        """The value that a reader sees when the field is not there."""
        match found.type:
            case Bool():
                return (one.default == "true",)
            case Int():
                return (int(one.default or 0),)
            case Float():
                return (float(one.default or 0),)
            case String():
                return (one.default or (found.enum[0] if found.enum else ""),)
            case Bytes():
                return () if one.default else ("",)
            case _:
                return ()


def write(contract: Contract) -> str:
    """A proto3 file with one message per object."""
    names, imports, blocks = Identifiers(), set[str](), []
    for one in contract.objects:
        writing = _Writing(imports)
        blocks.append("\n".join(writing.message(names.give(one.name or contract.name), one.fields, "")))
    head = ['syntax = "proto3";', *(f'import "google/protobuf/{name}.proto";' for name in sorted(imports))]
    return "\n\n".join(["\n".join(head), *blocks]) + "\n"


def render(document: Any) -> bytes:
    """The text as bytes."""
    return str(document).encode()


@dataclass(slots=True)
class _Writing:
    imports: set[str]

    def message(self, name: str, fields: tuple[Field, ...], indent: str) -> Iterator[str]:
        names, inner = Identifiers(), indent + "  "
        numbers = _numbers(fields)
        yield f"{indent}message {name} {{"
        given = [(one, names.give(one.name)) for one in fields]
        symbols: set[str] = {label for _, label in given}
        for (one, label), number in zip(given, numbers, strict=True):
            nested = names.give(f"{label.title().replace('_', '') or 'Inner'}_")
            held = (
                one.type.element
                if isinstance(one.type, List)
                else one.type.value
                if isinstance(one.type, Map)
                else one
            )
            if isinstance(held.type, Struct):
                yield from self.message(nested, held.type.fields, inner)
            elif _is_enum(held, symbols):
                symbols |= {str(v) for v in held.enum}
                yield f"{inner}enum {nested} {{"
                yield from (f"{inner}  {value} = {place};" for place, value in enumerate(held.enum))
                yield f"{inner}}}"
            else:
                nested = self.word(held)
            label_type = (
                f"{self.prefix(one)}{nested}" if not isinstance(one.type, Map) else f"map<string, {nested}>"
            )
            yield f"{inner}{label_type} {label} = {number};"
        yield f"{indent}}}"

    def prefix(self, one: Field) -> str:
        return "repeated " if isinstance(one.type, List | Tensor) else "" if one.nullable else "optional "

    def word(self, one: Field) -> str:
        """The type of a value that is no message and no enum."""
        found = one.type.element if isinstance(one.type, Tensor) else one.type
        if one.nullable and _nearest(found) in _WRAPPED.values():
            self.imports.add("wrappers")
            return next(name for name, kind in _WRAPPED.items() if kind == _nearest(found))
        match found:
            case Timestamp(is_zoned=True):
                self.imports.add("timestamp")
                return "google.protobuf.Timestamp"
            case Duration():
                self.imports.add("duration")
                return "google.protobuf.Duration"
            case List() | Map() | Struct() | Json() | Tensor():
                self.imports.add("struct")
                return "google.protobuf.Value"
            case _:
                return _nearest(found)


def _nearest(one: Type) -> str:
    """The scalar that holds the values of the type; text for what has none."""
    if one in _WORDS:
        return _WORDS[one]
    match one:
        case Int(bits=bits, is_signed=is_signed):
            return ("int32" if is_signed else "uint32") if bits in (8, 16) else "int64"
        case Float():
            return "float"
        case Number():
            return "double"
        case Bytes():
            return "bytes"
        case List() | Map() | Struct() | Json() | Tensor() | Duration() | Timestamp(is_zoned=True):
            return ""
        case Decimal() | _:
            return "string"


def _is_enum(one: Field, symbols: set[str]) -> bool:
    """Whether the enum's values can be names beside those that the message has already."""
    if not one.enum or not isinstance(one.type, String) or one.nullable:
        return False
    texts = [v for v in one.enum if isinstance(v, str)]
    is_free = len(texts) == len(one.enum) == len(set(texts)) and not symbols & set(texts)
    return is_free and all(v.isidentifier() and v.isascii() for v in texts)


def _numbers(fields: tuple[Field, ...]) -> list[int]:
    """The ids where they are numbers of fields, each once; free numbers for the others."""
    wanted = [int(f.id) if f.id.isdecimal() and len(f.id) < 10 and f.id.isascii() else 0 for f in fields]
    used: set[int] = set()
    for place, number in enumerate(wanted):
        if not 0 < number < 2**29 or number in _TAKEN or number in used:
            wanted[place] = 0
        used.add(wanted[place])
    free = (n for n in range(1, 2**29) if n not in used and n not in _TAKEN)
    return [number or next(free) for number in wanted]
