"""The shape of each kind of declaration, as JSON Schema (draft 2020-12); `misfits` tells what does not fit.

The same schemas validate here and complete in editors (`schemas/*.json` of a workspace). Where a schema gives a
pattern, the value is text even if it looks like a number; see `Located.plain`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from interlock.adapters.workspace.behaviours import EXPECTS, PROMISES, mention
from interlock.adapters.workspace.databases import DATABASES, REVISIONS, TABLE
from interlock.domain.catalog.asset import Kind
from interlock.domain.changes.request import Role
from interlock.domain.checks.declared import CHECK_SCHEMA
from interlock.domain.checks.evidence import SEGMENT_LIMIT
from interlock.domain.lenses.parse import LENS_SCHEMA
from interlock.kernel.ident import NAME_PATTERN, VERSION_PATTERN

Schema = dict[str, Any]
Path = tuple[str | int, ...]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEXT_OR_NUMBER = ["string", "number"]
_REFERENCE_PATTERN = f"{NAME_PATTERN[:-1]}@{VERSION_PATTERN[1:]}"
_DURATION_PATTERN = r"^[0-9]{1,9}(\.[0-9]{1,9})?(ms|s|m|h|d)?$"
_SHARE_PATTERN = r"^[0-9]{1,9}(\.[0-9]{1,9})?%?$"
_BOUND_PATTERN = r"^[0-9]{1,9}(\.[0-9]{1,9})?(%|ms|s)?$"


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

_CRITERION: Final = {
    "metric": _choice(
        "errors: share of bad answers; latency: share slower than the baseline; outcome: mean loss.",
        "errors",
        "latency",
        "outcome",
    ),
    "margin": {
        "type": _TEXT_OR_NUMBER,
        "pattern": _SHARE_PATTERN,
        "description": "How much worse is still good: a share such as 1% or 0.01, for outcomes units of loss.",
        "examples": ["1%", 0.01],
    },
    "bound": {
        "type": _TEXT_OR_NUMBER,
        "pattern": _BOUND_PATTERN,
        "description": "Instead of a margin, what the candidate itself must keep: a share of bad answers, "
        "a latency (at quantile), or a mean loss.",
        "examples": ["1%", "80ms"],
    },
    "quantile": {
        "type": _TEXT_OR_NUMBER,
        "pattern": r"^(p[0-9]{1,2}(\.[0-9]{1,4})?|0?\.[0-9]{1,6})$",
        "description": "The quantile of a bound of latency (p99).",
        "examples": ["p99", 0.99],
    },
    "outcome": _name("The declared metric or posted outcome, for outcome gates.", "absolute_error"),
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
    "weight": {
        "type": "number",
        "exclusiveMinimum": 0,
        "description": "The part of this gate in the evidence of all, relative to the others "
        "(errors and latency 3, outcome 4).",
        "examples": [3],
    },
    "counts": _choice(
        "Which bad answers count: the first of each key in ten minutes, or every one; without it, the first ones "
        "where the evidence has keys. For errors gates.",
        "first",
        "every",
    ),
    "segments": {
        "type": ["string", "number", "boolean"],
        "pattern": rf"^(true|false|{_SHARE_PATTERN[1:-1]})$",
        "description": "Whether segments are looked at one by one, or the part of the evidence that does "
        "(40%, where the service declares segments); for errors gates.",
        "examples": [True, "40%"],
    },
    "sample": _choice(
        "Losses of both arms, or of pairs of answers to the same request, in shadow; for outcome gates.",
        "arms",
        "pairs",
    ),
}

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
            "The rules of the house.",
            {
                "self_approval": _flag("Whether authors may approve their own changes."),
                "alpha": _share("How likely a good candidate may ever be turned back by the gates (1%).", "1%"),
                "alpha_pass": _share(
                    "How likely a step may pass although the candidate is worse by the margin (5%).", "5%"
                ),
                "losses": _choice(
                    "Whether a lossy lens must be counted on real rows before approval (stated: it need not).",
                    "stated",
                    "counted",
                ),
            },
        ),
        "addresses": _object(
            "Where Interlock listens.",
            {
                "edge": {**_ADDRESS, "description": "Where calls from outside enter, as host:port."},
                "inner": {**_ADDRESS, "description": "Where services call one another, as host:port."},
                "api": {**_ADDRESS, "description": "Where the control plane answers, as host:port."},
            },
        ),
        "databases": DATABASES,
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
        "segments": _object(
            "Which requests are told apart by a header of them, so that a fault in a part of them shows.",
            {
                "header": _text(
                    "The request header that names the segment.",
                    "x-country",
                    pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
                ),
                "values": _list(
                    "The values that make a segment each; all others make one.",
                    _text("A value.", "fr", pattern=r"^[A-Za-z0-9._~:/@+-]{1,64}$"),
                    ["fr", "de"],
                    minItems=1,
                    maxItems=SEGMENT_LIMIT,
                    uniqueItems=True,
                ),
            },
            "header",
            "values",
        ),
        "gates": _list(
            "What must not get worse when this service moves; a change's own gates on a metric stand instead.",
            _object("A criterion, as in a change, of this service.", _CRITERION, "metric"),
            [{"metric": "errors", "margin": "1%"}, {"metric": "latency", "bound": "80ms", "quantile": "p99"}],
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
        "body": _choice(
            "Where the records are in bodies: one object or a list of objects; named tensors of the Open Inference "
            "Protocol v2; what MLflow speaks (dataframe_split, dataframe_records, instances, inputs, predictions).",
            "object",
            "oip",
            "mlflow",
        ),
        "health": _text("The path that answers 200 when an instance is well.", "/health", pattern=r"^/\S*$"),
        "reads": _list(
            "What it reads beside its requests, and which fields of what the services that it calls answer.",
            mention(_REFERENCE_PATTERN),
            [{"contract": "score@1", "fields": ["risk"]}],
        ),
        "calls": _list("The services that this one calls.", _name("A service.", "scorer"), ["scorer"]),
        "callers": _object(
            "What callers of this service speak; versions that speak another version are reached through lenses.",
            {
                "request": _reference(f"For callers, {_REQUEST}.", "order@1"),
                "response": _reference(f"For callers, {_RESPONSE}.", "score@1"),
                "expects": EXPECTS,
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
                    "promises": PROMISES,
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
            mention(_REFERENCE_PATTERN),
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
            mention(_REFERENCE_PATTERN),
            ["payments"],
        ),
        "writes": _list(
            "The contract versions that it writes to tables or streams, each as name@version.",
            _reference("A contract version, as name@version.", "order@1"),
            ["order@1"],
            uniqueItems=True,
        ),
        "keeps": _object(
            "The contract whose records a dataset or stream keeps.",
            {
                "contract": _name("The name of the contract.", "order"),
                "drained": _flag(
                    "Whether what is kept is drained or rewritten before readers move to a version that does "
                    "not read it."
                ),
            },
            "contract",
        ),
        "table": TABLE,
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
    "A criterion: how much worse than the baseline the candidate may be, or what it must keep (margin or bound).",
    {"service": _name("The service that is measured.", "scorer"), **_CRITERION},
    "metric",
    "service",
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
                "twins": _share(
                    "How many requests the baseline answers twice, to tell its noise (half of share).", "10%"
                ),
                "max_difference": {
                    "type": "number",
                    "exclusiveMinimum": 0,
                    "description": "The share of answers that may differ beyond noise; without it, any.",
                    "maximum": 1,
                    "examples": [0.05],
                },
                "ignore": {
                    "type": "array",
                    "items": {"type": "string", "minLength": 1},
                    "description": "Paths of the answer that are not compared; * stands for any name.",
                    "examples": [["request_id", "*.model_version"]],
                },
                "tolerate": _list(
                    "How far numbers may differ and still agree; the first field that covers a number holds.",
                    _object(
                        "One field, with an absolute or a relative tolerance, or both.",
                        {
                            "field": _text("A path of the answer, as in ignore.", "score", minLength=1),
                            "absolute": {
                                "type": "number",
                                "minimum": 0,
                                "description": "In the field's unit.",
                                "examples": [0.01],
                            },
                            "relative": {
                                "type": "number",
                                "minimum": 0,
                                "description": "A part of the larger number.",
                                "examples": [0.05],
                            },
                        },
                        "field",
                        minProperties=2,
                    ),
                    [{"field": "score", "absolute": 0.01}],
                ),
                "any_order": _list(
                    "Paths of lists whose order means nothing.",
                    {"type": "string", "minLength": 1},
                    ["offers"],
                ),
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
        "on_expiry": _choice(
            "When patience ends without a verdict: stay, go back, or stay and ask for a choice.",
            "hold",
            "rollback",
            "ask",
        ),
        "bake_s": _duration("How long the baseline stays after promotion, so that going back is immediate.", "60"),
        "answers": _object(
            "What holds a rollout although no gate fails: answers whose distribution moved.",
            {
                "tolerate": _share("How many answers may differ from how the baseline's are spread.", "10%"),
                "allow": _list(
                    "Paths of fields that are meant to move.", {"type": "string", "minLength": 1}, ["score"]
                ),
                "sample": _share("How many answers are looked at while both releases serve.", "100%"),
            },
        ),
    },
)

METRIC: Final = _kind(
    "Metric",
    "What an outcome gate is judged by: numbers that Prometheus, a database or a warehouse keeps; or, without a "
    "source, what is known of outcomes that are posted.",
    {
        "name": _name("The name of the metric; gates name it as their outcome.", "refusals"),
        "description": _DESCRIPTION,
        "source": _text(
            "Where it is kept: http(s) for Prometheus, a database, or a warehouse. ${NAME} stands for an "
            "environment variable, which is put in when it is read and nowhere else.",
            "http://prometheus:9090",
            "postgresql+psycopg://reader:${METRICS_PASSWORD}@warehouse/answers",
            minLength=1,
        ),
        "headers": _table(
            "Sent to a Prometheus with each question.",
            r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
            _text("A header's value.", "Bearer ${METRICS_TOKEN}", pattern=r"^[\x20-\x7E]+$"),
            examples=[{"Authorization": "Bearer ${METRICS_TOKEN}"}],
        ),
        "gives": _choice(
            "counts: requests and bad ones among them; values: samples of a number.", "counts", "values"
        ),
        "query": _text(
            "PromQL, or one SQL statement that returns (arm, n, bad) or (arm, value) rows.",
            'sum by (release) (increase(answers_total{release=~"$arms"}[$window]))',
            minLength=1,
        ),
        "bad": _text(
            "PromQL for the bad requests.",
            'sum by (release) (increase(answers_total{release=~"$arms", outcome="refused"}[$window]))',
            minLength=1,
        ),
        "arm_label": _text("The label of a PromQL series that tells the arm (release).", "release", minLength=1),
        "step_s": _duration(
            "PromQL values are taken at each such step of the stretch; else once, at its end.", "15s"
        ),
        "by": _choice(
            "Whether the source knows an arm by the release's id or by the version of the gate's service.",
            "release",
            "version",
        ),
        "every_s": _duration(
            "How long a stretch of time is that is read at once, at least four scrape intervals (60s). For posted "
            "outcomes: how often they come, so that it is told when they stop.",
            "60s",
        ),
        "lag_s": _duration("How long after its end a stretch is complete in the source, and read.", "30s", "1h"),
        "horizon_s": _duration("For posted outcomes: no label is waited for longer after the answer.", "1d"),
        "cap": {
            "type": "number",
            "exclusiveMinimum": 0,
            "description": "The largest loss that counts, for gates that name none; 1 for counts.",
            "examples": [120],
        },
    },
    "name",
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
        "revisions": REVISIONS,
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
    "Metric": METRIC,
    "Change": CHANGE,
    "DataContract": DATA_CONTRACT,
    "Check": dict(CHECK_SCHEMA),
}
