"""What one gate has seen and won: a pure fold over blocks.

A block counts for a gate when both of its arms have something to compare (requests, durations, or labels); until
then its counts wait and join the next one. Waiting depends on how many requests came, never on how they went, so
it costs no validity. After `carry_s` seconds a block that still lacks an arm is dropped (the baseline's part of it
is remembered as past): comparing across a longer time would no longer cancel what changes with time.

Pairs, first bad answers and bounds do not wait: a pair holds both arms, first bad answers have a known share, and a
bound needs one arm.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal, assert_never

from interlock.domain.checks.evidence import ArmCounts, ServiceCounts
from interlock.domain.checks.first_bad import WINDOW_S
from interlock.domain.gates.betting import FRACTIONS, Signals, log_e_above, log_e_below, signals_of_table
from interlock.domain.gates.bound import Absolute, begin_absolute, log_e_under, losses_of, weigh
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
from interlock.domain.gates.mixture import Mixture, Schedule, begin_mixture, combine, grow, write_off
from interlock.domain.gates.outcome import Guess, learn_guess, signals_of_outcome
from interlock.domain.gates.paired import PAIR_FRACTIONS, log_e_pairs_above, log_e_pairs_below
from interlock.domain.gates.segments import Segments, is_outage, watch_segments, write_off_segments
from interlock.domain.gates.table import BODY_ODDS, RARE_RATIOS, Table, log_e_allocation

NOTHING = ServiceCounts()
PACE_HALF_LIFE_S = 60.0
HARM_Z = 1.2815515655446004
"""The upper limit of the harm that sets a throttle's weight is at 90 %."""
SILENCE = 7.0
"""By chance alone, an arm that owes so many answers gives none in one of a thousand cases: exp(-7)."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Observations of both arms and the seconds they took, decayed. The other counts are those since the plain
    evidence of harm was last at 1 or below: a fault that begins late is not thinned out by what was before it.
    owed: answers due of the arm that gave none lately (`owing`), by how many the other one gave at this weight.
    """

    observations: float = 0.0
    seconds: float = 0.0
    candidate: int = 0
    candidate_harmed: float = 0.0
    baseline: int = 0
    baseline_harmed: float = 0.0
    weight_bp: int = 0
    owing: Literal["", "candidate", "baseline"] = ""
    owed: float = 0.0

    @property
    def rate(self) -> float:
        """Observations per second; 0 before the first."""
        return self.observations / self.seconds if self.seconds else 0.0

    @property
    def silent(self) -> Literal["", "candidate", "baseline"]:
        """The arm that owes too much for chance, if one does: no caller falls into its share of the keys."""
        return self.owing if self.owed >= SILENCE else ""

    @property
    def harm(self) -> float:
        """An upper limit of the candidate's share of harmed answers (Wilson 1927) less the baseline's share: what
        it adds, at least one answer's worth. 1 while nothing is known, so that silence is not innocence.
        """
        n, k, z2 = self.candidate, self.candidate_harmed, HARM_Z**2
        if not n:
            return 1.0
        most = (k + z2 / 2 + HARM_Z * math.sqrt(k * (n - k) / n + z2 / 4)) / (n + z2)
        usual = self.baseline_harmed / self.baseline if self.baseline else 0.0
        return min(1.0, max(most - usual, 1 / (n + z2)))


@dataclass(frozen=True, slots=True)
class Trouble:
    """Answers of the candidate since the evidence of every bad answer was last at 1 or below, the seconds until the
    newest of them, and how long it has been silent since then.
    """

    requests: int = 0
    bad: int = 0
    seconds: float = 0.0
    silent_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Track:
    """One gate's part of the state. `seen` sums all counts of the gate's metric; `waiting` is a block that lacks
    an arm, begun `waiting_s` before now. `past` and `guess` remember the baseline (latency, outcome).

    repeats: where first bad answers of keys count, the evidence of every one. It proves nothing by itself, but its
    capped value shows that what the first ones prove lasts: a throttled candidate serves few keys, and all of them
    may have failed before. The least of that and of what the first ones prove (uncapped) is evidence too.
    An outage that lasts as long as keys are remembered is evidence by every bad answer: where few keys call, first
    ones are too few to prove even a total failure.
    """

    gate: Gate
    mixtures: tuple[Mixture, ...]
    limit: Limit
    absolute: Absolute | None = None
    segments: Segments = field(default_factory=Segments)
    repeats: Mixture | None = None
    trouble: Trouble = field(default_factory=Trouble)
    seen: ServiceCounts = NOTHING
    waiting: ServiceCounts = NOTHING
    waiting_s: float = 0.0
    past: Past = field(default_factory=Past)
    guess: Guess = field(default_factory=Guess)
    pace: Pace = field(default_factory=Pace)

    @property
    def is_lasting_outage(self) -> bool:
        """Whether a fifth of the answers, and 40 times the baseline's share, were bad for ten minutes."""
        is_lasting = self.trouble.seconds >= WINDOW_S
        return is_lasting and is_outage(self.trouble.requests, self.trouble.bad, _usual(self))

    @property
    def e_value(self) -> float:
        """Evidence of harm that may fail the candidate: bursts are capped."""
        relative = combine([m.e_value_capped for m in self.mixtures], [1.0] * len(self.mixtures))
        if self.repeats:
            first = math.inf if self.is_lasting_outage else self.mixtures[0].e_value
            relative = max(relative, min(first, self.repeats.e_value_capped))
        absolute = self.absolute.candidate.e_value_capped if self.absolute else relative
        return self._whole(relative, absolute, self.segments.e_value)

    @property
    def e_value_uncapped(self) -> float:
        relative = combine([m.e_value for m in self.mixtures], [1.0] * len(self.mixtures))
        absolute = self.absolute.candidate.e_value if self.absolute else relative
        return self._whole(relative, absolute, self.segments.e_value_uncapped)

    def _whole(self, relative: float, absolute: float, by_segment: float) -> float:
        """Without a baseline to blame, a bound stands alone."""
        if self.absolute:
            return min(relative, absolute) if measured(self.gate, self.seen.baseline) else absolute
        part = self.gate.segment_share
        return (1 - part) * relative + part * by_segment if part else relative


@dataclass(frozen=True, slots=True)
class Wager:
    """What a block is worth to a gate: log e-variables per mixture and effect, and the signals for the limit."""

    against: tuple[tuple[float, ...], ...]
    excess: Signals


def begin_track(gate: Gate) -> Track:
    """A gate that has seen nothing."""
    return Track(
        gate,
        tuple(begin_mixture(n) for n in _effects(gate)),
        fresh_limit(gate),
        None if gate.bound is None else begin_absolute(),
    )


def _effects(gate: Gate) -> tuple[int, ...]:
    """How many effects each of the gate's mixtures looks for."""
    if gate.sample == "pairs":
        return (len(PAIR_FRACTIONS),)
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
    return begin_limit(gate.target / gate.unit, 1 if gate.metric == "outcome" else 2)


def written_off(track: Track) -> Track:
    """The track after a throttle that was not confirmed."""
    absolute = track.absolute
    return replace(
        track,
        mixtures=tuple(write_off(m) for m in track.mixtures),
        absolute=absolute and replace(absolute, candidate=write_off(absolute.candidate)),
        segments=write_off_segments(track.segments),
        repeats=track.repeats and write_off(track.repeats),
    )


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


def measured_both(gate: Gate, counts: ServiceCounts) -> tuple[int, int]:
    """Observations of the candidate and of the baseline; a pair is one of each."""
    if gate.sample == "pairs":
        pairs = sum(counts.pairs.get(gate.outcome, {}).values())
        return pairs, pairs
    return measured(gate, counts.candidate), measured(gate, counts.baseline)


def is_silent(tracks: Iterable[Track]) -> bool:
    """Whether none of the services that are called has heard the candidate, although it should have by now."""
    called = [track.pace for track in tracks if track.pace.rate]
    return bool(called) and all(pace.silent == "candidate" for pace in called)


def follow(
    track: Track, gate_set: GateSet, counts: ServiceCounts, at_s: float, seconds: float, weight_bp: int = 0
) -> Track:
    """The track after a block that began `at_s` seconds into the rollout and lasted `seconds`."""
    own = _only(track.gate, counts)
    track = replace(track, seen=track.seen + own, pace=_paced(track, own, counts, seconds, weight_bp))
    if track.gate.sample == "pairs":
        return _follow_pairs(track, gate_set, own, at_s, seconds)
    if track.absolute:
        track = _follow_bound(track, gate_set, own, at_s, seconds)
    assigned, is_known = weight_bp / 10_000, 0 < weight_bp < 10_000
    by_first = _by_first(track, is_known)
    if by_first and is_known:
        track = _follow_firsts(track, gate_set, own, at_s, seconds, assigned)
    if track.gate.segment_share and (is_known or not by_first):
        schedule, share = schedule_of(track.gate, gate_set), assigned if by_first else None
        segments = watch_segments(track.segments, gate_set, counts, at_s, seconds, schedule, share)
        track = replace(track, segments=segments)
    return _follow_blocks(track, gate_set, own, at_s, seconds, by_first)


def _by_first(track: Track, is_known: bool) -> bool:
    """Whether first bad answers are what counts in this block, the block itself being part of what was seen. The
    first bad answer of all is a first one of its key, so evidence that has keys shows at once that it has.
    """
    if track.gate.counts != "keyed":
        return track.gate.counts == "first"
    c, b = track.seen.candidate, track.seen.baseline
    return is_known and c.first_bad + b.first_bad > 0


def _follow_blocks(
    track: Track, gate_set: GateSet, own: ServiceCounts, at_s: float, seconds: float, by_first: bool
) -> Track:
    gate = track.gate
    block, block_s = track.waiting + own, track.waiting_s + seconds
    in_candidate = measured(gate, block.candidate)
    in_baseline = measured(gate, block.baseline)
    if in_candidate and in_baseline:
        return _close(track, gate_set, block, at_s - track.waiting_s, block_s, in_candidate, by_first)
    if block_s >= gate_set.carry_s:
        return _learn(track, gate_set, block, block_s)
    return replace(track, waiting=block, waiting_s=block_s)


def schedule_of(gate: Gate, gate_set: GateSet) -> Schedule:
    """When prior mass joins, and how fast evidence of the gate's metric may rise."""
    match gate.metric:
        case "errors":
            nats_s = gate_set.errors_nats_s
        case "latency":
            nats_s = gate_set.latency_nats_s
        case "outcome":
            nats_s = gate_set.outcome_nats_s
        case _:
            assert_never(gate.metric)
    return Schedule(gate_set.restart_s, gate_set.horizon_s, gate_set.cap_nats, nats_s)


def _only(gate: Gate, counts: ServiceCounts) -> ServiceCounts:
    """The counts that the gate's metric needs."""

    def of(arm: ArmCounts) -> ArmCounts:
        match gate.metric:
            case "errors":
                firsts = 0 if gate.counts == "every" else arm.first_bad
                return ArmCounts(requests=arm.requests, bad=arm.bad, first_bad=firsts)
            case "latency":
                return ArmCounts(latency=arm.latency)
            case "outcome":
                return ArmCounts(losses={gate.outcome: arm.losses.get(gate.outcome, {})})
            case _:
                assert_never(gate.metric)

    if gate.sample == "pairs":
        return ServiceCounts(pairs={gate.outcome: counts.pairs.get(gate.outcome, {})})
    return ServiceCounts(of(counts.candidate), of(counts.baseline))


def _paced(track: Track, own: ServiceCounts, counts: ServiceCounts, seconds: float, weight_bp: int) -> Pace:
    kept, pace = 0.5 ** (seconds / PACE_HALF_LIFE_S), track.pace
    in_candidate, in_baseline = measured_both(track.gate, own)
    owing, owed = _owed(pace, counts.candidate.requests, counts.baseline.requests, weight_bp)
    is_fresh = track.e_value_uncapped <= 1.0
    return Pace(
        observations=pace.observations * kept + in_candidate + in_baseline,
        seconds=pace.seconds * kept + seconds,
        candidate=(0 if is_fresh else pace.candidate) + in_candidate,
        candidate_harmed=(0.0 if is_fresh else pace.candidate_harmed) + _harmed(track, own.candidate),
        baseline=(0 if is_fresh else pace.baseline) + in_baseline,
        baseline_harmed=(0.0 if is_fresh else pace.baseline_harmed) + _harmed(track, own.baseline),
        weight_bp=weight_bp,
        owing=owing,
        owed=owed,
    )


def _owed(
    pace: Pace, in_candidate: int, in_baseline: int, weight_bp: int
) -> tuple[Literal["", "candidate", "baseline"], float]:
    """Which arm gave nothing after a block with so many answers, and how many it owes by now; nothing where the
    share is not known.
    """
    if not 0 < weight_bp < 10_000 or (in_candidate and in_baseline):
        return "", 0.0
    if not (in_candidate or in_baseline):
        return pace.owing, pace.owed
    share = weight_bp / (10_000 - weight_bp)
    owing: Literal["candidate", "baseline"] = "baseline" if in_candidate else "candidate"
    before = pace.owed if (pace.owing, pace.weight_bp) == (owing, weight_bp) else 0.0
    return owing, before + (in_candidate / share if in_candidate else in_baseline * share)


def _harmed(track: Track, arm: ArmCounts) -> float:
    """The arm's harmed answers: bad ones, slow ones, or losses as parts of the cap."""
    gate = track.gate
    match gate.metric:
        case "errors":
            return arm.bad
        case "latency":
            edge = track.past.threshold(LIMIT_QUANTILE)
            return sum(n for b, n in arm.latency.items() if b >= edge)
        case "outcome":
            if gate.sample == "pairs":
                return 0.0  # nobody is served by a shadow
            return sum(x * n for x, n in losses_of(gate, arm))
        case _:
            assert_never(gate.metric)


def _follow_pairs(track: Track, gate_set: GateSet, own: ServiceCounts, at_s: float, seconds: float) -> Track:
    gate = track.gate
    bins, margin = own.pairs[gate.outcome], gate.margin / gate.unit
    if not bins:
        return track
    log_es = [log_e_pairs_above(bins, margin, f) for f in PAIR_FRACTIONS]
    return replace(
        track,
        mixtures=(grow(track.mixtures[0], log_es, at_s, schedule_of(gate, gate_set), seconds),),
        limit=narrow(
            track.limit,
            lambda delta, fraction: log_e_pairs_below(bins, delta, fraction),
            gate_set.alpha_pass,
            sum(bins.values()),
            seconds,
        ),
    )


def _follow_bound(track: Track, gate_set: GateSet, own: ServiceCounts, at_s: float, seconds: float) -> Track:
    gate = track.gate
    if track.absolute is None or (gate.metric == "latency" and at_s < gate_set.warmup_s):
        return track
    schedule = schedule_of(gate, gate_set)
    absolute = weigh(track.absolute, gate, own.candidate, own.baseline, at_s, seconds, schedule)
    losses = losses_of(gate, own.candidate, is_surely=False)
    requests = sum(n for _, n in losses)
    if not requests:
        return replace(track, absolute=absolute)

    def deny(delta: float, fraction: float) -> float:
        return log_e_under(losses, delta, fraction)

    return replace(
        track, absolute=absolute, limit=narrow(track.limit, deny, gate_set.alpha_pass, requests, seconds)
    )


def _follow_firsts(
    track: Track, gate_set: GateSet, own: ServiceCounts, at_s: float, seconds: float, assigned: float
) -> Track:
    """First bad answers bet at the assigned share, block by block; requests play no part in it. A second mixture
    is moved by every bad answer, see `Track.repeats`.
    """
    c, b = own.candidate, own.baseline
    outage, schedule = is_outage(c.requests, c.bad, _usual(track)), schedule_of(track.gate, gate_set)

    def grown(mixture: Mixture, in_candidate: int, in_baseline: int) -> Mixture:
        table = Table(c.requests, in_candidate, b.requests, in_baseline, assigned)
        log_es = [log_e_allocation(table, ratio, gate_set.rho) for ratio in RARE_RATIOS]
        return grow(mixture, log_es, at_s, schedule, seconds, outage)

    repeats = grown(track.repeats or begin_mixture(len(RARE_RATIOS)), c.bad, b.bad)
    return replace(
        track,
        mixtures=(grown(track.mixtures[0], c.first_bad, b.first_bad),),
        repeats=repeats,
        trouble=_troubled(track.trouble, c, seconds) if repeats.e_value > 1 else Trouble(),
    )


def _troubled(trouble: Trouble, c: ArmCounts, seconds: float) -> Trouble:
    silent_s = trouble.silent_s + seconds
    if not c.requests:
        return replace(trouble, silent_s=silent_s)
    return Trouble(trouble.requests + c.requests, trouble.bad + c.bad, trouble.seconds + silent_s)


def _usual(track: Track) -> tuple[int, int]:
    return track.seen.baseline.requests, track.seen.baseline.bad


def _close(
    track: Track,
    gate_set: GateSet,
    block: ServiceCounts,
    at_s: float,
    block_s: float,
    requests: int,
    by_first: bool,
) -> Track:
    """Bet on the block with what was known before it, then remember it."""
    wager = _wager(track, gate_set, block, at_s)
    learned = _learn(track, gate_set, block, block_s)
    if wager is None:
        return learned
    if not by_first:
        schedule = schedule_of(track.gate, gate_set)
        c = block.candidate
        outage = track.gate.metric == "errors" and is_outage(c.requests, c.bad, _usual(track))
        mixtures = tuple(
            grow(mixture, log_es, at_s, schedule, block_s, outage)
            for mixture, log_es in zip(track.mixtures, wager.against, strict=True)
        )
        learned = replace(learned, mixtures=mixtures)
    if track.absolute:
        return learned

    def deny(delta: float, fraction: float) -> float:
        return log_e_below(wager.excess, delta, fraction)

    return replace(learned, limit=narrow(track.limit, deny, gate_set.alpha_pass, requests, block_s))


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
