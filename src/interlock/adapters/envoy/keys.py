"""How many keys an arm has shown in a segment: never more than there are, and not one of them twice.

Envoy cannot count distinct keys. It marks a share of the keyed requests with the group of their key, one of 64 and
the same for the key always (see `lua.py`), and counts by group; so the groups that occur are at most as many as the
keys, in any number of Envoys and threads, and a call that fans out inside adds none. Gates ask for far below 64.

A rollout counts keys anew, while the baseline's groups have all occurred before it: so groups are remembered from
the first look at splits none of which was there at the look before; what a group counted until then does not count.
While rollouts overlap nothing is forgotten, which can only make the number too small. The memory is on disk before
anything is told from it, so that neither a restart of Envoy nor a new control plane tells a key a second time.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from interlock.adapters.envoy.snapshot import replace
from interlock.engine.codec import Unreadable, dump, parse

Groups = Mapping[str, Mapping[int, int]]
"""`service|release|segment` -> group of the key -> requests."""


@dataclass(frozen=True, slots=True)
class Memory:
    """epoch: which process counted; splits: the seeds at the last look with a split; before: the counts when this
    memory began; seen: the groups since then, over all epochs; told: keys told in this epoch, since its beginning.
    """

    epoch: str = ""
    splits: frozenset[int] = frozenset()
    before: Groups = field(default_factory=dict)
    seen: Mapping[str, frozenset[int]] = field(default_factory=dict)
    told: Mapping[str, int] = field(default_factory=dict)


def looked(memory: Memory, epoch: str, splits: frozenset[int], groups: Groups) -> Memory:
    """The memory after a look at counters: `groups` since the beginning of `epoch`, under `splits`."""
    is_same = memory.epoch == epoch
    before = memory.before if is_same else {}
    told = dict(memory.told) if is_same else {}
    seen = dict(memory.seen)
    if splits and not splits & memory.splits:
        before, seen = groups, {}
    for segment, counts in groups.items():
        earlier, known = before.get(segment, {}), seen.get(segment, frozenset())
        fresh = {g for g, n in counts.items() if n > earlier.get(g, 0)} - known
        if fresh:
            seen[segment] = known | fresh
            told[segment] = told.get(segment, 0) + len(fresh)
    return Memory(epoch, splits or memory.splits, before, seen, told)


class Keys:
    """The memory in its file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._memory: Memory | None = None
        self._turn = threading.Lock()

    def told(self, epoch: str, splits: frozenset[int], groups: Groups) -> Mapping[str, int]:
        """Keys by `service|release|segment`, cumulative in `epoch`. While the disk is full, none that is new."""
        with self._turn:
            before = self._memory or self._read()
            after = looked(before, epoch, splits, groups)
            try:
                if after != before:
                    replace(self._path, json.dumps(dump(after)).encode())
            except OSError:
                return before.told if before.epoch == epoch else {}
            self._memory = after
            return after.told

    def _read(self) -> Memory:
        """What an earlier control plane remembered; nothing when the file is not there, or not ours."""
        try:
            return parse(Memory, self._path.read_text())
        except (FileNotFoundError, Unreadable):
            return Memory()
