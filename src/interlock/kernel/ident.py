"""Names that people give: lower-case words that are safe in URLs, file names, headers and metric labels."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

NAME_PATTERN = r"^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$"
VERSION_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,62}$"

_NAME = re.compile(NAME_PATTERN)


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def did_you_mean(wanted: str, known: Iterable[str]) -> str:
    """A closing sentence for a Missing error: the nearest known name, else what there is."""
    names = sorted(known)
    if near := difflib.get_close_matches(wanted, names, n=1):
        return f"Did you mean {near[0]!r}?"
    if not names:
        return "There is none yet."
    shown = ", ".join(names[:8])
    return f"There is: {shown}{' ...' if len(names) > 8 else ''}."
