"""JSON Schema, drafts 7 and 2020-12, to a Contract of one record and back.

Held: types, formats, enum and const, bounds, lengths, patterns, items, required, defaults that are scalars, closed
content, local references. What an instance may be beyond that (unions, conditions, tuples, recursion) is read as
json, or left out, and noted; references to other documents are refused and never fetched.

Sources: JSON Schema draft 7 and 2020-12 (core and validation), OpenAPI Initiative format registry.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Literal
from urllib.parse import unquote

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
from interlock.domain.schemas.formats.notes import ELEMENT, VALUE, Notes, Path, name_of
from interlock.domain.schemas.scalars import double, identity

Draft = Literal["7", "2020-12"]
ASIDE: Final = "x-interlock"
DIALECTS: Final[Mapping[Draft, str]] = {
    "7": "http://json-schema.org/draft-07/schema#",
    "2020-12": "https://json-schema.org/draft/2020-12/schema",
}

_INTS = {
    f"{'' if signed else 'u'}int{bits}": Int(bits, signed) for bits in (8, 16, 32, 64) for signed in (True, False)
}
_FLOATS = {"float16": Float(16), "float": Float(32), "double": Float(64)}
_TEXTS: dict[str, Type] = {
    "date": Date(),
    "date-time": Timestamp(),
    "date-time-local": Timestamp(is_zoned=False),
    "time-local": Time(),
    "duration": Duration(),
}
_ANY = ("array", "boolean", "number", "object", "string")
_ANNOTATIONS = frozenset(
    {"$schema", "$id", "$comment", "$defs", "definitions", "$anchor", "title", "examples", ASIDE}
)
_COMBINERS = frozenset({"anyOf", "oneOf", "allOf"})
_HELD = _ANNOTATIONS | {
    "$ref", "type", "enum", "const", "default", "description", "deprecated", "format", "properties", "required",
    "additionalProperties", "items", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems", "contentEncoding",
}  # fmt: skip


def read(document: Any, notes: Notes) -> Contract:
    """The contract of the instances that the schema describes. `notes` has what could not be held."""
    reading = _Reading(document, notes)
    title = document.get("title", "") if isinstance(document, Mapping) else ""
    root = reading.field("", document, ())
    name = name_of(title) if isinstance(title, str) else ""
    match root.type:
        case Struct(fields=fields, is_open=is_open):
            record = Object(name, fields, is_open, description=root.description)
        case Json():
            record = Object(name, (), description=root.description)
        case _:
            notes.refuse("no_record", (), f"the schema is of {root.type.kind}, not of an object", "Wrap it in one.")
            record = Object(name, ())
    return Contract(name, "", (record,))


class _Reading:
    """Reads one document; `open_refs` are the references that are being followed."""

    def __init__(self, document: Any, notes: Notes) -> None:
        self.document = document
        self.notes = notes
        self.open_refs: list[str] = []
        is_draft_7 = isinstance(document, Mapping) and "draft-07" in str(document.get("$schema", ""))
        # Draft 7 ignores what stands beside a reference.
        self.beside_ref = frozenset({"description"}) if is_draft_7 else (_HELD | _COMBINERS) - {"$ref"}

    def field(self, name: str, schema: Any, path: Path) -> Field:
        """The field whose values `schema` describes; `required` is for the caller to say."""
        self.notes.enter(path)
        anything = Field(name, Json(), nullable=True)
        if schema is True or schema == {}:
            return anything
        if not isinstance(schema, Mapping):
            says = "is false: no value is valid" if schema is False else "is no schema"
            self.notes.refuse("schema_invalid", path, says, "Write an object or true.")
            return anything
        if "$ref" in schema:
            return self.referred(name, schema, path)
        if (inner := _only_alternative(schema)) is not None:
            key, chosen, is_nullable = inner
            one = self.field(name, {**chosen, **{k: v for k, v in schema.items() if k != key}}, path)
            return replace(one, nullable=one.nullable or is_nullable)
        return self.direct(name, schema, path)

    def referred(self, name: str, schema: Mapping[str, Any], path: Path) -> Field:
        ref = schema["$ref"]
        anything = Field(name, Json(), nullable=True)
        if not isinstance(ref, str) or not ref.startswith("#"):
            says = f"refers to {str(ref)[:100]!r}, outside of this document; nothing is fetched"
            self.notes.refuse("remote_reference", path, says, "Put what it refers to under $defs.")
            return anything
        if ref in self.open_refs:
            self.notes.tell("recursive", path, f"contains itself through {ref}; read as json from there on")
            return anything
        found, target = _pointed(self.document, ref)
        if not found:
            self.notes.refuse("reference_missing", path, f"refers to {ref}, which is not there", "Correct it.")
            return anything
        self.open_refs.append(ref)
        try:
            beside = {k: v for k, v in schema.items() if k in self.beside_ref}
            if isinstance(target, Mapping) and not ("$ref" in target and beside):
                return self.field(name, {**target, **beside}, path)
            return self.field(name, target, path)
        finally:
            self.open_refs.pop()

    def direct(self, name: str, schema: Mapping[str, Any], path: Path) -> Field:
        self.note_unheld(schema, path)
        kinds, is_nullable = self.kinds(schema, path)
        read_type = self.type(kinds, schema, path)
        values = self.values(schema, path)
        if values and None not in values:
            is_nullable = False
        one = Field(
            name,
            read_type,
            nullable=is_nullable,
            enum=tuple(v for v in values if v is not None),
            default=self.default(schema, path),
            description=_text(schema.get("description")),
            is_deprecated=schema.get("deprecated") is True,
            pattern=_text(schema.get("pattern")),
            format="" if _format_is_type(schema, read_type) else _text(schema.get("format")),
            has_unique_items=schema.get("uniqueItems") is True,
        )
        return _without_own_bounds(replace(one, **self.limits(schema, path)))

    def kinds(self, schema: Mapping[str, Any], path: Path) -> tuple[tuple[str, ...], bool]:
        """The JSON types other than null, sorted, and whether null is one of them."""
        given = schema.get("type")
        if given is None:
            values = self.values(schema, path)
            if values:
                named = {_json_name(v) for v in values}
            elif "properties" in schema:
                named = {"object"}
                self.notes.tell("type_absent", path, "has no type; read as an object, which it need not be")
            elif "items" in schema:
                named = {"array"}
                self.notes.tell("type_absent", path, "has no type; read as an array, which it need not be")
            else:
                return (), True
        else:
            named = {str(k) for k in (given if isinstance(given, list) else [given])}
        if "number" in named:
            named.discard("integer")
        if unknown := named - {*_ANY, "integer", "null"}:
            self.notes.refuse("type_unknown", path, f"has the type {min(unknown)!r}", "Use a JSON type.")
        return tuple(sorted(named - {"null"} - unknown)), "null" in named

    def type(self, kinds: tuple[str, ...], schema: Mapping[str, Any], path: Path) -> Type:
        form = _text(schema.get("format"))
        match kinds:
            case ("boolean",):
                return Bool()
            case ("integer",):
                return _INTS.get(form, Int())
            case ("number",):
                return _FLOATS.get(form, Number())
            case ("string",):
                return Bytes() if schema.get("contentEncoding") == "base64" else _TEXTS.get(form, String())
            case ("array",):
                return self.array(schema, path)
            case ("object",):
                return self.object(schema, path)
            case () if "type" in schema:
                self.notes.tell("null_only", path, "may only be null; read as json that may be null")
                return Json()
            case _ if kinds in ((), _ANY):
                return Json()
            case _:
                self.notes.tell("union", path, f"may be {' or '.join(kinds)}; read as json")
                return Json()

    def array(self, schema: Mapping[str, Any], path: Path) -> Type:
        items = schema.get("items", True)
        if isinstance(items, list) or "prefixItems" in schema:
            self.notes.tell("tuple", path, "has a schema for each place; its elements are read as json")
            items = True
        return List(replace(self.field("element", items, (*path, ELEMENT)), required=True))

    def object(self, schema: Mapping[str, Any], path: Path) -> Type:
        listed = schema.get("properties") or {}
        if not isinstance(listed, Mapping):
            self.notes.refuse("properties_invalid", path, "has `properties` that are no object", "Correct them.")
            listed = {}
        other = schema.get("additionalProperties", True)
        if isinstance(other, Mapping) and not listed and other:
            return Map(replace(self.field("value", other, (*path, VALUE)), required=True))
        if isinstance(other, Mapping) and other:
            self.notes.tell("other_properties", path, "has a schema for unlisted properties; they may be anything")
        needed = schema.get("required") or []
        names = {n for n in needed if isinstance(n, str)} if isinstance(needed, list) else set()
        if missing := sorted(names - set(listed)):
            self.notes.tell("required_unlisted", path, f"requires `{missing[0]}`, which is listed nowhere")
        fields = tuple(
            replace(self.field(str(key), inner, (*path, str(key))), required=key in names)
            for key, inner in listed.items()
        )
        return Struct(fields, other is not False)

    def values(self, schema: Mapping[str, Any], path: Path) -> tuple[Scalar, ...]:
        """enum, or const as an enum of one."""
        given = [schema["const"]] if "const" in schema else schema.get("enum")
        if given is None:
            return ()
        if not isinstance(given, list) or not all(_is_scalar(v) for v in given):
            self.notes.tell("enum_not_held", path, "lists values that are no scalars; any value is read")
            return ()
        return tuple({identity(v): v for v in given}.values())

    def default(self, schema: Mapping[str, Any], path: Path) -> tuple[Scalar, ...]:
        if "default" not in schema:
            return ()
        if _is_scalar(schema["default"]):
            return (schema["default"],)
        self.notes.tell("default_not_held", path, "has a default that is no scalar; it is left out")
        return ()

    def limits(self, schema: Mapping[str, Any], path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for ours, theirs in _NUMBERS.items():
            value = schema.get(theirs)
            if value is None:
                continue
            if double(value) is None:
                self.notes.refuse("bound_invalid", path, f"has {value!r} as {theirs}", "Write a number.")
            elif ours not in _COUNTED:
                found[ours] = value
            elif value >= 0 and float(value).is_integer():
                found[ours] = int(value)
            else:
                self.notes.refuse("bound_invalid", path, f"has {value!r} as {theirs}", "Write a count.")
        return found

    def note_unheld(self, schema: Mapping[str, Any], path: Path) -> None:
        for key in schema:
            if key not in _HELD and key not in ("prefixItems",):
                says = f"has `{key}`, which a contract does not hold; it is left out"
                self.notes.tell("keyword_not_held", path, says)


_NUMBERS = {
    "minimum": "minimum",
    "maximum": "maximum",
    "more_than": "exclusiveMinimum",
    "less_than": "exclusiveMaximum",
    "multiple_of": "multipleOf",
    "min_length": "minLength",
    "max_length": "maxLength",
    "min_items": "minItems",
    "max_items": "maxItems",
}
_COUNTED = ("min_length", "max_length", "min_items", "max_items")


def _only_alternative(schema: Mapping[str, Any]) -> tuple[str, Mapping[str, Any], bool] | None:
    """The one schema besides null of anyOf or oneOf (with whether null is there), or of an allOf of one; its
    keyword first. None where another keyword would be overwritten.
    """
    for key in ("anyOf", "oneOf", "allOf"):
        given = schema.get(key)
        if not isinstance(given, list) or not all(isinstance(s, Mapping) for s in given):
            continue
        others = given if key == "allOf" else [s for s in given if s.get("type") != "null" or len(s) > 1]
        if len(others) == 1 and not set(others[0]) & (set(schema) - _ANNOTATIONS - {"description", "default"}):
            return key, others[0], len(others) < len(given)
    return None


def _pointed(document: Any, ref: str) -> tuple[bool, Any]:
    """What a local reference (RFC 6901) points at."""
    found = document
    for step in unquote(ref[1:]).split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping) and step in found:
            found = found[step]
        elif isinstance(found, list) and re.fullmatch(r"[0-9]{1,6}", step) and int(step) < len(found):
            found = found[int(step)]
        else:
            return False, None
    return ref in ("#", "#/") or ref.startswith("#/"), found


def _json_name(value: Scalar) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case _:
            return "integer" if float(value).is_integer() else "number"


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, bool | str) or double(value) is not None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _format_is_type(schema: Mapping[str, Any], found: Type) -> bool:
    """Whether `format` is already said by the type."""
    known: dict[str, Type] = {**_INTS, **_FLOATS, **_TEXTS}
    return known.get(_text(schema.get("format"))) == found


def _own_bounds(one: Type) -> tuple[int, int] | None:
    """The least and the greatest value of an integer type."""
    if not isinstance(one, Int) or not one.bits:
        return None
    span = 1 << one.bits
    return (-span // 2, span // 2 - 1) if one.is_signed else (0, span - 1)


def _without_own_bounds(one: Field) -> Field:
    """Without bounds that the type has anyway."""
    if bounds := _own_bounds(one.type):
        low, high = bounds
        minimum = None if one.minimum == low else one.minimum
        return replace(one, minimum=minimum, maximum=None if one.maximum == high else one.maximum)
    return one


def write(contract: Contract, draft: Draft = "2020-12") -> dict[str, Any]:
    """The schema of the contract's record."""
    record = contract.record
    document: dict[str, Any] = {"$schema": DIALECTS[draft]}
    if contract.name:
        document["title"] = contract.name
    if record.description:
        document["description"] = record.description
    return document | _object(record.fields, record.is_open, draft)


def _object(fields: tuple[Field, ...], is_open: bool, draft: Draft) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "object", "properties": {f.name: _schema(f, draft) for f in fields}}
    if needed := [f.name for f in fields if f.required]:
        block["required"] = needed
    if not is_open:
        block["additionalProperties"] = False
    return block


def _schema(one: Field, draft: Draft) -> Any:
    block = _of_type(one, draft)
    if isinstance(one.type, Json) and not one.nullable:
        block["type"] = list(_ANY)
    elif one.nullable and "type" in block:
        block["type"] = [block["type"], "null"]
    if one.enum:
        block["enum"] = [*one.enum, None] if one.nullable else list(one.enum)
    for ours, theirs in _NUMBERS.items():
        value = getattr(one, ours)
        if value is not None:
            block[theirs] = value
    texts = {"description": one.description, "pattern": one.pattern}
    block |= {key: text for key, text in texts.items() if text}
    if one.format and "format" not in block:
        block["format"] = one.format
    if one.has_unique_items:
        block["uniqueItems"] = True
    if one.default:
        block["default"] = one.default[0]
    if one.is_deprecated and draft == "2020-12":
        block["deprecated"] = True
    return block


def _of_type(one: Field, draft: Draft) -> dict[str, Any]:
    match one.type:
        case Bool():
            return {"type": "boolean"}
        case Int() as found:
            form = next((k for k, v in _INTS.items() if v == found), "")
            low, high = _own_bounds(found) or (None, None)
            bounds = {"minimum": low, "maximum": high} if form else {}
            return {"type": "integer"} | ({"format": form} | bounds if form else {})
        case Float() as found:
            return {"type": "number", "format": next(k for k, v in _FLOATS.items() if v == found)}
        case Number() | Decimal():
            return {"type": "number"}
        case String():
            return {"type": "string"}
        case Bytes():
            return {"type": "string", "contentEncoding": "base64"}
        case Timestamp(is_zoned=is_zoned):
            return {"type": "string", "format": "date-time" if is_zoned else "date-time-local"}
        case Date() | Time() | Duration() as found:
            forms = {"date": "date", "time": "time-local", "duration": "duration"}
            return {"type": "string", "format": forms[found.kind]}
        case List(element=inner):
            return {"type": "array", "items": _schema(inner, draft)}
        case Map(value=inner):
            return {"type": "object", "additionalProperties": _schema(inner, draft)}
        case Struct(fields=fields, is_open=is_open):
            return _object(fields, is_open, draft)
        case Tensor(element=element, dims=dims):
            return _nested(element, dims, draft)
        case Json():
            return {}


def _nested(element: Type, dims: tuple[int, ...], draft: Draft) -> dict[str, Any]:
    """Row-major nested arrays, which is how tensors stand in JSON."""
    if not dims:
        return _of_type(Field("element", element), draft)
    block: dict[str, Any] = {"type": "array", "items": _nested(element, dims[1:], draft)}
    if dims[0] >= 0:
        block |= {"minItems": dims[0], "maxItems": dims[0]}
    return block
