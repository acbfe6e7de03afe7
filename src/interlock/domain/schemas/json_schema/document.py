"""A JSON Schema document, checked and indexed: its dialect, its places, and what each reference means.

Drafts 06, 07, 2019-09 and 2020-12 are read. Without `$schema` a document is 2020-12 if it uses a keyword that
draft-07 does not know, otherwise draft-07. Every place is visited once, without recursion, so depth does not
matter. References are looked up inside the document only (pointers, anchors, embedded `$id`); nothing is ever
fetched.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import unquote, urljoin

from interlock.domain.schemas.json_schema.values import Interner, NotJson, pointer, shown
from interlock.kernel.errors import Invalid

Schema = Mapping[str, Any] | bool


class SchemaInvalid(Invalid):
    """The document is no JSON Schema; `where` is the JSON pointer to the fault."""

    code: ClassVar[str] = "schema.invalid"


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a draft changed: whether a tuple is an array under `items`, and whether `$ref` hides its siblings."""

    name: str
    has_tuple_items: bool
    ref_hides_siblings: bool
    has_conditions: bool = True


DRAFT_06 = Dialect("draft-06", has_tuple_items=True, ref_hides_siblings=True, has_conditions=False)
DRAFT_07 = Dialect("draft-07", has_tuple_items=True, ref_hides_siblings=True)
DRAFT_2019 = Dialect("2019-09", has_tuple_items=True, ref_hides_siblings=False)
DRAFT_2020 = Dialect("2020-12", has_tuple_items=False, ref_hides_siblings=False)

_DIALECTS = {
    "json-schema.org/draft-06/schema": DRAFT_06,
    "json-schema.org/draft-07/schema": DRAFT_07,
    "json-schema.org/schema": DRAFT_07,
    "json-schema.org/draft/2019-09/schema": DRAFT_2019,
    "json-schema.org/draft/2020-12/schema": DRAFT_2020,
}
_NEWER = {
    *("prefixItems", "$defs", "$anchor", "$dynamicRef", "$dynamicAnchor", "dependentRequired", "dependentSchemas"),
    *("unevaluatedProperties", "unevaluatedItems", "minContains", "maxContains"),
}
_LONGEST_POINTER = 32_768
_TYPES = ("null", "boolean", "object", "array", "number", "integer", "string")

_KINDS = {
    **dict.fromkeys(("additionalProperties", "propertyNames", "contains", "not", "if", "then", "else"), "schema"),
    **dict.fromkeys(("additionalItems", "unevaluatedItems", "unevaluatedProperties"), "schema"),
    **dict.fromkeys(
        ("properties", "patternProperties", "definitions", "$defs", "dependentSchemas"), "schemas by name"
    ),
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), "schemas"),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), "count"),
    **dict.fromkeys(("minContains", "maxContains"), "count"),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), "number"),
    **dict.fromkeys(
        ("$id", "$ref", "$anchor", "$schema", "$dynamicRef", "$dynamicAnchor", "pattern", "format"), "text"
    ),
    **dict.fromkeys(("contentEncoding", "contentMediaType", "title", "description", "$comment"), "text"),
    "multipleOf": "positive number",
    "uniqueItems": "boolean",
    "required": "names",
    "dependentRequired": "names by name",
    "dependencies": "dependencies",
    "enum": "array",
    "type": "type",
    "items": "items",
}
_IN_PLACE = {"not", "if", "then", "else", "allOf", "anyOf", "oneOf", "dependentSchemas", "dependencies"}


@dataclass(frozen=True, slots=True)
class Place:
    """One schema in a document: its text, where it is, and the base URI of references in it."""

    schema: Schema
    pointer: str
    base: str


class Document:
    """Loads, checks and indexes; SchemaInvalid with a pointer for what is no schema.

    Documents that are to be compared share an `interner`.
    """

    def __init__(self, schema: Schema, interner: Interner | None = None) -> None:
        self.interner = interner or Interner()
        if not isinstance(schema, dict | bool):
            raise SchemaInvalid(f"a schema is an object or a boolean, not {shown(schema)}", where="#")
        self.root = schema
        self._resources: dict[str, tuple[Schema, str]] = {"": (schema, "")}
        self._anchors: dict[tuple[str, str], tuple[Schema, str]] = {}
        self._dynamic: dict[str, int] = {}
        self._bases: dict[int, Place] = {}
        try:
            self.interner.number(schema)
        except NotJson as problem:
            raise SchemaInvalid(f"the document is not JSON: {problem}", where="#") from None
        self.dialect = self._dialect(schema)
        self._walk(Place(schema, "", ""))
        self._follow_all()
        self._refuse_loops()

    def place(self, schema: Schema, where: str, parent_base: str) -> Place:
        """The place of a part of this document."""
        return self._bases.get(id(schema), Place(schema, where, parent_base))

    def follow(self, reference: str, base: str, *, is_dynamic: bool = False) -> Place | None:
        """Where a reference leads, or None outside of the document (or where it depends on who refers)."""
        uri, _, fragment = _joined(base, reference).partition("#")
        fragment = unquote(fragment)
        found = self._resources.get(uri)
        if is_dynamic and fragment and not fragment.startswith("/") and self._dynamic.get(fragment, 0) > 1:
            return None
        if found is None:
            return None
        schema, where = found
        if not fragment:
            return self._bases.get(id(schema), Place(schema, where, uri))
        if not fragment.startswith("/"):
            anchored = self._anchors.get((uri, fragment))
            if anchored is None:
                raise KeyError(reference)
            return self.place(anchored[0], anchored[1], uri)
        target_schema = _at(schema, fragment, reference)
        return self.place(target_schema, where + fragment, uri)

    def outward(self) -> Iterator[tuple[str, str]]:
        """(pointer, reference) of every `$ref` that leads out of the document."""
        for place in list(self._bases.values()):
            for keyword, target in self._targets(place):
                if target is None and keyword == "$ref" and isinstance(place.schema, dict):
                    yield "#" + pointer(place.pointer, keyword), str(place.schema[keyword])

    @staticmethod
    def absolute(reference: str, base: str) -> str:
        """A name for a reference that leads out of the document."""
        return _joined(base, reference)

    def _dialect(self, schema: Schema) -> Dialect:
        if isinstance(schema, bool) or "$schema" not in schema:
            return DRAFT_2020 if self._is_newer(schema) else DRAFT_07
        named = schema["$schema"]
        key = named.split("://", 1)[-1].rstrip("#") if isinstance(named, str) else ""
        if key not in _DIALECTS:
            raise SchemaInvalid(
                f"the dialect {shown(named)} is not read",
                remedy=f"Use one of {', '.join(d.name for d in (DRAFT_06, DRAFT_07, DRAFT_2019, DRAFT_2020))}.",
                where="#/$schema",
            )
        return _DIALECTS[key]

    @staticmethod
    def _is_newer(schema: Schema) -> bool:
        """Whether a keyword that only newer drafts know stands where a schema stands."""
        stack, seen = [schema], set()
        while stack:
            part = stack.pop()
            if not isinstance(part, dict) or id(part) in seen:
                continue
            seen.add(id(part))
            if not _NEWER.isdisjoint(part):
                return True
            for _, child in _below(part, DRAFT_2020):
                stack.append(child)
        return False

    def _walk(self, start: Place) -> None:
        stack = [start]
        while stack:
            place = stack.pop()
            schema = place.schema
            if isinstance(schema, bool) or id(schema) in self._bases:
                continue
            if not isinstance(schema, dict):
                raise SchemaInvalid(
                    f"a schema is an object or a boolean, not {shown(schema)}", where="#" + place.pointer
                )
            if len(place.pointer) > _LONGEST_POINTER:
                raise SchemaInvalid(
                    "the schema is nested too deep",
                    remedy="Name inner parts under $defs and refer to them.",
                    where="#" + place.pointer[:80] + "...",
                )
            check(schema, place.pointer, self.dialect)
            if "$schema" in schema and self._dialect(schema) != self.dialect:
                raise SchemaInvalid(
                    f"this part is written in another draft than the document, which is {self.dialect.name}",
                    remedy="Write all parts of a document in one draft.",
                    where="#" + pointer(place.pointer, "$schema"),
                )
            base = self._name(schema, place)
            self._bases[id(schema)] = Place(schema, place.pointer, base)
            for keys, child in _below(schema, self.dialect):
                stack.append(Place(child, pointer(place.pointer, *keys), base))

    def _name(self, schema: dict[str, Any], place: Place) -> str:
        base = place.base
        hides = self.dialect.ref_hides_siblings and "$ref" in schema
        own = schema.get("$id")
        if own and not hides:
            uri, _, fragment = _joined(base, own).partition("#")
            if fragment and self.dialect.ref_hides_siblings:
                self._anchors[(uri, fragment)] = (schema, place.pointer)
            else:
                base = uri
                self._resources.setdefault(uri, (schema, place.pointer))
        for keyword in ("$anchor", "$dynamicAnchor"):
            if keyword in schema:
                self._anchors[(base, schema[keyword])] = (schema, place.pointer)
        if "$dynamicAnchor" in schema:
            self._dynamic[schema["$dynamicAnchor"]] = self._dynamic.get(schema["$dynamicAnchor"], 0) + 1
        return base

    def _follow_all(self) -> None:
        """Check every reference; what a pointer leads to is a schema too, wherever it stands."""
        done: set[int] = set()
        while pending := [p for key, p in self._bases.items() if key not in done]:
            for place in pending:
                done.add(id(place.schema))
                for keyword, target in self._targets(place):
                    if target is not None:
                        if not isinstance(target.schema, dict | bool):
                            raise SchemaInvalid(
                                f"the reference leads to {shown(target.schema)}, which is no schema",
                                where="#" + pointer(place.pointer, keyword),
                            )
                        self._walk(target)

    def _targets(self, place: Place) -> Iterator[tuple[str, Place | None]]:
        schema = place.schema
        for keyword in ("$ref", "$dynamicRef"):
            if isinstance(schema, dict) and keyword in schema:
                try:
                    yield keyword, self.follow(schema[keyword], place.base, is_dynamic=keyword == "$dynamicRef")
                except KeyError:
                    raise SchemaInvalid(
                        f"{shown(schema[keyword])} leads nowhere in this document",
                        remedy="Define it, or correct the reference.",
                        where="#" + pointer(place.pointer, keyword),
                    ) from None

    def _refuse_loops(self) -> None:
        """A schema that applies itself to the same value again has no meaning: validating it would never end."""
        finished: set[int] = set()
        for start in list(self._bases.values()):
            if id(start.schema) in finished:
                continue
            open_: set[int] = {id(start.schema)}
            stack = [(start, self._in_place(start))]
            while stack:
                place, targets = stack[-1]
                following = next(targets, None)
                if following is None:
                    stack.pop()
                    open_.discard(id(place.schema))
                    finished.add(id(place.schema))
                elif id(following.schema) in open_:
                    raise SchemaInvalid(
                        "the schema applies itself to the same value without end",
                        remedy="Refer to it from below properties or items.",
                        where="#" + place.pointer,
                    )
                elif id(following.schema) not in finished and isinstance(following.schema, dict):
                    open_.add(id(following.schema))
                    stack.append((following, self._in_place(following)))

    def _in_place(self, place: Place) -> Iterator[Place]:
        yield from (target for _, target in self._targets(place) if target is not None)
        if not isinstance(place.schema, dict) or (self.dialect.ref_hides_siblings and "$ref" in place.schema):
            return
        for keys, child in _below(place.schema, self.dialect):
            if keys[0] in _IN_PLACE:
                yield self.place(child, pointer(place.pointer, *keys), place.base)


def _joined(base: str, reference: str) -> str:
    """A reference as seen from `base` (RFC 3986, section 5); as it stands when it is no URI."""
    if reference.startswith("#"):
        return base + reference
    try:
        return urljoin(base, reference)
    except ValueError:
        return reference


def _at(schema: Schema, fragment: str, reference: str) -> Any:
    found: Any = schema
    for raw in fragment[1:].split("/"):
        key = raw.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isascii() and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        else:
            raise KeyError(reference)
    return found


def _below(schema: Mapping[str, Any], dialect: Dialect) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every part of a schema that is a schema itself, with the keys that lead to it."""
    for keyword, value in schema.items():
        kind = _KINDS.get(keyword)
        if kind == "schema" or (kind == "items" and not isinstance(value, list)):
            yield (keyword,), value
        elif kind == "schemas by name" and isinstance(value, dict):
            yield from (((keyword, name), child) for name, child in value.items())
        elif kind == "schemas" or (kind == "items" and dialect.has_tuple_items):
            yield from (((keyword, i), child) for i, child in enumerate(value if isinstance(value, list) else ()))
        elif kind == "dependencies" and isinstance(value, dict):
            yield from (((keyword, n), child) for n, child in value.items() if not isinstance(child, list))


def check(schema: Mapping[str, Any], where: str, dialect: Dialect) -> None:
    """SchemaInvalid with a pointer unless every keyword of this one schema has a value of its kind."""
    for keyword, value in schema.items():
        kind = _KINDS.get(keyword)
        if keyword == "items" and isinstance(value, list) and not dialect.has_tuple_items:
            raise SchemaInvalid(
                f"`items` is one schema in {dialect.name}",
                remedy="Write the tuple under `prefixItems`.",
                where="#" + pointer(where, keyword),
            )
        if kind and not _CHECKS[kind](value):
            raise SchemaInvalid(
                f"`{keyword}` takes {_ASKED[kind]}, not {shown(value)}", where="#" + pointer(where, keyword)
            )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    return value >= 0 and value == int(value)


def _are_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _is_type(value: object) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(one, str) and one in _TYPES for one in value)
    return isinstance(value, str) and value in _TYPES


def _is_schema(value: object) -> bool:
    return isinstance(value, dict | bool)


def _are_schemas(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_schema(one) for one in value)


def _by_name(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(name, str) for name in value)


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "schema": _is_schema,
    "schemas by name": lambda v: _by_name(v) and all(_is_schema(one) for one in v.values()),
    "schemas": _are_schemas,
    "count": _is_count,
    "number": _is_number,
    "positive number": lambda v: _is_number(v) and v > 0,
    "text": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "names": _are_names,
    "names by name": lambda v: _by_name(v) and all(_are_names(one) for one in v.values()),
    "dependencies": lambda v: _by_name(v) and all(_is_schema(one) or _are_names(one) for one in v.values()),
    "array": lambda v: isinstance(v, list),
    "type": _is_type,
    "items": lambda v: _is_schema(v) or (isinstance(v, list) and all(_is_schema(one) for one in v)),
}
_ASKED = {
    "schema": "a schema",
    "schemas by name": "an object of schemas",
    "schemas": "an array of schemas with at least one",
    "count": "a whole number of 0 or more",
    "number": "a number",
    "positive number": "a number above 0",
    "text": "text",
    "boolean": "true or false",
    "names": "an array of names",
    "names by name": "an object of arrays of names",
    "dependencies": "an object of schemas or arrays of names",
    "array": "an array of values",
    "type": f"one or several of {', '.join(_TYPES)}",
    "items": "a schema",
}
