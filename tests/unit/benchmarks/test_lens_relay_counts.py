"""How the relay's benchmark counts what kills did."""

from __future__ import annotations

from benchmarks.lens_relay import KEYS, turned


def test_a_key_is_turned_when_a_message_comes_after_a_later_one() -> None:
    """A message that comes twice in a row turns nothing; other keys do not matter."""
    assert turned([0, 1, KEYS, KEYS, 2 * KEYS, KEYS + 1]) == 0
    assert turned([KEYS, 0, 1]) == 1
    assert turned([0, KEYS, 0, KEYS, 1 + KEYS, 1]) == 2
