"""Plain JSON back into our frozen dataclasses: nested ones, tuples, closed unions, enums, instants.

The types are the only description; there is no second schema to keep in step. Loading is strict: text is not
a number, and a member of a union is told by its `Literal` field. Fields that the type does not know are
ignored, so that an older release can read what a newer one wrote; fields that are absent take their default.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from interlock.kernel.digest import plain
from interlock.kernel.errors import Invalid

T = TypeVar("T")


class Unreadable(Invalid):
    """Stored or posted JSON does not have the shape of the type it should become."""

    code = "document.unreadable"


def dump(value: Any) -> dict[str, Any]:
    """A dataclass as a plain JSON object; `load` is the way back."""
    body: dict[str, Any] = plain(value)
    return body


def load(cls: type[T], body: object) -> T:
    """`body` (plain JSON data) as a `cls`: `load(type(x), dump(x)) == x`, with an equal digest. Unreadable
    when it does not fit; the message names each place that does not.
    """
    return parse(cls, json.dumps(body))


def parse(cls: type[T], text: str) -> T:
    """Like `load`, from JSON text."""
    try:
        value: T = _adapter(cast(Hashable, cls)).validate_json(text, strict=True)
    except ValidationError as error:
        raise Unreadable(f"this is no {cls.__name__}: {_places(error)}") from error
    return value


@cache
def _adapter(cls: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast(type[Any], cls))


def _places(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'the whole'}: {e['msg']}" for e in found)
