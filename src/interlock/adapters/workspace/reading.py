"""A document being read, and the units that people write in one. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from interlock.kernel.finding import Finding, Severity

Path = tuple[str | int, ...]
Body = Mapping[str, Any]

_SECONDS: Final = {
    "ms": Fraction(1, 1_000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3_600),
    "d": Fraction(86_400),
}


@dataclass(slots=True)
class Reading:
    """One document being read: where its values stand, and what was found about it."""

    locate: Callable[[Path], str]
    subject: str
    findings: list[Finding] = field(default_factory=list)

    def reject(self, path: Path, says: str, remedy: str, code: str = "field.value") -> None:
        finding = Finding(code, Severity.ERROR, self.subject, says, remedy, self.locate(path))
        self.findings.append(finding)


def duration_s(text: str) -> float:
    """Seconds of `30`, `10s`, `250ms`, `5m`, `2h` or `1d`."""
    number = text.rstrip("mshd")
    return float(Fraction(number) * _SECONDS[text[len(number) :] or "s"])


def basis_points(text: str) -> int | None:
    """`5%` is 500; a bare number counts basis points. None when it is no whole number of them up to 10,000."""
    points = Fraction(text.removesuffix("%")) * (100 if text.endswith("%") else 1)
    return int(points) if points.denominator == 1 and 1 <= points <= 10_000 else None
