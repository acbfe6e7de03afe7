"""Instants are aware UTC datetimes; text is RFC 3339 with a `Z`."""

from __future__ import annotations

from datetime import UTC, datetime

Instant = datetime


def to_rfc3339(at: datetime) -> str:
    """`2026-05-01T08:00:00Z`, with a fraction only when there is one. Naive datetimes are refused."""
    if at.tzinfo is None:
        raise ValueError("an instant needs a zone")
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def from_rfc3339(text: str) -> datetime:
    """The instant that `text` names; ValueError when it has no zone or is not RFC 3339."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no zone; write it like 2026-05-01T08:00:00Z")
    return at.astimezone(UTC)
