"""Where the records are in a body: one translation of records serves every shape that services speak.

`opened` takes a body (JSON data) apart into records and a frame, `closed` puts records back into the frame. With
the same records the same body comes back, to the order of keys; what the shape does not name stays in the frame.

- object: one object, or a list of objects.
- mlflow: `dataframe_split`, `dataframe_records`, `instances`, `inputs` and `predictions` (MLflow, "Inference Server
  Specification"; TensorFlow Serving, "RESTful API", whose row and column formats these names come from).
- oip: named tensors of the Open Inference Protocol v2 (open-inference-protocol, inference_rest.md); records run
  along the first dimension. A tensor of one value a record is that value; others are nested lists, row by row.

What has no names, or no agreed number of records, is rejected in words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, assert_never

from interlock.domain.lenses.apply import MAX_DEPTH, Record, Rejected, compile_program
from interlock.domain.lenses.ops import Add, Nest, Program, Recombine, Rename, Unnest
from interlock.domain.schemas.field import Field
from interlock.domain.schemas.formats.oip import datatype_of

BodyShape = Literal["object", "oip", "mlflow"]
Types = Mapping[str, str]
"""Field -> datatype of the Open Inference Protocol, as its reader declares it."""
NO_OBJECTS = "the body is neither an object nor an array of objects"


@dataclass(frozen=True, slots=True)
class One:
    """The body is the record."""


@dataclass(frozen=True, slots=True)
class Many:
    """The body is the list of records."""


@dataclass(frozen=True, slots=True)
class Listed:
    """The records are listed under `key` of `body`."""

    body: Record
    key: str


@dataclass(frozen=True, slots=True)
class Table:
    """Names of columns and rows of values, under `dataframe_split` of `body`."""

    body: Record
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Columns:
    """A list of values for each name, under `key` of `body`."""

    body: Record
    key: str


@dataclass(frozen=True, slots=True)
class Tensors:
    """Named tensors, under `key` of `body`."""

    body: Record
    key: str


Frame = One | Many | Listed | Table | Columns | Tensors
_FRAME_KEYS = ("dataframe_split", "dataframe_records", "instances", "inputs", "predictions", "outputs")
_RANGES = {f"INT{b}": (-(2 ** (b - 1)), 2 ** (b - 1) - 1) for b in (8, 16, 32, 64)}
_RANGES |= {f"UINT{b}": (0, 2**b - 1) for b in (8, 16, 32, 64)}
_FLOATS = frozenset({"FP16", "FP32", "FP64", "BF16"})
_MOST_EMPTY = 10_000
"""So many lists without a value a tensor may have: a short text names any number of them."""


def body_run(
    program: Program, shape: BodyShape, types: Types | None = None, run: Callable[[Record], Record] | None = None
) -> Callable[[Any], Any]:
    """The translation of whole bodies of `shape`, JSON data to JSON data. Rejected as `compile_program` says, or
    when a body is not of the shape. types: of what the program makes, for tensors; run: does what the program does.
    """
    translate = run or compile_program(program)
    kept = _origins(program)

    def translated(body: Any) -> Any:
        records, frame = opened(body, shape)
        made = [translate(record) for record in records]
        if not records and isinstance(frame, Table | Columns | Tensors):
            return _without_rows(frame, translate, types or {}, kept)
        return closed(frame, made, types or {}, kept)

    return translated


def without_selection(run: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """For requests whose answers are translated: tensors of the answer that a request asks for by name (`outputs`)
    would be looked for under another version's names.
    """

    def translated(body: Any) -> Any:
        if isinstance(body, dict) and "inputs" in body and body.get("outputs"):
            raise Rejected("outputs", "selects tensors of the answer, which is translated; leave it out")
        return run(body)

    return translated


def opened(body: Any, shape: BodyShape) -> tuple[list[Record], Frame]:
    """The records in `body`, and what is around them. Rejected when it is not of the shape."""
    match shape:
        case "object":
            return _open_object(body)
        case "mlflow":
            return _open_mlflow(body)
        case "oip":
            return _open_tensors(body)
        case _:
            assert_never(shape)


def closed(
    frame: Frame,
    records: list[Record],
    types: Types | None = None,
    origin: Callable[[str], str | None] = lambda name: name,
) -> Any:
    """`records` in `frame`. types: datatypes that their reader declares; origin: the name that a field had in the
    frame when nothing but its name changed.
    """
    match frame:
        case One():
            return records[0]
        case Many():
            return records
        case Listed(body, key):
            return {**body, key: records}
        case Table(body):
            names = _names(records)
            table = {"columns": list(names), "data": [[record[name] for name in names] for record in records]}
            return {**body, "dataframe_split": {**body["dataframe_split"], **table}}
        case Columns(body, key):
            return {**body, key: {name: [record[name] for record in records] for name in _names(records)}}
        case Tensors():
            return _close_tensors(frame, records, types or {}, origin)
        case _:
            assert_never(frame)


def datatypes(fields: Sequence[Field]) -> tuple[tuple[str, str], ...]:
    """(field, datatype) of what a contract declares, for `Types`; without the fields that no tensor holds."""
    found = ((one.name, datatype_of(one.type)) for one in fields)
    return tuple((name, datatype) for name, datatype in found if datatype)


def _without_rows(frame: Frame, translate: Callable[[Record], Record], types: Types, origin: Any) -> Any:
    """No record tells what becomes of the names: a record of nulls, which ops pass on, does."""
    names = _frame_names(frame)
    made = list(translate(dict.fromkeys(names)))
    match frame:
        case Table(body):
            return {**body, "dataframe_split": {**body["dataframe_split"], "columns": made}}
        case Columns(body, key):
            return {**body, key: {name: [] for name in made}}
        case Tensors():
            return _close_tensors(frame, [], types, origin, made)
        case _:
            raise AssertionError(frame)


def _frame_names(frame: Frame) -> list[str]:
    match frame:
        case Table(_, columns):
            return list(columns)
        case Columns(body, key):
            return list(body[key])
        case Tensors(body, key):
            return [tensor["name"] for tensor in body[key]]
        case _:
            return []


# ---- objects, and what MLflow speaks


def _open_object(body: Any) -> tuple[list[Record], Frame]:
    match body:
        case dict():
            return [body], One()
        case [*records] if all(isinstance(record, dict) for record in records):
            return records, Many()
        case _:
            raise Rejected("", NO_OBJECTS)


def _open_mlflow(body: Any) -> tuple[list[Record], Frame]:
    there = [key for key in _FRAME_KEYS if key in body] if isinstance(body, dict) else []
    if len(there) != 1:
        found = f"both {' and '.join(there)}" if there else "none"
        raise Rejected("", f"the body has {found} of {', '.join(_FRAME_KEYS)}")
    [key] = there
    if key == "dataframe_split":
        return _open_table(body)
    match body[key]:
        case [*records] if all(isinstance(record, dict) for record in records):
            return records, Listed(body, key)
        case dict() as columns if key in ("inputs", "outputs", "predictions"):
            return _open_columns(columns, key), Columns(body, key)
        case _:
            raise Rejected(key, "has values without names, so no field can be found in them")


def _open_table(body: Record) -> tuple[list[Record], Frame]:
    table = body["dataframe_split"]
    columns, rows = (table.get(part) if isinstance(table, dict) else None for part in ("columns", "data"))
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise Rejected("dataframe_split", "does not name its columns")
    if len(set(columns)) < len(columns):
        raise Rejected("dataframe_split", "names a column twice")
    if not isinstance(rows, list) or not all(isinstance(r, list) and len(r) == len(columns) for r in rows):
        raise Rejected("dataframe_split", "has a row that is not one value for each column")
    return [dict(zip(columns, row, strict=True)) for row in rows], Table(body, tuple(columns))


def _open_columns(columns: Record, key: str) -> list[Record]:
    lists = list(columns.values())
    if not all(isinstance(one, list) for one in lists) or len({len(one) for one in lists}) > 1:
        raise Rejected(key, "has columns that are no lists of one length")
    return [dict(zip(columns, values, strict=True)) for values in zip(*lists, strict=True)]


def _names(records: list[Record]) -> list[str]:
    """The names that all records have; Rejected when they differ."""
    names = list(records[0]) if records else []
    for record in records:
        if record.keys() != records[0].keys():
            name = next(iter(record.keys() ^ records[0].keys()))
            raise Rejected(name, "is not in every row, and a table has it in all or none")
    return names


# ---- tensors


def _open_tensors(body: Any) -> tuple[list[Record], Frame]:
    key = next((k for k in ("inputs", "outputs") if isinstance(body, dict) and k in body), "")
    tensors = body[key] if key else None
    if not isinstance(tensors, list) or not all(isinstance(one, dict) for one in tensors):
        raise Rejected("", "the body has no tensors under inputs or outputs")
    _refuse_binary(body, tensors)
    names = [one.get("name") for one in tensors]
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise Rejected(key, "has tensors without a name, or two of one name")
    columns = {str(one["name"]): _rows(one) for one in tensors}
    if len({len(rows) for rows in columns.values()}) > 1:
        raise Rejected(key, "has tensors of different first dimensions")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)], Tensors(body, key)


def _refuse_binary(body: Record, tensors: list[Record]) -> None:
    """The binary tensor data extension puts numbers behind the JSON."""
    wanted = body.get("outputs")
    for one in (body, *tensors, *(wanted if isinstance(wanted, list) else ())):
        told = one.get("parameters") if isinstance(one, dict) else None
        binary = ("binary_data_size", "binary_data", "binary_data_output")
        if isinstance(told, dict) and any(told.get(name) for name in binary):
            raise Rejected(
                str(one.get("name", "")), "is asked for or sent as binary data, which cannot be translated"
            )


def _rows(tensor: Record) -> list[Any]:
    """The values of a tensor, one for each record."""
    name, shape, data = tensor["name"], tensor.get("shape"), tensor.get("data")
    if not isinstance(shape, list) or not shape or not all(_is_length(d) for d in shape):
        raise Rejected(name, "has no shape with a dimension for the records")
    if len(shape) > MAX_DEPTH or (0 in shape and math.prod(shape[: shape.index(0)]) > _MOST_EMPTY):
        raise Rejected(name, "has a shape that no values fill")
    flat = list(_flattened(data, len(shape))) if isinstance(data, list) else None
    if flat is None or len(flat) != math.prod(shape):
        raise Rejected(name, "has not as many values as its shape says")
    return _nested(flat, shape if math.prod(shape[1:]) != 1 else shape[:1])


def _is_length(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _flattened(data: list[Any], depth: int) -> Iterator[Any]:
    for one in data:
        if isinstance(one, list) and depth > 1:
            yield from _flattened(one, depth - 1)
        else:
            yield one


def _nested(flat: list[Any], shape: list[int]) -> list[Any]:
    if len(shape) == 1:
        return flat
    size = math.prod(shape[1:])
    return [_nested(flat[i * size : (i + 1) * size], shape[1:]) for i in range(shape[0])]


def _close_tensors(
    frame: Tensors,
    records: list[Record],
    types: Types,
    origin: Callable[[str], str | None],
    names: list[str] | None = None,
) -> Record:
    before = {one["name"]: one for one in frame.body[frame.key]}
    usual: list[int] = next((one["shape"][1:] for one in before.values() if math.prod(one["shape"][1:]) == 1), [])
    made = []
    for name in _names(records) if names is None else names:
        source = before.get(origin(name) or "")
        made.append(_tensor(name, [record[name] for record in records], source, types.get(name, ""), usual))
    return {**frame.body, frame.key: made}


def _tensor(name: str, rows: list[Any], source: Record | None, declared: str, usual: list[int]) -> Record:
    """A tensor of one value for each record, in the shape and datatype of its `source` when it is the same data."""
    inner = _inner_shape(name, rows)
    flat = rows
    for _ in inner:
        flat = list(chain.from_iterable(flat))
    if source is not None:
        shape, is_flat = (
            [len(rows), *source["shape"][1:]],
            not (source["data"] and isinstance(source["data"][0], list)),
        )
        data = flat if is_flat else _nested(flat, shape)
        return {**source, "name": name, "shape": shape, "data": data}
    datatype = declared or _guessed(flat)
    if not datatype or not all(_fits(value, datatype) for value in flat):
        raise Rejected(name, f"has values that no tensor of {datatype or 'one datatype'} holds")
    return {"name": name, "shape": [len(rows), *(inner or usual)], "datatype": datatype, "data": flat}


def _inner_shape(name: str, rows: list[Any]) -> list[int]:
    """The dimensions of each record's value; none for a plain value."""
    shape: list[int] = []
    level = rows
    while level and isinstance(level[0], list):
        if not all(isinstance(one, list) and len(one) == len(level[0]) for one in level):
            raise Rejected(name, "has values of different shapes")
        shape.append(len(level[0]))
        level = list(chain.from_iterable(level))
    return shape


def _guessed(flat: list[Any]) -> str:
    """The widest datatype of the kind that all values are of; empty when they are of none, or there are none."""
    for datatype in ("BOOL", "INT64", "UINT64", "FP64", "BYTES"):
        if flat and all(_fits(value, datatype) for value in flat):
            return datatype
    return ""


def _fits(value: Any, datatype: str) -> bool:
    match value:
        case bool():
            return datatype == "BOOL"
        case int() if datatype in _RANGES:
            low, high = _RANGES[datatype]
            return bool(low <= value <= high)
        case int() | float():
            return datatype in _FLOATS
        case str():
            return datatype == "BYTES"
        case _:
            return False


def _origins(program: Program) -> Callable[[str], str | None]:
    """What a field was called before `program`, when it does nothing to it but rename; None when it does more."""
    names: dict[str, str | None] = {}
    for op in program:
        match op:
            case Rename(source, target):
                before = names.get(source, source)
                names |= {source: None, target: before}
            case Add():
                pass  # it makes the field in every record, or in none
            case Recombine(_, parts):
                names |= {one.field: None for one in parts}
            case Unnest(fields):
                names |= dict.fromkeys(fields)
            case Nest(_, into):
                names[into] = None
            case _:
                names[op.field] = None
    return lambda name: names.get(name, name)
