"""Quality rules of the standard, as `Rule`s, and back. Each block is one rule, so that none is lost.

A library rule of v3.0 is named by `rule`, later by `metric`. A block that says nothing we can evaluate becomes a
rule of the engine `odcs`, whose query is the block itself. A rule that the standard cannot say is a custom one of
the engine `interlock`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from fractions import Fraction
from typing import Any, Final, get_args

from interlock.domain.schemas.contract import Rule, Severity
from interlock.domain.schemas.scalars import double
from interlock.kernel.digest import canonical, plain

Block = Mapping[str, Any]

_METRICS: Final = {
    "nullValues": "null_values",
    "missingValues": "missing_values",
    "invalidValues": "invalid_values",
    "duplicateValues": "duplicate_values",
    "rowCount": "row_count",
}
_OLD_RULES: Final = {
    "nullCheck": "null_values",
    "nullCount": "null_values",
    "missingCount": "missing_values",
    "invalidCount": "invalid_values",
    "validValues": "invalid_values",
    "duplicateCount": "duplicate_values",
    "uniqueCheck": "duplicate_values",
    "countCheck": "row_count",
}
_NAMES: Final = {metric: name for name, metric in _METRICS.items()}
_SINGLE: Final = ("pattern", "minLength", "maxLength", "minimum", "maximum", "format")
_OBJECT = re.compile(r"\$?\{(?:object|table|schema|model)\}")
_FIELD = re.compile(r"\$?\{(?:property|column|field)\}")
_FOREIGN, _OWN = "odcs", "interlock"
_RULE_KEYS: Final = tuple(one.name for one in fields(Rule))


def rule_from(block: Block, field: str) -> Rule:
    """The rule that a quality block states. field: the path of the property that it belongs to, or empty."""
    kind = block.get("type") or "library"
    head = Rule(
        name=str(block.get("name") or block.get("id") or ""),
        metric="custom",
        field=field,
        severity=_severity(block),
        description=str(block.get("description") or ""),
    )
    match kind, block:
        case "text", _:
            return replace(head, metric="text")
        case "custom", {"engine": "interlock", "implementation": {"metric": str(metric)} as said}:
            found = _own(replace(head, metric=metric), said)
        case "custom", {"engine": str(engine), "implementation": made} if engine not in (_FOREIGN, ""):
            query = made if isinstance(made, str) else canonical(made).decode()
            return replace(head, engine=engine, query=query)
        case "sql", {"query": str(query)}:
            query = _FIELD.sub("{field}", _OBJECT.sub("{object}", query))
            found = _bounded(replace(head, metric="sql", query=query), block)
        case "library", _:
            found = _library(head, block)
        case _:
            found = None
    return found or replace(head, engine=_FOREIGN, query=canonical(block).decode())


def _severity(block: Block) -> Severity:
    said = str(block.get("severity") or "error").lower()
    return next((one for one in get_args(Severity) if one == said), "error")


def _own(head: Rule, rest: Mapping[str, Any]) -> Rule | None:
    """None where a value is not of its kind."""
    left_out = ("metric", "field") if head.field else ("metric",)
    known = {key: value for key, value in rest.items() if key in _RULE_KEYS and key not in left_out}
    arguments = known.pop("arguments", {})
    if not isinstance(arguments, Mapping) or not all(_is_listed(values) for values in arguments.values()):
        return None
    if not all(_is_of_its_kind(key, value) for key, value in known.items()):
        return None
    return replace(head, **known, arguments={str(key): tuple(values) for key, values in arguments.items()})


def _is_of_its_kind(key: str, value: Any) -> bool:
    if key in _BOUNDS:
        return value is None or _is_number(value)
    if key == "severity":
        return value in get_args(Severity)
    return isinstance(value, bool if key.startswith("is_") else str)


def _is_listed(values: Any) -> bool:
    return isinstance(values, list) and not any(isinstance(value, list | dict) for value in values)


def _library(head: Rule, block: Block) -> Rule | None:
    named, rule = (str(block.get(key) or "") for key in ("metric", "rule"))
    metric = _METRICS.get(named or rule) or _OLD_RULES.get(rule)
    given = block.get("arguments") or {}
    given = given | {"validValues": block["validValues"]} if "validValues" in block else given
    if metric is None or not isinstance(given, Mapping):
        return None
    listed = {str(key): value if isinstance(value, list) else [value] for key, value in given.items()}
    if any(isinstance(value, list | dict) for values in listed.values() for value in values):
        return None
    arguments = {key: tuple(values) for key, values in listed.items()}
    is_share = block.get("unit") in ("percent", "%")
    found = replace(head, metric=metric, arguments=arguments, is_share=is_share)
    if any(key.startswith("must") for key in block):
        return _bounded(found, block)
    return replace(found, at_most=0.0) if metric != "row_count" else None


def _bounded(rule: Rule, block: Block) -> Rule | None:
    """With the block's operator; None without one that compares numbers."""
    match [(key, value) for key, value in block.items() if key.startswith("must")]:
        case [("mustBe", value)] if _is_number(value):
            return _scaled(replace(rule, at_least=value, at_most=value))
        case [("mustNotBe", value)] if _is_number(value):
            return _scaled(replace(rule, at_least=value, at_most=value, is_negated=True))
        case [("mustBeGreaterThan", value)] if _is_number(value):
            return _scaled(replace(rule, above=value))
        case [("mustBeGreaterOrEqualTo", value)] if _is_number(value):
            return _scaled(replace(rule, at_least=value))
        case [("mustBeLessThan", value)] if _is_number(value):
            return _scaled(replace(rule, below=value))
        case [("mustBeLessOrEqualTo", value)] if _is_number(value):
            return _scaled(replace(rule, at_most=value))
        case [("mustBeBetween", [low, high])] if _is_number(low) and _is_number(high):
            return _scaled(replace(rule, at_least=low, at_most=high))
        case [("mustNotBeBetween", [low, high])] if _is_number(low) and _is_number(high):
            return _scaled(replace(rule, at_least=low, at_most=high, is_negated=True))
        case _:
            return None


def _is_number(value: Any) -> bool:
    return double(value) is not None


_BOUNDS = ("at_least", "at_most", "above", "below")


def _scaled(rule: Rule) -> Rule:
    """Percentages as shares; counts as floats."""
    divisor = 100 if rule.is_share else 1
    found = {key: getattr(rule, key) for key in _BOUNDS if getattr(rule, key) is not None}
    scaled: dict[str, Any] = {key: float(Fraction(str(value)) / divisor) for key, value in found.items()}
    return replace(rule, **scaled)


def block_of(rule: Rule, is_placed: bool = True) -> dict[str, Any]:
    """The quality block that states the rule. `is_placed`: it stands at its field, or it has none."""
    if rule.engine == _FOREIGN and is_placed:
        return dict(json.loads(rule.query))
    head: dict[str, Any] = {}
    for key, value in (("name", rule.name), ("description", rule.description)):
        head |= {key: value} if value else {}
    head |= {} if rule.severity == "error" else {"severity": rule.severity}
    if not is_placed:
        return {**head, "type": "custom", "engine": _OWN, "implementation": _as_own(rule)}
    match rule.metric:
        case "text":
            return {**head, "type": "text"}
        case "custom" if rule.engine and rule.engine != _OWN:
            return {**head, "type": "custom", "engine": rule.engine, "implementation": _implementation(rule.query)}
    operator = _operator(rule)
    if operator is None or (rule.metric not in _NAMES and rule.metric != "sql") or rule.engine:
        return {**head, "type": "custom", "engine": _OWN, "implementation": _as_own(rule)}
    if rule.metric == "sql":
        query = rule.query.replace("{field}", "{property}")
        return {**head, "type": "sql", "query": query, **operator}
    listed = {k: v[0] if k in _SINGLE and len(v) == 1 else list(v) for k, v in rule.arguments.items()}
    block = {**head, "type": "library", "metric": _NAMES[rule.metric], **operator}
    block |= {"arguments": listed} if listed else {}
    return block | ({"unit": "percent"} if rule.is_share else {})


def _implementation(query: str) -> Any:
    """What was read from a mapping is a mapping again."""
    try:
        made = json.loads(query)
    except ValueError:
        return query
    return made if isinstance(made, dict) and canonical(made).decode() == query else query


def _as_own(rule: Rule) -> dict[str, Any]:
    bare = Rule(rule.name, "", severity=rule.severity, description=rule.description)
    kept = {key: getattr(rule, key) for key in _RULE_KEYS if getattr(rule, key) != getattr(bare, key)}
    return {key: plain(value) for key, value in kept.items()}


def _operator(rule: Rule) -> dict[str, Any] | None:
    """The one operator that says the rule's bounds; None when none does."""
    if rule.metric == "sql" and (rule.is_share or rule.arguments):
        return None
    low, high = (_written(getattr(rule, key), rule.is_share) for key in ("at_least", "at_most"))
    match (low, high, _written(rule.above, rule.is_share), _written(rule.below, rule.is_share)):
        case (None, None, above, None) if above is not None and not rule.is_negated:
            return {"mustBeGreaterThan": above}
        case (None, None, None, below) if below is not None and not rule.is_negated:
            return {"mustBeLessThan": below}
        case (at_least, None, None, None) if at_least is not None and not rule.is_negated:
            return {"mustBeGreaterOrEqualTo": at_least}
        case (None, at_most, None, None) if at_most is not None and not rule.is_negated:
            return {"mustBeLessOrEqualTo": at_most}
        case (at_least, at_most, None, None) if at_least is not None and at_most is not None:
            if at_least == at_most:
                return {"mustNotBe" if rule.is_negated else "mustBe": at_least}
            return {"mustNotBeBetween" if rule.is_negated else "mustBeBetween": [at_least, at_most]}
        case _:
            return None


def _written(bound: float | None, is_share: bool) -> int | float | None:
    if bound is None:
        return None
    exact = Fraction(str(bound)) * (100 if is_share else 1)
    return int(exact) if exact.denominator == 1 else float(exact)
