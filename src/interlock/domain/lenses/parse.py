"""Lens documents: what people write, read into a Lens.

    kind: Lens
    contract: flight-features
    from: "1"
    to: "2"
    ops:
      - rename: {from: dep_delay, to: departure_delay}
      - unit: {field: departure_delay, from: min, to: s, integer: true}
      - map: {field: carrier, values: {UA: United Air Lines Inc.}}
      - add: {field: wind_speed, default: null}
      - drop: {field: tailnum, default: ""}
      - cast: {field: hour, from: string, to: integer}
      - split: {field: route, into: {origin: "split_part(route, '-', 1)"}, merge: "origin || '-'"}
      - each: {field: legs, ops: [{rename: {from: no, to: number}}]}

Expressions are text of the expression language, typed by the two contract versions that the lens names. A unit op
names two UCUM units or gives a `factor` (`60`, `9/5`, `1.609344`: decimals are exact) and an `offset`. Keys of
`values` are text; `pairs: [[1, one], [2, two]]` maps values of other types.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import isfinite
from typing import Any, Final, get_args

from interlock.domain.lenses.apply import CASTS, EXACT_LIMIT
from interlock.domain.lenses.expressions.nodes import Expr
from interlock.domain.lenses.expressions.read import MAX_LENGTH
from interlock.domain.lenses.formulas import has_formulas, typed, written
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import (
    Add,
    Blank,
    Cast,
    Computed,
    Drop,
    Each,
    Fill,
    Head,
    Inside,
    Map,
    Nest,
    Op,
    Program,
    Recombine,
    Rename,
    Scalar,
    ScalarType,
    Unit,
    Unnest,
    Wrap,
)
from interlock.domain.lenses.units import KNOWN_UNITS, conversion
from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.scalars import double, identity
from interlock.kernel.finding import Finding, Severity
from interlock.kernel.ident import NAME_PATTERN, VERSION_PATTERN, did_you_mean

Path = tuple[str | int, ...]
Locate = Callable[[Path], str]
Schema = dict[str, Any]

_FACTOR_PATTERN = r"^-?[0-9]{1,15}(\.[0-9]{1,15})?(/[0-9]{1,15})?$"
UNTYPED = "untyped"
"""The code, after `lens.`, of a lens whose expressions have no types for want of a contract."""
_SCALAR_TYPES: tuple[ScalarType, ...] = get_args(ScalarType)


def _property(description: str, example: Any, **more: Any) -> Schema:
    return {"description": description, "examples": [example], **more}


def _text(description: str, example: str, **more: Any) -> Schema:
    return _property(description, example, type="string", minLength=1, **more)


def _value(description: str, example: Any) -> Schema:
    return _property(description, example, type=["string", "number", "boolean", "null"])


def _formula(description: str, example: str) -> Schema:
    return _text(description, example, maxLength=MAX_LENGTH)


def _formulas(description: str, example: Any) -> Schema:
    one = {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH}
    return _property(description, example, type="object", additionalProperties=one, minProperties=1)


def _names(description: str) -> Schema:
    items = {"type": "string", "minLength": 1}
    example = ["wind_speed", "visib"]
    return _property(description, example, type="array", items=items, minItems=1, uniqueItems=True)


def _sentinel(description: str, example: Any) -> Schema:
    return _property(description, example, type=["string", "number", "boolean"])


def _version(description: str, example: str) -> Schema:
    return _property(description, example, type=["string", "number"], pattern=VERSION_PATTERN)


def _op(description: str, required: tuple[str, ...], **properties: Schema) -> Schema:
    """An op's schema. `from` is a Python keyword, so it comes as `from_`."""
    known = {name.removesuffix("_"): one for name, one in properties.items()}
    return {
        "type": "object",
        "description": description,
        "examples": [{name: known[name]["examples"][0] for name in required}],
        "properties": known,
        "required": list(required),
        "additionalProperties": False,
    }


_ANY_OP: Final[Schema] = {"$ref": "#/$defs/op"}
_RENAMED = {"rename": {"from": "dep_delay", "to": "departure_delay"}}
_FIELD = _text("The field, by the name that it has at this point of the program.", "departure_delay")
_OPS: Final[dict[str, Schema]] = {
    "rename": _op(
        "Gives a field another name; the value stays.",
        ("from", "to"),
        from_=_text("The name in the older version.", "dep_delay"),
        to=_text("The name in the newer version.", "departure_delay"),
    ),
    "add": _op(
        "Adds a field that the older version lacks; going back, it is dropped.",
        ("field",),
        field=_FIELD,
        default=_value("The value that it gets; null when not given.", "unknown"),
        value=_formula("What it is computed from the other fields, in place of default.", "distance * 1.609344"),
    ),
    "drop": _op(
        "Drops a field that the newer version lacks; going back, it is made up.",
        ("field",),
        field=_FIELD,
        default=_value("The value that it gets on the way back; null when not given.", ""),
        value=_formula("What it is computed from on the way back, in place of default.", "distance / 1.609344"),
    ),
    "cast": _op(
        "Changes the JSON type; values without an exact counterpart are rejected.",
        ("field", "from", "to"),
        field=_FIELD,
        from_=_property("The type before.", "string", type="string", enum=list(_SCALAR_TYPES)),
        to=_property("The type after.", "integer", type="string", enum=list(_SCALAR_TYPES)),
    ),
    "unit": _op(
        "Converts a number: two UCUM units in from and to, or a factor with an optional offset.",
        ("field",),
        field=_FIELD,
        from_=_text("The UCUM unit before.", "min"),
        to=_text("The UCUM unit after.", "s"),
        factor=_property(
            "What to multiply by: an integer, a decimal or a fraction.",
            "9/5",
            type=["string", "number"],
            pattern=_FACTOR_PATTERN,
        ),
        offset=_property("What to add after multiplying.", 32, type="number"),
        integer=_property("Whether both sides are whole numbers.", True, type="boolean"),
    ),
    "map": _op(
        "Replaces values by a table, in values (for text) or pairs (for any value).",
        ("field",),
        field=_FIELD,
        values=_property(
            "The table: value before, value after.",
            {"UA": "United Air Lines Inc."},
            type="object",
            additionalProperties=_value("The value after.", "United Air Lines Inc."),
        ),
        pairs=_property(
            "The table as a list of [before, after], for values that are not text.",
            [[1, "one"]],
            type="array",
            items={"type": "array", "minItems": 2, "maxItems": 2},
        ),
        fallback=_value("What any other value becomes; without it the record is rejected.", "other"),
    ),
    "split": _op(
        "Makes several fields of one; going back, they are merged. Where a field that may not be null cannot be "
        "computed, the record is rejected.",
        ("field", "into", "merge"),
        field=_FIELD,
        into=_formulas(
            "The fields that it becomes, each with its expression.", {"origin": "split_part(route, '-', 1)"}
        ),
        merge=_formula("What the field is computed from on the way back.", "origin || '-' || dest"),
    ),
    "merge": _op(
        "Makes one field of several; going back, it is split.",
        ("into", "value", "split"),
        into=_text("The field that they become.", "route"),
        value=_formula("What it is computed from.", "origin || '-' || dest"),
        split=_formulas(
            "The fields that are merged, each with what it is computed from on the way back.",
            {"origin": "split_part(route, '-', 1)"},
        ),
    ),
    "nest": _op(
        "Moves fields into a new object; going back, they move out.",
        ("fields", "into"),
        fields=_names("The fields that move, by the names that they keep."),
        into=_text("The object.", "weather"),
    ),
    "unnest": _op(
        "Moves all fields of an object out of it, null when it is null; going back, they move in.",
        ("field", "fields"),
        field=_FIELD,
        fields=_names("The fields of the object: every one that it has."),
    ),
    "wrap": _op(
        "Makes a list of one of a value; going back, its first element is taken.", ("field",), field=_FIELD
    ),
    "head": _op(
        "Takes the first element of a list, null when it is empty; going back, it is a list of one.",
        ("field",),
        field=_FIELD,
    ),
    "fill": _op(
        "Writes a value in place of null; going back, that value becomes null.",
        ("field", "value"),
        field=_FIELD,
        value=_sentinel("The value that stands for null.", -1),
    ),
    "blank": _op(
        "Writes null in place of a value; going back, null becomes that value.",
        ("field", "value"),
        field=_FIELD,
        value=_sentinel("The value that becomes null.", "N/A"),
    ),
    "in": _op(
        "Applies ops to the object in a field.",
        ("field", "ops"),
        field=_FIELD,
        ops=_property("The ops, on the fields of the object.", [_RENAMED], type="array", items=_ANY_OP),
    ),
    "each": _op(
        "Applies ops to every object of the list in a field.",
        ("field", "ops"),
        field=_FIELD,
        ops=_property("The ops, on the fields of each object.", [_RENAMED], type="array", items=_ANY_OP),
    ),
}

LENS_SCHEMA: Final[Schema] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Lens",
    "description": "A two-way translation between two adjacent versions of a contract.",
    "type": "object",
    "properties": {
        "kind": _property("What this document declares.", "Lens", const="Lens"),
        "contract": _text("The contract whose versions it joins.", "flight-features", pattern=NAME_PATTERN),
        "from": _version("The older version.", "1"),
        "to": _version("The newer version.", "2"),
        "status": _property(
            "`draft` until a person has confirmed it: a draft translates nothing. `active` when not given.",
            "active",
            enum=["active", "draft"],
        ),
        "ops": _property(
            "What takes a record of the older version to the newer one, in order. The way back is derived.",
            [_RENAMED],
            type="array",
            items=_ANY_OP,
        ),
    },
    "$defs": {
        "op": {
            "type": "object",
            "description": "One operation, named by its only key.",
            "properties": _OPS,
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
        },
    },
    "required": ["kind", "contract", "from", "to", "ops"],
    "additionalProperties": False,
}
"""The JSON Schema of a lens document (draft 2020-12), for the workspace loader and for editors."""


@dataclass(slots=True)
class _Reading:
    locate: Locate
    findings: list[Finding] = field(default_factory=list)
    subject: str = "lens"

    def add(self, code: str, path: Path, says: str, remedy: str) -> None:
        where = self.locate(path)
        self.findings.append(Finding(f"lens.{code}", Severity.ERROR, self.subject, says, remedy, where))


def lens_from(
    document: Mapping[str, Any], locate: Locate, contracts: Mapping[tuple[str, str], Contract] | None = None
) -> tuple[Lens | None, list[Finding]]:
    """The lens that `document` states, or None; and every problem found in it, located by `locate(path)`.

    contracts: by name and version; a lens with expressions needs its two.
    """
    reading = _Reading(locate)
    _check_keys(document, tuple(LENS_SCHEMA["properties"]), (), reading)
    if document.get("kind") != "Lens":
        reading.add("kind_unknown", ("kind",), f"`kind` is {document.get('kind')!r}", "Write `kind: Lens`.")
    contract, older, newer = (_words(document, key, (), reading) for key in ("contract", "from", "to"))
    reading.subject = f"lens:{contract}@{older}..{newer}"
    if older and older == newer:
        reading.add("versions_equal", ("to",), f"from and to are both {older}", "Name two versions.")
    status = document.get("status", "active")
    if status not in ("active", "draft"):
        reading.add("status_unknown", ("status",), f"`status` is {status!r}", "Write draft or active.")
    ops = tuple(_ops(document.get("ops"), ("ops",), reading))
    if reading.findings:
        return None, reading.findings
    if has_formulas(ops):
        ops = _typed(ops, contract, (older, newer), contracts or {}, reading)
    if reading.findings:
        return None, reading.findings
    places = tuple(locate(("ops", number)) for number in range(len(ops)))
    return Lens(contract, older, newer, ops, locate(()), status == "draft", places), []


def _typed(
    ops: Program,
    contract: str,
    versions: tuple[str, str],
    contracts: Mapping[tuple[str, str], Contract],
    reading: _Reading,
) -> Program:
    older, newer = (contracts.get((contract, version)) for version in versions)
    if older is None or newer is None:
        lacking = versions[0] if older is None else versions[1]
        says = f"its expressions have no types, because {contract}@{lacking} is not declared"
        there = ", ".join(sorted(version for name, version in contracts if name == contract))
        remedy = (
            f"Declare it, or name one of its versions: {there}." if there else f"Declare the contract {contract}."
        )
        reading.add(UNTYPED, ("ops",), says, remedy)
        return ops
    ops, findings = typed(ops, older, newer, reading.subject)
    reading.findings += findings
    return ops


def _check_keys(block: Mapping[str, Any], known: tuple[str, ...], path: Path, reading: _Reading) -> None:
    for key in block:
        if key not in known:
            says = f"{'.'.join(map(str, path)) or 'the lens'} has the unknown key {key!r}"
            reading.add("key_unknown", (*path, key), says, did_you_mean(str(key), known))


def _words(block: Mapping[str, Any], key: str, path: Path, reading: _Reading) -> str:
    """Required, non-empty text."""
    value = block.get(key)
    if isinstance(value, str) and value:
        return value
    if value is None or value == "":
        reading.add("key_missing", path, f"`{key}` is missing", f"Add `{key}`.")
    else:
        says = f"`{key}` is {value!r}, which is no text"
        reading.add("text_expected", (*path, key), says, f'Write `{key}: "{value}"`.')
    return ""


def _ops(listed: Any, path: Path, reading: _Reading) -> Iterator[Op]:
    if not isinstance(listed, list):
        reading.add("ops_missing", path, "`ops` is no list", "Write `- rename: {from: a, to: b}` entries.")
        return
    for index, entry in enumerate(listed):
        at: Path = (*path, index)
        if not isinstance(entry, Mapping) or len(entry) != 1:
            reading.add("op_invalid", at, "an op is a mapping with one key", "Write `- drop: {field: a}`.")
            continue
        [(name, block)] = entry.items()
        if name not in _OPS:
            reading.add("op_unknown", at, f"there is no op {name!r}", did_you_mean(str(name), _OPS))
        elif not isinstance(block, Mapping):
            reading.add("op_invalid", at, f"{name} is no mapping", "Write `- drop: {field: a}`.")
        else:
            before = len(reading.findings)
            op = _read(name, block, (*at, name), reading)
            if len(reading.findings) == before:
                yield op


def _read(name: str, block: Mapping[str, Any], at: Path, reading: _Reading) -> Op:
    """The op that `block` states; meaningless when a finding was added."""
    _check_keys(block, tuple(_OPS[name]["properties"]), at, reading)
    match name:
        case "rename":
            return Rename(_words(block, "from", at, reading), _words(block, "to", at, reading))
        case "merge":
            whole = _computed(block.get("split"), (*at, "split"), reading)
            one = Computed(_words(block, "into", at, reading), _formula_at(block, "value", at, reading))
            return Recombine(whole, (one,))
        case "nest":
            return Nest(_listed(block, at, reading), _words(block, "into", at, reading))
    return _read_of_field(name, _words(block, "field", at, reading), block, at, reading)


def _read_of_field(name: str, target: str, block: Mapping[str, Any], at: Path, reading: _Reading) -> Op:
    match name:
        case "add":
            return Add(target, *_made(block, at, reading))
        case "drop":
            return Drop(target, *_made(block, at, reading))
        case "cast":
            return _cast(target, block, at, reading)
        case "unit":
            return _unit(target, block, at, reading)
        case "map":
            return _map(target, block, at, reading)
        case "split":
            whole = Computed(target, _formula_at(block, "merge", at, reading))
            return Recombine((whole,), _computed(block.get("into"), (*at, "into"), reading))
        case "unnest":
            return Unnest(_listed(block, at, reading), target)
        case "wrap":
            return Wrap(target)
        case "head":
            return Head(target)
        case "fill":
            return Fill(target, _sentinel_of(block, at, reading))
        case "blank":
            return Blank(target, _sentinel_of(block, at, reading))
        case _:
            kind = Inside if name == "in" else Each
            return kind(target, tuple(_ops(block.get("ops"), (*at, "ops"), reading)))


def _made(block: Mapping[str, Any], at: Path, reading: _Reading) -> tuple[Scalar, Expr | None]:
    """The default and the expression, of which one may be given."""
    if "value" not in block:
        return _scalar(block.get("default"), (*at, "default"), reading), None
    if "default" in block:
        reading.add("value_twice", at, "`default` stands beside `value`", "Write one or the other.")
    return None, _formula_at(block, "value", at, reading)


def _formula_at(block: Mapping[str, Any], key: str, at: Path, reading: _Reading) -> Expr:
    return written(_words(block, key, at, reading), reading.locate((*at, key)))


def _computed(block: Any, at: Path, reading: _Reading) -> tuple[Computed, ...]:
    """Fields by name with their expressions."""
    if not isinstance(block, Mapping) or not block:
        remedy = "Write `{a: expression, b: expression}`."
        reading.add("formulas_expected", at, f"`{at[-1]}` names no fields with expressions", remedy)
        return ()
    return tuple(Computed(str(name), _formula_at(block, name, at, reading)) for name in block)


def _listed(block: Mapping[str, Any], at: Path, reading: _Reading) -> tuple[str, ...]:
    names = block.get("fields")
    if not isinstance(names, list) or not names or not all(isinstance(one, str) and one for one in names):
        reading.add("names_expected", (*at, "fields"), "`fields` is no list of names", "Write `fields: [a, b]`.")
        return ()
    if len(set(names)) < len(names):
        reading.add("names_expected", (*at, "fields"), "`fields` names a field twice", "Remove one of them.")
    return tuple(names)


def _sentinel_of(block: Mapping[str, Any], at: Path, reading: _Reading) -> Scalar:
    """A value that can stand for null: not null, and no number that doubles cannot tell from its neighbour."""
    value = _scalar(block.get("value"), (*at, "value"), reading)
    if value is None:
        reading.add("value_missing", at, "`value` is missing, or null", "Write the value that stands for null.")
    elif isinstance(value, int | float) and abs(value) >= EXACT_LIMIT:
        reading.add("value_invalid", (*at, "value"), "`value` is not below 2**53", "Choose a smaller number.")
    return value


def _scalar(value: Any, path: Path, reading: _Reading) -> Scalar:
    if value is None or isinstance(value, bool | str) or double(value) is not None:
        return value  # type: ignore[no-any-return]  # just shown to be a scalar
    reading.add("value_invalid", path, f"{value!r} is no JSON scalar", "Quote it if it is text.")
    return None


def _cast(target: str, block: Mapping[str, Any], at: Path, reading: _Reading) -> Cast:
    pair = (_words(block, "from", at, reading), _words(block, "to", at, reading))
    for known in CASTS:
        if pair == known:
            return Cast(target, *known)
    if all(pair):
        there = ", ".join(f"{source} to {result}" for source, result in CASTS)
        says = f"there is no exact cast from {pair[0]} to {pair[1]}"
        reading.add("cast_unknown", at, says, f"There is: {there}.")
    return Cast(target, "string", "string")


def _unit(target: str, block: Mapping[str, Any], at: Path, reading: _Reading) -> Unit:
    integer = block.get("integer", False)
    if not isinstance(integer, bool):
        reading.add("flag_expected", (*at, "integer"), f"`integer` is {integer!r}", "Write true or false.")
    factor, offset = _named(block, at, reading) if "factor" not in block else _given(block, at, reading)
    if factor == 0 or max(abs(factor.numerator), factor.denominator) > EXACT_LIMIT:
        says = f"the factor {factor} cannot be turned around exactly"
        reading.add("factor_invalid", at, says, "Use a factor other than zero, with parts below 2**53.")
    elif not isfinite(float(offset) * factor.denominator / factor.numerator):
        says = f"the offset {float(offset)!r} of the factor {factor} has no counterpart on the way back"
        reading.add("offset_invalid", (*at, "offset"), says, "Use a smaller one.")
    return Unit(target, factor.numerator, factor.denominator, float(offset), integer is True)


def _named(block: Mapping[str, Any], at: Path, reading: _Reading) -> tuple[Fraction, Fraction]:
    """The factor and offset between two units by name."""
    source, target = _words(block, "from", at, reading), _words(block, "to", at, reading)
    if "offset" in block:
        reading.add("unit_twice", at, "`offset` stands beside two named units", "Use `factor` with `offset`.")
    found = conversion(source, target) if source and target else (Fraction(1), Fraction(0))
    if found is None:
        says = f"there is no known conversion from {source!r} to {target!r}"
        known = f"Give a `factor`. Known units: {', '.join(KNOWN_UNITS)}."
        reading.add("unit_unknown", at, says, known)
    return found or (Fraction(1), Fraction(0))


def _given(block: Mapping[str, Any], at: Path, reading: _Reading) -> tuple[Fraction, Fraction]:
    if "from" in block or "to" in block:
        reading.add("unit_twice", at, "`factor` stands beside named units", "Write one or the other.")
    factor, offset = block["factor"], block.get("offset", 0)
    if double(offset) is None:
        reading.add("offset_invalid", (*at, "offset"), f"`offset` is {offset!r}", "Write a number.")
        offset = 0
    if not isinstance(factor, bool) and re.fullmatch(_FACTOR_PATTERN, str(factor)):
        numerator, _, denominator = str(factor).partition("/")
        if int(denominator or 1):
            return Fraction(numerator) / int(denominator or 1), Fraction(offset)
    reading.add("factor_invalid", (*at, "factor"), f"`factor` is {factor!r}", "Write 60, 1.609344 or 9/5.")
    return Fraction(1), Fraction(offset)


def _map(target: str, block: Mapping[str, Any], at: Path, reading: _Reading) -> Map:
    pairs = tuple(_pairs(block, at, reading))
    if len({identity(source) for source, _ in pairs}) < len(pairs):
        reading.add("map_twice", at, "the map names a value twice", "Remove one of them.")
    if not pairs:
        reading.add("map_empty", at, "the map has neither `values` nor `pairs`", "Write `values: {a: b}`.")
    fallback = (_scalar(block["fallback"], (*at, "fallback"), reading),) if "fallback" in block else ()
    return Map(target, pairs, fallback)


def _pairs(block: Mapping[str, Any], at: Path, reading: _Reading) -> Iterator[tuple[Scalar, Scalar]]:
    values, listed = block.get("values", {}), block.get("pairs", [])
    if not isinstance(values, Mapping) or not isinstance(listed, list):
        reading.add("map_invalid", at, "`values` is no mapping, or `pairs` no list", "Write `values: {a: b}`.")
        return
    for source, result in values.items():
        spot = (*at, "values", source)
        yield _scalar(source, spot, reading), _scalar(result, spot, reading)
    for index, pair in enumerate(listed):
        spot = (*at, "pairs", index)
        if not isinstance(pair, list) or len(pair) != 2:
            reading.add("map_invalid", spot, f"{pair!r} is no pair", "Write `[before, after]`.")
        else:
            yield _scalar(pair[0], spot, reading), _scalar(pair[1], spot, reading)
