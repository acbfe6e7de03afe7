"""The worlds: what is true of both arms over time. Good candidates must be promoted, bad ones rolled back.

Every service answers with log-normal latency (median 125 ms, sigma 0.5, so that its .99 quantile of 400 ms is four
fifths of the 500 ms that threshold rules allow), fails 0.5 % of its requests and gives 10 % wrong answers, unless
the world says otherwise. Load wanders by a tenth, alike in both arms.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

HORIZON_S = 7200.0
"""What is counted ends here."""
MEDIAN_MS = 125.0
SIGMA = 0.5
"""Of the log of latency."""
SLOW_Z = 1.2815515655446004
"""A request is slow beyond the baseline's .9 quantile; this is that quantile of the standard normal."""
SEGMENT_SHARE = 0.05
TAIL_FACTOR = 10.0
LABELLED = 0.2
LABEL_DELAY_S = 300.0


def never(_: float) -> float:
    """No excess at any time."""
    return 0.0


def always(amount: float) -> Callable[[float], float]:
    """The same excess at all times."""
    return lambda _: amount


@dataclass(frozen=True, slots=True)
class Users:
    """Sticky users: `heavy` of them fail `heavy_bad` of their requests, all others `light_bad`."""

    heavy: float
    heavy_bad: float
    light_bad: float


@dataclass(frozen=True, slots=True)
class World:
    """A scenario. Functions take seconds since the start of the rollout.

    excess_bad: share of bad answers that the candidate adds. latency: factor on the candidate's latency.
    tail: share of the candidate's requests that take ten times as long. segment_excess: bad answers that it adds
    in a segment of 5 % of the traffic. excess_wrong: wrong answers that it adds; labels come for 20 % of requests
    after five minutes. incident: (start, end, share of bad answers, latency factor) of both arms.
    bursts: each arm on its own fails 5 % for about ten seconds each fifteen minutes. drift: load, errors and
    latency swing together in half an hour.
    """

    name: str
    title: str
    kind: Literal["good", "bad"]
    rate_rps: float = 200.0
    bad: float = 0.005
    excess_bad: Callable[[float], float] = never
    latency: Callable[[float], float] = field(default=always(1.0))
    tail: float = 0.0
    segment_excess: float = 0.0
    has_labels: bool = False
    excess_wrong: float = 0.0
    incident: tuple[float, float, float, float] | None = None
    bursts: bool = False
    drift: bool = False
    users: Users | None = None

    def excess(self, at_s: float) -> float:
        """Bad, slow and wrong answers that one request to the candidate adds on average."""
        bad = min(1.0 - self.bad, self.excess_bad(at_s)) + SEGMENT_SHARE * self.segment_excess
        return bad + slow_share(self.latency(at_s), self.tail) - slow_share(1.0, 0.0) + self.excess_wrong


def slow_share(factor: float, tail: float) -> float:
    """The share of requests beyond the baseline's .9 quantile at this factor on latency."""

    def beyond(f: float) -> float:
        return 0.5 * math.erfc((SLOW_Z - math.log(f) / SIGMA) / math.sqrt(2))

    return (1 - tail) * beyond(factor) + tail * beyond(TAIL_FACTOR * factor)


GOOD = (
    World("aa", "A/A", "good"),
    World("aa_1", "A/A, 1 rps", "good", rate_rps=1),
    World("aa_50", "A/A, 50 rps", "good", rate_rps=50),
    World("aa_1000", "A/A, 1000 rps", "good", rate_rps=1000),
    World("dirty", "both arms 2 % dirty", "good", bad=0.02),
    World("incident", "common incident", "good", incident=(150, 510, 0.05, 1.5)),
    World("cold", "cold start", "good", latency=lambda at_s: 1 + 2 * math.exp(-at_s / 20)),
    World("bursty", "bursty arms", "good", bursts=True),
    World("drift", "drift", "good", drift=True),
    World("slower_5", "latency +5 %", "good", latency=always(1.05)),
    World("sticky_alike", "sticky users, alike", "good", users=Users(0, 0, 0.005)),
    World("sticky_mild", "sticky, 1 % fail 20 %", "good", users=Users(0.01, 0.2, 0.003)),
    World("sticky_heavy", "sticky, 0.2 % fail 90 %", "good", users=Users(0.002, 0.9, 0.0032)),
)
BAD = (
    World("bad_0.5", "+0.5 pp errors", "bad", excess_bad=always(0.005)),
    World("bad_1", "+1 pp errors", "bad", excess_bad=always(0.01)),
    World("bad_5", "+5 pp errors", "bad", excess_bad=always(0.05)),
    World("total", "total failure", "bad", excess_bad=always(1.0)),
    World("total_1000", "total failure, 1000 rps", "bad", rate_rps=1000, excess_bad=always(1.0)),
    World("slower_1.2", "latency x1.2", "bad", latency=always(1.2)),
    World("slower_1.5", "latency x1.5", "bad", latency=always(1.5)),
    World("slower_2", "latency x2", "bad", latency=always(2.0)),
    World("tail", "2 % tail x10", "bad", tail=0.02),
    World("leak", "slow leak to +5 pp in 1 h", "bad", excess_bad=lambda at_s: 0.05 * min(1, at_s / 3600)),
    World("late", "+5 pp after 1 h", "bad", excess_bad=lambda at_s: 0.05 if at_s >= 3600 else 0.0),
    World("segment", "5 % segment +20 pp", "bad", segment_excess=0.2),
    World("wrong_1", "quality +1 pp", "bad", has_labels=True, excess_wrong=0.01),
    World("wrong_3", "quality +3 pp", "bad", has_labels=True, excess_wrong=0.03),
)
WORLDS = {world.name: world for world in GOOD + BAD}
