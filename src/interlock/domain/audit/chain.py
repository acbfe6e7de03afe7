"""The audit chain: each entry's digest covers its event, its place and the digest before it (Haber and
Stornetta 1991, "How to time-stamp a digital document").

Whoever edits, removes, inserts or reorders entries breaks a digest, a link or the count, and `verify` says
where. Its limit: whoever can rewrite every entry from some place on, and the head with them, leaves a chain
that agrees with itself. Only a head that was noted elsewhere before (a notice, a report, another machine)
shows that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC
from itertools import pairwise

from interlock.domain.audit.event import Entry, Event, Head
from interlock.kernel.digest import digest, plain
from interlock.kernel.finding import Finding, Severity

GENESIS = "sha256:" + "0" * 64
"""What the first entry names as its predecessor."""

ORIGIN = Head(0, GENESIS)
"""The head of the empty chain."""


def link(previous: str, seq: int, event: Event) -> Entry:
    """The entry that puts `event` at place `seq` (1, 2, ...) after the entry with digest `previous`.

    The event is settled first: UTC and plain JSON facts, so that it equals what is read back later.
    ValueError when it has no canonical form (a naive instant, NaN, text that is not Unicode).
    """
    settled = replace(event, at=event.at.astimezone(UTC), facts=plain(event.facts))
    return Entry(seq, settled, previous, _digest(seq, previous, event))


def verify(entries: Sequence[Entry], head: Head | None = None) -> list[Finding]:
    """Everything wrong with a whole chain, in the order it was read; empty when nothing was tampered with.

    `head` is where the chain must end. To test a head noted earlier, pass the entries up to `head.seq`.
    """
    known = {e.seq: e for e in reversed(entries)}
    ordered = [known[seq] for seq in sorted(known)]
    return [
        *_edited(entries),
        *_out_of_place(entries),
        *_removed(ordered, head),
        *_unlinked(ordered),
        *_beyond(ordered, head),
    ]


def _digest(seq: int, previous: str, event: Event) -> str:
    return digest((seq, previous, event))


def _agrees(entry: Entry) -> bool:
    try:
        return _digest(entry.seq, entry.previous, entry.event) == entry.digest
    except ValueError:  # content that no digest could ever have covered
        return False


def _finding(problem: str, seq: int, says: str) -> Finding:
    return Finding(
        f"audit.{problem}",
        Severity.ERROR,
        f"audit:{seq}",
        says,
        "Compare with a backup or another copy of the trail, and find out who could write to the store.",
    )


def _edited(entries: Sequence[Entry]) -> Iterator[Finding]:
    for e in entries:
        if not _agrees(e):
            yield _finding("edited", e.seq, f"entry {e.seq} was changed: its digest does not cover its content.")


def _out_of_place(entries: Sequence[Entry]) -> Iterator[Finding]:
    """Entries that come twice, before the first place, or after a later one."""
    met: set[int] = set()
    for e in entries:
        if e.seq in met or e.seq < 1:
            yield _finding("inserted", e.seq, f"an entry was inserted at {e.seq}, a place that is not free.")
        met.add(e.seq)
    for a, b in pairwise(entries):
        if b.seq < a.seq:
            yield _finding("reordered", b.seq, f"entry {b.seq} comes after entry {a.seq}.")


def _removed(ordered: Sequence[Entry], head: Head | None) -> Iterator[Finding]:
    places = [0, *(e.seq for e in ordered if e.seq >= 1)]
    if head and head.seq >= places[-1]:
        places.append(head.seq + 1)
    for a, b in pairwise(places):
        if b == a + 2:
            yield _finding("removed", a + 1, f"entry {a + 1} was removed.")
        elif b > a + 2:
            yield _finding("removed", a + 1, f"entries {a + 1} to {b - 1} were removed.")


def _unlinked(ordered: Sequence[Entry]) -> Iterator[Finding]:
    """Neighbours that do not know one another: one was rewritten and given a fresh digest."""
    before = ORIGIN
    for e in ordered:
        if e.seq == before.seq + 1 and e.previous != before.digest:
            says = f"entry {e.seq} does not follow the entry that is at {before.seq}: one of the two was rewritten."
            yield _finding("unlinked", e.seq, says)
        before = Head(e.seq, e.digest)


def _beyond(ordered: Sequence[Entry], head: Head | None) -> Iterator[Finding]:
    if head is None:
        return
    for e in ordered:
        if e.seq > head.seq:
            yield _finding("inserted", e.seq, f"entry {e.seq} was inserted after the chain's end at {head.seq}.")
        elif e.seq == head.seq and e.digest != head.digest:
            says = f"entry {e.seq} is not the one that the chain ended with: the chain was rewritten."
            yield _finding("rewritten", e.seq, says)
