"""Whether a new schema goes together with the versions of its subject, and why not, in the registry's words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from interlock.domain.registry.languages import Read, reads
from interlock.domain.registry.settings import Settings
from interlock.domain.schemas.modes import Mode as Level
from interlock.domain.schemas.modes import comparisons
from interlock.domain.schemas.reason import Told


@dataclass(frozen=True, slots=True)
class Earlier:
    """A version that the new schema is held against."""

    number: int
    read: Read


@dataclass(frozen=True, slots=True)
class Verdict:
    """messages: what clients of the REST API show; notes: differences that do not block."""

    is_compatible: bool
    messages: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def judge(new: Read, history: Sequence[Earlier], settings: Settings) -> Verdict:
    """Hold `new` against `history` (oldest first), as the level asks. It is undecided by nothing: a language that
    cannot tell says that it blocks.
    """
    level = settings.level or Level.BACKWARD

    def question(reader: Read, writer: Read) -> tuple[Told, ...]:
        return reads(reader, writer, is_lenient=settings.is_lenient)

    messages: list[str] = []
    notes: list[str] = []
    for asked in comparisons(level, [e.read for e in history], new, question):
        against = history[asked.index]
        blocking = [reason for reason in asked.reasons if reason.is_blocking]
        notes += [_message(reason, asked.direction) for reason in asked.reasons if not reason.is_blocking]
        if blocking:
            messages += [_message(reason, asked.direction) for reason in blocking]
            messages += _context(against, level)
    return Verdict(not messages, tuple(messages), tuple(dict.fromkeys(notes)))


def _message(reason: Told, direction: str) -> str:
    parts = {
        "errorType": reason.code,
        "description": _described(reason, direction),
        "additionalInfo": reason.remedy,
    }
    return "{" + ", ".join(f"{name}:{json.dumps(text, ensure_ascii=False)}" for name, text in parts.items()) + "}"


def _described(reason: Told, direction: str) -> str:
    who = (
        "the new schema reading an old record" if direction == "backward" else "an old schema reading a new record"
    )
    return f"at {reason.path or '/'}, {who}: {reason.says}"


def _context(against: Earlier, level: Level) -> Iterator[str]:
    yield f"{{oldSchemaVersion: {against.number}}}"
    yield f"{{oldSchema: {json.dumps(against.read.text, ensure_ascii=False)}}}"
    yield f"{{compatibility: {json.dumps(level.value)}}}"
