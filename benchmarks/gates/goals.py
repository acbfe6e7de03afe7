"""The goals of the gates, and what was measured beside them. A miss is marked, never left out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from benchmarks.gates.cells import Cell, wilson
from benchmarks.gates.shadow import ShadowTimes
from benchmarks.gates.worlds import GOOD, HORIZON_S, WORLDS

OURS = "interlock"
Cells = Mapping[tuple[str, str], Cell]
"""By (rule, world)."""
PEER_TITLES = {
    "flagger": "Flagger documented",
    "argo": "Argo Rollouts documented",
    "argo_tuned": "Argo Rollouts tuned",
    "kayenta": "Kayenta",
    "growthbook": "GrowthBook",
    "spotify": "Spotify",
}

HONEST = tuple(world.name for world in GOOD if not world.bursts and world.name not in ("slower_5", "cold"))
RATIOS = {
    "total": {"flagger": 0.01, "argo_tuned": 0.03, "growthbook": 0.15, "kayenta": 0.01},
    "bad_5": {"flagger": 0.06, "argo_tuned": 0.25, "growthbook": 0.15, "spotify": 0.4},
    "bad_1": {"flagger": 0.35, "argo_tuned": 0.3, "kayenta": 0.25, "growthbook": 0.25, "spotify": 0.5},
    "segment": {"flagger": 0.25, "growthbook": 0.2},
    "late": {"flagger": 0.02, "argo": 0.02, "kayenta": 0.02, "growthbook": 0.02, "spotify": 0.02},
}
"""Bad answers served, ours over the peer's."""
TIMES = {"flagger": 1.0, "argo": 0.15, "kayenta": 0.1, "growthbook": 0.1, "spotify": 0.1}
"""Seconds to 90 % of a good candidate at 200 requests/s, ours over the peer's."""


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal. measured is NaN when there is nothing to compare; upper ends its 95 % interval, if known."""

    says: str
    measured: float
    goal: float
    told: str
    upper: float = -math.inf

    @property
    def standing(self) -> str:
        """Missed, met, or open: so few runs that the interval still reaches beyond the goal."""
        if not self.measured <= self.goal:
            return "**missed**"
        return "open" if self.upper > self.goal else "met"


def goals(cells: Cells, shadow: ShadowTimes, decision_ms: float) -> Iterator[Goal]:
    """All goals whose cells were measured."""
    yield from _false_rollbacks(cells)
    for world, peers in RATIOS.items():
        for peer, goal in peers.items():
            yield from _ratio(cells, world, peer, goal, "harm", f"{WORLDS[world].title}: bad answers")
    for peer, goal in RATIOS["bad_1"].items():
        yield from _ratio(cells, "bad_1", peer, goal, "exposed", "+1 pp errors: requests exposed")
    for peer, goal in TIMES.items():
        yield from _ratio(cells, "aa", peer, goal, "to_90_s", "A/A: seconds to 90 %")
    yield from _absolutes(cells)
    yield _of_shadow(shadow)
    yield Goal("milliseconds of a decision", decision_ms, 1.0, f"{decision_ms:.2f}")


def _false_rollbacks(cells: Cells) -> Iterator[Goal]:
    pooled = [cells[OURS, world] for world in HONEST if (OURS, world) in cells]
    if pooled:
        yield _rare("false rollbacks, all honest worlds", sum(c.rolled_back for c in pooled), _runs(pooled), 0.005)
    for world in ("incident", "dirty", "slower_5", "cold", "bursty", "sticky_heavy"):
        if cell := cells.get((OURS, world)):
            yield _rare(f"false rollbacks, {WORLDS[world].title}", cell.rolled_back, cell.runs, 0.01)


def _runs(cells: Iterable[Cell]) -> int:
    return sum(cell.runs for cell in cells)


def _rare(says: str, hits: int, runs: int, goal: float) -> Goal:
    """A share that should be small."""
    upper = wilson(hits, runs)[1]
    return Goal(says, hits / runs, goal, f"{hits} of {runs} (at most {upper:.1%})", upper)


def _ratio(cells: Cells, world: str, peer: str, goal: float, field: str, says: str) -> Iterator[Goal]:
    if (OURS, world) not in cells or (peer, world) not in cells:
        return
    says = f"{says}, over {PEER_TITLES[peer]}"
    ours, theirs = getattr(cells[OURS, world], field), getattr(cells[peer, world], field)
    if ours is None or not theirs:
        yield Goal(says, math.nan, goal, "nothing to compare")
        return
    yield Goal(says, ours / theirs, goal, f"{ours / theirs:.3f} ({ours:,.0f} / {theirs:,.0f})")


def _absolutes(cells: Cells) -> Iterator[Goal]:
    for world, most in (("total", 30.0), ("total_1000", 30.0), ("late", 400.0)):
        if cell := cells.get((OURS, world)):
            yield Goal(f"{WORLDS[world].title}: bad answers, absolute", cell.harm, most, f"{cell.harm:,.0f}")
    if cell := cells.get((OURS, "bad_0.5")):
        yield _rare("+0.5 pp errors: missed", cell.runs - cell.rolled_back, cell.runs, 0.01)


def _of_shadow(times: ShadowTimes) -> Goal:
    def told(seconds: float, found: int) -> str:
        more = "more than " if seconds >= HORIZON_S else ""
        return f"{more}{seconds:,.0f} s, found in {found} of {times.runs}"

    ratio = times.pairs_s / times.arms_s
    pairs, arms = told(times.pairs_s, times.pairs_found), told(times.arms_s, times.arms_found)
    says = "quality +1 pp: seconds by paired shadow (nobody exposed), over two samples at 10 %"
    return Goal(says, ratio, 0.35, f"{ratio:.3f} ({pairs}; {arms})")
