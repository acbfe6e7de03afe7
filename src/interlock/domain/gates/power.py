"""Which differences a set of gates would find at a given traffic: the production fold on expected counts.

No chance is drawn: counts follow their expectation as closely as whole numbers can. So a figure is what happens in
a typical run, not a quantile of many; `interlock gate simulate` draws runs. Blocks lengthen to a sixtieth of the
time so far, so that hours cost seconds; before that they are as long as in production, where the cap of a block
matters.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from interlock.domain.checks.evidence import ArmCounts, Block, ServiceCounts
from interlock.domain.gates.gate import GateSet
from interlock.domain.gates.judge import absorb, begin, verdicts
from interlock.domain.gates.profile import Harm, Profile, Shares, harmed, worse_answers

GOLDEN = 0.6180339887498949
"""Multiples of it modulo 1 fill (0, 1) evenly at every length: the order in which expected values appear."""
ONE_BY_ONE = 2_000
"""Up to so many values of a block are placed one by one; more are apportioned at once."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What becomes of one difference at one weight: the first verdict that is not Undecided, after `seconds` and
    `requests` of the candidate, `worse` of which were bad or slow beyond the baseline's; Undecided at the horizon.
    """

    harm: Harm
    weight_bp: int
    verdict: Literal["pass", "fail", "undecided"]
    seconds: float
    requests: int
    worse: float


def power(
    gate_set: GateSet,
    profiles: Mapping[str, Profile],
    weights_bp: Iterable[int],
    harms: Iterable[Harm],
    block_s: float,
    horizon_s: float,
) -> Iterator[Reach]:
    """One Reach per harm and weight, each from a fresh start with its warm-up. Profiles are by service."""
    weights = tuple(weights_bp)
    for harm in harms:
        for weight in weights:
            yield reach(gate_set, profiles, weight, harm, block_s, horizon_s)


def reach(
    gate_set: GateSet, profiles: Mapping[str, Profile], weight_bp: int, harm: Harm, block_s: float, horizon_s: float
) -> Reach:
    """What becomes of `harm` while the candidate serves `weight_bp` of the requests."""
    state, served = begin(gate_set), dict.fromkeys(profiles, ArmCounts())
    verdict: Literal["pass", "fail", "undecided"] = "undecided"
    for block in _blocks(profiles, weight_bp / 10_000, harm, block_s, horizon_s):
        state = absorb(state, block)
        served = {name: served[name] + block.services[name].candidate for name in served}
        verdict = verdicts(state).verdict.kind
        if verdict != "undecided":
            break
    return Reach(
        harm=harm,
        weight_bp=weight_bp,
        verdict=verdict,
        seconds=state.elapsed_s,
        requests=max((counts.requests for counts in served.values()), default=0),
        worse=sum(worse_answers(profiles[name], counts) for name, counts in served.items()),
    )


def _blocks(
    profiles: Mapping[str, Profile], weight: float, harm: Harm, block_s: float, horizon_s: float
) -> Iterator[Block]:
    number, at_s = 0, 0.0
    before = dict.fromkeys(profiles, (0, 0))
    while at_s < horizon_s:
        seconds = block_s * max(1, round(at_s / 60 / block_s))
        services = {}
        for name, profile in profiles.items():
            worse = harmed(profile, harm, at_s) if name == harm.service else profile
            ends = tuple(round(profile.rate_rps * w * (at_s + seconds)) for w in (weight, 1 - weight))
            in_candidate, in_baseline = before[name]
            services[name] = ServiceCounts(
                expected(worse, in_candidate, ends[0]), expected(profile, in_baseline, ends[1])
            )
            before[name] = ends[0], ends[1]
        yield Block(number, seconds, services, round(weight * 10_000))
        number, at_s = number + 1, at_s + seconds


def expected(profile: Profile, first: int, last: int) -> ArmCounts:
    """What requests number `first` to `last` (not included) of an arm come to; each has a key of its own."""
    bad = round(profile.bad * last) - round(profile.bad * first)
    return ArmCounts(
        requests=last - first,
        bad=bad,
        first_bad=bad,
        latency=_placed(profile.latency, first, last),
        losses={name: _placed(shares, first, last) for name, shares in profile.losses.items()},
    )


def _placed(shares: Shares, first: int, last: int) -> dict[int, int]:
    """The bins of values number `first` to `last`, as evenly spread as their distribution allows."""
    if not shares or last <= first:
        return {}
    bins, ends, total = list(shares), [], 0.0
    for share in shares.values():
        total += share
        ends.append(total)
    ends[-1] = 1.0
    if last - first > ONE_BY_ONE:
        marks = [0, *(round(end * (last - first)) for end in ends)]
        return {b: high - low for b, low, high in zip(bins, marks, marks[1:], strict=False) if high > low}
    return _counted(bins, ends, ((k * GOLDEN) % 1.0 for k in range(first + 1, last + 1)))


def _counted(bins: list[int], ends: list[float], quantiles: Iterable[float]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for u in quantiles:
        found = bins[min(len(bins) - 1, bisect_right(ends, u))]
        counts[found] = counts.get(found, 0) + 1
    return dict(sorted(counts.items()))
