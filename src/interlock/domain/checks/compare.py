"""Compare two answers to the same request, field by field."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

RELATIVE_TOLERANCE = 1e-9
"""Numbers closer than this are equal: the noise of float arithmetic, not of models."""

WHOLE = "(whole)"
"""The path that stands for an answer that is not comparable field by field."""


def differing_fields(baseline: bytes, candidate: bytes) -> tuple[str, ...]:
    """Paths of the fields that differ between two JSON answers, `a.b` and `a[]`; empty when they agree.

    Answers that are not JSON differ as a whole or not at all. Elements of a list share one path.
    """
    try:
        pair = json.loads(baseline), json.loads(candidate)
    except (ValueError, RecursionError):
        return () if baseline == candidate else (WHOLE,)
    return tuple(sorted(set(_differing(*pair, ""))))


def _differing(a: Any, b: Any, path: str) -> Iterator[str]:
    match a, b:
        case dict(), dict():
            for key in sorted({*a, *b}):
                inner = f"{path}.{key}" if path else key
                if key not in a or key not in b:
                    yield inner
                else:
                    yield from _differing(a[key], b[key], inner)
        case list(), list():
            if len(a) != len(b):
                yield f"{path}[]"
            for x, y in zip(a, b, strict=False):
                yield from _differing(x, y, f"{path}[]")
        case _ if not _is_same(a, b):
            yield path or WHOLE


def _is_same(a: Any, b: Any) -> bool:
    if _is_number(a) and _is_number(b):
        return math.isclose(a, b, rel_tol=RELATIVE_TOLERANCE, abs_tol=RELATIVE_TOLERANCE)
    return type(a) is type(b) and bool(a == b)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
