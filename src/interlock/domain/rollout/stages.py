"""The stages of a plan: a closed union. The same list is explained to people and executed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from interlock.domain.checks.compare import ComparisonRules, Tolerance


@dataclass(frozen=True, slots=True)
class Prepare:
    """Both releases present at every hop, candidate endpoints well; no request is assigned yet."""

    kind: Literal["prepare"] = "prepare"


@dataclass(frozen=True, slots=True)
class Shadow:
    """The candidate gets copies of `share_bp` of the requests; its answers are compared, never served.

    Ends after `seconds` and `pairs` compared answers. `twin_bp` of the requests are answered twice by the baseline,
    which shows its noise; `max_difference` bounds the share of answers that differ beyond it. ignore, tolerate,
    any_order: see `rules`.
    """

    share_bp: int
    seconds: float
    pairs: int
    max_difference: float | None = None
    ignore: tuple[str, ...] = ()
    twin_bp: int = 0
    tolerate: tuple[Tolerance, ...] = ()
    any_order: tuple[str, ...] = ()
    kind: Literal["shadow"] = "shadow"

    @property
    def rules(self) -> ComparisonRules:
        """How the answers of a pair are compared."""
        return ComparisonRules(self.ignore, self.tolerate, self.any_order)


@dataclass(frozen=True, slots=True)
class Canary:
    """`weight_bp` of the entity keys belong to the candidate, for at least `dwell_s`, until the gates pass."""

    weight_bp: int
    dwell_s: float
    kind: Literal["canary"] = "canary"


@dataclass(frozen=True, slots=True)
class Climb:
    """The candidate's weight grows as the evidence allows: about `budget` bad answers are accepted while a fault
    would be found out. Ends when every gate passes, after `dwell_s` of evidence at least.
    """

    budget: float
    dwell_s: float
    kind: Literal["climb"] = "climb"


@dataclass(frozen=True, slots=True)
class Watch:
    """All keys but `holdback_bp` belong to the candidate, for `watch_s`: a fault that comes late is still compared
    with the baseline, and turned back.
    """

    holdback_bp: int
    watch_s: float
    kind: Literal["watch"] = "watch"


@dataclass(frozen=True, slots=True)
class Promote:
    """Every request goes to the candidate; the baseline stays present for `bake_s`, so going back is immediate."""

    bake_s: float
    kind: Literal["promote"] = "promote"


@dataclass(frozen=True, slots=True)
class Retire:
    """The candidate becomes what serves now; the previous release leaves the routes. From here on, going back
    is a change of its own.
    """

    kind: Literal["retire"] = "retire"


Stage = Prepare | Shadow | Canary | Climb | Watch | Promote | Retire
Judged = Canary | Climb | Watch
"""Stages in which callers are served by both releases, so that the gates compare them."""
