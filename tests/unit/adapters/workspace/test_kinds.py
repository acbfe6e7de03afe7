from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from interlock.adapters.workspace.kinds import KINDS
from interlock.adapters.workspace.misfits import check_shape
from interlock.kernel.finding import Finding

SERVICE: dict[str, Any] = {
    "kind": "Service",
    "name": "scorer",
    "serving": "1",
    "versions": {"1": {"endpoints": ["h:1"]}},
}


def check(document: Any, kind: str = "Service") -> list[Finding]:
    return check_shape(kind, document, lambda path: ".".join(map(str, path)), "subject")


def properties(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property of a schema, however deep, with its path."""
    if isinstance(schema, dict):
        for name, inner in schema.get("properties", {}).items():
            yield f"{path}.{name}", inner
        for key, inner in schema.items():
            for name, one in inner.items() if key == "properties" else [(key, inner)]:
                yield from properties(one, f"{path}.{name}")


@pytest.mark.parametrize("kind", KINDS)
def test_schemas_are_complete(kind: str) -> None:
    """Each schema is valid, closed (ODCS apart), and explains every property to editors."""
    schema = KINDS[kind]
    Draft202012Validator.check_schema(schema)
    assert schema["title"] == kind
    assert schema.get("additionalProperties") is (None if kind == "DataContract" else False)
    undescribed = [path for path, one in properties(schema) if not one.get("description")]
    assert undescribed == []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("DataContract", "Lens")])
def test_examples_fit_their_own_schema(kind: str) -> None:
    """What editors offer as an example is accepted."""
    for path, one in properties(KINDS[kind], kind):
        for example in one.get("examples", []):
            errors = [e.message for e in Draft202012Validator(one).iter_errors(example)]
            assert errors == [], path


def test_a_sound_document_has_no_findings() -> None:
    """The least service is accepted."""
    assert check(SERVICE) == []


@pytest.mark.parametrize(
    ("change", "code", "where", "says"),
    [
        ({"servng": "1"}, "field.unknown", "servng", "the document has an unknown field 'servng'."),
        ({"calls": "scorer"}, "field.type", "calls", "calls is 'scorer', and must be a list."),
        ({"edge": None}, "field.type", "edge", "edge is empty, and must be true or false."),
        ({"unkeyed": "splt"}, "field.value", "unkeyed", "unkeyed is 'splt', not one of: baseline, split."),
        ({"versions": {}}, "field.value", "versions", "versions is a mapping, which does not fit."),
        ({"versions": {"a b": {"endpoints": ["h:1"]}}}, "field.name", "versions.a b", None),
        ({"versions": {"1": {}}}, "field.missing", "versions.1", "versions.1 lacks 'endpoints'."),
        ({"name": "scorer\n"}, "field.value", "name", None),
        ({"callers": {"request": "order"}}, "field.value", "callers.request", None),
        ({"replay": ["score"]}, "field.value", "replay", None),
    ],
)
def test_misfits_are_explained_where_they_are(
    change: dict[str, Any], code: str, where: str, says: str | None
) -> None:
    """Each misfit is one finding that names the field in words and offers a remedy."""
    (found,) = check(SERVICE | change)
    assert (found.code, found.where) == (code, where)
    assert says in (None, found.says)
    assert found.remedy


def test_near_misses_are_suggested() -> None:
    """An unknown field or value close to a known one is named."""
    findings = check(SERVICE | {"helth": "/x", "unkeyed": "splt"})
    assert sorted(f.remedy for f in findings) == ["Did you mean 'health'?", "Did you mean 'split'?"]


def test_all_misfits_are_found() -> None:
    """Nothing stops at the first error."""
    assert len(check({"kind": "Service", "nme": 1, "versions": []})) == 4


def test_a_document_that_is_no_mapping_is_a_finding() -> None:
    """A list where a declaration should be is told."""
    assert [f.code for f in check([])] == ["field.type"]
