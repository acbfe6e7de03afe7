"""Sticky users: the split is by user, and some users fail more often, so bad answers of an arm repeat.

50,000 users with Zipf activity (exponent 0.8) each have a bucket in [0, 1); those below the weight belong to
the candidate. The edge remembers who had a bad answer in the last ten minutes: `first_bad` leaves the others out.
"""

from __future__ import annotations

import numpy as np
from benchmarks.gates.traffic import Floats, Ints, Traffic, _Moment
from benchmarks.gates.worlds import SEGMENT_SHARE, Users, World

USERS = 50_000
ZIPF = 0.8
MEMORY_S = 600.0


class StickyTraffic(Traffic):
    """Traffic whose arms are made of users. Both arms of every run draw from the same population."""

    def __init__(self, world: World, runs: int, chance: np.random.Generator, block_s: float) -> None:
        super().__init__(world, runs, chance, block_s)
        if world.users is None:
            raise ValueError(f"world {world.name} has no users")
        activity: Floats = np.arange(1, USERS + 1, dtype=np.float64) ** -ZIPF
        activity = activity / activity.sum()
        self._population = [_populate(world.users, activity, chance) for _ in range(runs)]
        self._last_bad = np.full((runs, USERS), -np.inf, dtype=np.float32)

    def _moment(self, side: int, number: int, share: Floats, runs: Ints) -> _Moment:
        """The arm's share of traffic is the activity of its users, and so is its rate of bad answers."""
        moment = super()._moment(side, number, share, runs)
        activity, failing = np.array([self._of_arm(side, run, share[run]) for run in runs]).reshape(-1, 2).T
        load = moment.expected / np.maximum(share[runs], 1e-12)
        return _Moment(load * activity, failing / np.maximum(activity, 1e-12), moment.factor)

    def _of_arm(self, side: int, run: int, share: float) -> tuple[float, float]:
        bucket, activity, failing = self._population[run]
        below = np.searchsorted(bucket, share if side == 0 else 1 - share)
        a, f = activity[below], failing[below]
        return (a, f) if side == 0 else (activity[-1] - a, failing[-1] - f)

    def _failures(
        self, side: int, number: int, share: Floats, runs: Ints, requests: Ints, bad: Floats
    ) -> tuple[Ints, Ints, Ints, Ints]:
        """The rate of bad answers is already the arm's; who fails is drawn among its users. One user in twenty
        belongs to the segment; the bad answers of the segment are users' first ones too.
        """
        all_bad = self.chance.binomial(requests, bad)
        at_s = number * self.block_s
        drawn = [self._first(side, r, share[r], n, at_s) for r, n in zip(runs, all_bad, strict=True)]
        first, segment_bad = np.array(drawn, dtype=np.int64).reshape(-1, 2).T
        in_segment = np.maximum(self.chance.binomial(requests, SEGMENT_SHARE), segment_bad)
        return all_bad, first, in_segment, segment_bad

    def _first(self, side: int, run: int, share: float, bad: int, at_s: float) -> tuple[int, int]:
        """How many of `bad` failing users had none in the last ten minutes, and how many of those are of the
        segment; they are remembered.
        """
        bucket, _, failing = self._population[run]
        edge = failing[np.searchsorted(bucket, share if side == 0 else 1 - share)]
        low, high = (0.0, edge) if side == 0 else (edge, failing[-1])
        users = np.unique(np.searchsorted(failing, self.chance.uniform(low, high, bad), side="right") - 1)
        fresh = users[at_s - self._last_bad[run, users] >= MEMORY_S]
        self._last_bad[run, fresh] = at_s
        return len(fresh), int((fresh % round(1 / SEGMENT_SHARE) == 0).sum())


def _populate(users: Users, activity: Floats, chance: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Buckets in rising order, and the summed activity and summed failing activity below each of them."""
    bucket = np.sort(chance.random(USERS))
    mixed = chance.permutation(activity)
    failing = mixed * np.where(chance.random(USERS) < users.heavy, users.heavy_bad, users.light_bad)
    return bucket, np.append(0.0, np.cumsum(mixed)), np.append(0.0, np.cumsum(failing))
