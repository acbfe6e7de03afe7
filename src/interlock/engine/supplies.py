"""Where a rollout's outcome gates get their numbers, look by look: from posted outcomes, or from a source.

What is known of them is stored in the transaction that stores the block they go into, so that a crash neither loses
nor repeats a number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from interlock.domain.checks.delay import Arm
from interlock.domain.checks.evidence import ServiceCounts
from interlock.domain.checks.metric import Span
from interlock.domain.gates.gate import Gate
from interlock.domain.gates.supply import Supply
from interlock.domain.rollout.plan import Plan
from interlock.domain.rollout.stages import Judged
from interlock.engine import labels, readings
from interlock.engine.codec import dump, load
from interlock.engine.labels import Label, Labels
from interlock.engine.ports import Outcome, Transaction
from interlock.engine.readings import Answered, Reach, Sourced
from interlock.engine.records import Rollout
from interlock.kernel.instant import Instant


@dataclass(frozen=True, slots=True)
class Supplies:
    """By the first gate on the same numbers: how far their source was read, or the labels of posted outcomes. told:
    how the numbers of each gate come.
    """

    reaches: Mapping[str, Reach] = field(default_factory=dict)
    labels: Mapping[str, Labels] = field(default_factory=dict)
    told: tuple[Supply, ...] = ()


@dataclass(frozen=True, slots=True)
class Closing:
    """The block that is being closed: from `start` to `end`, at one weight, with what each service answered."""

    start: Instant
    end: Instant
    weight_bp: int
    services: Mapping[str, ServiceCounts]


def read_supplies(tx: Transaction, rollout_id: str) -> Supplies:
    """What is known so far; nothing before the first judged block."""
    found = tx.read("supplies", rollout_id)
    return Supplies() if found is None else load(Supplies, found.body)


def supplied(
    tx: Transaction,
    rollout: Rollout,
    plan: Plan,
    closing: Closing,
    outcomes: Sequence[Outcome],
    answers: Mapping[str, Answered],
) -> Mapping[str, ServiceCounts]:
    """The services of the block with the losses that may be judged now; what remains is remembered."""
    if not (together := readings.from_outside(plan)):
        return closing.services
    before = read_supplies(tx, rollout.id)
    sources = {s.gate.name: s for s in readings.sourced(plan, rollout.candidate, rollout.baseline)}
    reaches, known, told = dict[str, Reach](), dict[str, Labels](), list[Supply]()
    services = dict(closing.services)
    for gate, *others in together:
        counts: ServiceCounts
        if source := sources.get(gate.name):
            reach = before.reaches.get(gate.name, Reach())
            reach = reach.served(closing.start, closing.end, closing.weight_bp).tidied(source.metric)
            filed = readings.file(source, reach, answers.get(gate.name), closing.end)
            reaches[gate.name], counts, supply = filed.reach, filed.counts, filed.supply
        else:
            ours = [_label(o, rollout) for o in outcomes if (o.service, o.metric) == (gate.service, gate.outcome)]
            gathered = before.labels.get(gate.name, Labels())
            known[gate.name], counts, supply = _posted(gathered, gate, plan, closing, ours)
        services[gate.service] = services.get(gate.service, ServiceCounts()) + counts
        told += [supply, *(replace(supply, gate=other.name) for other in others)]
    tx.write("supplies", rollout.id, dump(Supplies(reaches, known, tuple(told))))
    return services


def _posted(
    gathered: Labels, gate: Gate, plan: Plan, closing: Closing, ours: Sequence[Label]
) -> tuple[Labels, ServiceCounts, Supply]:
    metric = next((m for m in plan.metrics if m.name == gate.outcome), None)
    own = closing.services.get(gate.service, ServiceCounts())
    seen = gathered.answered(closing.start, closing.end, closing.weight_bp, own)
    taken, at_once = seen.taken(ours, gate, closing.end)
    ripe = taken.ripe(closing.end, gate, metric.horizon_s if metric else None)
    every_s = metric.every_s if metric else 0.0
    supply = ripe.labels.supply(gate, ripe.known, every_s, closing.end)
    return ripe.labels, at_once + ripe.counts, supply


def _label(outcome: Outcome, rollout: Rollout) -> Label:
    arms: Mapping[str, Arm] = {rollout.candidate: "candidate", rollout.baseline: "baseline"}
    return Label(arms.get(outcome.release), outcome.loss, outcome.answered_at)


def due(tx: Transaction, rollout: Rollout, plan: Plan, now: Instant) -> list[tuple[Sourced, Span]]:
    """What the sources are to be asked at `now`."""
    position = rollout.position
    if position.phase != "forward" or not isinstance(plan.stages[position.stage], Judged):
        return []
    reaches = read_supplies(tx, rollout.id).reaches
    wanted = (
        (s, reaches.get(s.gate.name, Reach()).due(s.metric, now))
        for s in readings.sourced(plan, rollout.candidate, rollout.baseline)
    )
    return [(source, span) for source, span in wanted if span is not None]


def assumptions(tx: Transaction, rollout_id: str) -> list[str]:
    """What a verdict takes for granted about the numbers that were supplied, for its receipt."""
    known = read_supplies(tx, rollout_id)
    says = list(labels.ASSUMES) if any(k.is_delayed for k in known.labels.values()) else []
    return [*says, *(readings.ASSUMES if known.reaches else ())]
