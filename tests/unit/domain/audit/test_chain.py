"""The audit chain: what an entry's digest covers, and what `verify` says of each way to tamper."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from interlock.domain.audit.chain import GENESIS, ORIGIN, link, verify
from interlock.domain.audit.event import Entry, Event, Head

AT = datetime(2026, 5, 1, 8, tzinfo=UTC)


def event(number: int) -> Event:
    return Event(AT, "ana", "rollout.promoted", "rollout:x", "every gate passed", {"number": number})


def chain(length: int) -> list[Entry]:
    entries: list[Entry] = []
    for seq in range(1, length + 1):
        entries.append(link(entries[-1].digest if entries else GENESIS, seq, event(seq)))
    return entries


def head(entries: list[Entry]) -> Head:
    return Head(entries[-1].seq, entries[-1].digest)


def problems(entries: list[Entry], end: Head | None = None) -> list[tuple[str, str]]:
    return [(f.code, f.subject) for f in verify(entries, end)]


def test_an_untouched_chain_has_no_findings() -> None:
    """Empty or not, with its head or without."""
    assert verify([]) == verify([], ORIGIN) == verify(chain(5)) == verify(chain(5), head(chain(5))) == []


def test_the_digest_of_an_entry_stays_what_it_was() -> None:
    """Trails outlive releases: the digest of a known entry never changes."""
    known = "sha256:252419ad9acff31ee50329e9107d44e01330d9d8efc34d2e3c5257b9ad84acc6"
    assert link(GENESIS, 1, event(1)).digest == known


@pytest.mark.parametrize(
    "change",
    [
        {"at": AT + timedelta(microseconds=1)},
        {"actor": "ben"},
        {"kind": "rollout.stopped"},
        {"subject": "rollout:y"},
        {"because": ""},
        {"facts": {"number": 4}},
        {"facts": {"number": float("nan")}},
        {"at": AT.replace(tzinfo=None)},
    ],
)
def test_an_edited_event_is_found(change: dict[str, Any]) -> None:
    """Each field is covered, and content that cannot be digested is found like any other."""
    entries = chain(5)
    entries[2] = replace(entries[2], event=replace(entries[2].event, **change))
    assert problems(entries, head(chain(5))) == [("audit.edited", "audit:3")]


def test_an_edited_event_with_a_fresh_digest_is_found_at_the_next_entry() -> None:
    """Whoever mends the digest breaks the link of the entry after it."""
    entries = chain(5)
    entries[2] = link(entries[2].previous, 3, event(9))
    assert problems(entries) == [("audit.unlinked", "audit:4")]


def test_a_rewritten_last_entry_is_found_by_the_head() -> None:
    """Nothing follows it, so only the head knows."""
    entries = chain(5)
    entries[4] = link(entries[4].previous, 5, event(9))
    assert problems(entries) == []
    assert problems(entries, head(chain(5))) == [("audit.rewritten", "audit:5")]


def test_a_first_entry_that_does_not_begin_at_genesis_is_found() -> None:
    """A chain has one beginning."""
    assert problems([link("sha256:" + "1" * 64, 1, event(1))]) == [("audit.unlinked", "audit:1")]


@pytest.mark.parametrize(
    ("gone", "says"), [([1], "entry 1 was"), ([3], "entry 3 was"), ([2, 3, 4], "entries 2 to 4")]
)
def test_removed_entries_are_found(gone: list[int], says: str) -> None:
    """The finding names the first and the last that are missing."""
    (finding,) = verify([e for e in chain(5) if e.seq not in gone])
    assert (finding.code, finding.subject) == ("audit.removed", f"audit:{gone[0]}")
    assert says in finding.says


def test_a_cut_end_is_found_by_the_head() -> None:
    """Without the head a shorter chain looks whole; with everything gone the head still knows."""
    assert problems(chain(5)[:3]) == []
    assert problems(chain(5)[:3], head(chain(5))) == [("audit.removed", "audit:4")]
    assert problems([], head(chain(5))) == [("audit.removed", "audit:1")]


def test_an_entry_after_the_end_is_found_by_the_head() -> None:
    """It was not appended by whoever keeps the head."""
    assert problems(chain(3), head(chain(2))) == [("audit.inserted", "audit:3")]
    assert problems(chain(1), ORIGIN) == [("audit.inserted", "audit:1")]


def test_an_inserted_entry_is_found() -> None:
    """A second entry at a place, or one before the first."""
    entries = chain(4)
    entries.insert(2, link(entries[0].digest, 2, event(9)))
    assert problems(entries) == [("audit.inserted", "audit:2")]
    assert ("audit.inserted", "audit:0") in problems([link(GENESIS, 0, event(0)), *chain(2)])


def test_an_inserted_entry_that_pushes_the_others_is_found() -> None:
    """Renumbered entries no longer match their digests."""
    first, *others = chain(3)
    pushed = [replace(e, seq=e.seq + 1) for e in others]
    found = problems([first, link(first.digest, 2, event(9)), *pushed])
    assert found == [("audit.edited", "audit:3"), ("audit.edited", "audit:4"), ("audit.unlinked", "audit:3")]


def test_reordered_entries_are_found() -> None:
    """The order of reading must be the order of the chain."""
    one, two, three = chain(3)
    assert problems([one, three, two]) == [("audit.reordered", "audit:2")]


def test_an_entry_holds_its_event_as_it_will_be_read_back() -> None:
    """UTC and plain data, with the digest of the event as it was given."""
    there = AT.astimezone(timezone(timedelta(hours=2)))
    given = Event(there, "ana", "plan.made", "change:x", facts={"pair": (1, 5.0), "at": AT})
    entry = link(GENESIS, 1, given)
    assert entry.event == replace(given, at=AT, facts={"pair": [1, 5.0], "at": "2026-05-01T08:00:00Z"})
    assert entry.event.at.tzinfo is UTC
    assert link(GENESIS, 1, entry.event) == entry


@pytest.mark.parametrize("bad", [replace(event(1), at=AT.replace(tzinfo=None)), replace(event(1), actor="\ud800")])
def test_an_event_without_a_canonical_form_gets_no_entry(bad: Event) -> None:
    """Its digest could not be computed again."""
    with pytest.raises(ValueError, match=r"zone|surrogates"):
        link(GENESIS, 1, bad)
