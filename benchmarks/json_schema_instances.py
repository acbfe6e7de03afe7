"""Random JSON Schemas, edits of them, and values near their borders, each a function of a seeded chance.

They refute: a value that a validator finds valid under the writer and not under the reader speaks against a yes.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from jsonschema import Draft7Validator, Draft202012Validator

NAMES = ("a", "b", "ab", "S_1", "I_1", "x")
PATTERNS = ("^a", "^S_", "b$", "^[ab]+$", "^.$", "^(a|x)*$", "\\d")
TEXTS = ("", "a", "b", "ab", "S_1", "I_1", "red", "abcdef", "7")
NUMBERS = (0, 1, 2, 3, 5, 10, -1, 0.5, 2.5, 1.0)
TYPES = ("null", "boolean", "object", "array", "number", "integer", "string")
DRAFT_07 = "http://json-schema.org/draft-07/schema#"
DRAFT_2020 = "https://json-schema.org/draft/2020-12/schema"


def validator(schema: Any) -> Draft7Validator | Draft202012Validator:
    """The validator of the draft that the schema names."""
    is_new = isinstance(schema, dict) and "2020-12" in str(schema.get("$schema"))
    return (Draft202012Validator if is_new else Draft7Validator)(schema)


class Schemas:
    """Makes schemas of one draft. Definitions p and q may refer to each other."""

    def __init__(self, chance: random.Random, *, is_new: bool) -> None:
        self.chance = chance
        self.is_new = is_new

    def document(self) -> dict[str, Any]:
        made = self.schema(3)
        schema = made if isinstance(made, dict) else {"allOf": [made]}
        if "$ref" in schema and not self.is_new:
            schema = {"allOf": [schema]}
        definitions = {"p": self.schema(2, guarded=True), "q": self.schema(2, guarded=True)}
        return {"$schema": DRAFT_2020 if self.is_new else DRAFT_07, **schema, "definitions": definitions}

    def schema(self, depth: int, *, guarded: bool = False) -> Any:
        """A schema; in place it only refers to definitions when it is no definition itself (`guarded`)."""
        roll = self.chance.random()
        if roll < 0.06:
            return self.chance.random() < 0.8
        if roll < 0.14 and not guarded:
            return {"$ref": f"#/definitions/{self.chance.choice('pq')}"}
        made: dict[str, Any] = {}
        if self.chance.random() < 0.75:
            count = self.chance.choice((1, 1, 1, 2, 3))
            picked = self.chance.sample(TYPES, count)
            made["type"] = picked[0] if count == 1 else picked
        kinds = made.get("type", self.chance.sample(TYPES, 2))
        for kind in [kinds] if isinstance(kinds, str) else kinds:
            self._keywords(made, kind, depth)
        if depth and self.chance.random() < 0.25:
            self._combined(made, depth, guarded)
        if self.chance.random() < 0.08:
            made["enum"] = [self.value(1) for _ in range(self.chance.randint(1, 4))]
        if self.chance.random() < 0.03:
            made["const"] = self.value(1)
        return made

    def value(self, depth: int) -> Any:
        roll = self.chance.randrange(7 if depth else 5)
        if roll == 5:
            return [self.value(depth - 1) for _ in range(self.chance.randrange(3))]
        if roll == 6:
            return {self.chance.choice(NAMES): self.value(depth - 1) for _ in range(self.chance.randrange(3))}
        return (None, self.chance.random() < 0.5, self.chance.choice(NUMBERS), *self.chance.sample(TEXTS, 2))[roll]

    def _maybe(self, made: dict[str, Any], keyword: str, value: Any, share: float = 0.25) -> None:
        if self.chance.random() < share:
            made[keyword] = value

    def _keywords(self, made: dict[str, Any], kind: str, depth: int) -> None:
        pick = self.chance.choice
        match kind:
            case "number" | "integer":
                for keyword in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
                    self._maybe(made, keyword, pick(NUMBERS))
                self._maybe(made, "multipleOf", pick((1, 2, 3, 6, 0.5, 0.25, 0.1, 2.0)))
            case "string":
                self._maybe(made, "minLength", pick((0, 1, 2, 3)))
                self._maybe(made, "maxLength", pick((0, 1, 2, 3, 6)))
                self._maybe(made, "pattern", pick(PATTERNS))
            case "object":
                self._object(made, max(0, depth - 1))
            case "array":
                self._array(made, max(0, depth - 1))

    def _object(self, made: dict[str, Any], depth: int) -> None:
        pick, chance = self.chance.choice, self.chance
        if depth:
            names = chance.sample(NAMES, chance.randint(0, 3))
            made["properties"] = {name: self.schema(depth) for name in names}
            self._maybe(made, "patternProperties", {pick(PATTERNS): self.schema(depth)}, 0.2)
            self._maybe(made, "additionalProperties", pick((False, self.schema(depth))), 0.4)
            self._maybe(made, "propertyNames", pick(({"maxLength": 2}, {"pattern": pick(PATTERNS)})), 0.1)
            if self.is_new:
                self._maybe(made, "dependentSchemas", {pick(NAMES): self.schema(depth - 1)}, 0.1)
                self._maybe(made, "unevaluatedProperties", pick((False, self.schema(depth - 1))), 0.15)
            else:
                self._maybe(made, "dependencies", {pick(NAMES): self.schema(depth - 1, guarded=True)}, 0.1)
        self._maybe(made, "required", chance.sample(NAMES, chance.randint(1, 2)), 0.3)
        self._maybe(made, "dependentRequired" if self.is_new else "dependencies", {pick(NAMES): [pick(NAMES)]}, 0.1)
        self._maybe(made, "minProperties", pick((0, 1, 2)), 0.15)
        self._maybe(made, "maxProperties", pick((0, 1, 2, 3)), 0.15)

    def _array(self, made: dict[str, Any], depth: int) -> None:
        pick = self.chance.choice
        if depth:
            tuple_ = [self.schema(depth) for _ in range(self.chance.randint(1, 2))]
            if self.is_new:
                self._maybe(made, "prefixItems", tuple_, 0.3)
                self._maybe(made, "items", self.schema(depth), 0.4)
                self._maybe(made, "unevaluatedItems", self.schema(depth), 0.15)
                self._maybe(made, "minContains", pick((0, 1, 2)), 0.1)
                self._maybe(made, "maxContains", pick((1, 2)), 0.1)
            else:
                self._maybe(made, "items", pick((tuple_, self.schema(depth))), 0.6)
                if not isinstance(made.get("items"), bool):  # jsonschema 4 cannot take both
                    self._maybe(made, "additionalItems", pick((False, self.schema(depth))), 0.3)
            self._maybe(made, "contains", self.schema(depth), 0.15)
        self._maybe(made, "minItems", pick((0, 1, 2)))
        self._maybe(made, "maxItems", pick((0, 1, 2, 3)))
        self._maybe(made, "uniqueItems", True, 0.1)

    def _combined(self, made: dict[str, Any], depth: int, guarded: bool) -> None:
        keyword = self.chance.choice(("allOf", "anyOf", "anyOf", "oneOf", "oneOf", "not", "if"))
        if keyword == "not":
            made["not"] = self.schema(depth - 1, guarded=guarded)
        elif keyword == "if":
            for one in ("if", "then", "else"):
                made[one] = self.schema(depth - 1, guarded=guarded)
        else:
            made[keyword] = [self.schema(depth - 1, guarded=guarded) for _ in range(self.chance.randint(1, 3))]

    def leaf(self) -> Any:
        """A small schema; few enough of them that two of them are often related."""
        return self.chance.choice(
            (
                *(True, False, {"type": "string"}, {"type": "integer"}, {"type": "number"}, {"minimum": 1}),
                *(
                    {"type": ["string", "null"]},
                    {"const": 1},
                    {"enum": [1, "a"]},
                    {"type": "string", "maxLength": 1},
                ),
                *({"required": ["a"]}, {"maximum": 1}, {"not": {"type": "string"}}, {"minLength": 1}),
            )
        )

    def focused(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Two small schemas about the same few keywords, mostly one redrawn in a single keyword from the other."""
        keywords = self.chance.choice(self._families())
        writer = {name: draw() for name, draw in keywords.items() if self.chance.random() < 0.6}
        reader = dict(writer)
        for name in self.chance.sample(sorted(keywords), self.chance.choice((1, 1, 2, len(keywords)))):
            if name in reader and self.chance.random() < 0.3:
                del reader[name]
            else:
                reader[name] = keywords[name]()
        draft = {"$schema": DRAFT_2020 if self.is_new else DRAFT_07}
        return {**draft, **writer}, {**draft, **reader}

    def _families(self) -> tuple[dict[str, Callable[[], Any]], ...]:
        pick, leaf = self.chance.choice, self.leaf

        def names() -> list[str]:
            return self.chance.sample(("a", "b", "ab"), self.chance.randint(1, 2))

        def leaves() -> list[Any]:
            return [leaf() for _ in range(self.chance.randint(1, 3))]

        def members() -> dict[str, Any]:
            return {name: leaf() for name in names()}

        closed = {"additionalProperties": lambda: pick((False, leaf()))}
        is_object = {"type": lambda: "object"}
        needs = "dependentRequired" if self.is_new else "dependencies"
        implies = "dependentSchemas" if self.is_new else "dependencies"
        tuples = (
            {"prefixItems": leaves, "items": leaf} if self.is_new else {"items": leaves, "additionalItems": leaf}
        )
        counts = {"minItems": lambda: pick((0, 1, 2)), "maxItems": lambda: pick((1, 2, 3))}
        contains: dict[str, Callable[[], Any]] = {"contains": leaf, "items": leaf, "type": lambda: "array"}
        if self.is_new:
            contains |= {"minContains": lambda: pick((0, 1, 2)), "maxContains": lambda: pick((1, 2))}
        families: tuple[dict[str, Callable[[], Any]], ...] = (
            {"properties": members, "required": names, "minProperties": lambda: pick((1, 2)), **is_object},
            {"properties": members, "patternProperties": lambda: {pick(PATTERNS): leaf()}, **closed, **is_object},
            {"propertyNames": lambda: pick(({"maxLength": 1}, {"pattern": pick(PATTERNS)}, leaf())), **closed},
            {needs: lambda: {pick("ab"): names()}, "required": names, "properties": members, **is_object},
            {implies: lambda: {pick("ab"): leaf()}, "required": names, "properties": members, **is_object},
            {**contains, **counts},
            {**tuples, **counts, "type": lambda: "array"},
            {"anyOf": leaves, "type": lambda: pick(TYPES)},
            {"oneOf": leaves, "type": lambda: pick(TYPES)},
            {"oneOf": leaves, "anyOf": leaves},
            {"not": leaf, "anyOf": leaves, "type": lambda: pick(TYPES)},
            {"if": leaf, "then": leaf, "else": leaf, "type": lambda: pick(TYPES)},
            {"oneOf": lambda: [{"properties": members(), "required": names()} for _ in "ab"], **is_object},
        )
        if self.is_new:
            inner = {
                "allOf": lambda: [{"properties": members()}],
                "anyOf": lambda: [{"properties": members()}, leaf()],
            }
            families += ({"unevaluatedProperties": leaf, "properties": members, **inner, **is_object},)
            families += ({"unevaluatedItems": leaf, **contains, **counts, "prefixItems": leaves},)
        return families

    def edited(self, document: Any) -> Any:
        """A copy with one to three changes anywhere: a keyword dropped, a value nudged, a part replaced."""
        copy = json.loads(json.dumps(document))
        for attempt in range(8):
            if attempt >= self.chance.randint(1, 3) and copy != document:
                break
            places = [place for place in _places(copy) if place[1] != "$schema"]
            owner, key = self.chance.choice(places)
            old = owner[key]
            roll = self.chance.random()
            if isinstance(old, bool):
                owner[key] = not old
            elif key == "items" and "additionalItems" in owner:
                continue
            elif isinstance(old, int | float):
                owner[key] = max(0, old + self.chance.choice((-1, 1))) or 1
            elif isinstance(old, list) and len(old) > 1 and roll < 0.7:
                old.pop(self.chance.randrange(len(old)))
            elif isinstance(owner, dict) and roll < 0.5 and key not in ("definitions", "p", "q"):
                del owner[key]
            elif isinstance(old, dict) and "type" in old:
                old["type"] = self.chance.choice((*TYPES, ["string", "null"], ["number", "object"]))
        return copy


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key, child in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(child, dict | list):
            yield from _places(child)


class Values:
    """Makes values that a schema may allow, near the borders that any of the `schemas` draws."""

    def __init__(self, chance: random.Random, *schemas: Any) -> None:
        self.chance = chance
        self.numbers: list[Any] = list(NUMBERS)
        self.texts: list[str] = list(TEXTS)
        self.names: list[str] = list(NAMES)
        self.listed: list[Any] = [None, True, False, [], {}]
        for schema in schemas:
            for owner, key in _places(schema) if isinstance(schema, dict) else ():
                self._learn(key, owner[key])

    def _learn(self, key: Any, value: Any) -> None:
        if isinstance(value, int | float) and not isinstance(value, bool):
            if abs(value) < 1e6:
                self.numbers += [value, value + 1, value - 1, value + 0.5, value * 2]
            if isinstance(key, str) and "Length" in key:
                self.texts += ["a" * int(n) for n in (value - 1, value, value + 1) if 0 <= n < 2000]
        elif isinstance(value, str) and len(self.texts) < 200:
            self.texts.append(value)
            self.names += [value.strip("^$"), value.strip("^$") + "1"]
        elif key in ("enum", "required") and isinstance(value, list):
            self.listed += value
            self.names += [one for one in value if isinstance(one, str)]
        elif key == "const":
            self.listed.append(value)
        if isinstance(key, str) and len(self.names) < 300:
            self.names.append(key)

    def make(self, schema: Any, root: Any, depth: int = 4) -> Any:
        """A value; mostly as the schema asks, sometimes anything."""
        chance = self.chance
        for _ in range(6):
            if not isinstance(schema, dict) or chance.random() < 0.1:
                return self.any(depth)
            inner = self._inner(schema, root)
            if inner is None:
                break
            schema = inner
        if not isinstance(schema, dict):
            return self.any(depth)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum") and chance.random() < 0.9:
            return chance.choice(schema["enum"])
        types = schema.get("type") or self._guessed(schema)
        kind = types if isinstance(types, str) else chance.choice(types)
        return self._of(kind, schema, root, depth)

    def _inner(self, schema: dict[str, Any], root: Any) -> Any:
        """Sometimes one of the schemas that apply in place, together with this one."""
        options = []
        if "$ref" in schema and str(schema["$ref"]).startswith("#"):
            target = root
            for key in [k for k in schema["$ref"][1:].split("/") if k]:
                target = target.get(key, {}) if isinstance(target, dict) else {}
            options.append(target)
        for keyword in ("anyOf", "oneOf", "allOf"):
            options += [one for one in schema.get(keyword, []) if one is not False]
        options += [schema[key] for key in ("then", "else", "if") if key in schema]
        if not options or self.chance.random() < 0.15:
            return None
        picked = self.chance.choice(options)
        if not isinstance(picked, dict):
            return None
        rest = {
            k: v for k, v in schema.items() if k not in ("$ref", "anyOf", "oneOf", "allOf", "if", "then", "else")
        }
        merged = {**rest, **picked}
        for key in ("properties", "required"):
            if key in rest and key in picked:
                merged[key] = {**rest[key], **picked[key]} if key == "properties" else rest[key] + picked[key]
        return merged

    def _guessed(self, schema: dict[str, Any]) -> Any:
        if self.chance.random() < 0.7:
            if not {"properties", "required", "additionalProperties", "minProperties"}.isdisjoint(schema):
                return "object"
            if not {"items", "prefixItems", "contains", "minItems"}.isdisjoint(schema):
                return "array"
        return TYPES

    def _of(self, kind: str, schema: dict[str, Any], root: Any, depth: int) -> Any:
        chance = self.chance
        match kind:
            case "null":
                return None
            case "boolean":
                return chance.random() < 0.5
            case "integer":
                return int(chance.choice(self.numbers))
            case "number":
                return chance.choice(self.numbers)
            case "string":
                return chance.choice(self.texts)
            case "array" if depth:
                return self._array(schema, root, depth - 1)
            case "object" if depth:
                return self._object(schema, root, depth - 1)
            case "array":
                return []
            case _:
                return {}

    def _array(self, schema: dict[str, Any], root: Any, depth: int) -> list[Any]:
        listed = schema.get("prefixItems") or (schema["items"] if isinstance(schema.get("items"), list) else [])
        rest = (
            schema.get("items", {}) if not isinstance(schema.get("items"), list) else schema.get("additionalItems")
        )
        least = min(int(schema.get("minItems", 0)), 20)
        length = least + self.chance.choice((0, 0, 1, 2, len(listed)))
        return [self.make(listed[i] if i < len(listed) else rest, root, depth) for i in range(length)]

    def _object(self, schema: dict[str, Any], root: Any, depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        names = {n for n in schema.get("required", []) if self.chance.random() < 0.97}
        names |= {n for n in list(properties)[:40] if self.chance.random() < 0.5}
        while self.chance.random() < 0.3:
            names.add(self.chance.choice(self.names))
        other = schema.get("additionalProperties", {})
        return {name: self.make(properties.get(name, other), root, depth) for name in sorted(names)}

    def any(self, depth: int) -> Any:
        """Anything at all."""
        roll = self.chance.randrange(6 if depth else 4)
        match roll:
            case 0:
                return self.chance.choice(self.listed)
            case 1:
                return self.chance.choice(self.numbers)
            case 2 | 3:
                return self.chance.choice(self.texts)
            case 4:
                return [self.any(depth - 1) for _ in range(self.chance.randrange(3))]
            case _:
                return {
                    self.chance.choice(self.names): self.any(depth - 1) for _ in range(self.chance.randrange(3))
                }


def refutation(chance: random.Random, reader: Any, writer: Any, tries: int) -> tuple[int, list[Any]]:
    """How many valid values of the writer were tried, and the first that the reader refuses, if any (0 or 1)."""
    values = Values(chance, writer, reader)
    writes, reads = validator(writer), validator(reader)
    checked = 0
    for number in range(tries):
        value = values.make(writer if number % 4 else reader, writer if number % 4 else reader)
        if writes.is_valid(value):
            checked += 1
            if not reads.is_valid(value):
                return checked, [value]
    return checked, []
