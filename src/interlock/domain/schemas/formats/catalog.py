"""The formats that need no heavy library, by name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from interlock.domain.schemas.formats import avro, json_schema, mlflow, oip, pandera, protobuf
from interlock.domain.schemas.formats.form import Format
from interlock.domain.schemas.formats.text import parse_json, render_json

FORMATS: Final[Mapping[str, Format]] = {
    form.name: form
    for form in (
        Format(
            "json-schema",
            "JSON Schema",
            (".schema.json",),
            parse_json,
            json_schema.read,
            json_schema.write,
            render_json,
            json_schema.ASIDE,
        ),
        Format(
            "json-schema-7",
            "JSON Schema draft 7",
            (),
            parse_json,
            json_schema.read,
            partial(json_schema.write, draft="7"),
            render_json,
            json_schema.ASIDE,
        ),
        Format("avro", "Avro", (".avsc",), parse_json, avro.read, avro.write, render_json, avro.ASIDE),
        Format("protobuf", "Protobuf", (".proto",), protobuf.parse, protobuf.read, protobuf.write, protobuf.render),
        Format("mlflow", "an MLflow signature", (".json",), parse_json, mlflow.read, mlflow.write, render_json),
        Format("oip", "the Open Inference Protocol", (".json",), parse_json, oip.read, oip.write, render_json),
        pandera.FORMAT,
    )
}
