"""Verdicts about Avro schemas against Apache's own checker, and against records that are really resolved."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import fastavro
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from interlock.domain.schemas.avro.parse import parse_avro
from interlock.domain.schemas.avro.reads import reads
from interlock.domain.schemas.fault import SchemaUnreadable

PRIMITIVES = st.sampled_from(["null", "boolean", "int", "long", "float", "double", "bytes", "string"])
SYMBOLS = st.lists(st.sampled_from("ABCD"), min_size=1, max_size=4, unique=True)


@st.composite
def enums(draw: st.DrawFn) -> dict[str, Any]:
    symbols = draw(SYMBOLS)
    default = {"default": symbols[0]} if draw(st.booleans()) else {}
    return {"type": "enum", "name": draw(st.sampled_from("EF")), "symbols": symbols, **default}


@st.composite
def records(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> dict[str, Any]:
    fields = []
    for name in draw(st.lists(st.sampled_from("abcd"), max_size=3, unique=True)):
        field: dict[str, Any] = {"name": name, "type": draw(inner)}
        if field["type"] in ("int", "long", "double") and draw(st.booleans()):
            field["default"] = 1
        if draw(st.integers(0, 4)) == 0:
            field["aliases"] = [draw(st.sampled_from("abcd"))]
        fields.append(field)
    return {"type": "record", "name": draw(st.sampled_from("RS")), "fields": fields}


FIXED = st.builds(
    lambda n, s: {"type": "fixed", "name": n, "size": s}, st.sampled_from("XY"), st.sampled_from([2, 4])
)
SCHEMAS = st.recursive(
    PRIMITIVES | enums() | FIXED,
    lambda inner: (
        records(inner)
        | st.builds(lambda items: {"type": "array", "items": items}, inner)
        | st.builds(lambda values: {"type": "map", "values": values}, inner)
        | st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=6,
)


def parsed(schema: Any) -> Any:
    """The schema, if the specification allows it (names once, no union in a union)."""
    try:
        return parse_avro(json.dumps(schema), {})
    except SchemaUnreadable:
        assume(False)


@settings(max_examples=400, deadline=None)
@given(reader=SCHEMAS, writer=SCHEMAS)
def test_the_verdict_is_that_of_apache_s_checker(reader: Any, writer: Any) -> None:
    """Both say yes, or both say no, about any two schemas without logical types. Only where aliases cross do we say
    no alone, because decoders fail there.
    """
    one, other = parsed(reader), parsed(writer)
    theirs = ReaderWriterCompatibilityChecker().get_compatibility(one, other).compatibility
    is_yes = not any(r.is_blocking for r in reads(one, other))
    is_theirs = theirs is SchemaCompatibilityType.compatible
    assert is_yes == is_theirs or (is_theirs and has_crossed_aliases(one, other))


def has_crossed_aliases(reader: Any, writer: Any) -> bool:
    """Whether a field of some record could be read from two of another, or two from one."""
    for wanted in records_in(reader):
        for written in records_in(writer):
            sources = [
                {f.name, *(f.props.get("aliases") or ())} & written.fields_dict.keys() for f in wanted.fields
            ]
            if sum(map(len, sources)) > len(set().union(*sources)) or any(len(names) > 1 for names in sources):
                return True
    return False


def records_in(schema: Any) -> list[Any]:
    """Every record of a schema."""
    match schema.type:
        case "record":
            return [schema, *(one for field in schema.fields for one in records_in(field.type))]
        case "array":
            return records_in(schema.items)
        case "map":
            return records_in(schema.values)
        case "union":
            return [one for branch in schema.schemas for one in records_in(branch)]
        case _:
            return []


@settings(max_examples=100, deadline=None)
@given(schema=SCHEMAS)
def test_a_schema_reads_itself(schema: Any) -> None:
    """Reading is reflexive, and has nothing to tell."""
    one = parsed(schema)
    assert reads(one, one) == ()


@settings(max_examples=150, deadline=None)
@given(reader=records(PRIMITIVES | enums()), writer=records(PRIMITIVES | enums()), data=st.data())
def test_a_record_resolves_when_the_verdict_is_yes(reader: Any, writer: Any, data: st.DataObject) -> None:
    """fastavro reads what it wrote with the writer's schema as the reader's, without an error."""
    one, other = parsed(reader), parsed(writer)
    if any(r.is_blocking for r in reads(one, other)):
        return
    record = {field["name"]: data.draw(values(field["type"])) for field in writer["fields"]}
    out = BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(writer), record)
    out.seek(0)
    read = fastavro.schemaless_reader(out, fastavro.parse_schema(writer), fastavro.parse_schema(reader))
    assert isinstance(read, dict)
    assert set(read) == {field["name"] for field in reader["fields"]}


def values(kind: Any) -> st.SearchStrategy[Any]:
    match kind:
        case {"type": "enum", "symbols": symbols}:
            return st.sampled_from(symbols)
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case "int" | "long":
            return st.integers(-(2**31), 2**31 - 1)
        case "float" | "double":
            return st.floats(width=32, allow_nan=False)
        case "bytes":
            return st.text(max_size=3).map(str.encode)
        case _:
            return st.text(max_size=3)
