"""Look at the world for one rollout: close blocks of evidence from counters, judge them, and say what was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

from interlock.domain.changes.approval import missing
from interlock.domain.checks.delta import since
from interlock.domain.checks.evidence import ArmCounts, Block, ServiceCounts
from interlock.domain.checks.shadow import PairCounts
from interlock.domain.gates.gate import GateSet
from interlock.domain.gates.judge import State, admit, begin, enter_step, verdicts
from interlock.domain.gates.ramp import Recommendation
from interlock.domain.gates.supply import Supply, heeding
from interlock.domain.gates.verdict import Judgement
from interlock.domain.releases.route_table import WHOLE_BP
from interlock.domain.rollout.climb import advice
from interlock.domain.rollout.observation import Seen
from interlock.domain.rollout.plan import Plan
from interlock.domain.rollout.position import gap_between, traffic
from interlock.domain.rollout.stages import Canary, Climb, Judged, Shadow
from interlock.engine import captures, records
from interlock.engine.captures import Caught
from interlock.engine.codec import dump, load
from interlock.engine.ports import Captured, Counters, Transaction
from interlock.engine.readings import Answered
from interlock.engine.records import Rollout
from interlock.engine.supplies import Closing, read_supplies, supplied
from interlock.kernel.instant import Instant


@dataclass(frozen=True, slots=True)
class Base:
    """Where the next block begins: the counters then, the outcomes consumed, and what shadow showed so far.

    looked_at: the last look. stage: the last canary stage that was looked at; steps: the block with which each
    canary stage began. caught: what was captured of single requests. sample_bp: the share of answers that is
    captured once both releases serve, by the traffic before; fixed from there on, since a change publishes anew.
    Stored with the position in one transaction, so that a crash neither loses nor repeats a count.
    """

    at: Instant
    epoch: str
    arms: Mapping[str, ArmCounts] = field(default_factory=dict)
    shadows: Mapping[str, ArmCounts] = field(default_factory=dict)
    outcome: int = 0
    canary_blocks: int = 0
    shadow_blocks: int = 0
    stage: int = -1
    steps: tuple[int, ...] = ()
    fresh_at: Instant | None = None
    looked_at: Instant | None = None
    shadow: PairCounts = field(default_factory=PairCounts)
    twins: PairCounts = field(default_factory=PairCounts)
    caught: Caught = field(default_factory=Caught)
    sample_bp: int = 0


@dataclass(frozen=True, slots=True)
class _Fold:
    """A state, how many blocks are in it, and how many step marks were heeded."""

    state: State
    count: int = 0
    heeded: int = 0

    def entered(self, steps: tuple[int, ...]) -> _Fold:
        """After the step marks at or before the next block."""
        due = sum(mark <= self.count for mark in steps)
        return replace(self, state=enter_step(self.state), heeded=due) if due > self.heeded else self


class Judges:
    """Folds of the blocks judged so far, by series; rebuilt from the stored blocks after a restart."""

    def __init__(self) -> None:
        self._folded: dict[str, _Fold] = {}
        self.waiting: captures.Waiting = {}

    def judgement(self, tx: Transaction, series: str, plan: Plan, steps: tuple[int, ...] = ()) -> Judgement | None:
        """The verdicts over every stored block of `series`; None when there is none yet. What passed an earlier
        step does not pass the next: upper limits begin anew at each of `steps`.
        """
        fold = self._folded.get(series) or _Fold(begin(gates_of(plan, series)))
        for block in tx.blocks(series, first=fold.count):
            fold = fold.entered(steps)
            fold = replace(fold, state=admit(fold.state, block), count=block.number + 1)
        self._folded[series] = fold = fold.entered(steps)
        return verdicts(fold.state) if fold.count else None

    def catch_up(self, tx: Transaction, rollout_id: str, plan: Plan) -> None:
        """Fold what was stored before a restart, which may be much: ahead of the transaction that asks for it,
        since writers queue there.
        """
        if rollout_id in self._folded:
            return
        base = read_base(tx, rollout_id)
        self.judgement(tx, rollout_id, plan, base.steps if base else ())
        self.judgement(tx, shadow_series(rollout_id), plan)

    @contextmanager
    def undone_on_failure(self) -> Iterator[None]:
        """Put around a transaction: blocks that it did not store in the end are not judged either."""
        before = dict(self._folded)
        try:
            yield
        except BaseException:
            self._folded = before
            raise

    def climb(self, series: str, plan: Plan, stage: Climb, weight_bp: int) -> tuple[Recommendation, bool]:
        """The weight that the evidence folded so far allows, and whether it is enough to go on."""
        fold = self._folded.get(series) or _Fold(begin(gates_of(plan, series)))
        return advice(fold.state, stage, weight_bp)

    def forget(self, rollout_id: str) -> None:
        for series in (rollout_id, shadow_series(rollout_id)):
            self._folded.pop(series, None)
        self.waiting = {key: queue for key, queue in self.waiting.items() if key[0] != rollout_id}


def shadow_series(rollout_id: str) -> str:
    """The name under which blocks of copies are kept, beside those of real requests under the rollout's id."""
    return f"{rollout_id}/shadow"


def gates_of(plan: Plan, series: str) -> GateSet:
    """The gates that judge a series of blocks."""
    return plan.gates if series.endswith("/shadow") else plan.exposed_gates


def observe(
    tx: Transaction,
    judges: Judges,
    rollout: Rollout,
    plan: Plan,
    counters: Counters | None,
    captured: Captured,
    ill: Mapping[str, str] | None,
    is_in_place: bool,
    now: Instant,
    block_s: float,
    answers: Mapping[str, Answered],
) -> Seen:
    """Everything that `decide` needs to know at `now`. Closes a block when one is due and stores it. answers: what
    the sources of declared metrics said last, by gate.
    """
    lacking = missing(plan.requirements, records.read_approvals(tx, plan.change), plan.digest)
    taken = Taken(counters, captured, judges.waiting, answers)
    base = advanced(tx, rollout, plan, taken, now, block_s)
    fresh = base.fresh_at if base else None
    judgement = judges.judgement(tx, rollout.id, plan, base.steps if base else ())
    stage = plan.stages[rollout.position.stage]
    climb, is_safe = (
        judges.climb(rollout.id, plan, stage, rollout.position.weight_bp)
        if isinstance(stage, Climb)
        else (None, False)
    )
    told = read_supplies(tx, rollout.id).told
    if climb is not None and any(s.lack for s in told):
        climb, is_safe = _held(climb, told, rollout.position.weight_bp), False
    return Seen(
        is_approved=not lacking,
        missing=tuple(f"{r.role.value} for {r.subject}" for r in lacking),
        is_in_place=is_in_place,
        ill=ill,
        judgement=judgement and heeding(judgement, told),
        supplies=told,
        moved=captures.moved(base.caught, plan) if base else (),
        notes=captures.notes(base.caught, plan, counters) if base else (),
        climb=climb,
        is_safe=is_safe,
        shadow=base.shadow if base else PairCounts(),
        twins=base.twins if base else PairCounts(),
        shadow_judgement=judges.judgement(tx, shadow_series(rollout.id), plan),
        evidence_age_s=(now - fresh).total_seconds() if fresh else None,
        fault="" if counters is not None else "the data plane does not tell its counters",
    )


def _held(climb: Recommendation, told: Iterable[Supply], weight_bp: int) -> Recommendation:
    """No higher weight while the numbers of a gate do not come."""
    if climb.weight_bp <= weight_bp:
        return climb
    lack = next(s for s in told if s.lack)
    return Recommendation(weight_bp, lack.gate, f"{lack.gate} has no numbers", lack.says)


def read_base(tx: Transaction, rollout_id: str) -> Base | None:
    """Where the next block of a rollout begins; None before the first look."""
    found = tx.read("evidence", rollout_id)
    return None if found is None else load(Base, found.body)


def read_sample_bp(tx: Transaction, rollout_id: str) -> int:
    """The share of answers that is captured; of the base that alone, which is asked for often."""
    found = tx.read("evidence", rollout_id)
    return int(found.body.get("sample_bp", 0)) if found else 0


@dataclass(frozen=True, slots=True)
class Taken:
    """What one look took in. counters: None while the data plane is silent; waiting: captured answers that wait for
    one of the other release; answers: what the sources of declared metrics said last, by gate.
    """

    counters: Counters | None
    captured: Captured
    waiting: captures.Waiting
    answers: Mapping[str, Answered]


def advanced(
    tx: Transaction, rollout: Rollout, plan: Plan, taken: Taken, now: Instant, block_s: float
) -> Base | None:
    """The base after this look. Counts of stages without evidence are passed over, never attributed."""
    found = read_base(tx, rollout.id)
    counters = taken.counters and _own(taken.counters, rollout, plan)
    base = found and _steadied(found, counters, now)
    if counters is not None and base is None:
        base = _begun(counters, now, tx.last_outcome())
    elif counters is not None and base is not None:
        looked = _captured(tx, base, rollout, plan, taken, now)
        base = _closed(tx, looked, rollout, plan, counters, now, block_s, taken.answers)
    if base is not None:
        tx.write("evidence", rollout.id, dump(replace(base, looked_at=now)))
    return base


def _steadied(base: Base, counters: Counters | None, now: Instant) -> Base:
    """The base with its instants moved along where the clock jumped or nobody looked, so that no block has a length
    that was not seen, and no evidence grows younger. Counts of a long gap belong to no block: they are passed over.
    """
    gap = gap_between(base.looked_at, now)
    moved = replace(base, at=base.at + gap, fresh_at=base.fresh_at and base.fresh_at + gap)
    if gap > timedelta() and counters is not None:
        return _rebased(moved, counters, now, moved.outcome)
    return moved


def _own(counters: Counters, rollout: Rollout, plan: Plan) -> Counters:
    """What was counted of the rollout's two releases: the proxy remembers those of earlier rollouts too, and the
    base must not grow with them.
    """
    services, releases = {*plan.holds, *_judged(plan)}, {rollout.candidate, rollout.baseline}

    def own(arms: Mapping[tuple[str, str], ArmCounts]) -> dict[tuple[str, str], ArmCounts]:
        return {arm: counts for arm, counts in arms.items() if arm[0] in services and arm[1] in releases}

    return replace(counters, arms=own(counters.arms), shadows=own(counters.shadows))


def _begun(counters: Counters, now: Instant, outcome: int) -> Base:
    return Base(now, counters.epoch, _flat(counters.arms), _flat(counters.shadows), outcome)


def _closed(
    tx: Transaction,
    base: Base,
    rollout: Rollout,
    plan: Plan,
    counters: Counters,
    now: Instant,
    block_s: float,
    answers: Mapping[str, Answered],
) -> Base:
    """The base after the block that is due in this stage, if one is."""
    number = rollout.position.stage
    stage = plan.stages[number] if rollout.position.phase == "forward" else None
    if isinstance(stage, Canary | Climb) and base.stage != number:
        base = replace(base, stage=number, steps=(*base.steps, base.canary_blocks))
    if not base.canary_blocks and not isinstance(stage, Judged):
        share = captures.affordable(_rate(base, plan, counters, now), plan.answers.sample_bp)
        base = replace(base, sample_bp=share)
    if not isinstance(stage, Judged | Shadow):
        # Labels of answers that were judged may still come, also while the rollout is frozen.
        last = base.outcome if base.canary_blocks else tx.last_outcome()
        passed = replace(base, caught=captures.after_block(base.caught, rollout, {}))
        return _rebased(passed, counters, now, outcome=last)
    if (now - base.at).total_seconds() < 0.9 * block_s:
        return base
    if isinstance(stage, Shadow):
        return _close_shadow(tx, rollout, plan, base, counters, now)
    return _close_judged(tx, rollout, plan, base, counters, now, answers)


def _close_judged(
    tx: Transaction,
    rollout: Rollout,
    plan: Plan,
    base: Base,
    counters: Counters,
    now: Instant,
    answers: Mapping[str, Answered],
) -> Base:
    arrived = tx.outcomes(after=base.outcome)
    counters_of = _counted(base, counters, base.arms, counters.arms)

    def arms(service: str, release: str) -> ArmCounts:
        counts = counters_of(service, release)
        return captures.in_block(base.caught, service, release, counts, plan.gates.gates)

    counted = {s: ServiceCounts(arms(s, rollout.candidate), arms(s, rollout.baseline)) for s in _judged(plan)}
    weight_bp = traffic(plan, rollout.position).weight_bp
    closing = Closing(base.at, now, weight_bp, counted)
    services = supplied(tx, rollout, plan, closing, [o for _, o in arrived], answers)
    block = Block(base.canary_blocks, (now - base.at).total_seconds(), services, weight_bp)
    tx.add_blocks(rollout.id, [block])
    last = arrived[-1][0] if arrived else base.outcome
    told = replace(base, caught=captures.after_block(base.caught, rollout, services))
    moved = _rebased(told, counters, now, outcome=last)
    return replace(moved, canary_blocks=base.canary_blocks + 1, fresh_at=now if _has_both(block) else base.fresh_at)


def _close_shadow(
    tx: Transaction, rollout: Rollout, plan: Plan, base: Base, counters: Counters, now: Instant
) -> Base:
    copies = _counted(base, counters, base.shadows, counters.shadows)
    arms = _counted(base, counters, base.arms, counters.arms)

    def counted(service: str, release: str, counts: ArmCounts) -> ArmCounts:
        # A copy takes another way through the proxy, so its latency does not compare with a caller's; and copies
        # are drawn by request, so every bad answer counts as a first one.
        found = captures.in_block(base.caught, service, release, replace(counts, latency={}), ())
        return replace(found, first_bad=found.bad)

    services = {
        s: ServiceCounts(
            candidate=counted(s, rollout.candidate, copies(s, rollout.candidate)),
            baseline=counted(s, rollout.baseline, arms(s, rollout.baseline)),
            pairs=base.caught.pairs.get(s, {}),
        )
        for s in _judged(plan)
    }
    share = next(s.share_bp for s in plan.stages if isinstance(s, Shadow))
    weight_bp = round(WHOLE_BP * share / (share + WHOLE_BP))
    block = Block(base.shadow_blocks, (now - base.at).total_seconds(), services, weight_bp)
    tx.add_blocks(shadow_series(rollout.id), [block])
    told = replace(base, caught=captures.after_block(base.caught, rollout, services))
    moved = _rebased(told, counters, now, outcome=tx.last_outcome())
    return replace(moved, shadow_blocks=base.shadow_blocks + 1, fresh_at=now if _has_both(block) else base.fresh_at)


def _rebased(base: Base, counters: Counters, now: Instant, outcome: int) -> Base:
    return replace(
        base,
        at=now,
        epoch=counters.epoch,
        arms=_flat(counters.arms),
        shadows=_flat(counters.shadows),
        outcome=outcome,
    )


def _judged(plan: Plan) -> list[str]:
    return sorted({g.service for g in plan.gates.gates})


def _rate(base: Base, plan: Plan, counters: Counters, now: Instant) -> float:
    """Requests per second, to the service that gets most of them, since the base."""
    asked: dict[str, int] = dict.fromkeys(plan.holds, 0)
    known = base.arms if base.epoch == counters.epoch else {}
    for (service, release), counts in counters.arms.items():
        if service in asked:
            asked[service] += since(known.get(f"{service}|{release}", ArmCounts()), counts).requests
    return max(asked.values(), default=0) / max((now - base.at).total_seconds(), 0.1)


def _has_both(block: Block) -> bool:
    return any(c.candidate.requests and c.baseline.requests for c in block.services.values())


def _flat(arms: Mapping[tuple[str, str], ArmCounts]) -> dict[str, ArmCounts]:
    return {f"{service}|{release}": counts for (service, release), counts in sorted(arms.items())}


def _counted(
    base: Base, counters: Counters, before: Mapping[str, ArmCounts], after: Mapping[tuple[str, str], ArmCounts]
) -> Callable[[str, str], ArmCounts]:
    """Counts of (service, release) since the base; after a restart of the counters, all of them are new."""
    known = before if base.epoch == counters.epoch else {}

    def of(service: str, release: str) -> ArmCounts:
        return since(known.get(f"{service}|{release}", ArmCounts()), after.get((service, release), ArmCounts()))

    return of


def _captured(tx: Transaction, base: Base, rollout: Rollout, plan: Plan, taken: Taken, now: Instant) -> Base:
    """The base with what was captured of single requests since the last look."""
    shadow, twins = captures.compared(rollout, plan, taken.captured)
    caught = captures.fold(tx, taken.waiting, base.caught, rollout, plan, taken.captured, now)
    spell = replace(caught.spell, shadow=caught.spell.shadow + shadow, twins=caught.spell.twins + twins)
    caught = captures.turned(tx, replace(caught, spell=spell), rollout, now)
    return replace(base, shadow=base.shadow + shadow, twins=base.twins + twins, caught=caught)
