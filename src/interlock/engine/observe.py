"""Look at the world for one rollout: close blocks of evidence from counters, judge them, and say what was seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from interlock.domain.changes.approval import missing
from interlock.domain.checks.compare import STRICT, ComparisonRules
from interlock.domain.checks.delta import since
from interlock.domain.checks.evidence import LOSS_BINS, ArmCounts, Block, ServiceCounts
from interlock.domain.checks.shadow import PairCounts, count_pair
from interlock.domain.gates.gate import Gate
from interlock.domain.gates.judge import State, admit, begin, enter_step, verdicts
from interlock.domain.gates.ramp import Recommendation
from interlock.domain.gates.verdict import Judgement
from interlock.domain.rollout.climb import advice
from interlock.domain.rollout.observation import Seen
from interlock.domain.rollout.plan import Plan
from interlock.domain.rollout.position import traffic
from interlock.domain.rollout.stages import Canary, Climb, Judged, Shadow
from interlock.engine import records
from interlock.engine.codec import dump, load
from interlock.engine.ports import Captured, Counters, Outcome, Transaction
from interlock.engine.records import Rollout
from interlock.kernel.instant import Instant


@dataclass(frozen=True, slots=True)
class Base:
    """Where the next block begins: the counters then, the outcomes consumed, and what shadow showed so far.

    stage: the last canary stage that was looked at; steps: the block with which each canary stage began.
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
    shadow: PairCounts = field(default_factory=PairCounts)


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

    def judgement(self, tx: Transaction, series: str, plan: Plan, steps: tuple[int, ...] = ()) -> Judgement | None:
        """The verdicts over every stored block of `series`; None when there is none yet. What passed an earlier
        step does not pass the next: upper limits begin anew at each of `steps`.
        """
        fold = self._folded.get(series) or _Fold(begin(plan.gates))
        for block in tx.blocks(series, first=fold.count):
            fold = fold.entered(steps)
            fold = replace(fold, state=admit(fold.state, block), count=block.number + 1)
        self._folded[series] = fold = fold.entered(steps)
        return verdicts(fold.state) if fold.count else None

    def climb(self, series: str, plan: Plan, stage: Climb, weight_bp: int) -> tuple[Recommendation, bool]:
        """The weight that the evidence folded so far allows, and whether it is enough to go on."""
        fold = self._folded.get(series) or _Fold(begin(plan.gates))
        return advice(fold.state, stage, weight_bp)

    def forget(self, rollout_id: str) -> None:
        for series in (rollout_id, shadow_series(rollout_id)):
            self._folded.pop(series, None)


def shadow_series(rollout_id: str) -> str:
    """The name under which blocks of copies are kept, beside those of real requests under the rollout's id."""
    return f"{rollout_id}/shadow"


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
) -> Seen:
    """Everything that `decide` needs to know at `now`. Closes a block when one is due and stores it."""
    lacking = missing(plan.requirements, records.read_approvals(tx, plan.change), plan.digest)
    base = read_base(tx, rollout.id)
    if counters is not None:
        base = _advance_base(tx, base, rollout, plan, counters, captured, now, block_s)
    fresh = base.fresh_at if base else None
    judgement = judges.judgement(tx, rollout.id, plan, base.steps if base else ())
    stage = plan.stages[rollout.position.stage]
    climb, is_safe = (
        judges.climb(rollout.id, plan, stage, rollout.position.weight_bp)
        if isinstance(stage, Climb)
        else (None, False)
    )
    return Seen(
        is_approved=not lacking,
        missing=tuple(f"{r.role.value} for {r.subject}" for r in lacking),
        is_in_place=is_in_place,
        ill=ill,
        judgement=judgement,
        climb=climb,
        is_safe=is_safe,
        shadow=base.shadow if base else PairCounts(),
        shadow_judgement=judges.judgement(tx, shadow_series(rollout.id), plan),
        evidence_age_s=(now - fresh).total_seconds() if fresh else None,
        fault="" if counters is not None else "the data plane does not tell its counters",
    )


def read_base(tx: Transaction, rollout_id: str) -> Base | None:
    """Where the next block of a rollout begins; None before the first look."""
    found = tx.read("evidence", rollout_id)
    return None if found is None else load(Base, found.body)


def _advance_base(
    tx: Transaction,
    base: Base | None,
    rollout: Rollout,
    plan: Plan,
    counters: Counters,
    captured: Captured,
    now: Instant,
    block_s: float,
) -> Base:
    """The base after this look. Counts of stages without evidence are passed over, never attributed."""
    if base is None:
        moved = _begun(counters, now, tx.last_outcome())
    else:
        looked = replace(base, shadow=_compared(base.shadow, rollout, plan, captured))
        moved = _closed(tx, looked, rollout, plan, counters, now, block_s)
    if moved != base:
        tx.write("evidence", rollout.id, dump(moved))
    return moved


def _begun(counters: Counters, now: Instant, outcome: int) -> Base:
    return Base(now, counters.epoch, _flat(counters.arms), _flat(counters.shadows), outcome)


def _closed(
    tx: Transaction, base: Base, rollout: Rollout, plan: Plan, counters: Counters, now: Instant, block_s: float
) -> Base:
    """The base after the block that is due in this stage, if one is."""
    number = rollout.position.stage
    stage = plan.stages[number] if rollout.position.phase == "forward" else None
    if isinstance(stage, Canary | Climb) and base.stage != number:
        base = replace(base, stage=number, steps=(*base.steps, base.canary_blocks))
    if not isinstance(stage, Judged | Shadow):
        return _rebased(base, counters, now, outcome=tx.last_outcome())
    if (now - base.at).total_seconds() < 0.9 * block_s:
        return base
    close = _close_shadow if isinstance(stage, Shadow) else _close_judged
    return close(tx, rollout, plan, base, counters, now)


def _close_judged(
    tx: Transaction, rollout: Rollout, plan: Plan, base: Base, counters: Counters, now: Instant
) -> Base:
    arrived = tx.outcomes(after=base.outcome)
    outcomes = [o for _, o in arrived]
    arms = _counted(base, counters, base.arms, counters.arms)
    services = {
        s: ServiceCounts(
            candidate=arms(s, rollout.candidate) + _losses(outcomes, s, rollout.candidate, plan.gates.gates),
            baseline=arms(s, rollout.baseline) + _losses(outcomes, s, rollout.baseline, plan.gates.gates),
        )
        for s in _judged(plan)
    }
    weight_bp = traffic(plan, rollout.position).weight_bp
    block = Block(base.canary_blocks, (now - base.at).total_seconds(), services, weight_bp)
    tx.add_blocks(rollout.id, [block])
    last = arrived[-1][0] if arrived else base.outcome
    moved = _rebased(base, counters, now, outcome=last)
    return replace(moved, canary_blocks=base.canary_blocks + 1, fresh_at=now if _has_both(block) else base.fresh_at)


def _close_shadow(
    tx: Transaction, rollout: Rollout, plan: Plan, base: Base, counters: Counters, now: Instant
) -> Base:
    copies = _counted(base, counters, base.shadows, counters.shadows)
    arms = _counted(base, counters, base.arms, counters.arms)
    # Errors alone: a copy takes another way through the proxy, so its latency does not compare with a caller's.
    services = {
        s: ServiceCounts(
            candidate=replace(copies(s, rollout.candidate), latency={}),
            baseline=replace(arms(s, rollout.baseline), latency={}),
        )
        for s in _judged(plan)
    }
    block = Block(base.shadow_blocks, (now - base.at).total_seconds(), services)
    tx.add_blocks(shadow_series(rollout.id), [block])
    moved = _rebased(base, counters, now, outcome=tx.last_outcome())
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


def _losses(outcomes: list[Outcome], service: str, release: str, gates: tuple[Gate, ...]) -> ArmCounts:
    losses = {}
    for gate in gates:
        if gate.metric != "outcome" or gate.service != service:
            continue
        bins: dict[int, int] = {}
        for o in outcomes:
            if (o.service, o.release, o.metric) == (service, release, gate.outcome):
                index = round(min(o.loss, gate.cap) / gate.cap * LOSS_BINS)
                bins[index] = bins.get(index, 0) + 1
        losses[gate.outcome] = bins
    return ArmCounts(losses=losses)


def _compared(so_far: PairCounts, rollout: Rollout, plan: Plan, captured: Captured) -> PairCounts:
    rules = next((ComparisonRules(s.ignore) for s in plan.stages if isinstance(s, Shadow)), STRICT)
    for p in captured.pairs:
        if p.candidate == rollout.candidate:
            so_far += count_pair(p.baseline_status, p.candidate_status, p.baseline_body, p.candidate_body, rules)
    return so_far
