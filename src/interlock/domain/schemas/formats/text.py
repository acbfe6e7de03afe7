"""JSON documents: bytes to data, with the place of what is wrong, and back."""

from __future__ import annotations

import json
import math
from collections import Counter
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
    """The data; SchemaUnreadable with line and column, also for a key that stands twice, for what is no number and
    for half a character.
    """
    text = decoded(content, source)
    try:
        found = json.loads(text, object_pairs_hook=_each_once, parse_constant=_no_constant, parse_float=_finite)
        if "\\u" in text:
            json.dumps(found, ensure_ascii=False).encode()  # which no half of a surrogate pair survives
        return found
    except json.JSONDecodeError as fault:
        where = f"{source}:{fault.lineno}:{fault.colno}"
        raise SchemaUnreadable(f"this is no JSON: {fault.msg}", where=where) from fault
    except RecursionError:
        raise SchemaTooLarge("the document is nested too deep", remedy="Flatten it.", where=source) from None
    except UnicodeEncodeError:
        says = "an escaped character is half of a pair, whose other half is not there"
        raise SchemaUnreadable(says, remedy="Write both halves, or the character itself.", where=source) from None
    except ValueError as fault:
        raise SchemaUnreadable(f"this is no JSON: {fault}", where=source) from fault


def render_json(document: Any) -> bytes:
    """The data as indented text."""
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:40]} is beyond every number that is read")
    return number


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON number")
