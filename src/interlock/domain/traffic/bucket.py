"""The salted, sticky bucket of an entity key; Python and Envoy compute the same number.

Envoy's `runtime_fraction` input matcher takes XXH64(value, seed) modulo the denominator
(source/extensions/matching/input_matchers/runtime_fraction/matcher.h and api/envoy/type/v3/percent.proto).
"""

from __future__ import annotations

import hashlib

import xxhash

BUCKETS = 10_000


def seed(salt: str) -> int:
    """The 64-bit hash seed of a rollout's salt; another salt reshuffles every key independently."""
    return int.from_bytes(hashlib.sha256(salt.encode()).digest()[:8], "big")


def bucket(key: str, seed: int) -> int:
    """The bucket of `key`, 0..9999, uniform over keys and independent between seeds."""
    return xxhash.xxh64_intdigest(key.encode(), seed=seed) % BUCKETS


def is_candidate(key: str, seed: int, weight_bp: int) -> bool:
    """True when `key` belongs to the candidate at `weight_bp`; growing the weight never drops a key."""
    return bucket(key, seed) < weight_bp
