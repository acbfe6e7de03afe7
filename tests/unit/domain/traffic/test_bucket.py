"""The salted, sticky bucket."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from interlock.domain.traffic.bucket import BUCKETS, bucket, is_candidate, seed

PUBLISHED = [5561, 7765, 4492, 3332]
SEED_OF_ROLLOUT_1 = 15970445026439430907
KEYS = [f"customer-{n}" for n in range(20_000)]


@given(st.text(), st.text(), st.integers(0, BUCKETS), st.integers(0, BUCKETS))
def test_growing_the_weight_never_drops_a_key(key: str, salt: str, one: int, other: int) -> None:
    """Whoever is in the candidate at a weight is in it at every larger one; at 0 nobody is, at 10,000 everybody."""
    low, high = sorted((one, other))
    assert is_candidate(key, seed(salt), low) <= is_candidate(key, seed(salt), high)
    assert not is_candidate(key, seed(salt), 0)
    assert is_candidate(key, seed(salt), BUCKETS)


def test_the_bucket_is_a_published_hash() -> None:
    """XXH64 with the seed, modulo 10,000; these values must never change, or running rollouts reshuffle."""
    assert [bucket(key, 7) for key in ("", "a", "customer-1", "ünï")] == PUBLISHED
    assert seed("rollout-1") == SEED_OF_ROLLOUT_1


def test_shares_are_near_their_weight() -> None:
    """At 1, 10 and 50 percent, within five standard deviations of a fair draw."""
    for weight_bp in (100, 1_000, 5_000):
        chance = weight_bp / BUCKETS
        inside = sum(is_candidate(key, seed("a"), weight_bp) for key in KEYS)
        assert abs(inside - len(KEYS) * chance) < 5 * (len(KEYS) * chance * (1 - chance)) ** 0.5


def test_two_salts_choose_independently() -> None:
    """The candidates of one rollout are no likelier to be those of the next."""
    both = sum(is_candidate(k, seed("a"), 1_000) and is_candidate(k, seed("b"), 1_000) for k in KEYS)
    assert abs(both - 200) < 5 * 200**0.5
