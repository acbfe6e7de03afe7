"""Outcomes that are known later: losses in bins of loss/cap; the baseline's mean is guessed from past blocks.

Labels join the block in which they arrive, which is fair while they take equally long in both arms; or, where it is
known when their answers were given, a block after the labels of that time are complete (see checks.delay).
"""

from __future__ import annotations

from dataclasses import dataclass

from interlock.domain.checks.evidence import LOSS_BINS, Bins
from interlock.domain.gates.betting import Signals, signals_of_losses

FIRST_GUESS = 0.1
"""The guess before any label, as a part of the cap; it weighs as much as one label."""


@dataclass(frozen=True, slots=True)
class Guess:
    """The baseline's labels so far, decayed: how many, and the sum of their losses as parts of the cap."""

    labels: float = 0.0
    total: float = 0.0

    @property
    def mean(self) -> float:
        return (FIRST_GUESS + self.total) / (1 + self.labels)


def learn_guess(guess: Guess, bins: Bins, seconds: float, half_life_s: float) -> Guess:
    """The guess after a block of `seconds` in which the baseline's labels came as `bins` says."""
    kept = 0.5 ** (seconds / half_life_s)
    steps = sum(b * n for b, n in bins.items())
    return Guess(guess.labels * kept + sum(bins.values()), guess.total * kept + steps / LOSS_BINS)


def mean_loss(bins: Bins, cap: float) -> float | None:
    """The mean loss in loss units; None without labels."""
    labels = sum(bins.values())
    return cap * sum(b * n for b, n in bins.items()) / (LOSS_BINS * labels) if labels else None


def signals_of_outcome(candidate: Bins, baseline: Bins, guess: Guess) -> Signals:
    """The block's signals; both arms have at least one label."""
    labels = sum(candidate.values())
    share = labels / (labels + sum(baseline.values()))
    return signals_of_losses(_losses(candidate), _losses(baseline), share, guess.mean)


def _losses(bins: Bins) -> tuple[tuple[float, int], ...]:
    return tuple((b / LOSS_BINS, bins[b]) for b in sorted(bins))
