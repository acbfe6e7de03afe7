"""Which share of the requests of an arm is copied, and which is captured for the callers' answers.

Envoy draws one random number for a request, and every fraction of a route is a threshold of it. So the shares are
slices of one range: copies to the candidate from its beginning, twins right after them (no request is copied
twice), answers from the beginning too. An answer's slice covers copied and other requests alike: what is sampled
is the same share of every kind of request, in both arms, whatever is copied besides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from interlock.domain.releases.route_table import WHOLE_BP, Entry

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Range:
    """Requests whose random number, of a million, is in [begin, end)."""

    begin: int = 0
    end: int = MILLION

    def at(self, share_bp: int) -> int:
        """Where a share of this range ends."""
        return self.begin + (self.end - self.begin) * share_bp // WHOLE_BP


@dataclass(frozen=True, slots=True)
class Slice:
    """Requests below `end` that no earlier slice took; copied to release `copied_to`, or to none when empty."""

    end: int
    copied_to: str
    is_answer: bool


def slices(entry: Entry, within: Range, *, is_comparable: bool) -> Iterator[Slice]:
    """The slices of the default's requests. Answers are sampled where they compare with the candidate's."""
    shadow = entry.shadow
    copies_bp = shadow.share_bp if shadow else 0
    twins_bp = copies_bp + shadow.twin_bp if shadow else 0
    answers_bp = answers_of(entry) if is_comparable else 0
    for end_bp in sorted({copies_bp, twins_bp, answers_bp} - {0}):
        copied_to = (
            shadow.candidate if shadow and end_bp <= copies_bp else entry.default if end_bp <= twins_bp else ""
        )
        yield Slice(within.at(end_bp), copied_to, end_bp <= answers_bp)


def answers_of(entry: Entry) -> int:
    """The share of answers that is captured, in basis points."""
    return entry.split.sample_bp if entry.split else 0
