"""How sure a guess from a sample may be. Nothing that a sample does not show is ever certain.

That the next value keeps to what all n values kept to has the probability (n+1)/(n+2), by Laplace's rule of
succession; that it lies outside of the seen range 2/(n+1), by symmetry; that it is one never seen, about the share
of values seen once (Good 1953). Each holds for rows drawn alike: data that changes with time is less sure.
"""

from __future__ import annotations

from dataclasses import dataclass

from interlock.domain.schemas.contract import Contract

CERTAIN = 1.0
"""Of what was seen to happen, or what the source declares; never of what a sample merely does not contradict."""

ENOUGH = 0.999
"""Guesses that could reject data are written into the contract from here on; the others are only told."""


@dataclass(frozen=True, slots=True)
class Guess:
    """One guess about the field `path`: `what` (`type`, `null`, `enum`, `range`, `unique`, `key`, `format`) is
    `value`. why: what it rests on. is_applied: whether the contract says it.
    """

    path: str
    what: str
    value: object
    confidence: float
    why: str
    is_applied: bool = True


@dataclass(frozen=True, slots=True)
class Inferred:
    """A guessed contract. rows: how many were looked at; of: how many there are."""

    contract: Contract
    guesses: tuple[Guess, ...]
    rows: int
    of: int


def always(n: int) -> float:
    """How sure it is that the next value keeps to what all n values kept to."""
    return (n + 1) / (n + 2)


def within(n: int) -> float:
    """How sure it is that the next value lies between the least and the greatest of n."""
    return max(0.0, 1 - 2 / (n + 1))


def nothing_new(n: int, seen_once: int) -> float:
    """How sure it is that the next value is among those seen, of which some were seen once only."""
    return max(0.0, 1 - (seen_once + 1) / (n + 1))
