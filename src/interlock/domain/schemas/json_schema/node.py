"""One schema as facts: what each keyword demands of each kind of value. Made when it is first asked for.

Types are bit masks over seven kinds: `number` is INTEGER and FRACTION together, so that sets of types are exact
(an integer is any number without a fractional part, 1.0 included; draft-07 validation, section 6.1.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from interlock.domain.schemas.json_schema.document import Document, Place, Schema
from interlock.domain.schemas.json_schema.values import Interner, exact, pointer, written

NULL, BOOLEAN, OBJECT, ARRAY, INTEGER, FRACTION, STRING = (1 << bit for bit in range(7))
NUMBER = INTEGER | FRACTION
EVERY = (1 << 7) - 1
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")

DISPUTED = "dependencies"
"""A keyword that newer drafts dropped, and that some of their validators read all the same."""

_MASKS = {
    "null": NULL,
    "boolean": BOOLEAN,
    "object": OBJECT,
    "array": ARRAY,
    "integer": INTEGER,
    "number": NUMBER,
    "string": STRING,
}


def type_names(mask: int) -> str:
    """A mask for a sentence."""
    if mask == EVERY:
        return "anything"
    hidden = {"integer"} if mask & FRACTION else {"number"}
    return " or ".join(name for name, bits in _MASKS.items() if name not in hidden and mask & bits) or "nothing"


def type_of(value: object) -> int:
    """The kind of a JSON value."""
    match value:
        case None:
            return NULL
        case bool():
            return BOOLEAN
        case int():
            return INTEGER
        case float():
            return INTEGER if value.is_integer() else FRACTION
        case str():
            return STRING
        case Mapping():
            return OBJECT
        case _:
            return ARRAY


@dataclass(frozen=True, slots=True)
class Members:
    """What a schema demands of objects. Names are matched in `properties`, then `patterns`, else `additional`."""

    properties: Mapping[str, Node]
    patterns: tuple[tuple[str, Node], ...]
    additional: Node | None
    unevaluated: Node | None
    names: Node | None
    required: frozenset[str]
    least: int
    most: int | None
    needs: Mapping[str, frozenset[str]]
    implies: Mapping[str, Node]

    @property
    def is_plain(self) -> bool:
        """Whether nothing but counts, names and `required` is demanded."""
        return (
            not (self.properties or self.patterns or self.implies) and self.additional is self.unevaluated is None
        )


@dataclass(frozen=True, slots=True)
class Elements:
    """What a schema demands of arrays: the first ones by place (`prefix`), the others by `rest`.

    `idle_rest` is an `additionalItems` without a tuple before it, which has no effect.
    """

    prefix: tuple[Node, ...]
    rest: Node | None
    idle_rest: Node | None
    unevaluated: Node | None
    contains: Node | None
    contains_least: int
    contains_most: int | None
    least: int
    most: int | None
    is_unique: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """A disjunction: at least one (`anyOf`) or exactly one (`oneOf`) branch holds. `uid` names it."""

    uid: int
    branches: tuple[Node, ...]
    is_exclusive: bool


@dataclass(frozen=True, slots=True)
class Condition:
    """`if`, then `then`, else `else`."""

    uid: int
    test: Node
    then: Node | None
    otherwise: Node | None


@dataclass(frozen=True, slots=True)
class Facts:
    """All demands of one schema; they hold together."""

    types: int = EVERY
    values: tuple[Any, ...] | None = None
    minimum: Fraction | None = None
    maximum: Fraction | None = None
    above: Fraction | None = None
    below: Fraction | None = None
    multiple: Fraction | None = None
    min_length: int = 0
    max_length: int | None = None
    pattern: str | None = None
    formats: tuple[tuple[str, str], ...] = ()
    members: Members | None = None
    elements: Elements | None = None
    all_of: tuple[Node, ...] = ()
    choices: tuple[Choice, ...] = ()
    negated: Node | None = None
    condition: Condition | None = None
    unfollowed: tuple[str, ...] = ()
    """What cannot be looked into: references that are not followed, keywords that only some validators read. Equal
    names mean the same schema; a name that does not say what it means is made unique."""


@dataclass(slots=True, eq=False)
class Node:
    """A schema in one of the two documents, or a demand made up on the way (`document` is then its reader's)."""

    uid: int
    space: Space
    document: Document
    place: Place
    number: int
    _facts: Facts | None = field(default=None, repr=False)
    _listed: frozenset[int] | None = field(default=None, repr=False)

    @property
    def is_false(self) -> bool:
        return self.place.schema is False

    @property
    def is_true(self) -> bool:
        return self.place.schema is True or self.place.schema == {}

    @property
    def pointer(self) -> str:
        return self.place.pointer

    @property
    def default(self) -> bool:
        """Whether the schema names a default."""
        return isinstance(self.place.schema, Mapping) and "default" in self.place.schema

    @property
    def facts(self) -> Facts:
        if self._facts is None:
            self._facts = read_facts(self)
        return self._facts

    @property
    def listed(self) -> frozenset[int] | None:
        """The listed values by number, which are made once: there may be thousands. None without a list."""
        if self._listed is None and self.facts.values is not None:
            self._listed = frozenset(map(self.space.interner.number, self.facts.values))
        return self._listed


class Space:
    """Every node of one comparison, each made once."""

    def __init__(self, interner: Interner) -> None:
        self.interner = interner
        self._nodes: dict[tuple[int, int], Node] = {}
        self._uid = 0
        self.by_uid: dict[int, Node] = {}
        self._made: dict[tuple[str, str], Node] = {}

    def uid(self) -> int:
        self._uid += 1
        return self._uid

    def node(self, document: Document, place: Place) -> Node:
        """The node at `place`; a boolean schema has no identity and gets a node each time it is met."""
        key = (id(document), id(place.schema))
        found = None if isinstance(place.schema, bool) else self._nodes.get(key)
        if found is None:
            uid = self.uid()
            found = Node(uid, self, document, place, self.interner.number(place.schema))
            self._nodes[key] = found
            self.by_uid[uid] = found
        return found

    def demand(self, kind: str, name: str) -> Node:
        """A made-up schema of objects: the property `name` is there (`present`) or not (`absent`)."""
        if kind == "present":
            return self._make((kind, name), {"type": "object", "required": [name]})
        return self._make((kind, name), {"type": "object", "properties": {name: False}})

    def kind(self, bit: int) -> Node:
        """A made-up schema of one kind of values."""
        if bit == FRACTION:
            return self._make(("kind", "fraction"), {"type": "number", "not": {"type": "integer"}})
        name = next(name for name, mask in _MASKS.items() if mask == bit)
        return self._make(("kind", name), {"type": name})

    def matching(self, pattern: str) -> Node:
        """A made-up schema of texts that match."""
        return self._make(("matching", pattern), {"type": "string", "pattern": pattern})

    def _make(self, key: tuple[str, str], schema: dict[str, Any]) -> Node:
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self.node(Document(schema, self.interner), Place(schema, "", ""))
        return made

    def same(self, one: Node, other: Node) -> bool:
        """Whether two schemas are equal as they are written, and so mean the same."""
        return one is other or (
            one.number == other.number
            and not self.interner.refers(one.number)
            and one.document.dialect == other.document.dialect
        )


def read_facts(node: Node) -> Facts:
    """What the schema of `node` demands."""
    schema = node.place.schema
    if isinstance(schema, bool):
        return Facts() if schema else Facts(types=0)
    dialect = node.document.dialect
    references, unfollowed = _references(node, schema)
    if dialect.ref_hides_siblings and "$ref" in schema:
        return Facts(all_of=references, unfollowed=unfollowed)
    get = _Reader(node, schema)
    return Facts(
        types=_types(schema),
        values=_values(node, schema),
        minimum=get.number("minimum"),
        maximum=get.number("maximum"),
        above=get.number("exclusiveMinimum"),
        below=get.number("exclusiveMaximum"),
        multiple=written(schema["multipleOf"]) if "multipleOf" in schema else None,
        min_length=get.count("minLength") or 0,
        max_length=get.count("maxLength"),
        pattern=schema.get("pattern"),
        formats=tuple((k, schema[k]) for k in ("format", "contentEncoding", "contentMediaType") if k in schema),
        members=_members(get),
        elements=_elements(get),
        all_of=references + get.nodes("allOf"),
        choices=_choices(get),
        negated=get.node("not"),
        condition=_condition(get) if dialect.has_conditions else None,
        unfollowed=unfollowed,
    )


class _Reader:
    """Reads keywords of one schema."""

    def __init__(self, node: Node, schema: Mapping[str, Any]) -> None:
        self.owner = node
        self.schema = schema
        self.is_newer = not node.document.dialect.ref_hides_siblings

    def count(self, keyword: str) -> int | None:
        return int(self.schema[keyword]) if keyword in self.schema else None

    def number(self, keyword: str) -> Fraction | None:
        return exact(self.schema[keyword]) if keyword in self.schema else None

    def child(self, schema: Schema, *keys: str | int) -> Node:
        owner = self.owner
        place = owner.document.place(schema, pointer(owner.pointer, *keys), owner.place.base)
        return owner.space.node(owner.document, place)

    def node(self, keyword: str) -> Node | None:
        return self.child(self.schema[keyword], keyword) if keyword in self.schema else None

    def nodes(self, keyword: str) -> tuple[Node, ...]:
        return tuple(self.child(one, keyword, i) for i, one in enumerate(self.schema.get(keyword, ())))

    def named(self, keyword: str) -> dict[str, Node]:
        return {name: self.child(one, keyword, name) for name, one in self.schema.get(keyword, {}).items()}


def _references(node: Node, schema: Mapping[str, Any]) -> tuple[tuple[Node, ...], tuple[str, ...]]:
    found: list[Node] = []
    unfollowed: list[str] = []
    newer = not node.document.dialect.ref_hides_siblings
    for keyword in ("$ref", "$dynamicRef", "$recursiveRef") if newer else ("$ref",):
        if keyword in schema:
            place = None
            if keyword != "$recursiveRef":
                is_dynamic = keyword == "$dynamicRef"
                place = node.document.follow(schema[keyword], node.place.base, is_dynamic=is_dynamic)
            if place is None:
                name = node.document.absolute(schema[keyword], node.place.base)
                is_global = keyword == "$ref" and _ABSOLUTE.match(name) is not None
                unfollowed.append(name if is_global else f"{name} of schema {node.uid}")
            else:
                found.append(node.space.node(node.document, place))
    if newer and schema.get(DISPUTED):
        number = node.space.interner.number(schema[DISPUTED])
        is_plain = not node.space.interner.refers(number)
        unfollowed.append(f"{DISPUTED} {number if is_plain else f'of schema {node.uid}'}")
    return tuple(found), tuple(unfollowed)


def _types(schema: Mapping[str, Any]) -> int:
    named = schema.get("type", list(_MASKS))
    types = 0
    for name in (named,) if isinstance(named, str) else named:
        types |= _MASKS[name]
    return types


def _values(node: Node, schema: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """The listed values that `enum` and `const` leave, without repetitions."""
    if "enum" not in schema and "const" not in schema:
        return None
    number = node.space.interner.number
    values = {number(value): value for value in schema.get("enum", (schema.get("const"),))}
    if "const" in schema:
        kept = number(schema["const"])
        values = {key: value for key, value in values.items() if key == kept}
    return tuple(values.values())


_OBJECT_KEYWORDS = {
    *(
        "properties",
        "patternProperties",
        "additionalProperties",
        "unevaluatedProperties",
        "propertyNames",
        "required",
    ),
    *("minProperties", "maxProperties", "dependencies", "dependentRequired", "dependentSchemas"),
}
_ARRAY_KEYWORDS = {
    *("items", "prefixItems", "additionalItems", "unevaluatedItems", "contains", "minContains", "maxContains"),
    *("minItems", "maxItems", "uniqueItems"),
}


def _members(get: _Reader) -> Members | None:
    schema = get.schema
    if _OBJECT_KEYWORDS.isdisjoint(schema):
        return None
    if get.is_newer:
        needs = {name: frozenset(names) for name, names in schema.get("dependentRequired", {}).items()}
        implies = get.named("dependentSchemas")
    else:
        both = schema.get("dependencies", {})
        needs = {name: frozenset(one) for name, one in both.items() if isinstance(one, list)}
        implies = {n: get.child(one, "dependencies", n) for n, one in both.items() if not isinstance(one, list)}
    return Members(
        properties=get.named("properties"),
        patterns=tuple(get.named("patternProperties").items()),
        additional=get.node("additionalProperties"),
        unevaluated=get.node("unevaluatedProperties") if get.is_newer else None,
        names=get.node("propertyNames"),
        required=frozenset(schema.get("required", ())),
        least=get.count("minProperties") or 0,
        most=get.count("maxProperties"),
        needs=needs,
        implies=implies,
    )


def _elements(get: _Reader) -> Elements | None:
    schema = get.schema
    if _ARRAY_KEYWORDS.isdisjoint(schema):
        return None
    prefix: tuple[Node, ...] = ()
    rest: Node | None = None
    idle: Node | None = None
    if not get.owner.document.dialect.has_tuple_items:
        prefix, rest = get.nodes("prefixItems"), get.node("items")
    elif isinstance(schema.get("items"), list):
        prefix, rest = get.nodes("items"), get.node("additionalItems")
    else:
        rest, idle = get.node("items"), get.node("additionalItems")
    least = get.count("minContains") if get.is_newer else None
    contains = get.node("contains")
    return Elements(
        prefix=prefix,
        rest=rest,
        idle_rest=idle,
        unevaluated=get.node("unevaluatedItems") if get.is_newer else None,
        contains=contains,
        contains_least=(1 if least is None else least) if contains is not None else 0,
        contains_most=get.count("maxContains") if get.is_newer and contains is not None else None,
        least=get.count("minItems") or 0,
        most=get.count("maxItems"),
        is_unique=schema.get("uniqueItems", False),
    )


def _choices(get: _Reader) -> tuple[Choice, ...]:
    def found() -> Iterator[Choice]:
        for keyword in ("anyOf", "oneOf"):
            if branches := get.nodes(keyword):
                yield Choice(get.owner.space.uid(), branches, keyword == "oneOf")

    return tuple(found())


def _condition(get: _Reader) -> Condition | None:
    test, then, otherwise = get.node("if"), get.node("then"), get.node("else")
    if test is None:
        return None
    return Condition(get.owner.space.uid(), test, then, otherwise)
