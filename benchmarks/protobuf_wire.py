"""Real Protobuf messages against the differ's verdicts: schemas and values by chance, encoded by one, decoded by
another.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from interlock.domain.schemas.protobuf.compile import Compiled, compile_schema

INTEGERS = {
    **dict.fromkeys(("int32", "sint32", "sfixed32"), (-(2**31), 2**31 - 1)),
    **dict.fromkeys(("int64", "sint64", "sfixed64"), (-(2**63), 2**63 - 1)),
    **dict.fromkeys(("uint32", "fixed32"), (0, 2**32 - 1)),
    **dict.fromkeys(("uint64", "fixed64"), (0, 2**64 - 1)),
}
SCALARS = (*INTEGERS, "bool", "float", "double", "string", "bytes")
KEYS = ("int32", "int64", "uint32", "bool", "string")
NUMBERS = range(1, 6)


def schema_text(chance: random.Random) -> str:
    """A file with the messages M and N and the enum E, all of them random."""
    syntax = chance.choice(("proto2", "proto3"))
    named = (f"{'M' if n < 0 else 'P'}{abs(n)} = {n};" for n in (1, 2, -1, 7) if chance.random() < 0.6)
    enum = ["Z = 0;", *named]
    enums = f"enum E {{ {' '.join(enum)} }}"
    return "\n".join(
        [f'syntax = "{syntax}";', enums, message_text("N", chance, syntax, 2), message_text("M", chance, syntax, 5)]
    )


def message_text(name: str, chance: random.Random, syntax: str, most: int) -> str:
    numbers = sorted(chance.sample(NUMBERS, chance.randint(1, most)))
    inside = [n for n in numbers if chance.random() < 0.35]
    lines = [field_text(n, chance, syntax, is_nested=name == "N") for n in numbers if n not in inside]
    if inside:
        members = " ".join(f"{chance.choice(SCALARS)} f{n} = {n};" for n in inside)
        lines.append(f"oneof {chance.choice('ab')} {{ {members} }}")
    return f"message {name} {{ {' '.join(lines)} }}"


def field_text(number: int, chance: random.Random, syntax: str, *, is_nested: bool) -> str:
    if chance.random() < 0.1:
        return f"map<{chance.choice(KEYS)}, {chance.choice(SCALARS)}> f{number} = {number};"
    kind = chance.choice((*SCALARS, "E", "E") if is_nested else (*SCALARS, "E", "E", "N", "N"))
    labels = ("optional", "repeated", "required") if syntax == "proto2" else ("", "optional", "repeated")
    label = chance.choices(labels, (5, 3, 1))[0]
    return f"{label} {kind} f{number} = {number};"


def edited(text: str, chance: random.Random) -> str:
    """`text` with a word or two replaced, so that it is often still compatible."""
    words = text.split(" ")
    for _ in range(chance.randint(1, 2)):
        places = [i for i, word in enumerate(words) if word in SCALARS or word in ("optional", "repeated")]
        if places:
            at = chance.choice(places)
            words[at] = chance.choice(("optional", "repeated") if words[at] not in SCALARS else SCALARS)
    return " ".join(words)


def pairs(seed: int, count: int) -> Iterator[tuple[Compiled, Compiled]]:
    """(writer, reader) of valid schemas: most readers are edits of the writer, the others know nothing of it."""
    chance = random.Random(seed)
    for _ in range(count):
        writer = schema_text(chance)
        reader = edited(writer, chance) if chance.random() < 0.7 else schema_text(chance)
        yield compile_schema(writer, {}), compile_schema(reader, {})


def message_class(compiled: Compiled, name: str) -> Any:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(descriptor_pb2.FileDescriptorProto.FromString(compiled.serialized))
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def fill(message: Any, chance: random.Random) -> None:
    """Values at the edges of their types; each field is set or left."""
    for field in message.DESCRIPTOR.fields:
        if not field.is_required and chance.random() < 0.25:
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            key, value = field.message_type.fields
            getattr(message, field.name)[scalar(key, chance)] = scalar(value, chance)
        elif field.is_repeated:
            for _ in range(chance.randint(1, 3)):
                if field.message_type is not None:
                    fill(getattr(message, field.name).add(), chance)
                else:
                    getattr(message, field.name).append(scalar(field, chance))
        elif field.message_type is not None:
            getattr(message, field.name).SetInParent()
            fill(getattr(message, field.name), chance)
        else:
            setattr(message, field.name, scalar(field, chance))


def scalar(field: Any, chance: random.Random) -> Any:
    name = descriptor_pb2.FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    if name in INTEGERS:
        low, high = INTEGERS[name]
        return chance.choice((low, high, 0, 1, 5, high // 2, chance.randint(low, high)))
    match name:
        case "bool":
            return chance.random() < 0.5
        case "float" | "double":
            return chance.choice((0.0, 1.5, -2.25, 1e30))
        case "string":
            return chance.choice(("", "é", "text"))
        case "bytes":
            return chance.choice((b"", b"\xff\xfe", b"x"))
        case _:
            return chance.choice([v.number for v in field.enum_type.values])


def refutation(writer: Compiled, reader: Compiled, chance: random.Random, tries: int) -> str:
    """Why `reader` does not read what `writer` writes, by an example; empty when none was found."""
    for name in ("M", "N"):
        written_by, read_by = message_class(writer, name), message_class(reader, name)
        for _ in range(tries):
            written = written_by()
            fill(written, chance)
            if problem := misread(written, read_by()):
                return f"{name} {written}: {problem}"
    return ""


def misread(written: Any, read: Any) -> str:
    """What goes wrong when the empty message `read` takes in what `written` holds."""
    try:
        read.ParseFromString(written.SerializePartialToString())
    except DecodeError as error:
        return str(error)
    if written.IsInitialized() and not read.IsInitialized():
        return "a required field is missing"
    return difference(written, read)


def difference(written: Any, read: Any) -> str:
    """The first field that both have and that is read as another value than was written."""
    for field in written.DESCRIPTOR.fields:
        other = read.DESCRIPTOR.fields_by_number.get(field.number)
        if other is not None and (problem := unequal(values(written, field), values(read, other), field, other)):
            return f"field {field.number}: {problem}"
    return ""


def values(message: Any, field: Any) -> list[Any]:
    """What is there, as a list; unset and the implicit zero are both nothing."""
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return sorted(dict(getattr(message, field.name)).items(), key=repr)
    if field.is_repeated:
        return list(getattr(message, field.name))
    if field.has_presence:
        return [getattr(message, field.name)] if message.HasField(field.name) else []
    value = getattr(message, field.name)
    return [value] if value else []


def unequal(one: list[Any], other: list[Any], field: Any, read: Any) -> str:
    if not read.has_presence and not read.is_repeated:
        one = [v for v in one if v not in (0, "", b"", False)]  # zero and unset are the same to such a reader
    if len(one) != len(other):
        return f"{one} became {other}"
    for a, b in zip(one, other, strict=True):
        if hasattr(a, "DESCRIPTOR") and hasattr(b, "DESCRIPTOR"):
            if problem := difference(a, b):
                return problem
        elif same(a) != same(b):
            return f"{a!r} became {b!r}"
    return ""


def same(value: Any) -> Any:
    """Text as its bytes, truth as a number."""
    match value:
        case tuple():
            return tuple(same(v) for v in value)
        case str():
            return value.encode()
        case bool():
            return int(value)
        case _:
            return value
