"""The judge: a pure fold of blocks into a state, and the judgement of a state.

Same gates and same counts give the same bytes: counts are integers that add in any order, sums of floats run in a
fixed order, and there is no clock and no chance. Looking does not change anything, so look after every block.

Fail: the combined evidence of harm, each block capped, reached 1/alpha; that is final, later blocks change nothing.
Pass: every gate's upper limit is within its margin and the combined evidence is below `hesitate`. All else
is Undecided, also when there is no evidence at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from interlock.domain.checks.evidence import LOSS_BINS, ArmCounts, Block, ServiceCounts
from interlock.domain.gates.explain import because_contested, because_failed, because_passed, report_on
from interlock.domain.gates.gate import GateSet
from interlock.domain.gates.mixture import combine, log_of
from interlock.domain.gates.track import NOTHING, Track, begin_track, follow, fresh_limit
from interlock.domain.gates.verdict import Fail, GateReport, Judgement, Pass, Undecided, Verdict
from interlock.kernel.errors import Invalid

__all__ = ["InvalidEvidence", "Judgement", "State", "absorb", "begin", "enter_step", "verdicts"]


class InvalidEvidence(Invalid):
    """A block contradicts itself or was already counted; judging it would corrupt the evidence."""

    code = "evidence.invalid"


@dataclass(frozen=True, slots=True)
class State:
    """All that the judge remembers of a rollout; about 10 kB. `number` is the last block's, -1 before the first."""

    gate_set: GateSet
    tracks: tuple[Track, ...]
    elapsed_s: float = 0.0
    number: int = -1

    @property
    def e_value(self) -> float:
        """Combined evidence of harm with capped blocks: what decides."""
        return combine([t.e_value for t in self.tracks], [g.weight for g in self.gate_set.gates])

    @property
    def e_value_uncapped(self) -> float:
        return combine([t.e_value_uncapped for t in self.tracks], [g.weight for g in self.gate_set.gates])

    @property
    def has_failed(self) -> bool:
        return self.e_value >= 1 / self.gate_set.alpha


def begin(gate_set: GateSet) -> State:
    """The state before the first block."""
    return State(gate_set, tuple(begin_track(gate) for gate in gate_set.gates))


def enter_step(state: State) -> State:
    """The state at the start of a rollout step: upper limits begin anew, so that each step passes on its own
    evidence; the evidence of harm goes on, so that `alpha` bounds false failures of the whole rollout.
    """
    return replace(state, tracks=tuple(replace(t, limit=fresh_limit(t.gate)) for t in state.tracks))


def absorb(state: State, block: Block) -> State:
    """The state after `block`; numbers must rise (gaps are fine). Raises InvalidEvidence."""
    if block.number <= state.number:
        raise InvalidEvidence(
            f"block {block.number} comes after block {state.number}; it would count twice",
            remedy="Merge all counts of a block first, then absorb it once.",
        )
    if not (math.isfinite(block.seconds) and block.seconds > 0):
        raise InvalidEvidence(f"block {block.number} lasts {block.seconds} s", remedy="Blocks have a length.")
    if state.has_failed:
        return replace(state, number=block.number)
    for gate in state.gate_set.gates:
        _check(block, gate.service)
    return replace(
        state,
        tracks=tuple(_followed(state, track, block) for track in state.tracks),
        elapsed_s=state.elapsed_s + block.seconds,
        number=block.number,
    )


def _followed(state: State, track: Track, block: Block) -> Track:
    counts = block.services.get(track.gate.service, NOTHING)
    return follow(track, state.gate_set, counts, state.elapsed_s, block.seconds)


def _check(block: Block, service: str) -> None:
    counts: ServiceCounts = block.services.get(service, NOTHING)
    for name, arm in (("candidate", counts.candidate), ("baseline", counts.baseline)):
        if problem := _contradiction(arm):
            raise InvalidEvidence(
                f"block {block.number}, service {service!r}, {name}: {problem}",
                remedy="Send all counts of one block together.",
            )


def _contradiction(arm: ArmCounts) -> str:
    if not 0 <= arm.bad <= arm.requests:
        return f"{arm.bad} bad answers among {arm.requests} requests"
    if arm.latency and min(arm.latency.values()) < 0:
        return "a latency bin has a negative count"
    for outcome, bins in arm.losses.items():
        if bins and not (min(bins) >= 0 and max(bins) <= LOSS_BINS and min(bins.values()) >= 0):
            return f"losses of {outcome!r} have a negative count or a bin outside 0..{LOSS_BINS}"
    return ""


def verdicts(state: State) -> Judgement:
    """Where the rollout stands. Looking is free: the bounds hold over all looks together."""
    total = math.fsum(gate.weight for gate in state.gate_set.gates)
    reports = tuple(
        report_on(track, state.gate_set, track.gate.weight / total, state.elapsed_s) for track in state.tracks
    )
    verdict, worst = _overall(state, reports)
    return Judgement(verdict, worst, log_of(state.e_value), log_of(state.e_value_uncapped), reports)


def _overall(state: State, reports: tuple[GateReport, ...]) -> tuple[Verdict, str]:
    """The overall verdict, and the name of the gate that explains it."""
    heaviest = max(state.tracks, key=lambda track: track.e_value * track.gate.weight)
    if state.has_failed:
        return Fail(because_failed(heaviest, state.gate_set, state.e_value)), heaviest.gate.name
    if waiting := [r for r in reports if not isinstance(r.verdict, Pass)]:
        worst = max(waiting, key=_distance)
        return worst.verdict, worst.gate.name
    if state.e_value >= state.gate_set.hesitate:
        says = because_contested(heaviest, state.gate_set, state.e_value)
        return Undecided(says, "contested"), heaviest.gate.name
    nearest = max(reports, key=lambda r: r.upper_limit / r.margin)
    return Pass(because_passed(reports)), nearest.gate.name


def _distance(report: GateReport) -> tuple[int, float, float]:
    """How far a gate is from passing: without counts, then warming up, then the longest wait."""
    match report.verdict:
        case Undecided(reason=reason, needs_s=needs_s):
            rank = {"no-data": 3, "warming-up": 2}.get(reason, 1)
            return rank, math.inf if needs_s is None else needs_s, report.upper_limit / report.margin
        case _:
            return 0, 0.0, 0.0
