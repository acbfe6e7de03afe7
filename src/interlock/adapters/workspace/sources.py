"""Declarations as texts: the document that stands at a place of a file."""

from __future__ import annotations

import re

_MARK = re.compile(r"^---(\s|$)")


def document_at(text: str, line: int) -> str:
    """The YAML document around `line` (from 1), without its marks; comments stay. ValueError without one."""
    lines = text.splitlines(keepends=True)
    if not 1 <= line <= len(lines):
        raise ValueError(f"there is no line {line}")
    marks = [number for number, one in enumerate(lines, start=1) if _MARK.match(one)]
    start = max((mark for mark in marks if mark <= line), default=0)
    end = min((mark for mark in marks if mark > line), default=len(lines) + 1)
    beside = lines[start - 1].removeprefix("---").lstrip() if start else ""
    kept = () if beside.startswith("#") else (beside,)
    return "".join((*kept, *lines[start : end - 1])).strip("\n") + "\n"
