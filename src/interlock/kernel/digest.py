"""Content digests: SHA-256 over canonical JSON, so that equal content has an equal name everywhere.

Canonical JSON follows the ideas of RFC 8785: sorted keys, no insignificant space, UTF-8; a float without
a fraction is written as an integer (5.0 equals 5, so both are `5`), others use Python's shortest round-trip
form, and NaN or infinity are refused.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from fractions import Fraction
from typing import Any

from interlock.kernel.instant import to_rfc3339

SPARSE = "sparse"
"""Metadata of a dataclass field that is left out while it holds its default: what does not use a field that came
later keeps its name.
"""


def plain(value: Any) -> Any:
    """`value` as JSON-ready data: dataclasses become objects, tuples and sets lists, enums their values."""
    match value:
        case None | bool() | int() | float() | str():
            return value.value if isinstance(value, Enum) else value
        case Enum():
            return plain(value.value)
        case datetime():
            return to_rfc3339(value)
        case Fraction():
            return str(value)
        case Mapping():
            return {str(k): plain(v) for k, v in value.items()}
        case list() | tuple():
            return [plain(v) for v in value]
        case set() | frozenset():
            return sorted(plain(v) for v in value)
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {
                f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value) if not _is_unused(value, f)
            }
        case _:
            raise TypeError(f"{type(value).__name__} has no canonical form")


def _is_unused(value: Any, field: dataclasses.Field[Any]) -> bool:
    return SPARSE in field.metadata and getattr(value, field.name) == field.default


def _one_number(value: Any) -> Any:
    """JSON data in which equal numbers have one form, whether a person wrote 5 or 5.0."""
    match value:
        case float() if value.is_integer() and abs(value) <= 2**53:
            return int(value)
        case dict():
            return {k: _one_number(v) for k, v in value.items()}
        case list():
            return [_one_number(v) for v in value]
        case _:
            return value


def canonical(value: Any) -> bytes:
    """Canonical JSON bytes of `value` (anything that `plain` accepts)."""
    return json.dumps(
        _one_number(plain(value)), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest(value: Any) -> str:
    """`sha256:` and 64 hexadecimal digits over the canonical form of `value`."""
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()


def short(full: str, length: int = 12) -> str:
    """The first `length` hexadecimal digits of a digest, for people and for header values."""
    return full.removeprefix("sha256:")[:length]
