"""Slices of one random number: who is copied, and whose answer is captured."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from interlock.adapters.envoy.sampling import MILLION, Range, slices
from interlock.domain.releases.route_table import WHOLE_BP, Entry, Shadow, Split

SHARE = st.integers(0, WHOLE_BP)


def entry(share_bp: int, twin_bp: int, sample_bp: int) -> Entry:
    shadow = Shadow("r2", share_bp, min(twin_bp, WHOLE_BP - share_bp))
    return Entry("s", "r1", Split("r2", 100, 7, sample_bp), shadow)


@given(SHARE, SHARE, SHARE, st.integers(0, 99))
def test_every_share_is_exact(share_bp: int, twin_bp: int, sample_bp: int, begin_percent: int) -> None:
    """Copies, twins and answers get the part of the range that was asked for, wherever it begins; no request is
    copied twice, and the first slices that match are the right ones.
    """
    made = entry(share_bp, twin_bp, sample_bp)
    within = Range(begin_percent * 10_000, MILLION)
    got: Counter[str] = Counter()
    at = within.begin
    for part in slices(made, within, is_comparable=True):
        assert at <= part.end <= within.end
        got[part.copied_to] += part.end - at
        got["answers"] += (part.end - at) * part.is_answer
        at = part.end
    assert made.shadow is not None
    width = (within.end - within.begin) / WHOLE_BP
    wanted = {"r2": share_bp, "r1": made.shadow.twin_bp, "answers": sample_bp}
    assert all(abs(got[what] - width * wanted[what]) <= 1 for what in wanted)


def test_requests_in_no_arm_are_no_sample() -> None:
    """They are copied as others are."""
    found = list(slices(entry(1_000, 0, 5_000), Range(), is_comparable=False))
    assert [(part.end, part.copied_to, part.is_answer) for part in found] == [(100_000, "r2", False)]


def test_without_copies_and_sample_there_is_no_slice() -> None:
    """Nothing is in the way of a request."""
    assert list(slices(Entry("s", "r1"), Range(), is_comparable=True)) == []
    assert list(slices(Entry("s", "r1", Split("r2", 1, 7), Shadow("r2", 0)), Range(), is_comparable=True)) == []
