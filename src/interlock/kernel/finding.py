"""An expected problem as a value. All of them are collected and shown, never only the first."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


def sentences(says: str, remedy: str) -> str:
    """What is wrong and what would help, as sentences; what is wrong alone stays as it is."""
    return f"{says.removesuffix('.')}. {remedy}" if remedy else says


class Severity(StrEnum):
    """How much a finding weighs: an error blocks, a warning is to be read, info explains."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with `subject`, where it is written, and what would mend it.

    `code` is stable (`noun.problem`); `where` is `file:line` when a person wrote the subject down.
    """

    code: str
    severity: Severity
    subject: str
    says: str
    remedy: str = ""
    where: str = ""

    @property
    def is_blocking(self) -> bool:
        return self.severity is Severity.ERROR

    def __str__(self) -> str:
        head = f"{self.where}: " if self.where else ""
        return f"{head}{self.severity.value} {self.code}: {sentences(self.says, self.remedy)}"
