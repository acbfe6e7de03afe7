"""What a draft of a lens is made of: ops as documents have them, each with how sure it is and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Guess:
    """confidence: from 0 to 1, good for an order and no more. reasons: the weightiest first."""

    confidence: float
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.confidence:.2f}: {'; '.join(self.reasons)}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One op: `block` is its document. guess: None where the contracts themselves say so. inner: of `in` and
    `each`, whose block leaves out its `ops`.
    """

    block: Mapping[str, Any]
    guess: Guess | None = None
    inner: tuple[Entry, ...] = ()

    @property
    def confidence(self) -> float:
        return self.guess.confidence if self.guess else 1.0

    @property
    def document(self) -> dict[str, Any]:
        """The op as a lens document has it."""
        [(name, body)] = self.block.items()
        if name in ("in", "each"):
            return {name: {**body, "ops": [one.document for one in self.inner]}}
        return {name: dict(body)}


def guesses(entries: tuple[Entry, ...], at: str = "") -> Iterator[tuple[str, Entry]]:
    """Every entry that is a guess, with the object that it is in."""
    for one in entries:
        if one.guess is not None:
            yield at, one
        if one.inner:
            [body] = one.block.values()
            yield from guesses(one.inner, f"{at}{body['field']}.")
