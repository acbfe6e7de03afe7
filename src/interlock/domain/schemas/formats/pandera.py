"""Pandera schemas: Python source for its polars and ibis backends, and its serialised JSON, read and written.

The serialised form names types as pandas does, so it holds fewer of them. Source is written, never read: reading it
would run it. Sources: Pandera documentation, "Schema Persistence", "Data Validation with Polars", "... with Ibis".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from interlock.domain.schemas.contract import Contract, Object
from interlock.domain.schemas.field import (
    Bool,
    Decimal,
    Duration,
    Field,
    Float,
    Int,
    Json,
    Number,
    String,
    Timestamp,
    Type,
)
from interlock.domain.schemas.formats.form import Exported, Format
from interlock.domain.schemas.formats.notes import Notes, Path
from interlock.domain.schemas.formats.text import parse_json, render_json
from interlock.domain.schemas.scalars import double
from interlock.kernel.finding import Finding, Severity

_DTYPES: dict[str, Type] = {
    "bool": Bool(),
    **{f"int{bits}": Int(bits) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": Int(bits, is_signed=False) for bits in (8, 16, 32, 64)},
    **{f"float{bits}": Float(bits) for bits in (16, 32, 64)},
    "str": String(),
    "datetime64[ns]": Timestamp("ns", is_zoned=False),
    "datetime64[ns, UTC]": Timestamp("ns"),
    "timedelta64[ns]": Duration("ns"),
}
_ALIASES = {"string": "str", "string[python]": "str", "string[pyarrow]": "str", "object": "str", "boolean": "bool"}
_BOUNDS = {
    "greater_than_or_equal_to": "minimum",
    "less_than_or_equal_to": "maximum",
    "greater_than": "more_than",
    "less_than": "less_than",
}
_LOOKS_FOR = "str_contains"
_OF_COLUMNS = frozenset(
    {"title", "description", "dtype", "nullable", "checks", "unique", "coerce", "required", "regex", "default"}
)
"""Keys of a serialised column; newer versions write checks beside them, older ones under `checks`."""


def read(document: Any, notes: Notes) -> Contract:
    """The contract of a serialised DataFrameSchema. `notes` has what could not be held."""
    columns = document.get("columns") if isinstance(document, Mapping) else None
    if not isinstance(columns, Mapping):
        notes.refuse("no_columns", (), "the document has no columns", "Write it with `schema.to_json()`.")
        return Contract("", "", ())
    fields = tuple(_field(str(name), block, notes) for name, block in columns.items())
    unique = document.get("unique") or []
    keys = (tuple(map(str, unique if isinstance(unique, list) else [unique])),) if unique else ()
    for key in ("checks", "index"):
        if document.get(key):
            notes.tell("keyword_not_held", (), f"has `{key}`, which a contract does not hold")
    return Contract("", "", (Object("", fields, document.get("strict") is not True, unique=keys),))


def _field(name: str, block: Any, notes: Notes) -> Field:
    path: Path = (name,)
    notes.enter(path)
    given = block if isinstance(block, Mapping) else {}
    dtype = str(given.get("dtype"))
    found = _DTYPES.get(_ALIASES.get(dtype, dtype))
    if found is None:
        notes.tell("type_not_held", path, f"is {dtype}; read as json")
    attributes: dict[str, Any] = {}
    others = {key: value for key, value in given.items() if key not in _OF_COLUMNS}
    for check, told in (*_checks(given.get("checks")), *_checks(others)):
        attributes |= _attributes(check, told, path, notes)
    return Field(
        name,
        found or Json(),
        required=given.get("required", True) is not False,
        nullable=given.get("nullable", False) is True,
        is_unique=given.get("unique", False) is True,
        description=str(given.get("description") or ""),
        **attributes,
    )


def _checks(given: Any) -> Iterator[tuple[str, Any]]:
    """(name, value) of each check, in either of the forms that Pandera writes."""
    if isinstance(given, Mapping):
        yield from ((str(name), value) for name, value in given.items())
    for one in given if isinstance(given, list) else []:
        if isinstance(one, Mapping):
            options = one.get("options") if isinstance(one.get("options"), Mapping) else {}
            yield str((options or {}).get("check_name", "")), one.get("value", one)


def _attributes(check: str, told: Any, path: Path, notes: Notes) -> dict[str, Any]:
    value = told.get("value", told) if isinstance(told, Mapping) and "value" in told else told
    if check in _BOUNDS and double(value) is not None:
        return {_BOUNDS[check]: value}
    if check == "in_range" and isinstance(told, Mapping):
        low = "minimum" if told.get("include_min", True) else "more_than"
        high = "maximum" if told.get("include_max", True) else "less_than"
        return {low: told.get("min_value"), high: told.get("max_value")}
    if check == "isin":
        listed = told.get("allowed_values", value) if isinstance(told, Mapping) else value
        if isinstance(listed, list):
            return {"enum": tuple(listed)}
    if check == _LOOKS_FOR and isinstance(value, str):
        return {"pattern": value}
    if check == "str_length" and isinstance(told, Mapping) and told.get("exact_value") is None:
        return {"min_length": told.get("min_value"), "max_length": told.get("max_value")}
    notes.tell("check_not_held", path, f"has the check {check!r}, which a contract does not hold")
    return {}


def write(contract: Contract) -> dict[str, Any]:
    """The serialised DataFrameSchema of the contract's record."""
    record = contract.record
    document: dict[str, Any] = {
        "schema_type": "dataframe",
        "api": "pandas",
        "columns": {f.name: _column(f) for f in record.fields},
        "strict": not record.is_open,
    }
    if record.unique:
        document["unique"] = list(record.unique[0])
    return document


def _column(one: Field) -> dict[str, Any]:
    dtype = next((name for name, found in _DTYPES.items() if found == one.type), _nearest(one.type))
    block: dict[str, Any] = {"dtype": dtype, "nullable": one.nullable, "required": one.required}
    if one.is_unique:
        block["unique"] = True
    if one.description:
        block["description"] = one.description
    return block | {name: told.get("value", told) for name, told in _asked(one)}


def _nearest(one: Type) -> str:
    match one:
        case Int():
            return "int64"
        case Number() | Decimal():
            return "float64"
        case Timestamp(is_zoned=is_zoned):
            return "datetime64[ns, UTC]" if is_zoned else "datetime64[ns]"
        case Duration():
            return "timedelta64[ns]"
        case _:
            return "str"


def _asked(one: Field) -> Iterator[tuple[str, dict[str, Any]]]:
    """(check, its arguments) of each constraint of a field."""
    for check, attribute in _BOUNDS.items():
        bound = getattr(one, attribute)
        if bound is not None and isinstance(one.type, Int | Float | Number | Decimal):
            yield check, {"value": bound}
    if one.enum:
        yield "isin", {"value": list(one.enum)}
    if one.pattern:
        yield _LOOKS_FOR, {"value": one.pattern}
    if isinstance(one.type, String) and (one.min_length is not None or one.max_length is not None):
        yield "str_length", {"min_value": one.min_length, "max_value": one.max_length}


_POLARS = {
    "bool": "pl.Boolean",
    "string": "pl.String",
    "date": "pl.Date",
    "time": "pl.Time",
    "bytes": "pl.Binary",
    "number": "pl.Float64",
}
_IBIS = {
    "bool": "dt.boolean",
    "string": "dt.string",
    "date": "dt.date",
    "time": "dt.time",
    "bytes": "dt.binary",
    "number": "dt.float64",
    "json": "dt.json",
}


def source(contract: Contract, backend: str) -> tuple[str, list[tuple[Path, str]]]:
    """Python source of the schema, and (path, what) of everything that it does not ask."""
    record = contract.record
    types = "import polars as pl" if backend == "polars" else "import ibis.expr.datatypes as dt"
    first, second = sorted((types, f"import pandera.{backend} as pa"), key=lambda line: line.split()[1])
    lines = [
        f'"""{_safe(contract.name)} {_safe(contract.version)}, made from its contract."""',
        "",
        first,
        second,
        "",
    ]
    lines += ["schema = pa.DataFrameSchema(", "    {"]
    left: list[tuple[Path, str]] = []
    for one in record.fields:
        written = _polars(one.type) if backend == "polars" else _ibis(one.type)
        if not written:
            left.append(((record.name, one.name), f"its type ({one.type.kind}) is not asked"))
        left += [((record.name, one.name), f"its {name} is not asked") for name in _not_asked(one)]
        checks = [_check(name, told) for name, told in _asked(one)]
        given = [written or "None", *([f"checks=[{', '.join(checks)}]"] if checks else [])]
        given += [
            f"nullable={one.nullable}",
            f"required={one.required}",
            *(["unique=True"] if one.is_unique else []),
        ]
        lines.append(f"        {one.name!r}: pa.Column({', '.join(given)}),")
    lines += ["    },", f"    strict={not record.is_open},"]
    if record.unique or record.primary_key:
        lines.append(f"    unique={list(record.unique[0] if record.unique else record.primary_key)!r},")
    lines += [f"    name={contract.name!r},", ")", ""]
    left += [((record.name,), f"the rule {rule.name or rule.metric} is not asked") for rule in record.rules]
    left += [((record.name,), f"the check {check.name} is not asked") for check in record.checks]
    left += [((record.name,), f"the reference to {one.to} is not asked") for one in record.references]
    return "\n".join(lines), left


def _safe(text: str) -> str:
    return "".join(c for c in text if c.isalnum() or c in "._-+")


def _check(name: str, told: Mapping[str, Any]) -> str:
    given = ", ".join(f"{k}={v!r}" if k != "value" else repr(v) for k, v in told.items() if v is not None)
    return f"pa.Check.{name}({given})"


def _not_asked(one: Field) -> list[str]:
    """Attributes of a field that Pandera's checks do not ask."""
    others = ("unit", "multiple_of", "format", "min_items", "max_items", "has_unique_items", "default")
    return [name for name in others if getattr(one, name) not in (None, "", False, ())]


def _polars(one: Type) -> str:
    match one:
        case Int(bits=bits, is_signed=is_signed):
            return f"pl.{'' if is_signed else 'U'}Int{bits or 64}"
        case Float(bits=bits) if bits != 16:
            return f"pl.Float{bits}"
        case Decimal(precision=precision, scale=scale):
            return f"pl.Decimal({precision}, {scale})"
        case Timestamp(unit=unit, is_zoned=is_zoned) if unit != "s":
            return f'pl.Datetime("{unit}"{", time_zone=" + repr("UTC") if is_zoned else ""})'
        case Duration(unit=unit) if unit != "s":
            return f'pl.Duration("{unit}")'
        case _:
            return _POLARS.get(one.kind, "")


def _ibis(one: Type) -> str:
    match one:
        case Int(bits=bits, is_signed=is_signed):
            return f"dt.{'' if is_signed else 'u'}int{bits or 64}"
        case Float(bits=bits):
            return f"dt.float{bits}"
        case Decimal(precision=precision, scale=scale):
            return f"dt.Decimal({precision}, {scale})"
        case Timestamp(unit=unit, is_zoned=is_zoned):
            scale_of = {"s": 0, "ms": 3, "us": 6, "ns": 9}[unit]
            return f"dt.Timestamp({'timezone=' + repr('UTC') + ', ' if is_zoned else ''}scale={scale_of})"
        case _:
            return _IBIS.get(one.kind, "")


def export_source(contract: Contract, backend: str, where: str) -> Exported:
    """The source as a document, with a finding for everything that it does not ask."""
    text, left = source(contract, backend)
    findings = []
    for path, what in left:
        place = f"{where}#{'.'.join(map(str, path))}"
        says = f"`{path[-1]}`: {what} by Pandera"
        findings.append(Finding("export.lost", Severity.WARNING, place, says, "", place))
    return Exported(text.encode(), tuple(findings))


FORMAT: Final = Format("pandera", "Pandera", (".json",), parse_json, read, write, render_json)
