"""One document being read: findings are collected, and every value of the wrong shape is one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from interlock.domain.schemas.scalars import double
from interlock.kernel.finding import Finding, Severity
from interlock.kernel.ident import did_you_mean

Path = tuple[str | int, ...]
Locate = Callable[[Path], str]


@dataclass(slots=True)
class Reading:
    """Every lookup that fails adds a finding and goes on. fields: how many were read; within: the blocks around."""

    locate: Locate
    subject: str = "contract"
    findings: list[Finding] = field(default_factory=list)
    fields: int = 0
    within: list[int] = field(default_factory=list)

    def add(self, code: str, path: Path, says: str, remedy: str, severity: Severity = Severity.ERROR) -> None:
        found = Finding(f"contract.{code}", severity, self.subject, says, remedy, self.locate(path))
        self.findings.append(found)

    def text(self, block: Mapping[str, Any], key: str, path: Path) -> str:
        value = block.get(key)
        if isinstance(value, str) or value is None:
            return value or ""
        self.add("text_expected", (*path, key), f"`{key}` is {value!r}, not text", f'Write `{key}: "{value}"`.')
        return ""

    def flag(self, value: Any, otherwise: bool, name: str, path: Path) -> bool:
        if isinstance(value, bool):
            return value
        if value is not None:
            self.add("flag_expected", path, f"`{name}` is {value!r}", "Write true or false.")
        return otherwise

    def entries(self, block: Mapping[str, Any], key: str, path: Path, remedy: str) -> list[Any]:
        listed = block.get(key)
        if listed is None or isinstance(listed, list):
            return listed or []
        self.add("list_expected", (*path, key), f"`{key}` is no list", remedy)
        return []

    def texts(self, block: Mapping[str, Any], key: str, path: Path) -> tuple[str, ...]:
        return self.as_texts(self.entries(block, key, path, "Write a list of texts."), key, path)

    def as_texts(self, listed: Any, key: str, path: Path) -> tuple[str, ...]:
        if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
            self.add("text_expected", path, f"`{key}` is no list of texts", "Write a list of texts.")
            return ()
        return tuple(listed)

    def count(self, value: Any, key: str, path: Path) -> int | None:
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
            return value
        self.add("bound_invalid", (*path, key), f"`{key}` is {value!r}", "Write a whole number from 0.")
        return None

    def number(self, value: Any, key: str, path: Path) -> int | float | None:
        if value is None:
            return None
        if double(value) is not None and isinstance(value, int | float):
            return value
        self.add("bound_invalid", (*path, key), f"`{key}` is {value!r}", "Write a number.")
        return None

    def mapping(self, block: Mapping[str, Any], key: str, path: Path, remedy: str) -> Mapping[str, Any]:
        found = block.get(key)
        if found is None or isinstance(found, Mapping):
            return found or {}
        self.add("options_invalid", (*path, key), f"`{key}` is no mapping", remedy)
        return {}

    def custom(self, block: Mapping[str, Any], path: Path, known: Sequence[str]) -> dict[str, Any]:
        """customProperties as a mapping; those of other tools are left alone, misspelt ones of ours are found."""
        found: dict[str, Any] = {}
        remedy = "Write `- property: ...` and `value: ...` entries."
        for index, entry in enumerate(self.entries(block, "customProperties", path, remedy)):
            at = (*path, "customProperties", index)
            if not isinstance(entry, Mapping) or not isinstance(entry.get("property"), str):
                self.add("custom_invalid", at, "a custom property has no `property`", "Name it.")
            elif (key := entry["property"]).startswith(OURS) and key not in known:
                self.add("custom_unknown", at, f"`{key}` is not known here", did_you_mean(key, known))
            elif key.startswith(OURS):
                found[key.removeprefix(OURS)] = entry.get("value")
        return found


OURS = "interlock:"
