"""Open Data Contract Standard (ODCS) v3 documents, read into a Contract and written back.

Read: kind, apiVersion 3.0 to 3.2, name or id, version, team, and the properties of the one schema object:
logicalType, required, enum, description, and minimum and maximum of logicalTypeOptions. ODCS has no place
for units, defaults, open content or "present but null"; these are customProperties `interlock:unit`,
`interlock:default`, `interlock:nullable`, `interlock:enum` and, on the document, `interlock:content`
(`open` or `closed`) and `interlock:owner`. As in ODCS, a property that is not `required` may be null,
unless `interlock:nullable` says otherwise.

Limits: one object per contract; what is nested inside an object or array passes as it is and is not compared.
Source: bitol-io/open-data-contract-standard, schema/odcs-json-schema-v3.1.0.json and changelog of v3.2.0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from interlock.domain.schemas.contract import Contract, Object
from interlock.domain.schemas.field import Field, Kind, Scalar, type_of
from interlock.domain.schemas.scalars import double, fits_type, identity, misfit
from interlock.kernel.finding import Finding, Severity
from interlock.kernel.ident import NAME_PATTERN, did_you_mean, is_name

Path = tuple[str | int, ...]
Locate = Callable[[Path], str]

_FIELD_TYPES: tuple[Kind, ...] = get_args(Kind)
_LOGICAL_TYPES: dict[str, Kind] = {name: name for name in _FIELD_TYPES} | {"map": "object", "vector": "array"}
_FIELD_CUSTOM = ("interlock:unit", "interlock:enum", "interlock:default", "interlock:nullable")
_CONTRACT_CUSTOM = ("interlock:content", "interlock:owner")
_BOUNDS_NOT_READ = ("exclusiveMinimum", "exclusiveMaximum")


@dataclass(slots=True)
class _Reading:
    """Collects findings about one document; every lookup that fails adds one and goes on."""

    locate: Locate
    subject: str = "contract"
    findings: list[Finding] = field(default_factory=list)

    def add(self, code: str, path: Path, says: str, remedy: str, severity: Severity = Severity.ERROR) -> None:
        self.findings.append(Finding(code, severity, self.subject, says, remedy, self.locate(path)))

    def text(self, document: Mapping[str, Any], key: str, path: Path) -> str:
        value = document.get(key, "")
        if isinstance(value, str):
            return value
        self.add(
            "contract.text_expected", (*path, key), f"`{key}` is {value!r}, not text", f'Write `{key}: "{value}"`.'
        )
        return ""

    def flag(self, value: Any, otherwise: bool, name: str, path: Path) -> bool:
        if isinstance(value, bool):
            return value
        if value is not None:
            self.add("contract.flag_expected", path, f"`{name}` is {value!r}", "Write true or false.")
        return otherwise


def from_odcs(document: Mapping[str, Any], locate: Locate) -> tuple[Contract, list[Finding]]:
    """The contract that `document` states, and every problem found in it.

    `locate` gives `file:line` of a path of keys and indexes inside the document. The contract is what could be
    read; it must not be used when a finding is blocking.
    """
    reading = _Reading(locate)
    name = _name(document, reading)
    reading.subject = f"contract:{name}" if name else "contract"
    _check_kind(document, reading)
    custom = _custom(document, (), _CONTRACT_CUSTOM, reading)
    contract = Contract(
        name=name,
        version=_version(document, reading),
        objects=(Object(name, _fields(document, reading), _is_open(custom, reading)),),
        owner=_owner(document, custom),
        where=locate(()),
    )
    return contract, reading.findings


def _name(document: Mapping[str, Any], reading: _Reading) -> str:
    key = "name" if document.get("name") else "id"
    name = reading.text(document, key, ())
    if not name:
        reading.add("contract.name_missing", (), "the contract has neither `name` nor `id`", "Add `name`.")
    elif not is_name(name):
        says = f"{name!r} is no name: names match {NAME_PATTERN}"
        reading.add("contract.name_invalid", (key,), says, "Use lower-case letters, digits, `.`, `_` and `-`.")
    return name


def _version(document: Mapping[str, Any], reading: _Reading) -> str:
    version = reading.text(document, "version", ())
    if not version and not isinstance(document.get("version"), int | float):
        reading.add("contract.version_missing", (), "the contract has no `version`", 'Add `version: "1"`.')
    return version


def _check_kind(document: Mapping[str, Any], reading: _Reading) -> None:
    if document.get("kind") != "DataContract":
        says = f"`kind` is {document.get('kind')!r}, not DataContract"
        reading.add("contract.kind_unknown", ("kind",), says, "Write `kind: DataContract`.")
    version = document.get("apiVersion")
    if not (isinstance(version, str) and version.startswith(("v3.0.", "v3.1.", "v3.2."))):
        says = f"`apiVersion` is {version!r}; v3.0, v3.1 and v3.2 are read"
        reading.add("contract.api_version_unknown", ("apiVersion",), says, "Write `apiVersion: v3.1.0`.")


def _is_open(custom: Mapping[str, Any], reading: _Reading) -> bool:
    content = custom.get("interlock:content", "open")
    if content not in ("open", "closed"):
        says = f"`interlock:content` is {content!r}"
        reading.add("contract.content_unknown", ("customProperties",), says, "Write open or closed.")
    return bool(content != "closed")


def _owner(document: Mapping[str, Any], custom: Mapping[str, Any]) -> str:
    """`interlock:owner`, else the team's name (v3.1), else the member whose role is owner (v3.0)."""
    match document.get("team"):
        case _ if isinstance(owner := custom.get("interlock:owner"), str):
            return owner
        case {"name": str(name)}:
            return name
        case [*members]:
            owners = (m for m in members if isinstance(m, Mapping) and str(m.get("role", "")).lower() == "owner")
            return str(next(owners, {}).get("username", ""))
        case _:
            return ""


def _custom(block: Mapping[str, Any], path: Path, known: Sequence[str], reading: _Reading) -> dict[str, Any]:
    """customProperties as a mapping; those of other tools are left alone, misspelt ones of ours are found."""
    found: dict[str, Any] = {}
    entries = block.get("customProperties") or []
    if not isinstance(entries, list):
        reading.add(
            "contract.list_expected",
            (*path, "customProperties"),
            "`customProperties` is no list",
            "Write `- property: ...` and `value: ...` entries.",
        )
        return found
    for index, entry in enumerate(entries):
        at = (*path, "customProperties", index)
        if not isinstance(entry, Mapping) or not isinstance(entry.get("property"), str):
            reading.add("contract.custom_invalid", at, "a custom property has no `property`", "Name it.")
        elif (key := entry["property"]).startswith("interlock:") and key not in known:
            reading.add("contract.custom_unknown", at, f"`{key}` is not known here", did_you_mean(key, known))
        else:
            found[key] = entry.get("value")
    return found


def _fields(document: Mapping[str, Any], reading: _Reading) -> tuple[Field, ...]:
    objects = document.get("schema")
    if not isinstance(objects, list) or not objects or not isinstance(objects[0], Mapping):
        says = "the contract has no `schema` with an object in it"
        reading.add("contract.schema_missing", ("schema",), says, "Add `schema: [{name: ..., properties: [...]}]`.")
        return ()
    if len(objects) > 1:
        says = f"the contract has {len(objects)} schema objects; one is read"
        reading.add("contract.schema_many", ("schema", 1), says, "Write one contract per object.")
    properties = objects[0].get("properties") or []
    if not isinstance(properties, list):
        reading.add(
            "contract.list_expected", ("schema", 0, "properties"), "`properties` is no list", "Write `- name: ...`."
        )
        return ()
    fields: dict[str, Field] = {}
    for index, block in enumerate(properties):
        at: Path = ("schema", 0, "properties", index)
        if (one := _field(block, at, reading)) is None:
            continue
        if one.name in fields:
            reading.add("contract.field_twice", at, f"`{one.name}` is declared twice", "Remove one of them.")
        fields.setdefault(one.name, one)
    return tuple(fields.values())


def _field(block: Any, at: Path, reading: _Reading) -> Field | None:
    name = block.get("name") if isinstance(block, Mapping) else None
    if not isinstance(name, str) or not name:
        reading.add("contract.field_nameless", at, "a property has no `name`", "Add `name`.")
        return None
    custom = _custom(block, at, _FIELD_CUSTOM, reading)
    required = reading.flag(block.get("required"), False, "required", (*at, "required"))
    minimum, maximum = _bounds(block, at, reading)
    read = Field(
        name=name,
        type=type_of(_type(block, name, at, reading)),
        required=required,
        nullable=reading.flag(custom.get("interlock:nullable"), not required, "interlock:nullable", at),
        unit=_unit(custom, at, reading),
        enum=_enum(block, custom, name, at, reading),
        default=_default(custom, name, at, reading),
        minimum=minimum,
        maximum=maximum,
        description=str(block.get("description") or ""),
    )
    _check_values(read, at, reading)
    return read


def _type(block: Mapping[str, Any], name: str, at: Path, reading: _Reading) -> Kind:
    found = block.get("logicalType")
    if isinstance(found, str) and found in _LOGICAL_TYPES:
        if "properties" in block or "items" in block or found in ("map", "vector"):
            says = f"what is inside `{name}` passes as it is and is not compared between versions"
            reading.add("contract.nested_opaque", at, says, "", Severity.INFO)
        return _LOGICAL_TYPES[found]
    says = f"`{name}` has the logicalType {found!r}" if found else f"`{name}` has no logicalType"
    reading.add("contract.type_unknown", (*at, "logicalType"), says, did_you_mean(str(found), _LOGICAL_TYPES))
    return "object"


def _unit(custom: Mapping[str, Any], at: Path, reading: _Reading) -> str:
    unit = custom.get("interlock:unit", "")
    if isinstance(unit, str):
        return unit
    reading.add("contract.text_expected", at, f"`interlock:unit` is {unit!r}", "Write a UCUM code such as `min`.")
    return ""


def _enum(
    block: Mapping[str, Any], custom: Mapping[str, Any], name: str, at: Path, reading: _Reading
) -> tuple[Scalar, ...]:
    """`enum` of v3.2 (objects with a `value`; bare values are read too), else `interlock:enum`."""
    listed = block.get("enum", custom.get("interlock:enum", []))
    if not isinstance(listed, list):
        reading.add("contract.list_expected", at, f"the enum of `{name}` is no list", "Write a list of values.")
        return ()
    values = [v.get("value") if isinstance(v, Mapping) else v for v in listed]
    for value in values:
        if not _is_scalar(value):
            says = f"the enum of `{name}` has {value!r}, which is no JSON scalar"
            reading.add("contract.enum_invalid", at, says, "Quote it if it is text.")
    if len({identity(v) for v in values}) < len(values):
        reading.add("contract.enum_twice", at, f"the enum of `{name}` names a value twice", "Remove one of them.")
    return tuple(v for v in values if _is_scalar(v))


def _default(custom: Mapping[str, Any], name: str, at: Path, reading: _Reading) -> tuple[Scalar, ...]:
    if "interlock:default" not in custom:
        return ()
    value = custom["interlock:default"]
    if _is_scalar(value):
        return (value,)
    says = f"the default of `{name}` is {value!r}, which is no JSON scalar"
    reading.add("contract.default_invalid", at, says, "Quote it if it is text.")
    return ()


def _bounds(block: Mapping[str, Any], at: Path, reading: _Reading) -> tuple[float | None, float | None]:
    options = block.get("logicalTypeOptions") or {}
    where = (*at, "logicalTypeOptions")
    if not isinstance(options, Mapping):
        reading.add("contract.options_invalid", where, "`logicalTypeOptions` is no mapping", "Write `minimum: 0`.")
        return None, None
    for key in _BOUNDS_NOT_READ:
        if key in options:
            says = f"`{key}` is not read, so a change of it is not seen"
            reading.add("contract.option_ignored", where, says, "Use minimum or maximum.", Severity.WARNING)
    return _bound(options, "minimum", where, reading), _bound(options, "maximum", where, reading)


def _bound(options: Mapping[str, Any], key: str, where: Path, reading: _Reading) -> float | None:
    value = options.get(key)
    if value is not None and double(value) is None:
        reading.add("contract.bound_invalid", (*where, key), f"`{key}` is {value!r}", "Write a number.")
    return double(value)


def _check_values(one: Field, at: Path, reading: _Reading) -> None:
    """Enum values and the default must be values of the field."""
    for value in one.enum:
        if value is not None and not fits_type(value, one.kind):
            says = f"the enum of `{one.name}` has {value!r}, which is no {one.kind}"
            reading.add("contract.enum_misfit", at, says, "Quote it if it is text; YAML reads NO and 1 otherwise.")
    for value in one.default:
        if reason := misfit(value, one):
            says = f"the default of `{one.name}` {reason}"
            reading.add("contract.default_misfit", at, says, "Choose a default that readers may see.")
    if one.minimum is not None and one.maximum is not None and one.minimum > one.maximum:
        reading.add("contract.bounds_empty", at, f"no value of `{one.name}` is within its bounds", "Swap them.")


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, bool | str) or double(value) is not None


def to_odcs(contract: Contract) -> dict[str, Any]:
    """An ODCS v3.1.0 document from which `from_odcs` reads the same contract (`where` aside)."""
    custom: dict[str, Any] = {} if contract.is_open else {"interlock:content": "closed"}
    document: dict[str, Any] = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": contract.name,
        "name": contract.name,
        "version": contract.version,
        "status": "active",
        "schema": [
            {
                "name": contract.name,
                "logicalType": "object",
                "properties": [_property(f) for f in contract.fields],
            }
        ],
    }
    if contract.owner:
        document["team"] = {"name": contract.owner}
    return document | _custom_block(custom)


def _property(one: Field) -> dict[str, Any]:
    block: dict[str, Any] = {"name": one.name, "logicalType": one.kind, "required": one.required}
    if one.description:
        block["description"] = one.description
    bounds = {"minimum": one.minimum, "maximum": one.maximum}
    if options := {key: bound for key, bound in bounds.items() if bound is not None}:
        block["logicalTypeOptions"] = options
    custom: dict[str, Any] = {}
    if one.unit:
        custom["interlock:unit"] = one.unit
    if one.enum:
        custom["interlock:enum"] = list(one.enum)
    if one.default:
        custom["interlock:default"] = one.default[0]
    if one.nullable is one.required:
        custom["interlock:nullable"] = one.nullable
    return block | _custom_block(custom)


def _custom_block(custom: Mapping[str, Any]) -> dict[str, Any]:
    if not custom:
        return {}
    return {"customProperties": [{"property": k, "value": v} for k, v in custom.items()]}
