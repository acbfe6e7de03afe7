"""What of a `.proto` file decides how bytes are read: messages, fields by number, enums. Names are resolved.

A map is a repeated message with the fields 1 (key) and 2 (value), as it is on the wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Kind = Literal["scalar", "enum", "message", "group"]
Label = Literal["optional", "required", "repeated"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message.

    type: a scalar's keyword (`sint32`), or the full name of an enum or message. oneof: its oneof, empty outside of
    one (a proto3 `optional` is in none). has_presence: a reader can tell unset from the default. default: the value
    that an unset field is read as, as text; empty for the type's own zero.
    """

    number: int
    name: str
    kind: Kind
    type: str
    label: Label = "optional"
    oneof: str = ""
    is_map: bool = False
    has_presence: bool = False
    default: str = ""


@dataclass(frozen=True)
class Message:
    """A message. `local` is its name within its file: without the package, dots between enclosing messages.

    reserved: ranges of field numbers that must not be used again, both ends included.
    """

    local: str
    fields: tuple[Field, ...]
    reserved: tuple[tuple[int, int], ...] = ()

    @cached_property
    def by_number(self) -> Mapping[int, Field]:
        return {field.number: field for field in self.fields}

    @cached_property
    def by_name(self) -> Mapping[str, Field]:
        return {field.name: field for field in self.fields}

    def field(self, number: int) -> Field | None:
        return self.by_number.get(number)

    def is_reserved(self, number: int) -> bool:
        return any(first <= number <= last for first, last in self.reserved)


@dataclass(frozen=True)
class Enum:
    """An enum. A closed one (proto2) drops numbers that it does not know; an open one (proto3) keeps them.

    values: number -> name in the file's order, the first name where several share a number.
    """

    local: str
    values: Mapping[int, str]
    is_closed: bool

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(self.values.values())


@dataclass(frozen=True, slots=True)
class File:
    """A file with everything that its fields refer to, imported types included.

    own_messages, own_enums: full names of what the file itself declares, in its order (a message before those
    nested in it); entries of maps are not among them. messages, enums: full name -> what it is.
    """

    package: str
    own_messages: tuple[str, ...]
    own_enums: tuple[str, ...]
    messages: Mapping[str, Message]
    enums: Mapping[str, Enum]

    def unset(self, field: Field) -> str:
        """What an unset field of this file is read as, as text: an enum's number, empty for the type's zero."""
        if field.default or field.kind != "enum":
            return field.default
        first = next(iter(self.enums[field.type].values), 0)
        return str(first) if first else ""

    def local_messages(self) -> dict[str, str]:
        """Name without the package -> full name, of the file's own messages."""
        return {self.messages[full].local: full for full in self.own_messages}

    def local_enums(self) -> dict[str, str]:
        """Name without the package -> full name, of the file's own enums."""
        return {self.enums[full].local: full for full in self.own_enums}
