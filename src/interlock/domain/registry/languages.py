"""One door to the languages of schemas: read, normalise, compare. What was read is remembered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, assert_never

from interlock.domain.registry.faults import SchemaInvalid
from interlock.domain.registry.schema import SchemaType
from interlock.domain.schemas.reason import Reason, Told
from interlock.kernel.digest import canonical
from interlock.kernel.errors import Invalid

Sources = tuple[tuple[str, str], ...]
"""Texts of what a schema refers to, by the name it uses, each after those that it needs itself."""

SERIALIZED = "serialized"
"""The format of a schema's binary form, in base64."""

TEXT_FORMATS = ("", "default")
"""Formats that are answered with the text."""

_REMEMBERED = 1024
_LONGEST = 1_000_000
_METASCHEMAS = ("http://json-schema.org/", "https://json-schema.org/")


@dataclass(frozen=True, slots=True)
class Read:
    """A schema that was read. text: as it is handed out. meaning: equal for texts that are the same schema. parsed:
    what its language compares. serialized: its binary form, where the language has one.
    """

    type: SchemaType
    text: str
    meaning: str
    parsed: Any
    serialized: bytes = b""


def read(type: SchemaType, text: str, sources: Sources) -> Read:
    """A schema of any language. SchemaInvalid says where it is wrong, by line and column where that is known."""
    if len(text) > _LONGEST:
        raise SchemaInvalid(f"The schema has {len(text)} characters, more than {_LONGEST}", remedy="Split it.")
    if not text.strip():
        raise SchemaInvalid("Empty schema", remedy="Send the schema's text in `schema`.")
    try:
        return _read(type, text, sources)
    except Invalid as error:
        place = f" ({error.where})" if error.where else ""
        raise SchemaInvalid(
            f"Invalid schema of type {type}{place}: {error.message}", remedy=error.remedy, where=error.where
        ) from error


def normal(type: SchemaType, text: str, sources: Sources) -> str:
    """The one text of all schemas that differ in layout alone. The schema must be readable."""
    match type:
        case SchemaType.PROTOBUF:
            from interlock.domain.schemas.protobuf.compile import normal_text

            return normal_text(text, dict(sources))
        case SchemaType.AVRO:
            return json.dumps(_ordered(json.loads(text)), separators=(",", ":"), ensure_ascii=False)
        case SchemaType.JSON:
            return canonical(json.loads(text)).decode()
        case _:
            assert_never(type)


_FIRST = ("name", "type", "fields", "symbols", "items", "values", "size")
"""Order of attributes in Avro's Parsing Canonical Form."""


def _ordered(node: Any) -> Any:
    match node:
        case dict():
            named = sorted(node, key=lambda k: (_FIRST.index(k) if k in _FIRST else len(_FIRST), k))
            return {k: _ordered(node[k]) for k in named}
        case list():
            return [_ordered(v) for v in node]
        case _:
            return node


def reads(reader: Read, writer: Read, *, is_lenient: bool) -> tuple[Told, ...]:
    """Every difference that bears on `reader` reading what is written with `writer`."""
    if reader.type is not writer.type:
        says = f"the schema was {writer.type} and is {reader.type}"
        return (Reason("SCHEMA_TYPE_CHANGED", "/", says, "Use another subject, or compatibility groups."),)
    match reader.type:
        case SchemaType.PROTOBUF:
            from interlock.domain.schemas.protobuf.reads import reads as protobuf

            return protobuf(reader.parsed, writer.parsed, is_lenient=is_lenient)
        case SchemaType.AVRO:
            from interlock.domain.schemas.avro.reads import reads as avro

            return avro(reader.parsed, writer.parsed, is_lenient=is_lenient)
        case SchemaType.JSON:
            from interlock.domain.schemas.json_schema import Policy
            from interlock.domain.schemas.json_schema import reads as json_schema

            return json_schema(reader.parsed, writer.parsed, Policy.LENIENT if is_lenient else Policy.STRICT)
        case _:
            assert_never(reader.type)


@lru_cache(_REMEMBERED)
def _read(type: SchemaType, text: str, sources: Sources) -> Read:
    match type:
        case SchemaType.PROTOBUF:
            from interlock.domain.schemas.protobuf.compile import compile_schema

            compiled = compile_schema(text, dict(sources))
            return Read(type, compiled.text, compiled.identity, compiled.file, compiled.serialized)
        case SchemaType.AVRO:
            from interlock.domain.schemas.avro.parse import parse_avro

            document = _json(text, "the schema")
            return Read(type, _compact(document), _meaning(document), parse_avro(text, dict(sources)))
        case SchemaType.JSON:
            document = _json(text, "the schema")
            return Read(type, _compact(document), _meaning(document), _json_schema(document, sources))
        case _:
            assert_never(type)


def _compact(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def _meaning(document: Any) -> str:
    """JSON with its members in order, so that order alone makes no other schema."""
    return canonical(document).decode()


def _json_schema(document: Any, sources: Sources) -> Any:
    """The document, with what it refers to embedded under the names that it uses (`$id`); nothing is fetched."""
    from interlock.domain.schemas.json_schema.document import Document

    embedded = {name: _embedded(name, source) for name, source in sources}
    if isinstance(document, dict) and embedded:
        declared = document.get("definitions")
        document = document | {"definitions": {**(declared if isinstance(declared, dict) else {}), **embedded}}
    for where, reference in Document(document).outward():
        if not reference.startswith(_METASCHEMAS):
            raise SchemaInvalid(
                f"the reference {reference[:200]!r} leads out of the schema, and nothing is fetched",
                where=where,
                remedy="Register what it means, and send a reference of that name with the schema.",
            )
    return document


def _embedded(name: str, source: str) -> Mapping[str, Any]:
    document = _json(source, f"the reference {name!r}")
    return {**document, "$id": name} if isinstance(document, dict) else {"$id": name, "allOf": [document]}


def _json(text: str, what: str) -> Any:
    try:
        document = json.loads(text)
        canonical(document)  # no NaN, no half of a surrogate pair: nothing that cannot be stored or named
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise SchemaInvalid(f"{what} is no JSON: {error.msg}", where=where) from error
    except ValueError as error:
        raise SchemaInvalid(f"{what} is no JSON: {error}") from error
    except RecursionError:
        raise SchemaInvalid(f"{what} is nested too deeply to be read") from None
    return document
