"""Avro schemas to a Contract of one record and back.

Every field of an Avro record is always there, so a field is read as required, with its default beside it. A union
of null and one other branch is a field that may be null; other unions and recursive records are read as json, and
noted. Sources: Apache Avro 1.12 specification (Schema Declaration, Logical Types, Names).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from interlock.domain.schemas.contract import Contract, Object
from interlock.domain.schemas.field import (
    Bool,
    Bytes,
    Date,
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
    Time,
    Timestamp,
    Type,
)
from interlock.domain.schemas.formats.notes import ELEMENT, VALUE, Identifiers, Notes, Path, name_of, unique_fields
from interlock.domain.schemas.scalars import double

ASIDE: Final = "interlock"
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

_PRIMITIVES: dict[str, Type] = {
    "boolean": Bool(),
    "int": Int(32),
    "long": Int(64),
    "float": Float(32),
    "double": Float(64),
    "bytes": Bytes(),
    "string": String(),
}
_LOGICAL: dict[tuple[str, str], Type] = {
    ("int", "date"): Date(),
    ("int", "time-millis"): Time("ms"),
    ("long", "time-micros"): Time("us"),
    ("long", "timestamp-millis"): Timestamp("ms"),
    ("long", "timestamp-micros"): Timestamp("us"),
    ("long", "timestamp-nanos"): Timestamp("ns"),
    ("long", "local-timestamp-millis"): Timestamp("ms", is_zoned=False),
    ("long", "local-timestamp-micros"): Timestamp("us", is_zoned=False),
    ("long", "local-timestamp-nanos"): Timestamp("ns", is_zoned=False),
}
_HELD_OF_FIELDS = frozenset({"name", "type", "doc", "default", "aliases", "order", ASIDE})
_HELD_OF_TYPES = frozenset(
    {"type", "name", "namespace", "doc", "fields", "symbols", "items", "values", "size", "logicalType", "precision",
     "scale", "aliases", ASIDE}
)  # fmt: skip


def read(document: Any, notes: Notes) -> Contract:
    """The contract of the schema's record. `notes` has what could not be held."""
    if not isinstance(document, Mapping) or document.get("type") != "record":
        notes.refuse("no_record", (), "the schema is no record", 'Write {"type": "record", ...}.')
        return Contract("", "", (Object("", ()),))
    root = _Reading(notes).field("", document, (), "")
    fields = root.type.fields if isinstance(root.type, Struct) else ()
    name = name_of(str(document.get("name", "")).rpartition(".")[2])
    return Contract(name, "", (Object(name, fields, description=_text(document.get("doc"))),))


class _Reading:
    """Reads one document. named: full name -> definition and its namespace; `open` are being read."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.named: dict[str, tuple[Mapping[str, Any], str]] = {}
        self.open: list[str] = []

    def field(self, name: str, schema: Any, path: Path, space: str) -> Field:
        self.notes.enter(path)
        anything = Field(name, Json(), nullable=True)
        match schema:
            case str() if schema in _PRIMITIVES:
                return Field(name, _PRIMITIVES[schema])
            case "null":
                self.notes.tell("null_only", path, "may only be null; read as json that may be null")
                return anything
            case str():
                return self.referred(name, schema, path, space)
            case list():
                return self.union(name, schema, path, space)
            case {"type": str(kind)}:
                return self.complex(name, kind, schema, path, space)
            case {"type": dict() | list() as inner}:
                return self.field(name, inner, path, space)
            case _:
                says = f"has {str(schema)[:60]!r}, which is no Avro schema"
                self.notes.refuse("schema_invalid", path, says, "Correct it.")
                return anything

    def union(self, name: str, branches: list[Any], path: Path, space: str) -> Field:
        others = [b for b in branches if b != "null" and b != {"type": "null"}]
        if len(others) == 1:
            return replace(self.field(name, others[0], path, space), nullable=len(others) < len(branches))
        for branch in others:  # named types that are defined here are used elsewhere
            self.field(name, branch, path, space)
        self.notes.tell("union", path, f"is a union of {len(others)} types; read as json")
        return Field(name, Json(), nullable=len(others) < len(branches))

    def referred(self, name: str, schema: str, path: Path, space: str) -> Field:
        full = schema if "." in schema or not space else f"{space}.{schema}"
        full = full if full in self.named else schema
        if full in self.open:
            self.notes.tell("recursive", path, f"contains {full} in itself; read as json from there on")
            return Field(name, Json(), nullable=True)
        if full not in self.named:
            says = f"has the type {schema!r}, which is not defined before it"
            self.notes.refuse("type_unknown", path, says, "Define it in this document.")
            return Field(name, Json(), nullable=True)
        definition, there = self.named[full]
        return self.body(name, full, definition, path, there)

    def complex(self, name: str, kind: str, schema: Mapping[str, Any], path: Path, space: str) -> Field:
        self.note_unheld(schema, _HELD_OF_TYPES, path)
        match kind:
            case "array":
                return Field(name, List(self.field("element", schema.get("items"), (*path, ELEMENT), space)))
            case "map":
                return Field(name, Map(self.field("value", schema.get("values"), (*path, VALUE), space)))
            case "record" | "error" | "enum" | "fixed":
                full, inner = _full_name(schema, space)
                if full in self.named:
                    self.notes.refuse("type_twice", path, f"defines {full} a second time", "Refer to it by name.")
                self.named[full] = (schema, inner)
                return self.body(name, full, schema, path, inner)
            case _:
                found = self.field(name, kind, path, space)
                return replace(found, **self.logical(kind, schema, path)) if kind in _PRIMITIVES else found

    def body(self, name: str, full: str, schema: Mapping[str, Any], path: Path, space: str) -> Field:
        """A named type where it is used."""
        match schema["type"]:
            case "enum":
                symbols = tuple(s for s in _list(schema.get("symbols")) if isinstance(s, str))
                if "default" in schema:
                    says = "has a symbol for what readers do not know, which a contract does not hold"
                    self.notes.tell("enum_default", path, says)
                return Field(name, String(), enum=symbols)
            case "fixed":
                size = schema.get("size")
                if not isinstance(size, int) or isinstance(size, bool) or size < 1:
                    self.notes.refuse("size_invalid", path, f"is fixed of size {size!r}", "Write its bytes.")
                    size = 1
                return replace(Field(name, Bytes(size)), **self.logical("fixed", schema, path))
            case _:
                self.open.append(full)
                try:
                    return Field(name, Struct(self.fields(schema, path, space)))
                finally:
                    self.open.pop()

    def fields(self, schema: Mapping[str, Any], path: Path, space: str) -> tuple[Field, ...]:
        found = []
        for block in _list(schema.get("fields")):
            if not isinstance(block, Mapping) or not isinstance(block.get("name"), str):
                self.notes.refuse("field_nameless", path, "has a field without a name", "Name it.")
                continue
            here = (*path, block["name"])
            self.note_unheld(block, _HELD_OF_FIELDS, here)
            one = self.field(block["name"], block.get("type"), here, space)
            found.append(
                replace(
                    one,
                    default=self.default(block, one, here),
                    aliases=tuple(a for a in _list(block.get("aliases")) if isinstance(a, str)),
                    description=_text(block.get("doc")),
                )
            )
        return unique_fields(found, path, self.notes)

    def default(self, block: Mapping[str, Any], one: Field, path: Path) -> tuple[Scalar, ...]:
        if "default" not in block:
            return ()
        value = block["default"]
        if value is None or isinstance(value, bool | str) or double(value) is not None:
            return (value,)
        self.notes.tell("default_not_held", path, "has a default that is no scalar; it is left out")
        return ()

    def logical(self, kind: str, schema: Mapping[str, Any], path: Path) -> dict[str, Any]:
        form = schema.get("logicalType")
        match kind, form:
            case _, None:
                return {}
            case "string", "uuid":
                return {"format": "uuid"}
            case "bytes" | "fixed", "decimal":
                precision, scale = schema.get("precision"), schema.get("scale", 0)
                if type(precision) is type(scale) is int and 0 <= scale <= precision <= 38:
                    return {"type": Decimal(precision, scale)}
                self.notes.tell("decimal_not_held", path, f"is decimal({precision}, {scale}); read as bytes")
                return {}
            case _, str() if (kind, form) in _LOGICAL:
                return {"type": _LOGICAL[kind, form]}
            case _:
                self.notes.tell("logical_type_not_held", path, f"has the logical type {form!r}; read as {kind}")
                return {}

    def note_unheld(self, block: Mapping[str, Any], held: frozenset[str], path: Path) -> None:
        for key in block:
            if key not in held and not (key == "default" and block.get("type") == "enum"):
                self.notes.tell("keyword_not_held", path, f"has `{key}`, which a contract does not hold")


def _full_name(schema: Mapping[str, Any], space: str) -> tuple[str, str]:
    """The full name of a definition, and the namespace within it."""
    name = str(schema.get("name", ""))
    if "." in name:
        return name, name.rpartition(".")[0]
    inner = str(schema.get("namespace", space))
    return (f"{inner}.{name}" if inner else name), inner


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def write(contract: Contract) -> dict[str, Any]:
    """The schema of the contract's record."""
    writing = _Writing()
    record = contract.record
    document = writing.record(contract.name or "record", record.fields)
    return document | ({"doc": record.description} if record.description else {})


class _Writing:
    """Writes one document, in which each named type has a name of its own."""

    def __init__(self) -> None:
        self.types = Identifiers()

    def record(self, name: str, fields: tuple[Field, ...]) -> dict[str, Any]:
        names = Identifiers()
        given = self.types.give(name)
        return {"type": "record", "name": given, "fields": [self.field(f, names.give(f.name)) for f in fields]}

    def field(self, one: Field, name: str) -> dict[str, Any]:
        default = [v for v in one.default if _fits_avro(v, one)]
        block: dict[str, Any] = {"name": name, "type": self.nullable(one, name, is_first=default != [None])}
        if default:
            block["default"] = default[0]
        if one.aliases:
            block["aliases"] = [a for a in one.aliases if _IDENTIFIER.fullmatch(a)]
        return block | ({"doc": one.description} if one.description else {})

    def nullable(self, one: Field, name: str, is_first: bool = False) -> Any:
        """The type, in a union with null where the field may be null. A default is of the first branch."""
        written = self.type(one, name)
        if not one.nullable:
            return written
        return [written, "null"] if is_first and one.default else ["null", written]

    def type(self, one: Field, name: str) -> Any:
        match one.type:
            case List(element=inner):
                return {"type": "array", "items": self.nullable(inner, f"{name}_element")}
            case Map(value=inner):
                return {"type": "map", "values": self.nullable(inner, f"{name}_value")}
            case Struct(fields=fields):
                return self.record(name, fields)
            case Tensor(element=element, dims=dims):
                nested = self.type(Field(name, element), name)
                for _ in dims:
                    nested = {"type": "array", "items": nested}
                return nested
            case String() if _is_enum(one):
                return {"type": "enum", "name": self.types.give(name), "symbols": list(one.enum)}
            case String() if one.format == "uuid":
                return {"type": "string", "logicalType": "uuid"}
            case Bytes(size=size) if size:
                return {"type": "fixed", "name": self.types.give(name), "size": size}
            case Decimal(precision=precision, scale=scale):
                return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}
            case Int(bits=64, is_signed=False):
                return {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 0}
            case other:
                return _plain(other)


def _plain(one: Type) -> Any:
    """A type that needs no name: the nearest one of Avro's that holds its values."""
    exact = {found: name for name, found in _PRIMITIVES.items()}
    logical = {found: {"type": kind, "logicalType": form} for (kind, form), found in _LOGICAL.items()}
    match one:
        case _ if one in exact:
            return exact[one]
        case _ if one in logical:
            return logical[one]
        case Int(bits=bits, is_signed=is_signed):
            return "int" if bits in (8, 16) or (bits == 32 and is_signed) else "long"
        case Float():
            return "float"
        case Number():
            return "double"
        case Time(unit=unit):
            return {"type": "int", "logicalType": "time-millis"} if unit == "s" else "long"
        case Timestamp(is_zoned=is_zoned):
            return {"type": "long", "logicalType": f"{'' if is_zoned else 'local-'}timestamp-millis"}
        case Duration():
            return "long"
        case _:
            return "string"


def _is_enum(one: Field) -> bool:
    return bool(one.enum) and all(isinstance(v, str) and _IDENTIFIER.fullmatch(v) for v in one.enum)


def _fits_avro(value: Scalar, one: Field) -> bool:
    """Whether Avro takes the value as the default of the field."""
    match one.type, value:
        case _, None:
            return one.nullable
        case (Bool(), bool()) | (String(), str()):
            return not one.enum or not _is_enum(one) or value in one.enum
        case Int(bits=bits, is_signed=is_signed), int() if not isinstance(value, bool):
            top = 1 << (31 if bits in (8, 16) or (bits == 32 and is_signed) else 63)
            return (bits, is_signed) != (64, False) and -top <= value < top
        case Float() | Number(), int() | float():
            return not isinstance(value, bool)
        case _:
            return False
