"""What the load generator knows of each request, and what it counts as failed and as mixed."""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass, fields
from pathlib import Path

Trail = tuple[tuple[str, str | None], ...]
"""(service, release) of everything that took part in an answer, in order of the calls."""


@dataclass(frozen=True, slots=True)
class Record:
    """One request. `at` is when it was due, in seconds since the epoch, and `latency_ms` counts from then, so a
    late sender does not flatter the service. `status` is 0 when there was no answer; `release` is the one that
    the edge named; `predicted` and `actual` are minutes. `is_hit`: a planted fault took part in the answer.
    """

    id: str
    at: float
    service: str
    key: str
    status: int
    release: str | None
    attempts: int
    latency_ms: float
    predicted: float | None
    actual: float
    trail: Trail = ()
    error: str = ""
    is_hit: bool = False

    @property
    def is_failed(self) -> bool:
        """The caller got no answer, or a server error."""
        return self.status == 0 or self.status >= 500

    @property
    def is_mixed(self) -> bool:
        """An answer in which more than one release took part, the one that the edge named included."""
        releases = {release for _, release in self.trail}
        if self.release is not None and releases:
            releases.add(self.release)
        return len(releases) > 1

    @property
    def off_by_min(self) -> float | None:
        """The absolute error of the answer."""
        return None if self.predicted is None else abs(self.predicted - self.actual)


TRAIL = [f.name for f in fields(Record)].index("trail")


def to_line(record: Record) -> str:
    return json.dumps(astuple(record), separators=(",", ":")) + "\n"


def from_line(line: str) -> Record:
    values = json.loads(line)
    values[TRAIL] = tuple((service, release) for service, release in values[TRAIL])
    return Record(*values)


class RecordFile:
    """A file of lines that another process is still writing; each call reads only what is new."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: list[Record] = []
        self._offset = 0

    def records(self) -> list[Record]:
        """All complete lines so far, in the order of the answers."""
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self._offset)
                whole, newline, _ = file.read().rpartition(b"\n")
            self._offset += len(whole + newline)
            self._known += [from_line(line) for line in whole.decode().splitlines()]
        return list(self._known)

    def forget(self) -> None:
        """Let go of what was read so far; `records` then tells only what comes later."""
        self._known.clear()
