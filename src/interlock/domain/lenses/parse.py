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

A unit op names two UCUM units or gives a `factor` (`60`, `9/5`, `1.609344`: decimals are exact) and an
`offset`. Keys of `values` are text; `pairs: [[1, one], [2, two]]` maps values of other types.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final, get_args

from interlock.domain.lenses.apply import CASTS, EXACT_LIMIT
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import Add, Cast, Drop, Map, Op, Rename, Scalar, ScalarType, Unit
from interlock.domain.lenses.units import KNOWN_UNITS, conversion
from interlock.domain.schemas.scalars import double, identity
from interlock.kernel.finding import Finding, Severity
from interlock.kernel.ident import NAME_PATTERN, VERSION_PATTERN, did_you_mean

Path = tuple[str | int, ...]
Locate = Callable[[Path], str]
Schema = dict[str, Any]

_FACTOR_PATTERN = r"^-?[0-9]{1,15}(\.[0-9]{1,15})?(/[0-9]{1,15})?$"
_SCALAR_TYPES: tuple[ScalarType, ...] = get_args(ScalarType)


def _property(description: str, example: Any, **more: Any) -> Schema:
    return {"description": description, "examples": [example], **more}


def _text(description: str, example: str, **more: Any) -> Schema:
    return _property(description, example, type="string", minLength=1, **more)


def _value(description: str, example: Any) -> Schema:
    return _property(description, example, type=["string", "number", "boolean", "null"])


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
    ),
    "drop": _op(
        "Drops a field that the newer version lacks; going back, it is made up.",
        ("field",),
        field=_FIELD,
        default=_value("The value that it gets on the way back; null when not given.", ""),
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
        "ops": _property(
            "What takes a record of the older version to the newer one, in order. The way back is derived.",
            [{"rename": {"from": "dep_delay", "to": "departure_delay"}}],
            type="array",
            items={
                "type": "object",
                "description": "One operation, named by its only key.",
                "properties": _OPS,
                "additionalProperties": False,
                "minProperties": 1,
                "maxProperties": 1,
            },
        ),
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


def lens_from(document: Mapping[str, Any], locate: Locate) -> tuple[Lens | None, list[Finding]]:
    """The lens that `document` states, or None; and every problem found in it, located by `locate(path)`."""
    reading = _Reading(locate)
    _check_keys(document, tuple(LENS_SCHEMA["properties"]), (), reading)
    if document.get("kind") != "Lens":
        reading.add("kind_unknown", ("kind",), f"`kind` is {document.get('kind')!r}", "Write `kind: Lens`.")
    contract, older, newer = (_words(document, key, (), reading) for key in ("contract", "from", "to"))
    reading.subject = f"lens:{contract}@{older}..{newer}"
    if older and older == newer:
        reading.add("versions_equal", ("to",), f"from and to are both {older}", "Name two versions.")
    ops = tuple(_ops(document.get("ops"), reading))
    if reading.findings:
        return None, reading.findings
    return Lens(contract, older, newer, ops, locate(())), []


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


def _ops(listed: Any, reading: _Reading) -> Iterator[Op]:
    if not isinstance(listed, list):
        reading.add("ops_missing", ("ops",), "`ops` is no list", "Write `- rename: {from: a, to: b}` entries.")
        return
    for index, entry in enumerate(listed):
        at: Path = ("ops", index)
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
    if name == "rename":
        return Rename(_words(block, "from", at, reading), _words(block, "to", at, reading))
    target = _words(block, "field", at, reading)
    match name:
        case "add":
            return Add(target, _scalar(block.get("default"), (*at, "default"), reading))
        case "drop":
            return Drop(target, _scalar(block.get("default"), (*at, "default"), reading))
        case "cast":
            return _cast(target, block, at, reading)
        case "unit":
            return _unit(target, block, at, reading)
        case _:
            return _map(target, block, at, reading)


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
