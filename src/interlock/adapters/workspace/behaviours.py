"""What a service promises beside the shape of its data, and who reads which fields: their shape, and reading
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from interlock.adapters.workspace.databases import table_from
from interlock.adapters.workspace.reading import Reading, duration_s
from interlock.domain.catalog.asset import AssetId, Kind, Link
from interlock.domain.catalog.behaviour import Behaviour, ErrorAnswer
from interlock.domain.catalog.consumer import Keeping, Use, Writing
from interlock.domain.catalog.service import VersionRef

Schema = dict[str, Any]

_DURATION = r"^[0-9]{1,9}(\.[0-9]{1,9})?(ms|s|m|h|d)?$"
_SHARE = r"^(100|[0-9]{1,2}(\.[0-9]{1,9})?)%$"


def mention(reference_pattern: str) -> Schema:
    """Something that is depended on: its name, or a contract version with the fields that are read of it."""
    return {
        "anyOf": [
            {"type": "string", "minLength": 1},
            {
                "type": "object",
                "properties": {
                    "contract": {"type": "string", "pattern": reference_pattern, "examples": ["order@1"]},
                    "fields": {
                        "type": "array",
                        "items": {"type": "string", "minLength": 1},
                        "minItems": 1,
                        "examples": [["total", "lines.price"]],
                    },
                },
                "required": ["contract"],
                "additionalProperties": False,
            },
        ],
        "description": "An asset by name, or kind:name, or a contract version with the fields that are read.",
        "examples": ["payments", "service:scorer", {"contract": "order@1", "fields": ["total"]}],
    }


_LEVELS: Final[Mapping[str, Schema]] = {
    "latency_p99": {
        "type": ["string", "number"],
        "pattern": _DURATION,
        "description": "99 of 100 answers come within this time. Seconds, or a number with ms, s, m, h or d.",
        "examples": ["250ms"],
    },
    "availability": {
        "type": "string",
        "pattern": _SHARE,
        "description": "The share of requests that are answered.",
        "examples": ["99.9%"],
    },
}
EXPECTS: Final[Schema] = {
    "type": "object",
    "description": "What callers rely on: a version that promises less is an error.",
    "properties": dict(_LEVELS),
    "additionalProperties": False,
    "examples": [{"latency_p99": "250ms", "availability": "99.9%"}],
}
PROMISES: Final[Schema] = {
    "type": "object",
    "description": "What this version promises beside the shape of its data.",
    "properties": {
        **_LEVELS,
        "errors": {
            "type": "array",
            "description": "Every error that callers may see; 400 or 500 stands for its whole class.",
            "items": {
                "type": "object",
                "properties": {
                    "status": {
                        "type": "integer",
                        "minimum": 400,
                        "maximum": 599,
                        "description": "The HTTP status.",
                        "examples": [409],
                    },
                    "means": {"type": "string", "description": "What it means.", "examples": ["scored already"]},
                    "retry": {
                        "type": "boolean",
                        "description": "Whether callers may send the request again.",
                        "examples": [False],
                    },
                },
                "required": ["status"],
                "additionalProperties": False,
            },
            "examples": [[{"status": 409, "means": "scored already", "retry": False}]],
        },
    },
    "additionalProperties": False,
    "examples": [{"latency_p99": "250ms", "availability": "99.9%"}],
}


def behaviour_from(body: Mapping[str, Any]) -> Behaviour:
    """Of `promises` or `expects`; their shape has been checked."""
    latency, share = body.get("latency_p99"), body.get("availability")
    return Behaviour(
        latency_p99_s=None if latency is None else duration_s(str(latency)),
        availability=None if share is None else float(Fraction(share.removesuffix("%")) / 100),
        errors=tuple(
            ErrorAnswer(one["status"], one.get("means", ""), one.get("retry", False))
            for one in body.get("errors", ())
        ),
    )


def uses_from(me: AssetId, key: str, body: Mapping[str, Any], reading: Reading) -> list[Use]:
    """The uses in a list of mentions (`reads`, `depends_on`)."""
    found: list[Use] = []
    for number, one in enumerate(body.get(key, ())):
        if isinstance(one, Mapping):
            name, _, version = one["contract"].partition("@")
            where = reading.locate((key, number))
            found.append(Use(me, VersionRef(name, version), tuple(one.get("fields", ())), where))
    return found


def writings_from(me: AssetId, body: Mapping[str, Any], reading: Reading) -> list[Writing]:
    """What `writes` says."""
    found: list[Writing] = []
    for number, text in enumerate(body.get("writes", ())):
        name, _, version = text.partition("@")
        found.append(Writing(me, VersionRef(name, version), reading.locate(("writes", number))))
    return found


def keepings_from(me: AssetId, body: Mapping[str, Any], reading: Reading) -> list[Keeping]:
    """What `keeps` and `table` say; a finding where the asset is nothing that keeps records."""
    table = table_from(me, body, reading)
    if (kept := body.get("keeps")) is None:
        return []
    if me.kind not in (Kind.DATASET, Kind.STREAM):
        says = f"a {me.kind.value} keeps no records; a dataset or a stream does."
        reading.reject(("keeps",), says, "Declare keeps: where the records are.")
        return []
    return [Keeping(me, kept["contract"], kept.get("drained", False), reading.locate(("keeps",)), table)]


def held_links(writings: list[Writing], keepings: list[Keeping]) -> list[Link]:
    """Whoever writes or keeps a contract depends on what it says, as a service does on what it answers."""
    found = [(one.contract.name, one.writer, "writes", one.where) for one in writings]
    found += [(one.contract, one.asset, "keeps", one.where) for one in keepings]
    return [Link(AssetId(Kind.CONTRACT, name), asset, verb, where) for name, asset, verb, where in found]
