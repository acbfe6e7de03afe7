"""The seven compatibility modes of schema registries, over a history of versions, for any schema format.

BACKWARD: the new version reads what the last one wrote. FORWARD: the last one reads what the new one writes.
FULL: both. The *_TRANSITIVE modes ask the same of every version in the history, the others of the last one
only. NONE asks nothing. (Confluent Schema Registry, "Schema Evolution and Compatibility", compatibility types.)
What reading means is the business of the format: its `reads(reader, writer)` is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

Version = TypeVar("Version")
Reason = TypeVar("Reason")


class Mode(StrEnum):
    """How a new version has to go together with those before it."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"

    @property
    def is_transitive(self) -> bool:
        return self.name.endswith("_TRANSITIVE")

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Backward first, as people ask for it first."""
        wanted = self.name.removesuffix("_TRANSITIVE")
        backward = (Direction.BACKWARD,) if wanted in ("BACKWARD", "FULL") else ()
        forward = (Direction.FORWARD,) if wanted in ("FORWARD", "FULL") else ()
        return backward + forward


class Direction(StrEnum):
    """Who reads: the new version (backward) or the earlier one (forward)."""

    BACKWARD = "backward"
    FORWARD = "forward"


@dataclass(frozen=True, slots=True)
class Comparison(Generic[Reason]):
    """What one question found. `index`: the earlier version in the history; `reasons`: the format's own."""

    index: int
    direction: Direction
    reasons: tuple[Reason, ...]


def comparisons(
    mode: Mode,
    history: Sequence[Version],
    new: Version,
    reads: Callable[[Version, Version], tuple[Reason, ...]],
) -> Iterator[Comparison[Reason]]:
    """Each question that `mode` asks about `new`, answered; `history` is oldest first.

    The latest version is compared first. A first version (empty history) is asked nothing, as is NONE.
    """
    asked = range(len(history)) if mode.is_transitive else range(max(0, len(history) - 1), len(history))
    for index in reversed(asked):
        for direction in mode.directions:
            reader, writer = (new, history[index]) if direction is Direction.BACKWARD else (history[index], new)
            yield Comparison(index, direction, reads(reader, writer))
