"""JSON documents: bytes to data, with the place of what is wrong, and back."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from interlock.domain.schemas.fault import SchemaUnreadable
from interlock.domain.schemas.formats.notes import SchemaTooLarge

MAX_BYTES = 20_000_000


def decoded(content: bytes, source: str) -> str:
    """The document's text; SchemaUnreadable where it is no UTF-8, SchemaTooLarge beyond MAX_BYTES."""
    if len(content) > MAX_BYTES:
        says = f"the document has {len(content):,} bytes; {MAX_BYTES:,} are read"
        raise SchemaTooLarge(says, remedy="Split it.", where=source)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        before = content[: fault.start]
        line, column = before.count(b"\n") + 1, fault.start - before.rfind(b"\n")
        says = f"byte 0x{content[fault.start]:02x} is not UTF-8"
        raise SchemaUnreadable(says, remedy="Save it as UTF-8.", where=f"{source}:{line}:{column}") from fault


def parse_json(content: bytes, source: str) -> Any:
    """The data; SchemaUnreadable with line and column, also for a key that stands twice or a NaN."""
    text = decoded(content, source)
    try:
        return json.loads(text, object_pairs_hook=_each_once, parse_constant=_no_constant)
    except json.JSONDecodeError as fault:
        where = f"{source}:{fault.lineno}:{fault.colno}"
        raise SchemaUnreadable(f"this is no JSON: {fault.msg}", where=where) from fault
    except RecursionError:
        raise SchemaTooLarge("the document is nested too deep", remedy="Flatten it.", where=source) from None
    except ValueError as fault:
        raise SchemaUnreadable(f"this is no JSON: {fault}", where=source) from fault


def render_json(document: Any) -> bytes:
    """The data as indented text."""
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(n for n in names if names.count(n) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return found


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON number")
