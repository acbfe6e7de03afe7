"""Checks that need no code: a YAML document of kind Check names a measure, its columns and its limit.

`CHECK_SCHEMA` says what may stand there (editors complete from it); `demands` says what the measure at hand lacks
or cannot use, and `measure` takes the measurement on rows that the caller has read. A load is not about rows: its
bounds and limits are read here, its calls are made elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from interlock.domain.checks.check import CheckInvalid, Measurement
from interlock.domain.checks.measures.calibration import calibration
from interlock.domain.checks.measures.drift import DISTANCES, drift, skew
from interlock.domain.checks.measures.fairness import PARITIES, fairness
from interlock.domain.checks.measures.integrity import integrity
from interlock.domain.checks.measures.judge import ALPHA
from interlock.domain.checks.measures.load import LoadLimits
from interlock.domain.checks.measures.presence import Expected, availability
from interlock.domain.checks.measures.quality import METRICS, quality, segment_quality
from interlock.kernel.finding import Finding, Severity
from interlock.kernel.ident import NAME_PATTERN, did_you_mean

Row = Mapping[str, Any]
Locate = Callable[[tuple[str | int, ...]], str]

_TAKES: Final[Mapping[str, tuple[frozenset[str], frozenset[str]]]] = {
    "quality": (
        frozenset({"rows", "metric", "prediction", "label"}),
        frozenset({"cap", "baseline", "segment", "pool_below", "unit", "at_most", "at_least"}),
    ),
    "calibration": (frozenset({"rows", "prediction", "label", "at_most"}), frozenset({"bins"})),
    "fairness": (
        frozenset({"rows", "metric", "prediction", "group"}),
        frozenset({"label", "at_most", "at_least"}),
    ),
    "availability": (frozenset({"rows", "columns"}), frozenset()),
    "integrity": (
        frozenset({"rows", "prediction"}),
        frozenset({"type", "minimum", "maximum", "choices", "may_be_constant"}),
    ),
    "drift": (frozenset({"rows", "reference", "at_most"}), frozenset({"columns", "metric", "bins"})),
    "skew": (frozenset({"rows", "reference", "at_most"}), frozenset({"columns", "tolerance"})),
    "load": (frozenset({"url"}), frozenset({"body", "calls", "seconds", "threads", "latency_ms", "failures"})),
}
"""Measure -> the fields that it needs, and those that it may have."""

_FOR_ALL: Final = frozenset({"kind", "name", "subject", "measure", "confidence"})
_HIGHER_IS_BETTER: Final = frozenset({"accuracy", "auc", "demographic_parity_ratio"})


def _text(description: str, example: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, "examples": [example], **more}


def _number(description: str, example: float, **more: Any) -> dict[str, Any]:
    return {"type": "number", "description": description, "examples": [example], **more}


def _whole(description: str, example: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "description": description, "examples": [example]}


CHECK_SCHEMA: Final[Mapping[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Check",
    "description": "A check of a model, its data or a service. `interlock check run` runs it.",
    "type": "object",
    "properties": {
        "kind": {"const": "Check", "description": "What this document declares.", "examples": ["Check"]},
        "name": _text("The name of the check.", "delay-error", pattern=NAME_PATTERN),
        "subject": _text("What it is about, kind:name or kind:name@version.", "model:delay@2", minLength=1),
        "measure": {
            "type": "string",
            "enum": sorted(_TAKES),
            "description": "What is measured.",
            "examples": ["quality"],
        },
        "metric": {
            "type": "string",
            "enum": sorted({*METRICS, *PARITIES, *DISTANCES}),
            "description": "The metric of quality, fairness or drift.",
            "examples": ["mae"],
        },
        "rows": _text("The file with the rows, CSV or JSON Lines, relative to this one.", "predictions.csv"),
        "reference": _text("The file to compare with: training data, or an earlier sample.", "training.csv"),
        "prediction": _text("The column of predictions; for fairness of decisions, 0 or 1.", "predicted"),
        "label": _text("The column of what was true.", "actual"),
        "baseline": _text("The column of the baseline's predictions for the same rows.", "predicted_v1"),
        "segment": _text("The column that tells segments apart; each is judged.", "carrier"),
        "pool_below": _whole("Segments with fewer labelled rows are judged as one.", 50),
        "group": _text("The column that tells groups apart.", "region"),
        "columns": {
            "type": ["array", "object"],
            "items": {"type": "string"},
            "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1},
            "description": "A list of columns; for availability with the share of nulls that each may have.",
            "examples": [["distance", "hour"], {"distance": 0, "gate": 0.05}],
        },
        "at_most": _number("The most that the metric may be.", 12),
        "at_least": _number("The least that the metric may be.", 0.8),
        "cap": _number("The largest error of one row that counts, in the label's unit.", 120, exclusiveMinimum=0),
        "unit": _text("The unit of the metric, for people.", "min"),
        "bins": {**_whole("How many bins.", 10), "maximum": 1000},
        "tolerance": _number("How far two numbers may differ, relative to the larger.", 1e-6, minimum=0),
        "type": {
            "type": "string",
            "enum": ["boolean", "integer", "number", "string"],
            "description": "The type of the outputs.",
            "examples": ["number"],
        },
        "minimum": _number("The least output.", 0),
        "maximum": _number("The greatest output.", 1),
        "choices": {"type": "array", "description": "The outputs that may occur.", "examples": [["low", "high"]]},
        "may_be_constant": {
            "type": "boolean",
            "description": "Whether all outputs may be the same.",
            "examples": [True],
        },
        "url": _text("The endpoint to call.", "http://127.0.0.1:8000/predict"),
        "body": {"description": "The JSON to POST; without it, GET.", "examples": [{"distance": 500}]},
        "calls": {**_whole("At most so many calls.", 1000), "maximum": 1_000_000},
        "seconds": _number("Calls begin within so many seconds.", 30, exclusiveMinimum=0, maximum=3600),
        "threads": {**_whole("From so many threads.", 4), "maximum": 256},
        "latency_ms": {
            "type": "object",
            "propertyNames": {"pattern": r"^p[0-9]{1,2}(\.[0-9]{1,3})?$"},
            "additionalProperties": {"type": "number", "exclusiveMinimum": 0},
            "description": "The most milliseconds at each quantile.",
            "examples": [{"p50": 20, "p99": 100}],
        },
        "failures": _number("The most share of calls that may fail.", 0.01, minimum=0, maximum=1),
        "confidence": _number("The confidence of the interval.", 0.95, exclusiveMinimum=0.5, exclusiveMaximum=1),
    },
    "required": ["kind", "name", "subject", "measure"],
    "additionalProperties": False,
}


def demands(body: Mapping[str, Any], locate: Locate) -> Iterator[Finding]:
    """What a document of the right shape still lacks for its measure, or has in vain."""
    measure, name = body["measure"], body["name"]
    needs, may = _TAKES[measure]
    sides = {"at_most", "at_least"} & (needs | may)
    if sides and not sides & body.keys():
        says = f"{measure} has no limit, so it could never fail."
        yield Finding("check.limit", Severity.ERROR, name, says, f"Add {' or '.join(sorted(sides))}.", locate(()))
    for field in sorted((needs - sides) - body.keys()):
        says = f"{measure} needs {field!r}."
        remedy = f"Add it. {CHECK_SCHEMA['properties'][field]['description']}"
        yield Finding("check.field", Severity.ERROR, name, says, remedy, locate(()))
    for field in sorted(body.keys() - needs - may - _FOR_ALL):
        remedy = f"Remove it. {measure} takes {', '.join(sorted(needs | may))}."
        yield Finding(
            "check.field", Severity.ERROR, name, f"{measure} does not take {field!r}.", remedy, locate((field,))
        )
    if (wrong := _wrong_side(body)) in body:
        says = f"{body.get('metric', measure)} cannot be limited by {wrong}."
        remedy = "Write at_least." if wrong == "at_most" else "Write at_most."
        yield Finding("check.limit", Severity.ERROR, name, says, remedy, locate((wrong,)))


def measure(body: Mapping[str, Any], rows: Sequence[Row], reference: Sequence[Row] = ()) -> Measurement:
    """Measure rows as `body` says, which `demands` has nothing against. Loads are not measured here."""
    alpha = round(1 - body["confidence"], 12) if "confidence" in body else ALPHA
    limit = body.get("at_most", body.get("at_least"))
    given = {key: body[key] for key in ("bins", "tolerance", "metric") if key in body}
    match body["measure"]:
        case "quality":
            return _quality(body, rows, limit, alpha)
        case "calibration":
            return calibration(*_columns(rows, body, "prediction", "label"), limit=limit, alpha=alpha, **given)
        case "fairness":
            decisions, groups = _columns(rows, body, "prediction", "group")
            labels = _columns(rows, body, "label")[0] if "label" in body else None
            return fairness(body["metric"], decisions, groups, limit=limit, labels=labels, alpha=alpha)
        case "availability":
            return availability(rows, _expected(body["columns"]), alpha=alpha)
        case "integrity":
            bounds = {k: body[k] for k in ("type", "minimum", "maximum", "choices", "may_be_constant") if k in body}
            return integrity(*_columns(rows, body, "prediction"), **bounds)
        case "drift" | "skew" as kind:
            before, now = _tables(reference, rows, body.get("columns"))
            take: Callable[..., Measurement] = drift if kind == "drift" else skew
            return take(before, now, limit=limit, alpha=alpha, **given)
        case other:
            raise CheckInvalid(f"{other} does not measure rows", remedy="Run it as a load.")


def load_limits(body: Mapping[str, Any]) -> LoadLimits:
    """The limits of a load; `p99` is the 0.99 quantile."""
    quantiles = body.get("latency_ms", {})
    return LoadLimits(
        latency_ms=tuple((float(name[1:]) / 100, limit) for name, limit in quantiles.items()),
        failures=body.get("failures"),
    )


def _wrong_side(body: Mapping[str, Any]) -> str:
    higher = body.get("metric") in _HIGHER_IS_BETTER and "baseline" not in body
    return "at_most" if higher else "at_least"


def _quality(body: Mapping[str, Any], rows: Sequence[Row], limit: float, alpha: float) -> Measurement:
    predictions, labels = _columns(rows, body, "prediction", "label")
    baseline = _columns(rows, body, "baseline")[0] if "baseline" in body else None
    take: dict[str, Any] = {"limit": limit, "cap": body.get("cap"), "baseline": baseline, "alpha": alpha}
    take["unit"] = body.get("unit", "")
    if "segment" not in body:
        return quality(body["metric"], predictions, labels, **take)
    segments = _columns(rows, body, "segment")[0]
    take["pool_below"] = body.get("pool_below", 0)
    return segment_quality(body["metric"], predictions, labels, segments, **take)


def _columns(rows: Sequence[Row], body: Mapping[str, Any], *fields: str) -> list[list[Any]]:
    return [_column(rows, body[field]) for field in fields]


def _column(rows: Sequence[Row], name: str) -> list[Any]:
    """The column of that name; CheckInvalid when no row has it, unless there are no rows at all."""
    known = {key for row in rows[:1_000] for key in row}
    if rows and name not in known and not any(name in row for row in rows):
        raise CheckInvalid(f"the rows have no column {name!r}", remedy=did_you_mean(name, known))
    return [row.get(name) for row in rows]


def _tables(
    reference: Sequence[Row], rows: Sequence[Row], wanted: Sequence[str] | None
) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """Columns of both files by name; what the present rows lack is left to the measure to tell."""
    names = list(wanted) if wanted else sorted({key for row in reference for key in row})
    there = {key for row in rows for key in row}
    now = {name: [row.get(name) for row in rows] for name in names if name in there}
    return {name: _column(reference, name) for name in names}, now


def _expected(columns: Sequence[str] | Mapping[str, float]) -> list[Expected]:
    if isinstance(columns, Mapping):
        return [Expected(name, limit) for name, limit in columns.items()]
    return [Expected(name) for name in columns]
