"""ODCS documents as contracts: everything that can be read is, and every problem is a finding with its line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from interlock.domain.schemas.contract import Check, Contract, Object, Reference, Rule
from interlock.domain.schemas.describe import described, type_named
from interlock.domain.schemas.field import ARRAY, Field, Json, List, Map, Scalar, Struct, Type
from interlock.domain.schemas.nesting import MAX_DEPTH, MAX_FIELDS
from interlock.domain.schemas.odcs.quality import rule_from
from interlock.domain.schemas.odcs.reading import Locate, Path, Reading
from interlock.domain.schemas.odcs.types import LOGICAL_TYPES, flat_type
from interlock.domain.schemas.ranges import bounds
from interlock.domain.schemas.scalars import double, identity
from interlock.domain.schemas.values import counted, misfit
from interlock.kernel.finding import Finding, Severity
from interlock.kernel.ident import NAME_PATTERN, did_you_mean, is_name

_CONTRACT_CUSTOM = ("interlock:content", "interlock:owner")
_OBJECT_CUSTOM = (
    *("interlock:content", "interlock:unique", "interlock:checks", "interlock:references", "interlock:id"),
    "interlock:primary_key",
)
_NUMBERS = {
    "minimum": "minimum",
    "maximum": "maximum",
    "exclusiveMinimum": "more_than",
    "exclusiveMaximum": "less_than",
    "multipleOf": "multiple_of",
}
_COUNTS = {"minLength": "min_length", "maxLength": "max_length", "minItems": "min_items", "maxItems": "max_items"}
_TEXTS = {"pattern": "pattern", "format": "format"}
CONSTRAINTS = (*_NUMBERS, *_COUNTS, *_TEXTS, "uniqueItems")
"""The names of constraints, as options of the standard or, where it has no place, as custom properties."""
ATTRIBUTES: Mapping[str, str] = {**_NUMBERS, **_COUNTS, **_TEXTS, "uniqueItems": "has_unique_items"}

_FIELD_CUSTOM = (
    *("interlock:type", "interlock:unit", "interlock:enum", "interlock:default", "interlock:nullable"),
    *("interlock:content", "interlock:aliases", "interlock:personal", "interlock:deprecated", "interlock:id"),
    *(f"interlock:{name}" for name in CONSTRAINTS),
)
_PERSONAL = frozenset(("pii", "personal", "personal-data", "personal_data", "gdpr"))
_NOT_READ = ("minProperties", "maxProperties")


def is_tagged_personal(classification: str, tags: Iterable[str]) -> bool:
    """Whether a classification or a tag says by itself that the data is about a person."""
    return any(word.lower() in _PERSONAL for word in (classification, *tags))


def from_odcs(document: Mapping[str, Any], locate: Locate) -> tuple[Contract, list[Finding]]:
    """The contract that `document` states, and every problem found in it.

    `locate` gives `file:line` of a path of keys and indexes inside the document. The contract is what could be
    read; it must not be used when a finding is blocking.
    """
    reading = Reading(locate)
    name = _name(document, reading)
    reading.subject = f"contract:{name}" if name else "contract"
    _check_kind(document, reading)
    custom = reading.custom(document, (), _CONTRACT_CUSTOM)
    contract = Contract(
        name=name,
        version=_version(document, reading),
        objects=_objects(document, _is_open(custom, True, (), reading), reading),
        owner=_owner(document, custom),
        where=locate(()),
        document=document,
    )
    return contract, reading.findings


def _name(document: Mapping[str, Any], reading: Reading) -> str:
    key = "name" if document.get("name") else "id"
    name = reading.text(document, key, ())
    if not name:
        reading.add("name_missing", (), "the contract has neither `name` nor `id`", "Add `name`.")
    elif not is_name(name):
        says = f"{name!r} is no name: names match {NAME_PATTERN}"
        reading.add("name_invalid", (key,), says, "Use lower-case letters, digits, `.`, `_` and `-`.")
    return name


def _version(document: Mapping[str, Any], reading: Reading) -> str:
    version = reading.text(document, "version", ())
    if not version and not isinstance(document.get("version"), int | float):
        reading.add("version_missing", (), "the contract has no `version`", 'Add `version: "1"`.')
    return version


def _check_kind(document: Mapping[str, Any], reading: Reading) -> None:
    if document.get("kind") != "DataContract":
        says = f"`kind` is {document.get('kind')!r}, not DataContract"
        reading.add("kind_unknown", ("kind",), says, "Write `kind: DataContract`.")
    version = document.get("apiVersion")
    if not (isinstance(version, str) and version.startswith(("v3.0.", "v3.1.", "v3.2."))):
        says = f"`apiVersion` is {version!r}; v3.0, v3.1 and v3.2 are read"
        reading.add("api_version_unknown", ("apiVersion",), says, "Write `apiVersion: v3.2.0`.")


def _is_open(custom: Mapping[str, Any], otherwise: bool, path: Path, reading: Reading) -> bool:
    content = custom.get("content", "open" if otherwise else "closed")
    if content not in ("open", "closed"):
        says = f"`interlock:content` is {content!r}"
        reading.add("content_unknown", (*path, "customProperties"), says, "Write open or closed.")
    return bool(content != "closed")


def _owner(document: Mapping[str, Any], custom: Mapping[str, Any]) -> str:
    """`interlock:owner`, else the team's name (v3.1), else the member whose role is owner (v3.0)."""
    match document.get("team"):
        case _ if isinstance(owner := custom.get("owner"), str):
            return owner
        case {"name": str(name)}:
            return name
        case [*members]:
            owners = (m for m in members if isinstance(m, Mapping) and str(m.get("role", "")).lower() == "owner")
            return str(next(owners, {}).get("username", ""))
        case _:
            return ""


def _objects(document: Mapping[str, Any], is_open: bool, reading: Reading) -> tuple[Object, ...]:
    blocks = document.get("schema")
    if not isinstance(blocks, list) or not blocks:
        says = "the contract has no `schema` with an object in it"
        reading.add("schema_missing", ("schema",), says, "Add `schema: [{name: ..., properties: [...]}]`.")
        return ()
    objects: dict[str, Object] = {}
    for index, block in enumerate(blocks):
        at: Path = ("schema", index)
        if not isinstance(block, Mapping):
            reading.add("object_invalid", at, "an entry of `schema` is no object", "Write `- name: ...`.")
            continue
        one = _object(block, at, is_open, reading)
        if one.name in objects:
            reading.add("object_twice", at, f"`{one.name}` is declared twice", "Remove one of them.")
        objects.setdefault(one.name, one)
    return tuple(objects.values())


def _object(block: Mapping[str, Any], at: Path, is_open: bool, reading: Reading) -> Object:
    name = reading.text(block, "name", at)
    if not name:
        reading.add("object_nameless", at, "an object of the schema has no `name`", "Add `name`.")
    custom = reading.custom(block, at, _OBJECT_CUSTOM)
    fields = _fields(block, at, reading)
    keys = tuple(path for _, path in sorted(_keys(block, ""), key=lambda entry: entry[0]))
    if "primary_key" in custom:
        keys = reading.as_texts(custom["primary_key"], "interlock:primary_key", at)
    unique = [reading.as_texts(one, "interlock:unique", at) for one in custom.get("unique") or []]
    return Object(
        name=name,
        fields=fields,
        is_open=_is_open(custom, is_open, at, reading),
        primary_key=keys,
        unique=tuple(unique),
        references=(*_references(block, custom, at, reading),),
        checks=(*_checks(custom, at, reading),),
        rules=(*_rules(block, "", at, reading),),
        physical_name=reading.text(block, "physicalName", at),
        description=str(block.get("description") or ""),
        id=custom["id"] if isinstance(custom.get("id"), str) else reading.text(block, "id", at),
    )


def _inside(block: Mapping[str, Any], prefix: str, depth: int = 0) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Every property block with its path, those of nested objects included."""
    properties = block.get("properties")
    for one in properties if isinstance(properties, list) and depth < MAX_DEPTH else ():
        if isinstance(one, Mapping) and isinstance(one.get("name"), str):
            path = f"{prefix}{one['name']}"
            yield path, one
            yield from _inside(one, f"{path}.", depth + 1)


def _keys(block: Mapping[str, Any], prefix: str) -> Iterable[tuple[float, str]]:
    for path, one in _inside(block, prefix):
        if one.get("primaryKey") is True:
            position = one.get("primaryKeyPosition")
            is_placed = isinstance(position, int) and position >= 0
            yield (float(position) if is_placed and position is not None else float("inf")), path


def _references(
    block: Mapping[str, Any], custom: Mapping[str, Any], at: Path, reading: Reading
) -> Iterable[Reference]:
    for path, one in _inside(block, ""):
        for entry in reading.entries(one, "relationships", at, "Write `- to: object.property` entries."):
            if target := _target(entry.get("to") if isinstance(entry, Mapping) else None):
                yield Reference((path,), *target)
            else:
                reading.add("reference_invalid", at, f"a relationship of `{path}` names no property", _TO)
    for entry in reading.entries(block, "relationships", at, "Write `from` and `to` entries."):
        ends = [_many(entry.get(key) if isinstance(entry, Mapping) else None) for key in ("from", "to")]
        sources, targets = ([_target(name) for name in end] for end in ends)
        if not targets or len(sources) != len(targets) or None in sources or None in targets:
            reading.add("reference_invalid", at, "a relationship does not join properties one to one", _TO)
            continue
        named = [one for one in targets if one]
        columns = tuple(one[1][0] for one in sources if one)
        yield Reference(columns, named[0][0], tuple(one[1][0] for one in named))
    for entry in custom.get("references") or []:
        match entry:
            case {"fields": list(fields), "to": str(to), "to_fields": list(targets)}:
                yield Reference(tuple(map(str, fields)), to, tuple(map(str, targets)))
            case _:
                reading.add("reference_invalid", at, "`interlock:references` has no fields, to and to_fields", _TO)


_TO = "Write `to: object.property`."


def _many(ends: Any) -> list[Any]:
    return ends if isinstance(ends, list) else [ends]


def _target(text: Any) -> tuple[str, tuple[str]] | None:
    """`object.property`, or `.../properties/property` of the long form; None when it names no property."""
    if not isinstance(text, str):
        return None
    cut = "/properties/" if "/" in text else "."
    head, found, rest = text.partition(cut)
    return (head, (rest.replace("/properties/", "."),)) if found and head and rest else None


def _checks(custom: Mapping[str, Any], at: Path, reading: Reading) -> Iterable[Check]:
    for entry in custom.get("checks") or []:
        match entry:
            case {"name": str(name), "condition": str(condition)}:
                yield Check(name, condition)
            case _:
                remedy = "Write `name:` and `condition:`."
                reading.add("check_invalid", at, "`interlock:checks` has no name and condition", remedy)


def _rules(block: Mapping[str, Any], prefix: str, at: Path, reading: Reading) -> Iterable[Rule]:
    found = [("", block), *_inside(block, prefix)]
    for path, one in found:
        for entry in reading.entries(one, "quality", at, "Write `- metric: ...` entries."):
            if isinstance(entry, Mapping):
                yield rule_from(entry, path)
            else:
                reading.add("rule_invalid", at, "an entry of `quality` is no rule", "Write `- metric: ...`.")


def _fields(block: Mapping[str, Any], at: Path, reading: Reading) -> tuple[Field, ...]:
    fields: dict[str, Field] = {}
    for index, inner in enumerate(reading.entries(block, "properties", at, "Write `- name: ...`.")):
        path = (*at, "properties", index)
        if not isinstance(inner, Mapping) or not isinstance(inner.get("name"), str) or not inner["name"]:
            reading.add("field_nameless", path, "a property has no `name`", "Add `name`.")
            continue
        if inner["name"] in fields:
            reading.add("field_twice", path, f"`{inner['name']}` is declared twice", "Remove one of them.")
        else:
            fields[inner["name"]] = _field(inner, inner["name"], path, reading)
    return tuple(fields.values())


def _field(block: Mapping[str, Any], name: str, at: Path, reading: Reading) -> Field:
    if not _may_enter(block, name, at, reading):
        return Field(name, Json(), nullable=True)
    reading.within.append(id(block))
    custom = reading.custom(block, at, _FIELD_CUSTOM)
    options = reading.mapping(block, "logicalTypeOptions", at, "Write `minimum: 0`.")
    required = reading.flag(block.get("required"), False, "required", (*at, "required"))
    classification, tags = reading.text(block, "classification", at), reading.texts(block, "tags", at)
    is_personal = is_tagged_personal(classification, tags)
    is_deprecated = reading.flag(block.get("deprecated"), False, "deprecated", at)
    enum, labels = _enum(block, custom, name, at, reading)
    read = Field(
        name=name,
        type=_type(block, custom, options, at, reading),
        required=required,
        nullable=reading.flag(custom.get("nullable"), not required, "interlock:nullable", at),
        unit=_text(custom, "unit", "Write a UCUM code such as `min`.", at, reading),
        enum=enum,
        enum_labels=labels,
        default=_default(custom, name, at, reading),
        description=str(block.get("description") or ""),
        is_unique=reading.flag(block.get("unique"), False, "unique", at),
        id=_text(custom, "id", "Write a text.", at, reading) or reading.text(block, "id", at),
        aliases=reading.as_texts(custom.get("aliases", []), "interlock:aliases", at),
        tags=tags,
        classification=classification,
        is_personal=reading.flag(custom.get("personal"), is_personal, "interlock:personal", at),
        is_deprecated=reading.flag(custom.get("deprecated"), is_deprecated, "interlock:deprecated", at),
        physical_type=reading.text(block, "physicalType", at),
    )
    reading.within.pop()
    read = replace(read, **_constraints(read.type, options, custom, at, reading))
    _check_values(read, at, reading)
    return read


def _may_enter(block: Mapping[str, Any], name: str, at: Path, reading: Reading) -> bool:
    """Whether the walk goes on inside: not in circles, not too deep, not for ever."""
    reading.fields += 1
    if id(block) in reading.within:
        reading.add("recursive", at, f"`{name}` contains itself", "Keep the inner one as `interlock:type: json`.")
    elif len(reading.within) >= MAX_DEPTH:
        says = f"`{name}` is more than {MAX_DEPTH} levels deep"
        reading.add("too_deep", at, says, "Keep the inner levels as `interlock:type: json`.")
    elif reading.fields <= MAX_FIELDS:
        return True
    elif reading.fields == MAX_FIELDS + 1:
        reading.add("too_large", at, f"there are more than {MAX_FIELDS:,} fields", "Split the contract.")
    return False


def _type(
    block: Mapping[str, Any], custom: Mapping[str, Any], options: Mapping[str, Any], at: Path, reading: Reading
) -> Type:
    logical = block.get("logicalType")
    said = _text(custom, "type", "Write a type such as `int64`.", at, reading)
    if said and said != "map":
        if named := type_named(said):
            return named
        reading.add("type_unknown", at, f"`interlock:type` is {said!r}", "Write a type such as `decimal(10,2)`.")
    if not isinstance(logical, str) or logical not in LOGICAL_TYPES:
        name = block.get("name", "items")
        says = f"`{name}` has the logicalType {logical!r}" if logical else f"`{name}` has no logicalType"
        reading.add("type_unknown", (*at, "logicalType"), says, did_you_mean(str(logical), LOGICAL_TYPES))
        return Json()
    for option in _NOT_READ:
        if option in options:
            says = f"`{option}` is not read, so a change of it is not seen"
            path = (*at, "logicalTypeOptions", option)
            reading.add("option_ignored", path, says, "Use a rule of quality.", Severity.WARNING)
    if said == "map" or logical == "map":
        return Map(_map_value(block, at, reading))
    match logical, block.get("items"):
        case "object", _:
            return _struct(block, custom, options, at, reading)
        case "array", Mapping() as items:
            return List(_inner(items, ARRAY.element.name, (*at, "items"), reading))
    return flat_type(logical, options, reading.text(block, "physicalType", at))


def _struct(
    block: Mapping[str, Any], custom: Mapping[str, Any], options: Mapping[str, Any], at: Path, reading: Reading
) -> Struct:
    """Properties that the option `required` lists are required, as in JSON Schema."""
    listed = options.get("required")
    needed = set(reading.as_texts(listed, "required", at)) if listed is not None else set()
    fields = _fields(block, at, reading)
    fields = tuple(replace(one, required=True) if one.name in needed else one for one in fields)
    return Struct(fields, _is_open(custom, True, at, reading))


def _map_value(block: Mapping[str, Any], at: Path, reading: Reading) -> Field:
    """The value of a map: under `map` (v3.2), else the one property of an object that `interlock:type` calls a
    map.
    """
    match block:
        case {"map": {"key": {"logicalType": str(key)}, "value": Mapping() as value}}:
            if key != "string":
                says = f"keys are {key}, and are read as text"
                reading.add("map_key", (*at, "map"), says, "In JSON every key is text.", Severity.INFO)
            return _inner(value, "value", (*at, "map", "value"), reading)
        case {"properties": [Mapping() as value]}:
            return _inner(value, "value", (*at, "properties", 0), reading)
        case _:
            reading.add("map_invalid", at, "the map has no `key` and `value`", "Add `map: {key: ..., value: ...}`.")
            return Field("value", Json(), nullable=True)


def _inner(block: Mapping[str, Any], name: str, at: Path, reading: Reading) -> Field:
    named = block.get("name")
    return _field(block, named if isinstance(named, str) and named else name, at, reading)


def _text(custom: Mapping[str, Any], key: str, remedy: str, at: Path, reading: Reading) -> str:
    value = custom.get(key, "")
    if isinstance(value, str):
        return value
    reading.add("text_expected", at, f"`interlock:{key}` is {value!r}", remedy)
    return ""


def _enum(
    block: Mapping[str, Any], custom: Mapping[str, Any], name: str, at: Path, reading: Reading
) -> tuple[tuple[Scalar, ...], tuple[str, ...]]:
    """`enum` of v3.2 (objects with a `value`; bare values are read too), else `interlock:enum`; and what they
    mean.
    """
    listed = block.get("enum", custom.get("enum", []))
    if not isinstance(listed, list):
        reading.add("list_expected", at, f"the enum of `{name}` is no list", "Write a list of values.")
        return (), ()
    entries = [one if isinstance(one, Mapping) else {"value": one} for one in listed]
    for one in entries:
        if not _is_scalar(one.get("value")):
            says = f"the enum of `{name}` has {one.get('value')!r}, which is no JSON scalar"
            reading.add("enum_invalid", at, says, "Quote it if it is text.")
    kept = [one for one in entries if _is_scalar(one.get("value"))]
    values = tuple(one.get("value") for one in kept)
    if len({identity(v) for v in values}) < len(values):
        reading.add("enum_twice", at, f"the enum of `{name}` names a value twice", "Remove one of them.")
    labels = tuple(str(one.get("label") or one.get("description") or "") for one in kept)
    return values, labels if any(labels) else ()


def _default(custom: Mapping[str, Any], name: str, at: Path, reading: Reading) -> tuple[Scalar, ...]:
    if "default" not in custom:
        return ()
    value = custom["default"]
    if _is_scalar(value):
        return (value,)
    says = f"the default of `{name}` is {value!r}, which is no JSON scalar"
    reading.add("default_invalid", at, says, "Quote it if it is text.")
    return ()


def _constraints(
    one: Type, options: Mapping[str, Any], custom: Mapping[str, Any], at: Path, reading: Reading
) -> dict[str, Any]:
    """Attributes of the field, from the options of the standard and the custom properties beside them."""
    where = (*at, "logicalTypeOptions")
    given = {**options, **{key: custom[key] for key in CONSTRAINTS if key in custom}}
    found: dict[str, Any] = {}
    for key, attribute in _NUMBERS.items():
        value = given.get(key)
        if isinstance(value, str) and (count := counted(value, one)) is not None:
            found[attribute] = count
        elif isinstance(value, str) and one.kind in ("date", "time", "timestamp"):
            says = f"`{key}` is {value!r}, which is no {described(one)}"
            reading.add("bound_invalid", (*where, key), says, "Write it as RFC 3339 does.")
        else:
            found[attribute] = reading.number(value, key, where)
    for key, attribute in _COUNTS.items():
        found[attribute] = reading.count(given.get(key), key, where)
    found["has_unique_items"] = reading.flag(given.get("uniqueItems"), False, "uniqueItems", where)
    found["pattern"] = reading.text(given, "pattern", where)
    is_type = one.kind in ("int", "float", "number", "decimal") and "format" not in custom
    found["format"] = "" if is_type else reading.text(given, "format", where)
    if found["multiple_of"] is not None and found["multiple_of"] <= 0:
        says = f"`multipleOf` is {found['multiple_of']}"
        reading.add("bound_invalid", (*where, "multipleOf"), says, "Write a number above 0.")
        found["multiple_of"] = None
    return found


def _check_values(one: Field, at: Path, reading: Reading) -> None:
    """Enum values and the default must be values of the field."""
    free = replace(one, enum=(), enum_labels=(), nullable=True)
    for value in one.enum:
        if reason := misfit(value, free):
            says = f"the enum of `{one.name}` has {value!r}: it {reason}"
            reading.add("enum_misfit", at, says, "Quote it if it is text; YAML reads NO and 1 otherwise.")
    for value in one.default:
        if reason := misfit(value, one):
            says = f"the default of `{one.name}` {reason}"
            reading.add("default_misfit", at, says, "Choose a default that readers may see.")
    span = bounds(one)
    if span.low > span.high or (span.low == span.high and (span.is_low_open or span.is_high_open)):
        reading.add("bounds_empty", at, f"no value of `{one.name}` is within its bounds", "Swap them.")


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, bool | str) or double(value) is not None
