"""Which value of one list stands for which of another: codes and their words, flags, other spellings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from interlock.domain.lenses.assignment import assigned
from interlock.domain.lenses.likeness import alike
from interlock.domain.schemas.field import Scalar

_YES = frozenset(("true", "t", "yes", "y", "1", "on", "active", "enabled"))
_NO = frozenset(("false", "f", "no", "n", "0", "off", "inactive", "disabled"))
_LEAST = 0.25


@dataclass(frozen=True, slots=True)
class Paired:
    """pairs: older value, newer value, in the order of the older ones. left: older ones without a counterpart."""

    pairs: tuple[tuple[Scalar, Scalar], ...]
    left: tuple[Scalar, ...]
    confidence: float
    reasons: tuple[str, ...]


def paired(
    sources: tuple[Scalar, ...],
    targets: tuple[Scalar, ...],
    labels: tuple[Mapping[Scalar, str], Mapping[Scalar, str]],
    shares: tuple[Mapping[str, float], Mapping[str, float]],
) -> Paired:
    """Each value with at most one other. labels: what values mean; shares: how often they come, where known."""
    scores: dict[tuple[int, int], float] = {}
    for i, one in enumerate(sources):
        for j, other in enumerate(targets):
            worded = max(
                _alike(one, other),
                _alike(labels[0].get(one, one), other),
                _alike(one, labels[1].get(other, other)),
                _alike(labels[0][one], labels[1][other]) if one in labels[0] and other in labels[1] else 0.0,
            )
            frequent = _as_often(shares[0].get(str(one)), shares[1].get(str(other)))
            placed = 0.1 if i == j and len(sources) == len(targets) else 0.0
            score = min(1.0, max(worded, 0.8 * frequent) + placed + (0.1 if min(worded, frequent) > 0.5 else 0.0))
            if score >= _LEAST:
                scores[i, j] = score
    taken = assigned(scores)
    there = {i for i, _ in taken}
    alone = [i for i in range(len(sources)) if i not in there], {*range(len(targets))} - {j for _, j in taken}
    if len(alone[0]) == len(alone[1]) == 1 and taken:  # what is left over on both sides
        last = (alone[0][0], alone[1].pop())
        taken, scores[last], there = sorted([*taken, last]), _LEAST, {*there, last[0]}
    found = [scores[pair] for pair in taken]
    left = tuple(one for i, one in enumerate(sources) if i not in there)
    confidence = min(found, default=0.0) * (len(found) / len(sources))
    how = "by their words and how often they come" if shares[0] and shares[1] else "by their words"
    reasons = (f"{len(found)} of {len(sources)} values paired {how}",)
    return Paired(tuple((sources[i], targets[j]) for i, j in taken), left, confidence, reasons)


def _alike(one: Scalar, other: Scalar) -> float:
    left, right = (str(v).strip().casefold() for v in (one, other))
    if _plain(left) == _plain(right):
        return 1.0
    if {left, right} <= _YES | _NO:
        return 0.9 if (left in _YES) == (right in _YES) else 0.0
    short, long = sorted((left, right), key=len)
    begins = 0.7 if short and long.startswith(short) and len(short) <= 3 else 0.0
    return max(alike(left, right), begins)


def _plain(text: str) -> str:
    return "".join(letter for letter in text if letter.isalnum()) or text


def _as_often(one: float | None, other: float | None) -> float:
    """1 when both shares are the same, 0 when one is half of the other or less."""
    if not one or not other:
        return 0.0
    return max(0.0, 1 - 2 * abs(one - other) / max(one, other))
