"""The shape of each kind of declaration, as JSON Schema (draft 2020-12), and what a misfit means to its author.

The same schemas validate here and complete in editors (`schemas/*.json` of a workspace). Where a schema gives a
pattern, the value is text even if it looks like a number; see `Located.plain`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from interlock.domain.catalog.asset import Kind
from interlock.domain.changes.request import Role
from interlock.domain.checks.declared import CHECK_SCHEMA
from interlock.domain.lenses.parse import LENS_SCHEMA
from interlock.kernel.finding import Finding, Severity
from interlock.kernel.ident import NAME_PATTERN, VERSION_PATTERN, did_you_mean

Schema = dict[str, Any]
Path = tuple[str | int, ...]
Locate = Callable[[Path], str]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEXT_OR_NUMBER = ["string", "number"]
_REFERENCE_PATTERN = f"{NAME_PATTERN[:-1]}@{VERSION_PATTERN[1:]}"
_DURATION_PATTERN = r"^[0-9]{1,9}(\.[0-9]{1,9})?(ms|s|m|h|d)?$"
_SHARE_PATTERN = r"^[0-9]{1,9}(\.[0-9]{1,9})?%?$"


def _text(description: str, *examples: str, **more: Any) -> Schema:
    return {"type": "string", "description": description, "examples": list(examples), **more}


def _name(description: str, *examples: str) -> Schema:
    return _text(description, *examples, pattern=NAME_PATTERN)


def _version(description: str) -> Schema:
    examples = ["2", "1.0.0"]
    return {"type": _TEXT_OR_NUMBER, "pattern": VERSION_PATTERN, "description": description, "examples": examples}


def _reference(description: str, example: str) -> Schema:
    return _text(description, example, pattern=_REFERENCE_PATTERN)


def _duration(description: str, *examples: str) -> Schema:
    return {
        "type": _TEXT_OR_NUMBER,
        "pattern": _DURATION_PATTERN,
        "description": f"{description} Seconds, or a number with ms, s, m, h or d.",
        "examples": list(examples),
    }


def _share(description: str, *examples: str) -> Schema:
    return {
        "type": _TEXT_OR_NUMBER,
        "pattern": _SHARE_PATTERN,
        "description": f"{description} A percentage, or a bare number of basis points (100 = 1%).",
        "examples": list(examples),
    }


def _flag(description: str) -> Schema:
    return {"type": "boolean", "description": description, "examples": [True]}


def _choice(description: str, *values: str) -> Schema:
    return {"type": "string", "enum": list(values), "description": description, "examples": [values[0]]}


def _list(description: str, items: Schema, *examples: Any, **more: Any) -> Schema:
    return {"type": "array", "items": items, "description": description, "examples": list(examples), **more}


def _object(description: str, properties: Mapping[str, Schema], *required: str, **more: Any) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
        **more,
    }


def _table(description: str, names: str, values: Schema, **more: Any) -> Schema:
    """An object whose keys people choose."""
    return {
        "type": "object",
        "description": description,
        "propertyNames": {"pattern": names},
        "additionalProperties": values,
        **more,
    }


def _kind(title: str, description: str, properties: Mapping[str, Schema], *required: str) -> Schema:
    kind: Schema = {"const": title, "description": "What this document declares.", "examples": [title]}
    body = _object(description, {"kind": kind, **properties}, "kind", *required)
    return {"$schema": _DIALECT, "title": title, **body}


_OWNER = _text("Who answers for it: a person of the workspace, or a team.", "alex", "scoring-team", minLength=1)
_DESCRIPTION = _text("What it is, for people.", "Orders as the shop records them")
_REQUEST = "the contract version of the requests, as name@version"
_RESPONSE = "the contract version of the responses, as name@version"
_ADDRESS = _text("host:port.", "127.0.0.1:10000", pattern=r"^\S+:[0-9]{1,5}$")

WORKSPACE: Final = _kind(
    "Workspace",
    "The root of a workspace: who may act, and by which rules. It stands in interlock.yaml.",
    {
        "name": _name("The name of the workspace.", "shop"),
        "people": _table(
            "Who may act, by name.",
            r"^\S(.*\S)?$",
            _object(
                "One person.",
                {
                    "roles": _list(
                        "The roles in which this person may approve.",
                        _choice("A role.", *(role.value for role in Role)),
                        ["change-sponsor", "service-owner"],
                    )
                },
            ),
            examples=[{"alex": {"roles": ["service-owner"]}}],
        ),
        "policy": _object(
            "The rules of the house.", {"self_approval": _flag("Whether authors may approve their own changes.")}
        ),
        "addresses": _object(
            "Where Interlock listens.",
            {
                "edge": {**_ADDRESS, "description": "Where calls from outside enter, as host:port."},
                "inner": {**_ADDRESS, "description": "Where services call one another, as host:port."},
                "api": {**_ADDRESS, "description": "Where the control plane answers, as host:port."},
            },
        ),
    },
    "name",
)

SERVICE: Final = _kind(
    "Service",
    "A service with its versions, which run side by side.",
    {
        "name": _name("The name of the service.", "scorer"),
        "owner": _OWNER,
        "description": _DESCRIPTION,
        "serving": _version("The version that serves before Interlock has moved anything."),
        "edge": _flag("Whether calls from outside enter here."),
        "entity_header": _text(
            "The request header that names the entity (user, order, ...) which stays in one release.",
            "x-entity-key",
            pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
        ),
        "unkeyed": _choice(
            "Who serves a request without that header: the baseline, or a split by chance.", "baseline", "split"
        ),
        "replay": {
            "anyOf": [
                {"type": "string", "enum": ["all", "none"]},
                {"type": "array", "items": {"type": "string", "pattern": r"^/\S*$"}},
            ],
            "description": "Which POST requests may be sent a second time: all, none, or a list of path prefixes.",
            "examples": ["none", ["/score"]],
        },
        "timeout_s": _duration("How long an answer may take.", "5", "250ms"),
        "body_limit_bytes": {
            "type": "integer",
            "minimum": 1,
            "description": "The largest body that is translated or copied, in bytes.",
            "examples": [1_048_576],
        },
        "health": _text("The path that answers 200 when an instance is well.", "/health", pattern=r"^/\S*$"),
        "calls": _list("The services that this one calls.", _name("A service.", "scorer"), ["scorer"]),
        "callers": _object(
            "What callers of this service speak; versions that speak another version are reached through lenses.",
            {
                "request": _reference(f"For callers, {_REQUEST}.", "order@1"),
                "response": _reference(f"For callers, {_RESPONSE}.", "score@1"),
            },
        ),
        "versions": _table(
            "Every version that runs.",
            VERSION_PATTERN,
            _object(
                "One version.",
                {
                    "endpoints": _list(
                        "Where its instances answer, each as host:port.",
                        _text("host:port.", "127.0.0.1:9101"),
                        ["127.0.0.1:9101"],
                        minItems=1,
                    ),
                    "request": _reference(f"What it reads: {_REQUEST}.", "order@1"),
                    "response": _reference(f"What it answers: {_RESPONSE}.", "score@1"),
                    "model": _reference("The model version that it holds, as name@version.", "risk@1"),
                },
                "endpoints",
            ),
            minProperties=1,
            examples=[{"1": {"endpoints": ["127.0.0.1:9101"], "request": "order@1", "model": "risk@1"}}],
        ),
    },
    "name",
    "serving",
    "versions",
)

MODEL: Final = _kind(
    "Model",
    "A model with its versions.",
    {
        "name": _name("The name of the model.", "risk"),
        "owner": _OWNER,
        "description": _DESCRIPTION,
        "serving": _version("The version in use before Interlock has moved anything."),
        "reads": _list(
            "What it depends on: names, or kind:name where a name alone is not clear.",
            _text("An asset.", "order", "dataset:payments", minLength=1),
            ["contract:order", "dataset:payments"],
        ),
        "versions": _table(
            "Every version there is.",
            VERSION_PATTERN,
            _object(
                "One version.",
                {
                    "uri": _text(
                        "Where its bytes are: a URI, or a path relative to this file, which is then digested.",
                        "models/risk-1.bin",
                    )
                },
            ),
            minProperties=1,
            examples=[{"1": {"uri": "models/risk-1.bin"}}],
        ),
    },
    "name",
    "serving",
    "versions",
)

ASSET: Final = _kind(
    "Asset",
    "Anything else that changes reach: a dataset, a stream, a feature, a job, a dashboard.",
    {
        "type": _choice(
            "What it is.", *(k.value for k in (Kind.DATASET, Kind.STREAM, Kind.FEATURE, Kind.JOB, Kind.DASHBOARD))
        ),
        "name": _name("Its name.", "payments"),
        "owner": _OWNER,
        "description": _DESCRIPTION,
        "depends_on": _list(
            "What it depends on: names, or kind:name where a name alone is not clear.",
            _text("An asset.", "payments", "service:scorer", minLength=1),
            ["payments"],
        ),
    },
    "type",
    "name",
)

_MOVE = _object(
    "What moves (service, model or contract: exactly one of them) and `to` which version.",
    {
        "service": _name("The service that moves.", "scorer"),
        "model": _name("The model that moves.", "risk"),
        "contract": _name("The contract that moves.", "order"),
        "to": _version("The version it moves to."),
    },
    "to",
    minProperties=2,
    maxProperties=2,
    examples=[{"service": "scorer", "to": "2"}],
)

_GATE = _object(
    "A criterion: how much worse than the baseline the candidate may be.",
    {
        "metric": _choice(
            "errors: share of bad answers; latency: share slower than the baseline; outcome: mean loss.",
            "errors",
            "latency",
            "outcome",
        ),
        "service": _name("The service that is measured.", "scorer"),
        "margin": {
            "type": _TEXT_OR_NUMBER,
            "pattern": _SHARE_PATTERN,
            "description": "How much worse is still good: a share such as 1% or 0.01, for outcomes units of loss.",
            "examples": ["1%", 0.01],
        },
        "outcome": _name("The outcome metric, for outcome gates.", "absolute_error"),
        "cap": {
            "type": "number",
            "exclusiveMinimum": 0,
            "description": "The largest loss that counts, in units of loss; for outcome gates.",
            "examples": [120],
        },
        "tolerance_ms": {
            "type": "number",
            "minimum": 0,
            "description": "A slowdown in milliseconds that nobody would notice (5); for latency gates.",
            "examples": [5],
        },
    },
    "metric",
    "service",
    "margin",
    examples=[{"metric": "errors", "service": "scorer", "margin": "1%"}],
)

_STEPS = _object(
    "How exposure grows. What is left out has a default.",
    {
        "shadow": _object(
            "Copy requests to the candidate first, whose answers nobody sees.",
            {
                "share": _share("How many requests are copied.", "20%"),
                "seconds": _duration("At least this long.", "30", "5m"),
                "pairs": {
                    "type": "integer",
                    "minimum": 1,
                    "description": "At least this many compared answers.",
                    "examples": [50],
                },
                "max_difference": {
                    "type": "number",
                    "minimum": 0,
                    "description": "The share of answers that may differ, 0 to 1; without it, any.",
                    "maximum": 1,
                    "examples": [0.05],
                },
                "ignore": {
                    "type": "array",
                    "items": {"type": "string", "minLength": 1},
                    "description": "Paths of the answer that are not compared; * stands for any name.",
                    "examples": [["request_id", "*.model_version"]],
                },
            },
            "share",
            "seconds",
        ),
        "canary": _list(
            "The shares of traffic that the candidate gets, ascending.",
            _share("A share.", "5%"),
            ["1%", "5%", "50%"],
            minItems=1,
        ),
        "dwell_s": _duration("The least time at each canary share.", "30"),
        "climb": _object(
            "Instead of fixed shares: the candidate's share grows as the evidence allows.",
            {
                "budget": {
                    "type": "number",
                    "exclusiveMinimum": 0,
                    "description": "About how many bad answers are accepted while a fault is found out (20).",
                    "examples": [20],
                },
                "dwell_s": _duration("The least evidence before promotion.", "5m"),
            },
        ),
        "holdback": _share("How many keys stay with the baseline during the watch.", "10%"),
        "watch_s": _duration("How long late faults are watched for before everything is promoted.", "1h"),
        "warmup_s": _duration("How long latency is not judged at first, because caches are cold.", "60"),
        "burst_s": _duration("How long bad answers must go on to be a fault and not a burst.", "20"),
        "patience_s": _duration("The longest wait for a verdict.", "1h"),
        "on_expiry": _choice("What happens when patience ends without a verdict.", "hold", "rollback"),
        "bake_s": _duration("How long the baseline stays after promotion, so that going back is immediate.", "60"),
    },
)

CHANGE: Final = _kind(
    "Change",
    "A change request: why, what moves, who answers for it, how, within which limits.",
    {
        "name": _name("The name of the change; by default the file name.", "better-scores"),
        "why": _text("Why this change is worth its risk.", "Fewer wrong refusals", minLength=1),
        "author": _text("Who wrote it.", "alex", minLength=1),
        "sponsor": _text("Who answers for it.", "sam", minLength=1),
        "moves": _list("What moves, together.", _MOVE, [{"service": "scorer", "to": "2"}], minItems=1),
        "gates": _list(
            "What must not get worse.", _GATE, [{"metric": "errors", "service": "scorer", "margin": "1%"}]
        ),
        "steps": _STEPS,
        "window": _object(
            "When the rollout may start.",
            {
                "opens": _text("Not before this instant, RFC 3339.", "2026-05-01T08:00:00Z"),
                "closes": _text("Not at or after this instant, RFC 3339.", "2026-05-01T16:00:00Z"),
            },
        ),
        "rollback": _text("When and how to go back, for people.", "On any customer complaint about scores"),
    },
    "why",
    "author",
    "sponsor",
    "moves",
)

DATA_CONTRACT: Final[Schema] = {
    "$schema": _DIALECT,
    "title": "DataContract",
    "description": "A contract version: an Open Data Contract Standard document. The standard has more fields.",
    "type": "object",
    "properties": {
        "kind": {
            "const": "DataContract",
            "description": "What this document declares.",
            "examples": ["DataContract"],
        },
        "apiVersion": _text("The version of the standard.", "v3.1.0"),
        "id": _text("An identifier of the contract.", "order"),
        "name": _text("The name of the contract.", "order"),
        "version": _version("The version of the contract."),
        "status": _text("Where the contract stands in its life.", "active", "draft"),
    },
    "required": ["kind", "apiVersion", "version"],
}

KINDS: Final[Mapping[str, Schema]] = {
    "Workspace": WORKSPACE,
    "Service": SERVICE,
    "Model": MODEL,
    "Asset": ASSET,
    "Lens": dict(LENS_SCHEMA),
    "Change": CHANGE,
    "DataContract": DATA_CONTRACT,
    "Check": dict(CHECK_SCHEMA),
}


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
