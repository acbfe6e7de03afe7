"""What one gate has seen and won: a pure fold over blocks.

A block counts for a gate when both of its arms have something to compare (requests, durations, or labels); until
then its counts wait and join the next one. Waiting depends on how many requests came, never on how they went, so
it costs no validity. After `carry_s` seconds a block that still lacks an arm is dropped (the baseline's part of it
is remembered as past): comparing across a longer time would no longer cancel what changes with time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import assert_never

from interlock.domain.checks.evidence import ArmCounts, ServiceCounts
from interlock.domain.gates.betting import FRACTIONS, Signals, log_e_above, log_e_below, signals_of_table
from interlock.domain.gates.gate import Gate, GateSet
from interlock.domain.gates.latency import (
    LIMIT_QUANTILE,
    QUANTILES,
    Past,
    exceedance,
    learn_past,
    log_es_of_latency,
    shifted,
)
from interlock.domain.gates.limit import Limit, begin_limit, narrow
from interlock.domain.gates.mixture import Mixture, Schedule, begin_mixture, combine, grow
from interlock.domain.gates.outcome import Guess, learn_guess, signals_of_outcome
from interlock.domain.gates.table import BODY_ODDS, RARE_RATIOS, Table, log_e_allocation

NOTHING = ServiceCounts()


@dataclass(frozen=True, slots=True)
class Track:
    """One gate's part of the state. `seen` sums all counts of the gate's metric; `waiting` is a block that lacks
    an arm, begun `waiting_s` before now. `past` and `guess` remember the baseline (latency, outcome).
    """

    gate: Gate
    mixtures: tuple[Mixture, ...]
    limit: Limit
    seen: ServiceCounts = NOTHING
    waiting: ServiceCounts = NOTHING
    waiting_s: float = 0.0
    past: Past = field(default_factory=Past)
    guess: Guess = field(default_factory=Guess)

    @property
    def e_value(self) -> float:
        """Evidence of harm with capped blocks."""
        return combine([m.e_value_capped for m in self.mixtures], [1.0] * len(self.mixtures))

    @property
    def e_value_uncapped(self) -> float:
        return combine([m.e_value for m in self.mixtures], [1.0] * len(self.mixtures))


@dataclass(frozen=True, slots=True)
class Wager:
    """What a block is worth to a gate: log e-variables per mixture and effect, and the signals for the limit."""

    against: tuple[tuple[float, ...], ...]
    excess: Signals


def begin_track(gate: Gate) -> Track:
    """A gate that has seen nothing."""
    return Track(gate, tuple(begin_mixture(n) for n in _effects(gate)), fresh_limit(gate))


def _effects(gate: Gate) -> tuple[int, ...]:
    """How many effects each of the gate's mixtures looks for."""
    match gate.metric:
        case "errors":
            return (len(RARE_RATIOS),)
        case "latency":
            return (len(BODY_ODDS),) * len(QUANTILES)
        case "outcome":
            return (len(FRACTIONS),)
        case _:
            assert_never(gate.metric)


def fresh_limit(gate: Gate) -> Limit:
    """No limit yet. Losses have many values to bet on, so their grid is coarser to stay fast."""
    return begin_limit(gate.margin / gate.unit, 1 if gate.metric == "outcome" else 2)


def measured(gate: Gate, arm: ArmCounts) -> int:
    """How many observations of the gate's metric an arm has: requests, durations or labels."""
    match gate.metric:
        case "errors":
            return arm.requests
        case "latency":
            return sum(arm.latency.values())
        case "outcome":
            return sum(arm.losses.get(gate.outcome, {}).values())
        case _:
            assert_never(gate.metric)


def follow(track: Track, gate_set: GateSet, counts: ServiceCounts, at_s: float, seconds: float) -> Track:
    """The track after a block that began `at_s` seconds into the rollout and lasted `seconds`."""
    gate, own = track.gate, _only(track.gate, counts)
    block, block_s = track.waiting + own, track.waiting_s + seconds
    track = replace(track, seen=track.seen + own)
    in_candidate = measured(gate, block.candidate)
    in_baseline = measured(gate, block.baseline)
    if in_candidate and in_baseline:
        return _close(track, gate_set, block, at_s - track.waiting_s, block_s, in_candidate)
    if block_s >= gate_set.carry_s:
        return _learn(track, gate_set, block, block_s)
    return replace(track, waiting=block, waiting_s=block_s)


def _only(gate: Gate, counts: ServiceCounts) -> ServiceCounts:
    """The counts that the gate's metric needs."""

    def of(arm: ArmCounts) -> ArmCounts:
        match gate.metric:
            case "errors":
                return ArmCounts(requests=arm.requests, bad=arm.bad)
            case "latency":
                return ArmCounts(latency=arm.latency)
            case "outcome":
                return ArmCounts(losses={gate.outcome: arm.losses.get(gate.outcome, {})})
            case _:
                assert_never(gate.metric)

    return ServiceCounts(of(counts.candidate), of(counts.baseline))


def _close(
    track: Track, gate_set: GateSet, block: ServiceCounts, at_s: float, block_s: float, requests: int
) -> Track:
    """Bet on the block with what was known before it, then remember it."""
    wager = _wager(track, gate_set, block, at_s)
    learned = _learn(track, gate_set, block, block_s)
    if wager is None:
        return learned
    schedule = Schedule(gate_set.restart_s, gate_set.horizon_s, gate_set.cap_nats)
    mixtures = zip(track.mixtures, wager.against, strict=True)

    def deny(delta: float, fraction: float) -> float:
        return log_e_below(wager.excess, delta, fraction)

    return replace(
        learned,
        mixtures=tuple(grow(mixture, log_es, at_s, schedule) for mixture, log_es in mixtures),
        limit=narrow(track.limit, deny, gate_set.alpha_pass, requests, block_s),
    )


def _wager(track: Track, gate_set: GateSet, block: ServiceCounts, at_s: float) -> Wager | None:
    """The bets on a block; None while latency is warming up or has no past to compare with."""
    candidate, baseline = block.candidate, block.baseline
    match track.gate.metric:
        case "errors":
            table = Table(candidate.requests, candidate.bad, baseline.requests, baseline.bad)
            against = tuple(log_e_allocation(table, ratio, gate_set.rho) for ratio in RARE_RATIOS)
            return Wager((against,), signals_of_table(table))
        case "latency":
            return None if at_s < gate_set.warmup_s else _wager_on_latency(track, gate_set, block)
        case "outcome":
            name, margin = track.gate.outcome, track.gate.margin / track.gate.unit
            signals = signals_of_outcome(candidate.losses[name], baseline.losses[name], track.guess)
            return Wager((tuple(log_e_above(signals, margin, f) for f in FRACTIONS),), signals)
        case _:
            assert_never(track.gate.metric)


def _wager_on_latency(track: Track, gate_set: GateSet, block: ServiceCounts) -> Wager | None:
    past, tolerance_ms = track.past, track.gate.tolerance_ms
    if not past.is_enough:
        return None
    candidate, baseline = block.candidate.latency, block.baseline.latency
    edge = past.threshold(LIMIT_QUANTILE)
    slow = exceedance(candidate, baseline, edge, shifted(edge, 0, tolerance_ms))
    return Wager(
        log_es_of_latency(candidate, baseline, past, gate_set.latency_bins, tolerance_ms),
        signals_of_table(slow),
    )


def _learn(track: Track, gate_set: GateSet, block: ServiceCounts, block_s: float) -> Track:
    """The track with the baseline's part of the block remembered and nothing waiting."""
    track = replace(track, waiting=NOTHING, waiting_s=0.0)
    match track.gate.metric:
        case "errors":
            return track
        case "latency":
            return replace(
                track, past=learn_past(track.past, block.baseline.latency, block_s, gate_set.half_life_s)
            )
        case "outcome":
            labels = block.baseline.losses[track.gate.outcome]
            return replace(track, guess=learn_guess(track.guess, labels, block_s, gate_set.half_life_s))
        case _:
            assert_never(track.gate.metric)
