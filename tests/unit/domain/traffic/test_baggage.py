"""Reading and replacing baggage members."""

from __future__ import annotations

import pytest

from interlock.domain.traffic import baggage


@pytest.mark.parametrize(
    ("header", "pin"),
    [
        (None, None),
        ("", None),
        ("interlock.release=", None),
        ("interlock.release", None),
        ("xinterlock.release=r2", None),
        ("interlock.release=r2", "r2"),
        ("a=1 , interlock.release = r2 ;p=1,b=2", "r2"),
        ("interlock.release=r1,interlock.release=r2", "r2"),
    ],
)
def test_the_pin_is_the_last_release_member(header: str | None, pin: str | None) -> None:
    """Properties, spaces and neighbours do not matter; a name that only ends alike is another member."""
    assert baggage.pin_of(header) == pin


def test_pinning_replaces_every_earlier_pin_and_keeps_foreign_members() -> None:
    """Exactly one release member is left; others stay byte for byte and in order."""
    pinned = baggage.with_pin("a=1;p=%20,interlock.release=r1,b=x=y,interlock.release=r2", "r3")
    assert pinned == "interlock.release=r3,a=1;p=%20,b=x=y"


def test_what_is_written_reads_back() -> None:
    """format and parse are inverse on members; parsing nothing gives nothing."""
    members = [("a", "1;p=1"), ("b", ""), ("a", "2")]
    assert baggage.parse(baggage.format(members)) == members
    assert baggage.format([]) == ""
    assert baggage.parse("; , =x,,") == []
