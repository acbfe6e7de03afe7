"""What a misfit of a document's shape means to its author: every one of them, with its line and what would help."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from interlock.adapters.workspace.kinds import KINDS, Path, Schema
from interlock.kernel.finding import Finding, Severity
from interlock.kernel.ident import did_you_mean

Locate = Callable[[Path], str]


def check_shape(kind: str, document: Any, locate: Locate, subject: str) -> list[Finding]:
    """What keeps `document` from being a declaration of `kind`, each with its line, in the order of the lines."""
    errors = sorted(_validator(kind).iter_errors(document), key=lambda e: [str(step) for step in e.absolute_path])
    findings = [finding for error in errors for finding in _explain(error, locate, subject)]
    return list(dict.fromkeys(findings))


@cache
def _validator(kind: str) -> Any:
    return _Validator(KINDS[kind])


def _matches_pattern(_: Any, pattern: str, instance: Any, schema: Schema) -> Iterator[ValidationError]:
    """ECMA-262 semantics of `$`: Python's would let a closing newline pass."""
    if isinstance(instance, str):
        is_overlong = pattern.endswith("$") and instance.endswith("\n")
        if is_overlong or not re.search(pattern, instance):
            yield ValidationError(f"{instance!r} does not match {pattern!r}")


_extend: Any = extend  # its stub has no types
_Validator = _extend(Draft202012Validator, {"pattern": _matches_pattern})


def _explain(error: Any, locate: Locate, subject: str) -> Iterator[Finding]:
    path = tuple(error.absolute_path)
    if "propertyNames" in error.absolute_schema_path:
        path = (*path, error.instance)
        says = f"{_field(path)}: {_shown(error.instance)} cannot be a name or version here."
        yield _finding("field.name", subject, says, "Use letters, digits, dots and dashes.", locate(path))
        return
    match error.validator:
        case "additionalProperties":
            yield from _unknown_fields(error, path, locate, subject)
        case "required":
            for name in error.validator_value:
                if name not in error.instance:
                    says = f"{_field(path)} lacks {name!r}."
                    yield _finding("field.missing", subject, says, _meaning(error.schema, name), locate(path))
        case "enum" | "const":
            allowed = [error.validator_value] if error.validator == "const" else error.validator_value
            says = f"{_field(path)} is {_shown(error.instance)}, not one of: {', '.join(map(str, allowed))}."
            remedy = _near(error.instance, allowed) or error.schema.get("description", "")
            yield _finding("field.value", subject, says, remedy, locate(path))
        case "type":
            says = f"{_field(path)} is {_shown(error.instance)}, and must be {_types(error.validator_value)}."
            yield _finding("field.type", subject, says, _advice(error.schema), locate(path))
        case _:
            says = f"{_field(path)} is {_shown(error.instance)}, which does not fit."
            yield _finding("field.value", subject, says, _advice(error.schema), locate(path))


def _unknown_fields(error: Any, path: Path, locate: Locate, subject: str) -> Iterator[Finding]:
    known = error.schema.get("properties", {})
    for name in error.instance:
        if name not in known:
            says = f"{_field(path)} has an unknown field {_shown(name)}."
            yield _finding("field.unknown", subject, says, did_you_mean(name, known), locate((*path, name)))


def _meaning(schema: Schema, name: str) -> str:
    """A remedy for a field that is missing."""
    known = schema.get("properties", {}).get(name, {})
    return f"Add it. {_advice(known)}".strip()


def _advice(schema: Schema) -> str:
    description = schema.get("description", "")
    examples = schema.get("examples") or [""]
    example = json.dumps(examples[0], ensure_ascii=False) if examples[0] != "" else ""
    return f"{description} Write it like {example}.".strip() if example else description


def _near(value: Any, allowed: Sequence[Any]) -> str:
    said = did_you_mean(str(value), map(str, allowed))
    return said if said.startswith("Did you mean") else ""


def _field(path: Path) -> str:
    """`versions.2.endpoints[0]`, or `the document` for the whole."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".") or "the document"


def _shown(value: Any) -> str:
    match value:
        case None:
            return "empty"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case str():
            return repr(value if len(value) <= 60 else value[:57] + "...")
        case _:
            return str(value)


_TYPE_WORDS: Final = {
    "string": "text",
    "object": "a mapping",
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
}


def _types(wanted: str | list[str]) -> str:
    names = [wanted] if isinstance(wanted, str) else wanted
    return " or ".join(_TYPE_WORDS.get(name, f"a {name}") for name in names)


def _finding(code: str, subject: str, says: str, remedy: str, where: str) -> Finding:
    return Finding(code, Severity.ERROR, subject, says, remedy, where)
