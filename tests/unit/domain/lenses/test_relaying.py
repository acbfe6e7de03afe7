"""What becomes of a message: which version it leaves in, and under which headers."""

from __future__ import annotations

from interlock.domain.lenses.relaying import (
    Course,
    Routing,
    Share,
    Unfit,
    dead_headers,
    decide,
    relayed_headers,
    text_of,
)
from interlock.domain.traffic.bucket import is_candidate

ROUTING = Routing("order", "1", "2")
PINNED = Routing("order", "1", "2", {"r1": "1", "r2": "2"})


def test_a_message_goes_from_the_relay_s_version_to_its_default() -> None:
    """Without anything that says otherwise."""
    assert decide(ROUTING, (), None) == Course("1", "2")


def test_a_message_says_itself_which_version_it_is_of() -> None:
    """One that is in the target version already is left as it is."""
    course = decide(ROUTING, (("Interlock-Contract", b"order@2"),), None)
    assert course == Course("2", "2")
    assert course.is_unchanged


def test_a_message_of_another_contract_is_unfit() -> None:
    """It would be translated by rules that are not its own."""
    unfit = decide(ROUTING, (("interlock-contract", b"payment@1"),), None)
    assert unfit == Unfit("says that it is of the contract payment, not of order")


def test_the_pinned_release_decides_before_the_share() -> None:
    """Each message is translated into the version that its release reads; an unknown release decides nothing."""
    routing = Routing("order", "1", "1", PINNED.pins, Share("2", 10_000, 7))
    for release, target in (("r1", "1"), ("r2", "2"), ("r9", "2")):
        headers = (("baggage", f"user=a,interlock.release={release};x=1".encode()),)
        assert decide(routing, headers, "k") == Course("1", target)
    assert decide(PINNED, (("baggage", b"interlock.release=r1"),), None) == Course("1", "1")


def test_baggage_on_several_lines_is_one_list() -> None:
    """As propagators that append write it; the last member of a name holds."""
    headers = (("baggage", b"interlock.release=r2"), ("Baggage", b"interlock.release=r1"))
    assert decide(PINNED, headers, None) == Course("1", "1")


def test_the_share_is_that_of_requests() -> None:
    """The same keys as at the edge, and no message without a key."""
    routing = Routing("order", "1", "1", {}, Share("2", 1_000, 42))
    keys = [f"k{n}" for n in range(2_000)]
    got = {key for key in keys if decide(routing, (), key) == Course("1", "2")}
    assert got == {key for key in keys if is_candidate(key, 42, 1_000)}
    assert 120 < len(got) < 280
    assert decide(routing, (), None) == Course("1", "1")


def test_a_growing_share_keeps_its_keys() -> None:
    """Nobody goes back to the older version while it grows."""
    small, large = (Routing("order", "1", "1", {}, Share("2", weight, 42)) for weight in (500, 2_500))
    for key in map(str, range(500)):
        if decide(small, (), key) == Course("1", "2"):
            assert decide(large, (), key) == Course("1", "2")


def test_headers_stay_but_for_our_own() -> None:
    """Repeated ones, order and bytes included."""
    came = (
        ("baggage", b"a=1"),
        ("traceparent", b"00-\xff"),
        ("Interlock-Id", b"old"),
        ("baggage", b"b=2"),
        ("n", None),
    )
    left = relayed_headers(came, "order", "2", "S/1/7")
    assert left == (
        ("baggage", b"a=1"),
        ("traceparent", b"00-\xff"),
        ("baggage", b"b=2"),
        ("n", None),
        ("interlock-contract", b"order@2"),
        ("interlock-id", b"S/1/7"),
    )


def test_a_dead_letter_says_why_on_one_line() -> None:
    """A field's name is whatever a stranger sent."""
    left = dead_headers((("interlock-contract", b"order@1"),), Unfit("is no number", "a\r\nx: y"), "S/1/7")
    assert dict(left) == {
        "interlock-contract": b"order@1",
        "interlock-dead-reason": b"is no number",
        "interlock-dead-field": b"a\\r\\nx: y",
        "interlock-id": b"S/1/7",
    }


def test_the_last_value_of_a_header_counts_whatever_its_case() -> None:
    """Empty ones do not."""
    assert text_of((("A", b"1"), ("a", b"2"), ("a", b"")), "a") == "2"
    assert text_of((), "a") is None
