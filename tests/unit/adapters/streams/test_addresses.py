"""Addresses of streams, subjects and the keys of messages."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.adapters.streams.address import Place, StreamAddressInvalid, beside, place_of
from interlock.adapters.streams.kafka_client import settings
from interlock.adapters.streams.keys import KeyInvalid, checked, default_key, key_of
from interlock.adapters.streams.nats_link import pairs_of, wire
from interlock.adapters.streams.subjects import covers, is_mappable, mapped, matches, overlap

NATS = Place("nats", ("a:4222",), "ORDERS", "orders.>")


def test_an_address_names_brokers_and_a_place() -> None:
    """Ports may be left out, brokers may be several, and the login is not part of the name."""
    assert place_of("nats://a/ORDERS/orders.>") == NATS
    found = place_of("kafka://me:p%40ss@a,[::1]:9,b:1/orders?config=/c&partitions=0,2")
    assert found == Place("kafka", ("a:9092", "[::1]:9", "b:1"), "", "orders", ("me", "p@ss"), "/c", (0, 2))
    assert found.name == "kafka://a:9092,[::1]:9,b:1/orders"
    assert place_of("tls://a/S/s?credentials=/k").file == "/k"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("amqp://a/b", "amqp is none of"),
        ("orders", "no scheme"),
        ("nats://a/orders", "one stream and one subject"),
        ("nats:///S/orders", "a server"),
        ("kafka://a/b/c", "one topic"),
        ("kafka://a/b?tls=1", "tls is not known"),
        ("kafka://a/b?partitions=x", "no list of numbers"),
    ],
)
def test_what_names_no_place_is_told(url: str, says: str) -> None:
    """And how to write it."""
    with pytest.raises(StreamAddressInvalid, match=says) as told:
        place_of(url)
    assert "nats://host:4222/STREAM/subject" in told.value.remedy


def test_dead_letters_are_beside_the_target() -> None:
    """In its stream, under its name and `.dead`; elsewhere only on the same brokers."""
    assert beside(NATS, "").subject == "orders.dead"
    assert beside(NATS, "lost").subject == "lost"
    assert beside(NATS, "nats://a/LOST/lost").stream == "LOST"
    with pytest.raises(StreamAddressInvalid, match="on nats://a:4222 as well"):
        beside(NATS, "nats://b/LOST/lost")


def test_settings_come_from_a_file(tmp_path: Path) -> None:
    """What the relay needs wins over it; a line that is none is told with its number."""
    file = tmp_path / "client.properties"
    file.write_text("# ours\nsasl.mechanism = PLAIN\nenable.auto.commit=true\n")
    place = place_of(f"kafka://u:p@a/t?config={file}")
    found = settings(place, **{"enable.auto.commit": False})
    assert found["sasl.mechanism"] == "PLAIN"
    assert found["sasl.username"] == "u"
    assert found["enable.auto.commit"] is False
    file.write_text("\nnonsense\n")
    with pytest.raises(StreamAddressInvalid, match="properties:2 is not name=value"):
        settings(place)
    with pytest.raises(StreamAddressInvalid, match="cannot be read"):
        settings(place_of("kafka://a/t?config=/none/there"))


def test_wildcards_carry_over() -> None:
    """By number; a target without any takes everything."""
    assert mapped("a.*.b.>", "z.*.>", "a.1.b.2.3") == "z.1.2.3"
    assert mapped("a.*", "z", "a.1") == "z"
    assert not is_mappable("a.*", "z.>")
    assert not is_mappable("a", "z.*")
    with pytest.raises(ValueError, match="wildcards"):
        mapped("a", "z.*", "a")


TOKEN = st.sampled_from(["a", "b", "*"])
PATTERN = st.tuples(st.lists(TOKEN, min_size=1, max_size=3), st.sampled_from(["", ".>"])).map(
    lambda parts: ".".join(parts[0]) + parts[1]
)
SUBJECTS = [".".join(parts) for n in range(1, 6) for parts in product("abc", repeat=n)]


@given(one=PATTERN, other=PATTERN)
def test_overlap_and_cover_are_what_subjects_say(one: str, other: str) -> None:
    """Held against every subject of up to five tokens."""
    of_one = {subject for subject in SUBJECTS if matches(one, subject)}
    of_other = {subject for subject in SUBJECTS if matches(other, subject)}
    assert overlap(one, other) == bool(of_one & of_other)
    assert covers(one, other) == (of_other <= of_one)


def test_the_key_is_found_where_it_was_said() -> None:
    """A message without one has none."""
    headers = (("X-Entity-Key", b"k1"),)
    assert key_of("header:x-entity-key", headers, "s", None) == "k1"
    assert key_of("header:X-Entity-Key", headers, "s", None) == "k1"
    assert key_of("key", headers, "s", b"\xffk") == "\\xffk"
    assert key_of("key", headers, "s", None) is None
    assert key_of("subject", headers, "s", None) == "s"
    assert default_key(NATS) == "header:x-entity-key"
    with pytest.raises(KeyInvalid):
        checked("header:")


def test_header_lines_are_kept_as_they_are() -> None:
    """Names in their case, in order, repeated ones included."""
    pairs = pairs_of(b"NATS/1.0\r\nBaggage: a=1\r\nbaggage:b=2\r\nno colon\r\n\r\n")
    assert pairs == (("Baggage", b"a=1"), ("baggage", b"b=2"))
    assert wire(pairs).items() == [("Baggage", "a=1"), ("baggage", "b=2")]
