"""The judge: a pure fold of blocks into a state, and the judgement of a state.

Same gates and same counts give the same bytes: counts are integers that add in any order, sums of floats run in a
fixed order, and there is no clock and no chance. Looking does not change anything, so look after every block.

Fail: the combined evidence of harm, bursts capped, reached 1/alpha; that is final, later blocks change nothing.
Pass: every gate's upper limit is within its margin and the combined evidence, bursts included, is below `hesitate`.
All else is Undecided, also when there is no evidence at all.

Throttle: the evidence without caps reached 1/alpha, so the candidate should serve little at once. What lasts is
confirmed and fails; after `clear_s` with capped evidence below `hesitate` the throttle is gone, and what it rested
on is written off. Evidence is only ever given up, so the bound on false failures stays.

The state does not know holdbacks: after promotion the candidate serves most and the baseline the rest, the share is
in the counts, and the same fold finds a failure that begins late by the mass that joins at each restart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from interlock.domain.checks.evidence import LOSS_BINS, ArmCounts, Bins, Block, ServiceCounts
from interlock.domain.gates.explain import because_contested, because_failed, because_passed, report_on, silence_of
from interlock.domain.gates.gate import GateSet
from interlock.domain.gates.mixture import combine, log_of
from interlock.domain.gates.throttle import followed, throttled
from interlock.domain.gates.track import NOTHING, Track, begin_track, follow, fresh_limit, is_silent, written_off
from interlock.domain.gates.verdict import Fail, GateReport, Judgement, Pass, Throttle, Undecided, Verdict
from interlock.kernel.errors import Invalid

__all__ = [
    "InvalidEvidence",
    "Judgement",
    "State",
    "absorb",
    "admit",
    "begin",
    "enter_step",
    "is_safe_to_promote",
    "verdicts",
]


class InvalidEvidence(Invalid):
    """A block contradicts itself or was already counted; judging it would corrupt the evidence."""

    code = "evidence.invalid"


@dataclass(frozen=True, slots=True)
class State:
    """All that the judge remembers of a rollout; about 10 kB. `number` is the last block's, -1 before the first.
    fault: why the newest block was refused (see `admit`); empty when it counted.
    """

    gate_set: GateSet
    tracks: tuple[Track, ...]
    elapsed_s: float = 0.0
    number: int = -1
    throttle: Throttle | None = None
    fault: str = ""

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

    @property
    def is_frozen(self) -> bool:
        """Whether evidence of harm is too high to expose more."""
        return self.throttle is not None or self.e_value_uncapped >= self.gate_set.hesitate


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
    if not 0 <= block.weight_bp <= 10_000:
        raise InvalidEvidence(f"block {block.number} has weight {block.weight_bp}", remedy="Use basis points.")
    if state.has_failed:
        return replace(state, number=block.number, fault="")
    for gate in state.gate_set.gates:
        _check(block, gate.service)
    return _reacted(
        replace(
            state,
            tracks=tuple(_followed(state, track, block) for track in state.tracks),
            elapsed_s=state.elapsed_s + block.seconds,
            number=block.number,
            fault="",
        ),
        block,
    )


def admit(state: State, block: Block) -> State:
    """Like `absorb`, but a block that contradicts itself, or comes twice or late, is left out and remembered as
    `fault`: nothing passes until a sound block follows.
    """
    try:
        return absorb(state, block)
    except InvalidEvidence as problem:
        return replace(state, fault=str(problem))


def _followed(state: State, track: Track, block: Block) -> Track:
    counts = block.services.get(track.gate.service, NOTHING)
    return follow(track, state.gate_set, counts, state.elapsed_s, block.seconds, block.weight_bp)


def _reacted(state: State, block: Block) -> State:
    """The state with a throttle set, moved, kept, or cleared after `block`."""
    gate_set, throttle = state.gate_set, state.throttle
    if throttle is None and state.e_value_uncapped < 1 / gate_set.alpha:
        return state
    heaviest = max(state.tracks, key=lambda track: track.e_value_uncapped * track.gate.weight)
    if throttle is None:
        return replace(state, throttle=throttled(heaviest, gate_set, state.elapsed_s, block.weight_bp))
    if state.elapsed_s - throttle.since_s < gate_set.clear_s or state.e_value >= gate_set.hesitate:
        silent = is_silent(t for t in state.tracks if t.gate.service == heaviest.gate.service)
        return replace(state, throttle=followed(throttle, heaviest, gate_set, silent))
    return replace(state, throttle=None, tracks=tuple(written_off(track) for track in state.tracks))


def _check(block: Block, service: str) -> None:
    counts: ServiceCounts = block.services.get(service, NOTHING)
    for name, arm in (("candidate", counts.candidate), ("baseline", counts.baseline)):
        if problem := _contradiction(arm):
            raise InvalidEvidence(
                f"block {block.number}, service {service!r}, {name}: {problem}",
                remedy="Send all counts of one block together.",
            )
    for outcome, bins in counts.pairs.items():
        if not _are_bins(bins, -LOSS_BINS):
            raise InvalidEvidence(
                f"block {block.number}, service {service!r}: pairs of {outcome!r} have a negative count or a bin "
                f"outside -{LOSS_BINS}..{LOSS_BINS}",
                remedy="Make pairs with pair_bin.",
            )


def _contradiction(arm: ArmCounts) -> str:
    if not (_are_counts((arm.requests, arm.bad, arm.first_bad)) and arm.bad <= arm.requests):
        return f"{arm.bad} bad answers among {arm.requests} requests"
    if arm.first_bad > arm.bad:
        return f"{arm.first_bad} first bad answers among {arm.bad} bad ones"
    if not _are_counts(arm.latency.values()):
        return "a latency bin has a negative count, or one that is no whole number"
    for outcome, bins in arm.losses.items():
        if not _are_bins(bins, 0):
            return f"losses of {outcome!r} have a negative count or a bin outside 0..{LOSS_BINS}"
    for segment, counts in arm.segments.items():
        if not (_are_counts(counts) and counts[1] <= counts[0]):
            return f"segment {segment!r} has requests, bad answers and keys {counts}"
    return ""


def _are_bins(bins: Bins, lowest: int) -> bool:
    if not bins:
        return True
    return _are_counts(bins.values()) and min(bins) >= lowest and max(bins) <= LOSS_BINS


def _are_counts(values: Iterable[object]) -> bool:
    """Whole and not negative: not NaN, not infinite, not a half."""
    return all(type(n) is int and n >= 0 for n in values)


def verdicts(state: State) -> Judgement:
    """Where the rollout stands. Looking is free: the bounds hold over all looks together."""
    total = math.fsum(gate.weight for gate in state.gate_set.gates)
    reports = tuple(
        report_on(track, state.gate_set, track.gate.weight / total, state.elapsed_s) for track in state.tracks
    )
    verdict, worst = _overall(state, reports)
    return Judgement(
        verdict,
        worst,
        log_of(state.e_value),
        log_of(state.e_value_uncapped),
        reports,
        throttle=None if state.has_failed else state.throttle,
        is_frozen=state.is_frozen,
        silence=next(filter(None, map(silence_of, state.tracks)), ""),
    )


def is_safe_to_promote(state: State, dwell_s: float) -> bool:
    """Whether the candidate may serve all but the holdback: every gate passes, no harm is being looked into, and
    the rollout has been judged for `dwell_s` seconds.
    """
    return state.elapsed_s >= dwell_s and not state.is_frozen and isinstance(verdicts(state).verdict, Pass)


def _overall(state: State, reports: tuple[GateReport, ...]) -> tuple[Verdict, str]:
    """The overall verdict, and the name of the gate that explains it."""
    heaviest = max(state.tracks, key=lambda track: track.e_value * track.gate.weight)
    if state.has_failed:
        return Fail(because_failed(heaviest, state.gate_set, state.e_value)), heaviest.gate.name
    waiting = [r for r in reports if not isinstance(r.verdict, Pass)]
    if not waiting and state.e_value_uncapped >= state.gate_set.hesitate:
        says = because_contested(heaviest, state.gate_set, state.e_value_uncapped)
        return Undecided(says, "contested"), heaviest.gate.name
    if state.throttle is not None:
        return Undecided(state.throttle.because, "throttled"), state.throttle.gate
    if waiting:
        worst = max(waiting, key=_distance)
        return worst.verdict, worst.gate.name
    if state.fault:
        return Undecided(f"the newest counts were left out: {state.fault}", "bad-evidence"), heaviest.gate.name
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
