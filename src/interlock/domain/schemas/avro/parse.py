"""Avro schemas from JSON. Apache's library reads them; defaults, which it does not check, are checked here.

Logical types are taken out of the library's hands (it warns about those it does not know) and kept as the property
`LOGICAL` of the schema that they annotate.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from interlock.domain.schemas.fault import SchemaUnreadable

LOGICAL = "interlock.logical"

_NUMBERS = {"int": 2**31, "long": 2**63}


def parse_avro(schema: str, references: Mapping[str, str]) -> Any:
    """The schema as an object of Apache's library; `references` are the sources of the types that it names, by
    name, each after those that it needs itself. SchemaUnreadable when it is no Avro schema.
    """
    library = _library()
    names = library.Names()
    for name, text in references.items():
        if not names.has_name(name, None):
            _made(_document(text), names)
    parsed = _made(_document(schema), names)
    _check_defaults(parsed, set())
    return parsed


@cache
def _library() -> Any:
    import avro.errors
    import avro.name
    import avro.schema

    class Library:
        Names = avro.name.Names
        Fault = avro.errors.AvroException
        make = staticmethod(avro.schema.make_avsc_object)

    return Library


def _document(text: str) -> Any:
    try:
        return _without_logical_types(json.loads(text))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise SchemaUnreadable(f"the schema is no JSON: {error.msg}", where=where) from error
    except RecursionError:
        raise SchemaUnreadable("the schema is nested too deeply to be read") from None


def _without_logical_types(node: Any) -> Any:
    match node:
        case dict():
            kept = {k: _without_logical_types(v) for k, v in node.items() if k != "logicalType"}
            return kept | ({LOGICAL: _logical(node)} if isinstance(node.get("logicalType"), str) else {})
        case list():
            return [_without_logical_types(v) for v in node]
        case _:
            return node


def _logical(node: Mapping[str, Any]) -> str:
    """The logical type with what it depends on: `decimal(9,2)`."""
    name = str(node["logicalType"])
    return f"{name}({node.get('precision')},{node.get('scale', 0)})" if name == "decimal" else name


def _made(document: Any, names: Any) -> Any:
    library = _library()
    try:
        if isinstance(document, str) and names.has_name(document, None):
            return names.get_name(document, None)
        return library.make(document, names)
    except (library.Fault, AttributeError, TypeError, ValueError, KeyError) as error:
        says = re.sub(r"\s+", " ", str(error))[:400] or type(error).__name__
        raise SchemaUnreadable(f"this is no Avro schema: {says}") from error
    except RecursionError:
        raise SchemaUnreadable("the schema is nested too deeply to be read") from None


def _check_defaults(schema: Any, seen: set[int]) -> None:
    if id(schema) in seen:
        return
    seen.add(id(schema))
    match schema.type:
        case "record" | "error":
            for field in schema.fields:
                if field.has_default and not _is_value(field.type, field.default):
                    raise SchemaUnreadable(
                        f"the default {json.dumps(field.default)[:80]} of `{field.name}` is no {field.type.type}",
                        remedy="A default has the field's type; of a union, one of its branches.",
                    )
                _check_defaults(field.type, seen)
        case "array":
            _check_defaults(schema.items, seen)
        case "map":
            _check_defaults(schema.values, seen)
        case "union" | "error_union":
            for branch in schema.schemas:
                _check_defaults(branch, seen)


def _is_value(schema: Any, value: Any) -> bool:
    """Whether a JSON value is a default of `schema` (Avro 1.12, Complex Types, "default")."""
    match schema.type:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "int" | "long":
            bound = _NUMBERS[schema.type]
            return isinstance(value, int) and not isinstance(value, bool) and -bound <= value < bound
        case "float" | "double":
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            return is_number or value in ("NaN", "Infinity", "-Infinity")
        case "string" | "bytes":
            return isinstance(value, str)
        case "fixed":
            return isinstance(value, str) and len(value) == schema.size
        case "enum":
            return value in schema.symbols
        case "array":
            return isinstance(value, list) and all(_is_value(schema.items, v) for v in value)
        case "map":
            return isinstance(value, dict) and all(_is_value(schema.values, v) for v in value.values())
        case "union" | "error_union":
            return any(_is_value(branch, value) for branch in schema.schemas)
        case _:
            return isinstance(value, dict) and all(
                _is_value(f.type, value[f.name]) if f.name in value else f.has_default for f in schema.fields
            )
