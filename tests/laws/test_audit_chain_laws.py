"""Laws of the audit chain: no sequence of tampering steps that changes it passes unseen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from interlock.domain.audit.chain import GENESIS, link, verify
from interlock.domain.audit.event import Entry, Event, Head

AT = datetime(2026, 5, 1, 8, tzinfo=UTC)


def chain(length: int) -> list[Entry]:
    entries: list[Entry] = []
    for seq in range(1, length + 1):
        event = Event(AT, "ana", "change.opened", "change:x", facts={"n": seq})
        entries.append(link(entries[-1].digest if entries else GENESIS, seq, event))
    return entries


@st.composite
def tampered(draw: st.DrawFn) -> tuple[list[Entry], list[Entry]]:
    """A chain, and what someone without its head made of it in a few steps."""
    whole = chain(draw(st.integers(1, 6)))
    entries = list(whole)
    for _ in range(draw(st.integers(1, 4))):
        if not entries:
            break
        at = draw(st.integers(0, len(entries) - 1))
        other = draw(st.integers(0, len(entries) - 1))
        e = entries[at]
        match draw(st.sampled_from(["edit", "mend", "remove", "copy", "swap", "renumber"])):
            case "edit":
                entries[at] = replace(e, event=replace(e.event, actor="ben"))
            case "mend":
                before = entries[at - 1].digest if at else GENESIS
                entries[at] = link(before, e.seq, replace(e.event, actor="ben"))
            case "remove":
                del entries[at]
            case "copy":
                entries.insert(other, e)
            case "swap":
                entries[at], entries[other] = entries[other], entries[at]
            case "renumber":
                entries = [replace(x, seq=n) for n, x in enumerate(entries, 1)]
    return whole, entries


@given(tampered())
def test_whatever_changes_a_chain_is_found(pair: tuple[list[Entry], list[Entry]]) -> None:
    """With the true head, there is a finding exactly when something differs."""
    whole, entries = pair
    found = verify(entries, Head(whole[-1].seq, whole[-1].digest))
    assert bool(found) == (entries != whole)
