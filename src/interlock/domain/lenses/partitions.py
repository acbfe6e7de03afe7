"""Which partitions of a dataset are served in the newer version: a share that grows without taking any back."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from interlock.domain.traffic.bucket import is_candidate

WHOLE_BP = 10_000


@dataclass(frozen=True, slots=True)
class Partitions:
    """All by name, sorted. due: in the share and not translated yet; done: in the share and translated; waiting:
    outside of the share; beyond: translated once, and no longer in the share.
    """

    due: tuple[str, ...]
    done: tuple[str, ...]
    waiting: tuple[str, ...]
    beyond: tuple[str, ...]


def sorted_out(names: Iterable[str], translated: Collection[str], weight_bp: int, seed: int) -> Partitions:
    """`weight_bp` of the partitions, by the bucket of their names (as keys of requests, `traffic.bucket`)."""
    known = sorted(set(names))
    share = {name for name in known if is_candidate(name, seed, weight_bp)}
    return Partitions(
        due=tuple(name for name in known if name in share and name not in translated),
        done=tuple(name for name in known if name in share and name in translated),
        waiting=tuple(name for name in known if name not in share and name not in translated),
        beyond=tuple(name for name in known if name not in share and name in translated),
    )
