"""Why one schema does not read another (or how it nearly did not), in the words that schema registries use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from interlock.kernel.finding import Finding, Severity


class Told(Protocol):
    """What every format's differences have in common."""

    @property
    def code(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def says(self) -> str: ...
    @property
    def remedy(self) -> str: ...
    @property
    def is_blocking(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Reason:
    """One difference between an Avro or Protobuf reader and writer.

    code: the name that Confluent Schema Registry gives it, where it has one. path: where in the reader's schema.
    is_blocking: the reader may fail, or read another value than was written. assumption: set when the lenient
    policy lets the difference pass, to what it relies on.
    """

    code: str
    path: str
    says: str
    remedy: str = ""
    is_blocking: bool = True
    assumption: str = ""

    def finding(self, subject: str, where: str = "") -> Finding:
        """As a finding about `subject`: an error when it blocks, a warning when assumed, else information."""
        severity = Severity.ERROR if self.is_blocking else Severity.WARNING if self.assumption else Severity.INFO
        says = f"{self.path}: {self.says}" + (f" ({self.assumption})" if self.assumption else "")
        return Finding(f"schema.{self.code.lower()}", severity, subject, says, self.remedy, where)
