"""E-variables of one block's 2x2 table: hits (bad or slow answers) among the requests of both arms.

An e-variable is a bet that is worth at most 1 on average while the candidate is no worse than tolerated.
Both tests take the counts of requests as given and put them into the share s = candidate / all, so a baseline
rate that changes from block to block with load, incident or time of day cancels. They take requests of one block
as independent, with one rate for each arm and block.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

RARE_RATIOS = (1.3, 1.6, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0, 1000.0)
"""Effects looked for in rare events: ratios of rates."""
BODY_ODDS = (1.15, 1.3, 1.6, 2.0, 3.0, 6.0, 20.0, 100.0)
"""Effects looked for in frequent events: odds ratios."""


@dataclass(frozen=True, slots=True)
class Table:
    """Requests and hits of both arms in one block; both arms have at least one request.

    assigned: the candidate's share where it is known by assignment (hits are first bad answers of keys, and
    requests do not matter); None: its observed share of the block's requests.
    """

    candidate: int
    candidate_hits: int
    baseline: int
    baseline_hits: int
    assigned: float | None = None

    @property
    def share(self) -> float:
        """The candidate's share, strictly between 0 and 1."""
        return self.assigned if self.assigned is not None else self.candidate / (self.candidate + self.baseline)


def log_e_allocation(table: Table, ratio: float, rho: float) -> float:
    """Log of the bet that the candidate's rate is `ratio * rho` times the baseline's; for rare events.

    Null: p_c <= rho p_b, for any p_b. With D(x) = s x + 1 - s, a candidate hit pays r D(rho) / D(r rho) and a
    baseline hit D(rho) / D(r rho). Given the requests, the mean is A**n_c B**n_b <= (s A + (1 - s) B)**n by the
    weighted inequality of means, where A = 1 + p_c (pay_c - 1) and B likewise; the bracket is 1 at p_c = rho p_b
    and smaller below, because A grows with p_c.

    With an assigned share each key that fails, in whichever arm, fell to the candidate with chance s: the mean per
    such key is D(r) D(rho) / D(r rho) = 1 - s (1 - s) (r - 1) (rho - 1) / D(r rho) <= 1. That is exact for a
    candidate that fails the same keys as the baseline would, whoever they are and however often they call.
    """
    s = table.share
    baseline_pay = math.log((s * rho + 1 - s) / (s * ratio * rho + 1 - s))
    return table.candidate_hits * (math.log(ratio) + baseline_pay) + table.baseline_hits * baseline_pay


def log_e_odds(table: Table, odds: float, baseline_rate: float) -> float:
    """Log of the bet that the candidate's odds are `odds` times the baseline's; for frequent events.

    Null: p_c <= p_b. `baseline_rate` in (0, 1) is a guess from past blocks only; any guess is valid, a good one
    pays. Turner, Ly and Grünwald 2022 (safe tests for 2x2 tables); same proof as `log_e_allocation`.
    """
    s = table.share
    candidate_rate = odds * baseline_rate / (1 - baseline_rate + odds * baseline_rate)
    null_rate = s * candidate_rate + (1 - s) * baseline_rate
    return math.fsum(
        (
            table.candidate_hits * math.log(candidate_rate / null_rate),
            (table.candidate - table.candidate_hits) * math.log((1 - candidate_rate) / (1 - null_rate)),
            table.baseline_hits * math.log(baseline_rate / null_rate),
            (table.baseline - table.baseline_hits) * math.log((1 - baseline_rate) / (1 - null_rate)),
        )
    )
