"""Answers as JSON values: read strictly, and named by the paths of their fields.

A path is written `a.b` for a field inside a field and `a[]` for the elements of a list, which share one path. A
pattern is a path in which `*` stands for exactly one step and `**` for any number of steps, none included; it
covers what it names and everything below; the empty pattern names the whole answer. A key that itself contains a
dot or a bracket can only be named by `*`.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

Path = tuple[str, ...]
"""Steps from the outside in; `[]` is the step into a list."""

WHOLE = "(whole)"
"""The path that stands for an answer that is not comparable field by field."""


class Unreadable:
    """Marks a body that is not JSON (RFC 8259: NaN and infinities are not JSON either)."""


UNREADABLE = Unreadable()


def read_answer(body: bytes) -> Any:
    """The JSON value of a body, or UNREADABLE."""
    try:
        return json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return UNREADABLE


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def shown(path: Path) -> str:
    """The path as people write it."""
    out = ""
    for step in path:
        out += step if step == "[]" or not out else f".{step}"
    return out or WHOLE


def steps(pattern: str) -> Path:
    """A written path or pattern as steps."""
    return tuple(step for step in pattern.replace("[]", ".[].").split(".") if step)


def covers(pattern: Path, path: Path) -> bool:
    """Whether `path` is what the pattern names, or lies below it."""
    return any(names(pattern, path[:length]) for length in range(len(path) + 1))


def names(pattern: Path, path: Path) -> bool:
    """Whether the pattern names exactly this path."""
    if not pattern:
        return not path
    head, rest = pattern[0], pattern[1:]
    if head == "**":
        return any(names(rest, path[i:]) for i in range(len(path) + 1))
    return bool(path) and head in ("*", path[0]) and names(rest, path[1:])
