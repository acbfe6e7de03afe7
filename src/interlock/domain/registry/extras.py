"""Metadata and rules of schemas: kept for clients, once they have the shape that clients expect."""

from __future__ import annotations

from collections.abc import Mapping

from interlock.domain.schemas.scalars import depth
from interlock.kernel.digest import canonical

MAX_DEPTH = 100
"""Levels of objects and lists in rules: what is kept is written again, by writers that do not go as deep as any."""


def wrong_metadata(value: object) -> str:
    """What is wrong with metadata; empty when nothing is."""
    if not isinstance(value, Mapping):
        return "metadata is an object"
    if unknown := sorted(value.keys() - {"tags", "properties", "sensitive"}):
        return f"metadata has tags, properties and sensitive, no {unknown[0][:40]}"
    tags, properties, sensitive = (value.get(name) for name in ("tags", "properties", "sensitive"))
    if tags is not None and not (isinstance(tags, Mapping) and all(map(_are_texts, tags.values()))):
        return "tags are lists of texts by path"
    if properties is not None and not (isinstance(properties, Mapping) and _are_texts([*properties.values()])):
        return "properties are texts by name"
    if sensitive is not None and not _are_texts(sensitive):
        return "sensitive is a list of names"
    return ""


def wrong_rules(value: object) -> str:
    """What is wrong with a set of rules; empty when nothing is."""
    if not isinstance(value, Mapping):
        return "a set of rules is an object"
    for kind, rules in value.items():
        if not (rules is None or isinstance(rules, str) or (isinstance(rules, list) and all(map(_is_rule, rules)))):
            return f"{kind[:40]} is a list of rules, which are objects with a name"
    if depth(value) > MAX_DEPTH:
        return f"it nests deeper than {MAX_DEPTH} levels"
    try:
        canonical(value)
    except ValueError as fault:
        return f"it is no JSON: {fault}"
    return ""


def _is_rule(rule: object) -> bool:
    return isinstance(rule, Mapping) and isinstance(rule.get("name"), str | None)


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
